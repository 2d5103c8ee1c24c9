r"""Saddles of the square loss on the orthant, how long a flow stays at one, and in which order it visits them.

At a saddle the weights on a support S are least squares, $A_S^\top (y - A w^*) = 0$, and all others are 0. A flow that
starts near it leaves as slowly as the others are small. While their mass is at most $\delta$, every quantity that
decides their growth is confined, and with $m_L$ as in `geometry` each of them grows along a scalar equation that can be
solved: see the theorem "The length of a plateau", whose formulas these are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, nnls

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import ArgumentError
from wnlib.flows.flow import Flow, GradientFlow, WeightNormFlow
from wnlib.flows.geometry import mirror_entry
from wnlib.flows.polar import Polar, radius_of
from wnlib.problem import Problem
from wnlib.trajectories.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class Saddle:
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
        candidates: The indices of these weights, shape (K,).

    Example:
        >>> from wnlib import Problem, saddle
        >>> problem = Problem(A=[[1, 0, 1], [0, 1, 1]], y=[1, 3])
        >>> [saddle(problem, candidates).loss for candidates in ([], [1], [0, 1])]
        [5.0, 0.5, 0.0]
    """
    columns = np.asarray(candidates, dtype=int)
    weights = np.zeros(problem.shape[1])
    if columns.size:
        weights[columns] = nnls(problem.A[:, columns], problem.y, maxiter=30 * columns.size + 30)[0]
    residual = problem.residual(weights)
    force = np.where(weights > 0, 0.0, problem.A.T @ residual)
    return Saddle(problem, weights, 0.5 * float(residual @ residual), force)


@dataclass(frozen=True, eq=False)
class Cascade:
    r"""The saddles that a flow visits in the limit of a small, magnified start, and how long it needs for each.

    Attributes:
        saddles: K of them; the first is w = 0, the last interpolates or has no weight left to grow.
        dual_time: For how long the flow stays at each, in units of $|m_L(z(0))|$ over $\kappa L$, shape (K - 1,).

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
    dual_time: Array

    def exits(self, flow: Flow, start: Polar) -> Array:
        r"""The predicted times, shape (K - 1,), at which a flow of depth L >= 3 leaves each saddle.

        The start is uniform, of shape (N,). Each stay lasts dual_time * $|m_L(z(0))| / (\kappa L)$, with $\kappa$ at
        the saddle; at w = 0 at the start.
        """
        L, magnified = flow.depth, flow.log_magnification
        at = [float(start.radius), *(float(radius_of(one.weights, L)) for one in self.saddles[1:-1])]
        radius = np.array(at[: len(self.dual_time)])
        log_z = magnified(np.asarray(start.radius)) + start.log_direction[0]
        log_unit = (2 - L) * (log_z - magnified(radius)) - L * np.log(radius)
        stay = np.exp(log_unit) / ((L - 2) * L * flow.angular_rate(radius))
        return np.asarray(np.cumsum(self.dual_time * stay))


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
    left = np.ones(problem.shape[1])  # -m_L(z_i), in units of that of the start
    free: NDArray[np.integer] = np.empty(0, dtype=int)
    saddles, stays = [saddle(problem, free)], []
    floor = 1e-20 * problem.loss_of_zero
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
        saddles.append(saddle(problem, free))
        stays.append(float(time[i]))
    return Cascade(tuple(saddles), np.array(stays))


@dataclass(frozen=True)
class Stay:
    r"""Between which times the weights off a saddle's support first have a mass, and what is known until then.

    Attributes:
        mass: Of these weights.
        earliest: $T_-$.
        latest: $T_+$, infinite where none of these weights is known to be pushed.
        radius: The least and the largest $r^2$.
        loss: The least loss.

    Example:
        >>> from wnlib import GradientFlow, Problem, saddle, stay
        >>> flow, problem = GradientFlow(depth=2), Problem(A=[[1, 0], [0, 1]], y=[1, 3])
        >>> found = stay(flow, saddle(problem, []), flow.start(2, scale=1e-3), mass=1e-3)
        >>> round(found.earliest, 3), round(found.latest, 3)
        (0.561, 0.65)
    """

    mass: float
    earliest: float
    latest: float
    radius: tuple[float, float]
    loss: float


def stay(flow: Flow, at: Saddle, point: Polar, mass: float) -> Stay:
    """Bounds on the time until the weights off a saddle's support have a given mass.

    Args:
        point: Where the flow starts, near the saddle, shape (N,).
        mass: In the units of the weights, more than they have there.

    Raises:
        ArgumentError: for a depth below 2, for scheduled rates, or if they have it already.

    Example:
        >>> from wnlib import GradientFlow, Problem, integrate, saddle, stay
        >>> flow, problem = GradientFlow(depth=2), Problem.gaussian(m=24, n=60, sparsity=3)
        >>> start = flow.start(60, scale=1e-3)
        >>> found = stay(flow, saddle(problem, []), start, mass=1e-3)
        >>> trajectory = integrate(flow, problem, start, t_end=found.latest)
        >>> bool(trajectory.at([found.earliest]).l1[0] < 1e-3 < trajectory.l1[-1])
        True
    """
    L, problem = flow.depth, at.problem
    if L < 2 or not isinstance(flow, (GradientFlow, WeightNormFlow)):
        raise ArgumentError(f"flow must be a GradientFlow or a WeightNormFlow of depth >= 2, got {flow}")
    mass = check.positive("mass", mass)
    weights, outside = point.weights(L), ~at.support
    if not weights[outside].sum() < mass:
        raise ArgumentError(f"mass must exceed that of the outsiders, {weights[outside].sum():.3g}, got {mass}")
    columns, force = np.linalg.norm(problem.A[:, outside], axis=0), at.force[outside]
    push = max(0.0, float(force.max()))
    error = np.sqrt(max(0.0, 2 * (float(problem.loss(weights)) - at.loss) + 2 * push * mass))
    spread = (error + float(columns.max()) * mass) / at.gain
    least, largest = _squared_radius(at.weights[at.support], spread, L, mass, int(outside.sum()))
    shrinking, rate = _confined(flow, float(point.radius), least, largest)
    x = point.radius * point.direction[outside]
    first, last = shrinking[1] * x, shrinking[0] * x
    share, whole = (mass / outside.sum()) ** (1 / L), mass ** (1 / L)
    # Who has its share at once may be all that is needed; who is pushed back still has it.
    room = mirror_entry(share, L) - mirror_entry(first, L)
    earliest = _first(room, L * rate[1] * (force + columns * error)) if room.min() > 0 else 0.0
    latest = _first(mirror_entry(whole, L) - mirror_entry(last, L), L * rate[0] * (force - columns * error))
    return Stay(mass, earliest, latest, (least, largest), at.loss - push * mass)


def _squared_radius(weights: Array, spread: float, L: int, mass: float, others: int) -> tuple[float, float]:
    """The range of r^2 for weights on the support within `spread` of the saddle's, and `others` of the given mass."""
    least = np.sum(np.maximum(weights - spread, 0) ** (2 / L))
    largest = np.sum((weights + spread) ** (2 / L)) + others ** (1 - 2 / L) * mass ** (2 / L)
    return float(least), float(largest)


def _confined(
    flow: GradientFlow | WeightNormFlow, radius: float, least: float, largest: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    r"""The ranges of $g(r)/g(r_0)$, $g = r e^{-\sigma(r)}$, and of $\gamma = \eta_u r^2$, for r^2 in a range."""
    if isinstance(flow, GradientFlow):
        return (1.0, 1.0), (1.0, 1.0)
    at_start = flow.log_magnification(np.asarray(radius))

    def relative(rho: float) -> float:
        return float(np.sqrt(rho) / radius * np.exp(at_start - flow.log_magnification(np.sqrt(rho))))

    rate, peak = flow.radial_rate * flow.ratio, min(max(1 / flow.ratio, least), largest)  # g grows up to r^2 = 1/c
    return (min(relative(least), relative(largest)), relative(peak)), (rate * least, rate * largest)


def _first(way: Array, speed: Array) -> float:
    """The earliest time at which one of several that move at constant speed has covered its way."""
    going = speed > 0
    return float(np.min(way[going] / speed[going])) if going.any() else np.inf


def exit_time(trajectory: Trajectory, at: Saddle, mass: float) -> float:
    """The first time at which the outsiders have the mass; infinite if they do not get it."""
    outside = ~at.support

    def missing(t: float) -> float:
        weights = trajectory.interpolant(np.array([t])).weights(trajectory.flow.depth)
        return float(np.log(weights[0, outside].sum() / mass))

    over = np.flatnonzero(trajectory.weights[:, outside].sum(axis=1) >= mass)
    if not over.size:
        return np.inf
    k = int(over[0])
    if k == 0:
        return 0.0
    before, after = float(trajectory.t[k - 1]), float(trajectory.t[k])
    return float(brentq(missing, before, after)) if missing(before) < 0 < missing(after) else after
