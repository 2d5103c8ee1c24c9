"""The page of checks counts what became of sampled mutants, and tells why some are not caught."""

from __future__ import annotations

from dataclasses import replace

import pytest

from companion.experiments import mutation as experiment
from companion.experiments.mutation import FIRST, HELD_OUT, Tried, reads
from companion.verification.mutation import Mutant
from companion.verification.sampling import SAMPLED, everything
from companion.verification.survivors import Effect, Survivor
from pipeline.pages.mutation import mutation

LOSS = Mutant(SAMPLED, "wnlib.problem.Problem.loss", "0.5", "0.55")
KERNEL = Mutant(SAMPLED, "wnlib.linear.ranks.kernel", "a | b", "a & b", 2)


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[Tried]:
    reason = Survivor(KERNEL.function, KERNEL.old, KERNEL.new, 2, Effect.NONE, "they are the same.")
    monkeypatch.setattr(experiment, "SURVIVORS", {KERNEL: reason})
    return [
        *(
            Tried(FIRST, LOSS, reads(LOSS), caught)
            for caught in ("tests/a.py::b", "tests/a.py::c", "magnification", "")
        ),
        Tried(FIRST, KERNEL, reads(KERNEL), ""),
        Tried(HELD_OUT, KERNEL, reads(KERNEL), "tests/a.py::b"),
        Tried(HELD_OUT, replace(KERNEL, old="a or b"), reads(KERNEL), ""),
    ]


def test_the_page_tells_what_became_of_the_samples(rows: list[Tried]) -> None:
    text = mutation(rows)
    assert f"these rules make {sum(map(len, everything('wnlib').values())):,} mutants. 5 of them" in text
    for line in (
        "| `linear` | 1 | 0 | 0 | 1 | 0 | - |",
        "| `problem` | 4 | 2 | 1 | 0 | 1 | 75% |",
        "| all | 5 | 2 | 1 | 1 | 1 | 75% |",
        "| all, held out | 2 | 1 | 0 | 0 | 1 | 50% |",
        r"| `linear.ranks.kernel` | `a \| b` (2), `a & b` | no result changes: they are the same. |",
        r"| `linear.ranks.kernel` \* | `a or b` (2), `a & b` | not looked at |",
    ):
        assert line in text
    assert "not counted" not in text
    assert "Why they are left" not in text


def test_rows_whose_functions_have_changed_are_left_out(rows: list[Tried]) -> None:
    text = mutation([*rows, replace(rows[0], reads="0")])
    assert "1 of 8 are not counted: what they change reads differently by now." in text
    assert "| all | 5 | 2 | 1 | 1 | 1 | 75% |" in text


def test_the_page_tells_what_those_do_that_are_left(rows: list[Tried], monkeypatch: pytest.MonkeyPatch) -> None:
    effects = {LOSS: Effect.UNNOTICED, KERNEL: Effect.WORDS}
    reasons = {one: Survivor(one.function, one.old, one.new, one.occurrence, effects[one], "") for one in effects}
    monkeypatch.setattr(experiment, "SURVIVORS", reasons)
    assert "Why they are left: only what is told changes (1); not noticed (1)." in mutation(rows)
