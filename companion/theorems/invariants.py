r"""Invariants

What the measurements do not see, $\langle v, m_L(z)\rangle$ for $v \in \ker A$, never changes: $N -
\operatorname{rank}(A)$ independent numbers. No other function of the point is conserved for every $y$.

Statement
---------
Let $L \ge 1$ and let $m_L$ act on each component by $m_1(z) = z$, $m_2(z) = \log z$, $m_L(z) = z^{2-L}/(2-L)$ for
$L \ge 3$. Let $\theta = m_L(z)$, where $z = u\, e^{c r^2/2}$ along weight-normalized gradient flow on the sphere, and
$z = x$ along gradient flow. If

1. **constant ratio**: $c = \eta_u/\eta_r$ does not depend on time,

then $\theta' = \kappa L\, p \in \operatorname{row}(A)$ (with $\kappa = 1$ for gradient flow). Hence, if

2. **in the kernel**: $A v = 0$,

then $\langle v, \theta\rangle$ is constant. With a basis of $\ker A$ these are $N - \operatorname{rank}(A)$ functions
of the point. For $r \ne 0$ their gradients are linearly independent, also of that of $\lVert u\rVert^2$, which is one
more invariant of the equations of $(r, u)$.

They are all there are. Let $F$ be a continuously differentiable function of the point, $r \ne 0$. If

3. **for every y**: $F$ is constant along the flow for every $y$ in the range of $A$,

then near every point $F$ is a function of the $N - \operatorname{rank}(A)$ invariants.

Proof
-----
*They are conserved.* By {prf:ref}`thm-magnification`, $z' = \kappa L\, p \odot z^{L-1}$; for gradient flow this is its
definition, with $\kappa = 1$. The slope of $m_L$ is $z^{1-L}$, so the powers cancel: $\theta' = \kappa L\, p$. Now
$p = A^\top (y - A w)$, and $\langle v, p\rangle = \langle A v, y - A w\rangle = 0$.

*They are independent.* The slope of $m_L$ has no zero. In $\mathbb{R} \times \mathbb{R}^N$ the gradient of
$\langle v, \theta\rangle$ has the components $B_i v_i$ in $u_i$, with $B_i = z_i^{1-L} e^{c r^2/2} \ne 0$, and
$c\, r \sum_i B_i u_i v_i$ in $r$. If it is zero, then $v = 0$. If it is a multiple of the gradient of
$\lVert u\rVert^2$, then $B_i v_i = s\, u_i$ for all $i$, and its component in $r$, $c\, r\, s \lVert u\rVert^2$, is
zero: $s = 0$, and $v = 0$ again. For gradient flow the gradient in $x_i$ is $x_i^{1-L} v_i$.

*There are no others.* The point is a smooth function of $\theta$: $m_L$ is strictly monotone, and $z$ tells
$r^2 = \tfrac1c \log\lVert z\rVert^2$ and $u = z/\lVert z\rVert$ (at depth 1, next to points of either sign of $r$). So
$F$ is a function of $\theta$ on an open set, and it is conserved if and only if
$\langle\nabla F(\theta), p\rangle = 0$ at every point where $\kappa \ne 0$. Fix the point, hence $w$. As $y$ runs
through the range of $A$, so does $y - A w$, and $p = A^\top (y - A w)$ runs through
$A^\top A\, \mathbb{R}^N = \operatorname{row}(A)$: the whole of it. Hence $\nabla F(\theta) \in \ker A$ at every
$\theta$. On a ball around a point, $F$ is then constant on the sets $\theta + \operatorname{row}(A)$, which meet the
ball in convex sets. So it depends only on the part of $\theta$ in $\ker A$, whose coordinates are the invariants.

For one fixed $y$ there are more: near a point where it moves, any flow in $N$ dimensions has $N - 1$ invariants. But
these depend on $y$. What is stated is that none of them serves for all measurements.

Boundary
--------
- **Checked.** $\theta' = \kappa L\, p$ for every depth by computer algebra; the drift of the invariants along
  trajectories of both flows, on one instance in 40 digits; the rank of their gradients; the rank of all $\theta'$ at a
  point, over many $y$.
- **Assumed.** Nothing.
- **No run can test.** That no function $F$ is missing: a run sees the directions in which $\theta$ can move, not all
  functions. The proof does the rest.

Source
------
Derived here. That the flow has invariants which decide its bias is in {cite:t}`ChouRauhutWard2024`.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import sympy as sp
from mpmath import mp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon, polar_velocity
from companion.verification.symbolic import Depth, Derivation, L, Step, along, magnified, mirror, p, speed, tidy, x
from companion.verification.theorem import Certificate, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.geometry import mirror_map
from wnlib.flows.invariants import invariant_drift, invariants
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import ScheduledWeightNormFlow, WeightNormFlow
from wnlib.problem import Problem
from wnlib.rigorous import multiprecision
from wnlib.rigorous.instance import SMALL_INSTANCE
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory

TINY = 1e-30  # an imaginary step: its derivatives are exact to rounding


def derive(depth: Depth = L) -> Derivation:
    r"""$m_L(z)' = \kappa L\, p$, which is in row(A); and all of row(A) as y varies."""
    symbol = sp.Symbol("z_i", positive=True)
    slope = sp.simplify(sp.diff(mirror(symbol, depth), symbol))
    motion = sp.simplify(along(mirror(magnified(), depth), symbolic.polar_rates(depth)))
    target = speed(depth) * depth * p
    plain = along(mirror(x, depth), symbolic.plain_rates(depth))
    steps = (
        Step("The map", "m_L(z_i)", mirror(symbol, depth), "One component at a time."),
        Step(
            "Its slope",
            "m_L'(z_i)",
            slope,
            "Positive, so $m_L$ is strictly increasing: as a map of the open orthant it has a smooth inverse.",
        ),
        Step(
            "Chain rule",
            "m_L(z_i)'",
            tidy(slope * sp.Symbol(r"\kappa") * depth * p * symbol ** (depth - 1)),
            r"Slope times $z_i' = \kappa L p_i z_i^{L-1}$: the powers of $z_i$ cancel.",
        ),
        Step(
            "Residual",
            r"m_L(z_i)' - \kappa L p_i",
            symbolic.reduced(motion - target)[0],
            "With $z_i$ and $\\kappa$ written out in $r$ and $u_i$.",
        ),
    )
    return Derivation(steps, symbolic.reduced(motion - target, plain - depth * p) + _written_out(depth))


def _written_out(depth: Depth) -> tuple[sp.Expr, ...]:
    """With three components and one measurement: two invariants, and the motion that a change of y adds."""
    flow = symbolic.written_out(depth)
    theta = [mirror(z_i, depth) for z_i in flow.z]
    pairs = zip(flow.row, flow.row[1:], theta, theta[1:], strict=False)
    return symbolic.reduced(
        *(along(after * here - before * there, flow.rates) for before, after, here, there in pairs),
        *(
            sp.diff(along(theta_i, flow.rates), flow.y) - speed(depth) * depth * a_i
            for a_i, theta_i in zip(flow.row, theta, strict=True)
        ),
    )


def measure(case: Case, varies: bool = False, outside: bool = False, fixed: bool = False) -> Measurement:
    """The drift of the invariants along both flows; their number and the rank of their gradients; the reach of theta'.

    For the falsifiers: a ratio that `varies` in time, vectors `outside` the kernel, one y that is `fixed`.
    """
    n, rank, kernel = case.n, _rank(case.problem.A), _another(case) if outside else case.problem
    normalized, plain = _followed(case, _varying(case) if varies else case.flow), _followed(case, case.plain)
    drifts = [
        invariant_drift(case.flow, kernel, normalized.points).max(),
        invariant_drift(case.plain, kernel, plain.points).max(),
    ]
    counts = [invariants(case.flow, case.problem, case.start, case.scale).size, _rank(_gradients(case))]
    reach, off = _reach(case, fixed)
    return Measurement(
        np.array([*drifts, off, counts[0] / n, counts[1] / n, reach / n]),
        np.array([0, 0, 0, (n - rank) / n, (n - rank + 1) / n, rank / n]),
        scale=1.0,
    )


def wrong_invariants(case: Case, tuned: float = 1.0, plain: bool = False, deeper: int = 0) -> Measurement:
    """The drift of other formulas: a ratio that is `tuned` in z, x for z, the map of a `deeper` network."""
    flow: Flow = GradientFlow(case.depth) if plain else replace(case.flow, ratio=tuned * case.ratio)
    path = _followed(case, case.flow)
    points = replace(path.points, radius=np.abs(path.radius))  # at depth 1 it may turn negative
    return Measurement(invariant_drift(replace(flow, depth=case.depth + deeper), case.problem, points).max(), 0.0, 1.0)


def count_of_rows(case: Case) -> Measurement:
    """N - M for the number of invariants."""
    return Measurement(invariants(case.flow, case.problem, case.start, case.scale).size / case.n, 1 - case.m / case.n)


def certify(depth: int) -> tuple[Certificate, ...]:
    """The invariants along both flows, followed in multiple precision on a small instance until they nearly fit."""
    flows = {"weight normalization": WeightNormFlow(depth, 1.0), "gradient flow": GradientFlow(depth)}
    return tuple(
        Certificate("multiple precision", f"the invariants along {name}", _digits_kept(flow))
        for name, flow in flows.items()
    )


def _digits_kept(flow: Flow) -> float:
    states = multiprecision.taylor_path(flow, SMALL_INSTANCE, residual=1e-3, digits=43)
    return float(-mp.log10(multiprecision.invariant_drift(flow, SMALL_INSTANCE, states, digits=43)))


def _followed(case: Case, flow: Flow) -> Trajectory:
    t_end = horizon(case.plain if flow == case.plain else case.flow, case.problem, case.start)
    return integrate(flow, case.problem, case.start, t_end, rtol=1e-10, coordinates="primal")


def _varying(case: Case) -> WeightNormFlow:
    t_unit = horizon(case.flow, case.problem, case.start)
    return ScheduledWeightNormFlow(case.depth, case.ratio, angular_schedule=lambda t: 1 / (1 + t / t_unit))


def _another(case: Case) -> Problem:
    """Of the same shape, with another kernel."""
    return Problem.gaussian(case.m, case.n, case.sparsity, case.seed + 1)


def _rank(matrix: Array) -> int:
    return int(np.linalg.matrix_rank(matrix, rtol=1e-9))


def _gradients(case: Case) -> Array:
    r"""Of the invariants and of $\lVert u\rVert^2$, in r and every u_i at the start, shape (N - rank + 1, 1 + N)."""
    u = case.start.direction
    steps: Any = 1j * TINY * np.eye(1 + case.n)
    points = Polar(case.scale + steps[:, 0], case.start.log_direction + steps[:, 1:] / u, case.start.sign)
    found = invariants(case.flow, case.problem, points, case.scale).imag / TINY
    return np.vstack([found.T, np.append(0.0, 2 * u)])


def _reach(case: Case, fixed: bool) -> tuple[int, float]:
    """The rank of the velocities of theta at the start over many y, and their largest part outside row(A)."""
    velocities = np.array(list(_dual_velocities(case, fixed)))
    velocities /= np.linalg.norm(velocities, axis=1, keepdims=True)
    off = velocities - velocities @ case.problem.row_basis @ case.problem.row_basis.T
    return int(np.linalg.matrix_rank(velocities, rtol=1e-7)), float(np.abs(off).max())


def _dual_velocities(case: Case, fixed: bool) -> Iterator[Array]:
    mirror, rng, start = mirror_map(case.flow, case.scale), case.rng(), case.start
    for weights in rng.standard_normal((2 * case.n, case.n)):
        problem = case.problem if fixed else Problem(case.problem.A, case.problem.A @ weights, weights)
        radial, angular = polar_velocity(case.flow, problem, start)
        step: Any = 1j * TINY * np.append(radial, angular / start.direction)
        ahead = Polar(start.radius + step[0], start.log_direction + step[1:], start.sign)
        yield mirror.dual_variable(ahead).imag / TINY


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.invariants", "wnlib.invariant_drift", "wnlib.rigorous.multiprecision.invariant_drift"),
    tolerance=1e-8,
    ensemble=Ensemble(),
    derive=derive,
    symbolic=True,
    measure=measure,
    falsifiers=(
        Falsifier(1, "a ratio that falls in time", partial(measure, varies=True)),
        Falsifier(2, "the kernel of another matrix", partial(measure, outside=True)),
        Falsifier(3, "one $y$ alone", partial(measure, fixed=True)),
        Falsifier("formula", "$z$ with $1.01\\, c$ in place of $c$", partial(wrong_invariants, tuned=1.01)),
        Falsifier("formula", "$x$ in place of $z$", partial(wrong_invariants, plain=True)),
        Falsifier("formula", "$m_{L+1}$ in place of $m_L$", partial(wrong_invariants, deeper=1)),
        Falsifier(
            "formula",
            "$N - M$ invariants",
            count_of_rows,
            ensemble=Ensemble(matrices=("rank-deficient", "repeated rows", "duplicated columns")),
        ),
    ),
    uses=("magnification",),
    certify=certify,
    mutants=(
        "magnification squared",
        "a power of z more in the dual variable",
        "a power less in the drift",
        "the rows' basis without its first vector",
        "the direction left out of its velocity",
        "the radius left out of its velocity",
    ),
)
