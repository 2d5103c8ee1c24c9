"""Build the book or a part of it: ``python -m pipeline.build [SNAKEMAKE ARGUMENTS]``, settings in ``PARAMS``.

Refuses wrong settings before anything runs, writes each notebook as it is to run, hands over to Snakemake.
"""

from __future__ import annotations

import os
import shutil
import sys

from pipeline import engine, intact
from pipeline.engine import BUILD
from pipeline.notebooks import Notebook, NotebookError, chapters, cleared, write
from pipeline.parameters import ParameterError, applied, cell_of, declared


def prepared(settings: str) -> dict[str, Notebook]:
    """Each notebook as it is to run: outputs cleared, parameters set. Raises ParameterError for wrong settings."""
    known = declared()
    wanted = applied(known, settings)
    result = {}
    for name, notebook in chapters().items():
        result[name] = cleared(notebook)
        if wanted[name] != known[name]:
            cell_of(result[name])["source"] = "\n".join(map(str, wanted[name]))
    return result


def prepare(settings: str) -> None:
    """Write each notebook as it is to run; an unchanged one keeps its time and so is not run again."""
    for name, notebook in prepared(settings).items():
        write(BUILD / "prepared" / f"{name}.ipynb", notebook)


def main() -> None:
    engine.hold()
    try:
        prepare(os.environ.get("PARAMS", ""))
    except (NotebookError, ParameterError) as error:
        raise SystemExit(str(error)) from None
    removed = intact.check()
    shutil.rmtree(BUILD / "running", ignore_errors=True)
    engine.become(sys.argv[1:], quiet=["host", "reason", "progress"], missed=removed)


if __name__ == "__main__":
    main()
