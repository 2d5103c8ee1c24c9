"""How often the truth is recovered: by basis pursuit, by the limits of both flows, and by descent, against sparsity."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from companion.running.record import Record, Row
from wnlib._checks import Array
from wnlib.descent import DescentMethod, GradientDescent, PolarDescent, descend
from wnlib.errors import CollapseError, IntegrationError, LimitError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.metric import longest_step
from wnlib.flows.polar import Polar, radius_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.bounds import needed_magnification
from wnlib.limits.limit import LimitCurve
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.sparse.stability import stability

M, N = 24, 60  # of the record, where only sparsity varies
DEPTHS = (2, 3, 4, 5, 6)
RATIO, GENTLE = 10.0, 1.0
RECOVERED = 1e-2  # relative distance to the truth up to which it counts as recovered
THRESHOLDS = {"loose": 1e-1, "recovered": RECOVERED, "strict": 1e-3}
FLOOR = 1e-4  # errors below are stored as this
TOLERANCE = 1e-7  # of the limits' residuals
SCALES = ("tiny", "large", "edge", "mass")
WITHIN = 0.8  # of the frontier, in squared radius: the edge
SHARE = 0.1  # of Q: the mass of the start of that name

SPARSITIES = (1, 2, 3, 4, 6, 8, 10, 12, 14, 16)
PROBLEMS = 50
DESCENT_SPARSITIES = (2, 6, 10)
DESCENTS = 5  # problems, of those of the limits the first
STEPS = 20_000
FRACTIONS = np.array([1 / 8, 1 / 2])  # of the longest stable step at the target
ARRIVED = 1e-3  # relative residual at which a descent stops
AGREES = 2e-2  # relative distance up to which a descent counts as having found the limit of its flow

PHASE_DEPTH = 3
MEASUREMENTS = tuple(range(4, N, 4))
TRUTHS = tuple(range(1, 32, 2))
TRIALS = 20


def radius(scale: str, depth: int, target: Array) -> float:
    r"""The norm r_0 of a uniform start, by its name; `target` (N,) is the solution z* of basis pursuit.

    tiny   0.01
    large  1
    edge   $r_0^2 = 0.8\,\rho(z^*)$, close below the frontier of the window of robustness
    mass   $\|w_0\|_1 = Q/10$: the same weights at every depth, so that $r_0^2 = N^{1 - 2/L} (Q/10)^{2/L}$
    """
    if scale == "edge":
        return float(np.sqrt(WITHIN) * radius_of(target, depth))
    if scale == "mass":
        return float(radius_of(np.full(len(target), SHARE * np.mean(target)), depth))
    return {"tiny": 0.01, "large": 1.0}[scale]


def distance(weights: Array, problem: Problem) -> Array:
    """||w - truth|| / ||truth|| of weights (..., N), shape (...)."""
    truth = planted(problem)
    return np.linalg.norm(weights - truth, axis=-1) / float(np.linalg.norm(truth))


def planted(problem: Problem) -> Array:
    """The truth of a problem. Raises ValueError for one that has none."""
    if problem.truth is None:
        raise ValueError("problem must have a truth to be recovered, got None")
    return problem.truth


@dataclass(frozen=True, eq=False)
class Ends:
    """Recovery errors of one method and scale on P problems.

    error      (P,), NaN where there is no end
    collapsed  (P,), where the flow has none that interpolates
    """

    error: Array
    collapsed: NDArray[np.bool_]


def limits(
    problems: Sequence[Problem], depth: int, scales: Sequence[str] = SCALES, ratio: float = RATIO
) -> dict[tuple[str, str], Ends]:
    """The exact limits of both flows, by method ("plain", "normalized") and scale."""
    flows: dict[str, Flow] = {"plain": GradientFlow(depth), "normalized": WeightNormFlow(depth, ratio)}
    found = {(name, scale): Ends(*_nothing(len(problems))) for name in flows for scale in scales}
    for i, problem in enumerate(problems):
        curve, target = LimitCurve(problem, depth), basis_pursuit(problem).weights
        for (name, scale), ends in found.items():
            flow = flows[name]
            try:
                end = curve.limit(flow, flow.start(problem.shape[1], radius(scale, depth, target)), TOLERANCE)
            except CollapseError:
                ends.collapsed[i] = True
            except (LimitError, IntegrationError):
                continue
            else:
                ends.error[i] = distance(end.weights, problem)
    return found


def pursuit(problems: Sequence[Problem]) -> Array:
    """Recovery errors of basis pursuit, shape (P,)."""
    return np.array([distance(basis_pursuit(problem).weights, problem) for problem in problems])


@dataclass(frozen=True, eq=False)
class Trial:
    """Descents of one method from several scales (K,), each with the length of steps that arrives first.

    error    (K,), distance to the truth at the end, relative
    gap      (K,), distance to the exact limit of the flow, over the truth's norm; NaN where there is no limit
    steps    (K,), that were taken; all that were allowed where no length of steps arrived
    arrived  (K,), whether the relative residual fell below `ARRIVED`
    """

    error: Array
    gap: Array
    steps: NDArray[np.intp]
    arrived: NDArray[np.bool_]


def descent(method: DescentMethod, problem: Problem, scales: Sequence[str] = SCALES, steps: int = STEPS) -> Trial:
    """Descend from uniform starts, with steps of `FRACTIONS` of the longest that is stable at the sparse solution."""
    flow, n, target = method.flow, problem.shape[1], basis_pursuit(problem).weights
    starts = [flow.start(n, radius(scale, method.depth, target)) for scale in scales]
    points = Polar(
        np.array([[float(start.radius)] for start in starts]),
        np.array([[start.log_direction] for start in starts]),
        starts[0].sign,
    )
    run = descend(
        method,
        problem,
        points,
        FRACTIONS * longest_step(flow, problem, target),
        steps,
        every=steps,
        stop_loss=0.5 * (ARRIVED * float(np.linalg.norm(problem.y))) ** 2,
        divergence="record",
    )
    taken = np.where(run.fit, run.steps, steps)
    best = np.arange(len(starts)), np.argmin(taken, axis=1)
    curve, weights = LimitCurve(problem, method.depth), run.weights[-1][best]
    gap = np.full(len(starts), np.nan)
    for k, start in enumerate(starts):
        try:
            end = curve.limit(flow, start, TOLERANCE).weights
        except (CollapseError, LimitError, IntegrationError):
            continue
        gap[k] = np.linalg.norm(weights[k] - end) / np.linalg.norm(planted(problem))
    return Trial(distance(weights, problem), gap, taken[best], run.fit[best])


@dataclass(frozen=True)
class Guarantee:
    """What the excess theorems ask for, so that the limit on one problem is within `RECOVERED` of its target.

    log_magnification  log M, from the start to the target
    ratio              with which weight normalization has it, from the middle of the window
    log10_radius       of the start from which gradient flow has it
    error              of the limit of weight normalization at that ratio, relative; NaN where it was not computed
    """

    log_magnification: float
    ratio: float
    log10_radius: float
    error: float


def guarantee(problem: Problem, depth: int) -> Guarantee | None:
    r"""For one problem, from $r_0^2 = \rho(z^*)/2$; None where basis pursuit does not recover with a certificate."""
    target = basis_pursuit(problem).weights
    if distance(target, problem) > RECOVERED or not np.isfinite(factor := stability(problem, target)):
        return None
    log_m = needed_magnification(depth, target, RECOVERED * float(np.linalg.norm(target)) / (factor * target.sum()))
    rho = float(radius_of(target, depth)) ** 2
    flow = WeightNormFlow(depth, 2 * log_m / (rho / 2))
    try:
        end = LimitCurve(problem, depth).limit(flow, flow.start(len(target), np.sqrt(rho / 2)), TOLERANCE)
        error = float(distance(end.weights, problem))
    except LimitError:
        error = np.nan
    return Guarantee(log_m, flow.ratio, float(np.log10(rho) / 2 - log_m / np.log(10)), error)


def sufficient_magnification(problem: Problem, depth: int, most: float) -> float:
    r"""The least log M at which the limit on one problem is within `RECOVERED` of the truth, to 0.01.

    By bisection, above -3 and not beyond `most`, at which it is. Gradient flow from $r_0 = \sqrt{\rho(z^*)}/M$ tells it
    for both flows. Negative where even a start of a larger radius than the target's is small enough. Raises LimitError.
    """
    flow, curve, target = GradientFlow(depth), LimitCurve(problem, depth), basis_pursuit(problem).weights
    frontier = float(radius_of(target, depth))

    def recovers(log_m: float) -> bool:
        end = curve.limit(flow, flow.start(len(target), frontier * np.exp(-log_m)), TOLERANCE)
        return bool(distance(end.weights, problem) <= RECOVERED)

    low, high = -3.0, min(1.0, most)
    while high < most and not recovers(high):
        low, high = high, min(2 * high, most)
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (low, middle) if recovers(middle) else (middle, high)
    return high


Table = Mapping[str, NDArray[Any]]


def select(table: Table, name: str, **where: float | str) -> NDArray[Any]:
    """A column of the record, in the rows in which others have the given values."""
    return table[name][np.all([table[key] == value for key, value in where.items()], axis=0)]


def share(table: Table, name: str, **where: float | str) -> Array:
    """The same, a count, over the number of problems."""
    return np.asarray(select(table, name, **where) / select(table, "problems", **where))


Task = tuple[str, int, int]


def descent_methods(depth: int) -> dict[str, DescentMethod]:
    """Gradient descent, and polar descent with the ratio of the limits and with a small one, by name."""
    return {
        "plain": GradientDescent(depth),
        "normalized": PolarDescent(depth, RATIO),
        "gentle": PolarDescent(depth, GENTLE),
    }


def compute(task: Task) -> Iterable[Row]:
    """("ends", s, L): basis pursuit and limits; ("phase", M, L): the same for all s, from the edge; (method, s, L)."""
    kind, first, depth = task
    if kind == "ends":
        yield from _limit_rows(kind, problems_of(first), depth, SCALES)
    elif kind == "phase":
        for s in (s for s in TRUTHS if s < first):
            yield from _limit_rows(kind, problems_of(s, TRIALS, first), depth, ("edge",))
    else:
        yield from _descent_rows(kind, problems_of(first, DESCENTS), depth)


def problems_of(s: int, count: int = PROBLEMS, m: int = M, seed: int = 0) -> list[Problem]:
    """The record's problems of a sparsity, with seeds from `seed` on."""
    return [Problem.gaussian(m, N, s, seed=seed + i) for i in range(count)]


def _limit_rows(kind: str, problems: Sequence[Problem], depth: int, scales: Sequence[str]) -> Iterator[Row]:
    convex, row = pursuit(problems), _Rows(kind, problems, depth)
    yield row("pursuit", "none", convex)
    for (method, scale), ends in limits(problems, depth, scales).items():
        yield row(method, scale, ends.error, collapsed=int(ends.collapsed.sum()))


def _descent_rows(name: str, problems: Sequence[Problem], depth: int) -> Iterator[Row]:
    trials, row = [descent(descent_methods(depth)[name], p) for p in problems], _Rows("descent", problems, depth)
    for k, scale in enumerate(SCALES):
        arrived, error = (np.array([getattr(trial, part)[k] for trial in trials]) for part in ("arrived", "error"))
        agreeing = int(np.sum(arrived & [trial.gap[k] <= AGREES for trial in trials]))
        steps = int(np.median([trial.steps[k] for trial in trials]))
        yield row(name, scale, error, arrived, agreeing=agreeing, steps=steps)


class _Rows:
    """The rows of one kind on some problems of one size: counts over problems, of which basis pursuit fails on some.

    present    on which there is an end, or a descent that arrived; collapsed, on which the flow has none
    loose, recovered, strict   with an error up to each of `THRESHOLDS`, of descents whether they arrived or not
    failed     on which basis pursuit does not recover; beats, of these the recovered; closer, those with less error
    loosely    as `beats`, for the loosest threshold
    error      the median, at least `FLOOR`
    agreeing   descents that arrived near the flow's limit; steps, their median, all allowed for those that did not
    """

    def __init__(self, kind: str, problems: Sequence[Problem], depth: int) -> None:
        m, s = problems[0].shape[0], np.count_nonzero(planted(problems[0]))
        self.same: dict[str, int | str] = {"kind": kind, "m": m, "s": int(s), "depth": depth}
        self.convex = pursuit(problems)

    def __call__(
        self,
        method: str,
        scale: str,
        error: Array,
        arrived: NDArray[np.bool_] | None = None,
        collapsed: int = 0,
        agreeing: int = 0,
        steps: int = 0,
    ) -> Row:
        convex, known, loose = self.convex, np.isfinite(error), THRESHOLDS["loose"]
        counts = {
            "present": known if arrived is None else arrived,
            **{name: error <= bound for name, bound in THRESHOLDS.items()},
            "failed": convex > RECOVERED,
            "beats": (convex > RECOVERED) & (error <= RECOVERED),
            "closer": (convex > RECOVERED) & (error < convex),
            "loosely": (convex > loose) & (error <= loose),
        }
        return {
            **self.same,
            "method": method,
            "scale": scale,
            "problems": error.size,
            "collapsed": collapsed,
            **{name: int(np.sum(which)) for name, which in counts.items()},
            "error": max(FLOOR, float(np.median(error[known]))) if known.any() else np.nan,
            "agreeing": agreeing,
            "steps": steps,
        }


def _nothing(count: int) -> tuple[Array, NDArray[np.bool_]]:
    return np.full(count, np.nan), np.zeros(count, dtype=bool)


TASKS: tuple[Task, ...] = (
    *(("ends", s, L) for s in SPARSITIES for L in DEPTHS),
    *((method, s, L) for method in ("plain", "normalized", "gentle") for s in DESCENT_SPARSITIES for L in DEPTHS),
    *(("phase", m, PHASE_DEPTH) for m in MEASUREMENTS),
)
SAMPLE = tuple(TASKS.index(task) for task in (("ends", 4, 2), ("plain", 10, 2), ("phase", 4, PHASE_DEPTH)))
RECORD = Record(__name__, TASKS, compute, SAMPLE)
