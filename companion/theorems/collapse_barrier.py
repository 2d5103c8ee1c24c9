r"""The barrier of collapse

Whether a small start is fitted or shrinks to zero is decided by one number that a one-dimensional minimisation gives:
the squared scale times the ratio, against a barrier of the data and the direction.

Statement
---------
Let $L \ge 2$, $b = A^\top y$, and let some nonnegative weights interpolate $y \ne 0$. For a direction $u_0 > 0$,
$\lVert u_0\rVert = 1$, let

$$
\begin{aligned}
\Lambda_L &= -\log \min_{s \ge 0} \bigl\lVert m_L^{-1}(m_L(u_0) + s\, b) \bigr\rVert^2 \;\ge\; 0,
\end{aligned}
$$

over the $s$ for which this is defined. At $L = 2$ it is the relative entropy of the closest proportions that are not
pulled inwards,

$$
\begin{aligned}
\Lambda_2 &= -\log \min_{s \ge 0} \sum_i u_{0,i}^2\, e^{2 s b_i}
  = \min \Bigl\{ \mathrm{KL}(\pi \,\|\, u_0^2) : \langle b, \pi\rangle \ge 0,\ \pi \ge 0,\ \sum_i \pi_i = 1 \Bigr\} .
\end{aligned}
$$

Let weight-normalized gradient flow start from $w_0 = (r_0 v_0)^L$. If

1. **direction**: $v_0 = u_0$;
2. **small**: $r_0 < r_*$, for some $r_* > 0$ that depends on $A$, $y$, $u_0$ and $k = c\,r_0^2$,

then the flow collapses, $w \to 0$, if $k < \Lambda_L$, and it converges to an interpolant if $k > \Lambda_L$.

Proof
-----
By {prf:ref}`thm-magnification` $\frac{d}{dt} m_L(z) = \kappa L\, p$, with $p = b - A^\top A w$. Let $z = e^{c r_0^2/2}
\hat z$. As $m_L(e^a x) = e^{(2-L) a}\, m_L(x)$ for $L \ge 3$, and $m_2(e^a x) = a + m_2(x)$, there is a clock $s$ with
$m_L(\hat z) = m_L(u_0) + \int_0^s p\, ds'$, and

$$
\begin{aligned}
\log\lVert \hat z\rVert^2 &= c\, (r^2 - r_0^2) .
\end{aligned}
$$

So $r$ reaches $0$ where $\log\lVert\hat z\rVert^2$ falls to $-k$. Let $\bar z(s) = m_L^{-1}(m_L(u_0) + s b)$ and $f =
\lVert\bar z\rVert^2$. Each $\bar z_i^2$ is a convex function of $s$, and some $b_i > 0$, as $\langle b, z^\circ\rangle
= \lVert y\rVert^2 > 0$ for an interpolant $z^\circ \ge 0$: $f$ is convex, $f(0) = 1$, and $f$ grows beyond all bounds.
Its minimum is $e^{-\Lambda_L}$.

As long as $r^2 \le 2 r_0^2$, $\lVert A^\top A w\rVert \le \lVert A\rVert^2\, (2 r_0^2)^{L/2}$: on every interval of
$s$, $\hat z$ differs from $\bar z$ by $O(r_0^L)$, where $\bar z$ is defined.

*Below.* If $k < \Lambda_L$, then $f$ falls through $e^{-k}$, with a slope that is not zero, at some $s_1$, and $f < 1$
on $(0, s_1]$. For small $r_0$ so does $\lVert\hat z\rVert^2$, at some $s$ near $s_1$: there $r = 0$, and up to there
$r$ is at most a little larger than $r_0$. In time this takes for ever, $w \to 0$.

*Above.* If $k > \Lambda_L$, choose $s_2$ with $1 < f(s_2) < e^{k}$ and $f'(s_2) > 0$. For small $r_0$
$\lVert\hat z\rVert^2 > e^{-k}$ up to $s_2$, so that $r > 0$; and $r^2 = r_0^2 + \tfrac1c\log\lVert\hat z\rVert^2 < 2
r_0^2$. At $s_2$, $f' = 2 \langle b, \bar z^L\rangle > 0$, so $\langle b, w\rangle \ge C r_0^L$ with some $C > 0$,
while $\lVert A w\rVert^2 = O(r_0^{2L})$: for small $r_0$ $\ell(w) < \ell(0)$, and by {prf:ref}`thm-convergence` the
flow fits.

*Depth 2.* For $\pi(s)_i = u_{0,i}^2\, e^{2 s b_i}/f(s)$, $\mathrm{KL}(\pi \,\|\, u_0^2) - \mathrm{KL}(\pi \,\|\,
\pi(s)) = 2 s \langle b, \pi\rangle - \log f(s)$ for all proportions. If $\langle b, \pi\rangle \ge 0$ and $s \ge 0$,
then $\mathrm{KL}(\pi \,\|\, u_0^2) \ge -\log f(s)$, so it is at least $\Lambda_2$. Where $f$ is least, either $s = 0$
and $\langle b, \pi(s)\rangle \ge 0$, or $\langle b, \pi(s)\rangle = 0$: $\pi(s)$ is allowed, and attains $\Lambda_2$.

Boundary
--------
- **Checked.** The slope and the convexity of $f$, how $m_L$ scales and the two relative entropies, by computer algebra.
  For random directions, every depth from 2 to 6: `wnlib.collapses`, which follows the flow, says yes at $0.99\,
  \Lambda_L$ and no at $1.01\, \Lambda_L$, for $r_0$ of a thousandth of the target's radius; and no where $\Lambda_L =
  0$.
- **Assumed.** Nothing.
- **No run can test.** That there is no exception at still smaller starts. How small is small enough, the theorem does
  not say: {prf:ref}`thm-collapse` has explicit numbers, far from sharp.

Source
------
Derived here. At depth 2 the barrier is Chernoff's exponent for the mean of the forces, with the weights $u_0^2$, and
the equation of the two minima is that of large deviations.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import tilted
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, L, Step, mirror
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.barrier import collapse_barrier
from wnlib.limits.collapse import collapses
from wnlib.problem import Problem

SMALL = 1e-3  # radius of a small start, in units of the target's
AWAY = 0.01  # from the barrier, relatively


def derive(depth: Depth = L) -> Derivation:
    """The motion of one entry along its force, its square, and the scaling of the mirror map."""
    b, z, a = sp.Symbol("b_i", real=True), sp.Symbol(r"\bar{z}_i", positive=True), sp.Symbol("a", positive=True)
    speed = b * z ** (depth - 1)
    square = sp.simplify(sp.diff(z**2, z) * speed)
    bend = sp.powsimp(sp.simplify(sp.diff(square, z) * speed))
    moved = a + mirror(z, depth) if depth == 2 else sp.exp((2 - depth) * a) * mirror(z, depth)
    steps = (
        Step("An entry", r"\frac{d \bar z_i}{ds}", speed, r"As $\frac{d}{ds} m_L(\bar z_i) = b_i$."),
        Step("Its square", r"\frac{d}{ds} \bar z_i^2", square, r"Summed: $f' = 2 \langle b, \bar z^L\rangle$."),
        Step("It is convex", r"\frac{d^2}{ds^2} \bar z_i^2", bend, r"Not negative, and so is the sum $f''$."),
    )
    residuals = symbolic.reduced(
        sp.diff(mirror(z, depth), z) * speed - b,
        square - 2 * b * z**depth,
        bend - 2 * depth * b**2 * z ** (2 * depth - 2),
        sp.expand_log(sp.expand_power_base(mirror(sp.exp(a) * z, depth) - moved, force=True), force=True),
        _entropies(),
    )
    return Derivation(steps, residuals)


def _entropies() -> sp.Expr:
    """One entry's part of the two relative entropies at depth 2, to the start's proportions and to tilted ones."""
    s, b = sp.symbols("s b_i", real=True)
    pi, start, f = sp.symbols("pi_i p_i f", positive=True)
    tilted_to = start * sp.exp(2 * s * b) / f
    part = pi * sp.log(pi / start) - pi * sp.log(pi / tilted_to)
    return sp.expand(sp.expand_log(part, force=True)) - pi * (2 * s * b - sp.log(f))


def measure(
    case: Case, size: float = SMALL, share: float = 1.0, direction: Callable[[Case], Array] | None = None
) -> Measurement:
    """Whether the flow collapses just below the barrier and just above: 1 and 0, or 0 and 0 where there is none.

    For the falsifiers: a start of another `size`, another `share` of the barrier, that of another `direction`.
    """
    problem, start = turned(case), case.direction / np.linalg.norm(case.direction)
    radius = size  # of the target, which is a single weight of 1
    barrier = share * collapse_barrier(problem, case.depth, start if direction is None else direction(case))
    found = []
    for k in ((1 - AWAY) * barrier, (1 + AWAY) * barrier) if barrier else (1e-3, 1.0):
        flow = WeightNormFlow(case.depth, k / radius**2)
        found.append(float(collapses(flow, problem, flow.start(case.n, radius, start))))
    return Measurement(found, [float(barrier > 0), 0.0], scale=1.0)


def turned(case: Case) -> Problem:
    """Measurements of a single weight, which mostly pull inwards: the others have signs against it."""
    truth = np.eye(case.n)[0]
    A = case.problem.A
    against = np.where(A[:, :1].T @ A > 0, -1.0, 1.0)[0]
    against[0] = 1.0
    return Problem(A * against, A[:, 0], truth)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.collapse_barrier", "wnlib.collapses"),
    tolerance=0.5,
    ensemble=Ensemble(depths=(2, 3, 4, 5, 6), columns=(4, 12)),
    derive=derive,
    symbolic=True,
    measure=measure,
    uses=("magnification", "convergence"),
    falsifiers=(
        Falsifier(1, r"$\Lambda_L$ of the direction from 1 to 4 over the entries", partial(measure, direction=tilted)),
        Falsifier(2, r"$r_0$ five times the target's radius", partial(measure, size=5.0), share=0.4),
        Falsifier("formula", r"half of $\Lambda_L$: the norm for its square", partial(measure, share=0.5)),
        Falsifier("formula", r"$1.1\, \Lambda_L$", partial(measure, share=1.1)),
    ),
    mutants=(
        "a radius that grows for shrinking",
        "the norm for its square in the barrier",
        "a force of the wrong sign in the barrier",
        "L for L - 2 before the force",
        "the least pull at L - 1",
    ),
)
