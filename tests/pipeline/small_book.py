"""A small book in a folder of its own, on which the pipeline runs for real."""

from __future__ import annotations

import copy
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Self

import nbformat

ROOT = Path(__file__).resolve().parents[2]
DEPTH = "depth: int = 2  # 1..6: number of factors L"
NOTE = "with open('../runs.log', 'a') as log:\n    log.write('{name} ')"


class Book:
    """A small book in a folder of its own, which notes every execution of a notebook in runs.log."""

    def __init__(self, root: Path, *chapters: str) -> None:
        self.root = root
        shutil.copytree(ROOT / "pipeline", root / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
        running = ROOT / "companion" / "running"
        shutil.copytree(running, root / "companion" / "running", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "companion" / "__init__.py", root / "companion")
        shutil.copy(ROOT / "Snakefile", root)
        self.write("wnlib/__init__.py", "def square(x):\n    return x * x\n")
        self.write("requirements.lock", "")
        self.write("book/page.md", "# A page\n\nProse.\n")
        self.write("_config.yml", 'title: Small\nauthor: ""\nexecute: {execute_notebooks: "off"}\n')
        pages = [f"  - file: {page}\n" for page in (*(f"notebooks/{name}" for name in chapters[1:]), "book/page")]
        self.write("_toc.yml", f"format: jb-book\nroot: notebooks/{chapters[0]}\nchapters:\n{''.join(pages)}")
        for name in chapters:
            self.notebook(name, DEPTH, "from wnlib import square\n\nprint(square(depth))")

    def copied(self, root: Path) -> Self:
        """The same book in another folder, with all that was built of it: nothing there is out of date."""
        shutil.copytree(self.root, root)
        other = copy.copy(self)
        other.root = root
        return other

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def notebook(self, name: str, parameters: str, *code: str) -> None:
        cells = [nbformat.v4.new_markdown_cell(f"# {name}")]
        cells += [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})]
        cells += [nbformat.v4.new_code_cell(source) for source in (NOTE.format(name=name), *code)]
        for number, cell in enumerate(cells):
            cell["id"] = f"cell-{number}"
        self.write(f"notebooks/{name}.ipynb", nbformat.writes(nbformat.v4.new_notebook(cells=cells)))

    def start(
        self, *arguments: str, module: str = "build", **variables: str
    ) -> AbstractContextManager[subprocess.Popen[str]]:
        """A running build, killed on leaving if it still runs."""
        return running(self.root, f"pipeline.{module}", *arguments, **{"PARAMS": "", **variables})

    def build(self, *arguments: str, fails: bool = False, module: str = "build", **variables: str) -> str:
        """Everything that one build says."""
        with self.start(*arguments, module=module, **variables) as process:
            said = process.communicate(timeout=300)[0]
        assert (process.returncode != 0) == fails, said
        return said

    def runs(self) -> list[str]:
        """The notebooks executed since the last question."""
        log = self.root / "runs.log"
        runs = log.read_text().split() if log.exists() else []
        log.write_text("")
        return sorted(runs)

    def executed(self, name: str) -> Path:
        return self.root / "_build" / "executed" / f"{name}.ipynb"

    def printed(self, name: str) -> str:
        cells = nbformat.read(self.executed(name), as_version=4).cells
        return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))

    def site(self) -> dict[str, bytes]:
        """Every file of the site and what is in it."""
        html = self.root / "_build" / "html"
        return {str(path.relative_to(html)): path.read_bytes() for path in html.rglob("*") if path.is_file()}


@contextmanager
def running(folder: Path, module: str, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A running command in a copy of the code, killed on leaving if it still runs, with all that it has started."""
    process = subprocess.Popen(
        [sys.executable, "-I", "companion/running/environment.py", module, *arguments],
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None, seconds: float = 60) -> None:
    """Until something holds, while the process that makes it so is running."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
