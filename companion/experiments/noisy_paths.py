r"""Paths to noisy measurements $y = A w^* + \sigma e$: of flows, of the Lasso, and what is measured along them.

Errors are $\|w - w^*\| / \|w^*\|$. "Best" is the best point of a path, chosen by someone who knows $w^*$; "stopped" is
where the discrepancy principle stops, $\|A w - y\| \le \sigma \sqrt M$; "end" is the interpolant at the path's end.
"""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import CollapseError, InfeasibleError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.polar import Polar
from wnlib.limits.bounds import mass_bound
from wnlib.limits.limit import LimitCurve, limit
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory

PATIENCE = 1e7  # time after which a flow is no longer followed
FITTED = 0.1  # share of the noise level at which the path ends and only its limit is left to compute
RTOL = 1e-5


@dataclass(frozen=True, eq=False)
class Noisy:
    r"""Measurements $y = A w^* + \sigma e$, standard normal e, of `problem.truth` = w*; `sigma` > 0.

    level  $\sigma \sqrt M$, the norm of the residual at which the discrepancy principle stops
    noise  ||A w* - y||, which only who knows w* knows
    """

    problem: Problem
    sigma: float

    @property
    def noise(self) -> float:
        return float(np.linalg.norm(self.problem.residual(self.truth)))

    @property
    def truth(self) -> Array:
        assert self.problem.truth is not None
        return self.problem.truth

    @property
    def level(self) -> float:
        return self.sigma * float(np.sqrt(self.problem.shape[0]))

    def error(self, weights: Array) -> Array:
        """Of weights (..., N); shape (...)."""
        return np.linalg.norm(weights - self.truth, axis=-1) / float(np.linalg.norm(self.truth))


def noisy(m: int, n: int, sparsity: int, sigma: float, seed: int) -> Noisy:
    """A Gaussian problem with noise. Raises InfeasibleError if it has no nonnegative interpolant: see `solvable`."""
    clean = Problem.gaussian(m, n, sparsity, seed=seed)
    noise = np.random.default_rng([seed, 7]).standard_normal(m)
    problem = Problem(clean.A, clean.y + check.positive("sigma", sigma) * noise, clean.truth)
    problem.require_nonnegative_interpolant()
    return Noisy(problem, sigma)


def several(m: int, n: int, sparsity: int, sigma: float, count: int, seed: int = 0) -> list[Noisy]:
    """The first `count` problems from `seed` on that have a nonnegative interpolant."""
    found: list[Noisy] = []
    while len(found) < count:
        with suppress(InfeasibleError):
            found.append(noisy(m, n, sparsity, sigma, seed))
        seed += 1
    return found


def solvable(m: int, n: int) -> float:
    r"""The probability that *every* y has an interpolant $w \ge 0$, for a Gaussian A (m, n).

    It is that the n columns lie in no half-space of $\mathbb R^m$: by Wendel's theorem that of m heads or more among
    n - 1 tosses of a fair coin.
    """
    return float(stats.binom.sf(m - 1, n - 1, 0.5))


@dataclass(frozen=True)
class Outcome:
    """Errors on a path: at its `best` point, whose residual is `at` noise levels; `stopped`; at its `end`."""

    best: float
    at: float
    stopped: float
    end: float


def noisy_trajectory(flow: Flow, noisy: Noisy, scale: float, patience: float = PATIENCE) -> Trajectory:
    """From the uniform start of norm `scale` until the residual is `FITTED` times the noise level, or `patience`."""
    problem = noisy.problem
    start = flow.start(problem.shape[1], scale)
    return integrate(flow, problem, start, patience, rtol=RTOL, stop_loss=0.5 * (FITTED * noisy.level) ** 2)


def early(noisy: Noisy, trajectory: Trajectory, end: Array | None) -> Outcome:
    """Of a followed flow that ends in the weights `end` (N,), or, with None, nowhere."""
    errors = noisy.error(trajectory.weights)
    residuals = np.sqrt(2 * trajectory.loss)
    last = np.nan if end is None else float(noisy.error(end))
    k = int(np.argmin(errors))
    best, at = float(errors[k]), float(residuals[k]) / noisy.level
    if last < best:
        best, at = last, 0.0
    return Outcome(best, at, float(noisy.error(stopped(noisy, trajectory))), last)


def stopped(noisy: Noisy, trajectory: Trajectory) -> Array:
    """The weights (N,) where the discrepancy principle stops; NaN if the residual stays above the noise level."""
    time = trajectory.fits_at(0.5 * noisy.level**2)
    if not np.isfinite(time):
        return np.full(noisy.problem.shape[1], np.nan)
    return trajectory.at([min(time, float(trajectory.t[-1]))]).weights[0]


def stops(noisy: Noisy, trajectory: Trajectory, residuals: Array) -> Trajectory:
    """The trajectory where its residual first has the given norms, in noise levels and falling; those it reaches.

    Its last point, if it reaches none.
    """
    times = np.array([trajectory.fits_at(0.5 * (residual * noisy.level) ** 2) for residual in residuals])
    reached = times[np.isfinite(times) & (times > 0)]
    return trajectory.at(np.minimum(reached if reached.size else np.inf, trajectory.t[-1:]))


def equal_bias(curve: LimitCurve, flow: Flow, noisy: Noisy, scale: float) -> tuple[float, Trajectory | None]:
    """The scale from which gradient flow ends where `flow` does from `scale`, and its trajectory.

    None at depth 3 and above for a scale below 1e-6: from there the integration would lose too many digits.
    """
    plain = GradientFlow(flow.depth)
    _, log_scale = limit_of(curve, flow, flow.start(noisy.problem.shape[1], scale))
    small = float(np.exp(log_scale))
    return small, None if flow.depth >= 3 and small < 1e-6 else noisy_trajectory(plain, noisy, small, patience=1e20)


def noiseless(noisy: Noisy, stopped: Trajectory, scale: float) -> Array:
    r"""How far stopped weights are from the limits for the measurements $A w(t)$, relatively, shape (T,).

    `scale` is the norm of the trajectory's uniform start.
    """
    A, flow = noisy.problem.A, stopped.flow
    start = flow.start(A.shape[1], scale)
    ends = [limit(flow, Problem(A, A @ w, w), start, tolerance=1e-6).weights for w in stopped.weights]
    return np.linalg.norm(ends - stopped.weights, axis=1) / np.linalg.norm(stopped.weights, axis=1)


def correlations(noisy: Noisy, weights: Array) -> tuple[Array, Array]:
    r"""Of the residual with the columns of entries above 5 % of the largest: mean, and standard deviation, (T,) each.

        In units of the largest $\langle a_i, y
    angle$. For weights (T, N). On the Lasso path all are equal.
    """
    pulls = noisy.problem.residual(weights) @ noisy.problem.A / float(np.max(noisy.problem.y @ noisy.problem.A))
    active = [pull[w > 0.05 * w.max()] for pull, w in zip(pulls, weights, strict=True)]
    return np.array([np.mean(pull) for pull in active]), np.array([np.std(pull) for pull in active])


def limit_of(curve: LimitCurve, flow: Flow, start: Polar) -> tuple[Array | None, float]:
    r"""The weights (N,) at the flow's end and $\log\alpha$ of the gradient flow that ends there too; None, NaN at 0."""
    try:
        end = curve.limit(flow, start, tolerance=1e-6)
    except CollapseError:
        return None, np.nan
    return end.weights, end.log_scale


@dataclass(frozen=True, eq=False)
class LassoPath:
    r"""All solutions of $\min \tfrac12\|A w - y\|^2 + \mu \|w\|_1$, $w \ge 0$: linear between K knots, by LARS.

    knots (K, N) from 0 to the minimiser of basis pursuit; residuals (K,) their residuals' norms. The same weights solve
    basis pursuit denoising, $\min \|w\|_1$ with $\|A w - y\| \le \delta$, $w \ge 0$, where their residual is $\delta$.
    """

    noisy: Noisy
    knots: Array
    residuals: Array

    def at(self, residual: float) -> Array:
        """The solution (N,) whose residual has this norm, or that of the path's end where it is larger."""
        if residual >= self.residuals[0]:
            return self.knots[0]
        if residual <= self.residuals[-1]:
            return self.knots[-1]
        k = int(np.argmax(self.residuals < residual))
        before, after = self.knots[k - 1], self.knots[k]
        misfit = self.noisy.problem.residual(before)
        step = self.noisy.problem.residual(after) - misfit
        # |misfit + s step|^2 = residual^2: the first of the two roots, as the norm falls on [0, 1].
        a, b, c = step @ step, misfit @ step, misfit @ misfit - residual**2
        s = c / (-b + np.sqrt(np.maximum(b**2 - a * c, 0.0)))
        return before + float(np.clip(s, 0, 1)) * (after - before)

    def outcome(self) -> Outcome:
        """The best point is exact: the distance to the truth is a quadratic on each segment."""
        before, step = self.knots[:-1], np.diff(self.knots, axis=0)
        length = np.maximum(np.sum(step**2, axis=1), np.finfo(float).tiny)
        s = np.clip(np.sum((self.noisy.truth - before) * step, axis=1) / length, 0, 1)
        points = before + s[:, None] * step
        stop, end = self.noisy.error(np.array([self.at(self.noisy.level), self.knots[-1]]))
        return self._outcome(points, float(stop), float(end))

    def refitted(self) -> Outcome:
        """Of least squares, with nonnegative weights, on the support of each knot; stopped at the first that fits."""
        points = np.array([_least_squares(self.noisy.problem, knot > 0) for knot in self.knots])
        norms = np.linalg.norm(self.noisy.problem.residual(points), axis=1)
        first = int(np.argmax(norms <= self.noisy.level))
        stop, end = self.noisy.error(points[[first, -1]])
        return self._outcome(points, float(stop), float(end))

    def _outcome(self, points: Array, stopped: float, end: float) -> Outcome:
        errors = self.noisy.error(points)
        k = int(np.argmin(errors))
        at = float(np.linalg.norm(self.noisy.problem.residual(points[k])))
        return Outcome(float(errors[k]), at / self.noisy.level, stopped, end)


def lasso(noisy: Noisy) -> LassoPath:
    """The whole path, and the minimiser of basis pursuit as its last knot. Needs scikit-learn."""
    from sklearn.linear_model import lars_path

    problem = noisy.problem
    _, _, coefficients = lars_path(problem.A, problem.y, method="lasso", positive=True)
    knots = np.vstack([np.maximum(coefficients.T, 0), basis_pursuit(problem).weights])  # rounding aside, they are >= 0
    return LassoPath(noisy, knots, np.linalg.norm(problem.residual(knots), axis=1))


def oracle(noisy: Noisy) -> float:
    """The error of least squares, with nonnegative weights, on the support of the truth: for who knows it."""
    return float(noisy.error(_least_squares(noisy.problem, noisy.truth > 0)))


def _least_squares(problem: Problem, support: NDArray[np.bool_]) -> Array:
    weights = np.zeros(problem.shape[1])
    if support.any():
        weights[support], _ = optimize.nnls(problem.A[:, support], problem.y)
    return weights


@dataclass(frozen=True, eq=False)
class Excess:
    """At T points of a trajectory; all of shape (T,).

    residual  norm of the residual over the noise level
    mass      l1 norm of the weights
    same      Q(t), the least l1 norm of weights >= 0 with the same measurements
    lasso     the least with the same norm of the residual: the Lasso's
    bound     on the mass, from Q(t)'s minimiser
    """

    residual: Array
    mass: Array
    same: Array
    lasso: Array
    bound: Array


def excess(noisy: Noisy, trajectory: Trajectory, path: LassoPath, residuals: Array) -> Excess:
    """Where the residual first has the given norms: see `stops`."""
    problem, scale = noisy.problem, float(trajectory.radius[0])
    weights = stops(noisy, trajectory, residuals).weights
    minimal = [basis_pursuit(Problem(problem.A, problem.A @ w, w)).weights for w in weights]
    norms = np.linalg.norm(problem.residual(weights), axis=1)
    return Excess(
        norms / noisy.level,
        weights.sum(axis=1),
        np.array([z.sum() for z in minimal]),
        np.array([path.at(norm).sum() for norm in norms]),
        np.array([mass_bound(trajectory.flow, scale, z) for z in minimal]),
    )


def held_out(flow: Flow, noisy: Noisy, scale: float, rows: int) -> float:
    """The error where the last `rows` measurements, which the flow does not see, are fitted best."""
    seen, unseen = _split(noisy, rows)
    followed = noisy_trajectory(flow, seen, scale)
    misfit = np.linalg.norm(unseen.residual(followed.weights), axis=1)
    return float(noisy.error(followed.weights[np.argmin(misfit)]))


def held_out_lasso(noisy: Noisy, rows: int, points: int = 400) -> float:
    """The same on the Lasso path, at so many `points` of it."""
    seen, unseen = _split(noisy, rows)
    path = lasso(seen)
    weights = np.array([path.at(r) for r in np.linspace(path.residuals[0], path.residuals[-1], points)])
    misfit = np.linalg.norm(unseen.residual(weights), axis=1)
    return float(noisy.error(weights[np.argmin(misfit)]))


def _split(noisy: Noisy, rows: int) -> tuple[Noisy, Problem]:
    A, y = noisy.problem.A, noisy.problem.y
    rows = check.integer("rows", rows, least=1, most=len(y) - 1)
    return Noisy(Problem(A[:-rows], y[:-rows], noisy.truth), noisy.sigma), Problem(A[-rows:], y[-rows:], noisy.truth)
