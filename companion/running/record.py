"""A stored table."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from companion.running.files import write
from companion.running.fingerprint import fingerprint
from wnlib import _checks as check

Row = Mapping[str, float | int | str]
STORED = Path(__file__).parents[1] / "experiments" / "records"
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
