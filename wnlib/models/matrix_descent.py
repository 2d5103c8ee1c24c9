"""Gradient descent on symmetric factors X of W = X^L, plain and weight-normalized."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import ArgumentError
from wnlib.flows.units import from_own, to_own
from wnlib.models.matrix import DIVERGED, MatrixProblem, in_own_units, power, slope


@dataclass(frozen=True, eq=False)
class MatrixDescent:
    """The ends of R runs of `matrix_descent`.

    Attributes:
        X: The factors, $W = X^L$, shape (R, n, n).
        steps: How many were taken, shape (R,).
        fit: Whether the relative residual has come down to the tolerance, shape (R,).
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
    is divided by its Frobenius norm. A run ends when its relative residual is at most `tolerance`, when it diverges
    (the loss, or with weight normalization a radius that is no longer positive), or after `steps` steps.

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
    depth = check.integer("depth", depth, least=1)
    scale = check.array("scale", scale, (None,))
    step = check.array("step", step, scale.shape)
    if min(scale.min(), step.min()) <= 0:
        raise ArgumentError(f"scale and step must be > 0, got minima {scale.min()} and {step.min()}")
    if ratio is not None:
        ratio = check.positive("ratio", ratio)
    units, problem = in_own_units(problem, depth)
    radius: Array = to_own("scale", scale, units.point)
    ratio = None if ratio is None else to_own("ratio", ratio, units.ratio)
    stop = 0.5 * (tolerance * float(np.linalg.norm(problem.y))) ** 2
    flat = problem.A.reshape(len(problem.y), -1)
    stiffness = depth**2 * float(np.linalg.norm(flat, 2)) ** 2
    runs, n = len(radius), problem.n
    X = radius[:, None, None] * np.eye(n) / np.sqrt(n)
    bound = DIVERGED * np.maximum(problem.loss(power(X, depth)), problem.loss(np.zeros((n, n))))
    ends, taken, fit = X.copy(), np.full(runs, steps), np.zeros(runs, dtype=bool)
    going, f = np.arange(runs), step[:, None, None]
    for k in range(steps + 1):
        residual = problem.residual(power(X, depth))
        loss = 0.5 * np.sum(residual**2, axis=-1)
        arrived = loss <= stop
        ended = arrived | ~(loss <= bound[going]) | (k == steps)
        if ended.any():
            numbers = going[ended]
            ends[numbers], taken[numbers], fit[numbers] = X[ended], k, arrived[ended]
            going, f, X, residual = going[~ended], f[~ended], X[~ended], residual[~ended]
        if not going.size:
            break
        P = (residual @ flat).reshape(X.shape)
        r = _norm(X)
        h = f / (stiffness * r ** (2 * depth - 2) + depth * (depth - 1) * _norm(P) * r ** (depth - 2))
        G = slope(X, P, depth)
        if ratio is None:
            X = X + h * G
        else:
            h = h / np.maximum(1, ratio * r**2)
            U = X / r
            along = np.sum(G * U, axis=(1, 2), keepdims=True)
            U = U + ratio * h * r * (G - along * U)
            X = (r + h * along) * U / _norm(U)
    return MatrixDescent(from_own(ends, units.point), taken, fit, depth)


def _norm(X: Array) -> Array:
    """The Frobenius norms, shape (..., 1, 1)."""
    return np.sqrt(np.sum(X * X, axis=(-2, -1), keepdims=True))
