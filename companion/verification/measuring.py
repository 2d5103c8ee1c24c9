"""What measurements share: several comparisons in one, times to follow a flow for, and velocities as they are."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import RK45, cumulative_trapezoid, solve_ivp

from companion.verification.theorem import Measurement
from wnlib._checks import Array
from wnlib.flows.flow import Field, Flow
from wnlib.flows.geometry import MirrorMap, mirror_map
from wnlib.flows.polar import Polar
from wnlib.limits.large_ratio import LargeRatioPath
from wnlib.limits.limit import limit
from wnlib.linear.ranks import least_squares
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory


def together(*measurements: Measurement) -> Measurement:
    """Several comparisons as one, each in units of its own largest predicted value, or of its `scale` if larger."""
    measured, predicted = [], []
    for one in measurements:
        values, wanted = np.broadcast_arrays(np.atleast_1d(one.measured), one.predicted)
        unit = max(np.abs(wanted).max(), one.scale)
        measured.append(values.ravel() / unit)
        predicted.append(wanted.ravel() / unit)
    return Measurement(np.concatenate(measured), np.concatenate(predicted), scale=1.0)


def horizon(flow: Flow, problem: Problem, start: Polar, steps: int = 8) -> float:
    """The time that a few crude `steps` of an explicit solver cover: the flow has moved, and nothing is stiff yet."""
    field, state = flow.velocity(problem), flow.encode(start)
    first = 0.01 / np.abs(field(0.0, state)).max()
    with np.errstate(over="ignore", invalid="ignore"):  # in trial steps, which the solver rejects
        solver = RK45(field, 0.0, state, np.inf, rtol=1e-4, atol=1e-4, first_step=first)
        for _ in range(steps):
            solver.step()
    return float(solver.t)


def polar_velocity(flow: Flow, problem: Problem, point: Polar, t: float = 0.0) -> tuple[float, Array]:
    """The velocities r' and u' (N,) of a weight-normalized flow at one point, whatever it is integrated in."""
    velocity = flow.velocity(problem)(t, flow.encode(point))
    if flow.depth == 1:
        return float(velocity[0]), velocity[1:]
    return float(point.radius * velocity[0]), point.direction * velocity[1:]


POINTS, WEIGHTS = np.polynomial.legendre.leggauss(6)  # within each step of the solver


def integral(trajectory: Trajectory, rate: Callable[[Trajectory], Array]) -> Array:
    """Of a `rate` along the trajectory, one (T,) or several (T, K), from the start to each snapshot; as many."""
    t, half = trajectory.t, np.diff(trajectory.t)[:, None] / 2
    dense = trajectory.at(np.minimum((t[:-1, None] + half * (1 + POINTS)).ravel(), t[-1]))
    rates = rate(dense)
    each = np.einsum("ij,ij...->i...", half * WEIGHTS, rates.reshape(half.size, len(POINTS), *rates.shape[1:]))
    return np.concatenate([np.zeros_like(each[:1]), np.cumsum(each, axis=0)])


def clock(trajectory: Trajectory, mirror: MirrorMap) -> tuple[Array, Array]:
    r"""The integrals of $\kappa L$ and of $\kappa L\, \ell$ over time, from the start to each snapshot, (T,) each."""
    tau = integral(trajectory, lambda part: mirror.speed(part.points))
    return tau, integral(trajectory, lambda part: mirror.speed(part.points) * part.loss)


FINER = 4  # points in each step of the solver, where integrands jump


@dataclass(frozen=True, eq=False)
class Lag:
    r"""Weight normalization at depth 2 behind its limit at an infinite ratio, at T times; all of shape (T, ...).

    times     $\hat\tau$, of the theorem on the rescaled dual flow
    distance  $\lVert\hat\lambda_c - \hat\lambda_\infty\rVert$
    bound     on it, by what the entropy is behind: see the theorem on inverse scale space
    weights   of the flow and of the limit, (2, T, N)
    """

    times: Array
    distance: Array
    bound: Array
    weights: Array


def lag(trajectory: Trajectory, path: LargeRatioPath, clock: float = 1.0) -> Lag:
    """At the solver's times and some between them; the limit may be read by another `clock`."""
    t, problem, flow = trajectory.t, trajectory.problem, trajectory.flow
    dense = trajectory.at(np.interp(np.arange(FINER * (len(t) - 1) + 1) / FINER, np.arange(len(t)), t))
    start, unit = dense.points[0], 2 / float(flow.relative_rate(dense.points[0].radius))
    mirror = mirror_map(flow, float(start.radius))
    times = unit * integral(dense, lambda part: mirror.speed(part.points))
    dual = unit * least_squares(problem.A.T, (mirror.gradient(dense.points) - mirror.gradient(start)).T).T
    there = clock * times
    ahead = there[:, None] * problem.y - path.integral(there) @ problem.A.T
    weights = np.stack([dense.weights, path.at(there)])
    missing = np.sum((weights[1] - weights[0]) * 2 * (dense.points.log_direction - start.log_direction), axis=1)
    squared = unit * cumulative_trapezoid(missing, times, initial=0)
    return Lag(times, np.linalg.norm(dual - ahead, axis=1), np.sqrt(np.maximum(squared, 0)), weights)


FITTED = 1e-17  # of the loss at w = 0


def least_norm(problem: Problem) -> Array:
    r"""$w^\dagger$, shape (N,)."""
    return least_squares(problem.A, problem.y)


def until_fitted(flow: Flow, problem: Problem, start: Polar, fitted: float = FITTED) -> Trajectory:
    """Until only the share `fitted` of the loss of w = 0 is left."""
    return integrate(flow, problem, start, 1e12, rtol=1e-8, stop_loss=fitted * problem.loss_of_zero)


def computed_limit(trajectory: Trajectory) -> Array:
    """By `limit`, from the first point with less than a hundredth of the loss of w = 0: that lies behind; (N,)."""
    low = 0.01 * trajectory.problem.loss_of_zero
    later = trajectory.points[int(np.argmax(trajectory.loss < low))]
    return limit(trajectory.flow, trajectory.problem, later).weights


def solved(field: Field, start: Array, times: Array) -> Array:
    """States at `times`, shape (T, n)."""
    with np.errstate(over="ignore", invalid="ignore"):  # in trial steps, which the solver rejects
        return solve_ivp(field, times[[0, -1]], start, method="DOP853", t_eval=times, rtol=1e-10, atol=1e-12).y.T
