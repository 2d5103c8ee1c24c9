r"""The mirror map

Both flows are mirror flows: their dual variable $m_L(z)$ is the gradient of a strictly convex potential of the weights,
and the Hessian of this potential is the inverse of the matrix that turns the force into a velocity.

Statement
---------
Let $L \ge 1$ and $w = (r u)^L$ with $r > 0$. Let $z = u\, e^{\sigma(r)}$, with $\sigma = c\, r^2/2$ for weight
normalization and $\sigma = \log r$ for gradient flow (so that $z = x$, and $\eta_u = 1/r^2$), and let
$\gamma = r\, \sigma'(r)$, which is $c\, r^2$ or $1$. If

1. **interior**: $u > 0$, or $L = 1$;
2. **on the sphere**: $\lVert u \rVert = 1$;
3. **matching rates**: $r^2\, \eta_u/\eta_r = \gamma$,

then, with $\rho(w) = \sum_i |w_i|^{2/L} = r^2$ and $S = \lVert w\rVert_1$, the potential

$$
\begin{aligned}
\Phi_L(w) &= \frac{L}{2(2-L)} \int_0^{\rho(w)} t^{(L-2)/2} e^{(2-L)\,\sigma(\sqrt t)}\, dt \qquad (L \ne 2), \\
\Phi_2(w) &= \frac12 \sum_i w_i \log w_i - \frac12 S \log S + \int_0^S \sigma(\sqrt t)\, dt
\end{aligned}
$$

satisfies

$$
\begin{aligned}
\nabla \Phi_L(w) &= m_L(z) =: \theta, \\
\nabla^2 \Phi_L(w) &= \frac{e^{(2-L)\sigma}}{L\, r^L}\, B^{-1} \bigl( I + (\gamma - 1)\, u u^\top \bigr) B^{-1},
  \qquad B = \operatorname{diag}(u^{L-1}), \\
\nabla^2 \Phi_L(w) &= \kappa L\, K(w)^{-1} \succ 0, \\
\nabla \Phi_L^*(\theta) &= w, \qquad
  \Phi_L^*(\theta) = \text{const} + \int^{r} s^L e^{(2-L)\sigma(s)}\, \sigma'(s)\, ds .
\end{aligned}
$$

Here $K(w)$ is the symmetric matrix for which the flow is $w' = K(w)\, p$, and $\kappa = \eta_u r^L e^{(2-L)\sigma}$. So
$\Phi_L$ is strictly convex, and $\theta' = \kappa L\, p$. The map $w \mapsto \theta$ is inverted by
$z = m_L^{-1}(\theta)$, $\sigma(r) = \log\lVert z\rVert$, $w = r^L (z/\lVert z\rVert)^L$; its range is $\theta < 0$ for
$L \ge 3$ and everything for $L \le 2$, less, with weight normalization, the points with $\lVert z\rVert \le 1$ (with
gradient flow at $L = 1$, less $\theta = 0$).

Written out, weight normalization has
$\Phi_1 = \int_0^{\lVert w\rVert} e^{c s^2/2} ds$,
$\Phi_2 = \frac12 \sum_i w_i \log w_i - \frac12 S\log S + \frac c4 S^2$, and for $L \ge 3$ an incomplete gamma
function of $\rho$. Gradient flow has $\frac12\lVert w\rVert^2$, $\frac12\sum_i (w_i \log w_i - w_i)$ and
$-\frac{L}{2(L-2)} \sum_i w_i^{2/L}$.

Proof
-----
*Gradient.* Since $\partial\rho/\partial w_i = \frac2L w_i^{2/L - 1} = \frac2L (r u_i)^{2-L}$, for $L \ne 2$

$$
\begin{aligned}
\frac{\partial\Phi_L}{\partial w_i} = \frac{L}{2(2-L)}\, r^{L-2} e^{(2-L)\sigma}\, \frac2L\, (r u_i)^{2-L}
  = \frac{(u_i e^{\sigma})^{2-L}}{2-L} = m_L(z_i).
\end{aligned}
$$

At $L = 1$ read $|w_i|$ for $w_i$ and put the sign back. For $L = 2$ the derivative is
$\frac12\log(w_i/S) + \sigma = \log(u_i e^\sigma)$, since $w_i/S = u_i^2$.

*Hessian.* From $\log z_i = \frac1L\log w_i - \log r + \sigma(r)$ and
$\partial \log r/\partial w_j = \frac1L u_j^2/w_j$,

$$
\begin{aligned}
\frac{\partial \theta_i}{\partial w_j} = z_i^{2-L}\, \frac{\partial\log z_i}{\partial w_j}
  = \frac{z_i^{2-L}}{L} \Bigl( \frac{\delta_{ij}}{w_i} + (\gamma - 1) \frac{u_j^2}{w_j} \Bigr),
\end{aligned}
$$

and with $w = r^L u^L$ this is the matrix of the statement. It is symmetric, as it must be.

*The metric.* With $\langle p, u^L\rangle$ from the equations of the flow and $\eta_r = \eta_u r^2/\gamma$,

$$
\begin{aligned}
\frac{w_i'}{w_i} &= L \Bigl( \frac{r'}{r} + \frac{u_i'}{u_i} \Bigr)
  = L^2 \eta_u r^L \Bigl( p_i u_i^{L-2} - \bigl(1 - \tfrac1\gamma\bigr) \langle p, u^L\rangle \Bigr), \\
K(w) &= L^2 \eta_u r^{2L}\, B \bigl( I - u u^\top + \tfrac1\gamma u u^\top \bigr) B .
\end{aligned}
$$

Since $P = u u^\top$ is a projection, $(I - P + \frac1\gamma P)(I - P + \gamma P) = I$, and so
$K(w)\, \nabla^2\Phi_L(w) = \kappa L\, I$. Then $\theta' = \nabla^2\Phi_L(w)\, w' = \kappa L\, p$.

*Convexity.* For any $h \ne 0$ let $a = B h$ and $b = B^{-1} h$. Both forms are sums of squares with positive weights:

$$
\begin{aligned}
\langle h, K h\rangle &= L^2 \eta_u r^{2L}
  \Bigl( \lVert a - \langle u, a\rangle u\rVert^2 + \tfrac1\gamma \langle u, a\rangle^2 \Bigr), \\
\langle h, \nabla^2\Phi_L\, h\rangle &= \frac{e^{(2-L)\sigma}}{L\, r^L}
  \Bigl( \lVert b - \langle u, b\rangle u\rVert^2 + \gamma\, \langle u, b\rangle^2 \Bigr) .
\end{aligned}
$$

The open orthant is convex, so a positive definite Hessian makes $\Phi_L$ strictly convex there. At $L = 1$ the
potential is $f(\lVert w\rVert)$ on all of $\mathbb{R}^N$, with $f$ increasing and strictly convex on $[0, \infty)$,
and hence strictly convex.

*Inverse and conjugate.* $m_L$ is increasing, so $\theta$ gives $z$, and $\lVert z\rVert = e^{\sigma(r)}$ with $\sigma$
increasing gives $r$, then $u = z/\lVert z\rVert$. By Fenchel, $\Phi_L^*(\theta) = \langle\theta, w\rangle - \Phi_L(w)$,
whose gradient is $w$. For $L \ne 2$ both terms depend on $r$ alone, as
$\langle\theta, w\rangle = r^L e^{(2-L)\sigma}/(2-L)$; for $L = 2$ the entropies cancel. In all cases
$d\Phi_L^* = r^L e^{(2-L)\sigma}\, d\sigma$. (A second way to see the gradient: $\sigma = \log\lVert z\rVert$ and
$\partial\log\lVert z\rVert/\partial\theta_i = z_i^L/\lVert z\rVert^2$, so
$\partial\Phi_L^*/\partial\theta_i = r^L \lVert z\rVert^{2-L} z_i^L/\lVert z\rVert^2 = w_i$.)

Boundary
--------
- **Checked.** Gradient, Hessian, metric, both sums of squares and the conjugate for symbolic depth, with one index
  standing for all, and the matrices for three components. In numbers, on points of the ensemble, for both flows:
  potential against gradient, integrated along each coordinate; the inverse map against the velocities of the code,
  these against $K$, and the conjugate against the weights, integrated along a segment of dual variables.
- **Assumed.** Nothing.
- **No run can test.** Nothing: the identities are algebraic. The numbers stay where $c\, r^2$ is not so small that the
  incomplete gamma function loses the digits of its differences.

Source
------
Derived here. Which reparametrized gradient flows are mirror flows is the subject of {cite:t}`AmidWarmuth2020` and
{cite:t}`Li2022`.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import together
from companion.verification.symbolic import Depth, Derivation, L, Step, along, c, eta_u, mirror, p, pull, r, reduced, u
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.geometry import MirrorMap, mirror_map
from wnlib.flows.metric import metric
from wnlib.flows.polar import Polar, polar_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.problem import Problem

NODES = 16
_points, _weights = np.polynomial.legendre.leggauss(NODES)
POINTS, WEIGHTS = 0.5 * (_points + 1), 0.5 * _weights  # of the quadrature on [0, 1], exact to rounding here


def derive(depth: Depth = L) -> Derivation:
    """Both flows at once: everything follows from the log-magnification."""
    normalized, plain = c * r**2 / 2, sp.log(r)
    residuals = [entry for sigma in (normalized, plain) for entry in _geometry(depth, sigma)]
    residuals += _squares()
    sigma, gamma = sp.Function("sigma")(r), sp.Symbol("gamma", positive=True)
    force = depth**2 * eta_u * r**depth * (p * u ** (depth - 2) - (1 - 1 / gamma) * pull)
    i, j = sp.symbols("u_i u_j", positive=True)
    entry = sp.exp((2 - depth) * sigma) / (depth * r**depth) * (gamma - 1) * (i * j) ** (2 - depth)
    steps = (
        Step("The dual variable", r"\theta_i", mirror(u * sp.exp(sigma), depth), "The gradient to be explained."),
        Step(
            "Slope of the radius",
            r"\frac{\partial\rho}{\partial w_i}",
            sp.Rational(2) / depth * (r * u) ** (2 - depth),
            r"$\rho = \sum_i w_i^{2/L}$ and $w_i = (r u_i)^L$. Times the integrand of $\Phi_L$, it is $\theta_i$.",
        ),
        Step(
            "Hessian off the diagonal",
            r"\frac{\partial\theta_i}{\partial w_j}",
            entry,
            r"Symmetric, so $\theta$ is a gradient. The diagonal has $u_i^{2-2L}$ more, in the same units.",
        ),
        Step(
            "Metric",
            r"w_i'/w_i",
            force,
            r"Chain rule, with $\eta_r = \eta_u r^2/\gamma$: a diagonal matrix and one of rank one.",
        ),
        Step(
            "Slope of the conjugate",
            r"\frac{d\Phi_L^*}{dr}",
            r**depth * sp.exp((2 - depth) * sigma) * sp.diff(sigma, r),
            r"$\Phi_L^* = \langle\theta, w\rangle - \Phi_L$ is a function of $r$, hence of $\lVert z\rVert$.",
        ),
    )
    return Derivation(steps, tuple(residuals))


def _geometry(depth: Depth, sigma: sp.Expr) -> tuple[sp.Expr, ...]:
    """Gradient, Hessian, metric, K times the Hessian for two components, and the conjugate, for one flow."""
    i, j = sp.symbols("x_i x_j", positive=True)
    gamma = sp.simplify(r * sp.diff(sigma, r))
    z, units = i * sp.exp(sigma) / r, sp.exp((2 - depth) * sigma) / (depth * r**depth)

    def by_weight(f: sp.Expr, x: sp.Symbol) -> sp.Expr:
        """The derivative by w = x^L of a function of the entries and of r = ||x||."""
        return (sp.diff(f, x) + x / r * sp.diff(f, r)) / (depth * x ** (depth - 1))

    if depth == 2:
        S, w = sp.symbols("S w_i", positive=True)
        entropy = w * sp.log(w) / 2 - S * sp.log(S) / 2
        slope = (sp.diff(entropy, w) + sp.diff(entropy, S)).subs({w: i**2, S: r**2}) + sigma
        pairing, potential_slope = r**2 * sigma, 2 * r * sigma
    else:
        integrand = sp.Integer(1) * depth / (2 * (2 - depth)) * r ** (depth - 2) * sp.exp((2 - depth) * sigma)
        slope = integrand * 2 * i / (depth * i ** (depth - 1))
        pairing, potential_slope = r**depth * sp.exp((2 - depth) * sigma) / (2 - depth), 2 * r * integrand
    mixed = units * (gamma - 1) * (i * j / r**2) ** (2 - depth)
    same = mixed.subs(j, i) + units * (i / r) ** (2 - 2 * depth)
    rates = symbolic.polar_rates(depth, eta_u * r**2 / gamma)
    motion = depth**2 * eta_u * r ** (2 * depth) * (u ** (2 * depth - 2) * p - (1 - 1 / gamma) * u**depth * pull)
    conjugate = sp.diff(pairing, r) - potential_slope - r**depth * sp.exp((2 - depth) * sigma) * sp.diff(sigma, r)
    return reduced(
        sp.simplify((slope - mirror(z, depth)) / z ** (2 - depth)),
        sp.simplify(by_weight(mirror(z, depth), j) / units - mixed / units),
        sp.simplify(by_weight(mirror(z, depth), i) / units - same / units),
        sp.simplify((along((r * u) ** depth, rates) - motion) / (eta_u * r ** (2 * depth))),
        sp.simplify(conjugate / (r ** (depth - 1) * sp.exp((2 - depth) * sigma))),
    )


def _squares(n: int = 3) -> tuple[sp.Expr, ...]:
    """K times the Hessian, and the two quadratic forms, with all sums over `n` components written out.

    Without the diagonal matrices and the units, which cancel; each residual is a multiple of 1 - ||u||^2, so divided.
    """
    gamma = sp.Symbol("gamma", positive=True)
    us, b = sp.Matrix(sp.symbols(f"u_1:{n + 1}")), sp.Matrix(sp.symbols(f"b_1:{n + 1}"))
    eye, P, norm = sp.eye(n), us * us.T, (us.T * us)[0]
    product = (eye - P + P / gamma) * (eye - P + gamma * P) - eye
    inner = (us.T * b)[0]
    found = list(product - (gamma + 1 / gamma - 2) * (1 - norm) * P)
    for weight in (gamma, 1 / gamma):
        form = (b.T * (eye + (weight - 1) * P) * b)[0]
        rest = b - inner * us
        found.append(form - (rest.T * rest)[0] - weight * inner**2 - (1 - norm) * inner**2)
    return tuple(sp.expand(entry) for entry in found)


def motion(flow: Flow, point: Polar, force: Array) -> Array:
    """w' (N,) by the code of the flow, where the given force acts."""
    weights = point.weights(flow.depth)
    target = weights + force
    rates = flow.velocity(Problem(np.eye(len(weights)), target, target))(0.0, flow.encode(point))
    if isinstance(flow, GradientFlow):
        return rates if flow.depth == 1 else flow.depth * weights * rates
    if flow.depth == 1:
        return np.asarray(rates[0] * point.direction + point.radius * rates[1:])
    return np.asarray(flow.depth * weights * (rates[0] + rates[1:]))


def on(norm: float, weights: Array, depth: int) -> Polar:
    """The points x = r u with these weights, for u of the given norm."""
    point = polar_of(weights, depth)
    return Polar(point.radius / norm, point.log_direction + np.log(norm), point.sign)


def bent(flow: Flow, point: Polar, power: int) -> Array:
    """K(w), or a K whose term of rank one has another `power` of gamma than -1."""
    gamma = flow.relative_rate(point.radius) * point.radius**2
    x = flow.depth * (point.radius * point.direction) ** (flow.depth - 1) * point.direction
    wrong = flow.angular_rate(point.radius) * point.radius**2 * (gamma**power - 1 / gamma)
    return metric(flow, point) + wrong * np.outer(x, x)


def measure(
    case: Case,
    ratio: float = 1.0,
    norm: float = 1.0,
    first: float = 1.0,
    slope: float = 1.0,
    curvature: float = 1.0,
    power: int = -1,
) -> Measurement:
    """Differences of potential, of weights and of the conjugate, against integrals of what the theorem says they are.

    For the falsifiers: a map for another `ratio`, u of another `norm`, a factor on the `first` weight; a factor on the
    `slope` or the `curvature` of the potential, another `power` of gamma in the metric.
    """
    weights = case.start.weights(case.depth) * np.where(np.arange(case.n) == 0, first, 1.0)
    normalized = WeightNormFlow(case.depth, ratio * case.ratio)
    pairs: tuple[tuple[Flow, MirrorMap], ...] = (
        (case.flow, mirror_map(normalized, case.scale)),
        (case.plain, mirror_map(case.plain, case.scale)),
    )
    parts = []
    for flow, map_ in pairs:
        start = on(norm, weights, case.depth)
        gamma = float(flow.relative_rate(start.radius) * start.radius**2)
        # Each entry in turn grows, but the magnification by no more than a factor of about e.
        growth = np.diag(weights) / (1 + gamma)
        slopes = map_.gradient(on(norm, weights + POINTS[:, None, None] * growth, case.depth))
        parts.append(
            Measurement(
                map_.potential(weights + growth) - map_.potential(weights),
                slope * np.einsum("k,kij,ij->i", WEIGHTS, slopes, growth),
            )
        )
        # A segment of dual variables, so short that it stays in the map's range.
        theta = map_.gradient(start)
        change = 0.3 * min(1.0, gamma) * case.rng().uniform(-1, 1, case.n) * (1 if case.depth == 2 else np.abs(theta))
        ends = theta + np.array([[0.0], [1.0]]) * change
        path = [map_.inverse(theta + s * change) for s in POINTS]
        unit = np.abs(weights).max() / np.abs(change).max()  # of the force: one that the weights do not drown
        moved = [motion(flow, point, unit * change) / (unit * map_.speed(point)) for point in path]
        told = [bent(flow, point, power) @ change / map_.speed(point) for point in path]
        before, after = map_.inverse(ends).weights(case.depth)
        paired = [point.weights(case.depth) @ change for point in path]
        parts += [
            Measurement(before, weights),
            Measurement(after - before, WEIGHTS @ moved / curvature),
            Measurement(moved, told),
            Measurement(np.diff(map_.conjugate(ends)), WEIGHTS @ paired),
        ]
    return together(*parts)


INTERIOR = Ensemble(depths=(2, 3, 4, 5, 6), ratios=(0.1, 100.0), scales=(0.5, 3.0))

THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.IDENTITY,
    about=("wnlib.mirror_map", "wnlib.MirrorMap", "wnlib.metric"),
    tolerance=1e-8,
    ensemble=replace(INTERIOR, depths=(1, *INTERIOR.depths)),
    derive=derive,
    uses=("magnification",),
    symbolic=True,
    measure=measure,
    falsifiers=(
        Falsifier(1, "$w_1 < 0$: no $z_1$", partial(measure, first=-1.0), ensemble=INTERIOR, undefined=True),
        Falsifier(2, r"$\lVert u\rVert = 1.2$", partial(measure, norm=1.2)),
        Falsifier(3, r"$r^2\eta_u/\eta_r = 1.1\,\gamma$", partial(measure, ratio=1 / 1.1)),
        Falsifier("formula", r"$\nabla\Phi_L = 2\, m_L(z)$", partial(measure, slope=2.0)),
        Falsifier("formula", r"$\nabla^2\Phi_L = 2 \kappa L\, K^{-1}$", partial(measure, curvature=2.0)),
        Falsifier("formula", r"$\gamma$ for $1/\gamma$ in $K$", partial(measure, power=1)),
    ),
    mutants=(
        "the exponent 2/L in polar coordinates",
        "signs lost in polar coordinates",
        "the pull added",
        "a power of z less in the dual variable",
        "twice the penalty on the mass",
        "a minus in the recurrence",
        "L for its square in the metric",
        "gamma for 1/gamma in the metric",
        "a power of u more in the metric",
        "half the power of r in the metric",
    ),
)
