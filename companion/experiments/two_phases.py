"""Least squares in two phases: how far phase one must go, and what single-phase methods reach from the same starts.

Problems are those of `companion.experiments.least_squares`, on which the interpolant of least norm has length 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from companion.experiments.least_squares import across, excess, to_interpolation
from wnlib._checks import Array
from wnlib.descent import DescentMethod, GradientDescent, PolarDescent, descend
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import ScheduledWeightNormFlow, WeightNormFlow
from wnlib.limits.limit import limit
from wnlib.models.two_phases import Guarantee, certificate, guarantees, least_norm, projected_descent
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory

GRID = 2.0 ** np.arange(-6, 5)  # lengths of steps that are tried, in units of 1 / ||A||^2
ARRIVED = 1e-6  # residual relative to that of zero, at which a descent has arrived


@dataclass(frozen=True, eq=False)
class PhaseOne:
    """Phase one from one direction, and releases on the way.

    t            (T,), times
    share        (T,), n, the norm of u's part in ker A
    told         (T,), what the force tells of it (`certificate`)
    known        what is known of it in advance
    released     (K,), the indices of times at which phase two was started
    excess       (K,), the excess of its limit, computed
    followed     (K,), of the flow, followed
    allowed      (K,), the theorem's bound
    """

    t: Array
    share: Array
    told: Array
    known: tuple[Guarantee, ...]
    released: NDArray[np.intp]
    excess: Array
    followed: Array
    allowed: Array

    @property
    def promised(self) -> Array:
        """The best bound on n that was known in advance, shape (T,)."""
        return np.min([one.along_flow(self.t) for one in self.known], axis=0)


def held(problem: Problem, ratio: float, u: Array, radius: float, t: float) -> Trajectory:
    """The flow of the direction alone, from radius * u to the time t."""
    flow = ScheduledWeightNormFlow(1, ratio, radial_schedule=lambda t: 0.0)
    return integrate(flow, problem, flow.start(u.size, radius, u), t, rtol=1e-12, coordinates="primal")


def phase_one(problem: Problem, ratio: float, u: Array, radius: float, releases: int = 7) -> PhaseOne:
    """From radius * u, until n <= 1e-4 is known in advance; with `releases` starts of phase two."""
    known = guarantees(problem, radius, u, ratio)
    flow = WeightNormFlow(1, ratio)
    t = np.linspace(0, min((np.arccosh(1e4) - one.offset) / one.rate for one in known), 200)
    points = held(problem, ratio, u, radius, t[-1]).at(t).points
    share = np.linalg.norm(across(problem, points.direction), axis=1)
    below = problem.loss(points.weights(1)) < problem.loss_of_zero
    usable = np.flatnonzero(below & (share > 1e-5))  # above what rounding blurs
    released = np.unique(usable[np.linspace(0, usable.size - 1, releases).astype(int)])
    starts = [flow.start(u.size, radius, points.direction[i]) for i in released]
    final = np.array([excess(problem, limit(flow, problem, start).weights) for start in starts])
    followed = np.array([excess(problem, to_interpolation(flow, problem, start).weights[-1]) for start in starts])
    allowed = allowed_excess(problem, ratio, radius, share[released])
    return PhaseOne(t, share, certificate(problem, points), known, released, final, followed, allowed)


def allowed_excess(problem: Problem, ratio: float, radius: float, share: Array) -> Array:
    """The theorem's bound on the excess of the limit, released with these shares n (...), relative to q."""
    q = float(np.sum(least_norm(problem) ** 2))
    of_itself = share**2 * np.exp(-ratio * (q - radius**2))
    return np.asarray(of_itself / (1 - of_itself))


@dataclass(frozen=True, eq=False)
class Switching:
    """Steps of phase one until n is below each of some tolerances (K,): in fact, as told by the force, as promised."""

    tolerances: Array
    true: NDArray[np.intp]
    told: NDArray[np.intp]
    promised: NDArray[np.intp]


def switching(
    problem: Problem, ratio: float, u: Array, radius: float, step: float, tolerances: Sequence[float]
) -> Switching:
    """With projected steps of one length."""
    wanted = np.array(tolerances, dtype=np.float64)
    known = guarantees(problem, radius, u, ratio)
    promised = np.min(
        [np.ceil((np.arccosh(1 / wanted) - one.offset) / np.log1p(step * one.rate)) for one in known], axis=0
    ).astype(int)
    points = projected_descent(problem, Polar.of(radius, u), ratio, step, max(int(promised.max()), 1), radial=0.0)
    share = np.linalg.norm(across(problem, points.direction), axis=1)
    told = certificate(problem, points)
    return Switching(wanted, _first(share, wanted), _first(told, wanted), promised)


def _first(values: Array, wanted: Array) -> NDArray[np.intp]:
    """The first index at which values (T,) are at most each of the wanted ones (K,); T where none is."""
    reached = values[:, None] <= wanted
    return np.where(reached.any(axis=0), reached.argmax(axis=0), len(values))


@dataclass(frozen=True, eq=False)
class Run:
    r"""One descent with its fastest step: the distance $\|w - w^\dagger\|^2/q$ after each step, (steps + 1,).

    step, in units of $1/\|A\|^2$; arrived, the step after which the residual is `ARRIVED`, or the last; switched, the
    step at which phase two begins, 0 if there is only one phase.
    """

    distance: Array
    step: float
    arrived: int
    switched: int = 0


def until_told(problem: Problem, ratio: float, u: Array, radius: float, length: float, told: float, most: int) -> Polar:
    r"""Phase one by projected steps, (k + 1) points: until n <= `told` is known, or nothing is left to fit.

    It is known in advance, or by the force, which must pull outwards. `length` is that of the steps, in units of $1/(c
    r^2 \|A\|^2)$; at most `most` of them are taken.
    """
    step = length / (ratio * radius**2 * float(linalg.norm(problem.A, 2)) ** 2)
    points = projected_descent(problem, Polar.of(radius, u), ratio, step, most, radial=0.0)
    by_force = certificate(problem, points)
    known = by_force
    if radius < linalg.norm(least_norm(problem)):
        steps = np.arange(most + 1)
        known = np.min(
            [known, *(one.along_steps(steps, step) for one in guarantees(problem, radius, u, ratio))], axis=0
        )
    fitted = problem.loss(points.weights(1)) <= ARRIVED**2 * problem.loss_of_zero
    done = fitted | ((known <= told) & np.isfinite(by_force))
    return points[: int(done.argmax() if done.any() else most) + 1]


def race(
    problem: Problem, ratio: float, u: Array, radius: float, steps: int, told: float, length: float
) -> dict[str, Run]:
    """Single-phase methods and two phases from radius * u, each with the step of `GRID` that arrives first.

    Phase one is that of `until_told`, with steps of its own `length`, and takes at most half of the steps.
    """
    unit = 1 / float(linalg.norm(problem.A, 2)) ** 2
    start = Polar.of(radius, u)
    first = until_told(problem, ratio, u, radius, length, told, steps // 2)
    switch = first.radius.size - 1

    def library(method: DescentMethod) -> Callable[[float], Array]:
        return lambda step: descend(method, problem, start, step, steps, divergence="record").weights

    def phases(step: float) -> Array:
        second = projected_descent(problem, first[switch], ratio, step, steps - switch)
        return np.concatenate([first.weights(1)[:switch], second.weights(1)])

    runs: dict[str, Callable[[float], Array]] = {
        "gradient descent": library(GradientDescent(1)),
        "polar descent": library(PolarDescent(1, ratio)),
        "projected descent": lambda step: projected_descent(problem, start, ratio, step, steps).weights(1),
        "two phases": phases,
    }
    return {name: _fastest(problem, run, unit, switch if run is phases else 0) for name, run in runs.items()}


def _fastest(problem: Problem, run: Callable[[float], Array], unit: float, switched: int) -> Run:
    least = least_norm(problem)
    found = []
    for step in GRID:
        with np.errstate(over="ignore", invalid="ignore"):  # of steps that are too long
            weights = run(float(step * unit))
            residual = np.linalg.norm(problem.residual(weights), axis=1) / linalg.norm(problem.y)
            distance = np.sum((weights - least) ** 2, axis=1) / (least @ least)
        if residual[-1] <= ARRIVED:
            arrived = int(_first(residual[switched:], np.array([ARRIVED]))[0]) + switched
            found.append(Run(distance, float(step), arrived, switched))
    return min(found, key=lambda one: one.arrived)
