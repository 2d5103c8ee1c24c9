"""Results that take longer than the book may: computed by one command, stored with the package, checked in part.

An experiment whose grid is too large for a chapter names it in its module as a `Record`: tasks, and a function that
computes the rows of one. ``python -m companion.records NAME`` (or ``make records ONLY=NAME``) computes it by several
processes. What is done survives an interrupt or a worker's death; the same command goes on from there. The table is
stored as text, with six digits, in `companion/experiments/records/NAME.csv`; `Record.load` gives it to the chapter.
The tests recompute some of the tasks of every record and compare.
"""

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

import numpy as np
import scipy

from companion import experiments
from companion.running.files import write
from companion.running.record import Record, RecordError
from companion.sweep.parallel import THREADS, completed
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
    """One record. Raises RecordError for a name that no experiment has."""
    module = f"{experiments.__name__}.{name}"
    found: Record | None = None
    if name.isidentifier() and find_spec(module) is not None:  # only this one: experiments load heavy libraries
        found = getattr(import_module(module), "RECORD", None)
    if found is None:
        raise RecordError(f"name must be one of {', '.join(records())}, got {name!r}")
    return found


def _computed(item: tuple[str, int]) -> str:
    name, number = item
    return record(name)._part(number)


def make(name: str, jobs: int) -> None:
    """Compute a record by `jobs` processes and store it. Raises RecordError if a task fails."""
    wanted = record(name)
    if find_spec(wanted.needs) is None:
        raise RecordError(f"{name} needs {wanted.needs}, which is not installed")
    items = [(name, number) for number in range(len(wanted.tasks))]
    failed: dict[int, BaseException] = {}
    for done, ((_, number), outcome) in enumerate(completed(_computed, items, jobs), start=1):
        if isinstance(outcome, BaseException):
            failed[number] = outcome
        print(f"\r{name}: {done} of {len(items)} tasks", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    if failed:
        number, error = min(failed.items())
        raise RecordError(f"{name}: {len(failed)} tasks failed, the first is {number}: {error!r}") from error
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}"
    head, bodies = "", []
    for number in range(len(items)):
        head, _, body = wanted._part(number).partition("\n")
        bodies.append(body)
    write(wanted.path, f"# make records ONLY={name}; computed with {versions}\n{head}\n{''.join(bodies)}")


def main(given: Sequence[str] | None = None) -> int:
    known = ", ".join(records())
    parser = argparse.ArgumentParser("python -m companion.records", description="Compute stored results anew.")
    parser.add_argument("names", nargs="*", help=f"records, all by default: {known}")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    options = parser.parse_args(given)
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        for name in options.names or records():
            make(name, check.integer("--jobs", options.jobs, least=1))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
