"""The end point of a flow, with the certificates of it: feasibility, stationarity, a bound on the gap."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from wnlib._checks import Array
from wnlib._values import Value, computed_once
from wnlib.flows.flow import Flow
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import Polar
from wnlib.flows.units import Units, from_own
from wnlib.linear.ranks import least_squares
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit


@dataclass(frozen=True, eq=False, repr=False)
class Limit(Value):
    r"""The end point of a flow, and how well it fulfils the conditions that characterise it.

    Attributes:
        point: $x_\infty = r u$, in logarithms, shape (N,); -inf where every interpolant is 0.
        log_scale: $\log\alpha$: gradient flow from $\alpha u_0$ ends here too.
        residual: $\|A w - y\| / \|y\|$: the weights are the limit for measurements that differ from y by this.
        gap: A bound on $D_\Phi(w^*, w)$, $w^*$ the exact minimiser for measurements within rounding of y, relative to
            $r^2$, in units in which gradient flow's potential at depth L >= 3 is $-(L/2)\, r^2 / (L-2)$.
        correction: The last one by Newton's method, $\|dw\|_1 / \|w\|_1$: to first order the distance to $w^*$.

    Example:
        >>> from wnlib import Problem, WeightNormFlow, limit
        >>> flow = WeightNormFlow(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> end = limit(flow, problem, flow.start(60, scale=1.0))
        >>> end.weights.shape, end.dual.shape, bool(end.attainable.all())
        ((60,), (24,), True)
        >>> end.residual < 1e-12, end.kkt < 1e-12, round(end.l1_excess, 4)
        (True, True, 0.0)
    """

    flow: Flow
    problem: Problem
    start: Polar
    point: Polar
    log_scale: float
    residual: float
    gap: float
    correction: float

    @computed_once
    def weights(self) -> Array:
        r"""$w_\infty$, shape (N,)."""
        return self.point.weights(self.flow.depth)

    @property
    def radius(self) -> float:
        r"""$r_\infty$: the norm of x, with its sign at depth 1."""
        return float(self.point.radius)

    @property
    def attainable(self) -> NDArray[np.bool_]:
        """Which weights some interpolant makes positive, shape (N,): all, unless the problem is degenerate."""
        return np.isfinite(self.point.log_direction) if self.flow.depth >= 2 else np.ones(len(self.weights), bool)

    @computed_once
    def dual(self) -> Array:
        r"""$\lambda$, shape (M,), with $\theta_\infty - \theta_0 = A^\top\lambda$ where attainable, $\theta = m_L(z)$.

        In units of the start (`MirrorMap`); infinite where it exceeds the largest float in them.
        """
        shift, _, log_unit = self._shift
        where, units = self.attainable, Units.of(self.problem, self.flow.depth)
        own = least_squares(units.problem(self.problem).A[:, where].T, shift[where])
        with np.errstate(over="ignore"):
            return np.asarray(from_own(own * np.exp(log_unit), -units.matrix))

    @computed_once
    def kkt(self) -> float:
        r"""Stationarity: the part of $\theta_\infty - \theta_0$ outside row(A), relative to the larger of the two."""
        shift, size, _ = self._shift
        where = self.attainable
        rows = self.problem.row_basis if where.all() else linalg.orth(self.problem.A[:, where].T)
        off = shift[where] - rows @ (rows.T @ shift[where])
        return float(linalg.norm(off) / size)

    @computed_once
    def l1_excess(self) -> float:
        r"""The l1 excess $(\|w\|_1 - Q)/Q$, with Q from `basis_pursuit`."""
        Q = basis_pursuit(self.problem).value
        return (float(np.sum(np.abs(self.weights))) - Q) / Q

    @computed_once
    def _shift(self) -> tuple[Array, float, float]:
        """The change of the dual variable, the larger of its two sizes, and the logarithm of their unit."""
        L, mirror = self.flow.depth, mirror_map(self.flow, abs(float(self.start.radius)))
        own = mirror
        if L != 2:  # in the unit of the larger of the two, which may be beyond the largest float
            log_sizes = [(1 if L == 1 else 2 - L) * mirror.log_magnified(p) for p in (self.start, self.point)]
            largest = max(float(np.max(size[self.attainable])) for size in log_sizes)
            own = replace(mirror, unit=mirror.unit + (largest if L == 1 else largest / (2 - L)))
        with np.errstate(over="ignore", invalid="ignore"):
            ends = [own.dual_variable(self.start), own.dual_variable(self.point)]
        shift = ends[1] - ends[0]
        size = max(float(linalg.norm(end[self.attainable])) for end in ends)
        log_unit = (2 - L) * float(own.unit - mirror.unit)
        return shift, size, log_unit
