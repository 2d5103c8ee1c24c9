"""Small instances in exact rationals, on which limits are computed to any number of digits, or enclosed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from flint import fmpq, fmpq_mat

from wnlib.errors import ArgumentError
from wnlib.flows.flow import Flow
from wnlib.limits.limit import limit
from wnlib.problem import Problem

__all__ = ["Instance"]

Rational = Fraction | int | float


def _rationals(name: str, values: Sequence[Rational], length: int | None = None) -> tuple[Fraction, ...]:
    try:
        result = tuple(Fraction(value) for value in values)
    except (TypeError, ValueError, OverflowError) as error:
        raise ArgumentError(f"{name} must hold rational numbers, got {values!r}") from error
    if length is not None and len(result) != length:
        raise ArgumentError(f"{name} must have {length} entries, got {len(result)}")
    return result


def _matrix(rows: Iterable[Iterable[Rational]]) -> fmpq_mat:
    return fmpq_mat([[fmpq(*Fraction(entry).as_integer_ratio()) for entry in row] for row in rows])


@dataclass(frozen=True)
class Instance:
    r"""A problem and a start in exact rationals: every entry an int, a Fraction, or a float for what it is in binary.

    Attributes:
        A: The measurement matrix, of full row rank, rows as sequences, shape (M, N).
        y: The data, shape (M,).
        radius: $r_0 = \|x(0)\| > 0$.
        direction: Any multiple of $u_0$, positive, shape (N,).

    Raises:
        ArgumentError: for a wrong shape, an entry that is not rational or out of its range, or a lower rank.

    Example:
        >>> from wnlib import GradientFlow
        >>> from wnlib.rigorous.instance import Instance
        >>> instance = Instance(A=[[1, 2]], y=[3], radius=1, direction=[1, 1])
        >>> instance.kernel
        [[Fraction(-2, 1), Fraction(1, 1)]]
        >>> [round(weight, 12) for weight in instance.approximate_limit(GradientFlow(depth=2))]
        [0.75, 1.125]
    """

    A: Sequence[Sequence[Rational]]
    y: Sequence[Rational]
    radius: Rational
    direction: Sequence[Rational]

    def __post_init__(self) -> None:
        rows = tuple(_rationals("A", row) for row in self.A)
        if not rows or {len(row) for row in rows} != {len(rows[0])}:
            raise ArgumentError(f"A must have rows of one length, got lengths {[len(row) for row in rows]}")
        object.__setattr__(self, "A", rows)
        object.__setattr__(self, "y", _rationals("y", self.y, len(rows)))
        object.__setattr__(self, "radius", _rationals("radius", [self.radius])[0])
        object.__setattr__(self, "direction", _rationals("direction", self.direction, len(rows[0])))
        if self.radius <= 0:
            raise ArgumentError(f"radius must be > 0, got {self.radius}")
        if min(self.direction) <= 0:
            raise ArgumentError(f"direction must be > 0 in every entry, got a minimum of {min(self.direction)}")
        if (rank := _matrix(rows).rank()) < len(rows):
            raise ArgumentError(f"A must have full row rank, got rank {rank} of {len(rows)} rows")

    @cached_property
    def kernel(self) -> list[list[Fraction]]:
        """A basis of ker A, N - M vectors, exact: one for each column without a pivot, which has a 1 there."""
        rows = [[Fraction(int(q.p), int(q.q)) for q in row] for row in _matrix(self.A).rref()[0].tolist()]
        columns = range(len(self.direction))
        pivots = [next(j for j in columns if row[j]) for row in rows]
        basis = {free: [Fraction(j == free) for j in columns] for free in columns if free not in pivots}
        for free, vector in basis.items():
            for pivot, row in zip(pivots, rows, strict=True):
                vector[pivot] = -row[free]
        return list(basis.values())

    def approximate_limit(self, flow: Flow) -> list[float]:
        """The weights of `wnlib.limit`, in double precision, N of them."""
        A, y, direction = (np.array(value, dtype=np.float64) for value in (self.A, self.y, self.direction))
        start = flow.start(len(direction), float(self.radius), direction)
        return [float(weight) for weight in limit(flow, Problem(A, y), start).weights]


SMALL_INSTANCE = Instance(A=((1, 2, 0, 1), (0, -1, 1, 2)), y=(5, 3), radius=2, direction=(5, 6, 7, 6))
"""Two measurements of four weights, for every depth: well-conditioned, with a limit away from the orthant's faces."""
