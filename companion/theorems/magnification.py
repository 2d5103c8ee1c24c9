r"""Magnification

Weight normalization moves along the vector field of plain gradient flow, in coordinates that are exponentially
magnified in the squared radius.

Statement
---------
Let $L \ge 1$ and let $(r, u)$ move by weight-normalized gradient flow. If

1. **on the sphere**: $\lVert u \rVert = 1$;
2. **constant ratio**: $c = \eta_u/\eta_r$ does not depend on time,

then $z = u\, e^{c r^2/2}$ moves by

$$
\begin{aligned}
z' &= \kappa L\, p \odot z^{L-1}, \\
\kappa &= \eta_u r^L e^{(2-L)\, c r^2/2}.
\end{aligned}
$$

For $r > 0$ the factor $\kappa$ is positive. So $z$ follows the vector field of gradient flow, with a force taken at the
weights $w$, up to a change of time. The radius is a function of $z$: $r^2 = \tfrac1c \log \lVert z \rVert^2$.

Proof
-----
By the product rule $z' = e^{c r^2/2}\,(u' + c\, r\, r'\, u)$. Since $c\,\eta_r = \eta_u$, the growth of the factor is
$c\, r\, r' = \eta_u L\, r^L \langle p, u^L\rangle$, which is what $u'$ loses to stay on the sphere. The two cancel, and
$z' = e^{c r^2/2}\, \eta_u L\, r^L\, p \odot u^{L-1}$. Write $u^{L-1} = z^{L-1} e^{-(L-1) c r^2/2}$. Finally
$\lVert z\rVert^2 = \lVert u\rVert^2 e^{c r^2} = e^{c r^2}$.

Boundary
--------
- **Checked.** The identity for every depth by computer algebra; the fields of the code, entry by entry, and the radius
  that $z$ tells, on points of the ensemble.
- **Assumed.** Nothing.
- **No run can test.** Nothing: the identity is algebraic.

Source
------
Derived here. That the flow is gradient flow on polar coordinates, and that it has invariants, is in
{cite:t}`ChouRauhutWard2024`.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, L, Step, along, c, p, r, u
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.geometry import mirror_map


def derive(depth: Depth = L) -> Derivation:
    """The product rule, the cancellation, and the speed that is left."""
    rates, z, factor = symbolic.polar_rates(depth), symbolic.magnified(), sp.exp(c * r**2 / 2)
    along_u = factor * rates[u]
    along_r = sp.simplify(sp.diff(z, r) * rates[r])
    motion = sp.simplify(along_u + along_r)
    field = symbolic.speed(depth) * depth * p * z ** (depth - 1)
    flow = symbolic.written_out(depth)  # the same with three components, by derivatives of the loss itself
    residuals = symbolic.reduced(
        along(z, rates) - field,
        *(
            along(z_i, flow.rates) - symbolic.speed(depth) * depth * force * z_i ** (depth - 1)
            for z_i, force in zip(flow.z, flow.force, strict=True)
        ),
    )
    steps = (
        Step("Magnify", "z_i", z, "The direction, blown up by a factor that depends on the radius alone."),
        Step("The direction's share", r"\frac{\partial z_i}{\partial u_i} u_i'", along_u, "Product rule, first term."),
        Step(
            "The radius' share",
            r"\frac{\partial z_i}{\partial r} r'",
            along_r,
            r"Product rule, second term; $c\, r\, r' = \eta_u L r^L \langle p, u^L\rangle$ as $c\, \eta_r = \eta_u$.",
        ),
        Step(
            "The normal components cancel exactly",
            "z_i'",
            motion,
            r"The terms with $\langle p, u^L\rangle$ are equal and opposite. Nothing couples the components any more.",
        ),
        Step(
            "Read off the speed",
            r"\kappa",
            symbolic.speed(depth),
            r"Write $u_i^{L-1} = z_i^{L-1} e^{-(L-1) c r^2/2}$ and collect the positive factors.",
        ),
        Step("Residual", r"z_i' - \kappa L p_i z_i^{L-1}", residuals[0], "What is left between the two sides."),
    )
    return Derivation(steps, residuals)


STEP = 0.5  # of r, relatively


def measure(case: Case, drift: float = 0.0, faster: float = 1.0, power: int = 0) -> Measurement:
    r"""$z'/z$ for z as the code magnifies it, against $\kappa L\, p \odot z^{L-2}$; and the $r^2$ that z tells.

    For the falsifiers: a ratio that moves by `drift` $= c'$, a magnification that is `faster` by a factor in its
    exponent, a `power` more of r in $\kappa$.
    """
    state = case.flow.encode(case.start)
    velocity = case.flow.velocity(case.problem)(0.0, state)
    rates = velocity if case.depth >= 2 else velocity / state
    return _compared(case, float(rates[0]), rates[1:], case.start.direction, drift, faster, power)


def off_the_sphere(case: Case, norm: float = 1.2) -> Measurement:
    """The same with u of another norm, by the flow's equations as they are written."""
    L, radius, direction = case.depth, case.scale, norm * case.start.direction
    force = case.problem.A.T @ case.problem.residual((radius * direction) ** L)
    normal = float(force @ direction**L)
    turning = case.ratio * L * radius**L * (force * direction ** (L - 2) - normal)
    return _compared(case, L * radius ** (L - 2) * normal, turning, direction)


def _compared(
    case: Case,
    growing: float,
    turning: Array,
    direction: Array,
    drift: float = 0.0,
    faster: float = 1.0,
    power: int = 0,
) -> Measurement:
    r"""From $r'/r$ = `growing` and $u'/u$ = `turning`."""
    problem, r, c = case.problem, case.scale, case.ratio

    def sigma(radius: Array) -> Array:
        return faster * case.flow.log_magnification(radius)

    # Magnified from another radius than the start's, so that the exponents are not all zero.
    mirror = mirror_map(case.flow, float(np.sqrt(r**2 + 2 / c)))
    z = direction * np.exp(mirror.log_magnified(case.start) - case.start.log_direction)
    # A difference quotient, exact for a parabola, and what a ratio that moves adds.
    ahead, behind = sigma(np.array([1 + STEP, 1 - STEP]) * r)
    motion = turning + (ahead - behind) / (2 * STEP) * growing + drift * r**2 / 2
    force = problem.A.T @ problem.residual((case.scale * direction) ** case.depth)
    field = mirror.speed(case.start) * case.scale**power * force * z ** (case.depth - 2)
    size = max(np.abs(turning).max(), np.abs(field).max())
    log_norm = np.log(np.linalg.norm(direction)) + float(sigma(np.asarray(r)))
    unit = max(1.0, c * r**2)
    return Measurement(
        np.append(motion / size, 2 * log_norm / unit), np.append(field / size, c * r**2 / unit), scale=1.0
    )


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.IDENTITY,
    about=("wnlib.WeightNormFlow", "wnlib.MirrorMap"),
    tolerance=1e-10,
    ensemble=Ensemble(ratios=(0.01, 1000), scales=(0.01, 10)),
    derive=derive,
    symbolic=True,
    measure=measure,
    falsifiers=(
        Falsifier(1, r"$\lVert u\rVert = 1.2$", off_the_sphere),
        Falsifier(2, "$c' = 1$: a ratio that grows", partial(measure, drift=1.0)),
        Falsifier("formula", "$e^{c r^2}$ in place of $e^{c r^2/2}$", partial(measure, faster=2.0)),
        Falsifier("formula", "$e^{-c r^2/2}$", partial(measure, faster=-1.0)),
        Falsifier("formula", r"$\kappa$ with $r^{L+1}$", partial(measure, power=1)),
    ),
    mutants=(
        "the pull added at depth 1",
        "r in the turning",
        "a power of r less in the speed",
        "magnification inverted in the speed",
        "1 - L for 2 - L in the speed's derivation",
    ),
)
