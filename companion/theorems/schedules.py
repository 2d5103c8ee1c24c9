r"""Learning rates that vary separately

If the ratio of the learning rates varies in time, the magnification is collected along the path. One number is lost,
the scale; what does not depend on it is conserved under every schedule.

Statement
---------
Let $L \ge 1$ and let $(r, u)$ move by weight-normalized gradient flow with learning rates $\eta_r(t), \eta_u(t) > 0$ of
ratio $c(t) = \eta_u(t)/\eta_r(t)$. If

1. **along the path**: $\sigma$ obeys $\sigma' = c(t)\, r\, r'$,

then $\tilde z = u\, e^\sigma$ moves by

$$
\begin{aligned}
\tilde z' &= \tilde\kappa L\, p \odot \tilde z^{L-1}, \\
\tilde\kappa &= \eta_u r^L e^{(2-L)\sigma}.
\end{aligned}
$$

If moreover

2. **in the kernel**: $A v = 0$,

then $\langle v, m_L(\tilde z)\rangle$ is constant. Without $\sigma$ this says, with the orthogonal projection
$P$ onto $\ker A$ and $\Delta = \sigma(t) - \sigma(0)$:

$$
\begin{aligned}
L \ne 2: \quad & P u(t)^{2-L} = e^{(L-2)\Delta}\, P u(0)^{2-L}, \\
L = 2: \quad & P \log u(t) = P \log u(0) - \Delta\, P \mathbf{1} .
\end{aligned}
$$

So the direction of $P u^{2-L}$ is conserved at $L \ne 2$, and the part of $P \log u$ orthogonal to $P \mathbf{1}$ at
$L = 2$: of the $N - \operatorname{rank}(A)$ invariants at most one is lost, and none at $L = 2$ if
$\mathbf{1} \in \operatorname{row}(A)$.

Proof
-----
By the product rule $\tilde z' = e^\sigma (u' + \sigma' u)$. By the equation of the radius,
$\sigma' = c\, r\, r' = \eta_u L\, r^L \langle p, u^L\rangle$, as $c\, \eta_r = \eta_u$ at every time: what $u'$
loses to stay on the sphere. The two cancel, and $\tilde z' = e^\sigma \eta_u L\, r^L\, p \odot u^{L-1}$. Write
$u^{L-1} = \tilde z^{L-1} e^{-(L-1)\sigma}$. No learning rate was differentiated, so they may depend on time.

The slope of $m_L$ is $\tilde z^{1-L}$, so $m_L(\tilde z)' = \tilde\kappa L\, p \in \operatorname{row}(A)$, as in
{prf:ref}`thm-invariants`, and $P m_L(\tilde z)$ is constant. For $L \ne 2$ it is
$e^{(2-L)\sigma} P u^{2-L}/(2-L)$; for $L = 2$ it is $P \log u + \sigma P \mathbf{1}$. Compare with $t = 0$. The factor
$e^{(L-2)\Delta}$ is positive, so the direction stays; $\Delta P \mathbf{1}$ has no part orthogonal to $P \mathbf{1}$,
and $P \mathbf{1} = 0$ if $\mathbf{1} \in \operatorname{row}(A)$.

If $c$ is constant, $\sigma - c\, r^2/2$ is constant, and $\tilde z$ is a constant multiple of $z$. If it is not, then
$z = u\, e^{c(t) r^2/2}$ moves by the field of {prf:ref}`thm-magnification` and by $\tfrac12 c' r^2 z$ besides.

Boundary
--------
- **Checked.** The motion of $\tilde z$, and what $z$ misses, for every depth by computer algebra; along trajectories
  with rates that vary separately, the invariants, and what survives without $\sigma$.
- **Assumed.** Nothing.
- **No run can test.** Nothing: the identity is algebraic and holds for every schedule, those not tried included.

Source
------
Derived here.
"""

from functools import partial

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon
from companion.verification.symbolic import (
    Depth,
    Derivation,
    L,
    Step,
    along,
    c,
    dc,
    eta_r,
    eta_u,
    magnified,
    mirror,
    p,
    r,
    sigma,
    speed,
    tidy,
    u,
)
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.invariants import invariant_drift
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import ScheduledWeightNormFlow
from wnlib.problem import Problem

TIMES = 10  # at which the trajectory is measured
ROUNDING = 1e-12  # below it, the vector of ones is in row(A)


def derive(depth: Depth = L) -> Derivation:
    """The product rule along the path, the invariants, and what the old coordinates miss."""
    rates = symbolic.polar_rates(depth, eta_r, eta_u)
    growth = tidy(eta_u / eta_r * r * rates[r])
    path = {**rates, sigma: growth}
    z = u * sp.exp(sigma)
    field = speed(depth, sigma) * depth * p * z ** (depth - 1)
    # The old coordinates, with a ratio that moves at the rate c': what they miss.
    old = magnified()
    old_field = speed(depth) * depth * p * old ** (depth - 1)
    missed = sp.simplify(along(old, {**symbolic.polar_rates(depth), c: dc}) - old_field)
    coordinate = sp.Symbol("z_i")
    steps = (
        Step(
            "Magnify along the path",
            r"\sigma'",
            growth,
            r"In place of $\sigma = c\, r^2/2$: $\sigma' = c(t)\, r\, r'$.",
        ),
        Step(
            "The normal components still cancel",
            r"\tilde z_i'",
            sp.simplify(along(z, path)),
            r"For $\tilde z_i = u_i e^{\sigma}$. No learning rate was differentiated, so they may depend on time.",
        ),
        Step(
            "Residual",
            r"\tilde z_i' - \tilde\kappa L p_i \tilde z_i^{L-1}",
            symbolic.reduced(along(z, path) - field)[0],
            r"With $\tilde\kappa = \eta_u r^L e^{(2-L)\sigma}$.",
        ),
        Step(
            "What the old coordinates miss",
            r"z_i' - \kappa L p_i z_i^{L-1}",
            sp.simplify(missed / old) * coordinate,
            r"With $z_i = u_i e^{c(t) r^2/2}$ a term in $c'$ is left over: it is not proportional to $p_i$.",
        ),
    )
    return Derivation(
        steps,
        symbolic.reduced(
            along(z, path) - field,
            along(mirror(z, depth), path) - speed(depth, sigma) * depth * p,
            missed - dc * r**2 / 2 * old,
        ),
    )


def measure(case: Case, radial: bool = False, outside: bool = False, factor: float = 1.0) -> Measurement:
    r"""The drift of $m_L(\tilde z)$ in the kernel, and of what survives without $\sigma$, under two schedules at once.

    For the falsifiers: `radial`, $\sigma = c(t) r^2/2$; the kernel of another matrix (`outside`); a `factor` in
    $\sigma'$.
    """
    points, path_sigma, ratios = _followed(case, factor)
    radial_sigma = ratios * points.radius**2 / 2
    log_size = radial_sigma - radial_sigma[0] if radial else path_sigma
    seen = Problem.gaussian(case.m, case.n, case.sparsity, case.seed + 1) if outside else case.problem
    # Under any schedule z moves along the field of gradient flow: with x = z, its invariants are these.
    z = Polar(np.exp(log_size), points.log_direction, points.sign)
    conserved = invariant_drift(case.plain, seen, z).max()
    return Measurement([conserved, _surviving_drift(seen, case.depth, points)], 0.0, scale=1.0)


def everything_survives(case: Case) -> Measurement:
    r"""The drift of $u$'s own invariants, without $\sigma$ and without leaving any out."""
    points, _, _ = _followed(case, 1.0)
    unscaled = Polar(np.ones(TIMES), points.log_direction, points.sign)
    return Measurement(invariant_drift(case.plain, case.problem, unscaled).max(), 0.0, scale=1.0)


def _followed(case: Case, factor: float) -> tuple[Polar, Array, Array]:
    r"""Points of a trajectory, $\sigma$ from 0 along it, and the ratios c(t), at `TIMES` times."""
    t_end = horizon(case.flow, case.problem, case.start)
    flow = ScheduledWeightNormFlow(
        case.depth,
        case.ratio,
        radial_schedule=lambda t: 0.75 + 0.25 * np.cos(5 * t / t_end),
        angular_schedule=lambda t: 1 / (1 + t / t_end),
    )

    def ratio(t: float) -> float:
        return flow.ratio * flow.angular_schedule(t) / flow.radial_schedule(t)

    def field(t: float, state: Array) -> Array:
        rates, radius = velocity(t, state[:-1]), flow.decode(state[:-1]).radius
        radial = rates[0] if case.depth == 1 else radius * rates[0]
        return np.append(rates, factor * ratio(t) * radius * radial)

    velocity = flow.velocity(case.problem)
    times, start = np.linspace(0, t_end, TIMES), np.append(flow.encode(case.start), 0.0)
    states = solve_ivp(field, (0.0, t_end), start, method="DOP853", t_eval=times, rtol=1e-10, atol=1e-10).y.T
    return flow.decode(states[:, :-1]), states[:, -1], np.array([ratio(t) for t in times])


def _surviving_drift(problem: Problem, L: int, points: Polar) -> float:
    r"""How far $P u^{2-L}$ turns away from its first direction, or $P \log u$ moves orthogonally to $P \mathbf 1$."""
    if L == 2:
        powers, moved = points.log_direction, points.log_direction - points.log_direction[0]
        line = problem.kernel.T @ np.ones(problem.shape[1])
    else:
        log_powers = (2 - L) * points.log_direction
        powers = (points.sign if L == 1 else 1.0) * np.exp(log_powers - log_powers.max(axis=1, keepdims=True))
        moved, line = powers, problem.kernel.T @ powers[0]
    sideways = moved @ problem.kernel
    if np.linalg.norm(line) > ROUNDING:
        sideways = sideways - np.outer(sideways @ line, line) / (line @ line)
    return float((np.linalg.norm(sideways, axis=1) / np.linalg.norm(powers, axis=1)).max())


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.ScheduledWeightNormFlow",),
    tolerance=1e-8,
    ensemble=Ensemble(),
    derive=derive,
    symbolic=True,
    measure=measure,
    falsifiers=(
        Falsifier(1, r"$\sigma = c(t)\, r^2/2$, from the radius alone", partial(measure, radial=True)),
        Falsifier(2, "the kernel of another matrix", partial(measure, outside=True)),
        Falsifier("formula", r"$\sigma' = 2 c\, r\, r'$", partial(measure, factor=2.0)),
        Falsifier("formula", r"$\sigma' = -c\, r\, r'$", partial(measure, factor=-1.0)),
        Falsifier("formula", r"no invariant lost: $\sigma = 0$", everything_survives),
    ),
    uses=("invariants", "magnification"),
    mutants=(
        "the angular schedule for both rates",
        "the pull added",
        "1 - L for 2 - L in the speed's derivation",
    ),
)
