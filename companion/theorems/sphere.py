r"""The flow on the sphere

Weight normalization is gradient flow in the radius and on the sphere of directions. It stays on the sphere, and the
loss falls at a rate that both velocities tell.

Statement
---------
Let $L \ge 1$, and let $(r, u)$ move by weight-normalized gradient flow, with learning rates that may depend on time:

$$
\begin{aligned}
r' &= \eta_r L\, r^{L-1} \langle p, u^L\rangle, \\
u' &= \eta_u L\, r^L \left( p \odot u^{L-1} - \langle p, u^L\rangle\, u \right).
\end{aligned}
$$

If

1. **starts on the sphere**: $\lVert u(0) \rVert = 1$;
2. **positive rates**: $\eta_r > 0$ and $\eta_u > 0$,

then, with $\ell$ as a function of $r$ and $u$,

$$
\begin{aligned}
r' &= -\eta_r\, \frac{\partial \ell}{\partial r}, \\
u' &= -\eta_u \left( \nabla_u \ell - \langle \nabla_u \ell, u\rangle\, u \right), \\
\lVert u \rVert &= 1 \quad \text{at all times,} \\
\frac{d\ell}{dt} &= -\left( \frac{(r')^2}{\eta_r} + \frac{\lVert u' \rVert^2}{\eta_u} \right) \le 0 .
\end{aligned}
$$

Proof
-----
A weight is $w_i = r^L u_i^L$, and $\partial\ell/\partial w_i = -p_i$. By the chain rule
$-\partial\ell/\partial r = L\, r^{L-1} \langle p, u^L\rangle$ and $-\nabla_u \ell = L\, r^L\, p \odot u^{L-1}$. The
inner product of the second with $u$ is $L\, r^L \langle p, u^L\rangle$: subtract its multiple of $u$, which is the
normal part if $\lVert u\rVert = 1$. These are the two equations, for any $u$.

*The sphere.* From the second equation, for $u$ of any norm,

$$
\begin{aligned}
\frac{d}{dt} \lVert u\rVert^2 = 2\, \eta_u L\, r^L \langle p, u^L\rangle\, \left(1 - \lVert u\rVert^2\right).
\end{aligned}
$$

This is a linear equation for $1 - \lVert u\rVert^2$, so what is zero at the start is zero at all times.

*The loss.* By the chain rule $\ell' = \frac{\partial\ell}{\partial r} r' + \langle \nabla_u\ell, u'\rangle$. The first
term is $-(r')^2/\eta_r$. In the second, $u'$ is orthogonal to $u$, so only the tangential part of the gradient counts:
it is $-u'/\eta_u$, and the term is $-\lVert u'\rVert^2/\eta_u$. Neither rate was differentiated.

Boundary
--------
- **Checked.** The chain rule and the fall of the loss for every depth by computer algebra, also with all sums written
  out; the velocities of the code, under rates that vary in time, against derivatives of the loss at points of
  trajectories; the norm of $u$ along them.
- **Assumed.** Nothing.
- **No run can test.** Nothing: all four claims are local in time, but for the norm, which follows a linear equation.

Source
------
Derived here. {cite:t}`ChouRauhutWard2024` state that gradient flow with weight normalization is gradient flow on polar
coordinates; {cite:t}`SalimansKingma2016` introduced weight normalization.
"""

from functools import partial
from typing import Any

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon, polar_velocity, together
from companion.verification.symbolic import (
    Depth,
    Derivation,
    L,
    Step,
    along,
    eta_r,
    eta_u,
    p,
    r,
    summed,
    tidy,
    total,
    u,
)
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.weight_norm import ScheduledWeightNormFlow
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate

TINY = 1e-30  # an imaginary step: its derivatives are exact to rounding
POINTS = 4  # of each trajectory


def derive(depth: Depth = L) -> Derivation:
    """The chain rule, the tangential part, the norm, and the rate of the loss."""
    weight, rates = (r * u) ** depth, symbolic.polar_rates(depth, eta_r, eta_u)
    radial = total(p * sp.diff(weight, r), depth)
    angular = tidy(p * sp.diff(weight, u))
    normal = total(angular * u, depth)
    common = depth * r**depth
    tangential = common * tidy(angular / common - normal / common * u)
    norm = sp.Symbol(r"{\lVert u\rVert^2}", positive=True)
    growth = 2 * eta_u * normal * (1 - norm)
    dissipated = rates[r] ** 2 / eta_r + summed(rates[u] ** 2, depth) / eta_u
    fall = summed(-p * along(weight, rates), depth)
    steps = (
        Step("One weight", "w_i", weight, "A weight is a power of its factor $x_i = r u_i$."),
        Step(
            "Gradient in the radius",
            r"-\frac{\partial\ell}{\partial r}",
            radial,
            r"Every weight depends on $r$, and $-\partial\ell/\partial w_i = p_i$: the chain rule is a sum over $i$.",
        ),
        Step(
            "Gradient in the direction",
            r"-\frac{\partial\ell}{\partial u_i}",
            angular,
            "Only one weight depends on $u_i$.",
        ),
        Step(
            "Its normal part",
            r"-\langle\nabla_u\ell, u\rangle",
            normal,
            r"Moving along this part would change $\lVert u\rVert$; it is the inner product with $u$.",
        ),
        Step(
            "Its tangential part",
            r"-\left(\nabla_u\ell-\langle\nabla_u\ell,u\rangle u\right)_i",
            tangential,
            "Subtract the normal part: this is the gradient on the sphere.",
        ),
        Step(
            "The norm of the direction",
            r"\frac{d}{dt}\lVert u\rVert^2",
            growth,
            r"Twice the sum of $u_i u_i'$, for $u$ of any norm: zero on the sphere.",
        ),
        Step(
            "The rate of the loss",
            r"\frac{d\ell}{dt}",
            sp.factor(fall),
            r"The sum of $-p_i w_i'$, where $\lVert u\rVert = 1$.",
        ),
        Step(
            "What both velocities tell",
            r"\frac{(r')^2}{\eta_r} + \frac{\lVert u'\rVert^2}{\eta_u}",
            sp.factor(dissipated),
            "The same, with the opposite sign.",
        ),
    )
    return Derivation(
        steps,
        symbolic.reduced(
            eta_r * radial - rates[r],
            eta_u * tangential - rates[u],
            summed(2 * u * rates[u], depth, norm) - growth,
            fall + dissipated,
        )
        + _written_out(depth),
    )


def _written_out(depth: Depth) -> tuple[sp.Expr, ...]:
    """The norm and the rate of the loss, with the sums over three components written out."""
    flow = symbolic.written_out(depth, radial=eta_r)
    norm = sp.Add(*(u_i**2 for u_i in flow.direction))
    dissipated = flow.rates[r] ** 2 / eta_r + sp.Add(*(flow.rates[u_i] ** 2 for u_i in flow.direction)) / eta_u
    off_the_sphere = eta_u * flow.normal**2 * (1 - norm)
    return symbolic.reduced(
        along(norm, flow.rates) - 2 * eta_u * flow.normal * (1 - norm),
        along(flow.loss, flow.rates) + dissipated + off_the_sphere,
    )


def measure(case: Case, sign: float = 1.0, normal: float = 1.0, power: int = 0, order: int = 1) -> Measurement:
    r"""The code's velocities along a trajectory against derivatives of the loss, and the norm of u along it.

    For the falsifiers: rates of another `sign`, another multiple of the `normal` part subtracted, a `power` more of r
    in u', rates to another `order` under the squares in $\ell'$.
    """
    flow = _scheduled(case)
    t_end = horizon(flow, case.problem, case.start)
    path = integrate(flow, case.problem, case.start, t_end, rtol=1e-10, coordinates="primal")
    points, velocities, rates = [], [], []
    for at in np.linspace(0, len(path.t) - 1, POINTS).astype(int):
        point, t = path.points[int(at)], float(path.t[at])
        radial, angular = polar_velocity(flow, case.problem, point, t)
        points.append(np.append(point.radius, point.direction))
        velocities.append(sign * np.append(radial, point.radius**power * angular))
        rates.append(sign * np.array([flow.radial_schedule(t), flow.ratio * flow.angular_schedule(t)]))
    norms = Measurement(np.linalg.norm(path.points.direction, axis=-1), 1.0)
    return together(*_claims(case, np.array(points), np.array(velocities), np.array(rates), normal, order), norms)


def off_the_sphere(case: Case, norm: float = 1.2) -> Measurement:
    """The same at the start, with u of another norm, by the flow's equations as they are written."""
    L, c, radius, u = case.depth, case.ratio, case.scale, norm * case.start.direction
    force = case.problem.A.T @ case.problem.residual((radius * u) ** L)
    radial = L * radius ** (L - 1) * np.sum(force * u**L)
    angular = c * L * radius**L * (force * u ** (L - 1) - np.sum(force * u**L) * u)
    point, velocity = np.append(radius, u), np.append(radial, angular)
    return together(*_claims(case, point[None], velocity[None], np.array([[1.0, c]])))


def _scheduled(case: Case) -> ScheduledWeightNormFlow:
    """The case's flow, with rates that vary separately."""
    t_unit = horizon(case.flow, case.problem, case.start)
    return ScheduledWeightNormFlow(
        case.depth,
        case.ratio,
        radial_schedule=lambda t: 1 / (1 + t / t_unit),
        angular_schedule=lambda t: 1 + 0.5 * np.sin(t / t_unit),
    )


def _claims(
    case: Case, points: Array, velocities: Array, rates: Array, normal: float = 1.0, order: int = 1
) -> tuple[Measurement, ...]:
    r"""At points (r, u) (T, 1 + N) with velocities like them and rates $(\eta_r, \eta_u)$ (T, 2)."""
    problem, L, u, angular = case.problem, case.depth, points[:, 1:], velocities[:, 1:]
    slope = -_gradient(problem, L, points)
    along_u = np.sum(slope[:, 1:] * u, axis=1, keepdims=True)
    tangential = slope[:, 1:] - normal * along_u * u
    fall = _loss(problem, L, points + 1j * TINY * velocities).imag / TINY
    squares = np.stack([velocities[:, 0] ** 2, np.sum(angular**2, axis=1)], axis=1)
    return (
        Measurement(velocities[:, 0], rates[:, 0] * slope[:, 0], scale=np.abs(rates[:, :1] * slope).max()),
        Measurement(angular, rates[:, 1:] * tangential, scale=np.abs(rates[:, 1:] * slope[:, 1:]).max()),
        Measurement(np.sum(angular * u, axis=1), 0.0, scale=np.abs(angular).max()),
        Measurement(fall, -np.sum(squares / rates**order, axis=1)),
        Measurement(np.maximum(fall, 0), 0.0, scale=np.abs(fall).max()),
    )


def _loss(problem: Problem, L: int, points: Any) -> Any:
    """The loss of points (r, u), which may be complex."""
    return problem.loss((points[..., :1] * points[..., 1:]) ** L)


def _gradient(problem: Problem, L: int, points: Array) -> Array:
    """Derivatives of the loss in r and every u_i, shape (T, 1 + N), exact to rounding."""
    steps = points[:, None, :] + 1j * TINY * np.eye(points.shape[1])
    return np.asarray(_loss(problem, L, steps).imag / TINY)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.WeightNormFlow", "wnlib.ScheduledWeightNormFlow"),
    tolerance=1e-8,
    ensemble=Ensemble(),
    derive=derive,
    symbolic=True,
    measure=measure,
    falsifiers=(
        Falsifier(1, r"$\lVert u\rVert = 1.2$", off_the_sphere),
        Falsifier(2, "negative rates: the flow backwards", partial(measure, sign=-1.0)),
        Falsifier("formula", "the full gradient in $u$, not its tangential part", partial(measure, normal=0.0)),
        Falsifier("formula", "$r^{L+1}$ in $u'$", partial(measure, power=1)),
        Falsifier("formula", r"$\eta_r (r')^2 + \eta_u \lVert u'\rVert^2$ in $\ell'$", partial(measure, order=-1)),
    ),
    mutants=(
        "a start off the sphere",
        "no L in the polar velocity",
        "a power of r more in the growth of the radius",
        "the pull added",
        "the direction left out of its velocity",
        "the radius left out of its velocity",
    ),
)
