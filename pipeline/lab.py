"""Open the chapters in JupyterLab: ``python -m pipeline.lab [ARGUMENTS OF JUPYTER LAB]``, settings in ``PARAMS``.

What is opened are copies in ``_build/lab``, as a build would run them. One that a reader has edited is kept.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from companion.running import environment
from pipeline.build import prepared
from pipeline.engine import BUILD
from pipeline.notebooks import NotebookError, cleared, read, text_of, write
from pipeline.parameters import ParameterError

LAB = BUILD / "lab"
LAST = BUILD / "lab-prepared"  # what the copies were before anyone edited them
OPTIONS = (
    "--allow-root",  # the user of most containers; what runs is what `make book` runs
    "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
    "--LabApp.news_url=None",
    "--LabApp.extension_manager=readonly",  # the other one asks a registry
)


def copy_chapters(settings: str) -> list[Path]:
    """Bring the copies to these settings, but for those that a reader has edited, which are returned."""
    edited = []
    for name, notebook in prepared(settings).items():
        copy, last = LAB / f"{name}.ipynb", LAST / f"{name}.ipynb"
        found, wanted = _code(copy), text_of(notebook)
        if found not in (None, wanted, _code(last)):
            edited.append(copy)
            continue
        if found != wanted:
            write(copy, notebook)
        write(last, notebook)
    return edited


def _code(path: Path) -> str | None:
    """A notebook without outputs: to run it is not to edit it."""
    return text_of(cleared(read(path))) if path.exists() else None


def main() -> None:
    try:
        edited = copy_chapters(os.environ.get("PARAMS", ""))
    except (NotebookError, ParameterError) as error:
        raise SystemExit(str(error)) from None
    for path in edited:
        print(f"{path} has been edited and stays as it is: delete it to start from the chapter again", flush=True)
    environment.become("jupyterlab", *OPTIONS, *sys.argv[1:], str(LAB / "index.ipynb"))


if __name__ == "__main__":
    main()
