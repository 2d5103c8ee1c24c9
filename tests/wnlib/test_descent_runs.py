"""Runs side by side are the runs alone, to rounding, whatever they differ in and whenever each ends."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from strategies import DEPTHS, direction, error

from wnlib import Polar, Problem
from wnlib._checks import Array
from wnlib.descent import (
    Descent,
    DescentMethod,
    GradientDescent,
    PolarDescent,
    SalimansKingmaDescent,
    descend,
    progress,
)
from wnlib.descent.rows import Epochs, Minibatch
from wnlib.errors import DescentError

N = 12
PROBLEM = Problem.gaussian(5, N, 2, seed=1)
KINDS: list[Callable[..., DescentMethod]] = [GradientDescent, PolarDescent, SalimansKingmaDescent]
every_kind = pytest.mark.parametrize("kind", KINDS)
minibatches = pytest.mark.parametrize("batch_size", [None, 2], ids=["full", "minibatches"])

SHAPES = ((), (3,), (2, 1), (2, 3))


def make(kind: Callable[..., DescentMethod], depth: int, parameter: Any) -> DescentMethod:
    return kind(depth) if kind is GradientDescent else kind(depth, parameter)


def starts(shape: tuple[int, ...], depth: int, seed: int = 0) -> Polar:
    rng = np.random.default_rng(seed)
    count = int(np.prod(shape))
    vectors = np.stack([direction(N, depth, seed + i) for i in range(count)]).reshape(*shape, N)
    return Polar.of(rng.uniform(0.5, 1, shape), vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def pick(values: Any, shape: tuple[int, ...], run: tuple[int, ...]) -> Any:
    return np.broadcast_to(values, shape)[run].item()


def alone(
    kind: Callable[..., DescentMethod], depth: int, parameter: Any, first: Polar, shape: tuple[int, ...], **options: Any
) -> dict[tuple[int, ...], Descent]:
    """Each of the runs by itself."""
    found = {}
    for run in np.ndindex(shape):
        radius = pick(first.radius, shape, run)
        vector = np.broadcast_to(first.direction, (*shape, N))[run]
        own = {key: value if key in FIXED else pick(value, shape, run) for key, value in options.items()}
        method = make(kind, depth, pick(parameter, shape, run))
        found[run] = descend(method, PROBLEM, Polar.of(radius, vector), **own)
    return found


FIXED = {"steps", "every", "batch_size", "divergence", "problem"}


def assert_same(together: Descent, singles: dict[tuple[int, ...], Descent]) -> None:
    for run, single in singles.items():
        of_run = (slice(None), *run)
        assert error(together.states[of_run], single.states) <= 1e-11
        np.testing.assert_allclose(together.t[of_run], single.t, rtol=1e-14)
        assert (together.steps[run], together.fit[run], together.diverged[run]) == (
            single.steps,
            single.fit,
            single.diverged,
        )


@st.composite
def batches(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of which any may be arrays."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    kind, depth = draw(st.sampled_from(KINDS)), draw(st.sampled_from(DEPTHS))
    shapes = {key: draw(st.sampled_from(SHAPES)) for key in ("start", "parameter", "step", "seed", "stop_loss")}
    if kind is GradientDescent:
        shapes["parameter"] = ()

    def uniform(key: str, low: float, high: float) -> Any:
        return rng.uniform(low, high, shapes[key]) if shapes[key] else float(rng.uniform(low, high))

    return {
        "kind": kind,
        "depth": depth,
        "parameter": uniform("parameter", 0.5, 2),
        "first": starts(shapes["start"], depth, int(rng.integers(100))),
        "shape": np.broadcast_shapes(*shapes.values()),
        "step": uniform("step", 1e-3, 2e-2),
        "seed": rng.integers(0, 99, shapes["seed"]) if shapes["seed"] else 7,
        "stop_loss": uniform("stop_loss", 0, 0.3),
        "batch_size": draw(st.sampled_from([None, 1, 2, 5])),
        "steps": draw(st.integers(1, 60)),
        "every": 1,
    }


@given(batches())
@settings(max_examples=150, deadline=None)
def test_what_is_an_array_makes_runs_that_are_the_runs_alone(case: dict[str, Any]) -> None:
    shape = case["shape"]
    method = make(case["kind"], case["depth"], case["parameter"])
    options = {key: case[key] for key in ("step", "seed", "stop_loss", "batch_size", "steps", "every")}
    together = descend(method, PROBLEM, case["first"], **options)
    assert together.steps.shape == together.fit.shape == together.diverged.shape == shape
    assert together.t.shape == together.loss.shape == together.radius.shape == (case["steps"] + 1, *shape)
    assert_same(together, alone(case["kind"], case["depth"], case["parameter"], case["first"], shape, **options))


@every_kind
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_run_ends_at_the_first_loss_below_its_own(kind: Callable[..., DescentMethod], depth: int) -> None:
    method, first = make(kind, depth, 1.5), starts((4,), depth)
    free = descend(method, PROBLEM, first, 1e-2, 300)
    assert np.all(np.diff(free.loss, axis=0) < 0)
    between = (free.loss[1:] + free.loss[:-1]) / 2
    stop_loss = np.array([1.0, between[40, 1], between[170, 2], 0.0])
    run = descend(method, PROBLEM, first, 1e-2, 300, every=7, stop_loss=stop_loss)
    np.testing.assert_array_equal(run.steps, [0, 41, 171, 300])
    np.testing.assert_array_equal(run.fit, [True, True, True, False])
    assert not run.diverged.any()
    np.testing.assert_allclose(run.t[-1], 1e-2 * run.steps, rtol=1e-14)
    taken = np.append(np.arange(0, 300, 7), 300)
    for i, end in enumerate(run.steps):
        assert error(run.states[:, i], free.states[np.minimum(taken, end), i]) <= 1e-12
        np.testing.assert_allclose(run.t[:, i], free.t[np.minimum(taken, end), i], rtol=1e-14)


def test_a_loss_is_seen_after_the_last_step() -> None:
    method, first = GradientDescent(2), starts((), 2)
    free = descend(method, PROBLEM, first, 1e-2, 50)
    stop_loss = (free.loss[-1] + free.loss[-2]) / 2
    run = descend(method, PROBLEM, first, 1e-2, 50, stop_loss=stop_loss)
    assert (run.steps, run.fit) == (50, True)
    assert not descend(method, PROBLEM, first, 1e-2, 49, stop_loss=stop_loss).fit


@every_kind
def test_stochastic_runs_end_at_snapshots(kind: Callable[..., DescentMethod]) -> None:
    method, first = make(kind, 2, 1.5), starts((4,), 2)
    options: dict[str, Any] = {"batch_size": 2, "seed": 5}
    free = descend(method, PROBLEM, first, 1e-2, 300, every=1, **options)
    stop_loss = free.loss[[10, 60, 140, 299], range(4)] * [1.001, 1.001, 1.001, 0]
    run = descend(method, PROBLEM, first, 1e-2, 300, every=7, stop_loss=stop_loss, **options)
    seen = np.append(np.arange(0, 300, 7), 300)
    wanted = [int(seen[np.argmax(free.loss[seen, i] < stop_loss[i])]) for i in range(3)]
    np.testing.assert_array_equal(run.steps, [*wanted, 300])
    assert len(set(wanted)) == 3
    for i, end in enumerate(run.steps):
        assert error(run.states[-1, i], free.states[end, i]) <= 1e-12


@minibatches
@every_kind
def test_the_order_of_the_runs_does_not_matter(kind: Callable[..., DescentMethod], batch_size: int | None) -> None:
    rng = np.random.default_rng(2)
    first, parameter, step = starts((9,), 3), rng.uniform(0.5, 2, 9), np.exp(rng.uniform(-6, -4, 9))
    seeds, stop_loss = rng.integers(0, 99, 9), rng.uniform(0.1, 0.148, 9)

    def run(order: Array) -> Descent:
        method = make(kind, 3, parameter[order])
        options = {"step": step[order], "seed": seeds[order], "stop_loss": stop_loss[order], "batch_size": batch_size}
        chosen = Polar.of(first.radius[order], first.direction[order])
        return descend(method, PROBLEM, chosen, steps=200, every=3, **options)

    order = rng.permutation(9)
    one, other = run(np.arange(9)), run(order)
    assert len(set(one.steps.tolist())) > 3
    np.testing.assert_array_equal(other.steps, one.steps[order])
    np.testing.assert_array_equal(other.fit, one.fit[order])
    assert error(other.states, one.states[:, order]) <= 1e-12


@every_kind
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_run_that_diverges_ends_before_and_leaves_the_others_alone(
    kind: Callable[..., DescentMethod], depth: int
) -> None:
    method, first = make(kind, depth, 1.5), starts((3,), depth)
    long = 30.0 if depth == 2 else 3.0
    step = np.array([0.01, long, 0.02])
    run = descend(method, PROBLEM, first, step, 200, divergence="record")
    np.testing.assert_array_equal(run.diverged, [False, True, False])
    np.testing.assert_array_equal(run.steps[[0, 2]], [200, 200])
    assert np.isfinite(run.states).all()
    assert depth == 1 or run.states.min() > 0
    assert not run.fit.any()
    assert_same(run, alone(kind, depth, 1.5, first, (3,), step=step, steps=200, divergence="record"))
    last = int(run.steps[1])
    seen = rf"a loss of .* at step {last}$" if depth == 1 else rf"a coordinate that is not positive at step {last + 1}$"
    with pytest.raises(DescentError, match=rf"with step = {long:.0f} run \(1,\) has {seen}"):
        descend(method, PROBLEM, first, step, 200)
    if last and depth >= 2:
        same = descend(method, PROBLEM, first[1], long, last)
        np.testing.assert_allclose(run.states[-1, 1], same.states[-1], rtol=1e-12)
    with pytest.raises(DescentError, match="the run has"):
        descend(method, PROBLEM, first[1], long, last + 1)


def test_a_loss_has_diverged_a_million_times_above_its_own_start_and_that_at_zero() -> None:
    vectors = np.stack([direction(N, 1)] * 4) / np.linalg.norm(direction(N, 1))
    first = Polar.of([1.0, 1e-3, 1.0, 100.0], vectors)
    step = np.array([1e-3, 1.0, 1.0, 1.0])
    run = descend(GradientDescent(1), PROBLEM, first, step, 500, stop_loss=[9, 0, 0, 0], divergence="record")
    np.testing.assert_array_equal(run.fit, [True, False, False, False])
    np.testing.assert_array_equal(run.diverged, [False, True, True, True])
    bound = 1e6 * np.maximum(run.loss[0], 0.5 * PROBLEM.y @ PROBLEM.y)
    assert bound[1] < bound[2] < 1e-3 * bound[3]
    for i in (1, 2, 3):
        assert run.loss[run.steps[i] - 1, i] < bound[i] < run.loss[run.steps[i], i]


@minibatches
def test_products_are_for_the_runs_that_go_on(batch_size: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    measure = Minibatch.measure
    monkeypatch.setattr(Minibatch, "measure", lambda rows, w: sizes.append(w.shape[0]) or measure(rows, w))
    run = descend(
        PolarDescent(2, np.array([1.0, 1.0, 2.0, 1e9])),
        PROBLEM,
        starts((), 2),
        1e-2,
        40,
        batch_size=batch_size,
        stop_loss=[1e9, 0.13, 0.0, 0.0],
        divergence="record",
        every=1,
    )
    assert run.steps[0] == run.steps[3] == 0 < run.steps[1] < run.steps[2] == 40
    per_step = 1 if batch_size is None else 2
    wanted = [int(np.sum(run.steps >= k)) for k in range(41)]
    np.testing.assert_array_equal(sizes, np.repeat(wanted, per_step))


@pytest.mark.parametrize("seeds", [3, [3, 3, 8]], ids=["shared", "own"])
def test_an_epoch_takes_each_row_once(seeds: Any) -> None:
    epochs = Epochs(PROBLEM, 2, np.asarray(seeds))
    runs = np.array([0, 2])
    weights = np.stack([direction(N, 2, seed) for seed in range(2)])
    force = (PROBLEM.y - weights @ PROBLEM.A.T) @ PROBLEM.A
    seen = []
    for _ in range(4):
        parts = []
        for _ in range(3):
            rows = epochs.next(runs)
            parts.append(rows.pull(rows.residual(rows.measure(weights)), np.empty((2, N))))
        np.testing.assert_allclose(np.mean(parts, axis=0), force, rtol=1e-12, atol=1e-12)
        assert np.abs(parts[0] - force).max() > 0.1
        seen.append(np.array(parts))
    assert np.abs(seen[0] - seen[1]).max() > 0.1


def test_the_seeds_decide_to_the_bit() -> None:
    method, first = PolarDescent(2, 1.5), starts((), 2)
    seeds = np.array([1, 2, 1])
    one, same = (descend(method, PROBLEM, first, 1e-2, 60, batch_size=2, seed=seeds) for _ in range(2))
    np.testing.assert_array_equal(one.states, same.states)
    np.testing.assert_allclose(one.states[:, 0], one.states[:, 2], rtol=1e-13)
    assert np.abs(one.states[-1, 0] - one.states[-1, 1]).max() > 1e-6


def test_progress_is_shown_when_asked_and_when_there_is_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def err(wanted: bool) -> str:
        descend(GradientDescent(2), PROBLEM, starts((2,), 2), 1e-2, 40, stop_loss=[1e9, 0.0], progress=wanted)
        return capsys.readouterr().err

    assert err(True) == ""
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    shown = err(True)
    assert shown.startswith("\rstep 0 of 40, 2 of 2 runs")
    assert shown.endswith("\rstep 40 of 40, 1 of 2 runs\n")
    assert err(False) == ""
