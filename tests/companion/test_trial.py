"""A trial tells what notices a mutant, whatever becomes of the process that tries it."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from companion.verification import trial
from companion.verification.mutation import Mutant
from companion.verification.trial import Begin, Call, changed_functions, chosen, noticed, surveyed

SINGULAR = "tests/wnlib/test_ranks.py::test_the_kernel_and_the_rows_have_all_dimensions[2]"
OTHER = "tests/wnlib/test_ranks.py::test_coordinates_and_combinations_are_those_of_the_rows[low-rank]"
INVERTED = Mutant("inverted", "MirrorMap.speed", "2 - L", "L - 2")
THIN = Mutant("thin", "ranks.kernel", "linalg.svd(A, full_matrices=True)", "linalg.svd(A, full_matrices=False)")


def calls(*names: str, seconds: float = 1) -> dict[str, Call]:
    return {name: Call(seconds, ()) for name in names}


def test_the_first_test_that_fails_is_named() -> None:
    assert noticed(THIN, calls(OTHER, SINGULAR)) == SINGULAR
    assert noticed(THIN, calls(OTHER)) == noticed(THIN, {}) == ""


def test_a_test_that_does_not_end_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "PATIENCE", 1)
    endless = Mutant("endless", "row_space", "np.abs(np.diag(R))", "[0 for _ in iter(int, 1) if False]")
    began = time.perf_counter()
    assert noticed(endless, calls(OTHER, seconds=0)) == OTHER
    assert time.perf_counter() - began < 30


def test_a_theorem_that_fails_is_named() -> None:
    assert noticed(INVERTED, calls("factors", "magnification")) == "magnification"
    assert noticed(INVERTED, calls("factors")) == ""


@pytest.mark.parametrize(
    ("last", "found"),
    [
        (lambda: 0, ""),
        (lambda: 1, "b"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL) or 0, "b"),
        (lambda: bytearray(trial.MEMORY).count(1) and 0, None),
        (lambda: 4, None),
    ],
    ids=["passes", "fails", "dies", "raises", "is not run"],
)
def test_what_had_begun_last_is_what_failed(last: Callable[[], int], found: str | None) -> None:
    def run(begin: Begin) -> int:
        begin("a", 0.0)
        begin("b", 0.0)
        return last()

    if found is None:
        with pytest.raises(RuntimeError, match=r"broke off with status [34] after b$"):
            trial._first(run)
    else:
        assert trial._first(run) == found


def test_what_calls_a_function_is_tried_as_far_as_the_budget_goes() -> None:
    function = "wnlib.linear.ranks.kernel"
    seconds = {"a[1]": 1.0, "a[2]": 0.5, "b": 4.0, "c": 10.0, "d": 5.0, "a[3]": 0.25}
    found = {name: Call(taken, [function]) for name, taken in seconds.items()} | {"none": Call(1, [])}
    assert list(chosen(THIN, found)) == ["a[3]", "b", "d", "a[2]"]
    assert list(chosen(THIN, {"c": Call(20.0, [function])})) == ["c"]
    assert changed_functions(THIN) == {function}


def test_of_a_constant_it_is_the_functions_that_name_it() -> None:
    growth = Mutant("growth", "weighted_basis.GROWTH", "10.0", "11.0")
    assert changed_functions(growth) == {"wnlib.limits.weighted_basis.WeightedBasis.update"}


def test_a_survey_tells_what_each_test_and_theorem_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TESTS", "tests/wnlib/test_ranks.py")
    monkeypatch.setattr(trial.theorems, "names", lambda: ("magnification",))
    path = tmp_path / "calls.json"
    status = os.fork()
    if status == 0:  # a session of pytest within this one
        surveyed(path)
        os._exit(0)
    assert os.waitpid(status, 0)[1] == 0
    found = surveyed(path)
    assert "wnlib.linear.ranks.kernel" in found[SINGULAR].functions
    assert "wnlib.linear.ranks.kernel" not in found[OTHER].functions
    assert "wnlib.flows.weight_norm.WeightNormFlow.log_magnification" in found["magnification"].functions
    assert found["magnification"].seconds > 0
