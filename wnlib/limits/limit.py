r"""Where a flow ends, computed: the interpolant that minimises the Bregman divergence from the start.

If the flow converges to an interpolant $w_\infty$, then $\nabla\Phi(w_\infty) - \nabla\Phi(w_0)$ is in row(A) and
$A w_\infty = y$: the optimality conditions of $\min\{D_\Phi(w, w_0) : A w = y\}$. With
$z = u\,e^{\sigma(r)} = x\,e^{\sigma(r)}/r$ the first reads $m_L(x) \in m_L(\alpha u_0) + $ row(A), where

$$\log\alpha = \sigma(r_0) - \sigma(r) + \log r .$$

So every limit is the limit of *gradient flow* from $\alpha u_0$, for the $\alpha$ that solves one scalar equation:
for given A, y, L and $u_0$ the ends of all flows, plain and weight-normalized, of all ratios and from all scales, lie
on one curve (`wnlib.limits.continuation`). With weight normalization
$\log\alpha = \log r + \tfrac c2 (r_0^2 - r^2)$. At depth 1 the curve is a straight line, and the equation all there
is to solve.

What the optimality conditions cannot tell is whether the flow gets there: with weight normalization a small start may
collapse to w = 0 instead, and at depth 1 r may change its sign. The loss decides it, or the divergence, or the flow
itself (`wnlib.limits.collapse`).
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, optimize

from wnlib import _checks as check
from wnlib.errors import ArgumentError, CollapseError, ContinuationError, LimitError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.polar import Polar, log_norm
from wnlib.flows.units import Units
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.collapse import below_zero, collapses, divergence_excludes_collapse
from wnlib.limits.continuation import HEAVIEST, Continuation, CurvePoint, Mismatch
from wnlib.limits.end_point import Limit
from wnlib.problem import Problem
from wnlib.sparse.attainable import attainable_weights
from wnlib.trajectories.integration import integrate

EPS = float(np.finfo(float).eps)
LOST = ContinuationError, linalg.LinAlgError


def limit(flow: Flow, problem: Problem, start: Polar, tolerance: float | None = None) -> Limit:
    r"""Where a flow ends, by convex optimisation.

    Args:
        start: One point, shape (N,), as `Flow.start` makes it.
        tolerance: The largest relative residual, $\|A w - y\| / \|y\|$: by default the problem's.

    Raises:
        ArgumentError: for bad arguments.
        CertificateError: if it cannot be told which weights some interpolant makes positive.
        CollapseError: if the flow shrinks to w = 0.
        InfeasibleError: if there is no interpolant, nonnegative for depth >= 2.
        IntegrationError: if a flow that had to be followed stays at a saddle.
        LimitError: if the tolerance is not reached.

    Example:
        >>> import numpy as np
        >>> from wnlib import Problem, WeightNormFlow, integrate, limit
        >>> flow = WeightNormFlow(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=12, n=30, sparsity=1)
        >>> start = flow.start(30, scale=1.0)
        >>> late = integrate(flow, problem, start, t_end=10.0).weights[-1]
        >>> np.allclose(limit(flow, problem, start).weights, late, atol=0.01)
        True
    """
    flow.check_start(start, problem.shape[1])
    return LimitCurve(problem, flow.depth, start.direction).limit(flow, start, tolerance)


class LimitCurve:
    """The limits of all flows of one depth on one problem, from all starts of one direction.

    They lie on one curve; each call of its method `limit` continues from the last, which makes a line of neighbouring
    starts or ratios cheap. A copy begins anew.

    Args:
        direction: That of x(0), shape (N,), uniform by default.

    Raises:
        ArgumentError: for bad arguments, and if y = 0.

    Example:
        >>> from wnlib import LimitCurve, Problem, WeightNormFlow
        >>> curve = LimitCurve(Problem.gaussian(m=24, n=60, sparsity=3), depth=2)
        >>> flows = [WeightNormFlow(depth=2, ratio=ratio) for ratio in (0.1, 1, 10)]
        >>> ends = [curve.limit(flow, flow.start(60, scale=1.0)) for flow in flows]
        >>> [round(end.l1_excess, 2) for end in ends]
        [0.99, 0.15, 0.0]
    """

    def __init__(self, problem: Problem, depth: int, direction: ArrayLike | None = None) -> None:
        self._direction = None if direction is None else check.array("direction", direction, problem.shape[1:])
        self._start = GradientFlow(depth).start(problem.shape[1], 1.0, self._direction)
        if not problem.y.any():
            raise ArgumentError("y must be nonzero, got the zero vector")
        self.problem, self.depth = problem, check.integer("depth", depth, least=1)
        self._units = Units.of(problem, self.depth)
        self._own = self._units.problem(problem)
        self._attainable: NDArray[np.bool_] | None = None  # all, unless it was found out otherwise
        self._continuation: Continuation | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return LimitCurve, (self.problem, self.depth, self._direction)

    def __repr__(self) -> str:
        return f"LimitCurve({self.problem!r}, depth={self.depth})"

    def limit(self, flow: Flow, start: Polar, tolerance: float | None = None) -> Limit:
        """The limit of a flow from a start on this curve's direction, shape (N,): see `wnlib.limit`.

        Raises:
            ArgumentError: for another depth or direction, and else as `wnlib.limit` does.
            CollapseError: if the flow shrinks to w = 0.
            LimitError: if the tolerance is not reached.
        """
        if not isinstance(flow, (GradientFlow, WeightNormFlow)):
            raise ArgumentError(f"flow must be a GradientFlow or a WeightNormFlow, got {type(flow).__name__}")
        flow.check_start(start, self.problem.shape[1])
        tolerance = self.problem.tolerance if tolerance is None else check.positive("tolerance", tolerance)
        if flow.depth != self.depth:
            raise ArgumentError(f"flow must have depth {self.depth}, got {flow.depth}")
        if not np.allclose(start.direction, self._start.direction, rtol=1e-9, atol=1e-12):
            raise ArgumentError("start must have the direction of the curve, got another")
        own_flow, own_start = self._units.flow(flow), self._units.start(start)
        end = (self._on_the_line if self.depth == 1 else self._interpolant)(own_flow, own_start)
        if not end.residual <= tolerance:
            raise LimitError(
                f"relative residual {end.residual:.1e} exceeds the tolerance {tolerance:.1e}: try a larger one"
            )
        if isinstance(flow, WeightNormFlow) and self.depth >= 2 and self._stops(own_flow, own_start, end):
            raise CollapseError(
                f"the flow from r0 = {float(start.radius):.3g} collapses to w = 0: try a larger start or ratio"
            )
        point, log_scale = self._units.told(end.point), end.log_scale + self._units.point * float(np.log(2))
        return replace(end, flow=flow, problem=self.problem, start=start, point=point, log_scale=log_scale)

    def _stops(self, flow: Flow, start: Polar, end: Limit) -> bool:
        if below_zero(self._own, start.weights(self.depth)) or divergence_excludes_collapse(flow, start, end.weights):
            return False
        return collapses(flow, self._own, start)

    def _interpolant(self, flow: Flow, start: Polar) -> Limit:
        found = self._reached(_mismatch(flow, start))
        log_x = found.log_x
        if self._attainable is not None:
            log_x = np.full(self._own.shape[1], -np.inf)
            log_x[self._attainable] = found.log_x
        log_r = float(log_norm(found.log_x))
        point = Polar(np.exp(log_r), log_x - log_r, np.ones(1))
        gamma = float(flow.relative_rate(point.radius) * point.radius**2)
        return Limit(
            flow=flow,
            problem=self._own,
            start=start,
            point=point,
            log_scale=found.log_scale,
            residual=self._residual(point),
            gap=max(1.0, gamma) * found.decrement / float(point.radius) ** 2,
            correction=found.change,
        )

    def _reached(self, mismatch: Mismatch) -> CurvePoint:
        if self._continuation is None:
            self._continuation = self._begun(HEAVIEST[0])
        try:
            return self._continuation.reach(mismatch)
        except LOST:
            # Either the curve does not exist, or it was lost on the way.
            if self._attainable is None:
                self._attainable = attainable_weights(self._own)
                if self._attainable.all():
                    self._attainable = None
        lost: Exception | None = None
        for heaviest in HEAVIEST:
            self._continuation = self._begun(heaviest)
            try:
                return self._continuation.reach(mismatch)
            except LOST as error:
                self._continuation, lost = None, error
        raise LimitError(f"{lost}: try a start nearer to the limit, or a smaller ratio") from lost

    def _begun(self, heaviest: float) -> Continuation:
        problem, log_u = self._own, self._start.log_direction
        if self._attainable is not None:
            part = Problem(problem.A[:, self._attainable], problem.y, tolerance=problem.tolerance)
            problem, log_u = part, log_u[self._attainable]
        return Continuation(problem, self.depth, log_u, heaviest)

    def _residual(self, point: Polar) -> float:
        return float(linalg.norm(self._own.residual(point.weights(self.depth))) / linalg.norm(self._own.y))

    def _on_the_line(self, flow: Flow, start: Polar) -> Limit:
        r"""Depth 1: the least-norm interpolant plus $\alpha$ times the part of $u_0$ in ker A, with the sign of r."""
        rows = self._own.row_basis
        least, u = rows @ self._own.moments, start.direction
        across = u - rows @ (rows.T @ u)
        across -= rows @ (rows.T @ across)
        length = float(linalg.norm(across))
        if length <= 1e-15:
            across, length = np.zeros_like(u), 0.0
        mismatch, log_least = _mismatch(flow, start), float(np.log(linalg.norm(least)))

        def value(log_scale: float) -> float:
            log_across = log_scale + np.log(length) if length else -np.inf
            return mismatch(log_scale, float(np.logaddexp(2 * log_least, 2 * log_across)) / 2)[0]

        low = high = log_least
        while value(low) < 0:
            low -= max(1.0, abs(value(low)))
        while value(high) > 0:
            high += 1.0
        log_scale = float(optimize.brentq(value, low, high, xtol=1e-15, rtol=4 * EPS)) if low < high else low
        sign = _final_sign(flow, self._own, start) if length else float(np.sign(start.radius))
        x = least + sign * np.exp(log_scale) * across
        radius = float(linalg.norm(x))
        point = Polar.of(sign * radius, sign * x / radius)
        residual = self._residual(point)
        return Limit(flow, self._own, start, point, log_scale, residual, gap=0.0, correction=residual)


def _mismatch(flow: Flow, start: Polar) -> Mismatch:
    r"""$\sigma(r_0) - \sigma(r) + \log r - \log\alpha$, of $\log\alpha$ and log r; and its slope in log r."""
    log_r0, magnified = float(np.log(abs(start.radius))), float(flow.log_magnification(np.abs(start.radius)))

    def mismatch(log_scale: float, log_r: float) -> tuple[float, float]:
        if isinstance(flow, GradientFlow):
            return log_r0 - log_scale, 0.0
        with np.errstate(over="ignore"):
            radius = np.exp(log_r)
            gamma = float(flow.relative_rate(radius) * radius**2)
            return magnified - float(flow.log_magnification(radius)) + log_r - log_scale, 1 - gamma

    return mismatch


def _final_sign(flow: Flow, problem: Problem, start: Polar) -> float:
    """The sign of r in the end, at depth 1: that of now, as soon as the loss is below that of w = 0."""
    sign = float(np.sign(start.radius))
    loss_of_zero = problem.loss_of_zero
    if isinstance(flow, GradientFlow) or problem.loss(start.weights(1)) < loss_of_zero:
        return sign
    unit = float(linalg.norm(problem.A, 2)) ** 2
    end = integrate(flow, problem, start, 1e9 / unit, rtol=1e-9, stop_loss=(1 - 1e-6) * loss_of_zero)
    if end.loss[-1] >= (1 - 1e-7) * loss_of_zero:
        raise LimitError("the sign of r is undecided, as the flow stays at the saddle r = 0: try another direction")
    return float(np.sign(end.radius[-1]))
