r"""Corners of the space of parameters that no chapter visits, and what becomes of the predictions there.

A corner is drawn: depth, ratio, columns, truth, noise, direction and radius of the start, each from its extremes. Every
prediction is asked in every corner. It answers with a gap, 0 where it is met to the last digit.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg

from companion.running.record import Record, Row
from wnlib._checks import Array
from wnlib.descent import GradientDescent, descend, effective_start
from wnlib.errors import ArgumentError, CollapseError, IntegrationError, WnlibError
from wnlib.flows.flow import GradientFlow
from wnlib.flows.metric import longest_step
from wnlib.flows.polar import Polar, radius_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.barrier import collapse_barrier
from wnlib.limits.bounds import mass_bound
from wnlib.limits.collapse import collapses
from wnlib.limits.limit import limit
from wnlib.limits.needed import needed_ratio
from wnlib.limits.saddles import saddle
from wnlib.limits.sharp import OffSupport
from wnlib.limits.sparse_limit import costs
from wnlib.limits.stays import exit_time, stay
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.sparse.margin import margin
from wnlib.trajectories.integration import integrate

COUNT = 30
DEPTHS = (2, 5, 6)
RATIOS = (1e-2, 1e4)  # over the inverse of the target's squared radius
COLUMNS = ("gaussian", "coherent", "negative", "badly scaled", "as many rows")
SCALES = (1e-3, 0.5, 20.0)  # of the start, over the target's radius
SPREADS = (0.0, 2.0)  # of the logarithms of a direction
NOISE = 2.0  # norm over that of the signal, where there is some
EXCESS = 1e-2
EXACT = 1e-8  # a gap below this is stored as 0: rounding decides how large it is
RESOLVED = float(np.log(1e-14))  # of all weights: below that, a limit fits without those off the support
FOREVER = 1e60


@dataclass(frozen=True, eq=False)
class Corner:
    """One problem, flow and start."""

    problem: Problem
    flow: WeightNormFlow
    scale: float
    direction: Array

    @cached_property
    def radius(self) -> float:
        """Of the minimiser of basis pursuit."""
        return float(radius_of(basis_pursuit(self.problem).weights, self.flow.depth))

    def start(self, most: float = np.inf) -> Polar:
        """At the corner's scale, or at the largest one allowed."""
        return self.flow.start(len(self.direction), min(self.scale, most) * self.radius, self.direction)

    @property
    def ever(self) -> float:
        """A time after which nothing happens any more."""
        return FOREVER / float(linalg.norm(self.problem.A, 2)) ** 2


def corner(seed: int) -> Corner:
    """One of them."""
    rng = np.random.default_rng([seed, 30])
    depth, ratio, scale, spread = (rng.choice(values) for values in (DEPTHS, RATIOS, SCALES, SPREADS))
    problem = _problem(str(rng.choice(COLUMNS)), bool(rng.integers(2)), bool(rng.integers(3) == 0), rng)
    direction = np.exp(spread * rng.standard_normal(problem.shape[1]))
    radius = float(radius_of(basis_pursuit(problem).weights, int(depth)))
    return Corner(problem, WeightNormFlow(int(depth), float(ratio) / radius**2), float(scale), direction)


def _problem(columns: str, heavy: bool, noisy: bool, rng: np.random.Generator) -> Problem:
    n = int(rng.integers(10, 41))
    m = n - 1 if columns == "as many rows" else int(rng.uniform(0.2, 0.6) * n)
    truth, sparsity = np.zeros(n), int(rng.integers(1, max(2, m // 2)))
    truth[:sparsity] = np.exp(3 * rng.standard_normal(sparsity)) if heavy else rng.uniform(0.5, 1.5, sparsity)
    A, common = rng.standard_normal((m, n)) / np.sqrt(m), rng.standard_normal((m, 1)) / np.sqrt(m)
    if columns == "coherent":
        A = common + 0.05 * A
    if columns == "negative":  # what is measured and what is not
        A = 0.5 * A + common * np.where(np.arange(n) < sparsity, 1.0, -1.0)
    if columns == "badly scaled":
        A = A * np.geomspace(1, 1e-3, n)
    y = A @ truth
    if noisy:  # that nonnegative weights can fit
        noise = A @ np.abs(rng.standard_normal(n))
        y = y + NOISE * linalg.norm(y) * noise / linalg.norm(noise)
    return Problem(A, y, truth)


def _limit(at: Corner) -> float:
    """The flow, followed until it fits, against the limit for the measurements that it then has."""
    flow, problem, start = at.flow, at.problem, at.start()
    limit(flow, problem, start)  # which tells whether it has one
    path = integrate(flow, problem, start, at.ever, rtol=1e-8, stop_loss=1e-12 * problem.loss_of_zero)
    reached = path.weights[-1]
    return _apart(limit(flow, Problem(problem.A, problem.A @ reached), start).weights, reached)


def _collapse(at: Corner) -> float:
    """Whether the flow, followed, fits better than w = 0 or shrinks."""
    flow, problem, start = at.flow, at.problem, at.start()
    path = integrate(flow, problem, start, at.ever, rtol=1e-8, stop_loss=0.99 * problem.loss_of_zero)
    fits, shrinks = path.loss[-1] < 0.995 * problem.loss_of_zero, path.radius[-1] < 0.5 * path.radius[0]
    if not fits and not shrinks:
        raise IntegrationError("the flow has not left its start")
    return float(collapses(flow, problem, start) == fits)


def _barrier(at: Corner) -> float:
    """Small starts a tenth below the barrier and above it."""
    found, depth = collapse_barrier(at.problem, at.flow.depth, at.direction), at.flow.depth
    if found < 1e-3:  # within the tolerance with which a flow is followed
        return np.nan
    start = GradientFlow(depth).start(len(at.direction), 1e-4 * at.radius, at.direction)
    flows = [WeightNormFlow(depth, share * found / float(start.radius) ** 2) for share in (0.9, 1.1)]
    return float([collapses(flow, at.problem, start) for flow in flows] != [True, False])


def _needed(at: Corner) -> float:
    """The excess of the limit at the ratio that is needed for it, from within the window."""
    depth, start = at.flow.depth, at.start(most=0.5)
    flow = WeightNormFlow(depth, needed_ratio(at.problem, depth, float(start.radius), EXCESS, at.direction))
    found = margin(at.problem, costs(start, depth))
    value = float(found.costs @ found.target)
    return abs((float(found.costs @ limit(flow, at.problem, start).weights) / value - 1) / EXCESS - 1)


def _mass(at: Corner) -> float:
    """The mass of the limit from a uniform start over its bound."""
    flow, target = at.flow, basis_pursuit(at.problem).weights
    start = flow.start(len(target), at.scale * at.radius)
    bound = mass_bound(flow, float(start.radius), target)
    return _above(limit(flow, at.problem, start).weights.sum(), bound) if np.isfinite(bound) else np.nan


def _sharp(at: Corner) -> float:
    """The mass of the limit off the support, and its bounds above and below."""
    end = limit(at.flow, at.problem, at.start())
    found = margin(at.problem, costs(end.start, end.flow.depth))
    if np.isinf(found.value) or not end.attainable.all():
        return np.nan
    off = OffSupport(end, found.support)
    slacks = off.slacks(found.dual) if at.flow.depth > 2 else np.ones(1)
    if slacks.min() <= 0 or off.log_mass() < RESOLVED + np.log(end.weights.sum()):
        return np.nan
    above, below = off.log_mass(slacks) - off.log_upper(found.dual), off.log_lower(found.direction) - off.log_mass()
    return float(np.expm1(max(above, below, 0.0)))


def _stay(at: Corner) -> float:
    """When gradient flow has left w = 0, and the times between which it must."""
    flow, zero = GradientFlow(at.flow.depth), saddle(at.problem, [])
    start = flow.start(len(at.direction), 1e-3 * at.radius, at.direction)
    mass = 10 * float(start.weights(flow.depth).sum())
    between = stay(flow, zero, start, mass)
    left = exit_time(integrate(flow, at.problem, start, 2 * between.latest), zero, mass)
    return max(_above(between.earliest, left), _above(left, between.latest))


def _effective(at: Corner) -> float:
    """The end of a descent in long steps, and that of the flow from its effective start, for what it has measured."""
    method, problem = GradientDescent(at.flow.depth), at.problem
    start, step = at.start(most=0.5), 0.3 * longest_step(method.flow, problem, basis_pursuit(problem).weights)
    run = descend(method, problem, start, step, steps=300)
    end = run.weights[-1]
    return _apart(limit(method.flow, Problem(problem.A, problem.A @ end), effective_start(run)).weights, end)


def _apart(weights: Array, other: Array) -> float:
    return float(np.abs(weights - other).sum() / other.sum())


def _above(value: float, bound: float) -> float:
    return max(float(value / bound) - 1, 0.0)


@dataclass(frozen=True)
class Prediction:
    """One that is asked in every corner: its name, what stands in the table, its gap, and the largest that agrees."""

    key: str
    name: str
    gap: Callable[[Corner], float]
    tolerance: float = 1e-6

    def ask(self, at: Corner) -> float:
        """The gap; NaN where a corner is outside the hypotheses, infinite where the answer is an error that says so."""
        try:
            return self.gap(at)
        except (ArgumentError, CollapseError):
            return np.nan
        except WnlibError:
            return np.inf


PREDICTIONS = (
    Prediction("limit", "the flow ends at its limit ({prf:ref}`thm-implicit_bias`)", _limit, 1e-5),
    Prediction("collapse", "it collapses or fits, as `collapses` says", _collapse),
    Prediction("barrier", "small starts collapse below a barrier ({prf:ref}`thm-collapse_barrier`)", _barrier),
    Prediction("needed", "the ratio that an excess needs ({prf:ref}`thm-sharp_excess`)", _needed),
    Prediction("mass", "the mass of the limit is at most a bound ({prf:ref}`thm-mass_bound`)", _mass),
    Prediction("sharp", "the excess is between two bounds ({prf:ref}`thm-sharp_excess_deep`)", _sharp),
    Prediction("stay", "gradient flow leaves $w = 0$ between two times ({prf:ref}`thm-plateau`)", _stay),
    Prediction(
        "effective", "a descent in long steps has an effective start ({prf:ref}`thm-effective_start`)", _effective
    ),
)


def compute(seed: int) -> Iterator[Row]:
    """The gap of each prediction in one corner, see `Prediction.ask`; 0 below `EXACT`."""
    at = corner(seed)
    gaps = {each.key: each.ask(at) for each in PREDICTIONS}
    yield {key: 0.0 if gap < EXACT else gap for key, gap in gaps.items()}


RECORD = Record(__name__, range(COUNT), compute, sample=[1, 5, 12])


@dataclass(frozen=True)
class Tally:
    """In how many corners a prediction was asked, answered and met, and the largest gap of an answer."""

    prediction: Prediction
    asked: int
    answered: int
    met: int
    worst: float


def tally(rows: dict[str, Array]) -> list[Tally]:
    """One for each prediction."""
    found = []
    for each in PREDICTIONS:
        asked = rows[each.key][~np.isnan(rows[each.key])]
        answers = asked[np.isfinite(asked)]
        met = int((answers <= each.tolerance).sum())
        found.append(Tally(each, len(asked), len(answers), met, float(answers.max(initial=0.0))))
    return found
