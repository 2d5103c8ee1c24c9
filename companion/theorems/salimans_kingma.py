r"""Salimans-Kingma coordinates

With $x = g\, v/\lVert v\rVert$ and $v$ free, the norm of $v$ never changes. It only sets the ratio of the learning
rates: a large $\lVert v(0)\rVert$ is a small ratio.

Statement
---------
Let $L \ge 1$, $x = g\, v/\lVert v\rVert$ with $v(0) \ne 0$, and $w = x^L$. If

1. **gradient flow in both**: $g$ and $v$ move down the loss and by nothing else, $g' = -\eta_g\, \partial\ell/\partial
   g$ and $v' = -\eta_v \nabla_v \ell$;
2. **constant rates**: $\eta_g > 0$ and $\eta_v > 0$ do not depend on time,

then $\lVert v\rVert$ is constant, and $r = g$ and $u = v/\lVert v\rVert$ move by weight-normalized gradient flow with
the learning rates

$$
\begin{aligned}
\eta_r &= \eta_g, & \eta_u &= \frac{\eta_v}{\lVert v(0)\rVert^2}, &
c &= \frac{\eta_v}{\eta_g}\, \frac{1}{\lVert v(0)\rVert^2} .
\end{aligned}
$$

Proof
-----
Let $q = -\nabla_x \ell = L\, p \odot x^{L-1}$. As $x_j = g\, v_j/\lVert v\rVert$,

$$
\begin{aligned}
\frac{\partial x_j}{\partial g} &= u_j, &
\frac{\partial x_j}{\partial v_i} &= \frac{g}{\lVert v\rVert} \left(\delta_{ij} - u_i u_j\right),
\end{aligned}
$$

and the chain rule gives $g' = \eta_g \langle q, u\rangle$ and
$v' = \eta_v\, \frac{g}{\lVert v\rVert}\, (q - \langle q, u\rangle\, u)$. The second is orthogonal to $u$, hence to
$v$: $\frac{d}{dt} \lVert v\rVert^2 = 2 \langle v, v'\rangle = 0$. (The loss does not depend on the size of $v$, so its
gradient has no part along $v$.) So $u' = v'/\lVert v\rVert$. With $q = L\, g^{L-1}\, p \odot u^{L-1}$,

$$
\begin{aligned}
g' &= \eta_g L\, g^{L-1} \langle p, u^L\rangle, \\
u' &= \frac{\eta_v}{\lVert v\rVert^2}\, L\, g^L \left( p \odot u^{L-1} - \langle p, u^L\rangle\, u \right),
\end{aligned}
$$

the equations of weight-normalized gradient flow, with constant rates since $\lVert v\rVert$ is constant. (With rates
that vary in time the equations are the same, but the ratio varies too.)

Boundary
--------
- **Checked.** The chain rule for every depth by computer algebra, at depth 2 also
  with all sums written out; trajectories of
  $(g, v)$, from starts of many norms $\lVert v(0)\rVert$, against those of $(r, u)$.
- **Assumed.** Nothing.
- **No run can test.** Nothing. But the theorem is about the flow: discrete steps are orthogonal to $v$ too, and so make
  it grow, by second order in the step.

Source
------
The coordinates are those of {cite:t}`SalimansKingma2016`. Derived here.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon, together
from companion.verification.symbolic import Depth, Derivation, L, Step, along, p, r, summed, tidy, total, u
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.descent import SalimansKingmaDescent, descend
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.trajectories.integration import integrate

TIMES = 10  # at which the trajectories are compared

eta_g, eta_v, norm = sp.symbols(r"\eta_g \eta_v {\lVert{v}\rVert}", positive=True)


def derive(depth: Depth = L) -> Derivation:
    """The gradients in g and v by the chain rule, the norm of v, and the equations of r and u."""
    slope = tidy(depth * p * (r * u) ** (depth - 1))
    along_u = total(slope * u, depth)
    radial = eta_g * along_u
    free = eta_v * r / norm * tidy(slope - along_u * u)
    growth = sp.simplify(summed(2 * norm * u * free, depth))
    turning = tidy(free / norm)
    book = symbolic.polar_rates(depth, eta_g, eta_v / norm**2)
    written_out = _written_out(depth) if depth == 2 else ()  # slow at others: square roots
    steps = (
        Step("Gradient in x", "q_i", slope, r"$q = -\nabla_x \ell$, at $x = g u$, with $g = r$."),
        Step("The scale", "g'", radial, r"$\partial x_j/\partial g = u_j$: $\eta_g$ times the inner product with $u$."),
        Step(
            "The free vector", "v_i'", norm * book[u], r"$\eta_v \frac{g}{\lVert v\rVert} (q - \langle q, u\rangle u)$."
        ),
        Step(
            "Its norm", r"\frac{d}{dt}\lVert v\rVert^2", growth, r"$2 \langle v, v'\rangle$, with $\lVert u\rVert = 1$."
        ),
        Step("The direction", "u_i'", book[u], r"$v'/\lVert v\rVert$: the norm is constant."),
    )
    return Derivation(steps, symbolic.reduced(growth, radial - book[r], turning - book[u]) + written_out)


def _written_out(depth: Depth) -> tuple[sp.Expr, ...]:
    """With two components, every derivative taken of the loss as a function of g and v."""
    flow = symbolic.written_out(depth, n=2, radial=eta_g)
    v = sp.symbols("v_1:3", positive=True)
    size = sp.sqrt(sp.Add(*(v_i**2 for v_i in v)))
    u_of_v = {u_i: v_i / size for u_i, v_i in zip(flow.direction, v, strict=True)}
    loss = flow.loss.subs(u_of_v)
    moving = {r: -eta_g * sp.diff(loss, r)} | {v_i: -eta_v * sp.diff(loss, v_i) for v_i in v}
    book = {symbol: rate.subs(symbolic.eta_u, eta_v / size**2).subs(u_of_v) for symbol, rate in flow.rates.items()}
    return symbolic.reduced(
        along(size**2, moving),
        moving[r] - book[r],
        *(along(u_of_v[u_i], moving) - book[u_i] for u_i in flow.direction),
    )


def measure(
    case: Case, decay: float = 0.0, warming: float = 0.0, order: float = -2.0, inverted: bool = False
) -> Measurement:
    r"""r, u and the norm of v along (g, v), for random rates and norms of v(0), against weight normalization.

    For the falsifiers: a weight `decay` on v over the whole time, a rate $\eta_v$ `warming` up in time, another `order`
    of the norm in the ratio, the rates `inverted` there.
    """
    size, eta_g = np.exp(case.rng().uniform(-1, 1, 2))
    eta_v = case.ratio * eta_g * size**2
    ratio = (eta_g / eta_v if inverted else eta_v / eta_g) * size**order
    flow, problem, start = WeightNormFlow(case.depth, ratio, radial_rate=eta_g), case.problem, case.start
    true = replace(flow, ratio=case.ratio)
    # short: where the radius shrinks, what rounding changes in the direction grows
    t_end = min(horizon(one, problem, start, steps=6) for one in (flow, true))
    path = integrate(flow, problem, start, t_end, rtol=1e-10, coordinates="primal").at(np.linspace(0, t_end, TIMES))

    def field(t: float, state: Array) -> Array:
        g, v = state[0], state[1:]
        length = np.linalg.norm(v)
        u = v / length
        slope = case.depth * (g * u) ** (case.depth - 1) * (problem.A.T @ problem.residual((g * u) ** case.depth))
        push = g / length * (slope - (slope @ u) * u)
        return np.append(eta_g * (slope @ u), eta_v * (1 + warming * t / t_end) * push - decay * v / t_end)

    state = np.append(start.radius, size * start.direction)
    states = solve_ivp(field, (0.0, t_end), state, method="DOP853", t_eval=path.t, rtol=1e-10, atol=1e-12).y.T
    norms = np.linalg.norm(states[:, 1:], axis=1)
    return together(
        Measurement(states[:, 0], path.radius),
        Measurement(states[:, 1:] / norms[:, None], path.points.direction),
        Measurement(norms / size, 1.0),
    )


def steps(case: Case, count: int = 20) -> Measurement:
    """The norm of v along discrete gradient descent in (g, v), in place of the flow."""
    size = 1.0
    method = SalimansKingmaDescent(case.depth, size)
    h = horizon(method.flow, case.problem, case.start) / count
    norms = descend(method, case.problem, case.start, h, count).norm
    return Measurement(norms / size, 1.0)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.SalimansKingmaDescent",),
    tolerance=1e-7,
    ensemble=Ensemble(),
    derive=derive,
    symbolic=True,
    measure=measure,
    falsifiers=(
        Falsifier(1, "weight decay on $v$", partial(measure, decay=0.01)),
        Falsifier(1, "twenty steps of gradient descent in place of the flow", steps),
        Falsifier(2, r"$\eta_v$ rises in time", partial(measure, warming=0.1)),
        Falsifier("formula", r"$1/\lVert v(0)\rVert$ in place of its square", partial(measure, order=-1.0)),
        Falsifier("formula", r"$\lVert v(0)\rVert^2$ in place of its inverse", partial(measure, order=2.0)),
        Falsifier("formula", r"$\eta_g/\eta_v$ in the ratio", partial(measure, inverted=True)),
    ),
    mutants=(
        "3 for the radius's rate",
        "r squared in the turning at depth 1",
        "twice the turning",
        "r for its power in the rate of u",
    ),
)
