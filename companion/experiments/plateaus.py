"""How long the flows stay at saddles, what that costs at equal bias, and what becomes of it in discrete descent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from companion.experiments.robustness import frontier
from companion.running.record import Record, Row
from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.descent import DescentMethod, PolarDescent, SalimansKingmaDescent, descend
from wnlib.errors import IntegrationError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.metric import sharpness
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.end_point import Limit
from wnlib.limits.limit import limit
from wnlib.limits.saddles import Cascade, Saddle, cascade
from wnlib.limits.stays import Stay, exit_time, stay
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory

FITTED = 1e-3  # relative residual at which a run counts as arrived
SCALE = 0.5  # of the start, over the frontier of robustness
PATIENCE = 1e14
EXACT = 1e-10  # an excess below this is stored as 0: it is not known to six digits
RATIOS: dict[int, tuple[float, ...]] = {
    2: (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0),
    3: (1.0, 2.0, 4.0, 7.0, 10.0, 14.0, 18.0),
    4: (0.5, 1.0, 2.0, 3.5, 5.0, 7.0, 9.0),  # as (L - 2) c is what counts
}
SEEDS = range(4)
TASKS = [(depth, ratio, seed) for depth, ratios in RATIOS.items() for ratio in ratios for seed in SEEDS]


def problem_of(seed: int) -> Problem:
    """24 Gaussian measurements of 60 weights, three of them nonzero."""
    return Problem.gaussian(24, 60, 3, seed=seed)


@dataclass(frozen=True, eq=False)
class Run:
    """A flow followed until it fits, and the saddles that it was predicted to visit.

    exits     (K,), when the loss is halfway from each saddle to the next
    predicted (K,), when the cascade says so; NaN at depth 2
    fastest   the largest eigenvalue of $A K A^\\top$ on the way: of the rates at which parts of the residual decay
    """

    trajectory: Trajectory
    cascade: Cascade
    exits: Array
    predicted: Array
    fastest: float

    @property
    def time(self) -> float:
        """The time at which it fits."""
        return float(self.trajectory.t[-1])

    @property
    def steps(self) -> float:
        """So many steps of half the largest stable size, 1 / `fastest`, would take as long."""
        return self.time * self.fastest


def start_of(flow: Flow, problem: Problem) -> Polar:
    """Uniform, at `SCALE` times the frontier."""
    return flow.start(problem.shape[1], SCALE * frontier(problem, flow.depth))


def equal_bias(end: Limit) -> tuple[GradientFlow, Polar]:
    """The gradient flow, and its uniform start, with exactly the given limit."""
    flow = GradientFlow(end.flow.depth)
    return flow, flow.start(end.problem.shape[1], float(np.exp(end.log_scale)))


def nearer(end: Limit, scale: float) -> tuple[WeightNormFlow, Polar]:
    r"""The weight-normalized flow from `scale` times the frontier with exactly the given limit, and its start.

    Where $c\, (r_\infty^2 - r_0^2)$ is the same, so is the limit. Raises ValueError for a scale beyond it.
    """
    if not isinstance(end.flow, WeightNormFlow):
        raise ValueError(f"end.flow must be a WeightNormFlow, got {end.flow}")
    radius = check.positive("scale", scale) * frontier(end.problem, end.flow.depth)
    if radius >= end.radius:
        raise ValueError(f"scale must lead to a radius below {end.radius:.4g}, got {radius:.4g}")
    gain = (end.radius**2 - float(end.start.radius) ** 2) / (end.radius**2 - radius**2)
    flow = WeightNormFlow(end.flow.depth, end.flow.ratio * gain)
    return flow, flow.start(end.problem.shape[1], radius)


def plateau_run(flow: Flow, problem: Problem, start: Polar) -> Run:
    """Follow a flow until its relative residual is `FITTED`. Raises IntegrationError if that takes too long."""
    stop = 0.5 * (FITTED * float(np.linalg.norm(problem.y))) ** 2
    trajectory = _integrated(flow, problem, start, stop)
    if trajectory.t[-1] >= PATIENCE:
        raise IntegrationError(f"the flow has not arrived at t = {PATIENCE:.0e}")
    path = cascade(problem)
    losses = np.array([one.loss for one in path.saddles])
    levels = np.maximum(0.5 * (losses[:-1] + losses[1:]), stop)
    some = trajectory.weights[np.linspace(0, len(trajectory.t) - 1, 50).astype(int)]
    return Run(
        trajectory,
        path,
        np.array([trajectory.fits_at(level * (1 + 1e-9)) for level in levels]),
        path.exits(flow, start) if flow.depth >= 3 else np.full(levels.shape, np.nan),
        max(sharpness(flow, problem, weights) for weights in some),
    )


def _integrated(flow: Flow, problem: Problem, start: Polar, stop: float) -> Trajectory:
    """At the tolerance 1e-6, or at a tighter one if the solver gives up at that."""
    for rtol in (1e-6, 1e-8):
        try:
            return integrate(flow, problem, start, PATIENCE, rtol=rtol, stop_loss=stop)
        except IntegrationError:
            continue
    return integrate(flow, problem, start, PATIENCE, rtol=1e-9, stop_loss=stop)


@dataclass(frozen=True)
class Bracket:
    """The rest of a stay, measured from the time `clock` on: T and the theorem's bounds on it."""

    clock: float
    measured: float
    bounds: Stay


def bracket(run: Run, shares: Sequence[float] = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)) -> Bracket:
    """The last stay, from the middle (of the logarithm of time) on, until the outsiders have a share of the mass.

    Of the `shares`, that for which the bounds are closest; ValueError if the outsiders have all of them already.
    """
    trajectory, at = run.trajectory, run.cascade.saddles[-2]
    clock = float(np.sqrt(run.exits[-2] * run.exits[-1]))
    later = trajectory.at(np.append(clock, trajectory.t[trajectory.t > clock]))
    present, whole = float(later.weights[0, ~at.support].sum()), float(at.weights.sum())
    found = [stay(trajectory.flow, at, later.points[0], s * whole) for s in shares if s * whole > present]
    if not found:
        raise ValueError(f"shares must exceed that of the outsiders, {present / whole:.2g}, got {shares}")
    bounds = min(found, key=lambda one: one.latest / max(one.earliest, 1e-9 * one.latest))
    return Bracket(clock, exit_time(later, at, bounds.mass) - clock, bounds)


@dataclass(frozen=True, eq=False)
class Discrete:
    """When a discrete method leaves the last saddle, at decreasing steps (K,).

    time   (K,), steps taken times step size; infinite if it did not leave in the given number of steps
    steps  (K,)
    growth (K,), the norm of v over that at the start; 1 without such a norm
    """

    step: Array
    time: Array
    steps: NDArray[np.intp]
    growth: Array


def discrete(method: DescentMethod, run: Run, shares: Sequence[float], most: int) -> Discrete:
    """Descend side by side at steps `shares` / fastest until the last saddle is left, for at most `most` steps."""
    trajectory, step = run.trajectory, np.array(shares) / run.fastest
    level = 0.5 * (run.cascade.saddles[-2].loss + run.cascade.saddles[-1].loss)
    start = trajectory.points[0]
    found = descend(method, trajectory.problem, start, step, most, every=most, stop_loss=level)
    norm = found.norm[-1] / found.norm[0] if isinstance(method, SalimansKingmaDescent) else np.ones(len(step))
    return Discrete(step, np.where(found.fit, found.steps * step, np.inf), found.steps, norm)


def methods(depth: int, ratio: float) -> dict[str, DescentMethod]:
    """Polar descent, and Salimans-Kingma descent that starts at the same ratio."""
    return {"polar": PolarDescent(depth, ratio), "Salimans-Kingma": SalimansKingmaDescent(depth, ratio**-0.5)}


@dataclass(frozen=True)
class Standstill:
    """Polar descent put on the last plateau.

    wait      the predicted rest of the stay, and `bounds` on it
    steps     that many steps of size `step` make it up
    per_step  by which share the entry that must grow first does so in a step, by the formula
    grown     by which share it did so in all the steps that were `taken`
    """

    wait: float
    bounds: Stay
    step: float
    per_step: float
    taken: int
    grown: float

    @property
    def steps(self) -> float:
        return self.wait / self.step


def standstill(problem: Problem, flow: WeightNormFlow, taken: int) -> Standstill:
    """Descent for `taken` steps from the last saddle, where the outsiders are as small as the radius makes them."""
    path, start = cascade(problem), start_of(flow, problem)
    at, L = path.saddles[-2], flow.depth
    if L < 3 or not at.support.any():
        raise ValueError(f"flow must have depth >= 3 and a plateau, got depth {L} and {len(path.saddles) - 1} stays")
    point = _on_plateau(at, flow, start)
    i = int(np.argmax(at.force))
    step = 1 / sharpness(flow, problem, point.weights(L))
    rate = flow.ratio * L * float(point.radius) ** L * at.force[i] * float(np.exp((L - 2) * point.log_direction[i]))
    found = descend(PolarDescent(L, flow.ratio), problem, point, step, taken, every=taken)
    grown = float(np.expm1(found.points.log_direction[-1, i] - point.log_direction[i]))
    bounds = stay(flow, at, point, 1e-4 * float(at.weights.sum()))
    return Standstill(1 / ((L - 2) * rate), bounds, step, step * rate, taken, grown)


def _on_plateau(at: Saddle, flow: WeightNormFlow, start: Polar) -> Polar:
    """The saddle, with the outsiders' z as at the start."""
    L, support = flow.depth, at.support
    log_x = np.empty(support.size)
    log_x[support] = np.log(at.weights[support]) / L
    square = float(np.sum(at.weights[support] ** (2 / L)))
    shrunk = flow.ratio * (float(start.radius) ** 2 - square) / 2
    log_x[~support] = 0.5 * np.log(square) + start.log_direction[~support] + shrunk
    log_radius = float(np.logaddexp.reduce(2 * log_x)) / 2
    return Polar(np.exp(np.float64(log_radius)), log_x - log_radius, np.ones(1))


def compared(task: tuple[int, float, int]) -> Iterator[Row]:
    """One problem, depth and ratio: weight normalization, and the gradient flow that ends at the same weights."""
    depth, ratio, seed = task
    problem, flow = problem_of(seed), WeightNormFlow(depth, check.positive("ratio", ratio))
    start = start_of(flow, problem)
    end = limit(flow, problem, start)
    row: dict[str, float | int | str] = {
        "depth": depth,
        "ratio": ratio,
        "seed": seed,
        "log_scale": end.log_scale,
        "excess": end.l1_excess if end.l1_excess > EXACT else 0.0,
        "start": float(start.radius) ** 2,
        "saddle": float(np.sum(cascade(problem).saddles[-2].weights ** (2 / depth))),
        "end": end.radius**2,
    }
    for name, (flow_, start_) in {"wn": (flow, start), "gf": equal_bias(end)}.items():
        try:
            run = plateau_run(flow_, problem, start_)
            found = (run.time, run.exits[-1], run.predicted[-1], run.steps)
        except IntegrationError:
            found = (np.nan, np.nan, np.nan, np.nan)
        row |= dict(zip((f"{name}_time", f"{name}_exit", f"{name}_predicted", f"{name}_steps"), found, strict=True))
    yield row


RECORD = Record(__name__, TASKS, compared, sample=(8, 40, 68), rtol=1e-3)
