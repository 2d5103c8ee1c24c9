"""At depth 1 a chart's coordinates are entries of x or v themselves: its field is the flow's, entry by entry."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose
from strategies import duplicated, low_rank, ratios, start

from wnlib import GradientFlow, Polar, Problem, WeightNormFlow
from wnlib._checks import Array
from wnlib.trajectories.charts.linear import LinearChart, LinearWeightNormChart

FULL = Problem.gaussian(5, 9, 2, seed=4)
problems = st.sampled_from([FULL, low_rank(), duplicated(FULL)])
seeds = st.integers(0, 10**6)
rates = st.floats(0.1, 10)
few = settings(max_examples=30)


def plain(problem: Problem, seed: int) -> LinearChart:
    flow = GradientFlow(1)
    return LinearChart(flow, problem, start(flow, problem.shape[1], seed=seed))


def normalized(
    problem: Problem, seed: int, ratio: float, rate: float = 1.0, scale: float = 0.8
) -> LinearWeightNormChart:
    flow = WeightNormFlow(1, ratio, radial_rate=rate)
    return LinearWeightNormChart(flow, problem, start(flow, problem.shape[1], scale, seed))


def moved(chart: LinearChart | LinearWeightNormChart, seed: int) -> Array:
    """A state away from the centre."""
    center = chart.encode()
    return center + 0.2 * np.random.default_rng(seed).uniform(-1, 1, len(center))


def point(chart: LinearChart | LinearWeightNormChart, state: Array) -> Polar:
    return chart.decode(state[None])[0]


@few
@given(problems, seeds)
def test_x_moves_on_the_basis_as_gradient_flow_has_it(problem: Problem, seed: int) -> None:
    chart = plain(problem, seed)
    state = moved(chart, seed)
    x = point(chart, state).weights(1)
    assert_allclose(x[chart.basis], state, atol=1e-12)
    assert_allclose(chart.velocity(0.0, state), chart.flow.velocity(problem)(0.0, x)[chart.basis], atol=1e-11)


@few
@given(problems, seeds)
def test_the_plain_field_is_affine(problem: Problem, seed: int) -> None:
    chart = plain(problem, seed)
    first, second = chart.encode(), moved(chart, seed)
    change = chart.velocity(0.0, second) - chart.velocity(0.0, first)
    assert_allclose(change, chart.jacobian(0.0, first) @ (second - first), atol=1e-11)


@few
@given(problems, seeds)
def test_the_plain_flow_rests_where_its_start_is_projected_on_the_interpolants(problem: Problem, seed: int) -> None:
    chart = plain(problem, seed)
    x = chart.point.weights(1)
    end = x + np.linalg.lstsq(problem.A, problem.residual(x), rcond=1e-10)[0]
    assert_allclose(point(chart, end[chart.basis]).weights(1), end, atol=1e-9)
    assert_allclose(chart.velocity(0.0, end[chart.basis]), 0, atol=1e-9)


@few
@given(problems, seeds, ratios, rates)
def test_r_and_u_move_as_weight_normalization_has_it(problem: Problem, seed: int, ratio: float, rate: float) -> None:
    chart = normalized(problem, seed, ratio, rate)
    state = moved(chart, seed)
    at = point(chart, state)
    wanted = chart.flow.velocity(problem)(0.0, chart.flow.encode(at))
    found = chart.velocity(0.0, state)
    assert_allclose(found[0], wanted[0], rtol=1e-9, atol=1e-10)
    assert_allclose(found[1], ratio * state[0] * found[0], rtol=1e-12)
    # u' of v / ||v||, of which v' on all entries is T v_B' - s' e^{-s} q
    v = chart.T @ state[2:] + np.exp(-state[1]) * chart.offset
    d_v = chart.T @ found[2:] - found[1] * np.exp(-state[1]) * chart.offset
    u, norm = v / np.linalg.norm(v), np.linalg.norm(v)
    assert_allclose(at.direction, u, atol=1e-12)
    size = np.abs(d_v).max() / norm + np.abs(wanted).max()
    assert_allclose((d_v - (u @ d_v) * u) / norm, wanted[1:], rtol=0, atol=1e-10 * size)


@few
@given(problems, seeds, ratios)
def test_every_state_has_the_invariants_of_the_centre_up_to_their_size(
    problem: Problem, seed: int, ratio: float
) -> None:
    chart = normalized(problem, seed, ratio)
    state = moved(chart, seed)
    found, wanted = (u.direction @ problem.kernel for u in (point(chart, state), chart.point))
    assert_allclose(found / np.linalg.norm(found), wanted / np.linalg.norm(wanted), atol=1e-10)


@few
@given(problems, seeds, ratios, rates)
def test_the_rate_of_the_radius_is_a_unit_of_time(problem: Problem, seed: int, ratio: float, rate: float) -> None:
    charts = normalized(problem, seed, ratio), normalized(problem, seed, ratio, rate)
    state = moved(charts[0], seed)
    slow, fast = (chart.velocity(0.0, state) for chart in charts)
    assert_allclose(fast, rate * slow, rtol=1e-9, atol=1e-12 * np.abs(fast).max())


def test_a_radius_of_either_sign_is_kept() -> None:
    chart = normalized(FULL, 0, 2.0, scale=-0.7)
    at = point(chart, chart.encode())
    assert at.radius == -0.7
    assert_allclose(at.weights(1), chart.point.weights(1), atol=1e-13)


@pytest.mark.parametrize("rate", [1.0, 0.3])
def test_the_flow_rests_at_an_interpolant(rate: float) -> None:
    flow = WeightNormFlow(1, 2.0, radial_rate=rate)
    radius = np.linalg.norm(np.asarray(FULL.truth))
    chart = LinearWeightNormChart(flow, FULL, flow.start(9, radius, FULL.truth))
    assert_allclose(chart.velocity(0.0, chart.encode()), 0, atol=1e-12)
