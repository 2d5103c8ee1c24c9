r"""Positive limits

A limit is zero exactly where every interpolant is, which a linear program decides. Where it is positive an explicit
number bounds it from below; where it is not, it vanishes as fast as the residual.

Statement
---------
Let $L \ge 2$ and let gradient flow, or weight-normalized gradient flow with constant learning rates, start from $w_0 =
(r_0 u_0)^L$, $u_0 > 0$. Let $\chi_i = u_{0,i}^{2-L}$ and let $M_\infty$ be the magnification from the start to the
limit, as in {prf:ref}`thm-sharp_excess_deep`. If

1. **limit**: $w(t) \to w_\infty$ with $A w_\infty = y \ne 0$;
2. **interpolant**: $A z^\circ = y$ and $z^\circ \ge 0$,

then $w_{\infty,i} > 0$ wherever $z^\circ_i > 0$. With $S = \lVert w_\infty\rVert_1$, $r_\infty^2 = \rho(w_\infty)$ and
$K = \mathrm{KL}(u_\infty^2 \,\|\, u_0^2) \ge 0$,

$$
\begin{aligned}
w_{\infty,i} &\ge S\, u_{0,i}^2 \exp \frac{S K - 2 (\lVert z^\circ\rVert_1 - S) \log M_\infty
  + \sum_{j \ne i} z^\circ_j \log u_{0,j}^2}{z^\circ_i} && (L = 2), \\
w_{\infty,i} &\ge \Bigl( \frac{r_\infty u_{0,i}}{M_\infty} \Bigr)^L \biggl( \frac{\chi_i z^\circ_i}
  {\langle\chi, z^\circ - w_\infty\rangle + r_\infty^L M_\infty^{2-L}} \biggr)^{L/(L-2)} && (L \ge 3) .
\end{aligned}
$$

Both are equalities if $z^\circ_i$ is the only positive entry. So $w_\infty > 0$ if and only if some interpolant is $>
0$; and if and only if $D$ of {prf:ref}`thm-dual_flow` has a minimiser $\lambda_\infty$ to which positive weights
belong, which is then the limit of $\lambda(t)$. Elsewhere, let

3. **certificate**: $q = A^\top \mu \ge 0$ and $\langle\mu, y\rangle = 0$.

Then at all times $\langle q, w(t)\rangle \le \lVert\mu\rVert\, \lVert A w(t) - y\rVert$, and $w_{\infty,j} = 0$ where
$q_j > 0$. Some $\mu$ has $q_j > 0$ wherever every interpolant is zero.

Proof
-----
*The support.* By {prf:ref}`thm-convergence` $w_\infty$ minimises $D_\Phi(\cdot, w_0)$ over the interpolants $\ge 0$.
Let $z^\circ_i > 0 = w_{\infty,i}$, and move from $w_\infty$ to $z^\circ$, $w_s = w_\infty + s\,(z^\circ - w_\infty)$.
By {prf:ref}`thm-mirror_map` $\Phi$ is, up to terms with a bounded slope, $\tfrac12 \sum_i w_i \log w_i$ at $L = 2$ and
a decreasing function of $\rho(w)$ with a negative slope at $L \ge 3$, as $w_\infty \ne 0$. As $s \to 0$ the slopes of
$s z^\circ_i \log(s z^\circ_i)$ and of $-(s z^\circ_i)^{2/L}$ tend to $-\infty$, those of the positive entries stay
bounded: $D_\Phi(w_s, w_0)$ decreases at first. This is a contradiction.

*How large.* Leave out the entries in which every interpolant is $0$. Then $w_\infty > 0$, so that $\pm(z^\circ -
w_\infty)$ both lead to interpolants and $\langle \theta_\infty - \theta_0, z^\circ - w_\infty\rangle = 0$. In terms of
$g_i = M_\infty u_{\infty,i}/u_{0,i}$ this is

$$
\begin{aligned}
\sum_i z^\circ_i \log g_i &= \sum_i w_{\infty,i} \log g_i && (L = 2), &
\sum_i \chi_i z^\circ_i (1 - g_i^{2-L}) &= \sum_i \chi_i w_{\infty,i} (1 - g_i^{2-L}) && (L \ge 3) .
\end{aligned}
$$

At $L = 2$ the right side is $S \log M_\infty + \tfrac S2 K$, and for $j \ne i$, $\log g_j \le \log M_\infty - \log
u_{0,j}$ as $u_{\infty,j} \le 1$. Solve for $\log g_i$; $w_{\infty,i} = S u_{0,i}^2 (g_i/M_\infty)^2$. At $L \ge 3$,
$\chi_j w_{\infty,j}\, g_j^{2-L} = r_\infty^L M_\infty^{2-L}\, u_{\infty,j}^2$, and these add up to $r_\infty^L
M_\infty^{2-L}$. On the left $g_j^{2-L} \ge 0$ for $j \ne i$. Solve for $g_i$; $w_{\infty,i} = (r_\infty u_{0,i}\,
g_i/M_\infty)^L$.

*Positive as a whole.* If $z^\circ > 0$, then $w_\infty > 0$. If $w_\infty > 0$, then it is such a $z^\circ$, and
$\theta(t) = \theta_0 + A^\top \lambda(t)$ converges to $\nabla\Phi(w_\infty)$. $A^\top$ is injective on the range of
$A$, so $\lambda(t)$ converges, to a point where $\nabla D = A w_\infty - y = 0$: a minimiser, as $D$ is convex. In
turn, at a minimiser $\nabla D = 0$, so the positive weights that belong to it interpolate.

*Elsewhere.* $\langle q, w\rangle = \langle\mu, A w\rangle = \langle\mu, A w - y\rangle$. And if every interpolant $\ge
0$ has $z^\circ_j = 0$, then the linear program $\max\{ z_j : A z = y,\ z \ge 0 \}$ has the value $0$, and its dual a
solution: $A^\top\mu \ge e_j$ and $\langle\mu, y\rangle = 0$. Add these for all such $j$.

Boundary
--------
- **Checked.** The two identities and what they add up to, by computer algebra. The two bounds from below on computed
  limits of both flows, for a dense and for the sparsest interpolant, on problems some of whose weights a measurement
  forces to zero. On flows that are followed: which weights vanish, against `wnlib.attainable_weights`, and the bound on
  those.
- **Assumed.** Nothing beyond {prf:ref}`thm-convergence`.
- **No run can test.** That a small weight is positive, or a vanishing one zero: runs end. Both are proved.

Source
------
Derived here.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import sympy as sp
from scipy.special import rel_entr

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, L, Step
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import Flow
from wnlib.limits.end_point import Limit
from wnlib.limits.limit import limit
from wnlib.problem import Problem
from wnlib.sparse.attainable import attainable_weights
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.trajectories.integration import integrate

LATE = 1e-14  # the relative loss at which a followed flow ends
VANISHED = 1e-6  # of the largest weight, what then counts as none
TIMES = np.geomspace(1e-6, 1, 7)  # of the run


def derive(depth: Depth = L) -> Derivation:
    """Stationarity towards an interpolant, for one measurement of three weights; each term of its right side."""
    a, w, z = (sp.Matrix(sp.symbols(f"{name}_1:4", positive=True)) for name in ("a", "w", "z"))
    lam = sp.Symbol("lambda", real=True)
    same = {z[2]: w[2] - (a[0] * (z[0] - w[0]) + a[1] * (z[1] - w[1])) / a[2]}
    pairing = (lam * a).dot(z - w).subs(same)
    names = r"r_\infty", r"M_\infty", r"u_{\infty,j}", "u_{0,j}", r"\chi_j"
    r, M, u, u_0, chi = (sp.Symbol(name, positive=True) for name in names)
    g = M * u / u_0
    if depth == 2:
        told, most = sp.log(M) + sp.log(u**2 / u_0**2) / 2, sp.log(M) - sp.log(u_0)
        whole = sp.Symbol("S") * (sp.log(M) + sp.Symbol("K") / 2)
        left, reason = r"\log g_j", r"Weighted by $w_{\infty,j} = S u_{\infty,j}^2$."
        other = Step("Another term on the left", left, most, r"$u_{\infty,j} \le 1$.", r"\le")
        residuals = [sp.expand_log(sp.log(g) - told), sp.expand_log(most + sp.log(u) - sp.log(g))]
    else:
        told, whole = r**depth * M ** (2 - depth) * u**2, r**depth * M ** (2 - depth)
        left, reason = r"\chi_j w_{\infty,j}\, g_j^{2-L}", r"$w_{\infty,j} = (r_\infty u_{\infty,j})^L$."
        other = Step("Another term on the left", r"-g_j^{2-L}", sp.Integer(0), "As $g_j > 0$.", r"\le")
        term = (chi * (r * u) ** depth * g ** (2 - depth)).subs(chi, u_0 ** (2 - depth))
        residuals = [sp.simplify(sp.powsimp(sp.expand_power_base(term / told, force=True), force=True)) - 1]
    steps = (
        Step("Stationarity", r"\langle A^\top\lambda, z^\circ - w_\infty\rangle", sp.simplify(pairing), "Same data."),
        Step("A term on the right", left, told, reason),
        Step("The right side", r"\sum_j", whole, r"$\lVert u_\infty\rVert = 1$."),
        other,
    )
    return Derivation(steps, symbolic.reduced(pairing, *residuals))


def blocked(case: Case) -> Problem:
    """Dense weights but for some that a measurement of its own, the last, forces to zero."""
    rng = case.rng()
    zero = rng.permutation(case.n)[: rng.integers(1, case.n // 2 + 1)]
    truth, row = rng.uniform(0.5, 1.5, case.n), np.zeros(case.n)
    truth[zero], row[zero] = 0.0, rng.uniform(0.5, 1.5, zero.size)
    A = np.vstack([case.problem.A, row])
    return Problem(A, A @ truth, truth)


def flows(case: Case) -> tuple[Flow, ...]:
    """Both."""
    return case.plain, case.flow


def lowest(end: Limit, z: Array, power: float = 1.0) -> Array:
    """The bounds from below for an interpolant (n,): 0 where that is. For the falsifiers: another `power` of M."""
    L, u_0, w, bound, on = end.flow.depth, end.start.direction, end.weights, np.zeros_like(z), z > 0
    log_M = power * float(np.diff(end.flow.log_magnification(np.array([float(end.start.radius), end.radius])))[0])
    if L == 2:
        S, log_p = w.sum(), 2 * np.log(u_0)
        K = np.sum(rel_entr(w / S, u_0**2))
        exponent = S * K - 2 * (z.sum() - S) * log_M + z @ log_p - z[on] * log_p[on]
        bound[on] = S * u_0[on] ** 2 * np.exp(exponent / z[on])
        return bound
    chi = u_0 ** (2 - L)
    room = chi @ (z - w) + end.radius**L * np.exp((2 - L) * log_M)
    whole = (end.radius * u_0[on] * np.exp(-log_M)) ** L
    bound[on] = whole * (chi[on] * z[on] / room) ** (L / (L - 2)) if room > 0 else np.inf
    return bound


def alone(case: Case, other: float = 1.0, half: float = 1.0, power: float = 1.0) -> Measurement:
    """One measurement of all weights: the bounds by interpolants of a single weight, and the limits; both flows.

    For the falsifiers: limits from a start `other` times as large, as if it were from this one; what is taken of the
    interpolants (`half`); another `power` of M.
    """
    a, start = case.rng().uniform(0.5, 1.5, case.n), replace(case.start, radius=other * case.start.radius)
    bounds, weights = list[float](), list[Array]()
    for flow in flows(case):
        end = replace(limit(flow, Problem(a[None], np.ones(1)), start), start=case.start)
        bounds += [lowest(end, half * np.eye(case.n)[i] / a[i], power)[i] for i in range(case.n)]
        weights.append(end.weights)
    return Measurement(bounds, np.concatenate(weights))


def vanishing(case: Case, beside: float = 0.0) -> Measurement:
    r"""Followed gradient flow: $\langle q, w\rangle$ against its bound, and how many weights vanish against reason.

    For the falsifiers: so much of the first measurement in the certificate.
    """
    problem, mu = blocked(case), np.zeros(case.m + 1)
    path = integrate(case.plain, problem, case.start, 1e12, rtol=1e-6, stop_loss=LATE * problem.loss_of_zero)
    weights = path.at(TIMES * path.t[-1]).weights
    mu[-1], mu[0] = 1.0, beside * np.sign(problem.y[0])
    bound = np.linalg.norm(mu) * np.linalg.norm(problem.residual(weights), axis=1)
    wrong = np.count_nonzero((weights[-1] > VANISHED * weights[-1].max()) != attainable_weights(problem))
    return Measurement(np.append(weights @ (problem.A.T @ mu), wrong), np.append(bound, 0.0))


def measure(case: Case) -> Measurement:
    """Bounds from below against limits, for a dense, the sparsest and single weights; both flows; what vanishes."""
    problem, parts = blocked(case), [alone(case), vanishing(case)]
    for flow in flows(case):
        end = limit(flow, problem, case.start)
        interpolants = np.asarray(problem.truth), basis_pursuit(problem).weights
        parts += [Measurement(lowest(end, z), end.weights) for z in interpolants]
    return Measurement(np.concatenate([p.measured for p in parts]), np.concatenate([p.predicted for p in parts]))


def attained(case: Case) -> Measurement:
    """Single weights; and the second of two weights, each with a measurement of its own, whose datum is 0."""
    floors, problem = alone(case), Problem(np.diag(case.rng().uniform(1, 2, 2)), np.array([1.0, 0.0]))
    path = integrate(case.plain, problem, case.plain.start(2, case.scale), 1e12, rtol=1e-8, stop_loss=LATE)
    residual = float(np.linalg.norm(problem.residual(path.weights[-1])))
    q = problem.A[1] @ path.weights[-1]
    return Measurement(np.append(floors.measured, q), np.append(floors.predicted, residual))


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.attainable_weights", "wnlib.limit"),
    tolerance=1e-6,
    ensemble=Ensemble(
        depths=(2, 3, 4),
        ratios=(1.0, 4.0),
        scales=(0.6, 1.4),
        columns=(4, 9),
        matrices=("gaussian", "rademacher", "cosine", "rank-deficient", "duplicated columns", "repeated rows"),
    ),
    derive=derive,
    symbolic=True,
    measure=measure,
    uses=("convergence", "dual_flow", "mirror_map"),
    falsifiers=(
        Falsifier(1, "the limit from a start of a third of the radius", partial(alone, other=1 / 3)),
        Falsifier(2, r"half of $z^\circ$", partial(alone, half=0.5)),
        Falsifier(3, r"another measurement in $\mu$, which is not 0", partial(vanishing, beside=1.0)),
        Falsifier("formula", r"$\sqrt{M_\infty}$ for $M_\infty$", partial(alone, power=0.5)),
    ),
    attained=(Attained("for single weights, and for one that nothing but its own measurement moves", attained),),
    mutants=(
        "every weight attainable",
        "the least sum of attainable weights",
        "a tenth more of the start's magnification",
        "1 - L for 2 - L on the curve",
    ),
)
