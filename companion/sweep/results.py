"""The results of a sweep: a folder with a file for each task, and one of all cells, as tidy tables.

    OUT/NAME-HASH/sweep.json       what is computed, and by what
    OUT/NAME-HASH/tasks/TASK.csv   the cells of a task
    OUT/NAME-HASH/cells.csv        all of them, once all tasks are there

The hash is that of the specification, of the code that the cells rest on and of the versions of the libraries: what was
computed otherwise is never mixed with it, and never taken for it. Files appear whole or not at all; the same folder has
the same bytes, however it came about. Floats are written with the digits that determine them.
"""

import csv
import hashlib
import io
import json
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from companion.running.files import write
from companion.running.fingerprint import fingerprint
from companion.sweep.cells import Cell, Task, evaluate, tasks
from companion.sweep.specification import Sweep

OUT = Path("_build", "sweeps")


class ResultsError(ValueError):
    """Files are missing, or hold something else than they should."""


@dataclass(frozen=True)
class Results:
    """The folder of a sweep."""

    sweep: Sweep
    folder: Path

    @classmethod
    def of(cls, specification: Path, out: Path) -> "Results":
        """Those of the sweep that a file specifies, in a folder below `out`; nothing is written."""
        sweep = Sweep.load(specification)
        digest = hashlib.sha256(_text(provenance(sweep)).encode()).hexdigest()
        return cls(sweep, out / f"{specification.stem}-{digest[:12]}")

    @property
    def cells(self) -> Path:
        return self.folder / "cells.csv"

    def path(self, task: Task) -> Path:
        return self.folder / "tasks" / f"{task}.csv"

    def missing(self) -> list[Task]:
        """The tasks that are still to do, in order."""
        return [task for task in tasks(self.sweep) if not self.path(task).exists()]

    def compute(self, task: Task) -> list[str]:
        """Compute one task and write its file; the statuses of its cells."""
        cells = evaluate(self.sweep, task)
        write(self.path(task), table(cells))
        return [cell.status for cell in cells]

    def gather(self) -> list[Cell]:
        """All cells, sorted by their place in the grid, which are also written to one file. Raises ResultsError."""
        if missing := self.missing():
            raise ResultsError(f"{len(missing)} tasks are missing, the first is {missing[0]}")
        cells = [cell for task in tasks(self.sweep) for cell in parse(self.path(task))]
        cells.sort(key=lambda cell: cell.place)
        if len({cell.place for cell in cells}) != self.sweep.size or len(cells) != self.sweep.size:
            raise ResultsError(f"{self.folder}: {len(cells)} cells instead of {self.sweep.size}")
        write(self.folder / "sweep.json", _text(provenance(self.sweep)))
        write(self.cells, table(cells))
        return cells


def provenance(sweep: Sweep) -> dict[str, Any]:
    """What is computed, and by what."""
    versions = {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
    return {"sweep": asdict(sweep), "code": fingerprint("companion.sweep.results"), "versions": versions}


def table(cells: Iterable[Cell]) -> str:
    """Cells as comma-separated values."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Cell._fields)
    writer.writerows(cells)
    return text.getvalue()


def parse(path: Path) -> list[Cell]:
    """The cells of a file. Raises ResultsError."""
    kinds = Cell.__annotations__.values()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        if tuple(header) != Cell._fields:
            raise ValueError("other columns")
        return [Cell(*(kind(entry) for kind, entry in zip(kinds, row, strict=True))) for row in rows]
    except ValueError as error:
        raise ResultsError(f"{path} is no table of cells: {error}") from None


def read(path: Path) -> NDArray[Any]:
    """The cells of a file as a structured array, shape (cells,), with the fields of `Cell`. Raises ResultsError."""
    cells = parse(path)
    columns = dict(zip(Cell._fields, map(np.array, zip(*cells, strict=True)), strict=True))
    found = np.empty(len(cells), dtype=[(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        found[name] = column
    return found


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1) + "\n"
