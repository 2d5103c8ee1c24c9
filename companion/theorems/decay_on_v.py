r"""Weight decay on the free vector

In Salimans-Kingma coordinates weight decay on $v$ does nothing to the direction. It shortens $v$, and so the ratio of
the learning rates rises exponentially in time: decay on $v$ is a schedule.

Statement
---------
Let $L \ge 1$, $w = x^L$ and $x = g\, v/\lVert v\rVert$ with $v(0) \ne 0$ (positive if $L \ge 2$). If

1. **decay on v alone**: $g' = -\partial\ell/\partial g$ and $v' = -\nabla_v \ell - \lambda v$;
2. **constant decay**: $\lambda$ does not depend on time,

then $\lVert v(t)\rVert = \lVert v(0)\rVert\, e^{-\lambda t}$, and $r = g$ and $u = v/\lVert v\rVert$ move by
weight-normalized gradient flow with $\eta_r = 1$ and the ratio

$$
\begin{aligned}
c(t) &= \frac{e^{2 \lambda t}}{\lVert v(0)\rVert^2} .
\end{aligned}
$$

So at every time, with $\sigma(t) = \int_0^t c\, r\, r'\, dt$, and

3. **along the path**: with the measurements $A w(t)$ of the weights themselves in place of $y$, and $r \ne 0$,

$w(t)$ is where *gradient flow* ends that starts at $\alpha u(0)$ with

$$
\begin{aligned}
\log |\alpha| &= \log |r(t)| - \sigma(t),
\end{aligned}
$$

and $\alpha$ has the sign of $r$. If $r > 0$ has not decreased up to $t$, nor stood still all the time, and $\lambda \ge
0$, then this is also the end of weight-normalized gradient flow of one constant ratio $\bar c = 2\sigma(t)/(r(t)^2 -
r(0)^2)$ from $w(0)$, and $c(0) \le \bar c \le c(t)$: the bias is that of a larger ratio, but only as far as the radius
still moves while the ratio rises.

Proof
-----
The loss does not depend on $\lVert v\rVert$, so $\langle v, \nabla_v\ell\rangle = 0$ and
$\frac{d}{dt}\lVert v\rVert^2 = -2\lambda\lVert v\rVert^2$. The decay is along $v$ and drops out of
$u' = (v' - \langle u, v'\rangle u)/\lVert v\rVert = -\nabla_v\ell/\lVert v\rVert$. By the chain rule of
{prf:ref}`thm-salimans_kingma`, $g' = L\, g^{L-1} \langle p, u^L\rangle$ and $u' = \lVert v\rVert^{-2} L\, g^L (p \odot
u^{L-1} - \langle p, u^L\rangle u)$: the ratio is $\lVert v(t)\rVert^{-2}$.

By {prf:ref}`thm-schedules`, $\tilde z = u\, e^\sigma$ has $m_L(\tilde z(t)) - m_L(u(0)) \in \operatorname{row}(A)$. As
$x = r e^{-\sigma} \tilde z = \alpha \tilde z$, and $m_L(\alpha \tilde z)$ is $|\alpha|^{2-L} m_L(\tilde z)$ up to the
sign (and $m_2(\tilde z) + \log\alpha$), also $m_L(x(t)) - m_L(\alpha u(0)) \in \operatorname{row}(A)$: with $A w = A
w(t)$ the two conditions that by {prf:ref}`thm-implicit_bias` have only one solution, the end of gradient flow from
$\alpha u(0)$ for these measurements.

For a constant ratio $\bar c$ and the same $u(0)$ and $r(0)$ the same holds with $\sigma = \tfrac{\bar c}2 (r^2 -
r(0)^2)$; solve for $\bar c$. It is the mean of $c$ with the weights $r r' dt \ge 0$, and $c$ rises.

Boundary
--------
- **Checked.** The norm, the direction and the ratio by computer algebra; trajectories of $(g, v)$ with decay against
  those of $(r, u)$ with the scheduled ratio, which other code follows; their points against computed limits of gradient
  flow; the bounds on $\bar c$ where the radius grows.
- **Assumed.** Nothing.
- **No run can test.** Nothing. But the theorem is about the flow: in discrete descent the ratio cannot rise beyond
  where the steps become unstable.

Source
------
Derived here. The coordinates are those of {cite:t}`SalimansKingma2016`.
"""

from functools import partial

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon, together
from companion.verification.symbolic import Depth, Derivation, L, Step, p, r, sigma, summed, tidy, total, u
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import ScheduledWeightNormFlow, WeightNormFlow
from wnlib.limits.limit import limit
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate

TIMES = 10  # at which the trajectories are compared

decay, norm = sp.symbols(r"\lambda {\lVert{v}\rVert}", positive=True)


def derive(depth: Depth = L) -> Derivation:
    """The norm and the direction of v with decay; gradient flow's coordinates along the path."""
    slope = tidy(depth * p * (r * u) ** (depth - 1))
    along_u = total(slope * u, depth)
    pushed = r / norm * tidy(slope - along_u * u)
    moved = pushed - decay * norm * u
    growth = sp.simplify(summed(sp.expand(2 * norm * u * pushed), depth) - 2 * decay * norm**2)
    turning = sp.expand((moved + decay * norm * u) / norm)
    book = symbolic.polar_rates(depth, sp.Integer(1), norm**-2)
    log_alpha = sp.log(r) - sigma
    path = book | {sigma: norm**-2 * r * book[r]}
    x = sp.exp(log_alpha) * u * sp.exp(sigma)
    steps = (
        Step(
            "The free vector",
            "v_i'",
            norm * book[u] - decay * norm * u,
            r"The push along the sphere, less $\lambda v_i$.",
        ),
        Step("Its norm", r"\frac{d}{dt}\lVert v\rVert^2", growth, r"The push is orthogonal to $v$."),
        Step("The direction", "u_i'", book[u], "The decay is along $v$ and drops out."),
        Step("Along the path", r"\sigma'", tidy(path[sigma]), r"$c\, r\, r'$ with $c = \lVert v\rVert^{-2}$."),
        Step(
            "Gradient flow's start",
            r"\log\alpha",
            log_alpha,
            r"So that $x = \alpha \tilde z$, $\tilde z = u e^\sigma$.",
        ),
    )
    residuals = symbolic.reduced(
        growth + 2 * decay * norm**2,
        turning - book[u],
        x - r * u,
        symbolic.along(u * sp.exp(sigma), path)
        - symbolic.speed(depth, sigma).subs(symbolic.eta_u, norm**-2) * depth * p * (u * sp.exp(sigma)) ** (depth - 1),
    )
    return Derivation(steps, residuals)


def measure(
    case: Case,
    rate: float = 2.0,
    on_scale: float = 0.0,
    warming: float = 0.0,
    other_data: bool = False,
    constant: bool = False,
) -> Measurement:
    r"""Along (g, v) with decay: the norm of v, r and u against the scheduled ratio, the weights against limits.

    For the falsifiers: another `rate` of growth than $2\lambda$, a decay `on_scale` g too, a decay `warming` up in
    time, the problem's y for the measurements of the weights, a ratio that is `constant` in $\sigma$.
    """
    rng = case.rng()
    size, strength = np.exp(rng.uniform(-1, 1)), rng.uniform(0.3, 1.0)
    problem, start = case.problem, case.start
    c = case.ratio
    fast = WeightNormFlow(case.depth, c * np.exp(2))  # the ratio at the end, or beyond
    t_end = min(horizon(flow, problem, start, steps=5) for flow in (case.flow, fast))
    lam = strength / t_end
    flow = ScheduledWeightNormFlow(case.depth, c, angular_schedule=lambda t: float(np.exp(rate * lam * t)))
    times = np.linspace(0, t_end, TIMES)
    path = integrate(flow, problem, start, t_end, rtol=1e-10, coordinates="primal").at(times)

    def field(t: float, state: Array) -> Array:
        g, v = state[0], state[1:-1]
        length = np.linalg.norm(v)
        u = v / length
        slope = case.depth * (g * u) ** (case.depth - 1) * (problem.A.T @ problem.residual((g * u) ** case.depth))
        push = g / length * (slope - (slope @ u) * u)
        g_rate = slope @ u - on_scale * lam * g
        ratio = c if constant else c * size**2 / length**2
        # v in units in which the ratio at the start is c: the rate of v is c times the squared norm of v(0)
        v_rate = c * size**2 * push - lam * (1 + warming * t / t_end) * v
        return np.concatenate([[g_rate], v_rate, [ratio * g * g_rate]])

    state = np.concatenate([[start.radius], size * start.direction, [0.0]])
    states = solve_ivp(field, (0.0, t_end), state, method="DOP853", t_eval=times, rtol=1e-10, atol=1e-12).y.T
    g, v, grown = states[:, 0], states[:, 1:-1], states[:, -1]
    norms = np.linalg.norm(v, axis=1)
    found = _limit(case, other_data, float(g[-1]), v[-1] / norms[-1], float(grown[-1]))
    parts = [
        Measurement(norms / size, np.exp(-lam * times)),
        Measurement(g, path.radius),
        Measurement(v / norms[:, None], path.points.direction),
        Measurement(found, (g[-1] * v[-1] / norms[-1]) ** case.depth),
    ]
    if np.all(np.diff(path.radius) > 0) and path.radius[0] > 0:
        mean = 2 * grown[-1] / (g[-1] ** 2 - g[0] ** 2) / c
        low, high = 1.0, float(np.exp(rate * lam * t_end))
        parts.append(Measurement(max(low - mean, mean - high, 0.0), 0.0, scale=1.0))
    return together(*parts)


def _limit(case: Case, other_data: bool, g: float, u: Array, grown: float) -> Array:
    """Where gradient flow ends from alpha u(0), for the measurements of the weights (g u)^L; shape (N,)."""
    problem = case.problem if other_data else Problem(case.problem.A, case.problem.A @ (g * u) ** case.depth)
    sign = case.start.sign * (np.sign(g) if case.depth == 1 else 1.0)
    start = Polar(np.asarray(abs(g) * np.exp(-grown)), case.start.log_direction, sign)
    return limit(case.plain, problem, start, tolerance=1e-8).weights


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.DecayedSalimansKingmaDescent",),
    tolerance=1e-6,
    ensemble=Ensemble(ratios=(0.1, 10.0)),
    derive=derive,
    symbolic=True,
    measure=measure,
    falsifiers=(
        Falsifier(1, "weight decay on $g$ too", partial(measure, on_scale=0.1)),
        Falsifier(2, r"$\lambda$ rises in time", partial(measure, warming=0.1)),
        Falsifier(3, "$y$ for the measurements of the weights", partial(measure, other_data=True)),
        Falsifier("formula", r"$e^{\lambda t}$ in the ratio", partial(measure, rate=1.0)),
        Falsifier("formula", r"$\sigma$ with the first ratio", partial(measure, constant=True)),
    ),
    uses=("salimans_kingma", "schedules", "implicit_bias"),
    mutants=(
        "the angular schedule for both rates",
        "the pull added",
        "1 - L for 2 - L in the speed's derivation",
    ),
)
