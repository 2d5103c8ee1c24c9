"""The gallery shows every figure of the chapters, once, with its alternative text and its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from pipeline.notebooks import Notebook, write
from pipeline.pages import gallery


def chapter(title: str, *names: str) -> Notebook:
    cells = [new_markdown_cell(f"# {title}\n\nProse.")]
    for name in names:
        image = new_output("display_data", {"image/svg+xml": f"<svg>{name}</svg>", "text/plain": f"Of\n {name}"})
        caption = new_output("display_data", {"text/markdown": "See."}, metadata={"figure": name})
        cells.append(new_code_cell(outputs=[image, caption]))
    return new_notebook(cells=cells)


def test_the_page_has_each_figure_under_its_chapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, notebook in (("b", chapter("Second", "three")), ("a", chapter("First", "one", "two"))):
        write(Path("_build/executed") / f"{name}.ipynb", notebook)
    write(Path("_build/executed/c.ipynb"), chapter("Empty"))
    gallery.main(["a", "b", "c"])
    page = Path("_build/gallery/index.md").read_text("utf-8")
    assert [line for line in page.splitlines() if line.startswith("## ")] == ["## First", "## Second"]
    for name in ("one", "two", "three"):
        assert f"{{figure}} {name}.svg\n:alt: Of {name}\n" in page
        assert f"{{numref}}`{name}`" in page
        assert Path(f"_build/gallery/{name}.svg").read_text() == f"<svg>{name}</svg>"


def test_a_figure_without_a_name_is_an_error() -> None:
    notebook = chapter("First", "one")
    del notebook["cells"][1]["outputs"][1]
    with pytest.raises(ValueError, match="zip"):
        list(gallery.pictures({"a": notebook}))
