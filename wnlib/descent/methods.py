r"""One step of each method, for many runs at once, on the two matrix products of the force.

With $\rho = g / \|v\|$, so that $x = \rho v$, and the learning rate $\eta$ of v, a step on (g, v) is
$g \leftarrow g + h L \rho^{L-1} \langle p, v^L\rangle / \|v\|$,
$v \leftarrow v + \eta L \rho^L (p \odot v^{L-1} - \langle p, v^L\rangle v / \|v\|^2)$.
It is Salimans-Kingma's at $\eta = h$. The polar step is that at $\eta = h c \|v\|^2$, divided by $\|v\|$: it leaves
u before its normalization for v, and the next step normalizes it. The product $\langle p, v^L\rangle$ is that of the
residuals with the measurements of $v^L$, in M dimensions.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wnlib import _checks as check
from wnlib._checks import Array, numeric
from wnlib._diverging import finite
from wnlib._values import Value
from wnlib.descent.arguments import PerRun, Shape
from wnlib.descent.rows import Explicit, Rows
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.polar import Polar, norm

Mask = NDArray[np.bool_]
Parts = tuple[Array, ...]  # a state, in contiguous pieces: (x,), or g of shape (...) and v of shape (..., N)
Spare = tuple[Array, Array]


@dataclass(frozen=True, eq=False, repr=False)
class DescentMethod(Value, ABC):
    """A discrete method for the factors x of $w = x^L$: what all methods have.

    States have shape (..., n), points (..., N), the residuals of m rows (..., m): one run for each index of the leading
    axes. What a method is made of beside its depth may be one number, or an array (...) with one for each run. Runs are
    advanced as `parts` of states: (x,) of shape (..., N), or g and v of shapes (...) and (..., N).

    Attributes:
        depth: L, an integer >= 1.

    Raises:
        ArgumentError: for a depth, or anything else that the method is made of, out of its range.

    Example:
        >>> import numpy as np
        >>> from wnlib import GradientDescent, Problem
        >>> from wnlib.descent.rows import Minibatch
        >>> method, problem = GradientDescent(depth=2), Problem(A=[[1, 1]], y=[2])
        >>> state = method.encode(method.flow.start(2, scale=1.0))
        >>> parts = method.split(state)
        >>> rows = Minibatch(problem.A, problem.y)
        >>> moved, residual = method.advance(parts, 0.1, rows, (state.copy(), state.copy()))
        >>> stepped = method.step(state, 0.1, lambda w: problem.residual(w) @ problem.A)
        >>> residual, np.array_equal(method.join(moved), stepped), method.inside(moved)
        (array([1.]), True, np.True_)
        >>> method.decode(stepped).weights(2).round(3)
        array([0.72, 0.72])
        >>> method.finite(parts), method.positive(parts)
        (np.True_, np.True_)
        >>> method.of_runs(shape=(), runs=np.array([0])) == method
        True
    """

    depth: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", check.integer("depth", self.depth, least=1))
        super().__post_init__()

    @property
    @abstractmethod
    def flow(self) -> Flow:
        """The flow that the method follows as its steps get shorter.

        Raises:
            ArgumentError: if its runs differ in it, or if it follows none.
        """

    @abstractmethod
    def encode(self, start: Polar) -> Array:
        """The state at which a descent starts."""

    @abstractmethod
    def decode(self, states: Array) -> Polar:
        """The points of states."""

    @abstractmethod
    def split(self, states: Array) -> Parts:
        """The parts of states."""

    @abstractmethod
    def join(self, parts: Parts) -> Array:
        """The states of which these are the parts."""

    @abstractmethod
    def advance(self, parts: Parts, h: PerRun, rows: Rows, spare: Spare) -> tuple[Parts, Array]:
        """The parts one step later, and the residuals at the point that it leaves.

        Args:
            h: The step, one or shape (...), in units of time.
            rows: Those that the step takes.
            spare: Two arrays like the last of the parts, to be written on; the first then belongs to the result.
        """

    def step(self, state: Array, h: PerRun, force: Callable[[Array], Array]) -> Array:
        """The state one step of size h later; `force` maps weights to forces, both of shape (..., N)."""
        parts, h = self.split(numeric("state", state)), numeric("h", h)
        spare = np.empty_like(parts[-1]), np.empty_like(parts[-1])
        return self.join(self.advance(parts, h, Explicit(force), spare)[0])

    def inside(self, parts: Parts) -> Mask:
        """Which runs are where the method is defined: of finite norm and, for depth >= 2, positive; shape (...)."""
        return self.finite(parts) & self.positive(parts) if self.depth >= 2 else self.finite(parts)

    def finite(self, parts: Parts) -> Mask:
        """Which runs have coordinates whose norms do not overflow, shape (...)."""
        *scalars, vectors = parts
        return finite(vectors, *scalars)

    def positive(self, parts: Parts) -> Mask:
        """Which runs are positive in every coordinate, shape (...)."""
        *scalars, vectors = parts
        inside = vectors.min(axis=-1) > 0
        for scalar in scalars:
            inside = inside & (scalar > 0)
        return inside

    @property
    def parameters(self) -> dict[str, Any]:
        """What the method is made of beside its depth, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "depth"}

    def of_runs(self, shape: Shape, runs: NDArray[np.intp]) -> Self:
        """The method for some of the runs of the given shape, by their numbers in its order, shape (R,)."""
        chosen: dict[str, Any] = {k: np.broadcast_to(v, shape).ravel()[runs] for k, v in self.parameters.items()}
        return replace(self, **chosen)


@dataclass(frozen=True, eq=False, repr=False)
class GradientDescent(DescentMethod):
    r"""Gradient descent on x, which is the state: $x \leftarrow x + h L\, p \odot x^{L-1}$.

    Example:
        >>> from wnlib import GradientDescent, GradientFlow, Problem, descend
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> start = GradientFlow(depth=2).start(60, scale=1.0)
        >>> method = GradientDescent(depth=2)
        >>> descend(method, problem, start, step=[0.1, 0.2], steps=300).loss[-1] < 1e-3
        array([ True,  True])
    """

    @property
    def flow(self) -> GradientFlow:
        return GradientFlow(self.depth)

    def encode(self, start: Polar) -> Array:
        return start.weights(1)

    def decode(self, states: Array) -> Polar:
        states = numeric("states", states)
        radius = norm(states)
        direction = Polar.of(radius, states / radius[..., None])
        return direction if self.depth == 1 else replace(direction, sign=np.ones(1))

    def split(self, states: Array) -> Parts:
        return (np.ascontiguousarray(states),)

    def join(self, parts: Parts) -> Array:
        return parts[0]

    def advance(self, parts: Parts, h: PerRun, rows: Rows, spare: Spare) -> tuple[Parts, Array]:
        (x,) = parts
        power = power_of(x, self.depth - 1, spare[1])
        residual = rows.residual(rows.measure(np.multiply(power, x, out=spare[0])))
        x_new = rows.pull(column(h * self.depth) * residual, out=spare[0])
        x_new *= power
        x_new += x
        return (x_new,), residual


def power_of(x: Array, k: int, out: Array) -> Array:
    """x^k for small k >= 0, as products: NumPy's own takes ten times as long from k = 3 on. It is x or on `out`."""
    if k == 0:
        out.fill(1)
        return out
    if k == 1:
        return x
    np.multiply(x, x, out=out)
    for _ in range(k - 2):
        out *= x
    return out


def column(numbers: PerRun) -> Array:
    return np.asarray(numbers)[..., None]
