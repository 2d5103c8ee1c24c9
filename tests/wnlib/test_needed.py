"""The ratio and the scale that a sparse limit needs, against the limits from there; the barrier of collapse."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from wnlib import (
    ArgumentError,
    GradientFlow,
    InfeasibleError,
    Problem,
    WeightNormFlow,
    collapse_barrier,
    collapses,
    limit,
    margin,
    needed_ratio,
    needed_scale,
    radius_of,
    sparse_limit,
)
from wnlib.limits.leading_order import LeadingOrder, powers
from wnlib.limits.sparse_limit import costs

PROBLEMS = [Problem.gaussian(24, 60, 3, seed=seed) for seed in range(4)]


@pytest.mark.parametrize("depth", [2, 3, 4, 6])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_excess_is_the_one_that_was_asked_for(problem, depth):
    radius = np.sqrt(0.5) * float(radius_of(problem.truth, depth))
    for excess in (0.1, 1e-2, 1e-4):
        flow = WeightNormFlow(depth, needed_ratio(problem, depth, radius, excess))
        assert_allclose(limit(flow, problem, flow.start(60, radius)).l1_excess, excess, rtol=1e-7)
        plain = GradientFlow(depth)
        start = plain.start(60, needed_scale(problem, depth, excess))
        assert_allclose(limit(plain, problem, start).l1_excess, excess, rtol=1e-7)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_where_basis_pursuit_has_several_solutions(depth):
    problem, u = Problem([[1.0, 1.0, 0.5, 0.2], [0.0, 0.0, 0.3, -0.5]], [1.0, 0.0]), np.array([1.0, 1.0, 0.7, 0.8])
    flow = GradientFlow(depth)
    scale = needed_scale(problem, depth, 1e-3, u)
    chi = flow.start(4, 1.0, u).direction ** (2 - depth)
    weights = limit(flow, problem, flow.start(4, scale, u)).weights
    assert_allclose(chi @ weights / (chi @ sparse_limit(problem, depth, u)) - 1, 1e-3, rtol=1e-6)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_leading_order_becomes_exact(depth):
    problem = PROBLEMS[1]
    start = GradientFlow(depth).start(60, 1.0, np.random.default_rng(0).uniform(0.5, 1.5, 60))
    found = margin(problem, costs(start, depth))
    first, Q = LeadingOrder(problem, found, start, depth), float(found.costs @ found.target)
    off = [
        abs(first.end(excess * Q).log_scale - np.log(needed_scale(problem, depth, excess, start.direction)))
        for excess in (1e-2, 1e-3, 1e-4, 1e-5)
    ]
    assert off[-1] < 1e-2
    assert off[-1] < off[-2] < off[0]


def test_from_depth_three_on_the_norm_is_that_of_the_direction():
    problem, depth = PROBLEMS[0], 3
    u = np.where(problem.truth > 0, 0.2, 1.0)  # its weights cost five times as much
    u /= np.linalg.norm(u)
    target = sparse_limit(problem, depth, u)
    radius = 0.5 * float(radius_of(target, depth))
    flow = WeightNormFlow(depth, needed_ratio(problem, depth, radius, 1e-5, u))
    weights = limit(flow, problem, flow.start(60, radius, u)).weights
    assert_allclose(weights @ (1 / u) / (target @ (1 / u)) - 1, 1e-5, rtol=1e-6)
    assert np.abs(target - problem.truth).max() > 0.1  # and not the plain l1 norm


def test_no_certificate_has_a_smaller_sum():
    problem, start = PROBLEMS[1], GradientFlow(3).start(60, 1.0)
    found = margin(problem, costs(start, 3))
    first, rng, on = LeadingOrder(problem, found, start, 3), np.random.default_rng(2), found.support
    rows, squares = problem.A[:, on].T, start.direction[~on] ** 2
    least = first.least(powers(squares, 2.0))
    for _ in range(20):
        other = found.dual + 0.03 * rng.standard_normal() * _across(rows, rng)
        s = 1 - problem.A[:, ~on].T @ other / found.costs[~on]
        assert s.min() <= 0 or np.sum(squares * s**-2.0) >= least


def _across(rows, rng):
    drawn = rng.standard_normal(rows.shape[1])
    return drawn - np.linalg.pinv(rows) @ rows @ drawn


def test_what_cannot_be_had_is_said():
    problem = PROBLEMS[0]
    with pytest.raises(ArgumentError, match=r"scale must be < 1\.\d+, the radius of the limit, got 9"):
        needed_ratio(problem, 2, 9.0, 0.01)
    for alone in (Problem([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]], [1.0, 0.0]), Problem([[1.0, 1.0]], [1.0])):
        with pytest.raises(ArgumentError, match="interpolants that do not solve basis pursuit, got none"):
            needed_scale(alone, 2, 0.01)
    with pytest.raises(ArgumentError, match="excess must be that of some limit, got 50"):
        needed_scale(Problem([[1.0, 0.5]], [1.0]), 2, 50.0)
    with pytest.raises(ArgumentError, match="excess must be > 0, got 0"):
        needed_scale(problem, 2, 0)
    with pytest.raises(ArgumentError, match="depth must be >= 2, got 1"):
        needed_ratio(problem, 1, 1.0, 0.01)


def test_no_ratio_is_needed_for_an_excess_that_all_have():
    flow, problem = GradientFlow(3), PROBLEMS[0]
    end = limit(flow, problem, flow.start(60, 5.0))
    assert needed_ratio(problem, 3, 0.3, end.l1_excess) == 0


@pytest.mark.parametrize("depth", [2, 3, 4, 6])
@pytest.mark.parametrize("seed", range(3))
def test_barrier_is_where_small_starts_begin_to_fit(depth, seed):
    rng = np.random.default_rng(seed)
    problem = Problem([[1.0, *-rng.uniform(0.5, 2, 3)]], [1.0])
    u, radius = rng.uniform(0.3, 1.7, 4) * [0.5, 1, 1, 1], 1e-4
    barrier = collapse_barrier(problem, depth, u)
    for share in (0.999, 1.001):
        flow = WeightNormFlow(depth, share * barrier / radius**2)
        assert collapses(flow, problem, flow.start(4, radius, u)) == (share < 1)


def test_barrier_of_two_weights_has_a_closed_form():
    u = np.array([1.0, 3.0]) / np.sqrt(10)
    assert_allclose(collapse_barrier(Problem([[1.0, -1.0]], [1.0]), 2, u), -np.log(2 * u[0] * u[1]), rtol=1e-12)


def test_there_is_no_barrier_where_the_data_pull_outwards():
    assert collapse_barrier(Problem([[1.0, -0.5]], [1.0]), 2) == 0
    assert collapse_barrier(Problem([[1.0, 1.0]], [1.0]), 5) == 0


def test_what_has_no_barrier_is_said():
    with pytest.raises(InfeasibleError, match="nonnegative interpolant"):
        collapse_barrier(Problem([[1.0, 1.0]], [-1.0]), 2)
    with pytest.raises(ArgumentError, match="y must be nonzero"):
        collapse_barrier(Problem([[1.0, 1.0]], [0.0]), 2)
    with pytest.raises(ArgumentError, match="depth must be >= 2"):
        collapse_barrier(PROBLEMS[0], 1)


def test_an_excess_that_no_limit_has_is_refused_where_rounding_leaves_less_than_none():
    problem = Problem(A=[[0.82, 0.31, 0.15, 0.46], [0.28, 0.18, 0.62, 0.37]], y=[0.82, 0.28])
    with pytest.raises(ArgumentError, match="excess must be that of some limit"):
        needed_scale(problem, 5, 1e-2, direction=[1e-3, 1e-2, 1e-3, 1.0])
