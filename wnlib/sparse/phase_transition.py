r"""When basis pursuit recovers a sparse vector from Gaussian measurements: the geometry of one cone.

Basis pursuit, $\min\{\|z\|_1 : A z = y,\ z \ge 0\}$, has the truth w, of s positive entries out of N, for its only
solution if and only if no direction of ker A is a descent direction, that is, lies in

$$C = \{h : h_i \ge 0 \text{ where } w_i = 0,\ \textstyle\sum_i h_i \le 0\}$$

(the l1 norm is linear on the orthant). Its polar consists of the vectors that are some $\tau \ge 0$ where w is positive
and at most $\tau$ elsewhere. So a vector g has, with the sums over w's support S and the rest,

$$\|\Pi_C\, g\|^2 = \min_{\tau \ge 0} \sum_{i \in S} (g_i - \tau)^2 + \sum_{i \notin S} (g_i - \tau)_+^2 ,$$

and $\Pi_C\, g$ is $g - \tau$, where $i \notin S$ only its positive part. For a standard Gaussian g the expected value
is the statistical dimension $\delta(C)$; $v_k$, the probability that the projection lies inside a face of dimension k,
is the k-th intrinsic volume, and $\delta = \sum_k k\, v_k$. The kernel of a Gaussian A is a uniformly random subspace,
which by the conic Crofton formula misses C with probability $1 - 2 (v_{M+1} + v_{M+3} + \dots)$.

Sources: Amelunxen, Lotz, McCoy and Tropp, Living on the edge, 2014; Schneider and Weil, Stochastic and integral
geometry, 2008.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binom, norm

from wnlib import _checks as check
from wnlib._checks import Array


def statistical_dimension(s: int, n: int) -> float:
    r"""About how many Gaussian measurements basis pursuit needs: a bound on the dimension $\delta(C)$.

    It is $\min_{\tau \ge 0} s (1 + \tau^2) + (N - s)\, E (g - \tau)_+^2$, about 1 above it. The minimum over $\tau$ is
    taken after the expectation, which is what makes it a bound.

    Args:
        s: Number of positive weights, from 1 to n - 1.
        n: Number of weights, N.

    Raises:
        ArgumentError: for a number out of its range.

    Example:
        >>> from wnlib import statistical_dimension
        >>> round(statistical_dimension(s=3, n=60), 2)
        10.02
    """
    s, n = _sizes(s, n)

    def slope(tau: float) -> float:
        return s * tau - (n - s) * float(norm.pdf(tau) - tau * norm.sf(tau))

    tau = float(brentq(slope, 0.0, 2 + np.sqrt(2 * np.log(n))))
    return s * (1 + tau**2) + (n - s) * float((1 + tau**2) * norm.sf(tau) - tau * norm.pdf(tau))


def positivity_dimension(s: int, n: int) -> float:
    r"""$s + (N - s)/2$, the same at $\tau = 0$: the statistical dimension of all h with $h_i \ge 0$ where $w_i = 0$.

    With more measurements than this the truth is, as a rule, the only nonnegative interpolant: no bias is needed.
    """
    s, n = _sizes(s, n)
    return (n + s) / 2


def positivity_success(m: int, s: int, n: int) -> float:
    r"""The probability that Gaussian measurements make the truth the only nonnegative interpolant: exact.

    The cone's intrinsic volumes are binomial, $v_{s+j} = \binom{N-s}{j} 2^{s-N}$, and Crofton's sum of every second one
    becomes, by Pascal's rule, $P(B \le M - s - 1)$ for a binomial B of N - s - 1 fair coins.

    Args:
        m: Number of measurements, M.
        s: Number of positive weights, from 1 to n - 1.
        n: Number of weights, N.

    Raises:
        ArgumentError: for a number out of its range.

    Example:
        >>> from wnlib import positivity_success
        >>> [round(positivity_success(m, s=3, n=60), 3) for m in (24, 32, 40)]
        [0.022, 0.553, 0.989]
    """
    s, n = _sizes(s, n)
    return float(binom.cdf(check.integer("m", m, least=1) - s - 1, n - s - 1, 0.5))


@dataclass(frozen=True, eq=False)
class Projections:
    """Projections of T standard Gaussian vectors on the descent cone.

    squared_norm (T,); dimension (T,), that of the face inside which a projection lies.
    """

    squared_norm: Array
    dimension: NDArray[np.intp]

    def success(self, m: int) -> float:
        r"""The probability that m Gaussian measurements are enough, by the conic Crofton formula, estimated.

        Even and odd intrinsic volumes each add up to 1/2, so that it is also $2 (v_{M-1} + v_{M-3} + \dots)$. The
        smaller of the two sums is the one with the smaller error.
        """
        beyond = self.dimension - check.integer("m", m, least=1)
        odd = beyond % 2 == 1
        above, below = 2 * float(np.mean(odd & (beyond > 0))), 2 * float(np.mean(odd & (beyond < 0)))
        return 1 - above if above < below else below


def projections(s: int, n: int, samples: int, seed: int = 0) -> Projections:
    """Project `samples` Gaussian vectors of n entries on the cone of a truth with s positive ones."""
    s, n = _sizes(s, n)
    samples = check.integer("samples", samples, least=1)
    gaussian = np.random.default_rng(seed).standard_normal((samples, n))
    tau = shift(gaussian[:, :s], gaussian[:, s:])[:, None]
    on, off = gaussian[:, :s] - tau, np.maximum(gaussian[:, s:] - tau, 0)
    # A sum of zero takes a dimension from the face.
    dimension = s + np.count_nonzero(off, axis=1) - (tau[:, 0] > 0)
    return Projections(np.sum(on**2, axis=1) + np.sum(off**2, axis=1), dimension)


def shift(on: Array, off: Array) -> Array:
    r"""The minimising $\tau$ of the module's docstring, shape (T,), for entries on the support and off it, (T, ...).

    Where j entries off the support count, the slope vanishes at $\tau_j = (\sum_S g + \text{the j largest}) / (s + j)$;
    the true $\tau$ is the largest of these, since other j only lower the root.
    """
    largest = -np.sort(-off, axis=1)
    sums = np.sum(on, axis=1)[:, None] + np.pad(np.cumsum(largest, axis=1), ((0, 0), (1, 0)))
    return np.maximum(0, np.max(sums / (on.shape[1] + np.arange(off.shape[1] + 1)), axis=1))


def _sizes(s: int, n: int) -> tuple[int, int]:
    n = check.integer("n", n, least=2)
    return check.integer("s", s, least=1, most=n - 1), n
