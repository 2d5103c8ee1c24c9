r"""The curve of limits: where gradient flow ends from every scale of one direction, followed by continuation.

The limit x of gradient flow from $\alpha u_0$ solves $A x^L = y$, $m_L(x) - m_L(\alpha u_0) \in$ row(A), for L >= 2.
As $\alpha$ varies these limits form one smooth curve, and the limits of weight normalization lie on it as well
(`wnlib.limit`). The curve is followed in $\xi = \log\alpha$, with the tangent as predictor and Newton's method as
corrector, from a first point that is found likewise: from a uniform start $w_0$ of the size of the solution by moving
the measurements from $A w_0$ to y, then the direction of the start from the uniform one to $u_0$.

Unknowns are the logarithms t of x on a basis B of columns (`WeightedBasis`); they determine the others, since m_L(x)
moves in row(A): with $\sigma = x^{2-L}$, $\sigma = T\sigma_B + \alpha^{2-L} q$ (at depth 2, $t = T t_B + q + \xi e$).
No entry of x is ever subtracted from a larger one, so that the curve is followed to $\xi = -10^4$ and beyond.
Measurements are compared in the basis too, where the equation of $j \in B$ is
$w_j + \sum_{i \notin B} T_{ij} w_i = b_j$: positive terms P on one side, N on the other. Far from balance, Newton's
method is applied to $\log N = \log P$, which is nearly linear in t; near it, to the equation itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize

from wnlib._checks import Array
from wnlib.errors import ContinuationError
from wnlib.flows.polar import log_norm
from wnlib.limits.weighted_basis import ROUNDING, WeightedBasis
from wnlib.problem import Problem

EPS = float(np.finfo(float).eps)
STEPS = 500  # Newton's steps on the way to one point
TUBE = 0.2  # change of log x by a correction, up to which a point counts as being on the curve
FIRST_STRIDE = 0.2
TRIALS = 6  # corrections after which a prediction is given up
GROWTH = 3.0  # of the logarithm of a weight outside the basis, in one step
LEAP = 20.0  # of the logarithm of a factor in the basis, in one step
IMBALANCE = 1.0  # of log P - log N, above which it replaces the equation itself
SETTLING = 2  # corrections at a point from which on the weights move no more
FAILURES = 25  # predictions given up on the way to one point
TINY = 1e-200  # below this, sums of exponentials have lost small terms
STILL = 1e-15  # relative change of the weights that is none

Mismatch = Callable[[float, float], tuple[float, float]]


@dataclass(frozen=True)
class CurvePoint:
    r"""A point of the curve: log x (N,), xi = log alpha, and how well the equations hold there.

    decrement  the squared Newton decrement of the dual program: twice its gap to second order, in the units of x
    change     the weights' last correction, ||dw||_1 / ||w||_1
    steps      Newton's steps taken on the way
    """

    log_x: Array
    log_scale: float
    decrement: float
    change: float
    steps: int


class _Place(NamedTuple):
    """A point of the curve, or on the way to its first one; or a step between two such points.

    log_scale $\\xi$; progress of the measurements from those of the first start to y; turn of the direction from the
    uniform one to the start's.
    """

    log_scale: float
    progress: float
    turn: float


STAY = _Place(0.0, 0.0, 0.0)


class Continuation:
    """A position on the curve of limits of one problem, depth >= 2 and direction; `reach` moves it.

    `log_direction` (n,) and the columns of A are those of entries that some interpolant makes positive.
    """

    def __init__(self, problem: Problem, depth: int, log_direction: Array) -> None:
        self.depth, self.log_direction = depth, log_direction
        self.rows, self.target = problem.row_basis, problem.moments
        n, rank = self.rows.shape
        # The weights of the first start as large as the least-norm interpolant, whose norm is that of a part in row(A).
        size = float(linalg.norm(self.target)) / np.sqrt(rank)
        self.log_x = np.full(n, np.log(size) / depth)
        self.origin = size * self.rows.sum(axis=0)
        self.place = _Place(float(self.log_x[0] - np.mean(log_direction)), 0.0, 0.0)
        self.stride = FIRST_STRIDE  # of log x, in the next prediction
        self.basis = WeightedBasis(self.rows, (depth - 1) * self.log_x)
        self.offsets_at = -1, 0.0

    def _log_direction(self, turn: float) -> Array:
        """On the way from the uniform direction to that of the start, where the mean logarithm stays the same."""
        mean = np.mean(self.log_direction)
        return mean + turn * (self.log_direction - mean)

    def reach(self, mismatch: Mismatch) -> CurvePoint:
        r"""Move to the point where `mismatch`, a function of $(\xi, \log r)$ and so of the position, vanishes.

        It returns its value and its slope in log r; its slope in $\xi$ is -1. It must decrease along the curve.
        """
        error_before, saved, trials, failures, failed, settling = np.inf, None, 0, 0, False, 0
        for step in range(STEPS):
            self._linearise()
            equation, error = self._equation()
            correction = self._solve(equation)
            if not float(np.abs(correction).max()) <= TUBE:
                trials += 1
                if trials > TRIALS or not self._move(np.clip(correction, -LEAP, LEAP), damped=True):
                    failures += 1
                    if saved is None or failures > FAILURES:
                        raise ContinuationError(f"the curve was lost at log alpha = {self.place.log_scale:.6g}")
                    self.log_x, self.place = saved
                    self.stride, trials, failed = self.stride / 3, 0, True
                continue
            if not failed and saved is not None and trials <= TRIALS // 2:
                self.stride = max(FIRST_STRIDE, self.stride * (3 if trials <= 1 else 1.5))
            trials, failed, saved = 0, False, (self.log_x, self.place)
            if self.place.progress < 1:
                tangent = self._solve(self.basis.to_basis @ (self.target - self.origin))
                self._advance(correction, tangent, tangent, _Place(0.0, 1.0, 0.0), 1 - self.place.progress)
                continue
            if self.place.turn < 1:
                tangent, everywhere = self._tangent(self.log_direction - np.mean(self.log_direction))
                self._advance(correction, tangent, everywhere, _Place(0.0, 0.0, 1.0), 1 - self.place.turn)
                continue
            tangent, everywhere = self._tangent(np.ones_like(self.log_x))
            weights = np.exp(self.depth * self.log_x)
            log_r = float(log_norm(self.log_x))
            value, slope = mismatch(self.place.log_scale, log_r)
            share = np.exp(2 * (self.log_x - log_r))
            value += slope * float(share @ self._everywhere(correction))
            remaining = -value / (slope * float(share @ everywhere) - 1)
            still = float(weights @ np.abs(everywhere)) * self.depth <= STILL * float(weights.sum())
            fits = error <= max(1e-12 * linalg.norm(self.target), 100 * EPS * linalg.norm(weights))
            if fits and still:
                if settling < SETTLING and self._move(correction):
                    settling += 1
                    continue
                beyond = self._beyond(mismatch, everywhere, equation, step)
                if beyond is not None:
                    return beyond
            arrived = abs(remaining) * max(float(weights @ np.abs(everywhere)) / float(weights.sum()), 1e-6) <= STILL
            if fits and arrived and not error < 0.5 * error_before:
                return self._point(self.log_x, self.place.log_scale, equation, step)
            error_before = error
            self._advance(correction, tangent, everywhere, _Place(1.0, 0.0, 0.0), remaining)
        raise ContinuationError(f"no convergence in {STEPS} steps, at log alpha = {self.place.log_scale:.6g}")

    def _beyond(self, mismatch: Mismatch, tangent: Array, equation: Array, step: int) -> CurvePoint | None:
        """The point looked for, if only weights that are rounding errors of the others change on the way to it.

        On the basis these go on as they do, in proportion to alpha at depth > 2; what that implies elsewhere is exact.
        """
        threshold = self.log_x.max() + np.log(STILL) / self.depth
        vanishing, columns = self.log_x < threshold, self.basis.columns
        speed = np.where(vanishing[columns], tangent[columns] if self.depth == 2 else 1.0, 0.0)

        def moved(way: float) -> Array:
            place = self.place._replace(log_scale=self.place.log_scale + way)
            return self._complete(self.log_x[columns] + way * speed, place)

        def value(way: float) -> float:
            log_x = moved(way)
            if not (np.isfinite(log_x).all() and (log_x[vanishing] < threshold + 1).all()):
                return np.nan
            return mismatch(self.place.log_scale + way, float(log_norm(log_x)))[0]

        far = float(np.sign(value(0.0)))
        while (beyond := value(far)) * far > 0:
            far *= 2
        if not np.isfinite(beyond):
            return None
        way = optimize.brentq(value, 0.0, far, xtol=1e-14 * max(1.0, abs(far)))
        log_x = moved(way)
        if not np.allclose(log_x[~vanishing], self.log_x[~vanishing], rtol=0, atol=1e-13):
            return None
        return self._point(log_x, self.place.log_scale + way, equation, step)

    def _point(self, log_x: Array, log_scale: float, equation: Array, step: int) -> CurvePoint:
        L, in_basis = self.depth, self.log_x[self.basis.columns]
        correction = self._solve(equation)
        weights = np.exp(L * log_x)
        change = float(np.sum(np.abs(L * weights * self._everywhere(correction))) / np.sum(weights))
        # d theta = x^(2-L) d log x, against the change of the measurements
        decrement = float(np.sum(equation * correction * np.exp((2 - L) * in_basis)))
        return CurvePoint(log_x, log_scale, decrement, change, step + 1)

    def _linearise(self) -> None:
        half = (self.depth - 1) * self.log_x
        G = self.basis.update(half)
        matrix = G.T @ G
        matrix[np.diag_indices_from(matrix)] += 1
        self.factor = linalg.cho_factor(matrix, overwrite_a=True, check_finite=False)

    def _offsets(self, turn: float) -> tuple[Array, Array]:
        """q and e of the module's docstring, for a direction."""
        if self.offsets_at != (self.basis.version, turn):
            log_u = self._log_direction(turn)
            self.offset = self._outside(log_u if self.depth == 2 else np.exp((2 - self.depth) * log_u))
            self.excess = self._outside(np.ones_like(log_u))
            self.offsets_at = self.basis.version, turn
        return self.offset, self.excess

    def _outside(self, values: Array) -> Array:
        """What of `values` (N,) the basis does not determine: values - T values_B, without rounding errors."""
        outside = values - self.basis.T @ values[self.basis.columns]
        outside[np.abs(outside) < ROUNDING * np.abs(values).max()] = 0
        outside[self.basis.columns] = 0
        return outside

    def _equation(self) -> tuple[Array, float]:
        """What the equations of the basis lack, as Newton's method should see it; and the norm of the residual."""
        basis, weights = self.basis, np.exp(self.depth * self.log_x)
        goal = self.origin + self.place.progress * (self.target - self.origin)
        gap = goal - self.rows.T @ weights
        rounding = 2 * EPS * (np.abs(basis.to_basis) @ (linalg.norm(weights) + np.abs(goal)))
        b = basis.to_basis @ goal
        b[np.abs(b) <= 10 * rounding] = 0
        total, difference = basis.absolute_sums(weights), basis.T.T @ weights
        positive, negative = (total + difference) / 2, (total - difference) / 2
        scale = np.maximum(positive, negative)
        # What is below the rounding error of the measurements is balanced as if they were exact.
        lack = np.where(scale > 1e3 * rounding, basis.to_basis @ gap, b - difference)
        with np.errstate(divide="ignore", invalid="ignore"):
            imbalance = np.log((negative + np.maximum(b, 0)) / (positive + np.maximum(-b, 0)))
        far = ~(np.abs(imbalance) < IMBALANCE)
        return np.where(far, scale * np.clip(np.nan_to_num(imbalance), -30, 30), lack), float(linalg.norm(gap))

    def _solve(self, lack: Array) -> Array:
        """The change of log x on the basis that changes the basis's equations by `lack`, to first order."""
        L, t = self.depth, self.log_x[self.basis.columns]
        scaled = linalg.cho_solve(self.factor, lack * np.exp((1 - L) * t), check_finite=False)
        return scaled * np.exp(-t) / L

    def _everywhere(self, change: Array) -> Array:
        """The change of log x everywhere, to first order, from that on the basis."""
        basis = self.basis
        factors = basis.T if self.depth == 2 else basis.times_ratios((self.depth - 2) * self.log_x)
        result = factors @ change
        result[basis.columns] = change
        return result

    def _tangent(self, velocity: Array) -> tuple[Array, Array]:
        """The change of log x, on the basis and everywhere, as log x(0) moves with a velocity (N,) and A w stays."""
        L, basis = self.depth, self.basis
        if L == 2:
            direct = self._outside(velocity)
        else:
            log_u = self._log_direction(self.place.turn)
            direct = self._outside(velocity * np.exp((2 - L) * log_u))
            moved = np.flatnonzero(direct)
            direct[moved] *= np.exp((L - 2) * (self.log_x[moved] - self.place.log_scale))
        on_basis = self._solve(-(basis.T.T @ (L * np.exp(L * self.log_x) * direct)))
        return on_basis, direct + self._everywhere(on_basis)

    def _advance(self, correction: Array, tangent: Array, everywhere: Array, towards: _Place, remaining: float) -> None:
        """Correct, and go on by as much of `remaining` as the stride allows."""
        speed = max(EPS, float(np.abs(everywhere).max()), abs(towards.log_scale))
        self.stride = min(self.stride, abs(remaining) * speed)
        way = float(np.copysign(self.stride / speed, remaining))
        while not self._move(correction + way * tangent, _Place(*(way * part for part in towards))):
            way /= 2
            self.stride /= 2
            if abs(way) <= EPS * abs(remaining):
                if not self._move(correction, damped=True):
                    raise ContinuationError(f"the curve cannot be followed past log alpha = {self.place.log_scale:.6g}")
                return

    def _move(self, change: Array, step: _Place = STAY, damped: bool = False) -> bool:
        """Change log x on the basis, and the place, unless an entry would leave the domain, or leap."""
        place = _Place(
            self.place.log_scale + step.log_scale,
            _completed(self.place.progress + step.progress),
            _completed(self.place.turn + step.turn),
        )
        for factor in 2.0 ** -np.arange(12) if damped else (1.0,):
            log_x = self._complete(self.log_x[self.basis.columns] + factor * change, place)
            growth = log_x - self.log_x
            growth[self.basis.columns] = 0
            if np.isfinite(log_x).all() and self.depth * growth.max() <= GROWTH:
                self.log_x, self.place = log_x, place
                return True
        return False

    def _complete(self, t: Array, place: _Place) -> Array:
        """All of log x from that on the basis; NaN where it is outside the domain."""
        L, basis = self.depth, self.basis
        offset, excess = self._offsets(place.turn)
        if L == 2:
            log_x = basis.T @ t + offset + place.log_scale * excess
        else:
            log_terms = (2 - L) * np.append(t, place.log_scale)
            unit = log_terms.max()
            sigma = basis.T @ np.exp(log_terms[:-1] - unit) + offset * np.exp(log_terms[-1] - unit)
            units = np.full(len(sigma), unit)
            # Entries that depend on none of the largest: each in a unit of its own.
            for i in np.flatnonzero(np.abs(sigma) < TINY):
                factors = np.append(basis.T[i], offset[i])
                units[i] = log_terms[factors != 0].max(initial=-np.inf)
                sigma[i] = factors @ np.exp(np.where(factors != 0, log_terms - units[i], -np.inf))
            with np.errstate(divide="ignore", invalid="ignore"):
                log_x = (np.log(sigma) + units) / (2 - L)
        log_x[basis.columns] = t
        return log_x


def _completed(part: float) -> float:
    return 1.0 if part > 1 - 1e-12 else part
