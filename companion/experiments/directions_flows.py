"""Both flows on their way to the minimiser of a weighted norm: how near they end to it, against the magnification."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from companion.experiments.directions import costs, excess
from wnlib._checks import Array
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.polar import radius_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.limit import limit
from wnlib.limits.sharp import OffSupport
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.sparse.margin import margin

FLOWS = ("plain", "normalized")


@dataclass(frozen=True, eq=False)
class Way:
    r"""The limits of one flow on one problem from one direction, at K magnifications.

    log_magnification  (K,), log M from the start to the limit
    log_mass           (K,), of what is off the support of the weighted program's minimiser, at its costs
    to_program         (K,), the distance to that minimiser, over its norm, in the l1 norm
    to_pursuit         (K,), the distance to the minimiser of basis pursuit, likewise
    excess             (K,), the l1 excess over basis pursuit
    """

    log_magnification: Array
    log_mass: Array
    to_program: Array
    to_pursuit: Array
    excess: Array

    @property
    def slope(self) -> float:
        """Of the logarithm of the mass in that of the magnification."""
        return float(np.polyfit(self.log_magnification, self.log_mass, 1)[0])


def way(name: str, problem: Problem, depth: int, direction: Array, log_magnification: Sequence[float]) -> Way:
    r"""Of one of `FLOWS`; a magnification (K,) is that from the start to the minimiser $z$ of the weighted program.

    Weight normalization starts at $r_0^2 = \rho(z)/2$, and the ratio decides; for gradient flow the scale does.
    """
    found, pursuit = margin(problem, costs(direction, depth)), basis_pursuit(problem).weights
    radius, rows = float(radius_of(found.target, depth)), []
    for log_m in log_magnification:
        flow, scale = _start(name, depth, radius, log_m)
        end = limit(flow, problem, flow.start(problem.shape[1], scale, direction))
        off = OffSupport(end, found.support)
        gaps = [np.abs(end.weights - z).sum() / z.sum() for z in (found.target, pursuit)]
        rows.append((off.log_magnification, off.log_mass(), *gaps, excess(end.weights, problem)))
    return Way(*np.array(rows, dtype=np.float64).T)


def _start(name: str, depth: int, radius: float, log_m: float) -> tuple[Flow, float]:
    if name == "plain":
        return GradientFlow(depth), radius * float(np.exp(-log_m))
    return WeightNormFlow(depth, 4 * log_m / radius**2), radius / np.sqrt(2)


def predicted_slope(problem: Problem, depth: int) -> float:
    r"""-L from depth 3 on; $-2\gamma$ at depth 2."""
    return -float(depth) if depth > 2 else -2 * margin(problem).value


def farthest(problems: Sequence[Problem], directions: Sequence[Array], depth: int) -> int:
    """The number of the problem whose weighted program has the largest l1 excess."""
    pairs = zip(problems, directions, strict=True)
    return int(np.argmax([excess(basis_pursuit(p, costs(u, depth)).weights, p) for p, u in pairs]))
