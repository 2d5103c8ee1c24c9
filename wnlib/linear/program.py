r"""A linear program, $\min\{c^\top x : A x = b,\ 0 \le x \le u\}$: its units, and certificates."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from wnlib._checks import Array

CERTIFIED, GOOD_GAP = 1e-6, 1e-9  # relative gaps up to which an answer passes, and beyond which nothing more is tried
FEASIBLE, GOOD_RESIDUAL = 1e-9, 1e-10  # relative residuals, likewise
Exponents = NDArray[np.intc]
Pair = tuple[Array, Array]  # a point, and prices of the rows


@dataclass(frozen=True, eq=False)
class Program:
    """Costs (N,), A (M, N), b (M,) and upper bounds (N,), infinite where there is none."""

    cost: Array
    A: Array
    b: Array
    upper: Array

    @cached_property
    def size(self) -> float:
        """The norm of b, in which residuals are measured; 1 if b = 0."""
        return float(linalg.norm(self.b)) or 1.0

    @cached_property
    def prices(self) -> Array:
        """The units of the reduced costs, shape (N,): the costs, or the largest of them where there is none."""
        sizes = np.abs(self.cost)
        return np.where(sizes > 0, sizes, sizes.max() or 1.0)

    def residual(self, x: Array) -> float:
        r"""$\|A x - b\| / \|b\|$."""
        return float(linalg.norm(self.A @ x - self.b)) / self.size


@dataclass(frozen=True, eq=False)
class Answer:
    r"""A point within the bounds, prices of the rows, and the certificate that weak duality makes of them.

    Attributes:
        x: The minimiser, shape (N,).
        dual: $\nu$, shape (M,).
        gap: By how much $c^\top x$ differs from the bound of $\nu$, what the residual is worth at these prices, and
            what reduced costs of the wrong sign add to it, relative to the mass of x at the program's prices.
        residual: $\|A x - b\| / \|b\|$.
    """

    x: Array
    dual: Array
    gap: float
    residual: float

    @property
    def error(self) -> float:
        """The larger of gap and residual, in units of what passes."""
        return max(self.gap / CERTIFIED, self.residual / FEASIBLE)

    @property
    def good(self) -> bool:
        """Whether there is nothing to be gained."""
        return self.gap <= GOOD_GAP and self.residual <= GOOD_RESIDUAL


def certified(program: Program, x: Array, dual: Array) -> Answer:
    """An answer with its certificate, computed from the data alone; x is first put within its bounds.

    Where prices are large, rounding errors of ordinary products would decide: those of the certificate are exact.
    """
    x = np.clip(x, 0, program.upper)
    left = exact_product(np.column_stack([program.A, program.b]), np.append(-x, 1.0))
    reduced = exact_product(np.column_stack([program.A.T, program.cost]), np.append(-dual, 1.0))
    bounded = np.isfinite(program.upper)
    wrong = np.where(bounded, 0.0, -reduced) / program.prices
    worth, more = exact_product(np.array([program.b, left]), dual)  # of the data; of what a feasible x would add
    bound = worth + float(np.minimum(reduced[bounded], 0) @ program.upper[bounded])
    mass = float(program.prices @ x)
    gap = abs(float(program.cost @ x) - bound) + abs(more) + max(0.0, float(wrong.max())) * mass
    return Answer(x, dual, gap / mass if mass else (np.inf if gap else 0.0), float(linalg.norm(left)) / program.size)


def exact_product(A: Array, x: Array) -> Array:
    """A x, each entry with a single rounding error: the products are split into two floats and summed exactly."""
    used = np.flatnonzero(x)
    high = A[:, used] * x[used]
    (A_high, A_low), (x_high, x_low) = _halves(A[:, used]), _halves(x[used])
    low = A_low * x_low - (((high - A_high * x_high) - A_low * x_high) - A_high * x_low)
    return np.array([math.fsum(row) for row in np.hstack([high, low])])


def _halves(values: Array) -> Pair:
    """Numbers as sums of two of 26 bits each (Veltkamp), whose products are exact."""
    scaled = 134217729.0 * values  # 2^27 + 1
    high = scaled - (scaled - values)
    return high, values - high


@dataclass(frozen=True, eq=False)
class Units:
    r"""Powers of two for the rows (M,) and the columns (N,) of A, for x and for the prices: no digit changes.

    $\tilde A = 2^p A\, 2^q$, $x = 2^{q + \beta} \tilde x$, $\nu = 2^{p + \gamma} \tilde\nu$.
    """

    rows: Exponents
    columns: Exponents
    primal: int
    dual: int

    def restate(self, program: Program) -> Program:
        """The program in these units."""
        return Program(
            np.ldexp(program.cost, self.columns - self.dual),
            np.ldexp(program.A, self.rows[:, None] + self.columns),
            np.ldexp(program.b, self.rows - self.primal),
            np.ldexp(program.upper, -self.columns - self.primal),
        )

    def into(self, x: Array) -> Array:
        """x in these units."""
        return np.ldexp(x, -self.columns - self.primal)

    def back(self, x: Array, dual: Array) -> Pair:
        """x and prices, out of these units."""
        return np.ldexp(x, self.columns + self.primal), np.ldexp(dual, self.rows + self.dual)


def overall(program: Program) -> Units:
    """Units in which the largest entries of A, b and c are about 1."""
    (m, n), unit = program.A.shape, _exponent(program.A)
    return Units(
        np.full(m, -unit, dtype=np.intc),
        np.zeros(n, dtype=np.intc),
        _exponent(program.b) - unit,
        _exponent(program.cost),
    )


def equilibrated(program: Program) -> Units:
    """Units in which the largest entries of each row and of each column of A, of b and of c are about 1 (Ruiz)."""
    with np.errstate(divide="ignore"):
        sizes = np.log2(np.abs(program.A))
    rows, columns = np.zeros((sizes.shape[0], 1)), np.zeros(sizes.shape[1])
    for _ in range(8):
        across, down = np.max(sizes + rows + columns, axis=1, keepdims=True), np.max(sizes + rows + columns, axis=0)
        rows = rows - np.where(np.isfinite(across), across / 2, 0)
        columns = columns - np.where(np.isfinite(down), down / 2, 0)
    p, q = np.rint(rows[:, 0]).astype(np.intc), np.rint(columns).astype(np.intc)
    return Units(p, q, _exponent(np.ldexp(program.b, p)), _exponent(np.ldexp(program.cost, q)))


def implied(program: Program) -> Units:
    """Units of x in which it is at most 2, where rows without negative entries imply that, and rows are about 1.

    Of a row that some columns can only overshoot, what the others can give may be below what solvers take for 0.
    """
    A, sums = program.A, (program.A >= 0).all(axis=1) & (program.b >= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        most = np.min(np.where(A > 0, program.b[:, None] / A, np.inf), axis=0, where=sums[:, None], initial=np.inf)
        columns = np.where((most > 0) & (most < np.inf), np.floor(np.log2(most)), 0).astype(np.intc)
    scaled = np.ldexp(A, columns)
    rows = -np.frexp(np.abs(scaled).max(axis=1))[1].astype(np.intc)
    return Units(rows, columns, _exponent(np.ldexp(program.b, rows)), _exponent(np.ldexp(program.cost, columns)))


def _exponent(values: Array) -> int:
    return int(np.frexp(np.abs(values).max())[1])
