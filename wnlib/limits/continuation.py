r"""The curve of limits: where gradient flow ends from every scale of one direction, followed by continuation.

The limit x of gradient flow from $\alpha u_0$ solves $A x^L = y$, $m_L(x) - m_L(\alpha u_0) \in$ row(A), for L >= 2
(`wnlib.limits.equations`). As $\alpha$ varies these limits form one smooth curve, and the limits of weight
normalization lie on it as well (`wnlib.limit`). The curve is followed in $\xi = \log\alpha$, with the tangent as
predictor and Newton's method as corrector, from a first point that is found likewise: from a uniform start $w_0$ of the
size of the solution by moving the measurements from $A w_0$ to y, then the direction of the start from the uniform one
to $u_0$.

Along the curve itself x moves gently, $\|dx/d\xi\| \le \|x\|$, but not while the direction turns: among starts that are
small where the solution is not, costs $u_0^{2-L}$ that change may exchange whole vertices at one point of the way, and
large starts have limits so large that the measurements drown in their rounding errors. What the heaviest weight of the
start may be on the way is between the two; if a way is lost, the next is tried.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

from wnlib._checks import Array
from wnlib.errors import ContinuationError
from wnlib.flows.polar import log_norm
from wnlib.limits.equations import EPS, Correction, CurveEquations, Place
from wnlib.problem import Problem

STEPS = 500  # Newton's steps on the way to one point
TUBE = 0.2  # change of log x by a correction, up to which a point counts as being on the curve
HEAVIEST = 14.0, 0.0, np.inf  # logarithms of what the weights of a start may have on the way, one way after another
FIRST_STRIDE = 0.2
TRIALS = 6  # corrections after which a prediction is given up
GROWTH = 3.0  # of the logarithm of a weight outside the basis, in one step
LEAP = 20.0  # of the logarithm of a factor in the basis, in one step
SETTLING = 2  # corrections at a point from which on the weights move no more
FAILURES = 25  # predictions given up on the way to one point
STILL = 1e-15  # relative change of the weights that is none
ROUNDED = 16  # rounding errors of log alpha and of the mismatch, within which the goal is reached
STAY = Place(0.0, 0.0, 0.0)

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


@dataclass
class _Way:
    """What has happened on the way to one point.

    steps     Newton's steps
    saved     the last point on the curve
    trials    corrections since a prediction from there
    failed    whether the last prediction was given up; failures: how many were
    residual  its norm at the last point from which the goal was in sight
    remaining how far the goal was from there, in log alpha
    settling  corrections at a point from which on the weights move no more
    """

    steps: int = 0
    saved: tuple[Array, Place] | None = None
    trials: int = 0
    failed: bool = False
    failures: int = 0
    residual: float = np.inf
    remaining: float = np.inf
    settling: int = 0


class Continuation:
    """A position on the curve of limits of one problem, depth >= 2 and direction; `reach` moves it.

    `log_direction` (n,) and the columns of A are those of entries that some interpolant makes positive.
    """

    def __init__(self, problem: Problem, depth: int, log_direction: Array, heaviest: float = HEAVIEST[0]) -> None:
        self.depth = depth
        self.equations = CurveEquations(problem, depth, log_direction, heaviest)
        self.log_x, self.place = self.equations.log_x, self.equations.place
        self.stride = FIRST_STRIDE  # of log x, in the next prediction

    def reach(self, mismatch: Mismatch) -> CurvePoint:
        r"""Move to the point where `mismatch`, a function of $(\xi, \log r)$ and so of the position, vanishes.

        It returns its value and its slope in log r; its slope in $\xi$ is -1. It must decrease along the curve.
        """
        way = _Way()
        for _ in range(STEPS):
            self.equations.linearise(self.log_x, self.place)
            correction = self.equations.correction()
            way.steps += 1
            if not float(np.abs(correction.change).max()) <= TUBE:
                self._correct(correction, way)
                continue
            self._keep(way)
            if self.place.progress < 1:
                self._move_measurements(correction)
            elif self.place.turn < 1:
                self._turn_direction(correction)
            elif (point := self._approach(mismatch, correction, way)) is not None:
                return point
        raise ContinuationError(f"no convergence in {STEPS} steps, at log alpha = {self.place.log_scale:.6g}")

    def _correct(self, correction: Correction, way: _Way) -> None:
        """Correct towards the curve, or give the prediction up: back to the last point on it, for a shorter stride."""
        way.trials += 1
        if way.trials <= TRIALS and self._move(np.clip(correction.change, -LEAP, LEAP), damped=True):
            return
        way.failures += 1
        if way.saved is None or way.failures > FAILURES:
            raise ContinuationError(f"the curve was lost at log alpha = {self.place.log_scale:.6g}")
        self.log_x, self.place = way.saved
        self.stride, way.trials, way.failed = self.stride / 3, 0, True

    def _keep(self, way: _Way) -> None:
        """Keep a point on the curve; a prediction that was corrected quickly lengthens the stride."""
        if not way.failed and way.saved is not None and way.trials <= TRIALS // 2:
            self.stride = max(FIRST_STRIDE, self.stride * (3 if way.trials <= 1 else 1.5))
        way.trials, way.failed, way.saved = 0, False, (self.log_x, self.place)

    def _move_measurements(self, correction: Correction) -> None:
        tangent = self.equations.towards_target()
        self._advance(correction, tangent, tangent, Place(0.0, 1.0, 0.0), 1 - self.place.progress)

    def _turn_direction(self, correction: Correction) -> None:
        tangent, everywhere = self.equations.turning()
        self._advance(correction, tangent, everywhere, Place(0.0, 0.0, 1.0), 1 - self.place.turn)

    def _approach(self, mismatch: Mismatch, correction: Correction, way: _Way) -> CurvePoint | None:
        """Go on along the curve, or return the point if this is it."""
        tangent, everywhere = self.equations.tangent(np.ones_like(self.log_x))
        weights = np.exp(self.depth * self.log_x)
        mass, moving = float(weights.sum()), float(weights @ np.abs(everywhere))
        remaining = self._remaining(mismatch, correction, everywhere)
        fits = correction.residual <= max(1e-12 * linalg.norm(self.equations.target), 100 * EPS * linalg.norm(weights))
        if fits and moving * self.depth <= STILL * mass:
            if way.settling < SETTLING and self._move(correction.change):
                way.settling += 1
                return None
            beyond = self._beyond(mismatch, everywhere, correction, way.steps)
            if beyond is not None:
                return beyond
        still = abs(remaining) * max(moving / mass, 1e-6) <= STILL
        # Of the two terms of the mismatch, one may be far larger than log alpha: its slope is about as large.
        terms = abs(self.place.log_scale) + abs(mismatch(self.place.log_scale, float(log_norm(self.log_x)))[1])
        rounded = 0.5 * way.remaining <= abs(remaining) <= ROUNDED * EPS * terms
        if fits and (still or rounded) and not correction.residual < 0.5 * way.residual:
            self._move(remaining * tangent, Place(remaining, 0.0, 0.0))  # which moves the weights by no digit
            return self._point(self.log_x, self.place.log_scale, correction, way.steps)
        way.residual, way.remaining = correction.residual, abs(remaining)
        self._advance(correction, tangent, everywhere, Place(1.0, 0.0, 0.0), remaining)
        return None

    def _remaining(self, mismatch: Mismatch, correction: Correction, everywhere: Array) -> float:
        r"""How far in $\xi$ the goal is from the corrected position, to first order."""
        log_r = float(log_norm(self.log_x))
        value, slope = mismatch(self.place.log_scale, log_r)
        share = np.exp(2 * (self.log_x - log_r))
        value += slope * float(share @ self.equations.everywhere(correction.change))
        return -value / (slope * float(share @ everywhere) - 1)

    def _beyond(self, mismatch: Mismatch, tangent: Array, correction: Correction, steps: int) -> CurvePoint | None:
        """The point looked for, if only weights that are rounding errors of the others change on the way to it.

        On the basis these go on as they do, in proportion to alpha at depth > 2; what that implies elsewhere is exact.
        """
        threshold = self.log_x.max() + np.log(STILL) / self.depth
        vanishing, columns = self.log_x < threshold, self.equations.basis.columns
        speed = np.where(vanishing[columns], tangent[columns] if self.depth == 2 else 1.0, 0.0)

        def moved(way: float) -> Array:
            place = self.place._replace(log_scale=self.place.log_scale + way)
            return self.equations.complete(self.log_x[columns] + way * speed, place)

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
        return self._point(log_x, self.place.log_scale + way, correction, steps)

    def _point(self, log_x: Array, log_scale: float, correction: Correction, steps: int) -> CurvePoint:
        L, in_basis = self.depth, self.log_x[self.equations.basis.columns]
        weights = np.exp(L * log_x)
        change = float(np.sum(np.abs(L * weights * self.equations.everywhere(correction.change))) / np.sum(weights))
        # d theta = x^(2-L) d log x, against the change of the measurements
        decrement = float(np.sum(correction.lack * correction.change * np.exp((2 - L) * in_basis)))
        return CurvePoint(log_x, log_scale, decrement, change, steps)

    def _advance(
        self, correction: Correction, tangent: Array, everywhere: Array, towards: Place, remaining: float
    ) -> None:
        """Correct, and go on by as much of `remaining` as the stride allows."""
        speed = max(EPS, float(np.abs(everywhere).max()), abs(towards.log_scale))
        self.stride = min(self.stride, abs(remaining) * speed)
        way = float(np.copysign(self.stride / speed, remaining))
        while not self._move(correction.change + way * tangent, Place(*(way * part for part in towards))):
            way /= 2
            self.stride /= 2
            if abs(way) <= EPS * abs(remaining):
                if not self._move(correction.change, damped=True):
                    raise ContinuationError(f"the curve cannot be followed past log alpha = {self.place.log_scale:.6g}")
                return

    def _move(self, change: Array, step: Place = STAY, damped: bool = False) -> bool:
        """Change log x on the basis, and the place, unless an entry would leave the domain, or leap."""
        columns = self.equations.basis.columns
        place = Place(
            self.place.log_scale + step.log_scale,
            _completed(self.place.progress + step.progress),
            _completed(self.place.turn + step.turn),
        )
        for factor in 2.0 ** -np.arange(12) if damped else (1.0,):
            log_x = self.equations.complete(self.log_x[columns] + factor * change, place)
            growth = log_x - self.log_x
            growth[columns] = 0
            if np.isfinite(log_x).all() and self.depth * growth.max() <= GROWTH:
                self.log_x, self.place = log_x, place
                return True
        return False


def _completed(part: float) -> float:
    return 1.0 if part > 1 - 1e-12 else part
