"""How far the limits of the two flows are from sparse, against the scale of the start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wnlib._checks import Array
from wnlib.errors import CollapseError, IntegrationError
from wnlib.flows.flow import Flow
from wnlib.flows.polar import Polar
from wnlib.limits.bounds import mass_bound
from wnlib.limits.limit import LimitCurve
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.trajectories.integration import integrate

ARRIVED = 1e-5  # relative residual at which a followed flow counts as arrived
PATIENCE = 1e7  # time after which it counts as stuck


@dataclass(frozen=True, eq=False)
class Sweep:
    """End points of one flow over problems (rows, P) and scales of a uniform start (columns, K).

    mass       (P, K), the l1 norm over Q
    error      (P, K), the distance to the basis-pursuit solution over that one's norm
    collapsed  (P, K), where the flow has no end that interpolates

    mass and error are NaN where there is no end, or none was computed to accuracy.
    """

    mass: Array
    error: Array
    collapsed: NDArray[np.bool_]

    @property
    def excess(self) -> Array:
        """(||w||_1 - Q) / Q, shape (P, K)."""
        return self.mass - 1

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Where an end exists but was not reached, shape (P, K)."""
        return np.isnan(self.mass) & ~self.collapsed


def limits(flow: Flow, problems: Sequence[Problem], scale: Array) -> Sweep:
    """The exact limits, as minimisers of the Bregman divergence; `scale` has shape (P, K)."""

    curves = {problem: LimitCurve(problem, flow.depth) for problem in problems}

    def end(problem: Problem, start: Polar) -> Array:
        return curves[problem].limit(flow, start, tolerance=0.01 * ARRIVED).weights

    return _sweep(end, flow, problems, scale)


def trajectories(flow: Flow, problems: Sequence[Problem], scale: Array) -> Sweep:
    """The end points of trajectories, followed until their relative residual is below `ARRIVED`."""

    def end(problem: Problem, start: Polar) -> Array:
        stop = 0.5 * (ARRIVED * float(np.linalg.norm(problem.y))) ** 2
        followed = integrate(flow, problem, start, PATIENCE, rtol=1e-6, stop_loss=stop)
        if followed.t[-1] < PATIENCE:
            return followed.weights[-1]
        if followed.l1[-1] < 1e-6 * np.abs(problem.y).sum():
            raise CollapseError("the flow shrinks")
        raise IntegrationError("still on its way")

    return _sweep(end, flow, problems, scale)


def _sweep(end: Callable[[Problem, Polar], Array], flow: Flow, problems: Sequence[Problem], scale: Array) -> Sweep:
    mass, error = np.full(scale.shape, np.nan), np.full(scale.shape, np.nan)
    collapsed = np.zeros(scale.shape, dtype=bool)
    for i, problem in enumerate(problems):
        target = basis_pursuit(problem).weights
        for k in range(scale.shape[1]):
            try:
                weights = end(problem, flow.start(problem.shape[1], float(scale[i, k])))
            except CollapseError:
                collapsed[i, k] = True
                continue
            except IntegrationError:
                continue
            mass[i, k] = weights.sum() / target.sum()
            error[i, k] = np.linalg.norm(weights - target) / np.linalg.norm(target)
    return Sweep(mass, error, collapsed)


def frontier(problem: Problem, depth: int) -> float:
    r"""The r0 at which the window of robustness ends: $r_0^2 = \rho(z^*) = \sum_i (z^*_i)^{2/L}$, Q at depth 2."""
    return float(np.sqrt(np.sum(basis_pursuit(problem).weights ** (2 / depth))))


def bounds(flow: Flow, problems: Sequence[Problem], scale: Array) -> Array:
    """Upper bounds on the l1 excess, shape (P, K), from `mass_bound`."""
    targets = [basis_pursuit(problem).weights for problem in problems]
    return np.array(
        [
            [mass_bound(flow, float(r), target) / target.sum() - 1 for r in row]
            for row, target in zip(scale, targets, strict=True)
        ]
    )
