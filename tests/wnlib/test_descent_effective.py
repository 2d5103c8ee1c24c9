"""Effective starts: the flow from there ends where the descent does, and there are none elsewhere."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from wnlib import (
    DecayedGradientDescent,
    GradientDescent,
    Polar,
    PolarDescent,
    Problem,
    SalimansKingmaDescent,
    WeightNormFlow,
    descend,
    effective_start,
    limit,
)
from wnlib.descent import Descent, DescentMethod
from wnlib.errors import ArgumentError

N = 12
PROBLEM = Problem.gaussian(6, N, 2, seed=1)
RATIO = 3.0
DIRECTION = np.linspace(0.4, 1.6, N)


def methods(depth: int) -> list[DescentMethod]:
    return [GradientDescent(depth), PolarDescent(depth, RATIO), SalimansKingmaDescent(depth, RATIO**-0.5)]


def run_of(method: DescentMethod, step: Any = 0.02, steps: int = 60, **options: Any) -> Descent:
    start = WeightNormFlow(method.depth, RATIO).start(N, 1.0, DIRECTION)
    return descend(method, PROBLEM, start, step, steps, **options)


@pytest.mark.parametrize("batch_size", [None, 2], ids=["full", "minibatches"])
@pytest.mark.parametrize("kind", range(3), ids=["plain", "polar", "salimans-kingma"])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_flow_from_there_ends_at_the_last_weights(depth: int, kind: int, batch_size: int | None) -> None:
    run = run_of(methods(depth)[kind], batch_size=batch_size)
    weights, start = run.weights[-1], effective_start(run)
    end = limit(run.method.flow, Problem(PROBLEM.A, PROBLEM.A @ weights), start)
    assert_allclose(end.weights, weights, atol=1e-11)
    unmoved = limit(run.method.flow, Problem(PROBLEM.A, PROBLEM.A @ weights), run.points[0])
    assert np.abs(unmoved.weights - weights).max() > 1e-5  # or there would be nothing to see


def test_runs_side_by_side_have_their_own() -> None:
    for method in methods(3):
        steps = np.array([[0.01], [0.02]])
        together = effective_start(run_of(method, steps, batch_size=3, seed=np.arange(3)))
        assert together.radius.shape == (2, 3)
        for i, j in np.ndindex(2, 3):
            alone = effective_start(run_of(method, steps[i, 0], batch_size=3, seed=j))
            assert_allclose(together.radius[i, j], alone.radius, rtol=1e-11)
            assert_allclose(together.log_direction[i, j], alone.log_direction, rtol=1e-11)


def test_a_run_that_fits_early_repeats_its_end_without_effect() -> None:
    for method in methods(2):
        stop = float(run_of(method, steps=20).loss[-1])
        early = run_of(method, stop_loss=stop)
        assert 20 <= early.steps < 60
        short = run_of(method, steps=int(early.steps))
        assert_allclose(effective_start(early).weights(2), effective_start(short).weights(2), rtol=1e-12)


@pytest.mark.parametrize("kind", [1, 2], ids=["polar", "salimans-kingma"])
def test_tilt_and_gain_to_second_order_in_the_step(kind: int) -> None:
    """What the theorem's expansion leaves falls with the square of the step."""
    left = []
    for step in (0.004, 0.002, 0.001):
        run = run_of(methods(2)[kind], step, round(0.4 / step), batch_size=3)
        start, first = effective_start(run), run.points[0]
        magnified = [
            start.log_direction + RATIO * start.radius**2 / 2,
            first.log_direction + RATIO * first.radius**2 / 2,
        ]
        left.append(np.abs(magnified[0] - magnified[1] - second_order(run)).max())
    assert_allclose(np.log2(np.divide(left[:-1], left[1:])), 2, atol=0.2)


def second_order(run: Descent) -> Any:
    r"""$s - \delta$ at depth 2, by the theorem."""
    r, u = run.radius, run.points.direction
    c = run.norm**-2 if isinstance(run.method, SalimansKingmaDescent) else np.full_like(r, RATIO)
    c, gained = c[:-1], np.diff(r)
    square_u, k = u[:-1] ** 2, c * r[:-1] ** 2
    relative = np.diff(u, axis=0) / u[:-1]
    e = relative + (c * r[:-1] * gained)[:, None]
    mean, square = (np.sum(square_u * power, axis=1) for power in (e, e**2))
    return (-(square - mean**2 / k) / 2 + (RATIO - c) * r[:-1] * gained).sum() - np.sum(e**2, axis=0) / 2


def test_where_there_is_none() -> None:
    good = run_of(GradientDescent(2))
    decayed = run_of(DecayedGradientDescent(2, 0.1))
    few = run_of(GradientDescent(2), every=2)
    several = run_of(PolarDescent(2, np.array([2.0, 3.0])))
    flat = descend(GradientDescent(1), PROBLEM, Polar.of(1.0, np.eye(N)[0]), 0.01, 3)
    for wrong, message in (
        (good.weights, "descent must be a Descent without decay, got array"),
        (decayed, "descent must be a Descent without decay, got Descent"),
        (few, "descent must have a snapshot of each step, as with every=1, got fewer"),
        (several, "ratio must be one number for the runs to follow one flow, got shape (2,)"),
        (flat, "depth must be >= 2, got 1"),
    ):
        with pytest.raises(ArgumentError, match=re.escape(message)):
            effective_start(wrong)
    polar = run_of(PolarDescent(2, RATIO), steps=2)
    states = polar.states.copy()
    states[1:, 0] = 2.0  # a step with b = c r dr = 3
    with pytest.raises(ArgumentError, match="steps with b < 1, got one with b = 3"):
        effective_start(replace(polar, states=states))
    states[1:, 0] = 1.33
    with pytest.raises(ArgumentError, match=r"r\^2 would be <= 0"):
        effective_start(replace(polar, states=states))
