"""Results that take longer than the book may: computed by one command, stored with the package, checked in part.

An experiment whose grid is too large for a chapter names it in its module as a `Record`: tasks, and a function that
computes the rows of one. ``python -m wnlib.records NAME`` (or ``make records ONLY=NAME``) computes it by several
processes. What is done survives an interrupt or a worker's death; the same command goes on from there. The table is
stored as text, with six digits, in `wnlib/experiments/records/NAME.csv`; `Record.load` gives it to the chapter.
The tests recompute some of the tasks of every record and compare.
"""

import argparse
import csv
import io
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from wnlib import _checks as check
from wnlib import experiments
from wnlib.fingerprint import fingerprint
from wnlib.sweep.parallel import THREADS, completed
from wnlib.sweep.results import write

Row = Mapping[str, float | int | str]
STORED = Path(__file__).parent / "experiments" / "records"
PARTS = Path("_build", "records")


class RecordError(ValueError):
    """A record is unknown, missing, or not what its experiment says that it is."""


@dataclass(frozen=True)
class Record:
    """A stored table, the rows of all tasks below each other.

    module   of the experiment, as `__name__`; the record bears its last name
    tasks    what is computed, each by a process; values that have a repr and can be sent to one
    compute  a function of the module: the rows of one task, all with the same columns
    sample   the tasks, by number, that the tests compute again
    rtol     to which they must agree; the six digits that are stored allow 1e-5
    needs    the library without which it cannot be computed
    """

    module: str
    tasks: Sequence[Any]
    compute: Callable[[Any], Iterable[Row]]
    sample: Sequence[int]
    rtol: float = 1e-4
    needs: str = "numpy"

    def __post_init__(self) -> None:
        for k, number in enumerate(self.sample):
            check.integer(f"sample[{k}]", number, least=0, most=len(self.tasks) - 1)

    @property
    def name(self) -> str:
        return self.module.rpartition(".")[2]

    @property
    def path(self) -> Path:
        return STORED / f"{self.name}.csv"

    def load(self) -> dict[str, NDArray[Any]]:
        """The columns of the table, each of shape (rows,): of numbers where all entries are. Raises RecordError."""
        if not self.path.exists():
            raise RecordError(f"there is no record {self.name}: make records ONLY={self.name} computes it")
        return columns(self.path.read_text(encoding="utf-8"))

    def recomputed(self, number: int) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """The rows of one task, as stored and as computed now."""
        found, stored = columns(table([(number, self.compute(self.tasks[number]))])), self.load()
        return {name: column[stored["task"] == number] for name, column in stored.items()}, found

    def _parts(self) -> Path:
        return PARTS / f"{self.name}-{fingerprint(self.module)[:12]}"

    def _part(self, number: int) -> str:
        """Compute one task, unless that is done, and leave its rows in a file; the text of it."""
        path = self._parts() / f"{number}.csv"
        if not path.exists():
            write(path, table([(number, self.compute(self.tasks[number]))]))
        return path.read_text(encoding="utf-8")


def table(parts: Iterable[tuple[int, Iterable[Row]]]) -> str:
    """Rows with the numbers of their tasks, as comma-separated values. Raises RecordError if the columns differ."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head: tuple[str, ...] | None = None
    for number, rows in parts:
        for row in rows:
            names = ("task", *row)
            if head is None:
                writer.writerow(head := names)
            if names != head:
                raise RecordError(f"the rows of task {number} must have the columns {head}, got {names}")
            writer.writerow([number, *map(_entry, row.values())])
    return text.getvalue()


def columns(text: str) -> dict[str, NDArray[Any]]:
    """The columns of a table; lines that start with # are comments."""
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    head, *rows = csv.reader(lines)
    return {name: _column(entries) for name, entries in zip(head, zip(*rows, strict=True), strict=True)}


def _entry(value: float | int | str) -> str:
    return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)


def _column(entries: Sequence[str]) -> NDArray[Any]:
    for kind in (int, float):
        try:
            return np.array([kind(entry) for entry in entries])
        except ValueError:
            continue
    return np.array(entries)


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
    parser = argparse.ArgumentParser("python -m wnlib.records", description="Compute stored results anew.")
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
