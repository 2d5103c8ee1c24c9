"""The reference of the package: every public name has its entry, linked with the theorems about it, in plain sight."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from sphinx.util.inventory import InventoryFile

import wnlib
from companion.theorems import names, theorem
from pipeline.pages import api
from pipeline.pages.markdown import directive, table

ROOT = Path(__file__).resolve().parents[2]
ROOMS = re.findall(r"file: api/(?!index)(\w+)", (ROOT / "_toc.yml").read_text("utf-8"))


@pytest.fixture(scope="module")
def found() -> list[api.Entry]:
    return api.entries(ROOMS)


def test_every_public_name_has_an_entry_on_the_page_of_its_room(found: Sequence[api.Entry]) -> None:
    entries = {entry.name: entry for entry in found}
    assert {f"wnlib.{name}" for name in wnlib.__all__} <= set(entries)
    assert all(name.startswith("wnlib.rigorous.") for name in set(entries) - {f"wnlib.{n}" for n in wnlib.__all__})
    pages = {room: api.page(room, found) for room in ROOMS}
    index = api.index(found, ROOMS).splitlines()
    for name, entry in entries.items():
        listed = [room for room, page in pages.items() if re.search(rf"^\.\. auto\w+:: {name}$", page, re.MULTILINE)]
        assert listed == [entry.room]
        assert table(["", ""], [[api.link(name), entry.summary]]).splitlines()[-1] in index


def test_what_others_rest_on_comes_first(found: Sequence[api.Entry]) -> None:
    order = [entry.name for entry in found]
    for first, second in (("Problem", "limit"), ("Polar", "Flow"), ("Flow", "GradientFlow"), ("limit", "window_mass")):
        assert order.index(f"wnlib.{first}") < order.index(f"wnlib.{second}")
    assert list(dict.fromkeys(entry.room for entry in found)) == ROOMS


def test_a_new_public_name_appears_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def quaternionic() -> None:
        """What was not there."""

    quaternionic.__module__ = "wnlib.flows.polar"
    monkeypatch.setattr(wnlib, "__all__", [*wnlib.__all__, "quaternionic"])
    monkeypatch.setattr(wnlib, "quaternionic", quaternionic, raising=False)
    found = api.entries(ROOMS)
    assert ".. autofunction:: wnlib.quaternionic" in api.page("flows", found)
    assert "<wnlib.quaternionic>` | What was not there. |" in api.index(found, ROOMS)


def test_a_room_without_a_page_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"wnlib\.\w+ must have a page api/errors in _toc\.yml, got problem, sparse"):
        api.entries([room for room in ROOMS if room != "errors"])


def test_what_a_theorem_is_about_is_public(found: Sequence[api.Entry]) -> None:
    about = {name: set(theorem(name).about) for name in names()}
    assert len([name for name in about if about[name]]) > 30
    assert set().union(*about.values()) <= {entry.name for entry in found}
    for entry in found:
        assert {one.name for one in entry.theorems} == {name for name in about if entry.name in about[name]}


@pytest.mark.pipeline
def test_a_changed_docstring_is_a_reason_to_write_the_pages_again(tmp_path: Path) -> None:
    for folder in ("companion", "pipeline", "wnlib"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "_toc.yml"):
        shutil.copy(ROOT / name, tmp_path)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "_build/api"]

    def said() -> str:
        options = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(tmp_path)}, "timeout": 120}
        return subprocess.run(command, capture_output=True, text=True, check=True, **options).stderr

    assert "api: writing the reference" in said()
    assert "Nothing to be done" in said()
    source = tmp_path / "wnlib/limits/limit.py"
    source.write_text(
        source.read_text("utf-8").replace("The largest relative residual", "What is left at most"), "utf-8"
    )
    assert "api: writing the reference" in said()


class Book:
    """The pages of the reference, those of the notation and of the theorems' labels, and what these link to."""

    def __init__(self, root: Path, found: Sequence[api.Entry]) -> None:
        self.root = root
        shutil.copytree(ROOT / "book", root / "book", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "_config.yml", root)
        for room in ROOMS:
            self.write(f"api/{room}.md", api.page(room, found))
        self.write("api/index.md", api.index(found, ROOMS))
        for name in names():
            one = theorem(name)
            statement = directive("prf:theorem", one.text.title, "$1 < 2$", f"label: thm-{name}")
            self.write(f"theorems/{name}.md", f"# {one.text.title}\n\n{statement}\n")
        pages = [f"theorems/{name}" for name in names()] + [f"api/{room}" for room in ["index", *ROOMS]]
        notation = (root / "book" / "notation.md").read_text("utf-8")
        linked = re.findall(r"{doc}`/(notebooks/\w+)`", notation)
        for name in linked:
            self.write(f"{name}.md", "# A chapter\n")
        chapters = [{"file": page} for page in [*pages, *linked, "book/bibliography"]]
        self.write("_toc.yml", yaml.safe_dump({"format": "jb-book", "root": "book/notation", "chapters": chapters}))

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(exist_ok=True)
        (self.root / name).write_text(text, "utf-8")

    def page(self, name: str) -> str:
        return (self.root / "_build/html" / f"{name}.html").read_text("utf-8")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory, found: Sequence[api.Entry]) -> Book:
    book = Book(tmp_path_factory.mktemp("book"), found)
    program = Path(sys.executable).with_name("jupyter-book")
    command = [str(program), "build", str(book.root), "-W", "--keep-going", "-q"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return book


@pytest.mark.pipeline
def test_the_inventory_holds_every_public_name(book: Book, found: Sequence[api.Entry]) -> None:
    with (book.root / "_build/html/objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", lambda base, name: name)
    python = [kind for kind in inventory if kind.startswith("py:")]
    places = {name: place for kind in python for name, (*_, place, _) in inventory[kind].items()}
    for entry in found:
        assert places[entry.name] == f"api/{entry.room}.html#{entry.name}"
    assert {"wnlib.Problem.gaussian", "wnlib.Problem.A", "wnlib.Limit.residual", "wnlib.Flow.start"} <= set(places)
    assert places["wnlib.limits.end_point.Limit"] == places["wnlib.Limit"]
    assert "wnlib.limits.limit.limit" not in places


@pytest.mark.pipeline
def test_entries_lead_to_their_theorems(book: Book, found: Sequence[api.Entry]) -> None:
    for entry in found:
        page = book.page(f"api/{entry.room}")
        for one in entry.theorems:
            assert f'href="../theorems/{one.name}.html#thm-{one.name}"' in page


@pytest.mark.pipeline
def test_signatures_are_short(book: Book) -> None:
    signature = {room: signatures(book.page(f"api/{room}")) for room in ROOMS}
    limit = "limit( flow: Flow, problem: Problem, start: Polar, tolerance: float | None = None, ) → Limit"
    assert signature["limits"]["wnlib.limit"] == limit  # a line for each argument
    assert signature["flows"]["wnlib.Polar"] == "class Polar(radius: Array, log_direction: Array, sign: Array)"
    assert signature["trajectories"]["wnlib.Trajectory.weights"] == "property weights: Array"
    assert "Type:" not in seen("".join(book.page(f"api/{room}") for room in ROOMS))
    assert "Bases: Flow" in seen(book.page("api/flows"))
    assert "Bases: WnlibError, ValueError" in seen(book.page("api/errors"))
    assert "Bases:" not in book.page("api/problem")
    for shown in signature.values():
        assert not re.search(r"numpy|ndarray|Union|wnlib|<function|~", " ".join(shown.values()))


@pytest.mark.pipeline
def test_no_source_of_a_formula_is_left(book: Book) -> None:
    for room in ROOMS:
        assert not re.findall(r"\$|\\[a-zA-Z(]|:math:|:py:|``", seen(without_formulas(book.page(f"api/{room}"))))
    assert without_formulas('a$<pre>b$</pre><span class="math x">c$</span>d') == "a$d"


def without_formulas(html: str) -> str:
    return re.sub(r"<(pre|script|style|head)\b.*?</\1>|<(span|div) class=\"math.*?</\2>", "", html, flags=re.DOTALL)


def signatures(html: str) -> dict[str, str]:
    """What the entries of a page are called, by their public names."""
    found = re.findall(r'<dt class="sig[^>]*id="([^"]+)">(.*?)</dt>', html, re.DOTALL)
    return {name: seen(re.sub(r'<a class="headerlink.*?</a>', "", text, flags=re.DOTALL)) for name, text in found}


def seen(html: str) -> str:
    """The text of HTML, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())


@pytest.fixture(scope="module")
def docstrings() -> ModuleType:
    """The site's extension."""
    spec = importlib.util.spec_from_file_location("docstrings", ROOT / "book/_ext/docstrings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("written", "restructured"),
    [
        ("Weights $w = x^L$, shape (N,).", "Weights :math:`w = x^L`, shape (N,)."),
        ("The $i$th of\n$\\frac12\n  x$.", "The :math:`i`\\ th of\n:math:`\\frac12 x`."),
        ("Of ||A w||, w_+ and 2 * x_i, `w_ * |x|`.", "Of \\|\\|A w\\|\\|, w\\_+ and 2 \\* x_i, `w_ * |x|`."),
        ("So:\n\n    $$a\n      = b,$$\n\nand", "So:\n\n    \n    .. math::\n\n       a\n       = b,\n\n    \n\nand"),
        ("A | b.\n\nExample:\n    >>> 2 | 1  # $x$\n    3", "A \\| b.\n\nExample:\n    >>> 2 | 1  # $x$\n    3"),
    ],
    ids=["inline", "glued, on two lines", "markup", "display", "example"],
)
def test_markdown_of_docstrings(docstrings: ModuleType, written: str, restructured: str) -> None:
    assert docstrings.restructured(written) == restructured
