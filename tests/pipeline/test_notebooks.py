"""The committed notebooks are such as nbval can compare: executed in order, no errors, nothing volatile."""

from __future__ import annotations

import copy
import re
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
import yaml
from nbformat.v4 import new_code_cell, new_notebook, new_output

from pipeline.notebooks import Notebook, read, stable, text_of
from pipeline.outputs import PICTURE, first_figure
from pipeline.parameters import ParameterError, cell_of, parse

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LOCAL = re.compile(r"""(?:^|[\s"'(=])/(?:[\w.-]+/)+|[A-Z]:\\|\b0x[0-9a-f]{6,}""", re.MULTILINE)
HANDLE = "<object at 0x7f3a5c2b1d90>"
VERDICT = re.compile(r"^(verified|refuted)\b", re.MULTILINE)


def text(output: dict[str, Any]) -> str:
    """Everything an output says, in every format but bitmaps."""
    return "\n".join([output.get("text", ""), *(v for k, v in output.get("data", {}).items() if k != "image/png")])


def problems(notebook: Notebook) -> set[str]:
    """What keeps nbval from checking this notebook, or ties it to one machine."""
    found = set()
    try:
        parse(cell_of(notebook)["source"])
    except ParameterError:
        found.add("parameters")
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    if [cell["execution_count"] for cell in code] != list(range(1, len(code) + 1)):
        found.add("execution counts")
    for cell in code:
        ignored = {"nbval-ignore-output", "nbval-skip"} & set(cell["metadata"].get("tags", []))
        for output in cell["outputs"]:
            if output["output_type"] == "error" or output.get("name") == "stderr":
                found.add("error or warning")
            if LOCAL.search(text(output)):
                found.add("local path or address")
            if ignored and VERDICT.search(text(output)):
                found.add("verdict not compared")
    if text_of(stable(notebook)) != text_of(notebook):
        found.add("volatile metadata")
    return found


def test_every_notebook_is_a_chapter_and_every_chapter_a_notebook() -> None:
    listed = re.findall(r"\bnotebooks/(\w+)", (ROOT / "_toc.yml").read_text())
    assert yaml.safe_load((ROOT / "_toc.yml").read_text())["root"] == "notebooks/index"
    assert sorted(listed) == [path.stem for path in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_notebook(path: Path) -> None:
    assert problems(read(path)) == set()
    assert path.read_text(encoding="utf-8") == text_of(read(path)), "make outputs gives the format"
    assert path.stat().st_size < 1_500_000


def sound() -> Notebook:
    cells = [
        new_code_cell("depth: int = 2  # 1..6: L", id="a", metadata={"tags": ["parameters"]}),
        new_code_cell("print('verified: drift <= 1e-9')", id="b"),
    ]
    for count, cell in enumerate(cells, 1):
        cell.execution_count = count
    cells[1].outputs = [new_output("stream", text="verified: drift <= 1e-9 by row/col\n")]
    return stable(new_notebook(cells=cells))


def test_sound_notebook_has_no_problems() -> None:
    assert problems(sound()) == set()


@pytest.mark.parametrize(
    ("place", "value", "found"),
    [
        (["metadata", "papermill"], {"duration": 1.0}, "volatile metadata"),
        (["cells", 1, "metadata", "execution"], {"iopub.execute_input": "noon"}, "volatile metadata"),
        (["cells", 0, "source"], "depth = 2", "parameters"),
        (["cells", 0, "metadata"], {}, "parameters"),
        (["cells", 1, "metadata", "tags"], ["parameters"], "parameters"),
        (["cells", 1, "execution_count"], None, "execution counts"),
        (["cells", 1, "execution_count"], 3, "execution counts"),
        (["cells", 1, "outputs", 0], new_output("error", traceback=[]), "error or warning"),
        (["cells", 1, "outputs", 0, "name"], "stderr", "error or warning"),
        (["cells", 1, "outputs", 0, "text"], "in /usr/lib/python3/site.py", "local path or address"),
        (
            ["cells", 1, "outputs", 0],
            new_output("display_data", {"text/html": HANDLE}),
            "local path or address",
        ),
        (["cells", 1, "metadata", "tags"], ["nbval-ignore-output"], "verdict not compared"),
        (["cells", 1, "metadata", "tags"], ["nbval-skip"], "verdict not compared"),
    ],
)
def test_each_problem_is_found(place: list[str | int], value: object, found: str) -> None:
    notebook = copy.deepcopy(sound())
    *path, last = place
    reduce(getitem, path, notebook)[last] = value
    assert problems(notebook) == {found}


def test_the_picture_in_the_readme_is_the_front_pages() -> None:
    assert (ROOT / PICTURE).read_text() == first_figure(read(ROOT / "notebooks" / "index.ipynb"))
    assert PICTURE.as_posix() in (ROOT / "README.md").read_text()
