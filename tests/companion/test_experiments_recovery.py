"""The experiment behind the chapter on depth and sparsity: starts, ends, descents, guarantees, rows and figures."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from companion.experiments import recovery
from companion.plots import recovery as figures
from wnlib import GradientFlow, Problem, WeightNormFlow, basis_pursuit, limit
from wnlib.descent import GradientDescent, PolarDescent, descend
from wnlib.flows.metric import longest_step, metric
from wnlib.flows.polar import polar_of

PROBLEMS = [Problem.gaussian(10, 20, 2, seed=seed) for seed in range(2)]
HOPELESS = Problem.gaussian(6, 20, 5, seed=0)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_starts_are_what_their_names_say(depth):
    target = basis_pursuit(PROBLEMS[0]).weights
    flow = GradientFlow(depth)
    r = {scale: recovery.radius(scale, depth, target) for scale in recovery.SCALES}
    assert (r["tiny"], r["large"]) == (0.01, 1.0)
    assert_allclose(r["edge"] ** 2, 0.8 * np.sum(target ** (2 / depth)))
    assert_allclose(flow.start(20, r["mass"]).weights(depth).sum(), 0.1 * target.sum())
    assert_allclose(r["mass"] ** 2, 20 ** (1 - 2 / depth) * (0.1 * target.sum()) ** (2 / depth))


def test_limits_are_those_of_each_flow_and_a_collapse_is_recorded():
    found = recovery.limits(PROBLEMS, 3)
    for (method, scale), ends in found.items():
        flow = GradientFlow(3) if method == "plain" else WeightNormFlow(3, recovery.RATIO)
        r = recovery.radius(scale, 3, basis_pursuit(PROBLEMS[1]).weights)
        end = limit(flow, PROBLEMS[1], flow.start(20, r))
        assert_allclose(ends.error[1], recovery.distance(end.weights, PROBLEMS[1]), atol=1e-6)
        assert not ends.collapsed.any()
    lost = recovery.limits([Problem.gaussian(24, 60, 3, seed=5)], 2, ("tiny",), ratio=1.0)
    assert lost["normalized", "tiny"].collapsed.all()
    assert np.isnan(lost["normalized", "tiny"].error).all()
    assert not lost["plain", "tiny"].collapsed.any()


@pytest.mark.parametrize("flow", [GradientFlow(2), GradientFlow(4), WeightNormFlow(2, 10.0), WeightNormFlow(3, 2.0)])
def test_the_longest_step_is_that_of_the_metric(flow):
    problem = PROBLEMS[0]
    target = basis_pursuit(problem).weights
    curvature = np.linalg.eigvalsh(problem.A @ metric(flow, polar_of(target, flow.depth)) @ problem.A.T)[-1]
    assert_allclose(longest_step(flow, problem, target), 2 / curvature)


@pytest.mark.parametrize("method", [GradientDescent(2), PolarDescent(2, 10.0)])
def test_a_longer_step_is_unstable_and_a_shorter_one_stable(method):
    problem, flow = PROBLEMS[0], method.flow
    end = limit(flow, problem, flow.start(20, 0.3)).weights
    step = longest_step(flow, problem, end)
    near = polar_of(end, 2)
    start = flow.start(20, float(near.radius), near.direction * (1 + 1e-3 * np.cos(np.arange(20))))
    runs = descend(method, problem, start, step * np.array([0.9, 1.2]), 300, divergence="record")
    assert runs.loss[-1, 0] < runs.loss[0, 0]
    assert runs.diverged[1] or runs.loss[-1, 1] > runs.loss[0, 1]


def test_a_descent_that_arrives_is_near_its_limit_and_one_that_does_not_says_so():
    for method in recovery.descent_methods(2).values():
        trial = recovery.descent(method, PROBLEMS[0], ("large", "edge"))
        assert trial.arrived.all()
        assert np.all(trial.gap < recovery.AGREES)
        assert np.all(trial.steps < recovery.STEPS)
    late = recovery.descent(GradientDescent(4), PROBLEMS[0], ("tiny",), steps=50)
    assert not late.arrived[0]
    assert late.steps[0] == 50


@pytest.mark.parametrize("depth", [2, 3, 6])
def test_what_the_theorems_ask_for_is_enough(depth):
    asked = recovery.guarantee(PROBLEMS[0], depth)
    assert asked is not None
    assert asked.error <= recovery.RECOVERED
    rho = np.sum(basis_pursuit(PROBLEMS[0]).weights ** (2 / depth))
    assert_allclose(asked.ratio * rho / 4, asked.log_magnification)
    assert_allclose(np.log(np.sqrt(rho)) - asked.log10_radius * np.log(10), asked.log_magnification)
    enough = recovery.sufficient_magnification(PROBLEMS[0], depth, asked.log_magnification)
    assert enough < asked.log_magnification
    flow = GradientFlow(depth)
    for more, recovered in ((0.02, True), (-0.02, False)):
        end = limit(flow, PROBLEMS[0], flow.start(20, np.sqrt(rho) * np.exp(-enough - more)))
        assert bool(recovery.distance(end.weights, PROBLEMS[0]) <= recovery.RECOVERED) is recovered


def test_nothing_is_guaranteed_where_basis_pursuit_fails():
    assert recovery.distance(basis_pursuit(HOPELESS).weights, HOPELESS) > recovery.RECOVERED
    assert recovery.guarantee(HOPELESS, 2) is None


def test_a_problem_without_a_truth_is_refused():
    with pytest.raises(ValueError, match="problem must have a truth"):
        recovery.pursuit([Problem(PROBLEMS[0].A, PROBLEMS[0].y)])


def test_rows_count():
    row = recovery._Rows("ends", [HOPELESS] * 4, 2)
    row.convex = np.array([0.5, 0.005, 0.05, 0.2])
    counted = row("plain", "tiny", np.array([0.005, 0.005, 0.02, np.nan]), collapsed=1)
    expected = {"kind": "ends", "m": 6, "s": 5, "depth": 2, "problems": 4, "collapsed": 1, "present": 3}
    expected |= {"loose": 3, "recovered": 2, "strict": 0, "failed": 3, "beats": 1, "closer": 2, "loosely": 1}
    assert {name: counted[name] for name in expected} == expected
    assert counted["error"] == 0.005
    assert np.isnan(row("plain", "tiny", np.full(4, np.nan))["error"])


def test_the_record_has_every_task():
    assert set(recovery.RECORD.load()["task"]) == set(range(len(recovery.TASKS)))


def test_figures_draw_what_they_are_given():
    s, share = np.array([1.0, 2.0, 4.0]), np.array([1.0, 0.5, 0.0])
    limits = {
        (method, scale, L): share for method in ("plain", "normalized") for scale in recovery.SCALES for L in (2, 3)
    }
    figure = figures.rates(s, limits, share, (s, share, 0 * s))
    assert len(figure.axes) == len(recovery.SCALES)
    assert_allclose(figure.axes[0].lines[0].get_ydata(), share)
    theory = dict.fromkeys(("dimension", "low", "high", "positivity"), 3 * s)
    values = np.array([[0.0, 0.5, np.nan], [1.0, 1.0, 0.2]])
    figure = figures.phase(s, np.array([4.0, 8.0]), {"one": values, "two": values}, theory, s)
    drawn = figure.axes[0].collections[0].get_array()
    assert_allclose(np.ma.filled(drawn, np.nan), values)
    needed = np.array([[30.0, 3.0], [40.0, 4.0]])
    assert_allclose(figures.magnification([2, 3], needed, needed / 10).axes[0].lines[0].get_ydata(), [35, 3.5])
    shares = {(method, scale): np.array([1.0, 0.4]) for method in figures.METHODS for scale in recovery.SCALES}
    bars = figures.descents([2, 3], shares, shares).axes[0].patches
    assert {bar.get_height() for bar in bars} == {1.0, 0.4}
