r"""Whether weight normalization shrinks to w = 0 instead of fitting the measurements.

Every trajectory converges to an interpolant or collapses (see the theorem on convergence). In time a collapse takes for
ever, and so does an escape from a small start. In the clock $ds = \eta_u L r^L\,dt$ both are quick:

$$\frac{d r^2}{ds} = \frac2c \langle p, u^L\rangle,\qquad \frac{d\log u}{ds} = p \odot u^{L-2} - \langle p, u^L\rangle$$

is regular at r = 0. A collapse is $r^2$ reaching 0, with a speed, at a finite s; an escape is a loss below that of
w = 0, which never increases again.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy import linalg, optimize
from scipy.integrate import solve_ivp

from wnlib._checks import Array
from wnlib.errors import ArgumentError, IntegrationError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import Polar, log_norm
from wnlib.flows.units import Units, from_own
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.problem import Problem

RTOL = 1e-9
SMALLEST = 1e-280  # of r^2 and c r^2, in the problem's own units: far below that, the push alone decides
HORIZON = 1e12  # of the clock s, in which the force at w = 0 turns the direction in a time of about 1


def collapses(flow: Flow, problem: Problem, start: Polar) -> bool:
    """Whether weight normalization shrinks to w = 0 instead of fitting the measurements (depth >= 2).

    Never if the loss is below that of w = 0, since it does not increase. Else the flow is followed, in a clock in which
    that takes finite time.

    Args:
        start: One point, shape (N,).

    Raises:
        ArgumentError: for bad arguments.
        IntegrationError: if the flow stays at a saddle.

    Example:
        >>> from wnlib import Problem, WeightNormFlow, collapses
        >>> flow, problem = WeightNormFlow(depth=2, ratio=1), Problem(A=[[1, -1]], y=[1])
        >>> starts = [flow.start(2, scale, direction=[1, 2]) for scale in (0.1, 2.0)]
        >>> [collapses(flow, problem, start) for start in starts]
        [True, False]
    """
    flow.check_start(start, problem.shape[1])
    if not isinstance(flow, WeightNormFlow) or flow.depth == 1:
        return False
    if not problem.y.any():
        raise ArgumentError("y must be nonzero, got the zero vector")
    units = Units.of(problem, flow.depth)
    problem, own_flow, start = units.problem(problem), units.flow(flow), units.start(start)
    if below_zero(problem, start.weights(flow.depth)):
        return False
    return _followed_to_zero(own_flow, problem, start, units)


def below_zero(problem: Problem, weights: Array) -> bool:
    r"""Whether weights (N,) have less loss than w = 0: $\tfrac12\|A w\|^2 < \langle y, A w\rangle$.

    The difference of the two losses themselves is lost in rounding when the weights are small.
    """
    image = problem.A @ weights
    return bool(0.5 * image @ image < problem.y @ image)


def divergence_excludes_collapse(flow: Flow, start: Polar, target: Array) -> bool:
    r"""A sufficient condition against collapse, for weight normalization at depth >= 2.

    The divergence to an interpolant z (`target`, shape (N,), nonnegative) decreases. A collapse, w -> 0 with a
    direction u, would leave $\Phi(z) - \Phi(0) - \langle m_L(u), z\rangle$ of it, least at $u \propto z^{1/L}$.
    At depth 2 from a uniform start: $c\,r_0^2 (2Q - r_0^2) > 2Q\,\mathrm{KL}(\pi^* \| \mathbf 1/N)$ excludes it.
    """
    if isinstance(flow, GradientFlow):
        return True
    mirror, L = mirror_map(flow, float(start.radius)), flow.depth
    support = target[target > 0]
    towards = support ** (1 / L)
    shrunk = Polar.of(1e-100, towards / linalg.norm(towards))
    return bool(mirror.bregman(target, start) < mirror.bregman(support, shrunk))


def _followed_to_zero(flow: WeightNormFlow, problem: Problem, start: Polar, units: Units) -> bool:
    loss_of_zero = problem.loss_of_zero
    L, size = flow.depth, max(float(start.radius) ** 2, SMALLEST * max(1.0, 1 / flow.ratio))

    def force(state: Array) -> tuple[Array, Array, Array]:
        log_u = state[1:] - log_norm(state[1:])
        unit_weights = np.exp(L * log_u)
        weights = max(size * state[0], 0.0) ** (L / 2) * unit_weights
        return log_u, unit_weights, problem.A.T @ problem.residual(weights)

    def velocity(s: float, state: Array) -> Array:
        log_u, unit_weights, p = force(state)
        along = p @ unit_weights
        return np.append(2 / (flow.ratio * size) * along, p * np.exp((L - 2) * log_u) - along)

    def shrunk(s: float, state: Array) -> float:
        return float(state[0])

    def escaped(s: float, state: Array) -> float:
        weights = max(size * state[0], 0.0) ** (L / 2) * force(state)[1]
        return float(problem.loss(weights)) / loss_of_zero - (1 - 1e-6)

    shrunk.terminal = escaped.terminal = True  # type: ignore[attr-defined]
    state = np.append(1.0, start.log_direction)
    unit = 1 / float(np.abs(problem.A.T @ problem.y).max())
    first = 1e-3 / (1 + unit * abs(float(velocity(0.0, state)[0])))
    result = solve_ivp(
        lambda s, state: unit * velocity(s, state),
        (0.0, HORIZON),
        state,
        method="LSODA",
        events=[shrunk, escaped],
        dense_output=True,
        rtol=RTOL,
        atol=RTOL,
        first_step=first,
    )
    if result.status != 1:
        r2 = from_own(result.y[0, -1] * size, 2 * units.point)
        raise IntegrationError(
            f"the flow neither fits nor collapses: it stays at a saddle with r^2 = {r2:.3g}; try a larger start"
        )
    if result.t_events[0].size > 0:
        return True
    # A step may leap over a short stay below 0: where the radius is least on the way tells.
    slopes = [float(velocity(s, state)[0]) for s, state in zip(result.t, result.y.T, strict=True)]
    turns = [k for k, (before, after) in enumerate(pairwise(slopes)) if before < 0 < after]
    return any(_least(result.sol, result.t[k], result.t[k + 1]) <= 0 for k in turns)


def _least(path: Callable[[float], Array], start: float, end: float) -> float:
    """The least squared radius on the way between two times."""
    options = {"xatol": 1e-9 * (end - start)}
    found = optimize.minimize_scalar(lambda s: path(s)[0], bounds=(start, end), method="bounded", options=options)
    return float(found.fun)
