"""The experiments behind the chapter on minibatches and long steps."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from companion.experiments import stochastic
from companion.plots import stochastic as figures
from wnlib import WeightNormFlow, descend, effective_start, limit, margin

PROBLEM = stochastic.problems(10, 20, 2, 1)[0]
METHODS = stochastic.methods(3.0)
every_method = pytest.mark.parametrize("name", METHODS)


def of(name: str) -> stochastic.Setting:
    return stochastic.setting(METHODS[name], PROBLEM)


@every_method
def test_short_steps_on_all_rows_end_where_the_flow_does(name: str) -> None:
    one = of(name)
    short, long = stochastic.ends(one, (0.02, 0.4), None, orders=1).excess[:, 0] / np.exp(one.log_excess(one.start))
    assert abs(short - 1) < 0.02
    assert abs(long - 1) > abs(short - 1)


@every_method
def test_ends_are_limits_from_effective_starts(name: str) -> None:
    for size in (None, 2):
        miss = stochastic.ends(of(name), (0.1, 0.2), size, orders=2).miss
        assert np.isfinite(miss).any()
        assert np.nanmax(miss) < 1e-9


def test_a_run_that_does_not_arrive_has_no_end() -> None:
    found = stochastic.ends(of("plain"), (20.0,), 2, orders=2)
    assert np.isnan(found.excess).all()
    assert np.isnan(found.miss).all()


def test_the_flow_goes_on_with_the_last_ratio() -> None:
    one = of("salimans-kingma")
    run = descend(one.method, PROBLEM, one.start, 0.5 * one.stable, 40)
    norm = float(run.norm[-1])
    assert norm > 1.05 * run.norm[0]
    assert_allclose(one.end_excess(run), np.log(limit(WeightNormFlow(2, norm**-2), PROBLEM, run.points[-1]).l1_excess))
    assert abs(one.end_excess(run) - one.log_excess(run.points[-1])) > 1e-3


def test_shrinkage_is_that_of_the_effective_start() -> None:
    one = of("plain")
    h, until = 0.2 * one.stable, one.duration(stochastic.SPENT)
    run = descend(one.method, PROBLEM, one.start, h, int(until / h) + 1, batch_size=2, seed=4)
    wanted = np.log(one.start.weights(1) / effective_start(run).weights(1))
    assert_allclose(stochastic.shrinkage(one, 0.2, 2, seed=4), wanted, atol=1e-12)
    assert stochastic.shrinkage(one, 0.2, 2).mean() > 2 * stochastic.shrinkage(one, 0.2, None).mean()


def test_minibatches_help_by_about_what_is_expected() -> None:
    for name in ("plain", "polar"):
        found = stochastic.shifts([of(name)], [(0.1, 2), (0.4, 2)], orders=2)
        assert np.all(found.seen < 0)
        assert_allclose(found.seen / found.expected, 1, atol=0.5)
        assert_allclose(found.expected[1] / found.expected[0], 4, rtol=0.1)


def test_what_diverges_or_is_not_expected_is_left_out() -> None:
    wild = stochastic.shifts([of("plain")], [(20.0, 2)], orders=1)
    assert np.isnan(wild.seen).all()
    assert np.isnan(stochastic.lengthened([of("plain")], (20.0,))).all()
    free = stochastic.shifts([of("salimans-kingma")], [(0.1, 2)], orders=1)
    assert np.isnan(free.expected).all()
    assert np.isfinite(free.seen).all()


def test_longer_steps_change_more() -> None:
    changed = stochastic.lengthened([of("polar")], (0.2, 0.4, 0.8))[:, 0]
    assert np.all(np.diff(changed) < 0)
    assert changed[0] < 0


def test_problems_have_a_margin() -> None:
    drawn = stochastic.problems(10, 20, 2, 3)
    assert len({problem.A.tobytes() for problem in drawn}) == 3
    assert all(0 < margin(problem).value < np.inf for problem in drawn)


def test_figures_show_what_they_are_given() -> None:
    shares, runs = np.array([0.1, 0.2]), stochastic.Ends(np.array([[0.9], [0.8]]), np.zeros(2))
    found, flow = {"plain": {"all rows": runs}, "polar": {"1 row": runs}}, {"plain": 1.0, "polar": 0.5}
    shown = figures.ends(shares, found, {"plain": {}, "polar": {"1 row": shares}}, flow)
    assert [axes.get_title(loc="left") for axes in shown.axes] == ["gradient descent", "polar descent"]
    assert_allclose(shown.axes[0].lines[0].get_ydata(), [0.9, 0.8])
    assert_allclose(shown.axes[1].lines[1].get_ydata(), [0.2, 0.4])
    shrunk = np.array([0.1, 0.3, 0.2])
    bars = figures.entries({"all rows": shrunk, "one": shrunk}, np.array([False, True, False])).axes[0].patches
    assert [bar.get_height() for bar in bars] == [0.3, 0.1, 0.2]
    shift = stochastic.Shifts(np.array([[-0.1, -0.2]]), np.array([[-0.1, -0.3]]))
    scatter = figures.law({"polar": shift}, [(0.1, 4)], 0.4).axes[0].lines[0]
    assert_allclose(scatter.get_xydata(), [[0.1, 0.1], [0.3, 0.2]])
    lines = figures.lengths((0.5,), {"plain": np.log([[0.5, 2.0]]), "polar": np.log([[0.5, 2.0]])}).axes[0].lines
    assert_allclose(lines[0].get_ydata(), [1, 0.5])
    curve = figures.against_ratio(np.array([[1.0, 3.0]]), {"polar": np.array([[-0.1, -0.3]])}).axes[0].lines[1]
    assert_allclose(curve.get_xydata(), [[2, -0.2]])
