r"""The sharp excess, depth 2

What a limit of depth 2 has off the support of the sparse interpolant is known up to a small factor: a power of the
magnification, for both flows, whose exponent is twice the margin of the best dual certificate.

Statement
---------
Let $L = 2$ and let gradient flow or weight-normalized gradient flow start from $w_0 = r_0^2\, u_0^2$, $u_0 > 0$. Let
$S = \lVert w_\infty\rVert_1$, and let $M_\infty$ be the magnification from the start to the limit:
$\log M_\infty^2 = c\,(S - r_0^2)$ with weight normalization, $\log (S/r_0^2)$ without. If

1. **limit**: $w_\infty > 0$ is the interpolating limit of the flow from $w_0$;
2. **support**: some interpolant vanishes off $J$; $G = A_J^+ A$;
3. **certificate**: $A_J^\top \nu = \mathbf 1$; $s_j = 1 - A_j^\top\nu$;
4. **direction**: $A v = 0$, and off $J$ the entries of $v$ are $\ge 0$ and add up to 1; $g = \sum_i v_i$,

then the mass $m = \sum_{j \notin J} w_{\infty,j}$ has the bounds

$$
\begin{aligned}
m &\le S \sum_{j \notin J} u_{0,j}^2\, M_\infty^{-2 s_j}
  \prod_{i \in J} \Bigl( \frac{w_{\infty,i}}{S u_{0,i}^2} \Bigr)^{G_{ij}}, \\
m &\ge S\, M_\infty^{-2 g} \prod_{i \in J} \Bigl( \frac{w_{\infty,i}}{S u_{0,i}^2} \Bigr)^{-v_i}
  \prod_{j \notin J,\, v_j > 0} \Bigl( \frac{v_j}{u_{0,j}^2} \Bigr)^{-v_j} .
\end{aligned}
$$

Let now $Q$ be the least $\ell_1$ norm of a nonnegative interpolant, and $J$ the union of the supports of its
minimisers. The largest $\gamma$ with $s_j \ge \gamma$ for all $j \notin J$ is the least $g$, and positive. So, as
$M_\infty \to \infty$ from one direction,

$$
\begin{aligned}
\frac{\log m}{\log M_\infty} \to -2\gamma, \qquad \gamma\, m \le S - Q \le \max_{j \notin J} s_j\; m :
\end{aligned}
$$

the excess falls like $e^{-\gamma c\,(Q - r_0^2)}$ with weight normalization, if $r_0^2 < Q$, and like $r_0^{2\gamma}$
without.

Proof
-----
Let $\zeta_i = \log\frac{w_{\infty,i}}{S u_{0,i}^2}$, which is $2 \log\frac{z_i}{z_{0,i}} - 2 \log M_\infty$. By
{prf:ref}`thm-implicit_bias`, $\zeta + 2 \log M_\infty\, \mathbf 1 \in \operatorname{row}(A)$.

*Above.* By hypothesis 2 $\sum_{j \notin J} w_{\infty,j} A_j$ is in the range of $A_J$, so it is $A_J h$ with $h_i =
\sum_{j \notin J} G_{ij} w_{\infty,j}$. The vector that is $h$ on $J$ and $-w_\infty$ off it is in the kernel: $\sum_{j
\notin J} w_{\infty,j} (\zeta_j + 2 \log M_\infty) = \sum_{i \in J} h_i (\zeta_i + 2 \log M_\infty)$. And $\sum_{i \in
J} h_i = \langle\nu, A_J h\rangle = \sum_{j \notin J} (1 - s_j)\, w_{\infty,j}$. Together,

$$
\begin{aligned}
\sum_{j \notin J} w_{\infty,j} \Bigl( \zeta_j + 2 s_j \log M_\infty - \sum_{i \in J} G_{ij} \zeta_i \Bigr) &= 0 .
\end{aligned}
$$

This is $\sum_{j \notin J} w_{\infty,j} \log(w_{\infty,j}/b_j) = 0$, where $b_j$ is the term of $j$ in the first bound.
By the log-sum inequality $m \log(m / \sum_{j \notin J} b_j) \le 0$.

*Below.* From $\langle v, \zeta + 2 \log M_\infty\, \mathbf 1\rangle = 0$: $\sum_{j \notin J} v_j \zeta_j = -2 g \log
M_\infty - \sum_{i \in J} v_i \zeta_i$. By the log-sum inequality again, $\sum_{j \notin J} v_j
\log(w_{\infty,j}/v_j) \le \log m$ for numbers $v_j$ that add up to 1.

*The rate.* The largest $\gamma$ is the value of a linear program, of which the least $g$ is that of the dual program.
A $v$ with $g \le 0$ would lead from a minimiser that is positive on $J$ to one that is not zero off it. For a
minimiser $z$, $\langle z - w_\infty, \zeta + 2 \log M_\infty \mathbf 1\rangle = 0$ and $\langle w_\infty, \zeta\rangle
= S\, \mathrm{KL} \ge 0$: so $2 \log M_\infty\, (S - Q) \le \langle z, \zeta\rangle \le Q \max_i \log u_{0,i}^{-2}$, $S
\to Q$, and $w_\infty$ tends to the minimisers. By {prf:ref}`thm-several_minimisers` it tends to one that is positive
on $J$, and the products converge. Finally $S - Q = \langle \mathbf 1 - A^\top\nu, w_\infty\rangle$, where only $j
\notin J$ count.

Boundary
--------
- **Checked.** The identity of the bound above by computer algebra, for a support of one entry and two others, and
  what the log-sum inequality rests on. Both bounds on computed limits of both flows from random directions, for the
  certificate with the largest margin, a random one, and the cheapest direction. On one instance,
  followed to forty digits by both flows, the terms of the bound above at the limit's own certificate are the weights.
- **Assumed.** Nothing beyond {prf:ref}`thm-implicit_bias`.
- **No run can test.** The limit $M_\infty \to \infty$: runs reach a mass of $10^{-12}$ or so. It is proved.

Source
------
Derived here. {cite:t}`Woodworth2020` have the role of the scale for the signed depth-2 model.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import certificates, lone_weight, magnified_limit, some_margin
from companion.verification.ensemble import Case, Ensemble
from companion.verification.own_terms import certificates as certify
from companion.verification.symbolic import Depth, Derivation, Step
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.limits.sharp import OffSupport
from wnlib.linear.ranks import least_squares
from wnlib.sparse.margin import margin


def derive(depth: Depth = 2) -> Derivation:
    """The identity for two measurements of three weights, one of them in the support; the log-sum inequality."""
    a = [sp.Matrix(sp.symbols(f"a_{i} b_{i}", real=True)) for i in (1, 2, 3)]
    lam, K, t = sp.Matrix(sp.symbols("lambda_1:3", real=True)), sp.Symbol("K", positive=True), sp.Symbol("t")
    across = sp.Matrix([x[0] for x in a]).cross(sp.Matrix([x[1] for x in a]))  # A across = 0
    w = [None, t * across[1], t * across[2]]
    nu_2 = sp.Symbol("nu_2", real=True)
    nu = sp.Matrix([(1 - a[0][1] * nu_2) / a[0][0], nu_2])  # a_1 nu = 1
    ell = [2 * each.dot(lam) - 2 * K for each in a]
    G = [a[0].dot(each) / a[0].dot(a[0]) for each in a]
    identity = sum(w[j] * (ell[j] + 2 * K * (1 - a[j].dot(nu)) - G[j] * ell[0]) for j in (1, 2))

    x, y, b, d = sp.symbols("x y b d", positive=True)
    log_sum = x * sp.log(x / b) + y * sp.log(y / d) - (x + y) * sp.log((x + y) / (b + d))
    bend, lowest = sp.simplify(sp.diff(log_sum, x, 2)), {x: b * y / d}
    g, M = sp.symbols(r"g M_\infty", positive=True)
    steps = (
        Step(
            "The kernel",
            r"\sum_{j \notin J} w_j (\zeta_j + 2 s_j \log M_\infty - \sum_{i \in J} G_{ij} \zeta_i)",
            sp.simplify(identity),
            r"Two measurements of three weights, $J = \{1\}$; $\zeta + 2\log M_\infty\,\mathbf 1 = 2 A^\top\lambda$.",
        ),
        Step(
            "Log-sum inequality",
            r"\frac{\partial^2}{\partial x^2} (x \log\tfrac xb + y \log\tfrac yd - (x + y) \log\tfrac{x+y}{b+d})",
            bend,
            r"Convex in $x$; at $x = by/d$ both the expression and its slope vanish. So it is $\ge 0$.",
        ),
        Step("Above", r"m \log\tfrac mB", sp.Integer(0), r"With $B$ the sum of the bound's terms.", r"\le"),
        Step(
            "Below", r"\log m", -2 * g * sp.log(M) - sp.Symbol(r"C"), r"$C$ are the terms without $M_\infty$.", r"\ge"
        ),
    )
    residuals = symbolic.reduced(
        sp.simplify(identity),
        bend - y / (x * (x + y)),
        sp.expand_log(sp.simplify(log_sum.subs(lowest)), force=True),
        sp.expand_log(sp.simplify(sp.diff(log_sum, x).subs(lowest)), force=True),
    )
    return Derivation(steps, residuals)


def own_certificate(off: OffSupport) -> Array:
    """The certificate that the limit itself makes, moved so that it is one: the bound above is attained there."""
    A, on = off.end.problem.A, off.support
    told = least_squares(A.T, 1 + off.log_growth / off.log_magnification)
    return told + least_squares(A[:, on].T, 1 - A[:, on].T @ told)


def measure(
    case: Case,
    other: float = 1.0,
    dropped: bool = False,
    priced: float = 1.0,
    pushed: float = 1.0,
    power: float = 1.0,
) -> Measurement:
    """The mass off the support over the bound above, for two certificates, and the bound below over the mass.

    For the falsifiers: a limit from a start `other` times as large; a support without its largest entry (`dropped`); a
    certificate `priced` too high; a direction `pushed` further on the support; another `power` of M.
    """
    found, end = some_margin(case, np.ones(case.n)), magnified_limit(case, other, power)
    if np.isinf(found.value) or not end.attainable.all():  # nothing is claimed
        return Measurement(0.0, 1.0)
    on = found.support & (np.arange(case.n) != int(np.argmax(found.target)) if dropped else True)
    least, random = certificates(case, on, np.ones(case.n))
    best = least if dropped else found.dual
    off = OffSupport(end, on)
    above = [off.log_mass() - off.log_upper(priced * each) for each in (best, random)]
    below = off.log_lower(np.where(found.support, pushed, 1.0) * found.direction) - off.log_mass()
    return Measurement(np.exp([*above, below]), 1.0, main=[0, 2])


def attained(case: Case) -> Measurement:
    """The same for the limit's own certificate, and the bound below where a single weight is left outside."""
    alone = OffSupport(lone_weight(case), np.array([True, False]))
    shares = [alone.log_lower(margin(alone.end.problem).direction) - alone.log_mass()]
    found = margin(case.problem)
    own = OffSupport(magnified_limit(case), found.support)
    if own.end.attainable.all() and np.isfinite(found.value):
        shares.append(own.log_mass() - own.log_upper(own_certificate(own)))
    return Measurement(np.exp(shares), 1.0)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.margin", "wnlib.needed_ratio", "wnlib.needed_scale"),
    tolerance=1e-6,
    ensemble=Ensemble(depths=(2,), ratios=(4, 12), scales=(0.4, 0.8), columns=(8, 16)),
    derive=derive,
    measure=measure,
    certify=certify,
    uses=("implicit_bias", "several_minimisers"),
    falsifiers=(
        Falsifier(1, "the limit from a start of three times the radius", partial(measure, other=3.0)),
        Falsifier(2, "the support without its largest entry", partial(measure, dropped=True), share=0.4),
        Falsifier(3, r"$A_J^\top\nu = \tfrac12 \mathbf 1$", partial(measure, priced=0.5), share=0.4),
        Falsifier(4, "$2 v_J$ for $v_J$: not in the kernel", partial(measure, pushed=2.0)),
        Falsifier("formula", r"$M_\infty^{3/2}$ for $M_\infty$", partial(measure, power=1.5), share=0.3),
        Falsifier("formula", r"$\sqrt{M_\infty}$ for $M_\infty$", partial(measure, power=0.5), share=0.3),
    ),
    attained=(Attained("for the limit's own certificate, and for a single weight off the support", attained),),
    mutants=(
        "a direction that is not in the kernel",
        "a certificate of half the costs",
        "the start's magnification alone",
        "half the exponent of the sharp excess",
        "half the exponent of the least excess",
    ),
)
