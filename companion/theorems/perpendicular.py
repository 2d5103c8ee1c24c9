r"""The perpendicular component

For least squares ($L = 1$) weight normalization does not keep the part of the weights that the data cannot see: it
shrinks it or blows it up by a factor that depends on the radius alone, which decides where the flow ends.

Statement
---------
Let $(r, u)$ move by weight-normalized gradient flow from $r_0 \ne 0$, of either sign, and let $w_\perp$ be the
component of $w = r u$ in $\ker A$. If

1. **one factor**: $L = 1$;
2. **constant ratio**: $c = \eta_u/\eta_r$ does not depend on time,

then at all times

$$
\begin{aligned}
w_\perp(t) &= \frac{r}{r_0}\, e^{c (r_0^2 - r^2)/2}\, w_\perp(0) .
\end{aligned}
$$

Gradient flow keeps $w_\perp$. Let $w^\dagger = A^+ y \ne 0$ be the interpolant of least norm, $q = \lVert
w^\dagger\rVert^2$ and $\nu = \lVert w_\perp(0)\rVert^2/r_0^2 \in [0, 1]$. If moreover

3. **interpolation**: $w(t) \to w_\infty$ with $A w_\infty = y$,

then $R = \lVert w_\infty\rVert^2$ is the only positive solution of

$$
\begin{aligned}
R\, \bigl(1 - \nu\, e^{c (r_0^2 - R)}\bigr) &= q,
\end{aligned}
$$

and $w_\infty = w^\dagger \pm \sqrt{R/r_0^2}\; e^{c (r_0^2 - R)/2}\, w_\perp(0)$, with the sign $+$ unless $r$ has
changed its own. It changes at most once, and never if $\ell(w_0) < \ell(0)$.

Proof
-----
*The law.* By {prf:ref}`thm-magnification`, $z = u\, e^{c r^2/2}$ moves by $z' = \kappa\, p$, for either sign of $r$,
and $p = A^\top(y - A w)$ has no component in $\ker A$. So $z_\perp = u_\perp e^{c r^2/2}$ is constant; with $w_\perp
= r u_\perp$ this is the law. (The norm of $u$ does not enter: $u_\perp' = -\eta_u r \langle p, u\rangle u_\perp =
-c\, r\, r'\, u_\perp$.) Gradient flow moves by $w' = p$.

*The limit.* All interpolants are $w^\dagger$ plus an element of $\ker A$, and $w^\dagger \perp \ker A$. So $w_\infty
= w^\dagger + w_\perp(\infty)$, and $R = q + \lVert w_\perp(\infty)\rVert^2$ by Pythagoras. Insert the law, which
holds in the limit, with $r^2 = \lVert w\rVert^2 \to R$: $\lVert w_\perp(\infty)\rVert^2 = \nu R\, e^{c (r_0^2 - R)}$.
This is the equation.

*It has one solution.* Let $f(R) = R (1 - E)$ with $E = \nu\, e^{c (r_0^2 - R)}$. Only where $E < 1$ can $f$ equal $q
> 0$, and there $f' = (1 - E) + c R E > 0$. As $E$ falls with $R$, this is a half-line, at whose end $f = 0$, and $f
\to \infty$.

*The sign.* The radius can change its sign only at $w = 0$. There $u' = 0$ and $r' = \eta_r \langle A^\top y,
u\rangle$; if this vanishes too, the flow rests and $r$ keeps its sign. Otherwise $\ell' < 0$, and as $\ell$ never
increases, it cannot return to $\ell(0)$.

Boundary
--------
- **Checked.** The algebra. The law along followed flows from radii of either sign, some of which pass through $w =
  0$, and the points at which they end, followed until they fit, and computed by `wnlib.limit` from a point beyond $w
  = 0$; that gradient flow keeps $w_\perp$.
- **Assumed.** Nothing beyond the third hypothesis.
- **No run can test.** That a flow converges, which is the third hypothesis: a run ends at a small loss.

Source
------
Derived here. The abstract of {cite:t}`Wu2020` says that weight normalization for overparametrized least squares
converges close to the solution of least $\ell_2$ norm, even from starts far from zero.
"""

from functools import partial

import numpy as np
import sympy as sp
from scipy.optimize import brentq

from companion.verification import symbolic
from companion.verification.cases import problem_and_start
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import FITTED, computed_limit, horizon, least_norm, together, until_fitted
from companion.verification.symbolic import Depth, Derivation, Step, c, r, u
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib.flows.weight_norm import ScheduledWeightNormFlow, WeightNormFlow
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory


def derive(depth: Depth) -> Derivation:
    """The kernel's component, whose force vanishes, along the flow; the equation of the limit and its slope."""
    R, nu, r_0 = sp.symbols(r"R \nu r_0", positive=True)
    rates = {symbol: rate.subs(symbolic.p, 0) for symbol, rate in symbolic.polar_rates(depth).items()}
    growth = sp.simplify(symbolic.along(u, rates) / u)
    law = r / r_0 * sp.exp(c * (r_0**2 - r**2) / 2)
    E = nu * sp.exp(c * (r_0**2 - R))
    f = R * (1 - E)
    slope = (1 - E) + c * R * E
    perpendicular = nu * r_0**2 * law.subs(r, sp.sqrt(R)) ** 2
    steps = (
        Step("In the kernel", r"\frac{(u_\perp)_i'}{(u_\perp)_i}", growth, "The force has no component there."),
        Step("In time of the radius", r"-c\, r\, r'", sp.simplify(-c * r * rates[r]), "The same: so both integrate."),
        Step("The law", r"\frac{w_\perp(t)}{w_\perp(0)}", law, "With $w_\\perp = r u_\\perp$."),
        Step("In the limit", r"\lVert w_\perp(\infty)\rVert^2", sp.simplify(perpendicular), "With $r^2 = R$."),
        Step("The equation", "q", f, r"Pythagoras: $q = R - \lVert w_\perp(\infty)\rVert^2$."),
        Step("Its slope", "f'(R)", slope, r"Of the right side, $f$; positive where $E = \nu e^{c (r_0^2 - R)} < 1$."),
    )
    residuals = symbolic.reduced(
        growth + c * r * rates[r],
        symbolic.along(law * sp.Symbol("w") / r, rates | {sp.Symbol("w"): 0}) - growth * law * sp.Symbol("w") / r,
        symbolic.along(symbolic.magnified(), rates),
        R - perpendicular - f,
        sp.diff(f, R) - slope,
    )
    return Derivation(steps, residuals)


def squared_norm(ratio: float, R_0: float, nu: float, q: float) -> float:
    r"""The solution R of $R (1 - \nu e^{c (r_0^2 - R)}) = q$, for $\nu > 0$."""
    low = max(q, R_0 + np.log(nu) / ratio)  # where E = 1, or beyond
    high = max(2 * q, R_0 + np.log(2 * nu) / ratio)  # where E = 1/2, or less
    return float(brentq(lambda R: R * (1 - nu * np.exp(ratio * (R_0 - R))) - q, low, high, xtol=1e-15 * low))


def law(trajectory: Trajectory, ratio: float, power: int = 1, constant: float = 1.0) -> Measurement:
    r"""The entries of $w_\perp$ in a basis of the kernel: shape (T, N - rank)."""
    radius, found = trajectory.radius, trajectory.weights @ trajectory.problem.kernel
    growth = (radius / radius[0]) ** power * np.exp(constant * ratio * (radius[0] ** 2 - radius**2) / 2)
    return Measurement(found, growth[:, None] * found[0], scale=abs(float(radius[0])))


def measure(case: Case, fitted: float = FITTED) -> Measurement:
    r"""$w_\perp$ along both flows, and the end of the normalized one: followed, and computed from a point on the way.

    For the falsifiers: a loss `fitted` only so far.
    """
    problem, start = problem_and_start(case)
    followed = until_fitted(case.flow, problem, start, fitted)
    plain = case.plain.start(case.n, case.scale, start.direction)
    kept = until_fitted(case.plain, problem, plain, fitted).weights @ problem.kernel
    before, least = problem.kernel @ (problem.kernel.T @ start.weights(1)), least_norm(problem)
    R_0 = case.scale**2
    R = squared_norm(case.ratio, R_0, float(before @ before) / R_0, float(least @ least))
    growth = np.sqrt(R / R_0) * np.exp(case.ratio * (R_0 - R) / 2)
    end = least + np.sign(followed.radius[-1] / followed.radius[0]) * growth * before
    return together(
        law(followed, case.ratio),
        Measurement(kept, plain.weights(1) @ problem.kernel, scale=case.scale),
        Measurement(followed.weights[-1], end),
        Measurement(computed_limit(followed), end),
    )


def wrong_law(case: Case, power: int = 1, constant: float = 1.0) -> Measurement:
    """The law with another `power` of the radius, or another `constant` in the exponent."""
    return law(until_fitted(case.flow, *problem_and_start(case), 1e-3), case.ratio, power, constant)


def two_factors(case: Case) -> Measurement:
    """The law along a flow of depth 2."""
    flow = WeightNormFlow(2, case.ratio)
    return law(
        until_fitted(flow, case.problem, flow.start(case.n, case.scale, np.abs(case.direction)), 1e-3), case.ratio
    )


def doubling_ratio(case: Case) -> Measurement:
    """The law along a flow whose ratio doubles."""
    problem, start = problem_and_start(case)
    t_end = horizon(case.flow, problem, start)
    flow = ScheduledWeightNormFlow(1, case.ratio, angular_schedule=lambda t: 1 + t / t_end)
    return law(integrate(flow, problem, start, t_end, coordinates="primal"), case.ratio)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.limit",),
    tolerance=1e-5,
    ensemble=Ensemble(depths=(1,), ratios=(0.1, 10), scales=(0.05, 2)),
    derive=derive,
    measure=measure,
    falsifiers=(
        Falsifier(1, "$L = 2$", two_factors),
        Falsifier(2, "a ratio that doubles", doubling_ratio),
        Falsifier(3, "a flow that stops on the way", partial(measure, fitted=0.005)),
        Falsifier("formula", "without the factor $r/r_0$", partial(wrong_law, power=0)),
        Falsifier("formula", "$e^{c (r_0^2 - r^2)}$", partial(wrong_law, constant=2.0)),
    ),
    uses=("magnification",),
    mutants=(
        "a tenth more across",
        "the offset of x subtracted",
        "no r in the turning of the chart",
        "the chart's kernel grows for shrinking",
        "a tenth more of the least norm",
        "a limit of the wrong sign",
    ),
)
