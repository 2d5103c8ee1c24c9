"""The window of robustness: the mass that weight normalization leads to as its ratio grows."""

import numpy as np
from scipy.optimize import brentq

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.flows.flow import GradientFlow
from wnlib.flows.polar import radius_of
from wnlib.flows.units import Units, from_own, to_own
from wnlib.limits.limit import LimitCurve
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit


def window_mass(problem: Problem, depth: int, scale: float) -> float:
    r"""The mass that a ratio c -> inf leads to: the least of interpolants z >= 0 with $\rho(z) \ge r_0^2$, depth >= 2.

    Q within the window. Beyond it a Lagrange multiplier turns the constraint into the divergence of gradient flow from
    a uniform start, whose scale is found such that $\rho$ of its limit is $r_0^2$.

    Args:
        scale: $r_0$ of the uniform start.

    Returns:
        In the units of the weights, to a relative error of about 1e-8; infinite where no start up to ten times larger
        than $r_0$ leads there. If because no interpolant is that large, the limits tend to the one of largest $\rho$.

    Raises:
        ArgumentError: for a depth or a scale out of its range.
        InfeasibleError: if there is no nonnegative interpolant.

    Example:
        >>> from wnlib import Problem, window_mass
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> [round(window_mass(problem, depth=2, scale=r), 4) for r in (1, 2)]  # max(Q, r^2)
        [3.0189, 4.0]
    """
    depth, scale = check.integer("depth", depth, least=2), check.positive("scale", scale)
    pursuit, units = basis_pursuit(problem), Units.of(problem, depth)
    inside = float(radius_of(pursuit.weights, depth))
    if scale <= inside:
        return pursuit.value
    own_inside, own_scale = from_own(inside, -units.point), to_own("scale", scale, units.point)
    return float(from_own(_beyond(units.problem(problem), depth, own_inside, own_scale), units.weights))


def _beyond(problem: Problem, depth: int, inside: float, scale: float) -> float:
    """The mass beyond the window, whose end is `inside`."""
    flow, curve = GradientFlow(depth), LimitCurve(problem, depth)

    def end(log_scale: float) -> Array:
        start = flow.start(problem.shape[1], float(np.exp(log_scale)))
        return curve.limit(flow, start, tolerance=1e-6).weights

    def surplus(log_scale: float) -> float:
        return float(np.log(radius_of(end(log_scale), depth) / scale))

    high = np.log(inside)
    while surplus(high) < 0:
        if high > np.log(10 * scale):
            return np.inf
        high += 0.5
    if depth == 2:  # where rho is the mass
        return scale**2
    # So small a start has an excess of at most 1e-8 (`magnification_excess_bound`).
    low = np.log(inside) - 18 / (depth - 2)
    if surplus(low) >= 0:
        return float(np.sum(end(low)))
    return float(np.sum(end(brentq(surplus, low, high, xtol=1e-8))))
