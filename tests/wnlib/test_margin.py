"""The margin of basis pursuit: its certificate, its direction, and how they bound each other."""

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import linprog

from wnlib import ArgumentError, InfeasibleError, Problem, margin

seeds = st.integers(0, 200)


@given(seeds, st.booleans())
def test_certificate_and_direction_have_one_value(seed, priced):
    problem = Problem.gaussian(8, 20, 2, seed=seed)
    costs = np.random.default_rng(seed).uniform(0.5, 2, 20) if priced else np.ones(20)
    found = margin(problem, costs)
    off = ~found.support
    assert_allclose((problem.A.T @ found.dual)[found.support], costs[found.support], atol=1e-9)
    if np.isinf(found.value):
        assert not found.direction.any()
        return
    assert_allclose((problem.A.T @ found.dual / costs)[off].max(), 1 - found.value, atol=1e-9)
    assert found.direction[off].min() >= 0
    assert_allclose(problem.A @ found.direction, 0, atol=1e-9)
    assert_allclose(costs[off] @ found.direction[off], 1)
    assert_allclose(costs @ found.direction, found.value, atol=1e-9)


@given(seeds)
def test_costs_are_units_of_the_weights(seed):
    problem = Problem.gaussian(6, 16, 2, seed=seed)
    costs = np.random.default_rng(seed).uniform(0.5, 2, 16)
    found, scaled = margin(problem, costs), margin(Problem(problem.A / costs, problem.y))
    assert_allclose(found.target, scaled.target / costs, atol=1e-9)
    assert found.value == scaled.value or np.isclose(found.value, scaled.value)


def test_no_direction_is_cheaper():
    problem, rng = Problem.gaussian(8, 20, 2, seed=3), np.random.default_rng(0)
    found = margin(problem)
    off = ~found.support
    for _ in range(20):  # other interpolants lie in the directions that there are
        costs = rng.uniform(0.1, 2, 20)
        away = margin(problem, costs).target - found.target
        assert away.sum() >= found.value * away[off].sum() - 1e-9


def test_several_minimisers_are_left_together():
    found = margin(Problem([[1.0, 1.0, 0.5]], [1.0]))
    assert found.several
    assert found.support.tolist() == [True, True, False]
    assert_allclose(found.value, 0.5)


@given(st.integers(0, 2000))
def test_support_is_that_of_all_minimisers(seed):
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(2, 6)), int(rng.integers(6, 14))
    A, w = rng.integers(-1, 2, (m, n)).astype(float), rng.integers(0, 2, n) * (rng.random(n) < 0.4)
    assume((A @ w).any())
    problem = Problem(A, A @ w)
    found = margin(problem)
    assert_allclose(A @ found.target, problem.y, atol=1e-9)
    assert found.several == (np.linalg.matrix_rank(A[:, found.support]) < np.count_nonzero(found.support))
    least = found.target.sum()
    for i in range(n):  # the most that a minimiser has of an entry, by a linear program
        rows, data = np.vstack([A, np.ones(n)]), np.append(problem.y, least)
        most = -linprog(-np.eye(n)[i], A_eq=rows, b_eq=data).fun
        assert (most > 1e-7) == found.support[i]


def test_only_interpolant_has_no_direction():
    found = margin(Problem([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]], [1.0, 0.0]))
    assert found.value == np.inf
    assert not found.several
    assert_allclose(found.target, [1, 0, 0], atol=1e-12)
    assert not found.direction.any()
    assert margin(Problem([[1.0, 1.0]], [1.0])).value == np.inf  # all interpolants are minimisers


def test_a_cost_that_is_rounding_is_none():
    # After the change of the columns the ninth costs -1e-13 more than the eight others.
    rng = np.random.default_rng(19)
    u = rng.uniform(0.1, 1, 15)
    A, nu, p = rng.standard_normal((7, 15)), rng.standard_normal(7), u**-4.0
    paid = np.where(np.arange(15) < 9, p, 0.3 * p)
    A += np.outer(nu, (paid - nu @ A) / (nu @ nu))
    found = margin(Problem(A, A[:, :9] @ rng.uniform(0.2, 1, 9)), p)
    assert found.several
    assert found.support.tolist() == [True] * 9 + [False] * 6


def test_support_as_large_as_the_rank_leaves_no_freedom():
    A = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.25]])
    found = margin(Problem(A, [1.0, 1.0]))
    assert_allclose(found.dual, [1, 1])
    assert_allclose(found.value, 0.25)


def test_bad_costs_are_named():
    problem = Problem([[1.0, 2.0]], [1.0])
    with pytest.raises(ArgumentError, match=r"costs must be > 0 in every entry, got a minimum of 0\.0"):
        margin(problem, [1.0, 0.0])
    with pytest.raises(ArgumentError, match=r"costs must have shape \(2\)"):
        margin(problem, [1.0])
    with pytest.raises(ArgumentError, match="y must be nonzero"):
        margin(Problem([[1.0, 2.0]], [0.0]))
    with pytest.raises(InfeasibleError, match="nonnegative interpolant"):
        margin(Problem([[1.0, 2.0]], [-1.0]))
