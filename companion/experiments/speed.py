r"""How many steps the discrete methods take to one and the same limit (`companion.experiments.equal_bias`).

Each method takes its own best step size, in units of the longest at which the limit is stable. Numbers of steps are
predicted by the flow: its time over the step.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from companion.experiments.equal_bias import Contestant, contestants, losses_at
from companion.running.record import Record, Row
from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.descent import SalimansKingmaDescent, descend
from wnlib.flows.polar import Polar
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit

TOLERANCES = (0.5, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10)  # of the loss, relative to that at w = 0
TARGETS = (1e-1, 1e-2, 1e-3, 1e-4)
GRID = (0.3, 0.45, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99)  # steps, in units of the longest stable one
SLACK = 1.5
BUDGET = 16_000  # predicted steps beyond which a run is not made, but predicted only


@dataclass(frozen=True, eq=False)
class Search:
    """Descents at K step sizes to each of T relative losses.

    share   (K,), the steps over the longest stable one
    counts  (T, K), the numbers of steps taken to each loss; infinite if it was not reached
    excess  (K,), the l1 excess where the run ended
    """

    share: Array
    counts: Array
    excess: Array

    @property
    def best(self) -> Any:
        """(T,), the index of the step that reaches each loss first, of those that are stable at the limit."""
        return np.argmin(np.where(self.share <= 1, self.counts, np.inf), axis=1)

    @property
    def fewest(self) -> Array:
        """(T,), the numbers of steps with the best step size for each."""
        return self.counts[np.arange(len(self.counts)), self.best]


def search(
    contestant: Contestant, share: ArrayLike, tolerances: Sequence[float], cap: int, slack: float = np.inf
) -> Search:
    """Descents at the steps `share` * longest stable step to decreasing relative losses, for at most `cap` steps.

    Polar descent has the learning rates h and c h; what is searched is h, as c decides where the flow ends. A run that
    reaches one of the losses after more than `slack` times the steps of the first to get there goes no further.
    """
    share = check.array("share", share, (None,))
    problem, method = contestant.limit.problem, contestant.method
    start, going = contestant.start, np.arange(share.size)
    taken, counts = np.zeros(share.size), np.full((len(tolerances), share.size), np.inf)
    mass = np.full(share.size, float(np.sum(start.weights(method.depth))))
    for row, loss in zip(counts, losses_at(problem, tolerances), strict=True):
        left = max(1, int(cap - taken[going].min()))
        steps = share[going] * contestant.longest_step
        run = descend(method, problem, start, steps, left, every=left, stop_loss=loss, divergence="record")
        taken[going] += run.steps
        mass[going] = run.l1[-1]
        row[going[run.fit]] = taken[going[run.fit]]
        if not run.fit.any():
            break
        ahead = np.flatnonzero(run.fit & (taken[going] <= slack * row.min()))
        going = going[ahead]
        start = Polar(run.points.radius[-1][ahead], run.points.log_direction[-1][ahead], np.ones(1))
        if isinstance(method, SalimansKingmaDescent):
            method = replace(method, norm=run.norm[-1][ahead])
    Q = basis_pursuit(problem).value
    return Search(share, np.where(counts <= cap, counts, np.inf), mass / Q - 1)


def small_problem(seed: int) -> Problem:
    """Twelve measurements of forty weights, two of them not zero: long runs are affordable."""
    return Problem.gaussian(12, 40, 2, seed=seed)


def compared(task: tuple[int, int, float]) -> list[Row]:
    """For one depth, seed and target: the rows of all contestants and tolerances.

    predicted: the time of the flow over the longest stable step. count, step: of the best run. excess: its own, where
    it ends. NaN where the prediction is over `BUDGET` and no run was made.
    """
    depth, seed, target = task
    rows: list[Row] = []
    for name, contestant in contestants(small_problem(seed), depth, target).items():
        predicted = contestant.flow(TOLERANCES)[1] / contestant.longest_step
        feasible = int(np.count_nonzero(predicted <= BUDGET))
        found = search(contestant, GRID, TOLERANCES[:feasible], int(3 * predicted[feasible - 1]) + 50, SLACK)
        for k, tolerance in enumerate(TOLERANCES):
            best = int(found.best[k]) if k < feasible else -1
            rows.append(
                {
                    "depth": depth,
                    "seed": seed,
                    "target": target,
                    "method": name,
                    "ratio": float(getattr(contestant.method.flow, "ratio", np.nan)),
                    "radius": float(contestant.start.radius),
                    "condition": contestant.condition,
                    "tolerance": tolerance,
                    "predicted": float(predicted[k]),
                    "count": float(found.counts[k, best]) if best >= 0 else np.nan,
                    "step": float(found.share[best]) if best >= 0 else np.nan,
                    "excess": float(found.excess[best]) if best >= 0 else np.nan,
                }
            )
    return rows


TASKS = [(depth, seed, target) for depth in (2, 3) for seed in range(10) for target in TARGETS]
RECORD = Record(__name__, TASKS, compared, sample=(0, 4))


@dataclass(frozen=True, eq=False)
class Course:
    """Relative losses (T,) of a descent after `steps` (T,) steps, and of its flow at the same times."""

    steps: Array
    descent: Array
    flow: Array


def course(contestant: Contestant, share: float, tolerance: float, cap: int, points: int = 200) -> Course:
    """A descent at the step `share` * longest stable step until its relative loss is `tolerance`, beside its flow."""
    problem, step = contestant.limit.problem, share * contestant.longest_step
    unit, stop = losses_at(problem, (1.0, tolerance))
    run = descend(contestant.method, problem, contestant.start, step, cap, stop_loss=stop)
    steps = np.unique(np.geomspace(1, int(run.steps), points).astype(int))
    path, _ = contestant.flow((tolerance,))
    times = steps * step
    flow = np.where(times <= path.t[-1], path.at(np.minimum(times, path.t[-1])).loss, np.nan)
    return Course(steps, run.loss[steps] / unit, flow / unit)


@dataclass(frozen=True, eq=False)
class Gains:
    """Steps of gradient descent over steps of another method, by depth, target and tolerance, over S problems.

    measured, predicted: arrays (targets, tolerances, S); measured is NaN where either was not run.
    """

    measured: Array
    predicted: Array


def grid(record: dict[str, Array], depth: int, method: str, column: str) -> Array:
    """A column of the record for one depth and method, (targets, tolerances, S); NaN where it has no finite number."""
    seeds = np.unique(record["seed"])
    found = np.full((len(TARGETS), len(TOLERANCES), seeds.size), np.nan)
    chosen = (record["depth"] == depth) & (record["method"] == method)
    columns = (record[key][chosen] for key in ("target", "tolerance", "seed", column))
    for target, tolerance, seed, value in zip(*columns, strict=True):
        place = TARGETS.index(target), TOLERANCES.index(tolerance), int(np.searchsorted(seeds, seed))
        found[place] = value if np.isfinite(value) else np.nan
    return found


def gains(record: dict[str, Array], depth: int, method: str) -> Gains:
    """From the rows of the record for one depth; NaN for problems on which the method has no start."""
    return Gains(
        *(grid(record, depth, "plain", key) / grid(record, depth, method, key) for key in ("count", "predicted"))
    )


def drift(record: dict[str, Array], depth: int, method: str) -> float:
    """The median excess of a method's best runs to the last tolerance, over the target, for one depth."""
    chosen = (record["depth"] == depth) & (record["method"] == method) & (record["tolerance"] == TOLERANCES[-1])
    return float(np.nanmedian(record["excess"][chosen] / record["target"][chosen]))


def races(depth: int, target: float, share: float, count: int, seed: int = 0) -> dict[int, dict[str, Contestant]]:
    """Contestants on `count` problems, by seed: the first from `seed` on that have a start for each of the methods.

    None is left out unless a flow collapses, or gradient flow to the target excess starts beyond its own limit's radius
    so that no ratio leads weight normalization there.
    """
    found: dict[int, dict[str, Contestant]] = {}
    while len(found) < count:
        with suppress(ValueError):
            starts = contestants(small_problem(seed), depth, target, (share,), ratio=None)
            if len(starts) == 3:
                found[seed] = {name.split()[0]: contestant for name, contestant in starts.items()}
        seed += 1
    return found
