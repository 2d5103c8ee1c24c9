r"""Gradient descent on a network whose layers have factors of their own, plain and weight-normalized layer by layer.

With the forces on the layers $f^{(k)}$ of `wnlib.models.layered`, a plain step is $x^{(k)} \leftarrow x^{(k)} + h
f^{(k)}$. With weight normalization, $x^{(k)} = g_k v_k/\|v_k\|$, as Salimans and Kingma, and PyTorch's `weight_norm`
on each layer, have it:

$$g_k \leftarrow g_k + h\, \langle f^{(k)}, u^{(k)}\rangle,\qquad
  v_k \leftarrow v_k + h\, \frac{g_k}{\|v_k\|} \bigl(f^{(k)} - \langle f^{(k)}, u^{(k)}\rangle\, u^{(k)}\bigr),\qquad
  u^{(k)} = \frac{v_k}{\|v_k\|}.$$

As h tends to 0, $\|v_k\|$ stays what it is at the start, and the ratio is $c = \|v_k\|^{-2}$. Steps of any length make
it grow, and the ratio fall.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib._diverging import finite, loss_bound
from wnlib._values import Value, computed_once
from wnlib.errors import ArgumentError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.polar import norm
from wnlib.flows.units import Units, from_own, to_own
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.models.layered import checked, slopes
from wnlib.problem import Problem

Parts = tuple[Array, ...]  # of a state: (x,) of shape (L, N), or g of shape (L, 1) and v of shape (L, N)


@dataclass(frozen=True, eq=False, repr=False)
class LayeredDescent(Value):
    """The end of a run of `layered_descent`, and its losses.

    Attributes:
        factors: $x^{(k)}$ at the end, shape (L, N).
        losses: That at the start and after each step, shape (K + 1,) after K steps.
        fit: Whether the relative residual has come down to the tolerance.
        diverged: Whether it diverged.

    Example:
        >>> from wnlib import Problem, layered_descent
        >>> problem, factors = Problem(A=[[1, 2]], y=[-3]), [[1.0, 0.5], [0.3, -0.8]]
        >>> run = layered_descent(problem, factors, step=0.05, steps=500)
        >>> run.fit, run.diverged, run.losses.shape == (run.steps + 1,)
        (True, False, True)
        >>> bool(abs(problem.residual(run.weights)[0]) < 1e-4)
        True
    """

    factors: Array
    losses: Array
    fit: bool
    diverged: bool

    @computed_once
    def weights(self) -> Array:
        """w at the end, shape (N,)."""
        return np.asarray(self.factors.prod(axis=0))

    @property
    def steps(self) -> int:
        """How many were taken."""
        return len(self.losses) - 1


def layered_descent(
    problem: Problem,
    factors: ArrayLike,
    step: float,
    steps: int,
    ratio: float | None = None,
    tolerance: float = 1e-5,
) -> LayeredDescent:
    r"""Gradient descent on the factors of each layer, or on (g, v) of each where a ratio is given.

    It ends when the relative residual is at most `tolerance`, after `steps` steps, or when it diverges: its loss is no
    number, or far larger than at the start and at zero, or its next step makes the norm of its coordinates overflow.

    Args:
        factors: All $x^{(k)}$ at the start, shape (L, N), of any sign.
        step: h > 0, the learning rate, in units of time.
        steps: The most to take.
        ratio: $c = \|v_k\|^{-2}$ at the start, for weight normalization.
        tolerance: Relative to y, positive.

    Raises:
        ArgumentError: for bad arguments: fewer than two layers, or a layer that is zero.

    Example:
        >>> from wnlib import Problem, WeightNormFlow, layered_descent, layered_limit
        >>> problem, factors = Problem(A=[[1, 2]], y=[-3]), [[1.0, 0.5], [0.3, -0.8]]
        >>> run = layered_descent(problem, factors, step=0.001, steps=10_000, ratio=4)
        >>> end = layered_limit(WeightNormFlow(depth=2, ratio=4), problem, factors)
        >>> run.fit, bool(abs(run.weights - end.weights).max() < 0.01)
        (True, True)
    """
    x = check.array("factors", factors, (None, problem.shape[1]))
    if len(x) < 2:
        raise ArgumentError("factors must have at least 2 layers, got 1")
    flow: Flow = GradientFlow(len(x)) if ratio is None else WeightNormFlow(len(x), ratio)
    x = checked(flow, problem, x)
    step, steps = check.positive("step", step), check.integer("steps", steps, least=1)
    tolerance = check.positive("tolerance", tolerance)
    units = Units.of(problem, flow.depth)
    own, h = units.problem(problem), to_own("step", step, units.time)
    x = to_own("factors", x, units.point)
    losses: list[Array] = []
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # on the way to a divergence
        parts = _parts(units.flow(flow), x)
        stop = 0.5 * np.square(tolerance * norm(own.y))
        bound = loss_bound(own.loss(x.prod(axis=0)), own.loss_of_zero)
        for k in range(steps + 1):
            losses.append(own.loss(x.prod(axis=0)))
            diverged = not losses[k] <= bound
            fit = not diverged and bool(losses[k] <= stop)
            if fit or diverged or k == steps:
                break
            moved = _moved(own, h, x, parts)
            if diverged := not finite(np.concatenate(moved, axis=None)):
                break
            parts, x = moved, _factors(moved)
    return LayeredDescent(from_own(x, units.point), from_own(np.array(losses), units.loss), fit, diverged)


def _parts(flow: Flow, x: Array) -> Parts:
    if not isinstance(flow, WeightNormFlow):
        return (x,)
    g = norm(x)[:, None]
    return g, x / (g * np.sqrt(flow.ratio))


def _factors(parts: Parts) -> Array:
    """Those of a state, shape (L, N)."""
    *scales, v = parts
    return scales[0] * v / norm(v)[:, None] if scales else v


def _moved(problem: Problem, h: float, x: Array, parts: Parts) -> Parts:
    """The state, whose factors are x, one step later."""
    f = slopes(problem, x)
    if len(parts) == 1:
        return (x + h * f,)
    g, v = parts
    size = norm(v)[:, None]
    u = v / size
    along = np.sum(f * u, axis=1, keepdims=True)
    return g + h * along, v + h * g / size * (f - along * u)
