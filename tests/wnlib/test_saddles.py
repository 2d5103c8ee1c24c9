"""Saddles, the order in which a flow visits them, and the bounds on a stay."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose

from wnlib import GradientFlow, Problem, ScheduledWeightNormFlow, WeightNormFlow, basis_pursuit, integrate
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import polar_of
from wnlib.limits.saddles import cascade, saddle
from wnlib.limits.stays import exit_time, stay

SMALL = Problem(np.array([[1.0, 0.0, 0.1], [0.0, 1.0, -0.1]]), np.array([2.0, 1.0]))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(0, 4))
def test_a_saddle_is_least_squares_on_its_support(seed: int, size: int) -> None:
    problem = Problem.gaussian(5, 9, 3, seed=seed)
    candidates = np.random.default_rng(seed).choice(9, size, replace=False)
    found = saddle(problem, candidates)
    gradient = problem.A.T @ problem.residual(found.weights)
    assert set(np.flatnonzero(found.support)) <= set(candidates)
    assert_allclose(gradient[found.support], 0, atol=1e-9)
    assert np.all(gradient[candidates] <= 1e-9)
    assert_allclose(found.force[~found.support], gradient[~found.support])
    assert_allclose(found.loss, problem.loss(found.weights))


def test_the_cascade_of_two_uncoupled_weights_by_hand() -> None:
    path = cascade(SMALL)
    assert [list(np.flatnonzero(one.support)) for one in path.saddles] == [[], [0], [0, 1]]
    assert_allclose(path.dual_time, [1 / 2, (1 - 1 / 2) / 1])  # forces 2 and 1, then 1
    assert_allclose(path.saddles[-1].weights, [2, 1, 0], atol=1e-12)


def test_a_cascade_of_sparse_weights_ends_at_basis_pursuit_and_ends_early_when_told() -> None:
    problem = Problem.gaussian(24, 60, 3, seed=0)
    path = cascade(problem)
    assert_allclose(path.saddles[-1].weights, basis_pursuit(problem).weights, atol=1e-9)
    assert np.all(np.diff([one.loss for one in path.saddles]) < 0)
    assert len(cascade(problem, most=2).saddles) == 2
    with pytest.raises(ValueError, match="most must be >= 1, got 0"):
        cascade(problem, most=0)


def test_permuting_the_weights_permutes_the_cascade() -> None:
    problem, order = Problem.gaussian(12, 20, 3, seed=4), np.random.default_rng(0).permutation(20)
    path, moved = cascade(problem), cascade(Problem(problem.A[:, order], problem.y))
    assert_allclose(moved.dual_time, path.dual_time)
    for one, other in zip(path.saddles, moved.saddles, strict=True):
        assert_allclose(other.weights, one.weights[order], atol=1e-12)


def test_where_w_is_zero_in_the_end_no_saddle_is_left() -> None:
    path = cascade(Problem(np.eye(2), np.zeros(2)))
    assert len(path.saddles) == 1
    assert path.exits(GradientFlow(3), GradientFlow(3).start(2, 0.1)).shape == (0,)


def test_stays_are_the_dual_time_in_units_of_the_dual_variable_over_its_speed() -> None:
    path, n = cascade(SMALL), 3
    flow, alpha = GradientFlow(4), 0.01
    whole = (alpha / np.sqrt(n)) ** -2 / (2 * 4)
    assert_allclose(path.exits(flow, flow.start(n, alpha)), whole * np.cumsum(path.dual_time))
    weighted = WeightNormFlow(3, 5.0, radial_rate=0.7)
    start = weighted.start(n, 0.8)
    mirror = mirror_map(weighted, 0.8)
    stop = polar_of(path.saddles[1].weights + 1e-300, 3)
    expected = -mirror.dual_variable(start)[0] * path.dual_time[1] / mirror.speed(stop)
    assert_allclose(np.diff(path.exits(weighted, start)), expected)


@pytest.mark.parametrize(
    "flow", [GradientFlow(2), GradientFlow(3), WeightNormFlow(2, 4.0), WeightNormFlow(4, 3.0)], ids=str
)
def test_bounds_enclose_the_stay_and_close_in_on_it(flow: GradientFlow | WeightNormFlow) -> None:
    at = saddle(SMALL, [0])
    width = []
    for mass in (1e-2, 1e-4, 1e-6):
        start = polar_of(at.weights + np.array([0, 1e-4, 1e-12]) * mass, flow.depth)
        bounds = stay(flow, at, start, mass)
        left = exit_time(integrate(flow, SMALL, start, 1.1 * bounds.latest, rtol=1e-8), at, mass)
        assert bounds.earliest <= left <= bounds.latest
        width.append(bounds.latest / bounds.earliest)
    assert width[0] > width[1] > width[2]
    assert width[2] < 1.15


def test_bounds_are_trivial_where_nothing_is_known() -> None:
    nothing, flow = saddle(SMALL, []), WeightNormFlow(3, 2.0)
    bounds = stay(flow, nothing, flow.start(3, 0.05, [3.0, 1.0, 1.0]), 1e-3)
    assert bounds.earliest == 0
    assert bounds.latest == np.inf
    pushed_back = saddle(SMALL, [0, 1])
    rest = stay(GradientFlow(3), pushed_back, polar_of(np.array([2.0, 1.0, 1e-9]), 3), 1e-3)
    assert rest.latest == np.inf


def test_a_stay_needs_few_outsiders_and_constant_rates() -> None:
    at, point = saddle(SMALL, [0]), polar_of(np.array([2.0, 0.1, 0.1]), 3)
    with pytest.raises(ValueError, match=r"mass must exceed that of the outsiders, 0\.2, got 0\.1"):
        stay(GradientFlow(3), at, point, 0.1)
    with pytest.raises(ValueError, match="flow must be a GradientFlow or a WeightNormFlow of depth >= 2"):
        stay(GradientFlow(1), at, point, 1.0)
    with pytest.raises(ValueError, match="flow must have a constant ratio"):
        stay(ScheduledWeightNormFlow(3, 1.0), at, point, 1.0)


@pytest.mark.parametrize("ratio", [30.0, 60.0, 100.0])
def test_long_plateaus_are_followed_to_their_exits_and_beyond(ratio: float) -> None:
    """Rounding errors of what nothing moves had bounded the steps: 200,000 evaluations were not enough."""
    problem, flow = Problem.gaussian(24, 60, 3), WeightNormFlow(3, ratio)
    start = flow.start(60, 0.3)
    exits = cascade(problem).exits(flow, start)
    path = integrate(flow, problem, start, 10 * exits[-1])
    assert exits[-1] > 1e12
    assert len(path.t) < 10_000
    assert_allclose(path.plateaus()[1:, 1], exits[1:], rtol=0.01)
    assert path.invariant_drift.max() < 1e-7
    assert path.loss[-1] < 1e-20
