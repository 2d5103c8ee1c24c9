r"""The ratio that a user needs

The leading order of the sharp excess, solved for the learning-rate ratio, tells it before anything runs, nearly always
within a tenth.

Statement
---------
Let $L \in \{2, 3, 4\}$, let $A$ have independent Gaussian entries, $N$ from 24 to 48 and $M = \lceil 2 s \log(N/s)
\rceil$, and let $y = A w$ with $s \le 3$ nonzero weights. Let $\bar c$ be the ratio at which weight-normalized gradient
flow from $r_0$ ends with the relative $\ell_1$ excess $\varepsilon$, and $c$ the one that `wnlib.needed_ratio`
predicts: of {prf:ref}`thm-sharp_excess` along the cheapest direction, and of the limit in
{prf:ref}`thm-sharp_excess_deep`. If

1. **uniform start**: $w_0 = (r_0/\sqrt N)^L\, \mathbf 1$;
2. **inside the window**: $r_0^2 \le 0.8\, \rho(z^*)$;
3. **small excess**: $\varepsilon \le 10^{-2}$,

then $c/1.1 \le \bar c \le 1.1\, c$ in at least 95 % of such problems, unless $z^*$ is the only nonnegative interpolant
or not the only minimiser, and nothing is to be predicted.

Proof
-----
The theorems tell the first term of an expansion, and nothing of how large the others are. At depth 2 it is

$$
\begin{aligned}
c\, (S - r_0^2) &= -\frac1\gamma \sum_i v_i \log \frac{N w_i}{S}, & w &= z^* + \frac{\varepsilon Q}{\gamma}\, v, & S
  &= (1 + \varepsilon)\, Q,
\end{aligned}
$$

with the margin $\gamma$ and the direction $v$ that has it. Other weights off the support than those of $v$ add to the
excess, by a higher power of it. So the prediction gets better as $\varepsilon$ falls.

Boundary
--------
- **Checked.** At depths 2 to 4: the excess at $1.1\, c$ is at most $\varepsilon$, and that at $c/1.1$ at least.
- **Assumed.** That problems which were not drawn behave like those that were.
- **No run can test.** Other distributions. Where the margin is nearly zero, at the edge of recovery, the leading order
  takes over at smaller excesses.

Source
------
Derived here.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import tilted
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, Step
from companion.verification.theorem import Assumption, Falsifier, Kind, Measurement, Theorem
from wnlib.flows.polar import radius_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.limit import limit
from wnlib.limits.needed import needed_ratio
from wnlib.sparse.margin import margin

FACTOR = 1.1  # between the predicted ratio and the one that is needed


def derive(depth: Depth = 2) -> Derivation:
    """From the magnification that an excess needs to the ratio."""
    epsilon, M, K, Q, rho, r_0, c = sp.symbols(r"\varepsilon M_\infty K Q \rho r_0 c", positive=True)
    magnified = (K * rho ** (sp.S(depth) / 2) / (epsilon * Q)) ** (1 / sp.S(depth))
    ratio = 2 * sp.log(M) / (rho - r_0**2)
    steps = (
        Step(
            "The excess",
            r"\varepsilon Q",
            K * rho ** (sp.S(depth) / 2) * M**-depth,
            r"From depth 3 on, $K$ being the least sum; at depth 2 it is the mass $m$ that has such a law.",
        ),
        Step("Solved for the magnification", r"M_\infty", magnified, "A root."),
        Step("Solved for the ratio", "c", ratio, r"$\log M_\infty = \tfrac c2 (\rho - r_0^2)$."),
    )
    residuals = symbolic.reduced(
        sp.expand_log(sp.log(K * rho ** (sp.S(depth) / 2) * magnified**-depth) - sp.log(epsilon * Q), force=True),
        c * (rho - r_0**2) / 2 - sp.log(M) - (rho - r_0**2) / 2 * (c - ratio),
    )
    return Derivation(steps, residuals)


def measure(
    case: Case, excess: float = 1.0, scale: float = 1.0, tilt: bool = False, margin_of: float = 1.0
) -> Measurement:
    r"""The excess at 1.1 times the predicted ratio over the one asked for, and the latter over that at the ratio / 1.1.

    For the falsifiers: an `excess` many times as large, a `scale` of the start, a direction that is a `tilt` away, a
    multiple of the predicted ratio, as from another margin (`margin_of`).
    """
    problem, found, L = case.problem, margin(case.problem), case.depth
    if not 0 < found.value < np.inf:  # nothing is to be predicted
        return Measurement(0.0, 1.0)
    radius, asked = scale * case.scale * float(radius_of(found.target, L)), excess * case.ratio
    c = needed_ratio(problem, L, radius / scale, asked) / margin_of
    direction = tilted(case) if tilt else None

    def seen(ratio: float) -> float:
        flow = WeightNormFlow(L, ratio)
        return limit(flow, problem, flow.start(case.n, radius, direction)).l1_excess

    return Measurement([seen(FACTOR * c) / asked, asked / seen(c / FACTOR)], 1.0)


PROBLEMS = Ensemble(
    depths=(2, 3, 4),
    ratios=(1e-5, 1e-2),  # here, the excess
    scales=(0.3, 0.9),
    matrices=("gaussian",),
    columns=(24, 48),
    uniform=True,
    sparse=3,
)

THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.OBSERVATION,
    about=("wnlib.needed_ratio",),
    tolerance=0.0,
    share=0.95,
    ensemble=PROBLEMS,
    derive=derive,
    measure=measure,
    assumes=(
        Assumption(
            "A representative ensemble of recovery",
            "Problems that were not drawn behave like those that were.",
            "A share is that of finitely many problems of one distribution; other distributions have another.",
        ),
    ),
    falsifiers=(
        Falsifier(1, "$x(0)$ from 1 to 4 over the entries", partial(measure, tilt=True), share=0.3),
        Falsifier(2, "a start beyond the window", partial(measure, scale=4.0), ensemble=replace(PROBLEMS, depths=(2,))),
        Falsifier(
            3,
            r"$\varepsilon$ from 5 % to 10 %",
            measure,
            ensemble=replace(PROBLEMS, depths=(2,), ratios=(0.05, 0.1)),
        ),
        Falsifier("formula", "a margin a third larger", partial(measure, margin_of=4 / 3)),
        Falsifier("formula", "two thirds of the margin", partial(measure, margin_of=2 / 3)),
    ),
    mutants=(
        "half the needed ratio",
        "half the needed magnification",
        "L - 1 for L in the needed magnification",
    ),
)
