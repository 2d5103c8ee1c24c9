"""Whether weight normalization collapses is decided at once, also from starts that take for ever."""

import numpy as np
import pytest

from wnlib import CollapseError, GradientFlow, Problem, WeightNormFlow, collapses, integrate, limit
from wnlib.limits.collapse import below_zero

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


@pytest.mark.parametrize("lean", [1.5, 2.0, 4.0, 10.0])
def test_small_starts_of_two_weights_have_a_barrier_in_closed_form(lean):
    r"""With forces 1 and -1 at w = 0 and depth 2, $\|z\|^2$ falls to $2 u_1 u_2 e^{c r_0^2}$: to 1 or not."""
    problem, radius = Problem([[1.0, -1.0]], [1.0]), 1e-5
    barrier = np.log((1 + lean**2) / (2 * lean))
    for part in (1 - 1e-6, 1 + 1e-6):
        flow = WeightNormFlow(2, part * barrier / radius**2)
        assert collapses(flow, problem, flow.start(2, radius, [1.0, lean])) == (part < 1)


def test_a_start_far_out_in_a_corner_is_followed_for_as_long_as_it_takes():
    """The weight that the data pull takes until s = u_2^-2 / 2, half of the horizon, to grow; the other shrinks."""
    flow, problem = WeightNormFlow(4, 1.0), Problem(np.eye(2), [0.0, 1.0])
    assert not collapses(flow, problem, flow.start(2, 0.5, [1.0, 1e-6]))


@pytest.mark.parametrize("size", [1e-100, 1e-9, 0.5, 1 - 1e-6, 1 + 1e-6, 2.0])
def test_along_a_ray_the_loss_is_below_that_of_zero_up_to_twice_its_lowest_point(size):
    weights = np.random.default_rng(0).uniform(0, 1, 60)
    output = COLLAPSING.A @ weights
    weights *= 2 * (COLLAPSING.y @ output) / (output @ output)
    assert COLLAPSING.y @ COLLAPSING.A @ weights > 0
    assert below_zero(COLLAPSING, size * weights) == (size < 1)
    assert not below_zero(COLLAPSING, -size * weights)


def test_weights_below_the_smallest_float_are_not_below_the_loss_of_zero():
    problem, flow = Problem.gaussian(8, 20, 2, seed=33), WeightNormFlow(6, 1.0)
    start = flow.start(20, 1e-60)
    assert not start.weights(6).any()
    assert collapses(flow, problem, start)


@pytest.mark.parametrize("smallest", [1e-80, 1e-200, 1e-300])
def test_an_entry_that_never_counts_does_not_hide_a_collapse(smallest):
    problem, flow = Problem(A=[[1, -2, 1]], y=[1]), WeightNormFlow(depth=6, ratio=1)
    start = flow.start(3, 0.1, direction=[1e-20, 1, smallest])
    assert collapses(flow, problem, start)
    with pytest.raises(CollapseError):
        limit(flow, problem, start)


def test_gradient_flow_and_depth_1_never_collapse():
    for flow in (GradientFlow(2), GradientFlow(5), WeightNormFlow(1, 1.0)):
        assert not collapses(flow, COLLAPSING, flow.start(60, 0.05))


def test_the_start_is_checked():
    with pytest.raises(ValueError, match="one point with 60 entries"):
        collapses(WeightNormFlow(2, 1.0), COLLAPSING, WeightNormFlow(2, 1.0).start(59, 1.0))
