"""The experiment behind the chapter on a large ratio."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from companion.experiments import large_ratio, noisy_paths, plateaus
from companion.plots import large_ratio as figures
from wnlib import Problem, large_ratio_path

GIVEN = large_ratio.paths(noisy_paths.noisy(10, 30, 2, 0.1, seed=0), 0.2)
PROBLEM = GIVEN.noisy.problem


def test_both_paths_have_the_masses_that_they_are_read_at() -> None:
    masses = GIVEN.masses
    assert_allclose(GIVEN.limit.at_mass(masses).sum(axis=1), masses)
    assert_allclose(GIVEN.lasso_at_mass(masses).sum(axis=1), masses)
    assert_allclose(masses[0], 0.2 * GIVEN.limit.masses[-1])


@pytest.mark.parametrize("level", [2.0, 1.0, 0.3])
def test_the_limit_first_has_a_residual_where_it_is_read_at_it(level: float) -> None:
    residual = level * GIVEN.noisy.level
    weights = GIVEN.at_residual(residual)
    reached = float(np.linalg.norm(PROBLEM.residual(weights)))
    assert reached <= residual * (1 + 1e-9)
    earlier = GIVEN.limit.at_mass(weights.sum(keepdims=True) * (1 - 1e-6))
    assert reached == pytest.approx(residual) or np.linalg.norm(PROBLEM.residual(earlier)) > residual


def test_the_limit_is_the_lasso_where_no_entry_is_late_and_only_there() -> None:
    found = large_ratio.apart(GIVEN)
    late = found.late > 1e-9
    assert 0 < late.mean() < 1
    assert_allclose(found.distance[~late], 0, atol=1e-9)
    assert np.median(found.distance[late]) > 1e-3
    assert found.counts.min() >= 1


def test_the_distance_falls_with_the_ratio_within_its_bounds() -> None:
    found = large_ratio.rates(GIVEN, np.array([1e2, 1e3]))
    assert np.all(found.dual <= found.first)
    assert np.all(found.first <= found.second)
    assert 5 < found.dual[0] / found.dual[1] < 15
    assert found.weights[1] < found.weights[0]


def test_from_vanishing_starts_weights_are_least_squares_on_who_has_arrived() -> None:
    steps = large_ratio.vanishing(PROBLEM)
    assert np.all(np.diff(steps.times) >= 0)
    for weights in steps.weights[1:]:
        force = PROBLEM.A.T @ PROBLEM.residual(weights)
        assert_allclose(force[weights > 0], 0, atol=1e-9)
    assert_allclose(PROBLEM.residual(steps.weights[-1]), 0, atol=1e-5)
    times, weights = large_ratio.plain(PROBLEM, 1e-8, float(steps.times[2]))
    assert_allclose(times[-1], steps.times[2])
    middle = (steps.times[1] + steps.times[2]) / 2
    near = weights[int(np.argmin(np.abs(times - middle)))]
    assert_allclose(near, steps.weights[1], atol=0.1 * steps.weights[1].max())


def test_counts_and_errors_are_those_of_each_path() -> None:
    found = large_ratio.sparsity([GIVEN, GIVEN], (1.0, 0.5))
    assert found.counts.shape == found.errors.shape == (3, 2, 2)
    lasso = GIVEN.lasso.at(0.5 * GIVEN.noisy.level)
    assert found.counts[1, 1, 0] == np.count_nonzero(lasso > 1e-9)
    assert_allclose(found.errors[1, 1], GIVEN.noisy.error(lasso))


def test_the_limit_in_the_time_of_the_flow() -> None:
    """One weight: S' = 4 S (1 - S), a logistic equation."""
    problem = Problem([[1.0, 0.0]], [1.0])
    given = large_ratio.paths(noisy_paths.Noisy(Problem(problem.A, problem.y, np.array([1.0, 0.0])), 0.1), 0.2)
    t, loss = large_ratio.losses(large_ratio_path(problem, given.start), problem)
    mass = 1 / (1 + 4 * np.exp(-4 * t))
    assert_allclose(loss, (1 - mass) ** 2 / 2, atol=1e-3)


def test_between_saddles_the_entries_are_the_more_equal_the_larger_the_ratio() -> None:
    _, flows = large_ratio.deep(plateaus.problem_of(0), 3, (10.0, 20.0), 0.3, until=1e14)
    assert_allclose(large_ratio.spread(flows[10.0]) / large_ratio.spread(flows[20.0]), 2, rtol=0.3)


def test_deep_flows_wait_at_the_first_saddle_and_figures_draw_what_they_are_given() -> None:
    clean, ratios = plateaus.problem_of(0), (10.0, 30.0, 100.0, 300.0)
    _, shallow = large_ratio.deep(clean, 2, ratios, 0.3)
    saddles, deep = large_ratio.deep(clean, 3, ratios, 0.3)
    assert_allclose(deep[300.0].loss[-1], saddles.saddles[1].loss, rtol=1e-9)
    assert shallow[300.0].loss[-1] < 1e-10
    limit = large_ratio.losses(large_ratio_path(clean, shallow[10.0].points[0]), clean)
    drawn = figures.depths(limit, shallow, saddles, deep)
    assert_allclose(drawn.axes[0].lines[0].get_ydata(), limit[1])
    assert len(drawn.axes[1].lines) == len(ratios) + len(saddles.saddles) - 1
    flows = {ratio: GIVEN.followed(ratio) for ratio in (10.0, 30.0, 100.0)}
    assert len(figures.ways(GIVEN, flows).axes) == 2
    found = large_ratio.apart(GIVEN)
    assert_allclose(figures.apart(found).axes[0].lines[0].get_ydata(), found.distance)
    rates = large_ratio.rates(GIVEN, np.array([1e2, 1e3]))
    assert_allclose(figures.rates([rates]).axes[0].lines[0].get_ydata(), rates.dual)
    steps = large_ratio.vanishing(PROBLEM)
    small = {alpha: large_ratio.plain(PROBLEM, alpha, float(steps.times[3])) for alpha in (1e-3, 1e-6)}
    assert len(figures.vanishing(steps, small).axes) == 1
