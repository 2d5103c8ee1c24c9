"""What measurements share."""

import numpy as np
import pytest
from strategies import FLOWS, name, start

from companion.verification.measuring import horizon, polar_velocity, together
from companion.verification.theorem import Kind, Measurement, compare
from wnlib import Flow, Problem, WeightNormFlow, integrate

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
