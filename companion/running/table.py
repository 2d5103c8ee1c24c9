"""Tables that tasks fill: each task leaves its rows in a file, and all these below each other are the table.

The tasks of a table are computed by jobs, each of some consecutive tasks, in any order and on any machine; see
`pipeline/tables.smk`. What is done survives whatever dies, and is not computed again. Files appear whole or not at all;
the same tasks give the same bytes, however they came about.
"""

import csv
import hashlib
import io
import json
import platform
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy
from numpy.typing import NDArray

from companion.running.files import write

Row = Mapping[str, float | int | str]


class TableError(ValueError):
    """A table is unknown, missing or incomplete, or not what it should be."""


class Table(ABC):
    """A table and the tasks that fill it.

    name    under which it is reported
    parts   the folder of the tasks' rows; its name changes with whatever they rest on, so that what was computed
            otherwise is never mixed with them
    batch   how many tasks a job computes
    digits  of the floats, as a format; by default as many as determine them
    """

    batch: ClassVar[int]
    digits: ClassVar[str] = ""
    tasks: Sequence[Any]

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    @abstractmethod
    def parts(self) -> Path: ...

    @abstractmethod
    def rows(self, number: int) -> Iterable[Row]:
        """Compute the rows of a task."""

    @abstractmethod
    def gather(self) -> str:
        """Write the table; a line that says what was written. Raises TableError."""

    @property
    def jobs(self) -> list[range]:
        """The numbers of the tasks that each job computes."""
        numbers = range(len(self.tasks))
        return [numbers[first : first + self.batch] for first in numbers[:: self.batch]]

    def run(self, numbers: Iterable[int]) -> None:
        """Compute tasks. One that fails is named, and the others go on before a TableError is raised."""
        failed = []
        for number in numbers:
            try:
                self._part(number)
            except Exception:
                traceback.print_exc()
                print(f"{self.name}: task {number} failed: {self.tasks[number]}", file=sys.stderr, flush=True)
                failed.append(number)
        if failed:
            raise TableError(f"{self.name}: tasks failed: {', '.join(map(str, failed))}")

    def text(self) -> str:
        """The rows of all tasks. Raises TableError if they do not fit together."""
        head, bodies = "", []
        for number in range(len(self.tasks)):
            first, _, body = self._part(number).partition("\n")
            head = head or first
            if not body or first != head:
                raise TableError(f"{self.name}: task {number} must have rows with the columns {head}, got {first!r}")
            bodies.append(body)
        return f"{head}\n{''.join(bodies)}"

    def _part(self, number: int) -> str:
        """The rows of a task as text, computed unless they are there."""
        path = self.parts / f"{number}.csv"
        if path.exists() and not path.read_bytes().endswith(b"\n"):
            print(f"{path} is cut off, so that task {number} is computed again", flush=True)
            path.unlink()
        if not path.exists():
            write(path, formatted(self.rows(number), self.digits))
        return path.read_text(encoding="utf-8")


def versions() -> dict[str, str]:
    """Of what the last digits depend on."""
    return {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}


def identified(name: str, provenance: Mapping[str, Any]) -> str:
    """The name of a folder, with a hash of what its contents rest on."""
    return f"{name}-{hashlib.sha256(json.dumps(provenance).encode()).hexdigest()[:12]}"


def formatted(rows: Iterable[Row], digits: str = "") -> str:
    """Rows as comma-separated values. Raises TableError if their columns differ."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    head: tuple[str, ...] | None = None
    for row in rows:
        names = tuple(row)
        if head is None:
            writer.writerow(head := names)
        if names != head:
            raise TableError(f"rows must have the columns {', '.join(head)}, got {', '.join(names)}")
        writer.writerow([_entry(value, digits) for value in row.values()])
    return lines.getvalue()


def columns(text: str) -> dict[str, NDArray[Any]]:
    """The columns of a table, of shape (rows,), of numbers where all entries are; its first lines may be # comments."""
    while text.startswith("#"):
        text = text.partition("\n")[2]
    head, *rows = csv.reader(io.StringIO(text))
    return {name: _column(entries) for name, entries in zip(head, zip(*rows, strict=True), strict=True)}


def _entry(value: float | int | str, digits: str) -> str:
    return format(value, digits) if isinstance(value, (float, np.floating)) else str(value)


def _column(entries: Sequence[str]) -> NDArray[Any]:
    for kind in (int, float):
        try:
            return np.array([kind(entry) for entry in entries])
        except ValueError:
            continue
    return np.array(entries)
