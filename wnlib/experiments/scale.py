r"""Descent of finite steps, plain and weight-normalized, from uniform starts of many scales, against the flows' limits.

A step is chosen by one rule for all methods. Near an interpolant the residual of a method's flow obeys $e' = -A K A^\top
e$, with the matrix K of the theorem on mirror maps at rates 1 and c, and steps of size h are stable there if $h
\lambda_{\max}(A K A^\top) < 2$. A run takes `SHARE` of the largest h for which this holds at its start, at the minimiser
of basis pursuit and at the limit of its flow.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.bounds import mass_bound
from wnlib.collapse import CollapseError
from wnlib.descent import DescentMethod, GradientDescent, PolarDescent, descend
from wnlib.flows import Flow, GradientFlow, Polar, WeightNormFlow
from wnlib.geometry import radius_of
from wnlib.limit import LimitCurve
from wnlib.problem import Problem, basis_pursuit
from wnlib.records import Record, Row
from wnlib.trajectory import integrate

SHARE = 0.5  # of the largest stable step
FITTED, ARRIVED = 1e-4, 1e-10  # losses, relative to that of w = 0
CAP = 20_000  # steps until FITTED, and as many again from there until ARRIVED
OUTCOMES = ("arrived", "fitted", "capped", "collapsed", "diverged")

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


@dataclass(frozen=True, eq=False)
class Limits:
    """Where one flow ends on one problem from uniform starts of K scales: weights (K, N), zero where it collapses."""

    weights: Array
    collapsed: NDArray[np.bool_]


def limits(flow: Flow, problem: Problem, scales: Array) -> Limits:
    """The exact limits, for depth >= 2; `scales` has shape (K,). Raises LimitError where one is not found."""
    n, curve = problem.shape[1], LimitCurve(problem, flow.depth)
    weights, collapsed = np.zeros((len(scales), n)), np.zeros(len(scales), dtype=bool)
    for k, scale in enumerate(scales):
        try:
            weights[k] = curve.limit(flow, flow.start(n, float(scale)), tolerance=1e-7).weights
        except CollapseError:
            collapsed[k] = True
    return Limits(weights, collapsed)


def sharpness(flow: Flow, problem: Problem, weights: Array) -> float:
    r"""$\lambda_{\max}(A K A^\top)$ at weights (N,): steps h of the flow's descent are stable there if h times it is < 2.

    $K = L^2 r^{2L-2} D\, (P + c r^2 (1 - P))\, D$ with $D = \mathrm{diag}(u^{L-1})$ and $P = u u^\top$ is the square of
    a root, as P is a projector; for gradient flow $c r^2 = 1$.
    """
    r = radius_of(weights, flow.depth)
    u = weights ** (1 / flow.depth) / r
    P, gain = np.outer(u, u), np.sqrt(flow.relative_rate(r)) * r
    root = flow.depth * r ** (flow.depth - 1) * u[:, None] ** (flow.depth - 1) * (P + gain * (np.eye(len(u)) - P))
    return float(np.linalg.norm(problem.A @ root, 2) ** 2)


def stable_steps(flow: Flow, problem: Problem, scales: Array, ends: Limits, share: float = SHARE) -> Array:
    """The step of each run, (K,): a `share` of the largest that is stable at its start, the target and the limit."""
    share, n = check.positive("share", share), problem.shape[1]
    at_target = sharpness(flow, problem, basis_pursuit(problem).weights)
    steps = np.empty(len(scales))
    for k, scale in enumerate(scales):
        points = [flow.start(n, float(scale)).weights(flow.depth), *ends.weights[[k]][~ends.collapsed[[k]]]]
        steps[k] = 2 * share / max(at_target, *(sharpness(flow, problem, point) for point in points))
    return steps


@dataclass(frozen=True, eq=False)
class Runs:
    """Descents on one problem from uniform starts of K scales; all arrays have K rows.

    outcome    the number in OUTCOMES: the loss fell below ARRIVED; only below FITTED; not even that; the weights shrink
               to zero, which leaves the loss of w = 0; the run diverged
    step       h
    fit_steps  steps until FITTED, or taken without
    steps      all steps taken
    weights    (K, N), at the end, zero if collapsed
    loss       at the end, over that of w = 0
    distance   to the limit of the flow: the l1 norm of the difference over that of the limit; NaN if that collapses
    """

    outcome: NDArray[np.intp]
    step: Array
    fit_steps: NDArray[np.intp]
    steps: NDArray[np.intp]
    weights: Array
    loss: Array
    distance: Array


def descents(flow: Flow, problem: Problem, scales: Array, ends: Limits, share: float = SHARE, cap: int = CAP) -> Runs:
    """All scales (K,) side by side, to FITTED, and those that get there on to ARRIVED, by at most `cap` steps each."""
    scales = check.array("scales", scales, (None,))
    method, step = method_of(flow), stable_steps(flow, problem, scales, ends, share)
    zero_loss = float(problem.loss(np.zeros(problem.shape[1])))
    direction = flow.start(problem.shape[1], 1.0).log_direction
    start = Polar(scales, np.tile(direction, (len(scales), 1)), np.ones(1))
    first = descend(method, problem, start, step, cap, cap, stop_loss=FITTED * zero_loss, divergence="record")
    points, steps, fit, diverged = first.points[-1], first.steps.copy(), first.fit, first.diverged.copy()
    weights, arrived, on = points.weights(flow.depth), np.zeros_like(fit), np.flatnonzero(fit)
    if on.size:
        middle = Polar(points.radius[on], points.log_direction[on], np.ones(1))
        last = descend(method, problem, middle, step[on], cap, cap, stop_loss=ARRIVED * zero_loss, divergence="record")
        weights[on], arrived[on], diverged[on] = last.weights[-1], last.fit, last.diverged
        steps[on] += last.steps
    collapsed = ~fit & (points.radius < scales) & (problem.loss(weights) >= (1 - 1e-3) * zero_loss)
    weights[collapsed] = 0
    outcome = np.select([collapsed, diverged, arrived, fit], [3, 4, 0, 1], 2)
    mass = np.where(ends.collapsed, np.nan, ends.weights.sum(axis=1))
    distance = np.abs(weights - ends.weights).sum(axis=1) / mass
    return Runs(outcome, step, first.steps, steps, weights, problem.loss(weights) / zero_loss, distance)


def flow_steps(flow: Flow, problem: Problem, scales: Array, step: Array, cap: int = CAP) -> Array:
    """The time that the flow itself takes until FITTED, in steps (K,); NaN if more than twice `cap`."""
    stop_loss = FITTED * float(problem.loss(np.zeros(problem.shape[1])))
    found = np.full(len(scales), np.nan)
    for k, scale in enumerate(scales):
        start = flow.start(problem.shape[1], float(scale))
        path = integrate(flow, problem, start, 2 * cap * step[k], rtol=1e-6, stop_loss=0.99 * stop_loss)
        if path.loss[-1] < stop_loss:
            found[k] = path.fits_at(stop_loss) / step[k]
    return found


def problem_of(seed: int) -> Problem:
    """The problem of one seed in the record."""
    return Problem.gaussian(*SHAPE, seed=seed)


def compute(task: tuple[int, float, int]) -> Iterable[Row]:
    """The rows of the record for a depth, a ratio and a seed: one for each scale."""
    depth, ratio, seed = task
    flow, problem = flow_of(depth, ratio), problem_of(seed)
    target = basis_pursuit(problem).weights
    ends = limits(flow, problem, SCALES)
    runs = descents(flow, problem, SCALES, ends)
    waited = flow_steps(flow, problem, SCALES, runs.step)
    for k, scale in enumerate(SCALES):
        yield {
            "depth": depth,
            "ratio": ratio,
            "seed": seed,
            "scale": float(scale),
            "frontier": float(radius_of(target, depth)),
            "outcome": OUTCOMES[runs.outcome[k]],
            "step": float(runs.step[k]),
            "fit_steps": int(runs.fit_steps[k]),
            "flow_steps": float(waited[k]),
            "steps": int(runs.steps[k]),
            "mass": float(runs.weights[k].sum() / target.sum()),
            "error": float(np.linalg.norm(runs.weights[k] - target) / np.linalg.norm(target)),
            "loss": float(runs.loss[k]),
            "distance": float(runs.distance[k]),
            "bound": mass_bound(flow, float(scale), target) / float(target.sum()),
        }


TASKS: Sequence[tuple[int, float, int]] = [
    (depth, ratio, seed) for depth, ratios in RATIOS.items() for ratio in ratios for seed in range(SEEDS)
]
RECORD = Record(__name__, TASKS, compute, sample=(25, 40, 80), rtol=1e-3)
