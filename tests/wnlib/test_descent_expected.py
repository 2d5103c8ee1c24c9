"""What minibatches are expected to do to the effective start."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from wnlib import GradientDescent, PolarDescent, Problem, effective_start, limit, mirror_map
from wnlib.descent import descend
from wnlib.descent.expected import expected_start

M, N, RATIO = 12, 24, 3.0
PROBLEM = Problem.gaussian(M, N, 2, seed=1)
METHODS = {"plain": GradientDescent(2), "polar": PolarDescent(2, RATIO)}
BATCHES, STEP = 4, 5e-3


def shift(name: str, step: float, batches: int) -> float:
    """By what the start is shorter in magnified coordinates, as a logarithm."""
    method = METHODS[name]
    start = method.flow.start(N, 0.7)
    found = expected_start(method, PROBLEM, start, step, batches)
    assert_allclose(found.log_direction, start.log_direction)
    lengths = method.flow.log_magnification(np.stack([start.radius, found.radius]))
    return float(lengths[0] - lengths[1])


def test_of_gradient_descent_it_is_the_divergence() -> None:
    flow = METHODS["plain"].flow
    start = flow.start(N, 0.7)
    spent = mirror_map(flow, reference=0.7).bregman(limit(flow, PROBLEM, start).weights, start)
    variance = np.mean(np.sum(PROBLEM.A**2, axis=0))
    assert_allclose(shift("plain", STEP, BATCHES), STEP * (BATCHES - 1) / (M - 1) * variance * spent, rtol=1e-9)


@pytest.mark.parametrize("name", METHODS)
def test_it_is_proportional_to_the_step_and_none_on_all_rows(name: str) -> None:
    assert_allclose(shift(name, 2 * STEP, BATCHES), 2 * shift(name, STEP, BATCHES), rtol=1e-9)
    assert_allclose(shift(name, STEP, 1), 0, atol=1e-15)


@pytest.mark.parametrize("name", METHODS)
def test_it_is_near_the_mean_of_effective_starts(name: str) -> None:
    method = METHODS[name]
    start, seeds, step = method.flow.start(N, 0.7), np.arange(8), STEP if name == "plain" else STEP / 4
    lengths = []
    for size in (M // BATCHES, None):
        run = descend(method, PROBLEM, start, step, round(16 / step / BATCHES), 1, size, seeds)
        found = effective_start(run)
        log_z = method.flow.log_magnification(found.radius)[:, None] + found.log_direction
        lengths.append(log_z.mean())
    assert_allclose(lengths[1] - lengths[0], shift(name, step, BATCHES), rtol=0.35)
