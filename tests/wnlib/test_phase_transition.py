"""The cone of basis pursuit: its projections against a quadratic program, its dimensions, and what they predict."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import LinearConstraint, linprog, minimize

from wnlib import Problem, basis_pursuit
from wnlib.sparse.phase_transition import (
    positivity_dimension,
    positivity_success,
    projections,
    shift,
    statistical_dimension,
)


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 10**6))
def test_the_projection_is_that_of_a_quadratic_program(s, rest, seed):
    g = np.random.default_rng(seed).standard_normal(s + rest)
    tau = shift(g[None, :s], g[None, s:])[0]
    projected = np.concatenate([g[:s] - tau, np.maximum(g[s:] - tau, 0)])
    # In the cone, the rest in its polar, the two orthogonal: Moreau's conditions.
    assert projected.sum() <= 1e-12
    off = g - projected
    assert_allclose(off[:s], tau, atol=1e-12)
    assert np.all(off[s:] <= tau + 1e-12)
    assert abs(off @ projected) <= 1e-10
    drawn = projections(s, s + rest, 1, seed)
    found = minimize(
        lambda h: 0.5 * np.sum((h - g) ** 2),
        np.zeros(s + rest),
        jac=lambda h: h - g,
        method="SLSQP",
        bounds=[(None, None)] * s + [(0, None)] * rest,
        constraints=[LinearConstraint(np.ones(s + rest), -np.inf, 0)],
        options={"ftol": 1e-14, "maxiter": 500},
    ).x
    assert_allclose(projected, found, atol=1e-5)
    assert_allclose(drawn.squared_norm, found @ found, atol=1e-4)
    free = s + np.count_nonzero(found[s:] > 1e-4) - (found.sum() > -1e-4)
    assert drawn.dimension[0] == max(free, 0)


@pytest.mark.parametrize(("s", "n"), [(1, 60), (4, 60), (10, 60), (20, 60), (3, 400)])
def test_the_formula_is_the_statistical_dimension(s, n):
    drawn = projections(s, n, samples=20_000)
    margin = 5 / np.sqrt(len(drawn.dimension))
    mean, spread = drawn.squared_norm.mean(), drawn.squared_norm.std()
    assert_allclose(drawn.dimension.mean(), mean, atol=margin * (spread + drawn.dimension.std()))
    assert mean - margin * spread <= statistical_dimension(s, n) <= mean + 1 + margin * spread
    assert statistical_dimension(s, n) < positivity_dimension(s, n)


@given(st.integers(2, 80), st.data())
def test_the_formula_is_the_least_over_all_shifts(n, data):
    s = data.draw(st.integers(1, n - 1))
    tau = data.draw(st.floats(0, 4))
    grid = np.linspace(-8, 8, 40_001)
    density = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    tail = np.sum(np.maximum(grid - tau, 0) ** 2 * density) * (grid[1] - grid[0])
    assert statistical_dimension(s, n) <= s * (1 + tau**2) + (n - s) * tail + 1e-6


def test_without_a_shift_the_formula_is_positivity_alone():
    gaussian = np.random.default_rng(0).standard_normal((20_000, 50))
    squared = np.sum(gaussian[:, :10] ** 2, axis=1) + np.sum(np.maximum(gaussian[:, 10:], 0) ** 2, axis=1)
    assert_allclose(squared.mean(), positivity_dimension(10, 50), rtol=5e-3)


@pytest.mark.parametrize(("m", "s", "n"), [(3, 1, 6), (7, 3, 12), (4, 2, 5), (2, 2, 9), (5, 1, 6)])
def test_positivity_alone_is_croftons_sum_of_binomials(m, s, n):
    volumes = {s + j: comb(n - s, j) / 2 ** (n - s) for j in range(n - s + 1)}
    assert_allclose(positivity_success(m, s, n), 1 - 2 * sum(volumes.get(m + k, 0) for k in range(1, n, 2)), atol=1e-14)


def test_positivity_alone_is_how_often_no_other_weights_fit():
    m, s, n, count = 8, 2, 14, 300
    fits = 0
    for seed in range(count):
        problem = Problem.gaussian(m, n, s, seed=seed)
        cost = np.random.default_rng(seed).standard_normal(n)
        away = linprog(cost, A_eq=problem.A, b_eq=problem.y, bounds=(0, 10), method="highs").x
        fits += np.allclose(away, problem.truth, atol=1e-6)
    wanted = positivity_success(m, s, n)
    assert abs(fits / count - wanted) <= 4 * np.sqrt(wanted * (1 - wanted) / count)


@pytest.mark.parametrize(("m", "s"), [(6, 2), (8, 2), (12, 5)])
def test_crofton_predicts_how_often_basis_pursuit_succeeds(m, s):
    n, count = 20, 400
    problems = [Problem.gaussian(m, n, s, seed=seed) for seed in range(count)]
    rate = np.mean([np.allclose(basis_pursuit(p).weights, p.truth, atol=1e-7) for p in problems])
    predicted = projections(s, n, 20_000).success(m)
    assert abs(rate - predicted) <= 4 * np.sqrt(predicted * (1 - predicted) / count) + 0.01
    assert 0.05 < predicted < 0.99


def test_success_grows_with_measurements_between_none_and_all():
    drawn = projections(5, 60, 4000)
    success = [drawn.success(m) for m in range(1, 60)]
    assert np.all(np.diff(success) >= -0.03)  # the estimates of the sums' two parities
    assert success[0] == 0
    assert success[-1] == 1


def test_a_single_weight_needs_the_probability_that_a_sum_leaves():
    # s = 1, N = 2, M = 1: the kernel is a line in the plane, the cone a wedge of an eighth of a turn: 1 - 2 / 8.
    assert_allclose(projections(1, 2, 100_000).success(1), 0.75, atol=0.01)


@pytest.mark.parametrize(("s", "n"), [(0, 5), (5, 5), (1, 1)])
def test_sizes_are_checked(s, n):
    with pytest.raises(ValueError, match=r"(s|n) must be"):
        statistical_dimension(s, n)
