"""What was built and is damaged, or interrupted, is built again, and this is said; nothing runs on by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from small_book import DEPTH, ROOT, Book, wait_for

pytestmark = pytest.mark.pipeline

WAIT = """
import os, pathlib, time

pathlib.Path('../pids').write_text(f'{os.getpid()} {os.getppid()}')
while not pathlib.Path('../gate').exists():
    time.sleep(0.1)
"""


def halve(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def test_what_is_damaged_is_built_again(book: Book) -> None:
    built, page = book.site(), book.root / "_build" / "html" / "book" / "page.html"
    book.runs()
    half = book.executed("two").read_bytes()[:1000]
    for damaged, target in (({"two": half}, ["executed"]), ({"index": b"", "two": b"[]"}, [])):
        for name, content in damaged.items():
            book.executed(name).write_bytes(content)
        said = book.build(*target)
        for name in damaged:
            assert f"_build/executed/{name}.ipynb cannot be read, so that it is made again: " in said
        assert book.runs() == sorted(damaged)

    page.unlink()
    changed = "_build/html/book/page.html is not as it was built, so that _build/html is built again"
    assert changed in book.build("executed")
    assert changed not in book.build()
    assert book.site() == built
    halve(page)
    (book.root / "_build" / "html" / "CNAME").write_text("of a host")  # what is there besides is nobody's business
    assert "_build/html/book/page.html is not as it was built" in book.build()
    assert book.site() == built
    assert book.runs() == []
    halve(book.root / "_build" / "seals" / "html.json")
    assert "Nothing to be done" in book.build()

    halve(book.root / "notebooks" / "two.ipynb")
    said = book.build(fails=True)
    assert said.startswith("notebooks/two.ipynb cannot be read as a notebook: ")
    assert said.count("\n") == 1


def alive(process: int) -> bool:
    """Whether a process runs, and is not only waiting for its parent to take notice of its end."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("end", ["ctrl-C", "kill"])
def test_what_a_build_has_started_ends_with_it(tmp_path: Path, end: str) -> None:
    book = Book(tmp_path, "index")
    book.notebook("index", DEPTH, WAIT)
    with book.start("executed") as process:
        wait_for(lambda: process.poll() is not None or (tmp_path / "pids").exists())
        started = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        assert all(map(alive, started))
        if end == "kill":
            process.kill()  # it alone
            process.wait(timeout=60)
        else:
            os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[0]
        assert process.returncode != 0
        wait_for(lambda: not any(map(alive, started)))
    assert "Traceback" not in said, said
    assert "KeyboardInterrupt" not in said


SERVE = [sys.executable, "-I", str(ROOT / "companion" / "running" / "environment.py"), "pipeline.serve"]


def serve(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*SERVE, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_serving_needs_a_site_and_a_port_and_ends_without_a_word(tmp_path: Path) -> None:
    def said(*arguments: str) -> str:
        with serve(tmp_path, *arguments) as process:
            return process.communicate(timeout=60)[0]

    assert said("0") == "There is no site yet: make book builds it.\n"
    (tmp_path / "_build" / "html").mkdir(parents=True)
    (tmp_path / "_build" / "html" / "index.html").write_text("a page")
    assert said("http") == "PORT must be a number from 0 to 65535, got 'http'\n"
    with serve(tmp_path, "0") as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        port = address.rpartition(":")[2]
        assert said(port) == f"port {port} is in use: make serve PORT={int(port) + 1} takes another\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == ""
