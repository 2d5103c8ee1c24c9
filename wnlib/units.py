r"""The problem's own units, in which everything is computed: A, y and what follows from them are of size one there.

Solvers have absolute tolerances, first guesses and smallest and largest floats. So that none of these depends on the
units in which a problem is stated, it is solved in its own, and the answer is told in the caller's. With
$A = a \tilde A$ and $y = b \tilde y$ the weights' unit is $\omega = b/a$, that of the points is
$\xi = \omega^{1/L}$, and $x' = L\,x^{L-1} A^\top (y - A w)$ keeps its form if time is in units of

$$\tau = \frac{\xi^{2-L}}{a\,b}.$$

So does weight normalization, with $c = \tilde c\,\xi^{-2}$ and the same $\eta_r$; forces are in units of $a b$, losses of
$b^2$. All of these are powers of two, $\omega$ one of $2^L$: multiplication by them is exact. They are kept as
exponents, because they may be beyond the largest float.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike

from wnlib._checks import Array
from wnlib.errors import ArgumentError
from wnlib.problem import Problem

SHARE = 0.4  # a unit is at most 2^0.4 above the size: no tie, as 0.5 would be for the square roots of integers

_stated: WeakKeyDictionary[Problem, dict["Units", Problem]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Units:
    r"""The units of one problem at one depth, as exponents of two.

    Attributes:
        matrix: Of a.
        data: Of b, those of y.
        point: Of $\xi$, those of x, of radii and starts.
        time: Of $\tau$.
    """

    matrix: int
    data: int
    point: int
    time: int

    @classmethod
    def of(cls, problem: Problem, depth: int = 1) -> "Units":
        """Those in which the columns of A have root mean square norm 1, and y norm 1, or nearly."""
        return cls.of_sizes(_log2_norm(problem.A) - 0.5 * np.log2(problem.shape[1]), _log2_norm(problem.y), depth)

    @classmethod
    def of_weights(cls, weights: ArrayLike, depth: int) -> "Units":
        """Those in which weights have norm 1, or nearly, and A is what it is."""
        return cls.of_sizes(0.0, _log2_norm(np.asarray(weights, dtype=np.float64)), depth)

    @classmethod
    def of_sizes(cls, log2_matrix: float, log2_data: float, depth: int) -> "Units":
        """From the logarithms of the sizes of A and y, -inf for what is 0 and has none."""
        matrix = int(np.floor(log2_matrix + SHARE)) if np.isfinite(log2_matrix) else 0
        point = int(np.floor((log2_data - matrix) / depth + SHARE)) if np.isfinite(log2_data) else 0
        data = matrix + depth * point
        return cls(matrix, data, point, (2 - depth) * point - matrix - data)

    @property
    def weights(self) -> int:
        r"""Of $\omega$."""
        return self.data - self.matrix

    @property
    def ratio(self) -> int:
        """Of c."""
        return -2 * self.point

    @property
    def force(self) -> int:
        """Of forces, $A^T (y - A w)$."""
        return self.matrix + self.data

    @property
    def loss(self) -> int:
        """Of losses."""
        return 2 * self.data

    def problem(self, problem: Problem) -> Problem:
        """The problem in these units: itself where they are 1, else one that is made once."""
        if not (self.matrix or self.data):
            return problem
        stated = _stated.setdefault(problem, {})
        if self not in stated:
            truth = None if problem.truth is None else from_own(problem.truth, -self.weights)
            if truth is not None and not np.isfinite(truth).all():
                truth = None
            stated[self] = type(problem)(
                from_own(problem.A, -self.matrix), from_own(problem.y, -self.data), truth
            )
        return stated[self]


def from_own(value: Any, unit: int | Array) -> Any:
    """A number or an array in the caller's units: times two to the power of `unit`, rounded as floats are."""
    with np.errstate(over="ignore", under="ignore"):
        scaled = np.ldexp(value, unit)
    return scaled if isinstance(value, np.ndarray) else float(scaled)


def to_own(name: str, value: Any, unit: int) -> Any:
    """A number or an array in units of two to the power of `unit`.

    Raises:
        ArgumentError: for a number that has no floating-point number for it there.
    """
    if unit == 0:
        return value
    scaled = from_own(value, -unit)
    size = np.abs(scaled)
    if np.any(((size < np.finfo(float).tiny) & (value != 0)) | ~np.isfinite(size)):
        raise ArgumentError(
            f"{name} must be within the range of floating-point numbers in the problem's own unit of 2^{unit}, got {value}"
        )
    return scaled


def _log2_norm(values: Array | Sequence[float]) -> float:
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0:
        return -np.inf
    exponent = int(np.frexp(largest)[1])
    return exponent + float(np.log2(np.linalg.norm(np.ldexp(values, -exponent))))
