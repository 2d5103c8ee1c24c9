"""Drift is small where the theory says so, falls with the tolerance, and is seen where a formula is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from companion.experiments.invariants import (
    Trajectory,
    common_schedule,
    dependent,
    drift,
    early_trajectory,
    measured_magnification,
    separate_rates,
    surviving_drift,
    tolerance_sweep,
)
from wnlib import GradientFlow, Problem, ScheduledWeightNormFlow, WeightNormFlow

PROBLEM = Problem.gaussian(m=8, n=20, sparsity=2, seed=1)
WITH_ONES = Problem(np.vstack([PROBLEM.A, np.ones(20)]), np.append(PROBLEM.y, PROBLEM.truth.sum()), PROBLEM.truth)


@pytest.mark.parametrize("depth", range(1, 7))
@pytest.mark.parametrize("ratio", [0.1, 10.0, 100.0])
def test_drift(depth: int, ratio: float) -> None:
    for problem in (PROBLEM, dependent(PROBLEM, 3)):
        result = drift(WeightNormFlow(depth, ratio), problem)
        assert result.conserved.max() <= 1e-9
        assert result.norm <= 1e-9
        assert result.plain.max() >= 1e-5
        assert result.detuned.max() >= 1e-5


@pytest.mark.parametrize("depth", range(1, 7))
def test_drift_of_gradient_flow(depth: int) -> None:
    assert early_trajectory(GradientFlow(depth), PROBLEM).invariant_drift.max() <= 1e-9


def test_dependent_rows_mean_more_invariants() -> None:
    twin = dependent(PROBLEM, 3)
    assert twin.shape == PROBLEM.shape
    assert (twin.rank, twin.kernel.shape[1]) == (5, 15)
    np.testing.assert_array_equal(twin.A[[5, 6]], PROBLEM.A[[0, 1]])
    np.testing.assert_allclose(twin.A[7], PROBLEM.A[0] + PROBLEM.A[1])
    np.testing.assert_allclose(twin.A @ PROBLEM.truth, twin.y)


@pytest.mark.parametrize("count", [0, 7, 1.5])
def test_bad_count_of_dependent_rows(count: float) -> None:
    with pytest.raises(ValueError, match="count must be"):
        dependent(PROBLEM, count)


def test_drift_falls_with_the_tolerance() -> None:
    sweep = tolerance_sweep(PROBLEM, (1, 2, 3, 4), 10.0, 10.0 ** np.arange(-10, -3))
    assert sweep.drift.shape == (4, 7)
    assert np.all(np.abs(sweep.orders - 1) <= 0.5)
    level = replace(sweep, drift=sweep.drift + 1e-6)
    assert np.all(level.orders < 0.5)


@pytest.mark.parametrize("depth", [1, 2, 3, 6])
def test_the_direction_tells_the_magnification(depth: int) -> None:
    path = early_trajectory(WeightNormFlow(depth, 10.0), PROBLEM)
    from_radius = 10.0 * (path.radius**2 - path.radius[0] ** 2) / 2
    measured = measured_magnification(path)
    assert from_radius.max() > 0.1
    assert np.nanmax(np.abs(measured - from_radius)) <= 1e-6
    assert np.nanmax(np.abs(measured - 1.01 * from_radius)) > 1e-4


def test_what_rounding_hides_at_depth_one_is_left_out() -> None:
    measured = measured_magnification(early_trajectory(WeightNormFlow(1, 100.0), Problem.gaussian(20, 60, 3, seed=1)))
    assert np.isnan(measured).any()
    assert np.nanmax(measured) <= np.log(1e4)


@pytest.mark.parametrize("depth", range(1, 7))
@pytest.mark.parametrize("ratio", [0.1, 10.0])
def test_separate_rates_break_one_invariant_as_predicted(depth: int, ratio: float) -> None:
    broken = separate_rates(PROBLEM, depth, ratio)
    gap = np.nanmax(np.abs(broken.measured - broken.predicted))
    assert gap <= 1e-5
    assert np.nanmax(broken.survived) <= 1e-8
    assert np.nanmax(np.abs(broken.measured - broken.radial)) > 1e3 * gap
    assert broken.ratio[0] == ratio
    assert broken.ratio[-1] < 0.8 * ratio


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_common_schedule_breaks_nothing(depth: int) -> None:
    assert common_schedule(PROBLEM, depth, 10.0) <= 1e-9


def annealed(problem: Problem) -> Trajectory:
    return early_trajectory(ScheduledWeightNormFlow(2, 10.0, angular_schedule=lambda t: 1 / (1 + 3 * t)), problem)


def test_the_surviving_drift_sees_a_change() -> None:
    path = annealed(PROBLEM)
    moved = replace(path, problem=Problem.gaussian(m=8, n=20, sparsity=2, seed=2))
    assert surviving_drift(path).max() <= 1e-8
    assert surviving_drift(moved).max() > 1e-3


def test_all_survive_at_depth_two_if_the_sum_is_measured() -> None:
    for problem, survives in ((PROBLEM, False), (WITH_ONES, True)):
        log_u = annealed(problem).points.log_direction
        change = np.abs((log_u - log_u[0]) @ problem.kernel).max()
        assert (change <= 1e-8) == survives
