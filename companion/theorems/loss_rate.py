r"""The rate of the loss

In the time of the dual flow the loss falls faster than $1/\tau$, and like $1/\tau^2$ if the limit is positive; both
with constants that are known in advance.

Statement
---------
Let $L \ge 1$ and let $w(t)$ move by gradient flow, or by weight-normalized gradient flow, from $w_0$; let
$d\tau = \kappa L\, dt$, and $\lambda$ and $D$ be as in {prf:ref}`thm-dual_flow`. If

1. **dual flow**: $c$ is constant and $r > 0$, up to the time in question;
2. **interpolant**: $A z^\circ = y$, and $z^\circ \ge 0$ or $L = 1$;
3. **attained**: $\lambda_\infty$ in the range of $A$ minimises $D$ (for all bounds but the first),

then the loss does not increase and, with the weights $w_\infty$ that belong to $\lambda_\infty$,

$$
\begin{aligned}
2 \tau\, \ell(w(\tau)) &\le D_\Phi(z^\circ, w_0) - D_\Phi(z^\circ, w(\tau)), \\
2 \tau^2 \ell(w(\tau)) + 2 \tau\, \delta(\tau) + d(\tau)^2 &\le \lVert\lambda_\infty\rVert^2, \\
\Bigl( \frac{\tau\, \delta(\tau)}{d(\tau)} + d(\tau) \Bigr)^2 &\le \lVert\lambda_\infty\rVert^2,
\end{aligned}
$$

where $\delta(\tau) = D_\Phi(w_\infty, w(\tau))$ and $d(\tau) = \lVert\lambda(\tau) - \lambda_\infty\rVert > 0$. In
particular

$$
\begin{aligned}
\ell(w(\tau)) \le \min\Bigl( \frac{D_\Phi(z^\circ, w_0)}{2\tau},\; \frac{\lVert\lambda_\infty\rVert^2}{2\tau^2} \Bigr),
\qquad D_\Phi(w_\infty, w(\tau)) \le \frac{\lVert\lambda_\infty\rVert^2}{4\tau} .
\end{aligned}
$$

In the last bound no number less than $\tfrac14$ serves for all problems and starts. If $\tau$ is unbounded, then
$\tau\, \ell(w(\tau)) \to 0$, with or without the third hypothesis.

Proof
-----
By {prf:ref}`thm-dual_flow`, $d\lambda/d\tau = -\nabla D(\lambda)$ with $D$ convex, $\ell = \frac12\lVert\nabla
D\rVert^2$, and $D(\lambda) = D_\Phi(z^\circ, w)$ up to a constant. Write $g = \nabla D$ and $h = \langle g, \nabla^2
D\, g\rangle \ge 0$. Then $\frac{d}{d\tau} D = -\lVert g\rVert^2$, which is {prf:ref}`thm-dissipation`, and
$\frac{d}{d\tau}\lVert g\rVert^2 = -2h$: the loss does not increase.

*First bound.* $\frac{d}{d\tau}\bigl(\tau\lVert g\rVert^2 + D\bigr) = -2\tau h \le 0$. Integrate from $0$ to $\tau$.

*Second bound.* Let $V = \tau^2\lVert g\rVert^2 + 2\tau\,(D - D_\infty) + \lVert\lambda - \lambda_\infty\rVert^2$, where
$D_\infty = D(\lambda_\infty)$. Then

$$
\begin{aligned}
\frac{dV}{d\tau} &= -2\tau^2 h - 2 \bigl( D_\infty - D - \langle g, \lambda_\infty - \lambda\rangle \bigr) \le 0,
\end{aligned}
$$

since a convex function lies above its tangents; the bracket is the Bregman divergence of $D$. Hence
$V(\tau) \le V(0) = \lVert\lambda_\infty\rVert^2$. At $\lambda_\infty$ the gradient vanishes, so $A w_\infty = y$ and
$D - D_\infty = D_\Phi(w_\infty, w) = \delta$.

*Third bound.* By the same tangent, $\delta = D - D_\infty \le \langle g, \lambda - \lambda_\infty\rangle \le \lVert
g\rVert\, d$. Put $\lVert g\rVert \ge \delta/d$ into $V$: what is left is a square. (If $d = 0$, then $\delta = 0$.)

*The particular bounds.* Those of the loss drop nonnegative terms. The last one holds since $(a + b)^2 \ge 4 a b$.

*No smaller number.* Let $L = 2$, $A = (1, 1)$, $y = 1$, and let gradient flow start from $\alpha\mathbf 1$, $2\alpha^2
< 1$. With $w = \alpha^2 e^{2\lambda}\, \mathbf 1$ and $\Lambda = \lambda_\infty = -\tfrac12 \log(2\alpha^2)$,
$\frac{d\lambda}{d\tau} = -D'(\lambda) = 1 - e^{2(\lambda - \Lambda)} \le 1$. So $\lambda = \Lambda/2$ is reached at a
time $\tau \ge \Lambda/2$. There

$$
\begin{aligned}
\delta &= \int_{\Lambda/2}^{\Lambda} \bigl( 1 - e^{2(s - \Lambda)} \bigr)\, ds = \frac{\Lambda - 1 + e^{-\Lambda}}{2},
& \frac{\tau \delta}{\Lambda^2} &\ge \frac14 - \frac{1}{4\Lambda} .
\end{aligned}
$$

As $\alpha \to 0$, $\Lambda \to \infty$. Such a start waits: its residual stays as it is until the weights have grown,
so that $D$ is a straight line nearly all the way, and that is the slowest descent.

*The last claim.* The loss does not increase, so $\tau\, \ell(w(\tau)) \le 2\int_{\tau/2}^{\tau} \ell\, d\tau'$, and
this is the tail of a convergent integral, by the dissipation.

Boundary
--------
- **Checked.** Both derivatives by computer algebra, for any function of two dual variables; the square and the example;
  the dual flow for every depth. The bounds along trajectories of both flows, from starts near the limit and from tiny
  ones, which wait; and the first one against sparse interpolants, too, on the way to which weights vanish. It is an
  equality to first order at $\tau = 0$, so it is tight; so is the third, which is one at $\tau = 0$.
- **Assumed.** Nothing. Whether $D$ attains its minimum, the third hypothesis, a linear program decides for $L \ge 2$
  (`wnlib.attainable_weights`): it does where the flow fits and some interpolant is positive,
  {prf:ref}`thm-positive_limits`.
- **No run can test.** Nothing but that the bounds hold for all times: runs end.

Source
------
Derived here; the two Lyapunov functions are standard for gradient flows of convex functions.
"""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import opposed, planned, sheltered
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import clock, horizon
from companion.verification.symbolic import Depth, Derivation, L, Step, along, mirror, p, reduced
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import Flow
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import Polar, polar_of
from wnlib.limits.limit import limit
from wnlib.linear.ranks import least_squares
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory

TINY = 1e-3  # the radius of starts that wait


def derive(depth: Depth = L) -> Derivation:
    """The derivatives of two Lyapunov functions along the gradient flow of any function of two variables."""
    tau = sp.Symbol("tau", positive=True)
    lam, end = sp.symbols("lambda_1:3", real=True), sp.symbols("mu_1:3", real=True)
    D, lowest = sp.Function("D")(*lam), sp.Symbol("D_infty", real=True)
    g = sp.Matrix([sp.diff(D, entry) for entry in lam])
    h = (g.T * sp.hessian(D, lam) * g)[0]
    rates = {tau: sp.Integer(1)} | {entry: -slope for entry, slope in zip(lam, g, strict=True)}
    gap = sp.Matrix([b - a for a, b in zip(lam, end, strict=True)])
    tangent = lowest - D - g.dot(gap)
    first = tau * g.dot(g) + D
    second = tau**2 * g.dot(g) + 2 * tau * (D - lowest) + gap.dot(gap)
    motion = along(mirror(symbolic.magnified(), depth), symbolic.polar_rates(depth))
    residuals = reduced(
        along(D, rates) + g.dot(g),
        along(g.dot(g), rates) + 2 * h,
        along(first, rates) + 2 * tau * h,
        along(second, rates) + 2 * tau**2 * h + 2 * tangent,
        motion - symbolic.speed(depth) * depth * p,
        *_square(tau),
        *_waiting(),
    )
    G, H, B, Lambda, end_norm = sp.symbols(
        r"{\lVert\nabla{D}\rVert} h B_D \Lambda {\lVert\lambda_\infty\rVert}", nonnegative=True
    )
    steps = (
        Step("The objective falls", r"\frac{dD}{d\tau}", -(G**2), r"$\lambda' = -\nabla D(\lambda)$."),
        Step(
            "So does the loss",
            r"\frac{d}{d\tau} \lVert\nabla D\rVert^2",
            -2 * H,
            r"$h = \langle\nabla D, \nabla^2 D\, \nabla D\rangle \ge 0$, by convexity.",
        ),
        Step(
            "First Lyapunov function",
            r"\frac{d}{d\tau}\left(\tau\lVert\nabla D\rVert^2 + D\right)",
            -2 * tau * H,
            "The terms without curvature cancel.",
        ),
        Step(
            "Second Lyapunov function",
            r"\frac{dV}{d\tau}",
            -2 * tau**2 * H - 2 * B,
            r"What is left is the Bregman divergence of $D$ from $\lambda$ to $\lambda_\infty$.",
        ),
        Step(
            "A square",
            r"\left(\frac{\tau\delta}{d} + d\right)^2",
            end_norm**2,
            r"$V \le V(0)$, with $\lVert\nabla D\rVert \ge \delta/d$.",
            r"\le",
        ),
        Step(
            "Without the distance", r"4 \tau \delta", end_norm**2, "The two means of $\\tau\\delta/d$ and $d$.", r"\le"
        ),
        Step(
            "A start that waits",
            r"\frac{4 \tau \delta}{\Lambda^2}",
            sp.expand(2 * _left_over(Lambda) / Lambda),
            r"For one measurement, halfway, where $\tau \ge \Lambda/2$; $\Lambda = \lVert\lambda_\infty\rVert$.",
            r"\ge",
        ),
    )
    return Derivation(steps, residuals)


def _square(tau: sp.Symbol) -> tuple[sp.Expr, ...]:
    """What the tangent leaves of V, as a square; and the square less four times its product."""
    delta, d = sp.symbols("delta d", positive=True)
    square = (tau * delta / d + d) ** 2
    return (
        tau**2 * (delta / d) ** 2 + 2 * tau * delta + d**2 - square,
        square - 4 * tau * delta - (tau * delta / d - d) ** 2,
    )


def _left_over(Lambda: sp.Symbol) -> sp.Expr:
    """The divergence halfway, from a start that waits."""
    return (Lambda - 1 + sp.exp(-Lambda)) / 2


def _waiting() -> tuple[sp.Expr, ...]:
    """Two equal weights at depth 2: the residual in terms of the end, 0 there; its integral over the second half."""
    alpha, s, Lambda = sp.symbols("alpha s Lambda", positive=True)
    residual = 1 - 2 * alpha**2 * sp.exp(2 * s)
    in_lambda = 1 - sp.exp(2 * (s - Lambda))
    return (
        residual.subs(alpha, sp.exp(-Lambda) / sp.sqrt(2)) - in_lambda,
        in_lambda.subs(s, Lambda),
        sp.integrate(in_lambda, (s, Lambda / 2, Lambda)) - _left_over(Lambda),
    )


@cache  # all falsifiers but one look at the same
def waiting(case: Case, flow: Flow) -> tuple[Trajectory, Array]:
    """From a tiny start, one measurement, to which all weights add; and the limit (N,)."""
    problem = Problem(case.rng().uniform(0.5, 1.0, (1, case.n)), np.ones(1))
    start = flow.start(case.n, TINY)
    path = integrate(flow, problem, start, 1e12, rtol=1e-6, stop_loss=1e-4 * problem.loss_of_zero)
    return path, limit(flow, problem, start).weights


@cache
def sparse(case: Case, flow: Flow) -> Trajectory:
    """On the way to sparse weights."""
    return short(flow, case.problem, sheltered(case), steps=25)


def short(flow: Flow, problem: Problem, start: Polar, steps: int = 8) -> Trajectory:
    """As far as a few steps of a crude solver reach."""
    return integrate(flow, problem, start, horizon(flow, problem, start, steps), coordinates="primal")


def to_interpolant(trajectory: Trajectory, weights: Array, factor: float = 1.0) -> tuple[Array, Array]:
    """The left and the right side of the first bound, the left times a `factor`."""
    mirror = mirror_map(trajectory.flow, float(trajectory.points[0].radius))
    tau, divergence = clock(trajectory, mirror)[0], mirror.bregman(weights, trajectory.points)
    # At the start, which is left out here and below, both sides are 0.
    return factor * 2 * (tau * trajectory.loss)[1:], divergence[0] - divergence[1:]


def to_limit(
    trajectory: Trajectory, weights: Array, dual: float = 1.0, second: float = 1.0, last: float = 1.0
) -> tuple[Array, Array]:
    r"""The sides of the second bound, of the third, and of the last, for $\delta$ alone.

    For the falsifiers: a multiple `dual` of the minimiser, factors on the left sides of the `second` and `last`.
    """
    mirror, matrix = mirror_map(trajectory.flow, float(trajectory.points[0].radius)), trajectory.problem.A.T
    tau, theta = clock(trajectory, mirror)[0][1:], mirror.gradient(trajectory.points)
    path = least_squares(matrix, (theta[1:] - theta[0]).T).T
    end = dual * least_squares(matrix, mirror.gradient(polar_of(weights, trajectory.flow.depth)) - theta[0])
    distance = np.linalg.norm(path - end, axis=1)
    delta = mirror.bregman(weights, trajectory.points)[1:]
    left = (
        second * (2 * tau**2 * trajectory.loss[1:] + 2 * tau * delta + distance**2),
        (tau * delta / distance + distance) ** 2,
        last * 4 * tau * delta,
    )
    return np.concatenate(left), np.full(3 * tau.size, end @ end)


def measure(
    case: Case,
    start: Callable[[Case], Polar] | None = None,
    first: float = 1.0,
    second: float = 1.0,
    last: float = 1.0,
    dual: float = 1.0,
    exact: bool = True,
) -> Measurement:
    """Left sides against right ones at the solver's times; both flows, from near, from afar, and to sparse weights.

    For the falsifiers: another `start`; factors on the left sides of the `first`, the `second` and the `last` bound; a
    `dual` end that is not the minimiser; an interpolant that is not `exact`, but the start itself.
    """
    sides = []
    flows: tuple[Flow, ...] = (case.flow, case.plain)
    for flow in flows:
        problem, end, begin = planned(case, flow)
        near = short(flow, problem, begin if start is None else start(case))
        sides += [
            to_interpolant(near, end if exact else near.weights[0], first),
            to_limit(near, end, dual, second),
            to_interpolant(sparse(case, flow), np.asarray(case.problem.truth), first),
            to_limit(*waiting(case, flow), dual, second, last),
        ]
    left, right = (np.concatenate(side) for side in zip(*sides, strict=True))
    return Measurement(left, right)


def tightest(case: Case) -> Measurement:
    """Gradient flow from a tiny start, which waits: the four bounds, each where it is tightest."""
    path, end = waiting(case, case.plain)
    left, right = to_limit(path, end)
    mirror = mirror_map(path.flow, TINY)
    tau, divergence = clock(path, mirror)[0], mirror.bregman(end, path.points)
    bounds = [2 * tau * path.loss / (divergence[0] - divergence), *(left / right).reshape(3, -1)]
    return Measurement([np.nanmax(shares[1:] if k == 0 else shares) for k, shares in enumerate(bounds)], 1.0)


# At depth 1 gradient flow's D is a parabola: nothing waits.
DEEP = Ensemble(depths=(2, 3, 4, 5, 6), ratios=(0.1, 10.0))

THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    tolerance=1e-6,
    ensemble=Ensemble(ratios=(0.1, 10.0)),
    derive=derive,
    symbolic=True,
    measure=measure,
    uses=("dissipation", "dual_flow"),
    falsifiers=(
        Falsifier(
            1,
            "a radius that changes its sign",
            partial(measure, start=opposed),
            ensemble=Ensemble(depths=(1,), ratios=(0.01, 0.1), scales=(0.1, 0.5)),
        ),
        Falsifier(2, r"$z^\circ = w_0$", partial(measure, exact=False)),
        Falsifier(3, r"$\lambda_\infty/4$ for $\lambda_\infty$", partial(measure, dual=0.25)),
        Falsifier("formula", r"$4\tau\ell$ for $2\tau\ell$", partial(measure, first=2.0)),
        Falsifier("formula", "the second left side, thrice", partial(measure, second=3.0)),
        Falsifier("formula", r"$\tfrac18$ for $\tfrac14$", partial(measure, last=2.0), ensemble=DEEP),
    ),
    attained=(Attained("each where it is tightest, for gradient flow from a tiny start", tightest, DEEP),),
    mutants=(
        "a direction over the squared radius",
        "magnification squared",
        "a power of r more in the speed",
        "the decay of the potential inverted",
        "twice the loss",
        "no lengths of steps in an integral",
        "twice the dual time",
        "the time for the dual time",
    ),
)
