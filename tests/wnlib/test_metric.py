"""The metric K turns forces into velocities; on it rest the rates, the sharpness and the longest step."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose
from strategies import FLOWS, derivative, duplicated, flows, low_rank, name, points, start

from wnlib import (
    Flow,
    GradientFlow,
    Polar,
    Problem,
    WeightNormFlow,
    longest_step,
    metric,
    polar_of,
    rate_matrix,
    sharpness,
)
from wnlib._checks import Array

FULL = Problem.gaussian(3, 6, 2, seed=4)
problems = st.sampled_from([FULL, low_rank(4, 6, 2), duplicated(Problem.gaussian(2, 3, 1, seed=1))])
few = settings(max_examples=50)
every_flow = pytest.mark.parametrize("flow", FLOWS, ids=name)


@st.composite
def flows_at_points(draw: st.DrawFn) -> tuple[Flow, Polar]:
    flow = draw(flows())
    return flow, draw(points(flow, 6))


def velocity(flow: Flow, problem: Problem, point: Polar) -> Array:
    """w' by the flow's own field."""
    state = flow.encode(point)
    v = flow.velocity(problem)(0.0, state)
    h = 1e-3 / (1 + np.abs(v).max())
    return derivative(lambda t: flow.decode(state + t * v).weights(flow.depth), h)


@few
@given(flows_at_points(), problems)
def test_the_metric_times_the_force_is_the_velocity(here: tuple[Flow, Polar], problem: Problem) -> None:
    flow, point = here
    force = problem.A.T @ problem.residual(point.weights(flow.depth))
    found, wanted = metric(flow, point) @ force, velocity(flow, problem, point)
    assert_allclose(found, wanted, rtol=0, atol=1e-6 * np.abs(wanted).max())


@few
@given(flows_at_points())
def test_the_metric_is_symmetric_and_positive(here: tuple[Flow, Polar]) -> None:
    K = metric(*here)
    assert_allclose(K, K.T, rtol=1e-12, atol=1e-14 * np.abs(K).max())
    scale = np.sqrt(np.diag(K))
    assert np.linalg.eigvalsh(K / np.outer(scale, scale))[0] > 0


@few
@given(flows_at_points(), problems)
def test_the_rates_are_those_of_A_K_A_on_the_range_of_A(here: tuple[Flow, Polar], problem: Problem) -> None:
    """Also where a start at depth 1 has weights of both signs."""
    flow, point = here
    full = problem.A @ metric(flow, point) @ problem.A.T
    found = rate_matrix(flow, problem, point.weights(flow.depth))
    assert found.shape == (problem.rank, problem.rank)
    wanted = np.linalg.eigvalsh(full)[::-1][: problem.rank]
    assert_allclose(np.linalg.eigvalsh(found)[::-1], wanted, rtol=1e-8, atol=1e-10 * wanted[0])
    assert_allclose(np.trace(found), np.trace(full), rtol=1e-10)


@few
@given(flows_at_points(), problems)
def test_the_sharpness_is_the_largest_rate(here: tuple[Flow, Polar], problem: Problem) -> None:
    flow, point = here
    weights = point.weights(flow.depth)
    largest = np.linalg.eigvalsh(rate_matrix(flow, problem, weights))[-1]
    assert sharpness(flow, problem, weights) == pytest.approx(largest, rel=1e-10)
    assert longest_step(flow, problem, weights) * largest == pytest.approx(2, rel=1e-10)


@few
@given(flows_at_points(), problems, st.floats(0.1, 10))
def test_the_sharpness_grows_with_the_square_of_the_units(
    here: tuple[Flow, Polar], problem: Problem, unit: float
) -> None:
    flow, point = here
    scaled, weights = Problem(unit * problem.A, unit * problem.y), point.weights(flow.depth)
    assert sharpness(flow, scaled, weights) == pytest.approx(unit**2 * sharpness(flow, problem, weights), rel=1e-10)


@every_flow
def test_on_the_sphere_the_metric_scales_as_the_radius_does(flow: Flow) -> None:
    """By r^(2L-2) with gradient flow; across u by r^(2L) with weight normalization, and along it by r^(2L-2)."""
    point = start(flow, 6)
    u, L = point.direction, flow.depth
    tripled = Polar(3 * point.radius, point.log_direction, point.sign)
    first, second = metric(flow, point), metric(flow, tripled)
    along = u ** (2 - L)  # D along is L r^(L-1) u
    across = u ** (1 - L) * np.linalg.svd(u[None])[2][1]
    assert along @ second @ along == pytest.approx(3 ** (2 * L - 2) * (along @ first @ along), rel=1e-10)
    power = 2 * L if isinstance(flow, WeightNormFlow) else 2 * L - 2
    assert across @ second @ across == pytest.approx(3**power * (across @ first @ across), rel=1e-10)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_at_ratio_one_over_the_squared_radius_the_two_flows_have_one_metric(depth: int) -> None:
    point = start(GradientFlow(depth), 6)
    flow = WeightNormFlow(depth, float(point.radius) ** -2)
    assert_allclose(metric(flow, point), metric(GradientFlow(depth), point), rtol=1e-12, atol=1e-14)


@every_flow
@pytest.mark.parametrize(("part", "grows"), [(0.95, False), (1.05, True)])
def test_the_longest_step_is_where_a_small_residual_no_longer_shrinks(flow: Flow, part: float, grows: bool) -> None:
    """Of the linearised descent, in the direction that the sharpness belongs to."""
    point = polar_of(np.full(6, 0.5), flow.depth)
    full = FULL.A @ metric(flow, point) @ FULL.A.T
    worst = np.linalg.eigh(full)[1][:, -1]
    h = part * longest_step(flow, FULL, np.full(6, 0.5))
    assert bool(np.linalg.norm(worst - h * full @ worst) > 1) is grows
