r"""Convergence

Every trajectory converges: to the interpolant that is closest to its start, or, with weight normalization only, to
$w = 0$. What collapses is the only exception.

Statement
---------
Let $L \ge 1$ and $y \ne 0$. Let $w(t)$ move from $w_0$ by gradient flow, or by weight-normalized gradient flow with
constant learning rates; $w_0 > 0$ for $L \ge 2$, $w_0 \ne 0$ for $L = 1$. Let $\Phi$ be the potential of the flow and
$\tau = \int_0^t \kappa L\, dt$. Then $w(t)$ is bounded. If

1. **interpolant**: $A z^\circ = y$ for some $z^\circ$, which is $\ge 0$ if $L \ge 2$;
2. **one sign of the radius**: with weight normalization at $L = 1$, $r(t)$ stays positive,

then $w(t)$ converges, and one of two things happens:

- *it fits*: $\tau \to \infty$, $\ell(w(t)) \to 0$, and $w(t)$ tends to the only minimiser $w_\infty$ of $D_\Phi(\cdot,
  w_0)$ over the interpolants, $w \ge 0$ for $L \ge 2$. Moreover $D_\Phi(w_\infty, w(t))$ decreases to $0$;
- *it collapses*: $\tau$ stays bounded, $r \to 0$, and $u$ converges, to some $u_\infty > 0$ for $L \ge 2$.

Gradient flow always fits. Weight normalization fits if

3. **no collapse**: $r(t)$ does not tend to $0$.

This holds if $\ell(w_0) < \ell(0)$, since the loss does not increase, and if $w_0$ is close enough to an interpolant
for {prf:ref}`thm-no_collapse`.

Proof
-----
*Bounded.* Suppose that $\lVert w(t_k)\rVert \to \infty$ and, for a subsequence, that $w/\lVert w\rVert \to v$. As the
loss does not increase, $A w$ is bounded, so $A v = 0$ and, by {prf:ref}`thm-invariants`, $\langle v,
m_L(z(t))\rangle$ is constant. But $r \to \infty$, so $\sigma(r) \to \infty$, and where $v_i \ne 0$ the entry $u_i$
stays away from $0$: $|z_i| = |u_i|\, e^{\sigma(r)} \to \infty$. So for $L \le 2$ the terms $v_i\, m_L(z_i)$ with
$v_i \ne 0$ tend to $\infty$ (at $L = 1$ all to $-\infty$ where $r < 0$), and their sum is not constant. For $L \ge 3$
they tend to $0$, but the constant is negative, as $m_L < 0$ and $v \ge 0$. This is a contradiction.

In particular the flow exists for all times: for $L \ge 2$ the logarithms of $r$ and $u$ have bounded derivatives where
$r$ is bounded.

*If $\tau \to \infty$*, then $\ell \le D_\Phi(z^\circ, w_0)/(2\tau) \to 0$ by {prf:ref}`thm-loss_rate`. As $w$ is
bounded, it has a limit point $a$; every limit point is an interpolant, and so not $0$. By
{prf:ref}`thm-dissipation` $D_\Phi(a, w(t))$ does not increase. It is continuous at $w = a$, even if $a$ has zeros: by
Fenchel's equality

$$
\begin{aligned}
D_\Phi(a, w) &= \Phi(a) + \Phi^*(\theta) - \langle\theta, a\rangle, & \theta &= m_L(z),
\end{aligned}
$$

where by {prf:ref}`thm-mirror_map` $\Phi^*$ is a continuous function of $r$, and $\langle\theta, a\rangle = \sum_{a_i
\ne 0} a_i\, m_L(u_i e^{\sigma(r)})$ knows only the entries in which $u$ stays away from $0$. So $D_\Phi(a, w(t)) \to
D_\Phi(a, a) = 0$ along a sequence of times, and thus for all times. If $b$ is another limit point, then also
$D_\Phi(b, w(t)) \to 0$, and for $\bar a = \frac12 (a + b)$

$$
\begin{aligned}
0 \le D_\Phi(\bar a, w(t)) &= \tfrac12 D_\Phi(a, w(t)) + \tfrac12 D_\Phi(b, w(t))
  - \bigl( \tfrac12 \Phi(a) + \tfrac12 \Phi(b) - \Phi(\bar a) \bigr).
\end{aligned}
$$

In the limit the bracket is $\le 0$. But $\Phi$ is strictly convex along the segment from $a$ to $b$: inside it a fixed
set of entries is not $0$, and $\Phi$ of weights with zeros is the same potential with fewer entries. So $a = b$, and
$w(t) \to w_\infty = a$.

*Where to.* Let now $z^\circ$ be any interpolant ($\ge 0$ if $L \ge 2$). By {prf:ref}`thm-dissipation` the difference
$D_\Phi(z^\circ, w(t)) - D_\Phi(w_\infty, w(t))$ does not depend on time, so

$$
\begin{aligned}
D_\Phi(z^\circ, w_0) - D_\Phi(w_\infty, w_0)
  &= \lim_{t\to\infty} \bigl( D_\Phi(z^\circ, w(t)) - D_\Phi(w_\infty, w(t)) \bigr)
  = \lim_{t\to\infty} D_\Phi(z^\circ, w(t)) \ge 0 .
\end{aligned}
$$

There is only one minimiser, as $\Phi$ is strictly convex along segments.

*If $\tau$ stays bounded*, then $\kappa = 1$ is excluded, so this is weight normalization. $\theta$ converges, since
$d\theta/d\tau = p$ is bounded. $\lVert z\rVert = e^{\sigma(r)}$ is bounded, and at least $1$. For $L \ge 3$ the first
keeps $\theta_i$ away from $0$; so at every depth $z = m_L^{-1}(\theta)$ converges, to a $z_\infty \ne 0$, which is
positive for $L \ge 2$, and with it $u = z/\lVert z\rVert$ and $r$. If $r$ had a positive limit, so had $\kappa = \eta_u
r^L e^{(2-L)\sigma}$, and $\tau$ would not be bounded. So $r \to 0$.

*One excludes the other*: if it fits, then $A w \to y \ne 0$, and $r$ does not tend to $0$.

Boundary
--------
- **Checked.** The algebra by computer algebra: the motion of $\theta$, the invariants, Fenchel's equality and the
  midpoint with all sums written out. In numbers, along times that grow by powers of ten: for both flows, from starts
  with a loss below $\ell(0)$ and from starts above it, the distance to the limit that `wnlib.limit` computes without
  following the flow, and the residual; for weight normalization from small starts against the data, which collapse by
  {prf:ref}`thm-collapse`, how far $w$ is from $0$, $u$ from $u_\infty$ and $\tau$ from its last value. The latter two
  are those at $r = 0$, which the flow reaches in finite time by the clock $ds = \eta_u L\, r^L dt$.
- **Assumed.** Nothing. In particular, Łojasiewicz's inequality is not needed: it makes bounded gradient flows of
  analytic functions converge, and here the dual flow, of a convex function, does.
- **No run can test.** That $w(t)$ converges: a run ends. It is proved. Nor, while the loss is above $\ell(0)$ and
  {prf:ref}`thm-no_collapse` does not apply, the third hypothesis: a radius that shrinks may grow again.

Source
------
Derived here. By its abstract, {cite:t}`ChouRauhutWard2024` use invariants and the theorem of {cite:t}`Lojasiewicz1984`.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from companion.verification import symbolic
from companion.verification.cases import against_the_data, normalized_flow, opposed
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import clock
from companion.verification.symbolic import Depth, Derivation, L, Step, along, mirror, p, reduced, x
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import Flow
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.limit import limit
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory

TIMES = np.geomspace(1e-4, 1, 5)  # of the run
LONG = 1e12  # how long a run is at most, in units of 1 / ||A^T y||
FITTED = 1e-9  # the relative residual at which it ends: in ill-conditioned directions much more of the weights is left
SHRUNK = 30, 100  # how long a collapse is followed, in units of its first speed: at depth 2, times this for each factor


def derive(depth: Depth = L) -> Derivation:
    """The dual variable, the invariants, Fenchel's equality and the divergences from a midpoint, for three weights."""
    n, m = 3, 2
    A, e = sp.Matrix(m, n, sp.symbols(f"a_1:{m * n + 1}")), sp.Matrix(sp.symbols(f"e_1:{m + 1}"))
    a, b, w, theta = (sp.Matrix(sp.symbols(f"{name}_1:{n + 1}")) for name in ("alpha", "beta", "w", "theta"))
    at_a, at_b, at_m, at_w = sp.symbols(r"\Phi(a) \Phi(b) \Phi(\bar{a}) \Phi(w)")

    def bregman(value: sp.Expr, end: sp.Matrix) -> sp.Expr:
        return value - at_w - theta.dot(end - w)

    gap = (at_a + at_b) / 2 - at_m
    midpoint = bregman(at_m, (a + b) / 2) - (bregman(at_a, a) + bregman(at_b, b)) / 2 + gap
    conjugate = theta.dot(w) - at_w
    speed = symbolic.speed(depth)
    residuals = reduced(
        along(mirror(symbolic.magnified(), depth), symbolic.polar_rates(depth)) - speed * depth * p,
        along(mirror(x, depth), symbolic.plain_rates(depth)) - depth * p,
        (A.T * e).dot(w) - e.dot(A * w),
        bregman(at_a, a) - (at_a + conjugate - theta.dot(a)),
        midpoint,
    )
    pairing, to_a, to_b = (sp.Symbol(name) for name in (r"\langle\theta, a\rangle", r"D_\Phi(a, w)", r"D_\Phi(b, w)"))
    steps = (
        Step(
            "The invariants",
            r"\langle v, m_L(z)\rangle'",
            sp.Symbol(r"\kappa L \langle A v, y - A w\rangle"),
            "Zero if $A v = 0$: so no trajectory is unbounded.",
        ),
        Step("The clock", r"d\tau/dt", speed * depth, "Bounded below where the radius is: then the loss tends to 0."),
        Step(
            "Fenchel's equality",
            r"D_\Phi(a, w)",
            at_a + sp.Symbol(r"\Phi^*(\theta)") - pairing,
            "Continuous at $w = a$, even if $a$ has zeros.",
        ),
        Step(
            "The midpoint",
            r"D_\Phi(\bar{a}, w)",
            (to_a + to_b) / 2 - gap,
            r"For $\bar a = \tfrac12 (a + b)$. Not negative; so two limit points would contradict strict convexity.",
        ),
    )
    return Derivation(steps, residuals)


def below_zero(case: Case) -> Polar:
    r"""A start that leans towards the target, of so small a radius that its loss is below $\ell(0)$."""
    factors = case.target ** (1 / case.depth)
    direction = case.direction / np.linalg.norm(case.direction) + 2 * factors / np.linalg.norm(factors)
    direction /= np.linalg.norm(direction)
    output = case.problem.A @ direction**case.depth
    halfway = float(0.5 * case.problem.y @ output / (output @ output)) ** (1 / case.depth)
    return case.flow.start(case.n, min(case.scale * case.target_radius, halfway), direction)


def above_zero(case: Case) -> Polar:
    r"""That start, so much farther out that its loss is above $\ell(0)$."""
    inside, loss_of_zero = below_zero(case), case.problem.loss_of_zero
    output = case.problem.A @ inside.weights(case.depth)
    as_zero = 2 * float(case.problem.y @ output / (output @ output))  # times the weights: the loss of w = 0 again
    farther = as_zero * case.rng().uniform(1.1, 4)
    start = case.flow.start(case.n, float(inside.radius) * farther ** (1 / case.depth), inside.direction)
    assert case.problem.loss(start.weights(case.depth)) > loss_of_zero
    return start


def on_either_side(case: Case) -> Polar:
    """Below the loss of zero in one half of the cases, above it in the other."""
    return (below_zero, above_zero)[case.seed // 2 % 2](case)


def snapshots(flow: Flow, problem: Problem, start: Polar) -> Trajectory:
    """On the way to the limit, after times that grow by powers of ten."""
    t_end, data = LONG / float(np.linalg.norm(problem.A.T @ problem.y)), float(np.linalg.norm(problem.y))
    trajectory = integrate(flow, problem, start, t_end, rtol=1e-6, stop_loss=0.5 * (FITTED * data) ** 2)
    return trajectory.at(TIMES * trajectory.t[-1])


def residuals(problem: Problem, weights: Array) -> Array:
    """Of weights (T, N), relative to y, shape (T,)."""
    return np.asarray(np.linalg.norm(problem.residual(weights), axis=-1) / np.linalg.norm(problem.y))


def measure(
    case: Case,
    start: Callable[[Case], Polar] = on_either_side,
    ratio: float = 1.0,
    scale: float = 1.0,
    swapped: bool = False,
    shrinking: bool = True,
) -> Measurement:
    """Distances to the limit, relative to it, or the residuals if they are larger, on the way; both flows, a collapse.

    For the falsifiers: another `start`; the limit of a flow with another `ratio`, from another `scale`, or of the other
    flow (`swapped`). Then no `shrinking` flow is followed, too.
    """
    problem, point, normalized = case.problem, start(case), normalized_flow(case)
    flows: tuple[Flow, ...] = (normalized, case.plain)
    limits: tuple[Flow, ...] = (WeightNormFlow(case.depth, ratio * normalized.ratio), case.plain)
    moved = Polar(scale * point.radius, point.log_direction, point.sign)
    errors = []
    for flow, closest in zip(flows, limits[::-1] if swapped else limits, strict=True):
        weights, end = snapshots(flow, problem, point).weights, limit(closest, problem, moved).weights
        distance = np.linalg.norm(weights - end, axis=-1) / np.linalg.norm(end)
        errors.append(np.maximum(distance, residuals(problem, weights)))
    if shrinking and case.depth >= 2:
        errors.append(to_zero(case))
    # The flow that ends farthest from its limit stands for all.
    return Measurement(max(errors, key=lambda error: error[-1]), 0.0, scale=1.0)


def small(case: Case) -> tuple[Problem, WeightNormFlow, Polar]:
    """A problem, a flow, and a start so small and so much against the data that it collapses."""
    start = against_the_data(case)
    return (
        start.problem,
        case.flow,
        case.flow.start(len(start.direction), 0.5 * case.scale * start.threshold, start.direction),
    )


def to_zero(case: Case, turned: bool = True) -> Array:
    """The largest of the shares that are left of the weights, of the dual time and of the turning, in a collapse."""
    problem, flow, start = small(case)
    L, u = flow.depth, start.direction
    speed = L * float(start.radius) ** (L - 2) * abs(float(problem.y @ problem.A @ u**L))
    path = integrate(flow, problem, start, SHRUNK[0] * SHRUNK[1] ** (L - 2) / speed, rtol=1e-8)
    late = np.searchsorted(path.t, TIMES * path.t[-1])
    tau = clock(path, mirror_map(flow, float(start.radius)))[0][late]
    direction, whole = at_zero(flow, problem, start)
    apart = np.linalg.norm(path.points[late].direction - (direction if turned else u), axis=1)
    left = path.weights[late].sum(axis=1) / path.weights[0].sum()
    return np.max([left, apart / np.linalg.norm(direction - u), np.abs(1 - tau / whole)], axis=0)


def unturned(case: Case) -> Measurement:
    """A collapse, with the direction of the start for that of the end."""
    return Measurement(to_zero(case, turned=False), 0.0, scale=1.0)


def at_zero(flow: WeightNormFlow, problem: Problem, start: Polar) -> tuple[Array, float]:
    r"""$u_\infty$ (N,) and the last $\tau$ of a collapse, in the clock in which r = 0 is reached."""
    L, c, rho = flow.depth, flow.ratio, float(start.radius) ** 2

    def velocity(s: float, state: Array) -> Array:
        square, u = max(state[0], 0.0), state[1:-1]
        force = problem.A.T @ problem.residual(square ** (L / 2) * u**L)
        along = force @ u**L
        return np.concatenate(
            [[2 / c * along], force * u ** (L - 1) - along * u, [np.exp((2 - L) * c * (square - rho) / 2)]]
        )

    def shrunk(s: float, state: Array) -> float:
        return float(state[0])

    shrunk.terminal = True  # type: ignore[attr-defined]
    first = np.concatenate([[rho], start.direction, [0.0]])
    [[end]] = solve_ivp(velocity, (0, np.inf), first, "DOP853", events=[shrunk], rtol=1e-9, atol=1e-12 * rho).y_events
    return end[1:-1], float(end[-1])


def infeasible(case: Case) -> Measurement:
    """The residuals of a flow of nonnegative weights whose outputs have the wrong sign."""
    A, truth = np.abs(case.problem.A), -np.asarray(case.problem.truth)
    problem = Problem(A, A @ truth, truth)
    units = float(np.linalg.norm(A.T @ problem.y))
    path = solve_ivp(
        case.flow.velocity(problem), (0, 10 / units), case.flow.encode(case.start), "LSODA", 10 * TIMES / units
    )
    return Measurement(residuals(problem, case.flow.decode(path.y.T).weights(case.depth)), 0.0, scale=1.0)


def across_zero(case: Case) -> Measurement:
    r"""The part of $\nabla\Phi(w) - \nabla\Phi(w_0)$ outside row(A), 0 at a minimiser, after a change of r's sign."""
    start = opposed(case)
    mirror, end = mirror_map(case.flow, float(start.radius)), snapshots(case.flow, case.problem, start).points[-1]
    shift = mirror.gradient(end) - mirror.gradient(start)
    return Measurement(float(np.linalg.norm(shift @ case.problem.kernel)), 0.0, scale=1.0)


def collapsing(case: Case) -> Measurement:
    """The residuals of a flow from a small start against the data."""
    problem, flow, start = small(case)
    return Measurement(residuals(problem, snapshots(flow, problem, start).weights), 0.0, scale=1.0)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.LIMIT,
    about=("wnlib.limit", "wnlib.collapses"),
    tolerance=1e-3,
    ensemble=Ensemble(ratios=(1.0, 4.0), scales=(0.6, 1.4)),
    derive=derive,
    symbolic=True,
    measure=measure,
    uses=("dissipation", "invariants", "loss_rate", "mirror_map", "no_collapse"),
    falsifiers=(
        Falsifier(
            1, "measurements with the wrong sign", infeasible, ensemble=Ensemble(depths=(2, 3), scales=(0.3, 1.0))
        ),
        Falsifier(
            2,
            "a radius that changes its sign",
            across_zero,
            ensemble=Ensemble(depths=(1,), ratios=(0.01, 0.1), scales=(0.1, 0.5)),
        ),
        Falsifier(
            3,
            "a small start against the data, which collapses",
            collapsing,
            ensemble=Ensemble(depths=(2, 3), ratios=(0.1, 3.0), scales=(0.1, 0.9)),
        ),
        Falsifier("formula", "the limit of a tenth of the ratio", partial(measure, ratio=0.1, shrinking=False)),
        Falsifier("formula", "the limit from twice the radius", partial(measure, scale=2.0, shrinking=False)),
        Falsifier("formula", "the limit of the other flow", partial(measure, swapped=True, shrinking=False)),
        Falsifier(
            "formula",
            r"a collapse with $u_\infty = u_0$",
            unturned,
            ensemble=Ensemble(depths=(2, 3), ratios=(1.0, 4.0), scales=(0.6, 1.4)),
        ),
    ),
    mutants=(
        "depth 2 for the direction of the weights",
        "a tenth more of the start's magnification",
        "the radius subtracted in the mismatch",
        "1 - L for 2 - L on the curve",
        "a power of r more in the speed",
    ),
)
