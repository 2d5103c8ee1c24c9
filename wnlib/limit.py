r"""Where a flow ends, computed: the interpolant that minimises the Bregman divergence from the start.

If the flow converges to an interpolant $w_\infty$, then $\nabla\Phi(w_\infty) - \nabla\Phi(w_0)$ is in row(A) and
$A w_\infty = y$: the optimality conditions of $\min\{D_\Phi(w, w_0) : A w = y\}$. Its dual is smooth, convex and
unconstrained in rank(A) variables, $D(\mu) = \Phi^*(\theta_0 + R\mu) - \langle R^\top w, \mu\rangle$, with R an
orthonormal basis of row(A) and w any interpolant. It is minimised by a trust-region method, then by Newton's.

What the program cannot tell is whether the flow gets there: with weight normalization a small start may collapse to
w = 0 instead. The loss decides it, or the divergence, or the flow itself (`collapses`).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg, optimize

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.flows import Flow, GradientFlow, Polar
from wnlib.geometry import MirrorMap, mirror_map
from wnlib.problem import Problem, basis_pursuit
from wnlib.trajectory import IntegrationError, integrate

HORIZON = 1e18  # of following a flow that may collapse


class CollapseError(RuntimeError):
    """The flow shrinks to w = 0 and never reaches an interpolant."""


class LimitError(RuntimeError):
    """The dual program was not solved to the tolerance."""


@dataclass(frozen=True, eq=False)
class Limit:
    r"""The end point of a flow, and how well it fulfils the optimality conditions that characterise it.

    weights   (N,), $w_\infty$
    dual      (M,), $\lambda$: $\nabla\Phi(w_\infty) = \nabla\Phi(w_0) + A^\top\lambda$, in units of the start
    residual  ||A w - y|| / ||y||: feasibility
    kkt       stationarity: the part of $\nabla\Phi(w_\infty) - \nabla\Phi(w_0)$ outside row(A), relatively
    """

    problem: Problem
    weights: Array
    dual: Array
    residual: float
    kkt: float

    @cached_property
    def l1_excess(self) -> float:
        """(||w||_1 - Q) / Q, with Q from basis pursuit."""
        Q = basis_pursuit(self.problem).value
        return (float(np.sum(np.abs(self.weights))) - Q) / Q


def limit(flow: Flow, problem: Problem, start: Polar, tolerance: float = 1e-9) -> Limit:
    """The limit of `flow` from `start`, with a relative residual of at most `tolerance`.

    Raises CollapseError if the flow shrinks to w = 0, LimitError if the tolerance is not reached (the dual variable of
    depth >= 3 loses its digits where the magnification between start and limit exceeds about 1e12), and what
    `integrate` raises for bad arguments.
    """
    flow.check_start(start, problem.shape[1])
    tolerance = check.positive("tolerance", tolerance)
    if not problem.y.any():
        raise ValueError("y must be nonzero, got the zero vector")
    if flow.depth >= 2:
        problem.require_nonnegative_interpolant()
    if collapses(flow, problem, start):
        raise CollapseError(f"the flow from r0 = {float(start.radius):.3g} collapses to w = 0")
    program = _DualProgram(flow, problem, start)
    mu = program.polished(program.solved())
    end = program.point(mu)
    weights = end.weights(flow.depth)
    residual = float(linalg.norm(problem.residual(weights)) / linalg.norm(problem.y))
    if not residual <= tolerance:
        raise LimitError(f"relative residual {residual:.1e} exceeds the tolerance {tolerance:.1e}")
    shift = program.map.gradient(end) - program.theta_0
    off = shift - program.R @ (program.R.T @ shift)
    return Limit(
        problem=problem,
        weights=weights,
        dual=linalg.lstsq(problem.A.T, shift)[0],
        residual=residual,
        kkt=float(linalg.norm(off) / max(linalg.norm(program.theta_0), linalg.norm(shift))),
    )


class _DualProgram:
    """Minimise D over mu: value, gradient R^T (w(mu) - w), Hessian R^T (dw / dtheta) R."""

    def __init__(self, flow: Flow, problem: Problem, start: Polar) -> None:
        self.flow = flow
        self.map: MirrorMap = mirror_map(flow, float(start.radius))
        self.theta_0 = self.map.gradient(start)
        self.R = problem.row_basis
        self.target = self.R.T @ linalg.lstsq(problem.A, problem.y)[0]

    def theta(self, mu: Array) -> Array:
        return self.theta_0 + self.R @ mu

    def point(self, mu: Array) -> Polar:
        return self.map.inverse(self.theta(mu))

    def value(self, mu: Array) -> float:
        theta = self.theta(mu)
        if self.flow.depth >= 3 and theta.max() >= 0:
            return np.inf
        value = float(self.map.conjugate(theta)) - float(self.target @ mu)
        return value if np.isfinite(value) else np.inf

    def gradient(self, mu: Array) -> Array:
        return self.R.T @ self.point(mu).weights(self.flow.depth) - self.target

    def hessian(self, mu: Array) -> Array:
        r"""$R^\top (dw/d\theta) R$, where with $k = z^{L-2}$ and $\gamma = r^2 \eta_u / \eta_r$
        $dw_i = L w_i (k_i d\theta_i - (1 - 1/\gamma) \sum_j u_j^2 k_j d\theta_j)$.
        """
        L, point = self.flow.depth, self.point(mu)
        # Of each power of u alone, since at depth 1 an entry of u may be 0: z = u e^shift.
        shift = self.flow.log_magnification(point.radius) - self.map.unit
        powers = np.exp((2 * L - 2) * point.log_direction) if L >= 2 else np.ones_like(point.log_direction)
        u2_k = point.sign * np.exp(L * point.log_direction + (L - 2) * shift)
        w_k = point.radius**L * powers * np.exp((L - 2) * shift)
        gamma = self.flow.relative_rate(point.radius) * point.radius**2
        diagonal = self.R.T @ (w_k[:, None] * self.R)
        hessian = L * (diagonal - (1 - 1 / gamma) * np.outer(self.R.T @ point.weights(L), self.R.T @ u2_k))
        return 0.5 * (hessian + hessian.T)

    def solved(self) -> Array:
        n = self.R.shape[1]
        # The solver rejects a step out of the domain by its value, but asks for the derivatives there before it does.
        result = optimize.minimize(
            self.value,
            np.zeros(n),
            jac=lambda mu: np.nan_to_num(self.gradient(mu)),
            hess=lambda mu: self.hessian(mu) if np.isfinite(self.value(mu)) else np.eye(n),
            method="trust-exact",
            options={"max_trust_radius": 1e6, "gtol": 1e-9 * linalg.norm(self.target), "maxiter": 5000},
        )
        return result.x

    def polished(self, mu: Array) -> Array:
        """Newton's method, to where rounding stops the residual from falling."""
        gradient = self.gradient(mu)
        while True:
            trial = mu - linalg.lstsq(self.hessian(mu), gradient)[0]
            trial_gradient = self.gradient(trial) if np.isfinite(self.value(trial)) else gradient
            if not linalg.norm(trial_gradient) < linalg.norm(gradient):
                return mu
            mu, gradient = trial, trial_gradient


def collapses(flow: Flow, problem: Problem, start: Polar) -> bool:
    r"""Whether weight normalization shrinks to w = 0 from `start` instead of fitting the measurements (depth >= 2).

    Never if the loss is below that of w = 0, since it does not increase. Never if `divergence_excludes_collapse`. Else
    the flow is followed until its loss is below that of w = 0, or until r is so small that it must go on shrinking.
    Raises IntegrationError if neither happens before t = 1e18.
    """
    if isinstance(flow, GradientFlow) or flow.depth == 1:
        return False
    loss_of_zero = float(problem.loss(np.zeros(problem.shape[1])))
    if problem.loss(start.weights(flow.depth)) < loss_of_zero:
        return False
    if divergence_excludes_collapse(flow, start, basis_pursuit(problem).weights):
        return False
    point, horizon = start, 1.0
    while horizon <= HORIZON:
        trajectory = integrate(flow, problem, point, horizon, rtol=1e-6, stop_loss=(1 - 1e-6) * loss_of_zero)
        if trajectory.t[-1] < horizon:
            return False
        point = trajectory.points[-1]
        if _must_shrink(flow, problem, point):
            return True
        horizon *= 10
    raise IntegrationError(
        f"the flow neither fits nor collapses before t = {HORIZON:.0e}: r = {float(point.radius):.3g}"
    )


def divergence_excludes_collapse(flow: Flow, start: Polar, target: Array) -> bool:
    r"""A sufficient condition against collapse, for weight normalization at depth >= 2.

    The divergence to an interpolant z (`target`, shape (N,), nonnegative) decreases. A collapse, w -> 0 with a
    direction u, would leave $\Phi(z) - \Phi(0) - \langle m_L(u), z\rangle$ of it, least at $u \propto z^{1/L}$.
    At depth 2 from a uniform start: $c\,r_0^2 (2Q - r_0^2) > 2Q\,\mathrm{KL}(p_z \| \mathbf 1/N)$ excludes it.
    """
    mirror, L = mirror_map(flow, float(start.radius)), flow.depth
    support = target[target > 0]
    towards = support ** (1 / L)
    shrunk = Polar.of(1e-100, towards / linalg.norm(towards))
    return bool(mirror.bregman(target, start) < mirror.bregman(support, shrunk))


def _must_shrink(flow: Flow, problem: Problem, point: Polar) -> bool:
    r"""Whether r decays to 0 from here on, for L >= 2.

    With $s = \langle p, u^L\rangle < 0$, $d\log u_i/d\log r = c r^2 (p_i u_i^{L-2} - s)/s$, and r shrinks: if even the
    integral of this rate over all that is left of log r, with the force that of w = 0 up to $A^\top A w$, cannot change
    the sign of s, nothing can. (A factor 2 allows for the change of the rate itself.)
    """
    L, u, force = flow.depth, point.direction, problem.A.T @ problem.y
    terms = force * u**L
    s = float(np.sum(terms))
    pull_back = float(np.abs(problem.A.T @ (problem.A @ point.weights(L))) @ u**L)
    rotation = float(flow.log_magnification(point.radius) * np.max(np.abs(force * u ** (L - 2) - s))) / abs(s)
    return s < 0 and 2 * (L * rotation * float(np.sum(np.abs(terms))) + pull_back) < abs(s)
