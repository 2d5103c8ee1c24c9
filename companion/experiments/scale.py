r"""Descent of finite steps, plain and weight-normalized, from uniform starts of many scales, against the flows' limits.

The step is chosen by one rule for all methods. Near an interpolant the residual of a method's flow obeys $e' = -A K
A^\top e$, with the matrix K of the theorem on the local rate, and steps of size h are stable there if $h
\lambda_{\max}(A K A^\top) < 2$. A run takes a share of the largest h for which this holds at its start, at the
minimiser of basis pursuit and at the limit of its flow.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from companion.running.record import Record, Row
from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.descent import DescentMethod, GradientDescent, PolarDescent, descend
from wnlib.errors import CollapseError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.metric import sharpness
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.bounds import mass_bound
from wnlib.limits.limit import LimitCurve
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.trajectories.integration import integrate

SHARE = 0.5  # of the largest stable step
FITTED, ARRIVED = 1e-4, 1e-10  # losses, relative to that of w = 0
CAP = 10_000  # steps until FITTED, and as many again from there until ARRIVED
OUTCOMES = {
    "arrived": "the loss fell below ARRIVED",
    "fitted": "it fell below FITTED, and no further until the cap",
    "capped": "not even that",
    "collapsed": "nor could it, as the flow shrinks to zero instead",
    "diverged": "the steps were too long",
}

SCALES = np.geomspace(1e-4, 10, 16)
RATIOS = {2: (0.0, 1.0, 10.0, 100.0), 3: (0.0, 1.0, 3.0, 10.0)}  # 0 stands for gradient descent
SEEDS = 20
SHAPE = 24, 60, 3  # measurements, weights, nonzero weights


def flow_of(depth: int, ratio: float) -> Flow:
    """Gradient flow for the ratio 0, else weight-normalized gradient flow."""
    return WeightNormFlow(depth, ratio) if ratio else GradientFlow(depth)


def method_of(flow: Flow) -> DescentMethod:
    """The descent whose flow this is."""
    return PolarDescent(flow.depth, flow.ratio) if isinstance(flow, WeightNormFlow) else GradientDescent(flow.depth)


def problem_of(seed: int) -> Problem:
    """The problem of one seed."""
    return Problem.gaussian(*SHAPE, seed=seed)


@dataclass(frozen=True, eq=False)
class Exact:
    """Where a flow ends on one problem from uniform starts of K scales, or on P problems.

    weights (..., K, N), zero where it collapses. mass (..., K): the l1 norm over Q. error (..., K): the distance to the
    minimiser of basis pursuit over its norm. collapsed (..., K).
    """

    weights: Array
    mass: Array
    error: Array
    collapsed: NDArray[np.bool_]

    @property
    def excess(self) -> Array:
        """Size of the relative l1 excess."""
        return np.abs(self.mass - 1)


@dataclass(frozen=True, eq=False)
class Grid:
    """Descents on one problem from uniform starts of K scales, arrays (K,), or on P problems, (P, K).

    outcome    a word of OUTCOMES
    step       h
    fit_steps  steps until FITTED, or taken without
    steps      all steps taken
    growth     the norm of x at the end over that at the start, or 1e-6 if less
    mass       the l1 norm of the weights at the end over Q; zero if collapsed
    error      their distance to the minimiser of basis pursuit over its norm
    loss       over that of w = 0
    distance   to the limit of the flow: the l1 norm of the difference over that of the limit; NaN if that collapses
    bound      on the mass of the limit over Q, from `mass_bound`
    """

    outcome: NDArray[np.str_]
    step: Array
    fit_steps: NDArray[np.intp]
    steps: NDArray[np.intp]
    growth: Array
    mass: Array
    error: Array
    loss: Array
    distance: Array
    bound: Array

    @property
    def excess(self) -> Array:
        """Size of the relative l1 excess."""
        return np.abs(self.mass - 1)

    @property
    def arrived(self) -> NDArray[np.bool_]:
        return self.outcome == "arrived"

    @property
    def fit(self) -> NDArray[np.bool_]:
        """Which runs reached FITTED."""
        return self.arrived | (self.outcome == "fitted")

    @property
    def collapsed(self) -> NDArray[np.bool_]:
        return self.outcome == "collapsed"


Kind = TypeVar("Kind", Exact, Grid)


def stacked(parts: Sequence[Kind]) -> Kind:
    """The results on several problems as one."""
    kind = type(parts[0])
    return kind(**{f.name: np.stack([getattr(part, f.name) for part in parts]) for f in fields(kind)})


def limits(flow: Flow, problem: Problem, scales: Array) -> Exact:
    """The exact limits, for depth >= 2; `scales` has shape (K,). Raises LimitError where one is not found."""
    scales, n = check.array("scales", scales, (None,)), problem.shape[1]
    target, curve = basis_pursuit(problem).weights, LimitCurve(problem, flow.depth)
    weights, collapsed = np.zeros((len(scales), n)), np.zeros(len(scales), dtype=bool)
    for k, scale in enumerate(scales):
        try:
            weights[k] = curve.limit(flow, flow.start(n, float(scale)), tolerance=1e-7).weights
        except CollapseError:
            collapsed[k] = True
    return Exact(weights, weights.sum(axis=1) / target.sum(), _error(weights, target), collapsed)


def stable_steps(flow: Flow, problem: Problem, scales: Array, ends: Exact, share: float = SHARE) -> Array:
    """The step of each run, (K,): a `share` of the largest that is stable at its start, the target and the limit."""
    share, n = check.positive("share", share), problem.shape[1]
    sharpest = np.full(len(scales), sharpness(flow, problem, basis_pursuit(problem).weights))
    for k, scale in enumerate(scales):
        points = [flow.start(n, float(scale)).weights(flow.depth), ends.weights[k]][: 1 if ends.collapsed[k] else 2]
        sharpest[k] = max(sharpest[k], *(sharpness(flow, problem, point) for point in points))
    return 2 * share / sharpest


def descents(flow: Flow, problem: Problem, scales: Array, ends: Exact, share: float = SHARE, cap: int = CAP) -> Grid:
    """All scales (K,) side by side, to FITTED, and those that get there on to ARRIVED, by at most `cap` steps each."""
    scales, target = check.array("scales", scales, (None,)), basis_pursuit(problem).weights
    method, step = method_of(flow), stable_steps(flow, problem, scales, ends, share)
    zero_loss = problem.loss_of_zero
    direction = flow.start(problem.shape[1], 1.0).log_direction
    start = Polar(scales, np.tile(direction, (len(scales), 1)), np.ones(1))
    first = descend(method, problem, start, step, cap, cap, stop_loss=FITTED * zero_loss, divergence="record")
    points, steps, fit, diverged = first.points[-1], first.steps.copy(), first.fit, first.diverged.copy()
    weights, radius, arrived = points.weights(flow.depth), points.radius.copy(), np.zeros_like(fit)
    on = np.flatnonzero(fit)
    if on.size:
        middle = Polar(points.radius[on], points.log_direction[on], np.ones(1))
        last = descend(method, problem, middle, step[on], cap, cap, stop_loss=ARRIVED * zero_loss, divergence="record")
        weights[on], radius[on] = last.weights[-1], last.radius[-1]
        arrived[on], diverged[on] = last.fit, last.diverged
        steps[on] += last.steps
    loss, collapsed = problem.loss(weights) / zero_loss, ends.collapsed & ~fit
    weights[collapsed] = 0
    conditions = {"collapsed": collapsed, "diverged": diverged, "arrived": arrived, "fitted": fit}
    return Grid(
        outcome=np.select(list(conditions.values()), list(conditions), "capped"),
        step=step,
        fit_steps=first.steps,
        steps=steps,
        growth=np.maximum(radius / scales, 1e-6),
        mass=weights.sum(axis=1) / target.sum(),
        error=_error(weights, target),
        loss=loss,
        distance=np.abs(weights - ends.weights).sum(axis=1)
        / np.where(ends.collapsed, np.nan, ends.weights.sum(axis=1)),
        bound=np.array([mass_bound(flow, float(scale), target) for scale in scales]) / target.sum(),
    )


def flow_steps(flow: Flow, problem: Problem, scales: Array, step: Array, cap: int = CAP) -> Array:
    """The time that the flow itself takes until FITTED, in steps (K,); NaN if more than twice `cap`."""
    stop_loss = FITTED * problem.loss_of_zero
    found = np.full(len(scales), np.nan)
    for k, scale in enumerate(scales):
        start = flow.start(problem.shape[1], float(scale))
        path = integrate(flow, problem, start, 2 * cap * step[k], rtol=1e-6, stop_loss=0.99 * stop_loss)
        if path.loss[-1] < stop_loss:
            found[k] = path.fits_at(stop_loss) / step[k]
    return found


def reach(scales: Array, excess: Array, level: float) -> tuple[float, float]:
    """From where to where the median of `excess` (P, K) over problems is at most `level`; NaN if nowhere.

    The smallest of `scales` (K,), in increasing order, and the point behind the largest where the line between the
    medians, in logarithms, exceeds the level.
    """
    median = np.median(excess, axis=0)
    inside = np.flatnonzero(median <= level)
    if not inside.size:
        return np.nan, np.nan
    first, last = inside[[0, -1]]
    if last == len(scales) - 1:
        return float(scales[first]), float(scales[last])
    log_median, log_scales = np.log(np.maximum(median[last : last + 2], 1e-300)), np.log(scales[last : last + 2])
    return float(scales[first]), float(np.exp(np.interp(np.log(level), log_median, log_scales)))


def _error(weights: Array, target: Array) -> Array:
    return np.linalg.norm(weights - target, axis=-1) / np.linalg.norm(target)


def compute(task: tuple[int, float, int]) -> Iterable[Row]:
    """The rows of the record for a depth, a ratio and a seed: one for each scale."""
    depth, ratio, seed = task
    flow, problem = flow_of(depth, ratio), problem_of(seed)
    runs = descents(flow, problem, SCALES, limits(flow, problem, SCALES))
    columns = {f.name: getattr(runs, f.name) for f in fields(runs)}
    columns["flow_steps"] = flow_steps(flow, problem, SCALES, runs.step)
    for k, scale in enumerate(SCALES):
        own = {"depth": depth, "ratio": ratio, "seed": seed, "scale": float(scale)}
        yield own | {name: column[k] for name, column in columns.items()}


def stored(depth: int, ratio: float) -> tuple[Grid, Array]:
    """Of the record: descents on the problems of all seeds, (SEEDS, K), and the flow's time to fit in steps."""
    table = RECORD.load()
    here = (table["depth"] == depth) & (table["ratio"] == ratio)
    columns = {name: column[here].reshape(SEEDS, len(SCALES)) for name, column in table.items()}
    return Grid(**{f.name: columns[f.name] for f in fields(Grid)}), columns["flow_steps"]


TASKS: Sequence[tuple[int, float, int]] = [
    (depth, ratio, seed) for depth, ratios in RATIOS.items() for ratio in ratios for seed in range(SEEDS)
]
RECORD = Record(__name__, TASKS, compute, sample=(25, 40, 80), rtol=1e-3)
