"""The experiment behind the chapter on signed weights."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from companion.experiments import signs
from companion.plots import signs as figures
from wnlib import GradientFlow, Problem, WeightNormFlow, basis_pursuit
from wnlib.models.separate import SeparateFlow
from wnlib.models.signed import signed

PROBLEMS = [Problem.gaussian(8, 14, 2, seed=seed, signed=True) for seed in range(2)]
SCALE = np.array([[0.3, 1.0]] * 2)


@pytest.mark.parametrize("flow", [GradientFlow(2), WeightNormFlow(2, 10.0)], ids=str)
def test_limits_and_followed_flows_agree(flow):
    predicted, followed = signs.limits(flow, PROBLEMS, SCALE), signs.ends(flow, PROBLEMS, SCALE)
    assert_allclose(followed.excess, predicted.excess, atol=1e-3)
    assert_allclose(followed.error, predicted.error, atol=1e-3)
    assert predicted.missing == 0
    assert np.all(np.linalg.norm(predicted.growth, axis=-1) >= np.sqrt(2) * (1 - 1e-9))


def test_followed_separate_flows_interpolate():
    pair = signs.arrival(SeparateFlow(2, 10.0), PROBLEMS[0], 0.8)
    assert_allclose(PROBLEMS[0].A @ pair, PROBLEMS[0].y, atol=1e-4)
    sweep = signs.ends(SeparateFlow(2, 10.0), PROBLEMS[:1], np.array([[0.8]]))
    target = signed(basis_pursuit(PROBLEMS[0]).weights)
    assert_allclose(sweep.excess[0, 0], np.abs(signed(pair)).sum() / np.abs(target).sum() - 1)


@pytest.mark.parametrize("depth", [2, 3])
def test_the_temperature_and_the_slopes_are_those_of_the_theory(depth):
    seen = signs.cooling(WeightNormFlow(depth, 6.0), PROBLEMS[0], 0.6)
    assert_allclose(seen.law, np.broadcast_to(seen.temperature[:, None], seen.law.shape), rtol=1e-5)
    for weights, temperature, slope in zip(seen.weights, seen.temperature, seen.slope, strict=True):
        found = signs.slope_of(weights, float(temperature), seen.direction, depth)
        assert_allclose(found, slope, rtol=1e-4, atol=1e-6)
    assert np.all(np.diff(seen.radius) > 0)
    assert np.all(np.diff(seen.temperature) < 0)


def test_negated_weights():
    problem = Problem.gaussian(8, 14, 3, seed=0)
    for count in range(4):
        weights = signed(signs.with_negatives(problem, count).truth)
        assert np.count_nonzero(weights < 0) == count
        assert_allclose(np.abs(weights), problem.truth)
    with pytest.raises(ValueError, match="count must be between 0 and 3, got 4"):
        signs.with_negatives(problem, 4)
    with pytest.raises(ValueError, match="problem must have a truth"):
        signs.with_negatives(Problem(problem.A, problem.y), 1)


def test_weighting_moves_only_what_has_no_potential():
    edge, contrast = 1.0, np.array([10.0])
    joint, separate, matched = (
        float(signs.reweighted(flow, PROBLEMS[0], edge, contrast)[0])
        for flow in (WeightNormFlow(2, 10.0), SeparateFlow(2, 10.0), SeparateFlow(2, 10.0, matched=True))
    )
    assert max(joint, matched) <= 1e-5
    assert separate > 1e-3


def test_the_mixed_norm_is_least_at_equal_masses():
    A = np.array([[1.0, 1.0, 0.0]])  # y = 1 by one weight or two, all of one sign
    problem = Problem(A, np.array([1.0])).doubled()
    assert_allclose(signs.mixed_norm(problem, 0.0)[:2].sum(), 1, atol=1e-6)
    # y = w_1 - w_2 = 1: half by a positive weight, half by a negative one
    problem = Problem(np.array([[1.0, -1.0]]), np.array([1.0])).doubled()
    assert_allclose(signs.mixed_norm(problem, 0.0), [0.5, -0.5], atol=1e-6)


def test_figures_draw_what_they_are_given():
    flows = {"plain": GradientFlow(2), "joint": WeightNormFlow(2, 10.0)}
    theory = {name: signs.limits(flow, PROBLEMS, SCALE) for name, flow in flows.items()}
    at = np.array([0.1, 1.0])
    figure = figures.excess(at, theory, dict.fromkeys((*flows, "separate"), at), theory | {"separate": theory["plain"]})
    assert_allclose(
        figure.axes[0].lines[0].get_ydata(), np.maximum(np.median(theory["plain"].excess, axis=0), figures.FLOOR)
    )
    seen = {name: signs.cooling(flow, PROBLEMS[0], 0.6) for name, flow in flows.items()}
    lines = {name: np.exp(-at) for name in flows}
    assert_allclose(figures.cooling(at, lines, seen, 2).axes[0].lines[0].get_ydata(), np.exp(-2 * at))
    moved = figures.order(at, dict.fromkeys((*flows, "separate", "matched"), at))
    assert len(moved.axes[0].lines) == 4
    counts = dict.fromkeys((0, 1, 2), at)
    pair = figures.balance(at, {2: counts, 3: counts}, dict.fromkeys((2, 3), dict.fromkeys(flows, at)), counts)
    assert len(pair.axes) == 2
