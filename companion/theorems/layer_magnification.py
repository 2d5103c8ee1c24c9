r"""Layers are magnified alike

With a sphere for each layer, all layers are magnified alike, and the differences between their directions fade as the
inverse square of the magnification.

Statement
---------
Let $L \ge 2$ and $w = x^{(1)} \odot \dots \odot x^{(L)}$ with $x^{(k)} = r_k u^{(k)}$, entries of any sign, and
$f^{(k)} = p \odot \bigodot_{j \ne k} x^{(j)}$. Let every layer move by weight normalization of its own,

$$
\begin{aligned}
r_k' &= \eta_r \bigl\langle f^{(k)}, u^{(k)} \bigr\rangle, &
\left(u^{(k)}\right)' &= \eta_u r_k \bigl( f^{(k)} - \bigl\langle f^{(k)}, u^{(k)} \bigr\rangle\, u^{(k)} \bigr).
\end{aligned}
$$

A radius may change its sign. If

1. **own spheres**: $\lVert u^{(k)} \rVert = 1$ for every $k$;
2. **equal rates**: all layers have the same $\eta_r$ and $\eta_u$;
3. **constant ratio**: $c = \eta_u/\eta_r$ does not depend on time,

then all $r_k^2$ grow by the same amount, and with $\log M_t = \tfrac c2 (r_k^2 - r_k(0)^2)$ the magnified layers
$z^{(k)} = M_t u^{(k)}$, of norm $M_t$, move by

$$
\begin{aligned}
\left(z^{(k)}\right)' &= \kappa\, p \odot \bigodot_{j \ne k} z^{(j)}, &
\kappa &= \eta_u M_t^{2-L} \prod_j r_j .
\end{aligned}
$$

This is the vector field of gradient flow, $(x^{(k)})' = f^{(k)}$, with a force taken at $w$, up to a change of time as
long as no radius changes its sign. And always $(z^{(k)})^2 - (z^{(j)})^2$ is constant, so that

$$
\begin{aligned}
\left(u^{(k)}\right)^2 - \left(u^{(j)}\right)^2
  &= M_t^{-2} \Bigl( \left(u^{(k)}(0)\right)^2 - \left(u^{(j)}(0)\right)^2 \Bigr), &
\bigl\lVert |u^{(k)}| - |u^{(j)}| \bigr\rVert &\le \frac{\sqrt 2}{M_t} .
\end{aligned}
$$

Gradient flow keeps $r_k^2 - r_j^2$ and $(x^{(k)})^2 - (x^{(j)})^2$ for ever.

Proof
-----
As $\langle f^{(k)}, x^{(k)}\rangle = \langle p, w\rangle$, $r_k r_k' = \eta_r \langle p, w\rangle$ is the same for all
layers, and $M_t' = c\, \eta_r \langle p, w\rangle\, M_t$. By the product rule, with $c\,\eta_r = \eta_u$,

$$
\begin{aligned}
\left(z^{(k)}\right)' &= M_t \eta_u \bigl( r_k f^{(k)} - \langle p, w\rangle\, u^{(k)} \bigr)
  + \eta_u \langle p, w\rangle\, M_t u^{(k)} = M_t \eta_u r_k\, f^{(k)} .
\end{aligned}
$$

The norm of $u^{(k)}$ stays 1, as $\langle u^{(k)}, (u^{(k)})'\rangle = \eta_u \langle p, w\rangle\, (1 - \lVert
u^{(k)}\rVert^2)$. Write $x^{(j)} = r_j z^{(j)}/M_t$ in $f^{(k)}$: there are $L - 1$ factors $M_t^{-1}$. Then $\bigl(
(z^{(k)})^2 \bigr)' = 2 \kappa\, p \odot \bigodot_j z^{(j)}$ does not depend on $k$. Divide by $M_t^2$. For two numbers
$(|a| - |b|)^2 \le |a^2 - b^2|$, and the entries of $|(u^{(k)}(0))^2 - (u^{(j)}(0))^2|$ add up to 2 at most. For
gradient flow $\bigl( (x^{(k)})^2 \bigr)' = 2 p \odot w$; add up the entries for the radii.

Boundary
--------
- **Checked.** The product rule and $\kappa$ for every depth by computer algebra; the code's fields of both flows, entry
  by entry; both flows followed through zeros of factors and weights: their radii and squares, and the last bound.
- **Assumed.** Nothing.
- **No run can test.** Nothing: the identities are algebraic.

Source
------
Derived here. That gradient flow on products keeps the differences of squares is well known.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.layers import joined, layered
from companion.verification.measuring import together
from companion.verification.symbolic import Depth, Derivation, Step, c, eta_u, p
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.models.layered import LayeredTrajectory, encode, integrate_layered, layered_field, slopes
from wnlib.problem import Problem

END, FITTED, RTOL = 1e4, 0.03, 1e-8


def derive(depth: Depth) -> Derivation:
    """One entry of a magnified layer, by the product rule, and its square."""
    depth = check.integer("depth", depth, least=2)
    radii = sp.symbols([f"r_{k}" for k in range(1, depth + 1)], positive=True)
    u = sp.symbols([f"u^{{({k})}}_i" for k in range(1, depth + 1)], real=True)
    M, pull = sp.Symbol("M_t", positive=True), sp.Symbol(r"{\langle p, w\rangle}", real=True)
    z = [M * entry for entry in u]
    motions = []
    for k in range(depth):
        g = p * sp.Mul(*(radii[j] * u[j] for j in range(depth) if j != k))
        turning = eta_u * radii[k] * (g - pull / radii[k] * u[k])
        motions.append(sp.expand(M * turning + eta_u * pull * M * u[k]))
    kappa = eta_u * M ** (2 - depth) * sp.Mul(*radii)
    fields = [kappa * p * sp.Mul(*(z[j] for j in range(depth) if j != k)) for k in range(depth)]
    growths = [c * radii[k] * (eta_u / c) * pull / radii[k] for k in range(depth)]  # of log M, by layer k
    squares = [sp.expand(2 * entry * motion) for entry, motion in zip(z, motions, strict=True)]
    steps = (
        Step("A radius", r"(\log M_t)'", growths[0], r"$\langle f^{(1)}, u^{(1)}\rangle = \langle p, w\rangle / r_1$."),
        Step("A magnified layer", r"\left(z^{(1)}_i\right)'", motions[0], "The product rule; the pulls cancel."),
        Step("The speed", r"\kappa", kappa, r"Write $u^{(j)} = z^{(j)}/M_t$."),
        Step("Its square", r"\left( \bigl(z^{(1)}_i\bigr)^2 \right)'", squares[0], "The same for all layers."),
    )
    alike = [one - squares[0] for one in squares[1:]] + [one - growths[0] for one in growths[1:]]
    differences = [motion - field for motion, field in zip(motions, fields, strict=True)]
    return Derivation(steps, symbolic.reduced(*differences, *alike))


def measure(
    case: Case,
    norm: float = 1.0,
    lead: float = 1.0,
    drift: float = 0.0,
    doubling: bool = False,
    faster: float = 1.0,
    power: int = 2,
) -> Measurement:
    r"""The motion of log M by each layer, that of all z, and what followed flows keep.

    For the falsifiers: u of another `norm`; a first layer whose rates `lead`; a ratio that moves by `drift`, or is
    `doubling` on the way; M magnified `faster` by a factor in its exponent; another `power` of M.
    """
    flow, problem, x = layered(case)
    paths = [integrate_layered(each, problem, x, END, FITTED, RTOL) for each in (flow, case.plain)]
    if doubling:
        faster_flow = WeightNormFlow(flow.depth, 2 * flow.ratio)
        paths[0] = joined(paths[0], integrate_layered(faster_flow, problem, paths[0].factors[-1], END, 1e-3, RTOL))
    return together(
        *_motion(flow, problem, x, norm, lead, drift, faster),
        *_kept(paths[0], flow.ratio, power),
        *_plain(paths[1]),
    )


def _motion(
    flow: WeightNormFlow, problem: Problem, x: Array, norm: float, lead: float, drift: float, faster: float
) -> tuple[Measurement, ...]:
    r"""$(\log M_t)'$ by each radius and each norm of z, against $\eta_u \langle p, w\rangle$; $z'$ against its field.

    The start is where $r_k^2$ was smaller by 1/c.
    """
    L, c, r = flow.depth, flow.ratio, np.linalg.norm(x, axis=1, keepdims=True)
    u = norm * x / r
    weights = (r * u).prod(axis=0)
    p, g = problem.A.T @ problem.residual(weights), slopes(problem, r * u)
    if norm == 1:
        velocity = layered_field(flow, problem)(0.0, encode(flow, x))
        growing, turning = velocity[:L, None], velocity[L:].reshape(x.shape)
    else:
        growing = np.sum(g * u, axis=1, keepdims=True)
        turning = c * r * (g - growing * u)
    rates, M = np.where(np.arange(L) == 0, lead, 1.0)[:, None], np.exp(faster / 2)
    growth, turning = faster * rates * c * r * growing + drift / (2 * c), rates * turning
    z, kappa = M * u, c * M ** (2 - L) * r.prod()
    field = kappa * np.array([p * np.delete(z, k, axis=0).prod(axis=0) for k in range(L)])
    pulls = c * np.abs(p * weights).sum()  # what the pull is, if nothing cancels
    motion = M * (turning + growth * u)
    of_norms = np.sum(z * motion, axis=1) / np.sum(z**2, axis=1)
    return (
        Measurement(growth, c * p @ weights, scale=pulls),
        Measurement(of_norms, c * p @ weights, scale=pulls),
        Measurement(motion, field),
    )


def _kept(path: LayeredTrajectory, ratio: float, power: int) -> tuple[Measurement, ...]:
    """The growth of all r^2, the differences of squares, and by how much the last bound is exceeded."""
    gains, u = path.radii**2 - path.radii[0] ** 2, path.directions
    M = np.exp(ratio / 2 * gains[:, :1])
    apart = np.array([_differences(each**2) for each in u])
    distances = np.linalg.norm(np.diff(np.abs(u), axis=1), axis=2)
    return (
        Measurement(gains - gains[:, :1], 0.0, scale=float(np.abs(path.radii**2).max())),
        Measurement(apart, M ** float(-power) * apart[0]),
        Measurement(np.maximum(distances - np.sqrt(2) / M, 0.0), 0.0, scale=1.0),
    )


def _plain(path: LayeredTrajectory) -> tuple[Measurement, ...]:
    """The differences of the squares of all factors and radii."""
    return tuple(
        Measurement(apart, apart[:1])
        for squares in (path.factors**2, path.radii**2)
        for apart in [np.array([_differences(each) for each in squares])]
    )


def _differences(squares: Array) -> Array:
    """Of each layer's and the first's."""
    return (squares[1:] - squares[0]).ravel()


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.integrate_layered", "wnlib.LayeredTrajectory"),
    tolerance=1e-5,
    ensemble=Ensemble(depths=(2, 3, 4, 5), ratios=(0.5, 4), scales=(0.6, 1.4), columns=(3, 8)),
    derive=derive,
    measure=measure,
    falsifiers=(
        Falsifier(1, r"$\lVert u^{(k)}\rVert = 1.2$", partial(measure, norm=1.2)),
        Falsifier(2, "the first layer faster by a tenth", partial(measure, lead=1.1)),
        Falsifier(3, "$c' = 1$: a ratio that grows", partial(measure, drift=1.0)),
        Falsifier(3, "a ratio that doubles on the way", partial(measure, doubling=True)),
        Falsifier("formula", "$e^{c r^2}$ in place of $e^{c r^2/2}$", partial(measure, faster=2.0)),
        Falsifier("formula", "$M_t^{-1}$ in place of $M_t^{-2}$", partial(measure, power=1)),
    ),
    mutants=(
        "all factors in the slopes of the layers",
        "the residual of the sum of the layers",
        "no radius in the turning of a layer",
        "half the pull in the turning of a layer",
    ),
)
