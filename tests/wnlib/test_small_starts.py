"""What a start against the data is bounded by, and that it collapses below its threshold."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from wnlib import Problem, WeightNormFlow, collapses
from wnlib.limits.small_starts import SmallStart

seeds = st.integers(0, 10**6)
few = settings(max_examples=40)


@st.composite
def small_starts(draw: st.DrawFn) -> SmallStart:
    """On signed weights, with a direction that leans against the data."""
    depth, rng = draw(st.integers(2, 5)), np.random.default_rng(draw(seeds))
    problem = Problem.gaussian(4, 7, 2, seed=draw(seeds)).doubled()
    direction = rng.uniform(0.3, 1.7, 14)
    direction[problem.A.T @ problem.y > 0] *= rng.uniform(0.1, 0.3)
    return SmallStart(problem, direction / np.linalg.norm(direction), depth, draw(st.floats(0.1, 30)))


@few
@given(small_starts())
def test_the_push_is_the_slope_of_minus_the_loss_in_the_size_of_the_weights(start: SmallStart) -> None:
    assert start.push < 0
    h = 1e-6
    ahead, behind = (start.problem.loss(t * start.direction**start.depth) for t in (h, -h))
    assert start.push == pytest.approx((behind - ahead) / (2 * h), rel=1e-6)


@few
@given(small_starts(), seeds, st.floats(1e-3, 3))
def test_no_force_up_to_a_radius_exceeds_its_bound(start: SmallStart, seed: int, radius: float) -> None:
    rng = np.random.default_rng(seed)
    u = rng.uniform(0, 1, 14) ** rng.integers(1, 20)
    weights = (radius * rng.uniform(0, 1) * u / np.linalg.norm(u)) ** start.depth
    largest = np.abs(start.problem.A.T @ start.problem.residual(weights)).max()
    assert largest <= start.force(radius)


def test_the_bound_on_the_force_is_reached() -> None:
    """By one column, measured to be where the weight is not."""
    start = SmallStart(Problem([[2.0]], [-3.0]), np.ones(1), 3, 1.0)
    weights = np.array([0.5**3])
    assert start.force(0.5) == pytest.approx(abs(2.0 * (-3.0 - 2.0 * weights[0])), rel=1e-15)


@few
@given(small_starts())
def test_the_threshold_is_where_the_excess_changes_sign(start: SmallStart) -> None:
    radius = start.threshold
    assert start.excess(0.999 * radius) < 0 < start.excess(1.001 * radius)
    assert abs(start.excess(radius)) <= 1e-10 * start.depth * start.ratio * radius**2


@few
@given(small_starts(), st.floats(0.01, 0.999))
def test_what_is_left_of_the_push_shrinks_to_nothing_at_the_threshold(start: SmallStart, part: float) -> None:
    radius = part * start.threshold
    assert start.push_left(0.0) == pytest.approx(-start.push, rel=1e-9)
    assert 0 < start.push_left(radius) < start.push_left(0.5 * radius) < -start.push
    K = start.force(0.0) * start.force(radius)
    wanted = K - (K - start.push**2) * np.exp(start.depth * start.ratio * radius**2)
    assert start.push_left(radius) ** 2 == pytest.approx(wanted, rel=1e-6, abs=1e-9 * K)
    assert start.push_left(1.001 * start.threshold) == 0


@settings(max_examples=10)
@given(small_starts())
def test_a_start_below_the_threshold_collapses(start: SmallStart) -> None:
    flow = WeightNormFlow(start.depth, start.ratio)
    assert collapses(flow, start.problem, flow.start(14, 0.9 * start.threshold, start.direction))


def test_a_large_start_against_the_data_need_not_collapse() -> None:
    problem = Problem.gaussian(4, 7, 2, seed=0).doubled()
    direction = np.where(problem.A.T @ problem.y > 0, 0.5, 1.0)
    start = SmallStart(problem, direction / np.linalg.norm(direction), 2, 5.0)
    flow = WeightNormFlow(2, 5.0)
    assert start.push < 0
    assert not collapses(flow, problem, flow.start(14, 20 * start.threshold, direction))
