r"""Bias of the signed weights

The difference of two positive halves, normalized together, ends at the interpolant that is least in a potential of its
own: the divergence from the start to the closest pair that has this difference.

Statement
---------
Let $L \ge 2$ and let the signed weights be $w = w_+ - w_-$, $w_\pm = x_\pm^L$, with loss
$\tfrac12 \lVert A w - y\rVert^2$, where $(x_+, x_-)$ moves by gradient flow or by weight-normalized gradient flow. Let
$\Phi$ be the potential of its mirror map and $\theta_\pm = m_L(z_\pm)$. If

1. **one sphere**: $(x_+, x_-) = r u$ has one radius and one direction, $\lVert u\rVert = 1$;
2. **constant ratio**: $c = \eta_u/\eta_r$ does not depend on time;

then the flow is that of positive weights on $[A, -A]$, and $\theta_+ + \theta_-$ never changes. If moreover

3. **symmetric start**: $x_+(0) = x_-(0) > 0$, where $\theta_\pm = \theta_0$,

then the potential

$$
\begin{aligned}
\Psi(w) &= \min \bigl\{ D_\Phi\bigl((w_+, w_-), (w_0, w_0)\bigr) : w_+ - w_- = w,\ w_\pm \ge 0 \bigr\}
\end{aligned}
$$

is strictly convex and continuously differentiable on all of $\mathbb{R}^N$, even, and least at $w = 0$. Its minimum is
attained at one pair, which is positive, and there

$$
\begin{aligned}
\theta_+ + \theta_- &= 2 \theta_0, & \nabla\Psi(w) &= \theta_+ - \theta_0 = \tfrac12 (\theta_+ - \theta_-) .
\end{aligned}
$$

At every time $(w_+(t), w_-(t))$ is this pair for $w(t)$, and $\nabla\Psi(w(t)) \in \operatorname{row}(A)$. If

4. **interpolating limit**: $w(t) \to w_\infty$ with $A w_\infty = y$,

then $w_\infty$ is the only minimiser of $\Psi$ over $\{w : A w = y\}$.

Proof
-----
*On $[A, -A]$.* The weights $(w_+, w_-) \ge 0$ are measured by $[A, -A]$, and their force is $(p, -p)$ with $p =
A^\top (y - A w)$. So {prf:ref}`thm-invariants` says that $\theta_\pm' = \pm \kappa L\, p$ with one $\kappa$: the sum
does not change, and $\theta_+(t) - \theta_+(0) \in \operatorname{row}(A)$.

*The pair.* Fix $w$. The pairs with difference $w$ are $(w^+ + b, w^- + b)$, $b \ge 0$, with the positive and the
negative part of $w$. On this closed convex set $D_\Phi$ is strictly convex. It tends to infinity along every ray: by
{prf:ref}`thm-mirror_map`, in the entries that grow $\theta_i$ tends to infinity at $L = 2$, and to $0 > \theta_{0,i}$
above. So there is exactly one minimiser. It is not $0$ (which only $w = 0$ allows): along the pairs $s\, (w_0, w_0)$
the direction is $u_0$, so that for $s \to 0$ the slope of $D_\Phi$ tends to a positive multiple of $\langle m_L(u_0) -
m_L(z_0), w_0\rangle < 0$, as $z_0 = u_0 e^{\sigma(r_0)}$ with $\sigma(r_0) > 0$ (for gradient flow, to $-\infty$). So
$r > 0$, and no entry is $0$ either: $\theta_i \to -\infty$ where $w_{\pm,i} \to 0$ while $r$ does not, and $D_\Phi$
falls when $b_i$ grows from $0$. In the interior, the minimum over $b$ has the condition $(\theta_+ - \theta_0) +
(\theta_- - \theta_0) = 0$.

*Convex and smooth.* A minimum over some of the variables of a strictly convex function, if it is attained, is a
strictly convex function of the others. Its subgradients at $w$ are the $g$ for which $(g, -g)$ is a subgradient of
$D_\Phi$ at the minimising pair; there is only one, $g = \theta_+ - \theta_0$. A convex function with one subgradient
everywhere is continuously differentiable. Exchanging the halves leaves $D_\Phi$ as it is, so $\Psi$ is even, and
least at $0$.

*The flow.* By the first step the flow's pair is positive and has $\theta_+ + \theta_- = 2\theta_0$, which
characterises the minimising pair for its difference. So $\nabla\Psi(w(t)) = \theta_+(t) - \theta_0 \in
\operatorname{row}(A)$.

*The limit.* By {prf:ref}`thm-implicit_bias` on $[A, -A]$, the limit of the pairs minimises $D_\Phi$ over all pairs
$\ge 0$ with $A (w_+ - w_-) = y$. Minimise over pairs with equal differences first: $w_\infty$ minimises $\Psi$.

Boundary
--------
- **Checked.** The algebra of the two conditions. Both flows, every depth, followed in their own coordinates until they
  fit: the law of the sum; the split of $w(t)$ into two halves, which the code finds from $w(t)$ alone; $\Psi$ against
  the divergence of the followed pair; its gradient against finite differences; the part of the gradient outside
  $\operatorname{row}(A)$ at the computed limit, and this limit against the end of the flow.
- **Assumed.** Convergence is a hypothesis here; {prf:ref}`thm-signed_no_collapse` removes it.
- **No run can test.** That no pair is closer than the one that is found. It is proved.

Source
------
Derived here. {cite:t}`Woodworth2020` have the potential of gradient flow at depth 2.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import sympy as sp
from scipy.linalg import null_space

from companion.verification import symbolic
from companion.verification.cases import either_flow, normalized_flow, signed_problem, start_radius
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon, together
from companion.verification.symbolic import Depth, Derivation, L, Step, mirror
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import Polar, log_norm
from wnlib.flows.weight_norm import ScheduledWeightNormFlow
from wnlib.limits.limit import limit
from wnlib.models.separate import SeparateFlow, integrate_separate
from wnlib.models.signed import gradient, leaf_point, potential, signed, symmetric_start
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate


def derive(depth: Depth = L) -> Derivation:
    """The sum's motion, the condition of the least pair, and the gradient by the chain rule, for one entry."""
    speed, p, w, theta_0 = sp.symbols(r"\kappa p_i w_i \theta_{0}", real=True)
    upper, lower = sp.Function(r"\theta_+"), sp.Function(r"\theta_-")
    divergence = sp.Function("D")
    plus, minus = sp.symbols("w_+ w_-", real=True)
    slopes = {sp.Derivative(divergence(plus, minus), plus): upper(w) - theta_0}
    slopes |= {sp.Derivative(divergence(plus, minus), minus): lower(w) - theta_0}
    along_pair = sum(slopes.values(), sp.S.Zero)
    # The pair as a function of w: w_+ = w + b(w), w_- = b(w).
    shift = sp.Function("b")(w)
    chain = (upper(w) - theta_0) * sp.diff(w + shift, w) + (lower(w) - theta_0) * sp.diff(shift, w)
    law = {lower(w): 2 * theta_0 - upper(w)}
    z = sp.Symbol("z_i", positive=True)
    motion = sp.diff(mirror(z, depth), z) * speed * depth * p * z ** (depth - 1)
    sum_rate = symbolic.reduced(motion + motion.subs(p, -p))[0]
    half = (upper(w) - lower(w)) / 2
    steps = (
        Step("One half", r"\theta_+'", symbolic.tidy(motion), r"The chain rule; the other half has $-p$."),
        Step("Their sum", r"(\theta_+ + \theta_-)'", sum_rate, r"One sphere, hence one $\kappa$: it cancels."),
        Step(
            "The least pair",
            r"\frac{\partial}{\partial b_i} D_\Phi",
            along_pair,
            "Move $w_+$ and $w_-$ by $b$; this must be 0.",
        ),
        Step("The gradient", r"\Psi'(w)", upper(w) - theta_0, "By the chain rule; what $b'(w)$ multiplies is 0."),
        Step("Symmetrically", r"\Psi'(w)", half, "By the law of the sum."),
    )
    residuals = symbolic.reduced(
        sum_rate,
        along_pair.subs(law),
        (chain - (upper(w) - theta_0)).subs(law),
        (half - (upper(w) - theta_0)).subs(law),
    )
    return Derivation(steps, residuals)


def growing_ratio(case: Case) -> Flow:
    flow = normalized_flow(case)
    return ScheduledWeightNormFlow(flow.depth, flow.ratio, angular_schedule=lambda t: 1 + t / (1 + t))


def measure(
    case: Case,
    moving: Callable[[Case], Flow] = either_flow,
    lean: float = 1.0,
    fitted: bool = True,
    warm: float = 1.0,
    tuned: float = 1.0,
) -> Measurement:
    """A followed flow and its limit against the potential that the code knows without either.

    For the falsifiers: a flow with another potential than that of its ratio, halves of which one starts `lean` times as
    large, a flow that is not `fitted` but taken for its limit, a potential from a start `warm` times the flow's, a
    ratio `tuned` in it.
    """
    problem, flow = signed_problem(case), moving(case)
    first = flow.start(2 * case.n, start_radius(case), np.append(lean * case.direction, case.direction))
    loss = 0.5 * float((1e-5 if fitted else 0.3) * np.linalg.norm(problem.y)) ** 2
    steps = horizon(flow, problem, first, steps=15)
    end = integrate(flow, problem, first, steps, rtol=1e-9, coordinates="primal", stop_loss=loss).points[-1]
    normalized = replace(normalized_flow(case), ratio=tuned * normalized_flow(case).ratio)
    known = flow if isinstance(flow, GradientFlow) else normalized
    return compared(known, problem, end, warm * start_radius(case), case.direction, fitted)


def separately(case: Case) -> Measurement:
    """The same for a sphere and a radius of each half's own."""
    flow, problem = SeparateFlow(case.depth, normalized_flow(case).ratio), signed_problem(case)
    path = integrate_separate(flow, problem, flow.start(case.n, start_radius(case), case.direction), 10.0)
    log_x = np.log(path.parts[-1]) / case.depth
    log_r = float(log_norm(log_x))
    end = Polar(np.asarray(np.exp(log_r)), log_x - log_r, np.ones(1))
    return compared(normalized_flow(case), problem, end, start_radius(case), case.direction, True)


def compared(flow: Flow, problem: Problem, end: Polar, scale: float, direction: Array, fitted: bool) -> Measurement:
    """A point that a flow has reached against the potential of a `flow` from a start of norm `scale`."""
    L, start = flow.depth, symmetric_start(flow, len(direction), scale, direction)
    mirror_of, pair = mirror_map(flow, scale), end.weights(L)
    w = signed(pair)
    theta, theta_0 = (mirror_of.dual_variable(point).reshape(2, -1) for point in (end, start))
    reached = Problem(problem.A, problem.A @ pair, pair) if fitted else problem
    least = signed(limit(flow, reached, start, tolerance=1e-7).weights)
    slope, rows = gradient(flow, start, least), problem.A[:, : len(direction)]
    kernel = null_space(rows)
    step = w * np.linspace(0.5, 1.5, len(w))  # relative steps: the potential bends sharply where a weight is small
    rise = [potential(flow, start, w + h * step) - potential(flow, start, w - h * step) for h in (1e-3, 2e-3)]
    return together(
        Measurement(theta.sum(axis=0), theta_0.sum(axis=0), scale=float(np.abs(theta).max())),
        Measurement(leaf_point(flow, start, w).weights(L), pair),
        Measurement(potential(flow, start, w), float(mirror_of.bregman(pair, start))),
        Measurement((8 * rise[0] - rise[1]) / 12e-3, float(gradient(flow, start, w) @ step)),
        Measurement(slope @ kernel, np.zeros(kernel.shape[1]), scale=float(np.linalg.norm(slope))),
        Measurement(w, least),
    )


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.symmetric_start",),
    tolerance=1e-7,
    ensemble=Ensemble(depths=(2, 3, 4, 5), ratios=(0.5, 8), scales=(0.3, 1.4)),
    derive=derive,
    symbolic=True,
    measure=measure,
    falsifiers=(
        Falsifier(1, "a sphere for each half", separately),
        Falsifier(2, "a ratio that grows", partial(measure, moving=growing_ratio)),
        Falsifier(3, "$x_+(0)$ proportional to $x_-(0)$, and twice as large", partial(measure, lean=2.0)),
        Falsifier(4, "a flow that stops on the way", partial(measure, fitted=False)),
        Falsifier("formula", "the potential of a start 1.1 times as large", partial(measure, warm=1.1)),
        Falsifier(
            "formula",
            "the potential of $1.1\\, c$",
            partial(measure, moving=normalized_flow, tuned=1.1),
        ),
    ),
    uses=("invariants", "mirror_map", "implicit_bias"),
    mutants=(
        "nine tenths of the log-magnification",
        "one of Newton's steps for eight",
        "both halves larger",
        "L for L - 2 in the smaller half",
        "half the signed gradient of depth 2",
    ),
)
