r"""Sparser in the window

From the same large start, weight normalization nearly always ends sparser than plain gradient flow. This is seen, not
proved: two upper bounds cannot say which of two flows is better.

Statement
---------
Let $L \in \{2, 3\}$, and let gradient flow and weight-normalized gradient flow start from the same uniform $x(0)$ of
norm $r_0$. If

1. **inside the window**: $r_0^2$ is between 10 % and 40 % of $\rho(z^*)$;
2. **large ratio**: $10 \le c \le 15$;
3. **random measurements**: $A$ has independent Gaussian entries, $N$ is 16 to 28, $y = A w$ with $s \le 3$ entries of
   $w$ between $\tfrac12$ and $\tfrac32$, the others zero, and $M = \lceil 2 s \log(N/s) \rceil$,

then in at least 90 % of such problems the relative excess $(\lVert w_\infty\rVert_1 - Q)/Q$ of weight normalization is
at most a tenth of that of gradient flow, or at most $10^{-6}$.

Proof
-----
What is proved explains it: the bounds on the excess
({prf:ref}`thm-excess_weight_norm`, {prf:ref}`thm-excess_weight_norm_deep`, {prf:ref}`thm-excess_plain`,
{prf:ref}`thm-excess_plain_deep`) fall with the magnification from the start to the target, which is $M_* = e^{c
(\rho(z^*) - r_0^2)/2}$ with weight normalization and $M_* = \sqrt{\rho(z^*)}/r_0$ without: from a start of 10 % to 40 %
of $\rho(z^*)$ the second is at most $\sqrt{10}$, and the first exceeds it as soon as $c\, \rho(z^*)$ is larger than
about $2.6$.

$$
\begin{aligned}
\log M_*^{\mathrm{WN}} - \log M_*^{\mathrm{GF}}
  = \tfrac12 \bigl( c\, \rho(z^*) (1 - q) + \log q \bigr), \qquad q = r_0^2/\rho(z^*) .
\end{aligned}
$$

Boundary
--------
- **Checked.** The comparison of magnifications by computer algebra. The excess of computed limits of both flows.
- **Assumed.** That the ensemble is representative of the problems that the statement speaks of.
- **No run can test.** Problems that are not drawn. The share is that of one seeded ensemble, rounded down; the
  statement was found on a smaller one. Of the third hypothesis only the size of the weights is shown to be needed.

Source
------
Seen here. {cite:t}`ChouRauhutWard2024` report in experiments that weight normalization is more robust to the scale of
the start.
"""

from dataclasses import replace
from functools import partial

import sympy as sp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, Step, c
from companion.verification.theorem import Assumption, Falsifier, Kind, Measurement, Theorem
from wnlib.flows.flow import Flow
from wnlib.flows.polar import radius_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.limit import limit
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit

FACTOR = 0.1  # between the two excesses
RESOLUTION = 1e-6  # of the limits, below which an excess is none


def derive(depth: Depth = 2) -> Derivation:
    """By how much the magnification of weight normalization exceeds that of gradient flow."""
    q, rho = sp.symbols(r"q \rho_*", positive=True)
    normalized, plain = c * rho * (1 - q) / 2, sp.log(rho) / 2 - sp.log(q * rho) / 2
    gain = (c * rho * (1 - q) + sp.log(q)) / 2
    even = sp.log(1 / q) / (1 - q)
    steps = (
        Step(
            "Weight normalization",
            r"\log M_*^{\mathrm{WN}}",
            normalized,
            r"$c\,(\rho_* - r_0^2)/2$ with $r_0^2 = q \rho_*$.",
        ),
        Step(
            "Gradient flow", r"\log M_*^{\mathrm{GF}}", sp.expand_log(plain), r"Half the logarithm of $\rho_*/r_0^2$."
        ),
        Step("Difference", r"\log M_*^{\mathrm{WN}} - \log M_*^{\mathrm{GF}}", gain, "Positive for large ratios."),
        Step("Even", r"c \rho_*", even, "Where the two magnifications are equal."),
    )
    return Derivation(steps, symbolic.reduced(sp.expand_log(normalized - plain - gain), gain.subs(c, even / rho)))


def measure(
    case: Case,
    ratio: float = 1.0,
    scale: float = 1.0,
    size: float = 1.0,
    swapped: bool = False,
) -> Measurement:
    """The excess with weight normalization against a tenth of that without, over Q.

    For the falsifiers: multiples of the `ratio` and of the `scale`, weights of another `size`,
    the two flows `swapped`.
    """
    problem = Problem(case.problem.A, size * case.problem.y)
    radius = scale * case.scale * float(radius_of(basis_pursuit(problem).weights, case.depth))

    def excess(flow: Flow) -> float:
        return limit(flow, problem, flow.start(case.n, radius), RESOLUTION).l1_excess

    normalized, plain = excess(WeightNormFlow(case.depth, ratio * case.ratio)), excess(case.plain)
    measured, other = (plain, normalized) if swapped else (normalized, plain)
    return Measurement(measured, max(FACTOR * other, RESOLUTION))


PROBLEMS = Ensemble(
    depths=(2, 3),
    ratios=(10, 15),
    scales=(0.317, 0.632),
    matrices=("gaussian",),
    columns=(16, 28),
    uniform=True,
    sparse=3,
)
SHALLOW = replace(PROBLEMS, depths=(2,))  # beyond the window double precision holds the limits of depth 2 alone

REPRESENTATIVE = Assumption(
    "A representative ensemble",
    "Problems that were not drawn behave like those that were.",
    "A share is that of finitely many problems of one distribution; other sizes, sparsities or matrices have another.",
)

THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.OBSERVATION,
    tolerance=0.0,
    share=0.9,
    ensemble=PROBLEMS,
    derive=derive,
    measure=measure,
    assumes=(REPRESENTATIVE,),
    falsifiers=(
        Falsifier(1, "a start beyond the window", partial(measure, scale=4.0), ensemble=SHALLOW),
        Falsifier(2, "a twentieth of the ratio", partial(measure, ratio=0.05)),
        Falsifier(3, "a thirtieth of the weights", partial(measure, size=1 / 30)),
        Falsifier("formula", "gradient flow is the sparser one", partial(measure, swapped=True)),
    ),
    mutants=(
        "twice the squared radius for the radius",
        "ratio inverted in the magnification",
        "a far smaller start in the plain mismatch",
    ),
)
