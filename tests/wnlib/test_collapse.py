"""Whether weight normalization collapses is decided at once, also from starts that take for ever."""

import numpy as np
import pytest

from wnlib import GradientFlow, Problem, WeightNormFlow, collapses, integrate

COLLAPSING = Problem.gaussian(24, 60, 3, seed=5)


@pytest.mark.parametrize("scale", [0.02, 1e-8, 1e-50])
def test_tiny_starts_are_decided_by_the_force_on_their_direction(scale):
    for seed in range(6):
        problem = Problem.gaussian(8, 20, 2, seed=seed)
        flow = WeightNormFlow(2, 1.0)
        along = float(np.sum(problem.A.T @ problem.y))  # of the uniform direction, at w = 0
        if abs(along) > 0.5:
            assert collapses(flow, problem, flow.start(20, scale)) == (along < 0)


@pytest.mark.parametrize("depth", [3, 6])
def test_great_depth_is_no_obstacle(depth):
    flow = WeightNormFlow(depth, 1.0)
    assert collapses(flow, COLLAPSING, flow.start(60, 0.02)) == (float(np.sum(COLLAPSING.A.T @ COLLAPSING.y)) < 0)


@pytest.mark.parametrize("depth", [2, 4, 6])
def test_starts_whose_loss_is_that_of_zero_but_for_rounding(depth):
    problem, flow = Problem.gaussian(8, 20, 2, seed=33), WeightNormFlow(depth, 1.0)
    assert np.sum(problem.A.T @ problem.y) < -0.5  # the pull is inward
    for radius in np.geomspace(1e-16, 1e-14, 30) ** (1 / depth):
        assert collapses(flow, problem, flow.start(20, radius))


def test_on_both_sides_of_the_threshold_the_followed_flow_agrees():
    flow, low, high = WeightNormFlow(2, 1.0), 0.05, 2.0
    assert collapses(flow, COLLAPSING, flow.start(60, low))
    assert not collapses(flow, COLLAPSING, flow.start(60, high))
    for _ in range(12):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if collapses(flow, COLLAPSING, flow.start(60, middle)) else (low, middle)
    shrunk, fitted = (integrate(flow, COLLAPSING, flow.start(60, r0), 1e4) for r0 in (0.98 * low, 1.02 * high))
    assert shrunk.radius[-1] < 1e-3
    assert fitted.loss[-1] < 1e-6 * fitted.loss[0]


def test_gradient_flow_and_depth_1_never_collapse():
    for flow in (GradientFlow(2), GradientFlow(5), WeightNormFlow(1, 1.0)):
        assert not collapses(flow, COLLAPSING, flow.start(60, 0.05))


def test_the_start_is_checked():
    with pytest.raises(ValueError, match="one point with 60 entries"):
        collapses(WeightNormFlow(2, 1.0), COLLAPSING, WeightNormFlow(2, 1.0).start(59, 1.0))
