r"""The map of the window over many problems: medians, frontiers, what is guaranteed, and rates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from companion.experiments.window import Curve, excess_of_limit, frontier_of_limits
from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.flows.flow import GradientFlow
from wnlib.flows.geometry import scaled_upper_gamma
from wnlib.flows.polar import radius_of
from wnlib.limits.bounds import entropy_excess, magnification_excess_bound
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.sparse.margin import margin

THRESHOLDS = (1e-1, 1e-2, 1e-4)  # of the excess


@dataclass(frozen=True, eq=False)
class Map:
    r"""The excess over scale and ratio, for P problems and one depth.

    depth
    ratios      (K,), c
    positions   (J,), $r_0^2/\rho^*$ of weight normalization
    excess      (P, K, J), of weight normalization
    starts      (I,), $r_0^2/\rho^*$ of gradient flow
    plain       (P, I), its excess
    frontier    (thresholds, P, K), the largest position of an excess up to each of `THRESHOLDS`; NaN if there is none
    guaranteed  (thresholds, P, K), the same by `guaranteed`
    """

    depth: int
    ratios: Array
    positions: Array
    excess: Array
    starts: Array
    plain: Array
    frontier: Array
    guaranteed: Array

    @property
    def median(self) -> Array:
        """Of the excess over the problems, (K, J)."""
        return np.median(self.excess, axis=0)


def chart(
    curves: Sequence[Curve], problems: Sequence[Problem], ratios: ArrayLike, positions: ArrayLike, starts: ArrayLike
) -> Map:
    """The map of problems, from the curve of each."""
    depth, c, at, plain = curves[0].depth, *(np.asarray(x, dtype=np.float64) for x in (ratios, positions, starts))
    return Map(
        depth=depth,
        ratios=c,
        positions=at,
        excess=np.array([[curve.normalized(ratio, at) for ratio in c] for curve in curves]),
        starts=plain,
        plain=np.array([curve.plain(plain) for curve in curves]),
        frontier=np.array([[curve.frontier(level, c) for curve in curves] for level in THRESHOLDS]),
        guaranteed=np.array([[guaranteed(p, depth, level, c) for p in problems] for level in THRESHOLDS]),
    )


def guaranteed(problem: Problem, depth: int, threshold: float, ratio: ArrayLike) -> Array:
    r"""The largest $r_0^2/\rho^*$ for which `mass_bound` promises an excess of at most `threshold`, at each ratio.

    At depth 2, $1 + \tfrac\tau2 - \mathrm{KL}/(c\,Q\,\tau)$: affine in 1/c as well. Negative where it promises nothing.
    """
    target, c, n = basis_pursuit(problem).weights, np.asarray(ratio, dtype=np.float64), problem.shape[1]
    Q, rho = float(np.sum(target)), float(radius_of(target, depth)) ** 2
    if depth == 2:
        return 1 + threshold / 2 - entropy_excess(target) / (c * Q * threshold)
    a, at_end = (depth - 2) * c / 2, n ** (1 - 2 / depth) * (Q * (1 + threshold)) ** (2 / depth)
    tail = scaled_upper_gamma(depth, a * rho) - np.exp(-a * (at_end - rho)) * scaled_upper_gamma(depth, a * at_end)
    integral = depth / 2 * n ** (1 - depth / 2) * tail / a ** (depth / 2)
    return 1 + np.log(threshold * Q / integral) / (a * rho)


def excess_bound(problem: Problem, ratio: ArrayLike, position: ArrayLike) -> Array:
    r"""`mass_bound` of the excess at depth 2, $r_0^2/Q - 1 + \sqrt{(1 - r_0^2/Q)^2 + 2\,\mathrm{KL}/(c\,Q)}$."""
    target, short = basis_pursuit(problem).weights, 1 - np.asarray(position)
    return np.hypot(short, np.sqrt(2 * entropy_excess(target) / (np.asarray(ratio) * np.sum(target)))) - short


def price(curves: Sequence[Curve], problems: Sequence[Problem], position: float) -> Array:
    """The ratios from which on starts at `position` have at most the excesses of `THRESHOLDS`: (thresholds, 2).

    Medians over the problems; the first is the truth, the second what is guaranteed. Relative error 1 %.
    """
    ratios = np.geomspace(1e-4, 1e8, 2800)
    depth, found = curves[0].depth, []
    for level in THRESHOLDS:
        lines = (
            [curve.frontier(level, ratios) for curve in curves],
            [guaranteed(problem, depth, level, ratios) for problem in problems],
        )
        found.append([ratios[np.argmax(np.median(line, axis=0) >= position)] for line in lines])
    return np.array(found)


def sample(
    curves: Sequence[Curve], problems: Sequence[Problem], ratios: Array, positions: Array, count: int, seed: int
) -> Array:
    """The excess of cells drawn at random: of single limits, and by the curves; shape (count, 2), NaN: collapsed."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        i, ratio, position = int(rng.integers(len(curves))), float(rng.choice(ratios)), float(rng.choice(positions))
        single = excess_of_limit(problems[i], curves[i].depth, ratio, position)
        found.append((single, float(curves[i].normalized(ratio, position))))
    return np.array(found)


def disagreement(found: Array, least: float = 1e-9) -> float:
    """The largest difference of logarithms in what `sample` found; what is below `least` counts as that."""
    return float(np.nanmax(np.abs(np.diff(np.log(np.maximum(found, least)), axis=1))))


@dataclass(frozen=True, eq=False)
class Lines:
    r"""Frontiers of one problem against $1/(c\rho^*)$, a row for each of `THRESHOLDS`.

    inverse (K,); predicted, guaranteed (thresholds, K), $r_0^2/\rho^*$
    at, measured, straight (thresholds, J): inverses, the positions at which single limits cross the threshold there,
    and those on the line
    """

    inverse: Array
    predicted: Array
    guaranteed: Array
    at: Array
    measured: Array
    straight: Array


def lines(curve: Curve, problem: Problem, shares: Sequence[float] = (0.1, 0.5, 0.9)) -> Lines:
    """The frontiers, with roots at `shares` of the inverse at which each reaches 0."""
    levels = [curve.level(level) for level in THRESHOLDS]
    at = np.array([square / (np.log(square) - place) for place, square in levels])[:, None] * np.asarray(shares)
    inverse = np.linspace(1e-4, at.max() / max(shares), 80)
    depth, ratios, roots = curve.depth, 1 / (inverse * curve.target), 1 / (at * curve.target)
    pairs = list(zip(THRESHOLDS, roots, strict=True))
    return Lines(
        inverse=inverse,
        predicted=np.array([curve.frontier(level, ratios) for level in THRESHOLDS]),
        guaranteed=np.array([guaranteed(problem, depth, level, ratios) for level in THRESHOLDS]),
        at=at,
        measured=np.array([[frontier_of_limits(problem, depth, level, c) for c in row] for level, row in pairs]),
        straight=np.array([curve.frontier(level, row) for level, row in pairs]),
    )


def measured_rate(curve: Curve, between: tuple[float, float] = (1e-9, 1e-5)) -> float:
    """The slope of the logarithm of the excess in the place, fitted to the curve's points with an excess between.

    NaN if there are fewer than three.
    """
    low, high = between
    small = (curve.excess >= low) & (curve.excess <= high)
    if np.count_nonzero(small) < 3:
        return np.nan
    return float(np.polyfit(curve.place[small], np.log(curve.excess[small]), 1)[0])


def predicted_rate(problem: Problem, depth: int) -> float:
    r"""L/2 from depth 3 on; at depth 2 the largest gap of a certificate of basis pursuit, by linear programming.

    $1 - \min_\nu \max_{i \notin S} (A^\top\nu)_i$ with $(A^\top\nu)_S = 1$, S the support of $z^*$.
    """
    if check.integer("depth", depth, least=2) > 2:
        return depth / 2
    return margin(problem).value


@dataclass(frozen=True, eq=False)
class Rates:
    r"""How the excess falls with the gain, $c\,(\rho^* - r_0^2)$ or $\log(\rho^*/r_0^2)$, at one depth.

    curves               gains and excesses of gradient flow along the curve of each problem
    measured, predicted  (P,), the rates
    at, normalized       (J,), gains, and excesses of weight normalization on the first problem
    gain, seen, proved   (K,); on the first problem the exponential of the predicted rate, and the bound
    """

    curves: list[tuple[Array, Array]]
    measured: Array
    predicted: Array
    at: Array
    normalized: Array
    gain: Array
    seen: Array
    proved: Array

    @property
    def off(self) -> float:
        """The largest relative difference of a measured rate from the predicted one."""
        return float(np.abs(self.measured / self.predicted - 1).max())


def rates(curves: Sequence[Curve], problems: Sequence[Problem], largest: float = 30.0) -> Rates:
    """Up to the gain `largest`."""
    first, problem, depth = curves[0], problems[0], curves[0].depth
    gain, at = np.linspace(0.2, largest, 80), np.linspace(0.1, 0.9, 7) * largest
    target, flow = basis_pursuit(problem).weights, GradientFlow(depth)
    predicted = np.array([predicted_rate(p, depth) for p in problems])
    anchor = int(np.argmin(np.abs(np.log(first.excess / 1e-8))))
    scales = np.sqrt(first.target * np.exp(-gain))
    ratio = largest / first.target
    return Rates(
        curves=[(-curve.place, curve.excess) for curve in curves],
        measured=np.array([measured_rate(curve) for curve in curves]),
        predicted=predicted,
        at=at,
        normalized=np.array([excess_of_limit(problem, depth, ratio, 1 - g / largest) for g in at]),
        gain=gain,
        seen=first.excess[anchor] * np.exp(-predicted[0] * (gain + first.place[anchor])),
        proved=np.array([magnification_excess_bound(flow, float(scale), target) for scale in scales]),
    )
