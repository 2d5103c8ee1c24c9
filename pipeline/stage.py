"""Build the site from the executed notebooks: ``python -m pipeline.stage NAME...``.

The sources and the theorems' pages are copied next to the executed notebooks, so that the work tree stays as it
is, and the site takes its place only when it is complete.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import yaml

from companion.running import structured
from pipeline.intact import seal

BUILD = Path("_build")
STAGE = BUILD / "stage"
LEDGER, THEOREMS = BUILD / "ledger.json", BUILD / "theorems"


def stage(names: list[str]) -> None:
    shutil.rmtree(STAGE, ignore_errors=True)
    shutil.copytree("book", STAGE / "book", ignore=shutil.ignore_patterns("__pycache__"))
    (STAGE / "notebooks").mkdir()
    for name in names:
        shutil.copy(BUILD / "executed" / f"{name}.ipynb", STAGE / "notebooks")
    shutil.copy("_config.yml", STAGE)
    contents = Path("_toc.yml").read_text(encoding="utf-8")
    if THEOREMS.exists():
        shutil.copytree(THEOREMS, STAGE / "theorems")
        contents = with_theorems(contents)
    for pages in ("api", "benchmarks", "gallery"):
        if (BUILD / pages).exists():
            shutil.copytree(BUILD / pages, STAGE / pages)
    (STAGE / "_toc.yml").write_text(contents, encoding="utf-8")


def with_theorems(contents: str) -> str:
    """The table of contents with the theorems' pages, in the ledger's order, below that of their graph."""
    from companion.verification import verification  # not above: a book without theorems needs no such package

    toc = yaml.safe_load(contents)
    try:
        theorems = structured.read(LEDGER, verification.LEDGER).theorems
    except structured.FileError as error:
        raise SystemExit(str(error)) from None
    [graph] = [chapter for part in toc["parts"] for chapter in part["chapters"] if chapter["file"] == "theorems/index"]
    graph["sections"] = [{"file": f"theorems/{theorem.name}"} for theorem in theorems]
    return yaml.safe_dump(toc, sort_keys=False)


def build() -> Path:
    program = Path(sysconfig.get_path("scripts"), "jupyter-book")
    command = [str(program), "build", str(STAGE), "-W", "--keep-going", "-q"]
    # warnings and errors come on the other stream
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        raise SystemExit("the site was not built: see the warnings above")
    return STAGE / "_build" / "html"


def publish(site: Path) -> None:
    """Swap ``site`` in for the present one."""
    present, previous = BUILD / "html", BUILD / "previous"
    (site / ".nojekyll").touch()
    (site / ".buildinfo").unlink()  # serves rebuilds in the same folder, and depends on its name
    shutil.rmtree(previous, ignore_errors=True)
    if present.exists():
        present.rename(previous)
    site.rename(present)
    seal(present)
    shutil.rmtree(previous, ignore_errors=True)


if __name__ == "__main__":
    stage(sys.argv[1:])
    publish(build())
