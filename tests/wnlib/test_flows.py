"""The vector fields are the theory's, in whatever coordinates they are integrated."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import DEPTHS, FLOWS, derivative, direction, error, flows, name, points, start

from wnlib import Flow, GradientFlow, Polar, Problem, ScheduledWeightNormFlow, WeightNormFlow, integrate
from wnlib._checks import Array

PROBLEM = Problem.gaussian(5, 9, 2, seed=4)
every_flow = pytest.mark.parametrize("flow", FLOWS, ids=name)
every_depth = pytest.mark.parametrize("depth", DEPTHS)


def pushed(flow: Flow, point: Polar, h: float, t: float = 0.0) -> Polar:
    """The point moved along its velocity for a short time h."""
    state = flow.encode(point)
    return flow.decode(state + h * flow.velocity(PROBLEM)(t, state))


def factors_velocity(flow: Flow, point: Polar, t: float = 0.0) -> tuple[float, Array]:
    """r' and u' of a flow's own field."""
    d_radius = derivative(lambda h: pushed(flow, point, h, t).radius)
    return d_radius, derivative(lambda h: pushed(flow, point, h, t).direction)


def polar_equations(L: int, eta_r: float, eta_u: float, r: float, u: Array) -> tuple[float, Array]:
    """r' and u' as theory has them."""
    p = PROBLEM.A.T @ (PROBLEM.y - PROBLEM.A @ (r * u) ** L)
    along = p @ u**L
    return eta_r * L * r ** (L - 1) * along, eta_u * L * r**L * (p * u ** (L - 1) - along * u)


def plain_equations(L: int, x: Array) -> Array:
    """x' of gradient flow as theory has it."""
    return L * (PROBLEM.A.T @ (PROBLEM.y - PROBLEM.A @ x**L)) * x ** (L - 1)


@every_depth
def test_gradient_flow_descends_the_loss_of_its_factors(depth: int) -> None:
    flow = GradientFlow(depth)
    point = start(flow, 9)
    x = point.radius * point.direction
    velocity = derivative(lambda h: (q := pushed(flow, point, h)).radius[..., None] * q.direction)
    gradient = [derivative(lambda h, e=e: PROBLEM.loss((x + h * e) ** depth)) for e in np.eye(9)]
    assert error(velocity, plain_equations(depth, x)) <= 1e-9
    assert error(velocity, -np.array(gradient)) <= 1e-9


@pytest.mark.parametrize("radial_rate", [1.0, 0.3])
@pytest.mark.parametrize(("depth", "scale"), [(1, -0.9), *((L, 0.9) for L in DEPTHS)])
def test_weight_normalization_moves_radius_and_direction(depth: int, scale: float, radial_rate: float) -> None:
    flow = WeightNormFlow(depth, 2.5, radial_rate)
    point = start(flow, 9, scale)
    d_r, d_u = factors_velocity(flow, point)
    wanted = polar_equations(depth, radial_rate, 2.5 * radial_rate, point.radius, point.direction)
    np.testing.assert_allclose(d_r, wanted[0], rtol=1e-9)
    assert error(d_u, wanted[1]) <= 1e-9


@every_depth
def test_the_field_does_not_depend_on_the_norm_of_the_states_direction(depth: int) -> None:
    flow = WeightNormFlow(depth, 2.5)
    state = flow.encode(start(flow, 9))
    other = state.copy()
    other[1:] = other[1:] * 1.1 if depth == 1 else other[1:] + np.log(1.1)
    velocity, other_velocity = (flow.velocity(PROBLEM)(0.0, s) for s in (state, other))
    velocity[1:] *= 1.1 if depth == 1 else 1.0
    assert error(other_velocity, velocity) <= 1e-13


@every_flow
def test_magnified_coordinates_move_along_the_plain_field(flow: Flow) -> None:
    point = start(flow, 9)

    def magnified(point: Polar) -> Array:
        r = point.radius
        return point.direction * (r if isinstance(flow, GradientFlow) else np.exp(flow.ratio * r**2 / 2))

    L, r, z = flow.depth, point.radius, magnified(point)
    eta_u = r**-2 if isinstance(flow, GradientFlow) else flow.ratio * flow.radial_rate
    kappa = eta_u * r**L * (np.linalg.norm(z) ** (2 - L))
    p = PROBLEM.A.T @ PROBLEM.residual(point.weights(L))
    assert error(derivative(lambda h: magnified(pushed(flow, point, h))), kappa * L * p * z ** (L - 1)) <= 1e-9
    np.testing.assert_allclose(flow.angular_rate(r), eta_u, rtol=1e-15)
    np.testing.assert_allclose(np.exp(flow.log_magnification(r)), np.linalg.norm(z), rtol=1e-13)
    np.testing.assert_allclose(flow.radius(flow.log_magnification(r)), r, rtol=1e-14)


@every_depth
def test_gradient_flow_is_the_weight_normalized_flow_of_ratio_one_over_squared_radius(depth: int) -> None:
    plain = GradientFlow(depth)
    point = start(plain, 9, 1.3)
    normalized = WeightNormFlow(depth, ratio=1.3**-2)
    for found, wanted in zip(factors_velocity(plain, point), factors_velocity(normalized, point), strict=True):
        assert error(np.atleast_1d(found), np.atleast_1d(wanted)) <= 1e-9


def radial(t: float) -> float:
    return 1 + t


def angular(t: float) -> float:
    return 2 - t


@every_depth
def test_a_schedule_sets_the_rates_of_each_time(depth: int) -> None:
    flow = ScheduledWeightNormFlow(depth, 2.0, 0.5, radial_schedule=radial, angular_schedule=angular)
    point = start(flow, 9)
    d_r, d_u = factors_velocity(flow, point, t=0.5)
    wanted = polar_equations(depth, 0.5 * 1.5, 1.0 * 1.5, point.radius, point.direction)
    np.testing.assert_allclose(d_r, wanted[0], rtol=1e-9)
    assert error(d_u, wanted[1]) <= 1e-9


@every_depth
def test_equal_schedules_only_change_the_time(depth: int) -> None:
    scheduled = ScheduledWeightNormFlow(depth, 2.0, radial_schedule=radial, angular_schedule=radial)
    first = start(scheduled, 9)
    path = integrate(scheduled, PROBLEM, first, 2.0, 1e-11, "primal")
    constant = integrate(WeightNormFlow(depth, 2.0), PROBLEM, first, 4.0, 1e-11)
    clock = np.minimum(path.t + path.t**2 / 2, 4.0)
    assert error(path.weights, constant.at(clock).weights) <= 1e-8
    assert error(path.weights[-1], constant.at(path.t).weights[-1]) > 1e-2


@every_flow
def test_a_start_has_the_scale_and_direction_it_was_given(flow: Flow) -> None:
    toward = direction(9, flow.depth, seed=3)
    point = flow.start(9, 0.7, toward)
    np.testing.assert_allclose(point.radius, 0.7, rtol=1e-15)
    assert error(point.direction, toward / np.linalg.norm(toward)) <= 1e-15
    assert error(point.weights(flow.depth), (0.7 * toward / np.linalg.norm(toward)) ** flow.depth) <= 1e-14


@every_flow
def test_a_start_is_uniform_unless_given(flow: Flow) -> None:
    np.testing.assert_allclose(flow.start(16, 2.0).direction, 0.25, rtol=1e-15)


@every_flow
@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_a_start_takes_directions_of_any_size(flow: Flow, unit: float) -> None:
    toward = direction(9, flow.depth)
    assert error(flow.start(9, 1.0, unit * toward).direction, flow.start(9, 1.0, toward).direction) <= 1e-15


@given(data=st.data(), flow=flows())
def test_a_state_is_another_name_of_a_point(data: st.DataObject, flow: Flow) -> None:
    point = data.draw(points(flow))
    again = flow.decode(flow.encode(point))
    np.testing.assert_allclose(again.radius, point.radius, rtol=1e-14)
    assert error(again.direction, point.direction) <= 1e-14


def test_points_can_be_taken_apart_and_joined() -> None:
    many = Polar.of([1.0, -2.0, 3.0], [[0.6, -0.8], [0.0, 1.0], [-1.0, 0.0]])
    again = Polar.concatenate([many[:1], many[1:]])
    np.testing.assert_allclose(many.direction, [[0.6, -0.8], [0.0, 1.0], [-1.0, 0.0]], rtol=1e-15)
    np.testing.assert_allclose(many.weights(1), [[0.6, -0.8], [0.0, -2.0], [-3.0, 0.0]], rtol=1e-15)
    assert np.array_equal(again.weights(1), many.weights(1))
    assert np.array_equal(many[1].weights(1), many.weights(1)[1])


def test_a_point_keeps_weights_that_are_far_apart() -> None:
    flow = WeightNormFlow(3, 1.0)
    point = flow.start(2, 2.0, [1.0, 1e-90])
    np.testing.assert_allclose(point.weights(3), [8.0, 8e-270], rtol=1e-13)
