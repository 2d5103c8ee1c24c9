r"""Two phases reach the least norm

For least squares ($L = 1$): hold the length of the weights below that of every interpolant and turn the direction only;
then release the length. The first phase wipes out what the data cannot see, exponentially and from any direction; the
second brings none of it back. The longer the first, the closer the limit is to the interpolant of least norm.

Statement
---------
Let $y \ne 0$ be in the range of $A$, let $w^\dagger = A^+ y$ be the interpolant of least norm and $q = \lVert
w^\dagger\rVert^2$. Let $n(t)$ be the norm of the component of $u$ in $\ker A$, with $n_0 = n(0) > 0$. *Phase one* holds
the radius at $r_1$ and moves $u' = \eta_u r_1 (p - s u)$, $s = \langle p, u\rangle$, from any $u_0$ with $\lVert
u_0\rVert = 1$, up to a time $T$. *Phase two* is weight-normalized gradient flow from there. For $d \in
\operatorname{row}(A)$, $d \ne 0$, and $a = (A^\top A)^+ d$ let

$$
\begin{aligned}
\mu &= \eta_u r_1\, \frac{\langle w^\dagger, d\rangle - r_1 \lVert d\rVert}{\lVert a\rVert}, &
\xi_0 &= \operatorname{arsinh} \frac{\langle a, u_0\rangle}{\lVert a\rVert\, n_0} .
\end{aligned}
$$

If

1. **one factor**: $L = 1$;
2. **held short**: $0 < r_1 < \lVert w^\dagger\rVert$, and $d$ is such that $\mu > 0$,

then during phase one, as soon as $\xi_0 + \mu t \ge 0$,

$$
\begin{aligned}
n(t) &\le \frac{1}{\cosh(\xi_0 + \mu t)}, & n(t) &\le \frac{\lVert p - s u\rVert}{s} \text{ where } s > 0 .
\end{aligned}
$$

There is such a $d$: always $w^\dagger$, with $\mu = \eta_u r_1 q\, (1 - r_1/\lVert w^\dagger\rVert)/\lVert (A^\top
A)^+ w^\dagger\rVert$; and $A^\top y$, with $a = w^\dagger$, if $r_1 < \lVert y\rVert^2/\lVert A^\top y\rVert$, which
the data tell. In place of the flow, phase one may take projected steps of any length $h$: $u \leftarrow \tilde
u/\lVert\tilde u\rVert$ with $\tilde u = u + h \eta_u r_1 p$. Then after $k$ steps, as soon as the argument is $\ge 0$,

$$
\begin{aligned}
n_k &\le \frac{1}{\cosh(\xi_0 + k \log(1 + h\mu))} .
\end{aligned}
$$

If moreover

3. **released below zero**: $\ell(w(T)) < \ell(0)$;
4. **constant ratio**: in phase two $\eta_r > 0$ and $c = \eta_u/\eta_r > 0$ do not depend on time,

then, with $\epsilon = y - A w$ and the smallest positive singular value $\sigma$ of $A$, for $t \ge T$

$$
\begin{aligned}
r(t) &\ge r_- := \frac{\lVert y\rVert - \lVert\epsilon(T)\rVert}{\lVert A\rVert} > 0, &
\lVert\epsilon(t)\rVert &\le \lVert\epsilon(T)\rVert\, e^{-\eta_r \sigma^2 \min(1,\, c\, r_-^2)\, (t - T)},
\end{aligned}
$$

and $w(t)$ converges to a $w_\infty$ with $A w_\infty = y$ and

$$
\begin{aligned}
\frac{\lVert w_\infty\rVert^2 - q}{\lVert w_\infty\rVert^2} &\le n(T)^2\, e^{-c\, (q - r_1^2)} .
\end{aligned}
$$

Hypothesis 3 holds if $s(T) > 0$; after the flow also if $\xi_0 + \mu T > \operatorname{arcosh}(1/n_0)$. So from every
$u_0$ with $n_0 > 0$ the excess of the limit falls at least like $e^{-2 \mu T}$.

Proof
-----
*What the sphere leaves of the force.* As $p \in \operatorname{row}(A)$, $u_\perp' = -\eta_u r_1 s\, u_\perp$, so
$n' = -\eta_u r_1 s\, n$. Hence $\hat u = u/n$ moves by

$$
\begin{aligned}
\hat u' &= \eta_u r_1\, p/n, & \lVert \hat u\rVert &= 1/n, & \lVert \hat u_\perp\rVert &= 1 .
\end{aligned}
$$

Let $X = \langle a, \hat u\rangle/\lVert a\rVert$. As $A^\top A\, a = d$ and $p = A^\top A\, (w^\dagger - r_1 u)$,
$\langle p, a\rangle = \langle w^\dagger - r_1 u, d\rangle \ge \langle w^\dagger, d\rangle - r_1 \lVert d\rVert$. As
$a \in \operatorname{row}(A)$, $1/n = \lVert \hat u\rVert \ge \sqrt{1 + X^2}$. So

$$
\begin{aligned}
X' &= \frac{\eta_u r_1 \langle p, a\rangle}{\lVert a\rVert\, n} \ge \mu \sqrt{1 + X^2}, &
(\operatorname{arsinh} X)' &\ge \mu, & n &\le \frac{1}{\sqrt{1 + X^2}} \le \frac{1}{\cosh(\xi_0 + \mu t)} .
\end{aligned}
$$

*Which d.* For $w^\dagger$ the numerator in $\mu$ is $q - r_1 \sqrt q$. For $A^\top y$ it is $\lVert y\rVert^2 - r_1
\lVert A^\top y\rVert$, and $(A^\top A)^+ A^\top y = w^\dagger$.

*Steps.* A projected step divides $u_\perp$ by $\lVert\tilde u\rVert$. So $\hat u$ becomes $\tilde u/n = \hat u + h
\eta_u r_1 p/n$, and $X$ grows by at least $h\mu\sqrt{1 + X^2}$. For $X = \sinh \xi$ and any $\xi$

$$
\begin{aligned}
\sinh \xi + h\mu \cosh \xi - \sinh(\xi + \log(1 + h\mu)) &= \frac{(h\mu)^2}{2\, (1 + h\mu)}\, e^{-\xi} \ge 0,
\end{aligned}
$$

so $\operatorname{arsinh} X$ grows by at least $\log(1 + h\mu)$.

*What the force tells.* As $p/s \in \operatorname{row}(A)$, $u_\perp$ is a part of $u - p/s$, of norm
$\lVert p - s u\rVert/s$.

*Below zero.* For every $w = r u$, $\ell(0) - \ell(w) = r s + \frac12 \lVert A w\rVert^2$. So $s(T) > 0$ is enough.
Along the flow of phase one $\ell$ does not increase, $\ell' = -\lVert u'\rVert^2/\eta_u$, so one earlier time with $s >
0$ is enough as well. There is one if $n(T) < n_0$, and this follows from the bound on $n(T)$ if
$\operatorname{arcosh}(1/n_0) < \xi_0 + \mu T$.

*Phase two converges.* From $w' = r' u + r u' = K p$ with $K = \eta_r (u u^\top + c\, r^2 (I - u u^\top))$,

$$
\begin{aligned}
\tfrac12 \tfrac{d}{dt} \lVert\epsilon\rVert^2 &= -\langle p, K p\rangle
  \le -\eta_r \min(1, c\, r^2)\, \sigma^2 \lVert\epsilon\rVert^2,
\end{aligned}
$$

as $p = A^\top \epsilon$ with $\epsilon$ in the range of $A$. So $\lVert\epsilon\rVert$ does not increase, $\lVert
A\rVert\, |r| \ge \lVert A w\rVert \ge \lVert y\rVert - \lVert\epsilon(T)\rVert > 0$, and $r$, which cannot pass through
zero, stays above $r_-$. Hence the rate. Then $r' = \eta_r s$ is integrable, so $r$ and $K$ are bounded, $w' = K A^\top
\epsilon$ is integrable, and $w(t)$ converges, to an interpolant since $\epsilon \to 0$.

*The excess.* This is the start $(r_1, u(T))$ in {prf:ref}`thm-minimum_norm`, with $\nu = n(T)^2$: its bound without the
hypothesis on the ratio. (The reason: the factor by which $u_\perp$ changes in phase two is $e^{c (r_1^2 -
r_\infty^2)/2}$, by {prf:ref}`thm-perpendicular`, and $r_\infty^2 \ge q > r_1^2$.)

Boundary
--------
- **Checked.** All identities by computer algebra. Along followed flows and projected steps of lengths over three
  decades: both bounds on $n$, the first for each of the two $d$; the loss after the time that is said to suffice; the
  radius, the residual and the limit of phase two. The first bound is attained asymptotically if the rows of $A$ are
  orthonormal.
- **Assumed.** Nothing.
- **No run can test.** Nothing: but for the convergence, which is proved, all claims are about finite times. What a user
  must know in advance is a length below $\lVert w^\dagger\rVert$; $\lVert y\rVert^2/\lVert A^\top y\rVert$ is one. If
  $n_0 = 0$ there is nothing to wipe out: every interpolating limit is $w^\dagger$.

Source
------
Derived here. The abstract of {cite:t}`Wu2020` says that weight normalization and reparametrized projected gradient
descent for overparametrized least squares converge close to the solution of least $\ell_2$ norm, even from starts far
from zero.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import sympy as sp
from scipy import linalg
from scipy.integrate import solve_ivp

from companion.verification import symbolic
from companion.verification.cases import problem_and_start
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import until_fitted
from companion.verification.symbolic import Depth, Derivation, Step, c, eta_u, p, pull, r, u
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import GradientFlow
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import ScheduledWeightNormFlow, WeightNormFlow
from wnlib.models.two_phases import certificate, guarantees, least_norm, projected_descent
from wnlib.problem import Problem

SHARE = 1e-4  # of u in ker A, below which it is not compared with a bound: rounding blurs it
STEPS = 30


def derive(depth: Depth) -> Derivation:
    """Phase one in u/n, its steps, the loss of zero, and the residual of phase two, with all sums written out."""
    n, X, xi, m, eta_r = sp.symbols(r"n X \xi (h\mu) \eta_r", positive=True)
    held = symbolic.polar_rates(depth, sp.S.Zero)
    in_kernel = held[u].subs(p, 0) / u
    moved = {**held, n: in_kernel * n}
    step = sp.sinh(xi) + m * sp.cosh(xi) - sp.sinh(xi + sp.log(1 + m))
    left = m**2 * sp.exp(-xi) / (2 * (1 + m))

    A = sp.Matrix(2, 3, sp.symbols("A_1:7"))
    a, us, least = (sp.Matrix(sp.symbols(f"{name}_1:4")) for name in ("a", "u", "w"))
    force = A.T * (A * least - r * A * us)
    along = force.dot(us)
    pairing = force.dot(a) - (least - r * us).dot(A.T * A * a)
    loss = [(A * (least - w)).dot(A * (least - w)) / 2 for w in (sp.zeros(3, 1), r * us)]
    output = r * A * us
    fall = loss[0] - loss[1] - r * along - output.dot(output) / 2
    speed = eta_r * (us * along + c * r**2 * (force - along * us))
    residual = A * (least - r * us)
    velocity = eta_r * along * us + r * eta_r * c * r * (force - along * us)
    slope = -residual.dot(A * velocity) + force.dot(speed)
    steps = (
        Step("In the kernel", "n'/n", in_kernel, r"With $\eta_r = 0$, $r = r_1$: the force has no component there."),
        Step("Relative to it", r"\hat u_i'", sp.simplify(symbolic.along(u / n, moved)), r"For $\hat u = u/n$."),
        Step(
            "The force along $a$",
            r"\langle p, a\rangle - \langle w^\dagger - r u, A^\top A\, a\rangle",
            sp.expand(pairing),
            r"$A^\top A\, a = d$; two measurements of three weights.",
        ),
        Step(
            "Slope",
            r"\frac{d}{dX} \operatorname{arsinh} X",
            sp.diff(sp.asinh(X), X),
            r"So $\xi = \operatorname{arsinh} X$ grows at least at the rate $\mu$.",
        ),
        Step("A projected step", r"\sinh \xi + h\mu \cosh \xi - \sinh(\xi + \log(1 + h\mu))", left, "Positive."),
        Step(
            "The loss of zero",
            r"\ell(0) - \ell(w) - r s - \tfrac12\lVert A w\rVert^2",
            sp.expand(fall),
            "As $A w^\\dagger = y$.",
        ),
        Step(
            "The residual",
            r"\tfrac12 \tfrac{d}{dt}\lVert\epsilon\rVert^2 + \langle p, K p\rangle",
            sp.expand(slope),
            r"$\epsilon' = -A K p$, $p = A^\top \epsilon$.",
        ),
    )
    residuals = symbolic.reduced(
        in_kernel + eta_u * r * pull,
        symbolic.along(u / n, moved) - eta_u * r * p / n,
        pairing,
        sp.diff(sp.asinh(X), X) - 1 / sp.sqrt(1 + X**2),
        sp.cosh(sp.asinh(X)) - sp.sqrt(1 + X**2),
        (step - left).rewrite(sp.exp),
        fall,
        slope,
    )
    return Derivation(steps, residuals)


def planned(case: Case) -> tuple[Problem, Array, float, float]:
    """A problem, a direction u_0 (N,), a radius of `scale` times the least norm, and c with c q = `ratio`."""
    problem, start = problem_and_start(case)
    q = float(np.sum(least_norm(problem) ** 2))
    return problem, start.direction, case.scale * q**0.5, case.ratio / q


def held(problem: Problem, direction: Array, flow: WeightNormFlow, radius: float, T: float) -> tuple[Array, Polar]:
    """Phase one up to the time T: times (K,) and points (K,)."""
    flow = ScheduledWeightNormFlow(flow.depth, flow.ratio, radial_schedule=lambda t: 0.0)
    first = flow.encode(flow.start(direction.size, radius, direction))
    path = solve_ivp(flow.velocity(problem), (0, T), first, method="LSODA", rtol=1e-9, atol=1e-11)
    return path.t, flow.decode(path.y.T)


def in_kernel(problem: Problem, points: Polar) -> Array:
    """n at points, shape (K,)."""
    return np.asarray(np.linalg.norm(points.direction @ problem.kernel, axis=-1))


def visible(measured: Array, predicted: Array) -> tuple[Array, Array]:
    """Where the bound is above what rounding blurs."""
    seen = predicted >= SHARE
    return measured[seen], predicted[seen]


def phase_one(problem: Problem, direction: Array, radius: float, c: float) -> tuple[list[tuple[Array, Array]], Polar]:
    """Bounds on n along the flow, by each guarantee and by the force, and on the loss; and the points."""
    known = guarantees(problem, radius, direction, c)
    T = max(one.below_zero + 1 / one.rate for one in known)
    t, points = held(problem, direction, WeightNormFlow(1, c), radius, T)
    n = in_kernel(problem, points)
    pairs = [visible(n, one.along_flow(t)) for one in known]
    pairs.append(visible(n, certificate(problem, points)))
    loss = problem.loss(points.weights(1))
    late = loss[t >= min(one.below_zero for one in known)]
    return [*pairs, (late, np.full(late.shape, problem.loss_of_zero))], points


def phase_two(
    problem: Problem, start: Polar, c: float, exponent: float = 1.0, fast: bool = False
) -> list[tuple[Array, Array]]:
    r"""The excess of the limit, the radius and the residual, with their bounds.

    For the falsifiers: another multiple of the `exponent`, a decay as `fast` as the largest singular value.
    """
    path = until_fitted(WeightNormFlow(1, c), problem, start)
    singular = linalg.svdvals(problem.A)
    sigma = singular[0] if fast else float(np.min(singular[singular > 1e-9 * singular[0]]))
    e = np.linalg.norm(problem.residual(path.weights), axis=1)
    lowest = (float(np.linalg.norm(problem.y)) - e[0]) / singular[0]
    bound = e[0] * np.exp(-np.minimum(sigma**2 * min(1, c * lowest**2) * path.t, 600))  # a positive float
    clear = e > 1e-6 * e[0]
    q = float(np.sum(least_norm(problem) ** 2))
    extra = float(np.sum((path.weights[-1] @ problem.kernel) ** 2))
    n = float(in_kernel(problem, start))
    limit = n**2 * np.exp(-exponent * c * (q - float(start.radius) ** 2))
    return [
        (np.array([extra / (q + extra)]), np.array([limit])),
        (np.array([lowest]), np.array([path.radius.min()])),
        (e[clear], bound[clear]),
    ]


def joined(pairs: list[tuple[Array, Array]], main: bool = False) -> Measurement:
    """All bounds in one; `main` are n in phase one, at the end of the first pair, and the excess, the last but two."""
    measured, predicted = (np.concatenate(side) for side in zip(*pairs, strict=True))
    sizes = [len(pair[0]) for pair in pairs]
    return Measurement(measured, predicted, main=[sizes[0] - 1, sum(sizes[:-3])] if main else None)


def measure(case: Case, exponent: float = 1.0, fast: bool = False) -> Measurement:
    """Phase one by the flow and by steps; phase two from the last point whose part in ker A rounding leaves alone."""
    problem, direction, radius, c = planned(case)
    pairs, points = phase_one(problem, direction, radius, c)
    released = points[int(np.flatnonzero(in_kernel(problem, points) >= SHARE)[-1])]
    return joined([*pairs, *stepped(case), *phase_two(problem, released, c, exponent, fast)], main=True)


def stepped(case: Case, faster: float = 1.0) -> list[tuple[Array, Array]]:
    r"""Bounds on n after projected steps, of a tenth to a hundred times the length that the flow's stiffness asks for.

    For the falsifiers: a rate that is `faster` than $\mu$.
    """
    problem, direction, radius, c = planned(case)
    step = 10 ** case.rng().uniform(-1, 2) / (c * radius * float(linalg.norm(problem.A, 2)) ** 2)
    points = projected_descent(problem, Polar.of(radius, direction), c, step, STEPS, radial=0.0)
    n, k = in_kernel(problem, points), np.arange(STEPS + 1)
    return [visible(n, one.along_steps(k, faster * step)) for one in guarantees(problem, radius, direction, c)]


def in_the_end(case: Case) -> Measurement:
    """n after a long phase one, from a direction in ker A."""
    problem, direction, radius, c = planned(case)
    direction = problem.kernel @ (problem.kernel.T @ direction)
    direction /= np.linalg.norm(direction)
    (known, *_) = guarantees(problem, radius, direction, c)
    t, points = held(problem, direction, WeightNormFlow(1, c), radius, known.below_zero + 6 / known.rate)
    return Measurement(in_kernel(problem, points)[-1], known.along_flow(t)[-1])


def after_phase_two(case: Case) -> Measurement:
    """The excess alone."""
    every = measure(case)
    return replace(every, main=every.main[1:] if every.main else None)


def twice_the_rate(case: Case) -> Measurement:
    r"""With $2\mu$ for $\mu$."""
    return joined(stepped(case, faster=2.0))


def two_factors(case: Case) -> Measurement:
    """Phase one of depth 2, from the same guarantees."""
    problem, direction, flow = case.problem, np.abs(case.direction), WeightNormFlow(2, case.ratio)
    radius = case.scale * float(np.linalg.norm(least_norm(problem)))
    known = guarantees(problem, radius, direction / np.linalg.norm(direction), case.ratio)
    t, points = held(problem, direction, flow, radius, max(one.below_zero + 5 / one.rate for one in known))
    return joined([visible(in_kernel(problem, points), one.along_flow(t)) for one in known])


def too_long(case: Case) -> Measurement:
    r"""Held at $1.2\, \lVert w^\dagger\rVert$, where there are interpolants; a guarantee as if it were 0.8."""
    problem, direction, _, c = planned(case)
    length = float(np.linalg.norm(least_norm(problem)))
    (known, *_) = guarantees(problem, 0.8 * length, direction, c)
    t, points = held(problem, direction, WeightNormFlow(1, c), 1.2 * length, known.below_zero + 5 / known.rate)
    return Measurement(*visible(in_kernel(problem, points), known.along_flow(t)))


def above_zero(case: Case) -> Measurement:
    r"""Phase two at once, from a direction close to $-w^\dagger$."""
    problem, direction, radius, c = planned(case)
    least = least_norm(problem)
    across = problem.kernel @ (problem.kernel.T @ direction)
    opposite = -least / np.linalg.norm(least) + 0.1 * across / np.linalg.norm(across)
    return joined(phase_two(problem, WeightNormFlow(1, c).start(case.n, radius, opposite), c))


def plain_release(case: Case) -> Measurement:
    r"""Phase two by gradient flow, whose ratio $1/r^2$ changes, with the bound for the ratio c."""
    problem, direction, radius, c = planned(case)
    start = GradientFlow(1).start(case.n, radius, direction)
    path = until_fitted(GradientFlow(1), problem, start)
    q = float(np.sum(least_norm(problem) ** 2))
    extra = float(np.sum((path.weights[-1] @ problem.kernel) ** 2))
    return Measurement(extra / (q + extra), float(in_kernel(problem, start)) ** 2 * np.exp(-c * (q - radius**2)))


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    tolerance=1e-4,
    ensemble=Ensemble(depths=(1,), ratios=(0.5, 12), scales=(0.2, 0.9), uniform=False),
    derive=derive,
    measure=measure,
    falsifiers=(
        Falsifier(1, "$L = 2$", two_factors),
        Falsifier(2, r"$r_1 = 1.2\, \lVert w^\dagger\rVert$", too_long),
        Falsifier(3, r"released at once from close to $-w^\dagger$, where $\ell > \ell(0)$", above_zero),
        Falsifier(
            4,
            "released to gradient flow, of ratio $1/r^2$",
            plain_release,
            ensemble=Ensemble(depths=(1,), ratios=(4, 12), scales=(0.3, 0.9), uniform=False),
        ),
        Falsifier(
            "formula",
            r"$2\mu$",
            twice_the_rate,
            ensemble=Ensemble(depths=(1,), scales=(0.2, 0.9), matrices=("cosine",), uniform=False),
        ),
        Falsifier("formula", "$e^{-2 c (q - r_1^2)}$", partial(measure, exponent=2.0)),
        Falsifier(
            "formula",
            "the largest singular value for the smallest",
            partial(measure, fast=True),
            ensemble=Ensemble(depths=(1,), scales=(0.2, 0.9), matrices=("gaussian",), columns=(8, 12), uniform=False),
        ),
    ),
    attained=(
        Attained(
            "for $n$, from ker $A$, with orthonormal rows and a small radius",
            in_the_end,
            Ensemble(depths=(1,), ratios=(0.5, 12), scales=(0.02, 0.1), matrices=("cosine",), uniform=False),
        ),
        Attained("for the excess of phase two", after_phase_two),
    ),
    uses=("minimum_norm", "perpendicular"),
    mutants=(
        "the pull added at depth 1",
        "nine tenths of the turning of the chart",
        "the start's offset alone",
        "the start's offset added",
        "time multiplied by the rate",
        "the pseudoinverse left out",
        "half the radius in the drive",
        "the start's offset inverted",
        "no radius in the guaranteed rate",
        "nine tenths of the certificate",
        "projected steps uphill",
    ),
)
