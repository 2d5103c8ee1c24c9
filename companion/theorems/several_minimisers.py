r"""Which of several sparse solutions

Where basis pursuit has several solutions, the flows choose one: the one nearest to the direction of the start at depth
2, the one with the largest radius from depth 3 on. Neither the scale of the start nor the ratio has a say in it.

Statement
---------
Let $L \ge 2$ and let gradient flow or weight-normalized gradient flow start from $w_0 = (r_0 u_0)^L$, $u_0 > 0$;
$\chi = u_0^{2-L}$. If

1. **limit**: $w_\infty > 0$ is the interpolating limit of the flow from $w_0$;
2. **face**: $A_J^\top \nu = \chi_J$ for some $\nu$,

then $w_{\infty,J}$ is, among all $x \ge 0$ with $A_J x = y - \sum_{j \notin J} w_{\infty,j} A_j$, the only one that
minimises

$$
\begin{aligned}
\sum_{i \in J} x_i \log \frac{x_i}{u_{0,i}^2} \quad (L = 2), \qquad -\sum_{i \in J} x_i^{2/L} \quad (L \ge 3) .
\end{aligned}
$$

Hypothesis 2 holds for the union $J$ of the supports of those who minimise $\langle\chi, z\rangle$ over the nonnegative
interpolants. If $w_\infty$ tends to them, as it does when the magnification grows, then it tends to the one that
minimises the same among them, and that one is positive on $J$.

Proof
-----
By {prf:ref}`thm-implicit_bias` $m_L(z_\infty) - m_L(z_0) \in \operatorname{row}(A)$. Let $A_J v = 0$; with zeros off
$J$ it is in the kernel of $A$, so $\langle v, (m_L(z_\infty) - m_L(z_0))_J\rangle = 0$. And $\langle v, \chi_J\rangle =
\langle A_J v, \nu\rangle = 0$.

At depth 2, $2 m_2(z_\infty) - 2 m_2(z_0)$ is $\log(w_\infty/u_0^2)$ and the same number in each entry, of which
nothing is left as $\chi = \mathbf 1$. So $\langle v, \log(w_\infty/u_0^2)_J\rangle = 0$: the first sum has no slope
along $v$. From depth 3 on $m_L(z_0)$ is a multiple of $\chi$, and $m_L(z_\infty)$ one of $w_\infty^{(2-L)/L}$, which
is $\tfrac L2$ times the slope of the second sum. Both are strictly convex, and $w_{\infty,J} > 0$.

*Among the minimisers.* A certificate of them is $\chi_J$ on $J$ by complementary slackness. As $\langle\chi_J,
x\rangle = \langle\nu, A_J x\rangle$, the $x$ are in a compact polytope. It depends continuously on the data, and so
does the only minimiser of a strictly convex function. With $w_\infty = 0$ off $J$ the polytope is that of the
minimisers. One of them is positive on $J$, and towards it the slope is $-\infty$ from where an entry vanishes.

Boundary
--------
- **Checked.** The slopes by computer algebra. Limits of both flows, for ugly measurements that are changed so that
  basis pursuit has several solutions, from random directions: their entries on $J$ are where gradient flow on $J$ alone
  ends, from another scale; and from tiny starts they are `wnlib.sparse_limit`.
- **Assumed.** Nothing beyond {prf:ref}`thm-implicit_bias`.
- **No run can test.** The limit of the magnification. It is proved.

Source
------
Derived here.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification.cases import tilted
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, L, Step, mirror, reduced
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import GradientFlow
from wnlib.flows.polar import radius_of
from wnlib.limits.limit import limit
from wnlib.limits.sparse_limit import costs, sparse_limit
from wnlib.problem import Problem

TINY = {2: 1e-12}  # of the target's radius, from where nothing is left off J
DEEP = 1e-6


def derive(depth: Depth = L) -> Derivation:
    """The slopes of what is minimised, against the mirror map of magnified weights."""
    w, u, K = (sp.Symbol(name, positive=True) for name in (r"w_{\infty,i}", "u_{0,i}", "K"))
    dual = mirror(K * w ** (1 / sp.S(depth)), depth)
    if depth == 2:
        minimised = w * sp.log(w / u**2)
        told = 2 * dual - 2 * mirror(u, depth) - 2 * sp.log(K) + 1
    else:
        minimised = -(w ** (2 / sp.S(depth)))
        told = (depth - 2) * K ** (depth - 2) * dual * 2 / sp.S(depth)
    slope = sp.diff(minimised, w)
    steps = (
        Step("What is minimised", r"\phi(w_{\infty,i})", minimised, "In each entry."),
        Step(
            "Its slope",
            r"\phi'(w_{\infty,i})",
            slope,
            r"A multiple of $m_L(K w_{\infty,i}^{1/L})$, up to what is orthogonal to all $v$.",
        ),
    )
    return Derivation(steps, reduced(sp.expand_log(sp.powsimp(sp.expand(slope - told), force=True), force=True)))


def several(case: Case, broken: bool = False) -> tuple[Problem, int]:
    r"""The case's measurements, changed so that the first entries cost what a $\nu$ pays, the others more.

    For the falsifier: a first column that is `broken`, so that it does not.
    """
    rng, n = case.rng(), case.n
    A, p = case.problem.A, costs(case.start, case.depth)
    count = min(n - 1, case.problem.rank + 2)
    nu = rng.standard_normal(len(A))
    paid = np.where(np.arange(n) < count, p, (1 - rng.uniform(0.5, 1.5, n)) * p)
    A = A + np.outer(nu, (paid - nu @ A) / (nu @ nu))
    A[:, 0] *= 0.8 if broken else 1.0
    weights = np.where(np.arange(n) < count, rng.uniform(0.2, 1, n), 0.0) / p
    return Problem(A, A @ weights, weights), count


def measure(case: Case, tilt: bool = False, broken: bool = False, deeper: int = 0) -> Measurement:
    """The limits of both flows on J, and of gradient flow from a tiny start, in units of the largest weight.

    For the falsifiers: a limit from a direction that is a `tilt` away, a `broken` face, a flow on J that is `deeper`.
    """
    (problem, count), depth = several(case, broken), case.depth
    direction = tilted(case) if tilt else case.direction
    on, reach = slice(count), float(radius_of(np.asarray(problem.truth), depth))
    measured: list[Array] = []
    predicted: list[Array] = []
    for flow in (case.flow, case.plain):
        weights = limit(flow, problem, flow.start(case.n, case.scale * reach, direction)).weights
        alone = GradientFlow(depth + deeper)
        data = problem.y - problem.A[:, count:] @ weights[count:]
        start = alone.start(count, 3.0, case.direction[on])
        measured.append(weights[on])
        predicted.append(limit(alone, Problem(problem.A[:, on], data), start).weights)
    if not broken:
        start = case.plain.start(case.n, TINY.get(depth, DEEP) * reach, direction)
        measured.append(limit(case.plain, problem, start).weights)
        predicted.append(sparse_limit(problem, depth, case.direction))
    return Measurement(np.concatenate(measured), np.concatenate(predicted))


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.sparse_limit", "wnlib.margin"),
    tolerance=1e-7,
    ensemble=Ensemble(depths=(2, 3, 4, 5, 6), ratios=(0.5, 4), scales=(0.4, 2.0), columns=(6, 16)),
    derive=derive,
    symbolic=True,
    measure=measure,
    uses=("implicit_bias",),
    falsifiers=(
        Falsifier(1, "the limit from the direction from 1 to 4 over the entries", partial(measure, tilt=True)),
        Falsifier(2, r"a column of $A_J$ of 0.8 times the size", partial(measure, broken=True)),
        Falsifier("formula", "$L + 1$ for $L$ in what is minimised", partial(measure, deeper=1)),
    ),
    mutants=(
        "the norm of another depth",
        "the start's square on the support",
        "the last minimiser for one between",
    ),
)
