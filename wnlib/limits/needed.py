r"""The ratio or the scale with which a limit has a given excess.

Let M be the magnification from the start to the limit w, and $\chi = u_0^{2-L}$. The excess
$\langle\chi, w\rangle - Q$ depends on M alone, and falls with it: M is the root of one equation, near which
`LeadingOrder` begins. From M follow the scale of gradient flow, $M = r_\infty/r_0$, and the ratio, $\log M = \tfrac c2
(r_\infty^2 - r_0^2)$. With a certificate $\nu$ of basis pursuit the excess is $\langle\chi - A^\top\nu, w\rangle$, no
difference of like numbers.
"""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from wnlib import _checks as check
from wnlib.errors import ArgumentError
from wnlib.flows.flow import GradientFlow
from wnlib.flows.units import Units, from_own, to_own
from wnlib.limits.end_point import Limit
from wnlib.limits.leading_order import End, LeadingOrder
from wnlib.limits.limit import LimitCurve
from wnlib.limits.sparse_limit import costs
from wnlib.problem import Problem
from wnlib.sparse.margin import margin

LOWEST, HIGHEST = -690.0, 20.0  # logarithms of scales, in the problem's own unit
LONGEST = 4.0  # step between them
TINY = float(np.finfo(float).tiny)


def needed_ratio(
    problem: Problem, depth: int, scale: float, excess: float, direction: ArrayLike | None = None
) -> float:
    r"""The learning-rate ratio c with which weight normalization ends at a given l1 excess.

    Args:
        depth: L >= 2.
        scale: $r_0$ of the start.
        excess: What $(\langle\chi, w_\infty\rangle - Q)/Q$ shall be, with $\chi = u_0^{2-L}$; the relative l1 excess if
            the direction is uniform or the depth is 2.
        direction: $u_0$, shape (N,), positive; uniform by default.

    Returns:
        c; 0 if every ratio will do.

    Raises:
        ArgumentError: for arguments out of their range, if $r_0 \ge r_\infty$, where no ratio will do, for an excess
            that is too large, and if all nonnegative interpolants are solutions of basis pursuit.
        InfeasibleError: if there is no nonnegative interpolant.

    Example:
        >>> from wnlib import Problem, WeightNormFlow, limit, needed_ratio
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> c = needed_ratio(problem, depth=2, scale=1.0, excess=1e-3)
        >>> flow = WeightNormFlow(depth=2, ratio=c)
        >>> round(limit(flow, problem, flow.start(60, scale=1.0)).l1_excess, 6)
        0.001
    """
    depth, scale = check.integer("depth", depth, least=2), check.positive("scale", scale)
    units = Units.of(problem, depth)
    end = _end(units.problem(problem), depth, check.positive("excess", excess), direction)
    gain = end.radius**2 - to_own("scale", scale, units.point) ** 2
    if gain <= 0:
        largest = from_own(end.radius, units.point)
        raise ArgumentError(f"scale must be < {largest:.6g}, the radius of the limit, got {scale:.6g}")
    return float(from_own(2 * max(0.0, end.log_magnification) / gain, units.ratio))


def needed_scale(problem: Problem, depth: int, excess: float, direction: ArrayLike | None = None) -> float:
    r"""The scale $r_0$ from which gradient flow ends at a given l1 excess.

    Args:
        depth: L >= 2.
        excess: As of `needed_ratio`.
        direction: $u_0$, shape (N,), positive; uniform by default.

    Returns:
        $r_0$: to leading order a power of the excess, $\sim \text{excess}^{1/(2\gamma)}$ at depth 2 and
        $\sim \text{excess}^{1/L}$ above.

    Raises:
        ArgumentError: for arguments out of their range, for an excess that is too large, and if all nonnegative
            interpolants are solutions of basis pursuit.
        InfeasibleError: if there is no nonnegative interpolant.

    Example:
        >>> from wnlib import GradientFlow, Problem, limit, needed_scale
        >>> problem, flow = Problem.gaussian(m=24, n=60, sparsity=3), GradientFlow(depth=2)
        >>> scale = needed_scale(problem, depth=2, excess=1e-3)
        >>> round(limit(flow, problem, flow.start(60, scale)).l1_excess, 6)
        0.001
    """
    depth = check.integer("depth", depth, least=2)
    units = Units.of(problem, depth)
    end = _end(units.problem(problem), depth, check.positive("excess", excess), direction)
    return float(from_own(np.exp(end.log_scale), units.point))


def _end(problem: Problem, depth: int, excess: float, direction: ArrayLike | None) -> End:
    """At the root, between scales of gradient flow around the one that the leading order tells."""
    flow, count = GradientFlow(depth), problem.shape[1]
    start = flow.start(count, 1.0, direction)
    found = margin(problem, costs(start, depth))
    if np.isinf(found.value):
        raise ArgumentError("problem must have nonnegative interpolants that do not solve basis pursuit, got none")
    curve = LimitCurve(problem, depth, direction)
    slacks = np.maximum(found.costs - problem.A.T @ found.dual, 0.0)  # below 0 by no more than rounding errors
    first, surplus = LeadingOrder(problem, found, start, depth), excess * float(found.costs @ found.target)

    @cache
    def limit_from(log_scale: float) -> Limit:
        return curve.limit(flow, flow.start(count, float(np.exp(log_scale)), direction))

    def more(log_scale: float) -> float:
        return float(np.log(max(float(slacks @ limit_from(log_scale).weights), TINY) / surplus))

    low = high = float(np.clip(first.end(surplus).log_scale, LOWEST, HIGHEST))
    step = 0.1
    while more(low) > 0 and low > LOWEST:
        low, high, step = max(low - step, LOWEST), low, min(2 * step, LONGEST)
    while more(high) < 0 and high < HIGHEST:
        low, high, step = high, min(high + step, HIGHEST), min(2 * step, LONGEST)
    if not more(low) <= 0 <= more(high):
        raise ArgumentError(f"excess must be that of some limit, got {excess:.4g}")
    log_scale = float(brentq(more, low, high, xtol=1e-13, rtol=1e-13)) if low < high else low
    return End(log_scale, limit_from(log_scale).radius)
