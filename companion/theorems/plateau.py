r"""The length of a plateau

A flow that comes near a saddle stays there until the weights that are missing have grown, and how long that takes is
known in advance, from below and from above.

Statement
---------
Let $L \ge 2$ and let $w = x^L$ move by gradient flow (GF) or by weight-normalized gradient flow (WN), from $w_0 > 0$ of
radius $r_0$. Let $m_2 = \log$, $m_L(x) = x^{2-L}/(2-L)$ for $L \ge 3$, and

$$
\begin{aligned}
\gamma(r) &= 1, & g(r) &= 1 && \text{(GF)}, \\
\gamma(r) &= \eta_u r^2, & g(r) &= r\, e^{-c r^2/2} && \text{(WN)}.
\end{aligned}
$$

Let $w^* \ge 0$ have the support $J$ and the loss $\ell^*$, let $p^* = A^\top (y - A w^*)$, and write $a_i$ for the norm
of column $i$ of $A$. The *outsiders* are the $n$ weights with $i \notin J$; $a$ is the largest of their $a_i$, and
$P = \max(0, \max_{i \notin J} p^*_i)$. Let $T$ be the first time at which the mass of the outsiders is $\delta$. If

1. **saddle**: $A_J^\top (y - A w^*) = 0$, and the smallest singular value $s$ of $A_J$ is positive;
2. **few outsiders**: $\sum_{i \notin J} w_i(0) < \delta$;
3. **constant rates**: $\eta_r$ and $\eta_u = c\, \eta_r$ do not depend on time (weight normalization),

then at all times up to $T$, with $\varepsilon^2 = 2\, (\ell(w_0) - \ell^*) + 2 P \delta$ and
$d = (\varepsilon + a \delta)/s$,

$$
\begin{aligned}
\ell &\ge \ell^* - P\delta, \qquad |p_i - p^*_i| \le a_i\, \varepsilon, \qquad \rho_- \le r^2 \le \rho_+, \\
\rho_- &= \sum_{i \in J} \max(w^*_i - d, 0)^{2/L}, \qquad
\rho_+ = \sum_{i \in J} (w^*_i + d)^{2/L} + n^{1 - 2/L} \delta^{2/L} .
\end{aligned}
$$

With the least and largest values $\gamma_\pm$, $g_\pm$ of $\gamma(r)$ and $g(r)$ on $\rho_- \le r^2 \le \rho_+$, and
with $X_i = \frac{g_+}{g(r_0)}\, x_i(0)$, $Y_i = \frac{g_-}{g(r_0)}\, x_i(0)$,

$$
\begin{aligned}
T &\ge \min_{i \notin J} \frac{m_L((\delta/n)^{1/L}) - m_L(X_i)}{L\, \gamma_+\, (p^*_i + a_i \varepsilon)} , \\
T &\le \min_{i \notin J} \frac{m_L(\delta^{1/L}) - m_L(Y_i)}{L\, \gamma_-\, (p^*_i - a_i \varepsilon)} .
\end{aligned}
$$

Only outsiders with a positive denominator count (the minimum of nothing is $\infty$), and the first bound needs all
$X_i^L < \delta/n$. The flow is autonomous: its clock may start anywhere, on the plateau in particular.

Proof
-----
*The loss.* Let $q^* = y - A w^*$, and split $w - w^*$ into $b$ on $J$ and $o \ge 0$ off $J$, with
$f = A_J\, b + A o$. As $A_J^\top q^* = 0$,

$$
\begin{aligned}
\ell(w) = \tfrac12 \lVert q^* - f \rVert^2 = \ell^* - \langle p^*, o\rangle + \tfrac12 \lVert f\rVert^2 .
\end{aligned}
$$

Up to $T$, $\langle p^*, o\rangle \le P \lVert o\rVert_1 \le P\delta$: the first claim. And $\ell(w) \le
\ell(w_0)$, since the loss does not increase ({prf:ref}`thm-loss_rate`): $\lVert f\rVert \le \varepsilon$.

*Force and radius.* $p_i - p^*_i = -\langle A_i, f\rangle$. Next, $s\, \lVert b\rVert \le \lVert A_J\, b\rVert \le
\varepsilon + \lVert A o\rVert \le \varepsilon + a\delta$, so that every entry of $b$ is at most $d$. Finally
$r^2 = \sum_i w_i^{2/L}$, where by Hölder's inequality the outsiders have at most $n^{1-2/L} \delta^{2/L}$.

*One outsider.* By {prf:ref}`thm-magnification`, $z = u\, e^{\sigma(r)}$ moves by $z_i' = \kappa L\, p_i z_i^{L-1}$,
for gradient flow with $\sigma = \log r$. It is $x_i = r u_i = g(r)\, z_i$ with $g = r e^{-\sigma}$, and $\kappa =
\eta_u r^L e^{(2-L)\sigma} = \gamma\, g^{L-2}$. So for a constant $G > 0$

$$
\begin{aligned}
\frac{d}{dt}\, m_L(G z_i) = \gamma(r)\, \Bigl(\frac{g(r)}{G}\Bigr)^{L-2} L\, p_i .
\end{aligned}
$$

With $G = g_+$ the quotient is at most $1$, and $g_+ z_i \ge x_i$ starts at $X_i$: up to $T$,
$m_L(g_+ z_i) \le m_L(X_i) + L\, \gamma_+ (p^*_i + a_i\varepsilon)_+\, t$. As long as this is less than
$m_L((\delta/n)^{1/L})$ for all outsiders, each has less than its share of $\delta$. With $G = g_-$ the quotient is at
least $1$, and $g_- z_i \le x_i$ starts at $Y_i$: if $p^*_i > a_i \varepsilon$, then $m_L(x_i) \ge m_L(Y_i) + L\,
\gamma_- (p^*_i - a_i \varepsilon)\, t$, and at the time of the second bound $w_i$ alone would have the mass $\delta$.

Boundary
--------
- **Checked.** The expansion of the loss, the motion of $m_L(G z_i)$ and $\kappa = \gamma g^{L-2}$ by computer algebra.
  On the ensemble: both bounds against followed flows of either kind, from starts near saddles with a random support
  (the empty one where least squares on one weight interpolates); and, at every snapshot up to $T$, the loss, the forces
  and the radius against theirs; the code's $\rho_+$ against the formula.
- **Assumed.** Nothing.
- **No run can test.** Nothing where the second bound is finite, and with it $T$. Where it is infinite, the run stops at
  twenty times the first.

Source
------
Derived here. That gradient flow of two-factor networks jumps from saddle to saddle as its start shrinks, and in which
order, is in {cite:t}`Pesme2023`; here neither the start nor the ratio tends to a limit.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import (
    Depth,
    Derivation,
    L,
    Step,
    along,
    c,
    eta_u,
    magnified,
    mirror,
    p,
    r,
    reduced,
)
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.polar import Polar, polar_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.saddles import Saddle, saddle
from wnlib.limits.stays import Stay, exit_time, stay
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory

MASS = 1e-4  # of the outsiders when the flow counts as gone, relative to basis pursuit's
FIRST = 1e-2  # of that mass, at the start
PATIENCE = 20  # times the lower bound, where the upper one is infinite


def derive(depth: Depth = L) -> Derivation:
    """The loss near a saddle, the growth of one outsider in fixed units, and the speed in terms of its two factors."""
    G, x = sp.symbols("G x_i", positive=True)
    g, gamma = r * sp.exp(-c * r**2 / 2), eta_u * r**2
    motion = along(mirror(G * magnified(), depth), symbolic.polar_rates(depth))
    growth = gamma * (g / G) ** (depth - 2) * depth * p
    plain = along(mirror(x, depth), {x: depth * p * x ** (depth - 1)})
    # one weight on the support and one outsider of two measurements; q* is orthogonal to the former's column
    a, b = (sp.Matrix(sp.symbols(f"{name}_1:3", real=True)) for name in "ab")
    e, o = sp.symbols("e o", real=True)
    q = sp.Symbol("q", real=True) * sp.Matrix([-a[1], a[0]])
    v = e * a + o * b
    rest = (q - v).dot(q - v) / 2
    expanded = q.dot(q) / 2 - b.dot(q) * o + v.dot(v) / 2
    norm, pull, least = (sp.Symbol(name) for name in (r"{\lVert f\rVert}", r"{\langle p^*, o\rangle}", r"\ell^*"))
    steps = (
        Step("The loss", r"\ell(w)", least - pull + norm**2 / 2, r"$f = A (w - w^*)$, and $A_J^\top (y - A w^*) = 0$."),
        Step("In fixed units", r"\frac{d}{dt} m_L(G z_i)", sp.powsimp(growth), "The factors' product does not count."),
        Step("Gradient flow", r"\frac{d}{dt} m_L(x_i)", depth * p, r"$\gamma = g = G = 1$."),
    )
    return Derivation(
        steps,
        reduced(
            motion - growth,
            plain - depth * p,
            sp.powsimp(sp.expand_log(sp.log(symbolic.speed(depth)) - sp.log(gamma * g ** (depth - 2)), force=True)),
            rest - expanded,
            a.dot(q),
        ),
    )


def a_saddle(case: Case, problem: Problem) -> Saddle:
    """With a random support of at most three, or of one that does not interpolate; w = 0 where there is none."""
    rng = case.rng()
    drawn = rng.choice(case.n, size=int(rng.integers(1, min(3, case.n - 1) + 1)), replace=False)
    nothing = saddle(problem, [])
    for candidates in (drawn, *np.argsort(-nothing.force)[:, None]):
        found = saddle(problem, candidates)
        if found.support.any() and found.loss > 1e-3 * nothing.loss:
            return found
    return nothing


def near(case: Case, at: Saddle, mass: float) -> Polar:
    """A point whose outsiders are random and have the given mass; the others are the saddle's."""
    outside = ~at.support
    x = case.rng().uniform(0.3, 1.7, outside.size) * outside
    weights = np.where(outside, mass * x**case.depth / np.sum(x**case.depth), at.weights)
    return polar_of(weights, case.depth)


def confined(trajectory: Trajectory, at: Saddle, bounds: Stay, until: float) -> Array:
    r"""Loss, radius and forces at the snapshots up to a time, below what the theorem says of them; $\rho_+$: (2, K)."""
    early = trajectory.t <= until
    weights, loss, square = trajectory.weights[early], trajectory.loss[early], trajectory.radius[early] ** 2
    problem, outside = at.problem, ~at.support
    push = max(0.0, float(at.force[outside].max()))
    error = np.sqrt(max(0.0, 2 * (float(trajectory.loss[0]) - at.loss) + 2 * push * bounds.mass))
    apart = np.abs(problem.residual(weights) @ problem.A - problem.A.T @ problem.residual(at.weights))
    columns = np.linalg.norm(problem.A, axis=0)
    largest = _largest(at, error + columns[outside].max() * bounds.mass, bounds.mass, trajectory.flow.depth)
    measured = [np.full(loss.size, bounds.loss), square, np.full(loss.size, bounds.radius[0]), apart.max(axis=0)]
    least = [loss, np.full(loss.size, bounds.radius[1]), square, columns * error]
    measured, least = [*measured, [bounds.radius[1], largest]], [*least, [largest, bounds.radius[1]]]
    return np.array([np.concatenate(measured), np.concatenate(least)])


def _largest(at: Saddle, apart: float, mass: float, depth: int) -> float:
    r"""$\rho_+$, for outputs that the weights on the support move by at most $s d$ = `apart`."""
    on, outsiders = at.support, int(np.sum(~at.support))
    d = apart / np.linalg.svd(at.problem.A[:, on], compute_uv=False)[-1] if on.any() else 0.0
    return float(np.sum((at.weights[on] + d) ** (2 / depth)) + outsiders ** (1 - 2 / depth) * mass ** (2 / depth))


def measure(
    case: Case,
    stretch: float = 1.0,
    crowd: float = 1.0,
    jump: float = 1.0,
    slow: Callable[[int], float] = lambda depth: 1.0,
    wrong: Callable[[Flow], Flow] = lambda flow: flow,
    close: bool = True,
) -> Measurement:
    """The lower bound against the time, and the time against the upper bound; both flows.

    For the falsifiers: a `stretch` of the saddle's weights; a start with `crowd` times the outsiders; a ratio that
    changes by the factor `jump` on the way; bounds that are `slow` by a factor, or those of a `wrong` flow. Then only
    the times are compared: the run is not `close`.
    """
    problem, times, ways = case.problem, [(0.0, 0.0)], []
    at = a_saddle(case, problem)
    if stretch != 1.0:
        weights = stretch * at.weights
        at = replace(at, weights=weights, loss=float(problem.loss(weights)))
    mass = MASS * float(case.target.sum())
    start, crowded = near(case, at, FIRST * mass), near(case, at, crowd * FIRST * mass)
    flows: tuple[Flow, ...] = (case.flow, case.plain)
    for flow in flows if jump == 1.0 else flows[:1]:
        bounds = stay(wrong(flow), at, start, mass)
        end = 1.01 * bounds.latest if np.isfinite(bounds.latest) else PATIENCE * bounds.earliest
        if not 0 < end < np.inf:  # nothing is claimed of weight normalization at w = 0; the rest cannot be waited for
            continue
        trajectory = integrate(flow, problem, crowded, end, rtol=1e-6)
        left = min(exit_time(trajectory, at, mass), end)
        if jump != 1.0:
            half = bounds.earliest / 2
            faster, middle = WeightNormFlow(case.depth, jump * case.ratio), trajectory.at([half]).points[0]
            left = half + exit_time(integrate(faster, problem, middle, end, rtol=1e-6), at, mass)
        factor = slow(case.depth)
        times += [(factor * bounds.earliest, left), (left, factor * bounds.latest)]
        if close:
            ways.append(confined(trajectory, at, bounds, left))
    pairs = np.concatenate([np.array(times).T, *ways], axis=1)
    return Measurement(pairs[0], pairs[1], main=range(len(times)))


def one_outsider(case: Case) -> Measurement:
    """Both flows, one weight at a saddle and one outside, of little mass: the times against their bounds."""
    rng = case.rng()
    A = np.vstack([[1.0, rng.uniform(0.0, 0.5)], [0.0, 1.0]])
    problem = Problem(A, np.array([1.0, rng.uniform(0.5, 1.0)]))
    at = saddle(problem, [0])
    start, measured, predicted = near(case, at, FIRST * MASS), list[float](), list[float]()
    for flow in (case.flow, case.plain):
        bounds = stay(flow, at, start, MASS)
        left = exit_time(integrate(flow, problem, start, 1.01 * bounds.latest, rtol=1e-6), at, MASS)
        measured += [bounds.earliest, left]
        predicted += [left, bounds.latest]
    return Measurement(measured, predicted)


def as_if_plain(flow: Flow) -> Flow:
    """Gradient flow in place of weight normalization."""
    return GradientFlow(flow.depth)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.saddle", "wnlib.stay", "wnlib.cascade"),
    tolerance=1e-5,
    ensemble=Ensemble(depths=(2, 3, 4), ratios=(0.5, 10.0), columns=(4, 8)),
    derive=derive,
    symbolic=True,
    measure=measure,
    attained=(Attained("both times, with one outsider", one_outsider),),
    uses=("magnification", "loss_rate"),
    falsifiers=(
        Falsifier(1, r"$1.5\, w^*$ for $w^*$", partial(measure, stretch=1.5, close=False)),
        Falsifier(2, "twice the mass, from the start", partial(measure, crowd=2 / FIRST, close=False)),
        Falsifier(3, "a ratio that jumps to its tenfold", partial(measure, jump=10.0, close=False)),
        Falsifier("formula", r"$\gamma$ for $L\gamma$", partial(measure, slow=float, close=False)),
        Falsifier("formula", r"$\gamma = 1$ for $\eta_u r^2$", partial(measure, wrong=as_if_plain, close=False)),
    ),
    mutants=(
        "no L - 2 in the mirror map",
        "a power less in the mirror map",
        "the mirror map's sign",
        "L for L - 2 in the mirror map",
        "half the logarithm in the mirror map",
        "half the force at a saddle",
        "a mass multiplied for shared",
        "the error of the force subtracted",
        "the fastest growth in both bounds",
        "the least loss without the push",
        "a share for the whole mass",
        "one outsider for all in the radius",
        "the least radius above the saddle's",
        "the least radius that of the saddle",
        "the largest radius that of the saddle",
        "radii squared in the rates",
        "the magnification inverted at a saddle",
        "a peak at c for 1/c",
        "the support's mass at the exit",
        "an exit at twice the mass",
        "an exit by one weight alone",
        "half of the push at a saddle",
        "twice the push at a saddle",
        "a quarter of the loss above a saddle's",
        "twice the loss above a saddle's",
        "a quarter of what the push gains",
        "twice what the push gains",
        "half of the spread at a saddle",
        "twice the spread at a saddle",
        "the outsiders' outputs not spread at a saddle",
        "the gain squared at a saddle",
    ),
)
