r"""The norm of a deep network is made of blow-up times

From depth 3 on the directions of all layers at the start decide which norm is minimised: each weight of either sign
costs the time in which its factors would blow up. At depth 3 this is Carlson's elliptic integral.

Statement
---------
Let $L \ge 3$, $w = x^{(1)} \odot \dots \odot x^{(L)}$, and let each layer move by weight normalization of its own, with
$z^{(k)} = M_t u^{(k)}$ as in {prf:ref}`thm-layer_magnification`, or by gradient flow, with $z^{(k)} = x^{(k)}$. For
numbers $a_k \ge 0$, at most one of which is 0, and an entry $i$ with $a_k = (z_i^{(k)})^2$ let

$$
\begin{aligned}
T(a) &= \tfrac12 \int_0^\infty \frac{ds}{\sqrt{\prod_k (a_k + s)}}, &
T_i^+ &= T(a), & T_i^- &= 2\, T(a - \min a) - T(a) \quad \text{if } \textstyle\prod_k z_i^{(k)} \ge 0,
\end{aligned}
$$

the other way round if not; $T_i^- = \infty$ there if $\min a$ is attained twice. At depth 3 $T$ is Carlson's $R_F$.
With $C_t(w^\circ) = \sum_i T_i^+(t)\, (w_i^\circ)^+ + T_i^-(t)\, (w_i^\circ)^-$, if

1. **equal rates**: all layers have the same learning rates;
2. **constant ratio**: $c$ does not depend on time;
3. **same measurements**: $A w^\circ = A w(t)$,

then

$$
\begin{aligned}
C_0(w(t)) - C_0(w^\circ) &= C_t(w(t)) - C_t(w^\circ) .
\end{aligned}
$$

With $\mu = M_t^{-L} \prod_k r_k$ ($\mu = 1$ for gradient flow), if moreover

4. **no turn**: no radius has changed its sign,

then

$$
\begin{aligned}
C_t(w(t)) &\le \frac{\mu}{L-2} \prod_k \lVert z^{(k)} \rVert^{2/L} .
\end{aligned}
$$

So with weight normalization $w(t)$ minimises $C_0$ among all weights with its measurements, up to $M_t^{2-L} \prod_k
r_k /(L-2)$: as $M_t \to \infty$ while radii are bounded, the $C_0$ of limits tends to the least of all interpolants.

Proof
-----
*Blow-up times.* Let $d\tau = \kappa\, dt$, with $\kappa = 1$ for gradient flow, and $\theta_i = \int p_i\, d\tau$. By
{prf:ref}`thm-layer_magnification` $dz_i^{(k)}/d\theta_i = \prod_{j \ne k} z_i^{(j)}$. With $q = \prod_k z_i^{(k)}$ all
squares grow by the same $s$, $ds/d\theta_i = 2q = \pm 2 \sqrt{\prod_k (a_k + s)}$. So $T_i^\pm$ are the times at which
the solution blows up for growing and falling $\theta_i$: away from $q = 0$ it takes $T(a)$; towards it, $s$ falls to
$-\min a$ first, in the time $T(a - \min a) - T(a)$, and grows for ever from there, in $T(a - \min a)$, which is
infinite if $\min a$ is attained twice. At depth 3, $T$ is Carlson's $R_F$ by its definition. As time goes on,

$$
\begin{aligned}
T_i^\pm(t) &= T_i^\pm(0) \mp \theta_i(t) .
\end{aligned}
$$

*The difference.* Hence $C_0(w^\circ) - C_t(w^\circ) = \langle \theta(t), w^\circ\rangle$ for all $w^\circ$ (that have
no weight of infinite cost), and $\theta(t) \in \operatorname{row}(A)$: it is the same for $w^\circ$ and $w(t)$.

*The bound.* $\prod_k (a_k + s)^{1/L} \ge \prod_k a_k^{1/L} + s$, by the inequality of Mahler. So $T(a) \le \tfrac12
\int_0^\infty (|q|^{2/L} + s)^{-L/2}\, ds = |q|^{2/L - 1}/(L - 2)$. The sign of $w_i = \mu q_i$ is that of $q_i$, and
its cost $T(a)$: $C_t(w) \le \tfrac{\mu}{L-2} \sum_i |q_i|^{2/L}$, and $\sum_i \prod_k |z_i^{(k)}|^{2/L} \le \prod_k
\lVert z^{(k)}\rVert^{2/L}$ by Hölder's inequality. With weight normalization all $\lVert z^{(k)}\rVert = M_t$.

*The limit.* $C_t(w^\circ) \ge 0$, so $C_0(w(t)) - C_0(w^\circ)$ is at most this bound.

Boundary
--------
- **Checked.** The motion of the squares and the integral for equal squares by computer algebra; along followed flows of
  depths 3 and 4, the difference for the weights of least $C_0$ with the same measurements, which a linear program
  finds, and the bound, with weight normalization and with gradient flow; the bound at computed limits.
- **Assumed.** Nothing. Mahler's and Hölder's inequalities are taken as known.
- **No run can test.** The limit $M_t \to \infty$. It is proved.

Source
------
Derived here.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.layers import followed, layered
from companion.verification.measuring import together
from companion.verification.symbolic import Depth, Derivation, Step
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.models.blow_up import blow_up_times, cheapest_interpolant
from wnlib.models.layered import LayeredTrajectory
from wnlib.models.layered_limit import layered_limit
from wnlib.problem import Problem

RTOL = 1e-8
Costs = Callable[[Array], tuple[Array, Array]]


def derive(depth: Depth) -> Derivation:
    """The motion of an entry's squares; the time for equal squares; the slopes of the bound's inequality."""
    depth = check.integer("depth", depth, least=3)
    z = sp.symbols([f"z^{{({k})}}_i" for k in range(1, depth + 1)], positive=True)
    q, s, a = sp.Mul(*z), sp.Symbol("s", nonnegative=True), sp.Symbol("a", positive=True)
    motions = [2 * entry * q / entry for entry in z]  # of the squares, in theta
    equal = sp.integrate((a + s) ** (-sp.Rational(depth, 2)), (s, 0, sp.oo)) / 2
    bound = a ** (1 - sp.Rational(depth, 2)) / (depth - 2)  # with q^2 = a^L
    steps = (
        Step("A square", r"d \bigl(z^{(1)}_i\bigr)^2 / d\theta_i", motions[0], "The same for all layers: $2q$."),
        Step("The time", r"d\theta_i/ds", 1 / (2 * q), r"With $q^2 = \prod_k (a_k + s)$, from 0 to $\infty$."),
        Step("Equal squares", "T(a, \\dots, a)", equal, r"Which is the largest T for a given product $q^2$."),
    )
    return Derivation(steps, symbolic.reduced(*(one - motions[0] for one in motions), equal - bound))


def either_sign(z: Array) -> tuple[Array, Array]:
    """For a falsifier: costs that do not depend on the sign."""
    plus, minus = blow_up_times(z)
    return np.minimum(plus, minus), np.minimum(plus, minus)


def of_roots(z: Array) -> tuple[Array, Array]:
    """For a falsifier: a = |z|, not its square."""
    return blow_up_times(np.sign(z) * np.sqrt(np.abs(z)))


def measure(
    case: Case,
    lead: float = 1.0,
    doubling: bool = False,
    share: float = 1.0,
    turning: bool = False,
    costs: Costs = blow_up_times,
    power: float = 1.0,
) -> Measurement:
    """Both flows: the differences of C, the bound, and by how much computed limits exceed it.

    For the falsifiers: a first layer whose rates `lead`; a ratio that is `doubling` on the way; other weights times a
    `share`; a radius that changes its sign (`turning`); other `costs`; another `power` of M in the bound.
    """
    found = list[Measurement]()
    for path in followed(case, RTOL, lead, doubling, turning):
        difference, bound = _along(path, share, costs, power)
        found += [difference, bound] if turning or path.radii.min() > 0 else [difference]
    return together(*found, _at_limit(case, costs))


def _at_limit(case: Case, costs: Costs) -> Measurement:
    """By how much the C of a limit of gradient flow, from a small start, is more than its bound above the least."""
    _, problem, x = layered(case)
    x, L = 0.3 * x, case.depth
    end, cost = layered_limit(case.plain, problem, x), costs(x)
    least = norm(cheapest_interpolant(problem, cost), cost)
    bound = np.linalg.norm(end.factors, axis=1).prod() ** (2 / L) / (L - 2)
    return Measurement(max(norm(end.weights, cost) - least - bound, 0.0), 0.0, scale=least)


def norm(weights: Array, costs: tuple[Array, Array]) -> float:
    """C of weights (N,)."""
    return float(costs[0] @ np.maximum(weights, 0) + costs[1] @ np.maximum(-weights, 0))


def _along(path: LayeredTrajectory, share: float, costs: Costs, power: float) -> tuple[Measurement, Measurement]:
    """At the end of a path: the difference for the cheapest weights with its measurements, and C over its bound."""
    z, weights, L = path.magnified, path.weights[-1], path.flow.depth
    first, last = costs(z[0]), costs(z[-1])
    other = share * cheapest_interpolant(Problem(path.problem.A, path.problem.A @ weights, weights), first)
    norms = np.linalg.norm(z[-1], axis=1)
    M = norms[0] if isinstance(path.flow, WeightNormFlow) else 1.0
    mu = np.abs(path.radii[-1]).prod() / norms.prod()
    bound = M ** (1 - power) * mu * norms.prod() ** (2 / L) / (L - 2)
    return (
        Measurement(
            norm(weights, first) - norm(other, first),
            norm(weights, last) - norm(other, last),
            scale=norm(other, first),
        ),
        Measurement(max(norm(weights, last) / bound, 1.0), 1.0),
    )


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.blow_up_times", "wnlib.layered_limit"),
    tolerance=1e-5,
    ensemble=Ensemble(depths=(3, 4), ratios=(0.5, 4), scales=(0.6, 1.4), columns=(3, 6)),
    derive=derive,
    measure=measure,
    uses=("layer_magnification",),
    falsifiers=(
        Falsifier(1, "the first layer faster by a tenth", partial(measure, lead=1.1)),
        Falsifier(2, "a ratio that doubles on the way", partial(measure, doubling=True)),
        Falsifier(3, r"$1.1\, w^\circ$", partial(measure, share=1.1)),
        Falsifier(4, "a radius that changes its sign", partial(measure, turning=True)),
        Falsifier("formula", "$T_i^- = T_i^+$", partial(measure, costs=either_sign)),
        Falsifier("formula", "$a_k = |z_i^{(k)}|$", partial(measure, costs=of_roots)),
        Falsifier("formula", r"$M_t^{1-L}$ in place of $M_t^{2-L}$", partial(measure, power=2.0)),
    ),
    mutants=(
        "a - min a for a in the time away",
        "once the time from zero for a weight of the other sign",
        "half the integral of a blow-up time",
        "the square of M in the magnified layers",
    ),
)
