r"""Excess of gradient flow, depth 2

Plain gradient flow from $x(0) = \alpha\mathbf 1$ has an excess mass of at most the order $1/\log(Q/\alpha^2)$,
whatever the measurements: a guarantee that asks for exponentially small starts, as that of weight normalization does
for large ratios.

Statement
---------
Let $L = 2$, let $Q = \lVert z^*\rVert_1$ be the optimal value of basis pursuit, $\pi^* = z^*/Q$,
$\mathrm{KL} = \mathrm{KL}(\pi^* \,\|\, \tfrac1N)$ and $S = \lVert w_\infty\rVert_1$. If

1. **limit**: $w_\infty$ is the interpolating limit of gradient flow from $w_0$;
2. **uniform start**: $x(0) = \alpha\mathbf 1$, so that $S_0 = \lVert w_0\rVert_1 = N\alpha^2$;
3. **minimiser**: $z^*$ is an interpolant $\ge 0$ of mass $Q$,

then

$$
\begin{aligned}
S \log\tfrac{S}{S_0} - S &\le Q \log\tfrac{Q}{S_0} - Q + Q\, \mathrm{KL} =: k S_0, \\
S &\le S_0\, e^{1 + W(k/e)},
\end{aligned}
$$

with Lambert's function, $W(b)\, e^{W(b)} = b$, $W \ge -1$. If moreover

4. **small start**: $S_0 < Q$,

then

$$
\begin{aligned}
\frac{S - Q}{Q} \le \frac{\mathrm{KL}}{\log(Q/S_0)} \le \frac{\log N}{\log(Q/S_0)},
  \qquad \frac{S - Q}{S} \le \frac{\log N}{\log(Q/\alpha^2)} .
\end{aligned}
$$

In words: where weight normalization has $c\,(Q - S_0)$, gradient flow has
$\log(Q/S_0)$.

Proof
-----
The first line is {prf:ref}`thm-mass_bound` with $z^\circ = z^*$. With $S = S_0 e^{1+t}$ its left side is $S_0\, e\, t
e^t$, which increases in $t \ge -1$; and if $t < -1$, then $S < S_0$, which is below the bound as well.

Let $f(S) = S \log(S/S_0) - S$. It is convex, and $f'(Q) = \log(Q/S_0)$: hence $(S - Q) \log(Q/S_0) \le f(S) - f(Q) \le
Q\, \mathrm{KL}$. Divide by $Q \log(Q/S_0) > 0$, and use $\mathrm{KL} \le \log N$. The last bound is the one before in
other words: if $q = (S - Q)/Q \le \log N/\log(Q/S_0)$, then $(S - Q)/S = q/(1 + q)$, and $\log(Q/S_0) + \log N =
\log(Q/\alpha^2)$.

Boundary
--------
- **Checked.** The algebra; computed limits against the first bound; that Lambert's function solves the two divergences'
  equation, which other code solves by bisection; and each bound against the next.
- **Assumed.** Nothing beyond {prf:ref}`thm-mass_bound`.
- **No run can test.** Nothing further. The bounds know of $A$ only through $z^*$, and are not tight.

Source
------
Derived here. {cite:t}`ChouMalyRauhut2023` show that gradient flow on deep factorizations approximates the minimal
$\ell_1$ norm; {cite:t}`Woodworth2020` have the role of the scale for the signed depth-2 model.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import lever, start_radius
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, Step
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib.flows.flow import GradientFlow
from wnlib.limits.bounds import magnification_excess_bound, mass_bound, plain_excess_bound, plain_mass_bound
from wnlib.limits.limit import limit

S, S_0, Q, KL, N, alpha, t = sp.symbols(r"S S_0 Q \mathrm{KL} N \alpha t", positive=True)


def derive(depth: Depth = 2) -> Derivation:
    """Lambert's equation, the tangent, and the two ways to write the last bound."""
    f = S * sp.log(S / S_0) - S
    slope = sp.diff(f, S).subs(S, Q)
    short = KL / sp.log(Q / S_0)
    log_n = sp.log(N) / sp.log(Q / S_0)
    other = log_n / (1 + log_n)
    s = sp.Symbol("s", positive=True)  # (S - Q)/Q > -1 is s - 1
    convexity = sp.simplify(sp.expand_log((f - f.subs(S, Q) - (S - Q) * slope).subs(S, Q * s) / Q, force=True))
    steps = (
        Step("Definition", "f(S)", f, "The divergence between uniform weights, but for a constant."),
        Step("Mass bound", "f(S)", f.subs(S, Q) + Q * KL, "With $z^\\circ = z^*$.", r"\le"),
        Step("Lambert", r"f(S_0 e^{1+t})", sp.simplify(f.subs(S, S_0 * sp.exp(1 + t))), "$t e^t$ is what $W$ inverts."),
        Step("Slope", "f'(Q)", slope, "$f$ is convex: it is above its tangent."),
        Step(
            "Tangent",
            r"(f(S) - f(Q) - (S - Q) f'(Q))/Q",
            convexity,
            r"With $s = S/Q$: $\ge 0$, as its slope is $\log s$.",
        ),
        Step("Short form", r"\frac{S - Q}{Q}", short, r"Divide by $Q \log(Q/S_0)$.", r"\le"),
        Step("Over S", r"\frac{S - Q}{S}", sp.log(N) / sp.log(Q / alpha**2), r"$S_0 = N\alpha^2$.", r"\le"),
    )
    residuals = symbolic.reduced(
        f.subs(S, S_0 * sp.exp(1 + t)) - S_0 * sp.E * t * sp.exp(t),
        slope - sp.log(Q / S_0),
        convexity - (s * sp.log(s) - s + 1),
        sp.diff(s * sp.log(s) - s + 1, s) - sp.log(s),
        (s * sp.log(s) - s + 1).subs(s, 1),
        sp.expand_log(other.subs(S_0, N * alpha**2) - sp.log(N) / sp.log(Q / alpha**2), force=True),
    )
    return Derivation(steps, residuals)


def measure(
    case: Case, other: float = 1.0, tilt: float = 1.0, target: float = 1.0, scale: float = 1.0, share: float = 1.0
) -> Measurement:
    """Relative excess: of the limit and the two divergences' root, of the first bound, of the second, of the third.

    For the falsifiers: a limit from a start `other` times as large, a start that is smaller by the factor `tilt` where
    $z^*$ is positive, a `target` that is this many times $z^*$, a `scale` in the bounds that is not the start's, a
    `share` of the bounds.
    """
    flow, radius, z = case.plain, start_radius(case), target * case.target
    Q = float(np.sum(z))
    end = limit(flow, case.problem, flow.start(case.n, other * radius, np.where(z > 0, 1 / tilt, 1))).weights
    sharp = share * (plain_mass_bound(scale * radius, z) / Q - 1)
    short = share * magnification_excess_bound(flow, scale * radius, z)
    solved, simple = mass_bound(flow, radius, z) / Q - 1, plain_excess_bound(radius, z)
    measured = [np.sum(end) / Q - 1, solved, sharp, sharp, short]
    return Measurement(measured, [sharp, sharp, solved, short, simple], main=[0])


def beyond(case: Case) -> Measurement:
    r"""The second bound from a large start, with $|\log(Q/S_0)|$."""
    flow, z = case.plain, case.target
    large = np.sum(z) / start_radius(case)
    end = limit(flow, case.problem, flow.start(case.n, float(large))).weights
    return Measurement(np.sum(end) / np.sum(z) - 1, magnification_excess_bound(flow, start_radius(case), z))


def many(case: Case) -> Measurement:
    """The excess against the first two bounds, where a thousand weights measure nearly as much as the one of $z^*$."""
    n = 1000
    problem = lever(n, (np.log(n) - 1) / -np.log(case.scale))
    flow, radius, z = GradientFlow(2), np.sqrt(case.scale), np.asarray(problem.truth)
    excess = limit(flow, problem, flow.start(n, radius)).weights.sum() - 1
    return Measurement(excess, [plain_mass_bound(radius, z) - 1, magnification_excess_bound(flow, radius, z)])


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.magnification_excess_bound", "wnlib.needed_magnification"),
    tolerance=1e-8,
    ensemble=Ensemble(depths=(2,), scales=(1e-6, 0.95), uniform=True),
    derive=derive,
    measure=measure,
    uses=("mass_bound",),
    falsifiers=(
        Falsifier(
            1,
            "the limit from a start of a hundred times the radius",
            partial(measure, other=100.0),
            ensemble=Ensemble(depths=(2,), scales=(0.05, 0.3), uniform=True),
        ),
        Falsifier(
            2,
            r"$x(0)$ smaller by $10^6$ where $z^*$ is positive",
            partial(measure, tilt=1e6),
            share=0.1,  # a bad direction does harm only where the measurements leave a choice
        ),
        Falsifier(3, "half of $z^*$, which is no interpolant", partial(measure, target=0.5)),
        Falsifier(
            4,
            r"$S_0 > Q$, with $\log(S_0/Q)$ in the bound",
            beyond,
            ensemble=Ensemble(depths=(2,), scales=(0.05, 0.3), uniform=True),
        ),
        Falsifier("formula", r"$\alpha/10$ in the bounds", partial(measure, scale=0.1)),
        Falsifier("formula", "half of the bounds", partial(measure, share=0.5)),
    ),
    attained=(
        Attained(
            "where a thousand weights measure nearly as much as the one of $z^*$",
            many,
            Ensemble(depths=(2,), scales=(1e-60, 1e-25), uniform=True),
        ),
    ),
    mutants=(
        "the entropy subtracted in the plain mass bound",
        "no e in the plain mass bound",
        "half the excess of depth 2",
    ),
)
