"""From the excess mass of an interpolant to its distance, and the magnification that the excess theorems ask for."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose

from wnlib import Problem, WeightNormFlow, basis_pursuit
from wnlib.flows.polar import radius_of
from wnlib.limits.bounds import magnification_excess_bound, needed_magnification
from wnlib.sparse.stability import stability

seeds = st.integers(0, 200)


@given(seeds, st.integers(0, 10**6), st.floats(0.01, 10))
def test_no_interpolant_is_farther_than_its_excess_allows(seed, other, weight):
    problem = Problem.gaussian(8, 20, 2, seed=seed)
    target = basis_pursuit(problem).weights
    factor = stability(problem, target)
    cost = np.random.default_rng(other).standard_normal(20)
    away = _vertex(problem, 1 + weight * cost)
    distance, excess = np.linalg.norm(away - target), away.sum() - target.sum()
    assert distance <= factor * excess + 1e-7


def _vertex(problem, cost):
    from scipy.optimize import linprog

    # A box keeps the program bounded.
    return linprog(cost, A_eq=problem.A, b_eq=problem.y, bounds=(0, 5), method="highs").x


def test_the_factor_is_attained_where_there_is_one_direction():
    # Interpolants (1 + t, t), t >= 0: distance t sqrt(2), excess 2 t.
    problem = Problem(np.array([[1.0, -1.0]]), np.array([1.0]))
    assert_allclose(stability(problem, np.array([1.0, 0.0])), np.sqrt(2))  # not the smallest: the margin stops at 1


def test_what_is_not_the_only_solution_has_no_certificate():
    twins = Problem(np.array([[1.0, 1.0, 0.5]]), np.array([1.0]))
    assert stability(twins, np.array([1.0, 0.0, 0.0])) == np.inf
    assert stability(twins, np.array([0.5, 0.5, 0.0])) == np.inf
    worse = Problem(np.array([[1.0, 2.0]]), np.array([1.0]))
    assert stability(worse, np.array([1.0, 0.0])) == np.inf


@given(seeds, st.integers(2, 6), st.floats(1e-4, 0.5))
def test_the_needed_magnification_makes_the_bound_the_excess(seed, depth, excess):
    target = basis_pursuit(Problem.gaussian(8, 20, 2, seed=seed)).weights
    rho = float(radius_of(target, depth)) ** 2
    ratio = 2 * needed_magnification(depth, target, excess) / (rho / 2)
    bound = magnification_excess_bound(WeightNormFlow(depth, ratio), np.sqrt(rho / 2), target)
    assert_allclose(bound, excess, rtol=1e-9)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="depth must be"):
        needed_magnification(1, np.ones(3), 0.1)
    with pytest.raises(ValueError, match="excess must be > 0"):
        needed_magnification(2, np.ones(3), 0.0)
