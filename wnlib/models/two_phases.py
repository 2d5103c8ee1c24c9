r"""Least squares in two phases: first the direction of the weights, at a fixed length, then both.

The weights are $w = r u$, $\|u\| = 1$ (depth 1), and $w^\dagger = A^+ y$ is the interpolant of least norm. On a sphere
of radius $r < \|w^\dagger\|$ there is no interpolant, and what is left of the force turns u into row(A): the part of u
in ker A, of norm n, dies out exponentially, from any start. A `Guarantee` says how fast, a `certificate` that it has
happened.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import ArgumentError
from wnlib.flows.polar import Polar
from wnlib.linear.ranks import least_squares
from wnlib.problem import Problem


@dataclass(frozen=True)
class Guarantee:
    r"""$n(t) \le 1/\cosh(\xi_0 + \mu t)$ from the time on at which $\xi_0 + \mu t \ge 0$.

    rate $\mu$ > 0, offset $\xi_0$, share $n_0$: the norm of the start's part in ker A, in (0, 1].
    """

    rate: float
    offset: float
    share: float

    def along_flow(self, t: ArrayLike) -> Array:
        """The bound on n at times t; 1 where there is none."""
        return _sech(self.offset + self.rate * np.asarray(t))

    def along_steps(self, k: ArrayLike, step: float) -> Array:
        """The bound on n after k projected steps of any length; 1 where there is none."""
        return _sech(self.offset + np.log1p(step * self.rate) * np.asarray(k))

    @property
    def below_zero(self) -> float:
        """The time after which the loss is below that of w = 0."""
        return float(np.arccosh(1 / self.share) - self.offset) / self.rate


def _sech(x: Array) -> Array:
    decay = np.exp(-np.maximum(x, 0))  # unlike cosh, does not overflow
    return np.asarray(2 * decay / (1 + decay**2))


def least_norm(problem: Problem) -> Array:
    r"""$w^\dagger$, shape (N,)."""
    return problem.row_basis @ problem.moments


def length_from_data(problem: Problem) -> float:
    r"""$\|y\|^2/\|A^\top y\| \le \|w^\dagger\|$: how far from 0 the plane $\langle A^\top y, w\rangle = \|y\|^2$ is."""
    return float(problem.y @ problem.y / linalg.norm(problem.A.T @ problem.y))


def guarantees(problem: Problem, radius: float, direction: Array, rate: float = 1.0) -> tuple[Guarantee, ...]:
    r"""What is known of phase one, at learning rate $\eta_u$ = `rate`, from u = `direction` (N,) of norm 1.

    From $d = w^\dagger$ and, for a radius below `length_from_data`, from $d = A^\top y$. Raises ArgumentError for a
    radius that is not between 0 and $\|w^\dagger\|$, and for a direction in row(A), which has nothing to lose.
    """
    radius, rate = check.positive("radius", radius), check.positive("rate", rate)
    direction = check.array("direction", direction, (problem.shape[1],))
    least = least_norm(problem)
    if radius >= (length := float(linalg.norm(least))):
        raise ArgumentError(f"radius must be < {length:.6g}, the length of the shortest interpolant, got {radius:.6g}")
    share = min(1.0, float(linalg.norm(problem.kernel.T @ direction)))  # above 1 by rounding, for one in ker A
    if share <= 1e-14:
        raise ArgumentError(f"direction must have a part in ker A, got one of norm {share:.1e}")
    # (A^T A)^+ d with d = w, and with d = A^T y, where it is w. On the rows' basis A has full rank: none to be guessed.
    on_basis = problem.A @ problem.row_basis
    inverse = problem.row_basis @ least_squares(on_basis, least_squares(on_basis.T, problem.moments))
    found = []
    for d, a in ((least, inverse), (problem.A.T @ problem.y, least)):
        drive = float(least @ d - radius * linalg.norm(d))
        if drive > 0:
            size = float(linalg.norm(a))
            offset = float(np.arcsinh(a @ direction / (size * share)))
            found.append(Guarantee(rate * radius * drive / size, offset, share))
    return tuple(found)


def certificate(problem: Problem, points: Polar) -> Array:
    r"""A bound on n at points of radius > 0, shape (...), by the force alone: $\|p - s u\|/s$.

    $s = \langle p, u\rangle$; infinite where it is not positive. It needs no projection on row(A).
    """
    u = points.direction
    force = problem.residual(points.weights(1)) @ problem.A
    along = np.vecdot(force, u)
    sideways = np.linalg.norm(force - along[..., None] * u, axis=-1)
    return np.where(along > 0, sideways / np.where(along > 0, along, 1.0), np.inf)


def projected_descent(
    problem: Problem, start: Polar, ratio: float, step: float, steps: int, radial: float = 1.0
) -> Polar:
    r"""Reparametrized projected gradient descent on (r, u): the points before and after each of the steps, (steps + 1).

    $r \leftarrow r + h\,\eta_r \langle p, u\rangle$, $u \leftarrow \tilde u/\|\tilde u\|$ with
    $\tilde u = u + h\, c\, r\, p$: a gradient step in the surrounding space, then the projection on the sphere. The
    learning rate $\eta_r$ of the radius is `radial`; with 0 it is held, which is phase one.
    """
    ratio, step = check.positive("ratio", ratio), check.positive("step", step)
    steps = check.integer("steps", steps, least=1)
    r, u = float(start.radius), start.direction
    radii, directions = np.empty(steps + 1), np.empty((steps + 1, problem.shape[1]))
    radii[0], directions[0] = r, u
    for k in range(1, steps + 1):
        force = problem.residual(r * u) @ problem.A
        moved = u + step * ratio * r * force
        r, u = r + step * radial * float(force @ u), moved / np.linalg.norm(moved)
        radii[k], directions[k] = r, u
    return Polar.of(radii, directions)
