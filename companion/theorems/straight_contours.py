r"""Contours are straight

All limits from one direction lie on one curve, and the starts that lead to one of its points lie on a straight line:
the squared radius is an affine function of the inverse ratio. So the contours of the excess are straight lines.

Statement
---------
Let $L \ge 2$, $y \ne 0$, let some interpolant be $\ge 0$, and $u_0 > 0$ a direction. For $\alpha > 0$ let $w_\alpha$ be
where gradient flow from $x(0) = \alpha u_0$ ends, $r_\alpha^2 = \rho(w_\alpha)$. Let weight-normalized gradient flow of
the ratio $c$ start from $w_0 = (r_0 v_0)^L$. If

1. **same direction**: $v_0 = u_0$;
2. **no collapse**: $r(t)$ does not tend to $0$,

then it ends at $w_\alpha$ if

$$
\begin{aligned}
r_0^2 &= f_c(\alpha) = r_\alpha^2 + \frac1c \log \frac{\alpha^2}{r_\alpha^2},
\end{aligned}
$$

and at some $w_\alpha$ with this property always. $f_c$ grows where it is positive. With $\chi = u_0^{2-L}$,
$\langle\chi, w_\alpha\rangle$ and $r_\alpha$ do not decrease as $\alpha$ grows. So the limits with $\langle\chi,
w_\infty\rangle \le b$ are those from the starts with $r_0^2 \le f_c(\alpha_b)$, where $\alpha_b$ is the largest
$\alpha$ with $\langle\chi, w_\alpha\rangle \le b$. It does not depend on $c$: this contour is a straight line in $1/c$,
which meets $1/c = 0$ at $r_{\alpha_b}^2$.

Proof
-----
By {prf:ref}`thm-convergence` either flow ends at the only minimiser of $D_\Phi(\cdot, w_0)$ over the interpolants $\ge
0$. Leave out the entries in which all of these vanish: by {prf:ref}`thm-positive_limits` the minimiser is positive in
the others, and since $\Phi$ is convex it is the only interpolant with $m_L(z_\infty) - m_L(z_0) \in
\operatorname{row}(A)$, $z = u e^{\sigma(r)} = x\, e^{\sigma(r)}/r$. As $m_L(e^a x) = e^{(2-L) a} m_L(x)$ for $L \ge 3$,
and $m_2(e^a x) = a + m_2(x)$, this says that

$$
\begin{aligned}
m_L(x_\infty) - m_L(\alpha u_0) &\in \operatorname{row}(A),
  & \log \alpha &= \log r_\infty + \sigma(r_0) - \sigma(r_\infty) .
\end{aligned}
$$

For gradient flow $\sigma = \log$ and $\alpha = r_0$. For weight normalization $\sigma = c r^2/2$: it ends at $w_\alpha$
with this $\alpha$, which is the equation for $r_0^2$; and if the equation holds for some $\alpha$, then $w_\alpha$ has
the property that its limit alone has.

*One end for each start.* If $f_c(\alpha) = f_c(\alpha') = r_0^2 > 0$, then $w_\alpha$ and $w_{\alpha'}$ are both the
minimiser for the start $r_0 u_0$, hence equal, and so are $r_\alpha = r_{\alpha'}$ and $\alpha = \alpha'$. $f_c$ is
continuous, as minimisers are that are unique, and tends to $\infty$ with $\alpha$, as $r^2 - \tfrac1c \log r^2$ is
bounded from below. Being injective where it is positive, it is so on one interval without an upper end, and grows
there.

*Order.* $w_\alpha$ minimises $G - \beta \rho$ over the interpolants, with

$$
\begin{aligned}
G(w) &= \sum_i w_i \log \frac{w_i}{u_{0,i}^2} - w_i, & \beta &= \log \alpha^2 && (L = 2), \\
G(w) &= \langle\chi, w\rangle, & \beta &= \tfrac L2 \alpha^{L-2} && (L \ge 3) .
\end{aligned}
$$

Add the two inequalities that say which of two minimisers is better for its own $\beta$: $\rho(w_\alpha)$ does not
decrease as $\beta$ grows. For $L = 2$, $\rho = \langle\chi, w\rangle$. For $L \ge 3$, $\beta > 0$, and the inequality
for the smaller $\beta$ says that $G$ does not decrease either. Together with the growth of $f_c$ this is the last
claim.

Boundary
--------
- **Checked.** How $m_L$ scales, and that the slopes of $G - \beta\rho$ are those of gradient flow, by computer algebra.
  Weight normalization, followed from two starts on the line of one limit of gradient flow, ends there; from starts on
  either side of the line it ends at more and at less $\langle\chi, w\rangle$. Some large starts of a small ratio
  collapse, and are left out.
- **Assumed.** Nothing beyond {prf:ref}`thm-convergence`.
- **No run can test.** That a flow does not collapse, see {prf:ref}`thm-collapse_barrier`: runs end.

Source
------
Derived here.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import sympy as sp
from scipy.optimize import brentq

from companion.verification import symbolic
from companion.verification.cases import tilted
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import together, until_fitted
from companion.verification.symbolic import Depth, Derivation, L, Step, mirror
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import GradientFlow
from wnlib.flows.polar import radius_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.end_point import Limit
from wnlib.limits.limit import limit
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate

SHARES = 0.3, 0.9  # of the limit's squared radius in that of a start, or the inverse where alpha is larger
ASIDE = 1.02  # the radius of a start beside the line, in units of the one on it
COLLAPSED = 1e-3  # of the radius of a start, at the end of a flow that does not fit
ROUNDING = 1e-6  # of a mass that is the same for all interpolants, where a flow is stopped


def derive(depth: Depth = L) -> Derivation:
    """What remains of the conditions when z is x, up to a factor; the slopes of what gradient flow minimises."""
    a, x, alpha, u_0, w = sp.symbols(r"a x \alpha u_{0} w", positive=True)
    r, r_0, c = sp.symbols(r"r_\infty r_0 c", positive=True)
    moved = a + mirror(x, depth) if depth == 2 else sp.exp((2 - depth) * a) * mirror(x, depth)
    if depth == 2:
        G, beta, k = w * sp.log(w / u_0**2) - w, sp.log(alpha**2), sp.Rational(1, 2)
    else:
        G, beta, k = u_0 ** (2 - depth) * w, depth / sp.S(2) * alpha ** (depth - 2), alpha ** (2 - depth) / (depth - 2)
    slope = k * sp.diff(G - beta * w ** (2 / sp.S(depth)), w)
    told = mirror(w ** (1 / sp.S(depth)), depth) - mirror(alpha * u_0, depth)
    log_alpha = sp.log(r) + c * (r_0**2 - r**2) / 2
    line = sp.solve(sp.Eq(sp.log(alpha), log_alpha), r_0**2)[0]
    steps = (
        Step("A factor", "m_L(e^a x)", moved, "Put $e^a = e^{\\sigma(r)}/r$."),
        Step("The scale", r"\log\alpha", log_alpha, r"$\sigma = c r^2/2$, at the start and at the limit."),
        Step("The start", "r_0^2", sp.expand(line), r"Solved: affine in $1/c$, with $r_\infty = r_\alpha$."),
        Step(
            "Gradient flow", r"k\, \tfrac{\partial}{\partial w} (G - \beta\rho)", told, "For some $k > 0$; one entry."
        ),
    )
    residuals = (
        sp.expand_log(sp.expand_power_base(mirror(sp.exp(a) * x, depth) - moved, force=True), force=True),
        sp.expand_log(sp.expand_power_base(sp.expand(slope - told), force=True), force=True),
        line - r**2 - sp.log(alpha**2 / r**2).expand(log=True, force=True) / c,
    )
    return Derivation(steps, symbolic.reduced(*residuals))


def dense(case: Case) -> Problem:
    """Measurements of dense weights, so that flows reach their limits at a rate."""
    truth = case.rng().uniform(0.5, 1.5, case.n)
    return Problem(case.problem.A, case.problem.A @ truth, truth)


def starts_of(case: Case, problem: Problem, end: Limit, other: float = 1.0) -> Iterator[tuple[WeightNormFlow, float]]:
    r"""Flows, with the radii of their starts on the line of a limit of gradient flow.

    For the falsifiers: `other` times $1/c$ in the equation.
    """
    square, gain = end.radius**2, 2 * (np.log(end.radius) - end.log_scale)
    for share in SHARES if gain > 0 else 1 / np.array(SHARES):
        yield WeightNormFlow(case.depth, float(other * gain / (square * (1 - share)))), float(np.sqrt(share * square))


def beside(end: Limit, flow: WeightNormFlow, radius: float) -> int:
    r"""How many of two starts, one on either side of the line, lead to a $\langle\chi, w\rangle$ on the wrong one."""
    u_0, wrong = end.start.direction, 0
    chi = (u_0 / u_0.max()) ** (2 - flow.depth)
    for times, sign in ((ASIDE, 1), (1 / ASIDE, -1)):
        path = until_fitted(flow, end.problem, flow.start(len(u_0), times * radius, u_0))
        beyond = sign * (chi @ (path.weights[-1] - end.weights)) > -ROUNDING * (chi @ end.weights)
        wrong += not beyond and path.radius[-1] > COLLAPSED * radius
    return wrong


def measure(case: Case, direction: Callable[[Case], Array] | None = None, other: float = 1.0) -> Measurement:
    r"""Ends of weight normalization from starts on one line, against gradient flow's; limits on either side of it.

    For the falsifiers: another `direction` of these starts, `other` times $1/c$ in the equation.
    """
    problem = dense(case)
    scale = case.scale ** (-1) ** case.seed * float(radius_of(np.asarray(problem.truth), case.depth))
    end = limit(case.plain, problem, case.plain.start(case.n, scale, case.direction))
    parts = list[Measurement]()
    for flow, radius in starts_of(case, problem, end, other):
        start = flow.start(case.n, radius, case.direction if direction is None else direction(case))
        path = until_fitted(flow, problem, start)
        if path.radius[-1] > COLLAPSED * radius:  # else nothing is claimed
            parts.append(Measurement(path.weights[-1], end.weights))
    wrong = beside(end, flow, radius) if direction is None and other == 1 else 0
    return together(*parts, Measurement(wrong, 0.0, scale=1.0))


def collapsing(case: Case) -> Measurement:
    r"""Where a small start against the data ends, and the $w_\alpha$ of its equation; two weights of opposite pull."""
    problem, u_0 = Problem(np.array([[1.0, -1.0]]), np.ones(1)), np.array([1.0, 2.0])
    plain, flow, radius = GradientFlow(case.depth), WeightNormFlow(case.depth, 1.0), 0.05 * case.scale

    def end(log_alpha: float) -> Limit:
        return limit(plain, problem, plain.start(2, float(np.exp(log_alpha)), u_0))

    def over(log_alpha: float) -> float:
        square = end(log_alpha).radius ** 2
        return square + (2 * log_alpha - np.log(square)) / flow.ratio - radius**2

    path = integrate(flow, problem, flow.start(2, radius, u_0), 1e12, rtol=1e-8)
    return Measurement(path.weights[-1], end(brentq(over, -20, 5)).weights)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.limit", "wnlib.integrate"),
    tolerance=1e-5,
    ensemble=Ensemble(
        depths=(2, 3, 4),
        scales=(0.2, 0.7),
        columns=(4, 8),
        matrices=("gaussian", "rademacher", "cosine", "rank-deficient", "duplicated columns", "repeated rows"),
    ),
    derive=derive,
    symbolic=True,
    measure=measure,
    uses=("convergence", "positive_limits"),
    falsifiers=(
        Falsifier(1, "starts from 1 to 4 over the entries", partial(measure, direction=tilted)),
        Falsifier(2, "a small start against the data", collapsing, ensemble=Ensemble(depths=(2, 3))),
        Falsifier("formula", r"$\tfrac{2}{c}$ for $\tfrac1c$", partial(measure, other=2.0)),
    ),
    mutants=(
        "a far smaller start in the plain mismatch",
        "1 - L for 2 - L on the curve",
        "no L in the chart's radius",
        "a power of r more in the chart's radius",
    ),
)
