r"""Least squares with weight normalization (depth 1): laws, limits, rates and steps.

Problems are scaled so that the interpolant of least norm $w^\dagger$ has length 1: lengths are in its units, and the
learning-rate ratio c is the sharpness $k = c\, \|w^\dagger\|^2$ of the theorems.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from wnlib._checks import Array
from wnlib.descent import DescentMethod, PolarDescent, SalimansKingmaDescent, descend
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.metric import metric
from wnlib.flows.polar import Polar, polar_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.limit import limit
from wnlib.models.two_phases import least_norm, projected_descent
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory

FITTED = 1e-8  # relative residual at which a followed flow has arrived
LINEAR = 1e-3  # below which a flow is compared with its linearization


def problem(m: int, n: int, seed: int = 0) -> Problem:
    r"""Gaussian measurements (m, n) of dense Gaussian weights, scaled to $\|w^\dagger\| = 1$."""
    dense = Problem.gaussian(m, n, sparsity=n, seed=seed)
    y = dense.A @ np.random.default_rng([seed, 4]).standard_normal(n)
    return Problem(dense.A, y / linalg.norm(least_norm(Problem(dense.A, y))))


def direction(problem: Problem, seed: int = 0, towards: float = 1.0) -> Array:
    r"""A random direction (N,) with $\langle A^\top y, u\rangle$ of the sign of `towards`."""
    u = np.random.default_rng([seed, 5]).standard_normal(problem.shape[1])
    u *= np.sign(towards * (problem.y @ problem.A @ u))
    return u / linalg.norm(u)


def adverse(problem: Problem, seed: int = 0, share: float = 1e-2) -> Array:
    r"""A direction (N,) near $-w^\dagger$, the worst: its part in ker A has the norm `share`."""
    across = problem.kernel @ (problem.kernel.T @ direction(problem, seed))
    least = least_norm(problem)
    return -np.sqrt(1 - share**2) * least / linalg.norm(least) + share * across / linalg.norm(across)


def across(problem: Problem, weights: Array) -> Array:
    """The part of weights (..., N) in ker A, in an orthonormal basis (..., N - rank)."""
    return weights @ problem.kernel


def excess(problem: Problem, weights: Array) -> Array:
    r"""$\|w_\perp\|^2/q$ of weights (..., N): of an interpolant, the relative excess over the least squared norm."""
    least = least_norm(problem)
    return np.sum(across(problem, weights) ** 2, axis=-1) / (least @ least)


def to_interpolation(flow: Flow, problem: Problem, start: Polar) -> Trajectory:
    """Until the residual is `FITTED` times that of zero."""
    stop = FITTED**2 * problem.loss_of_zero
    return integrate(flow, problem, start, 1e9, rtol=1e-10, stop_loss=stop)


@dataclass(frozen=True, eq=False)
class Law:
    """The part in ker A along one flow: radius (T,), its signed size relative to the start's (T,), and where it ends.

    measured is that of the flow, predicted the theorem's; off_line how far it leaves its line, relatively.
    """

    radius: Array
    measured: Array
    predicted: Array
    off_line: float


def law(problem: Problem, ratio: float, u: Array, radius: float) -> Law:
    """Along the flow from radius * u; the radius has either sign."""
    flow = WeightNormFlow(1, ratio)
    path = to_interpolation(flow, problem, flow.start(u.size, radius, u))
    parts, r = across(problem, path.weights), path.radius
    size = parts @ parts[0] / (parts[0] @ parts[0])
    off = np.linalg.norm(parts - size[:, None] * parts[0], axis=1).max() / linalg.norm(parts[0])
    return Law(r, size, r / r[0] * np.exp(ratio * (r[0] ** 2 - r**2) / 2), float(off))


def limits(problem: Problem, ratio: float | None, u: Array, radii: Array) -> Array:
    """The excess (K,) of the computed limits from radii (K,) in the direction u; gradient flow's without a ratio."""
    flow = GradientFlow(1) if ratio is None else WeightNormFlow(1, ratio)
    return np.array([excess(problem, limit(flow, problem, flow.start(u.size, float(r), u)).weights) for r in radii])


def ends(problem: Problem, ratio: float | None, u: Array, radii: Array) -> Array:
    """The same of followed flows."""
    flow = GradientFlow(1) if ratio is None else WeightNormFlow(1, ratio)
    return np.array(
        [excess(problem, to_interpolation(flow, problem, flow.start(u.size, float(r), u)).weights[-1]) for r in radii]
    )


@dataclass(frozen=True, eq=False)
class Decay:
    r"""The residual along one flow, and its rates.

    t, residual  (T,), the residual relative to that of zero
    linear       (T,), the same by $e' = -G_\infty e$, from where it is `LINEAR` on; NaN before
    measured     its rate over the last decade
    local        the smallest eigenvalue of $G_\infty$
    since        the index of the first point with half the residual of zero, from which the global bound holds
    bound        (T,), this bound; NaN before
    condition    the condition number of $G_\infty$
    """

    t: Array
    residual: Array
    linear: Array
    measured: float
    local: float
    since: int
    bound: Array
    condition: float


def decay(problem: Problem, flow: Flow, u: Array, radius: float) -> Decay:
    """Along one flow, for A of full row rank."""
    path = to_interpolation(flow, problem, flow.start(u.size, radius, u))
    y, e = float(linalg.norm(problem.y)), problem.residual(path.weights)
    residual = np.linalg.norm(e, axis=1) / y
    last = residual < 10 * residual[-1]
    measured = -np.polyfit(path.t[last], np.log(residual[last]), 1)[0]
    rates, modes = linalg.eigh(problem.A @ metric(flow, polar_of(path.weights[-1], 1)) @ problem.A.T)
    near = int(np.argmax(residual <= LINEAR))
    linear = np.linalg.norm((e[near] @ modes) * np.exp(-np.outer(path.t - path.t[near], rates)), axis=1) / y
    linear[:near] = np.nan
    since = int(np.argmax(residual <= 0.5))
    largest, *_, smallest = linalg.svdvals(problem.A)
    lowest = np.asarray(y * (1 - residual[since]) / largest)
    slow = min(1.0, float(flow.relative_rate(lowest) * lowest**2))  # 1 for gradient flow
    bound = residual[since] * np.exp(-slow * smallest**2 * (path.t - path.t[since]))
    bound[:since] = np.nan
    condition = float(rates[-1] / rates[0])
    return Decay(path.t, residual, linear, float(measured), float(rates[0]), since, bound, condition)


@dataclass(frozen=True, eq=False)
class StepErrors:
    """Distances (methods, counts) at a fixed time from each method's flow, for numbers of steps (counts,)."""

    steps: Array
    error: dict[str, Array]

    def order(self, name: str) -> float:
        """The slope of the error against the step, on logarithmic axes, by least squares."""
        return float(np.polyfit(np.log(self.steps), np.log(self.error[name]), 1)[0])


def step_errors(problem: Problem, ratio: float, u: Array, radius: float, t: float, counts: Sequence[int]) -> StepErrors:
    """Of polar descent, of projected descent and of descent in (g, v), to the time t."""
    flow = WeightNormFlow(1, ratio)
    start = flow.start(u.size, radius, u)
    wanted = integrate(flow, problem, start, t, rtol=1e-11, coordinates="primal").weights[-1]
    methods: dict[str, DescentMethod] = {
        "polar": PolarDescent(1, ratio),
        "(g, v)": SalimansKingmaDescent(1, ratio**-0.5),
    }
    ends = {
        name: [descend(method, problem, start, t / k, k, k).weights[-1] for k in counts]
        for name, method in methods.items()
    }
    ends["projected"] = [projected_descent(problem, start, ratio, t / k, k).weights(1)[-1] for k in counts]
    error = {name: np.linalg.norm(np.array(found) - wanted, axis=1) for name, found in ends.items()}
    return StepErrors(t / np.array(counts, dtype=np.float64), error)


def tangential(problem: Problem, u: Array, radius: float, share: float) -> tuple[Array, Array]:
    r"""A projected step on u of length $\alpha$, and the tangential one of length $\alpha/(1 + \alpha s)$.

    Both (N,), from the weights radius * u, with $\alpha\, \|p\|$ = `share`; the second is a step of `PolarDescent`.
    They are the same if $1 + \alpha s > 0$, as it is for a share below 1.
    """

    def force(weights: Array) -> Array:
        return problem.residual(weights) @ problem.A

    p = force(radius * u)
    alpha = share / float(linalg.norm(p))
    start, method = Polar.of(radius, u), PolarDescent(1, 1 / radius)  # of which a step of h moves u by h
    projected = projected_descent(problem, start, 1 / radius, alpha, 1).direction[-1]
    moved = method.step(method.encode(start), alpha / (1 + alpha * float(p @ u)), force)
    return projected, method.decode(moved).direction
