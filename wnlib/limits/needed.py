r"""The ratio or the scale that a sparse limit needs, predicted before anything runs.

Let M be the magnification from the start $z_0 = \zeta u_0$ to the limit $z_\infty$, $\|z_\infty\| = M \|z_0\|$. The
limit minimises $\langle\chi, w\rangle$, $\chi = u_0^{2-L}$, up to an excess that falls like a power of M, at a rate and
with a factor that the certificates of basis pursuit tell. Let $\nu$ be one of them, $A_J^\top\nu = \chi_J$ on the
support J of the minimiser $z^*$ of value Q, with slacks $s_j = 1 - A_j^\top\nu/\chi_j > 0$ elsewhere. As $M \to
\infty$,

$$\frac{\langle\chi, w_\infty\rangle - Q}{\rho_*^{L/2}} \sim M^{-L}
\min_\nu \sum_{j \notin J} u_{0,j}^2\, s_j^{-2/(L-2)}
\quad (L \ge 3),$$

$\rho_* = \rho(z^*)$. At depth 2 it falls like $M^{-2\gamma}$, with the largest least slack $\gamma$, along the
direction v that belongs to it (`Margin`): $w_\infty \approx z^* + m v$ with

$$2\gamma \log M = -\sum_i v_i \log\frac{w_i}{S u_{0,i}^2},\qquad S = \|w_\infty\|_1 .$$

From M follow the ratio, $\log M = \tfrac c2 (r_\infty^2 - r_0^2)$, and the scale of gradient flow, $M = r_\infty/r_0$.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import ArgumentError
from wnlib.flows.flow import GradientFlow
from wnlib.flows.polar import radius_of
from wnlib.flows.units import Units, from_own, to_own
from wnlib.linear.ranks import kernel, least_squares
from wnlib.problem import Problem
from wnlib.sparse.margin import Margin, margin

STEPS = 100  # of Newton's method
DECREMENT = 1e-14  # relative, at which it ends


class Needed(NamedTuple):
    """The logarithm of a magnification, and the radius of the limit, in the problem's own units."""

    log_magnification: float
    radius: float


def needed_ratio(
    problem: Problem, depth: int, scale: float, excess: float, direction: ArrayLike | None = None
) -> float:
    r"""The learning-rate ratio c that weight normalization needs for a small l1 excess, predicted.

    Args:
        depth: L >= 2.
        scale: $r_0$ of the start.
        excess: What $(\langle\chi, w_\infty\rangle - Q)/Q$ shall be, with $\chi = u_0^{2-L}$; the relative l1 excess if
            the direction is uniform or the depth is 2.
        direction: $u_0$, shape (N,), positive; uniform by default.

    Returns:
        c, to leading order in the excess; 0 if every ratio will do.

    Raises:
        ArgumentError: for arguments out of their range, if $r_0 \ge r_\infty$, where no ratio will do, if an excess
            at depth 2 is so large that its leading order says nothing, and if basis pursuit has several solutions or
            only one interpolant is nonnegative.
        InfeasibleError: if there is no nonnegative interpolant.

    Example:
        >>> from wnlib import Problem, WeightNormFlow, limit, needed_ratio
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> c = needed_ratio(problem, depth=2, scale=1.0, excess=1e-3)
        >>> flow = WeightNormFlow(depth=2, ratio=c)
        >>> round(limit(flow, problem, flow.start(60, scale=1.0)).l1_excess, 3)
        0.001
    """
    depth, scale = check.integer("depth", depth, least=2), check.positive("scale", scale)
    units = Units.of(problem, depth)
    needed = _needed(units.problem(problem), depth, check.positive("excess", excess), direction)
    gain = needed.radius**2 - to_own("scale", scale, units.point) ** 2
    if gain <= 0:
        largest = from_own(needed.radius, units.point)
        raise ArgumentError(f"scale must be < {largest:.6g}, the radius of the limit, got {scale:.6g}")
    return float(from_own(2 * max(0.0, needed.log_magnification) / gain, units.ratio))


def needed_scale(problem: Problem, depth: int, excess: float, direction: ArrayLike | None = None) -> float:
    r"""The scale $r_0$ from which gradient flow has a small l1 excess, predicted.

    Args:
        depth: L >= 2.
        excess: As of `needed_ratio`.
        direction: $u_0$, shape (N,), positive; uniform by default.

    Returns:
        $r_0$, to leading order in the excess: a power of it, $\sim \text{excess}^{1/(2\gamma)}$ at depth 2 and
        $\sim \text{excess}^{1/L}$ above.

    Raises:
        ArgumentError: for arguments out of their range, if an excess at depth 2 is so large that its leading order
            says nothing, and if basis pursuit has several solutions or only one interpolant is nonnegative.
        InfeasibleError: if there is no nonnegative interpolant.

    Example:
        >>> from wnlib import GradientFlow, Problem, limit, needed_scale
        >>> problem, flow = Problem.gaussian(m=24, n=60, sparsity=3), GradientFlow(depth=2)
        >>> scale = needed_scale(problem, depth=2, excess=1e-3)
        >>> round(limit(flow, problem, flow.start(60, scale)).l1_excess, 3)
        0.001
    """
    depth = check.integer("depth", depth, least=2)
    units = Units.of(problem, depth)
    needed = _needed(units.problem(problem), depth, check.positive("excess", excess), direction)
    return float(from_own(needed.radius * np.exp(-needed.log_magnification), units.point))


def _needed(problem: Problem, depth: int, excess: float, direction: ArrayLike | None) -> Needed:
    start = GradientFlow(depth).start(problem.shape[1], 1.0, direction).direction
    found = margin(problem, start ** (2 - depth))
    if not 0 < found.value < np.inf:
        count = "several solutions" if found.value == 0 else "no other nonnegative interpolant than its solution"
        raise ArgumentError(f"problem must have other interpolants and one solution of basis pursuit, got {count}")
    return _by_margin(found, start, excess) if depth == 2 else _by_slacks(problem, found, start, depth, excess)


def _by_margin(found: Margin, start: Array, excess: float) -> Needed:
    """Depth 2: along the cheapest direction, up to where a weight of the support vanishes."""
    way, Q = found.direction / found.value, float(found.target.sum())
    falling = way < 0
    most = float(np.min(found.target[falling] / -way[falling], initial=np.inf)) / Q
    if excess >= most:
        raise ArgumentError(f"excess must be < {most:.4g}, up to where the leading order tells it, got {excess:.4g}")
    weights = found.target + excess * Q * way
    share = weights / weights.sum()
    moved = found.direction != 0
    bits = found.direction[moved] * np.log(share[moved] / start[moved] ** 2)
    return Needed(-float(bits.sum()) / (2 * found.value), float(np.sqrt(weights.sum())))


def _by_slacks(problem: Problem, found: Margin, start: Array, depth: int, excess: float) -> Needed:
    r"""Depth >= 3: $\rho_\infty^{L/2} M^{-L} K$ is the excess, and $\rho_\infty (1 - K/M^2) = \rho_*$."""
    K = least_sum(problem, found, start, depth)
    rho, Q = float(radius_of(found.target, depth)) ** 2, float(found.costs @ found.target)

    def magnification(square: float) -> float:
        return float(np.exp((np.log(K / (excess * Q)) + depth / 2 * np.log(square)) / depth))

    square = rho
    for _ in range(STEPS):
        last, square = square, rho / max(0.1, 1 - K / magnification(square) ** 2)
        if abs(square - last) <= 1e-12 * square:
            break
    return Needed(float(np.log(magnification(square))), float(np.sqrt(square)))


def least_sum(problem: Problem, found: Margin, start: Array, depth: int) -> float:
    r"""$\min_\nu \sum_{j \notin J} u_{0,j}^2 s_j^{-2/(L-2)}$ over the certificates, depth >= 3, by Newton's method."""
    q, off = 2 / (depth - 2), ~found.support
    priced = problem.A / found.costs
    on, B = priced[:, found.support].T, priced[:, off].T
    s, moves = 1 - B @ found.dual, B @ kernel(on, len(on))
    squares = start[off] ** 2

    def total(s: Array) -> float:
        return float(squares @ s**-q) if s.min() > 0 else np.inf

    for _ in range(STEPS):
        slope = moves.T @ (q * squares * s ** (-q - 1))
        curvature = (moves.T * (q * (q + 1) * squares * s ** (-q - 2))) @ moves
        step = least_squares(curvature, -slope)
        if -float(slope @ step) <= DECREMENT * total(s):
            break
        length = 1.0
        while not total(s - length * moves @ step) < total(s) and length > DECREMENT:
            length /= 2
        s = s - length * moves @ step
    return total(s)
