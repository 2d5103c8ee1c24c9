r"""Gradient flow as weight normalization

Gradient flow is the weight-normalized flow whose direction turns at the rate $\eta_u = \eta_r/r^2$. All that tells the
two flows apart is how fast the direction may turn.

Statement
---------
Let $L \ge 1$, let $(r, u)$ with $r \ne 0$ and $\lVert u\rVert = 1$ move by weight-normalized gradient flow, with
learning rates that may depend on time and on the point. If

1. **matched rates**: $\eta_u = \eta_r/r^2$,

then $x = r\, u$ moves by gradient flow with learning rate $\eta_r$,

$$
\begin{aligned}
x' = \eta_r L\, p \odot x^{L-1} .
\end{aligned}
$$

Conversely, if $x \ne 0$ moves by this flow, then $r = \lVert x\rVert$ and $u = x/r$ move by weight-normalized gradient
flow with $\eta_u = \eta_r/r^2$.

Proof
-----
By the product rule, $x' = r'\, u + r\, u'$. The two equations of the flow give

$$
\begin{aligned}
x' = \eta_u L\, r^{L+1}\, p \odot u^{L-1} + \left(\eta_r - \eta_u r^2\right) L\, r^{L-1} \langle p, u^L\rangle\, u .
\end{aligned}
$$

If $\eta_u r^2 = \eta_r$, the second term vanishes, and the first is
$\eta_r L\, r^{L-1}\, p \odot u^{L-1} = \eta_r L\, p \odot x^{L-1}$.

*Conversely*, $r\, r' = \langle x, x'\rangle = \eta_r L \langle p, x^L\rangle = \eta_r L\, r^L \langle p, u^L\rangle$:
this is the equation of $r$. And $u' = (x' - r'\, u)/r$ is
$\eta_r L\, r^{L-2} (p \odot u^{L-1} - \langle p, u^L\rangle\, u)$, which is the equation of $u$ with
$\eta_u = \eta_r/r^2$.

Boundary
--------
- **Checked.** Both directions for every depth by computer algebra; trajectories of gradient flow against those of
  the polar equations, each followed in its own coordinates with its own radius.
- **Assumed.** Nothing.
- **No run can test.** Nothing: the identity is algebraic.

Source
------
Derived here. That weight normalization is gradient flow on polar coordinates is in {cite:t}`ChouRauhutWard2024`.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon
from companion.verification.symbolic import Depth, Derivation, L, Step, along, eta_r, eta_u, pull, r, tidy, total, u, x
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.trajectories.integration import integrate


def derive(depth: Depth = L) -> Derivation:
    r"""The product rule, the rates that match, and the way back from x."""
    motion = sp.expand(along(r * u, symbolic.polar_rates(depth, eta_r, eta_u)))
    along_force = motion.coeff(pull, 0)
    excess = sp.simplify(motion.coeff(pull, 1) / (u * r ** (depth - 1)))
    matched = sp.simplify(motion.subs(eta_u, eta_r / r**2))
    plain = eta_r * symbolic.plain_rates(depth)[x].subs(x, r * u)
    back_r = total(tidy(u * plain), depth)
    back_u = tidy((plain - back_r * u) / r)
    back = symbolic.polar_rates(depth, eta_r, eta_r / r**2)
    steps = (
        Step("Product rule", "x_i'", tidy(along_force) + excess * r ** (depth - 1) * pull * u, "$x_i = r u_i$."),
        Step(
            "Match the rates",
            r"\left.x_i'\right|_{\eta_u=\eta_r/r^2}",
            matched,
            r"The second term vanishes if $\eta_u r^2 = \eta_r$.",
        ),
        Step(
            "Compare",
            r"\eta_r L p_i x_i^{L-1}",
            plain,
            "Gradient flow, with its learning rate, at $x_i = r u_i$.",
        ),
        Step("Back to the radius", "r'", back_r, r"The inner product of $x'$ with $u = x/\lVert x\rVert$."),
        Step("Back to the direction", "u_i'", back_u, "What is left of $x'$, divided by $r$."),
    )
    return Derivation(
        steps,
        symbolic.reduced(excess.subs(eta_u, eta_r / r**2), matched - plain, back_r - back[r], back_u - back[u]),
    )


def measure(case: Case, order: float = -2.0, factor: float = 1.0, frozen: bool = False) -> Measurement:
    r"""x along the polar equations with $\eta_u = \eta_r/r^2$, against x along gradient flow, at equal times.

    For the falsifiers: $\eta_u$ = `factor` $r$^`order`, and a radius in it that stays `frozen` at its first value.
    """
    problem, polar = case.problem, WeightNormFlow(case.depth, ratio=case.scale**-2)
    # Both flows, so that the wrong variants do not get stiff either.
    t_end = min(horizon(flow, problem, case.start, steps=6) for flow in (case.plain, polar))
    path = integrate(case.plain, problem, case.start, t_end, rtol=1e-10, coordinates="primal")

    def field(t: float, state: Array) -> Array:
        radius = case.scale if frozen else float(polar.decode(state).radius)
        return replace(polar, ratio=factor * abs(radius) ** order).velocity(problem)(t, state)

    state = polar.encode(case.start)
    solution = solve_ivp(field, (0.0, path.t[-1]), state, method="DOP853", t_eval=path.t, rtol=1e-10, atol=1e-10)
    found = polar.decode(solution.y.T)
    return Measurement(
        found.radius[:, None] * found.direction,
        path.radius[:, None] * path.points.direction,
        scale=float(np.abs(path.radius).max()),
    )


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.GradientFlow", "wnlib.WeightNormFlow"),
    tolerance=1e-7,
    ensemble=Ensemble(),
    derive=derive,
    symbolic=True,
    measure=measure,
    falsifiers=(
        Falsifier(1, r"$\eta_u = \eta_r/r_0^2$, constant", partial(measure, frozen=True)),
        Falsifier("formula", r"$\eta_u = \eta_r/r$", partial(measure, order=-1.0)),
        Falsifier("formula", r"$\eta_u = \eta_r r^2$", partial(measure, order=2.0)),
        Falsifier("formula", r"$\eta_u = \eta_r/(2 r^2)$", partial(measure, factor=0.5)),
    ),
    mutants=(
        "no L in the plain velocity",
        "a power more in the plain velocity",
        "the pull added at depth 1",
        "r squared in the turning",
    ),
)
