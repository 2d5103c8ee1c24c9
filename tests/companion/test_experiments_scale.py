"""The experiment behind the chapter on initial scale: the rule for the step, the ends of descent, the record."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose

from companion.experiments import scale
from companion.plots import scale as figures
from wnlib import GradientFlow, Problem, WeightNormFlow
from wnlib.flows.metric import metric, sharpness
from wnlib.flows.polar import polar_of

PROBLEM = Problem.gaussian(8, 20, 2, seed=1)
SCALES = np.array([0.3, 1.0, 5.0])
FLOWS = [GradientFlow(2), WeightNormFlow(2, 10.0), GradientFlow(3), WeightNormFlow(3, 2.0)]
both_flows = pytest.mark.parametrize("flow", FLOWS[:2], ids=str)


def descents(flow, share=scale.SHARE, cap=scale.CAP, scales=SCALES, problem=PROBLEM):
    return scale.descents(flow, problem, scales, scale.limits(flow, problem, scales), share, cap)


@given(st.integers(2, 5), st.floats(0.1, 30), st.integers(0, 1000))
def test_the_sharpness_is_the_largest_eigenvalue_of_the_theorem(depth, ratio, seed):
    weights = np.random.default_rng(seed).uniform(0, 1, PROBLEM.shape[1])
    weights[0] = 0
    for flow in (GradientFlow(depth), WeightNormFlow(depth, ratio)):
        matrix = PROBLEM.A @ metric(flow, polar_of(weights, depth)) @ PROBLEM.A.T
        assert_allclose(sharpness(flow, PROBLEM, weights), np.linalg.eigvalsh(matrix)[-1], rtol=1e-10)


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_descent_ends_at_the_limit_to_first_order_in_the_step(flow):
    large = np.array([5.0])
    distance = [descents(flow, share, scales=large).distance[0] for share in (0.1, 0.05, 0.025)]
    assert distance[0] < 0.02
    assert_allclose(np.log2(np.divide(distance[:-1], distance[1:])), 1, atol=0.1)


@both_flows
def test_half_of_the_largest_stable_step_is_stable_and_twice_is_not(flow):
    below_the_frontier = SCALES[:2]  # where the target is the sharpest point
    assert np.all(descents(flow, scales=below_the_frontier).fit)
    assert not np.any(descents(flow, share=1.5, cap=500, scales=below_the_frontier).arrived)


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_steps_are_those_of_the_flow(flow):
    runs = descents(flow)
    waited = scale.flow_steps(flow, PROBLEM, SCALES, runs.step)
    assert_allclose(runs.fit_steps[runs.fit] / waited[runs.fit], 1, atol=0.15)
    assert np.all(runs.steps >= runs.fit_steps)
    assert np.all(runs.mass <= runs.bound)


def test_outcomes_are_told_apart():
    problem = Problem.gaussian(24, 60, 3, seed=5)
    scales = np.array([0.05, 0.7, 5.0])
    runs = descents(WeightNormFlow(2, 1.0), cap=2000, scales=scales, problem=problem)
    assert runs.outcome.tolist() == ["collapsed", "fitted", "arrived"]
    assert (runs.mass[0], runs.error[0], runs.excess[0]) == (0, 1, 1)
    assert runs.growth[0] < 1
    assert_allclose(runs.loss[0], 1, rtol=1e-3)
    assert np.isnan(runs.distance).tolist() == [True, False, False]
    assert runs.loss[2] < scale.ARRIVED < runs.loss[1] < scale.FITTED
    assert runs.fit.tolist() == [False, True, True]
    assert runs.steps[0] == 2000
    assert runs.steps[1] == runs.fit_steps[1] + 2000
    assert runs.fit_steps[2] < runs.steps[2]
    capped = descents(FLOWS[0], cap=10)
    assert capped.outcome[0] == "capped"
    assert capped.steps[0] == capped.fit_steps[0] == 10
    assert "diverged" in descents(FLOWS[0], share=4.0, cap=200, scales=np.array([10.0])).outcome


def test_limits_know_a_collapse():
    exact = scale.limits(WeightNormFlow(2, 1.0), Problem.gaussian(24, 60, 3, seed=5), np.array([0.05, 0.7]))
    assert exact.collapsed.tolist() == [True, False]
    assert (exact.mass[0], exact.error[0], exact.excess[0]) == (0, 1, 1)
    assert exact.excess[1] < 0.2


def test_the_reach_is_where_the_median_is_small():
    excess = np.array([[1.0, 1e-3, 1e-3, 1.0], [1e-3, 1e-4, 5e-3, 1.0], [1.0, 1e-5, 1.0, 1e-1]])
    at = np.array([1.0, 10.0, 100.0, 1000.0])  # medians 1, 1e-4, 5e-3, 1
    low, high = scale.reach(at, excess, 0.1)
    assert low == 10
    assert_allclose(high, 100 * 10 ** (np.log(0.1 / 5e-3) / np.log(1 / 5e-3)))
    assert_allclose(scale.reach(at, excess, 1e-4), (10, 10))
    assert scale.reach(at, excess, 1.0) == (1, 1000)
    assert np.isnan(scale.reach(at, excess, 1e-6)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scales": np.ones((2, 2))}, "scales must have shape"),
        ({"share": 0.0}, "share must be > 0"),
        ({"cap": 0}, "steps must be >= 1"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    given_ = {"share": 0.5, "cap": 10, "scales": SCALES} | change
    with pytest.raises(ValueError, match=message):
        descents(FLOWS[0], **given_)


def test_the_record_is_what_its_experiment_says():
    assert len(scale.RECORD.load()["task"]) == len(scale.TASKS) * len(scale.SCALES)
    for depth, ratios in scale.RATIOS.items():
        for ratio in ratios:
            grid, waited = scale.stored(depth, ratio)
            assert grid.mass.shape == waited.shape == (scale.SEEDS, len(scale.SCALES))
            assert set(np.unique(grid.outcome)) <= set(scale.OUTCOMES)
            assert np.all(grid.steps <= 2 * scale.CAP)
            assert np.all((grid.loss < scale.ARRIVED)[grid.arrived])
            assert not (ratio == 0 and np.any(grid.outcome == "collapsed"))


def test_figures_draw_what_they_are_given():
    flows = {0.0: FLOWS[0], 10.0: FLOWS[1]}
    theory = {ratio: scale.stacked([scale.limits(flow, PROBLEM, SCALES)] * 2) for ratio, flow in flows.items()}
    grids = {ratio: scale.stacked([descents(flow)] * 2) for ratio, flow in flows.items()}
    assert theory[10.0].weights.shape == (2, 3, 20)
    figure = figures.recovery(SCALES, np.ones(2), theory, grids)
    dots, line = figure.axes[0].lines[:2]
    assert_allclose(dots.get_ydata(), np.maximum(grids[0.0].excess[0], figures.FLOOR))
    assert_allclose(line.get_ydata(), np.maximum(theory[0.0].excess[0], figures.FLOOR))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["GD", "WN-GD, $c = 10$"]
    waited = {ratio: np.full((2, 3), np.nan) for ratio in flows}
    other = figures.steps(SCALES, np.ones(2), grids, waited, cap=500)
    line, dots = other.axes[0].lines[:2]
    assert np.isnan(line.get_ydata()).all()
    assert_allclose(dots.get_ydata(), np.where(grids[0.0].fit, grids[0.0].fit_steps, 500)[0])
    plt.close("all")
