r"""The cells of a sweep: for one problem and depth, the limits from all scales, at all ratios.

These limits all lie on one curve, that of gradient flow's limits $x(\alpha)$ from $\alpha u_0$: a flow with the
log-magnification $\sigma$ ends where

$$\log\alpha = \log r_\infty + \sigma(r_0) - \sigma(r_\infty),\qquad r_\infty = \|x(\alpha)\|.$$

The end's radius varies little, so that $\sigma(r_0) - \sigma(r^*)$, with $r^*$ that of the basis-pursuit solution,
tells beforehand in which order the cells lie on the curve; in that order they are computed.
"""

from dataclasses import dataclass
from itertools import product
from math import ceil, nan
from typing import Any, NamedTuple

import numpy as np
from scipy import linalg

from companion.sweep.specification import Sweep
from wnlib._checks import Array
from wnlib.errors import CertificateError, CollapseError, IntegrationError, LimitError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.limit import LimitCurve
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit

CELLS = 2000  # of a task, unless a line of scales has more: what is lost with a worker


@dataclass(frozen=True, order=True)
class Task:
    """Some of the lines (ratios) of one problem and depth: the `part`-th of `parts` shares of them."""

    m: int
    n: int
    sparsity: int
    seed: int
    depth: int
    part: int
    parts: int

    def __str__(self) -> str:
        part = f"-{self.part + 1}of{self.parts}" if self.parts > 1 else ""
        return f"m{self.m}-n{self.n}-sparsity{self.sparsity}-seed{self.seed}-depth{self.depth}{part}"


class Cell(NamedTuple):
    r"""One cell: where it lies in the grid, its limit, and its problem. NaN stands for what there is not.

    m, n, sparsity, seed, depth, ratio, scale
    status               ok; collapsed, if the flow shrinks to w = 0; failed, if no limit was computed to accuracy
    r0                   the norm of the start
    l1, excess           of the limit: the l1 norm, and by which part of Q it exceeds Q
    error                the distance to the truth over its norm (for signed problems that of the signed weights)
    radius, log_alpha    $r_\infty$ and the place on the curve, as above
    residual, kkt, gap, correction: see `Limit`
    Q, target_error      of basis pursuit: the l1 norm, and the error as defined above
    message              why there is no limit
    """

    m: int
    n: int
    sparsity: int
    seed: int
    depth: int
    ratio: float
    scale: float
    status: str = ""
    r0: float = nan
    l1: float = nan
    excess: float = nan
    error: float = nan
    radius: float = nan
    log_alpha: float = nan
    residual: float = nan
    kkt: float = nan
    gap: float = nan
    correction: float = nan
    Q: float = nan
    target_error: float = nan
    message: str = ""

    @property
    def place(self) -> tuple[float, ...]:
        """The place in the grid, by which cells are sorted; there is one ratio or all are numbers."""
        return (*self[:5], *(() if np.isnan(self.ratio) else (self.ratio,)), self.scale)


def tasks(sweep: Sweep) -> list[Task]:
    """All tasks, in order; of `CELLS` cells or a line each, and less than twice that."""
    lines, length = len(sweep.ratio) or 1, len(sweep.scale)
    parts = ceil(lines / max(1, CELLS // length))
    grid = product(sweep.m, sweep.n, sweep.sparsity, sweep.seed, sweep.depth, range(parts))
    return [Task(*place, parts) for place in grid]


def lines(sweep: Sweep, task: Task) -> tuple[float, ...]:
    """The ratios of a task; NaN for gradient flow."""
    ratios = sweep.ratio or (nan,)
    return ratios[task.part * len(ratios) // task.parts : (task.part + 1) * len(ratios) // task.parts]


def evaluate(sweep: Sweep, task: Task) -> list[Cell]:
    """The cells of a task, sorted."""
    grid = list(product(lines(sweep, task), sweep.scale))
    at = (task.m, task.n, task.sparsity, task.seed, task.depth)
    problem: Problem = getattr(Problem, sweep.matrix)(*at[:4], signed=sweep.signed)
    try:
        target = basis_pursuit(problem)
    except CertificateError as error:
        return [Cell(*at, *place, status="failed", message=str(error)) for place in grid]
    edge = np.sqrt(np.sum(target.weights ** (2 / task.depth)))
    flows = [GradientFlow(task.depth) if np.isnan(ratio) else WeightNormFlow(task.depth, ratio) for ratio, _ in grid]
    norms = [scale * float(edge) if sweep.relative else scale for _, scale in grid]
    starts = [flow.start(problem.shape[1], r0) for flow, r0 in zip(flows, norms, strict=True)]
    moved = [
        float(flow.log_magnification(start.radius) - flow.log_magnification(edge))
        for flow, start in zip(flows, starts, strict=True)
    ]
    curve = LimitCurve(problem, task.depth)
    cells = []
    for k in sorted(range(len(grid)), key=lambda k: moved[k]):
        fields = _limit(curve, flows[k], starts[k], sweep.signed)
        fields |= {"r0": norms[k], "Q": target.value, "target_error": _error(problem, target.weights, sweep.signed)}
        cells.append(Cell(*at, *grid[k])._replace(**fields))
    return sorted(cells, key=lambda cell: cell.place)


def _limit(curve: LimitCurve, flow: Flow, start: Polar, signed: bool) -> dict[str, Any]:
    """The fields of a cell that depend on its limit."""
    try:
        end = curve.limit(flow, start)
    except (CollapseError, LimitError, IntegrationError) as error:
        return {"status": "collapsed" if isinstance(error, CollapseError) else "failed", "message": str(error)}
    return {
        "status": "ok",
        "l1": float(np.sum(np.abs(end.weights))),
        "excess": end.l1_excess,
        "error": _error(end.problem, end.weights, signed),
        "radius": abs(end.radius),
        "log_alpha": end.log_scale,
        "residual": end.residual,
        "kkt": end.kkt,
        "gap": end.gap,
        "correction": end.correction,
    }


def _error(problem: Problem, weights: Array, signed: bool) -> float:
    """The distance to the truth over its norm."""
    both = np.stack([weights, np.asarray(problem.truth)])
    if signed:
        both = np.subtract(*np.split(both, 2, axis=1))
    return float(linalg.norm(both[0] - both[1]) / linalg.norm(both[1]))
