"""The path at an infinite ratio: against the flow at large ones, basis pursuit, and what makes it one piece."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose

from wnlib import (
    ArgumentError,
    GradientFlow,
    InfeasibleError,
    Problem,
    WeightNormFlow,
    integrate,
    large_ratio_path,
)

FLOW = GradientFlow(2)


@pytest.mark.parametrize("seed", range(3))
def test_distance_to_the_flow_falls_like_one_over_the_ratio(seed):
    problem = Problem.gaussian(24, 60, 3, seed=seed)
    distances = []
    for ratio in (1e3, 1e4):
        flow = WeightNormFlow(2, ratio)
        start = flow.start(60, 0.7)
        path, found = large_ratio_path(problem, start), integrate(flow, problem, start, 50.0, rtol=1e-8)
        masses = found.weights.sum(axis=1)
        tau = np.concatenate([[0.0], np.cumsum(np.diff(found.t) * 2 * (masses[1:] + masses[:-1]))])  # d tau = 4 S dt
        distances.append(np.median(np.abs(path.at(tau) - found.weights).sum(axis=1)))  # few are in jumps
    assert distances[0] < 5e-3
    assert 5 < distances[0] / distances[1] < 20


def test_every_piece_has_the_least_loss_of_its_mass_on_its_support():
    problem = Problem.gaussian(10, 30, 6, seed=1)
    path = large_ratio_path(problem, FLOW.start(30, 0.5))
    for begin, end in pairwise([*path.times[:-1], path.times[-2] + 1]):
        weights = path.at((begin + end) / 2)
        force = problem.A.T @ problem.residual(weights)
        assert_allclose(np.ptp(force[weights > 1e-9]), 0, atol=1e-9)


def test_weights_jump_where_an_entry_has_caught_up_and_not_their_mass():
    path = large_ratio_path(Problem([[2.0, 1.0], [0.0, 1.0]], [3.0, 1.0]), FLOW.start(2, 0.1))
    assert_allclose(path.masses, path.arriving.sum(axis=1))
    assert np.abs(path.weights[1] - path.arriving[1]).max() > 0.1
    assert_allclose(path.at([0.0, path.times[1]]), path.weights[:2])
    assert_allclose(path.at(1e9), [1, 1])
    assert_allclose(path.at(np.nextafter(path.times[1], 0)), path.arriving[1], rtol=1e-9)


def test_the_integral_is_that_of_the_weights_and_the_dual_variable_has_its_maximum_where_they_are():
    problem = Problem.gaussian(10, 30, 6, seed=1)
    path = large_ratio_path(problem, FLOW.start(30, 0.5))
    times = np.linspace(0, 2 * path.times[-2], 20_001)
    weights = path.at(times)
    sums = np.cumsum(np.diff(times)[:, None] * (weights[1:] + weights[:-1]) / 2, axis=0)
    assert_allclose(path.integral(times)[1:], sums, atol=1e-3 * sums.max())
    theta = 0.25 + (times[:, None] * problem.y - path.integral(times) @ problem.A.T) @ problem.A
    masses = weights.sum(axis=1)
    assert_allclose(theta.max(axis=1), masses, rtol=1e-9)
    assert np.all((theta >= masses[:, None] * (1 - 1e-9)) | (weights < 1e-9))


def test_weights_of_a_mass_are_those_of_its_time():
    problem = Problem.gaussian(12, 40, 3, seed=1)
    path = large_ratio_path(problem, GradientFlow(2).start(40, 0.3))
    times = np.concatenate([path.times[:-1], path.times[:-2] + np.diff(path.times[:-1]) / 3])
    weights = path.at(times)
    assert_allclose(path.at_mass(weights.sum(axis=1)), weights, atol=1e-9)
    assert_allclose(path.at_mass(path.masses[-1]), path.weights[-1], atol=1e-12)
    with pytest.raises(ArgumentError, match=r"masses must be from 0\.09 to \d\.\d+, got 0\.01 to 0\.01"):
        path.at_mass(0.01)


def test_the_direction_of_the_start_does_not_matter():
    problem = Problem.gaussian(10, 30, 2, seed=1)
    paths = [large_ratio_path(problem, FLOW.start(30, 0.5, u)) for u in (None, np.geomspace(1, 9, 30))]
    assert_allclose(paths[0].weights, paths[1].weights)
    assert_allclose(paths[0].times, paths[1].times)


def test_what_has_no_path_is_said():
    problem = Problem.gaussian(10, 30, 2, seed=1)
    with pytest.raises(ArgumentError, match=r"start must be within the window, r_0\^2 < Q, got r_0 = 5"):
        large_ratio_path(problem, FLOW.start(30, 5.0))
    with pytest.raises(ArgumentError, match="y must be nonzero"):
        large_ratio_path(Problem([[1.0, 2.0]], [0.0]), FLOW.start(2, 0.1))
    with pytest.raises(InfeasibleError, match="nonnegative interpolant"):
        large_ratio_path(Problem([[1.0, 2.0]], [-1.0]), FLOW.start(2, 0.1))
    with pytest.raises(ArgumentError, match=r"times must be >= 0, got -1\.0"):
        large_ratio_path(problem, FLOW.start(30, 0.5)).at(-1.0)
