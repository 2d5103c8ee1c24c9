r"""The limit that has a given excess, to leading order in the excess, from basis pursuit alone.

Let M be the magnification from the start to the limit w, $\chi = u_0^{2-L}$, and let $z^*$, of radius $r_*$ and with
support J, be the `sparse_limit`, $G = A_J^+ A_{\setminus J}$. A $\nu$ with $A_J^\top\nu = \chi_J$ has the slacks
$s_j = 1 - A_j^\top\nu/\chi_j$ off J. Stationarity of w makes such a $\nu$, for which, as $M \to \infty$,

$$w_j \sim M^{-2 s_j}\, r_*^2 u_{0,j}^2 \prod_{i \in J} \Bigl(\frac{z^*_i}{r_*^2 u_{0,i}^2}\Bigr)^{G_{ij}}\quad (L = 2),
\qquad w_j \sim \Bigl(\frac{r_* u_{0,j}}{M}\Bigr)^L s_j^{-L/(L-2)}\quad (L \ge 3).$$

Among all $\nu$ it is the one with the least $\sum_{j \notin J} w_j$ at depth 2, the least $\sum_{j \notin J}
u_{0,j}^2\, s_j^{-2/(L-2)} = K$ above: then $\sum w_j A_j$ is in the range of $A_J$, as an interpolant needs.
The excess is $\sum_{j \notin J} \chi_j s_j w_j$: above depth 2 $K\,r_0^L$, with the scale $r_0 = r/M$ of gradient flow,
and there $r^2 \sim r_*^2 + K r_0^2$.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from wnlib._checks import Array
from wnlib.flows.polar import Polar
from wnlib.limits.sparse_limit import beside
from wnlib.linear.ranks import least_squares, left_kernel
from wnlib.problem import Problem
from wnlib.sparse.margin import Margin

STEPS = 100  # of Newton's method
DECREMENT = 1e-14  # relative, at which it ends
LEAST = 1e-3  # log M, below which nothing is magnified

Terms = Callable[[Array], tuple[Array, Array, Array]]  # from slacks to terms, their slopes and their curvatures


class End(NamedTuple):
    """A limit of gradient flow: the logarithm of its scale $r_0$, and its radius."""

    log_scale: float
    radius: float

    @property
    def log_magnification(self) -> float:
        """log M."""
        return float(np.log(self.radius)) - self.log_scale


@dataclass(frozen=True, eq=False)
class LeadingOrder:
    r"""Limits from a direction near the sparse one.

    Attributes:
        problem: Measurements and data.
        found: Their margin, with $\chi$ as costs.
        start: Its direction is $u_0$.
        depth: L >= 2.
    """

    problem: Problem
    found: Margin
    start: Polar
    depth: int

    @cached_property
    def target(self) -> Array:
        """$z^*$, shape (N,)."""
        return beside(self.problem, self.found, self.start, self.depth)

    @cached_property
    def _certificates(self) -> tuple[Array, Array]:
        """The slacks (N - |J|,) of the certificate with the largest margin, and how others move them (N - |J|, K)."""
        off = ~self.found.support
        priced = self.problem.A / self.found.costs
        return 1 - priced[:, off].T @ self.found.dual, priced[:, off].T @ left_kernel(priced[:, ~off])

    def end(self, surplus: float) -> End:
        r"""Where a surplus $\sum \chi_j s_j w_j$ is left, in the units of the costs; at depth 2, log M >= `LEAST`."""
        off, L = ~self.found.support, self.depth
        square, log_u = float(np.sum(self.target ** (2 / L))), self.start.log_direction
        if L == 2:
            on, log_square = ~off, float(np.log(square))
            growth = np.log(self.target[on]) - log_square - 2 * log_u[on]
            G = least_squares(self.problem.A[:, on], self.problem.A[:, off])
            log_M = self._log_magnification(log_square + 2 * log_u[off] + growth @ G, surplus)
            return End(0.5 * log_square - log_M, float(np.sqrt(square + surplus)))
        least = self.least(powers(np.exp(2 * log_u[off]), 2 / (L - 2)))
        log_scale = float(np.log(surplus / least)) / L
        return End(log_scale, float(np.sqrt(square + least * np.exp(2 * log_scale))))

    def _log_magnification(self, log_b: Array, surplus: float) -> float:
        """At depth 2, where the excess is no power of M."""

        def excess(log_M: float) -> float:
            terms = exponentials(log_b, 2 * log_M)
            s = self.slacks(terms)
            return float(s @ terms(s)[0]) / surplus

        high = LEAST
        while excess(high) > 1:
            high *= 2
        return float(brentq(lambda log_M: excess(log_M) - 1, high / 2, high)) if high > LEAST else LEAST

    def least(self, terms: Terms) -> float:
        """The least sum of terms among the certificates."""
        return float(terms(self.slacks(terms))[0].sum())

    def slacks(self, terms: Terms) -> Array:
        """Those (N - |J|,) of the certificate with the least sum of convex terms, by Newton's method."""
        s, moves = self._certificates
        for _ in range(STEPS):
            values, slopes, curvatures = terms(s)
            slope = -moves.T @ slopes
            step = least_squares((moves.T * curvatures) @ moves, -slope)
            if -float(slope @ step) <= DECREMENT * values.sum():
                break
            length = 1.0
            while not terms(s - length * moves @ step)[0].sum() < values.sum() and length > DECREMENT:
                length /= 2
            s = s - length * moves @ step
        return s


def exponentials(log_b: Array, rate: float) -> Terms:
    """exp(log b - rate s)."""

    def terms(s: Array) -> tuple[Array, Array, Array]:
        with np.errstate(over="ignore"):
            values = np.exp(log_b - rate * s)
        return values, -rate * values, rate**2 * values

    return terms


def powers(factors: Array, q: float) -> Terms:
    """Factors times s^-q, infinite where s is not positive."""

    def terms(s: Array) -> tuple[Array, Array, Array]:
        if not s.min() > 0:
            return np.full_like(s, np.inf), s, s
        values = factors * s**-q
        return values, -q * values / s, q * (q + 1) * values / s**2

    return terms
