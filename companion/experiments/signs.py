"""Signed weights by two positive halves: one sphere for both, or one for each.

All problems are doubled ones, [A, -A] of shape (M, 2N), and all starts have x_+ = x_-, uniform. A scale is the norm of
both halves together, so that the same scale is the same point for every flow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.integrate import LSODA

from companion.experiments.robustness import ARRIVED, frontier
from companion.running.record import Record, Row
from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import IntegrationError, LimitError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.geometry import mirror_map
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.limit import LimitCurve
from wnlib.models.grouped_limit import nearest_masses
from wnlib.models.separate import SeparateFlow, integrate_separate
from wnlib.models.signed import log_temperature, signed, symmetric_start, tilt
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.stepping import stepped

PATIENCE = 1e7  # time after which a followed flow counts as stuck
FITTED = 0.02  # relative residual up to which a flow is followed in its own, stiff, coordinates


@dataclass(frozen=True, eq=False)
class Sweep:
    """Signed end points of one flow over problems (rows, P) and scales (columns, K); NaN where it did not arrive.

    excess   (P, K), (||w||_1 - Q)/Q with the signed weights' norm and the value Q of basis pursuit
    error    (P, K), the distance to the minimiser of basis pursuit over that one's norm
    growth   (P, K, 2), the radii of x_+ and x_- at the end over those at the start
    """

    excess: Array
    error: Array
    growth: Array

    @property
    def missing(self) -> int:
        """How many flows did not arrive."""
        return int(np.isnan(self.excess).sum())


def limits(flow: Flow, problems: Sequence[Problem], scale: Array) -> Sweep:
    """The exact limits of gradient flow, or with one sphere; `scale` has shape (P, K)."""
    curves = {problem: LimitCurve(problem, flow.depth) for problem in problems}

    def end(problem: Problem, r_0: float) -> Array:
        return curves[problem].limit(flow, flow.start(problem.shape[1], r_0), tolerance=0.01 * ARRIVED).weights

    return _sweep(end, flow.depth, problems, scale)


def ends(flow: Flow | SeparateFlow, problems: Sequence[Problem], scale: Array) -> Sweep:
    """The end points of flows followed until their relative residual is below `ARRIVED`; `scale` has shape (P, K)."""
    return _sweep(lambda problem, r_0: arrival(flow, problem, r_0), flow.depth, problems, scale)


def arrival(flow: Flow | SeparateFlow, problem: Problem, scale: float, residual: float = ARRIVED) -> Array:
    """w_+ and w_- where a flow has fallen to a relative `residual`, shape (2N,). Raises IntegrationError."""
    if isinstance(flow, SeparateFlow):
        start = flow.start(problem.shape[1] // 2, scale)
        path = integrate_separate(flow, problem, start, PATIENCE, stop=residual, rtol=1e-7)
        if not path.fits:
            raise IntegrationError("still on its way")
        return np.asarray(path.parts[-1])
    stop = 0.5 * (residual * float(np.linalg.norm(problem.y))) ** 2
    moved = integrate(flow, problem, flow.start(problem.shape[1], scale), PATIENCE, rtol=1e-7, stop_loss=stop)
    if moved.t[-1] >= PATIENCE:
        raise IntegrationError("still on its way")
    return np.asarray(moved.weights[-1])


def _sweep(end: Callable[[Problem, float], Array], depth: int, problems: Sequence[Problem], scale: Array) -> Sweep:
    excess, error = np.full(scale.shape, np.nan), np.full(scale.shape, np.nan)
    growth = np.full((*scale.shape, 2), np.nan)
    for i, problem in enumerate(problems):
        target = signed(basis_pursuit(problem).weights)
        for k in range(scale.shape[1]):
            try:
                pair = end(problem, float(scale[i, k]))
            except (IntegrationError, LimitError):
                continue
            weights = signed(pair)
            excess[i, k] = np.abs(weights).sum() / np.abs(target).sum() - 1
            error[i, k] = np.linalg.norm(weights - target) / np.linalg.norm(target)
            radii = np.sqrt(np.sum(pair.reshape(2, -1) ** (2 / depth), axis=1))
            growth[i, k] = radii / (scale[i, k] / np.sqrt(2))
    return Sweep(excess, error, growth)


def with_negatives(problem: Problem, count: int) -> Problem:
    """The doubled problem that measures the truth of a positive one with `count` of its nonzero weights negated."""
    if problem.truth is None:
        raise ValueError("problem must have a truth, got none")
    truth = np.array(problem.truth)
    support = np.flatnonzero(truth)
    truth[support[: check.integer("count", count, least=0, most=len(support))]] *= -1
    return Problem(problem.A, problem.A @ truth, truth).doubled()


@dataclass(frozen=True, eq=False)
class Cooling:
    """Snapshots (T) of a flow from a uniform start: what a weight is, and what its slope is in the potential.

    radius       (T,)
    temperature  (T,), alpha of each entry, by theory from the radius alone
    law          (T, N), sqrt(x_+ x_-) at depth 2, ((x_+^{2-L} + x_-^{2-L})/2)^{1/(2-L)} above: measured
    weights      (T, N), signed
    slope        (T, N), (theta_+ - theta_-)/2 in units of the start, measured
    direction    of the start, one entry
    """

    radius: Array
    temperature: Array
    law: Array
    weights: Array
    slope: Array
    direction: float


def cooling(flow: Flow, problem: Problem, scale: float, snapshots: int = 5) -> Cooling:
    """Follow a flow in its own coordinates, which know no potential, and look at it at equal steps of its radius."""
    L, n = flow.depth, problem.shape[1] // 2
    start = symmetric_start(flow, n, scale)
    field, state = flow.velocity(problem), flow.encode(start)

    def unfit(t: float, state: Array) -> float:
        residual = problem.residual(flow.decode(state).weights(L))
        return float(np.linalg.norm(residual) / np.linalg.norm(problem.y)) - FITTED

    first = 1e-3 / float(np.abs(field(0.0, state)).max())
    with np.errstate(over="ignore", invalid="ignore"):  # in trial steps, which the solver rejects
        solution, _, message = stepped(
            LSODA(field, 0.0, state, PATIENCE, rtol=1e-9, atol=1e-9, first_step=first), [unfit]
        )
    if solution is None:
        raise IntegrationError(f"the flow does not start: {message}")
    highest = np.maximum.accumulate(flow.decode(solution(solution.ts).T).radius)
    at = np.searchsorted(highest, np.linspace(highest[0], highest[-1], snapshots))
    points = flow.decode(solution(solution.ts[at]).T)
    log_x = (np.log(points.radius)[:, None] + points.log_direction).reshape(snapshots, 2, n)
    means = log_x.mean(axis=1) if L == 2 else np.log(np.mean(np.exp((2 - L) * log_x), axis=1)) / (2 - L)
    theta = mirror_map(flow, scale).dual_variable(points).reshape(snapshots, 2, n)
    return Cooling(
        radius=points.radius,
        temperature=np.exp([log_temperature(flow, start, float(r))[0] for r in points.radius]),
        law=np.exp(means),
        weights=signed(points.weights(L)),
        slope=(theta[:, 0] - theta[:, 1]) / 2,
        direction=float(start.direction[0]),
    )


def slope_of(weights: Array, temperature: float, direction: float, depth: int) -> Array:
    r"""$\nabla\Psi$ by theory, for any `weights` at one temperature, in units of a start with entries `direction`."""
    q = tilt(weights, np.full(weights.shape, np.log(temperature)), depth)
    return np.sign(weights) * (q if depth == 2 else direction ** (2 - depth) * -np.expm1(-q) / (depth - 2))


def reweighted(flow: Flow | SeparateFlow, problem: Problem, scale: float, contrasts: Array) -> Array:
    """How far the end moves when measurements are weighted, relatively; shape (K,).

    The rows are multiplied by factors from 1 to `contrasts` (K,), which changes neither the interpolants nor row(A).
    """
    n = problem.shape[1] // 2
    rows, _ = np.linalg.qr(problem.A[:, :n].T)  # an orthonormal basis, so that the contrast is that of the measurements
    truth = signed(basis_pursuit(problem).weights)
    measured = rows.T @ truth
    ends = []
    for contrast in np.append(1.0, contrasts):
        factors = np.geomspace(1, contrast, len(measured))
        weighted = Problem(factors[:, None] * rows.T, factors * measured, truth).doubled()
        ends.append(signed(arrival(flow, weighted, scale, residual=1e-3 * ARRIVED)))
    first, *others = ends
    return np.array([np.linalg.norm(other - first) for other in others]) / np.linalg.norm(first)


def mixed_norm(problem: Problem, mass: float) -> Array:
    r"""Signed weights (N,) whose halves minimise $(S_+ - S_0/2)^2 + (S_- - S_0/2)^2$, with $S_0$ = `mass`.

    Of the masses $S_\pm$ of all interpolants $w_\pm \ge 0$: what separate normalization with matched clocks minimises
    at depth 2 as c grows.
    """
    return signed(nearest_masses(problem, np.full(2, mass / 2)))


M, N, NONZERO = 20, 40, 4
POSITIONS = (1e-4, 1e-3, 1e-2, 0.1, 0.4, 1.0, 3.0)  # of r_0^2, over rho(w*)
TASKS = [
    (depth, negatives, seed, k)
    for depth in (2, 3)
    for negatives in (0, 1, 2)
    for seed in range(3)
    for k in range(len(POSITIONS))
]


def balance(task: tuple[int, int, int, int]) -> list[Row]:
    """One start with a sphere for each half, beside the limits of the other flows: c = 10."""
    depth, negatives, seed, k = task
    problem = with_negatives(Problem.gaussian(M, N, NONZERO, seed=seed), negatives)
    scale = np.array([[frontier(problem, depth) * np.sqrt(POSITIONS[k])]])
    separate = ends(SeparateFlow(depth, 10.0), [problem], scale)
    joint, plain = (limits(flow, [problem], scale) for flow in (WeightNormFlow(depth, 10.0), GradientFlow(depth)))
    row: Row = {
        "depth": depth,
        "negatives": negatives,
        "seed": seed,
        "position": POSITIONS[k],
        "separate": _resolved(separate),
        "joint": _resolved(joint),
        "plain": _resolved(plain),
        "error": float(separate.error[0, 0]),
        "plus": float(separate.growth[0, 0, 0]),
        "minus": float(separate.growth[0, 0, 1]),
    }
    return [row]


def _resolved(sweep: Sweep) -> float:
    """An excess, or the resolution of the followed ones where it is below that."""
    return float(np.maximum(sweep.excess[0, 0], ARRIVED))


RECORD = Record(__name__, TASKS, balance, sample=(3, 11, 25, 61), rtol=1e-3)
