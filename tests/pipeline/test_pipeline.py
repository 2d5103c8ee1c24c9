"""The pipeline, run for real on small books."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from small_book import DEPTH, Book, wait_for

pytestmark = pytest.mark.pipeline

RATIO = "ratio: float = 10.0  # 0.1..1000: learning-rate ratio c"
GATE = "import pathlib, time\n\nwhile not pathlib.Path('../gate').exists():\n    time.sleep(0.1)"
DRAW = "from IPython.display import SVG, display\n\ndisplay(SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>'))"
SUBMIT = """#!/bin/sh
echo "$1" >> submitted.log
sh "$1" > job.log 2>&1 &
echo $!
"""


@pytest.fixture
def unbuilt(tmp_path: Path) -> Book:
    return Book(tmp_path, "index", "two")


def test_only_what_changed_is_executed_again(book: Book) -> None:
    assert book.runs() == ["index", "two"]
    assert "index.html" in book.site()

    for path in book.root.rglob("*.*"):
        if not {"_build", ".snakemake"} & set(path.parts):
            path.touch()  # as a checkout does
    book.write("book/_ext/__pycache__/extension.pyc", "")  # as an import does
    assert "Nothing to be done" in book.build()

    book.notebook("two", DEPTH, "print('edited')")
    book.build("executed")
    assert book.runs() == ["two"]

    for change in ("wnlib/__init__.py", "requirements.lock"):
        book.write(change, "def square(x):\n    return x**2\n")
        book.build("executed")
        assert book.runs() == (["index"] if change == "wnlib/__init__.py" else ["index", "two"])

    book.write("book/page.md", "# A page\n\nOther prose.\n")
    book.build()
    assert book.runs() == []
    assert b"Other prose" in book.site()["book/page.html"]


def test_a_chapter_is_executed_again_for_what_it_imports_only(book: Book) -> None:
    book.write("companion/plots/two.py", "from wnlib import square\n\nCOLOUR = 'blue'\n")
    book.write("companion/experiments/two.py", "from pathlib import Path\n")
    book.write("companion/experiments/records/two.csv", "task\n0\n")
    book.notebook("two", DEPTH, "from companion.plots.two import COLOUR\nfrom companion.experiments import two")
    book.build("executed")
    book.runs()
    core, plot = "def square(x):\n    return x * x\n", "from wnlib import square\n\nCOLOUR = 'red'\n"
    documented = 'def square(x):\n    """The square."""\n    # by a power\n    return x**2\n'
    changes = {
        "a plot": ({"companion/plots/two.py": plot}, ["two"]),
        "a stored table": ({"companion/experiments/records/two.csv": "task\n1\n"}, ["two"]),
        "a core module": ({"wnlib/__init__.py": core.replace("x * x", "x**2")}, ["index", "two"]),
        "a docstring, and what nobody imports": (
            {"wnlib/__init__.py": documented, "companion/plots/three.py": "COLOUR = 'green'\n"},
            [],
        ),
    }
    for change, (texts, executed) in changes.items():
        for path, text in texts.items():
            book.write(path, text)
        book.build("executed")
        assert book.runs() == executed, change


def test_parameters_reach_the_chapters_that_know_them(book: Book) -> None:
    book.notebook("two", f"{DEPTH}\n{RATIO}", "print(depth, ratio)")
    book.build("executed")
    book.runs()

    book.build("executed", PARAMS="ratio=30")
    assert book.runs() == ["two"]
    assert book.printed("two") == "2 30.0\n"

    book.build("executed", PARAMS="depth=3 ratio=30")
    assert book.runs() == ["index", "two"]
    assert book.printed("index") == "9\n"

    book.build("executed")
    assert book.printed("two") == "2 10.0\n"


@pytest.mark.parametrize("settings", ["width=3", "depth=7", "depth=2.5", "depth", "depth=3 width=1"])
def test_wrong_parameters_stop_before_anything_runs(unbuilt: Book, settings: str) -> None:
    said = unbuilt.build(PARAMS=settings, fails=True)
    assert "cannot be used" in said
    assert "Traceback" not in said
    assert "1..6" in said  # the table of what can be set
    assert unbuilt.runs() == []
    assert not (unbuilt.root / "_build" / "prepared").exists()


def test_failing_cell_is_named_and_spares_the_rest(book: Book) -> None:
    before = book.site()
    book.notebook("index", DEPTH, "1 / 0", "print('never')")
    book.notebook("two", DEPTH, "print('fine')")
    book.runs()

    said = book.build("--cores", "1", fails=True)
    assert "notebooks/index.ipynb: cell 4 failed" in said
    assert "ZeroDivisionError" in said
    assert "ZeroDivisionError" in (book.root / "_build" / "failed" / "index.ipynb").read_text()
    assert not book.executed("index").exists()
    assert book.site() == before
    assert book.runs() == ["index", "two"]

    book.notebook("index", DEPTH, "print('repaired')")
    book.build()
    assert book.runs() == ["index"]
    assert b"repaired" in book.site()["notebooks/index.html"]


def test_dead_kernel_is_reported(book: Book) -> None:
    book.notebook("index", DEPTH, "import os\n\nos.kill(os.getpid(), 9)")
    said = book.build("executed", fails=True)
    assert "notebooks/index.ipynb: cell 4 failed\nthe kernel died" in said, said


def test_warning_of_the_site_fails_and_keeps_the_old_one(book: Book) -> None:
    before = book.site()
    book.write("book/page.md", "# A page\n\n[nowhere](nowhere.md)\n")
    assert "nowhere.md" in book.build(fails=True)
    assert {**book.site(), ".nojekyll": b""} == before  # but for the mark of a finished build
    assert "nowhere.md" in book.build(fails=True)


def test_killed_build_redoes_only_what_was_not_finished(unbuilt: Book) -> None:
    unbuilt.notebook("two", DEPTH, GATE)
    with unbuilt.start():  # leaving kills it
        wait_for(lambda: unbuilt.executed("index").exists() and "two" in (unbuilt.root / "runs.log").read_text())
        time.sleep(1)  # until Snakemake has noted that the first one is done
    # the kill may also have come between the file's appearance and Snakemake's note of it
    unbuilt.executed("two").write_text("half")
    stamp = unbuilt.executed("index").stat().st_mtime_ns
    assert unbuilt.runs() == ["index", "two"]
    assert not (unbuilt.root / "_build" / "html").exists()

    unbuilt.write("gate", "")
    unbuilt.build()
    assert unbuilt.runs() == ["two"]
    assert unbuilt.executed("two").read_text() != "half"
    assert unbuilt.executed("index").stat().st_mtime_ns == stamp
    assert "index.html" in unbuilt.site()


def test_second_build_at_the_same_time_is_refused(unbuilt: Book) -> None:
    unbuilt.notebook("index", DEPTH, GATE)
    with unbuilt.start("executed") as process:
        wait_for(lambda: process.poll() is not None or (unbuilt.root / "runs.log").exists())
        assert unbuilt.build(fails=True) == "another build is running in this folder\n"
        unbuilt.write("gate", "")
        said = process.communicate(timeout=60)[0]
    assert process.returncode == 0, said


def test_two_folders_give_the_same_bytes(tmp_path: Path) -> None:
    code = [
        "import matplotlib.pyplot as plt\n\nplt.plot([1, 2]);",
        "print({'a', 'b', 'c', 'd'})",
        "import time\n\nfor i in range(3):\n    print(i, flush=True)\n    time.sleep(0.3 * i)",
    ]
    results = []
    for folder, seed in (("a", "1"), ("longer", "2")):
        book = Book(tmp_path / folder, "index")
        book.notebook("index", DEPTH, *code)
        book.build(PYTHONHASHSEED=seed)
        results.append({**book.site(), "index": book.executed("index").read_bytes()})
    assert results[0] == results[1]
    assert ".buildinfo" not in results[0]  # with some settings it depends on the folder
    assert results[0]["index"].count(b'"stdout"') == 2  # not cut into pieces where a print came late
    assert str(tmp_path).encode() not in b"".join(results[0].values())


def test_outputs_are_refreshed_once(book: Book) -> None:
    path, picture = book.root / "notebooks" / "index.ipynb", book.root / "book" / "_static" / "story.svg"
    book.notebook("index", DEPTH, "print(depth**2)", DRAW)
    book.build("executed")
    assert "notebooks/index.ipynb: refreshed" in book.build(module="outputs")
    assert picture.read_text().startswith("<svg")
    text = path.read_text()
    assert '"4\\n"' in text
    assert not any(volatile in text for volatile in ("papermill", '"execution"', '"version"', str(book.root)))
    book.runs()

    stamp = path.stat().st_mtime_ns
    book.build("executed")
    assert "notebooks/index.ipynb: unchanged" in book.build(module="outputs")
    assert path.stat().st_mtime_ns == stamp
    assert book.runs() == []  # the stored outputs are no input

    book.notebook("index", DEPTH, "print('edited')")
    assert "was edited" in book.build(module="outputs", fails=True)
    assert "edited" in path.read_text()


def test_runs_on_a_cluster(unbuilt: Book) -> None:
    unbuilt.write("submit", SUBMIT)
    (unbuilt.root / "submit").chmod(0o755)
    executor = ["--executor", "cluster-generic", "--cluster-generic-submit-cmd", "./submit"]
    unbuilt.build(*executor, "--jobs", "2", "--seconds-between-status-checks", "1")
    assert unbuilt.runs() == ["index", "two"]
    assert len((unbuilt.root / "submitted.log").read_text().split()) == 3
    assert "index.html" in unbuilt.site()
    assert "Nothing to be done" in unbuilt.build()
