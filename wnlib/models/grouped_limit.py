r"""Where groups with matched clocks end, computed; and what that tends to as the ratio grows.

With $\kappa_k = \kappa$ for all groups, $\theta = (m_L(z^{(1)}), \dots, m_L(z^{(K)}))$ moves in row(A), and is the
gradient of $\sum_k \Phi(w^{(k)})$. So the limit minimises $\sum_k D_\Phi(w^{(k)}, w^{(k)}_0)$ over the nonnegative
interpolants. At depth 2 this is $\tfrac12 \sum_k S_k \mathrm{KL}(\pi^{(k)} \| \pi^{(k)}_0) + \tfrac c4 \sum_k (S_k -
S_{k,0})^2$, $S_k$ the masses and $\pi^{(k)}$ the proportions: for a large ratio the masses are as near to those of the
start as they can.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize, nnls, root

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib._values import Value, computed_once
from wnlib.errors import ArgumentError, CollapseError, LimitError
from wnlib.flows.geometry import MirrorMap, mirror_map
from wnlib.flows.metric import metric
from wnlib.flows.polar import Polar
from wnlib.flows.units import Units, from_own, require_nonnegative_interpolant, to_own
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.models.grouped import GroupedFlow, check_start, own_units
from wnlib.problem import Problem

HEAVY = 1e4  # weight of the measurements against the masses, in units of their sizes


@dataclass(frozen=True, eq=False, repr=False)
class GroupedLimit(Value):
    r"""Where matched clocks end.

    Attributes:
        point: The groups there, shape (K, n).
        residual: $\|A w - y\| / \|y\|$.

    Example:
        >>> from wnlib import GroupedFlow, Problem, grouped_limit
        >>> flow = GroupedFlow(depth=2, ratio=10, matched=True)
        >>> problem = Problem.gaussian(m=6, n=12, sparsity=6)
        >>> end = grouped_limit(flow, problem, flow.start(12, scale=2.0, groups=3))
        >>> end.weights.shape, end.point.radius.shape, end.residual < 1e-10
        ((12,), (3,), True)
    """

    flow: GroupedFlow
    problem: Problem
    start: Polar
    point: Polar
    residual: float

    @computed_once
    def weights(self) -> Array:
        r"""$w_\infty$, shape (N,)."""
        return self.point.weights(self.flow.depth).ravel()


def grouped_limit(flow: GroupedFlow, problem: Problem, start: Polar, tolerance: float | None = None) -> GroupedLimit:
    r"""Where a flow with matched clocks ends, if it spends no radius on the way, by convex optimisation.

    The limit minimises $\sum_k D_\Phi(w^{(k)}, w^{(k)}_0)$ over the nonnegative interpolants. The unknowns are the
    coordinates of $\theta - \theta_0$ in row(A): a trust-region method minimises the dual function, and Newton's method
    makes it exact.

    Args:
        start: The groups at the start, shape (K, n), as `GroupedFlow.start` makes them.
        tolerance: The largest relative residual, $\|A w - y\| / \|y\|$: by default the problem's.

    Raises:
        ArgumentError: for bad arguments, and for clocks that are not matched.
        CollapseError: if the minimiser is 0 in a group: the flow spends its radius, or only tends to that.
        InfeasibleError: if there is no nonnegative interpolant.
        LimitError: if the tolerance is not reached, as where every interpolant has zeros.

    Example:
        >>> import numpy as np
        >>> from wnlib import GroupedFlow, Problem, grouped_limit, integrate_grouped
        >>> flow = GroupedFlow(depth=2, ratio=4, matched=True)
        >>> problem = Problem.gaussian(m=6, n=12, sparsity=6)
        >>> start = flow.start(12, scale=2.0, groups=3)
        >>> late = integrate_grouped(flow, problem, start, t_end=1e3).weights[-1]
        >>> np.allclose(grouped_limit(flow, problem, start).weights, late, atol=1e-3)
        True
    """
    check_start(flow, start, problem.shape[1])
    if not flow.matched:
        raise ArgumentError("flow must have matched clocks, got equal rates")
    tolerance = problem.tolerance if tolerance is None else check.positive("tolerance", tolerance)
    units = own_units(flow, problem)
    own = units.problem(problem)
    require_nonnegative_interpolant(problem, own)
    ratio = to_own("ratio", flow.ratio, units.ratio)
    dual = _Dual.of(replace(flow, ratio=ratio), own, units.start(start))
    with np.errstate(all="ignore"):  # beyond the domain, where steps are refused
        found = minimize(dual.value, np.zeros(own.rank), jac=dual.slope, hess=dual.curvature, method="trust-exact")
        found = root(dual.slope, found.x, jac=dual.curvature, tol=1e-14)
        point = dual.point(found.x)
    if not np.all(point.radius > 0):
        spent = np.flatnonzero(~(point.radius > 0))
        raise CollapseError(f"the minimiser is 0 in group {spent[0]}, where no flow ends: try a larger start")
    residual = float(np.linalg.norm(own.residual(point.weights(flow.depth).ravel())) / np.linalg.norm(own.y))
    if not residual <= tolerance:
        raise LimitError(f"relative residual {residual:.1e} exceeds the tolerance {tolerance:.1e}: try a smaller ratio")
    return GroupedLimit(flow, problem, start, units.told(point), residual)


@dataclass(frozen=True)
class _Dual:
    r"""$\sum_k \Phi^*(\theta_k) - \langle s, b\rangle$ at $\theta = \theta_0 + R s$, R an orthonormal basis of row(A).

    Where a conjugate's argument leaves the range of the mirror map, the group has no weights.
    """

    flow: WeightNormFlow
    mirror: MirrorMap
    origin: Array
    rows: Array
    target: Array

    @classmethod
    def of(cls, flow: GroupedFlow, problem: Problem, start: Polar) -> "_Dual":
        mirror = mirror_map(flow.alone, float(np.sqrt(np.mean(start.radius**2))))
        return cls(flow.alone, mirror, mirror.dual_variable(start), problem.row_basis, problem.moments)

    def theta(self, s: Array) -> Array:
        return self.origin + (self.rows @ s).reshape(self.origin.shape)

    def point(self, s: Array) -> Polar:
        return self.mirror.inverse(self.theta(s))

    def weights(self, s: Array) -> Array:
        return np.nan_to_num(self.point(s).weights(self.flow.depth))

    def value(self, s: Array) -> float:
        theta, weights = self.theta(s), self.weights(s)
        if self.flow.depth > 2 and theta.max() >= 0:
            return np.inf
        conjugate = np.sum(theta * weights, axis=-1) - self.mirror.potential(weights)
        return float(np.sum(conjugate) - s @ self.target)

    def slope(self, s: Array) -> Array:
        return self.rows.T @ self.weights(s).ravel() - self.target

    def curvature(self, s: Array) -> Array:
        point, total = self.point(s), np.zeros((len(s), len(s)))
        for k, rows in enumerate(np.split(self.rows, len(self.origin))):
            if point.radius[k] > 0:
                total += rows.T @ metric(self.flow, point[k]) @ rows / self.mirror.speed(point[k])
        return total


def nearest_masses(problem: Problem, masses: ArrayLike) -> Array:
    r"""The nonnegative interpolant (N,) that minimises $\sum_k (S_k - S_{k,0})^2$, an exclusive lasso.

    $S_k$ is the mass of group k. Matched clocks of depth 2 minimise this as c grows. By nonnegative least squares, in
    which the measurements weigh heavily.

    Args:
        masses: $S_{k,0}$, shape (K,), K a divisor of N.

    Raises:
        ArgumentError: for masses of another shape.

    Example:
        >>> from wnlib import Problem
        >>> from wnlib.models.grouped_limit import nearest_masses
        >>> problem = Problem(A=[[1.0, 1.0, 1.0, 1.0]], y=[6.0])
        >>> nearest_masses(problem, [1.0, 3.0]).reshape(2, 2).sum(axis=1).round(6)
        array([2., 4.])
    """
    masses, n = check.array("masses", masses, (None,)), problem.shape[1]
    if n % len(masses):
        raise ArgumentError(f"masses must be as many as a divisor of {n}, got {len(masses)}")
    units = Units.of(problem, depth=1)
    own, wanted = units.problem(problem), from_own(masses, -units.weights)
    each = np.kron(np.eye(len(masses)), np.ones(n // len(masses)))
    found, _ = nnls(np.vstack([HEAVY * own.A, each]), np.concatenate([HEAVY * own.y, wanted]), maxiter=100 * n)
    return np.asarray(from_own(found, units.weights))
