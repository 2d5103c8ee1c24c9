r"""The rate of the loss

In the time of the dual flow the loss falls faster than $1/\tau$, and like $1/\tau^2$ if the limit is positive; both
with constants that are known in advance.

Statement
---------
Let $L \ge 1$ and let $w(t)$ move by gradient flow, or by weight-normalized gradient flow, from $w_0$; let
$d\tau = \kappa L\, dt$, and $\lambda$ and $D$ be as in {prf:ref}`thm-dual_flow`. If

1. **dual flow**: $c$ is constant and $r > 0$, up to the time in question;
2. **interpolant**: $A z^\circ = y$, and $z^\circ \ge 0$ or $L = 1$;
3. **attained**: $\lambda_\infty$ in the range of $A$ minimises $D$ (for the second bound),

then the loss does not increase and, with the weights $w_\infty$ that belong to $\lambda_\infty$,

$$
\begin{aligned}
2 \tau\, \ell(w(\tau)) &\le D_\Phi(z^\circ, w_0) - D_\Phi(z^\circ, w(\tau)), \\
2 \tau^2 \ell(w(\tau)) + 2 \tau\, D_\Phi(w_\infty, w(\tau)) &\le \lVert\lambda_\infty\rVert^2
  - \lVert\lambda(\tau) - \lambda_\infty\rVert^2 .
\end{aligned}
$$

In particular

$$
\begin{aligned}
\ell(w(\tau)) \le \min\Bigl( \frac{D_\Phi(z^\circ, w_0)}{2\tau},\; \frac{\lVert\lambda_\infty\rVert^2}{2\tau^2} \Bigr),
\qquad D_\Phi(w_\infty, w(\tau)) \le \frac{\lVert\lambda_\infty\rVert^2}{2\tau} .
\end{aligned}
$$

If $\tau$ is unbounded, then $\tau\, \ell(w(\tau)) \to 0$, with or without the third hypothesis.

Proof
-----
By {prf:ref}`thm-dual_flow`, $d\lambda/d\tau = -\nabla D(\lambda)$ with $D$ convex, $\ell = \frac12\lVert\nabla
D\rVert^2$, and $D(\lambda) = D_\Phi(z^\circ, w)$ up to a constant. Write $e = \nabla D$ and $h = \langle e, \nabla^2
D\, e\rangle \ge 0$. Then $\frac{d}{d\tau} D = -\lVert e\rVert^2$, which is {prf:ref}`thm-dissipation`, and
$\frac{d}{d\tau}\lVert e\rVert^2 = -2h$: the loss does not increase.

*First bound.* $\frac{d}{d\tau}\bigl(\tau\lVert e\rVert^2 + D\bigr) = -2\tau h \le 0$. Integrate from $0$ to $\tau$.

*Second bound.* Let $V = \tau^2\lVert e\rVert^2 + 2\tau\,(D - D_\infty) + \lVert\lambda - \lambda_\infty\rVert^2$, where
$D_\infty = D(\lambda_\infty)$. Then

$$
\begin{aligned}
\frac{dV}{d\tau} &= -2\tau^2 h - 2 \bigl( D_\infty - D - \langle e, \lambda_\infty - \lambda\rangle \bigr) \le 0,
\end{aligned}
$$

since a convex function lies above its tangents; the bracket is the Bregman divergence of $D$. Hence
$V(\tau) \le V(0) = \lVert\lambda_\infty\rVert^2$. At $\lambda_\infty$ the gradient vanishes, so $A w_\infty = y$ and
$D - D_\infty = D_\Phi(w_\infty, w)$.

*The particular bounds* drop nonnegative terms. For the last claim, the loss does not increase, so $\tau\, \ell(w(\tau))
\le 2\int_{\tau/2}^{\tau} \ell\, d\tau'$, and this is the tail of a convergent integral, by the dissipation.

Boundary
--------
- **Checked.** Both derivatives by computer algebra, for any function of two dual variables; the dual flow for every
  depth. Both bounds along trajectories of both flows. The first is an equality to first order at $\tau = 0$, so it is
  tight; the second is within a factor.
- **Assumed.** Nothing.
- **No run can test.** Nothing but that the bounds hold for all times: runs end.

Source
------
Derived here; the two Lyapunov functions are standard for gradient flows of convex functions.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import opposed, planned
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import clock, horizon
from companion.verification.symbolic import Depth, Derivation, L, Step, along, mirror, p, reduced
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib.flows.flow import Flow
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import Polar, polar_of
from wnlib.linear.ranks import least_squares
from wnlib.trajectories.integration import integrate


def derive(depth: Depth = L) -> Derivation:
    """The derivatives of two Lyapunov functions along the gradient flow of any function of two variables."""
    tau = sp.Symbol("tau", positive=True)
    lam, end = sp.symbols("lambda_1:3", real=True), sp.symbols("mu_1:3", real=True)
    D, lowest = sp.Function("D")(*lam), sp.Symbol("D_infty", real=True)
    e = sp.Matrix([sp.diff(D, entry) for entry in lam])
    h = (e.T * sp.hessian(D, lam) * e)[0]
    rates = {tau: sp.Integer(1)} | {entry: -slope for entry, slope in zip(lam, e, strict=True)}
    gap = sp.Matrix([b - a for a, b in zip(lam, end, strict=True)])
    tangent = lowest - D - e.dot(gap)
    first = tau * e.dot(e) + D
    second = tau**2 * e.dot(e) + 2 * tau * (D - lowest) + gap.dot(gap)
    motion = along(mirror(symbolic.magnified(), depth), symbolic.polar_rates(depth))
    residuals = reduced(
        along(D, rates) + e.dot(e),
        along(e.dot(e), rates) + 2 * h,
        along(first, rates) + 2 * tau * h,
        along(second, rates) + 2 * tau**2 * h + 2 * tangent,
        motion - symbolic.speed(depth) * depth * p,
    )
    E, H, B = sp.symbols(r"{\lVert\nabla{D}\rVert} h B_D", nonnegative=True)
    steps = (
        Step("The objective falls", r"\frac{dD}{d\tau}", -(E**2), r"$\lambda' = -\nabla D(\lambda)$."),
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
    )
    return Derivation(steps, residuals)


def measure(
    case: Case,
    start: Callable[[Case], Polar] | None = None,
    first: float = 1.0,
    second: float = 1.0,
    dual: float = 1.0,
    exact: bool = True,
) -> Measurement:
    """The left sides of both bounds against the right ones at the solver's times; both flows.

    For the falsifiers: another `start`; factors on the left sides of the `first` and of the `second` bound; a `dual`
    end that is not the minimiser; an interpolant that is not `exact`, but the start itself.
    """
    measured, predicted = [], []
    flows: tuple[Flow, ...] = (case.flow, case.plain)
    for flow in flows:
        problem, end, begin = planned(case, flow)
        begin = begin if start is None else start(case)
        mirror = mirror_map(flow, float(begin.radius))
        trajectory = integrate(flow, problem, begin, horizon(flow, problem, begin), coordinates="primal")
        tau, loss = clock(trajectory, mirror)[0], trajectory.loss
        theta = mirror.gradient(trajectory.points)
        path = least_squares(problem.A.T, (theta - theta[0]).T).T
        limit = dual * least_squares(problem.A.T, mirror.gradient(polar_of(end, case.depth)) - theta[0])
        to_end = mirror.bregman(end, trajectory.points)
        target = end if exact else trajectory.weights[0]
        fallen = mirror.bregman(target, trajectory.points[:1]) - mirror.bregman(target, trajectory.points)
        measured += [first * 2 * tau * loss, second * (2 * tau**2 * loss + 2 * tau * to_end)]
        predicted += [fallen, limit @ limit - np.sum((path - limit) ** 2, axis=1)]
    # At the start both sides are 0.
    left, right = (np.concatenate([side[1:] for side in sides]) for sides in (measured, predicted))
    return Measurement(left, right)


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
    ),
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
