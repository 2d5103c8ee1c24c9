r"""The window of robustness

As the ratio grows, the mass of the limit tends to the smallest mass of an interpolant whose squared radius is at least
that of the start. So weight normalization is sparse exactly while the start is no larger than the target.

Statement
---------
Let $L \ge 2$ and, for each ratio $c$, let weight-normalized gradient flow start from the same $w_0$, of radius $r_0$,
and end at $w_\infty(c)$. If

1. **uniform start**: $w_0 = (r_0/\sqrt N)^L\, \mathbf 1$;
2. **limits**: $w_\infty(c)$ is the interpolating limit, for every large $c$;
3. **room**: some interpolant $z^\circ \ge 0$ has $\rho(z^\circ) = \sum_i (z^\circ_i)^{2/L} \ge r_0^2$,

then

$$
\begin{aligned}
\lim_{c\to\infty} \lVert w_\infty(c)\rVert_1
  = \min\{ \lVert z^\circ\rVert_1 : A z^\circ = y,\ z^\circ \ge 0,\ \rho(z^\circ) \ge r_0^2 \} .
\end{aligned}
$$

This is a convex program, as $\rho$ is concave. Its value is $Q$ if and only if some minimiser $z^*$ of basis pursuit
has $\rho(z^*) \ge r_0^2$: the window of robustness ends at the largest such $\rho(z^*)$. For $L = 2$ the value is
$\max(Q, r_0^2)$. If moreover

4. **between**: $r_0^2$ is larger than $\rho(z^*)$ for every $z^*$, and smaller than $\rho(z^\circ)$ for some
   interpolant $z^\circ \ge 0$,

then there is a uniform start $x(0) = \alpha \mathbf 1$ from which *plain* gradient flow ends at an interpolant
$w_\alpha$ with $\rho(w_\alpha) = r_0^2$. It solves the program, and $w_\infty(c) \to w_\alpha$. For $L \ge 3$ there is
no other solution. For $L = 2$ all interpolants of mass $r_0^2$ are solutions, and $w_\alpha$ is the one with the
largest entropy $-\sum_i w_i \log w_i$. If $r_0^2$ is beyond the window and no $\rho(z^\circ)$ is larger, then no start
leads there: $\rho(w_\alpha)$ tends to $r_0^2$ from below as $\alpha \to \infty$.

Proof
-----
*$L = 2$.* Here $\rho(z^\circ) = \lVert z^\circ\rVert_1$, and the value of the program is $T = \max(Q, r_0^2)$: masses
of interpolants fill an interval from $Q$ on. With $S_0 = r_0^2$ and an interpolant of mass $T$,
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

If $\rho(z^\circ) \ge r_0^2$, then $B(\rho(z^\circ)) \le B(r_0^2) = \int_0^\infty (r_0^2 + s)^{(L-2)/2} e^{-a s} ds \to
0$ as $a \to \infty$. Hence $\limsup \lVert w_\infty\rVert_1 \le V$, the value of the program, and $B(\rho(w_\infty))$
stays bounded. But if $\rho(w_\infty) \le r_0^2 - \delta$, then $B(\rho(w_\infty)) \ge e^{a\delta} \int_0^\infty
s^{(L-2)/2} e^{-a s} ds = e^{a\delta}\, \Gamma(\tfrac L2)\, a^{-L/2}$, which does not. So $\liminf \rho(w_\infty(c)) \ge
r_0^2$. The interpolants $w_\infty(c)$ are bounded; each of their limit points is an interpolant with $\rho \ge r_0^2$,
of mass at least $V$. Hence $\liminf \lVert w_\infty\rVert_1 \ge V$.

*Plain flow.* Let $w_\alpha$ be the end of gradient flow from $x(0) = \alpha\mathbf 1$, which always fits
({prf:ref}`thm-convergence`). By {prf:ref}`thm-implicit_bias` it is the only minimiser of $G - \beta \rho$ over the
interpolants, where

$$
\begin{aligned}
G(w) &= \sum_i (w_i \log w_i - w_i), & \beta &= \log \alpha^2 && (L = 2), \\
G(w) &= S(w), & \beta &= \tfrac L2 \alpha^{L-2} && (L \ge 3) .
\end{aligned}
$$

$\rho$ is of lower order than $G \ge -N$ as $w \to \infty$. So $w_\alpha$ is bounded where $\beta$ is, and depends on it
continuously; and $\rho(w_\alpha)$ does not decrease with $\beta$: add the two inequalities that say which of two
minimisers is better for its own $\beta$.

*How far it gets.* Let $\beta \to \infty$. For every interpolant, $\rho(w_\alpha) \ge \rho(z^\circ) - (G(z^\circ) +
N)/\beta$: in the limit $\rho(w_\alpha)$ reaches or exceeds every $\rho(z^\circ)$. Let $\alpha \to 0$. For $L = 2$,
$S(w_\alpha) \le Q + (G(z^*) + N)/|\beta|$; for $L \ge 3$, $S(w_\alpha) \le Q + \beta \rho(w_\alpha)$, and $\beta \to
0$. In both cases $w_\alpha$ tends to minimisers of basis pursuit. Under hypothesis 4, then, $\rho(w_\alpha)$ is less
than $r_0^2$ for small $\alpha$ and larger for large ones, and so equal to it for some $\alpha$ between.

*It solves the program.* Let $\rho(w_\alpha) = r_0^2$. For $L \ge 3$ every interpolant with $\rho(z^\circ) \ge r_0^2$
has $S(z^\circ) \ge S(w_\alpha) + \beta\, (\rho(z^\circ) - r_0^2) \ge S(w_\alpha)$, with equality only if $z^\circ$ is a
minimiser, too: only if it is $w_\alpha$. The limit points of $w_\infty(c)$ are solutions, so $w_\infty(c) \to
w_\alpha$. For $L = 2$ the value is $r_0^2 = S(w_\alpha)$, and among the interpolants of this mass $w_\alpha$ alone has
the least $G$. As $w_\infty(c)$ minimises $\tfrac12 S\, \mathrm{KL} + \tfrac c4 (S - S_0)^2$, with $S\, \mathrm{KL} =
\sum_i w_i \log(N w_i/S)$, this $S\, \mathrm{KL}$ is at most that of $w_\alpha$, whose mass is $S_0$. So a limit point
of $w_\infty(c)$, of mass $S_0$, has no larger a $G$ than $w_\alpha$: it is $w_\alpha$.

*The edge.* Let $r_0^2$ be the largest $\rho(z^\circ)$, and $\rho(w_\alpha) = r_0^2$. The slopes of $G - \beta\rho$ at
zeros are $-\infty$, so $w_\alpha$ is positive wherever any interpolant is, and one can move from it along $\pm (z^* -
w_\alpha)$. There $G - \beta \rho$ is stationary, and so is $\rho$, whose maximum is at $w_\alpha$. For $L \ge 3$, $G =
S$ is then stationary, hence constant along this line, and $w_\alpha$ is a minimiser of basis pursuit; for $L = 2$,
$\rho = S$ itself is constant. Both say that $r_0^2$ is not beyond the window.

Boundary
--------
- **Checked.** The two integrals, and that $\nabla G - \beta\nabla\rho$ belongs to gradient flow, by computer algebra.
  Limits for ratios that double until the distance to their limit is less than a fortieth of that for the first ratio:
  from starts inside the window that of their mass from $Q$, from starts beyond it that of the limits themselves from
  $w_\alpha$, where plain gradient flow ends. Where all interpolants have one mass, measurements are left out until they
  have not.
- **Assumed.** Nothing beyond {prf:ref}`thm-implicit_bias`, {prf:ref}`thm-mass_bound` and {prf:ref}`thm-convergence`.
- **No run can test.** The limit itself: ratios are finite. Beyond the window they are such that starts have room. No
  more than 10 weights, to save time.

Source
------
Derived here. The title of {cite:t}`ChouRauhutWard2024` claims robustness; the window says how far it goes.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import start_radius
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, Step, c, mirror
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.polar import radius_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.limit import LimitCurve, limit
from wnlib.limits.window import window_mass
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit

S, S_0, T, Q, N, r_0 = sp.symbols("S S_0 T Q N r_0", positive=True)
a, s, delta, rho, alpha = sp.symbols(r"a s \delta \rho \alpha", positive=True)
GENTLE, DOUBLINGS = 4.0, 16  # the first ratio, in units of the target's radius, and how often it is doubled at most
FALLEN = 1 / 40  # of the distance for the first ratio: enough, and above rounding
ROOM = 1.01  # between masses of interpolants
TOLERANCE = 1e-9  # of the limits, far below the distance to their limit


def derive(depth: Depth = 3) -> Derivation:
    """The penalty beyond, at and below the start's radius; at depth 2 the distance from the mass that is left."""
    if depth == 2:
        beyond = sp.sqrt(2 * S_0 * sp.log(N) / c)
        loose = 2 * T * sp.log(N) / c
        budget = (T - S_0) ** 2 + loose
        steps = (
            Step("Mass bound", "(S - S_0)^2", budget, r"With $\mathrm{KL} \le \log N$.", r"\le"),
            Step("Beyond Q", "|S - S_0|", beyond, "$T = S_0$: the square is gone.", r"\le"),
            Step("Below Q", "(S - S_0)^2 - (Q - S_0)^2", loose.subs(T, Q), r"$T = Q \le S$.", r"\le"),
            Step("Limit", r"\lim_{c\to\infty} \tfrac2c T \log N", sp.limit(loose, c, sp.oo), "Nothing is left of it."),
            _plain_step(),
        )
        residuals = symbolic.reduced(
            beyond**2 - budget.subs(T, S_0),
            budget.subs(T, Q) - (Q - S_0) ** 2 - loose.subs(T, Q),
            sp.limit(loose, c, sp.oo),
            _plain_slope(2),
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
        Step("Below", r"B(r_0^2 - \delta)", sp.exp(a * delta) * least, r"$\rho + s \ge s$.", r"\ge"),
        Step("It blows up", r"\lim_{a\to\infty} e^{a\delta} a^{-L/2}", blown_up, r"For every $\delta > 0$."),
        Step(
            "At the start",
            r"\lim_{a\to\infty} \int_0^\infty (1 + s)^L e^{-a s}\, ds",
            sp.limit(at_start, a, sp.oo),
            r"$(r_0^2 + s)^{(L-2)/2}$ is at most a multiple of $(1 + s)^L$.",
        ),
        _plain_step(),
    )
    residuals = symbolic.reduced(
        sp.integrate(s**power * sp.exp(-a * s), (s, 0, sp.oo)) - least,
        shifted.subs(rho, rho + s) - (rho + s) ** power * sp.exp(-a * s) * sp.exp(a * (r_0**2 - rho)),
        1 / blown_up,
        sp.limit(at_start, a, sp.oo),
        _plain_slope(depth),
    )
    return Derivation(steps, residuals)


def _plain_step() -> Step:
    return Step(
        "Plain flow",
        r"m_L(x_i) - m_L(\alpha)",
        sp.Symbol(r"k\, \frac{\partial}{\partial w_i} (G - \beta\rho)"),
        r"At $w = x^L$, with a constant $k > 0$: a minimiser is where gradient flow ends.",
    )


def _plain_slope(depth: Depth) -> sp.Expr:
    r"""What is left of $m_L(x_i) - m_L(\alpha)$ without the multiple of the slope of $G - \beta \rho$."""
    w = sp.Symbol("w", positive=True)
    if depth == 2:
        term, k = w * sp.log(w) - w - w * sp.log(alpha**2), sp.Rational(1, 2)
    else:
        term, k = w - depth / 2 * alpha ** (depth - 2) * w ** (2 / depth), alpha ** (2 - depth) / (depth - 2)
    mapped = mirror(w ** (1 / sp.S(depth)), depth) - mirror(alpha, depth)
    return sp.expand_log(sp.powsimp(sp.expand(mapped - k * sp.diff(term, w))), force=True)


def plain_end(case: Case) -> Array:
    """Where gradient flow ends from a uniform start that is beyond the target, for scales above 1; shape (N,)."""
    start = case.plain.start(case.n, (case.scale - 1) * 3 * case.target_radius)
    return limit(case.plain, case.problem, start, TOLERANCE).weights


def with_room(case: Case) -> Case:
    """The case, with so few measurements that not all interpolants have one mass; if need be, of another seed."""
    for m in range(case.m, 0, -1):
        fewer = replace(case, m=m)
        starts = (fewer.plain.start(case.n, times * fewer.target_radius) for times in (0.5, 3.0))
        small, large = (limit(fewer.plain, fewer.problem, start, TOLERANCE).weights.sum() for start in starts)
        if large > ROOM * small:
            return fewer
    return with_room(replace(case, seed=case.seed + 1000))


def approach(
    problem: Problem, depth: int, radius: float, away: Callable[[Array], float], tilt: float = 1.0
) -> Measurement:
    """How far limits are `away`, in units of the first: for ratios that double until it is little.

    The start rises by the factor `tilt` over the entries.
    """
    n, square = problem.shape[1], float(radius_of(basis_pursuit(problem).weights, depth)) ** 2
    direction = np.geomspace(1, tilt, n)
    curve = LimitCurve(problem, depth, direction)
    distances = list[float]()
    for ratio in 2 * GENTLE / (max(1, depth - 2) * square) * 2.0 ** np.arange(DOUBLINGS + 1):
        flow = WeightNormFlow(depth, float(ratio))
        distances.append(away(curve.limit(flow, flow.start(n, radius, direction), TOLERANCE).weights))
        if distances[-1] < FALLEN * distances[0]:
            break
    return Measurement(np.array(distances) / distances[0], 0.0, scale=1.0)


def measure(case: Case, tilt: float = 1.0, claimed: float = 1.0, depth: int = 0) -> Measurement:
    r"""For growing ratios, how far the limits' masses are from Q inside the window, and they from $w_\alpha$ beyond it.

    For the falsifiers: a start that rises by the factor `tilt` over the entries; masses against the value of the
    program for `claimed` times the radius, or with the $\rho$ of another `depth`.
    """
    case = with_room(case)
    beyond = case.scale > 1
    expected = plain_end(case) if beyond else case.target
    radius = float(radius_of(expected, case.depth)) if beyond else start_radius(case)
    value = float(expected.sum())
    if claimed != 1 or depth:
        value, beyond = window_mass(case.problem, depth or case.depth, claimed * radius), False

    def away(end: Array) -> float:
        return float(np.abs(end - expected).sum() if beyond else abs(end.sum() - value))

    return approach(case.problem, case.depth, radius, away, tilt)


def plain_limit(case: Case) -> Measurement:
    """The mass of gradient flow's limit from the same start, which no ratio changes."""
    expected = plain_end(case)
    start = case.plain.start(case.n, float(radius_of(expected, case.depth)))
    end = limit(case.plain, case.problem, start, TOLERANCE).weights
    return Measurement(np.full(3, np.sum(end)), np.sum(expected))


def no_room(case: Case) -> Measurement:
    """Depth 2, with a measurement of the mass itself: that of all interpolants, and half of the start's."""
    A, truth = np.vstack([case.problem.A[:-1], np.ones(case.n)]), case.target
    problem, mass = Problem(A, A @ truth, truth), float(np.sum(truth))
    return approach(problem, 2, float(np.sqrt(2 * mass)), lambda end: abs(float(end.sum()) - 2 * mass))


def within(case: Case) -> Measurement:
    """The squared radii of the limits from a start inside the window, against that of the start."""
    depth, radius = case.depth, start_radius(case)
    return approach(case.problem, depth, radius, lambda end: abs(float(radius_of(end, depth)) ** 2 - radius**2))


BEYOND = Ensemble(
    depths=(3, 4, 5), scales=(1.2, 1.8), columns=(4, 8), matrices=("gaussian", "cosine", "rank-deficient"), uniform=True
)
SMALL = Ensemble(depths=(2, 3, 4, 5, 6), scales=(0.7, 0.9), columns=(4, 10), uniform=True)

THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.LIMIT,
    about=("wnlib.window_mass",),
    tolerance=0.05,
    ensemble=Ensemble(depths=(2, 3, 4, 5, 6), scales=(0.7, 1.6), columns=(4, 10), uniform=True),
    derive=derive,
    measure=measure,
    uses=("implicit_bias", "mass_bound", "convergence"),
    falsifiers=(
        Falsifier(1, "$x(0)$ from 1 to 3 over the entries", partial(measure, tilt=3.0), ensemble=BEYOND),
        Falsifier(2, "limits of gradient flow from the same start", plain_limit, ensemble=BEYOND),
        Falsifier(3, "twice the mass of any interpolant", no_room, ensemble=Ensemble(depths=(2,), uniform=True)),
        Falsifier(4, "the squared radius of a start inside the window", within, ensemble=SMALL),
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
