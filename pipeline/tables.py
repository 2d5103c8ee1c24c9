"""Compute tables: ``python -m pipeline.tables [NAME...] [SNAKEMAKE ARGUMENTS]``, by default all records.

A name is that of a record or of a file that specifies a sweep. Refuses wrong ones before anything runs, hands over to
Snakemake, with `tables.smk`.
"""

from __future__ import annotations

import json
import sys
from itertools import takewhile
from pathlib import Path

from companion.tables import records, table
from pipeline import engine

SNAKEFILE = Path(__file__).with_suffix(".smk")


def main(given: list[str]) -> None:
    names = list(takewhile(lambda argument: not argument.startswith("-"), given))
    try:
        found = {name: table(name) for name in names or records()}
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from None
    wanted = {str(one.parts): {"name": name, "jobs": len(one.jobs)} for name, one in found.items()}
    arguments = [f"{parts}/gathered" for parts in wanted]
    arguments += ["--snakefile", str(SNAKEFILE), "--config", f"tables={json.dumps(wanted)}"]
    # The name of a folder tells what its parts rest on, which no time does; a table may have been changed since.
    arguments += ["--rerun-triggers", "input", "--forcerun", "gather"]
    engine.hold()
    engine.become([*arguments, "--retries", "1", *given[len(names) :]], quiet=["host", "reason"])


if __name__ == "__main__":
    main(sys.argv[1:])
