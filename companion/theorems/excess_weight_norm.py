r"""Excess of weight normalization, depth 2

With two factors and a uniform start of mass $S_0$ below $Q$, the limit's excess mass is at most of the order
$1/\bigl(c\,(Q - S_0)\bigr)$: a large ratio suffices, and the start may be of the order of the target.

Statement
---------
Let $L = 2$, let $Q = \lVert z^*\rVert_1$ be the optimal value of basis pursuit, $\pi^* = z^*/Q$ and $S = \lVert
w_\infty\rVert_1$. If

1. **limit**: $w_\infty$ is the interpolating limit of weight-normalized gradient flow from $w_0$;
2. **uniform start**: $w_0 = \tfrac{S_0}{N}\mathbf 1$, $S_0 = r_0^2$;
3. **minimiser**: $z^*$ is an interpolant $\ge 0$ of mass $Q$,

then

$$
\begin{aligned}
S \le S_0 + \sqrt{(Q - S_0)^2 + \tfrac 2c\, Q\, \mathrm{KL}(\pi^* \,\|\, \tfrac1N)} .
\end{aligned}
$$

If moreover

4. **below the frontier**: $S_0 < Q$,

then

$$
\begin{aligned}
\frac{S - Q}{Q} \le \frac{\mathrm{KL}(\pi^* \,\|\, \tfrac1N)}{c\,(Q - S_0)} \le \frac{\log N}{c\,(Q - S_0)} .
\end{aligned}
$$

For an $s$-sparse minimiser with equal entries $\mathrm{KL}(\pi^* \,\|\, \tfrac1N) = \log(N/s)$.

Proof
-----
By {prf:ref}`thm-mass_bound` with $z^\circ = z^*$, $(S - S_0)^2 \le (Q - S_0)^2 + \tfrac 2c\, Q\, \mathrm{KL}$ with
$\mathrm{KL} = \mathrm{KL}(\pi^* \,\|\, \tfrac1N)$: the first bound. For the second,

$$
\begin{aligned}
(S - S_0)^2 - (Q - S_0)^2 = 2\,(S - Q)(Q - S_0) + (S - Q)^2 \ge 2\,(S - Q)(Q - S_0),
\end{aligned}
$$

so $2\,(S - Q)(Q - S_0) \le \tfrac2c\, Q\, \mathrm{KL}$; divide by $2 Q (Q - S_0) > 0$. Finally
$\mathrm{KL} = \log N - H(\pi^*) \le \log N$, as an entropy is not negative.

Boundary
--------
- **Checked.** The algebra; computed limits against the first bound; that the first bound is the root of the two
  divergences' equation, which other code solves; and each bound against the next.
- **Assumed.** Nothing beyond {prf:ref}`thm-mass_bound`.
- **No run can test.** Nothing further. The bounds know of $A$ only through $z^*$, and are not tight: what they give
  away is $\tfrac12 S\, \mathrm{KL}(p_\infty \,\|\, \tfrac1N) + D_\Phi(z^*, w_\infty)$, hence most where the limit is
  sparse.

Source
------
Derived here. {cite:t}`ChouRauhutWard2024` show that the bias to sparse weights persists at practically large scales of
the start.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import lever, normalized_flow, start_radius
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, Step, c
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.bounds import magnification_excess_bound, mass_bound, normalized_excess_bound, normalized_mass_bound
from wnlib.limits.limit import limit

S, S_0, Q, KL, H, N = sp.symbols(r"S S_0 Q \mathrm{KL} H N", positive=True)


def derive(depth: Depth = 2) -> Derivation:
    """From the mass bound to its square root, its tangent, and the entropy."""
    budget = (Q - S_0) ** 2 + 2 * Q * KL / c
    root = S_0 + sp.sqrt(budget)
    gain = (S - S_0) ** 2 - (Q - S_0) ** 2
    tangent = 2 * ((S - Q) * (Q - S_0))
    short = KL / (c * (Q - S_0))
    p = sp.symbols("p_1:4", positive=True)
    divergence = sp.Add(*(p_i * sp.log(3 * p_i) for p_i in p))
    entropy = -sp.Add(*(p_i * sp.log(p_i) for p_i in p))
    last = {p[2]: 1 - p[0] - p[1]}
    steps = (
        Step("Mass bound", "(S - S_0)^2", budget, r"With $z^\circ = z^*$, times $\tfrac 2c$.", r"\le"),
        Step("Its root", "S", root, "The larger root of the quadratic equation.", r"\le"),
        Step("A square less", "(S - S_0)^2 - (Q - S_0)^2", tangent + (S - Q) ** 2, "The last term is not negative."),
        Step("Short form", r"\frac{S - Q}{Q}", short, "Without the square, divided by $2Q(Q - S_0)$.", r"\le"),
        Step("Entropy", r"\mathrm{KL}(\pi^* \| \tfrac1N)", sp.log(N) - H, "As the proportions add up to 1."),
    )
    residuals = symbolic.reduced(
        (root - S_0) ** 2 - budget,
        gain - tangent - (S - Q) ** 2,
        tangent.subs(S, Q * (1 + short)) - 2 * Q * KL / c,
        sp.expand_log(divergence.subs(last) - sp.log(3) + entropy.subs(last), force=True),
    )
    return Derivation(steps, residuals)


def measure(
    case: Case, ratio: float = 1.0, other: float = 1.0, tilt: float = 1.0, target: float = 1.0, share: float = 1.0
) -> Measurement:
    """Relative excess: of the limit and the two divergences' root, of the first bound, of the second, of the third.

    For the falsifiers: a `ratio` in the bounds that is not the flow's, a limit from a start `other` times as large, a
    start that is smaller by the factor `tilt` where $z^*$ is positive, a `target` that is this many times $z^*$, a
    `share` of the divergence of proportions.
    """
    flow, radius, z = normalized_flow(case), start_radius(case), target * case.target
    Q, c = float(np.sum(z)), ratio * flow.ratio
    end = limit(flow, case.problem, flow.start(case.n, other * radius, np.where(case.target > 0, 1 / tilt, 1))).weights
    sharp = normalized_mass_bound(c / share, radius, z) / Q - 1
    short = magnification_excess_bound(WeightNormFlow(2, c), radius, z) * share
    solved = mass_bound(flow, radius, z) / Q - 1
    simple = normalized_excess_bound(c, radius, z)
    measured = [np.sum(end) / Q - 1, solved, sharp, sharp, short]
    return Measurement(measured, [sharp, sharp, solved, short, simple], main=[0])


def beyond(case: Case) -> Measurement:
    """The second bound as if $S_0$ were below Q: with $|Q - S_0|$."""
    flow, z = normalized_flow(case), case.target
    Q, S0 = float(np.sum(z)), 2 * float(np.sum(z)) - start_radius(case) ** 2  # S_0 - Q = Q - r_0^2
    end = limit(flow, case.problem, flow.start(case.n, np.sqrt(S0))).weights
    return Measurement(np.sum(end) / Q - 1, magnification_excess_bound(flow, start_radius(case), z))


def many(case: Case) -> Measurement:
    """The excess against the first two bounds, where a thousand weights measure nearly as much as the one of $z^*$."""
    n = 1000
    gain = case.ratio * (1 - case.scale**2)
    problem = lever(n, (np.log(n) - 1) / gain)
    flow, z = WeightNormFlow(2, case.ratio), np.asarray(problem.truth)
    excess = limit(flow, problem, flow.start(n, case.scale)).weights.sum() - 1
    bounds = normalized_mass_bound(flow.ratio, case.scale, z) - 1, magnification_excess_bound(flow, case.scale, z)
    return Measurement(excess, bounds)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.magnification_excess_bound", "wnlib.needed_magnification"),
    tolerance=1e-8,
    ensemble=Ensemble(depths=(2,), ratios=(0.5, 100), scales=(0.4, 0.95), uniform=True),
    derive=derive,
    measure=measure,
    uses=("mass_bound",),
    falsifiers=(
        Falsifier(1, "the limit from a start of four times the radius", partial(measure, other=4.0)),
        Falsifier(
            2,
            r"$x(0)$ smaller by $10^4$ where $z^*$ is positive",
            partial(measure, tilt=1e4),
            share=0.1,  # a bad direction does harm only where the measurements leave a choice
            ensemble=Ensemble(depths=(2,), ratios=(20, 100), scales=(0.7, 0.95), uniform=True),
        ),
        Falsifier(3, "half of $z^*$, which is no interpolant", partial(measure, target=0.5)),
        Falsifier(4, "$S_0 > Q$, with $S_0 - Q$ in the bound", beyond),
        Falsifier("formula", "$2c$ in the bounds", partial(measure, ratio=2.0)),
        Falsifier("formula", r"half of $\mathrm{KL}$", partial(measure, share=0.5)),
    ),
    attained=(
        Attained(
            "where a thousand weights measure nearly as much as the one of $z^*$",
            many,
            Ensemble(depths=(2,), ratios=(120, 200), scales=(0.1, 0.2), uniform=True),
        ),
    ),
    mutants=(
        "the entropy added",
        "the scale not squared in the mass bound",
        "no 2 in the mass bound",
        "half the excess of depth 2",
    ),
)
