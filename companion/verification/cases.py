r"""Cases in units of their targets: how often a start is magnified on the way to $z^*$, and how large it is beside it.

For the theorems on limits the interesting parameters are not the ratio and the scale but what they are relative to the
target's radius $\sqrt{\rho(z^*)}$. Here a case's `ratio` is the logarithm of the magnification between w = 0 and $z^*$
(to the power L - 2 above depth 2), its `scale` is $r_0/\sqrt{\rho(z^*)}$.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from companion.verification.ensemble import Case
from wnlib._checks import Array
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import Polar, polar_of
from wnlib.flows.weight_norm import ScheduledWeightNormFlow, WeightNormFlow
from wnlib.limits.end_point import Limit
from wnlib.limits.limit import limit
from wnlib.limits.small_starts import SmallStart
from wnlib.linear.ranks import least_squares
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit, priced
from wnlib.sparse.margin import SUPPORT, Margin, cheapest, margin


def normalized_flow(case: Case) -> WeightNormFlow:
    r"""Weight-normalized gradient flow with $\max(1, L-2)\, c\, \rho(z^*)/2$ = the case's ratio."""
    return WeightNormFlow(case.depth, 2 * case.ratio / (max(1, case.depth - 2) * case.target_radius**2))


def start_radius(case: Case) -> float:
    r"""$r_0$ = the case's scale, times $\sqrt{\rho(z^*)}$."""
    return case.scale * case.target_radius


def sheltered(case: Case) -> Polar:
    """The case's start; at depth 1, one so small and leaning so far towards the data that its loss is below ell(0)."""
    if case.depth >= 2:
        return case.start
    data = case.problem.A.T @ case.problem.y
    direction = case.start.direction + 2 * data / np.linalg.norm(data)
    output = case.problem.A @ direction / np.linalg.norm(direction)
    return case.flow.start(case.n, min(case.scale, 0.5 * float(case.problem.y @ output / (output @ output))), direction)


def opposed(case: Case) -> Polar:
    """The case's start, with the sign that makes its radius shrink at first."""
    start = sheltered(case)
    return Polar(start.radius, start.log_direction, -start.sign)


def growing(flow: Flow, rate: float) -> Flow:
    """Weight normalization whose ratio grows at this `rate`, relatively; another flow as it is."""
    if not isinstance(flow, WeightNormFlow):
        return flow
    return ScheduledWeightNormFlow(flow.depth, flow.ratio, angular_schedule=lambda t: 1 + rate * t)


def problem_and_start(case: Case) -> tuple[Problem, Polar]:
    """Measurements of dense weights of either sign, and a radius of either sign."""
    A, rng = case.problem.A, case.rng()
    sign = float(rng.choice([-1.0, 1.0]))
    return Problem(A, A @ rng.standard_normal(case.n)), case.flow.start(case.n, sign * case.scale, case.direction)


def wholly_positive(case: Case, rng: np.random.Generator) -> Problem:
    """The case's measurements of weights all of which are positive."""
    end = np.asarray(case.problem.truth) + rng.uniform(0.1, 0.3, case.n)
    return Problem(case.problem.A, case.problem.A @ end, end)


def planned(case: Case, flow: Flow, reach: float = 0.3) -> tuple[Problem, Array, Polar]:
    r"""A problem, a positive interpolant (N,), and a start from which the flow ends there, if it does not collapse.

    Their dual variables differ by a vector in row(A), relatively by `reach`.
    """
    rng = case.rng()
    problem = wholly_positive(case, rng)
    end = np.asarray(problem.truth)
    point = polar_of(end, case.depth)
    mirror = mirror_map(flow, float(point.radius))
    theta = mirror.gradient(point)
    change = problem.row_basis @ rng.standard_normal(problem.rank)
    gamma = float(flow.relative_rate(point.radius) * point.radius**2)
    size = np.ones(case.n) if case.depth == 2 else np.abs(theta)
    change *= reach * min(1.0, gamma) / np.max(np.abs(change) / size)
    return problem, end, mirror.inverse(theta - change)


def tilted(case: Case) -> Array:
    """From 1 to 4 over the entries."""
    return np.geomspace(1, 4, case.n)


def even(case: Case) -> tuple[Problem, Array]:
    """Measurements of uniform weights that keep uniform weights uniform, and other weights that have the same."""
    rows = linalg.orth(np.vstack([case.problem.A, np.ones(case.n)]).T).T
    problem = Problem(rows, rows.sum(axis=1), np.ones(case.n))
    v = problem.kernel @ case.rng().standard_normal(problem.kernel.shape[1])
    return problem, 1 + 0.1 * v / max(np.abs(v).max(initial=0), 1e-300)


def lever(n: int, margin: float, support: int = 1) -> Problem:
    """One measurement to which the weights of the `support` add 1 each, and all others less by the `margin`."""
    truth = np.where(np.arange(n) < support, 1 / support, 0.0)
    return Problem(np.where(truth > 0, 1.0, 1 - margin)[None], np.ones(1), truth)


def magnified(case: Case) -> tuple[Flow, Polar]:
    """Either flow, and a start in the case's direction.

    The logarithm of the magnification on the way to $z^*$ is ratio (1 - scale^2), times L - 2 above depth 2.
    """
    flow, radius = either_flow(case), start_radius(case)
    if isinstance(flow, GradientFlow):
        radius = case.target_radius * float(np.exp(-case.ratio * (1 - case.scale**2) / max(1, case.depth - 2)))
    return flow, flow.start(case.n, radius, case.direction)


def magnified_limit(case: Case, other: float = 1.0, power: float = 1.0) -> Limit:
    """The limit from a `magnified` start.

    For the falsifiers: from a start `other` times as large, as if it were from that one; as if it were magnified to
    another `power`.
    """
    flow, start = magnified(case)
    end = limit(flow, case.problem, replace(start, radius=other * start.radius))
    grown = flow.log_magnification(np.array([float(start.radius), end.radius]))
    radius = start.radius if power == 1 else flow.radius(grown[1] - power * (grown[1] - grown[0]))
    return replace(end, start=replace(start, radius=np.asarray(radius)))


def lone_weight(case: Case) -> Limit:
    """The limit for one measurement of two weights, of which the second counts less."""
    rng = case.rng()
    problem, flow = lever(2, rng.uniform(0.2, 0.8)), WeightNormFlow(case.depth, 2 * case.ratio)
    return limit(flow, problem, flow.start(2, case.scale, [1.0, rng.uniform(0.5, 2)]))


def certificates(case: Case, support: NDArray[np.bool_], costs: Array) -> tuple[Array, Array]:
    r"""Two $\nu$ (M,) with $A_J^\top\nu$ = the costs (N,) on a support (N,): of least norm, and a random one nearby."""
    rows = case.problem.A[:, support].T
    least = least_squares(rows, costs[support])
    drawn = case.rng().standard_normal(len(least))
    return least, least + 0.1 * (drawn - least_squares(rows, rows @ drawn))


def some_margin(case: Case, costs: Array) -> Margin:
    """The margin at costs (N,); where all interpolants are minimisers, that of a sparse one among them, which is 0."""
    found = margin(case.problem, costs)
    if np.isfinite(found.value) or not found.several:
        return found
    own, _ = priced(case.problem, costs)
    target = basis_pursuit(own).weights
    target = np.where(target > SUPPORT * target.max(), target, 0.0)
    value, dual, direction = cheapest(own, target > 0)
    return Margin(value, target / costs, True, dual, direction / costs, costs)


def with_signs(case: Case) -> Problem:
    """The case's measurements of its weights with random signs."""
    weights = case.problem.truth * np.random.default_rng([case.seed, 4]).choice([-1.0, 1.0], case.n)
    return Problem(case.problem.A, case.problem.A @ weights, weights)


def signed_problem(case: Case) -> Problem:
    """The same, on $[A, -A]$."""
    return with_signs(case).doubled()


def either_flow(case: Case) -> Flow:
    """Gradient flow in one half of the cases, weight normalization in the other."""
    return normalized_flow(case) if case.rng().integers(2) else case.plain


def against_the_data(case: Case, sign: float = -1.0) -> SmallStart:
    r"""A start on signed weights whose entries with $b_i$ of the given sign outweigh the others in $s_0$, at random."""
    problem, rng = case.problem.doubled(), case.rng()
    direction = rng.uniform(0.3, 1.7, problem.shape[1])
    b = problem.A.T @ problem.y
    terms = sign * b * direction**case.depth
    shrunk = rng.uniform(0.1, 0.9) * terms[b * sign > 0].sum() / -terms[b * sign < 0].sum()
    direction[b * sign < 0] *= min(1.0, shrunk) ** (1 / case.depth)
    return SmallStart(problem, direction / np.linalg.norm(direction), case.depth, case.ratio)


def negative_interpolant(case: Case) -> Array:
    """An interpolant with a negative entry."""
    truth, v = np.asarray(case.problem.truth), case.problem.kernel[:, 0]
    i = int(np.argmax(np.abs(v)))
    return truth - (truth[i] + 0.5) / v[i] * v
