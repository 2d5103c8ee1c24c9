r"""Starts of different methods that lead to one and the same limit.

Methods are compared at equal bias: from starts that lead their flows to limits of one given $\ell_1$ excess. All limits
from uniform starts lie on one curve (`wnlib.limit`), so that this is one and the same limit $w_\infty$. Gradient flow
reaches it from $\alpha u_0$, weight normalization from every $r_0 u_0$ whose ratio c solves

$$\tfrac c2 (r_\infty^2 - r_0^2) = \log r_\infty - \log\alpha .$$

Near the limit one step of size h multiplies the residual by $I - h G$ with $G = A K(w_\infty) A^\top$, the matrix of
the flow's local rate. So no step longer than $2/\lambda_{\max}(G)$ can end there.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, optimize

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.descent import DescentMethod, GradientDescent, PolarDescent, SalimansKingmaDescent
from wnlib.errors import CollapseError
from wnlib.flows.flow import GradientFlow
from wnlib.flows.metric import rate_matrix
from wnlib.flows.polar import Polar
from wnlib.limits.end_point import Limit
from wnlib.limits.limit import LimitCurve
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory

SHARES = (0.1, 0.5, 0.9)  # of rho(z*) in the squared radius of a start
RATIO = 10.0  # the one for which a start is solved


@dataclass(frozen=True, eq=False)
class Contestant:
    """A method at a start, with the limit of its flow and the eigenvalues (rank,) of G there, in ascending order."""

    method: DescentMethod
    start: Polar
    limit: Limit
    spectrum: Array

    @classmethod
    def at(cls, curve: LimitCurve, method: DescentMethod, scale: float) -> "Contestant":
        """From a uniform start of norm `scale`. Raises CollapseError if the flow collapses."""
        flow, problem = method.flow, curve.problem
        start = flow.start(problem.shape[1], scale)
        limit = curve.limit(flow, start)
        return cls(method, start, limit, linalg.eigvalsh(rate_matrix(flow, problem, limit.weights)))

    @property
    def longest_step(self) -> float:
        """2 / lambda_max(G): with a longer step the limit is unstable."""
        return 2 / float(self.spectrum[-1])

    @property
    def condition(self) -> float:
        """lambda_max(G) / lambda_min(G)."""
        return float(self.spectrum[-1] / self.spectrum[0])

    def steps_per_decade(self, step: ArrayLike) -> Array:
        """In the end, for a tenth of the residual: log 10 / -log max |1 - h mu| over the eigenvalues mu, per step h."""
        factor = np.max(np.abs(1 - np.multiply.outer(np.asarray(step), self.spectrum)), axis=-1)
        return np.log(10) / -np.log(factor)

    def flow(self, tolerances: Sequence[float], rtol: float = 1e-8) -> tuple[Trajectory, Array]:
        """The method's flow to the last of decreasing relative losses, and the times (T,) at which it reaches each."""
        problem = self.limit.problem
        losses = losses_at(problem, tolerances)
        path = integrate(self.method.flow, problem, self.start, 1e12, rtol=rtol, stop_loss=float(losses[-1]))
        # The last snapshot is where the loss is that of the last tolerance, to rounding.
        return path, np.append([path.fits_at(float(loss)) for loss in losses[:-1]], path.t[-1])


def limit_of_excess(curve: LimitCurve, target: float) -> Limit:
    """The limit on the curve with the l1 excess `target` > 0, as that of gradient flow from the start that leads to it.

    The excess must pass the target between starts of size 1e-12 and 1e3; of several such starts, one is found.
    """
    target = check.positive("target", target)
    flow, n = GradientFlow(curve.depth), curve.problem.shape[1]

    def above(log_scale: float) -> float:
        excess = curve.limit(flow, flow.start(n, float(np.exp(log_scale)))).l1_excess
        return float(np.log(max(excess, 1e-16) / target))

    low = high = 0.0
    while above(high) < 0 and high < np.log(1e3):
        high += 1
    while above(low) > 0 and low > np.log(1e-12):
        low -= 1
    log_scale = optimize.brentq(above, low, high, xtol=1e-12)
    return curve.limit(flow, flow.start(n, float(np.exp(log_scale))))


def ratio_to(limit: Limit, scale: float) -> float:
    """The ratio with which weight normalization from norm `scale` ends at a limit. ValueError if there is none > 0."""
    ratio = 2 * (np.log(limit.radius) - limit.log_scale) / (limit.radius**2 - check.positive("scale", scale) ** 2)
    if not 0 < ratio < np.inf:
        raise ValueError(f"scale must be on the limit's side of alpha, got {scale:.3g} for a ratio of {ratio:.3g}")
    return float(ratio)


def scale_to(limit: Limit, ratio: float) -> float:
    """The norm of the start from which weight normalization at a ratio ends at a limit. ValueError if there is none."""
    squared = limit.radius**2 - 2 / check.positive("ratio", ratio) * (np.log(limit.radius) - limit.log_scale)
    if not squared > 0:
        raise ValueError(f"ratio must be larger for this limit, got {ratio:.3g}: r0^2 would be {squared:.3g}")
    return float(np.sqrt(squared))


def contestants(
    problem: Problem, depth: int, target: float, shares: Sequence[float] = SHARES, ratio: float | None = RATIO
) -> dict[str, Contestant]:
    r"""Gradient descent, polar descent and Salimans-Kingma descent on their ways to one limit, of l1 excess `target`.

    Polar descent starts from $r_0^2$ = share $\rho(z^*)$ for each of the `shares`, at the ratio that leads there, and
    at the `ratio`, if there is a start that does; Salimans-Kingma descent from the middle one of the shares. Starts
    from which the flow collapses are left out.
    """
    curve = LimitCurve(problem, depth)
    end = limit_of_excess(curve, target)
    frontier = float(np.sum(basis_pursuit(problem).weights ** (2 / depth)))
    starts: dict[str, tuple[DescentMethod, float]] = {"plain": (GradientDescent(depth), float(np.exp(end.log_scale)))}
    for share in shares:
        scale = float(np.sqrt(share * frontier))
        c = ratio_to(end, scale)
        starts[f"polar {share:g}"] = PolarDescent(depth, c), scale
        if share == shares[len(shares) // 2]:
            starts["salimans-kingma"] = SalimansKingmaDescent(depth, c**-0.5), scale
    if ratio is not None and ratio * end.radius**2 > 2 * (np.log(end.radius) - end.log_scale):
        starts["polar at ratio"] = PolarDescent(depth, ratio), scale_to(end, ratio)
    found = {}
    for name, (method, scale) in starts.items():
        with suppress(CollapseError):
            found[name] = Contestant.at(curve, method, scale)
    return found


def losses_at(problem: Problem, tolerances: Sequence[float]) -> Array:
    return np.asarray(tolerances) * problem.loss_of_zero


def step_mismatch(contestant: Contestant, step: float, size: float = 1e-6, seed: int = 0) -> float:
    """One step from a point at the relative distance `size` of the limit: how far the residual is from (I - h G) e.

    Relative to e. By Taylor's theorem it is of the order of `size`.
    """
    method, limit = contestant.method, contestant.limit
    problem, x = limit.problem, limit.weights ** (1 / method.depth)
    x = x * (1 + size * np.random.default_rng(seed).standard_normal(x.size))
    radius = float(linalg.norm(x))
    state = method.encode(Polar.of(radius, x / radius))
    after = method.step(state, step, lambda weights: problem.residual(weights) @ problem.A)
    basis = linalg.orth(problem.A)
    e, moved = (basis.T @ problem.residual(method.decode(s).weights(method.depth)) for s in (state, after))
    wanted = e - step * rate_matrix(method.flow, problem, limit.weights) @ e
    return float(linalg.norm(moved - wanted) / linalg.norm(e))


def radial_part(contestant: Contestant) -> Array:
    r"""What the radius contributes to G, $L^2 y y^\top / r_\infty^2$, in the basis of `rate_matrix`: shape (k, k)."""
    limit = contestant.limit
    y = linalg.orth(limit.problem.A).T @ limit.problem.y
    return (limit.flow.depth / limit.radius) ** 2 * np.outer(y, y)


def final_rate(contestant: Contestant, losses: tuple[float, float] = (1e-13, 1e-16)) -> float:
    """The rate at which the residual of the flow falls between two relative losses."""
    times = contestant.flow(losses, rtol=1e-10)[1]
    return float(0.5 * np.log(losses[0] / losses[1]) / (times[1] - times[0]))


def turning(contestant: Contestant) -> float:
    r"""How many times faster than the radius the direction moves at the limit, $\gamma = r^2 \eta_u/\eta_r$."""
    radius = np.asarray(contestant.limit.radius)
    return float(contestant.limit.flow.relative_rate(radius) * radius**2)
