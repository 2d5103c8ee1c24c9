r"""How long a flow stays near a saddle: bounds on the time at which it leaves, and that time along a trajectory.

The formulas are those of the theorem "The length of a plateau".
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib._values import Value
from wnlib.errors import ArgumentError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.geometry import mirror_entry
from wnlib.flows.polar import Polar
from wnlib.flows.units import Units, from_own, to_own
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.saddles import Saddle, saddle_at
from wnlib.trajectories.trajectory import Trajectory


@dataclass(frozen=True, eq=False, repr=False)
class Stay(Value):
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
    units, told = Units.of(problem, L), check.positive("mass", mass)
    mass = to_own("mass", told, units.weights)
    flow, point, problem = units.flow(flow), units.start(point), units.problem(problem)
    at = saddle_at(problem, from_own(at.weights, -units.weights))
    weights, outside = point.weights(L), ~at.support
    if not weights[outside].sum() < mass:
        had = from_own(float(weights[outside].sum()), units.weights)
        raise ArgumentError(f"mass must exceed that of the outsiders, {had:.3g}, got {told}")
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
    told_loss = from_own(at.loss - push * mass, units.loss)
    first_time, last_time = (from_own(time, units.time) for time in (earliest, latest))
    radii = from_own(least, 2 * units.point), from_own(largest, 2 * units.point)
    return Stay(told, first_time, last_time, radii, told_loss)


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
    if not missing(before) < 0 < missing(after):
        return after
    return float(brentq(missing, before, after, xtol=4e-16 * after))
