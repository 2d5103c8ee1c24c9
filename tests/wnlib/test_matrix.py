"""Matrix problems, their gradients and descents, and the spectral limit."""

import re

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose
from strategies import derivative

from wnlib import GradientFlow, Problem, WeightNormFlow, limit
from wnlib.errors import LimitError
from wnlib.models.matrix import MatrixProblem, conjugated, plain_field, polar_field, power, rotation, slope
from wnlib.models.matrix_descent import matrix_descent
from wnlib.models.spectral import _Curve, spectral_limit

SENSING = MatrixProblem.gaussian(8, 5, 2, seed=1)
BASIS = rotation(np.random.default_rng(0), 12)
DIAGONAL = Problem.gaussian(6, 12, 2, seed=1)
COMMUTING = MatrixProblem.commuting(DIAGONAL, BASIS)


def symmetric(rng: np.random.Generator, n: int) -> np.ndarray:
    X = rng.standard_normal((n, n))
    return X + X.T


@settings(max_examples=30, deadline=None)
@given(depth=st.integers(1, 5), seed=st.integers(0, 1000))
def test_the_slope_is_minus_the_gradient(depth: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X, direction = symmetric(rng, 5) / 5, symmetric(rng, 5)
    G = SENSING.slope(X, depth)
    rate = derivative(lambda h: SENSING.loss(power(X + h * direction, depth)))
    assert_allclose(-np.sum(G * direction), rate, rtol=1e-6, atol=1e-6)
    assert_allclose(G, G.T, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(depth=st.integers(1, 5), seed=st.integers(0, 1000))
def test_where_all_commute_the_slope_is_a_power(depth: int, seed: int) -> None:
    x, p = np.random.default_rng(seed).uniform(0.1, 2, (2, 12))
    X, P = conjugated(x, BASIS), conjugated(p, BASIS)
    assert_allclose(slope(X, P, depth), conjugated(depth * p * x ** (depth - 1), BASIS), atol=1e-9)


@pytest.mark.parametrize("depth", [2, 3])
def test_the_flows_keep_a_matrix_positive_at_the_rate_that_the_docstring_tells(depth: int) -> None:
    X = conjugated(np.random.default_rng(2).uniform(0.1, 1, 5), rotation(np.random.default_rng(3), 5))
    velocity = plain_field(SENSING, depth)(0.0, X.ravel()).reshape(5, 5)
    P = SENSING.force(power(X, depth))
    assert_allclose(
        np.trace(np.linalg.solve(X, velocity)), depth * np.trace(P @ np.linalg.matrix_power(X, depth - 2)), rtol=1e-9
    )


def test_the_polar_field_is_the_plain_one_at_the_matched_ratio() -> None:
    X = conjugated(np.random.default_rng(2).uniform(0.1, 1, 5), rotation(np.random.default_rng(3), 5))
    r = np.linalg.norm(X)
    state = polar_field(SENSING, 3, 1 / r**2)(0.0, np.append(r, X / r))
    velocity = state[0] * X / r + r * state[1:].reshape(5, 5)
    assert_allclose(velocity.ravel(), plain_field(SENSING, 3)(0.0, X.ravel()), atol=1e-12)


@pytest.mark.parametrize("ensemble", [MatrixProblem.gaussian, MatrixProblem.completion])
def test_measurements_are_of_a_positive_matrix_of_the_rank_asked_for(ensemble) -> None:
    problem = ensemble(9, 6, 2, seed=4)
    eigenvalues = np.linalg.eigvalsh(problem.truth)
    assert np.all(eigenvalues > -1e-12)
    assert np.count_nonzero(eigenvalues > 0.4) == 2
    assert_allclose(problem.residual(problem.truth), 0, atol=1e-12)
    assert_allclose(ensemble(9, 6, 2, seed=4).A, problem.A)


def test_completion_measures_entries() -> None:
    problem = MatrixProblem.completion(20, 6, 2, seed=0)
    rows, columns = np.triu_indices(6)
    measured = sorted(problem.y)
    entries = np.sort(problem.truth[rows, columns])
    assert all(np.isclose(entries, value).any() for value in measured)


def vector_descent(L: int, r0: float, step: float, ratio: float | None, steps: int) -> np.ndarray:
    """The same steps on the diagonal model's factors x."""
    A, y = DIAGONAL.A, DIAGONAL.y
    x = np.full(12, r0 / np.sqrt(12))
    for _ in range(steps):
        r, p = np.linalg.norm(x), A.T @ (y - A @ x**L)
        curvature = L**2 * np.linalg.norm(A, 2) ** 2 * r ** (2 * L - 2)
        h = step / (curvature + L * (L - 1) * np.linalg.norm(p) * r ** (L - 2))
        G = L * p * x ** (L - 1)
        if ratio is None:
            x = x + h * G
        else:
            h, u = h / max(1, ratio * r**2), x / r
            turned = u + ratio * h * r * (G - G @ u * u)
            x = (r + h * (G @ u)) * turned / np.linalg.norm(turned)
    return x


@pytest.mark.parametrize(("depth", "ratio"), [(1, None), (2, None), (3, None), (2, 5.0), (3, 2.0)])
def test_descents_are_the_diagonal_models_where_all_commute(depth: int, ratio: float | None) -> None:
    runs = matrix_descent(COMMUTING, depth, [0.5, 0.1], [2.0, 0.7], ratio, 60)
    wanted = [vector_descent(depth, r0, step, ratio, 60) for r0, step in ((0.5, 2.0), (0.1, 0.7))]
    assert_allclose(runs.X, conjugated(np.array(wanted), BASIS), atol=1e-10)


def test_a_descent_that_diverges_or_has_no_time_does_not_fit() -> None:
    runs = matrix_descent(SENSING, 2, [0.5, 0.5], [500.0, 0.5], steps=20)
    assert not runs.fit.any()
    assert runs.steps[0] < 20 == runs.steps[1]


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("ratio", [None, 3.0])
@pytest.mark.parametrize("scale", [0.01, 0.3, 2.0])
def test_the_spectral_limit_is_the_flows_where_all_commute(depth: int, ratio: float | None, scale: float) -> None:
    flow = GradientFlow(depth) if ratio is None else WeightNormFlow(depth, ratio)
    end = limit(flow, DIAGONAL, flow.start(12, scale)).weights
    W = spectral_limit(COMMUTING, depth, scale, ratio, tolerance=1e-8)
    assert_allclose(W, conjugated(end, BASIS), atol=2e-4 * end.max())


@pytest.mark.parametrize("depth", [2, 3, 4, 6])
@pytest.mark.parametrize("spread", [1.0, 1e-8], ids=["far apart", "nearly equal"])
def test_the_slopes_are_those_of_the_matrix_in_its_dual_variable(depth: int, spread: float) -> None:
    """Newton's method converges, if slower, with wrong ones."""
    rng = np.random.default_rng(depth)
    V, direction, unit = rotation(rng, 5), symmetric(rng, 5), 0.3
    theta = -1.5 + spread * rng.uniform(0, 1, 5)

    def x(values: np.ndarray) -> np.ndarray:
        return np.exp(values) if depth == 2 else np.exp(unit) * (-values) ** (-1 / (depth - 2))

    def W(h: float) -> np.ndarray:
        values, vectors = np.linalg.eigh(conjugated(theta, V) + h * direction)
        return conjugated(x(values) ** depth, vectors)

    slopes = _Curve(SENSING, depth, 1e-6)._slopes(theta, x(theta))
    wanted = V.T @ derivative(W) @ V
    assert_allclose(slopes * (V.T @ direction @ V), wanted, atol=1e-6 * np.abs(wanted).max())


def test_the_spectral_limit_of_generic_measurements_is_stationary() -> None:
    W = spectral_limit(SENSING, 2, 0.3, tolerance=1e-10)
    values, vectors = np.linalg.eigh(W)
    dual = conjugated(np.log(values) / 2 - np.log(0.3 / np.sqrt(5)), vectors)
    flat = SENSING.A.reshape(8, -1).T
    off = dual.ravel() - flat @ np.linalg.lstsq(flat, dual.ravel())[0]
    assert np.linalg.norm(off) <= 1e-8 * np.linalg.norm(dual)
    assert np.linalg.norm(SENSING.residual(W)) <= 1e-9


def test_a_limit_without_an_interpolant_is_refused() -> None:
    impossible = MatrixProblem(np.eye(3)[None], [-1.0])
    for ratio in (None, 1.0):
        with pytest.raises(LimitError, match="log\\(alpha\\)"):
            spectral_limit(impossible, 2, 1.0, ratio)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: MatrixProblem(np.ones((2, 3, 4)), [1, 2]),
            "A must hold square matrices, shape (M, n, n), got (2, 3, 4)",
        ),
        (lambda: MatrixProblem([[[0, 1], [0, 0]]], [1]), "A must hold symmetric matrices"),
        (lambda: MatrixProblem(np.ones((2, 3, 3)), [1]), "y must have shape (2)"),
        (lambda: MatrixProblem.commuting(DIAGONAL, np.ones((12, 12))), "basis must be orthonormal"),
        (lambda: MatrixProblem.gaussian(15, 5, 1), "m must be between 1 and 14, got 15"),
        (lambda: MatrixProblem.gaussian(5, 5, 6), "rank must be between 1 and 5, got 6"),
        (lambda: matrix_descent(SENSING, 2, [1.0], [-1.0]), "scale and step must be > 0"),
        (lambda: matrix_descent(SENSING, 2, [1.0], [1.0], ratio=0.0), "ratio must be > 0"),
        (lambda: spectral_limit(SENSING, 1, 1.0), "depth must be >= 2, got 1"),
        (lambda: spectral_limit(SENSING, 2, 0.0), "scale must be > 0"),
    ],
)
def test_bad_input_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
