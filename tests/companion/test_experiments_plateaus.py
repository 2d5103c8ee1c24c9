"""The experiment behind the chapter on the price of a large ratio."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from companion.experiments import plateaus
from companion.plots import plateaus as figures
from wnlib import WeightNormFlow, limit

FLOW = WeightNormFlow(3, 6.0)
PROBLEM = plateaus.problem_of(0)


@pytest.fixture(scope="module")
def run() -> plateaus.Run:
    return plateaus.plateau_run(FLOW, PROBLEM, plateaus.start_of(FLOW, PROBLEM))


def test_a_run_leaves_its_saddles_in_order_and_when_predicted(run: plateaus.Run) -> None:
    assert np.all(np.diff(run.exits) > 0)
    assert run.exits[-1] < run.time
    assert_allclose(run.exits[-1], run.predicted[-1], rtol=0.05)
    assert_allclose(PROBLEM.loss(run.trajectory.weights[-1]), 0.5 * (1e-3 * np.linalg.norm(PROBLEM.y)) ** 2, rtol=1e-6)


def test_the_gradient_flow_of_equal_bias_has_the_same_limit() -> None:
    end = limit(FLOW, PROBLEM, plateaus.start_of(FLOW, PROBLEM))
    flow, start = plateaus.equal_bias(end)
    assert_allclose(limit(flow, PROBLEM, start).weights, end.weights, atol=1e-8)


def test_a_nearer_start_with_a_larger_ratio_has_the_same_limit() -> None:
    end = limit(FLOW, PROBLEM, plateaus.start_of(FLOW, PROBLEM))
    flow, start = plateaus.nearer(end, 0.8)
    assert flow.ratio > FLOW.ratio
    assert_allclose(limit(flow, PROBLEM, start).weights, end.weights, atol=1e-8)
    with pytest.raises(ValueError, match="scale must lead to a radius below"):
        plateaus.nearer(end, 1.1)
    plain, small = plateaus.equal_bias(end)
    with pytest.raises(ValueError, match="flow must be a WeightNormFlow"):
        plateaus.nearer(limit(plain, PROBLEM, small), 0.8)


def test_the_rest_of_a_stay_is_within_its_bounds(run: plateaus.Run) -> None:
    found = plateaus.bracket(run)
    assert found.bounds.earliest <= found.measured <= found.bounds.latest
    assert run.exits[-2] < found.clock < run.exits[-1]
    with pytest.raises(ValueError, match="shares must exceed that of the outsiders"):
        plateaus.bracket(run, shares=(1e-9,))


def test_descent_leaves_with_the_flow_at_first_order(run: plateaus.Run) -> None:
    for name, method in plateaus.methods(3, FLOW.ratio).items():
        found = plateaus.discrete(method, run, (1.0, 0.5), most=20_000)
        first, second = found.time - run.exits[-1]
        assert_allclose(first / second, 2, rtol=0.2)
        assert (found.growth[0] > 1) == (name == "Salimans-Kingma")
    short = plateaus.discrete(plateaus.methods(3, FLOW.ratio)["polar"], run, (1.0,), most=10)
    assert short.time[0] == np.inf


def test_on_a_long_plateau_steps_round_to_nothing() -> None:
    slow, stuck = (plateaus.standstill(PROBLEM, WeightNormFlow(3, c), 200) for c in (10.0, 90.0))
    assert_allclose(slow.grown, 200 * slow.per_step, rtol=0.05)
    assert stuck.per_step < 1e-25
    assert abs(stuck.grown) < 1e-11
    assert stuck.bounds.earliest <= stuck.wait * 1.01
    assert_allclose(stuck.steps, stuck.wait / stuck.step)
    with pytest.raises(ValueError, match="flow must have depth >= 3"):
        plateaus.standstill(PROBLEM, WeightNormFlow(2, 3.0), 10)


def test_figures_draw_what_they_are_given(run: plateaus.Run) -> None:
    table = plateaus.RECORD.load()
    curves = figures.curves({6.0: run, 6.5: run, 7.0: run}, run)
    assert_allclose(curves.axes[0].lines[1].get_xdata(), run.predicted)
    bounds = figures.brackets({6.0: plateaus.bracket(run)})
    assert_allclose(bounds.axes[1].lines[2].get_ydata(), 1)
    found = plateaus.Discrete(np.array([0.2, 0.1]), np.array([1.2, 1.1]), np.array([6, 11]), np.ones(2))
    descent = figures.descent({"polar": found, "Salimans-Kingma": found}, 1.0, table)
    assert_allclose(descent.axes[0].lines[0].get_ydata(), [0.2, 0.1])
    assert len(figures.lengths(table).axes) == 1
    assert len(figures.price(table).axes) == 3


def test_medians_count_what_is_missing_as_late() -> None:
    found = figures.medians(np.array([1, 1, 1, 2, 2, 2]), np.array([1.0, 2.0, np.nan, 1.0, np.nan, np.nan]))
    assert_allclose(found, [2.0, np.nan])
