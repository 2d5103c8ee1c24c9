r"""Hyperbolic entropy with a temperature

What gradient flow minimises on signed weights is a hyperbolic entropy. Weight normalization has the same function, at
a temperature that falls exponentially with the squared radius of the weights.

Statement
---------
Let $L \ge 2$ and let $\Psi$ be the potential of the signed weights $w = x_+^L - x_-^L$ of
{prf:ref}`thm-signed_potential`. If

1. **on the leaf**: $\theta_+ + \theta_- = 2 \theta_0$;
2. **symmetric start**: $\theta_0 = m_L(z_0)$ in both halves, with $x_\pm(0) = r_0 u_0$, $2 \lVert u_0\rVert^2 = 1$,
   $z_0 = u_0 e^{\sigma(r_0)}$;

then, with the *temperature*

$$
\begin{aligned}
\alpha(r) &= r\, u_0\, e^{\sigma(r_0) - \sigma(r)}
  = \begin{cases} x_\pm(0) & \text{gradient flow,} \\
  r\, u_0\, e^{c (r_0^2 - r^2)/2} & \text{weight normalization,} \end{cases}
\end{aligned}
$$

a vector, and entry by entry, the halves obey

$$
\begin{aligned}
x_+\, x_- &= \alpha(r)^2 & (L = 2), \\
x_+^{2-L} + x_-^{2-L} &= 2\, \alpha(r)^{2-L} & (L \ge 3),
\end{aligned}
$$

and the signed weights are functions of the slope $\theta = \nabla\Psi(w)$,

$$
\begin{aligned}
w &= 2 \alpha^2 \sinh(2 \theta) & (L = 2), \\
w &= \alpha^L \Bigl( (1 - k\theta)^{-L/(L-2)} - (1 + k\theta)^{-L/(L-2)} \Bigr),
  \quad k = (L-2)\, z_0^{L-2} & (L \ge 3).
\end{aligned}
$$

So $\nabla\Psi(w) = \tfrac12 \operatorname{arsinh}\bigl(w / (2\alpha(r)^2)\bigr)$ for $L = 2$. Here $r^2 = \lVert
x_+\rVert^2 + \lVert x_-\rVert^2$ is the only root of one scalar equation in $w$; for $L = 2$, with $S = r^2$ and $S_0
= r_0^2$,

$$
\begin{aligned}
S &= \sum_i \sqrt{w_i^2 + 4 \beta_i(S)^2}, & \beta(S) = \alpha(r)^2 &= S\, u_0^2\, e^{c (S_0 - S)}
\end{aligned}
$$

with weight normalization. From a uniform start $\beta(S) = \tfrac{S}{2N} e^{c (S_0 - S)}$.

Proof
-----
*The temperature.* Since $z_\pm = x_\pm e^{\sigma(r)}/r$ and $z_0 = \alpha(r)\, e^{\sigma(r)}/r$, dividing the law
$m_L(z_+) + m_L(z_-) = 2\, m_L(z_0)$ by the common factor (for $L = 2$: subtracting its logarithm) gives $m_L(x_+) +
m_L(x_-) = 2\, m_L(\alpha)$, which is the law of the halves.

*The weights.* By {prf:ref}`thm-signed_potential`, $\nabla\Psi(w) = \theta$ with $\theta_\pm = \theta_0 \pm \theta$.
For $L = 2$, $z_\pm = z_0 e^{\pm\theta}$, hence $x_\pm = \alpha e^{\pm\theta}$ and $w = \alpha^2 (e^{2\theta} -
e^{-2\theta})$. For $L \ge 3$, $z_\pm^{2-L} = z_0^{2-L} \mp (L-2)\, \theta = z_0^{2-L} (1 \mp k \theta)$, hence
$x_\pm^{2-L} = \alpha^{2-L} (1 \mp k\theta)$, and $w = x_+^L - x_-^L$.

*The radius.* $x_\pm/r$ depends on $r$ through $\alpha/r = u_0 e^{\sigma(r_0) - \sigma(r)}$ and $w/r^L$: by the law of
the halves the larger of $x_\pm$ increases with $\lvert w\rvert$ and $\alpha$; and $x_+^2 + x_-^2$ increases with both,
too, as for fixed $\alpha$ the squares are convex functions of $m_L(x_\pm)$, of which the sum is fixed and the distance
increases with $\lvert w\rvert$, and for fixed $w$ both halves grow with $\alpha$. So $\lVert x_+/r\rVert^2 + \lVert
x_-/r\rVert^2$ falls strictly in $r$, and is $1$ at one $r$ only. At $L = 2$, $x_+^2 - x_-^2 = w$ and $x_+^2 x_-^2 =
\beta^2$ give $x_+^2 + x_-^2 = \sqrt{w^2 + 4\beta^2}$; sum over the entries.

Boundary
--------
- **Checked.** All closed forms by computer algebra, for numbers and for the symbol $L$. In numbers, at points of the
  leaf that the mirror map makes from random slopes: the law, the temperature, the radius that the code finds from $w$
  alone, the weights as functions of the slope and the slope as a function of the weights.
- **Assumed.** Nothing.
- **No run can test.** Nothing: the identities are algebraic.

Source
------
Derived here. For gradient flow at depth 2 the potential is that of {cite:t}`Woodworth2020`.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import either_flow, normalized_flow, start_radius
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import together
from companion.verification.symbolic import Depth, Derivation, L, Step, c, mirror
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib.flows.flow import Flow
from wnlib.flows.geometry import mirror_map
from wnlib.models.signed import gradient, log_temperature, radius, signed, symmetric_start

r, r_0, u_0 = sp.symbols("r r_0 u_0", positive=True)


def derive(depth: Depth = L) -> Derivation:
    """The temperature of both flows, and one entry as a function of the slope."""
    constants = []
    for sigma in (sp.log(r), c * r**2 / 2):  # gradient flow, weight normalization
        sigma_0 = sigma.subs(r, r_0)
        constants.append(r * u_0 * sp.exp(sigma_0 - sigma) * sp.exp(sigma) / r - u_0 * sp.exp(sigma_0))
    steps, residuals = _entropy() if depth == 2 else _powers(depth)
    cooling = r * u_0 * sp.exp(c * (r_0**2 - r**2) / 2)
    temperature = Step(
        "The temperature", r"\alpha(r)", cooling, r"$z_0 = \alpha e^{\sigma(r)}/r$; weight normalization."
    )
    return Derivation((temperature, *steps), symbolic.reduced(*constants) + residuals)


def _entropy() -> tuple[tuple[Step, ...], tuple[sp.Expr, ...]]:
    theta, beta, w, q = sp.symbols(r"\theta \beta w q", positive=True)
    mass = sp.sqrt(w**2 + 4 * beta**2)
    upper, lower = (mass + w) / 2, (mass - w) / 2
    slope, weights = sp.asinh(w / (2 * beta)) / 2, beta * (sp.exp(2 * theta) - sp.exp(-2 * theta))
    steps = (
        Step("The law in x", "x_+^2 x_-^2", beta**2, r"$\beta = \alpha^2$, from $z_+ z_- = z_0^2$."),
        Step("The weights", "w", 2 * beta * sp.sinh(2 * theta), r"$x_\pm^2 = \beta e^{\pm 2\theta}$."),
        Step("The slope", r"\nabla\Psi(w)", slope, r"Solved for $\theta$."),
        Step("The mass of one entry", "x_+^2 + x_-^2", mass, r"From $x_+^2 - x_-^2 = w$ and the law."),
    )
    residuals = (
        sp.simplify(weights - 2 * beta * sp.sinh(2 * theta).rewrite(sp.exp)),
        # The slope is the inverse of the weights: at one value, q = e^{2 theta} = 3, and its derivative everywhere.
        sp.simplify((2 * slope).rewrite(sp.log).subs(w, beta * (q - 1 / q)).subs(q, 3) - sp.log(3)),
        sp.simplify(sp.diff(slope, w) - 1 / sp.diff(2 * beta * sp.sinh(2 * theta), theta).subs(theta, slope)),
        sp.expand(upper * lower - beta**2),
        sp.expand(upper - lower - w),
        sp.expand(upper + lower - mass),
    )
    return steps, residuals


def _powers(depth: Depth) -> tuple[tuple[Step, ...], tuple[sp.Expr, ...]]:
    z_0, alpha, near, far = sp.symbols(r"z_0 \alpha q_+ q_-", positive=True)  # q = 1 -+ k theta
    k, power = (depth - 2) * z_0 ** (depth - 2), 1 / sp.S(depth - 2)
    upper, lower = alpha * near**-power, alpha * far**-power
    theta = sp.Symbol(r"\theta", positive=True)
    weights = alpha**depth * ((1 - k * theta) ** (-depth * power) - (1 + k * theta) ** (-depth * power))
    steps = (
        Step("The law in x", "x_+^{2-L} + x_-^{2-L}", 2 * alpha ** (2 - depth), r"$z_\pm = x_\pm z_0/\alpha$."),
        Step("One half", "x_+", alpha * (1 - k * theta) ** -power, r"The other has $-\theta$."),
        Step("The weights", "w", weights, "The difference of the powers L."),
    )
    slopes = [mirror(z_0 * x / alpha, depth) - mirror(z_0, depth) for x in (upper, lower)]
    split = {near: 1 - k * theta, far: 1 + k * theta}
    found = [
        upper ** (2 - depth) - alpha ** (2 - depth) * near,
        lower ** (2 - depth) - alpha ** (2 - depth) * far,
        slopes[0] - (1 - near) / k,
        slopes[1] - (1 - far) / k,
        upper**depth - lower**depth - alpha**depth * (near ** (-depth * power) - far ** (-depth * power)),
        ((1 - near) / k).subs(split) - theta,
        ((1 - far) / k).subs(split) + theta,
    ]
    tidied = [sp.powdenest(sp.expand_power_base(sp.expand(one), force=True), force=True) for one in found]
    return steps, symbolic.reduced(*tidied)


def measure(
    case: Case,
    moving: Callable[[Case], Flow] = either_flow,
    lean: float = 1.0,
    uneven: float = 0.0,
    cooling: float = 1.0,
    slope: float = 1.0,
) -> Measurement:
    r"""A point of the leaf: the law, the radius that w tells, w from its slope, and the slope from w.

    For the falsifiers: slopes of which the lower half's is `lean` times as large, halves that start `uneven`, a
    temperature with `cooling` times the exponent, another `slope`.
    """
    L, flow, n = case.depth, moving(case), case.n
    start = symmetric_start(flow, n, start_radius(case), case.direction)
    mirror_of, log_u = mirror_map(flow, float(start.radius)), start.log_direction[:n]
    size = 1.5 if L == 2 else 0.7 * np.exp((2 - L) * log_u) / (L - 2)
    theta = size * case.rng().uniform(-1, 1, n)
    first = mirror_of.dual_variable(start) * np.repeat([1.0, 1 - uneven], n)
    point = mirror_of.inverse(first + np.append(theta, -lean * theta))
    r, log_x = float(point.radius), np.log(point.radius) + point.log_direction
    w, log_alpha = signed(point.weights(L)), log_temperature(flow, start, r)
    log_alpha = log_alpha + (cooling - 1) * (log_alpha - np.log(r) - log_u)
    law = (log_x if L == 2 else np.exp((2 - L) * (log_x - np.tile(log_alpha, 2)))).reshape(2, n).sum(axis=0)
    if L == 2:
        weights = 2 * np.exp(2 * log_alpha) * np.sinh(2 * slope * theta)
    else:
        k_theta = slope * (L - 2) * np.exp((L - 2) * log_u) * theta
        weights = np.exp(L * log_alpha) * ((1 - k_theta) ** (-L / (L - 2)) - (1 + k_theta) ** (-L / (L - 2)))
    return together(
        Measurement(law, 2 * log_alpha if L == 2 else 2.0, scale=1.0),
        Measurement(radius(flow, start, w), r),
        Measurement(w, weights),
        Measurement(gradient(flow, start, w), slope * theta),
    )


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.IDENTITY,
    about=("wnlib.symmetric_start",),
    tolerance=1e-9,
    ensemble=Ensemble(depths=(2, 3, 4, 5, 6), ratios=(0.1, 10), scales=(0.1, 2)),
    derive=derive,
    symbolic=True,
    measure=measure,
    falsifiers=(
        Falsifier(1, r"$\theta_- = \theta_0 - 0.8\, \theta$", partial(measure, lean=0.8)),
        Falsifier(2, r"$\theta_0$ closer to 0 by a tenth in the lower half", partial(measure, uneven=0.1)),
        Falsifier(
            "formula",
            "$e^{c (r_0^2 - r^2)}$ in the temperature",
            partial(measure, moving=normalized_flow, cooling=2.0),
        ),
        Falsifier("formula", "slopes smaller by a tenth", partial(measure, slope=0.9)),
    ),
    uses=("signed_potential",),
    mutants=(
        "nine tenths of the temperature's magnification",
        "one of Newton's steps for eight",
        "the temperature squared at every depth",
        "1 for L in the power of the tilt",
        "a power less in the signed gradient",
    ),
)
