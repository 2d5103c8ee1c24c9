r"""The potential of layers with factors of their own

Factors that differ between the layers may change their signs, and the network is signed, without doubling. Still a
convex program in as many unknowns as there are independent measurements decides where it ends.

Statement
---------
Let $L \ge 2$, $w = x^{(1)} \odot \dots \odot x^{(L)}$, no two factors of an entry zero at the start, and let each layer
move by weight normalization of its own, with $z^{(k)} = M_t u^{(k)}$ and $\kappa$ as in
{prf:ref}`thm-layer_magnification`, or by gradient flow, with $z^{(k)} = x^{(k)}$, $\kappa = 1$. Let $\theta = \int
\kappa\, p\, dt$. As long as

1. **equal rates**: all layers have the same learning rates;
2. **constant ratio**: $c$ does not depend on time;
3. **no turn**: no radius has changed its sign, as none can if $\ell(w_0) < \ell(0)$,

all $z_i^{(k)}$ are functions of $\theta_i$ alone, by $dz_i^{(k)}/d\theta_i = \prod_{j \ne k} z_i^{(j)}$, and with $q =
\bigodot_k z^{(k)}$ and $R(\theta) = M_t^2 = \lVert z^{(k)}\rVert^2$

$$
\begin{aligned}
\theta &\in \operatorname{row}(A), & w &= \mu(R)\, q = \nabla\Phi^*(\theta), & \Phi^* &= \tfrac12 \int \mu\, dR, & \mu
  &= R^{-L/2} \prod_k \sqrt{r_k(0)^2 + \tfrac1c \log R}
\end{aligned}
$$

($\mu = 1$ and $R = \lVert x^{(1)}\rVert^2$ for gradient flow). With $D_i = q_i^2 \sum_k (z_i^{(k)})^{-2} > 0$, its
limit where a factor is zero,

$$
\begin{aligned}
\nabla^2 \Phi^* &= \mu \operatorname{diag}(D) + 2 \mu'(R)\, q q^\top
\end{aligned}
$$

is positive definite. So if moreover

4. **interpolating limit**: $w(t) \to w_\infty$ with $A w_\infty = y \ne 0$, and no weight vanishes whose two smallest
   factors are equal in size at the start of $z^{(k)}$, so that it keeps its sign,

then $w_\infty = \nabla\Phi^*(\theta_\infty)$, with the only $\theta_\infty \in \operatorname{row}(A)$ for which $A
\nabla\Phi^*(\theta_\infty) = y$ and all radii are positive.

Proof
-----
*The map.* By {prf:ref}`thm-layer_magnification`, $(z^{(k)})' = \kappa\, p \odot \bigodot_{j \ne k} z^{(j)}$. Divide by
$\theta_i' = \kappa p_i$; the equations of an entry have one solution. $\theta$ is in $\operatorname{row}(A)$ as $p$
is. From $x^{(k)} = r_k z^{(k)}/M_t$ and $r_k^2 = r_k(0)^2 + \tfrac2c \log M_t$ follows $w = \mu q$. As $\partial
R/\partial\theta_i = 2 z_i^{(k)} \prod_{j \ne k} z_i^{(j)} = 2 q_i$, $\nabla\Phi^* = \tfrac12 \mu \nabla R = \mu q$; and
$\partial q_i/\partial\theta_i = \sum_k \prod_{j \ne k} (z_i^{(j)})^2 = D_i$. This vanishes only where two factors do,
which the differences of squares exclude.

*No turn.* Where a radius is zero, so is $w$, and the loss never grows above that of the start.

*Convexity.* If $\mu' \ge 0$ this is clear. If not, a vector $v$ has $\langle q, v\rangle^2 \le \langle q, D^{-1} q
\rangle\, \langle v, D v\rangle$, and it is enough that $2 |\mu'|\, \langle q, D^{-1} q\rangle < \mu$. The harmonic mean
of the squares of an entry is at most their mean: $q_i^2/D_i = 1/\sum_k (z_i^{(k)})^{-2} \le \tfrac1{L^2} \sum_k
(z_i^{(k)})^2$, which add up to $R/L$ at most. And $2 \mu'/\mu = \tfrac1R \bigl( \sum_k \tfrac1{c r_k^2} - L \bigr)$. So
the product of the two is at most $1 - \tfrac1L \sum_k \tfrac1{c r_k^2} < 1$.

*Bounded.* Where $R$ is large, the $|z^{(k)}|$ differ little, as their squares keep their differences, and $\sum_i
|w_i|^{2/L}$ is nearly $\mu^{2/L} R$, which grows beyond all bounds. So $R$ is bounded where $w$ is, and as $w_\infty
\ne 0$ no radius vanishes: $\mu$ is bounded from below, the weights that keep their signs have factors that are not
small, and $\theta$ stays in a compact set where $\nabla\Phi^*$ is one-to-one. It converges.

*The program.* Where the smallest radius vanishes, $\mu$ does. Continue $\Phi^*$ by a constant from there on: this is
where $R \le e^{-c \min r_k(0)^2}$, a convex set, as $R$ is a convex function: $\partial^2 R/\partial\theta_i^2 = 2
D_i$. On every line the slope of $\Phi^*$ is continuous and does not fall: it is convex, and strictly so where radii are
positive. A $\theta$ with $A \nabla\Phi^*(\theta) = y$ is a minimum of $\Phi^*(\theta) - \langle w_\infty,
\theta\rangle$ over $\operatorname{row}(A)$. The minima are a convex set, and isolated where radii are positive: there
is only one.

Boundary
--------
- **Checked.** The slopes of $R$ and $q$ and that of $\mu$ by computer algebra. Both flows, through zeros of weights,
  from factors of any signs and radii: the $\theta$ that the followed factors tell, and its share outside
  $\operatorname{row}(A)$; the weights that it tells; where the flow is, against the solution of the convex program for
  what it has fitted; Newton's step of the code against finite differences of the slopes.
- **Assumed.** Nothing. That the harmonic mean is at most the arithmetic one is taken as known.
- **No run can test.** That there is no other point. It is proved.

Source
------
Derived here.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.layers import followed
from companion.verification.measuring import together
from companion.verification.symbolic import Depth, Derivation, Step, c
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.models.blow_up import Leaf
from wnlib.models.layered import LayeredTrajectory
from wnlib.models.layered_limit import DualPoint, LayeredDual, layered_limit
from wnlib.problem import Problem

RTOL = 1e-9
H = 1e-4  # of a Newton step, and of what is left to a blow-up
Start = Callable[[Flow, Array], tuple[Flow, Array]]


def derive(depth: Depth) -> Derivation:
    """The slopes of a square and of a product in the dual variable; the slope of mu; both in the Hessian."""
    depth = check.integer("depth", depth, least=2)
    z = sp.symbols([f"z^{{({k})}}_i" for k in range(1, depth + 1)], positive=True)
    r = sp.symbols([f"r_{k}" for k in range(1, depth + 1)], positive=True)
    q, R = sp.Mul(*z), sp.Symbol("R", positive=True)
    rates = {entry: q / entry for entry in z}
    of_square, of_product = (symbolic.along(each, rates) for each in (z[0] ** 2, q))
    D = sp.Add(*(q**2 / entry**2 for entry in z))
    starts = sp.symbols([f"s_{k}" for k in range(1, depth + 1)], positive=True)  # r_k(0)^2
    radii = [sp.sqrt(start + sp.log(R) / c) for start in starts]
    mu = R ** (-sp.Rational(depth, 2)) * sp.Mul(*radii)
    bend = (sp.Add(*(1 / (c * each**2) for each in r)) - depth) / R
    by_rule = (2 * sp.diff(mu, R) / mu - bend).subs(dict(zip(r, radii, strict=True)))
    steps = (
        Step("A square", r"d \bigl(z^{(1)}_i\bigr)^2 / d\theta_i", of_square, r"So $\nabla R = 2 q$."),
        Step("The product", r"dq_i/d\theta_i", of_product, "Which is $D_i$: positive unless two factors vanish."),
        Step(r"The slope of $\mu$", r"2 \mu'/\mu", bend, r"$r_k^2$ grows by $\tfrac1c \log R$."),
    )
    return Derivation(steps, symbolic.reduced(of_square - 2 * q, of_product - D, by_rule))


def as_they_are(flow: Flow, x: Array) -> tuple[Flow, Array]:
    """The flow and the start that are minimised for: those that are followed."""
    return flow, x


def doubled_ratio(flow: Flow, x: Array) -> tuple[Flow, Array]:
    """For a falsifier: the convex program of twice the ratio."""
    return (replace(flow, ratio=2 * flow.ratio) if isinstance(flow, WeightNormFlow) else flow), x


def one_radius(flow: Flow, x: Array) -> tuple[Flow, Array]:
    """For a falsifier: the convex program of layers whose radii are all the first one."""
    r = np.linalg.norm(x, axis=1, keepdims=True)
    return flow, x / r * r[0]


def other_flow(flow: Flow, x: Array) -> tuple[Flow, Array]:
    """For a falsifier: gradient flow for weight normalization, and the other way round."""
    return (WeightNormFlow(flow.depth, 1.0) if isinstance(flow, GradientFlow) else GradientFlow(flow.depth)), x


def measure(
    case: Case,
    lead: float = 1.0,
    doubling: bool = False,
    turning: bool = False,
    fitted: bool = True,
    minimised: Start = as_they_are,
) -> Measurement:
    r"""Both flows: $\theta$, the weights that it tells, the convex program for what is fitted, and Newton's step.

    For the falsifiers: a first layer whose rates `lead`; a ratio that is `doubling` on the way; a radius that changes
    its sign (`turning`); the program of all data, before these are `fitted`; that of another flow or start.
    """
    found = list[Measurement]()
    for path in followed(case, RTOL, lead, doubling, turning):
        if path.radii.min() > 0 or turning:
            found += _dual(path)
        if path.radii.min() > 0:
            found += _program(path, fitted, minimised)
    return together(*found) if found else Measurement(0.0, 0.0, scale=1.0)  # nothing is claimed


def _dual(path: LayeredTrajectory) -> tuple[Measurement, Measurement]:
    r"""The share of $\theta$ outside row(A), at the end; and the weights that it tells."""
    dual = LayeredDual.of(path.flow, path.problem, path.factors[0])
    theta = dual.leaf.dual_variable(Leaf.of(path.magnified[-1]).first)
    xi = dual.leaf.at(theta)
    return (
        Measurement(path.problem.kernel.T @ theta, 0.0, scale=float(np.abs(theta).max())),
        Measurement(dual.radial(xi).mu * dual.leaf.product(xi), path.weights[-1]),
    )


def _program(path: LayeredTrajectory, fitted: bool, minimised: Start) -> tuple[Measurement, Measurement]:
    """Where the flow is, against the convex program for what it has fitted; and Newton's first step there."""
    A, end = path.problem.A, path.weights[-1]
    reached = Problem(A, A @ end, end) if fitted else path.problem
    flow, x = minimised(path.flow, path.factors[0])
    dual = LayeredDual.of(flow, reached, x)
    step = dual.step(dual.leaf.first)
    h = H * min(1.0, DualPoint(np.zeros_like(end), dual.leaf.times).reach(step))
    ahead, behind = (dual.lacking(dual.leaf.at(sign * h * step)) for sign in (1, -1))
    return (
        Measurement(layered_limit(flow, reached, x).weights, end),
        Measurement((ahead - behind) / (2 * h), -dual.lacking(dual.leaf.first)),
    )


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.layered_limit", "wnlib.LayeredLimit"),
    tolerance=1e-5,
    ensemble=Ensemble(depths=(2, 3, 4), ratios=(0.5, 3), scales=(0.6, 1.4), columns=(3, 6)),
    derive=derive,
    measure=measure,
    uses=("layer_magnification",),
    falsifiers=(
        Falsifier(1, "the first layer faster by a tenth", partial(measure, lead=1.1)),
        Falsifier(2, "a ratio that doubles on the way", partial(measure, doubling=True)),
        Falsifier(3, "a radius that changes its sign", partial(measure, turning=True)),
        Falsifier(4, "the flow stopped before it fits", partial(measure, fitted=False)),
        Falsifier("formula", r"$\mu$ and $R$ of $2c$", partial(measure, minimised=doubled_ratio)),
        Falsifier("formula", "the first radius for all", partial(measure, minimised=one_radius)),
        Falsifier("formula", "the potential of the other flow", partial(measure, minimised=other_flow)),
    ),
    mutants=(
        "L for L/2 in the exponent of mu",
        "half the growth of squared radii",
        "half the curvature of mu",
        "an equal share of the smallest factor in the slope of a product",
        "the time that is left added",
    ),
)
