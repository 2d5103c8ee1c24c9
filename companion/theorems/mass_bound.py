r"""Mass bound

From a uniform start the mass of the limit is at most that at which uniform weights are as far from the start as any
interpolant is: for every depth, either flow and any scale. What the bound gives away are two divergences.

Statement
---------
Let $L \ge 2$, let $w_\infty$ be as in {prf:ref}`thm-implicit_bias`, for gradient flow or for weight normalization, and
$S = \lVert w_\infty\rVert_1$. If

1. **limit**: $w_\infty$ is the interpolating limit of the flow from $w_0$;
2. **uniform start**: $w_0 = \tfrac{S_0}{N} \mathbf 1$;
3. **interpolant**: $z^\circ \ge 0$ and $A z^\circ = y$,

then

$$
\begin{aligned}
D_\Phi(z^\circ, w_0)
  = D_\Phi(\tfrac SN \mathbf 1, w_0) + D_\Phi(w_\infty, \tfrac SN \mathbf 1) + D_\Phi(z^\circ, w_\infty),
\end{aligned}
$$

and so $D_\Phi(\tfrac SN \mathbf 1, w_0) \le D_\Phi(z^\circ, w_0)$. The left side is strictly convex in $S$ and zero at
$S_0$: this confines $S$ to an interval around $S_0$. Written out, for $L = 2$ (GF and WN) and for $L \ge 3$ (both),

$$
\begin{aligned}
S \log\tfrac{S}{S_0} - S &\le T \log\tfrac{T}{S_0} - T + T\, \mathrm{KL}(\pi \,\|\, \tfrac1N), \\
\tfrac c2 (S - S_0)^2 &\le \tfrac c2 (T - S_0)^2 + T\, \mathrm{KL}(\pi \,\|\, \tfrac1N), \\
S - T &\le \int_{U(z^\circ)}^{S} M(s)^{2-L}\, ds,
\end{aligned}
$$

with $T = \lVert z^\circ\rVert_1$, $\pi = z^\circ/T$, and $U$, $M$ from {prf:ref}`thm-implicit_bias`.

Proof
-----
Two right angles. First, by {prf:ref}`thm-implicit_bias`, $D_\Phi(z^\circ, w_0) = D_\Phi(w_\infty, w_0) +
D_\Phi(z^\circ, w_\infty)$ for $w_\infty > 0$, as both interpolate. (If $w_\infty$ has zeros, the equation becomes $\ge$
with the last term read as $0$, which is all that the bound needs.)

Second, write $\bar w = \tfrac SN \mathbf 1$. The potential does not change when entries are permuted. So at uniform
weights all entries of its gradient are equal, and $\nabla\Phi(\bar w) - \nabla\Phi(w_0)$ is a multiple of $\mathbf 1$,
which is orthogonal to $w_\infty - \bar w$: both have mass $S$. The three-point identity gives $D_\Phi(w_\infty, w_0) =
D_\Phi(\bar w, w_0) + D_\Phi(w_\infty, \bar w)$.

Divergences are not negative, and $D_\Phi(\cdot, w_0)$ is strictly convex, also along uniform weights. The explicit
forms are those of {prf:ref}`thm-implicit_bias`, at $U(\bar w) = S$ and $\mathrm{KL}(\bar\pi \,\|\, \tfrac1N) = 0$.

Boundary
--------
- **Checked.** Every identity by computer algebra, with three components. For both flows and depths 2 to 6: the mass of
  the computed limit against the bound, and the equation of the four divergences. The target is magnified at most
  $e^8$ times.
- **Assumed.** Nothing beyond {prf:ref}`thm-implicit_bias`.
- **No run can test.** Nothing further. Starts are near the target's radius, where the flows are known not to collapse.

Source
------
Derived here. That proportions and mass can be separated is special to uniform starts; {cite:t}`ChouMalyRauhut2023`
bound the excess for gradient flow from small starts.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import even, normalized_flow, start_radius, tilted
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, L, Step, c, mirror
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import polar_of
from wnlib.limits.bounds import mass_bound
from wnlib.limits.limit import limit

S, S_0, N, r = sp.symbols("S S_0 N r", positive=True)


def derive(depth: Depth = L) -> Derivation:
    """The right angle at the uniform weights, and the divergence between uniform weights, through its slope in S."""
    w, (g, g_0) = sp.symbols("w_1:4", positive=True), sp.symbols("g g_0", real=True)
    mean = sp.Add(*w) / 3
    product = sp.Add(*((g - g_0) * (w_i - mean) for w_i in w))
    residuals, slopes = [product], {}
    for flow, sigma in (("GF", sp.log(r)), ("WN", c * r**2 / 2)):
        z, z_0 = (_uniform_coordinate(sigma, mass, depth) for mass in (S, S_0))
        slopes[flow] = mirror(z, depth) - mirror(z_0, depth)
        if depth == 2:
            value = (S * sp.log(S / S_0) - S + S_0) / 2 if flow == "GF" else c * (S - S_0) ** 2 / 4
            residuals += [value.subs(S, S_0), sp.expand_log(sp.diff(value, S) - slopes[flow], force=True)]
        else:
            explicit = z_0 ** (2 - depth) / (depth - 2) * (1 - (z / z_0) ** (2 - depth))
            residuals.append(sp.expand_power_base(sp.expand(explicit - slopes[flow]), force=True))
    steps = (
        Step(
            "A right angle",
            r"\langle\nabla\Phi(\bar w) - \nabla\Phi(w_0), w - \bar w\rangle",
            sp.simplify(product),
            r"With gradients $g\mathbf 1$ and $g_0\mathbf 1$ at uniform weights, for three weights.",
        ),
        *(
            Step(
                f"Slope of the bound, {flow}",
                r"\frac{d}{dS} D_\Phi(\tfrac SN\mathbf 1, w_0)",
                sp.simplify(slope),
                "Increasing in $S$ and zero at $S_0$: the divergence between uniform weights is strictly convex.",
            )
            for flow, slope in slopes.items()
        ),
    )
    return Derivation(steps, symbolic.reduced(*residuals))


def _uniform_coordinate(sigma: sp.Expr, mass: sp.Expr, depth: Depth) -> sp.Expr:
    """z of uniform weights."""
    factor = (mass / N) ** (sp.S(1) / depth)
    return sp.powsimp(sp.exp(sigma.subs(r, sp.sqrt(N) * factor)) / sp.sqrt(N))


def measure(
    case: Case,
    direction: Callable[[Case], Array] = lambda case: np.ones(case.n),
    other: float = 1.0,
    towards_start: float = 0.0,
    scale: float = 1.0,
    share: float = 1.0,
) -> Measurement:
    """Both flows: the mass of the limit against the bound; three divergences against one, each way.

    For the falsifiers: another direction of the start, the limit from a start `other` times as large, a target moved
    `towards_start`, a start of the divergences `scale` times the flow's, a `share` of the term between limit and mean.
    """
    radius, n = start_radius(case), case.n
    measured, predicted = [], []
    for flow in (case.plain, normalized_flow(case)):
        start = flow.start(n, radius, direction(case))
        end = limit(flow, case.problem, flow.start(n, other * radius, direction(case))).weights
        origin = flow.start(n, scale * radius, direction(case))
        target = (1 - towards_start) * case.target + towards_start * start.weights(case.depth)
        mirror_of = mirror_map(flow, radius)
        mean = np.full(n, np.mean(end))
        parts = [
            float(mirror_of.bregman(mean, start)),
            share * float(mirror_of.bregman(end, polar_of(mean, case.depth))),
            float(mirror_of.bregman(target, polar_of(end, case.depth))),
        ]
        whole = float(mirror_of.bregman(target, origin))
        measured += [float(np.sum(end)), sum(parts), whole]
        predicted += [mass_bound(flow, radius, target), whole, sum(parts)]
    return Measurement(measured, predicted, main=[0, 3])


def nearly_uniform(case: Case) -> Measurement:
    r"""Both flows: $D_\Phi(\tfrac SN \mathbf 1, w_0)$ against $D_\Phi(z^\circ, w_0)$, with a uniform limit."""
    (problem, z), n, radius = even(case), case.n, case.scale * np.sqrt(case.n)
    measured, predicted = [], []
    for flow in (case.plain, normalized_flow(case)):
        start, mirror_of = flow.start(n, radius), mirror_map(flow, radius)
        mass = float(np.sum(limit(flow, problem, start).weights))
        measured.append(float(mirror_of.bregman(np.full(n, mass / n), start)))
        predicted.append(float(mirror_of.bregman(z, start)))
    return Measurement(measured, predicted)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.mass_bound",),
    tolerance=1e-4,  # of the equation, where the limit is nearly zero in some entries and its dual variable huge
    ensemble=Ensemble(depths=(2, 3, 4, 5, 6), ratios=(0.5, 8), scales=(0.5, 1.2), uniform=True),
    derive=derive,
    symbolic=True,
    measure=measure,
    uses=("implicit_bias",),
    falsifiers=(
        Falsifier(1, "the limit from a start of twice the radius", partial(measure, other=2.0)),
        Falsifier(2, "$x(0)$ from 1 to 4 over the entries", partial(measure, direction=tilted)),
        Falsifier(3, r"$z^\circ$ a tenth of the way to the start", partial(measure, towards_start=0.1)),
        Falsifier("formula", r"$D_\Phi(z^\circ, \cdot)$ from a start of twice the radius", partial(measure, scale=2.0)),
        Falsifier("formula", r"half of $D_\Phi(w_\infty, \tfrac SN\mathbf 1)$", partial(measure, share=0.5)),
    ),
    attained=(
        Attained(
            r"for $D_\Phi(\tfrac SN\mathbf 1, w_0)$, with a uniform limit and nearly uniform $z^\circ$",
            nearly_uniform,
            Ensemble(depths=(2, 3, 4, 5, 6), ratios=(0.5, 8), scales=(0.3, 0.7), uniform=True),
        ),
    ),
    mutants=(
        "half the exponent in the radius",
        "the exponent 2/L in polar coordinates",
        "twice the penalty on the mass",
        "a minus in the recurrence",
        "a tenth less of the start's magnification",
        "a tenth of the budget",
    ),
)
