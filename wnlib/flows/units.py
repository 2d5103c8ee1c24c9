r"""The problem's own units, in which everything is computed: A, y and what follows from them are of size one there.

Solvers have absolute tolerances, first guesses and smallest and largest floats. So that none of these depends on the
units in which a problem is stated, it is solved in its own, and the answer is told in the caller's. With
$A = a \tilde A$ and $y = b \tilde y$ the weights' unit is $\omega = b/a$, that of the points is
$\xi = \omega^{1/L}$, and $x' = L\,x^{L-1} A^\top (y - A w)$ keeps its form if time is in units of

$$\tau = \frac{\xi^{2-L}}{a\,b}.$$

So does weight normalization, with $c = \tilde c\,\xi^{-2}$ and the same $\eta_r$; forces are in units of $a b$, losses
of $b^2$. All of these are powers of two, $\omega$ one of $2^L$: multiplication by them is exact. They are kept as
exponents, because they may be beyond the largest float.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from wnlib._checks import Array
from wnlib.errors import ArgumentError, InfeasibleError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import ScheduledWeightNormFlow, WeightNormFlow
from wnlib.problem import Problem

AnyFlow = TypeVar("AnyFlow", bound=Flow)

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
        return cls.of_data(problem.A, problem.y, problem.shape[1], depth)

    @classmethod
    def of_data(cls, A: Array, y: Array, columns: float, depth: int) -> "Units":
        """The same of measurements A of any shape, of that many columns, and data y."""
        return cls.of_sizes(_log2_norm(A) - 0.5 * float(np.log2(columns)), _log2_norm(y), depth)

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
            A, y = from_own(problem.A, -self.matrix), from_own(problem.y, -self.data)
            stated[self] = type(problem)(A, y, truth, problem.tolerance)
        return stated[self]

    def loss_of(self, problem: Problem, weights: Array) -> Array:
        """The loss, in these units, of weights (..., N) in the caller's; shape (...)."""
        return self.problem(problem).loss(from_own(weights, -self.weights))

    def flow(self, flow: AnyFlow) -> AnyFlow:
        """The flow in these units. Raises ArgumentError if its ratio has no floating-point number there."""
        if isinstance(flow, GradientFlow):
            return flow
        if not isinstance(flow, WeightNormFlow):
            raise ArgumentError(f"flow must be a GradientFlow or a WeightNormFlow, got {type(flow).__name__}")
        changes: dict[str, Any] = {"ratio": to_own("ratio", flow.ratio, self.ratio)} if self.point else {}
        if self.time and isinstance(flow, ScheduledWeightNormFlow):
            for name in ("radial_schedule", "angular_schedule"):
                changes[name] = Schedule(getattr(flow, name), self.time)
        return replace(flow, **changes) if changes else flow

    def start(self, start: Polar) -> Polar:
        """Points in these units. Raises ArgumentError for a radius that has no floating-point number there."""
        return replace(start, radius=np.asarray(to_own("start's radius", np.asarray(start.radius), self.point)))

    def told(self, points: Polar) -> Polar:
        """Points that are in these units in the caller's."""
        return replace(points, radius=from_own(np.asarray(points.radius), self.point)) if self.point else points


@dataclass(frozen=True)
class Schedule:
    """A function of time, as one of the time in a problem's own unit."""

    schedule: Callable[[float], float]
    unit: int

    def __call__(self, t: float) -> float:
        return self.schedule(from_own(t, self.unit))


def require_nonnegative_interpolant(problem: Problem, own: Problem) -> None:
    """Raise InfeasibleError, in the problem's units, unless it has one, which is sought in its own."""
    try:
        own.require_nonnegative_interpolant()
    except InfeasibleError:
        problem.require_nonnegative_interpolant()
        raise


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
            f"{name} must be within the range of floating-point numbers in the problem's own unit of 2^{unit}, "
            f"got {value}"
        )
    return scaled


def _log2_norm(values: Array) -> float:
    size = float(linalg.norm(values.ravel(), check_finite=False))
    if np.finfo(float).tiny < size < np.inf:
        return float(np.log2(size))
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0:
        return -np.inf
    exponent = int(np.frexp(largest)[1])
    return exponent + float(np.log2(np.linalg.norm(np.ldexp(values, -exponent))))
