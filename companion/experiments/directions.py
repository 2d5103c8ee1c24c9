r"""To which norm a flow is biased: what the direction of its start decides, from depth 3 on.

As the magnification grows, both flows tend to the minimiser of $\langle\chi, z\rangle$ over the nonnegative
interpolants, with the costs $\chi = u_0^{2-L}$. That is a linear program, which needs no flow. The logarithm of a cost
is that of $u_{0,i}$, times 2 - L: with log-normal directions, depth and spread of the direction count through the
spread of the costs alone, their standard deviation in logarithms.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypedDict

import numpy as np

from companion.experiments.recovery import RECOVERED, distance, planted
from companion.running.record import Record, Row
from wnlib._checks import Array
from wnlib.errors import InfeasibleError
from wnlib.flows.flow import GradientFlow
from wnlib.flows.polar import radius_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits import sparse_limit
from wnlib.limits.limit import LimitCurve
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit, priced
from wnlib.sparse.margin import cheapest

M, N = 24, 60  # of the record
SPARSITY = 3  # where the phase diagram is cut
DEPTHS = (2, 3, 4, 6)
SPARSE = 1e-2  # l1 excess up to which an end counts as sparse
GAIN = 60.0  # c rho(z*): what makes the ratio large
SCALES = (0.1, 0.3, 0.7)  # r_0 over the target's radius
MIDDLE = 0.7  # the one that is taken where only one is
ROUNDING = 1e-9  # what is smaller is stored as this

SPREADS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.1)  # of directions; the last as that of Gaussian entries
COSTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.4)  # spreads of costs: up to 4 times as large
SPARSITIES = (1, 2, 3, 4, 5, 6, 8, 10)
SAMPLED = (3, 6)  # sparsities at which limits are computed
PROBLEMS = 60

Draw = Callable[[np.random.Generator, int, int], Array]


def _gaussian(rng: np.random.Generator, n: int, depth: int) -> Array:
    return np.abs(rng.standard_normal(n))


def _lifted(rng: np.random.Generator, n: int, depth: int) -> Array:
    x = _gaussian(rng, n, depth)
    return np.maximum(x, np.median(x))


def _lowered(rng: np.random.Generator, n: int, depth: int) -> Array:
    x = _gaussian(rng, n, depth)
    return np.minimum(x, np.median(x))


def _product(rng: np.random.Generator, n: int, depth: int) -> Array:
    return np.prod([_gaussian(rng, n, depth) for _ in range(depth)], axis=0) ** (1 / depth)


STARTS: dict[str, Draw] = {  # |x_0|, shape (n,), up to its scale
    "gaussian": _gaussian,
    "uniform": lambda rng, n, depth: rng.uniform(0, 1, n),
    "product": _product,
    "weights": lambda rng, n, depth: _gaussian(rng, n, depth) ** (1 / depth),
    "identity": lambda rng, n, depth: np.abs(1 + 0.1 * rng.standard_normal(n)),
    "lowered": _lowered,
    "lifted": _lifted,
    "constant": lambda rng, n, depth: np.ones(n),
}


def drawn(name: str, depth: int, n: int, seed: int) -> Array:
    """The direction (n,) of a start of `STARTS`."""
    x = STARTS[name](np.random.default_rng([seed, 1]), n, depth)
    return x / np.linalg.norm(x)


def spread_out(spread: float, n: int, seed: int) -> Array:
    """A log-normal direction (n,), the logarithms of whose entries have this `spread`; for a seed always the same."""
    x = np.exp(spread * np.random.default_rng([seed, 2]).standard_normal(n))
    return np.asarray(x / np.linalg.norm(x))


def costs(direction: Array, depth: int) -> Array:
    r"""$\chi$ (N,), of a direction."""
    return sparse_limit.costs(GradientFlow(depth).start(len(direction), 1.0, direction), depth)


def excess(weights: Array, problem: Problem) -> Array:
    """The l1 excess of weights (..., N) over basis pursuit, shape (...)."""
    return np.asarray(weights.sum(axis=-1) / basis_pursuit(problem).value - 1)


def planted_margin(problem: Problem, chi: Array) -> float:
    r"""The margin $\gamma$ of the planted weights at costs $\chi$ (N,): of a certificate that they cost least.

    Negative where other interpolants cost less; infinite where there is no other.
    """
    try:
        return cheapest(priced(problem, chi)[0], planted(problem) > 0)[0]
    except InfeasibleError:
        return np.inf


def ends(problem: Problem, depth: int, direction: Array, scales: Sequence[float] = (MIDDLE,)) -> Array:
    r"""The limits (K, N) of weight normalization, $c\,\rho(z^*)$ = `GAIN`, from starts of `scales` (K,) of the radius.

    That is the target's, $\sqrt{\rho(z^*)}$. Raises CollapseError, and LimitError where a limit is not found.
    """
    radius = float(radius_of(basis_pursuit(problem).weights, depth))
    flow, curve = WeightNormFlow(depth, GAIN / radius**2), LimitCurve(problem, depth, direction)
    starts = [flow.start(problem.shape[1], scale * radius, direction) for scale in scales]
    return np.array([curve.limit(flow, start).weights for start in starts])


def problems_of(s: int) -> list[Problem]:
    """The record's, of a sparsity."""
    return [Problem.gaussian(M, N, s, seed=seed) for seed in range(PROBLEMS)]


class Where(TypedDict):
    """Of which start, sparsity and spread some rows are: the spread of a direction, or of the costs by their mean."""

    start: str
    s: int
    spread: float


def row(
    kind: str, where: Where, depth: int, scale: float, weights: Array, problems: Sequence[Problem], programs: Array
) -> Row:
    """Counts over P problems, of weights and of the minimisers of their weighted programs, both (P, N).

    sparse     within `SPARSE` of the least l1 norm; recovered, within `RECOVERED` of the planted weights
    agreeing   sparse or not as the weighted program is
    farthest   the largest distance to the program, relative, in the l1 norm, at least `ROUNDING`
    excess     the median l1 excess, at least `ROUNDING`
    """
    found = np.array([excess(w, p) for w, p in zip(weights, problems, strict=True)])
    predicted = np.array([excess(z, p) for z, p in zip(programs, problems, strict=True)])
    off = np.abs(weights - programs).sum(axis=1) / programs.sum(axis=1)
    return {
        "kind": kind,
        "start": where["start"],
        "s": where["s"],
        "spread": where["spread"],
        "depth": depth,
        "scale": scale,
        "problems": len(problems),
        "sparse": int(np.sum(found <= SPARSE)),
        "recovered": int(np.sum([distance(w, p) <= RECOVERED for w, p in zip(weights, problems, strict=True)])),
        "agreeing": int(np.sum((found <= SPARSE) == (predicted <= SPARSE))),
        "farthest": max(ROUNDING, float(off.max())),
        "excess": max(ROUNDING, float(np.median(found))),
    }


def _program_rows(s: int) -> Iterator[Row]:
    problems = problems_of(s)
    for spread in COSTS:
        programs = np.array([basis_pursuit(p, spread_out(spread, N, seed)).weights for seed, p in enumerate(problems)])
        yield row("program", {"start": "costs", "s": s, "spread": spread}, 0, 0.0, programs, problems, programs)


def _limit_rows(s: int, depth: int) -> Iterator[Row]:
    for spread in SPREADS:  # by the sign, the costs are the program's of the same seed
        directions = [spread_out(-spread, N, seed) for seed in range(PROBLEMS)]
        yield from _rows({"start": "log-normal", "s": s, "spread": spread}, depth, directions, (MIDDLE,))


def _start_rows(name: str, depth: int) -> Iterator[Row]:
    directions = [drawn(name, depth, N, seed) for seed in range(PROBLEMS)]
    spread = float(np.mean([np.log(costs(direction, depth)).std() for direction in directions]))
    yield from _rows({"start": name, "s": SPARSITY, "spread": spread}, depth, directions, SCALES)


def _rows(where: Where, depth: int, directions: Sequence[Array], scales: Sequence[float]) -> Iterator[Row]:
    """The weighted program, at the scale 0, and the limits from each scale."""
    problems = problems_of(where["s"])
    pairs = list(zip(problems, directions, strict=True))
    programs = np.array([basis_pursuit(p, costs(direction, depth)).weights for p, direction in pairs])
    found = np.array([ends(p, depth, direction, scales) for p, direction in pairs])
    yield row("program", where, depth, 0.0, programs, problems, programs)
    for k, scale in enumerate(scales):
        yield row("limits", where, depth, scale, found[:, k], problems, programs)


Task = tuple[str, int | str, int]


def compute(task: Task) -> Iterable[Row]:
    """("program", s, 0): log-normal costs; ("limits", s, L): log-normal directions; ("starts", name, L)."""
    kind, first, depth = task
    if kind == "starts":
        return _start_rows(str(first), depth)
    return _program_rows(int(first)) if kind == "program" else _limit_rows(int(first), depth)


TASKS: tuple[Task, ...] = (
    *(("program", s, 0) for s in SPARSITIES),
    *(("limits", s, L) for s in SAMPLED for L in DEPTHS),
    *(("starts", name, L) for name in STARTS for L in DEPTHS),
)
SAMPLE = tuple(TASKS.index(task) for task in (("limits", 3, 3), ("starts", "uniform", 3)))
RECORD = Record(__name__, TASKS, compute, SAMPLE)
