r"""The ratio that a user needs

The leading order of the sharp excess, solved for the learning-rate ratio, tells it from basis pursuit alone, nearly
always within a twentieth.

Statement
---------
Let $L \in \{2, 3, 4\}$, let $A$ have independent Gaussian entries, $N$ from 24 to 48 and $M =
\lceil 2 s \log(N/s) \rceil$, and let $y = A w$ with $s \le 3$ nonzero weights. Let $\bar c$ be the ratio at which
weight-normalized gradient flow from $r_0$ ends with the relative $\ell_1$ excess $\varepsilon$, and $c$ the one at
which it would by the leading order of {prf:ref}`thm-sharp_excess` and {prf:ref}`thm-sharp_excess_deep`: with the
sparse weights for those of the limit in the bound above, which is an equality for one certificate. If

1. **uniform start**: $w_0 = (r_0/\sqrt N)^L\, \mathbf 1$;
2. **inside the window**: $r_0^2 \le \rho(z^*)$;
3. **small excess**: $\varepsilon \le 10^{-2}$,

then $c/1.05 \le \bar c \le 1.05\, c$ in at least 95 % of such problems, unless every nonnegative interpolant solves
basis pursuit, and nothing is to be predicted.

Proof
-----
The theorems tell the first term of an expansion, and nothing of how large the others are. It is

$$
\begin{aligned}
\varepsilon Q &= \sum_{j \notin J} s_j w_j, & w_j &= Q\, u_{0,j}^2\, M_\infty^{-2 s_j}
  \prod_{i \in J} \Bigl( \frac{z^*_i}{Q u_{0,i}^2} \Bigr)^{G_{ij}}
\end{aligned}
$$

at depth 2, for the certificate with the least $\sum w_j$, and $\varepsilon Q = K\, r^L M_\infty^{-L}$ above, $K$ being
the least sum in the limit. The next term has the weights of the limit on $J$, which differ from the sparse ones by
what is off $J$. So the prediction gets better as $\varepsilon$ falls.

Boundary
--------
- **Checked.** At depths 2 to 4: $c$ against the ratio that `wnlib.needed_ratio` finds, which is a root of the excess of
  computed limits.
- **Assumed.** That problems which were not drawn behave like those that were.
- **No run can test.** Other distributions. Where the margin is nearly zero, at the edge of recovery, and from
  directions that differ much between entries, the leading order takes over at smaller excesses.

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
from wnlib.errors import ArgumentError
from wnlib.flows.flow import GradientFlow
from wnlib.flows.polar import radius_of
from wnlib.limits.leading_order import LeadingOrder
from wnlib.limits.needed import needed_ratio
from wnlib.limits.sparse_limit import costs
from wnlib.problem import Problem
from wnlib.sparse.margin import margin

FACTOR = 1.05  # between the predicted ratio and the one that is needed


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


def predicted(problem: Problem, depth: int, scale: float, excess: float) -> float:
    """The ratio by the leading order, for a uniform start."""
    start = GradientFlow(depth).start(problem.shape[1], 1.0)
    found = margin(problem, costs(start, depth))
    end = LeadingOrder(problem, found, start, depth).end(excess * float(found.costs @ found.target))
    return 2 * end.log_magnification / (end.radius**2 - scale**2)


def measure(
    case: Case, excess: float = 1.0, scale: float = 1.0, tilt: bool = False, margin_of: float = 1.0
) -> Measurement:
    r"""The predicted ratio over the one that is needed, and the inverse.

    For the falsifiers: an `excess` many times as large, a `scale` of the start, a direction that is a `tilt` away, a
    multiple of the predicted ratio, as from another margin (`margin_of`).
    """
    problem, found, L = case.problem, margin(case.problem), case.depth
    if np.isinf(found.value):  # nothing is to be predicted
        return Measurement(0.0, 1.0)
    radius, asked = scale * case.scale * float(radius_of(found.target, L)), excess * case.ratio
    c = predicted(problem, L, radius, asked) / margin_of
    try:
        needed = needed_ratio(problem, L, radius, asked, tilted(case) if tilt else None)
    except ArgumentError:  # there is none
        return Measurement(np.nan, FACTOR)
    return Measurement([c / needed, needed / c], FACTOR)


PROBLEMS = Ensemble(
    depths=(2, 3, 4),
    ratios=(1e-5, 1e-2),  # here, the excess
    scales=(0.3, 1.0),
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
        Falsifier(2, "a start beyond the window", partial(measure, scale=2.5), undefined=True),
        Falsifier(
            3,
            r"$\varepsilon$ from 10 % to 20 %",
            measure,
            ensemble=replace(PROBLEMS, depths=(3,), ratios=(0.1, 0.2)),
        ),
        Falsifier("formula", "a margin a third larger", partial(measure, margin_of=4 / 3)),
        Falsifier("formula", "two thirds of the margin", partial(measure, margin_of=2 / 3)),
    ),
    mutants=(
        "half the needed ratio",
        "half the radius for the needed magnification",
        "the growth on the support subtracted, in the leading order",
        "L - 1 for L in the leading order",
    ),
)
