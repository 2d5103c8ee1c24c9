"""Both flows from starts of many sizes, and gradient flow followed in polar coordinates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wnlib._checks import Array
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.weight_norm import ScheduledWeightNormFlow, WeightNormFlow
from wnlib.limits.bounds import normalized_excess_bound, plain_excess_bound
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import BasisPursuit, basis_pursuit
from wnlib.trajectories.integration import integrate

FITTED = 1e-6  # relative loss below which a run is said to interpolate


@dataclass(frozen=True, eq=False)
class Run:
    """One flow from one uniform start.

    fraction  the l1 norm of the starting weights, relative to Q
    t         (T,), the solver's times
    loss      (T,), relative to the loss of w = 0
    excess    (T,), (||w||_1 - Q) / Q
    floor     (T,), the excess below which no w >= 0 of this loss can be
    bound     the excess that the limit cannot exceed: known here for depth 2 and small starts, else inf
    """

    normalized: bool
    fraction: float
    t: Array
    loss: Array
    excess: Array
    floor: Array
    bound: float

    @property
    def fitted(self) -> bool:
        """Whether the run has come to interpolate before its time was over."""
        return bool(self.loss[-1] <= FITTED)


def scale_of(mass: float, depth: int, n: int) -> float:
    """The initial scale r_0 of the uniform start whose `n` weights sum to `mass`."""
    return float(np.sqrt(n) * (mass / n) ** (1 / depth))


def start_sweep(
    problem: Problem, depth: int, ratio: float, fractions: Sequence[float], t_end: float = 1e4
) -> list[Run]:
    """Both flows from uniform starts of l1 norm fraction * Q, to relative loss 0.1 * FITTED or to `t_end`."""
    pursuit = basis_pursuit(problem)
    flows: tuple[Flow, ...] = (GradientFlow(depth), WeightNormFlow(depth, ratio))
    return [_run(flow, problem, pursuit, fraction, t_end) for flow in flows for fraction in fractions]


def _run(flow: Flow, problem: Problem, pursuit: BasisPursuit, fraction: float, t_end: float) -> Run:
    n, Q = problem.shape[1], pursuit.value
    scale = scale_of(fraction * Q, flow.depth, n)
    zero_loss = problem.loss_of_zero
    path = integrate(flow, problem, flow.start(n, scale), t_end, rtol=1e-7, stop_loss=0.1 * FITTED * zero_loss)
    bound = np.inf
    if flow.depth == 2:
        if isinstance(flow, WeightNormFlow):
            bound = normalized_excess_bound(flow.ratio, scale, pursuit.weights)
        else:
            bound = plain_excess_bound(scale, pursuit.weights)
    return Run(
        normalized=isinstance(flow, WeightNormFlow),
        fraction=fraction,
        t=path.t,
        loss=path.loss / zero_loss,
        excess=path.l1 / Q - 1,
        floor=-(pursuit.gap + np.linalg.norm(pursuit.dual) * np.sqrt(2 * path.loss)) / Q,
        bound=bound,
    )


def polar_disagreement(problem: Problem, depth: int, fraction: float = 0.1, rtol: float = 1e-10) -> float:
    r"""The l1 distance, relative to Q, of gradient flow from polar coordinates with $\eta_u = \eta_r/r^2$.

    The schedule uses the radius of gradient flow, so the two agree only if the radii do. Time runs to a loss of 1 %.
    """
    n, Q = problem.shape[1], basis_pursuit(problem).value
    plain = GradientFlow(depth)
    start = plain.start(n, scale_of(fraction * Q, depth, n))
    stop_loss = 0.01 * float(problem.loss(start.weights(depth)))
    path = integrate(plain, problem, start, 1e4, rtol=rtol, stop_loss=stop_loss)
    polar = ScheduledWeightNormFlow(
        depth, ratio=1.0, angular_schedule=lambda t: float(path.interpolant(np.array([t])).radius[0] ** -2)
    )
    other = integrate(polar, problem, start, float(path.t[-1]), rtol=rtol, coordinates="primal")
    return float(np.abs(other.weights - path.at(other.t).weights).sum(axis=1).max() / Q)
