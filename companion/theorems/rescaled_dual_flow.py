r"""The dual flow, rescaled

With two factors, the ratio of the learning rates enters the dual flow in one place only: as the weight, $1/c$, of an
entropy beside half of the squared mass.

Statement
---------
Let $L = 2$ and let $w(t)$ move by weight-normalized gradient flow from $w_0 = S_0\, u_0^2$, $u_0 > 0$. Write $\pi =
w/S$, and let

$$
\begin{aligned}
\hat\Phi_c(w) &= \tfrac12 S^2 + \tfrac1c\, S \operatorname{KL}(\pi \,\|\, u_0^2)
  = \tfrac12 \lVert w\rVert_1^2 + \tfrac1c \sum_i w_i \log \frac{w_i}{S\, u_{0,i}^2}, \\
\hat\theta_i &= S + \tfrac1c \log \frac{w_i}{S\, u_{0,i}^2}, \qquad d\hat\tau = 4 \eta_r S\, dt .
\end{aligned}
$$

If

1. **constant ratio**: $c = \eta_u/\eta_r$ does not depend on time;
2. **from its start**: $S_0$ and $u_0$ are those of $w(0)$,

then, exactly and for every $c > 0$,

$$
\begin{aligned}
\hat\theta &= S_0 \mathbf 1 + A^\top\hat\lambda, & \hat\lambda &= \int_0^{\hat\tau} (y - A w)\, d\hat\tau', & w &=
  \nabla\hat\Phi_c^*(\hat\theta), \\
\hat\Phi_c^*(\hat\theta) &= \tfrac12 (\sigma_c)_+^2, & \sigma_c &= \tfrac1c \log \sum_i u_{0,i}^2\, e^{c\,
  \hat\theta_i}, & S &= \sigma_c(\hat\theta) .
\end{aligned}
$$

So $d\hat\lambda/d\hat\tau = -\nabla\hat D_c(\hat\lambda)$ with the convex function $\hat D_c(\hat\lambda) =
\hat\Phi_c^*(S_0 \mathbf 1 + A^\top\hat\lambda) - \langle y, \hat\lambda\rangle$. The divergence is

$$
\begin{aligned}
D_{\hat\Phi_c}(z^\circ, w) &= \tfrac12 \bigl( \lVert z^\circ\rVert_1 - S \bigr)^2
  + \tfrac1c \lVert z^\circ\rVert_1 \operatorname{KL}(\pi^\circ \,\|\, \pi), \qquad \pi^\circ = z^\circ/\lVert
  z^\circ\rVert_1 .
\end{aligned}
$$

Proof
-----
From the flow, $S' = 2 r r' = 4 \eta_r S\, \langle p, u^2\rangle$ and $(\log u_i^2)' = 4 \eta_u S\, (p_i - \langle p,
u^2\rangle)$. Since $w_i/S = u_i^2$ and $\eta_u = c\, \eta_r$, the inner products cancel in $\hat\theta_i' = 4 \eta_r
S\, p_i$; and $\hat\theta = S_0 \mathbf 1$ at the start. It is {prf:ref}`thm-dual_flow` in other units:
$\hat\theta = S_0 \mathbf 1 + \tfrac2c (\theta - \theta_0)$, $\hat\lambda = \tfrac2c \lambda$ and $\hat\tau = \tfrac2c
\tau$.

$\partial\hat\Phi_c/\partial w_i = S + \tfrac1c \log(w_i/(S u_{0,i}^2)) + \tfrac1c \bigl( \sum_j w_j/w_j\,
\delta_{ij} - \sum_j w_j/S \bigr) = \hat\theta_i$. Solve for $w_i = S\, u_{0,i}^2\, e^{c(\hat\theta_i - S)}$; the sum of
these is $S$, so $S = \sigma_c(\hat\theta)$. And $\tfrac12 \sigma_c^2$ has the slopes $\sigma_c\, u_{0,i}^2\,
e^{c(\hat\theta_i - \sigma_c)} = w_i$. Where $\sigma_c \le 0$, no weight pays: $\langle\hat\theta, w\rangle -
\hat\Phi_c(w) = S \sum_i \pi_i \bigl( \hat\theta_i - \tfrac1c \log(\pi_i/u_{0,i}^2) \bigr) - \tfrac12 S^2 \le S\,
\sigma_c - \tfrac12 S^2$, with its maximum at $w = 0$.

In the divergence, $\langle\hat\theta, z^\circ - w\rangle = S (\lVert z^\circ\rVert_1 - S) + \tfrac1c \sum_i
(z_i^\circ - w_i) \log(\pi_i/u_{0,i}^2)$. What is left of the squares is a square, and of the entropies the one of the
statement.

Boundary
--------
- **Checked.** The motion, the gradient, its inverse and the divergence by computer algebra, the latter with three
  components. Along flows of the code, from random starts: $\hat\theta$ against the integral; the weights against the
  inverse map; the divergence against that of the code's mirror map.
- **Assumed.** Nothing.
- **No run can test.** Nothing: the identities are algebraic, and the motion is local in time.

Source
------
Derived here.
"""

from functools import partial

import numpy as np
import sympy as sp
from scipy.special import logsumexp, rel_entr

from companion.verification import symbolic
from companion.verification.cases import growing, normalized_flow, start_radius
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon, integral, together
from companion.verification.symbolic import Depth, Derivation, Step, along, c, eta_r, p, r, reduced, u
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.geometry import mirror_map
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory


def derive(depth: Depth = 2) -> Derivation:
    """The motion of one component; gradient, inverse map and divergence with three."""
    rates = symbolic.polar_rates(depth, eta_r, c * eta_r)
    u_0 = sp.Symbol("u_{0,i}", positive=True)
    motion = along(r**2 + sp.log(u**2 / u_0**2) / c, rates)
    w, z, start = (sp.symbols(f"{name}_1:4", positive=True) for name in ("w", "z", "q"))
    S, Z = sp.Add(*w), sp.Add(*z)
    potential = S**2 / 2 + sp.Add(*(w_i * sp.log(w_i / (S * q)) for w_i, q in zip(w, start, strict=True))) / c
    slopes = [S + sp.log(w_i / (S * q)) / c for w_i, q in zip(w, start, strict=True)]
    theta = sp.symbols("theta_1:4", real=True)
    sigma = sp.log(sp.Add(*(q * sp.exp(c * t) for q, t in zip(start, theta, strict=True)))) / c
    told = [sigma * q * sp.exp(c * (t - sigma)) for q, t in zip(start, theta, strict=True)]
    at_z = potential.subs(dict(zip(w, z, strict=True)), simultaneous=True)
    divergence = at_z - potential - sp.Add(*(s * (b - a) for s, a, b in zip(slopes, w, z, strict=True)))
    entropy = sp.Add(*(b * sp.log(b * S / (a * Z)) for a, b in zip(w, z, strict=True))) / c
    residuals = reduced(
        motion - 4 * eta_r * r**2 * p,
        *(sp.simplify(sp.diff(potential, w_i) - s) for w_i, s in zip(w, slopes, strict=True)),
        *(sp.simplify(sp.diff(sigma**2 / 2, t) - w_i) for t, w_i in zip(theta, told, strict=True)),
        sp.simplify(sp.expand_log(divergence - (Z - S) ** 2 / 2 - entropy, force=True)),
    )
    mass, mass_z, one = sp.Symbol("S", positive=True), sp.Symbol(r"{\lVert z^\circ\rVert_1}"), sp.Symbol("w_i")
    angle, kl = sp.Symbol(r"\hat\theta_i"), sp.Symbol(r"\operatorname{KL}(\pi^\circ \,\|\, \pi)")
    steps = (
        Step(
            "The motion", r"\hat\theta_i'", 4 * eta_r * mass * p, r"The inner products $\langle p, u^2\rangle$ cancel."
        ),
        Step(
            "The gradient",
            r"\partial\hat\Phi_c/\partial w_i",
            mass + sp.log(one / (mass * u_0**2)) / c,
            r"It is $\hat\theta_i$.",
        ),
        Step("Its inverse", "w_i", mass * u_0**2 * sp.exp(c * (angle - mass)), "Solved for the weight."),
        Step(
            "The divergence",
            r"D_{\hat\Phi_c}(z^\circ, w)",
            (mass_z - mass) ** 2 / 2 + mass_z * kl / c,
            "Squares and entropies, each with its own remainder.",
        ),
    )
    return Derivation(steps, residuals)


def measure(
    case: Case,
    drift: float = 0.0,
    tilt: float = 0.0,
    clock: float = 4.0,
    entropy: float = 1.0,
) -> Measurement:
    r"""$\hat\theta$ at several times, the weights that belong to it, and the divergence to basis pursuit's.

    For the falsifiers: a ratio that grows by a share `drift`; another $u_0$, by a `tilt`; another number in the
    `clock`; a factor on the `entropy`.
    """
    problem, flow, n = case.problem, normalized_flow(case), case.n
    start = flow.start(n, start_radius(case), case.direction)
    end = horizon(flow, problem, start, 6)
    moving = growing(flow, drift / end) if drift else flow
    path = integrate(moving, problem, start, end, rtol=1e-9, coordinates="primal")
    share, c = start.direction**2 * np.linspace(1, 1 + tilt, n), flow.ratio / entropy
    share /= share.sum()

    def pushed(part: Trajectory) -> Array:
        return np.asarray(clock * part.l1[:, None] * part.problem.residual(part.weights))

    log_pi = 2 * path.points.log_direction
    theta = path.l1[:, None] + (log_pi - np.log(share)) / c
    from_dual = float(start.radius) ** 2 + integral(path, pushed) @ problem.A
    mass = logsumexp(c * from_dual, axis=1, b=share, keepdims=True) / c
    z = case.target
    divergence = (z.sum() - path.l1) ** 2 / 2 + rel_entr(z, z.sum() * np.exp(log_pi)).sum(axis=1) / c
    told = 2 / flow.ratio * mirror_map(flow, float(start.radius)).bregman(z, path.points)
    return together(
        Measurement(theta, from_dual),
        Measurement(path.weights, mass * share * np.exp(c * (from_dual - mass))),
        Measurement(told, divergence),
    )


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.MirrorMap", "wnlib.integrate"),
    tolerance=1e-6,
    ensemble=Ensemble(depths=(2,), ratios=(0.3, 30.0), scales=(0.3, 1.5), uniform=False),
    derive=derive,
    measure=measure,
    uses=("dual_flow",),
    falsifiers=(
        Falsifier(1, "a ratio that grows by half", partial(measure, drift=0.5)),
        Falsifier(2, "$u_0^2$ from 1 to 2 times as large, over the entries", partial(measure, tilt=1.0)),
        Falsifier("formula", r"$d\hat\tau = 2 \eta_r S\, dt$", partial(measure, clock=2.0)),
        Falsifier("formula", r"$\tfrac2c$ for $\tfrac1c$", partial(measure, entropy=2.0)),
    ),
    mutants=(
        "no lengths of steps in an integral",
        "twice the penalty on the mass",
        "twice the turning",
    ),
)
