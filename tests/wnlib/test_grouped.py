"""Weight normalization by groups: the field, the limit of matched clocks, and what it tends to."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from wnlib import (
    CollapseError,
    GroupedFlow,
    InfeasibleError,
    LimitError,
    Polar,
    Problem,
    WeightNormFlow,
    grouped_limit,
    integrate,
    integrate_grouped,
    limit,
    mirror_map,
)
from wnlib.models.grouped import encode
from wnlib.models.grouped_limit import nearest_masses

PROBLEM = Problem.gaussian(6, 12, 8, seed=2)


def points(groups: int) -> Polar:
    """Random ones, of unequal radii."""
    rng = np.random.default_rng(5)
    log_u = [np.log(u / np.linalg.norm(u)) for u in rng.uniform(0.5, 1.5, (groups, 12 // groups))]
    return Polar(rng.uniform(0.8, 1.2, groups) * 1.5, np.array(log_u), np.ones(1))


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_each_group_moves_like_weights_alone_with_the_others_measured_away(depth):
    flow, start, whole = GroupedFlow(depth, 3.0), points(3), Problem.gaussian(3, 12, 8, seed=2)
    field = flow.velocity(whole, start)(0.0, encode(start)).reshape(3, 5)
    weights = start.weights(depth)
    for k, A in enumerate(np.split(whole.A, 3, axis=1)):
        problem = Problem(A, whole.y - whole.A @ weights.ravel() + A @ weights[k])
        assert_allclose(field[k], flow.alone.velocity(problem)(0.0, flow.alone.encode(start[k])), rtol=1e-10)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_matched_clocks_give_all_dual_variables_one_clock(depth):
    flow, start = GroupedFlow(depth, 2.0, matched=True), points(3)
    mirror = mirror_map(flow.alone, float(np.sqrt(np.mean(start.radius**2))))
    field, state, h = flow.velocity(PROBLEM, start), encode(start), 1e-6

    def theta(state):
        rows = state.reshape(3, 5)
        return mirror.dual_variable(Polar(np.exp(rows[:, 0]), rows[:, 1:], np.ones(1))).ravel()

    step = h * field(0.0, state)
    force = PROBLEM.A.T @ PROBLEM.residual(start.weights(depth).ravel())
    assert_allclose((theta(state + step) - theta(state - step)) / (2 * h), depth * force, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("matched", [False, True])
def test_one_group_is_one_sphere(matched):
    flow, one = GroupedFlow(3, 2.0, matched), WeightNormFlow(3, 2.0)
    path = integrate_grouped(flow, PROBLEM, flow.start(12, 2.0, 1), 1e3, stop=1e-9, rtol=1e-10)
    end = limit(one, PROBLEM, one.start(12, 2.0)).weights
    assert_allclose(path.weights[-1], end, atol=1e-6)
    assert_allclose(grouped_limit(GroupedFlow(3, 2.0, True), PROBLEM, flow.start(12, 2.0, 1)).weights, end, rtol=1e-7)


def test_a_start_is_that_of_one_sphere():
    direction = np.linspace(1, 2, 12)
    start = GroupedFlow(2, 1.0).start(12, 3.0, 4, direction)
    assert_allclose(start.weights(2).ravel(), WeightNormFlow(2, 1.0).start(12, 3.0, direction).weights(2))
    assert start.radius.shape == (4,)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_matched_clocks_end_at_the_limit(depth):
    flow, start = GroupedFlow(depth, 2.0, matched=True), points(4)
    path = integrate_grouped(flow, PROBLEM, start, 1e6, stop=1e-9, rtol=1e-10)
    assert path.fits
    assert_allclose(grouped_limit(flow, PROBLEM, start).weights, path.weights[-1], atol=1e-7)


def test_equal_rates_end_elsewhere_and_groups_differ_from_one_sphere():
    matched, equal, one = GroupedFlow(2, 4.0, True), GroupedFlow(2, 4.0), WeightNormFlow(2, 4.0)
    start = matched.start(12, 2.0, 3)
    end = grouped_limit(matched, PROBLEM, start).weights
    other = integrate_grouped(equal, PROBLEM, start, 1e6, stop=1e-9).weights[-1]
    assert np.linalg.norm(other - end) > 1e-2 * np.linalg.norm(end)
    assert np.linalg.norm(integrate(one, PROBLEM, one.start(12, 2.0), 1e3).weights[-1] - end) > 0.1


def test_a_large_ratio_leads_to_the_nearest_masses():
    start = GroupedFlow(2, 1.0).start(12, 2.0, 3)
    target = nearest_masses(PROBLEM, start.radius**2).reshape(3, 4).sum(axis=1)
    gaps = []
    for ratio in (10.0, 100.0, 1000.0):
        end = grouped_limit(GroupedFlow(2, ratio, True), PROBLEM, start)
        gaps.append(np.linalg.norm(end.point.radius**2 - target))
    assert gaps[2] < 0.2 * gaps[1] < 0.04 * gaps[0]
    assert gaps[2] < 0.01


def test_nearest_masses_are_nearest():
    found = nearest_masses(PROBLEM, [0.5, 1.0, 2.0])
    assert_allclose(PROBLEM.A @ found, PROBLEM.y, atol=1e-6)
    assert found.min() >= 0
    distance = np.linalg.norm(found.reshape(3, 4).sum(axis=1) - [0.5, 1.0, 2.0])
    assert distance < np.linalg.norm(PROBLEM.truth.reshape(3, 4).sum(axis=1) - [0.5, 1.0, 2.0])
    with pytest.raises(ValueError, match="masses must be as many as a divisor of 12, got 5"):
        nearest_masses(PROBLEM, np.ones(5))


def test_a_group_that_nothing_measured_needs_is_spent():
    problem = Problem(A=[[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]], y=[4.0, 0.0])
    flow = GroupedFlow(2, 4.0, matched=True)
    with pytest.raises(CollapseError, match="the minimiser is 0 in group 1, where no flow ends: try a larger start"):
        grouped_limit(flow, problem, flow.start(4, 1.0, 2))
    assert not integrate_grouped(flow, problem, flow.start(4, 1.0, 2), 1e6, stop=1e-12).fits


def test_bad_arguments_of_the_grouped_flow():
    with pytest.raises(ValueError, match="depth must be >= 2, got 1"):
        GroupedFlow(1, 3.0)
    with pytest.raises(ValueError, match="ratio must be > 0"):
        GroupedFlow(2, 0.0)
    flow = GroupedFlow(2, 1.0, matched=True)
    with pytest.raises(ValueError, match="groups must divide the number of weights, 12, got 5"):
        flow.start(12, 1.0, 5)
    with pytest.raises(ValueError, match=r"start must have groups of together 12 entries, got shape \(2, 5\)"):
        integrate_grouped(flow, PROBLEM, flow.start(10, 1.0, 2), 1.0)
    with pytest.raises(ValueError, match=r"start must have groups of together 12 entries, got shape \(12,\)"):
        grouped_limit(flow, PROBLEM, flow.alone.start(12, 1.0))
    with pytest.raises(ValueError, match="start must be a Polar"):
        grouped_limit(flow, PROBLEM, np.ones(12))
    with pytest.raises(ValueError, match="flow must have matched clocks, got equal rates"):
        grouped_limit(GroupedFlow(2, 1.0), PROBLEM, flow.start(12, 1.0, 2))
    with pytest.raises(InfeasibleError):
        grouped_limit(flow, Problem(-np.abs(PROBLEM.A), np.ones(6)), flow.start(12, 1.0, 2))
    with pytest.raises(LimitError, match="exceeds the tolerance"):
        grouped_limit(flow, PROBLEM, flow.start(12, 1.0, 2), tolerance=1e-300)
