r"""The effective start

Long steps and minibatches change nothing but the start: a descent ends exactly where its flow ends from another one,
which its steps tell. Of gradient descent, every entry of it is smaller.

Statement
---------
Let $L \ge 2$ and let $j$ count the steps of gradient descent, of polar descent, or of descent in Salimans-Kingma
coordinates, of any lengths, each on all rows or on some, from $x_0 = r_0 u_0 > 0$ through the orthant to $w_J$. Let
$V_j = x_j$ for gradient descent. For the others let $V_j$ and $b_j < 1$ be those of
{prf:ref}`thm-discrete_magnification`, and $c_j$ the ratio of a step, $1/\lVert v_j\rVert^2$ in $(g, v)$; $c = c_0$.
With $\varepsilon_j = V_{j+1}/V_j - 1$ and $f_L$ from there, let

$$
\begin{aligned}
T &= \sum_{j<J} (V_0/V_j)^{L-2} \odot f_L(\varepsilon_j), &
\delta &= \tfrac{1}{L-2} \log\bigl( 1 + (L-2)\, T \bigr), &
\beta &= \tfrac c2 (r_J^2 - r_0^2) - \log \frac{\lVert V_J\rVert}{\lVert V_0\rVert},
\end{aligned}
$$

where $\delta = T$ at $L = 2$ and $\beta = 0$ for gradient descent. The *effective start* has the magnified coordinates
$\hat z = z_0 \odot e^{\beta - \delta}$: it is $\hat x = x_0 \odot e^{-\delta}$ for gradient descent, and else

$$
\begin{aligned}
\hat u &= \frac{u_0 \odot e^{-\delta}}{\lVert u_0 \odot e^{-\delta}\rVert}, &
\hat r^2 &= r_0^2 + \tfrac2c \bigl( \beta + \log \lVert u_0 \odot e^{-\delta}\rVert \bigr) > 0 .
\end{aligned}
$$

If

1. **gradient steps**: the coordinates move by the method's steps and by nothing else;
2. **its own data**: $y$ is replaced by $A w_J$, which is $y$ where $w_J$ interpolates;
3. **from the effective start**: the flow of the method, of ratio $c$, starts there, and does not collapse,

then the flow ends at $w_J$. Always $\delta \ge 0$, and $\delta_i = 0$ only if no step moves the entry $i$ of $V$. If
$\varepsilon_j = O(h)$ in $O(1/h)$ steps, then up to $O(h^2)$

$$
\begin{aligned}
T &= \frac{L-1}2 \sum_j (V_0/V_j)^{L-2} \odot \varepsilon_j^2, &
\beta &= -\frac12 \sum_j \Bigl( \langle u_j^2, \varepsilon_j^2\rangle
  - \frac{\langle u_j^2, \varepsilon_j\rangle^2}{c_j r_j^2} \Bigr) + \sum_j (c - c_j)\, r_j\, (r_{j+1} - r_j) .
\end{aligned}
$$

The first sum of $\beta$ is not negative while $c_j r_j^2 \ge 1$. The second is zero in polar descent.

Proof
-----
*Exactly.* As $V_j^{2-L} \odot \varepsilon_j = \hat h_j L\, p_j \in \operatorname{row}(A)$ in every step, $m_L(V_J) -
m_L(V_0) + V_0^{2-L} \odot T \in \operatorname{row}(A)$: this is {prf:ref}`thm-discrete_magnification`, whose proof
holds for gradient descent with $V = x$. Now $m_L(V_0) - V_0^{2-L} \odot T = m_L(V_0 \odot e^{-\delta})$. Let $z_J$ be
the magnified coordinates of the end, $x_J$ for gradient descent and $u_J e^{c r_J^2/2}$ else. By the definition of
$\beta$ they are a multiple of $V_J$, and $\hat z$ is the same multiple of $V_0 \odot e^{-\delta}$. Multiply by its
power $2 - L$ (at $L = 2$, add its logarithm): $m_L(z_J) - m_L(\hat z) \in \operatorname{row}(A)$. So $w_J$ is a
stationary point of $D_\Phi(w, \hat w)$ on the interpolants of its own data, which has only one, and there the flow from
$\hat z$ ends by {prf:ref}`thm-implicit_bias`. In $(r, u)$ the logarithms of $\hat z$ have $\tfrac c2 \hat r^2 = \log
\lVert\hat z\rVert$, which is $\tfrac c2 r_0^2 + \beta + \log\lVert u_0 \odot e^{-\delta}\rVert$.

*The signs.* $f_L$ is strictly convex, with $f_L(0) = f_L'(0) = 0$ and $f_L''(0) = L - 1$.

*The gain.* Let $e = \eta L\, r^L\, p \odot u^{L-2}/\lVert v\rVert^2$, so that $b = \langle u^2, e\rangle$ and
$\varepsilon = e/(1 - b)$. The step of $u$ before its normalization, $u \odot (e - b)$, is orthogonal to $u$ and has
the squared norm $\langle u^2, e^2\rangle - b^2$. So $\log\lVert V\rVert$ gains $\tfrac12 \log(1 + \langle u^2,
e^2\rangle - b^2) - \log(1 - b)$, while $\tfrac{c_j}2 r^2$ gains $b + \tfrac{b^2}{2 c_j r^2}$, and $\tfrac c2 r^2$
moreover $(c - c_j)\, r\, \Delta r$ up to a term of order $(c - c_j)\, h^2 = O(h^3)$. Expand. By Jensen's inequality
$b^2 \le \langle u^2, e^2\rangle$, as $\sum_i u_i^2 = 1$.

Boundary
--------
- **Checked.** The start, and the expansions, by computer algebra; ends of descents of steps so long that the loss
  falls by a good part in each, by all three methods, on all rows and on minibatches, against computed limits; that
  $\delta \ge 0$ for gradient descent.
- **Assumed.** Nothing.
- **No run can test.** Nothing: the identity is algebraic and holds for steps of any length.

Source
------
Derived here, for all depths and for weight normalization. For diagonal linear networks {cite:t}`Pesme2021` characterise
the solution that the stochastic gradient flow chooses, and {cite:t}`Even2023` those of gradient descent and of its
stochastic form with steps of positive length.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import together
from companion.verification.symbolic import Depth, Derivation, L, Step, mirror
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.descent import Descent, GradientDescent, PolarDescent, SalimansKingmaDescent, descend, effective_start
from wnlib.flows.flow import Flow
from wnlib.flows.polar import Polar, log_norm
from wnlib.limits.limit import limit
from wnlib.problem import Problem

STEPS = 24
TURN = 0.06  # the largest relative change of an entry of u, or of r, in the first step


def derive(depth: Depth = L) -> Derivation:
    """The start in magnified coordinates, the tilt and the gain to second order."""
    V, delta, sigma, h = sp.symbols(r"V_0 \delta_i \sigma h", positive=True)
    eps, b, k = sp.symbols(r"\varepsilon b k", real=True)
    square = sp.Symbol(r"{\langle u^2, e^2\rangle}", positive=True)
    T = delta if depth == 2 else (sp.exp((depth - 2) * delta) - 1) / (depth - 2)
    tilted = mirror(V, depth) - V ** (2 - depth) * T
    scaled = mirror(sigma * V, depth) - (sp.log(sigma) if depth == 2 else 0)
    unscaled = mirror(V, depth) * (1 if depth == 2 else sigma ** (2 - depth))
    f = eps + mirror(sp.S.One, depth) - mirror(1 + eps, depth)
    gain = h * b + (h * b) ** 2 / (2 * k) + sp.log(1 - h * b) - sp.log(1 + h**2 * (square - b**2)) / 2
    second = sp.simplify(sp.diff(gain, h, 2).subs(h, 0) / 2)
    expected = -(square - b**2 / k) / 2
    steps = (
        Step("The tilt", "T_i", T, r"The definition of $\delta$, solved for $T$."),
        Step("Taken from the start", r"m_L(V_0 e^{-\delta_i})", tilted, r"$m_L(V_0) - V_0^{2-L}\, T_i$."),
        Step("The tilt to second order", "f_L''(0)", sp.simplify(sp.diff(f, eps, 2).subs(eps, 0)), "Not negative."),
        Step(
            "The gain of a step",
            r"\Delta\beta",
            second,
            r"To second order, at a constant ratio; $k = c\, r^2$.",
        ),
    )
    residuals = symbolic.reduced(
        sp.expand_log(sp.powdenest(mirror(V * sp.exp(-delta), depth) - tilted, force=True), force=True),
        sp.expand_log(sp.powdenest(scaled - unscaled, force=True), force=True),
        f.subs(eps, 0),
        sp.diff(f, eps).subs(eps, 0),
        sp.diff(f, eps, 2).subs(eps, 0) - (depth - 1),
        gain.subs(h, 0),
        sp.diff(gain, h).subs(h, 0),
        second - expected,
    )
    return Derivation(steps, residuals)


def measure(
    case: Case,
    momentum: float = 0.0,
    own_data: bool = True,
    tilted: bool = True,
    moved: bool = True,
    share: float = 1.0,
) -> Measurement:
    r"""Where the flow ends from the effective start, and the sign of the tilt; the three methods in turn.

    For the falsifiers: heavy-ball steps of this `momentum`, the problem's y, the direction (not `tilted`) or the radius
    (not `moved`) of the descent's own start, another `share` of $\beta - \delta$.
    """
    run = _run(case, momentum)
    flow, problem, weights = run.method.flow, case.problem, run.weights[-1]
    found, first = effective_start(run), case.start
    if share == 1:
        start = replace(found if moved else first, log_direction=(found if tilted else first).log_direction)
    else:
        z_0, z = (flow.log_magnification(point.radius) + point.log_direction for point in (first, found))
        start = _point(flow, z_0 + share * (z - z_0))
    seen = Problem(problem.A, problem.A @ weights) if own_data else problem
    return together(
        Measurement(limit(flow, seen, start, 1e-8).weights, weights),
        Measurement(_rise(run, found, first), 0.0, scale=case.scale),
    )


def _run(case: Case, momentum: float) -> Descent:
    """A descent, on all rows or on two minibatches; with `momentum`, of heavy-ball steps."""
    L, c, turn = case.depth, case.ratio, case.seed // len(DEPTHS)
    methods = (GradientDescent(L), PolarDescent(L, c), SalimansKingmaDescent(L, c**-0.5))
    batches = 1 + turn // 3 % 2
    batch_size = -(-case.m // batches) if batches > 1 else None
    flow = case.flow
    h = TURN / (batches * np.abs(flow.velocity(case.problem)(0.0, flow.encode(case.start))).max())
    run = descend(methods[turn % 3], case.problem, case.start, h, STEPS, 1, batch_size, case.seed, divergence="record")
    pushed = np.vstack([np.zeros((2, run.states.shape[1])), np.diff(run.states, axis=0)[:-1]])
    return replace(run, states=run.states + momentum * pushed)


def _point(flow: Flow, log_z: Array) -> Polar:
    """With these magnified coordinates."""
    log_length = log_norm(log_z)
    return Polar(flow.radius(log_length), log_z - log_length, np.ones(1))


def _rise(run: Descent, found: Polar, first: Polar) -> Array:
    """By how much the effective start of gradient descent exceeds the start, in any entry."""
    if not isinstance(run.method, GradientDescent):
        return np.zeros(1)
    return np.maximum(found.weights(1) - first.weights(1), 0.0)


DEPTHS = (2, 3, 4)

THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.effective_start",),
    tolerance=1e-9,
    ensemble=Ensemble(depths=DEPTHS, ratios=(2.0, 10.0), scales=(0.7, 2.0)),
    derive=derive,
    symbolic=True,
    measure=measure,
    falsifiers=(
        Falsifier(1, "momentum", partial(measure, momentum=0.1)),
        Falsifier(2, "$y$ itself", partial(measure, own_data=False)),
        Falsifier(3, "the start of the descent", partial(measure, tilted=False, moved=False)),
        Falsifier("formula", r"half of $\beta - \delta$", partial(measure, share=0.5)),
        Falsifier("formula", r"$\delta - \beta$", partial(measure, share=-1.0)),
        Falsifier("formula", r"$\hat r = r_0$", partial(measure, moved=False)),
        Falsifier("formula", r"$\hat u = u_0$", partial(measure, tilted=False)),
    ),
    uses=("discrete_magnification", "implicit_bias"),
    mutants=(
        "the tilt added to the start",
        "steps that do not lengthen V by their turn",
        "V shortened by the pull",
        "half the exponent of V in the tilt",
    ),
)
