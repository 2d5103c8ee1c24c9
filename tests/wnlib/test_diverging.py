"""A descent that leaves the floating-point numbers says so, by every method: which run, and at which step."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wnlib import (
    ArgumentError,
    DecayedGradientDescent,
    DecayedSalimansKingmaDescent,
    DescentError,
    DescentMethod,
    GradientDescent,
    GradientFlow,
    MatrixProblem,
    Polar,
    PolarDescent,
    Problem,
    SalimansKingmaDescent,
    descend,
    layered_descent,
    matrix_descent,
)
from wnlib._diverging import finite, loss_bound

N = 12
PROBLEM = Problem.gaussian(5, N, 2, seed=1)
HUGE = Problem(PROBLEM.A, 1e130 * PROBLEM.y)
MATRIX = MatrixProblem.gaussian(9, 6, 1)

KINDS: dict[str, Callable[[int], DescentMethod]] = {
    "plain": GradientDescent,
    "polar": lambda depth: PolarDescent(depth, 2.0),
    "(g, v)": lambda depth: SalimansKingmaDescent(depth, 0.7),
    "decayed": lambda depth: DecayedGradientDescent(depth, 0.1),
    "decayed (g, v)": lambda depth: DecayedSalimansKingmaDescent(depth, 0.7, 0.1, 0.1),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_depth = pytest.mark.parametrize("depth", [1, 2, 3])
full_and_stochastic = pytest.mark.parametrize("batch_size", [None, 2], ids=["full", "minibatches"])
CASES: dict[str, tuple[Problem, float, float]] = {  # data, size of the start, step
    "long steps": (PROBLEM, 1.0, 1e3),
    "very long steps": (PROBLEM, 1.0, 1e200),
    "longest steps": (PROBLEM, 1.0, 1.7e308),
    "a huge start": (PROBLEM, 1e160, 1e-2),
    "the hugest start": (PROBLEM, 8e307, 1e-2),
    "huge data": (HUGE, 1.0, 1e-2),
    "huge all": (HUGE, 1e100, 1e60),
}


def start(depth: int, scale: float) -> Polar:
    signs = np.where(np.arange(N) % 3, 1.0, -1.0) if depth == 1 else np.ones(N)
    return GradientFlow(depth).start(N, scale, signs * np.linspace(1, 2, N))


def at_any_size(case: str, kind: str, depth: int) -> bool:
    """Whether the data's size changes nothing: at depth 1 it does for steps of the direction only."""
    return case == "huge data" and depth == 1 and kind != "polar"


RUNS = [
    pytest.param(case, kind, depth, id=f"{case}-{kind}-{depth}")
    for case in CASES
    for kind in KINDS
    for depth in (1, 2, 3)
    if not at_any_size(case, kind, depth)
]


@pytest.mark.parametrize(("case", "kind", "depth"), RUNS)
@full_and_stochastic
def test_a_run_that_leaves_the_numbers_has_diverged(case: str, kind: str, depth: int, batch_size: int | None) -> None:
    problem, scale, step = CASES[case]
    method, options = KINDS[kind](depth), {"steps": 50, "every": 7, "batch_size": batch_size}
    run = descend(method, problem, start(depth, scale), step, divergence="record", **options)
    assert run.diverged
    assert not run.fit
    assert run.steps < 50
    assert np.isfinite(run.states).all()
    with pytest.raises(DescentError, match=r"^(step must be smaller:|start must have a finite loss:).* run ") as error:
        descend(method, problem, start(depth, scale), step, **options)
    (told,) = re.findall(r"at step (\d+)$", str(error.value))
    # The message has the step that cannot be taken, or the one after which the loss is too large.
    assert int(told) - run.steps == (0 if "a loss of" in str(error.value) else 1)


@every_kind
@every_depth
@full_and_stochastic
def test_runs_side_by_side_diverge_one_by_one(kind: str, depth: int, batch_size: int | None) -> None:
    method, steps = KINDS[kind](depth), np.array([1e-4, 1e200, 1e-4, 1e-4])
    scales = [1.0, 1.0, 1e250, 0.5]
    starts = Polar(np.array(scales), np.tile(start(depth, 1.0).log_direction, (4, 1)), start(depth, 1.0).sign)
    options: dict[str, Any] = {"batch_size": batch_size, "divergence": "record"}
    run = descend(method, PROBLEM, starts, steps, 20, seed=[3, 4, 5, 6], **options)
    np.testing.assert_array_equal(run.diverged, [False, True, True, False])
    np.testing.assert_array_equal(run.steps[[0, 3]], 20)
    for i in range(4):
        alone = descend(method, PROBLEM, starts[i], steps[i], 20, seed=3 + i, **options)
        assert (alone.diverged, alone.steps) == (run.diverged[i], run.steps[i])


@every_depth
@full_and_stochastic
def test_a_vector_whose_norm_overflows_is_no_direction(depth: int, batch_size: int | None) -> None:
    for norm in (1e200, 1e-200):
        method = SalimansKingmaDescent(depth, norm)
        run = descend(method, PROBLEM, start(depth, 1.0), 1e-2, 20, batch_size=batch_size, divergence="record")
        assert (run.diverged, run.steps) == (True, 0)


@full_and_stochastic
def test_a_start_without_a_loss_is_named(batch_size: int | None) -> None:
    with pytest.raises(
        DescentError, match=r"^start must have a finite loss: the run has a loss of (nan|inf) at step 0$"
    ):
        descend(GradientDescent(2), PROBLEM, start(2, 8e307), 1e-2, 5, batch_size=batch_size)


@pytest.mark.parametrize(
    ("name", "method", "size", "scale", "step"),
    [
        ("step", GradientDescent(3), 1e160, 1.0, 1e260),
        ("start's radius", GradientDescent(1), 1e-160, 1e200, 1e-2),
        ("ratio", PolarDescent(1, 2.0), 1e160, 1.0, 1e-2),
        ("norm", SalimansKingmaDescent(1, 1e-200), 1e160, 1.0, 1e-2),
        ("decay", DecayedGradientDescent(3, 1e-250), 1e160, 1.0, 1e-2),
    ],
)
def test_what_has_no_number_in_the_problems_own_units_is_named(
    name: str, method: DescentMethod, size: float, scale: float, step: float
) -> None:
    problem = Problem(PROBLEM.A, size * PROBLEM.y)
    with pytest.raises(ArgumentError, match=f"^{name} must be within the range of floating-point numbers in the"):
        descend(method, problem, start(method.depth, scale), step, 5)


@full_and_stochastic
def test_data_of_any_size_are_fitted_by_the_same_steps(batch_size: int | None) -> None:
    for problem, scale in ((PROBLEM, 1.0), (HUGE, 1e130)):
        run = descend(GradientDescent(1), problem, start(1, scale), 0.1, 2000, batch_size=batch_size, every=2000)
        assert np.linalg.norm(problem.residual(run.weights[-1])) <= 1e-6 * np.linalg.norm(problem.y)


@pytest.mark.parametrize("ratio", [None, 2.0])
@every_depth
@pytest.mark.parametrize(("scale", "step"), [(1.0, 1e9), (1.0, 1e200), (1.0, 1e308), (1e160, 1.0), (5e307, 1.0)])
def test_a_matrix_that_leaves_the_numbers_has_diverged(
    scale: float, step: float, depth: int, ratio: float | None
) -> None:
    run = matrix_descent(MATRIX, depth, [scale, 0.1], [step, 0.1], ratio, steps=50)
    assert run.diverged[0]
    assert not run.fit[0]
    assert run.steps[0] < 50
    assert np.isfinite(run.X).all()
    alone = matrix_descent(MATRIX, depth, [scale], [step], ratio, steps=50)
    np.testing.assert_array_equal(alone.steps, run.steps[:1])
    assert (run.steps[1], run.diverged[1]) == (50, False)


def test_a_matrix_whose_radius_would_be_negative_has_diverged() -> None:
    problem = MatrixProblem(np.eye(2)[None], [0.0])
    for step, diverged in ((0.9, False), (1.9, True)):
        run = matrix_descent(problem, 1, [1.0], [step], ratio=0.1, steps=5)
        assert run.diverged[0] == diverged
        assert run.steps[0] == (0 if diverged else 5)


@pytest.mark.parametrize("ratio", [None, 2.0])
@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize(("scale", "step"), [(1.0, 1e9), (1.0, 1e200), (1.0, 1e308), (1e160, 1.0), (5e307, 1.0)])
def test_layers_that_leave_the_numbers_have_diverged(
    scale: float, step: float, depth: int, ratio: float | None
) -> None:
    x = np.linspace(-1, 1, depth * N).reshape(depth, N)
    run = layered_descent(PROBLEM, scale * x, step, 50, ratio)
    assert run.diverged
    assert not run.fit
    assert run.steps < 50
    assert np.isfinite(run.factors).all()
    assert (run.losses[:-1] <= 1e6 * max(run.losses[0], PROBLEM.loss_of_zero)).all()
    calm = layered_descent(PROBLEM, x, 0.01, 50, ratio)
    assert (calm.steps, calm.fit, calm.diverged) == (50, False, False)


@pytest.mark.parametrize("ratio", [None, 2.0])
def test_layers_of_no_finite_loss_fit_to_no_tolerance(ratio: float | None) -> None:
    run = layered_descent(Problem([[1.0]], [1.0]), [[1e160], [1e160]], 1.0, 5, ratio, tolerance=1e200)
    assert (run.steps, run.fit, run.diverged) == (0, False, True)


@pytest.mark.parametrize("ratio", [None, 1.0])
def test_layers_that_leave_an_interpolant_for_a_cycle_have_not_diverged(ratio: float | None) -> None:
    """A loss that is far larger than at the start, but not than at zero."""
    run = layered_descent(Problem([[1.0]], [1.0]), [[1.0], [1.0 + 1e-5]], 1.1, 500, ratio, tolerance=1e-8)
    assert (run.steps, run.fit, run.diverged) == (500, False, False)
    assert run.losses[-1] > 1e8 * run.losses[0]
    np.testing.assert_allclose(run.losses[-2:], run.losses[-4:-2])


def test_a_bound_is_a_number_whatever_the_losses() -> None:
    found = loss_bound(np.array([1.0, 1e305, np.inf, np.nan]), 2.0)
    np.testing.assert_array_equal(found, [2e6, *[np.finfo(float).max] * 2, np.nan])
    with np.errstate(over="ignore", invalid="ignore"):
        vectors = np.array([[1.0, 2.0], [1e200, 0], [np.nan, 1], [np.inf, 1], [1.0, 2.0]])
        np.testing.assert_array_equal(finite(vectors, np.array([1, 1, 1, 1, -np.inf])), [1, 0, 0, 0, 0])
