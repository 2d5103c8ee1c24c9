"""Power series in time, to any number of coefficients, and the Taylor coefficients of an ODE's solution.

A vector field made of sums, products and integer powers can be called on power series as on numbers. Each coefficient
of the solution's derivative depends on earlier ones of the solution only, so that all of them follow, one by one.
"""

from collections.abc import Callable, Sequence
from typing import Any

from mpmath import mp, mpf

Vector = list[mpf]
Scalar = Any  # a number, or a power series in its place
Field = Callable[[Sequence[Scalar]], Sequence[Scalar]]


class Series:
    """A power series in t whose coefficient n is computed when first asked for, from earlier ones or its operands'."""

    def __init__(self, rule: Callable[[int], mpf]) -> None:
        self.rule, self.known = rule, list[mpf]()

    def __getitem__(self, n: int) -> mpf:
        while len(self.known) <= n:
            self.known.append(self.rule(len(self.known)))
        return self.known[n]

    def upto(self, n: int) -> Vector:
        """Coefficients 0 to n."""
        _ = self[n]
        return self.known[: n + 1]

    def __add__(self, other: Scalar) -> "Series":
        if isinstance(other, Series):
            return Series(lambda n: self[n] + other[n])
        return Series(lambda n: self[n] if n else self[0] + other)

    def __neg__(self) -> "Series":
        return Series(lambda n: -self[n])

    def __sub__(self, other: Scalar) -> "Series":
        return self + (-other)

    def __rsub__(self, other: mpf) -> "Series":
        return -self + other

    def __mul__(self, other: Scalar) -> "Series":
        if isinstance(other, Series):
            return Series(lambda n: mp.fdot(self.upto(n), reversed(other.upto(n))))
        return Series(lambda n: self[n] * other)

    __radd__, __rmul__ = __add__, __mul__

    def __pow__(self, exponent: int) -> Scalar:
        if exponent <= 1:
            return self if exponent else mpf(1)
        half = self ** (exponent // 2)
        return half * half * self if exponent % 2 else half * half


def taylor_coefficients(field: Field, start: Vector, order: int) -> list[Vector]:
    """Coefficients 0 to `order` of the solution of s' = field(s) at s(0) = start, one list a coordinate."""
    derivative: list[Series] = []
    solution = [
        Series(lambda n, i=i, s=s: derivative[i][n - 1] / n if n else s)  # type: ignore[misc]
        for i, s in enumerate(start)
    ]
    derivative.extend(field(solution))
    return [series.upto(order) for series in solution]
