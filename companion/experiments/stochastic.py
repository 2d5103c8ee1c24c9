r"""What minibatches and long steps do to the end of a descent at depth 2, compared with the limit of its flow.

Descents are slow at their end, where steps change nothing any more but the residual. So a descent goes on until its
loss is small, and from there its flow, of the ratio that it then has, is taken to its limit: all ends interpolate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from wnlib._checks import Array
from wnlib.descent import Descent, GradientDescent, PolarDescent, SalimansKingmaDescent, descend, effective_start
from wnlib.descent.expected import expected_start
from wnlib.errors import ArgumentError, WnlibError
from wnlib.flows.flow import Flow
from wnlib.flows.metric import longest_step
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.limit import limit
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.sparse.margin import margin
from wnlib.trajectories.integration import integrate

SCALE = 0.2  # squared norm of all starts, over Q
FITTED = 1e-4  # of the loss at w = 0: there the flow goes on
SPENT = 3e-3  # likewise, of many runs that are compared with each other
Method = GradientDescent | PolarDescent | SalimansKingmaDescent


def methods(ratio: float) -> dict[str, Method]:
    """The three methods of depth 2; Salimans-Kingma descent starts with the ratio of polar descent."""
    return {
        "plain": GradientDescent(2),
        "polar": PolarDescent(2, ratio),
        "salimans-kingma": SalimansKingmaDescent(2, ratio**-0.5),
    }


@dataclass(frozen=True, eq=False)
class Setting:
    """A method on a problem, and its start of mass `SCALE` * Q; its flow's limit (N,), and the longest stable step."""

    method: Method
    problem: Problem
    start: Polar
    end: Array
    stable: float

    @property
    def flow(self) -> Flow:
        return self.method.flow

    def log_excess(self, start: Polar) -> float:
        """The logarithm of the l1 excess of the flow's limit from a start."""
        return float(np.log(limit(self.flow, self.problem, start).l1_excess))

    def duration(self, loss: float) -> float:
        """The time that the flow takes to this share of the loss at w = 0."""
        stop = loss * self.problem.loss_of_zero
        return float(integrate(self.flow, self.problem, self.start, 1e9, rtol=1e-5, stop_loss=stop).t[-1])

    def end_excess(self, run: Descent) -> float:
        """The logarithm of the l1 excess of the limit from the end of a run, of the flow of its ratio there."""
        flow = self.flow
        if isinstance(self.method, SalimansKingmaDescent):
            flow = WeightNormFlow(2, float(run.norm[-1]) ** -2)
        return float(np.log(limit(flow, self.problem, run.points[-1]).l1_excess))


def setting(method: Method, problem: Problem) -> Setting:
    """For one method and problem."""
    start = method.flow.start(problem.shape[1], np.sqrt(SCALE * basis_pursuit(problem).value))
    end = limit(method.flow, problem, start).weights
    return Setting(method, problem, start, end, longest_step(method.flow, problem, end))


def problems(m: int, n: int, sparsity: int, count: int) -> list[Problem]:
    """The first Gaussian problems that have a margin, which all but a few have."""
    drawn = (Problem.gaussian(m, n, sparsity, seed=seed) for seed in range(2 * count))
    return [problem for problem in drawn if 0 < margin(problem).value < np.inf][:count]


@dataclass(frozen=True, eq=False)
class Ends:
    """Ends of descents of K step sizes, by S orders of the rows.

    excess  (K, S), the l1 excess; NaN where a descent does not arrive
    miss    (K,), how far the last weights of one of the descents are from the flow's limit from its effective start,
            for the measurements that they have; NaN where there is no such start
    """

    excess: Array
    miss: Array


def ends(setting: Setting, shares: ArrayLike, batch_size: int | None, orders: int, loss: float = FITTED) -> Ends:
    """Of steps of `shares` * longest stable step, at most twice as many as the flow's time takes."""
    seeds = range(orders if batch_size else 1)
    excess, miss = np.full((np.size(shares), len(seeds)), np.nan), np.full(np.size(shares), np.nan)
    problem, until = setting.problem, setting.duration(loss) / setting.stable
    stop = loss * problem.loss_of_zero
    for k, share in enumerate(np.asarray(shares)):
        for s in seeds:
            steps, h = int(2 * until / share) + 100, share * setting.stable
            run = descend(setting.method, problem, setting.start, h, steps, 1, batch_size, s, stop, "record")
            if run.fit:
                excess[k, s] = np.exp(setting.end_excess(run))
                miss[k] = _miss(setting, run)
    return Ends(excess, miss)


def _miss(setting: Setting, run: Descent) -> float:
    problem, weights = setting.problem, run.weights[-1]
    try:
        start = effective_start(run)
    except ArgumentError:
        return np.nan
    found = limit(setting.flow, Problem(problem.A, problem.A @ weights), start)
    return float(np.abs(found.weights - weights).max() / weights.max())


def shrinkage(setting: Setting, share: float, batch_size: int | None, seed: int = 0) -> Array:
    """By what the entries of the start are divided, in magnified coordinates and as logarithms, shape (N,)."""
    found, first = (
        setting.flow.log_magnification(point.radius) + point.log_direction
        for point in (effective_start(_arrived(setting, share, batch_size, seed)), setting.start)
    )
    return np.asarray(first - found)


def _arrived(setting: Setting, share: float, batch_size: int | None, seed: int) -> Descent:
    """A descent for the time that the flow takes to `SPENT`. Raises DescentError where it diverges."""
    steps = int(setting.duration(SPENT) / (share * setting.stable)) + 1
    h = share * setting.stable
    return descend(setting.method, setting.problem, setting.start, h, steps, 1, batch_size, seed)


@dataclass(frozen=True, eq=False)
class Shifts:
    """What changes of the logarithm of the excess, under K conditions on P problems: seen and expected, (K, P)."""

    seen: Array
    expected: Array


def shifts(settings: Sequence[Setting], conditions: Sequence[tuple[float, int]], orders: int) -> Shifts:
    """Of minibatches, over all rows at the same step; a condition is the share of an epoch and the size of a batch.

    NaN where a descent diverges, or where nothing is expected.
    """
    seen, expected = np.full((2, len(conditions), len(settings)), np.nan)
    for k, (share, size) in enumerate(conditions):
        for p, one in enumerate(settings):
            seen[k, p] = seen_shift(one, share, size, orders)
            if not isinstance(one.method, SalimansKingmaDescent):
                expected[k, p] = expected_shift(one, share, size)
    return Shifts(seen, expected)


def seen_shift(one: Setting, share: float, size: int, orders: int) -> float:
    """What minibatches of a size change of the logarithm of the excess, an epoch being a share of the stable step."""
    step = share / -(-one.problem.shape[0] // size)
    try:
        parts = [one.end_excess(_arrived(one, step, size, seed)) for seed in range(orders)]
        return float(np.mean(parts)) - one.end_excess(_arrived(one, step, None, 0))
    except WnlibError:
        return np.nan


def expected_shift(one: Setting, share: float, size: int) -> float:
    """What they are expected to change, to first order; of gradient descent and polar descent."""
    batches = -(-one.problem.shape[0] // size)
    assert not isinstance(one.method, SalimansKingmaDescent)  # whose ratio falls as well
    try:
        moved = expected_start(one.method, one.problem, one.start, share / batches * one.stable, batches)
        return one.log_excess(moved) - one.log_excess(one.start)
    except WnlibError:
        return np.nan


def lengthened(settings: Sequence[Setting], shares: Sequence[float]) -> Array:
    """What steps of `shares` * longest stable step, on all rows, change of the logarithm of the excess, (K, P)."""
    changed = np.full((len(shares), len(settings)), np.nan)
    for p, one in enumerate(settings):
        unmoved = one.log_excess(one.start)
        for k, share in enumerate(shares):
            try:
                changed[k, p] = one.end_excess(_arrived(one, share, None, 0)) - unmoved
            except WnlibError:
                continue
    return changed
