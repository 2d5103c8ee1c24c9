"""A result that takes longer than the book may: a table that is stored with the package."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from companion.running.files import write
from companion.running.fingerprint import fingerprint
from companion.running.table import Row, Table, TableError, columns, formatted, identified, versions
from wnlib import _checks as check

__all__ = ["PARTS", "STORED", "Record", "Row", "mark"]

STORED = Path(__file__).parents[1] / "experiments" / "records"
PARTS = Path("_build", "records")


def mark(command: str) -> str:
    """MyST for beside a figure or a table whose numbers are stored: says so, and which command computes them anew."""
    return f"[{{ref}}`Stored results <stored-results>`: `{command}`]{{.stored}}"


@dataclass(frozen=True)
class Record(Table):
    """A stored table, whose first column has the numbers of the tasks; floats have six digits.

    module   of the experiment, as `__name__`; the record bears its last name
    tasks    what is computed; values that have a repr
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

    batch: ClassVar[int] = 8  # tasks take seconds, a job a second or two to begin
    digits: ClassVar[str] = ".6g"

    def __post_init__(self) -> None:
        for k, number in enumerate(self.sample):
            check.integer(f"sample[{k}]", number, least=0, most=len(self.tasks) - 1)

    @property
    def name(self) -> str:
        return self.module.rpartition(".")[2]

    @property
    def mark(self) -> str:
        return mark(f"make records ONLY={self.name}")

    @property
    def path(self) -> Path:
        return STORED / f"{self.name}.csv"

    @cached_property  # reading all those sources takes a while
    def parts(self) -> Path:
        return PARTS / identified(self.name, {"code": fingerprint(self.module), "versions": versions()})

    def rows(self, number: int) -> Iterator[Row]:
        return ({"task": number, **row} for row in self.compute(self.tasks[number]))

    def gather(self) -> str:
        tools = ", ".join(f"{name} {versions()[name.lower()]}" for name in ("Python", "NumPy", "SciPy"))
        write(self.path, f"# make records ONLY={self.name}; computed with {tools}\n{self.text()}")
        return f"{self.name}: {self.path}"

    def load(self) -> dict[str, NDArray[Any]]:
        """The columns of the table, each of shape (rows,): of numbers where all entries are. Raises TableError."""
        if not self.path.exists():
            raise TableError(f"there is no record {self.name}: make records ONLY={self.name} computes it")
        try:
            return columns(self.path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise TableError(
                f"{self.path} cannot be read: {error}: make records ONLY={self.name} computes it"
            ) from None

    def recomputed(self, number: int) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """The rows of one task, as stored and as computed now."""
        found, stored = columns(formatted(self.rows(number), self.digits)), self.load()
        return {name: column[stored["task"] == number] for name, column in stored.items()}, found
