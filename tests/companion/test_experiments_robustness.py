"""The experiments behind the front page and the chapter on robustness."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from companion.experiments import front, robustness
from companion.plots import front as front_figures, robustness as figures
from wnlib import GradientFlow, Problem, WeightNormFlow, basis_pursuit, limit, radius_of

PROBLEMS = [Problem.gaussian(8, 20, 2, seed=seed) for seed in range(2)]
SCALE = np.array([[0.1, 1.0, 3.0]] * 2)


@pytest.mark.parametrize("flow", [GradientFlow(2), WeightNormFlow(2, 10.0)], ids=str)
def test_limits_and_trajectories_agree(flow):
    predicted, followed = (run(flow, PROBLEMS, SCALE) for run in (robustness.limits, robustness.trajectories))
    assert_allclose(followed.mass, predicted.mass, rtol=1e-3)
    assert_allclose(followed.error, predicted.error, atol=1e-3)
    assert not predicted.missing.any()
    assert np.all(robustness.bounds(flow, PROBLEMS, SCALE) >= predicted.excess - 1e-9)


def test_a_collapse_is_recorded_by_both():
    problem, scale = Problem.gaussian(24, 60, 3, seed=5), np.array([[0.05]])
    for run in (robustness.limits, robustness.trajectories):
        sweep = run(WeightNormFlow(2, 1.0), [problem], scale)
        assert sweep.collapsed.all()
        assert np.isnan(sweep.mass).all()
        assert not sweep.missing.any()


def test_the_frontier_is_the_radius_of_the_target():
    target = basis_pursuit(PROBLEMS[0]).weights
    assert_allclose(robustness.frontier(PROBLEMS[0], 2) ** 2, target.sum())
    assert_allclose(robustness.frontier(PROBLEMS[0], 4) ** 2, np.sqrt(target).sum())


def test_paths_in_the_plane_end_on_the_line_where_a_level_set_touches_it():
    plane = front.plane(GradientFlow(2), (0.1, 0.8), resolution=21)
    sparse, shortest = front.interpolants()
    assert_allclose(plane.ends @ [1, 2], 2, rtol=1e-6)
    assert_allclose(sparse, [0, 1], atol=1e-12)
    assert_allclose(shortest, [0.4, 0.8])
    assert_allclose(plane.ends[-1], plane.lowest, atol=2 * front.SPACING)
    assert_allclose(plane.lowest @ [1, 2], 2)
    on_line = np.abs(plane.grid[None, :] + 2 * plane.grid[:, None] - 2) < 1e-9
    assert on_line.any()
    assert plane.divergence[on_line].min() >= plane.touching - 1e-9


def test_figures_draw_what_they_are_given():
    position = np.array([0.01, 0.1, 10.0])
    flows = {"plain": GradientFlow(2), "normalized": WeightNormFlow(2, 10.0)}
    theory = {name: robustness.limits(flow, PROBLEMS, SCALE) for name, flow in flows.items()}
    bound = {name: robustness.bounds(flow, PROBLEMS, SCALE) for name, flow in flows.items()}
    predicted = {name: sweep.excess for name, sweep in theory.items()}
    figure = figures.excess(position, predicted, theory, bound, position, theory)
    drawn = figure.axes[0].lines[0].get_ydata()
    assert_allclose(drawn, np.maximum(np.median(theory["plain"].excess, axis=0), figures.FLOOR))
    window = figures.window(position, dict.fromkeys((1.0, 2.0, 3.0), position), np.maximum(1, position))
    assert [text.get_text() for text in window.axes[0].get_legend().get_texts()][-1] == r"$c \to \infty$"
    plane = front.plane(flows["plain"], (0.1, 0.8), resolution=21)
    assert len(front_figures.story(plane, plane, *front.interpolants()).axes) == 2


@pytest.mark.parametrize("depth", [2, 3])
def test_what_the_front_page_predicts_comes_true(depth):
    one = front.asked(depth, 1e-2)
    assert_allclose(one.seen, 1e-2, rtol=0.01)
    problem = Problem.gaussian(24, 60, 3)
    radius, flow = float(radius_of(basis_pursuit(problem).weights, depth)), GradientFlow(depth)
    assert_allclose(limit(flow, problem, flow.start(60, one.scale * radius)).l1_excess, 1e-2, rtol=1e-6)
    flow = WeightNormFlow(depth, 100 * one.ratio)
    assert_allclose(limit(flow, problem, flow.start(60, 2**0.5 * radius)).l1_excess, one.beyond)
