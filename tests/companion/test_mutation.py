"""A mutant changes one place of one function, for all that call it, for as long as it is applied."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from companion.theorems import loss_rate, magnification
from companion.verification.ensemble import Case
from companion.verification.mutation import Mutant, applied, catches
from companion.verification.symbolic import Derivation
from companion.verification.theorem import Measurement
from wnlib import problem
from wnlib.errors import ArgumentError
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits import equations, weighted_basis
from wnlib.limits.small_starts import SmallStart
from wnlib.models.matrix import MatrixProblem, polar_field
from wnlib.problem import Problem
from wnlib.rigorous.instance import SMALL_INSTANCE
from wnlib.sparse.basis_pursuit import basis_pursuit

TRIPLED = ("0.5 * self.ratio", "1.5 * self.ratio")


def mutant(function: str, old: str, new: str, occurrence: int = 0) -> Mutant:
    return Mutant("wrong", function, old, new, occurrence)


def line() -> Problem:
    """One measurement, 3, of one weight."""
    return Problem(np.array([[1.0]]), np.array([3.0]), np.array([3.0]))


def in_row_space() -> float:
    """Its interpolant, 3, from its part in the row space."""
    return float(line().row_basis[0] @ line().moments)


def matrix_velocity() -> float:
    """r' = (2 - r u) u = 1, of a matrix of one entry."""
    field = polar_field(MatrixProblem(np.array([[[1.0]]]), np.array([2.0])), 1, 1.0)
    return float(field(0.0, np.array([1.0, 1.0]))[0])


@pytest.mark.parametrize(
    ("change", "value", "right", "wrong"),
    [
        (mutant("Problem.loss", "0.5", "1.5"), lambda: line().loss(np.zeros(1)), 4.5, 13.5),
        (mutant("SmallStart.push", "self.depth", "0"), lambda: SmallStart(line(), np.full(1, -1.0), 1, 1).push, -3, 3),
        (mutant("Problem.moments", "self.y", "2 * self.y"), in_row_space, 3, 6),
        (mutant("Polar.of", "np.sign(direction)", "7.0"), lambda: Polar.of(1.0, [2.0]).direction[0], 2, 14),
        (mutant("polar_field", "np.sum(G * U)", "5.0"), matrix_velocity, 1, 5),
    ],
    ids=["a method", "a property", "a cached property", "a class method", "a closure"],
)
def test_function_is_changed_and_restored(
    change: Mutant, value: Callable[[], float], right: float, wrong: float
) -> None:
    assert value() == pytest.approx(right)
    with applied(change):
        assert value() == pytest.approx(wrong)
    assert value() == pytest.approx(right)


def test_method_that_calls_its_parent_is_changed() -> None:
    with applied(mutant("WeightNormFlow.__post_init__", 'check.positive("ratio", self.ratio)', "self.ratio")):
        assert WeightNormFlow(2, -1.0).ratio == -1
        with pytest.raises(ArgumentError, match="depth must be"):
            WeightNormFlow(0, 1.0)
    with pytest.raises(ArgumentError, match="ratio must be"):
        WeightNormFlow(2, -1.0)


def test_constant_is_changed_wherever_it_was_imported() -> None:
    with applied(mutant("weighted_basis.ROUNDING", "1e-13", "1e-3")):
        assert weighted_basis.ROUNDING == equations.ROUNDING == 1e-3
    assert weighted_basis.ROUNDING == equations.ROUNDING == 1e-13


def test_function_is_restored_after_an_error() -> None:
    def broken() -> None:
        with applied(mutant("WeightNormFlow.log_magnification", *TRIPLED)):
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        broken()
    assert WeightNormFlow(2, 2.0).log_magnification(np.ones(1)) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.5*self . ratio", "(1.5 * (self.ratio))  # too much"),
        ("(0.5\n * self.ratio\n)", "1.5 * self.ratio"),
        ("return 0.5 * self.ratio * radius**2", "return 1.5 * self.ratio * radius ** 2"),
    ],
    ids=["spaces", "lines", "a statement"],
)
def test_what_counts_is_the_syntax_tree(old: str, new: str) -> None:
    with applied(mutant("WeightNormFlow.log_magnification", old, new)):
        assert WeightNormFlow(2, 2.0).log_magnification(np.ones(1)) == 3


@pytest.mark.parametrize("occurrence", [1, 2])
def test_occurrences_are_counted_from_one(occurrence: int) -> None:
    changed = Problem(np.array([[1.0, 2.0]]), np.array([3.0]))
    with applied(mutant("Problem.shape", "self.A.shape", "(8, 9)", occurrence)):
        assert changed.shape == ((8, 2), (1, 9))[occurrence - 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (mutant("nothing", "1", "2"), r"must name one function or constant, got 'nothing': none"),
        (mutant("magnification", "1", "2"), r"got 'magnification': none"),
        (mutant("Flow.velocity.field", "1", "2"), r"got 'Flow.velocity.field': none"),
        (mutant("invariant_drift", "1", "2"), r"got 'invariant_drift': wnlib\S+invariants\S+, wnlib\S+"),
        (mutant("Problem.loss", "0.25", "2"), r"old must occur once in Problem.loss, or be numbered, got 0: 0.25"),
        (
            mutant("Problem.shape", "self.A", "2"),
            r"old must occur once in Problem.shape, or be numbered, got 2: self.A",
        ),
        (mutant("Problem.shape", "self.A", "2", 3), r"or be numbered, got 2: self.A"),
        (mutant("Problem.shape", "'(M, N): measurements and weights.'", "2", 2), r"or be numbered, got 1"),
    ],
)
def test_unclear_mutant_is_refused(change: Mutant, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        change.tree()


def test_results_that_were_kept_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problem, "kept", cache(lambda: float(line().loss(np.zeros(1)))), raising=False)
    solved = line()

    def results() -> tuple[float, float, Fraction]:
        return problem.kept(), basis_pursuit(solved).value, SMALL_INSTANCE.kernel[0][0]

    right = results()
    for place, change in enumerate(
        (
            mutant("Problem.loss", "0.5", "1.5"),
            mutant("basis_pursuit._solve", "float(answer.x.sum())", "float(answer.x.sum()) + 1e-7"),
            mutant("Instance.kernel", "-row[free]", "row[free]"),
        )
    ):
        with applied(change):
            assert [wrong != one for wrong, one in zip(results(), right, strict=True)] == [k == place for k in range(3)]
        assert results() == right


def test_results_that_a_theorem_file_keeps_are_dropped() -> None:
    case = loss_rate.THEOREM.ensemble.case(0)
    loss_rate.sparse(case, case.plain)
    assert loss_rate.sparse.cache_info().currsize > 0
    with applied(mutant("WeightNormFlow.log_magnification", "0.5", "0.6")):
        assert loss_rate.sparse.cache_info().currsize == 0


def test_what_changes_nothing_survives() -> None:
    theorem = replace(magnification.THEOREM, derive=lambda depth: Derivation((), ()))
    assert catches(theorem, mutant("MirrorMap.speed", "2 - L", "-(L - 2)")) == []
    [reason] = catches(theorem, mutant("MirrorMap.speed", "2 - L", "L - 2"))
    assert reason.startswith("measurement: ")


def test_derivation_is_tried_first_where_its_blocks_are_changed() -> None:
    def never(case: Case) -> Measurement:
        raise AssertionError(case)

    change = mutant("symbolic.speed", "2 - depth", "1 - depth")
    assert catches(replace(magnification.THEOREM, measure=never), change) == ["derivation at depth L"]
