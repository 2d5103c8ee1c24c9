r"""The rows of A that a step sees, and the force in the two matrix products of which it is made.

With some rows B, one of k minibatches, the force is $p_B = k A_B^\top (y_B - A_B w)$: the measurements $A_B w$ are one
product, and the pull of the residuals on the weights is the other. The rows of the arrays are runs, so that each is one
product for all runs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wnlib._checks import Array
from wnlib.problem import Problem


class Rows(Protocol):
    r"""A force $p = $ pull(residual(measure(w))), of which `measure` and `pull` are linear and adjoint."""

    def measure(self, weights: Array) -> Array:
        """Measurements of weights (..., N)."""

    def residual(self, measured: Array) -> Array:
        """What pulls, given the measurements."""

    def pull(self, residual: Array, out: Array) -> Array:
        """Forces (..., N), written on `out`."""


@dataclass(frozen=True, eq=False)
class Minibatch:
    """Some rows A (m, N) and y (m,) of the problem, whose residuals are multiplied by `scale` (..., m) if there is one.

    What the residuals are multiplied by is the number of minibatches, or zero for rows that a run does not see.
    """

    A: Array
    y: Array
    scale: Array | float | None = None

    def measure(self, weights: Array) -> Array:
        return weights @ self.A.T

    def residual(self, measured: Array) -> Array:
        residual = self.y - measured
        if self.scale is not None:
            residual *= self.scale
        return residual

    def pull(self, residual: Array, out: Array) -> Array:
        return np.matmul(residual, self.A, out=out)


@dataclass(frozen=True)
class Explicit:
    """A force given as a function of the weights."""

    force: Callable[[Array], Array]

    def measure(self, weights: Array) -> Array:
        return weights

    def residual(self, measured: Array) -> Array:
        return self.force(measured)

    def pull(self, residual: Array, out: Array) -> Array:
        out[...] = residual
        return out


class Epochs:
    """The minibatches of one step after another, for R runs.

    `seeds` is one seed, () or one for each run, (R,). With one, all runs see the same rows, and a product takes only
    those; with many, a product takes all rows, and what a run does not see is multiplied by zero.
    """

    def __init__(self, problem: Problem, batch_size: int | None, seeds: NDArray[np.integer[Any]]) -> None:
        self.problem = problem
        self.all_rows = batch_size is None
        rows = problem.shape[0]
        self.count = 1 if batch_size is None else -(-rows // batch_size)
        self.sizes = [part.size for part in np.array_split(np.arange(rows), self.count)]
        self.shared = seeds.ndim == 0
        self.generators = [np.random.default_rng(int(seed)) for seed in seeds.ravel()]
        self.orders = np.empty((len(self.generators), rows), dtype=np.intp)
        self.taken = 0

    def next(self, runs: NDArray[np.intp]) -> Minibatch:
        """The rows of the next step, for the runs (R',) of the given numbers."""
        A, y = self.problem.A, self.problem.y
        if self.all_rows:
            return Minibatch(A, y)
        batch = self.taken % self.count
        self.taken += 1
        if batch == 0:
            for order, generator in zip(self.orders, self.generators, strict=True):
                order[:] = generator.permutation(y.size)
        first = sum(self.sizes[:batch])
        seen = self.orders[:, first : first + self.sizes[batch]]
        if self.shared:
            return Minibatch(A[seen[0]], y[seen[0]], self.count)
        scale = np.zeros((runs.size, y.size))
        np.put_along_axis(scale, seen[runs], self.count, axis=1)
        return Minibatch(A, y, scale)
