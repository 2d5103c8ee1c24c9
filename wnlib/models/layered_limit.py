r"""Where a network of layers with factors of their own ends: a convex program in rank(A) unknowns.

From the start, $\theta \in$ row(A) tells the magnified factors of each entry (`wnlib.models.blow_up`), and so their
products q and $R = \sum_i (z_i^{(k)})^2$, the same for all layers. With $r_k^2 = r_k(0)^2 + \tfrac1c \log R$,

$$w = \mu(R)\, q = \nabla\Phi^*(\theta),\qquad \mu = R^{-L/2} \prod_k r_k,\qquad \Phi^* = \tfrac12 \int \mu\, dR;$$

for gradient flow z = x and $\mu = 1$. $\Phi^*$ is strictly convex where all $r_k > 0$, so one $\theta = B \lambda$, B
a basis of row(A), makes weights that interpolate. Newton's method finds it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import LinAlgError, qr, solve_triangular

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib._values import Value, computed_once
from wnlib.errors import ArgumentError, LimitError
from wnlib.flows.flow import Flow
from wnlib.flows.units import Units, from_own, to_own
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.models.blow_up import Leaf
from wnlib.models.layered import checked
from wnlib.problem import Problem

STEPS = 200  # of Newton's method
CLOSE = 1e-9  # relative, where a step that does not halve what is lacking is one of rounding
HALVINGS = 60  # of a step
FLAT = 0.5  # of the slope along a step, that may be left after it with another sign
FARTHEST, SHARE = 20.0, 0.9  # of a step, and of what is left of a blow-up time


@dataclass(frozen=True, eq=False, repr=False)
class LayeredLimit(Value):
    r"""The end of a flow of a network whose layers have factors of their own.

    Attributes:
        factors: $x^{(k)}$, shape (L, N).
        theta: The dual variable, shape (N,), in row(A), in units of the magnified coordinates (`layered_limit`).
        residual: $\|A w - y\| / \|y\|$.

    Example:
        >>> from wnlib import Problem, WeightNormFlow, layered_limit
        >>> problem, factors = Problem(A=[[1, 2]], y=[-3]), [[1.0, 0.5], [0.3, -0.8]]
        >>> end = layered_limit(WeightNormFlow(depth=2, ratio=4), problem, factors)
        >>> end.factors.shape, end.weights.shape, end.residual < 1e-9
        ((2, 2), (2,), True)
        >>> bool(abs(end.theta[1] - 2 * end.theta[0]) < 1e-12)
        True
    """

    factors: Array
    theta: Array
    residual: float

    @computed_once
    def weights(self) -> Array:
        r"""$w_\infty$, shape (N,)."""
        return np.asarray(self.factors.prod(axis=0))


class Radial(NamedTuple):
    r"""$\mu$, its logarithmic derivative in R, and $x^{(k)}/z^{(k)} = r_k/\sqrt R$ for all layers, (L,)."""

    mu: float
    slope: float
    radii: Array


def layered_limit(flow: Flow, problem: Problem, factors: ArrayLike, tolerance: float | None = None) -> LayeredLimit:
    r"""Where a flow ends whose radii keep their signs, by convex optimisation.

    Nothing is followed: where a radius changes its sign on the way, the flow ends elsewhere. That needs a start with no
    less loss than w = 0.

    Args:
        flow: That of each layer: a GradientFlow, or a WeightNormFlow at constant rates, of depth L >= 2.
        factors: All $x^{(k)}$ at the start, shape (L, N), of any sign, at most one of an entry zero.
        tolerance: The largest relative residual, $\|A w - y\| / \|y\|$: by default the problem's.

    Raises:
        ArgumentError: for bad arguments: another flow, or factors that do not fit it.
        LimitError: if the tolerance is not reached: where two smallest factors of an entry have the same size, its
            weight keeps its sign, and there may be no such interpolant.

    Example:
        >>> import numpy as np
        >>> from wnlib import Problem, WeightNormFlow, integrate_layered, layered_limit
        >>> problem = Problem.gaussian(m=4, n=8, sparsity=2)
        >>> flow, factors = WeightNormFlow(3, ratio=2), np.linspace(-0.4, 0.5, 24).reshape(3, 8)
        >>> path = integrate_layered(flow, problem, factors, t_end=1e4, stop=1e-8)
        >>> end = layered_limit(flow, problem, factors)
        >>> bool(abs(end.weights - path.weights[-1]).max() < 1e-5)
        True
    """
    x = checked(flow, problem, factors)
    if np.any(np.count_nonzero(x == 0, axis=0) > 1):
        raise ArgumentError("factors must have at most one zero in an entry, got several, which never move")
    if not problem.y.any():
        raise ArgumentError("y must be nonzero, got the zero vector")
    tolerance = problem.tolerance if tolerance is None else check.positive("tolerance", tolerance)
    units = Units.of(problem, flow.depth)
    own = units.problem(problem)
    dual = LayeredDual.of(units.flow(flow), own, to_own("factors", x, units.point))
    place, xi = dual.solved()
    found = dual.radial(xi).radii[:, None] * dual.leaf.factors(xi)
    residual = float(np.linalg.norm(own.residual(found.prod(axis=0))) / np.linalg.norm(own.y))
    if not residual <= tolerance:
        raise LimitError(
            f"relative residual {residual:.1e} exceeds the tolerance {tolerance:.1e}: try a larger start, or fewer "
            "weights that keep their sign"
        )
    power = 0 if isinstance(flow, WeightNormFlow) else 2 - flow.depth
    return LayeredLimit(from_own(found, units.point), from_own(place.theta, power * units.point), residual)


class DualPoint(NamedTuple):
    r"""$\theta$ and what is left of the blow-up times, (N,) each, as the latter alone has digits in the end."""

    theta: Array
    left: tuple[Array, Array]

    def moved(self, by: Array) -> "DualPoint":
        return DualPoint(self.theta + by, (self.left[0] - by, self.left[1] + by))

    def reach(self, along: Array) -> float:
        """How far a step may go: nearly to the next blow-up; at depth 2, where there is none, some way."""
        left = np.where(np.isinf(self.left).all(axis=0), FARTHEST, np.where(along > 0, *self.left))
        with np.errstate(over="ignore", divide="ignore"):
            return float(np.min(SHARE * left / np.abs(along)))


@dataclass(frozen=True, eq=False)
class LayeredDual:
    r"""The dual objective, $\Phi^*(\theta) - \langle w, \theta\rangle$ with any interpolant w, over row(A)."""

    problem: Problem
    leaf: Leaf
    radii: Array
    ratio: float | None

    @classmethod
    def of(cls, flow: Flow, problem: Problem, factors: Array) -> "LayeredDual":
        radii = np.linalg.norm(factors, axis=1)
        if not isinstance(flow, WeightNormFlow):
            return cls(problem, Leaf.of(factors), radii, None)
        return cls(problem, Leaf.of(factors / radii[:, None]), radii, flow.ratio)

    def radial(self, xi: Array) -> Radial:
        if self.ratio is None:
            return Radial(1.0, 0.0, np.ones_like(self.radii))
        L = len(self.radii)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # in trial steps, which are too long then
            log_R = np.log1p(np.sum((xi - self.leaf.first) * (xi + self.leaf.first)))
            r = np.sqrt(np.maximum(self.radii**2 + log_R / self.ratio, 0.0))
            slope = (np.sum(1 / (self.ratio * r**2)) - L) / 2
            mu = np.exp(-L / 2 * log_R) * np.prod(r)
            return Radial(float(mu), float(slope * np.exp(-log_R)), np.exp(-log_R / 2) * r)

    def lacking(self, xi: Array) -> Array:
        """Minus the gradient: what the weights lack in row(A), in coordinates there."""
        return self.problem.moments - self.problem.row_basis.T @ (self.radial(xi).mu * self.leaf.product(xi))

    def step(self, xi: Array) -> Array:
        r"""Newton's, (N,): the Hessian is $\mu\, (D + 2 (\log\mu)' q q^\top)$ in row(A), with $D = dq/d\theta$."""
        basis, here = self.problem.row_basis, self.radial(xi)
        triangle = qr(np.sqrt(here.mu * self.leaf.slope(xi))[:, None] * basis, mode="economic")[1]

        def inverse(v: Array) -> Array:
            return np.asarray(solve_triangular(triangle, solve_triangular(triangle, v, trans="T")))

        q, bend = basis.T @ self.leaf.product(xi), 2 * here.mu * here.slope
        plain, across = inverse(self.lacking(xi)), inverse(q)
        return np.asarray(basis @ (plain - across * (bend * (q @ plain) / (1 + bend * (q @ across)))))

    def solved(self) -> tuple[DualPoint, Array]:
        r"""Where nothing is lacking, or nearly, and $\xi$ there."""
        basis = self.problem.row_basis
        place, xi = DualPoint(np.zeros_like(self.leaf.first), self.leaf.times), self.leaf.first
        lacking, size = self.lacking(xi), np.linalg.norm(self.problem.moments)
        for _ in range(STEPS):
            try:
                step = self.step(xi)
            except LinAlgError:
                break
            slope, length = float(lacking @ (basis.T @ step)), min(1.0, place.reach(step))
            for _ in range(HALVINGS):
                ahead = place.moved(length * step)
                there = self.leaf.at(*ahead)
                left = self.lacking(there)
                # The objective is convex: its slope along the step rises from -slope, and 0 is at its least.
                if self.radial(there).radii.min() > 0 and float(left @ (basis.T @ step)) >= -FLAT * slope:
                    break
                length /= 2
            if np.linalg.norm(left) >= np.linalg.norm(lacking) / 2 and np.linalg.norm(lacking) < CLOSE * size:
                break
            place, xi, lacking = ahead, there, left
        return place, xi
