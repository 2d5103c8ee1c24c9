"""Which weights some nonnegative interpolant makes positive: by the definition, and however the problem is written."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_array_equal
from scipy.optimize import linprog

from wnlib import CertificateError, InfeasibleError, Problem, attainable_weights
from wnlib._checks import Array
from wnlib.linear import linear_program

seeds = st.integers(0, 10**6)
few = settings(max_examples=40)
FORCED = Problem([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]], [1.0, 0.0])


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Small integers, some of which force weights to be zero."""
    rng = np.random.default_rng(draw(seeds))
    A = rng.integers(-1, 3, (3, 6)) * (rng.uniform(size=(3, 6)) < 0.6)
    truth = rng.integers(0, 2, 6)
    return Problem(A, A @ truth, truth)


def largest(problem: Problem, i: int) -> float:
    """The largest w_i <= 1 of a nonnegative interpolant."""
    bounds = [(0, 1 if j == i else None) for j in range(problem.shape[1])]
    cost = -np.eye(problem.shape[1])[i]
    return float(linprog(cost, A_eq=problem.A, b_eq=problem.y, bounds=bounds, method="highs").x[i])


def wanted(problem: Problem) -> Array:
    return np.array([largest(problem, i) > 1e-7 for i in range(problem.shape[1])])


@few
@given(problems())
def test_each_weight_is_attainable_that_a_program_of_its_own_makes_positive(problem: Problem) -> None:
    assert_array_equal(attainable_weights(problem), wanted(problem))


def test_a_sum_of_zero_leaves_none_of_its_weights() -> None:
    assert attainable_weights(FORCED).tolist() == [True, True, False, False]


def test_of_few_measurements_all_weights_are_attainable() -> None:
    assert attainable_weights(Problem.gaussian(3, 12, 8, seed=0)).all()


def test_a_unique_interpolant_attains_its_support() -> None:
    problem = Problem.gaussian(12, 16, 2, seed=0)
    assert_array_equal(attainable_weights(problem), problem.truth > 0)


@few
@given(problems(), seeds, st.integers(-8, 8))
def test_neither_the_order_nor_the_units_matter(problem: Problem, seed: int, power: int) -> None:
    rng = np.random.default_rng(seed)
    order, rows = rng.permutation(6), rng.permutation(3)
    restated = Problem(problem.A[rows][:, order], 10.0**power * problem.y[rows])
    assert_array_equal(attainable_weights(restated), attainable_weights(problem)[order])


@few
@given(problems())
def test_repeated_measurements_and_columns_change_nothing(problem: Problem) -> None:
    doubled = Problem(np.hstack([np.vstack([problem.A, problem.A])] * 2), np.tile(problem.y, 2))
    assert_array_equal(attainable_weights(doubled), np.tile(attainable_weights(problem), 2))


def test_without_a_nonnegative_interpolant_it_is_an_error() -> None:
    with pytest.raises(InfeasibleError, match="y must have a nonnegative interpolant"):
        attainable_weights(Problem([[1.0, 2.0]], [-1.0]))


def test_a_program_that_does_not_finish_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    unfinished = SimpleNamespace(linprog=lambda *args, **options: SimpleNamespace(x=None))
    monkeypatch.setattr(linear_program, "optimize", unfinished)
    with pytest.raises(CertificateError, match=r"linear program was not solved: no answer .*; try other units"):
        attainable_weights(FORCED)
