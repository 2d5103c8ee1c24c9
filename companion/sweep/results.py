"""The results of a sweep: a folder with a file for each task, and one of all cells, as tidy tables.

    _build/sweeps/NAME-HASH/sweep.json       what is computed, and by what
    _build/sweeps/NAME-HASH/tasks/K.csv      the cells of a task
    _build/sweeps/NAME-HASH/cells.csv        all of them, once all tasks are there

The hash is that of the specification, of the code that the cells rest on and of the versions of the libraries: what was
computed otherwise is never mixed with it, and never taken for it. Floats are written with the digits that determine
them.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from companion.running.files import write
from companion.running.fingerprint import fingerprint
from companion.running.table import Row, Table, TableError, columns, identified, versions
from companion.sweep.cells import Cell, Task, evaluate, tasks
from companion.sweep.specification import Sweep

OUT = Path("_build", "sweeps")
KINDS = {int: "i", float: "f", str: "U"}


@dataclass(frozen=True)
class Results(Table):
    """The folder of a sweep."""

    sweep: Sweep
    folder: Path
    tasks: Sequence[Task]

    batch: ClassVar[int] = 1  # they are cut so that each is worth a process

    @classmethod
    def of(cls, specification: Path, out: Path = OUT) -> "Results":
        """Those of the sweep that a file specifies, in a folder below `out`; nothing is written."""
        sweep = Sweep.load(specification)
        return cls(sweep, out / identified(specification.stem, provenance(sweep)), tasks(sweep))

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def parts(self) -> Path:
        return self.folder / "tasks"

    @property
    def cells(self) -> Path:
        return self.folder / "cells.csv"

    def rows(self, number: int) -> Iterator[Row]:
        return (cell._asdict() for cell in evaluate(self.sweep, self.tasks[number]))

    def gather(self) -> str:
        """Write all cells, which are sorted by their place in the grid as the tasks are, and what they are."""
        text = self.text()
        cells = parsed(text)
        if len(cells) != self.sweep.size:
            raise TableError(f"{self.folder}: {len(cells)} cells instead of {self.sweep.size}")
        write(self.folder / "sweep.json", json.dumps(provenance(self.sweep), indent=1) + "\n")
        write(self.cells, text)
        counts = Counter(cells["status"].tolist())
        return f"{self.cells}: {', '.join(f'{counts[status]} {status}' for status in sorted(counts, reverse=True))}"


def provenance(sweep: Sweep) -> dict[str, Any]:
    """What is computed, and by what."""
    return {"sweep": asdict(sweep), "code": fingerprint(__name__), "versions": versions()}


def parsed(text: str) -> NDArray[Any]:
    """The cells of a table as a structured array, shape (cells,), with the fields of `Cell`. Raises TableError."""
    try:
        found = columns(text)
    except ValueError as error:
        raise TableError(f"this is no table of cells: {error}") from None
    kinds = {name: KINDS[kind] for name, kind in Cell.__annotations__.items()}
    if {name: column.dtype.kind for name, column in found.items()} != kinds:
        raise TableError(f"a table of cells must have the columns {', '.join(kinds)}, each of its type")
    return np.rec.fromarrays(list(found.values()), dtype=[(name, column.dtype) for name, column in found.items()])


def read(path: Path) -> NDArray[Any]:
    """The cells of a file as a structured array, shape (cells,), with the fields of `Cell`. Raises TableError."""
    return parsed(path.read_text(encoding="utf-8"))
