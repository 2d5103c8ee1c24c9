r"""The sharp excess, depth 3 and above

From depth 3 on the direction of the start decides which norm is minimised, a weighted $\ell_1$ norm. The excess in this
norm is known up to a small factor: the inverse of the magnification, to the power of the depth, for both flows.

Statement
---------
Let $L \ge 3$ and let gradient flow or weight-normalized gradient flow start from $w_0 = (r_0 u_0)^L$, $u_0 > 0$. Let
$\chi_i = u_{0,i}^{2-L}$, $r_\infty^2 = \rho(w_\infty)$, and let $M_\infty$ be the magnification from the start to the
limit: $\log M_\infty = \tfrac c2 (r_\infty^2 - r_0^2)$ with weight normalization, $M_\infty = r_\infty/r_0$ without. If

1. **limit**: $w_\infty > 0$ is the interpolating limit of the flow from $w_0$;
2. **support**: some interpolant vanishes off $J$; $G = A_J^+ A$;
3. **certificate**: $A_J^\top \nu = \chi_J$, and with $s_j = 1 - A_j^\top\nu/\chi_j$ and $\beta_i = (M_\infty
   u_{\infty,i}/u_{0,i})^{2-L}$ all $\tilde s_j = s_j + \sum_{i \in J} \tfrac{\chi_i}{\chi_j} G_{ij}\, \beta_i$ are
   positive, $j \notin J$;
4. **direction**: $A v = 0$, and for $\omega = \chi \odot v$ the entries off $J$ are $\ge 0$ and add up to 1,

then, with $q = 1 - \tfrac2L$ and $\tilde g = \sum_i \omega_i - \sum_{i \in J} \omega_i \beta_i > 0$,

$$
\begin{aligned}
\sum_{j \notin J} \chi_j \tilde s_j\, w_{\infty,j}
  &\le \Bigl( \frac{r_\infty}{M_\infty} \Bigr)^L \sum_{j \notin J} u_{0,j}^2\, \tilde s_j^{-2/(L-2)}, \\
\sum_{j \notin J} \chi_j\, w_{\infty,j}
  &\ge \Bigl( \frac{r_\infty}{M_\infty} \Bigr)^L \tilde g^{-1/q}
    \Bigl( \sum_{j \notin J} (\omega_j u_{0,j}^{2q})^{1/(1+q)} \Bigr)^{(1+q)/q} .
\end{aligned}
$$

Let moreover $J$ be the union of the supports of the minimisers of $\langle\chi, z\rangle$ over the nonnegative
interpolants, and $z^*$ the one of the largest radius. As $M_\infty \to \infty$ from one direction, $w_\infty \to z^*$,
and

$$
\begin{aligned}
M_\infty^L\, \bigl( \langle\chi, w_\infty\rangle - \langle\chi, z^*\rangle \bigr)
  &\to \rho(z^*)^{L/2}\, \min_\nu \sum_{j \notin J} u_{0,j}^2\, s_j^{-2/(L-2)}
\end{aligned}
$$

over the certificates $\nu$ with $s_j > 0$ off $J$. The power does not depend on the problem.

Proof
-----
By {prf:ref}`thm-implicit_bias`, $m_L(z_\infty) - m_L(z_0) \in \operatorname{row}(A)$. With $z_i/z_{0,i} = M_\infty
u_{\infty,i}/u_{0,i}$ for all $i$, and $\beta$ for all entries, this is $\chi \odot (\mathbf 1 - \beta) \in
\operatorname{row}(A)$; and $\chi_j \beta_j w_{\infty,j} = (r_\infty/M_\infty)^{L-2}\, w_{\infty,j}^{2/L}$.

*Above.* By hypothesis 2 $\sum_{j \notin J} w_{\infty,j} A_j$ is in the range of $A_J$, so it is $A_J h$ with $h_i =
\sum_{j \notin J} G_{ij} w_{\infty,j}$. From the vector in the kernel that is $h$ on $J$ and $-w_\infty$ off it,
$\sum_{j \notin J} w_{\infty,j}\, \chi_j (1 - \beta_j) = \sum_{i \in J} h_i\, \chi_i (1 - \beta_i)$, and
$\langle\chi_J, h\rangle = \langle\nu, A_J h\rangle = \sum_{j \notin J} (1 - s_j)\, \chi_j w_{\infty,j}$. Together,

$$
\begin{aligned}
\sum_{j \notin J} \chi_j \tilde s_j\, w_{\infty,j} &= \sum_{j \notin J} \chi_j \beta_j\, w_{\infty,j}
  = \Bigl( \frac{r_\infty}{M_\infty} \Bigr)^{L-2} \sum_{j \notin J} w_{\infty,j}^{2/L} .
\end{aligned}
$$

Write $E$ for the left side. By Hölder's inequality with the exponents $\tfrac L2$ and $\tfrac{L}{L-2}$ the sum on the
right is at most $E^{2/L} \bigl( \sum_{j \notin J} (\chi_j \tilde s_j)^{-2/(L-2)} \bigr)^{q}$, and $\chi_j^{-2/(L-2)} =
u_{0,j}^2$. So $E^q \le (r_\infty/M_\infty)^{L-2} (\dots)^q$; take the power $1/q = L/(L-2)$.

*Below.* From $\langle v, \chi \odot (\mathbf 1 - \beta)\rangle = 0$: $\sum_{j \notin J} \omega_j \beta_j = \tilde g$.
For $X_j = \chi_j w_{\infty,j}$, $\beta_j = (X_j/u_{0,j}^2)^{-q} (r_\infty/M_\infty)^{L q}$. By Hölder's inequality with
the exponents $1 + q$ and $\tfrac{1+q}{q}$,

$$
\begin{aligned}
\sum_{j \notin J} (\omega_j u_{0,j}^{2q})^{1/(1+q)}
  &\le \Bigl( \sum_{j \notin J} \omega_j u_{0,j}^{2q} X_j^{-q} \Bigr)^{1/(1+q)}
    \Bigl( \sum_{j \notin J} X_j \Bigr)^{q/(1+q)},
\end{aligned}
$$

where the first sum on the right is $(r_\infty/M_\infty)^{-L q}\, \tilde g$. Solve for the second.

*The limit.* For a minimiser $z$, $\langle w_\infty - z, \chi \odot (\mathbf 1 - \beta)\rangle = 0$, so $\langle\chi,
w_\infty - z\rangle \le \langle\chi \odot \beta, w_\infty\rangle = r_\infty^L M_\infty^{2-L}$, which vanishes
($r_\infty$ is bounded, as $r_\infty^L$ is at most a multiple of $\langle\chi, w_\infty\rangle$): $w_\infty$ tends to
the minimisers, by {prf:ref}`thm-several_minimisers` to $z^*$, which is positive on $J$, and $\beta_J =
O(M_\infty^{2-L})$. There are certificates with $s_j > 0$ off $J$, by linear programming. The first bound, with one of
them, makes $w_\infty$ vanish off $J$ like $M_\infty^{-L}$; the excess is $\sum_{j \notin J} \chi_j s_j w_{\infty,j}$
for each certificate. So its upper limit, times $M_\infty^L$, is at most the value of the sum at each certificate. In
turn, Hölder's inequality is an equality where $\tilde s_j = \beta_j$ off $J$, and this holds for a certificate $\nu_M$
of the limit's own, as $\chi \odot (\mathbf 1 - \beta)$ is in the row space. Its sum is bounded, so its $\beta_j$ off
$J$ are bounded from below, its $s_j$ differ from them by $O(M_\infty^{2-L})$ and are positive in the end: its sum is
at least the minimum, up to what vanishes.

Boundary
--------
- **Checked.** The identity of the bound above, and what $\chi_j \beta_j w_{\infty,j}$ is, by computer algebra; Hölder's
  inequality is taken as known. Both bounds on computed limits of both flows from random directions, depths 3 to 6, for
  the certificate with the largest margin, a random one, and the cheapest direction. On one instance,
  followed to forty digits by both flows, the terms of the bound above at the limit's own certificate are the weights.
- **Assumed.** Nothing beyond {prf:ref}`thm-implicit_bias`.
- **No run can test.** The limit $M_\infty \to \infty$. It is proved.

Source
------
Derived here.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import certificates, lone_weight, magnified_limit, some_margin
from companion.verification.ensemble import Case, Ensemble
from companion.verification.own_terms import certificates as certify
from companion.verification.symbolic import Depth, Derivation, L, Step
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.limits.sharp import OffSupport
from wnlib.limits.sparse_limit import costs
from wnlib.linear.ranks import least_squares
from wnlib.sparse.margin import margin


def derive(depth: Depth = L) -> Derivation:
    """The identity for two measurements of three weights, one of them in the support; a weight's share in it."""
    a = [sp.Matrix(sp.symbols(f"a_{i} b_{i}", real=True)) for i in (1, 2, 3)]
    costs, lam, t = sp.symbols("chi_1:4", positive=True), sp.Matrix(sp.symbols("lambda_1:3", real=True)), sp.Symbol("t")
    across = sp.Matrix([x[0] for x in a]).cross(sp.Matrix([x[1] for x in a]))  # A across = 0
    nu_2 = sp.Symbol("nu_2", real=True)
    nu = sp.Matrix([(costs[0] - a[0][1] * nu_2) / a[0][0], nu_2])  # a_1 nu = chi_1
    sigma = [1 - each.dot(lam) / cost for each, cost in zip(a, costs, strict=True)]
    G = [a[0].dot(each) / a[0].dot(a[0]) for each in a]
    slack = [1 - a[j].dot(nu) / costs[j] + costs[0] * G[j] * sigma[0] / costs[j] for j in range(3)]
    identity = sum(t * across[j] * costs[j] * (slack[j] - sigma[j]) for j in (1, 2))

    r, u, u_0, M = (sp.Symbol(name, positive=True) for name in (r"r_\infty", "u_j", "u_{0,j}", r"M_\infty"))
    share = sp.powsimp(u_0 ** (2 - depth) * (M * u / u_0) ** (2 - depth) * (r * u) ** depth, force=True)
    told = (r / M) ** (depth - 2) * (r * u) ** 2
    B, g = sp.symbols(r"B \tilde{g}", positive=True)
    q = 1 - sp.S(2) / depth
    steps = (
        Step(
            "The kernel",
            r"\sum_{j \notin J} \chi_j w_j (\tilde s_j - \beta_j)",
            sp.simplify(identity),
            r"Two measurements of three weights, $J = \{1\}$; $\chi \odot (\mathbf 1 - \beta) = A^\top\lambda$.",
        ),
        Step("A weight's share", r"\chi_j \beta_j w_j", told, r"With $\beta_j = (M_\infty u_j/u_{0,j})^{2-L}$."),
        Step("Above", "E^q", (r / M) ** (depth - 2) * B**q, "By Hölder; $B$ is the sum of the bound.", r"\le"),
        Step("Below", "X^q", (r / M) ** (depth * q) / g * B ** (1 + q), "By Hölder; $X$ is the mass.", r"\ge"),
    )
    residuals = (
        *symbolic.reduced(sp.simplify(identity)),
        sp.simplify(sp.expand_log(sp.log(share) - sp.log(told), force=True)),
        sp.simplify((depth - 2) / q - depth),
    )
    return Derivation(steps, residuals)


def own_certificate(off: OffSupport) -> Array:
    """The certificate that the limit itself makes, moved so that it is one: the bound above is attained there."""
    A, on, p = off.end.problem.A, off.support, off.costs
    told = least_squares(A.T, p * (1 - off.grown))
    return told + least_squares(A[:, on].T, p[on] - A[:, on].T @ told)


def measure(
    case: Case,
    other: float = 1.0,
    dropped: bool = False,
    priced: float = 1.0,
    left: float = 1.0,
    power: float = 1.0,
) -> Measurement:
    r"""The mass off the support over the bound above, for two certificates, and the bound below over the mass.

    For the falsifiers: a limit from a start `other` times as large; a support without its largest entry (`dropped`); a
    certificate `priced` too high; a direction moved on the support, so that a share of $\tilde g$ is `left`; another
    `power` of M.
    """
    found, end = some_margin(case, costs(case.start, case.depth)), magnified_limit(case, other, power)
    if np.isinf(found.value) or not end.attainable.all():  # nothing is claimed
        return Measurement(0.0, 1.0)
    on = found.support & (np.arange(case.n) != int(np.argmax(found.target)) if dropped else True)
    least, random = certificates(case, on, found.costs)
    best = least if dropped else found.dual
    off = OffSupport(end, on)
    slacks = [(priced * each, off.slacks(priced * each)) for each in (best, random)]
    above = [off.log_mass(s) - off.log_upper(each) for each, s in slacks if s.min() > 0]
    across = float((off.costs * found.direction)[on] @ (1 - off.grown[on]))  # g - 1
    moved = 1.0 if left == 1 else (left * (1 + across) - 1) / across
    below = off.log_lower(np.where(on, moved, 1.0) * found.direction) - off.log_mass()
    shares = [*above, below if np.isfinite(below) else -np.inf]  # where too little is magnified, nothing is claimed
    return Measurement(np.exp(shares), 1.0, main=[0, len(above)])


def attained(case: Case) -> Measurement:
    """The same for the limit's own certificate, and the bound below where a single weight is left outside."""
    end = lone_weight(case)
    found = margin(end.problem, costs(end.start, case.depth))
    alone = OffSupport(end, found.support)
    shares = [alone.log_lower(found.direction) - alone.log_mass()]
    found = margin(case.problem, costs(case.start, case.depth))
    own = OffSupport(magnified_limit(case), found.support)
    if own.end.attainable.all() and np.isfinite(found.value):
        nu = own_certificate(own)
        shares.append(own.log_mass(own.slacks(nu)) - own.log_upper(nu))
    return Measurement(np.exp(shares), 1.0)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.basis_pursuit", "wnlib.margin", "wnlib.needed_ratio", "wnlib.needed_scale"),
    tolerance=1e-6,
    ensemble=Ensemble(depths=(3, 4, 5, 6), ratios=(4, 12), scales=(0.4, 0.8), columns=(8, 16)),
    derive=derive,
    symbolic=True,
    measure=measure,
    certify=certify,
    uses=("implicit_bias", "several_minimisers"),
    falsifiers=(
        Falsifier(1, "the limit from a start of three times the radius", partial(measure, other=3.0)),
        Falsifier(2, "the support without its largest entry", partial(measure, dropped=True), share=0.4),
        Falsifier(3, r"$A_J^\top\nu = \tfrac12 \chi_J$", partial(measure, priced=0.5), share=0.4),
        Falsifier(4, r"$v_J$ so that $\tilde g$ is a tenth: not in the kernel", partial(measure, left=0.1)),
        Falsifier("formula", r"$M_\infty^{3/2}$ for $M_\infty$", partial(measure, power=1.5)),
        Falsifier("formula", r"$\sqrt{M_\infty}$ for $M_\infty$", partial(measure, power=0.5)),
    ),
    attained=(Attained("for the limit's own certificate, and for a single weight off the support", attained),),
    mutants=(
        "columns times their costs",
        "a direction that is not in the kernel",
        "the start's magnification alone",
        "the growth on the support subtracted",
        "L for L - 2 in the sharp excess",
        "1/L for 2/L in the least excess",
    ),
)
