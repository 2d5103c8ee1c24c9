r"""Saddles of the square loss on the orthant, how long a flow stays at one, and in which order it visits them.

At a saddle the weights on a support S are least squares, $A_S^\top (y - A w^*) = 0$, and all others are 0. A flow that
starts near it leaves as slowly as the others are small. While their mass is at most $\delta$, every quantity that
decides their growth is confined, and with $m_L$ as in `geometry` each of them grows along a scalar equation that can be
solved: see the theorem "The length of a plateau", whose formulas these are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib._values import Value
from wnlib.errors import ArgumentError
from wnlib.flows.flow import Flow
from wnlib.flows.polar import Polar, radius_of
from wnlib.flows.units import Units, from_own
from wnlib.problem import Problem


@dataclass(frozen=True, eq=False, repr=False)
class Saddle(Value):
    r"""Weights that fit least squares on their own support.

    Attributes:
        weights: $w^*$, positive on the support and 0 elsewhere, shape (N,).
        loss: $\ell^*$, the least that weights with this support have.
        force: $p^*$, 0 on the support and what pushes the others, shape (N,).

    Example:
        >>> from wnlib import Problem, saddle
        >>> point = saddle(Problem(A=[[1, 0, 1], [0, 1, 1]], y=[1, 3]), [1])
        >>> point.weights, point.force, point.loss, point.gain
        (array([0., 3., 0.]), array([1., 0., 1.]), 0.5, 1.0)
    """

    problem: Problem
    weights: Array
    loss: float
    force: Array

    @property
    def support(self) -> NDArray[np.bool_]:
        """Where the weights are positive, shape (N,)."""
        return self.weights > 0

    @property
    def gain(self) -> float:
        """The smallest singular value of the columns of the support; infinite if there are none."""
        columns = self.problem.A[:, self.support]
        return float(np.linalg.svd(columns, compute_uv=False).min()) if columns.size else np.inf


def saddle(problem: Problem, candidates: Sequence[int] | NDArray[np.integer]) -> Saddle:
    """The saddle to which some of the weights alone would flow: nonnegative least squares.

    Args:
        candidates: The indices of these weights, from 0 to N - 1, each once, shape (K,).

    Raises:
        ArgumentError: for candidates that are none.

    Example:
        >>> from wnlib import Problem, saddle
        >>> problem = Problem(A=[[1, 0, 1], [0, 1, 1]], y=[1, 3])
        >>> [saddle(problem, candidates).loss for candidates in ([], [1], [0, 1])]
        [5.0, 0.5, 0.0]
    """
    columns = check.integers("candidates", candidates, least=0, most=problem.shape[1] - 1)
    if columns.ndim != 1 or np.unique(columns).size < columns.size:
        raise ArgumentError(f"candidates must be indices, each once, got {columns}")
    units = Units.of(problem)
    return _told(problem, units, _own_saddle(units.problem(problem), columns))


def _own_saddle(problem: Problem, columns: NDArray[np.integer[Any]]) -> Saddle:
    """That of a problem in its own units."""
    weights = np.zeros(problem.shape[1])
    if columns.size:
        weights[columns] = nnls(problem.A[:, columns], problem.y, maxiter=30 * columns.size + 30)[0]
    return saddle_at(problem, weights)


def saddle_at(problem: Problem, weights: Array) -> Saddle:
    """The saddle with known weights (N,)."""
    residual = problem.residual(weights)
    force = np.where(weights > 0, 0.0, problem.A.T @ residual)
    return Saddle(problem, weights, 0.5 * float(residual @ residual), force)


def _told(problem: Problem, units: Units, own: Saddle) -> Saddle:
    """A saddle in the caller's units."""
    weights, loss = from_own(own.weights, units.weights), from_own(own.loss, units.loss)
    return Saddle(problem, weights, loss, from_own(own.force, units.force))


@dataclass(frozen=True, eq=False, repr=False)
class Cascade(Value):
    r"""The saddles that a flow visits in the limit of a small, magnified start, and how long it needs for each.

    Attributes:
        saddles: K of them; the first is w = 0, the last interpolates or has no weight left to grow.
        own_time: The `dual_time` in the problem's own unit, shape (K - 1,).
        units: The problem's own.

    Example:
        >>> import numpy as np
        >>> from wnlib import GradientFlow, Problem, cascade
        >>> flow = GradientFlow(depth=3)
        >>> found = cascade(Problem.gaussian(m=24, n=60, sparsity=3))
        >>> exits = found.exits(flow, flow.start(60, scale=1e-3))
        >>> len(found.saddles), len(exits), bool(np.all(np.diff(exits) > 0))
        (4, 3, True)
    """

    saddles: tuple[Saddle, ...]
    own_time: Array
    units: Units

    @property
    def dual_time(self) -> Array:
        r"""For how long the flow stays at each, in units of $|m_L(z(0))|$ over $\kappa L$, shape (K - 1,)."""
        return np.asarray(from_own(self.own_time, -self.units.force))

    def exits(self, flow: Flow, start: Polar) -> Array:
        r"""The predicted times, shape (K - 1,), at which a flow of depth L >= 3 leaves each saddle.

        The start is uniform, of shape (N,). Each stay lasts dual_time * $|m_L(z(0))| / (\kappa L)$, with $\kappa$ at
        the saddle; at w = 0 at the start.
        """
        units = Units.of(self.saddles[0].problem, flow.depth)
        flow, start = units.flow(flow), units.start(start)
        L, magnified = flow.depth, flow.log_magnification
        weights = [from_own(one.weights, -units.weights) for one in self.saddles[1:-1]]
        radius = np.array([float(start.radius), *(float(radius_of(one, L)) for one in weights)][: len(self.own_time)])
        log_z = magnified(np.asarray(start.radius)) + start.log_direction[0]
        log_unit = (2 - L) * (log_z - magnified(radius)) - L * np.log(radius)
        with np.errstate(over="ignore"):  # beyond the largest float they never end
            stay = np.exp(log_unit) / ((L - 2) * L * flow.angular_rate(radius))
        # The own units of this depth differ in y's from those of the cascade.
        dual_time = from_own(self.own_time, units.force - self.units.force)
        return np.asarray(from_own(np.cumsum(dual_time * stay), units.time))


def cascade(problem: Problem, most: int = 50) -> Cascade:
    r"""The saddles from w = 0 on, for depth L >= 3 and a uniform start, by the rule of linear growth.

    At a saddle every $m_L(z_i)$ moves at its force $p^*_i$, from one common value. Who reaches 0 first joins the
    support, and the next saddle is least squares with it.

    Args:
        most: The largest number of saddles, at least 1.

    Raises:
        ArgumentError: for a number out of its range.

    Example:
        >>> from wnlib import Problem, cascade
        >>> found = cascade(Problem.gaussian(m=24, n=60, sparsity=3))
        >>> [int(saddle.support.sum()) for saddle in found.saddles]
        [0, 1, 2, 3]
        >>> [round(saddle.loss, 3) for saddle in found.saddles]
        [1.943, 0.646, 0.11, 0.0]
    """
    most = check.integer("most", most, least=1)
    units = Units.of(problem)
    own = units.problem(problem)
    left = np.ones(problem.shape[1])  # -m_L(z_i), in units of that of the start
    free: NDArray[np.integer] = np.empty(0, dtype=int)
    saddles, stays = [_own_saddle(own, free)], []
    floor = 1e-20 * own.loss_of_zero
    while saddles[-1].loss > floor and len(saddles) < most:
        force = saddles[-1].force
        with np.errstate(divide="ignore", invalid="ignore"):
            time = np.where(force > 0, left / force, np.inf)
        i = int(np.argmin(time))
        if not np.isfinite(time[i]):
            break
        left = np.maximum(left - time[i] * force, 0)
        left[i] = 0
        free = np.append(np.flatnonzero(saddles[-1].support), i)
        saddles.append(_own_saddle(own, free))
        stays.append(float(time[i]))
    return Cascade(tuple(_told(problem, units, one) for one in saddles), np.array(stays), units)
