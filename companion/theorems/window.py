r"""The window of robustness

As the ratio grows, the mass of the limit tends to the smallest mass of an interpolant whose squared radius is at least
that of the start. So weight normalization is sparse exactly while the start is no larger than the target.

Statement
---------
Let $L \ge 2$ and, for each ratio $c$, let weight-normalized gradient flow start from the same $w_0$, of radius $r_0$,
and end at $w_\infty(c)$. If

1. **uniform start**: $w_0 = (r_0/\sqrt N)^L\, \mathbf 1$;
2. **limits**: $w_\infty(c)$ is the interpolating limit, for every large $c$;
3. **room**: some interpolant $v \ge 0$ has $\rho(v) = \sum_i v_i^{2/L} \ge r_0^2$,

then

$$
\begin{aligned}
\lim_{c\to\infty} \lVert w_\infty(c)\rVert_1 = \min\{ \lVert v\rVert_1 : A v = y,\ v \ge 0,\ \rho(v) \ge r_0^2 \} .
\end{aligned}
$$

This is a convex program, as $\rho$ is concave. Its value is $Q$ if and only if some minimiser $z^*$ of basis pursuit
has $\rho(z^*) \ge r_0^2$: the window of robustness ends at the largest such $\rho(z^*)$. For $L = 2$ the value is
$\max(Q, r_0^2)$. Beyond the window its solution is where *plain* gradient flow ends, from the uniform start that leads
it to an interpolant of squared radius $r_0^2$.

Proof
-----
*$L = 2$.* Here $\rho(v) = \lVert v\rVert_1$, and the value of the program is $T = \max(Q, r_0^2)$: masses of
interpolants fill an interval from $Q$ on. With $S_0 = r_0^2$ and an interpolant $v$ of mass $T$,
{prf:ref}`thm-mass_bound` gives $(S - S_0)^2 \le (T - S_0)^2 + \tfrac2c T \log N$. If $S_0 \ge Q$, then $|S - S_0| \le
\sqrt{2 S_0 \log N/c}$. If $S_0 < Q$, then $S \ge Q$ and $(S - S_0)^2 - (Q - S_0)^2 \le \tfrac2c Q \log N$. In both
cases $S \to T$.

*$L \ge 3$.* Let $a = (L-2)\, c/2$. By {prf:ref}`thm-implicit_bias`, $w_\infty$ minimises
$S(w) + \tfrac L2 N^{(2-L)/2} B(\rho(w))$ over the interpolants, with

$$
\begin{aligned}
B(\rho) = \int_\rho^\infty t^{(L-2)/2} e^{-a (t - r_0^2)}\, dt
  = e^{a (r_0^2 - \rho)} \int_0^\infty (\rho + s)^{(L-2)/2} e^{-a s}\, ds .
\end{aligned}
$$

If $\rho(v) \ge r_0^2$, then $B(\rho(v)) \le B(r_0^2) = \int_0^\infty (r_0^2 + s)^{(L-2)/2} e^{-a s} ds \to 0$ as $a \to
\infty$. Hence $\limsup \lVert w_\infty\rVert_1 \le V$, the value of the program, and $B(\rho(w_\infty))$ stays bounded.
But if $\rho(w_\infty) \le r_0^2 - \delta$, then $B(\rho(w_\infty)) \ge e^{a\delta} \int_0^\infty s^{(L-2)/2} e^{-a s}
ds = e^{a\delta}\, \Gamma(\tfrac L2)\, a^{-L/2}$, which does not. So $\liminf \rho(w_\infty(c)) \ge r_0^2$. The
interpolants $w_\infty(c)$ are bounded; each of their limit points is an interpolant with $\rho \ge r_0^2$, of mass at
least $V$. Hence $\liminf \lVert w_\infty\rVert_1 \ge V$.

*Plain flow.* From $x(0) = \alpha\mathbf 1$ gradient flow minimises $S - \tfrac L2\alpha^{L-2} \rho$ (for $L = 2$: $S
\log\tfrac{S}{S_0} - S + S\,\mathrm{KL}$, whose limit of mass $r_0^2$ has the program's value) over the interpolants. If
its limit $v$ has $\rho(v) = r_0^2$, every interpolant $w$ with $\rho(w) \ge r_0^2$ has $S(w) \ge S(v) + \tfrac
L2\alpha^{L-2} (\rho(w) - \rho(v)) \ge S(v)$.

Boundary
--------
- **Checked.** The two integrals and the multiplier by computer algebra. Limits for three growing ratios, from starts
  inside and beyond the window, against the program, whose value is Q or the mass at which plain gradient flow ends.
- **Assumed.** Nothing beyond {prf:ref}`thm-implicit_bias` and {prf:ref}`thm-mass_bound`.
- **No run can test.** The limit itself: ratios are finite. Inside the window they are chosen such that double precision
  still tells the start's dual variable from the limit's; beyond it, so that starts have room. No more than 10 weights,
  to save time.

Source
------
Derived here. The title of {cite:t}`ChouRauhutWard2024` claims robustness; the window says how far it goes.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, Step, c
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.polar import radius_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.limit import LimitCurve, limit
from wnlib.limits.window import window_mass
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit

S, S_0, T, Q, N, r_0 = sp.symbols("S S_0 T Q N r_0", positive=True)
a, s, delta, rho = sp.symbols(r"a s \delta \rho", positive=True)
GENTLE, STEEP, DIGITS = 5, 300, 15  # ratios in units of the target's radius, and powers of e that a float can hold
TOLERANCE = 1e-6  # of the limits, far below the distance to their limit


def derive(depth: Depth = 3) -> Derivation:
    """The penalty beyond, at and below the start's radius; at depth 2 the distance from the mass that is left."""
    if depth == 2:
        beyond = sp.sqrt(2 * S_0 * sp.log(N) / c)
        budget = (T - S_0) ** 2 + 2 * T * sp.log(N) / c
        steps = (
            Step("Mass bound", "(S - S_0)^2", sp.Le((S - S_0) ** 2, budget), r"With $\mathrm{KL} \le \log N$."),
            Step("Beyond Q", "|S - S_0|", sp.Le(sp.Abs(S - S_0), beyond), "$T = S_0$: the square is gone."),
            Step("Below Q", "(S - S_0)^2 - (Q - S_0)^2", 2 * Q * sp.log(N) / c, "$T = Q \\le S$: an upper bound."),
            Step("Limit", r"\lim_{c\to\infty}", sp.limit(beyond, c, sp.oo), "Both right sides vanish."),
        )
        residuals = symbolic.reduced(
            beyond**2 - budget.subs(T, S_0),
            budget.subs(T, Q) - (Q - S_0) ** 2 - 2 * Q * sp.log(N) / c,
            sp.limit(beyond, c, sp.oo),
        )
        return Derivation(steps, residuals)
    depth = sp.S(depth)
    power = depth / 2 - 1
    least = sp.gamma(depth / 2) * a ** (-depth / 2)
    shifted = rho**power * sp.exp(-a * (rho - r_0**2))
    at_start = sp.integrate(sp.expand((1 + s) ** depth * sp.exp(-a * s)), (s, 0, sp.oo))
    blown_up = sp.limit(sp.exp(a) * a ** (-depth / 2), a, sp.oo)
    steps = (
        Step("Shift", r"B(\rho)", sp.Integral(shifted.subs(rho, rho + s), (s, 0, sp.oo)), r"$t = \rho + s$."),
        Step("Below", r"B(r_0^2 - \delta)", sp.Ge(sp.Symbol("B"), sp.exp(a * delta) * least), r"$\rho + s \ge s$."),
        Step("It blows up", r"\lim_{a\to\infty}", blown_up, r"For every $\delta > 0$."),
        Step("At the start", r"\lim_{a\to\infty}", sp.limit(at_start, a, sp.oo), r"$(1 + s)^{(L-2)/2} \le (1 + s)^L$."),
    )
    residuals = symbolic.reduced(
        sp.integrate(s**power * sp.exp(-a * s), (s, 0, sp.oo)) - least,
        shifted.subs(rho, rho + s) - (rho + s) ** power * sp.exp(-a * s) * sp.exp(a * (r_0**2 - rho)),
        1 / blown_up,
        sp.limit(at_start, a, sp.oo),
    )
    return Derivation(steps, residuals)


def start_and_mass(case: Case) -> tuple[float, float]:
    """A radius and the program's value: Q below the frontier, for scales up to 1; else where plain flow ends."""
    if case.scale <= 1:
        radius = case.scale * case.target_radius
        return radius, window_mass(case.problem, case.depth, radius)
    start = case.plain.start(case.n, (case.scale - 1) * 3 * case.target_radius)
    end = limit(case.plain, case.problem, start, TOLERANCE).weights
    return float(radius_of(end, case.depth)), float(np.sum(end))


def masses(problem: Problem, depth: int, radius: float, tilt: float = 1.0) -> list[float]:
    """Of the limits for growing ratios, from a start that rises by the factor `tilt` over the entries."""
    n, square = problem.shape[1], float(radius_of(basis_pursuit(problem).weights, depth)) ** 2
    direction = np.geomspace(1, tilt, n)
    curve = LimitCurve(problem, depth, direction)

    def end(rate: float) -> Array:
        flow = WeightNormFlow(depth, 2 * rate / max(1, depth - 2))
        return curve.limit(flow, flow.start(n, radius, direction), TOLERANCE).weights

    growth = float(radius_of(end(GENTLE / square), depth)) ** 2 - radius**2
    # Above depth 2 the dual variables of start and limit differ by the exponential of the rate times the growth.
    largest = min(STEEP / square, DIGITS / growth if growth > 0 and depth > 2 else np.inf)
    return [float(np.sum(end(largest * share))) for share in (1 / 16, 1 / 4, 1)]


def measure(case: Case, tilt: float = 1.0, claimed: float = 1.0, depth: int = 0) -> Measurement:
    """Masses of limits for growing ratios, against the convex program.

    For the falsifiers: a start that rises by the factor `tilt` over the entries, the program for `claimed` times the
    radius, or with the $\\rho$ of another `depth`.
    """
    radius, predicted = start_and_mass(case)
    if claimed != 1 or depth:
        predicted = window_mass(case.problem, depth or case.depth, claimed * radius)
    found = np.array(masses(case.problem, case.depth, radius, tilt)) / predicted
    return Measurement(np.round(found, 6), 1.0)  # where all masses are equal, rounding would decide which is nearest


def plain_limit(case: Case) -> Measurement:
    """The mass of gradient flow's limit from the same start, which no ratio changes."""
    radius, predicted = start_and_mass(case)
    end = limit(case.plain, case.problem, case.plain.start(case.n, radius), TOLERANCE).weights
    return Measurement(np.full(3, np.sum(end)), predicted)


def no_room(case: Case) -> Measurement:
    """Depth 2, with a measurement of the mass itself: that of all interpolants, and half of the start's."""
    A, truth = np.vstack([case.problem.A[:-1], np.ones(case.n)]), case.target
    problem, mass = Problem(A, A @ truth, truth), float(np.sum(truth))
    return Measurement(masses(problem, 2, float(np.sqrt(2 * mass))), 2 * mass)


BEYOND = Ensemble(
    depths=(3, 4, 5), scales=(1.2, 1.8), columns=(4, 8), matrices=("gaussian", "cosine", "rank-deficient"), uniform=True
)

THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.LIMIT,
    about=("wnlib.window_mass",),
    tolerance=0.05,
    ensemble=Ensemble(depths=(2, 3, 4, 5, 6), scales=(0.7, 1.6), columns=(4, 10), uniform=True),
    derive=derive,
    measure=measure,
    uses=("implicit_bias", "mass_bound"),
    falsifiers=(
        Falsifier(1, "$x(0)$ from 1 to 3 over the entries", partial(measure, tilt=3.0), ensemble=BEYOND),
        Falsifier(2, "limits of gradient flow from the same start", plain_limit, ensemble=BEYOND),
        Falsifier(3, "twice the mass of any interpolant", no_room, ensemble=Ensemble(depths=(2,), uniform=True)),
        Falsifier("formula", "$Q$ from every start", partial(measure, claimed=1e-3), ensemble=BEYOND),
        Falsifier("formula", r"$\rho$ of depth 2", partial(measure, depth=2), ensemble=BEYOND),
    ),
    mutants=(
        "half the exponent in the radius",
        "magnification inverted",
        "half of the start's magnification",
        "no loss below that of zero",
    ),
)
