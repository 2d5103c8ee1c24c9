r"""The two flows: gradient flow on the weights' factors, plain and weight-normalized.

Weights are $w = x^L$ (elementwise), the loss is $\tfrac12\|A w - y\|^2$, the force is $p = A^\top (y - A w)$.

- Gradient flow:  $x' = L\, p \odot x^{L-1}$.
- Weight-normalized gradient flow, $x = r u$ with $\|u\| = 1$ and learning rates $\eta_r$, $\eta_u = c\,\eta_r$:
  $r' = \eta_r L r^{L-1} \langle p, u^L\rangle$,
  $u' = \eta_u L r^L (p \odot u^{L-1} - \langle p, u^L\rangle u)$.

Gradient flow is the second flow with $\eta_u = \eta_r / r^2$. Both are written, here and in `wnlib.flows.weight_norm`,
in the coordinates in which they are integrated: logarithms of the positive quantities for $L \ge 2$, so that positivity
is exact and small entries keep their relative accuracy; the quantities themselves for $L = 1$, where all signs are
allowed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from wnlib import _checks as check
from wnlib._checks import Array, numeric
from wnlib._values import Value
from wnlib.errors import ArgumentError
from wnlib.flows.polar import Polar, log_norm, norm
from wnlib.problem import Problem

Field = Callable[[float, Array], Array]


@dataclass(frozen=True, eq=False, repr=False)
class Flow(Value, ABC):
    """A gradient flow on the factors x of $w = x^L$: what both flows have.

    Radii and rates have one shape (...), and may be complex, for derivatives by imaginary steps. A point has shape
    (N,), its state (N,), or (1 + N,) with weight normalization; many points and states have shapes (..., N) and
    (..., 1 + N).

    Attributes:
        depth: L, an integer >= 1.

    Raises:
        ArgumentError: for a depth or a rate out of its range.

    Example:
        >>> import numpy as np
        >>> from wnlib import Problem, WeightNormFlow
        >>> flow = WeightNormFlow(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> radius = np.array([1.0, 2.0])
        >>> flow.log_magnification(radius), flow.radius(np.array([5.0, 20.0]))
        (array([ 5., 20.]), array([1., 2.]))
        >>> flow.relative_rate(radius), flow.angular_rate(radius)
        (array([10., 10.]), array([10., 10.]))
        >>> state = flow.encode(flow.start(60, scale=1.0))
        >>> flow.velocity(problem)(0.0, state).shape, float(flow.decode(state).radius)
        ((61,), 1.0)
    """

    depth: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", check.integer("depth", self.depth, least=1))
        super().__post_init__()

    def start(self, n: int, scale: float, direction: ArrayLike | None = None) -> Polar:
        r"""The start $x(0) = r_0 u_0$ of shape (n,).

        Args:
            scale: $r_0 = \|x(0)\| > 0$; weight normalization may start at a negative radius at depth 1.
            direction: Any multiple of $u_0$, shape (n,), uniform by default. It must be nonzero, and positive for depth
                >= 2, where the weights stay in the orthant they start in.

        Raises:
            ArgumentError: for bad arguments.

        Example:
            >>> from wnlib import GradientFlow
            >>> start = GradientFlow(depth=2).start(2, scale=5.0, direction=[3, 4])
            >>> start.weights(depth=2).round(12)
            array([ 9., 16.])
        """
        n = check.integer("n", n, least=1)
        scale = self._check_scale(scale)
        vector = check.array("direction", np.ones(n) if direction is None else direction, (n,))
        if self.depth >= 2 and vector.min() <= 0:
            raise ArgumentError(f"direction must be > 0 in every entry for depth >= 2, got a minimum of {vector.min()}")
        if not vector.any():
            raise ArgumentError("direction must have a nonzero norm, got the zero vector")
        vector = vector / np.abs(vector).max()
        return Polar.of(scale, vector / np.linalg.norm(vector))

    def check_start(self, start: Polar, n: int) -> None:
        """Refuse what is not a single start, of shape (n,), that this flow can take.

        Raises:
            ArgumentError: for another shape, no norm, or an entry that is not real, or not positive for depth >= 2.

        Example:
            >>> from wnlib import GradientFlow
            >>> GradientFlow(depth=2).check_start(GradientFlow(depth=1).start(2, 1.0, [1, -1]), n=2)
            Traceback (most recent call last):
                ...
            wnlib.errors.ArgumentError: start must be positive in every entry for depth >= 2, got one that is not
        """
        if not isinstance(start, Polar):
            raise ArgumentError(f"start must be a Polar, as `flow.start` makes one, got {type(start).__name__}")
        if np.shape(start.radius) != () or np.shape(start.log_direction) != (n,):
            raise ArgumentError(f"start must be one point with {n} entries, got shape {np.shape(start.log_direction)}")
        if np.iscomplexobj(start.radius) or np.iscomplexobj(start.log_direction):
            raise ArgumentError("start must be real, got a complex one")
        if not (np.isfinite(start.radius) and start.radius != 0):
            raise ArgumentError(f"start must be finite with a nonzero norm, got radius {start.radius}")
        if not np.isclose(norm := np.linalg.norm(start.direction), 1):
            raise ArgumentError(f"start must have a direction of norm 1, got norm {norm:.6g}")
        if self.depth >= 2 and not (
            start.radius > 0 and np.all(start.sign == 1) and start.log_direction.min() > -np.inf
        ):
            raise ArgumentError("start must be positive in every entry for depth >= 2, got one that is not")

    def _check_scale(self, scale: float) -> float:
        return check.positive("scale", scale)

    @abstractmethod
    def log_magnification(self, radius: Array) -> Array:
        r"""$\sigma(r)$, for which $z = u\,e^{\sigma(r)}$ moves along the plain flow's field, up to a change of time.

        It is $\log r$ for gradient flow, $c r^2/2$ with weight normalization.

        Raises:
            ArgumentError: for scheduled rates, which have none.
        """

    @abstractmethod
    def radius(self, log_magnification: Array) -> Array:
        """The r >= 0 with the given log-magnification; NaN where there is none."""

    @abstractmethod
    def relative_rate(self, radius: Array) -> Array:
        r"""The ratio $\eta_u / \eta_r$ of the learning rates at a radius: $r^{-2}$ for gradient flow, else c."""

    @abstractmethod
    def angular_rate(self, radius: Array) -> Array:
        r"""The learning rate $\eta_u$ of the direction at a radius."""

    @abstractmethod
    def encode(self, start: Polar) -> Array:
        """The state in which this flow is integrated."""

    @abstractmethod
    def decode(self, states: Array) -> Polar:
        """The points of states."""

    @abstractmethod
    def velocity(self, problem: Problem) -> Field:
        """The vector field (t, state) -> d state / dt for one problem and one state."""


@dataclass(frozen=True, eq=False, repr=False)
class GradientFlow(Flow):
    r"""Gradient flow on x, $x' = L\, p \odot x^{L-1}$; the state is log x, or x itself at depth 1.

    Example:
        >>> from wnlib import GradientFlow, Problem, limit
        >>> flow, problem = GradientFlow(depth=2), Problem.gaussian(m=24, n=60, sparsity=3)
        >>> starts = [flow.start(60, scale) for scale in (1.0, 1e-10)]
        >>> [limit(flow, problem, start).l1_excess < 0.01 for start in starts]
        [False, True]
    """

    def log_magnification(self, radius: Array) -> Array:
        return np.log(numeric("radius", radius))

    def radius(self, log_magnification: Array) -> Array:
        return np.exp(numeric("log_magnification", log_magnification))

    def relative_rate(self, radius: Array) -> Array:
        return np.power(numeric("radius", radius), -2.0)

    def angular_rate(self, radius: Array) -> Array:
        return self.relative_rate(radius)

    def encode(self, start: Polar) -> Array:
        if self.depth == 1:
            return start.weights(1)
        return np.log(start.radius) + start.log_direction

    def decode(self, states: Array) -> Polar:
        states = numeric("states", states)
        if self.depth == 1:
            radius = norm(states)
            return Polar.of(radius, states / radius[..., None])
        log_radius = log_norm(states)
        return Polar(np.exp(log_radius), states - log_radius[..., None], np.ones(1))

    def velocity(self, problem: Problem) -> Field:
        A, L = problem.A, self.depth

        def field(t: float, log_x: Array) -> Array:
            log_x = numeric("state", log_x)
            return L * np.exp((L - 2) * log_x) * (A.T @ problem.residual(np.exp(L * log_x)))

        return field if L >= 2 else lambda t, x: A.T @ problem.residual(x)
