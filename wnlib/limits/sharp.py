r"""How much mass a limit has off the support of the sparse interpolant: bounds that are nearly attained.

Let some interpolant vanish off J, $G = A_J^+ A$ and $\chi = u_0^{2-L}$. For the limit $w$
from the direction $u_0$, at the magnification M, let $\beta_i = (z_i/z_{0,i})^{2-L}$ at depth L >= 3. The bound above
holds for every $\nu$ with $A_J^\top\nu = \chi_J$, $s = 1 - A^\top\nu/\chi$; the bound below for every v in ker A with v
>= 0 and $\sum \chi_j v_j = 1$ off J. Sums without a range are over $j \notin J$. At depth 2, with $S = \|w\|_1$,

$$S M^{-2\sum v_i} \prod_{i \in J} \Bigl(\frac{w_i}{S u_{0,i}^2}\Bigr)^{-v_i}
\prod_{v_j > 0} \Bigl(\frac{v_j}{u_{0,j}^2}\Bigr)^{-v_j} \le \sum w_j \le
S \sum u_{0,j}^2 M^{-2 s_j} \prod_{i \in J}
\Bigl(\frac{w_i}{S u_{0,i}^2}\Bigr)^{G_{ij}} .$$

At depth L >= 3, with $\tilde s_j = s_j + \sum_{i \in J} \chi_i G_{ij} \beta_i/\chi_j$, $\omega = \chi \odot v$,
$q = 1 - 2/L$ and $\tilde\gamma = \sum_i \omega_i - \sum_{i \in J} \omega_i \beta_i$,

$$\sum \chi_j \tilde s_j w_j \le \Bigl(\frac rM\Bigr)^L \sum u_{0,j}^2\, \tilde s_j^{-2/(L-2)},\qquad
\sum \chi_j w_j \ge \Bigl(\frac rM\Bigr)^L \tilde\gamma^{-1/q}
\Bigl(\sum (\omega_j u_{0,j}^{2q})^{1/(1+q)}\Bigr)^{(1+q)/q} .$$
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wnlib._checks import Array
from wnlib.limits.end_point import Limit
from wnlib.limits.sparse_limit import costs
from wnlib.linear.ranks import least_squares


@dataclass(frozen=True, eq=False)
class OffSupport:
    r"""The logarithms of what a limit has off a support (N,), at costs $\chi = u_0^{2-L}$, and of its bounds.

    Attributes:
        end: The limit, of depth >= 2, all of whose weights are positive.
        support: J, shape (N,): some interpolant vanishes off it.
    """

    end: Limit
    support: NDArray[np.bool_]

    @property
    def depth(self) -> int:
        """L."""
        return self.end.flow.depth

    @property
    def log_start(self) -> Array:
        r"""$\log u_0$, shape (N,)."""
        return self.end.start.log_direction

    @property
    def costs(self) -> Array:
        r"""$\chi$, shape (N,)."""
        return costs(self.end.start, self.depth)

    @property
    def log_magnification(self) -> float:
        r"""$\log M = \sigma(r_\infty) - \sigma(r_0)$."""
        radii = np.array([float(self.end.start.radius), self.end.radius])
        return float(np.diff(self.end.flow.log_magnification(radii))[0])

    @property
    def log_growth(self) -> Array:
        r"""$\log(u_i/u_{0,i})$, shape (N,); at depth 2 half of $\log(w_i/(S u_{0,i}^2))$."""
        return self.end.point.log_direction - self.log_start

    def slacks(self, dual: Array) -> Array:
        r"""s at depth 2, $\tilde s$ above, off the support, of $\nu$ (M,)."""
        A, on, p = self.end.problem.A, self.support, self.costs
        s = 1 - (A.T @ dual)[~on] / p[~on]
        if self.depth == 2:
            return s
        return s + (p[on] * self.grown[on]) @ self._coordinates() / p[~on]

    def log_mass(self, slacks: Array | float = 1.0) -> float:
        r"""$\log\sum_{j \notin J} \chi_j s_j w_j$, with slacks (N - |J|,), 1 by default."""
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.log(slacks) + np.log(self.costs[~self.support])
        return float(np.logaddexp.reduce(terms + self.depth * self._log_x[~self.support]))

    def log_upper(self, dual: Array) -> float:
        r"""The bound above, at $\nu$ (M,): on `log_mass` at depth 2, above on that with the slacks $\tilde s$."""
        off, log_M, L = ~self.support, self.log_magnification, self.depth
        with np.errstate(divide="ignore", invalid="ignore"):
            if L == 2:
                terms = -2 * log_M * self.slacks(dual) + 2 * self.log_growth[self.support] @ self._coordinates()
            else:
                terms = -2 / (L - 2) * np.log(self.slacks(dual))
        return L * (np.log(self.end.radius) - (log_M if L > 2 else 0.0)) + float(
            np.logaddexp.reduce(2 * self.log_start[off] + terms)
        )

    def log_lower(self, direction: Array) -> float:
        """The bound below on `log_mass`, from v (N,)."""
        on, L, omega = self.support, self.depth, self.costs * direction
        used = ~on & (direction > 0)
        log_r, log_M, total = float(np.log(self.end.radius)), self.log_magnification, float(omega.sum())
        if L == 2:
            bits = 2 * self.log_growth[on] @ omega[on] + omega[used] @ (np.log(omega[used]) - 2 * self.log_start[used])
            return 2 * log_r - 2 * total * log_M - float(bits)
        q = 1 - 2 / L
        left = total - float(omega[on] @ self.grown[on])
        parts = (np.log(omega[used]) + 2 * q * self.log_start[used]) / (1 + q)
        with np.errstate(invalid="ignore"):
            return L * (log_r - log_M) - float(np.log(left)) / q + (1 + q) / q * float(np.logaddexp.reduce(parts))

    @property
    def _log_x(self) -> Array:
        return float(np.log(self.end.radius)) + self.end.point.log_direction

    @property
    def grown(self) -> Array:
        r"""$\beta$, shape (N,), at depth >= 3."""
        with np.errstate(over="ignore"):
            return np.exp((2 - self.depth) * (self.log_magnification + self.log_growth))

    def _coordinates(self) -> Array:
        """G off the support, shape (|J|, N - |J|)."""
        A = self.end.problem.A
        return least_squares(A[:, self.support], A[:, ~self.support])
