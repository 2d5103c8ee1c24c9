r"""Networks whose layers have factors of their own: $w = x^{(1)} \odot \dots \odot x^{(L)}$, entries of any sign.

With $x^{(k)} = r_k u^{(k)}$, $\|u^{(k)}\| = 1$, and the force on a layer, $f^{(k)} = p \odot \bigodot_{j \ne k}
x^{(j)}$, gradient flow moves each layer by $(x^{(k)})' = f^{(k)}$, and weight normalization, with a sphere for each
layer, by

$$r_k' = \eta_r \langle f^{(k)}, u^{(k)}\rangle,\qquad
  (u^{(k)})' = \eta_u r_k \bigl(f^{(k)} - \langle f^{(k)}, u^{(k)}\rangle\, u^{(k)}\bigr).$$

Where all factors are equal and positive, these are the flows of $w = x^L$, at $1/L$ of their speed. Where the radii
differ, the smallest may reach zero in finite time, and change its sign: w passes through 0 there.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import LSODA

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib._values import Value, computed_once
from wnlib.errors import ArgumentError, IntegrationError
from wnlib.flows.flow import Field, Flow, GradientFlow
from wnlib.flows.units import Units, from_own, to_own
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.problem import Problem
from wnlib.trajectories.stepping import stepped


@dataclass(frozen=True, eq=False, repr=False)
class LayeredTrajectory(Value):
    """A followed flow of a network whose layers have factors of their own.

    Attributes:
        t: Increasing times from 0, shape (T,).
        radii: $r_k$, shape (T, L): with weight normalization, of any sign after the start.
        directions: $u^{(k)}$, shape (T, L, N).
        fits: Whether it reached the residual that it was to be followed to.

    Example:
        >>> from wnlib import Problem, WeightNormFlow, integrate_layered
        >>> flow, problem = WeightNormFlow(depth=2, ratio=4), Problem(A=[[1, 2]], y=[-3])
        >>> path = integrate_layered(flow, problem, [[1.0, 0.5], [0.3, -0.8]], t_end=100)
        >>> path.fits, path.weights.shape == (len(path.t), 2)
        (True, True)
        >>> gap = path.radii[:, 0] ** 2 - path.radii[:, 1] ** 2  # of the squared radii
        >>> bool(abs(gap - gap[0]).max() < 1e-6)
        True
    """

    flow: Flow
    problem: Problem
    t: Array
    radii: Array
    directions: Array
    fits: bool

    @property
    def factors(self) -> Array:
        """$x^{(k)}$, shape (T, L, N)."""
        return self.radii[..., None] * self.directions

    @computed_once
    def weights(self) -> Array:
        """w, shape (T, N)."""
        return np.asarray(self.factors.prod(axis=-2))

    @computed_once
    def magnified(self) -> Array:
        r"""$z^{(k)} = M_t u^{(k)}$ with $\log M_t = \tfrac c2 (r_k^2 - r_k(0)^2)$, or x, shape (T, L, N)."""
        if not isinstance(self.flow, WeightNormFlow):
            return self.factors
        gains = np.mean(self.radii**2 - self.radii[0] ** 2, axis=1)
        return np.asarray(np.exp(self.flow.ratio / 2 * gains)[:, None, None] * self.directions)


def slopes(problem: Problem, factors: Array) -> Array:
    r"""$f^{(k)} = p \odot \bigodot_{j \ne k} x^{(j)}$, minus the gradients of the loss in the factors, shape (L, N)."""
    L = len(factors)
    others = np.array([np.delete(np.arange(L), k) for k in range(L)])
    return np.asarray(factors[others].prod(axis=1) * (problem.A.T @ problem.residual(factors.prod(axis=0))))


def layered_field(flow: Flow, problem: Problem) -> Field:
    """The velocity of states: factors of shape (L N) for gradient flow, (r, u) of shape (L + L N) else."""
    if isinstance(flow, GradientFlow):
        return lambda t, state: slopes(problem, state.reshape(flow.depth, -1)).ravel()
    return lambda t, state: _normalized_velocity(flow, problem, *decode(flow, state))


def _normalized_velocity(flow: Flow, problem: Problem, radii: Array, u: Array) -> Array:
    r = radii[:, None]
    g = slopes(problem, r * u)
    along = np.sum(g * u, axis=1, keepdims=True)
    angular = flow.angular_rate(r)
    return np.append(angular / flow.relative_rate(r) * along, angular * r * (g - along * u))


def decode(flow: Flow, states: Array) -> tuple[Array, Array]:
    """Radii (..., L) and directions (..., L, N), on the spheres, of states."""
    first = 0 if isinstance(flow, GradientFlow) else flow.depth
    v = states[..., first:].reshape(*states.shape[:-1], flow.depth, -1)
    norms = np.linalg.norm(v, axis=-1)
    return (states[..., :first] if first else norms), v / norms[..., None]


def encode(flow: Flow, factors: Array) -> Array:
    """The state of factors (L, N), with positive radii."""
    if isinstance(flow, GradientFlow):
        return factors.ravel()
    r = np.linalg.norm(factors, axis=1)
    return np.append(r, factors / r[:, None])


def integrate_layered(
    flow: Flow, problem: Problem, factors: ArrayLike, t_end: float, stop: float = 1e-5, rtol: float = 1e-8
) -> LayeredTrajectory:
    """Follow gradient flow, or weight normalization layer by layer, by a stiff multistep solver (LSODA).

    It ends at the time `t_end` or at a relative residual `stop`.

    Args:
        flow: That of each layer: a GradientFlow, or a WeightNormFlow at constant rates, of depth L >= 2.
        factors: All $x^{(k)}$ at the start, shape (L, N), of any sign.
        stop: Relative to y, positive.
        rtol: The solver's tolerance per step.

    Raises:
        ArgumentError: for bad arguments: another flow, or factors that do not fit it.
        IntegrationError: if the solver gives up.

    Example:
        >>> from wnlib import GradientFlow, Problem, integrate_layered
        >>> problem, factors = Problem(A=[[1, 2]], y=[-3]), [[1.0, 0.5], [0.3, -0.8]]
        >>> path = integrate_layered(GradientFlow(depth=2), problem, factors, t_end=100)
        >>> gap = path.factors[:, 0] ** 2 - path.factors[:, 1] ** 2
        >>> path.fits, bool(abs(gap - gap[0]).max() < 1e-6)
        (True, True)
    """
    x = checked(flow, problem, factors)
    t_end, stop, rtol = check.positive("t_end", t_end), check.positive("stop", stop), check.positive("rtol", rtol)
    if not problem.y.any():
        raise ArgumentError("y must be nonzero, got the zero vector")
    units = Units.of(problem, flow.depth)
    own, end = units.problem(problem), to_own("t_end", t_end, units.time)
    field, state = layered_field(units.flow(flow), own), encode(flow, to_own("factors", x, units.point))
    size = float(np.linalg.norm(own.y))

    def unfit(t: float, state: Array) -> float:
        r, u = decode(flow, state)
        return float(np.linalg.norm(own.residual((r[:, None] * u).prod(axis=0)))) / size - stop

    fastest = float(np.abs(field(0.0, state)).max())
    first = min(end, 1e-3 / fastest) if fastest > 0 else None
    with np.errstate(over="ignore", invalid="ignore"), warnings.catch_warnings():
        # Overflow happens in trial steps, which the solver rejects; what it warns of, the error below says.
        warnings.filterwarnings("ignore", message="lsoda", category=UserWarning)
        solver = LSODA(field, 0.0, state, end, rtol=rtol, atol=rtol * SMALL, first_step=first)
        solution, ended, message = stepped(solver, [unfit], lambda t: from_own(t, units.time))
    if solution is None or (ended is None and solver.status == "failed"):
        reached = from_own(solver.t, units.time)
        raise IntegrationError(f"no solution past t = {reached:.3g} of {t_end:.3g}: {message}; try another rtol")
    r, u = decode(flow, solution(solution.ts).T)
    return LayeredTrajectory(
        flow, problem, from_own(solution.ts, units.time), from_own(r, units.point), u, ended is unfit
    )


SMALL = 1e-3  # of a tolerance, for entries of directions: they shrink where others are magnified


def checked(flow: Flow, problem: Problem, factors: ArrayLike) -> Array:
    """The factors, shape (L, N). Raises ArgumentError unless they fit flow and problem, and no layer is zero."""
    if not isinstance(flow, GradientFlow) and type(flow) is not WeightNormFlow:
        raise ArgumentError(f"flow must be a GradientFlow or a WeightNormFlow, got {type(flow).__name__}")
    if flow.depth == 1:
        raise ArgumentError("flow must have depth >= 2, got 1: a single layer is no product")
    x = check.array("factors", factors, (flow.depth, problem.shape[1]))
    if not x.any(axis=1).all():
        raise ArgumentError(f"factors must have no zero layer, got layer {int(np.argmin(x.any(axis=1)))}")
    return x
