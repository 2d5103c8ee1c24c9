r"""The excess over the least norm

For least squares ($L = 1$) weight normalization ends at an interpolant whose excess over the least norm is
exponentially small in the ratio, as long as the start is shorter than the shortest interpolant. From a longer start the
limit becomes as long as the start.

Statement
---------
Let $w^\dagger = A^+ y \ne 0$ be the interpolant of least norm, $q = \lVert w^\dagger\rVert^2$, and $\nu =
\lVert w_\perp(0)\rVert^2/r_0^2 \in [0, 1]$ the share of the start in $\ker A$. Let weight-normalized gradient flow
start from $r_0 \ne 0$, of either sign. If

1. **one factor**: $L = 1$;
2. **constant ratio**: $c = \eta_u/\eta_r$ does not depend on time;
3. **interpolation**: $w(t) \to w_\infty$ with $A w_\infty = y$;
4. **sharp ratio**: $k = c\, q > 1$,

then, with $\varepsilon = \nu\, e^{c (r_0^2 - q)}$ and Lambert's function $W$, the inverse of $a \mapsto a\, e^a$ on $a
\ge 0$,

$$
\begin{aligned}
\frac{W(k\, \varepsilon)}{k} \;\le\; \frac{\lVert w_\infty\rVert^2 - q}{q} = \frac{\lVert w_\infty -
w^\dagger\rVert^2}{q} \;\le\; \frac{W((k - 1)\, \varepsilon)}{k - 1} \;\le\; \varepsilon .
\end{aligned}
$$

If this holds from the same start for every large $c$, then $\lVert w_\infty\rVert^2 \to \max(q, r_0^2)$ as $c \to
\infty$, unless $\nu = 0$; then $w_\infty = w^\dagger$. Without the fourth hypothesis still $(\lVert w_\infty\rVert^2 -
q)/\lVert w_\infty\rVert^2 \le \varepsilon$. Gradient flow, which keeps $w_\perp$, has the excess $\nu\, r_0^2$.

Proof
-----
*The equation.* Let $\chi = \lVert w_\infty - w^\dagger\rVert^2/q$. As $w_\infty - w^\dagger \in \ker A
\perp w^\dagger$, it is the relative excess, too. Insert $R = q\, (1 + \chi)$ into $R\, (1 - \nu\, e^{c (r_0^2 - R)}) =
q$, which is {prf:ref}`thm-perpendicular`, and divide by $q$:

$$
\begin{aligned}
\chi &= \varepsilon\, (1 + \chi)\, e^{-k \chi} .
\end{aligned}
$$

*From below.* So $\chi\, e^{k \chi} = \varepsilon\, (1 + \chi) \ge \varepsilon$. Multiply by $k$: $k \chi\, e^{k \chi}
\ge k\, \varepsilon$, hence $k \chi \ge W(k\, \varepsilon)$, as $W$ increases. This holds for every $c > 0$.

*From above.* As $1 + \chi \le e^\chi$, the equation gives $\chi\, e^{(k - 1)\, \chi} \le \varepsilon$. Multiply by
$k - 1 > 0$: hence $(k - 1)\, \chi \le W((k - 1)\, \varepsilon)$. Finally $W(b) = b\, e^{-W(b)} \le b$. For every $c >
0$, $\chi/(1 + \chi) = \varepsilon\, e^{-k \chi} \le \varepsilon$.

*The limit.* If $\nu = 0$, then $\chi = 0$. If $r_0^2 < q$, then $\varepsilon \to 0$. Let $\nu > 0$ and $d = r_0^2 - q
\ge 0$. For $b \ge e$,

$$
\begin{aligned}
\log b - \log\log b \;\le\; W(b) \;\le\; \log b :
\end{aligned}
$$

apply $a \mapsto a\, e^a$, to get $b\, (1 - \log\log b/\log b) \le b \le b \log b$. At $b = k\, \varepsilon$ and $b =
(k - 1)\, \varepsilon$, $\log b$ is $c\, d$ plus $\log k\nu$ or $\log (k - 1)\nu$, which grow like $\log c$. So both
bounds, times $q$, tend to $d$.

Boundary
--------
- **Checked.** The equation, the inequalities and the limits by computer algebra. Both bounds, against flows followed
  until they fit and limits that `wnlib.limit` computes, for starts shorter and longer than the shortest interpolant.
  The measured excess is that of the part in $\ker A$: of the other part only the loss is left.
- **Assumed.** Nothing beyond the third hypothesis.
- **No run can test.** That the flow converges, and the limit of infinite ratio: ratios are finite, and below the
  frontier $r_0^2 = q$ such that double precision still tells the limit from $w^\dagger$. Directions are random, as
  uniform ones may have $\nu = 0$ up to rounding.

Source
------
Derived here. The abstract of {cite:t}`Wu2020` says that weight normalization and reparametrized projected gradient
descent for overparametrized least squares converge close to the solution of least $\ell_2$ norm, even from starts far
from zero.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import problem_and_start
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import FITTED, computed_limit, least_norm, until_fitted
from companion.verification.symbolic import Depth, Derivation, Step, c
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.bounds import minimum_norm_excess_bounds
from wnlib.problem import Problem

DIGITS = 18  # -log of the smallest epsilon: the excess is the square of a distance that rounding blurs


def derive(depth: Depth) -> Derivation:
    """The equation for the relative excess, the gaps of the inequalities, and both bounds for a growing ratio."""
    chi, q, k, b, d = sp.symbols(r"\chi q k b d", positive=True)
    nu, r_0 = sp.symbols(r"\nu r_0", positive=True)
    epsilon = nu * sp.exp(c * (r_0**2 - q))
    R = q * (1 + chi)
    inserted = nu * (1 + chi) * sp.exp(c * (r_0**2 - R))
    solved = chi * sp.exp(k * chi) / (1 + chi)  # the epsilon that belongs to chi
    from_below = chi * sp.exp(k * chi) - solved
    from_above = solved - chi * sp.exp((k - 1) * chi)
    gap = chi * sp.exp((k - 1) * chi) / (1 + chi) * (sp.exp(chi) - 1 - chi)
    log_b = sp.log(b)
    lower = log_b - sp.log(log_b)
    at_lower = sp.log(c * q * nu) + c * d  # log b there, for b = k epsilon
    at_upper = sp.log((c * q - 1) * nu) + c * d
    limits = (
        sp.limit((at_lower - sp.log(at_lower)) / c, c, sp.oo),
        sp.limit(q * at_upper / (c * q - 1), c, sp.oo),
    )
    steps = (
        Step(
            r"Insert $R = q (1 + \chi)$",
            r"\chi",
            inserted,
            "The equation of the perpendicular component, divided by $q$.",
        ),
        Step("Solve", r"\varepsilon", solved, r"$\chi = \varepsilon (1 + \chi) e^{-k \chi}$, with $k = c q$."),
        Step("From below", r"\chi e^{k \chi} - \varepsilon", sp.simplify(from_below), "Positive."),
        Step("From above", r"\varepsilon - \chi e^{(k-1) \chi}", gap, r"Positive, as $e^\chi > 1 + \chi$."),
        Step(
            "Lambert's function", r"b - a e^a", b * sp.log(log_b) / log_b, r"For $a = \log b - \log\log b$, $b \ge e$."
        ),
        Step(
            "The lower bound",
            r"\lim_{c\to\infty} \frac qk \left( \log b - \log\log b \right)",
            limits[0],
            r"At $b = k\varepsilon$, with $d = r_0^2 - q \ge 0$: the lower bound, times $q$, is at least that.",
        ),
        Step(
            "The upper bound",
            r"\lim_{c\to\infty} \frac{q}{k-1} \log b",
            limits[1],
            r"At $b = (k - 1)\varepsilon$: the upper bound, times $q$, is at most that.",
        ),
    )
    residuals = symbolic.reduced(
        (R - q - R * nu * sp.exp(c * (r_0**2 - R))) / q - (chi - inserted),
        inserted - epsilon * (1 + chi) * sp.exp(-c * q * chi),
        chi - solved * (1 + chi) * sp.exp(-k * chi),
        from_below - solved * chi,
        from_above - gap,
        b - lower * b / log_b - b * sp.log(log_b) / log_b,
        sp.exp(lower) - b / log_b,
        limits[0] - d,
        limits[1] - d,
    )
    return Derivation(steps, residuals)


def planned(case: Case) -> tuple[Problem, Polar, float]:
    """A start of squared radius scale^2 q, and k: 1 + ratio, or less where the excess would be lost in rounding."""
    problem, start = problem_and_start(case)
    radius = case.scale * float(np.linalg.norm(least_norm(problem)))
    k = 1 + case.ratio if case.scale >= 1 else min(1 + case.ratio, DIGITS / (1 - case.scale**2))
    return problem, Polar(np.sign(start.radius) * radius, start.log_direction, start.sign), k


def flow_of(problem: Problem, k: float, depth: int = 1) -> WeightNormFlow:
    """Of ratio k / q."""
    least = least_norm(problem)
    return WeightNormFlow(depth, k / float(least @ least))


def compared(
    problem: Problem, start: Polar, ends: list[Array], k: float, constant: float = 1.0, index: float = 1.0
) -> Measurement:
    """The squared norms of the ends between their bounds.

    For the falsifiers: another `constant` in the exponent, another `index` in place of the 1 in k - 1.
    """
    least = least_norm(problem)
    q, w_0 = float(least @ least), start.weights(1)
    nu = float(np.sum((w_0 @ problem.kernel) ** 2) / (w_0 @ w_0))
    epsilon = nu * np.exp(constant * k * (float(w_0 @ w_0) / q - 1))
    lower = float(minimum_norm_excess_bounds(k, epsilon)[0])
    upper = float(minimum_norm_excess_bounds(k + (1 - index), epsilon)[1])
    # What is left of end - least is in the rows, where it is what is left of the loss.
    distances = [float(np.sum((end @ problem.kernel) ** 2)) / q for end in ends]
    return Measurement(
        [*(lower for _ in ends), *distances, upper],
        [*distances, *(upper for _ in ends), epsilon],
        main=range(2 * len(ends)),
    )


def measure(case: Case, fitted: float = FITTED, **wrong: float) -> Measurement:
    """The end of the flow, followed until it has `fitted`, and computed from a point on the way."""
    problem, start, k = planned(case)
    followed = until_fitted(flow_of(problem, k), problem, start, fitted)
    return compared(problem, start, [followed.weights[-1], computed_limit(followed)], k, **wrong)


def another(case: Case, depth: int = 1, plain: bool = False) -> Measurement:
    """The end of another flow from the same nonnegative start: of another `depth`, or gradient flow."""
    k, problem = 1 + case.ratio, case.problem
    radius = case.scale * float(np.linalg.norm(least_norm(problem)))
    flow: Flow = GradientFlow(depth) if plain else flow_of(problem, k, depth)
    start = flow.start(case.n, radius, np.abs(case.direction))
    return compared(problem, start, [until_fitted(flow, problem, start, 1e-6).weights[-1]], k)


def blunt(case: Case) -> Measurement:
    """A ratio with k < 1."""
    problem, start, _ = planned(case)
    k = 1 / (1 + case.ratio)
    return compared(problem, start, [until_fitted(flow_of(problem, k), problem, start).weights[-1]], k)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.limit",),
    tolerance=1e-4,
    ensemble=Ensemble(depths=(1,), ratios=(0.1, 100), scales=(0.3, 1.6), uniform=False),
    derive=derive,
    measure=measure,
    falsifiers=(
        Falsifier(1, "$L = 2$", partial(another, depth=2)),
        Falsifier(2, "$c = 1/r^2$: gradient flow", partial(another, plain=True)),
        Falsifier(3, "a flow that stops on the way", partial(measure, fitted=0.1)),
        Falsifier(4, "$k < 1$", blunt),
        Falsifier("formula", "$e^{c (q - r_0^2)}$", partial(measure, constant=-1.0)),
        Falsifier("formula", "$e^{c (r_0^2 - q)/2}$", partial(measure, constant=0.5)),
        Falsifier("formula", "$k + 1$ in place of $k - 1$", partial(measure, index=-1.0)),
    ),
    attained=(
        Attained(
            "both bounds, for $k > 4$",
            measure,
            Ensemble(depths=(1,), ratios=(3, 100), scales=(0.8, 1.6), uniform=False),
        ),
    ),
    uses=("perpendicular",),
    mutants=(
        "norms not squared where they are added",
        "the radius subtracted in the mismatch",
        "nine tenths of the turning of the chart",
        "half of the chart's clock",
        "a tenth more of the least norm",
    ),
)
