"""The two flows from many starts, and a network of separate factors against the flow that stands for it."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from companion.experiments import setting
from companion.experiments.setting import polar_disagreement, scale_of, start_sweep
from wnlib import GradientFlow, Problem, WeightNormFlow, basis_pursuit, integrate

PROBLEM = Problem.gaussian(m=10, n=20, sparsity=2, seed=3)
FRACTIONS = (1e-3, 0.1, 0.5)


def factor_velocity(problem: Problem, factors: np.ndarray) -> np.ndarray:
    """Of a network of separate factors, shape (L, N)."""
    force = problem.A.T @ (problem.y - problem.A @ factors.prod(axis=0))
    return np.array([force * np.delete(factors, k, axis=0).prod(axis=0) for k in range(len(factors))])


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_a_network_of_equal_factors_is_gradient_flow_slowed_by_its_depth(depth: int) -> None:
    n, t_end = 20, 2.0
    flow = GradientFlow(depth)
    start = flow.start(n, scale_of(0.5, depth, n), np.linspace(1, 2, n))
    factors = np.tile(start.radius * start.direction, (depth, 1))
    network = solve_ivp(
        lambda t, state: factor_velocity(PROBLEM, state.reshape(depth, n)).ravel(),
        (0, depth * t_end),
        factors.ravel(),
        rtol=1e-10,
        atol=1e-12,
    )
    end = network.y[:, -1].reshape(depth, n)
    weights = integrate(flow, PROBLEM, start, t_end, rtol=1e-10).weights[-1]
    assert np.ptp(end, axis=0).max() <= 1e-12
    np.testing.assert_allclose(end.prod(axis=0), weights, rtol=1e-6)
    early = network.y[:, np.searchsorted(network.t, t_end)].reshape(depth, n)
    assert np.abs(early.prod(axis=0) / weights - 1).max() > 1e-2


@pytest.mark.parametrize("depth", [2, 3])
def test_normalized_equal_factors_are_the_flow_slowed_by_its_depth(depth: int) -> None:
    n, ratio, t_end = 20, 5.0, 0.5
    flow = WeightNormFlow(depth, ratio)
    start = flow.start(n, scale_of(0.5, depth, n), np.linspace(1, 2, n))
    # One radius and one direction for each factor, shape (L, 1 + N).
    state = np.tile(np.append(start.radius, start.direction), (depth, 1))

    def velocity(t: float, flat: np.ndarray) -> np.ndarray:
        r, u = np.split(flat.reshape(depth, 1 + n), [1], axis=1)
        gradient = factor_velocity(PROBLEM, r * u)
        pull = np.sum(gradient * u, axis=1, keepdims=True)
        return np.hstack([pull, ratio * r * (gradient - pull * u)]).ravel()

    network = solve_ivp(velocity, (0, depth * t_end), state.ravel(), rtol=1e-10, atol=1e-12)
    r, u = np.split(network.y[:, -1].reshape(depth, 1 + n), [1], axis=1)
    weights = integrate(flow, PROBLEM, start, t_end, rtol=1e-10).weights[-1]
    np.testing.assert_allclose((r * u).prod(axis=0), weights, rtol=1e-6)


@pytest.mark.parametrize("depth", [2, 3, 6])
def test_gradient_flow_is_polar_with_its_own_rate(depth: int) -> None:
    assert polar_disagreement(PROBLEM, depth) <= 1e-6


def test_another_rate_is_another_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = setting.ScheduledWeightNormFlow
    monkeypatch.setattr(
        setting,
        "ScheduledWeightNormFlow",
        lambda depth, ratio, angular_schedule: schedule(depth, 1.01 * ratio, angular_schedule=angular_schedule),
    )
    assert polar_disagreement(PROBLEM, 2) > 1e-4


def test_the_start_has_the_wanted_mass() -> None:
    for depth in (1, 2, 5):
        weights = GradientFlow(depth).start(20, scale_of(0.7, depth, 20)).weights(depth)
        assert weights.sum() == pytest.approx(0.7, rel=1e-12)


@pytest.mark.parametrize("depth", [2, 3])
def test_sweep(depth: int) -> None:
    runs = start_sweep(PROBLEM, depth, ratio=10.0, fractions=FRACTIONS)
    assert [(run.normalized, run.fraction) for run in runs] == [(kind, f) for kind in (False, True) for f in FRACTIONS]
    for run in runs:
        assert run.excess[0] == pytest.approx(run.fraction - 1)
        assert np.diff(run.loss).max() <= 1e-9
        assert np.all(run.excess >= run.floor - 1e-9)
        assert (run.bound < np.inf) == (depth == 2)
        assert not run.fitted or run.excess[-1] <= run.bound
    plain = [run.excess[-1] for run in runs[:3]]
    assert plain == sorted(plain)


def test_the_floor_is_that_of_the_certificate() -> None:
    pursuit = basis_pursuit(PROBLEM)
    [_, run] = start_sweep(PROBLEM, 2, ratio=10.0, fractions=[0.1])
    loss = run.loss * PROBLEM.loss(np.zeros(20))
    slack = np.linalg.norm(pursuit.dual) * np.sqrt(2 * loss) / pursuit.value
    np.testing.assert_allclose(run.floor, -slack, atol=1e-9)
    # It can fail: a fifth of the slack is not enough along this run.
    assert np.any(run.excess < -0.2 * slack)


def test_a_run_out_of_time_is_not_fitted() -> None:
    assert not any(run.fitted for run in start_sweep(PROBLEM, 2, 10.0, [0.1], t_end=0.01))
    assert all(run.fitted for run in start_sweep(PROBLEM, 2, 10.0, [0.1]))
