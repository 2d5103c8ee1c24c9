r"""Which starts of weight normalization collapse: the map over scale and ratio, and what decides.

Near w = 0 the force is $b = A^\top y$. With it, $m_L(z)$ moves along b, and $r^2 = \tfrac1c \log\|z\|^2$ reaches 0
if and only if $c\,r_0^2$ is less than `collapse_barrier`, the largest fall of $\log\|z\|^2$ on the way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from companion.running.record import Record, Row
from wnlib._checks import Array
from wnlib.flows.polar import radius_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.barrier import collapse_barrier
from wnlib.limits.bounds import entropy_excess
from wnlib.limits.collapse import collapses
from wnlib.limits.small_starts import SmallStart
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit

M, N, SPARSITY = 24, 60, 3
# The first seeds whose problem pulls a uniform start inwards.
SEEDS = (2, 5, 10, 13, 42, 53, 54, 63, 75, 78, 79, 80, 82, 87, 89, 101, 103, 114, 116, 118)
RATIOS = np.geomspace(0.1, 1000, 25)
POSITIONS = np.geomspace(1e-7, 1, 36)  # r_0^2 / Q
BLOCK = 5  # ratios of a task
RESOLVED = 1e-4  # a barrier that is far above the tolerance with which flows are followed


@dataclass(frozen=True, eq=False)
class Fates:
    """What became of uniform starts at depth 2, over the problems of SEEDS, RATIOS and POSITIONS.

    collapsed  (problems, ratios, positions)
    """

    collapsed: NDArray[np.bool_]

    @property
    def share(self) -> Array:
        """The share of problems on which a start collapsed, shape (ratios, positions)."""
        return self.collapsed.mean(axis=0)

    @property
    def bracket(self) -> Array:
        """Positions of the last collapse and the first escape, shape (problems, ratios, 2); 0 and inf for none."""
        edges = np.concatenate([[0.0], POSITIONS, [np.inf]])
        count = self.collapsed.sum(axis=2)
        return np.stack([edges[count], edges[count + 1]], axis=-1)

    @property
    def ordered(self) -> bool:
        """Whether all collapsed starts are smaller than all others of the same problem and ratio."""
        return not np.any(self.collapsed[..., 1:] & ~self.collapsed[..., :-1])


def inward(problem: Problem) -> bool:
    r"""Whether the force at w = 0 pulls a uniform direction inwards, $\langle A^\top y, \mathbf 1\rangle < 0$."""
    return bool(np.sum(problem.A.T @ problem.y) < 0)


def surely_collapses(problem: Problem, depth: int, ratio: float) -> float:
    r"""The $r_0^2/\rho^*$ below which the theorem on collapse applies to uniform starts; 0 if the pull is outward."""
    if not inward(problem):
        return 0.0
    n = problem.shape[1]
    radius = SmallStart(problem, np.full(n, n**-0.5), depth, ratio).threshold
    return float(radius / radius_of(basis_pursuit(problem).weights, depth)) ** 2


def surely_escapes(problem: Problem, ratio: float) -> float:
    r"""The $r_0^2/Q$ from which on the theorem on no collapse applies, at depth 2; NaN if nowhere.

    Where $c\,S_0 (2Q - S_0) = 2Q\,\mathrm{KL}$: $1 - \sqrt{1 - 2\,\mathrm{KL}/(c\,Q)}$.
    """
    target = basis_pursuit(problem).weights
    left = 1 - 2 * entropy_excess(target) / (ratio * float(np.sum(target)))
    return 1 - float(np.sqrt(left)) if left >= 0 else np.nan


def fate(problem: Problem, depth: int, ratio: float, position: float) -> bool:
    r"""Whether the uniform start of $r_0^2/\rho^*$ = `position` collapses, by following the flow."""
    target = float(radius_of(basis_pursuit(problem).weights, depth))
    flow = WeightNormFlow(depth, ratio)
    return collapses(flow, problem, flow.start(problem.shape[1], float(np.sqrt(position)) * target))


def threshold(problem: Problem, depth: int, ratio: float, factor: float = 1.02) -> float:
    r"""The measured $c\,r_0^2$ between collapse and escape, to a `factor`, by bisection; the pull must be inward."""
    if not inward(problem):
        raise ValueError("problem must pull a uniform start inwards, got <A^T y, 1> >= 0")
    unit = ratio * float(radius_of(basis_pursuit(problem).weights, depth)) ** 2
    low = high = collapse_barrier(problem, depth)
    while not fate(problem, depth, ratio, low / unit):
        low /= 2
    while fate(problem, depth, ratio, high / unit):
        high *= 2
    while high > factor * low:
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if fate(problem, depth, ratio, middle / unit) else (low, middle)
    return float(np.sqrt(low * high))


def inward_problems(m: int, n: int, sparsity: int, seed: int, depth: int, count: int) -> list[Problem]:
    """The first Gaussian problems from `seed` on with a barrier of at least `RESOLVED`, of at most two thousand."""
    drawn = (Problem.gaussian(m, n, sparsity, s) for s in range(seed, seed + 2000))
    return list(islice((problem for problem in drawn if collapse_barrier(problem, depth) >= RESOLVED), count))


@dataclass(frozen=True, eq=False)
class Edges:
    r"""Where collapse ends, as $r_0^2/Q$, over problems and ratios at depth 2: shapes (problems, ratios).

    lost     below it the theorem on collapse applies
    turning  where the barrier is
    safe     from it on the theorem on no collapse applies; NaN: nowhere
    """

    lost: Array
    turning: Array
    safe: Array


def edges(problems: Sequence[Problem]) -> Edges:
    """Of problems at the ratios of the record."""
    units = np.array([[basis_pursuit(problem).value] for problem in problems]) * RATIOS
    return Edges(
        lost=np.array([[surely_collapses(problem, 2, c) for c in RATIOS] for problem in problems]),
        turning=np.array([[collapse_barrier(problem, 2)] for problem in problems]) / units,
        safe=np.array([[surely_escapes(problem, c) for c in RATIOS] for problem in problems]),
    )


@dataclass(frozen=True, eq=False)
class Thresholds:
    r"""The $c\,r_0^2$ between collapse and escape, at ratios for which the barrier lies at given positions.

    barrier    (problems,)
    positions  (K,), $r_0^2/\rho^*$ at the barrier
    measured   (K, problems), by bisection of followed flows
    proved     (K, problems), below which the theorem on collapse applies
    """

    barrier: Array
    positions: Array
    measured: Array
    proved: Array

    @property
    def off(self) -> Array:
        """The largest relative distance of a measured threshold from the barrier, at each position."""
        return np.abs(self.measured / self.barrier - 1).max(axis=1)


def bisected(problems: Sequence[Problem], depth: int, positions: Sequence[float]) -> Thresholds:
    """Thresholds on problems whose pull is inward."""
    barriers = np.array([collapse_barrier(problem, depth) for problem in problems])
    squares = np.array([float(radius_of(basis_pursuit(problem).weights, depth)) ** 2 for problem in problems])
    ratios = barriers / squares / np.asarray(positions)[:, None]
    pairs = [list(zip(problems, row, strict=True)) for row in ratios]
    proved = np.array([[surely_collapses(problem, depth, c) for problem, c in row] for row in pairs])
    return Thresholds(
        barrier=barriers,
        positions=np.asarray(positions),
        measured=np.array([[threshold(problem, depth, c) for problem, c in row] for row in pairs]),
        proved=proved * ratios * squares,
    )


def problem_of(seed: int) -> Problem:
    """One of the problems of the record."""
    return Problem.gaussian(M, N, SPARSITY, seed)


def rows(task: tuple[int, int]) -> Iterator[Row]:
    """For a seed and some ratios: a letter for each position, c where the start collapses, else e."""
    seed, first = task
    problem = problem_of(seed)
    for k in range(first, first + BLOCK):
        ratio = float(RATIOS[k])
        fates = "".join("c" if fate(problem, 2, ratio, float(position)) else "e" for position in POSITIONS)
        yield {"seed": seed, "ratio": ratio, "fates": fates}


RECORD = Record(
    __name__,
    tasks=[(seed, first) for seed in SEEDS for first in range(0, len(RATIOS), BLOCK)],
    compute=rows,
    sample=(7,),
)


def stored() -> Fates:
    """The record's map."""
    letters = np.array([list(line) for line in RECORD.load()["fates"]])
    return Fates((letters == "c").reshape(len(SEEDS), len(RATIOS), len(POSITIONS)))
