"""What measurements share."""

import numpy as np
import pytest
from strategies import FLOWS, name, start

from companion.verification.measuring import horizon, lag, polar_velocity, together
from companion.verification.theorem import Kind, Measurement, compare
from wnlib import Flow, Problem, WeightNormFlow, integrate, large_ratio_path

PROBLEM = Problem.gaussian(4, 9, 2)


def test_together_keeps_each_comparison_in_its_own_unit() -> None:
    large, small = Measurement([1e6, 2e6], [1e6, 2e6]), Measurement(1.1e-6, 1e-6)
    found = compare(Kind.IDENTITY, together(large, small))
    assert found.discrepancy == pytest.approx(0.1)
    assert compare(Kind.IDENTITY, together(large, Measurement(1e-9, 0.0, scale=1.0))).discrepancy == pytest.approx(1e-9)


@pytest.mark.parametrize("flow", FLOWS, ids=name)
def test_horizon_is_long_enough_to_move(flow: Flow) -> None:
    point = start(flow, 9)
    t_end = horizon(flow, PROBLEM, point)
    path = integrate(flow, PROBLEM, point, t_end, rtol=1e-6, coordinates="primal")
    assert np.linalg.norm(path.weights[-1] - path.weights[0]) > 0.01 * np.linalg.norm(path.weights[0])
    assert horizon(flow, PROBLEM, point, steps=2) < t_end


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_polar_velocity_is_that_of_the_equations(depth: int) -> None:
    flow = WeightNormFlow(depth, ratio=3.0)
    point = start(flow, 9)
    r, u = point.radius, point.direction
    force = PROBLEM.A.T @ PROBLEM.residual(point.weights(depth))
    normal = force @ u**depth
    radial, angular = polar_velocity(flow, PROBLEM, point)
    assert radial == pytest.approx(depth * r ** (depth - 1) * normal)
    np.testing.assert_allclose(angular, 3.0 * depth * r**depth * (force * u ** (depth - 1) - normal * u), atol=1e-12)


def test_lag_is_that_of_a_flow_with_one_weight_that_is_its_own_limit() -> None:
    """There is no entropy to give up: the masses obey S' = 4 S (1 - S) = dS/dtau 4 S."""
    problem, flow = Problem([[1.0]], [1.0]), WeightNormFlow(2, ratio=5.0)
    begin = flow.start(1, 0.5)
    found = lag(integrate(flow, problem, begin, 2.0), large_ratio_path(problem, begin))
    np.testing.assert_allclose(found.weights[0, :, 0], 1 - 0.75 * np.exp(-found.times), rtol=1e-7)
    np.testing.assert_allclose(found.distance, 0, atol=1e-7)
    np.testing.assert_allclose(found.bound, 0, atol=1e-7)


def test_lag_behind_the_limit_is_below_its_bound_and_read_by_another_clock_is_not() -> None:
    flow = WeightNormFlow(2, ratio=200.0)
    begin = flow.start(9, 0.5)
    trajectory, path = integrate(flow, PROBLEM, begin, 2.0), large_ratio_path(PROBLEM, begin)
    right, wrong = lag(trajectory, path), lag(trajectory, path, clock=0.5)
    assert np.all(right.distance <= right.bound + 1e-7)
    assert wrong.distance[-1] > 10 * right.distance[-1]
