"""The mutation score: what was tried is drawn from all that there is, and what survives has a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from companion.experiments import mutation
from companion.experiments.mutation import FIRST, RECORD, SIZES, Score, Tried, reads
from companion.verification.mutation import Mutant, definitions
from companion.verification.sampling import SAMPLED, mutants
from companion.verification.survivors import FOUND, SURVIVORS, Effect, Survivor
from companion.verification.trial import Call, noticed

ROWS = RECORD.tried()
CURRENT = [row for row in ROWS if row.counts]
KERNEL = Mutant(SAMPLED, "wnlib.linear.ranks.kernel", "full_matrices=True", "full_matrices=False")


def row(caught: str = "", old: str = "a") -> Tried:
    return Tried(FIRST, replace(KERNEL, old=old), "", caught)


def test_both_samples_are_of_their_sizes_and_have_nothing_in_common() -> None:
    assert {sample: sum(row.sample == sample for row in ROWS) for sample in SIZES} == SIZES
    assert len({row.mutant for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", CURRENT[::20], ids=lambda row: row.mutant.function)
def test_what_was_tried_is_a_mutant_by_the_rules(row: Tried) -> None:
    module, name = row.mutant.place
    assert row.mutant in mutants(module, name, definitions(module)[name])


def test_what_survives_has_a_reason_and_no_reason_is_left_over() -> None:
    left = {row.mutant for row in CURRENT if not row.caught}
    assert [mutant for mutant in left if mutant not in SURVIVORS] == []
    assert [mutant for mutant in SURVIVORS if mutant not in left and mutant in {row.mutant for row in CURRENT}] == []
    assert set(SURVIVORS) <= {row.mutant for row in ROWS}
    assert len(SURVIVORS) == len(FOUND)


def test_nine_of_ten_are_caught() -> None:
    score = Score.of(row for row in CURRENT if row.sample == FIRST)
    assert score.caught >= 0.9 * score.changing


def test_the_score_is_of_those_that_change_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = {effect: Survivor(KERNEL.function, effect, "", 0, effect, "") for effect in Effect}
    monkeypatch.setattr(mutation, "SURVIVORS", {reason.mutant: reason for reason in reasons.values()})
    monkeypatch.setattr(Tried, "reason", property(lambda one: reasons.get(one.mutant.old) if not one.caught else None))
    rows = [row("a::b"), row("a::c"), row("magnification"), *(row(old=effect) for effect in Effect), row(old="?")]
    score = Score.of(rows)
    assert (score.tried, score.by_tests, score.by_theorems, score.equivalent) == (8, 2, 1, 1)
    assert (score.changing, score.caught, score.left) == (7, 3, 4)


def test_a_row_counts_while_its_function_reads_the_same() -> None:
    assert replace(row(), reads=reads(KERNEL)).counts
    assert not replace(row(), reads="0").counts
    gone = replace(KERNEL, function="wnlib.sparse.nowhere")
    assert not replace(row(), mutant=gone, reads=reads(KERNEL)).counts


def test_a_row_that_counts_no_more_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    (number,) = RECORD.sample[:1]
    monkeypatch.setattr(mutation, "reads", lambda mutant: "0")
    stored, found = RECORD.recomputed(number)
    assert stored is found


def test_tests_nearest_to_a_survivor_do_not_notice_it() -> None:
    (survivor,) = [row.mutant for row in CURRENT if row.mutant.old == "terms[0]" and not row.caught]
    tests = ("a_step_is_as_long_as_the_largest_of_the_last_terms_allows", "the_path_ends_when_every_measurement_is_met")
    nearest = {f"tests/wnlib/test_multiprecision.py::test_{test}": Call(1.0, ()) for test in tests}
    assert noticed(survivor, nearest) == ""
