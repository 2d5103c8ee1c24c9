"""The story in the plane, two weights and one measurement; and what is told of it in three numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wnlib._checks import Array
from wnlib.flows.flow import Flow
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import radius_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.limit import limit
from wnlib.limits.needed import needed_ratio, needed_scale
from wnlib.linear.ranks import least_squares
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.trajectories.integration import integrate

T_END = 1e4
SPACING = 1e-3


@dataclass(frozen=True, eq=False)
class Plane:
    """Paths of one flow in the plane of (w_1, w_2), and the divergence whose minimiser the last of them finds.

    scales (K,), the radii of the uniform starts; paths: K arrays (T_k, 2); grid (G,), the coordinates of both axes;
    divergence (G, G) of D(w, w_0) from the largest start, rows w_2; touching: its value at the end of that path;
    lowest (2,), where it is smallest among many interpolants, `SPACING` apart in w_2.
    """

    scales: Array
    paths: tuple[Array, ...]
    grid: Array
    divergence: Array
    touching: float
    lowest: Array

    @property
    def ends(self) -> Array:
        """Where the paths end, shape (K, 2)."""
        return np.array([path[-1] for path in self.paths])


def problem() -> Problem:
    """w_1 + 2 w_2 = 2: the sparse interpolant is (0, 1), of mass Q = 1; the shortest is (2, 4)/5."""
    return Problem(np.array([[1.0, 2.0]]), np.array([2.0]))


def interpolants() -> tuple[Array, Array]:
    """The sparse (basis pursuit) and the l2 interpolant of the plane's problem, shape (2,) each."""
    plane = problem()
    return basis_pursuit(plane).weights, least_squares(plane.A, plane.y)


def plane(flow: Flow, scales: Sequence[float], extent: float = 1.6, resolution: int = 161) -> Plane:
    """Follow `flow` from the uniform starts with radii `scales`, increasing, and evaluate the last one's divergence."""
    runs = [integrate(flow, problem(), flow.start(2, scale), T_END) for scale in scales]
    start, mirror = runs[-1].points[:1], mirror_map(flow, float(scales[-1]))

    def divergence(weights: Array) -> Array:
        return np.array([float(mirror.bregman(w, start)[0]) for w in weights])

    grid = np.linspace(0, extent, resolution)
    second = np.arange(SPACING, 1, SPACING)
    line = np.column_stack([2 - 2 * second, second])
    times = np.concatenate([[0.0], np.geomspace(1e-3, T_END, 400)])
    return Plane(
        scales=np.array(scales),
        paths=tuple(run.at(times).weights for run in runs),
        grid=grid,
        divergence=np.array([divergence(np.column_stack([grid, np.full(resolution, w2)])) for w2 in grid]),
        touching=float(divergence(runs[-1].weights[-1:])[0]),
        lowest=line[divergence(line).argmin()],
    )


@dataclass(frozen=True)
class Asked:
    """What was predicted for an excess, and what came of it, on one Gaussian problem.

    ratio   c that weight normalization needs from half of the target's squared radius
    scale   r_0 that gradient flow needs, over the target's radius
    seen    the excess of weight normalization's flow at `T_END`
    beyond  that of its limit from twice the target's squared radius, where the ratio is a hundred times as large
    """

    ratio: float
    scale: float
    seen: float
    beyond: float


def asked(depth: int, excess: float) -> Asked:
    """Predict, and follow the flow."""
    sparse = Problem.gaussian(24, 60, 3)
    target = basis_pursuit(sparse)
    radius = float(radius_of(target.weights, depth))
    ratio = needed_ratio(sparse, depth, radius / np.sqrt(2), excess)
    flow, strong = WeightNormFlow(depth, ratio), WeightNormFlow(depth, 100 * ratio)
    end = integrate(flow, sparse, flow.start(60, radius / np.sqrt(2)), T_END).weights[-1]
    return Asked(
        ratio,
        needed_scale(sparse, depth, excess) / radius,
        float(end.sum()) / target.value - 1,
        limit(strong, sparse, strong.start(60, radius * np.sqrt(2))).l1_excess,
    )
