r"""Dissipation of the Bregman divergence

The divergence from the weights to an interpolant falls at twice the loss, in the flow's own time, whichever interpolant
it is measured to.

Statement
---------
Let $L \ge 1$ and let $w(t)$ move by gradient flow, or by weight-normalized gradient flow. Let $\Phi$ be the potential
of the flow, $\nabla\Phi(w) = m_L(z)$, and $D_\Phi(z^\circ, w) = \Phi(z^\circ) - \Phi(w) - \langle\nabla\Phi(w), z^\circ
- w\rangle \ge 0$. If

1. **interpolant**: $A z^\circ = y$;
2. **in the domain**: $z^\circ \ge 0$, or $L = 1$;
3. **constant ratio**: $c = \eta_u/\eta_r$ does not depend on time (weight normalization);
4. **positive radius**: $r > 0$,

then

$$
\begin{aligned}
\frac{d}{dt}\, D_\Phi(z^\circ, w(t)) &= -2\, \kappa L\, \ell(w(t)) \le 0 .
\end{aligned}
$$

The right side is the same for all interpolants: differences $D_\Phi(z^\circ, w(t)) - D_\Phi(z^{\circ\circ}, w(t))$ are
constant. The last hypothesis holds by itself for $L \ge 2$, and at $L = 1$ if $\ell(w_0) < \ell(0)$; with gradient flow
at $L = 1$ it is not needed.

Proof
-----
By {prf:ref}`thm-mirror_map`, $\theta = \nabla\Phi(w)$ moves by $\theta' = \kappa L\, p$. In the derivative of
$D_\Phi(z^\circ, w)$ the terms $\mp\langle\theta, w'\rangle$ cancel, and what is left is

$$
\begin{aligned}
\frac{d}{dt}\, D_\Phi(z^\circ, w) &= -\langle \theta', z^\circ - w\rangle
  = -\kappa L\, \langle A^\top(y - A w), z^\circ - w\rangle \\
 &= -\kappa L\, \langle y - A w, A z^\circ - A w\rangle = -\kappa L\, \lVert y - A w\rVert^2 = -2 \kappa L\, \ell(w),
\end{aligned}
$$

as $A z^\circ = y$. The divergence is finite where $\Phi(z^\circ)$ is, which is on the closed orthant, and nonnegative
since $\Phi$ is convex. For $L \ge 2$, $(\log r)' = \eta_r L\, r^{L-2} \langle p, u^L\rangle$ is bounded where $r$ is,
so $r$ does not reach $0$. At $L = 1$ it might, and there $\nabla\Phi(w) = e^{c r^2/2}\, w/\lVert w\rVert$ jumps; but
the loss does not increase, so $\ell(w_0) < \ell(0)$ keeps $w$ away from $0$.

Boundary
--------
- **Checked.** The three steps by computer algebra: the derivative of the divergence for any potential, the motion of
  the dual variable for every depth, the inner products written out. Along trajectories of both flows and for two
  interpolants: the fall of the divergence against the integral of the loss.
- **Assumed.** Nothing.
- **No run can test.** Nothing: the equation is local in time. Trajectories stay where the divergence has digits left:
  at $L = 1$ it grows like $e^{c \lVert z^\circ\rVert^2/2}$, which limits the ratio.

Source
------
Derived here. A Bregman divergence also carries the proof for gradient flow in {cite:t}`ChouMalyRauhut2023`.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import growing, negative_interpolant, opposed, sheltered
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import clock, horizon, together
from companion.verification.symbolic import Depth, Derivation, L, Step, along, mirror, p, reduced, x
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import Flow
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import Polar
from wnlib.trajectories.integration import integrate


def derive(depth: Depth = L) -> Derivation:
    """The derivative of a divergence, the motion of the dual variable, and the inner product."""
    t, speed = sp.symbols(r"t \kappa", positive=True)
    n, m = 3, 2
    z, A = sp.Matrix(sp.symbols(f"z_1:{n + 1}")), sp.Matrix(m, n, sp.symbols(f"a_1:{m * n + 1}"))
    w, theta = (sp.Matrix([sp.Function(f"{name}_{i}")(t) for i in range(1, n + 1)]) for name in ("w", "theta"))
    potential_rate = theta.dot(w.diff(t))
    divergence_rate = -potential_rate - sp.diff(theta.dot(z - w), t)
    misfit = A * (z - w)
    normalized = along(mirror(symbolic.magnified(), depth), symbolic.polar_rates(depth))
    residuals = reduced(
        divergence_rate + theta.diff(t).dot(z - w),
        (A.T * misfit).dot(z - w) - misfit.dot(misfit),
        normalized - symbolic.speed(depth) * depth * p,
        along(mirror(x, depth), symbolic.plain_rates(depth)) - depth * p,
    )
    motion, z_i, w_i, loss = sp.symbols(r"\theta_i' z^\circ_i w_i \ell(w)")
    steps = (
        Step(
            "The derivative of a divergence",
            r"\frac{d}{dt} D_\Phi(z^\circ, w)",
            -sp.Sum(motion * (z_i - w_i), (sp.Symbol("i"), 1, sp.Symbol("N"))),
            r"$\Phi(w)' = \langle\theta, w'\rangle$ cancels against the derivative of $w$ in the pairing.",
        ),
        Step("The dual variable", r"\theta_i'", speed * depth * p, r"The chain rule, with $\kappa$ of either flow."),
        Step(
            "The inner product",
            r"\langle p, z^\circ - w\rangle",
            2 * loss,
            r"$\langle A^\top (y - A w), z^\circ - w\rangle = \lVert y - A w\rVert^2$, as $y = A z^\circ$.",
        ),
        Step("Dissipation", r"\frac{d}{dt} D_\Phi(z^\circ, w)", -2 * speed * depth * loss, "All three together."),
    )
    return Derivation(steps, residuals)


def interpolants(case: Case) -> list[Array]:
    """The weights that made the measurements, and those of least mass."""
    return [np.asarray(case.problem.truth), case.target]


def measure(
    case: Case,
    start: Callable[[Case], Polar] = sheltered,
    targets: Callable[[Case], list[Array]] = interpolants,
    drift: float = 0.0,
    stretch: float = 1.0,
    factor: float = 2.0,
    steps: int = 8,
) -> Measurement:
    r"""The fall of the divergence to each interpolant, against `factor` $\int \kappa L\, \ell\, dt$; both flows.

    For the falsifiers: another `start` or other `targets`, a ratio that grows by a share `drift`, targets that are a
    `stretch` too long; a horizon of so many `steps`, see `measuring.horizon`.
    """
    parts = []
    flows: tuple[Flow, ...] = (case.flow, case.plain)
    for flow in flows:
        mirror, end = mirror_map(flow, float(start(case).radius)), horizon(flow, case.problem, start(case), steps)
        moving = growing(flow, drift / end) if drift else flow
        trajectory = integrate(moving, case.problem, start(case), end, rtol=1e-9, coordinates="primal")
        _, dissipated = clock(trajectory, mirror)
        for target in targets(case):
            divergence = mirror.bregman(stretch * target, trajectory.points)
            parts.append(Measurement(divergence - divergence[0], -factor * dissipated))
    return together(*parts)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.MirrorMap",),
    tolerance=1e-6,
    ensemble=Ensemble(ratios=(0.1, 3.0), scales=(0.3, 2.0)),
    derive=derive,
    symbolic=True,
    measure=measure,
    uses=("mirror_map", "sphere"),
    falsifiers=(
        Falsifier(1, r"$1.1\, z^\circ$: not an interpolant", partial(measure, stretch=1.1)),
        Falsifier(
            2,
            "an interpolant with a negative entry, and no divergence",
            partial(measure, targets=lambda case: [negative_interpolant(case)]),
            ensemble=Ensemble(depths=(2, 3, 4, 5, 6), ratios=(0.1, 3.0), scales=(0.3, 2.0)),
            undefined=True,
        ),
        Falsifier(3, "a ratio that grows by half", partial(measure, drift=0.5)),
        Falsifier(
            4,
            "a radius that changes its sign",
            partial(measure, start=opposed),
            ensemble=Ensemble(depths=(1,), ratios=(0.01, 0.1), scales=(0.1, 0.5)),
        ),
        Falsifier("formula", r"$-\kappa L\, \ell$", partial(measure, factor=1.0)),
        Falsifier("formula", r"$+2 \kappa L\, \ell$", partial(measure, factor=-2.0)),
    ),
    mutants=(
        "r squared in the turning",
        "no L in the speed",
        "the linear part added in the divergence",
        "twice the loss",
        "no lengths of steps in an integral",
        "an integral over each step alone",
        "the loss squared in the dissipated loss",
        "no speed in the dissipated loss",
    ),
)
