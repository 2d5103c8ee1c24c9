r"""Signed weights: what the theory on $[A, -A]$ says of $w = w_+ - w_-$.

Both flows start at $x_+ = x_- = r_0 u_0$, with one sphere for both halves. On the leaf of such a start
$m_L(z_+) + m_L(z_-) = 2\, m_L(z_0)$, and in terms of the *temperature*

$$\alpha(r) = r\, u_0\, e^{\sigma(r_0) - \sigma(r)}, \qquad r^2 = \lVert x_+\rVert^2 + \lVert x_-\rVert^2,$$

which is constant for gradient flow ($\sigma = \log r$), this is $m_L(x_+) + m_L(x_-) = 2\, m_L(\alpha)$. So the signed
weights determine both halves, entry by entry, once r is known, and r solves one scalar equation. The potential of the
signed weights is $\Psi(w) = D_\Phi((w_+, w_-), w_0)$ there, and its gradient is $m_L(z_+) - m_L(z_0)$.

Starts are `Polar`s of 2N entries, as `symmetric_start` makes them.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import ArgumentError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import Polar, log_norm

NEGLIGIBLE = -600.0  # of the logarithm of |w|/alpha^L: 1e-260, near the smallest float
NEWTON = 8  # steps from within a factor of 2: more than rounding errors can tell apart


def signed(weights: Array) -> Array:
    """w = w_+ - w_-, shape (..., N), of the weights (..., 2N) of a doubled problem."""
    return weights[..., : weights.shape[-1] // 2] - weights[..., weights.shape[-1] // 2 :]


def symmetric_start(flow: Flow, n: int, scale: float, direction: ArrayLike | None = None) -> Polar:
    """The start of the doubled problem, for 2n weights, whose halves are the same.

    Args:
        n: Number of signed weights.
        scale: The norm of both halves together.
        direction: A positive multiple of that of either half, shape (n,), uniform by default.

    Returns:
        One point, shape (2n,).

    Raises:
        ArgumentError: for bad arguments.

    Example:
        >>> from wnlib import Problem, WeightNormFlow, limit, symmetric_start
        >>> flow = WeightNormFlow(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3, signed=True)
        >>> limit(flow, problem, symmetric_start(flow, 60, scale=1.0)).l1_excess < 0.01
        True
    """
    n = check.integer("n", n, least=1)
    half = np.ones(n) if direction is None else check.array("direction", direction, (n,))
    return flow.start(2 * n, scale, np.tile(half, 2))


def log_temperature(flow: Flow, start: Polar, radius: float) -> Array:
    r"""$\log\alpha(r)$, shape (N,), for a symmetric start of 2N weights."""
    n = len(start.log_direction) // 2
    magnified = flow.log_magnification(start.radius) - flow.log_magnification(np.asarray(radius))
    return np.log(radius) + start.log_direction[:n] + magnified


def tilt(weights: Array, log_alpha: Array, depth: int) -> Array:
    r"""How far the halves are apart: q >= 0, entry by entry, shape (N,).

    $x_\pm = \alpha e^{\pm q}$ at depth 2, and $x_\pm^{2-L} = \alpha^{2-L} (1 \mp (1 - e^{-q}))$ above.

    `weights` (N,) are the signed ones; q is that of their absolute values, and keeps its relative accuracy.
    """
    with np.errstate(divide="ignore"):
        ratio = np.log(np.abs(weights)) - depth * log_alpha  # of |w| to alpha^L
    sinh = np.where(ratio > 30, ratio, np.arcsinh(np.exp(np.minimum(ratio, 30)) / 2))
    if depth == 2:
        return sinh / 2
    power, some = depth / (depth - 2), ratio > NEGLIGIBLE
    q, wanted = sinh / power, ratio[some]
    # These enclose q, and differ by a factor of at most 2; where w is negligible, q is the first.
    low, found = q[some], np.logaddexp(0, wanted) / power
    for _ in range(NEWTON):
        # In log q, on log(e^{power q} - (2 - e^{-q})^{-power}), without overflow or cancellation.
        log_other = np.log1p(-np.expm1(-found))
        shrunk = -power * (found + log_other)
        value = power * found + np.log(-np.expm1(shrunk)) - wanted
        slope = power * (1 + np.exp(shrunk - found - log_other)) / -np.expm1(shrunk)
        found = np.maximum(found * np.exp(-value / (found * slope)), low)
    q[some] = found
    return q


def halves(weights: Array, log_alpha: Array, depth: int) -> tuple[Array, Array]:
    r"""$\log x_+$ and $\log x_-$, each (N,), of the signed `weights` (N,) at the temperature $\alpha$."""
    q = tilt(weights, log_alpha, depth)
    if depth == 2:
        larger, smaller = log_alpha + q, log_alpha - q
    else:
        larger = log_alpha + q / (depth - 2)
        smaller = log_alpha - np.log1p(-np.expm1(-q)) / (depth - 2)
    return np.where(weights >= 0, larger, smaller), np.where(weights >= 0, smaller, larger)


def radius(flow: Flow, start: Polar, weights: ArrayLike) -> float:
    r"""The radius of the point of the leaf of a symmetric `start` whose signed weights are `weights` (N,).

    It is at least $r_0$: the squared norm of $x/r$ at temperature $\alpha(r)$ falls strictly in r, to 1 at the root.
    """
    weights = _checked(flow, start, weights)
    if isinstance(flow, GradientFlow):
        log_x = np.concatenate(halves(weights, log_temperature(flow, start, float(start.radius)), flow.depth))
        return float(np.exp(log_norm(log_x)))
    low = float(np.log(start.radius))

    def excess(log_r: float) -> float:
        log_x = halves(weights, log_temperature(flow, start, float(np.exp(log_r))), flow.depth)
        return float(np.logaddexp.reduce(2 * np.concatenate(log_x))) / 2 - log_r

    if not weights.any() or excess(low) <= 0:
        return float(start.radius)
    high = low + 1.0
    while excess(high) > 0:
        high += 1.0
    return float(np.exp(brentq(excess, low, high, xtol=1e-15, rtol=1e-15)))


def leaf_point(flow: Flow, start: Polar, weights: ArrayLike) -> Polar:
    r"""The point $(x_+, x_-)$ of 2N entries on the leaf of a symmetric `start` that has the signed `weights` (N,)."""
    weights = _checked(flow, start, weights)
    r = radius(flow, start, weights)
    log_x = np.concatenate(halves(weights, log_temperature(flow, start, r), flow.depth))
    return Polar(np.asarray(r), log_x - np.log(r), np.ones(1))


def potential(flow: Flow, start: Polar, weights: ArrayLike) -> float:
    r"""$\Psi(w)$, the least divergence from the start of all $(w_+, w_-)$ with the given difference (N,).

    In units of the start (`MirrorMap`).
    """
    split = leaf_point(flow, start, weights).weights(flow.depth)
    return float(mirror_map(flow, float(start.radius)).bregman(split, start))


def gradient(flow: Flow, start: Polar, weights: ArrayLike) -> Array:
    r"""$\nabla\Psi(w)$, shape (N,), in units of the start.

    $\tfrac12 \operatorname{arsinh}(w_i / 2\alpha_i^2)$ at depth 2, $\pm u_{0,i}^{2-L} (1 - e^{-q_i})/(L - 2)$ above.
    """
    weights = _checked(flow, start, weights)
    n, L = len(weights), flow.depth
    q = tilt(weights, log_temperature(flow, start, radius(flow, start, weights)), L)
    if L == 2:
        return np.sign(weights) * q
    return np.sign(weights) * np.exp((2 - L) * start.log_direction[:n]) * -np.expm1(-q) / (L - 2)


def _checked(flow: Flow, start: Polar, weights: ArrayLike) -> Array:
    n, odd = divmod(len(start.log_direction), 2)
    flow.check_start(start, 2 * n + odd)
    if flow.depth == 1:
        raise ArgumentError("flow must have depth >= 2, got 1: its weights have signs of their own")
    if odd or not np.allclose(start.log_direction[:n], start.log_direction[n:], rtol=0, atol=1e-9):
        raise ArgumentError("start must be symmetric, x_+ = x_-, got one that is not")
    return check.array("weights", weights, (n,))
