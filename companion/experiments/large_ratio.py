r"""The path at an infinite ratio beside flows, the Lasso's path, and that of gradient flow from vanishing starts.

At depth 2 the mass S orders all of these paths: that of the limit and the Lasso's are linear in it, piece by piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import nnls

from companion.experiments.noisy_paths import LassoPath, Noisy, lasso, noisy, several
from companion.verification.measuring import lag
from wnlib._checks import Array
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.large_ratio import LargeRatioPath, large_ratio_path
from wnlib.limits.saddles import Cascade, cascade
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory

FITTED = 1e-12  # of the loss of w = 0, at which flows are no longer followed
NONE = 1e-9  # of the largest weight, below which one counts as zero
M, N, SPARSITY = 20, 80, 3  # of the noisy problems on which paths are compared


@dataclass(frozen=True, eq=False)
class Paths:
    """Noisy measurements, a uniform start, and the two paths that are known exactly."""

    noisy: Noisy
    start: Polar
    limit: LargeRatioPath
    lasso: LassoPath

    @property
    def masses(self) -> Array:
        """A thousand masses from the start's to basis pursuit's."""
        return np.linspace(self.limit.masses[0], self.limit.masses[-1], 1000)[:-1]

    def lasso_at_mass(self, masses: Array) -> Array:
        """The Lasso's (K, N)."""
        knots = self.lasso.knots
        return np.stack([np.interp(masses, knots.sum(axis=1), entry) for entry in knots.T], axis=1)

    def at_residual(self, residual: float) -> Array:
        """The limit's weights (N,) where the norm of their residual first is at most the given one."""
        ends = np.stack([self.limit.weights[:-1], self.limit.arriving[1:]], axis=1)
        norms = np.linalg.norm(self.noisy.problem.residual(ends), axis=2)
        k = int(np.argmax(norms[:, 1] <= residual))
        return LassoPath(self.noisy, ends[k], norms[k]).at(residual)

    def followed(self, ratio: float) -> Trajectory:
        """Weight normalization from the same start."""
        return _followed(WeightNormFlow(2, ratio), self.noisy.problem, self.start)


def paths(one: Noisy, position: float) -> Paths:
    """From the start with $r_0^2/Q$ = `position`, which is below 1."""
    problem = one.problem
    radius = float(np.sqrt(position * basis_pursuit(problem).value))
    start = GradientFlow(2).start(problem.shape[1], radius)
    return Paths(one, start, large_ratio_path(problem, start), lasso(one))


def example(sigma: float, position: float, seed: int) -> Paths:
    """The problem that the chapter draws."""
    return paths(noisy(M, N, SPARSITY, sigma, seed), position)


def trials(sigma: float, position: float, count: int) -> list[Paths]:
    """So many problems that have an interpolant."""
    return [paths(one, position) for one in several(M, N, SPARSITY, sigma, count)]


def _followed(flow: Flow, problem: Problem, start: Polar, until: float = 1e9) -> Trajectory:
    return integrate(flow, problem, start, until, rtol=1e-7, stop_loss=FITTED * problem.loss_of_zero)


def nonzeros(weights: Array) -> NDArray[np.intp]:
    """How many weights (..., N) are not zero, (...)."""
    return np.count_nonzero(weights > NONE * weights.max(axis=-1, keepdims=True), axis=-1)


@dataclass(frozen=True, eq=False)
class Apart:
    r"""The limit against the Lasso at K equal masses; all of shape (K,).

    distance  in the l1 norm, over Q
    late      by how much the largest correlation off the support exceeds that on it, $\mu$, over that of w = 0
    counts    nonzeros of the limit and of the Lasso, (2, K)
    """

    mass: Array
    distance: Array
    late: Array
    counts: NDArray[np.intp]


def apart(given: Paths) -> Apart:
    """Where a column off the support of the limit correlates more with the residual than those on it, it is late."""
    problem, masses = given.noisy.problem, given.masses
    weights, other = given.limit.at_mass(masses), given.lasso_at_mass(masses)
    pull = problem.residual(weights) @ problem.A
    on = np.sum(pull * weights, axis=1) / masses
    late = (pull.max(axis=1) - on) / float(np.max(problem.y @ problem.A))
    distance = np.abs(weights - other).sum(axis=1) / given.limit.masses[-1]
    return Apart(masses, distance, late, np.stack([nonzeros(weights), nonzeros(other)]))


@dataclass(frozen=True, eq=False)
class Rates:
    r"""Distances from the limit at T ratios, (T,) each: the largest until the last event, or, of weights, the mean.

    ratio    over 1/Q
    dual     $\lVert\hat\lambda_c - \hat\lambda_\infty\rVert$; first, second  the theorem's bounds on it
    weights  in the l1 norm, over Q
    """

    ratio: Array
    dual: Array
    first: Array
    second: Array
    weights: Array


def rates(given: Paths, ratios: Array) -> Rates:
    """The `ratios` are in units of 1/Q."""
    problem, path, Q = given.noisy.problem, given.limit, float(given.limit.masses[-1])
    rows = []
    for ratio in ratios:
        found = lag(given.followed(ratio / Q), path)
        during = found.times <= path.times[-2]
        end = float(found.times[during][-1])
        gone = np.abs(found.weights[0] - found.weights[1]).sum(axis=1)[during] / Q
        second = 2 * np.log(problem.shape[1]) * end * Q / ratio * (2 * Q - float(given.start.radius) ** 2)
        mean = float(np.trapezoid(gone, found.times[during])) / end
        rows.append([found.distance[during].max(), found.bound[during][-1], np.sqrt(second), mean])
    return Rates(ratios, *np.array(rows).T)


@dataclass(frozen=True, eq=False)
class Steps:
    r"""The limit of gradient flow at depth 2 from vanishing starts $\alpha\mathbf 1$: constant between K times.

    times    of $2 t/\log(1/\alpha)$, (K,), the first 0
    weights  from each on, (K, N)
    """

    times: Array
    weights: Array


def vanishing(problem: Problem) -> Steps:
    r"""Inverse scale space of $\lVert w\rVert_1$: least squares on who has arrived, until one more does.

    An entry arrives where $1 + \log x_i/\log(1/\alpha)$, which moves at the force, reaches 1.
    """
    climbed, weights = np.zeros(problem.shape[1]), np.zeros(problem.shape[1])
    times, found = [0.0], [weights]
    while problem.loss(weights) > FITTED * problem.loss_of_zero:
        force = np.where(weights > 0, 0.0, problem.A.T @ problem.residual(weights))
        waits = np.divide(1 - climbed, force, out=np.full_like(force, np.inf), where=force > 0)
        j = int(np.argmin(waits))
        climbed = np.minimum(climbed + waits[j] * force, 1.0)
        climbed[j] = 1.0
        arrived = climbed >= 1.0
        weights = np.zeros_like(climbed)
        weights[arrived] = nnls(problem.A[:, arrived], problem.y)[0]
        times.append(times[-1] + waits[j])
        found.append(weights)
    return Steps(np.array(times), np.array(found))


def plain(problem: Problem, alpha: float, until: float) -> tuple[Array, Array]:
    r"""Gradient flow from $\alpha\mathbf 1$: times $2t/\log(1/\alpha)$ up to `until`, (T,), and weights (T, N)."""
    flow, unit = GradientFlow(2), float(np.log(1 / alpha)) / 2
    start = flow.start(problem.shape[1], alpha * float(np.sqrt(problem.shape[1])))
    trajectory = integrate(flow, problem, start, until * unit, rtol=1e-7)
    return trajectory.t / unit, trajectory.weights


@dataclass(frozen=True, eq=False)
class Sparsity:
    """Paths at F residuals, on P problems: the limit, the Lasso, and gradient flow from vanishing starts.

    counts  of nonzeros, (3, F, P); errors  relative, (3, F, P)
    """

    counts: NDArray[np.intp]
    errors: Array


def sparsity(given: Sequence[Paths], levels: Sequence[float]) -> Sparsity:
    """The residuals are `levels` times the noise level."""
    counts, errors = [], []
    for one in given:
        steps = vanishing(one.noisy.problem)
        norms = np.linalg.norm(one.noisy.problem.residual(steps.weights), axis=1)
        residuals = [level * one.noisy.level for level in levels]
        weights = np.array(
            [
                [one.at_residual(residual) for residual in residuals],
                [one.lasso.at(residual) for residual in residuals],
                [steps.weights[int(np.argmax(norms <= residual))] for residual in residuals],
            ]
        )
        counts.append(nonzeros(weights))
        errors.append(one.noisy.error(weights))
    return Sparsity(np.stack(counts, axis=-1), np.stack(errors, axis=-1))


def losses(given: LargeRatioPath, problem: Problem, points: int = 200) -> tuple[Array, Array]:
    r"""The limit in the flow's own time, $dt = d\hat\tau/(4 S)$: times (T,) and losses (T,), until it nearly fits."""
    pieces = zip(given.times[:-2], given.times[1:-1], strict=True)
    last = given.times[-2] + np.linspace(0, 8 * given.decays[-1], points)
    times = np.concatenate([*(np.linspace(a, b, points) for a, b in pieces), last])
    weights = given.at(times)
    t = cumulative_trapezoid(1 / (4 * weights.sum(axis=1)), times, initial=0)
    return t, np.asarray(problem.loss(weights))


def deep(
    problem: Problem, depth: int, ratios: Sequence[float], position: float, until: float = 1e3
) -> tuple[Cascade, dict[float, Trajectory]]:
    r"""The saddles of a problem, and flows from $r_0^2/\rho(z^*)$ = `position` at the `ratios`, at most for a time."""
    rho = float(np.sum(basis_pursuit(problem).weights ** (2 / depth)))
    start = GradientFlow(depth).start(problem.shape[1], float(np.sqrt(position * rho)))
    return cascade(problem), {ratio: _followed(WeightNormFlow(depth, ratio), problem, start, until) for ratio in ratios}


def spread(flow: Trajectory, share: float = 0.02) -> float:
    r"""How far $p_i u_i^{L-2}$ is from equal on the support, over $\mu$: the median over the squared radius.

    In the support is who has this `share` of the largest weight. What counts are the points at which there are two or
    more and $\mu$ exceeds 5 % of its largest, once the loss is half that of the start.
    """
    force, u, power = flow.problem.residual(flow.weights) @ flow.problem.A, flow.points.direction, flow.flow.depth - 2
    mu = np.sum(force * u ** (power + 2), axis=1)
    support = flow.weights > share * flow.weights.max(axis=1, keepdims=True)
    pulls = force * u**power
    gaps = np.max(pulls, axis=1, initial=-np.inf, where=support) - np.min(pulls, axis=1, initial=np.inf, where=support)
    here = (support.sum(axis=1) >= 2) & (mu > 0.05 * mu.max()) & (flow.loss < 0.5 * flow.loss[0])
    gaps, passed = (gaps / mu)[here], np.gradient(flow.radius**2)[here]
    order = np.argsort(gaps)
    return float(gaps[order][np.searchsorted(np.cumsum(passed[order]), passed.sum() / 2)])
