"""Gradient descent on symmetric factors X of W = X^L, plain and weight-normalized."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib._diverging import finite, loss_bound
from wnlib._values import Value
from wnlib.errors import ArgumentError
from wnlib.flows.units import from_own, to_own
from wnlib.models.matrix import MatrixProblem, in_own_units, power, slope


@dataclass(frozen=True, eq=False, repr=False)
class MatrixDescent(Value):
    """The ends of R runs of `matrix_descent`.

    Attributes:
        X: The factors, $W = X^L$, shape (R, n, n).
        steps: How many were taken, shape (R,).
        fit: Whether the relative residual has come down to the tolerance, shape (R,).
        diverged: Whether it diverged, shape (R,).
        depth: L.

    Example:
        >>> import numpy as np
        >>> from wnlib import MatrixProblem, matrix_descent
        >>> problem = MatrixProblem(A=[np.eye(2)], y=[3.0])
        >>> matrix_descent(problem, depth=2, scale=[1.0], step=[1.0]).W.round(3)
        array([[[1.5, 0. ],
                [0. , 1.5]]])
    """

    X: Array
    steps: NDArray[np.intp]
    fit: NDArray[np.bool_]
    diverged: NDArray[np.bool_]
    depth: int

    @property
    def W(self) -> Array:
        """$W = X^L$, shape (R, n, n)."""
        return power(self.X, self.depth)


def matrix_descent(
    problem: MatrixProblem,
    depth: int,
    scale: ArrayLike,
    step: ArrayLike,
    ratio: float | None = None,
    steps: int = 10_000,
    tolerance: float = 1e-5,
) -> MatrixDescent:
    r"""Gradient descent on X from $X = (r_0/\sqrt n)\, I$, side by side for several $r_0$ and steps.

    Plain without `ratio`: X += h G(X). With it on polar coordinates: r += h <G, U>, U += c h r (G - <G, U> U), then U
    is divided by its Frobenius norm. A run ends when its relative residual is at most `tolerance`, after `steps` steps,
    or when it diverges: its loss is no number, or far larger than at the start and at zero, or its next step makes the
    norm overflow or, with weight normalization, the radius nonpositive.

    Args:
        scale: $r_0 > 0$ of each run, the Frobenius norm of its start, shape (R,).
        step: h > 0 of each run, as a multiple of what is short enough at the point it leaves, shape (R,).
        ratio: c > 0, for weight normalization.

    Raises:
        ArgumentError: for bad arguments.

    Example:
        >>> from wnlib import MatrixProblem, matrix_descent
        >>> problem = MatrixProblem.gaussian(m=18, n=6, rank=1)
        >>> descent = matrix_descent(problem, 2, [0.01], [1.0], ratio=10, tolerance=0.01)
        >>> bool(descent.fit[0]), bool(abs(descent.W[0] - problem.truth).max() < 0.02)
        (True, True)
    """
    depth, steps = check.integer("depth", depth, least=1), check.integer("steps", steps, least=1)
    scale = check.array("scale", scale, (None,))
    step = check.array("step", step, scale.shape)
    if min(scale.min(), step.min()) <= 0:
        raise ArgumentError(f"scale and step must be > 0, got minima {scale.min()} and {step.min()}")
    if ratio is not None:
        ratio = check.positive("ratio", ratio)
    tolerance = check.positive("tolerance", tolerance)
    units, problem = in_own_units(problem, depth)
    radius: Array = to_own("scale", scale, units.point)
    ratio = None if ratio is None else to_own("ratio", ratio, units.ratio)
    stiffness = depth**2 * float(np.linalg.norm(problem.A.reshape(len(problem.y), -1), 2)) ** 2
    X = radius[:, None, None] * np.eye(problem.n) / np.sqrt(problem.n)
    ends, taken = X.copy(), np.full(len(scale), steps)
    fit, diverged = np.zeros((2, len(scale)), dtype=bool)
    going, f = np.arange(len(scale)), step[:, None, None]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # on the way to a divergence
        stop = 0.5 * np.square(tolerance * np.linalg.norm(problem.y))
        bound = loss_bound(problem.loss(power(X, depth)), problem.loss(np.zeros(X.shape[1:])))
        for k in range(steps + 1):
            residual = problem.residual(power(X, depth))
            loss = 0.5 * np.sum(residual**2, axis=-1)
            moved, inside = _moved(problem, depth, ratio, stiffness, X, residual, f)
            low = loss <= bound[going]
            arrived = low & (loss <= stop)
            going_on = low & ~arrived & (inside | (k == steps))
            ended = ~going_on | (k == steps)
            numbers = going[ended]
            ends[numbers], taken[numbers] = X[ended], k
            fit[numbers], diverged[numbers] = arrived[ended], ~(arrived | going_on)[ended]
            going, f, X = going[~ended], f[~ended], moved[~ended]
            if not going.size:
                break
    return MatrixDescent(from_own(ends, units.point), taken, fit, diverged, depth)


def _moved(
    problem: MatrixProblem, depth: int, ratio: float | None, stiffness: float, X: Array, residual: Array, f: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """X one step later, shape (R, n, n), and which runs have a finite norm and a positive radius there, shape (R,)."""
    P = (residual @ problem.A.reshape(len(problem.y), -1)).reshape(X.shape)
    r = _norm(X)
    h = f / (stiffness * r ** (2 * depth - 2) + depth * (depth - 1) * _norm(P) * r ** (depth - 2))
    G = slope(X, P, depth)
    if ratio is None:
        X = X + h * G
        radius = _norm(X)
    else:
        h = h / np.maximum(1, ratio * r**2)
        U = X / r
        along = np.sum(G * U, axis=(1, 2), keepdims=True)
        U = U + ratio * h * r * (G - along * U)
        radius = r + h * along
        X = radius * U / _norm(U)
    return X, finite(X.reshape(len(X), -1)) & (radius[:, 0, 0] > 0)


def _norm(X: Array) -> Array:
    """The Frobenius norms, shape (..., 1, 1)."""
    return np.sqrt(np.sum(X * X, axis=(-2, -1), keepdims=True))
