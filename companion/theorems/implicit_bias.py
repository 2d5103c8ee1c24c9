r"""Exact implicit bias

A flow that fits the measurements ends at the interpolant that is closest to its start, in the Bregman divergence of its
mirror map. Where an infinitely long flow ends is thus a convex program.

Statement
---------
Let $L \ge 1$, let $w(t)$ move from $w_0$ by gradient flow or by weight-normalized gradient flow ($w_0 > 0$ for
$L \ge 2$, $w_0 \ne 0$ for $L = 1$), and let $\Phi$ be the potential of its mirror map and
$D_\Phi(z^\circ, w) = \Phi(z^\circ) - \Phi(w) - \langle\nabla\Phi(w), z^\circ - w\rangle$. If

1. **interpolating limit**: $w(t) \to w_\infty$ with $A w_\infty = y$;
2. **constant ratio**: $c = \eta_u/\eta_r$ does not depend on time;
3. **one sign of the radius**: with weight normalization at $L = 1$, $r(t)$ stays positive,

then $w_\infty$ is the only minimiser of $D_\Phi(w, w_0)$ over the interpolants $\{w : A w = y\}$, $w \ge 0$ for
$L \ge 2$. Without the first hypothesis, $w(t)$ is at every time the only minimiser over all such $z^\circ$ with
$A z^\circ = A w(t)$, and

$$
\begin{aligned}
D_\Phi(z^\circ, w_0) = D_\Phi(w(t), w_0) + D_\Phi(z^\circ, w(t)) .
\end{aligned}
$$

For $L = 2$, with $S = \lVert w\rVert_1$, $\pi = w/S$, $S_0 = \lVert w_0\rVert_1$ and $\pi_0 = w_0/S_0$, the divergences
of gradient flow (GF) and of weight normalization (WN) are

$$
\begin{aligned}
D^{\mathrm{GF}}_\Phi(w, w_0) &= \tfrac12 S\, \mathrm{KL}(\pi \,\|\, \pi_0)
  + \tfrac12 \bigl( S \log \tfrac{S}{S_0} - S + S_0 \bigr), \\
D^{\mathrm{WN}}_\Phi(w, w_0) &= \tfrac12 S\, \mathrm{KL}(\pi \,\|\, \pi_0) + \tfrac c4 (S - S_0)^2 .
\end{aligned}
$$

For $L \ge 3$ and uniform starts, both are

$$
\begin{aligned}
D_\Phi(w, w_0) &= \frac{z_0^{2-L}}{L-2} \Bigl( S - S_0 - \int_{S_0}^{U(w)} M(s)^{2-L}\, ds \Bigr),
  \qquad U(w) = N^{(2-L)/2} \rho(w)^{L/2} .
\end{aligned}
$$

Here $z_0 = N^{-1/2} e^{\sigma(r_0)}$ is the start in magnified coordinates, $U(w) \le S$ is the mass of the uniform
weights that have the radius of $w$, and $M(s)$ is the magnification from the start to uniform weights of mass $s$: $M =
e^{c (r^2 - r_0^2)/2}$ with $r^2 = N^{1-2/L} s^{2/L}$ for weight normalization, $M = (s/S_0)^{1/L}$ for gradient flow.

Proof
-----
*The leaf.* By {prf:ref}`thm-invariants` and {prf:ref}`thm-mirror_map`, $\theta = \nabla\Phi(w)$ moves in
$\operatorname{row}(A)$: $\nabla\Phi(w(t)) - \nabla\Phi(w_0) = A^\top\lambda(t)$. (At $L = 1$ with weight normalization
$\nabla\Phi(w) = \operatorname{sign}(r)\, \theta$, hence the third hypothesis.)

*Every moment.* Let $A z^\circ = A w(t)$. The definition of the divergence gives the three-point identity

$$
\begin{aligned}
D_\Phi(z^\circ, w_0) - D_\Phi(w(t), w_0) - D_\Phi(z^\circ, w(t))
&= \langle \nabla\Phi(w(t)) - \nabla\Phi(w_0), z^\circ - w(t) \rangle \\
&= \langle \lambda(t), A z^\circ - A w(t) \rangle = 0 .
\end{aligned}
$$

As $\Phi$ is strictly convex, $D_\Phi(z^\circ, w(t)) > 0$ unless $z^\circ = w(t)$.

*The limit.* $\Phi$ extends continuously to the weights with zeros, and $D_\Phi(\cdot, w_0)$ with it. Let $z^\circ$ be
an interpolant. The sets $\{z^\circ \ge 0 : A z^\circ = b\}$ depend on $b$ continuously as long as they are not empty
(Hoffman's bound: the distance to a polyhedron is at most a constant times the violation of its equations). As $A w(t)
\to y$, there are $z^\circ_t \to z^\circ$ with $A z^\circ_t = A w(t)$, and $D_\Phi(w(t), w_0) \le D_\Phi(z^\circ_t,
w_0)$ becomes $D_\Phi(w_\infty, w_0) \le D_\Phi(z^\circ, w_0)$.

*Only one.* Along a segment of the orthant a fixed set of entries is positive in the interior, and $\Phi$ of weights
with zeros is the same potential with fewer entries. So $\Phi$ is strictly convex along every segment (for $L = 1$ also
along those through $0$, where its slope jumps up), and has one minimum on a convex set.

*Explicit forms.* For $L = 2$ insert the potentials of {prf:ref}`thm-mirror_map`. For $L \ge 3$ both sides vanish at $w
= w_0$, where $U = S = S_0$, and have the same gradient: $\partial U/\partial w_i = N^{(2-L)/2} u_i^{2-L}$, so the right
side has $\tfrac{1}{L-2} \bigl( z_0^{2-L} - (u_i e^{\sigma(r)})^{2-L} \bigr) = \theta_i - \theta_{0,i}$.

Boundary
--------
- **Checked.** The identities by computer algebra. Flows of both kinds, every depth and kind of matrix, followed in
  their own coordinates, which know nothing of the mirror map, until they fit or for a fixed number of steps: where they
  are then is the computed minimiser among the weights with the same $A w$, and the divergences add up. Starts have 0.6
  to 1.4 times the radius of the target, and are magnified at most $e^{12}$ times on the way to it: double precision
  holds both ends. One instance per depth to forty digits, followed and minimised in multiple precision, and its
  minimiser enclosed in balls.
- **Assumed.** Convergence to an interpolant is a hypothesis here; Hoffman's bound is quoted.
- **No run can test.** That a flow converges: a followed flow only ever comes close.

Source
------
Derived here. The limit of a mirror flow minimises its Bregman divergence: {cite:t}`Gunasekar2018`; that reparametrized
flows are mirror flows: {cite:t}`AmidWarmuth2020`, {cite:t}`Li2022`. {cite:t}`Woodworth2020` have the potential of the
signed plain flow of depth 2; {cite:t}`ChouMalyRauhut2023` use the divergence for gradient flow of every depth.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import normalized_flow, start_radius
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon, together
from companion.verification.symbolic import Depth, Derivation, L, Step, c, mirror, r, u
from companion.verification.theorem import Certificate, Falsifier, Kind, Measurement, Theorem
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.geometry import mirror_map
from wnlib.flows.weight_norm import ScheduledWeightNormFlow, WeightNormFlow
from wnlib.limits.limit import limit
from wnlib.problem import Problem
from wnlib.rigorous import enclosure, multiprecision
from wnlib.rigorous.instance import SMALL_INSTANCE
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory

SIGMAS = {"GF": sp.log(r), "WN": c * r**2 / 2}  # the log-magnification of either flow


def derive(depth: Depth = L) -> Derivation:
    """The three-point identity with three components written out, and the explicit divergences."""
    potentials = sp.symbols(r"\Phi(z^\circ) \Phi(w) \Phi(w_0)", real=True)
    theta, theta_0, z, w, w_0, a = (sp.symbols(f"{name}_1:4", real=True) for name in "ghzwna")
    at_z, at_w, at_0 = potentials

    def bregman(end: sp.Expr, start: sp.Expr, slope: tuple[sp.Expr, ...], shift: list[sp.Expr]) -> sp.Expr:
        return end - start - sp.Add(*(g * s for g, s in zip(slope, shift, strict=True)))

    def minus(first: tuple[sp.Expr, ...], second: tuple[sp.Expr, ...]) -> list[sp.Expr]:
        return [p - q for p, q in zip(first, second, strict=True)]

    three = (
        bregman(at_z, at_0, theta_0, minus(z, w_0))
        - bregman(at_w, at_0, theta_0, minus(w, w_0))
        - bregman(at_z, at_w, theta, minus(z, w))
    )
    product = sp.Add(*(g * s for g, s in zip(minus(theta, theta_0), minus(z, w), strict=True)))
    # One measurement a, and a multiplier: the dual variable on the leaf, and z with <a, z> = <a, w>.
    multiplier = sp.Symbol(r"\lambda", real=True)
    on_leaf = dict(zip(theta, [t + multiplier * a_i for t, a_i in zip(theta_0, a, strict=True)], strict=True))
    feasible = {z[2]: w[2] - (a[0] * (z[0] - w[0]) + a[1] * (z[1] - w[1])) / a[2]}
    steps = (
        Step(
            "On the leaf",
            r"\nabla\Phi(w(t)) - \nabla\Phi(w_0)",
            sp.Symbol(r"A^\top\lambda(t)"),
            r"The dual variable moves in $\operatorname{row}(A)$.",
        ),
        Step(
            "Three points",
            r"D_\Phi(z^\circ, w_0) - D_\Phi(w, w_0) - D_\Phi(z^\circ, w)",
            sp.Symbol(r"\langle\nabla\Phi(w) - \nabla\Phi(w_0), z^\circ - w\rangle"),
            "By the definition of the divergence; the potentials cancel.",
        ),
        Step(
            "Residual",
            r"\langle A^\top\lambda, z^\circ - w\rangle",
            sp.simplify(product.subs(on_leaf).subs(feasible)),
            r"With $A z^\circ = A w$, for one measurement of three weights.",
        ),
        *_explicit_steps(depth),
    )
    residuals = symbolic.reduced(three - product, product.subs(on_leaf).subs(feasible))
    return Derivation(steps, residuals + tuple(residual for s in SIGMAS.values() for residual in _explicit(depth, s)))


def _explicit_steps(depth: Depth) -> tuple[Step, ...]:
    S, S_0, KL = sp.symbols(r"S S_0 \mathrm{KL}", positive=True)
    if depth == 1:
        return ()
    if depth == 2:
        plain, normalized = (S * sp.log(S / S_0) - S + S_0) / 2, c * (S - S_0) ** 2 / 4
        return (
            Step("Gradient flow", r"D_\Phi(w, w_0)", S * KL / 2 + plain, "A penalty on proportions and one on mass."),
            Step("Weight normalization", r"D_\Phi(w, w_0)", S * KL / 2 + normalized, "The same, and another."),
        )
    s, U, z_0, M = (sp.Symbol(name) for name in ("s", "U(w)", "z_0", "M(s)"))
    value = z_0 ** (2 - depth) / (depth - 2) * (S - S_0 - sp.Integral(M ** (2 - depth), (s, S_0, U)))
    return (Step("From a uniform start", r"D_\Phi(w, w_0)", value, "Both sides vanish at the start; same gradient."),)


def _explicit(depth: Depth, sigma: sp.Expr) -> tuple[sp.Expr, ...]:
    """For one flow, explicit divergence minus definition: three components at L = 2, the gradient at other depths."""
    if depth == 2:
        return (_entropic(sigma),)
    N, r_0 = sp.symbols("N r_0", positive=True)
    rho, sigma_0 = sp.Symbol(r"\rho", positive=True), sigma.subs(r, r_0)
    slope = sp.diff(N ** (1 - sp.S(depth) / 2) * rho ** (sp.S(depth) / 2), rho)  # of U
    slope = slope.subs(rho, r**2) * sp.S(2) / depth * (r * u) ** (2 - depth)
    z_0, z = N ** (-sp.S(1) / 2) * sp.exp(sigma_0), u * sp.exp(sigma)
    gradient = z_0 ** (2 - depth) / (depth - 2) * (1 - slope * sp.exp((2 - depth) * (sigma - sigma_0)))
    residual = sp.expand_power_base(gradient - (mirror(z, depth) - mirror(z_0, depth)), force=True)
    return symbolic.reduced(residual)


def _entropic(sigma: sp.Expr) -> sp.Expr:
    """L = 2: the mirror map's potential against proportions and mass, from any start, with three components."""
    w, w_0 = sp.symbols("w_1:4", positive=True), sp.symbols("n_1:4", positive=True)
    S, S_0, s = sp.Add(*w), sp.Add(*w_0), sp.Symbol("s", positive=True)
    penalty = sp.integrate(sigma.subs(r, sp.sqrt(s)), (s, 0, s))

    def potential(x: tuple[sp.Symbol, ...]) -> sp.Expr:
        mass = sp.Add(*x)
        return sp.Add(*(x_i * sp.log(x_i) for x_i in x)) / 2 - mass * sp.log(mass) / 2 + penalty.subs(s, mass)

    slope = [sp.diff(potential(w_0), x_i) for x_i in w_0]
    linear = sp.Add(*(g * (a - b) for g, a, b in zip(slope, w, w_0, strict=True)))
    KL = sp.Add(*(a / S * sp.log(a / S / (b / S_0)) for a, b in zip(w, w_0, strict=True)))
    on_mass = c * (S - S_0) ** 2 / 4 if sigma.has(c) else (S * sp.log(S / S_0) - S + S_0) / 2
    difference = potential(w) - potential(w_0) - linear - S * KL / 2 - on_mass
    return sp.simplify(sp.expand(sp.expand_log(difference, force=True)))


def either_flow(case: Case) -> Flow:
    """Gradient flow in one half of the cases, weight normalization in the other."""
    return normalized_flow(case) if case.rng().integers(2) else case.plain


def doubled_ratio(case: Case) -> Flow:
    flow = normalized_flow(case)
    return WeightNormFlow(flow.depth, 2 * flow.ratio)


def other_flow(case: Case) -> Flow:
    return case.plain if isinstance(either_flow(case), WeightNormFlow) else normalized_flow(case)


def growing_ratio(case: Case) -> Flow:
    flow = normalized_flow(case)
    return ScheduledWeightNormFlow(flow.depth, flow.ratio, angular_schedule=lambda t: 1 + t / (1 + t))


def own_trajectory(
    case: Case, moving: Callable[[Case], Flow] = either_flow, stop: float = 1e-5, towards_zero: bool = False
) -> Trajectory:
    """A flow in its own coordinates, until it fits to `stop`, relatively, or for many steps."""
    problem, flow, direction = case.problem, moving(case), case.direction
    if case.depth == 1:
        direction = direction * np.sign(problem.y @ (problem.A @ direction)) * (-1 if towards_zero else 1)
    start = flow.start(case.n, start_radius(case), direction)
    loss = 0.5 * float(stop * np.linalg.norm(problem.y)) ** 2
    steps = horizon(flow, problem, start, steps=15)
    return integrate(flow, problem, start, steps, rtol=1e-8, coordinates="primal", stop_loss=loss)


def measure(
    case: Case,
    moving: Callable[[Case], Flow] = either_flow,
    minimising: Callable[[Case], Flow] | None = None,
    scale: float = 1.0,
    stop: float = 1e-5,
    fitted: bool = True,
) -> Measurement:
    """Where a flow is, against the minimiser computed for the same A w; and the two divergences that add up.

    For the falsifiers: a flow that is not the minimised one, a start of the divergence `scale` times the flow's, a flow
    that is stopped before it fits but taken for the limit.
    """
    trajectory = own_trajectory(case, moving, stop)
    end, first = trajectory.weights[-1], trajectory.points[0]
    reached = _reached(trajectory) if fitted else case.problem
    closest = (minimising or moving)(case)
    predicted = limit(closest, reached, closest.start(case.n, scale * float(first.radius), first.direction))
    where = Measurement(end, predicted.weights)
    return together(where, identity(trajectory)) if closest == trajectory.flow else where


def identity(trajectory: Trajectory) -> Measurement:
    """D(w, w_0) + D(z, w) against D(z, w_0), for the end w of a flow and another z with A z = A w."""
    flow, reached = trajectory.flow, _reached(trajectory)
    other = np.linalg.pinv(reached.A) @ reached.y if flow.depth == 1 else basis_pursuit(reached).weights
    mirror_of = mirror_map(flow, float(trajectory.radius[0]))
    first, last = trajectory.points[0], trajectory.points[-1]
    parts = mirror_of.bregman(trajectory.weights[-1], first) + mirror_of.bregman(other, last)
    return Measurement(float(parts), float(mirror_of.bregman(other, first)))


def _reached(trajectory: Trajectory) -> Problem:
    """The problem that the end of a trajectory solves."""
    A, end = trajectory.problem.A, trajectory.weights[-1]
    return Problem(A, A @ end, end)


def across_zero(case: Case) -> Measurement:
    """The identity for a flow whose radius changes its sign."""
    return identity(own_trajectory(case, normalized_flow, towards_zero=True))


def certify(depth: int) -> tuple[Certificate, ...]:
    """One instance: followed and minimised in multiple precision; its minimiser enclosed."""
    flow, instance = WeightNormFlow(depth, 0.5), SMALL_INSTANCE
    end = multiprecision.taylor_path(flow, instance, residual=1e-42, digits=43)[-1]
    agreed = multiprecision.agreement(end.weights, multiprecision.limit(flow, instance, digits=43), digits=43)
    found = [Certificate("multiple precision", "weight normalization ends at the divergence's minimiser", agreed)]
    for name, bounded in (("weight normalization", flow), ("gradient flow", GradientFlow(depth))):
        balls = enclosure.enclose(bounded, instance)
        digits = -np.log10(balls.width / np.abs(balls.midpoints).max())
        found.append(Certificate("ball arithmetic", f"an enclosure of the minimiser, {name}", float(digits)))
    return tuple(found)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.limit", "wnlib.Limit", "wnlib.LimitCurve", "wnlib.rigorous.enclosure.enclose"),
    tolerance=1e-7,
    ensemble=Ensemble(ratios=(2, 12), scales=(0.6, 1.4)),
    derive=derive,
    symbolic=True,
    measure=measure,
    certify=certify,
    uses=("invariants", "mirror_map"),
    falsifiers=(
        Falsifier(1, "the flow stopped at a tenth of the residual", partial(measure, stop=0.1, fitted=False)),
        Falsifier(
            2,
            "a ratio that grows from $c$ to $2c$",
            partial(measure, moving=growing_ratio, minimising=normalized_flow),
        ),
        Falsifier(
            3,
            r"$L = 1$, from a start with $\langle A^\top y, u_0\rangle < 0$",
            across_zero,
            ensemble=Ensemble(depths=(1,), ratios=(0.05, 0.3), scales=(0.1, 0.5)),
        ),
        Falsifier("formula", "the divergence from $2 x(0)$", partial(measure, scale=2.0)),
        Falsifier("formula", "$2c$", partial(measure, moving=normalized_flow, minimising=doubled_ratio)),
        Falsifier("formula", "the potential of the other flow", partial(measure, minimising=other_flow)),
    ),
    mutants=(
        "half the log-magnification",
        "ratio squared in the polar velocity",
        "the linear part added in the divergence",
        "a tenth less of the start's magnification",
    ),
)
