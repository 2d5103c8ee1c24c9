r"""Invariants along trajectories: conserved, broken, and what survives when the learning rates vary separately.

Every trajectory is followed in primal coordinates: dual coordinates would conserve the invariants by construction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.integrate import cumulative_simpson

from companion.experiments.setting import scale_of
from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.invariants import invariant_drift
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import ScheduledWeightNormFlow, WeightNormFlow
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory

PER_STEP = 8  # points of the quadrature in each step of the solver
ACCURATE = 1e-4  # how far a direction's part in ker A may shrink before it is a difference of rounded numbers


@dataclass(frozen=True, eq=False)
class Drift:
    """The invariants along one trajectory.

    t          (T,), times after the start
    conserved  (T,), the drift of the invariants
    plain      (T,), the same with x in place of z
    detuned    (T,), the same with c off by one per cent
    norm       the largest deviation of ||u|| from 1
    """

    t: Array
    conserved: Array
    plain: Array
    detuned: Array
    norm: float


@dataclass(frozen=True, eq=False)
class ToleranceSweep:
    """The largest drift (depths, tolerances) on trajectories followed to each relative tolerance."""

    depths: tuple[int, ...]
    rtols: Array
    drift: Array

    @property
    def orders(self) -> Array:
        """The slopes of drift against tolerance, on logarithmic axes, by least squares: shape (depths,)."""
        return np.polyfit(np.log(self.rtols), np.log(self.drift).T, 1)[0]


@dataclass(frozen=True, eq=False)
class Broken:
    r"""Rates that vary separately in time, along one trajectory; magnifications are in logarithms, less their start's.

    t          (T,), the times of the quadrature
    ratio      (T,), c(t)
    predicted  (T,), $\sigma(t) - \sigma(0)$, by quadrature
    measured   (T,), the same, from the invariant that broke
    radial     (T,), $c(t) r^2/2$, less its start: what the radius would say
    survived   (T,), the drift of the invariants that survive
    """

    t: Array
    ratio: Array
    predicted: Array
    measured: Array
    radial: Array
    survived: Array


def dependent(problem: Problem, count: int) -> Problem:
    """The problem with its last `count` rows replaced, by copies of the first ones and, last, by the sum of two."""
    m, _ = problem.shape
    count = check.integer("count", count, least=1, most=m - 2)
    keep = m - count
    mix = np.zeros((count, keep))
    mix[np.arange(count), np.arange(count) % keep] = 1
    mix[-1] = np.arange(keep) < 2
    mix = np.vstack([np.eye(keep), mix])
    return Problem(mix @ problem.A[:keep], mix @ problem.y[:keep], problem.truth)


def early_trajectory(flow: Flow, problem: Problem, rtol: float = 1e-11, fraction: float = 0.1) -> Trajectory:
    """From the uniform start of l1 norm fraction * Q until the loss is 1 % of what it was, or 30 units of angular time.

    In deep and strongly normalized flows the loss stays on plateaus; invariants do not need its end.
    """
    n = problem.shape[1]
    start = flow.start(n, scale_of(fraction * basis_pursuit(problem).value, flow.depth, n))
    t_end = 30.0 / flow.ratio if isinstance(flow, WeightNormFlow) else 30.0
    stop_loss = 0.01 * float(problem.loss(start.weights(flow.depth)))
    return integrate(flow, problem, start, t_end, rtol=rtol, coordinates="primal", stop_loss=stop_loss)


def drift(flow: WeightNormFlow, problem: Problem, rtol: float = 1e-11) -> Drift:
    """The invariants along the trajectory of `follow`, and two wrong versions of them."""
    path = early_trajectory(flow, problem, rtol)
    detuned = replace(flow, ratio=1.01 * flow.ratio)
    u = path.points
    x = Polar(np.abs(u.radius), u.log_direction, u.sign * np.sign(u.radius)[:, None])  # at depth 1, r may be negative
    return Drift(
        t=path.t[1:],
        conserved=path.invariant_drift[1:],
        plain=invariant_drift(GradientFlow(flow.depth), problem, x)[1:],
        detuned=invariant_drift(detuned, problem, path.points)[1:],
        norm=float(np.abs(np.linalg.norm(path.points.direction, axis=-1) - 1).max()),
    )


def tolerance_sweep(problem: Problem, depths: Sequence[int], ratio: float, rtols: Sequence[float]) -> ToleranceSweep:
    """Drift against the solver's tolerance, at each depth."""
    worst = [
        [float(early_trajectory(WeightNormFlow(depth, ratio), problem, rtol).invariant_drift.max()) for rtol in rtols]
        for depth in depths
    ]
    return ToleranceSweep(tuple(depths), np.array(rtols, dtype=np.float64), np.array(worst))


def measured_magnification(path: Trajectory) -> Array:
    r"""$\sigma(t) - \sigma(0)$ from the direction alone, as if $\langle v, m_L(u e^\sigma)\rangle$ were constant, (T,).

    At depth 2, $\langle v, \log u\rangle + \sigma\langle v, 1\rangle$, here for v = P_ker 1; at other depths the
    norm of $P_{\ker}u^{2-L}$, which grows like $e^{(L-2)\sigma}$. NaN where rounding hides it (`_power_in_kernel`).
    """
    L = path.flow.depth
    if L == 2:
        ones = _kernel_part(path.problem, np.ones(path.problem.shape[1]))
        log_u = path.points.log_direction
        return -(log_u - log_u[0]) @ ones / (ones @ ones)
    kernel_part, log_unit = _power_in_kernel(path)
    log_size = np.log(np.linalg.norm(kernel_part, axis=-1)) + log_unit
    return (log_size - log_size[0]) / (L - 2)


def surviving_drift(path: Trajectory) -> Array:
    r"""Relative change since the start of what survives any schedule, shape (T,).

    At depth 2, $\langle v, \log u\rangle$ for v in ker A orthogonal to 1; at other depths the direction of
    $P_{\ker}u^{2-L}$, NaN where rounding hides it.
    """
    if path.flow.depth == 2:
        log_u = path.points.log_direction
        change = _kernel_part(path.problem, log_u - log_u[0])
        ones = _kernel_part(path.problem, np.ones(log_u.shape[-1]))
        change -= np.outer(change @ ones / (ones @ ones), ones)
        return np.linalg.norm(change, axis=-1) / np.linalg.norm(log_u, axis=-1)
    kernel_part, _ = _power_in_kernel(path)
    unit = kernel_part / np.linalg.norm(kernel_part, axis=-1, keepdims=True)
    return np.linalg.norm(unit - unit[0], axis=-1)


def separate_rates(problem: Problem, depth: int, ratio: float, rtol: float = 1e-11) -> Broken:
    r"""Only the angular rate falls: $c(t) = c/(1 + 3t/T)$, T the time of `follow` at constant rates."""
    T = float(early_trajectory(WeightNormFlow(depth, ratio), problem, 1e-6).t[-1])
    flow = ScheduledWeightNormFlow(depth, ratio, angular_schedule=lambda t: 1 / (1 + 3 * t / T))
    path = early_trajectory(flow, problem, rtol)
    fractions = np.arange(PER_STEP) / PER_STEP
    fine = path.at(np.append((path.t[:-1, None] + np.diff(path.t)[:, None] * fractions).ravel(), path.t[-1]))
    c = np.array([ratio * flow.angular_schedule(t) for t in fine.t])
    # c r r' = eta_u L r^L <p, u^L> = eta_u L <p, w>, and <p, w> = <y - A w, A w>.
    output = fine.weights @ problem.A.T
    rate = c * depth * np.sum((problem.y - output) * output, axis=-1)
    radial = c * fine.radius**2 / 2
    return Broken(
        t=fine.t,
        ratio=c,
        predicted=cumulative_simpson(rate, x=fine.t, initial=0),
        measured=measured_magnification(fine),
        radial=radial - radial[0],
        survived=surviving_drift(fine),
    )


def common_schedule(problem: Problem, depth: int, ratio: float, rtol: float = 1e-11) -> float:
    """Both rates vary by one and the same factor: the largest drift of all the invariants."""
    constant = WeightNormFlow(depth, ratio)
    T = float(early_trajectory(constant, problem, 1e-6).t[-1])

    def factor(t: float) -> float:
        return 1 / (1 + 3 * t / T)

    path = early_trajectory(
        ScheduledWeightNormFlow(depth, ratio, radial_schedule=factor, angular_schedule=factor), problem, rtol
    )
    return float(invariant_drift(constant, problem, path.points).max())


def _kernel_part(problem: Problem, vectors: Array) -> Array:
    return vectors @ problem.kernel @ problem.kernel.T


def _power_in_kernel(path: Trajectory) -> tuple[Array, Array]:
    """The part of u^(2-L) in ker A, shape (T, N), and the logarithm (T,) of its unit, which may be beyond a float.

    At depth 1, u is not kept in logarithms: its part in ker A is NaN where it is too small against u to be accurate.
    """
    L, u = path.flow.depth, path.points
    if L == 1:
        part = _kernel_part(path.problem, u.direction)
        lost = np.linalg.norm(part, axis=-1) < ACCURATE * np.linalg.norm(part[0])
        return np.where(lost[:, None], np.nan, part), np.zeros(len(part))
    log_power = (2 - L) * u.log_direction
    log_unit = log_power.max(axis=-1)
    return _kernel_part(path.problem, np.exp(log_power - log_unit[:, None])), log_unit
