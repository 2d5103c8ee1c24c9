r"""What steps of positive length do to the norm of v and to the end of a descent on (g, v), to first order in the step.

By the theorem on discrete magnification the rescaled vector V of a descent makes plain gradient steps. Where these are
short, $\log(\|V\|/\|v_0\|)$ and $m_L(V)$ differ from those of the flow by integrals along the flow that are quadratic
in the force. With the two corrections the end is the limit of a flow again, from another radius and another direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_simpson

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.descent import Descent, GradientDescent, SalimansKingmaDescent, descend
from wnlib.errors import CollapseError, IntegrationError, LimitError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.polar import Polar, log_norm
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.limit import LimitCurve, limit
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.trajectories.integration import integrate

FITTED = 1e-9  # of the loss at w = 0: there a run counts as arrived
PANELS = 8  # of the integrals, for each step of the solver


@dataclass(frozen=True, eq=False)
class FirstOrder:
    r"""What a step of size h changes, divided by h, along the flow of ratio $c = 1/\|v_0\|^2$ from `start` to its end.

    growth  of $\log \|v\|^2$
    scale   of $\tfrac c2(r_\infty^2 - r_0^2) - \log(\|V_\infty\|/\|v_0\|)$
    tilt    (N,), of $-m_L(V_\infty)$, in units of $\|v_0\|^{2-L}$: the part that is not in row(A)
    """

    flow: WeightNormFlow
    problem: Problem
    start: Polar
    growth: float
    scale: float
    tilt: Array

    def ratio(self, step: float) -> float:
        r"""The last $1/\|v\|^2$."""
        return self.flow.ratio / (1 + step * self.growth)

    def excess(self, step: float) -> float:
        """The l1 excess of the end over Q, or NaN where the corrections are too large for a start."""
        c, L = self.flow.ratio, self.flow.depth
        log_u = self.start.log_direction
        if L >= 3:
            tilted = np.log(np.exp((2 - L) * log_u) + (L - 2) * step * self.tilt) / (2 - L)
        else:
            tilted = log_u - step * self.tilt
        log_tau = float(log_norm(tilted))
        squared_radius = float(self.start.radius) ** 2 + 2 * (step * self.scale + log_tau) / c
        if squared_radius <= 0:
            return np.nan
        start = Polar(np.asarray(np.sqrt(squared_radius)), tilted - log_tau, self.start.sign)
        return _excess_of_limit(self.flow, self.problem, start)


def _excess_of_limit(flow: WeightNormFlow, problem: Problem, start: Polar) -> float:
    try:
        return limit(flow, problem, start, tolerance=1e-6).l1_excess
    except (CollapseError, IntegrationError, LimitError):
        return np.nan


def first_order(flow: WeightNormFlow, problem: Problem, start: Polar, batches: int = 1) -> FirstOrder:
    """The corrections for steps on all rows, or on `batches` minibatches of equal size, in the mean over their order.

    Raises ValueError unless `batches` divides the number of rows.
    """
    L, c, m = flow.depth, flow.ratio, problem.shape[0]
    if m % check.integer("batches", batches, least=1, most=m):
        raise ValueError(f"batches must divide the number of rows {m}, got {batches}")
    path = integrate(flow, problem, start, 1e9, rtol=1e-9, stop_loss=FITTED * problem.loss_of_zero)
    times = np.interp(np.arange(PANELS * (path.t.size - 1) + 1) / PANELS, np.arange(path.t.size), path.t)
    points = path.at(times).points
    u, r = points.direction, points.radius
    forces = _forces(problem, points.weights(L), batches)  # (1 + M, T, N)
    along = np.sum(forces * u**L, axis=-1)
    sideways = forces * u ** (L - 1) - along[..., None] * u
    radial = L * r ** (L - 1) * along
    squared_speed = np.sum(radial**2, axis=0)
    turning = (c * L * r**L) ** 2 * np.sum(sideways**2, axis=(0, 2))  # |grad_v|^2 / |v|^2 = |u'|^2
    pushes = np.sum((c * L * (r**L)[:, None] * forces * u ** (L - 2)) ** 2, axis=0)
    magnified = u * np.exp(c * (r**2 - r[0] ** 2) / 2)[:, None]
    growth = cumulative_simpson(turning, x=times, initial=0)
    scale = c * growth * r * radial[0] + 0.5 * c * squared_speed - 0.5 * c**2 * r**2 * squared_speed - 0.5 * turning
    tilt = 0.5 * (L - 1) * magnified ** (2 - L) * pushes
    return FirstOrder(
        flow,
        problem,
        start,
        growth=float(growth[-1]),
        scale=float(cumulative_simpson(scale, x=times)[-1]),
        tilt=cumulative_simpson(tilt, x=times, axis=0)[-1],
    )


def _forces(problem: Problem, weights: Array, batches: int) -> Array:
    r"""Vectors f (1 + M, T, N) with $\sum f f^\top$ = the second moment of a minibatch's force; the first is p.

    The rows of a minibatch are drawn without replacement: the covariance is (k - 1) M / (M - 1) times the sum of the
    squares of what the rows' pulls differ by from their mean.
    """
    m = problem.shape[0]
    pulls = problem.residual(weights).T[:, :, None] * problem.A[:, None, :]
    force = np.sum(pulls, axis=0, keepdims=True)
    if batches == 1:
        return force
    return np.concatenate([force, np.sqrt((batches - 1) * m / (m - 1)) * (pulls - force / m)])


@dataclass(frozen=True, eq=False)
class Runs:
    """Ends of descents, one for each step or size of minibatch and each seed; shapes (K,) or (K, S).

    growth  of the squared norm of v, relative to the first
    ratio   the last one, 1 / ||v||^2
    excess  (||w||_1 - Q) / Q
    steps   taken
    fit     whether the loss fell below `FITTED` times that of w = 0; where it did not, the rest is NaN
    """

    growth: Array
    ratio: Array
    excess: Array
    steps: NDArray[np.intp]
    fit: NDArray[np.bool_]


def normalized_runs(
    flow: WeightNormFlow,
    problem: Problem,
    start: Polar,
    step: float | Array,
    most: int,
    batch_size: int | None = None,
    seed: int | NDArray[np.int_] = 0,
) -> Runs:
    """Descents on (g, v) with the flow's ratio at the start, at most `most` steps of size `step`."""
    method = SalimansKingmaDescent(flow.depth, flow.ratio**-0.5)
    run = _run(method, problem, start, step, most, batch_size, seed)
    norms = run.norm**2
    return _ends(run, norms[-1] / norms[0] - 1, 1 / norms[-1])


def plain_runs(depth: int, problem: Problem, start: Polar, step: float | Array, most: int) -> Runs:
    """Gradient descent on x from the same start; growth and ratio are NaN."""
    run = _run(GradientDescent(depth), problem, start, step, most)
    nothing = np.full(run.steps.shape, np.nan)
    return _ends(run, nothing, nothing)


def _run(
    method: GradientDescent | SalimansKingmaDescent,
    problem: Problem,
    start: Polar,
    step: float | Array,
    most: int,
    batch_size: int | None = None,
    seed: int | NDArray[np.int_] = 0,
) -> Descent:
    stop = FITTED * problem.loss_of_zero
    every = most if batch_size is None else 100  # stochastic descent looks at the loss at snapshots only
    return descend(method, problem, start, step, most, every, batch_size, seed, stop, divergence="record")


def _ends(run: Descent, growth: Array, ratio: Array) -> Runs:
    excess = run.l1[-1] / basis_pursuit(run.problem).value - 1
    growth, ratio, excess = (np.where(run.fit, value, np.nan) for value in (growth, ratio, excess))
    return Runs(growth, ratio, excess, run.steps, run.fit)


def default_excess(problems: Sequence[Problem], position: Array, ratio: float) -> dict[str, Array]:
    r"""Median excess of exact limits at depth 2, (K,), from $r_0^2$ = `position` (K,) times Q.

    "plain": gradient flow. "default": $\|v_0\| = g_0$, as PyTorch has it, hence $c = 1/r_0^2$. "free": $c$ = `ratio`.
    NaN stands for limits that were not computed, and is left out of the medians.
    """
    found: dict[str, list[list[float]]] = {"plain": [], "default": [], "free": []}
    for problem in problems:
        Q, n = basis_pursuit(problem).value, problem.shape[1]
        curve = LimitCurve(problem, 2)
        for name, row in found.items():
            row.append([])
            for share in position:
                r = float(np.sqrt(share * Q))
                flow: Flow = GradientFlow(2)
                if name != "plain":
                    flow = WeightNormFlow(2, r**-2 if name == "default" else ratio)
                try:
                    end = curve.limit(flow, flow.start(n, r), tolerance=1e-6)
                    row[-1].append(end.l1_excess)
                except (CollapseError, IntegrationError, LimitError):
                    row[-1].append(np.nan)
    return {name: np.nanmedian(np.array(rows), axis=0) for name, rows in found.items()}
