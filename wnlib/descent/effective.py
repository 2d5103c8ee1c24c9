r"""The effective start: from where the flow would end where a descent of long or random steps does.

A step multiplies each entry of x, or of the rescaled vector V of weight normalization, by a factor $1 + \varepsilon$
with $\varepsilon \odot V^{2-L} \in \operatorname{row}(A)$, whatever its length and its rows. The flows' invariants live
on $m_L(V)$, which falls below its tangents, by

$$V^{2-L} f_L(\varepsilon), \qquad f_L(\varepsilon) = \varepsilon + m_L(1) - m_L(1 + \varepsilon) \ge 0 .$$

What these tilts add up to, in units of $V_0^{2-L}$, is taken from the start: at depth 2 it multiplies an entry by
$\exp(-\sum f_2)$, at larger depths by $(1 + (L-2) \sum (V_0/V)^{L-2} f_L)^{-1/(L-2)}$. In polar coordinates V lengthens
with the directions u by $1/(\langle u_j, u_{j+1}\rangle (1 - b_j))$, $b_j = c_j r_j (r_{j+1} - r_j)$, in each step,
where the magnified coordinates of the flow gain $c (r_{j+1}^2 - r_j^2)/2$: the difference is a change of the radius.
"""

import numpy as np

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.descent.methods import GradientDescent
from wnlib.descent.polar import PolarDescent, SalimansKingmaDescent
from wnlib.descent.result import Descent
from wnlib.descent.units import in_units
from wnlib.errors import ArgumentError
from wnlib.flows.polar import Polar, log_norm
from wnlib.flows.units import Units, from_own

METHODS = (GradientDescent, PolarDescent, SalimansKingmaDescent)  # those with decay follow another flow


def effective_start(descent: Descent) -> Polar:
    r"""From where the method's flow ends at the last weights of a descent, for the measurements that these have.

    The descent may be stochastic, its steps of any length. Salimans-Kingma descent has the flow of its first ratio. The
    flow from there can still collapse, see `collapses`.

    Args:
        descent: Of depth >= 2, without decay, with a snapshot of each step.

    Returns:
        Points, shape (..., N), one for each run.

    Raises:
        ArgumentError: for another descent, for runs of different flows, and if there is no such start, because a step
            has $b \ge 1$ or the radius would not be positive.

    Example:
        >>> from wnlib import GradientDescent, Problem, descend, effective_start, limit
        >>> problem, method = Problem.gaussian(m=12, n=30, sparsity=2), GradientDescent(2)
        >>> first = method.flow.start(30, scale=1.0)
        >>> descent = descend(method, problem, first, step=0.1, steps=100, batch_size=4)
        >>> start, seen = effective_start(descent), problem.A @ descent.weights[-1]
        >>> end = limit(method.flow, Problem(problem.A, seen), start)
        >>> bool(abs(end.weights - descent.weights[-1]).max() < 1e-12)
        True
        >>> bool((start.weights(2) < first.weights(2)).all())
        True
    """
    _check(descent)
    L, points, units = descent.method.depth, descent.points, Units.of(descent.problem, descent.method.depth)
    flow, r = in_units(descent.method, units).flow, from_own(descent.radius, -units.point)
    if isinstance(descent.method, GradientDescent):
        lengthened = np.log(r / r[0])
    elif isinstance(descent.method, SalimansKingmaDescent):
        lengthened = _lengthened(points.direction, r, from_own(descent.norm, -units.point) ** -2)
    else:
        lengthened = _lengthened(points.direction, r, flow.relative_rate(r))
    log_V = points.log_direction + lengthened[..., None]
    gain = flow.log_magnification(r[-1]) - lengthened[-1]
    log_z = gain[..., None] + points.log_direction[0] - _tilt(log_V, L)
    log_length = log_norm(log_z)
    radius = flow.radius(log_length)
    if not np.all(radius > 0):
        raise ArgumentError("descent must end where the flow does from some start, got one for which r^2 would be <= 0")
    return Polar(from_own(radius, units.point), log_z - log_length[..., None], np.ones(1))


def _lengthened(u: Array, r: Array, ratio: Array) -> Array:
    r"""$\log(\|V_j\| / \|V_0\|)$ at each step, shape (T, ...), from directions, radii and ratios."""
    kept = 1 - ratio[:-1] * r[:-1] * np.diff(r, axis=0)
    if kept.min(initial=1.0) <= 0:
        raise ArgumentError(f"descent must have steps with b < 1, got one with b = {1 - kept.min():.3g}")
    apart = np.sum(np.diff(u, axis=0) ** 2, axis=-1) / 2  # 1 - <u_j, u_{j+1}>
    longer = -np.log(kept) - np.log1p(-apart)
    return np.concatenate([np.zeros((1, *r.shape[1:])), np.cumsum(longer, axis=0)])


def _tilt(log_V: Array, L: int) -> Array:
    """The logarithm of what divides the entries of the start, (..., N), from log V at each step, (T, ..., N)."""
    grown = np.diff(log_V, axis=0)
    if L == 2:
        return np.sum(np.expm1(grown) - grown, axis=0)
    falls = np.expm1(grown) - np.expm1((2 - L) * grown) / (2 - L)
    return np.log1p((L - 2) * np.sum(np.exp((2 - L) * (log_V[:-1] - log_V[0])) * falls, axis=0)) / (L - 2)


def _check(descent: Descent) -> None:
    if not isinstance(descent, Descent) or type(descent.method) not in METHODS:
        raise ArgumentError(f"descent must be a Descent without decay, got {descent!r}")
    check.integer("depth", descent.method.depth, least=2)
    if not np.array_equal(descent.t[1] * descent.steps, descent.t[-1]):
        raise ArgumentError("descent must have a snapshot of each step, as with every=1, got fewer")
