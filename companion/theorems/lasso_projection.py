r"""Weight decay among several solutions of the Lasso

Where the Lasso has several solutions, weight decay on $g$ chooses one: the relative entropy to the start's proportions
decides. The ratio and the radius of the start play no part, and that the flow converges need not be assumed.

Statement
---------
Let $L = 2$, and let $X$ be the set of the solutions of the Lasso of {prf:ref}`thm-decay_on_g`: the $w \ge 0$ with the
least $F(w) = \tfrac12 \lVert A w - y\rVert^2 + \tfrac\lambda2 \lVert w\rVert_1$. If

1. **decay on g**: $g$ decays at the rate $\lambda > 0$, as in {prf:ref}`thm-decay_on_g`, and the ratio is constant;
2. **no collapse**: $r(t)$ does not tend to $0$,

then $w(t)$ converges to a $w_\infty \in X$, and $\pi_\infty = w_\infty/\lVert w_\infty\rVert_1$ is the only minimiser
of

$$
\begin{aligned}
\mathrm{KL}(\pi \,\|\, u_0^2) = \sum_i \pi_i \log \frac{\pi_i}{u_{0,i}^2}
  \qquad \text{over the proportions of } X .
\end{aligned}
$$

Hypothesis 2 holds if $F(w_0) < F(0)$. If the ratio varies, as with decay on $v$, but stays above a positive bound, and
$w(t)$ converges to a $w_\infty \ne 0$, then this limit is the same.

Proof
-----
*The set.* $A w$ is the same for all $w \in X$, as the square is strictly convex, and so is $\lVert w\rVert_1$, as
$\lambda > 0$: $X = \{ w \ge 0 : A w = a,\ \lVert w\rVert_1 = S \}$ for some $a$ and $S$.

*It converges.* By {prf:ref}`thm-decay_on_g`, with $\theta = \nabla\Phi(w)$ and $d\tau = 2 c\, r^2 dt$, $\frac{d\theta}
{d\tau} = -\nabla F(w)$, and for $z \in X$

$$
\begin{aligned}
\tau\, (F(w) - F(z)) &\le D_\Phi(z, w_0) - D_\Phi(z, w), & \frac{d}{d\tau} D_\Phi(z, w) &\le F(z) - F(w) \le 0 .
\end{aligned}
$$

$F$ does not increase, so $w$ is bounded and $\nabla F$ is. If $\tau$ stayed bounded, $\theta$ would converge, and with
it $r^2 = \tfrac1c \log\lVert e^\theta\rVert^2$; to $0$, as $\tau$ is bounded, which hypothesis 2 excludes. So $\tau \to
\infty$ and $F(w) \to F(z)$: every limit point of $w(t)$ is in $X$. As $r$ does not tend to $0$, one of them,
$w_\infty$, is not $0$, and so $S > 0$. $D_\Phi(w_\infty, w(t))$ does not increase, and it is continuous at $w =
w_\infty$, even if that has zeros, as in {prf:ref}`thm-convergence`: it tends to $0$. For two limit points this holds at
their midpoint, too, as there, so that they are equal.

*Where to.* $\log u_i$ moves by $2 c\, r^2 (p_i - \langle p, u^2\rangle)$, in $\operatorname{row}(A) + \mathbb R
\mathbf 1$. Let $\pi = u^2$, and $z \in X$ with the proportions $\zeta$. As $\zeta - \pi_\infty$ is in the kernel of $A$
and its entries add up to $0$, $\langle \zeta - \pi_\infty, \log \pi(t) - \log \pi(0)\rangle = 0$, which says that

$$
\begin{aligned}
\mathrm{KL}(\zeta \,\|\, \pi(0)) - \mathrm{KL}(\pi_\infty \,\|\, \pi(0))
  &= \mathrm{KL}(\zeta \,\|\, \pi(t)) - \mathrm{KL}(\pi_\infty \,\|\, \pi(t)) .
\end{aligned}
$$

As $t \to \infty$ the last term vanishes, and the one before it is $\ge 0$. The relative entropy is strictly convex, so
that there is no other minimiser. This part knows nothing of the ratio, and $w_\infty \in X$ is the last claim of
{prf:ref}`thm-decay_on_g` where it varies.

*No collapse.* $F$ does not increase, and $F(w) \to F(0)$ if $r \to 0$.

Boundary
--------
- **Checked.** The equation of four relative entropies by computer algebra. Flows on problems whose Lasso has many
  solutions, as some columns are means of others or equal to them: their ends, in every other case with decay on $v$,
  against the projection, which is computed as a limit of gradient flow for the measurements $A w = a$ and $\langle
  \mathbf 1, w\rangle = S$.
- **Assumed.** Nothing.
- **No run can test.** That a radius which shrinks does not grow again, while $F(w) \ge F(0)$.

Source
------
Derived here.
"""

from functools import partial

import numpy as np
import sympy as sp
from scipy import linalg

from companion.theorems.decay_on_g import SPAN, decayed, planned
from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, Step
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import GradientFlow
from wnlib.limits.limit import limit
from wnlib.problem import Problem

SMALL = 1e-3  # radius of a start that collapses, and its weights beside the one that is pulled inwards


def derive(depth: Depth = 2) -> Derivation:
    """Four relative entropies, for proportions that move in row(A) + R 1: one measurement of four weights."""
    a, zeta, end, first = (sp.symbols(f"{name}_1:5", positive=True) for name in ("a", "zeta", "eta", "pi"))
    lam, shift = sp.symbols("lambda mu", real=True)
    now = [p * sp.exp(lam * a_i + shift) for p, a_i in zip(first, a, strict=True)]
    # the last two of zeta, from those of the end: the same measurement and the same sum
    x, y = sp.symbols("x y")
    moved = [z - e for z, e in zip(zeta, (*end[:2], x, y), strict=True)]
    [free] = sp.linsolve([sum(moved), sum(m * a_i for m, a_i in zip(moved, a, strict=True))], x, y)
    end = (*end[:2], *free)

    def entropy(p: tuple[sp.Expr, ...], q: list[sp.Expr]) -> sp.Expr:
        """Without the part that does not know of q."""
        return -sum((p_i * sp.expand_log(sp.log(q_i)) for p_i, q_i in zip(p, q, strict=True)), sp.S.Zero)

    start = list(first)
    four = (entropy(zeta, start) - entropy(end, start)) - (entropy(zeta, now) - entropy(end, now))
    names = r"\mathrm{KL}(\zeta \,\|\, \pi(t))", r"\mathrm{KL}(\pi_\infty \,\|\, \pi(t))"
    late, gone = (sp.Symbol(name) for name in names)
    steps = (
        Step(
            "Four relative entropies",
            r"\langle\zeta - \pi_\infty, \log\pi(t) - \log\pi(0)\rangle",
            sp.simplify(four),
            r"$\log\pi$ moves in $\operatorname{row}(A) + \mathbb R\mathbf 1$.",
        ),
        Step(
            "So they differ alike",
            r"\mathrm{KL}(\zeta \,\|\, \pi(0)) - \mathrm{KL}(\pi_\infty \,\|\, \pi(0))",
            late - gone,
            "And the last one vanishes.",
        ),
    )
    return Derivation(steps, symbolic.reduced(four))


def several(case: Case) -> tuple[Problem, Array, float]:
    r"""A problem whose Lasso has many solutions, one of them (N,), and $\lambda$.

    Two columns are added to those of `planned` that are means of two of the support's, or copies where it has one, and
    one that pulls inwards, the negative of one.
    """
    problem, solution, lam = planned(case)
    on = np.flatnonzero(solution)
    pairs = case.rng().choice(on, (2, 2))
    new = np.column_stack([problem.A[:, pairs].mean(axis=2), -problem.A[:, on[:1]]])
    return Problem(np.hstack([problem.A, new]), problem.y), np.append(solution, np.zeros(3)), lam


def projection(problem: Problem, solution: Array, lam: float, direction: Array) -> Array:
    """The solution of the Lasso whose proportions are closest to the squared direction (N,), by a limit."""
    pulls = problem.A.T @ problem.residual(solution)
    on = pulls > (1 - 1e-9) * lam / 2
    rows = np.vstack([problem.A[:, on], np.ones(np.count_nonzero(on))])
    flow, same = GradientFlow(2), Problem(rows, rows @ solution[on], solution[on])
    found = np.zeros_like(solution)
    found[on] = limit(flow, same, flow.start(len(rows.T), 1.0, direction[on])).weights
    return found


def measure(case: Case, strength: float = 1.0, power: float = 1.0, small: bool = False) -> Measurement:
    """The flow's end against the projection; in every other case the ratio rises.

    For the falsifiers: `strength` times the decay, a `power` of the start's direction in the projection, a `small`
    start that is pulled inwards.
    """
    problem, solution, lam = several(case)
    near = case.scale * (solution + case.rng().uniform(0.02, 0.5, len(solution)))
    start = case.flow.start(len(near), float(np.sqrt(near.sum())), np.sqrt(near))
    if small:
        direction = np.append(np.full(len(near) - 1, SMALL), 1.0)
        start = case.flow.start(len(near), SMALL, direction)
    slowest = min(1.0, float(linalg.svdvals(problem.A[:, solution > 0])[-1]) ** 2)
    t_end = SPAN / (slowest * lam * min(1.0, case.ratio * float(solution.sum())))
    rising = 2 / t_end if case.seed % 2 else 0.0
    points, _ = decayed(problem, start, np.array([0.0, t_end]), case.ratio, strength * lam, rising)
    return Measurement(points.weights(2)[-1], projection(problem, solution, lam, start.direction**power))


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.DecayedSalimansKingmaDescent", "wnlib.limit"),
    tolerance=1e-5,
    ensemble=Ensemble(
        depths=(2,),
        ratios=(0.3, 3),
        scales=(0.6, 1.1),
        matrices=("gaussian", "rademacher", "cosine", "rank-deficient", "repeated rows"),
    ),
    derive=derive,
    measure=measure,
    uses=("decay_on_g", "convergence"),
    falsifiers=(
        Falsifier(1, "half the decay", partial(measure, strength=0.5)),
        Falsifier(2, "a small start that is pulled inwards", partial(measure, small=True)),
        Falsifier("formula", "$u_0$ for $u_0^2$", partial(measure, power=0.5)),
        Falsifier("formula", "equal proportions for those of the start", partial(measure, power=0.0)),
    ),
    mutants=(
        "weights divided by the direction",
        "the start's direction inverted on the curve",
        "the rows' basis without its first vector",
    ),
)
