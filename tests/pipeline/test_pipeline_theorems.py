"""The theorem of CONTRIBUTING.md, added to a small book: one file, one command; and what the build refuses."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest
import small_book
from small_book import ROOT

TOY = re.findall(r"^```python\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.M | re.S)[0]
CONTENTS = """format: jb-book
root: notebooks/index
parts:
  - caption: Chapters
    chapters: [{file: notebooks/second}]
  - caption: Theorems
    chapters: [{file: theorems/index}, {file: theorems/claims}, {file: theorems/assumptions}, {file: theorems/checks}]
  - caption: Reference
    chapters: [{file: book/bibliography}]
"""
COUNTS = "```{include} ../theorems/counts.md\n```"
PARAMETERS = "depth: int = 2  # 1..6: number of factors L"
SHOW = "from companion.telling.excerpts import proof, statement\n\nstatement({0!r})", "proof({0!r})"
STATE = ":::{{prf:{0}}} Of my own\n{1}\n$1 < 2$.\n:::\n"
USES = 'uses=("magnification",)'
UNKNOWN = "display({'text/markdown': ''}, raw=True, metadata={'theorem': 'nothing', 'part': 'statement'})"

pytestmark = pytest.mark.pipeline


class Book(small_book.Book):
    """A small book with one theorem, which both its chapters show, in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        keep_out = shutil.ignore_patterns("__pycache__", "[a-z]*.py")
        for folder in ("pipeline", "wnlib", "companion"):
            shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", "theorems"))
        shutil.copytree(ROOT / "companion/theorems", root / "companion/theorems", ignore=keep_out)
        shutil.copy(ROOT / "companion/theorems/magnification.py", root / "companion/theorems")
        shutil.copytree(ROOT / "book", root / "book", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("Snakefile", "_config.yml"):
            shutil.copy(ROOT / name, root)
        (root / "requirements.lock").touch()
        (root / "_toc.yml").write_text(CONTENTS)
        self.chapter("index", COUNTS)
        self.chapter("second")

    def chapter(self, name: str, text: str = "", *code: str) -> None:
        """A chapter that shows the theorem and its proof, with some text and code of its own."""
        cells = [nbformat.v4.new_markdown_cell(f"# A chapter\n\n{text}")]
        cells += [nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})]
        cells += [nbformat.v4.new_code_cell(source) for source in (*(s.format("magnification") for s in SHOW), *code)]
        for number, cell in enumerate(cells):
            cell["id"] = f"cell-{number}"
        (self.root / "notebooks").mkdir(exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=cells), self.root / "notebooks" / f"{name}.ipynb")

    def add(self, name: str, text: str) -> None:
        (self.root / "companion" / "theorems" / f"{name}.py").write_text(text, encoding="utf-8")

    def page(self, name: str) -> str:
        return (self.root / "_build" / "html" / f"{name}.html").read_text("utf-8")

    def site(self) -> dict[str, bytes]:
        """Every file of the site, but for the mark of a finished build."""
        return {name: content for name, content in super().site().items() if name != ".nojekyll"}


@pytest.fixture(scope="module")
def first_build(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """A book that has been built with the theorem of CONTRIBUTING.md, and is only copied."""
    book = Book(tmp_path_factory.mktemp("first") / "book")
    book.build("ledger")
    book.add("toy", TOY.replace("    derive=derive,\n", f"    derive=derive,\n    {USES},\n"))
    said = book.build()
    assert "toy: verifying" in said
    assert "magnification: verifying" not in said  # nothing that it rests on has changed
    return book


@pytest.fixture
def book(first_build: Book, tmp_path: Path) -> Book:
    return first_build.copied(tmp_path / "book")


def test_page_appears(book: Book) -> None:
    page = book.page("theorems/toy")
    assert 'id="thm-toy"' in page
    assert '<span class="status verified">✓ verified</span>' in page
    assert page.count('class="check"') == 100
    assert 'href="magnification.html#thm-magnification"' in page
    assert '<span class="nf">measure</span>' in page
    assert "hypothesis 1, on the sphere" in page
    assert "The radius is the norm of the factors" in book.page("theorems/claims")
    assert 'href="../notebooks/index.html"' in book.page("theorems/magnification")


def test_node_appears_in_the_graph(book: Book) -> None:
    graph = book.page("theorems/index")
    for node in ("toy", "magnification"):
        assert graph.count(f'<a class="verified" href="{node}.html"') == 2
    assert graph.count("uses Magnification") == 2
    assert graph.count('class="arrowhead"') == 2
    # the table of contents has them in the ledger's order
    assert graph.index('href="magnification.html"') < graph.index('href="toy.html"')


def test_chapters_show_the_theorem_and_the_counts(book: Book) -> None:
    front = book.page("notebooks/index")
    assert "2 verified." in front
    assert "200 of 200 measurements pass; 7 of 7 falsifiers are rejected" in front
    for name in ("index", "second"):
        page = book.page(f"notebooks/{name}")
        assert re.search(rf'<div class="proof theorem quoted admonition" id="{name}-magnification">', page)
        assert 'href="../theorems/magnification.html#thm-magnification"' in page
        assert page.count("By the product rule") == 1
        assert "**Theorem" not in page


def test_ledger_is_told_again_where_nothing_has_changed(book: Book) -> None:
    [command] = re.findall(r"pipeline\.build (ledger.*) \$", (ROOT / "Makefile").read_text("utf-8"))
    said = book.build(*command.split())
    assert re.findall(r"^(\w+) +identity +verified +margin", said, re.M) == ["magnification", "toy"]
    assert "verifying" not in said
    assert "Nothing to be done" in book.build()


def test_rebuilding_gives_the_same_bytes(first_build: Book, book: Book) -> None:
    before = book.site()
    assert "toy: verifying" in book.build("--forcerun", "verify")
    assert book.site() == before
    assert not any(str(root).encode() in b"".join(before.values()) for root in (first_build.root, book.root))


def test_what_was_found_and_is_cut_off_is_found_again(book: Book) -> None:
    before, ledger = book.site(), book.root / "_build" / "ledger.json"
    for path in (ledger, ledger.with_name("ledger") / "toy.json"):
        path.write_bytes(path.read_bytes()[:1000])
    (book.root / "_build" / "theorems" / "toy.md").unlink()
    said = book.build()
    for name in ("ledger.json", "ledger/toy.json"):
        assert f"_build/{name} cannot be read, so that it is made again" in said
    assert "_build/theorems/toy.md is not as it was built" in said
    assert re.findall(r"(\w+): verifying", said) == ["toy"]
    assert book.site() == before


@pytest.mark.parametrize(
    ("added", "messages"),
    [
        (
            {
                "unproved": ("Proof\n-----\n", ""),
                "unbroken": ('        Falsifier(1, r"$\\lVert u \\rVert = 1.2$", partial(measure, norm=1.2)),\n', ""),
                "lenient": ("partial(measure, power=1.0)", "measure"),
            },
            [
                r"unproved .* incomplete .*\n +a theorem's docstring must be a title",
                r"unbroken .* incomplete .*\n +no falsifier breaks hypothesis 1",
                r"lenient .* refuted .*\n +passing falsifier: \$\|w_i\|",
            ],
        ),
        ({"first": (USES, 'uses=("nothing",)')}, ["first uses nothing, which no file holds"]),
        (
            {"first": (USES, 'uses=("last",)'), "last": (USES, 'uses=("first",)')},
            ["the theorems use each other in a circle: (first <- last <- first|last <- first <- last)"],
        ),
    ],
    ids=["what lacks a part or passes", "an unknown use", "a circle"],
)
def test_build_refuses(book: Book, added: dict[str, tuple[str, str]], messages: list[str]) -> None:
    before = book.site()
    sound = (book.root / "companion" / "theorems" / "toy.py").read_text("utf-8")
    assert all(present in sound for present, _ in added.values())
    for name, change in added.items():
        book.add(name, sound.replace(*change))
    said = book.build(fails=True)
    for message in messages:
        assert re.search(message, said), said
    assert "Traceback" not in said
    assert book.site() == before


def test_theorem_that_cannot_be_read_stops_the_site(book: Book) -> None:
    before = book.site()
    sound = (book.root / "companion" / "theorems" / "toy.py").read_text("utf-8")
    book.add("toy", sound.replace("Kind.IDENTITY", "Kind.CERTAINTY"))
    said = book.build(fails=True)
    assert "theorems/toy.py" in said
    assert "CERTAINTY" in said
    assert book.site() == before


def test_results_stand_in_theorem_files_only(book: Book) -> None:
    before = book.site()
    shown = STATE.format("theorem", ":class: quoted")
    code = f"display({{'text/markdown': {shown!r}}}, raw=True)"
    book.chapter("second", STATE.format("proposition", ":nonumber:"), code, UNKNOWN)
    page = book.root / "book" / "bibliography.md"
    sound = page.read_text("utf-8")
    page.write_text(f"{sound}\n{STATE.format('corollary', '')}\n- Hidden:\n\n  ```{{prf:lemma}}\n  $1 < 2$.\n  ```\n")
    said = book.build(fails=True)
    assert "second.ipynb: WARNING: cell 6 shows the statement of 'nothing', which no theorem file holds" in said
    refused = re.findall(r"(\w+)\.\w+: WARNING: states a result that no theorem file holds: (\w+)", said)
    mine = [("bibliography", "corollary"), ("bibliography", "lemma"), ("second", "proposition"), ("second", "theorem")]
    assert sorted(refused) == mine  # and neither what is quoted nor the theorems' own pages
    assert book.site() == before


def test_other_words_are_told_and_nothing_is_verified_again(book: Book) -> None:
    sound = (book.root / "companion" / "theorems" / "toy.py").read_text("utf-8")
    book.add("toy", sound.replace("Sum over $i$ and use", "Add all of them up and use"))
    said = book.build()
    assert not re.findall(r"\w+: (?:verifying|executing)", said)
    assert "Add all of them up" in book.page("theorems/toy")
    book.add("toy", sound.replace("tolerance=1e-12", "tolerance=1e-11"))
    assert re.findall(r"\w+: (?:verifying|executing)", book.build("ledger")) == ["toy: verifying"]
