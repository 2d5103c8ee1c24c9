r"""What the theory guarantees about the limit without solving for it.

The limit of a flow minimises the Bregman divergence $D_\Phi(w, w_0)$ over the interpolants. From a uniform start,
$D_\Phi$ is symmetric in the entries of w and convex, so among all weights of a given mass it is smallest at the uniform
ones. Hence, with an interpolant z of small mass,

$D_\Phi(\tfrac{S}{N}\mathbf 1, w_0) \le D_\Phi(w_\infty, w_0) \le D_\Phi(z, w_0), \qquad S = \|w_\infty\|_1,$

and the left side, convex in S, confines S to an interval: for every depth, either flow, and any scale of the start.
"""

import numpy as np
from scipy.optimize import brentq

from wnlib._checks import Array
from wnlib.flows import Flow
from wnlib.geometry import mirror_map


def mass_bound(flow: Flow, scale: float, target: Array) -> float:
    r"""An upper bound on the l1 norm of the flow's limit from the uniform start r_0 = `scale`, for depth >= 2.

    `target` is any nonnegative interpolant, shape (N,), usually the minimiser of basis pursuit. Infinite where the
    bound exceeds a million times the mass of target and start.
    """
    n, depth = len(target), flow.depth
    start = flow.start(n, scale)
    mirror = mirror_map(flow, scale)
    budget = float(mirror.bregman(target, start))

    def over_budget(mass: float) -> float:
        return float(mirror.bregman(np.full(n, mass / n), start)) - budget

    low = max(float(np.sum(target)), float(np.sum(start.weights(depth))))
    high = 1e6 * low
    if not (np.isfinite(budget) and over_budget(high) > 0):
        return np.inf
    if over_budget(low) >= 0:  # the excess that the bound leaves is below rounding
        return low
    return float(brentq(over_budget, low, high, xtol=1e-15 * low, rtol=1e-14))


def entropy_excess(target: Array) -> float:
    r"""$\log N - H(p)$ = KL(p || uniform) of the target's proportions p, which is at most $\log N$."""
    share = target[target > 0] / np.sum(target)
    return float(np.log(len(target)) + np.sum(share * np.log(share)))


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
