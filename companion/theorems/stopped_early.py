r"""Stopped early

Wherever a flow is stopped, it is at the limit of the same flow for measurements without noise: for what it has fitted
so far. All bounds on limits hold there, with the least mass that fits the same.

Statement
---------
Let $L \ge 2$, let $w(t)$ move by gradient flow or by weight-normalized gradient flow for any measurements $y$, let
$D_\Phi$ be the divergence of the flow's mirror map, $t \ge 0$ and $S = \lVert w(t)\rVert_1$. If

1. **constant ratio**: $c = \eta_u/\eta_r$ does not depend on time (weight normalization);
2. **uniform start**: $w_0 = \tfrac{S_0}{N} \mathbf 1$;
3. **same measurements**: $z^\circ \ge 0$ and $A z^\circ = A w(t)$,

then

$$
\begin{aligned}
D_\Phi(z^\circ, w_0) = D_\Phi(\tfrac SN \mathbf 1, w_0) + D_\Phi(w(t), \tfrac SN \mathbf 1) + D_\Phi(z^\circ, w(t)),
\end{aligned}
$$

and so $D_\Phi(\tfrac SN \mathbf 1, w_0) \le D_\Phi(z^\circ, w_0)$, which bounds $S$ as in {prf:ref}`thm-mass_bound`.
With the least mass that has the same measurements, $z^\circ = z^*(t)$ and

$$
\begin{aligned}
Q(t) = \lVert z^*(t)\rVert_1 = \min\{ \lVert z^\circ\rVert_1 : A z^\circ = A w(t),\ z^\circ \ge 0 \},
\end{aligned}
$$

every bound on the excess of a limit bounds $S - Q(t)$, at every time. At $L = 2$ with weight normalization and $S_0 <
Q(t)$, for instance,

$$
\begin{aligned}
\frac{S - Q(t)}{Q(t)} \le \frac{\log N}{c\,(Q(t) - S_0)} .
\end{aligned}
$$

Proof
-----
By {prf:ref}`thm-implicit_bias`, whose part for finite times asks for no interpolant, $D_\Phi(z^\circ, w_0) =
D_\Phi(w(t), w_0) + D_\Phi(z^\circ, w(t))$ for all $z^\circ \ge 0$ with $A z^\circ = A w(t)$: both $w_0$ and $w(t)$ lie
on the leaf $\nabla\Phi(w_0) + \operatorname{row}(A)$. So $w(t)$ minimises $D_\Phi(\cdot, w_0)$ over the interpolants of
$A w(t)$, which is the limit of the flow for these measurements, where it does not collapse. The second right angle, at
the uniform weights of mass $S$, is that of {prf:ref}`thm-mass_bound`: it knows of $w(t)$ only its mass. The last line
is {prf:ref}`thm-excess_weight_norm` for the measurements $A w(t)$; its proof uses the bound on the mass alone.

Boundary
--------
- **Checked.** The identity by computer algebra, with three components. Along flows of both kinds and depths 2 to 6, at
  several times: the equation of the four divergences, with the minimiser of basis pursuit for $A w(t)$; the mass
  against the bound; the last line.
- **Assumed.** Nothing beyond {prf:ref}`thm-implicit_bias`.
- **No run can test.** Nothing further. The theorem compares $w(t)$ with weights of the same measurements. The Lasso's
  solution with the same norm of the residual has other measurements, and less mass than $Q(t)$ or as much: how much
  less, the theorem does not say.

Source
------
Derived here.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import even, growing, normalized_flow, start_radius, tilted
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon
from companion.verification.symbolic import Depth, Derivation, Step
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import Flow
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import polar_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.bounds import mass_bound, normalized_excess_bound
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.trajectories.integration import integrate

TIMES = (0.3, 0.6, 1.0)  # in units of the horizon


def derive(depth: Depth = symbolic.L) -> Derivation:
    """Four divergences with the same potential, and the two pairings that are left, with three components."""
    n = 3
    z, w, w_0, theta_0, a = (
        sp.Matrix(sp.symbols(f"{name}_1:{n + 1}", real=True)) for name in ("z", "w", "v", "h", "a")
    )
    multiplier, g = sp.symbols(r"\lambda g", real=True)
    ones, mean = sp.ones(n, 1), sp.ones(n, 1) * sp.Add(*w) / n
    theta = theta_0 + multiplier * a
    at_z, at_w, at_0, at_mean = sp.symbols(r"\Phi(z) \Phi(w) \Phi(w_0) \Phi(\bar{w})", real=True)

    def bregman(end: sp.Expr, start: sp.Expr, slope: sp.Matrix, shift: sp.Matrix) -> sp.Expr:
        return end - start - slope.dot(shift)

    surplus = (
        bregman(at_z, at_0, theta_0, z - w_0)
        - bregman(at_mean, at_0, theta_0, mean - w_0)
        - bregman(at_w, at_mean, g * ones, w - mean)
        - bregman(at_z, at_w, theta, z - w)
    )
    pairings = (theta - theta_0).dot(z - w) + (g * ones - theta_0).dot(w - mean)
    same = {z[2]: w[2] - (a[0] * (z[0] - w[0]) + a[1] * (z[1] - w[1])) / a[2]}
    uniform = {entry: sp.Symbol("g_0", real=True) for entry in theta_0}
    steps = (
        Step(
            "Four divergences",
            r"D_\Phi(z^\circ, w_0) - D_\Phi(\bar w, w_0) - D_\Phi(w, \bar w) - D_\Phi(z^\circ, w)",
            sp.Symbol(
                r"\langle\nabla\Phi(w) - \nabla\Phi(w_0), z^\circ - w\rangle"
                r" + \langle\nabla\Phi(\bar w) - \nabla\Phi(w_0), w - \bar w\rangle"
            ),
            "By the definition of the divergence; the potentials cancel.",
        ),
        Step(
            "Same measurements",
            r"\langle A^\top\lambda, z^\circ - w\rangle",
            sp.simplify((theta - theta_0).dot(z - w).subs(same)),
            r"On the leaf, with $A z^\circ = A w$, for one measurement of three weights.",
        ),
        Step(
            "Same mass",
            r"\langle (g - g_0)\mathbf 1, w - \bar w\rangle",
            sp.simplify((g * ones - theta_0).dot(w - mean).subs(uniform)),
            "At uniform weights all entries of the gradient are equal.",
        ),
    )
    return Derivation(steps, symbolic.reduced(surplus - pairings, pairings.subs(same).subs(uniform)))


def measure(
    case: Case,
    direction: Callable[[Case], Array] = lambda case: np.ones(case.n),
    drift: float = 0.0,
    target: float = 1.0,
    scale: float = 1.0,
    share: float = 1.0,
) -> Measurement:
    """Both flows, at several times: the mass against its bound; three divergences against one, each way; the last line.

    For the falsifiers: another `direction` of the start, a ratio that grows by a share `drift`, a `target` that is this
    many times the one with the same measurements, a start of the divergences `scale` times the flow's, a `share` of the
    term between weights and mean.
    """
    radius, n, problem = start_radius(case), case.n, case.problem
    measured, predicted, main = list[float](), list[float](), list[int]()
    for flow in (case.plain, normalized_flow(case)):
        mirror, start = mirror_map(flow, radius), flow.start(n, radius, direction(case))
        origin = flow.start(n, scale * radius, direction(case))
        end = horizon(flow, problem, start, 15)
        moving = growing(flow, drift / end) if drift else flow
        followed = integrate(moving, problem, start, end, rtol=1e-9, coordinates="primal")
        stops = followed.at(np.array(TIMES) * followed.t[-1])
        for weights, point in zip(stops.weights, (stops.points[k] for k in range(len(TIMES))), strict=True):
            z = target * basis_pursuit(Problem(problem.A, problem.A @ weights, weights)).weights
            mean = np.full(n, np.mean(weights))
            whole = float(mirror.bregman(z, origin))
            parts = float(mirror.bregman(mean, start)) + float(mirror.bregman(z, point))
            parts += share * float(mirror.bregman(weights, polar_of(mean, case.depth)))
            main.append(len(measured))
            measured += [float(np.sum(weights)), parts, whole, _short(flow, weights, z)]
            predicted += [mass_bound(flow, radius, z), whole, parts, _short_bound(flow, radius, z)]
    return Measurement(measured, predicted, main=main)


def nearly_uniform(case: Case) -> Measurement:
    r"""Both flows, halfway: $D_\Phi(\tfrac SN \mathbf 1, w_0)$ against $D_\Phi(z^\circ, w_0)$, with uniform $w(t)$."""
    (problem, z), n, radius = even(case), case.n, case.scale * np.sqrt(case.n)
    measured, predicted = [], []
    for flow in (case.plain, normalized_flow(case)):
        start, mirror = flow.start(n, radius), mirror_map(flow, radius)
        followed = integrate(flow, problem, start, horizon(flow, problem, start, 15), rtol=1e-9, coordinates="primal")
        mean = float(followed.at(followed.t[-1:] / 2).weights.mean())
        measured.append(float(mirror.bregman(np.full(n, mean), start)))
        predicted.append(float(mirror.bregman(mean * z, start)))
    return Measurement(measured, predicted)


def _short(flow: Flow, weights: Array, z: Array) -> float:
    """The relative excess, which the last line is about."""
    excess = float(np.sum(weights) / np.sum(z) - 1)
    return excess if flow.depth == 2 and isinstance(flow, WeightNormFlow) else 0.0


def _short_bound(flow: Flow, radius: float, z: Array) -> float:
    return normalized_excess_bound(flow.ratio, radius, z) if isinstance(flow, WeightNormFlow) else np.inf


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.integrate", "wnlib.mass_bound"),
    tolerance=1e-5,
    ensemble=Ensemble(depths=(2, 3, 4, 5, 6), ratios=(0.5, 8), scales=(0.4, 1.2), uniform=True),
    derive=derive,
    symbolic=True,
    measure=measure,
    uses=("implicit_bias", "mass_bound", "excess_weight_norm"),
    falsifiers=(
        Falsifier(1, "a ratio that grows by half", partial(measure, drift=0.5)),
        Falsifier(2, "$x(0)$ from 1 to 4 over the entries", partial(measure, direction=tilted)),
        Falsifier(3, r"nine tenths of $z^\circ$: other measurements", partial(measure, target=0.9)),
        Falsifier("formula", r"$D_\Phi(z^\circ, \cdot)$ from a start of twice the radius", partial(measure, scale=2.0)),
        Falsifier("formula", r"half of $D_\Phi(w(t), \tfrac SN\mathbf 1)$", partial(measure, share=0.5)),
    ),
    attained=(
        Attained(
            r"for $D_\Phi(\tfrac SN\mathbf 1, w_0)$, with uniform $w(t)$ and nearly uniform $z^\circ$",
            nearly_uniform,
            Ensemble(depths=(2, 3, 4, 5, 6), ratios=(0.5, 8), scales=(0.3, 0.7), uniform=True),
        ),
    ),
    mutants=(
        "the exponent 2/L in polar coordinates",
        "a power more in the plain velocity",
        "half the log-magnification",
        "twice the penalty on the mass",
        "a minus in the recurrence",
    ),
)
