r"""Signed weights do not collapse

With one sphere for both signs and a start that is symmetric, the radius never falls below its first value: nothing
collapses, at whatever scale, and every flow ends at an interpolant.

Statement
---------
Let $L \ge 2$, let $w = x_+^L - x_-^L$ be signed weights with loss $\tfrac12\lVert A w - y\rVert^2$, $y \ne 0$ in the
range of $A$, and let $(x_+, x_-) = r u$ move by gradient flow or by weight-normalized gradient flow with constant
learning rates. If

1. **one sphere**: $(x_+, x_-)$ has one radius $r$ and one direction, $\lVert u\rVert = 1$;
2. **symmetric start**: $x_+(0) = x_-(0) > 0$,

then $r(t) \ge r_0$ at all times, with equality only where $w(t) = 0$. More precisely, with $\theta_\pm = m_L(z_\pm)$,
and with $z_0$ for $z_\pm$ at the start,

$$
\begin{aligned}
e^{2\sigma(r)} - e^{2\sigma(r_0)} &\ge \tfrac L2 \sum_i z_{0,i}^{2L-2}\, (\theta_{+,i} - \theta_{-,i})^2,
\end{aligned}
$$

where $2 \sigma(r) = c r^2$ with weight normalization, $2\log r$ without. Hence $w(t)$ converges to an interpolant, the
one that {prf:ref}`thm-signed_potential` names. At the start the radius is stationary: $r'(0) = 0$.

Proof
-----
By {prf:ref}`thm-signed_potential`, $\theta_\pm = \theta_0 \pm s$ with a vector $s(t)$, which is zero where $z_+ =
z_-$, that is where $w = 0$. By {prf:ref}`thm-magnification`, $e^{2\sigma(r)} = \lVert z_+\rVert^2 + \lVert
z_-\rVert^2$. So with $\phi_L(\theta) = m_L^{-1}(\theta)^2$

$$
\begin{aligned}
e^{2\sigma(r)} - e^{2\sigma(r_0)} &= \sum_i \bigl( \phi_L(\theta_{0,i} + s_i) + \phi_L(\theta_{0,i} - s_i)
  - 2 \phi_L(\theta_{0,i}) \bigr) .
\end{aligned}
$$

Here $\phi_2(\theta) = e^{2\theta}$, and $\phi_L(\theta) = (-(L-2)\,\theta)^{-2/(L-2)}$ on $\theta < 0$ for $L \ge 3$.
All derivatives of $\phi_L$ are positive. So in the power series of the bracket in $s_i$, which has even powers only,
all coefficients are: it is at least its first term, $\phi_L''(\theta_{0,i})\, s_i^2$, and $\phi_L''(\theta_0) = 2 L\,
z_0^{2L-2}$. The sum is positive unless $s = 0$. As $\sigma$ increases strictly, $r > r_0$ unless $w = 0$.

At the start the force on $r$ is $\langle p, u_{0,+}^L\rangle - \langle p, u_{0,-}^L\rangle = 0$. Finally, $r(t)$ does
not tend to $0$ and $[A, -A]$ has nonnegative interpolants, so {prf:ref}`thm-convergence` applies.

Boundary
--------
- **Checked.** The derivatives of $\phi_L$ by computer algebra. Along followed flows of both kinds, every depth, from
  starts of a twentieth to twice the radius of the target: the radius against the first one and against the bound.
- **Assumed.** Nothing.
- **No run can test.** Radii after the last time of a run. It is proved.

Source
------
Derived here.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import either_flow, normalized_flow, signed_problem, start_radius
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon
from companion.verification.symbolic import Depth, Derivation, L, Step
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.geometry import mirror_map
from wnlib.models.separate import SeparateFlow, integrate_separate
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory


def derive(depth: Depth = L) -> Derivation:
    """phi, its second derivative in terms of z_0, its successive derivatives, and the pull on r at the start."""
    theta, z = sp.Symbol(r"\theta", real=True), sp.Symbol("z_0", positive=True)
    depth = sp.S(depth)
    phi = sp.exp(2 * theta) if depth == 2 else (-(depth - 2) * theta) ** (-2 / (depth - 2))
    at = {theta: sp.log(z)} if depth == 2 else {theta: -(z ** (2 - depth)) / (depth - 2)}
    second = 2 * depth * z ** (2 * depth - 2)
    # Each derivative is the last one times a positive factor: 2, or (2 + k (L - 2)) / (-(L - 2) theta).
    ratios = [
        sp.diff(phi, theta, k + 1) / sp.diff(phi, theta, k)
        - (2 if depth == 2 else (2 + k * (depth - 2)) / (-(depth - 2) * theta))
        for k in range(4)
    ]
    p, u, v = sp.symbols("p_i u_+ u_-", positive=True)
    pull = p * (u**depth - v**depth)
    steps = (
        Step(
            "The square of z",
            r"\phi_L(\theta)",
            phi,
            r"$z = m_L^{-1}(\theta)$; the sum over both halves is $e^{2\sigma}$.",
        ),
        Step("Its second derivative", r"\phi_L''(\theta_0)", second, "In terms of the start."),
        Step(
            "All derivatives",
            r"\phi_L^{(k+1)}/\phi_L^{(k)}",
            _growth(depth, theta),
            "Positive, as is $\\phi_L$ itself.",
        ),
        Step(
            "The pull on r", "q_i", pull, "Of one entry: the two halves pull in opposite directions, equally at first."
        ),
    )
    return Derivation(steps, symbolic.reduced(sp.diff(phi, theta, 2).subs(at) - second, *ratios, pull.subs(v, u)))


def _growth(depth: sp.Expr, theta: sp.Symbol) -> sp.Expr:
    k = sp.Symbol("k", nonnegative=True)
    return sp.S(2) if depth == 2 else (2 + k * (depth - 2)) / (-(depth - 2) * theta)


def measure(case: Case, factor: float = 1.0, grown: float = 1.0, against: bool = False) -> Measurement:
    r"""Along a flow: $r_0/r$, and 1 plus the sum of the bound over $e^{2(\sigma - \sigma_0)}$; both at most 1.

    For the falsifiers: a `factor` in the sum, a radius that has `grown`, a start `against` the data.
    """
    problem, flow = signed_problem(case), either_flow(case)
    halves = np.tile(case.direction, 2) * (np.where(problem.A.T @ problem.y < 0, 3.0, 1.0) if against else 1.0)
    start = flow.start(2 * case.n, start_radius(case), halves)
    followed = integrate(flow, problem, start, horizon(flow, problem, start, 15), rtol=1e-10, coordinates="primal")
    total, growth = sides(followed)
    with np.errstate(divide="ignore", over="ignore"):  # a falsifier's radius may vanish
        return _at_most_one(grown * followed.radius[0] / followed.radius, np.exp(np.log1p(factor * total) - 2 * growth))


def sides(followed: Trajectory) -> tuple[Array, Array]:
    r"""Along a flow from a symmetric start: the sum of the bound, (T,), and $\sigma(r) - \sigma(r_0)$."""
    flow, L, start = followed.flow, followed.flow.depth, followed.points[0]
    mirror_of = mirror_map(flow, float(start.radius))
    upper, lower = np.split(mirror_of.dual_variable(followed.points), 2, axis=-1)
    bending = np.exp((2 * L - 2) * start.log_direction[: upper.shape[-1]])
    growth = flow.log_magnification(followed.radius) - mirror_of.unit
    return L / 2 * np.sum(bending * (upper - lower) ** 2, axis=-1), growth


def at_first(case: Case) -> Measurement:
    r"""The sum of the bound against $e^{2(\sigma - \sigma_0)} - 1$, as long as neither exceeds a tenth."""
    problem, flow = signed_problem(case), either_flow(case)
    start = flow.start(2 * case.n, start_radius(case), np.tile(case.direction, 2))
    followed = integrate(flow, problem, start, horizon(flow, problem, start, 15), rtol=1e-10, coordinates="primal")
    total, growth = sides(followed)
    early = (total > 1e-3) & (total < 0.1)
    return Measurement(total[early], np.expm1(2 * growth[early]))


def separately(case: Case) -> Measurement:
    """The radius of the half that loses, with a sphere for each."""
    flow, problem = SeparateFlow(case.depth, normalized_flow(case).ratio), signed_problem(case)
    radii = integrate_separate(
        flow, problem, flow.start(case.n, start_radius(case), case.direction), 1.0, rtol=1e-10
    ).radii
    return _at_most_one((radii[0] / radii).min(axis=-1), (radii[0] / radii).max(axis=-1))


def _at_most_one(*shares: Array) -> Measurement:
    return Measurement(np.concatenate(shares), np.ones(sum(len(share) for share in shares)))


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.symmetric_start",),
    tolerance=1e-8,
    ensemble=Ensemble(depths=(2, 3, 4, 5), ratios=(0.5, 8), scales=(0.05, 2)),
    derive=derive,
    measure=measure,
    falsifiers=(
        Falsifier(1, "a sphere for each half", separately),
        Falsifier(2, "a start three times as large where it is against the data", partial(measure, against=True)),
        Falsifier("formula", "twice the sum", partial(measure, factor=2.0)),
        Falsifier("formula", r"$r \ge 1.01\, r_0$", partial(measure, grown=1.01)),
    ),
    attained=(Attained("as long as the sum is below a tenth", at_first),),
    uses=("signed_potential", "magnification", "convergence"),
    mutants=(
        "a radius that shrinks for growing",
        "a power of r less in the turning",
        "twice the dual variable",
    ),
)
