r"""What the theory guarantees about the limit without solving for it.

The limit of a flow minimises the Bregman divergence $D_\Phi(w, w_0)$ over the interpolants. From a uniform start it is
also larger than that of the uniform weights of the same mass $S = \|w_\infty\|_1$. Hence, with any interpolant z,

$D_\Phi(\tfrac{S}{N}\mathbf 1, w_0) \le D_\Phi(w_\infty, w_0) \le D_\Phi(z, w_0),$

and the left side, convex in S, confines S to an interval: for every depth, either flow, and any scale of the start. The
other bounds solve this inequality, exactly or for the first terms. `target` is always a nonnegative interpolant, shape
(N,), usually the minimiser of basis pursuit, with mass Q; `scale` is the norm $r_0 = \|x(0)\|$ of a uniform start.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import lambertw

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import ArgumentError
from wnlib.flows.flow import Flow
from wnlib.flows.geometry import mirror_map, scaled_upper_gamma
from wnlib.flows.polar import radius_of
from wnlib.flows.units import Units, from_own, to_own


def mass_bound(flow: Flow, scale: float, target: Array) -> float:
    r"""An upper bound on the l1 norm of a flow's limit, for depth >= 2.

    Args:
        scale: $r_0$ of the uniform start.
        target: z, a nonnegative interpolant, shape (N,).

    Returns:
        In the units of the target, infinite where it exceeds a million times the mass of target and start.

    Raises:
        ArgumentError: for a flow without magnified coordinates, a scale that is not positive, or another target.

    Example:
        >>> from wnlib import Problem, WeightNormFlow, basis_pursuit, limit, mass_bound
        >>> flow = WeightNormFlow(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> bound = mass_bound(flow, scale=1.0, target=basis_pursuit(problem).weights)
        >>> mass = limit(flow, problem, flow.start(60, scale=1.0)).weights.sum()
        >>> float(mass.round(2)), round(bound, 2)
        (3.02, 3.43)
    """
    target = _target(target)
    n, depth, units = len(target), flow.depth, Units.of_weights(target, flow.depth)
    flow, scale = units.flow(flow), to_own("scale", scale, units.point)
    target, start = from_own(target, -units.weights), flow.start(n, scale)
    mirror = mirror_map(flow, scale)
    budget = float(mirror.bregman(target, start))

    def over_budget(mass: float) -> float:
        return float(mirror.bregman(np.full(n, mass / n), start)) - budget

    low = max(float(np.sum(target)), float(np.sum(start.weights(depth))))
    high = 1e6 * low
    if not (np.isfinite(budget) and over_budget(high) > 0):
        return np.inf
    if over_budget(low) >= 0:  # the excess that the bound leaves is below rounding
        return float(from_own(low, units.weights))
    bound = float(brentq(over_budget, low, high, xtol=1e-15 * low, rtol=1e-14))
    return float(from_own(bound, units.weights))


def _target(target: ArrayLike) -> Array:
    """The nonnegative weights (N,) that they must be, not all of them zero."""
    found = check.array("target", target, (None,))
    if found.min() < 0 or not found.any():
        raise ArgumentError(f"target must be nonzero, and >= 0 in every entry, got a minimum of {found.min()}")
    return found


def entropy_excess(target: Array) -> float:
    r"""$\log N - H(p)$ = KL(p || uniform) of the target's proportions p, which is at most $\log N$."""
    share = target[target > 0] / np.sum(target)
    return float(np.log(len(target)) + np.sum(share * np.log(share)))


def normalized_mass_bound(ratio: float, scale: float, target: Array) -> float:
    r"""`mass_bound` of weight normalization at depth 2, in closed form.

    $S_0 + \sqrt{(Q - S_0)^2 + 2 Q\,\mathrm{KL}(\pi^* \| \tfrac1N)/c}$ with $S_0 = r_0^2$.
    """
    Q, S0 = float(np.sum(target)), scale**2
    return float(S0 + np.hypot(Q - S0, np.sqrt(2 * Q * entropy_excess(target) / ratio)))


def plain_mass_bound(scale: float, target: Array) -> float:
    r"""`mass_bound` of gradient flow at depth 2, in closed form.

    With $S_0 = r_0^2$, the larger solution S of $S \log\frac{S}{S_0} - S = Q \log\frac{Q}{S_0} - Q + Q\,
    \mathrm{KL}(\pi^* \| \tfrac1N)$: $S = S_0 e^{1 + t}$ with $t e^t = k/e$, where $k S_0$ is the right side.
    """
    Q, S0 = float(np.sum(target)), scale**2
    k = Q / S0 * (np.log(Q / S0) - 1 + entropy_excess(target))
    return float(S0 * np.exp(1 + lambertw(k / np.e).real))


def uniform_mass(target: Array, depth: int) -> float:
    r"""$N^{(2-L)/2} \rho(z)^{L/2} \le Q$: the mass of the uniform weights whose radius is that of the target."""
    n = len(target)
    return float(n * (radius_of(target, depth) / np.sqrt(n)) ** depth)


def magnification_excess_bound(flow: Flow, scale: float, target: Array) -> float:
    r"""A bound on the l1 excess of a flow's limit, $(S_\infty - Q)/Q$, by the magnification alone, for depth >= 2.

    It is $(1 - \sigma/Q)/(M^{L-2} - 1)$. M is the factor by which coordinates are magnified from the start's radius to
    the target's, $\sigma = N^{(2-L)/2} \rho(z)^{L/2}$ the mass of the uniform weights whose radius is that of the
    target. At depth 2 the limit L -> 2 of it, $\mathrm{KL}(\pi^* \| \tfrac1N) / (2 \log M)$: $2 \log M$ is
    $c (Q - r_0^2)$ with weight normalization and $\log(Q/r_0^2)$ without.

    Args:
        scale: $r_0$ of the uniform start.
        target: z, a nonnegative interpolant of mass Q, shape (N,).

    Returns:
        Relative to Q; infinite unless M > 1.

    Raises:
        ArgumentError: for a flow without magnified coordinates, a scale that is not positive, or another target.

    Example:
        >>> from wnlib import Problem, WeightNormFlow, basis_pursuit, limit
        >>> from wnlib import magnification_excess_bound
        >>> flow = WeightNormFlow(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> target = basis_pursuit(problem).weights
        >>> bound = magnification_excess_bound(flow, scale=1.0, target=target)
        >>> limit(flow, problem, flow.start(60, scale=1.0)).l1_excess < bound < 0.15
        True
    """
    scale, target = check.positive("scale", scale), _target(target)
    L, radii = flow.depth, np.array([scale, radius_of(target, flow.depth)])
    log_magnification = float(np.diff(flow.log_magnification(radii))[0])
    if log_magnification <= 0:
        return np.inf
    if L == 2:
        return entropy_excess(target) / (2 * log_magnification)
    return float((1 - uniform_mass(target, L) / np.sum(target)) / np.expm1((L - 2) * log_magnification))


def deep_normalized_excess_bound(depth: int, ratio: float, scale: float, target: Array) -> float:
    r"""Weight normalization, depth L >= 3, any scale: with $a = (L-2)c/2$,

    $S_\infty - Q \le \tfrac L2 N^{(2-L)/2} e^{a r_0^2} \int_{\rho(z)}^\infty t^{(L-2)/2} e^{-a t}\,dt$; over Q.
    """
    depth = check.integer("depth", depth, least=3)
    a, rho = (depth - 2) * ratio / 2, float(radius_of(target, depth)) ** 2
    tail = np.exp(a * (scale**2 - rho)) * scaled_upper_gamma(depth, np.asarray(a * rho)) / a ** (depth / 2)
    return float(depth / 2 * len(target) ** (1 - depth / 2) * tail / np.sum(target))


def deep_plain_excess_bound(depth: int, scale: float, target: Array) -> float:
    r"""Gradient flow, depth L >= 3: with $\beta = (S_0/Q)^{1-2/L}$, $S_0 = \|w_0\|_1$, $\rho_Q = N^{1-2/L} Q^{2/L}$,

    $(S_\infty - Q)/Q \le \tfrac L2 \frac{\beta}{1 - \beta} (1 - \rho(z)/\rho_Q)$ if $S_0 < Q$, else inf.
    """
    depth, n, Q = check.integer("depth", depth, least=3), len(target), float(np.sum(target))
    at_start, at_uniform = scale**2, n ** (1 - 2 / depth) * Q ** (2 / depth)
    beta = (at_start / at_uniform) ** (depth / 2 - 1)
    rest = 1 - float(radius_of(target, depth)) ** 2 / at_uniform
    return depth / 2 * beta / (1 - beta) * rest if beta < 1 else np.inf


def minimum_norm_excess_bounds(sharpness: float, epsilon: ArrayLike) -> tuple[Array, Array]:
    r"""Weight normalization, depth 1, with $q = \|A^+ y\|^2$: bounds below and above on $(\|w_\infty\|^2 - q)/q$.

    They are $W(k \varepsilon)/k$ and $W((k-1) \varepsilon)/(k-1)$, with Lambert's W, $k = c\,q > 1$ the `sharpness`
    and $\varepsilon = \nu\, e^{c (r_0^2 - q)}$, of any shape; $\nu$ is the share of $\|w_0\|^2$ that is in ker A.
    """
    lower, upper = (np.asarray(lambertw(k * np.asarray(epsilon)).real / k) for k in (sharpness, sharpness - 1))
    return lower, upper


def normalized_excess_bound(ratio: float, scale: float, target: Array) -> float:
    r"""Depth 2, weight normalization: $(S_\infty - Q)/Q \le \log N / (c\,(Q - r_0^2))$ while $r_0^2 < Q$, else inf."""
    Q = float(np.sum(target))
    return np.log(len(target)) / (ratio * (Q - scale**2)) if scale**2 < Q else np.inf


def plain_excess_bound(scale: float, target: Array) -> float:
    r"""Depth 2, gradient flow from $x(0) = \alpha\mathbf 1$, `scale` = $\|x(0)\| = \alpha\sqrt N$.

    $(S_\infty - Q)/Q \le b/(1 - b)$ with $b = \log N / \log(Q/\alpha^2)$, if $0 < b < 1$, else inf.
    """
    Q, n = float(np.sum(target)), len(target)
    gain = np.log(Q * n / scale**2)
    b = np.log(n) / gain if gain > 0 else np.inf
    return b / (1 - b) if b < 1 else np.inf


def needed_magnification(depth: int, target: Array, excess: float) -> float:
    r"""The log M from which on the l1 excess is guaranteed to be small, from uniform starts.

    M is the magnification from the start's radius to that of the target; the bounds are those of
    `magnification_excess_bound`, solved for it: $\mathrm{KL}/(2\,\text{excess})$ at depth 2, and above
    $\log(1 + (1 - \sigma/Q)/\text{excess})/(L - 2)$.

    Args:
        depth: L >= 2.
        target: $z^*$, a minimiser of basis pursuit, shape (N,).
        excess: What $(\|w_\infty\|_1 - Q)/Q$ shall be at most, positive.

    Raises:
        ArgumentError: for a depth or an excess out of its range, or another target.

    Example:
        >>> from wnlib import Problem, basis_pursuit, needed_magnification
        >>> target = basis_pursuit(Problem.gaussian(m=24, n=60, sparsity=3)).weights
        >>> [round(needed_magnification(depth, target, excess=0.01), 2) for depth in (2, 3)]
        [150.94, 4.37]
    """
    depth, excess = check.integer("depth", depth, least=2), check.positive("excess", excess)
    target = _target(target)
    if depth == 2:
        return entropy_excess(target) / (2 * excess)
    return float(np.log1p((1 - uniform_mass(target, depth) / np.sum(target)) / excess)) / (depth - 2)
