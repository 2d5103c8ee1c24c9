"""The experiments behind the chapter on the map of the window, and its figures."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from companion.experiments import window, window_collapse, window_map
from companion.plots import window as figures
from companion.sweep import Sweep
from wnlib import GradientFlow, Problem, WeightNormFlow, basis_pursuit, collapse_barrier, limit, mass_bound

PROBLEMS = [Problem.gaussian(12, 40, 2, seed=seed) for seed in range(2)]
CURVES = {depth: [window.curve_of_limits(problem, depth) for problem in PROBLEMS] for depth in (2, 3)}
RATIOS, POSITIONS = np.array([1.0, 10.0]), np.array([0.1, 0.5, 0.9, 1.5, 2.0])
SPECIFICATION = Path(__file__).resolve().parents[2] / "sweeps" / "window_map.toml"
INWARD = Problem.gaussian(24, 60, 3, seed=5)


def test_the_specification_of_single_limits_is_the_grid_of_the_map():
    assert Sweep.of(tomllib.loads(SPECIFICATION.read_text())) == window.SWEEP


@pytest.mark.parametrize("depth", [2, 3])
def test_the_map_is_that_of_single_limits(depth):
    found = window_map.sample(CURVES[depth], PROBLEMS, RATIOS, POSITIONS, count=8, seed=0)
    assert window_map.disagreement(found) <= 2e-3
    assert window_map.disagreement(found * [1, 1.1]) > 0.09


@pytest.mark.parametrize("depth", [2, 3])
def test_curves_have_the_limits_of_gradient_flow(depth):
    curve, problem = CURVES[depth][0], PROBLEMS[0]
    flow = GradientFlow(depth)
    for position in (0.01, 0.3, 2.0):
        end = limit(flow, problem, flow.start(40, float(np.sqrt(position * curve.target))))
        assert_allclose(curve.plain(position), end.l1_excess, rtol=2e-3)
    assert np.all(np.diff(curve.place) > 0)
    assert np.all(np.diff(curve.excess) > 0)
    if depth == 2:
        assert_allclose(curve.square, 1 + curve.excess, atol=2e-9)


def test_below_the_end_of_a_curve_the_excess_goes_on_falling_down_to_the_floor():
    curve = CURVES[2][0]
    short = window.Curve(2, curve.target, curve.place[60:], curve.excess[60:], curve.square[60:])
    position = float(np.exp(short.place[0] - 3))
    assert_allclose(short.plain(position), curve.plain(position), rtol=0.05)
    assert short.plain(1e-300) == window.FLOOR


def test_a_problem_with_one_interpolant_has_no_curve():
    problem = Problem(np.array([[1.0, 1.0, 0.0], [1.0, 2.0, 1.0]]), np.array([1.0, 1.0]))  # only w = (1, 0, 0)
    with pytest.raises(ValueError, match="more than one nonnegative interpolant"):
        window.curve_of_limits(problem, 2)
    with pytest.raises(ValueError, match="depth must be >= 2"):
        window.curve_of_limits(PROBLEMS[0], 1)


@settings(max_examples=30)
@given(st.sampled_from([2, 3]), st.floats(1, 200), st.sampled_from(window_map.THRESHOLDS))
def test_frontiers_are_where_the_map_crosses_the_threshold(depth, ratio, threshold):
    curve = CURVES[depth][0]
    position = float(curve.frontier(threshold, ratio))
    if position > 0:
        assert_allclose(curve.normalized(ratio, position), threshold, rtol=5e-3)


def test_frontiers_are_straight_in_the_inverse_ratio():
    assert_allclose(np.diff(CURVES[3][0].frontier(0.01, 1 / np.array([0.1, 0.2, 0.3])), 2), 0, atol=1e-12)
    assert np.isnan(CURVES[2][0].frontier(1e-12, 1.0))


def test_roots_of_single_limits_lie_on_the_line():
    found = window_map.lines(CURVES[2][0], PROBLEMS[0], shares=(0.3, 0.7))
    assert_allclose(found.measured, found.straight, atol=1e-3)
    assert np.all(found.guaranteed <= found.predicted)


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("threshold", [0.1, 0.01])
def test_what_is_guaranteed_is_where_the_mass_bound_is_the_threshold(depth, threshold):
    target = basis_pursuit(PROBLEMS[0]).weights
    ratio = 1e3
    position = float(window_map.guaranteed(PROBLEMS[0], depth, threshold, ratio))
    assert 0 < position < 1 + threshold
    scale = np.sqrt(position * np.sum(target ** (2 / depth)))
    assert_allclose(mass_bound(WeightNormFlow(depth, ratio), scale, target) / target.sum() - 1, threshold, rtol=1e-6)
    if depth == 2:
        assert_allclose(window_map.excess_bound(PROBLEMS[0], ratio, position), threshold, rtol=1e-9)


def test_beyond_the_frontier_no_ratio_goes_below_the_least():
    for curves in CURVES.values():
        for curve in curves:
            for ratio in (0.01, 0.3, 3.0, 300.0):
                assert np.all(curve.normalized(ratio, POSITIONS[3:]) >= 0.995 * curve.least(POSITIONS[3:]))
    assert_allclose(CURVES[2][0].normalized(1e5, 1.3), CURVES[2][0].least(1.3), rtol=1e-3)


def test_rates_are_as_predicted():
    for curves in CURVES.values():
        found = window_map.rates(curves, PROBLEMS)
        assert found.off <= 0.02
        assert np.all(found.proved[20:] >= found.seen[20:])
    assert window_map.predicted_rate(PROBLEMS[0], 4) == 2
    empty = window.Curve(2, 1.0, np.arange(3.0), np.ones(3), np.ones(3))
    assert np.isnan(window_map.measured_rate(empty))


def test_the_price_is_the_ratio_at_which_the_frontier_passes():
    found = window_map.price(CURVES[2][:1], PROBLEMS[:1], 0.5)
    true = [
        CURVES[2][0].frontier(level, ratio) for level, ratio in zip(window_map.THRESHOLDS, found[:, 0], strict=True)
    ]
    assert_allclose(true, 0.5, atol=0.02)
    assert np.all(found[:, 1] > found[:, 0])


def test_the_record_has_the_curves_of_its_problems():
    problems = [window.problem_of(seed) for seed in window.SWEEP.seed]
    curves = window.stored(problems, 2)
    assert len(curves) == len(problems)
    position = 0.1
    end = window.excess_of_limit(problems[3], 2, 2.0, position)
    assert_allclose(curves[3].normalized(2.0, position), end, rtol=2e-3)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_barrier_separates_collapse_from_escape(depth):
    value = collapse_barrier(INWARD, depth)
    ratio = value / 1e-5 / np.sum(basis_pursuit(INWARD).weights ** (2 / depth))
    assert window_collapse.fate(INWARD, depth, ratio, 0.97e-5)
    assert not window_collapse.fate(INWARD, depth, ratio, 1.03e-5)
    assert_allclose(window_collapse.threshold(INWARD, depth, ratio), value, rtol=0.03)


def test_the_barrier_is_the_divergence_of_the_closest_direction_that_is_not_pulled_inwards():
    b = INWARD.A.T @ INWARD.y
    n = len(b)
    found = minimize(
        lambda p: np.sum(p * np.log(n * p)),
        np.full(n, 1 / n),
        jac=lambda p: np.log(n * p) + 1,
        bounds=[(1e-9, 1)] * n,
        constraints=[{"type": "eq", "fun": lambda p: p.sum() - 1}, {"type": "ineq", "fun": lambda p: b @ p}],
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert_allclose(found.fun, collapse_barrier(INWARD, 2), rtol=1e-4)


def test_an_outward_pull_has_no_barrier():
    outward = Problem.gaussian(24, 60, 3, seed=0)
    assert not window_collapse.inward(outward)
    assert collapse_barrier(outward, 3) == 0
    assert window_collapse.surely_collapses(outward, 2, 1.0) == 0
    with pytest.raises(ValueError, match="must pull a uniform start inwards"):
        window_collapse.threshold(outward, 2, 1.0)


def test_the_edges_enclose_the_barrier():
    found = window_collapse.edges([INWARD])
    assert np.all(found.lost < found.turning)
    there = np.isfinite(found.safe)
    assert np.all(found.turning[there] < found.safe[there])
    assert there.any()


def test_the_seeds_of_collapse_are_the_first_that_pull_inwards():
    found = [s for s in range(window_collapse.SEEDS[-1] + 1) if window_collapse.inward(window_collapse.problem_of(s))]
    assert tuple(found) == window_collapse.SEEDS
    mine = window_collapse.inward_problems(24, 60, 3, seed=3, depth=2, count=1)
    assert np.array_equal(mine[0].A, window_collapse.problem_of(5).A)


def test_fates_tell_where_the_last_collapse_and_the_first_escape_lie():
    collapsed = np.zeros((1, 2, len(window_collapse.POSITIONS)), dtype=bool)
    collapsed[0, 0, :3] = True
    fates = window_collapse.Fates(collapsed)
    assert_allclose(fates.bracket[0, 0], window_collapse.POSITIONS[2:4])
    assert_allclose(fates.bracket[0, 1], [0, window_collapse.POSITIONS[0]])
    assert fates.ordered
    collapsed[0, 1, 5] = True
    assert not window_collapse.Fates(collapsed).ordered


def test_the_record_of_fates_has_every_start():
    fates = window_collapse.stored()
    shape = len(window_collapse.SEEDS), len(window_collapse.RATIOS), len(window_collapse.POSITIONS)
    assert fates.collapsed.shape == shape
    assert fates.ordered
    assert 0.2 < fates.share.mean() < 0.6


def test_figures_draw_what_they_are_given():
    starts = np.geomspace(1e-10, 2, 10)
    ratios, positions = np.geomspace(0.1, 100, 12), np.linspace(0.02, 2, 14)
    chart = window_map.chart(CURVES[2], PROBLEMS, ratios, positions, starts)
    left, right, bar = figures.diagram(chart).axes
    drawn = left.collections[0].get_array().reshape(chart.median.shape)
    assert_allclose(drawn, np.clip(chart.median, figures.LEAST, figures.MOST))
    assert left.get_yscale() == right.get_yscale() == "log"
    assert "excess" in bar.get_xlabel()
    lines = window_map.lines(CURVES[2][0], PROBLEMS[0], shares=(0.5,))
    assert_allclose(figures.lines(lines).axes[0].lines[0].get_ydata(), lines.predicted[0])
    rates = {depth: window_map.rates(curves, PROBLEMS) for depth, curves in CURVES.items()}
    assert len(figures.rates(rates).axes) == 2
    fates, edges = window_collapse.stored(), window_collapse.edges([INWARD])
    share = figures.collapse(fates, edges).axes[0].collections[0].get_array()
    assert_allclose(np.asarray(share).ravel(), fates.share.ravel())
    found = window_collapse.bisected([INWARD], 2, (1e-2, 1e-5))
    assert figures.thresholds(found).axes[0].get_xscale() == "log"
