"""Each discrete method is the gradient step it claims to be, and follows its flow at first order in the step."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from strategies import DEPTHS, depths, derivative, direction, error, ratios, scales, start

from wnlib import GradientFlow, InfeasibleError, Polar, Problem, Trajectory, WeightNormFlow, integrate
from wnlib._checks import Array
from wnlib.descent import Descent, DescentMethod, GradientDescent, PolarDescent, SalimansKingmaDescent, descend
from wnlib.errors import DescentError

N = 12
PROBLEM = Problem.gaussian(5, N, 2, seed=1)
METHODS: list[DescentMethod] = [
    make for L in DEPTHS for make in (GradientDescent(L), PolarDescent(L, 1.5), SalimansKingmaDescent(L, 0.8))
]
every_method = pytest.mark.parametrize("method", METHODS, ids=str)
minibatches = pytest.mark.parametrize("batch_size", [None, 2], ids=["full", "minibatches"])
every_depth = pytest.mark.parametrize("depth", DEPTHS)


@st.composite
def methods(draw: st.DrawFn) -> DescentMethod:
    """Any of the methods, at any depth and ratio."""
    depth, ratio = draw(depths), draw(ratios)
    kinds = GradientDescent(depth), PolarDescent(depth, ratio), SalimansKingmaDescent(depth, ratio**-0.5)
    return draw(st.sampled_from(kinds))


def force(weights: Array) -> Array:
    return (PROBLEM.y - weights @ PROBLEM.A.T) @ PROBLEM.A


@given(methods(), scales, st.integers(0, 10**6))
@settings(max_examples=200)
def test_a_step_leaves_along_the_flows_velocity(method: DescentMethod, scale: float, seed: int) -> None:
    flow = method.flow
    first = start(flow, N, scale, seed)
    state = method.encode(first)
    velocity = flow.velocity(PROBLEM)(0.0, flow.encode(first))
    fastest = np.abs(velocity).max()
    assume(fastest > 1e-3)
    found = derivative(lambda h: flow.encode(method.decode(method.step(state, h, force))), 2e-3 / fastest)
    np.testing.assert_allclose(found, velocity, atol=1e-9 * fastest)


@every_method
def test_a_state_is_decoded_to_the_point_that_it_encodes(method: DescentMethod) -> None:
    first = start(method.flow, N)
    found = method.decode(method.encode(first))
    np.testing.assert_allclose(found.radius, first.radius, rtol=1e-14)
    np.testing.assert_allclose(found.direction, first.direction, rtol=1e-14)


@given(methods(), scales, st.integers(0, 10**6))
def test_a_step_follows_the_gradient_of_the_loss(method: DescentMethod, scale: float, seed: int) -> None:
    first = start(method.flow, N, scale, seed)
    state = method.encode(first)

    def slope(axis: Array) -> Array:
        return derivative(lambda t: PROBLEM.loss(method.decode(state + t * axis).weights(method.depth)), 1e-3)

    gradient = np.array([slope(axis) for axis in np.eye(state.size)])
    h = 1e-3 / np.abs(gradient).max()
    if isinstance(method, PolarDescent):
        u = state[1:]
        gradient[1:] = method.ratio * (gradient[1:] - (gradient[1:] @ u) * u)
        wanted = state - h * gradient
        wanted[1:] /= np.linalg.norm(wanted[1:])
    else:
        wanted = state - h * gradient
    np.testing.assert_allclose(method.step(state, h, force), wanted, atol=1e-10)


def errors(method: DescentMethod, path: Trajectory, first: Polar, steps: Array, **options: Any) -> Array:
    """For each number of steps to the end of `path`: the largest error at ten times, relative to the final weights."""
    end = path.t[-1]
    found = []
    for count in steps:
        run = descend(method, PROBLEM, first, end / count, int(count), every=int(count) // 10, **options)
        wanted = path.at(np.minimum(run.t, end)).weights
        found.append(np.linalg.norm(run.weights - wanted, axis=-1).max() / np.linalg.norm(wanted[-1]))
    return np.array(found)


def reference(method: DescentMethod) -> tuple[Trajectory, Polar]:
    first = start(method.flow, N)
    return integrate(method.flow, PROBLEM, first, 1.0, rtol=1e-11, coordinates="primal"), first


STEPS = 150 * 2 ** np.arange(5)


@every_method
def test_the_error_falls_at_first_order(method: DescentMethod) -> None:
    found = errors(method, *reference(method), STEPS)
    np.testing.assert_allclose(np.log2(found[:-1] / found[1:]), 1, atol=0.1)


@every_method
def test_the_error_of_reshuffled_minibatches_falls_at_first_order(method: DescentMethod) -> None:
    path, first = reference(method)
    runs = [errors(method, path, first, STEPS, batch_size=2, seed=seed) for seed in range(4)]
    found = np.sqrt(np.mean(np.square(runs), axis=0))
    np.testing.assert_allclose(np.polyfit(np.log2(STEPS), np.log2(found), 1)[0], -1, atol=0.1)


@every_depth
def test_at_a_wrong_ratio_the_error_stalls(depth: int) -> None:
    path, first = reference(PolarDescent(depth, 1.5))
    for wrong in (PolarDescent(depth, 1.0), SalimansKingmaDescent(depth, 1.0), GradientDescent(depth)):
        found = errors(wrong, path, first, STEPS[[0, -1]])
        assert found[1] > max(0.9 * found[0], 1e-3)


@minibatches
@every_depth
def test_salimans_kingma_lengthens_v_by_its_orthogonal_steps(depth: int, batch_size: int | None) -> None:
    method = SalimansKingmaDescent(depth, 0.3)
    run = descend(method, PROBLEM, start(method.flow, N), 1e-3, 400, batch_size=batch_size)
    v = run.states[:, 1:]
    steps = np.diff(v, axis=0)
    np.testing.assert_allclose(np.vecdot(steps, v[:-1]), 0, atol=1e-15)
    np.testing.assert_allclose(run.norm[0], 0.3, rtol=1e-14)
    np.testing.assert_allclose(np.diff(run.norm**2), np.vecdot(steps, steps), atol=1e-15)
    assert run.norm[-1] > 0.3 * (1 + 1e-6)


@every_depth
def test_salimans_kingma_grows_at_first_order_in_all(depth: int) -> None:
    method = SalimansKingmaDescent(depth, 0.3)
    first = start(method.flow, N)
    grown = [descend(method, PROBLEM, first, 0.5 / k, k).norm[-1] - 0.3 for k in (1000, 2000)]
    np.testing.assert_allclose(np.log2(grown[0] / grown[1]), 1, atol=0.1)


@every_depth
def test_salimans_kingma_is_polar_descent_at_a_falling_ratio(depth: int) -> None:
    method, h = SalimansKingmaDescent(depth, 0.5), 1e-2
    first = start(method.flow, N)
    run = descend(method, PROBLEM, first, h, 50)
    assert np.all(np.diff(run.norm) >= 0)
    state = PolarDescent(depth, 4.0).encode(first)
    for norm, wanted in zip(run.norm[:-1], run.points.direction[1:], strict=True):
        state = PolarDescent(depth, norm**-2).step(state, h, force)
        np.testing.assert_allclose(state[1:], wanted, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(state[0], run.radius[-1], rtol=1e-12)


@minibatches
@every_method
def test_runs_side_by_side_are_the_runs_alone(method: DescentMethod, batch_size: int | None) -> None:
    rng = np.random.default_rng(5)
    vectors = np.stack([direction(N, method.depth, seed) for seed in range(6)]).reshape(2, 3, N)
    starts = Polar.of(rng.uniform(0.5, 1, (2, 3)), vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
    options = {"step": 1e-2, "steps": 40, "every": 4, "batch_size": batch_size, "seed": 3}
    together = descend(method, PROBLEM, starts, **options)
    assert together.weights.shape == (11, 2, 3, N)
    assert together.loss.shape == together.l1.shape == together.radius.shape == (11, 2, 3)
    for i, j in np.ndindex(2, 3):
        alone = descend(method, PROBLEM, Polar.of(starts.radius[i, j], starts.direction[i, j]), **options)
        assert error(together.weights[:, i, j], alone.weights) <= 1e-12
        np.testing.assert_allclose(together.loss[:, i, j], alone.loss, rtol=1e-10)
        np.testing.assert_allclose(together.l1[:, i, j], np.abs(alone.weights).sum(axis=-1), rtol=1e-12)


@every_method
def test_a_minibatch_of_all_rows_is_the_full_gradient(method: DescentMethod) -> None:
    first = start(method.flow, N)
    full, batch = (descend(method, PROBLEM, first, 1e-2, 30, batch_size=size) for size in (None, 5))
    assert error(batch.weights, full.weights) <= 1e-12


@minibatches
@every_method
def test_an_interpolant_stays_where_it_is(method: DescentMethod, batch_size: int | None) -> None:
    x = 0.5 * direction(N, method.depth)
    problem = Problem(PROBLEM.A, PROBLEM.A @ x**method.depth)
    run = descend(method, problem, method.flow.start(N, float(np.linalg.norm(x)), x), 1e-3, 50, batch_size=batch_size)
    np.testing.assert_allclose(run.weights, np.broadcast_to(x**method.depth, run.weights.shape), rtol=1e-13)


def test_an_interpolant_too_sharp_for_the_step_is_left_for_a_flatter_one() -> None:
    def sharpness(x: Array) -> float:
        return float(np.linalg.norm(2 * PROBLEM.A * x, 2) ** 2)

    x = direction(N, 2)
    problem = Problem(PROBLEM.A, PROBLEM.A @ x**2)
    near = x + 1e-10 * direction(N, 1)
    first = GradientFlow(2).start(N, float(np.linalg.norm(near)), near)
    run = descend(GradientDescent(2), problem, first, 2.2 / sharpness(x), 2000)
    assert run.loss[0] < 1e-15 < 0.1 < run.loss.max()
    assert run.loss[-1] < 1e-15
    assert sharpness(np.sqrt(run.weights[-1])) < 2 / 2.2 * sharpness(x)


def test_the_seed_decides_the_minibatches() -> None:
    method = PolarDescent(2, 1.5)
    first = start(method.flow, N)
    one, same, other = (descend(method, PROBLEM, first, 1e-2, 30, batch_size=2, seed=seed).states for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one[-1] - other[-1]).max() > 1e-6


@every_method
def test_snapshots_are_every_so_many_steps_and_the_last(method: DescentMethod) -> None:
    first = start(method.flow, N)
    fine, coarse = (descend(method, PROBLEM, first, 0.01, 10, every=every, batch_size=2) for every in (1, 3))
    np.testing.assert_allclose(coarse.t, [0, 0.03, 0.06, 0.09, 0.1], rtol=1e-14)
    np.testing.assert_array_equal(coarse.states, fine.states[[0, 3, 6, 9, 10]])
    assert error(fine.weights[0], first.weights(method.depth)) <= 1e-14
    np.testing.assert_allclose(fine.loss, PROBLEM.loss(fine.weights))


@pytest.mark.parametrize("method", [m for m in METHODS if m.depth >= 2], ids=str)
def test_a_step_across_zero_is_an_error(method: DescentMethod) -> None:
    starts = Polar.of([0.8, 20.0], np.stack([start(method.flow, N).direction] * 2))
    message = r"step must be smaller: with step = 0.02 run \(1,\) has a coordinate that is not positive at step \d+"
    with pytest.raises(DescentError, match=message):
        descend(method, PROBLEM, starts, 0.02, 500)
    assert descend(method, PROBLEM, starts[0], 0.02, 500).states.min() > 0


def test_a_loss_that_diverges_is_an_error() -> None:
    largest = np.linalg.norm(PROBLEM.A, 2) ** 2
    method = GradientDescent(1)
    first = start(method.flow, N)
    with pytest.raises(DescentError, match=r"the run has a loss of .* at step \d+"):
        descend(method, PROBLEM, first, 2.2 / largest, 1000)
    with pytest.raises(DescentError, match=r"the run has a norm that is not finite at step \d+"):
        descend(method, PROBLEM, first, 2.2 / largest, 10_000, every=10_000, batch_size=4)
    sums = Problem(np.ones((1, 2)), np.ones(1))
    with pytest.raises(DescentError, match="the run has a norm that is not finite at step 1"):
        descend(GradientDescent(2), sums, GradientFlow(2).start(2, 0.1), 1e200, 1)
    run = descend(method, PROBLEM, first, 1.8 / largest, 1000)
    assert run.loss[-1] < 1e-6 * run.loss[0]


def call(**changed: Any) -> Callable[[], Descent]:
    flow = WeightNormFlow(2, 1.5)
    arguments = {"method": PolarDescent(2, 1.5), "problem": PROBLEM, "start": flow.start(N, 0.8)}
    return lambda: descend(**(arguments | {"step": 0.01, "steps": 3} | changed))


FIRST = GradientFlow(2).start(N, 0.8)
SHORT = GradientFlow(2).start(N - 1, 0.8)
NEGATIVE = Polar.of([0.8, -0.8], np.stack([FIRST.direction] * 2))
UNDERFLOWING = GradientFlow(2).start(N, 1e-200, np.append(np.ones(N - 1), 1e-200))
ONE_OF_THEM = Polar([0.8, 1e-200], np.tile(UNDERFLOWING.log_direction, (2, 1)), UNDERFLOWING.sign)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"method": GradientFlow(2)}, r"method must be a DescentMethod.*got GradientFlow\(depth=2\)"),
        ({"start": FIRST.direction}, "start must be a Polar"),
        ({"start": SHORT}, r"start must be one point with 12 entries, got shape \(11,\)"),
        ({"start": replace(FIRST, radius=np.ones(3))}, "start must be one point with 12 entries"),
        ({"start": NEGATIVE}, "start must be positive in every entry for depth >= 2"),
        ({"start": UNDERFLOWING, "method": GradientDescent(2)}, "start must be .*got one that underflows"),
        ({"step": 0.0}, "step must be > 0, got 0.0"),
        ({"step": -0.1}, "step must be > 0, got -0.1"),
        ({"step": np.nan}, "step must be a finite real number, got nan"),
        ({"steps": 0}, "steps must be >= 1, got 0"),
        ({"steps": 2.0}, "steps must be an integer, got 2.0"),
        ({"every": 0}, "every must be between 1 and 3, got 0"),
        ({"every": 4}, "every must be between 1 and 3, got 4"),
        ({"batch_size": 6}, "batch_size must be between 1 and 5, got 6"),
        ({"batch_size": 0}, "batch_size must be between 1 and 5, got 0"),
        ({"seed": -1}, "seed must be >= 0, got -1"),
        ({"seed": 1.0}, "seed must be an integer, got 1.0"),
        ({"seed": [1, -1]}, r"seed must be integers >= 0, got \[1, -1\]"),
        ({"seed": []}, r"seed must have shape \(any\) with no empty axis"),
        ({"seed": [0.5]}, r"seed must be an array of integers, got \[0.5\]"),
        ({"step": [0.1, -0.1]}, "step must be > 0 in every run, got a minimum of -0.1"),
        ({"step": [0.1, np.nan]}, "step must be finite, got 1 NaN or inf entries"),
        ({"step": "long"}, "step must be a finite real number, got 'long'"),
        ({"step": [[0.1], [0.1, 0.2]]}, "step must be an array of real numbers"),
        ({"stop_loss": [[0.1], []]}, "stop_loss must be an array of real numbers"),
        ({"seed": [[1], [1, 2]]}, "seed must be an array of real numbers"),
        ({"step": []}, r"step must have shape \(any\) with no empty axis, got \(0,\)"),
        (
            {"step": [0.1, 0.2], "stop_loss": [0.1, 0.2, 0.3]},
            r"start and all .* must broadcast, got .*stop_loss \(3,\)",
        ),
        ({"stop_loss": -1.0}, "stop_loss must be >= 0, got -1.0"),
        ({"stop_loss": [1.0, -2.0]}, "stop_loss must be >= 0, got -2.0"),
        ({"stop_loss": np.nan}, "stop_loss must be a finite real number, got nan"),
        ({"divergence": "ignore"}, "divergence must be 'raise' or 'record', got 'ignore'"),
        ({"start": ONE_OF_THEM, "method": GradientDescent(2)}, "start must be .*got one that underflows"),
    ],
)
def test_bad_arguments_are_refused_by_name(changed: dict[str, Any], message: str) -> None:
    assert call()().t.size == 4
    with pytest.raises(ValueError, match=message):
        call(**changed)()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GradientDescent(0), "depth must be >= 1, got 0"),
        (lambda: PolarDescent(0, 1.0), "depth must be >= 1, got 0"),
        (lambda: SalimansKingmaDescent(2.0, 1.0), "depth must be an integer, got 2.0"),
        (lambda: PolarDescent(2, 0.0), "ratio must be > 0, got 0.0"),
        (lambda: PolarDescent(2, [1.0, 0.0]), "ratio must be > 0 in every run, got a minimum of 0.0"),
        (lambda: PolarDescent(2, [[1.0], []]), "ratio must be an array of real numbers"),
        (lambda: PolarDescent(2, [1.0, 2.0]).flow, r"ratio must be one number for .* one flow, got shape \(2,\)"),
        (lambda: SalimansKingmaDescent(2, [1.0, 2.0]).flow, "norm must be one number for .* one flow"),
        (lambda: SalimansKingmaDescent(2, -1.0), "norm must be > 0, got -1.0"),
        (lambda: call(method=PolarDescent(2, 1.0))().norm, "method must be SalimansKingmaDescent"),
    ],
)
def test_bad_methods_are_refused_by_name(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_weights_without_an_interpolant_are_refused() -> None:
    problem = Problem(np.array([[1.0, 1.0]]), np.array([-1.0]))
    for depth, method in ((1, GradientDescent(1)), (2, GradientDescent(2))):
        first = method.flow.start(2, 0.5)
        if depth == 1:
            assert descend(method, problem, first, 0.1, 200).loss[-1] < 1e-12
        else:
            with pytest.raises(InfeasibleError, match="nonnegative interpolant"):
                descend(method, problem, first, 0.1, 200)
