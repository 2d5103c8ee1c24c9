"""How many changes of the library are noticed: a mutation score.

Mutants are drawn from all that there are, by `companion.verification.sampling`, and tried on tests and theorems, by
`companion.verification.trial`; a row tells what noticed one. It counts for as long as what it changes reads as it did.
Tests were written for what the first sample showed; the second one is held out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar, overload

import numpy as np
from numpy.typing import NDArray

from companion.running.fingerprint import code_of, digest
from companion.running.record import PARTS, Record, Row
from companion.running.table import identified, versions
from companion.verification.mutation import ROOT, Mutant, definitions
from companion.verification.sampling import SAMPLED, drawn, everything, reading, without
from companion.verification.survivors import SURVIVORS, Effect, Survivor

FIRST, HELD_OUT = "first", "held out"
SIZES = {FIRST: 300, HELD_OUT: 100}
LEAST = 3  # of each module, in the first sample
RESTS_ON = ("wnlib", "companion", "tests/wnlib")

Task = tuple[str, Mutant]


@dataclass(frozen=True)
class Tried:
    """A mutant, the sample that it is in, a hash of what it changes, and what noticed it: a test, a theorem or none."""

    sample: str
    mutant: Mutant
    reads: str
    caught: str

    @property
    def room(self) -> str:
        return self.mutant.function.split(".")[1]

    @property
    def counts(self) -> bool:
        """Whether what it changes reads as it did."""
        return reads(self.mutant) == self.reads

    @property
    def reason(self) -> Survivor | None:
        """Why nothing noticed it."""
        return SURVIVORS.get(self.mutant) if not self.caught else None

    def row(self) -> Row:
        changed = {name: getattr(self.mutant, name) for name in ("function", "old", "new", "occurrence")}
        return {"sample": self.sample, **changed, "reads": self.reads, "caught": self.caught}


@dataclass(frozen=True)
class Score:
    """How many mutants were tried, and what became of them."""

    tried: int
    by_tests: int
    by_theorems: int
    equivalent: int

    @classmethod
    def of(cls, rows: Iterable[Tried]) -> Score:
        found = list(rows)
        by_tests = sum("::" in one.caught for one in found)
        equivalent = sum(one.reason is not None and one.reason.effect is Effect.NONE for one in found)
        return cls(len(found), by_tests, sum(bool(one.caught) for one in found) - by_tests, equivalent)

    @property
    def caught(self) -> int:
        return self.by_tests + self.by_theorems

    @property
    def changing(self) -> int:
        """Those that change a result, as far as is known."""
        return self.tried - self.equivalent

    @property
    def left(self) -> int:
        return self.changing - self.caught


class Samples(Sequence[Task]):
    """The mutants that are tried, drawn when they are needed, which takes a while."""

    def __len__(self) -> int:
        return sum(SIZES.values())

    @overload
    def __getitem__(self, number: int) -> Task: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Task]: ...
    def __getitem__(self, number: int | slice) -> Task | Sequence[Task]:
        return _samples()[number]


@cache
def _samples() -> list[Task]:
    left, found, least = everything("wnlib"), [], LEAST
    for name, size in SIZES.items():
        sample = drawn(left, size, least, name)
        found += [(name, mutant) for mutant in sample]
        left, least = without(left, sample), 0
    return found


class Trials(Record):
    """The record of all that was tried. Its parts rest on everything that may notice a mutant."""

    batch: ClassVar[int] = 50  # a job loads all tests

    @cached_property
    def parts(self) -> Path:
        files = sorted(path for folder in RESTS_ON for path in (ROOT / folder).rglob("*.py"))
        code = digest((path.relative_to(ROOT).as_posix(), code_of(path.read_text(encoding="utf-8"))) for path in files)
        return PARTS / identified(self.name, {"code": code, "versions": versions()})

    def run(self, numbers: Iterable[int]) -> None:
        from companion.verification import trial

        trial.load()
        super().run(numbers)

    def tried(self) -> list[Tried]:
        """The rows."""
        stored = self.load()
        names = [
            stored[name].tolist() for name in ("sample", "function", "old", "new", "occurrence", "reads", "caught")
        ]
        return [
            Tried(sample, Mutant(SAMPLED, function, old, new, occurrence), hashed, caught)
            for sample, function, old, new, occurrence, hashed, caught in zip(*names, strict=True)
        ]

    def recomputed(self, number: int) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """A row, as stored and as found now: by what noticed the mutant then, if what it changes reads as it did."""
        from companion.verification import trial

        stored = {name: column[number : number + 1] for name, column in self.load().items()}
        one = self.tried()[number]
        if not (one.caught and one.counts):
            return stored, stored
        caught = trial.noticed(one.mutant, {one.caught: trial.Call(trial.BUDGET, ())})
        return stored, {**stored, "caught": np.array([caught])}


def compute(task: Task) -> Iterator[Row]:
    from companion.verification import trial

    sample, mutant = task
    calls = trial.surveyed(RECORD.parts / "calls.json")
    yield Tried(sample, mutant, reads(mutant), trial.caught(mutant, calls, first=_before().get(mutant, ""))).row()


@cache
def _before() -> dict[Mutant, str]:
    """What noticed the mutants when the record was computed the last time: it is tried first."""
    return {one.mutant: one.caught for one in RECORD.tried()} if RECORD.path.exists() else {}


def reads(mutant: Mutant) -> str:
    """A hash of what a mutant changes; none of what is not there any more."""
    try:
        module, name = mutant.place
    except ValueError:
        return ""
    return reading(definitions(module)[name])


RECORD = Trials(__name__, Samples(), compute, sample=(7, 85, 243), needs="pytest")
