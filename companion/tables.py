"""The tables that tasks fill: records, which are stored with the package, and sweeps, which files specify.

An experiment whose grid is too large for a chapter names it in its module as a `Record`: tasks, and a function that
computes the rows of one. The table is stored as text in `companion/experiments/records/NAME.csv`; `Record.load` gives
it to the chapter, and the tests recompute some of the tasks of every record and compare. A sweep (`companion.sweep`)
computes limits over a grid.

    python -m companion.tables signs                   # compute what is missing of a record, and store it
    python -m companion.tables sweeps/window.toml      # or of a sweep
    python -m companion.tables signs --job 3           # only the tasks of one job, and no table

`make records` and `make sweep` have the jobs run in parallel, on a cluster as well.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules

from companion import experiments
from companion.running.record import Record
from companion.running.table import Table, TableError
from companion.sweep.results import Results
from wnlib import _checks as check


def records() -> dict[str, Record]:
    """All records, by name: those of the experiments whose module has one, in alphabetical order."""
    found = {}
    for module in sorted(info.name for info in iter_modules(experiments.__path__)):
        record = getattr(import_module(f"{experiments.__name__}.{module}"), "RECORD", None)
        if record is not None:
            found[record.name] = record
    return found


def record(name: str) -> Record:
    """One record. Raises TableError for a name that no experiment has."""
    module = f"{experiments.__name__}.{name}"
    found: Record | None = None
    if name.isidentifier() and find_spec(module) is not None:  # only this one: experiments load heavy libraries
        found = getattr(import_module(module), "RECORD", None)
    if found is None:
        raise TableError(f"name must be one of {', '.join(records())}, or a TOML file of a sweep, got {name!r}")
    return found


def table(name: str) -> Table:
    """The table of a record's name, or of a file that specifies a sweep. Raises ValueError if it cannot be computed."""
    if name.endswith(".toml"):
        return Results.of(Path(name))
    found = record(name)
    if find_spec(found.needs) is None:
        raise TableError(f"{name} needs {found.needs}, which is not installed")
    return found


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m companion.tables", description="Compute a table, or a part of it.")
    parser.add_argument("table", help="name of a record, or TOML file; see companion/sweep/specification.py")
    parser.add_argument("--job", type=int, help="compute only the tasks of this job, and gather nothing")
    options = parser.parse_args(given)
    try:
        wanted = table(options.table)
        if options.job is None:
            wanted.run(range(len(wanted.tasks)))
            print(wanted.gather())
        else:
            wanted.run(wanted.jobs[check.integer("--job", options.job, least=1, most=len(wanted.jobs)) - 1])
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
