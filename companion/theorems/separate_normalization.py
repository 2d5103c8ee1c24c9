r"""Separate normalization

With a sphere and a radius for each sign, each half keeps invariants of its own. But the two halves move by two clocks,
and these make the limit depend on the way there: no potential decides it.

Statement
---------
Let $L \ge 2$, $w = w_+ - w_-$, $w_\pm = (r_\pm u_\pm)^L$ with loss $\tfrac12\lVert A w - y\rVert^2$, and let both
halves move by weight-normalized gradient flow, with learning rates $\eta_r$ of $r_\pm$ and $\eta_u = c\,\eta_r$ of
$u_\pm$. Let $z_\pm = u_\pm e^{c r_\pm^2/2}$ and $\theta_\pm = m_L(z_\pm)$. If

1. **own spheres**: $\lVert u_+\rVert = \lVert u_-\rVert = 1$;
2. **constant ratio**: $c$ does not depend on time,

then

$$
\begin{aligned}
\theta_\pm' &= \pm \kappa_\pm L\, p, & \kappa_\pm &= \eta_u r_\pm^L e^{(2-L)\, c r_\pm^2/2} .
\end{aligned}
$$

So $\langle v, \theta_+\rangle$ and $\langle v, \theta_-\rangle$ are constant for every $v \in \ker A$: $2 (N -
\operatorname{rank} A)$ invariants, where one sphere for both halves has $2N - \operatorname{rank} A$.

*No potential.* Let $\eta_u$ be constant too, and $g_\pm = \eta_u \bigl(\tfrac{L}{c r_\pm^2} - L + 2\bigr)$. If, at a
point,

3. **two measurements**: $\operatorname{rank} A \ge 2$;
4. **out of balance**: $A (g_+ w_+ + g_- w_-) \ne 0$,

then no twice continuously differentiable function $\Psi(w_+, w_-)$ with an invertible Hessian near the point has
$\nabla\Psi$ move in $\operatorname{row}[A, -A]$ along the flow for every $y$ in the range of $A$. At $L = 2$ the
fourth hypothesis reads $A (u_+^2 + u_-^2) \ne 0$.

*Matched clocks.* If instead

5. **matched clocks**: $\eta_u$ depends on the half such that $\kappa_+ = \kappa_-$ at all times,

then $\theta_+ + \theta_-$ is constant, and an interpolating limit is the only minimiser of $D_\Phi(w_+, w_+(0)) +
D_\Phi(w_-, w_-(0))$ over all $w_\pm \ge 0$ with $A (w_+ - w_-) = y$, with $\Phi$ the potential of one half.

Proof
-----
*Invariants.* The half $w_\pm$ is measured by $\pm A$, and its force is $\pm p$, whatever the other half does. The
proof of {prf:ref}`thm-magnification` uses the force at one moment only. So $z_\pm' = \pm\kappa_\pm L\, p \odot
z_\pm^{L-1}$, and $\theta_\pm' = \pm\kappa_\pm L\, p$ as in {prf:ref}`thm-invariants`, with $p \in
\operatorname{row}(A)$.

*How the clocks depend on the point.* $\sigma = \log\lVert z\rVert$ and $\partial z_i/\partial\theta_i = z_i^{L-1}$
give $\partial\sigma/\partial\theta_i = z_i^L/\lVert z\rVert^2 = \eta_u w_i/\kappa$ in each half. With $\sigma = c
r^2/2$ and $\partial\kappa/\partial r = \kappa\, \bigl(\tfrac Lr - (L-2)\, c r\bigr)$ this is

$$
\begin{aligned}
\frac{\partial\kappa_\pm}{\partial\theta_{\pm,i}} &= g_\pm\, w_{\pm,i} .
\end{aligned}
$$

*Brackets.* The fields of two values of $y$ differ by $V_b = L\, (\kappa_+ b, -\kappa_- b)$ in the coordinates
$(\theta_+, \theta_-)$, where $b \in \operatorname{row}(A)$ is any constant vector. A function that is constant along
the flow for every $y$ has no slope along $V_b$ and $V_d$, and so none along their bracket (the commutator of the two
fields), which is

$$
\begin{aligned}
[V_b, V_d] &= L^2 \bigl( \kappa_+ (\langle g_+ w_+, b\rangle\, d - \langle g_+ w_+, d\rangle\, b),\;
  \kappa_- (\langle g_- w_-, b\rangle\, d - \langle g_- w_-, d\rangle\, b) \bigr) .
\end{aligned}
$$

Suppose that there is such a $\Psi$. Then $\langle v, \nabla\Psi\rangle$ with $v \in \ker[A, -A]$ are $2N -
\operatorname{rank} A$ such functions, with independent slopes, as the Hessian is invertible. The vectors along which
all of them have slope $0$ form a space of $\operatorname{rank} A$ dimensions: the $V_b$ are all of it. So $[V_b, V_d]
= V_f$ for some $f$. Let $b$ and $d$ be independent. Comparing both halves,

$$
\begin{aligned}
f/L &= \langle g_+ w_+, b\rangle\, d - \langle g_+ w_+, d\rangle\, b
  = -\langle g_- w_-, b\rangle\, d + \langle g_- w_-, d\rangle\, b ,
\end{aligned}
$$

hence $\langle g_+ w_+ + g_- w_-, b\rangle = 0$. As $\operatorname{rank} A \ge 2$, this holds for every $b \in
\operatorname{row}(A)$, against hypothesis 4.

*Matched clocks.* Then $(\theta_+ + \theta_-)' = (\kappa_+ - \kappa_-) L\, p = 0$, and $(\theta_+, \theta_-)$ moves in
$\operatorname{row}[A, -A]$. It is the gradient of the strictly convex $\Phi(w_+) + \Phi(w_-)$. From here the proof of
{prf:ref}`thm-implicit_bias` applies as it stands.

Boundary
--------
- **Checked.** The derivative of the clocks, the bracket and its consequence by computer algebra. In numbers: the
  invariants of both halves along followed flows, and how fast $\theta_\pm$ move at their ends (where clocks are
  matched, the code's are $\kappa_\pm = e^{(2-L)\, c r_\pm(0)^2/2}$); the bracket of the code's fields, by finite
  differences, against the formula, and whether it leaves the span of the $V_b$; with matched clocks, the law of the sum
  and the identity $D_\Phi(z^\circ, w(0)) = D_\Phi(w(t), w(0)) + D_\Phi(z^\circ, w(t))$ for another pair $z^\circ$ with
  the same measurements.
- **Assumed.** That smooth functions with no slope along two fields have none along their bracket is quoted.
- **No run can test.** That there is no potential. It is proved; the chapter shows limits that a potential could not
  have.

Source
------
Derived here.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import normalized_flow, signed_problem, start_radius
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon, together
from companion.verification.symbolic import Depth, Derivation, L, Step, c, eta_u, r, tidy
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.geometry import MirrorMap, mirror_map
from wnlib.flows.invariants import invariant_drift
from wnlib.flows.polar import Polar
from wnlib.linear.ranks import least_squares
from wnlib.models.separate import SeparateFlow, SeparateTrajectory, encode, integrate_separate
from wnlib.models.signed import symmetric_start
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.trajectories.integration import integrate

H = 1e-3  # step of sixth-order differences
INSIDE = 1e-7  # part of a bracket outside a span, in units of its factors, below which it counts as inside


def derive(depth: Depth = L) -> Derivation:
    """The slope of a clock, and the bracket with three components and clocks that are any functions."""
    w, z, sigma = sp.symbols(r"w_i z_i \sigma", positive=True)
    growth = z * z ** (depth - 1) / sp.exp(2 * sigma)  # of sigma = log |z| with theta_i
    at = {sigma: c * r**2 / 2}
    in_w = growth.subs(z, (w * sp.exp(depth * sigma) / r**depth) ** (1 / sp.S(depth))).subs(at)
    clock = symbolic.speed(depth)
    slope = sp.diff(clock, r) / (c * r) * in_w
    g = eta_u * (depth / (c * r**2) - depth + 2)
    steps = (
        Step("The radius", r"\partial\sigma/\partial\theta_i", sp.powsimp(growth), r"$\sigma = \log\lVert z\rVert$."),
        Step("In weights", r"\partial\sigma/\partial\theta_i", tidy(in_w), r"$z_i^L = w_i e^{L\sigma}/r^L$."),
        Step("The clock", r"\partial\kappa/\partial\theta_i", g * w, "By the chain rule through r."),
        Step("The bracket", r"[V_b, V_d]_\pm", _bracket_symbol(), "Of clocks with the slopes $g_\\pm w_\\pm$."),
    )
    return Derivation(steps, symbolic.reduced(in_w - eta_u * w / clock, slope - g * w) + _brackets())


def _bracket_symbol() -> sp.Expr:
    kappa, b, d, L_ = sp.Symbol(r"\kappa_\pm"), sp.Symbol("b"), sp.Symbol("d"), sp.Symbol("L")
    with_b, with_d = (sp.Symbol(rf"\langle g_\pm w_\pm, {name}\rangle") for name in "bd")
    return L_**2 * kappa * (with_b * d - with_d * b)


def _brackets() -> tuple[sp.Expr, ...]:
    """The bracket in both halves; and that, inside the span, the sum of the slopes is orthogonal to b and d."""
    b, d = sp.symbols("b_1:4", real=True), sp.symbols("d_1:4", real=True)
    found: list[sp.Expr] = []
    ends = []
    for sign in (1, -1):
        theta = sp.symbols("t_1:4", real=True)
        kappa = sp.Function("k")(*theta)
        fields = [[sign * L * kappa * entry for entry in vector] for vector in (b, d)]
        slopes = [sp.diff(kappa, t) for t in theta]
        with_b, with_d = (sp.Add(*(s * e for s, e in zip(slopes, vector, strict=True))) for vector in (b, d))
        for i in range(3):
            commutator = sp.Add(
                *(
                    fields[0][j] * sp.diff(fields[1][i], theta[j]) - fields[1][j] * sp.diff(fields[0][i], theta[j])
                    for j in range(3)
                )
            )
            found.append(commutator - L**2 * kappa * (with_b * d[i] - with_d * b[i]))
        ends.append(sp.symbols(f"B{sign + 1} D{sign + 1}", real=True))  # <g w, b>, <g w, d> of this half
    (upper_b, upper_d), (lower_b, lower_d) = ends
    e = [[upper_b * y - upper_d * x for x, y in zip(b, d, strict=True)]]
    e.append([-(lower_b * y - lower_d * x) for x, y in zip(b, d, strict=True)])
    system = [first - second for first, second in zip(*e, strict=True)]
    solved = sp.solve(system[:2], [upper_b, upper_d], dict=True)[0]
    return symbolic.reduced(*found, (upper_b + lower_b).subs(solved), (upper_d + lower_d).subs(solved))


def measure(
    case: Case,
    joint: bool = False,
    doubling: bool = False,
    matched: bool = True,
    tuned: float = 1.0,
    deeper: int = 0,
    single: bool = False,
    balanced: bool = False,
    tail: float = 1.0,
) -> Measurement:
    """The invariants of both halves, their motion, the bracket of the fields, and the law of matched clocks.

    For the falsifiers: one sphere for both halves, a ratio that is `doubling`, clocks that are not `matched`, a ratio
    that is `tuned` in z, the map of a `deeper` network, a `single` measurement, clocks that are `balanced`, the `tail`
    -L + 2 of g.
    """
    problem, flow = signed_problem(case), SeparateFlow(case.depth, normalized_flow(case).ratio)
    path = _one_sphere(case, problem) if joint else _path(case, problem, flow)
    halves = [path.plus, path.minus]
    if doubling:
        last = _path(case, problem, SeparateFlow(flow.depth, 2 * flow.ratio), (path.plus[-1], path.minus[-1]))
        halves = [Polar.concatenate(pair) for pair in zip(halves, (last.plus, last.minus), strict=True)]
    known = SeparateFlow(flow.depth + deeper, tuned * flow.ratio).half
    positive = Problem(problem.A[:, : case.n], problem.y)
    drift = [invariant_drift(known, positive, half).max() for half in halves]
    return together(
        Measurement(drift, np.zeros(2), scale=1.0),
        _motion(problem, flow, path),
        *_bracket(case, problem, flow, single, balanced, tail),
        *_matched(case, problem, SeparateFlow(case.depth, flow.ratio, matched=matched)),
    )


def _path(
    case: Case, problem: Problem, flow: SeparateFlow, start: tuple[Polar, Polar] | None = None
) -> SeparateTrajectory:
    start = start or flow.start(case.n, start_radius(case), case.direction)
    return integrate_separate(flow, problem, start, _time(case, problem), stop=1e-3, rtol=1e-9)


def _time(case: Case, problem: Problem) -> float:
    """In which one sphere's flow has moved."""
    flow = normalized_flow(case)
    return horizon(flow, problem, symmetric_start(flow, case.n, start_radius(case), case.direction))


def _one_sphere(case: Case, problem: Problem) -> SeparateTrajectory:
    """The flow of joint normalization, with each half in polar coordinates of its own."""
    flow = normalized_flow(case)
    start = symmetric_start(flow, case.n, start_radius(case), case.direction)
    moved = integrate(flow, problem, start, _time(case, problem), coordinates="primal")
    x = (moved.weights ** (1 / case.depth)).reshape(-1, 2, case.n)
    radii = np.linalg.norm(x, axis=-1)
    plus, minus = (Polar.of(radii[:, k], x[:, k] / radii[:, k, None]) for k in (0, 1))
    return SeparateTrajectory(SeparateFlow(case.depth, flow.ratio), problem, moved.t, plus, minus, False)


def _motion(problem: Problem, flow: SeparateFlow, path: SeparateTrajectory) -> Measurement:
    r"""$\theta_\pm'$ on a path, by the field, against $\pm\kappa_\pm L\, p$: where half of the loss is left."""
    loss = problem.loss(path.parts)
    half_way = int(np.argmin(np.abs(loss - loss[0] / 2)))  # at the end, the force is lost in rounding
    start, end = ((path.plus[k], path.minus[k]) for k in (0, half_way))
    mirror_of, state = mirror_map(flow.half, float(path.plus.radius[0])), encode(end)
    velocity = _slope(_dual(mirror_of), state, flow.velocity(problem, start)(0.0, state))
    force = (problem.residual(path.parts[half_way]) @ problem.A).reshape(2, -1)
    # in units of the start, in which matched clocks are 1
    clocks = np.full(2, flow.depth) if flow.matched else [float(mirror_of.speed(half)) for half in end]
    return Measurement(velocity, (np.array(clocks)[:, None] * force).ravel())


def _dual(mirror_of: MirrorMap) -> Callable[[Array], Array]:
    r"""$\theta_+$ and $\theta_-$, of states."""

    def theta(state: Array) -> Array:
        log_r, log_u = state.reshape(2, -1)[:, 0], state.reshape(2, -1)[:, 1:]
        return mirror_of.dual_variable(Polar(np.exp(log_r), log_u, np.ones(1))).ravel()

    return theta


def _bracket(
    case: Case, problem: Problem, flow: SeparateFlow, single: bool, balanced: bool, tail: float
) -> tuple[Measurement, Measurement]:
    """The bracket of two differences of fields, against the formula; and whether it lies outside their span: 1."""
    n, depth, rng = case.n, case.depth, case.rng()
    A = rng.standard_normal((1 if single else 2, n))
    halves = [rng.uniform(0.5, 1.5, n) for _ in range(2)]
    sizes = start_radius(case) * rng.uniform(0.5, 1.0, 2)
    if balanced:
        sizes = np.full(2, np.sqrt(depth / ((depth - 2) * flow.ratio)))
    point = (flow.half.start(n, sizes[0], halves[0]), flow.half.start(n, sizes[1], halves[1]))
    doubled = np.hstack([A, -A])
    shifts = rng.standard_normal((2, len(A)))
    y = A @ np.ones(n)
    first, second = (_difference(flow, Problem(doubled, y), Problem(doubled, y + shift), point) for shift in shifts)
    state, mirror_of = encode(point), mirror_map(flow.half, float(sizes[0]))
    V, W = first(state), second(state)
    bracket = _slope(second, state, V) - _slope(first, state, W)
    found = _slope(_dual(mirror_of), state, bracket)
    b, d = shifts @ A
    points = Polar.concatenate([Polar(half.radius[None], half.log_direction[None], half.sign) for half in point])
    kappa, weights = mirror_of.speed(points), points.weights(depth)  # the former with the factor L
    g = flow.ratio * (depth / (flow.ratio * points.radius**2) - tail * (depth - 2))
    predicted = [depth * k * (g_ * (w @ b) * d - g_ * (w @ d) * b) for k, g_, w in zip(kappa, g, weights, strict=True)]
    span = np.vstack([kappa[0] * np.linalg.qr(A.T)[0], -kappa[1] * np.linalg.qr(A.T)[0]])
    outside = found - span @ least_squares(span, found)
    size = flow.ratio * (depth / (flow.ratio * points.radius**2) + depth - 2)  # of g, if its terms did not cancel
    factors = (kappa, b, d, size[:, None] * weights)
    unit = float(np.prod([np.linalg.norm(factor) for factor in factors]))
    leaves = float(np.linalg.norm(outside)) > INSIDE * unit
    return Measurement(found, np.concatenate(predicted), scale=1e-3 * unit), Measurement(float(leaves), 1.0)


def _difference(
    flow: SeparateFlow, one: Problem, other: Problem, start: tuple[Polar, Polar]
) -> Callable[[Array], Array]:
    """The field V of two values of y."""
    fields = [flow.velocity(problem, start) for problem in (one, other)]
    return lambda state: fields[1](0.0, state) - fields[0](0.0, state)


def _slope(function: Callable[[Array], Array], state: Array, direction: Array) -> Array:
    """The derivative along a direction, of sixth order."""
    size = float(np.abs(direction).max()) or 1.0
    step = H * direction / size
    differences = [k * (function(state + j * step) - function(state - j * step)) for j, k in ((1, 45), (2, -9), (3, 1))]
    return np.asarray(sum(differences)) * size / (60 * H)


def _matched(case: Case, problem: Problem, flow: SeparateFlow) -> tuple[Measurement, ...]:
    """The motion, the sum of the dual variables, and the divergences that add up, for another pair of equal outputs."""
    path = _path(case, problem, flow)
    mirror_of = mirror_map(flow.half, float(path.plus.radius[0]))
    dual = [mirror_of.dual_variable(half) for half in (path.plus, path.minus)]
    total = dual[0] + dual[1]
    pair = path.parts[-1]
    other = basis_pursuit(Problem(problem.A, problem.A @ pair, pair)).weights

    def divergence(target: Array, k: int) -> float:
        ends = zip(np.split(target, 2), (path.plus[k], path.minus[k]), strict=True)
        return float(sum(mirror_of.bregman(half, point) for half, point in ends))

    return (
        _motion(problem, flow, path),
        Measurement(total[-1], total[0], scale=float(np.abs(dual).max())),
        Measurement(divergence(pair, 0) + divergence(other, -1), divergence(other, 0)),
    )


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.SeparateFlow", "wnlib.integrate_separate"),
    tolerance=1e-5,
    ensemble=Ensemble(depths=(2, 3, 4), ratios=(0.5, 6), scales=(0.6, 1.4)),
    derive=derive,
    symbolic=True,
    measure=measure,
    falsifiers=(
        Falsifier(1, "one sphere for both halves", partial(measure, joint=True)),
        Falsifier(2, "a ratio that doubles on the way", partial(measure, doubling=True)),
        Falsifier(3, "a single measurement", partial(measure, single=True)),
        Falsifier(
            4,
            "$c\\, r_\\pm^2 = L/(L-2)$, where $g_\\pm = 0$",
            partial(measure, balanced=True),
            ensemble=Ensemble(depths=(3, 4), ratios=(0.5, 6), scales=(0.6, 1.4)),
        ),
        Falsifier(5, r"clocks that differ: constant $\eta_u$", partial(measure, matched=False)),
        Falsifier("formula", "$z$ with $1.01\\, c$ in place of $c$", partial(measure, tuned=1.01)),
        Falsifier("formula", "$m_{L+1}$ in place of $m_L$", partial(measure, deeper=1)),
        Falsifier(
            "formula",
            r"$g = \eta_u L/(c r^2)$",
            partial(measure, tail=0.0),
            ensemble=Ensemble(depths=(3, 4), ratios=(0.5, 6), scales=(0.6, 1.4)),
        ),
    ),
    uses=("magnification", "invariants", "mirror_map", "implicit_bias"),
    mutants=(
        "L - 1 for L - 2 in the matched clock",
        "the radius for its square in the reference of the matched clock",
        "separate clocks that run with the radius",
        "a power of r more in the growth of a half",
        "a power of u more in the turning of a half",
    ),
)
