r"""The dual flow

In dual variables either flow moves in as many dimensions as there are measurements, and in its own time it is plain
gradient descent, continuous in time, on a convex function.

Statement
---------
Let $L \ge 1$ and let $w(t)$ move by gradient flow, or by weight-normalized gradient flow, from $w_0$. Let $\Phi$ be the
potential of the flow, $\theta_0 = \nabla\Phi(w_0)$, and let $d\tau = \kappa L\, dt$. If

1. **constant ratio**: $c = \eta_u/\eta_r$ does not depend on time (weight normalization);
2. **positive radius**: $r > 0$,

then there is exactly one $\lambda(t)$ in the range of $A$ with $\lambda(0) = 0$ and

$$
\begin{aligned}
\nabla\Phi(w(t)) &= \theta_0 + A^\top \lambda(t), \\
\frac{d\lambda}{d\tau} &= y - A w = -\nabla D(\lambda), \\
D(\lambda) &= \Phi^*(\theta_0 + A^\top\lambda) - \langle y, \lambda\rangle .
\end{aligned}
$$

$D$ is convex, and its Hessian $A\, \nabla^2\Phi^*\, A^\top$ is positive definite on the range of $A$. The loss is
$\ell = \frac12 \lVert \nabla D\rVert^2$, and up to a constant $D$ is the Bregman divergence to any interpolant
$z^\circ \ge 0$: $D(\lambda) = D_\Phi(z^\circ, w) - D_\Phi(z^\circ, w_0) + D(0)$.

Proof
-----
By {prf:ref}`thm-mirror_map`, $\theta' = \kappa L\, A^\top (y - A w)$. So $\lambda(t) = \int (y - A w)\, d\tau$ has the
first two properties: it is in the range of $A$, as $y$ is, and $A^\top$ is injective there, so no other $\lambda$ has
them. That $\theta$ moves in $\theta_0 + \operatorname{row}(A)$ is what {prf:ref}`thm-invariants` says.

By the same theorem $\nabla\Phi^*(\theta) = w$, so $\nabla D(\lambda) = A\, \nabla\Phi^*(\theta_0 + A^\top\lambda) - y =
A w - y$. A conjugate is a supremum of affine functions, hence convex, and so is $D$; where $\theta$ is a gradient of
$\Phi$, $\nabla^2\Phi^* = (\nabla^2\Phi)^{-1}$ is positive definite, and $A^\top b \ne 0$ for $b \ne 0$ in the range of
$A$.

By Fenchel's equality $D_\Phi(z^\circ, w) = \Phi(z^\circ) + \Phi^*(\theta) - \langle\theta, z^\circ\rangle$, and
$\langle \theta - \theta_0, z^\circ\rangle = \langle\lambda, A z^\circ\rangle = \langle\lambda, y\rangle$. Subtract the
same at $t = 0$.

Boundary
--------
- **Checked.** The chain of the proof by computer algebra, for every depth. In numbers, for both flows: the trajectory
  of the code in its primal coordinates against one of the equation for $\lambda$, solved with nothing but the inverse
  mirror map; the dual objective against the divergence.
- **Assumed.** Nothing.
- **No run can test.** Nothing: both equations are local in time. The trajectories stay where the equation for $\lambda$
  keeps its digits: for $L \ge 3$ a large weight is a small difference of two large dual variables.

Source
------
Derived here.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from companion.verification import symbolic
from companion.verification.cases import growing, opposed, sheltered
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon, together
from companion.verification.symbolic import Depth, Derivation, L, Step, along, mirror, p, r, reduced, u
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import Flow
from wnlib.flows.geometry import MirrorMap, mirror_map
from wnlib.flows.polar import Polar
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate


def derive(depth: Depth = L) -> Derivation:
    """The dual variable, the gradient of the dual objective, and what it is to an interpolant."""
    n, m = 3, 2
    A = sp.Matrix(m, n, sp.symbols(f"a_1:{m * n + 1}"))
    theta_0, z, w = (sp.Matrix(sp.symbols(f"{name}_1:{n + 1}")) for name in ("theta", "z", "w"))
    lam = sp.Matrix(sp.symbols(f"lambda_1:{m + 1}"))
    theta, y = theta_0 + A.T * lam, A * z
    arguments = sp.symbols(f"s_1:{n + 1}")
    conjugate = sp.Function("F")(*arguments)
    weights = {sp.diff(conjugate, s): w_i for s, w_i in zip(arguments, w, strict=True)}
    slopes = [
        sp.Add(*(sp.diff(conjugate, s) * sp.diff(theta_i, entry) for s, theta_i in zip(arguments, theta, strict=True)))
        - sp.diff(y.dot(lam), entry)
        for entry in lam
    ]
    gradient = sp.Matrix(slopes).subs(weights)
    value = sp.Symbol(r"\Phi^*")
    # by Fenchel's equality, less Phi(z) - Phi^*(theta_0), which is constant
    divergence = (value - theta.dot(z)) - (0 - theta_0.dot(z))
    # the gradient of the conjugate, a function of sigma = log ||z||: slope in sigma times slope of log ||z||
    sigma = symbolic.c * r**2 / 2
    slope = r**depth * sp.exp((2 - depth) * sigma)
    z_i = symbolic.magnified()
    weight = slope * z_i**depth / sp.exp(2 * sigma)
    motion = along(mirror(z_i, depth), symbolic.polar_rates(depth)) - symbolic.speed(depth) * depth * p
    residuals = reduced(
        *(gradient - (A * w - y)), value - y.dot(lam) - divergence, motion, sp.simplify(weight / (r * u) ** depth) - 1
    )
    column, residual = sp.symbols(r"A^\top {(y-Aw)}", commutative=False)
    steps = (
        Step(
            "The dual variable moves in row(A)",
            r"\frac{d\theta}{d\tau}",
            column * residual,
            r"$\theta' = \kappa L\, p$, and $d\tau = \kappa L\, dt$.",
        ),
        Step("Its coordinates", r"\frac{d\lambda}{d\tau}", residual, r"$\theta = \theta_0 + A^\top\lambda$."),
        Step(
            "Weights from the dual variable",
            r"\frac{\partial\Phi^*}{\partial\theta_i}",
            sp.powsimp(weight),
            r"$\Phi^*$ is a function of $\log\lVert z\rVert$, whose slope in $\theta_i$ is $z_i^L/\lVert z\rVert^2$.",
        ),
        Step("Gradient of the dual objective", r"-\nabla D(\lambda)", residual, r"$\nabla\Phi^*(\theta) = w$."),
    )
    return Derivation(steps, residuals)


def dual_solution(
    problem: Problem, mirror: MirrorMap, theta_0: Array, times: Array, force: float = 1.0, power: float = 1.0
) -> Array:
    """lambda at the `times`, shape (T, M), from the equation of the statement in the time t.

    For the falsifiers: a factor `force`, another `power` of the speed.
    """
    L = mirror.flow.depth

    def velocity(t: float, dual: Array) -> Array:
        point = mirror.inverse(theta_0 + problem.A.T @ dual)
        # Outside the range of the gradient the conjugate is constant: the weights are 0 there, and kappa too.
        weights, speed = np.nan_to_num(point.weights(L)), np.nan_to_num(mirror.speed(point))
        return np.asarray(force * speed**power * problem.residual(weights))

    small = 1e-13 * np.abs(theta_0).max()
    solution = solve_ivp(velocity, (0, times[-1]), np.zeros(problem.shape[0]), "LSODA", times, rtol=1e-9, atol=small)
    return np.asarray(solution.y.T)


def measure(
    case: Case,
    start: Callable[[Case], Polar] = sheltered,
    drift: float = 0.0,
    force: float = 1.0,
    power: float = 1.0,
    offset: float = 1.0,
) -> Measurement:
    """Weights at four times, from the dual equation and by the code's primal one; D against the divergence; both flows.

    For the falsifiers: another `start`, a ratio that grows by a share `drift`, another `force` or `power` of the speed
    in the dual equation, a factor `offset` on the linear term of D.
    """
    problem, parts = case.problem, []
    flows: tuple[Flow, ...] = (case.flow, case.plain)
    for flow in flows:
        mirror, end = mirror_map(flow, float(start(case).radius)), horizon(flow, problem, start(case), steps=5)
        times = np.linspace(0, end, 5)
        moving = growing(flow, drift / end) if drift else flow
        primal = integrate(moving, problem, start(case), end, coordinates="primal").at(times)
        theta_0 = mirror.gradient(start(case))
        dual = dual_solution(problem, mirror, theta_0, times, force, power)
        theta = theta_0 + dual @ problem.A
        objective = mirror.conjugate(theta) - offset * dual @ problem.y
        divergence = mirror.bregman(case.target, primal.points)
        parts += [
            Measurement(mirror.inverse(theta).weights(case.depth), primal.weights),
            Measurement(objective - objective[0], divergence - divergence[0]),
        ]
    return together(*parts)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.MirrorMap", "wnlib.integrate"),
    tolerance=1e-6,
    ensemble=Ensemble(ratios=(0.1, 3.0), scales=(0.5, 2.0)),
    derive=derive,
    symbolic=True,
    measure=measure,
    uses=("mirror_map", "invariants"),
    falsifiers=(
        Falsifier(1, "a ratio that grows by half", partial(measure, drift=0.5)),
        Falsifier(
            2,
            r"a radius that changes its sign: $\theta$ leaves the range of the gradient",
            partial(measure, start=opposed),
            ensemble=Ensemble(depths=(1,), ratios=(0.01, 0.1), scales=(0.1, 0.5)),
            undefined=True,
        ),
        Falsifier("formula", r"$d\lambda/d\tau = \frac12 (y - A w)$", partial(measure, force=0.5)),
        Falsifier("formula", r"$d\tau = (\kappa L)^2\, dt$", partial(measure, power=2.0)),
        Falsifier("formula", r"$D = \Phi^* - 2 \langle y, \lambda\rangle$", partial(measure, offset=2.0)),
    ),
    mutants=(
        "no L in the speed",
        "a power of r less in the speed",
        "the potential added in its conjugate",
    ),
)
