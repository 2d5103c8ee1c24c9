"""Rows that normalize their own weights, as the rows of a layer do, beside one sphere for all: depth 2.

Weights are positive, and their groups, the rows, are of equal size. All starts are uniform, so that the same scale is
the same point for every flow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from companion.experiments.robustness import ARRIVED
from wnlib._checks import Array
from wnlib.errors import CollapseError, IntegrationError, LimitError
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.bounds import entropy_excess
from wnlib.limits.limit import limit
from wnlib.models.grouped import GroupedFlow, integrate_grouped
from wnlib.models.grouped_limit import grouped_limit, nearest_masses
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit

M, N, NONZERO = 14, 40, 2
ROWS = (2, 4, 8)
PATIENCE = 1e7  # time after which a followed flow counts as stuck


def problems(count: int, seed: int) -> list[Problem]:
    """Gaussian measurements of a few positive weights."""
    return [Problem.gaussian(M, N, NONZERO, seed=seed + i) for i in range(count)]


@dataclass(frozen=True, eq=False)
class Spread:
    """What normalization by rows costs on P problems, for K numbers of rows: excess over Q, relative; NaN if none.

    one      (P,), the limit with one sphere for all
    equal    (P, K), followed, with equal rates
    matched  (P, K), the limit that matched clocks have, if they get there
    nearest  (P, K), the interpolant of the nearest masses, to which that tends as c grows
    spent    (P, K), whether matched clocks spend a radius on the way
    """

    one: Array
    equal: Array
    matched: Array
    nearest: Array
    spent: Array


def spread(cases: Sequence[Problem], ratio: float, position: float, rows: Sequence[int] = ROWS) -> Spread:
    """From starts whose squared radius is a share, `position`, of Q."""
    one = np.empty(len(cases))
    equal, matched, nearest, spent = (np.full((len(cases), len(rows)), np.nan) for _ in range(4))
    flows = GroupedFlow(2, ratio), GroupedFlow(2, ratio, matched=True)
    for i, problem in enumerate(cases):
        Q, n = basis_pursuit(problem).value, problem.shape[1]
        scale, joint = float(np.sqrt(position * Q)), WeightNormFlow(2, ratio)
        one[i] = limit(joint, problem, joint.start(n, scale)).l1_excess
        for k, many in enumerate(rows):
            start = joint_start(n, scale, many)
            equal[i, k], _ = _followed(flows[0], problem, start, Q)
            _, spent[i, k] = _followed(flows[1], problem, start, Q)
            nearest[i, k] = np.sum(nearest_masses(problem, start.radius**2)) / Q - 1
            try:
                matched[i, k] = np.sum(grouped_limit(flows[1], problem, start).weights) / Q - 1
            except (CollapseError, LimitError):
                continue
    return Spread(one, equal, matched, nearest, spent)


def joint_start(n: int, scale: float, rows: int) -> Polar:
    """The uniform one."""
    return GroupedFlow(2, 1.0).start(n, scale, rows)


def _followed(flow: GroupedFlow, problem: Problem, start: Polar, Q: float) -> tuple[float, float]:
    """The excess where a flow arrives, NaN if it does not; and whether it spends a radius instead, 1 or 0."""
    try:
        path = integrate_grouped(flow, problem, start, PATIENCE, stop=ARRIVED, rtol=1e-7)
    except IntegrationError:
        return np.nan, 0.0
    if path.fits:
        return float(np.sum(path.weights[-1])) / Q - 1, 0.0
    return np.nan, float(path.t[-1] < PATIENCE)


@dataclass(frozen=True, eq=False)
class Approach:
    r"""How far the masses of the rows are from the nearest ones, for R ratios.

    matched  (R,), $\sum_k (S_k - S_{k,0})^2$ of the limit with matched clocks, less its least value, over that
    equal    (R,), the same where equal rates end
    bound    (R,), on the first, of the theorem on grouped normalization
    """

    matched: Array
    equal: Array
    bound: Array


def approach(problem: Problem, ratios: Array, position: float, rows: int) -> Approach:
    """From one start. Raises what `grouped_limit` does, and IntegrationError for a flow that does not arrive."""
    scale, n = float(np.sqrt(position * basis_pursuit(problem).value)), problem.shape[1]
    start = joint_start(n, scale, rows)
    target = nearest_masses(problem, start.radius**2).reshape(rows, -1)
    least = _squares(target, start)
    entropy = sum(float(np.sum(row)) * entropy_excess(row) for row in target if row.any())
    matched, equal = [], []
    for ratio in ratios:
        end = grouped_limit(GroupedFlow(2, ratio, matched=True), problem, start).weights
        path = integrate_grouped(GroupedFlow(2, ratio), problem, start, PATIENCE, stop=ARRIVED, rtol=1e-7)
        if not path.fits:
            raise IntegrationError("still on its way")
        matched.append(_squares(end.reshape(rows, -1), start) / least - 1)
        equal.append(_squares(path.weights[-1].reshape(rows, -1), start) / least - 1)
    return Approach(np.array(matched), np.array(equal), 2 / ratios * entropy / least)


def _squares(weights: Array, start: Polar) -> float:
    return float(np.sum((np.sum(weights, axis=-1) - start.radius**2) ** 2))
