r"""How small a start that points against the data must be to collapse to w = 0.

With $b = A^\top y$ and a direction $u_0$ for which $s_0 = \langle b, u_0^L\rangle < 0$, weight normalization from
$r_0 u_0$ collapses while $L c\, r_0^2 + \log(1 - s_0^2/K) < 0$. Here $K = \beta\, \beta_0$, and
$\beta_0 = \max_i |b_i| + \max_i \|A_i\|^2 r_0^L$ bounds the force up to $r_0$; $\beta$ is that bound at 0.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import brentq

from wnlib._checks import Array
from wnlib.problem import Problem


@dataclass(frozen=True)
class SmallStart:
    """A problem, a direction of norm 1 against its data (push < 0), a depth and a ratio: what decides a collapse."""

    problem: Problem
    direction: Array
    depth: int
    ratio: float

    @property
    def push(self) -> float:
        r"""$s_0$."""
        return float(self.problem.y @ self.problem.A @ self.direction**self.depth)

    def force(self, radius: float) -> float:
        r"""$\beta_0$, a bound on the entries of p up to a radius."""
        A, y = self.problem.A, self.problem.y
        return float(np.abs(A.T @ y).max() + (A**2).sum(axis=0).max() * radius**self.depth)

    def excess(self, radius: float) -> float:
        r"""$L c\, r_0^2 - \log\frac{K}{K - s_0^2}$, negative where the scale is small."""
        K = self.force(0.0) * self.force(radius)
        return self.depth * self.ratio * radius**2 + np.log1p(-(self.push**2) / K)

    def push_left(self, radius: float) -> float:
        r"""$\mu = \sqrt{K - (K - s_0^2) e^{L c r_0^2}}$, or 0 beyond the threshold."""
        K = self.force(0.0) * self.force(radius)
        return float(np.sqrt(max(0.0, -K * np.expm1(self.excess(radius)))))

    @cached_property
    def threshold(self) -> float:
        """$r_*$."""
        high = 1.0
        while self.excess(high) < 0:
            high *= 2
        return float(brentq(self.excess, 0.0, high, xtol=1e-300, rtol=1e-14))
