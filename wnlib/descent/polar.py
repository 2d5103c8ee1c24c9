"""Descents in polar coordinates, x = r u: in (r, u) themselves, and in Salimans and Kingma's (g, v)."""

from dataclasses import dataclass

import numpy as np

from wnlib._checks import Array, numeric
from wnlib.descent.arguments import PerRun, one, positive
from wnlib.descent.methods import DescentMethod, Parts, Spare, column, power_of
from wnlib.descent.rows import Rows
from wnlib.flows.polar import Polar, norm
from wnlib.flows.weight_norm import WeightNormFlow


@dataclass(frozen=True, eq=False, repr=False)
class PolarDescent(DescentMethod):
    r"""Descent on (r, u), which is the state, with learning rates 1 and `ratio`; u is normalized after each step.

    The step on u is along the sphere: with it $\|u\| \ge 1$ before normalization, which is always possible.

    Attributes:
        ratio: c > 0, in units of $r^{-2}$; one, or one for each run, shape (...).

    Raises:
        ArgumentError: for a depth or a ratio out of its range.

    Example:
        >>> from wnlib import PolarDescent, Problem, descend
        >>> method = PolarDescent(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> start = method.flow.start(60, scale=1.0)
        >>> bool(descend(method, problem, start, step=0.01, steps=300).loss[-1] < 1e-4)
        True
    """

    ratio: PerRun

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "ratio", positive("ratio", self.ratio))

    @property
    def flow(self) -> WeightNormFlow:
        return WeightNormFlow(self.depth, one("ratio", self.ratio))

    def encode(self, start: Polar) -> Array:
        return _joined(start.radius, start.direction)

    def decode(self, states: Array) -> Polar:
        states = numeric("states", states)
        return Polar.of(states[..., 0], states[..., 1:])

    def split(self, states: Array) -> Parts:
        return _split(states)

    def join(self, parts: Parts) -> Array:
        r, v = parts
        return _joined(r, v / column(_norm(v)))

    def advance(self, parts: Parts, h: PerRun, rows: Rows, spare: Spare) -> tuple[Parts, Array]:
        norm = _norm(parts[1])
        return _polar_step(self.depth, parts, norm, h, h * self.ratio * norm**2, norm, rows, spare)


@dataclass(frozen=True, eq=False, repr=False)
class SalimansKingmaDescent(DescentMethod):
    r"""Gradient descent on (g, v), which is the state, at unit learning rates: $x = g\, v / \|v\|$.

    Source: Salimans and Kingma, Weight normalization, NeurIPS 2016.

    Attributes:
        norm: $\|v\|$ at the start, positive; one, or one for each run, shape (...).

    Raises:
        ArgumentError: for a depth or a norm out of its range.

    Example:
        >>> import numpy as np
        >>> from wnlib import Problem, SalimansKingmaDescent, descend
        >>> method = SalimansKingmaDescent(depth=2, norm=0.5)
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> method.flow.ratio  # 1 / norm^2
        4.0
        >>> start = method.flow.start(60, scale=1.0)
        >>> descent = descend(method, problem, start, step=0.01, steps=100)
        >>> bool(np.all(np.diff(method.norms(descent.states)) > 0))  # it can only grow
        True
    """

    norm: PerRun

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "norm", positive("norm", self.norm))

    @property
    def flow(self) -> WeightNormFlow:
        return WeightNormFlow(self.depth, one("norm", self.norm) ** -2)

    def encode(self, start: Polar) -> Array:
        return _joined(start.radius, column(self.norm) * start.direction)

    def decode(self, states: Array) -> Polar:
        states = numeric("states", states)
        return Polar.of(states[..., 0], states[..., 1:] / column(self.norms(states)))

    def norms(self, states: Array) -> Array:
        r"""$\|v\|$, shape (...), at states of shape (..., n)."""
        return norm(numeric("states", states)[..., 1:])

    def split(self, states: Array) -> Parts:
        return _split(states)

    def join(self, parts: Parts) -> Array:
        return _joined(*parts)

    def advance(self, parts: Parts, h: PerRun, rows: Rows, spare: Spare) -> tuple[Parts, Array]:
        return _polar_step(self.depth, parts, _norm(parts[1]), h, h, 1.0, rows, spare)


def _polar_step(
    L: int, parts: Parts, norm: Array, h: PerRun, rate: PerRun, divisor: PerRun, rows: Rows, spare: Spare
) -> tuple[Parts, Array]:
    r"""The step on (g, v) with the learning rates h and `rate`, v divided by a divisor; and the residuals."""
    g, v = parts
    rho = g / norm
    power = power_of(v, L - 1, spare[1])
    measured = rows.measure(np.multiply(power, v, out=spare[0]))
    residual = rows.residual(column(rho**L) * measured)
    along = np.vecdot(residual, measured)
    pace = rate * L * rho**L
    v_new = rows.pull(column(pace / divisor) * residual, out=spare[0])
    v_new *= power
    v_new += np.multiply(column((1 - pace * along / norm**2) / divisor), v, out=spare[1])
    return (g + h * L * rho ** (L - 1) * along / norm, v_new), residual


def _norm(vectors: Array) -> Array:
    return np.sqrt(np.vecdot(vectors, vectors))


def _split(states: Array) -> Parts:
    return states[..., 0].copy(), np.ascontiguousarray(states[..., 1:])


def _joined(scalars: Array, vectors: Array) -> Array:
    return np.concatenate([column(scalars), vectors], axis=-1)
