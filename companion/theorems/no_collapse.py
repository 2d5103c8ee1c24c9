r"""No collapse

The divergence to an interpolant cannot grow, and near $w = 0$ it is large whatever the direction: a start that is
close enough to the interpolant can never come near $0$.

Statement
---------
Let $L \ge 2$, let $z^\circ \ge 0$ be nonzero weights with $\rho = \rho(z^\circ) = \sum_i (z^\circ_i)^{2/L}$, and write
$\mu_L(t) = m_L(e^{ct/2})$, that is $\mu_2(t) = ct/2$ and $\mu_L(t) = -e^{-(L-2) c t/2}/(L-2)$ for $L \ge 3$. The
*barrier* of $z^\circ$ is

$$
\begin{aligned}
F(R) &= \frac L2 \int_R^{\rho} t^{(L-2)/2}\, \bigl(\mu_L(t) - \mu_L(R)\bigr)\, dt, & \Delta &= F(0).
\end{aligned}
$$

Then $D_\Phi(z^\circ, w) \ge F(\rho(w))$ for all $w > 0$, with equality if $w$ is a multiple of $z^\circ$. On $[0,
\rho]$ the barrier falls strictly, from $\Delta$ to $0$.

Let $w(t)$ move by weight-normalized gradient flow from $w_0 > 0$. If

1. **interpolant**: $A z^\circ = y$;
2. **close enough**: $D_\Phi(z^\circ, w_0) < \Delta$,

then $r(t) \ge r_-$ for all $t \ge 0$, where $r_- > 0$ is given by $F(r_-^2) = D_\Phi(z^\circ, w_0)$ and $r_-^2 \le
\rho$. So $w(t)$ has no subsequence that tends to $0$.

The second hypothesis in closed form, with $T = \lVert z^\circ\rVert_1$ and $\pi = z^\circ/T$: for $L = 2$

$$
\begin{aligned}
c\, r_0^2\, (2 T - r_0^2) &> 2 T\, \mathrm{KL}(\pi \,\|\, u_0^2), \\
r_-^2 &= T - \sqrt{(T - r_0^2)^2 + 2 T\, \mathrm{KL}(\pi\,\|\,u_0^2)/c},
\end{aligned}
$$

and for $L \ge 3$, with $d = (L-2)\,c/2$, the misalignment $\chi = \rho^{-L/2} \sum_i z^\circ_i\, u_{0,i}^{2-L} \ge 1$
and the lower incomplete gamma function $\gamma$,

$$
\begin{aligned}
\chi\, e^{-d r_0^2} + (d \rho)^{-L/2}\, \gamma\bigl(\tfrac L2 + 1, d r_0^2\bigr) &< 1 .
\end{aligned}
$$

From a uniform start $\chi = N^{(L-2)/2} \lVert z^\circ\rVert_1 / \rho^{L/2}$; for $k$ equal entries $\chi =
(N/k)^{(L-2)/2}$ and $\mathrm{KL} = \log (N/k)$. For a scale $r_0^2$ that is small against $\rho$, the condition is
then $c\, r_0^2 > \log (N/k)$ up to lower order, at every depth.

Proof
-----
*The divergence at radius $r$ and direction $u$.* Here $\theta = m_L(z(w))$ has the entries $m_L(u_i e^{c r^2/2})$. Put
$R = r^2$ and $h = (z^\circ)^{1/L}/\sqrt\rho$, a unit vector. Only the direction $u$ of $w$ varies in what follows. For
$L = 2$, by $\langle\theta, w\rangle - \Phi(w) = \tfrac c4 R^2$,

$$
\begin{aligned}
D_\Phi(z^\circ, w) &= \tfrac c4 (\rho - R)^2 + \tfrac\rho2 \sum_i h_i^2 \log\frac{h_i^2}{u_i^2}
\end{aligned}
$$

and $\rho = T$. The sum is $\mathrm{KL}(h^2 \,\|\, u^2) = \sum_i h_i^2\, (\tfrac{u_i^2}{h_i^2} - 1 -
\log\tfrac{u_i^2}{h_i^2})$ plus $\sum_{h_i = 0} u_i^2$, as both are unit vectors; it vanishes only for $u = h$. For $L
\ge 3$, $\Phi$ is a function of $\rho$ alone, and $\langle\theta, w\rangle = \mu_L(R) R^{L/2}$, so that

$$
\begin{aligned}
D_\Phi(z^\circ, w) &= \Phi(z^\circ) - \Phi(w) + \mu_L(R)\, R^{L/2} - \mu_L(R) \sum_i z^\circ_i\, u_i^{2-L}.
\end{aligned}
$$

As $-\mu_L(R) > 0$, the direction enters by the last sum, and as $u$ and $h$ are unit vectors

$$
\begin{aligned}
\sum_i z^\circ_i\, u_i^{2-L} - \rho^{L/2}
&= \rho^{L/2} \sum_i u_i^2\, \bigl(s_i^{L/2} - 1 - \tfrac L2 (s_i - 1)\bigr), \\
s_i &= h_i^2/u_i^2 .
\end{aligned}
$$

Each bracket is the distance of the strictly convex $s^{L/2}$ from its tangent at $1$, so it is nonnegative and vanishes
only at $s_i = 1$: the divergence is least for $u = h$, which is where $w$ is a multiple of $z^\circ$. This includes
entries with $z^\circ_i = 0$, where $s_i = 0$ and the term is positive: then the least value is not attained by a $w >
0$, but approached.

*On the ray.* For $w = R^{L/2} h^L$ we have $\theta_i = h_i^{2-L} \mu_L(R)$ for $L \ge 3$ where $h_i > 0$, so
$\langle\theta, h^L\rangle = \mu_L(R)$: the derivative of $\Phi$ along the ray with respect to $R^{L/2}$ is
$\mu_L(R)$ (for $L = 2$ up to the constant $\langle h^2, \log h\rangle$). A Bregman divergence along a line
is that of the restricted function, hence

$$
\begin{aligned}
D_\Phi(z^\circ, R^{L/2} h^L) &= \int_R^\rho (\mu_L(t) - \mu_L(R))\, d(t^{L/2}) = F(R).
\end{aligned}
$$

*The barrier falls.* $F'(R) = -\mu_L'(R)\,(\rho^{L/2} - R^{L/2}) < 0$ for $R < \rho$, since $\mu_L' = \tfrac c2
e^{-(L-2) c R/2} > 0$.

*The radius.* By {prf:ref}`thm-dissipation` $D_\Phi(z^\circ, w(t)) \le D_\Phi(z^\circ, w_0)$ because $z^\circ$
interpolates. So $F(r(t)^2) \le D_\Phi(z^\circ, w_0) = F(r_-^2)$, and as $F$ falls strictly on $[0, \rho]$, $r(t)^2 <
r_-^2$ is impossible.

*The closed forms.* For $L = 2$, $F(R) = \tfrac c4 (\rho - R)^2$; insert the divergence of the start. For $L \ge 3$,
$\Delta = \Phi(z^\circ) - \Phi(0) + \rho^{L/2}/(L-2)$. Subtract the divergence of the start, as displayed above, and
multiply by $(L-2)\,\rho^{-L/2}$: the hypothesis says $1 - \chi\, e^{-d R} > \rho^{-L/2} \bigl(\tfrac L2 \int_0^{R}
t^{L/2-1} e^{-dt} dt - R^{L/2} e^{-d R}\bigr)$ with $R = r_0^2$. Integration by parts turns the bracket into $d
\int_0^{R} t^{L/2} e^{-dt} dt = d^{-L/2}\, \gamma(\tfrac L2 + 1, d R)$.

Boundary
--------
- **Checked.** The algebra of the proof. Along followed flows: the barrier at the flow's radius, the divergence, its
  value at the start and $\Delta$, in this order, and the radius against $r_-$; on the ray the barrier is attained.
  The closed forms against the divergences of the code: `wnlib` must exclude a collapse at a ratio just above the one
  at which the closed form becomes an equality, and must not just below it. The ratios of the ensemble are multiples
  of this critical ratio, and the starts have $r_0^2 < \rho$: for $L = 2$ there is no critical ratio beyond $2\rho$.
- **Assumed.** Nothing.
- **No run can test.** That the radius stays above its bound after the last time of a run. It is proved.

Source
------
Derived here.
"""

from functools import partial

import numpy as np
import sympy as sp
from scipy.optimize import brentq
from scipy.special import gamma, gammainc, gammaincc, rel_entr

from companion.verification import symbolic
from companion.verification.cases import against_the_data
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon
from companion.verification.symbolic import Depth, Derivation, L, Step, c
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.collapse import collapses, divergence_excludes_collapse
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate

ABOVE, BELOW = 1.01, 0.99  # times the critical ratio
UNDERFLOW = 1e-300  # divergences below it have lost their digits
RAY = np.array([1e-200, 0.2, 0.5])  # squared radii on the ray, in units of the target's

RATIOS, SCALES = (1.05, 10.0), (0.1, 0.95)
DEEP = Ensemble(depths=(3, 4, 5, 6), ratios=(1.05, 1.5), scales=SCALES)

# A start so near to z that a flow to elsewhere must move away from it.
NEAR = Ensemble(depths=(2, 3, 4, 5, 6), ratios=(1.05, 2.0), scales=(0.9, 0.99))


def derive(depth: Depth = L) -> Derivation:
    """The potential's slope, the two nonnegative gaps, the barrier's slope, and the closed form."""
    R, rho, t, u, v, s = sp.symbols(r"R \rho t u_i v_i s_i", positive=True)
    a = depth / sp.Integer(2)

    def level(radius_squared: sp.Expr) -> sp.Expr:
        return symbolic.mirror(sp.exp(c * radius_squared / 2), depth)

    density = a * t ** (a - 1) * level(t)
    primitive = sp.Function("h")
    barrier = primitive(rho) - primitive(R) - level(R) * (rho**a - R**a)
    slope = sp.diff(barrier, R).subs(sp.diff(primitive(R), R), density.subs(t, R))
    fall = -sp.diff(level(R), R) * (rho**a - R**a)
    theta = symbolic.mirror(u * sp.exp(c * R / 2), depth)
    tangent_gap = s**a - 1 - a * (s - 1) if depth != 2 else s - 1 - sp.log(s)
    residuals = symbolic.reduced(slope - fall, *(_entropy if depth == 2 else _powers)(depth, u, v, R, a))
    steps = (
        Step("The mirror map at a point", r"\theta_i", theta, r"$m_L$ of $z_i = u_i e^{c R/2}$, with $R = r^2$."),
        Step("Along the ray", r"\mu_L(R)", level(R), r"The slope of the potential along the multiples of $z^\circ$."),
        Step(
            "What a wrong direction costs",
            r"G(s_i)",
            tangent_gap,
            "The bracket: a strictly convex function minus its tangent at 1, never negative.",
        ),
        Step("The barrier falls", "F'(R)", sp.simplify(fall), r"Negative for $R < \rho$, as $\mu_L$ increases."),
    )
    return Derivation(steps, residuals)


def _entropy(depth: Depth, u: sp.Expr, v: sp.Expr, R: sp.Expr, a: sp.Expr) -> tuple[sp.Expr, ...]:
    """L = 2: the parts of the divergence, of two entries; the gap; the closed forms of barrier and hypothesis."""
    z, w, (rho, t, KL) = sp.symbols("z_1:3", positive=True), sp.symbols("w_1:3", positive=True), sp.symbols("rho t K")

    def potential(weights: tuple[sp.Expr, ...]) -> sp.Expr:
        S = sum(weights)
        return sum(w_i * sp.log(w_i) for w_i in weights) / 2 - S * sp.log(S) / 2 + c * S**2 / 4

    S, Q = sum(w), sum(z)
    divergence = (
        potential(z) - potential(w) - sum(sp.diff(potential(w), b) * (a_ - b) for a_, b in zip(z, w, strict=True))
    )
    shares = sum(z_i * (sp.log(z_i) - sp.log(Q) - sp.log(w_i) + sp.log(S)) for z_i, w_i in zip(z, w, strict=True)) / 2
    ratio = u**2 / v**2
    return (
        sp.expand(divergence) - sp.expand(shares + c * (Q - S) ** 2 / 4),
        sp.expand_log(v**2 * (ratio - 1 - sp.log(ratio)) - (u**2 - v**2 + v**2 * sp.log(v**2 / u**2)), force=True),
        sp.integrate(c * (t - R) / 2, (t, R, rho)) - c * (rho - R) ** 2 / 4,
        4 * (c * rho**2 / 4 - (rho * KL / 2 + c * (rho - R) ** 2 / 4)) - (c * R * (2 * rho - R) - 2 * rho * KL),
    )


def _powers(depth: Depth, u: sp.Expr, v: sp.Expr, R: sp.Expr, a: sp.Expr) -> tuple[sp.Expr, ...]:
    r"""L >= 3: the potential's slope, $\langle\theta, w\rangle$, the gap, and the integration by parts."""
    w, rho, s = sp.symbols("w_i rho s_i", positive=True)
    d = (depth - 2) * c / 2
    theta = symbolic.mirror(u * sp.exp(c * R / 2), depth)
    outer = -a / (depth - 2) * rho ** (a - 1) * sp.exp(-d * rho)
    gradient = (outer * sp.diff(w ** (2 / sp.sympify(depth)), w)).subs({w: (sp.sqrt(R) * u) ** depth, rho: R})
    parts = a * R ** (a - 1) * sp.exp(-d * R) - sp.diff(R**a * sp.exp(-d * R), R)
    gap = u**2 * (s**a - 1 - a * (s - 1)).subs(s, v**2 / u**2)
    return (
        sp.powsimp(sp.expand_power_base(gradient / theta)) - 1,
        theta * (sp.sqrt(R) * u) ** depth / (symbolic.mirror(sp.exp(c * R / 2), depth) * R**a * u**2) - 1,
        sp.powdenest(gap, force=True) - (v**depth * u ** (2 - depth) - u**2 - a * (v**2 - u**2)),
        parts - d * R**a * sp.exp(-d * R),
    )


def barrier(depth: int, ratio: float, rho: float, R: Array, unit: float = 0.0) -> Array:
    r"""$F(R)$ in the units of the radius whose square is `unit`, that is times $e^{(L-2)\, c\,\mathrm{unit}/2}$."""
    if depth == 2:
        return ratio / 4 * (rho - R) ** 2
    a, d = depth / 2, (depth - 2) * ratio / 2
    tail = gamma(a + 1) * (gammaincc(a, d * R) - gammaincc(a, d * rho)) / d**a
    return (np.exp(d * (unit - R)) * (rho**a - R**a) - np.exp(d * unit) * tail) / (depth - 2)


def left_side(depth: int, ratio: float, z: Array, R: float, u: Array, power: int = 0) -> float:
    """Of the second hypothesis in closed form; below 1 if it holds. `power` is a wrong one of u in the misalignment."""
    rho = np.sum(z ** (2 / depth))
    if depth == 2:
        return 2 * rho * np.sum(rel_entr(z / rho, u**2)) / (ratio * R * (2 * rho - R))
    a, x = depth / 2, (depth - 2) * ratio / 2 * R
    misalignment = np.sum(z * u ** (2.0 - depth + power)) / rho**a
    return misalignment * np.exp(-x) + (R / (rho * x)) ** a * gamma(a + 1) * gammainc(a + 1, x)


def critical_ratio(depth: int, z: Array, R: float, u: Array, power: int = 0) -> float:
    """The ratio above which the second hypothesis holds."""

    def excess(log_ratio: float) -> float:
        return np.log(left_side(depth, np.exp(log_ratio), z, R, u, power))

    return float(np.exp(brentq(excess, np.log(1e-6 / R), np.log(1e6 / R), xtol=1e-12)))


def measure(case: Case, dense: bool = False, higher: float = 1.0, power: int = 0) -> Measurement:
    r"""$F(r^2) \le D_\Phi(z, w) \le D_\Phi(z, w_0) < \Delta$ and $r_-^2 \le r^2$ along a flow, $F$ itself on the ray.

    The start has $r_0^2 = $ case.scale$^2 \rho$ and the flow's ratio is case.ratio times the critical one; just above
    the critical ratio the code must exclude a collapse, just below it must not. For the falsifiers: a `dense` z that
    does not interpolate, a `higher` barrier, a wrong `power` in the misalignment.
    """
    depth, problem, z = case.depth, case.problem, case.target if not dense else case.rng().uniform(0.3, 1.7, case.n)
    support, rho = z[z > 0], float(np.sum(z ** (2 / depth)))
    u = case.direction / np.linalg.norm(case.direction)
    R = case.scale**2 * rho
    critical = critical_ratio(depth, z, R, u, power)
    flow = WeightNormFlow(depth, case.ratio * critical)
    start = flow.start(case.n, np.sqrt(R), u)
    above, below = (
        divergence_excludes_collapse(WeightNormFlow(depth, ratio * critical), start, z) for ratio in (ABOVE, BELOW)
    )
    t_end = float(100 * np.sqrt(R) ** (2 - depth) / (depth * np.linalg.norm(problem.A.T @ problem.y)))
    fitted = 1e-3 * problem.loss_of_zero
    trajectory = integrate(flow, problem, start, t_end, rtol=1e-6, stop_loss=fitted)

    def F(squared_radius: Array) -> Array:
        return higher * barrier(depth, flow.ratio, rho, squared_radius, R)

    divergence, on_ray = trajectory.bregman(z), RAY * rho
    ray = Polar.of(np.sqrt(on_ray), np.tile(support ** (1 / depth) / np.sqrt(rho), (RAY.size, 1)))
    lowest = brentq(lambda value: F(value) - divergence[0], 0.0, rho, xtol=1e-14 * R)
    pairs = (
        (lowest, np.min(trajectory.radius**2)),
        (F(trajectory.radius**2), np.maximum(divergence, UNDERFLOW)),
        (divergence[1:], divergence[0]),
        (divergence[0], F(np.zeros(()))),
        (F(on_ray), mirror_map(flow, float(start.radius)).bregman(support, ray)),
        (float(not above), 0.0),
        (float(below), 0.0),
    )
    both = [np.broadcast_arrays(np.atleast_1d(smaller), larger) for smaller, larger in pairs]
    measured, predicted = (np.concatenate([pair[side] for pair in both]) for side in (0, 1))
    return Measurement(measured, predicted, main=(0,))


def on_the_ray(case: Case) -> Measurement:
    """$r_-^2$ against the least $r^2$, from a multiple of a positive interpolant."""
    depth, z = case.depth, case.rng().uniform(0.3, 1.7, case.n)
    problem, rho = Problem(case.problem.A, case.problem.A @ z, z), float(np.sum(z ** (2 / depth)))
    flow, R = WeightNormFlow(depth, case.ratio / rho), case.scale**2 * rho
    start = flow.start(case.n, np.sqrt(R), z ** (1 / depth))
    followed = integrate(flow, problem, start, horizon(flow, problem, start), rtol=1e-8)
    divergence = float(followed.bregman(z)[0])
    lowest = brentq(lambda value: barrier(depth, flow.ratio, rho, value, R) - divergence, 0.0, rho, xtol=1e-14 * R)
    return Measurement(lowest, np.min(followed.radius**2))


def too_far(case: Case) -> Measurement:
    """A claim without the second hypothesis, from a small start against the data: that it does not collapse."""
    start = against_the_data(case)
    flow = WeightNormFlow(case.depth, case.ratio)
    point = flow.start(len(start.direction), 0.5 * case.scale * start.threshold, start.direction)
    return Measurement(float(collapses(flow, start.problem, point)), 0.0)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.collapses",),
    tolerance=1e-6,
    ensemble=Ensemble(depths=(2, 3, 4, 5, 6), ratios=RATIOS, scales=SCALES),
    derive=derive,
    symbolic=True,
    measure=measure,
    falsifiers=(
        Falsifier(
            1, r"$z^\circ$ random and dense, which does not interpolate", partial(measure, dense=True), ensemble=NEAR
        ),
        Falsifier(2, "a small start against the data, far from every interpolant", too_far),
        Falsifier("formula", r"the barrier $\tfrac{11}{10} F$", partial(measure, higher=1.1)),
        Falsifier("formula", r"$\chi$ with $u_{0,i}^{1-L}$", partial(measure, power=-1), ensemble=DEEP),
    ),
    attained=(Attained(r"from a multiple of $z^\circ$", on_the_ray),),
    uses=("dissipation",),
    mutants=(
        "twice the potential of depth 3",
        "a minus in the recurrence",
        "the exponent 2/L towards zero",
        "a chart's radius that shrinks for growing",
    ),
)
