r"""The window of robustness as a map: the excess of limits over the scale of the start and the ratio.

All limits of one problem and depth lie on one curve, that of gradient flow's limits from $\alpha u_0$ (`wnlib.limit`);
weight normalization from $r_0 u_0$ ends at the point of it where

$$r_0^2 = r_\infty^2 + \frac{2}{c} \log\frac{\alpha}{r_\infty}.$$

So one curve for each problem is the whole map, at any resolution: each of its points is the limit from an explicit r_0
for every ratio. The record has the curves; `excess_of_limit` computes single cells of the map without them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq

from companion.running.record import Record, Row
from companion.sweep import Sweep
from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import CollapseError
from wnlib.flows.flow import GradientFlow
from wnlib.flows.polar import radius_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.limit import LimitCurve
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit

FLOOR = 1e-10  # excess below which a curve is not followed, and whose place the map's smaller ones take
PLACES = np.concatenate([np.arange(4.0, -32.0, -0.25), -np.geomspace(32, 1400, 80)])  # at which it is computed

# The same grid as sweeps/window_map.toml, which computes each cell's limit on its own.
SWEEP = Sweep.of(
    {
        "flow": "weight-normalized",
        "m": 60,
        "n": 200,
        "sparsity": 8,
        "seed": {"first": 0, "last": 19},
        "depth": [2, 3],
        "ratio": {"first": 0.03, "last": 300, "count": 100, "spacing": "log"},
        "scale": {"first": 0.015, "last": 1.5, "count": 100, "spacing": "linear"},
        "relative": True,
    }
)


@dataclass(frozen=True, eq=False)
class Curve:
    r"""The limits of one problem and depth from uniform starts, those of smaller starts first.

    depth
    target  $\rho^* = \rho(z^*)$, the squared radius of the basis-pursuit solution: Q at depth 2
    place   (K,), $\log(\alpha^2/\rho^*)$: where gradient flow from a start of norm alpha ends here
    excess  (K,), $(\|w_\infty\|_1 - Q)/Q$, at least `FLOOR`
    square  (K,), $r_\infty^2/\rho^*$
    """

    depth: int
    target: float
    place: Array
    excess: Array
    square: Array

    def position(self, ratio: float) -> Array:
        r"""$r_0^2/\rho^*$ of the starts from which weight normalization ends at each point, (K,); may be negative."""
        return self.square + (self.place - np.log(self.square)) / (ratio * self.target)

    def normalized(self, ratio: float, position: ArrayLike) -> Array:
        r"""The excess of weight normalization from starts of $r_0^2/\rho^*$ = `position`, of the same shape."""
        return self._excess(self.position(ratio), position)

    def plain(self, position: ArrayLike) -> Array:
        r"""That of gradient flow from starts of $\|x(0)\|^2/\rho^*$ = `position`."""
        return self._excess(self.place, np.log(position))

    def level(self, threshold: float) -> tuple[float, float]:
        """The place and the square at which the excess is `threshold`; NaN where the curve does not have it."""
        log_excess, columns = np.log(self.excess), np.stack([self.place, np.log(self.square)], axis=1)
        there = _rising(log_excess)
        found = PchipInterpolator(log_excess[there], columns[there], extrapolate=False)(np.log(threshold))
        return float(found[0]), float(np.exp(found[1]))

    def frontier(self, threshold: float, ratio: ArrayLike) -> Array:
        r"""The largest $r_0^2/\rho^*$ whose excess is at most `threshold`, at each ratio: affine in 1/c."""
        place, square = self.level(threshold)
        return square + (place - np.log(square)) / (np.asarray(ratio) * self.target)

    def least(self, position: ArrayLike) -> Array:
        r"""What no ratio goes below, from starts beyond the frontier, $r_0^2/\rho^*$ = `position` > 1.

        If the end is no smaller than the start, it lies past the curve's point with that radius. Else alpha exceeds the
        end's radius, hence the target's, and the end lies past that of gradient flow from alpha^2 = rho*.
        """
        return np.minimum(self._excess(self.square, position), self._excess(self.place, 0.0))

    def _excess(self, along: Array, at: ArrayLike) -> Array:
        there = _rising(along)
        x, y = along[there], np.log(self.excess[there])
        below = np.minimum(np.asarray(at) - x[0], 0.0)  # the curve's end, where the excess falls exponentially
        found = PchipInterpolator(x, y)(np.clip(at, x[0], x[-1])) + below * (y[1] - y[0]) / (x[1] - x[0])
        return np.maximum(np.exp(found), FLOOR)


def _rising(values: Array) -> NDArray[np.bool_]:
    """Which values exceed all before them: on a curve all do, but for rounding."""
    return np.append(True, values[1:] > np.maximum.accumulate(values)[:-1])


def curve_of_limits(problem: Problem, depth: int) -> Curve:
    """The curve of limits of a problem, depth >= 2, from large starts down to an excess of `FLOOR`.

    Raises ValueError for a depth below 2, and for a problem with a single nonnegative interpolant, which has no curve.
    """
    check.integer("depth", depth, least=2)
    flow, curve, n = GradientFlow(depth), LimitCurve(problem, depth), problem.shape[1]
    target = float(radius_of(basis_pursuit(problem).weights, depth)) ** 2
    points = []
    for place in PLACES:
        end = curve.limit(flow, flow.start(n, float(np.sqrt(target) * np.exp(place / 2))))
        points.append((place, max(end.l1_excess, FLOOR), end.radius**2 / target))
        if end.l1_excess <= FLOOR:
            break
    if len(points) < 2:
        raise ValueError(
            "problem must have more than one nonnegative interpolant, got one whose limits are all the same"
        )
    return Curve(depth, target, *np.array(points[::-1]).T)


def problem_of(seed: int) -> Problem:
    """One of the problems of the stored map."""
    return Problem.gaussian(SWEEP.m[0], SWEEP.n[0], SWEEP.sparsity[0], seed)


def rows(task: tuple[int, int]) -> Iterator[Row]:
    """The curve of a (depth, seed)."""
    depth, seed = task
    curve = curve_of_limits(problem_of(seed), depth)
    for place, excess, square in zip(curve.place, curve.excess, curve.square, strict=True):
        yield {"depth": depth, "seed": seed, "place": place, "excess": excess, "square": square}


RECORD = Record(
    __name__,
    tasks=[(depth, seed) for depth in SWEEP.depth for seed in SWEEP.seed],
    compute=rows,
    sample=(0, 21),
)


def stored(problems: Sequence[Problem], depth: int) -> list[Curve]:
    """The record's curves of a depth; `problems` are those of the seeds of `SWEEP`, in order."""
    table, curves = RECORD.load(), []
    for seed, problem in zip(SWEEP.seed, problems, strict=True):
        mine = (table["depth"] == depth) & (table["seed"] == seed)
        target = float(radius_of(basis_pursuit(problem).weights, depth)) ** 2
        curves.append(Curve(depth, target, *(table[name][mine] for name in ("place", "excess", "square"))))
    return curves


def excess_of_limit(problem: Problem, depth: int, ratio: float, position: float) -> float:
    r"""The excess of weight normalization from $r_0^2/\rho^*$ = `position`, without a curve; NaN if it collapses."""
    return _excess_on(LimitCurve(problem, depth), ratio, position)


def frontier_of_limits(problem: Problem, depth: int, threshold: float, ratio: float) -> float:
    r"""The $r_0^2/\rho^*$ at which the excess of single limits crosses `threshold`, in [0.01, 10], to 1e-4."""
    curve = LimitCurve(problem, depth)

    def over(position: float) -> float:
        return float(np.log(max(_excess_on(curve, ratio, position), FLOOR) / threshold))

    return float(brentq(over, 0.01, 10, xtol=1e-4))


def _excess_on(curve: LimitCurve, ratio: float, position: float) -> float:
    target = float(radius_of(basis_pursuit(curve.problem).weights, curve.depth))
    flow = WeightNormFlow(curve.depth, ratio)
    try:
        return curve.limit(flow, flow.start(curve.problem.shape[1], float(np.sqrt(position)) * target)).l1_excess
    except CollapseError:
        return np.nan
