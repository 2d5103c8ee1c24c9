"""Every chart carries the flow's own field, with its exact derivative, wherever it is centred."""

import numpy as np
import pytest
from strategies import FLOWS, derivative, direction, error, low_rank, name, start

import wnlib.trajectories.integration
from wnlib import Flow, GradientFlow, IntegrationError, Polar, Problem, WeightNormFlow, integrate, mirror_map
from wnlib._checks import Array
from wnlib.flows.polar import log_norm
from wnlib.trajectories.charts import DualChart, dual_chart
from wnlib.trajectories.charts.logarithmic import SHRINKAGE, LogChart, LogWeightNormChart

FULL = Problem.gaussian(5, 9, 2, seed=4)
every_flow = pytest.mark.parametrize("flow", FLOWS, ids=name)
every_problem = pytest.mark.parametrize("problem", [FULL, low_rank()], ids=["full", "low-rank"])


def point_of(chart: DualChart, state: Array) -> Polar:
    return chart.decode(state[None])[0]


def off_center(chart: DualChart) -> Array:
    """A state at a distance from the centre in every coordinate, in which |v| = 1, as on the flow."""
    center = chart.encode()
    state = center + 0.03 * np.random.default_rng(1).choice([-1, 1], len(center))
    if isinstance(chart, LogWeightNormChart):
        growth = float(log_norm(chart._log_z(state[1:]))) - chart.log_unit
        state[0] = 0.5 * np.log(chart.point.radius**2 + 2 * growth / chart.flow.ratio)
    return state


def weights_velocity(flow: Flow, problem: Problem, point: Polar) -> Array:
    """w' by the flow's own field."""
    state = flow.encode(point)
    velocity = flow.velocity(problem)(0.0, state)
    return derivative(lambda h: flow.decode(state + h * velocity).weights(flow.depth))


def chart_velocity(chart: DualChart, state: Array) -> Array:
    """w' by the chart's field."""
    velocity = chart.velocity(0.0, state)
    return derivative(lambda h: point_of(chart, state + h * velocity).weights(chart.flow.depth))


@every_problem
@every_flow
def test_a_charts_centre_is_the_point_it_was_made_for(flow: Flow, problem: Problem) -> None:
    center = start(flow, 9)
    chart = dual_chart(flow, problem, center)
    assert len(chart.basis) == problem.rank
    beside = 0 if isinstance(flow, GradientFlow) else 2 if flow.depth == 1 else 1
    assert len(chart.encode()) == problem.rank + beside
    assert error(point_of(chart, chart.encode()).weights(flow.depth), center.weights(flow.depth)) <= 1e-13


@every_problem
@every_flow
def test_a_chart_moves_weights_as_the_flow_does(flow: Flow, problem: Problem) -> None:
    here = dual_chart(flow, problem, start(flow, 9))
    state = off_center(here)
    point = point_of(here, state)
    elsewhere = dual_chart(flow, problem, point)
    wanted = weights_velocity(flow, problem, point)
    assert error(point.weights(flow.depth), start(flow, 9).weights(flow.depth)) > 1e-2
    assert error(chart_velocity(here, state), wanted) <= 1e-8
    assert error(chart_velocity(elsewhere, elsewhere.encode()), wanted) <= 1e-8


@every_problem
@every_flow
def test_the_jacobian_is_the_derivative_of_the_velocity(flow: Flow, problem: Problem) -> None:
    chart = dual_chart(flow, problem, start(flow, 9))
    state = off_center(chart)
    columns = [derivative(lambda h, e=e: chart.velocity(0.0, state + h * e)) for e in np.eye(len(state))]
    found, wanted = chart.jacobian(0.0, state), np.column_stack(columns)
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-8 * np.abs(wanted).max())


@pytest.mark.parametrize("flow", [GradientFlow(3), WeightNormFlow(4, 2.0)], ids=name)
def test_the_basis_holds_the_smallest_dual_entries(flow: Flow) -> None:
    large = [0, 2, 3, 7, 8]  # a large weight has a small dual entry
    toward = direction(9, flow.depth)
    toward[large] *= 100
    chart = dual_chart(flow, FULL, flow.start(9, 1.0, toward))
    assert np.array_equal(chart.basis, large)


@pytest.mark.parametrize("flow", [GradientFlow(6), WeightNormFlow(6, 1.0)], ids=name)
def test_entries_of_the_dual_may_differ_by_more_than_floats(flow: Flow) -> None:
    problem = Problem.gaussian(3, 6, 2, seed=1)
    begin = flow.start(6, 0.9, [1, 1e-100, 1, 1e-50, 1, 1e-90])
    dual, primal = (integrate(flow, problem, begin, 10.0, coordinates=way).weights[-1] for way in ("dual", "primal"))
    assert error(dual, primal) <= 1e-6


LARGE = Problem.gaussian(40, 100, 5)


@pytest.mark.parametrize("center", [0, 20])
def test_a_chart_expires_when_an_eliminated_entry_has_shrunk(center: int) -> None:
    flow = GradientFlow(3)
    path = integrate(flow, LARGE, flow.start(100, 0.5), 300.0, 1e-9, "primal")
    chart = dual_chart(flow, LARGE, path.points[center])
    theta = mirror_map(flow, 1.0).dual_variable(path.points)
    shrinkage = theta / theta[center]
    eliminated = np.delete(shrinkage, chart.basis, axis=1).min(axis=1)
    states = [flow.encode(path.points[i])[chart.basis] + chart.log_unit for i in range(len(path.t))]
    found = [chart.expired(0.0, state) for state in states]
    np.testing.assert_allclose(found, np.log(eliminated / SHRINKAGE), atol=1e-5)
    assert shrinkage.min() < SHRINKAGE
    assert (min(found) < 0) == (center == 0)


def test_a_shrinking_dual_is_followed_from_chart_to_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    centers = []

    def counted(flow: Flow, problem: Problem, point: Polar) -> DualChart:
        centers.append(point)
        return dual_chart(flow, problem, point)

    monkeypatch.setattr(wnlib.trajectories.integration, "dual_chart", counted)
    flow = WeightNormFlow(4, 30.0)
    first = flow.start(100, 0.5)
    primal = integrate(flow, LARGE, first, 20.0, 1e-11, "primal")
    dual = integrate(flow, LARGE, first, 20.0, 1e-11)
    assert len(centers) >= 2
    assert np.all(np.diff(dual.t) > 0)
    assert error(dual.at(primal.t).weights, primal.weights) <= 1e-8
    assert dual.invariant_drift.max() <= 1e-9


def test_a_chart_that_loses_accuracy_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wnlib.trajectories.integration, "AMPLIFICATION", 10.0)
    flow = WeightNormFlow(4, 30.0)
    with pytest.raises(IntegrationError, match=r"dual coordinates lose .* in relative accuracy"):
        integrate(flow, LARGE, flow.start(100, 0.5), 20.0)


@pytest.mark.parametrize("log_r", [-3.0, 0.0, 2.0])
def test_how_strongly_a_chart_holds_the_radius_has_its_own_derivative(log_r: float) -> None:
    chart = dual_chart(WeightNormFlow(3, 1.5), FULL, start(WeightNormFlow(3, 1.5), 9))
    assert isinstance(chart, LogWeightNormChart)
    hold, slope = chart._hold(np.asarray(log_r))
    assert 0 < hold < 1
    np.testing.assert_allclose(slope, derivative(lambda h: chart._hold(np.asarray(log_r + h))[0]), rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_of_a_deep_flow_the_largest_entry_is_one_in_the_charts_unit(scale: float) -> None:
    chart = dual_chart(GradientFlow(4), FULL, start(GradientFlow(4), 9, scale))
    assert isinstance(chart, LogChart)
    np.testing.assert_allclose(np.abs(chart.theta).max(), 1 / 2, rtol=1e-13)
