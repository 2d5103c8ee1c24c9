r"""Blow-up times, and the factors as functions of their dual variable.

Along both flows of `wnlib.models.layered` the magnified factors $z^{(k)}$ move, in a time of their own, by
$dz_i^{(k)}/d\theta_i = \prod_{j \ne k} z_i^{(j)}$: entry by entry, with $\theta \in$ row(A), $\theta = 0$ at the start.
The squares keep their differences. So with $\xi$ the factor that is smallest in size, as signed as the weight, and
$b \ge 0$ by how much the other squares are larger, all of an entry is told by one number:

$$\xi' = g(\xi) = \prod \sqrt{b + \xi^2},\qquad \prod_k z^{(k)} = \xi\, g(\xi).$$

From depth 3 on $\xi$ reaches $\pm\infty$ at finite $\theta$. From squares a the time is
$T(a) = \tfrac12 \int_0^\infty \prod_k (a_k + s)^{-1/2}\, ds$, if the product does not change its sign: at depth 3
Carlson's integral $R_F(a)$.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import elliprf

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import ArgumentError
from wnlib.models.signed import signed
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit

NODES, REACH = 512, 80.0  # of the trapezoidal rule in log s: what lies beyond is less than 1e-17
ROUNDS = 100  # of Newton's method, or bisection
EPS = float(np.finfo(float).eps)


def blow_up_times(factors: ArrayLike) -> tuple[Array, Array]:
    r"""When $x^{(k)\prime} = \pm\bigodot_{j \ne k} x^{(j)}$ blows up: what weights of either sign cost a deep network.

    As the magnification grows, it ends at the interpolant with the least $\sum_i T_i^+ w_i^+ + T_i^- w_i^-$, where
    the factors are those of the start, or its directions if each layer is normalized.

    Args:
        factors: $x^{(k)}$, shape (L, N), L >= 2, of any sign.

    Returns:
        $T^+$ and $T^-$, shape (N,) each, in units of $x^{2-L}$: infinite at depth 2, and from depth 3 on where the
        weight cannot change its sign, because the two smallest factors have the same size.

    Raises:
        ArgumentError: for another shape, a single layer, or what is not finite.

    Example:
        >>> import numpy as np
        >>> from wnlib import blow_up_times
        >>> plus, minus = blow_up_times([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
        >>> plus.round(4), minus.round(4)
        (array([1.    , 0.5086]), array([   inf, 0.8897]))
    """
    x = check.array("factors", factors, (None, None))
    if len(x) < 2:
        raise ArgumentError("factors must have at least 2 layers, got 1")
    return Leaf.of(x).times


def cheapest_interpolant(problem: Problem, costs: tuple[Array, Array]) -> Array:
    """The interpolant, shape (N,), whose positive and negative parts, at costs of (N,) each, cost least together."""
    return signed(basis_pursuit(problem.doubled(), np.concatenate(costs)).weights)


def blow_up(squares: Array) -> Array:
    """T(a) of squares of shape (L, ...), shape (...)."""
    L = len(squares)
    if L == 2:
        return np.full(squares.shape[1:], np.inf)
    if L == 3:
        return np.asarray(elliprf(*squares))
    a = np.sort(squares, axis=0)
    with np.errstate(divide="ignore"):
        low, high = np.log(a[1]) - REACH, np.log(a[-1]) + REACH
    finite = a[1] > 0
    low = np.where(finite, low, 0.0)
    step = (np.where(finite, high, 1.0) - low) / (NODES - 1)
    log_s = low + step * np.arange(NODES).reshape(-1, *np.ones(a.ndim - 1, dtype=int))
    logs = np.log(a[:, None] + np.exp(log_s)).sum(axis=0)
    integral = step * np.sum(np.exp(log_s - logs / 2), axis=0) / 2
    return np.asarray(np.where(finite, integral, np.inf))


@dataclass(frozen=True, eq=False)
class Leaf:
    r"""All factors whose squares differ by what those of given ones do.

    order       of the given factors by size in each entry, shape (L, N)
    signs       theirs, in this order, shape (L, N)
    gaps        b, by how much all squares but the smallest are larger, shape (L - 1, N)
    first       $\xi$ of the given factors, shape (N,)
    """

    order: NDArray[np.intp]
    signs: Array
    gaps: Array
    first: Array

    @classmethod
    def of(cls, factors: Array) -> "Leaf":
        """The leaf of factors of shape (L, N)."""
        order = np.argsort(np.abs(factors), axis=0, kind="stable")
        x = np.take_along_axis(factors, order, axis=0)
        sizes, signs = np.abs(x), np.sign(x)
        return cls(order, signs, (sizes[1:] - sizes[0]) * (sizes[1:] + sizes[0]), x[0] * signs[1:].prod(axis=0))

    def rest(self, xi: Array) -> Array:
        r"""$g(\xi)$, the product of the sizes of all factors but the smallest, shape (N,)."""
        return np.asarray(np.sqrt(self.gaps + xi**2).prod(axis=0))

    def product(self, xi: Array) -> Array:
        """The product of the factors, shape (N,)."""
        return xi * self.rest(xi)

    def slope(self, xi: Array) -> Array:
        r"""The product's derivative in $\theta$: the sum over k of the squared products of all but k; shape (N,)."""
        squares = self.gaps + xi**2
        return np.asarray(squares.prod(axis=0) * (1 + np.sum(xi**2 / squares, axis=0)))

    def factors(self, xi: Array) -> Array:
        """The factors, shape (L, N)."""
        x = np.empty_like(self.signs)
        least, others = xi * self.signs[1:].prod(axis=0), self.signs[1:] * np.sqrt(self.gaps + xi**2)
        np.put_along_axis(x, self.order, np.vstack([least, others]), axis=0)
        return x

    def left(self, xi: Array) -> Array:
        r"""The time that is left from $\xi$, if it moves away from zero, shape (N,)."""
        return blow_up(np.vstack([xi**2, self.gaps + xi**2]))

    @property
    def times(self) -> tuple[Array, Array]:
        r"""The blow-up times of $\xi$ growing and falling from where it is, shape (N,) each."""
        away, across = self.left(self.first), self.left(np.zeros_like(self.first))
        back = np.full_like(away, np.inf)
        np.subtract(2 * across, away, out=back, where=np.isfinite(across))
        return np.where(self.first >= 0, away, back), np.where(self.first >= 0, back, away)

    def dual_variable(self, xi: Array) -> Array:
        r"""$\theta$ at $\xi$, shape (N,)."""
        if len(self.signs) == 2:
            unit = np.sqrt(np.where(self.gaps[0] > 0, self.gaps[0], self.first**2))
            now, first = (np.log((np.sqrt(self.gaps[0] + at**2) + np.abs(at)) / unit) for at in (xi, self.first))
            return np.sign(xi) * now - np.sign(self.first) * first
        growing, falling = self.times
        left = self.left(xi)
        return np.where(xi >= 0, growing, left) - np.where(xi >= 0, left, falling)

    def at(self, theta: Array, left: tuple[Array, Array] | None = None) -> Array:
        r"""$\xi$ at $\theta$ (N,) within the blow-up times, shape (N,).

        What is `left` of these, (N,) each, tells $\theta$ with more digits where little is.
        """
        if len(self.signs) == 2:
            larger = np.sqrt(self.gaps[0] + self.first**2) + np.abs(self.first)
            growing, falling = (np.where(s * self.first >= 0, larger, self.gaps[0] / larger) for s in (1, -1))
            with np.errstate(over="ignore"):
                return (growing * np.exp(theta) - falling * np.exp(-theta)) / 2
        growing, falling = (self.times[0] - theta, self.times[1] + theta) if left is None else left
        across = self.left(np.zeros_like(theta))
        positive = np.where(np.isfinite(across), growing < across, self.first > 0)
        return np.where(positive, 1, -1) * self._size(np.where(positive, growing, falling))

    def _size(self, left: Array) -> Array:
        r"""$|\xi|$ with a time `left` (N,): on $((L-2)\, T)^{-1/(L-2)}$, which is $|\xi|$ where b = 0."""
        power = len(self.gaps) - 1
        wanted = (power * left) ** (-1 / power)
        low, high = np.sqrt(np.maximum(wanted**2 - self.gaps.max(axis=0), 0.0)), wanted
        size = high
        for _ in range(ROUNDS):
            found = (power * self.left(size)) ** (-1 / power)
            low, high = np.where(found < wanted, size, low), np.where(found < wanted, high, size)
            with np.errstate(divide="ignore", invalid="ignore"):
                moved = size - (found - wanted) * self.rest(size) / found ** (power + 1)
            last, size = size, np.where((moved > low) & (moved < high), moved, (low + high) / 2)
            if np.all(np.abs(size - last) <= 4 * EPS * last):
                break
        return size
