r"""A large ratio is inverse scale space

As the ratio of the learning rates grows, weight normalization with two factors follows the inverse scale space flow of
half of the squared mass: at every time it is at basis pursuit for what it has fitted so far.

Statement
---------
Let $L = 2$, let $w_c$ move by weight-normalized gradient flow of ratio $c$ from $w_0 = S_0\, u_0^2$, $u_0 > 0$, and let
$\hat\tau$, $\hat\lambda_c$, $\hat\theta_c$ and $S_c = \lVert w_c\rVert_1$ be as in {prf:ref}`thm-rescaled_dual_flow`.
Let $\hat\lambda_\infty$ be the gradient flow of

$$
\begin{aligned}
\hat D_\infty(\hat\lambda) &= \tfrac12 \bigl( \max_i \hat\theta_i \bigr)_+^2 - \langle y, \hat\lambda\rangle, &
  \hat\theta &= S_0 \mathbf 1 + A^\top\hat\lambda,
\end{aligned}
$$

from $0$. That is, $d\hat\lambda_\infty/d\hat\tau = y - A w_\infty$, where the weights $w_\infty \ge 0$ have the mass
$S_\infty = (\max_i \hat\theta_i)_+$ and vanish where $\hat\theta_i$ is not largest. Let $k = \max_i \log(1/u_{0,i}^2)$,
which is $\log N$ for a uniform start. If

1. **one start**: $S_0$ is the same for both;
2. **interpolant**: $z^\circ \ge 0$, $A z^\circ = y$, and $Q = \lVert z^\circ\rVert_1$;
3. **within the window**: $S_0 < Q$, for $z^\circ = z^*$,

then, for every $c > 0$ and at every time,

$$
\begin{aligned}
\lVert \hat\lambda_c - \hat\lambda_\infty\rVert^2 &\le \int_0^{\hat\tau} \bigl( (\max_i \hat\theta_{c,i})^2 - S_c^2
  \bigr)\, d\hat\tau' \le \frac{k\, \hat\tau}{c} \Bigl( 2 \bar S + \frac kc \Bigr), \\
S_c &\le \bar S := Q + \sqrt{(Q - S_0)^2 + 2 k Q/c}, \\
|S_c - S_\infty| &\le \max_j \lVert A_j\rVert\, \lVert \hat\lambda_c - \hat\lambda_\infty\rVert + \frac kc .
\end{aligned}
$$

So $\hat\lambda_c \to \hat\lambda_\infty$ and $S_c \to S_\infty$ as $c \to \infty$, uniformly on bounded intervals of
$\hat\tau$, and $A w_c \to A w_\infty$ in the mean square. For $\hat\tau > 0$ moreover $S_0 < S_\infty < 2 Q - S_0$, and

$$
\begin{aligned}
\lVert w_\infty\rVert_1 &= \min\{ \lVert v\rVert_1 : A v = A w_\infty,\ v \ge 0 \} .
\end{aligned}
$$

Proof
-----
*Two functions.* $S_c$ is a mean of $\hat\theta_{c,i}$ by exponentials, $\hat\theta_{c,i} = S_c + \tfrac1c
\log(\pi_i/u_{0,i}^2)$, and $\pi_i \le 1$. So $S_c \le \max_i \hat\theta_{c,i} \le S_c + k/c$, and likewise for
$\sigma_c$ and $\max_i \hat\theta_i$ at any $\hat\theta$: $\hat D_c \le \hat D_\infty$.

*Two flows.* With $g_c = \nabla\hat D_c(\hat\lambda_c)$ and $g$ the subgradient of $\hat D_\infty$ at
$\hat\lambda_\infty$ with which it moves, a convex function lies above its tangents:

$$
\begin{aligned}
\tfrac12 \tfrac{d}{d\hat\tau} \lVert \hat\lambda_c - \hat\lambda_\infty\rVert^2
  &= \langle g_c, \hat\lambda_\infty - \hat\lambda_c\rangle + \langle g, \hat\lambda_c - \hat\lambda_\infty\rangle \\
  &\le (\hat D_c - \hat D_\infty)(\hat\lambda_\infty) + (\hat D_\infty - \hat D_c)(\hat\lambda_c) .
\end{aligned}
$$

The first difference is at most 0; the second is $\tfrac12 (\max_i \hat\theta_{c,i})^2 - \tfrac12 S_c^2$, at most $S_c
\tfrac kc + \tfrac{k^2}{2 c^2}$. Integrate.

*The mass.* $D_{\hat\Phi_c}(z^\circ, w_c)$ does not increase ({prf:ref}`thm-dissipation`), and by
{prf:ref}`thm-rescaled_dual_flow` it is at least $\tfrac12 (Q - S_c)^2$, and at the start at most $\tfrac12 (Q - S_0)^2
+ \tfrac kc Q$. That is the bound $\bar S$. For the third bound, the maxima of $\hat\theta_c$ and $\hat\theta_\infty$
differ by at most $\max_j \lVert A_j\rVert\, \lVert \hat\lambda_c - \hat\lambda_\infty\rVert$.

*Mean square.* $\int_0^T \lVert\hat\lambda_c'\rVert^2 = \hat D_c(0) - \hat D_c(\hat\lambda_c(T))$ tends to $\hat
D_\infty(0) - \hat D_\infty(\hat\lambda_\infty(T)) = \int_0^T \lVert\hat\lambda_\infty'\rVert^2$. As $\hat\lambda_c'$
tends to $\hat\lambda_\infty'$ weakly and its norm to the norm, it does so strongly.

*Growth.* $\hat\lambda = 0$ does not minimise $\hat D_\infty$: otherwise $y = A w$ with the mass $S_0 < Q$. So $\hat
D_\infty(\hat\lambda_\infty) < \tfrac12 S_0^2$ for $\hat\tau > 0$. Let $s = \max_i \hat\theta_i$. Since $\langle y,
\hat\lambda\rangle = \langle z^*, A^\top\hat\lambda\rangle \le Q (s - S_0)$, this gives $\tfrac12 s_+^2 - Q (s - S_0) <
\tfrac12 S_0^2$. For $s \le 0$ the left side is at least $Q S_0$: impossible. So $s = S_\infty > 0$ and $(s - S_0)
\bigl( \tfrac12 (s + S_0) - Q \bigr) < 0$: the first factor is positive and the second negative, as the other way round
$s < S_0 < Q$ and $\tfrac12 (s + S_0) > Q$.

*Basis pursuit.* Let $\nu = \hat\lambda_\infty/(S_\infty - S_0)$. Then $A^\top\nu \le \mathbf 1$, with equality where
$w_\infty > 0$. For $v \ge 0$ with $A v = A w_\infty$, $\lVert v\rVert_1 \ge \langle A^\top\nu, v\rangle = \langle\nu, A
w_\infty\rangle = \lVert w_\infty\rVert_1$.

Boundary
--------
- **Checked.** The algebra of the bounds. All of them on ugly problems, the flow integrated at ratios from 60 to 6000
  over $Q$, the path computed exactly by active sets; and its weights against a linear program. The distance that is
  seen falls like $1/c$; what is proved of it is $1/\sqrt c$, which the first times, of the order of $k/c$, do need.
- **Assumed.** Nothing but what is classical: a finite convex function has exactly one gradient flow from each point.
- **No run can test.** The limit $c \to \infty$. It is proved. Where several $w_\infty$ have one $A w_\infty$, all are
  minimisers; which of them $w_c$ tends to is not said.

Source
------
Derived here. {cite:t}`Burger2006` introduce inverse scale space methods for functionals that need not be smooth, and
{cite:t}`Osher2016` use such dynamics for sparse recovery.
"""

from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import sympy as sp
from scipy.optimize import nnls

from companion.verification.cases import normalized_flow, start_radius
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import rescaled
from companion.verification.symbolic import Depth, Derivation, Step, c, reduced
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.large_ratio import LargeRatioPath, large_ratio_path
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.trajectories.integration import integrate

ROUNDING = 1e-6  # of the dual variable


def derive(depth: Depth = 2) -> Derivation:
    """What the two objectives differ by, the bound on the mass, and the one on the growth."""
    S, k, Q, S_0, s, E = sp.symbols(r"S_c k Q S_0 S_\infty \varepsilon", positive=True)
    apart = sp.expand(((S + E) ** 2 - S**2) / 2)
    bar = Q + sp.sqrt((Q - S_0) ** 2 + 2 * k * Q / c)
    growth = s**2 / 2 - Q * (s - S_0) - S_0**2 / 2
    residuals = reduced(
        apart - S * E - E**2 / 2,
        2 * apart.subs(E, k / c) - k / c * (2 * S + k / c),
        (Q - bar) ** 2 - (Q - S_0) ** 2 - 2 * k * Q / c,
        growth - (s - S_0) * ((s + S_0) / 2 - Q),
    )
    steps = (
        Step(
            "Two objectives",
            r"\hat D_\infty - \hat D_c",
            apart,
            r"At $\hat\lambda_c$, with $\varepsilon = \max_i \hat\theta_{c,i} - S_c \le k/c$.",
        ),
        Step(
            "Two flows",
            r"\tfrac{d}{d\hat\tau} \lVert \hat\lambda_c - \hat\lambda_\infty\rVert^2",
            k / c * (2 * S + k / c),
            "Tangents of both functions.",
            r"\le",
        ),
        Step("The mass", r"(Q - S_c)^2", (Q - S_0) ** 2 + 2 * k * Q / c, "The divergence does not increase.", r"\le"),
        Step(
            "Growth",
            r"\hat D_\infty(\hat\lambda_\infty) - \hat D_\infty(0)",
            (s - S_0) * ((s + S_0) / 2 - Q),
            r"By $\langle y, \hat\lambda\rangle \le Q (S_\infty - S_0)$; and it is negative.",
            r"\ge",
        ),
    )
    return Derivation(steps, residuals)


@dataclass(frozen=True, eq=False)
class Followed:
    """A flow at some T of its snapshots, with the first of the bounds (T,) on its squared distance from the limit."""

    flow: WeightNormFlow
    problem: Problem
    start: Polar
    times: Array
    dual: Array
    masses: Array
    first: Array

    @classmethod
    def of(cls, flow: WeightNormFlow, problem: Problem, start: Polar, share: float) -> "Followed":
        """Until only a `share` of the loss of w = 0 is left."""
        path = integrate(flow, problem, start, 1e12, rtol=ROUNDING, stop_loss=share * problem.loss_of_zero)
        found, at = rescaled(path, start), np.linspace(len(path.t) // 8, len(path.t) - 1, 10).astype(int)
        noise = (ROUNDING * np.abs(found.dual).max()) ** 2
        return cls(flow, problem, start, found.times[at], found.dual[at], path.l1[at], found.apart[at] + noise)

    @property
    def k(self) -> float:
        return float(-2 * self.start.log_direction.min())

    def second(self, Q: float) -> Array:
        """The second bound, (T,)."""
        c = self.flow.ratio
        return np.asarray(self.k * self.times / c * (2 * self.largest_mass(Q) + self.k / c))

    def largest_mass(self, Q: float) -> float:
        return Q + float(np.sqrt((Q - float(self.start.radius) ** 2) ** 2 + 2 * self.k * Q / self.flow.ratio))

    def distance(self, path: LargeRatioPath, clock: float = 1.0) -> Array:
        """From the limit, (T,)."""
        times, A = clock * self.times, self.problem.A
        return np.asarray(
            np.linalg.norm(self.dual - times[:, None] * self.problem.y + path.integral(times) @ A.T, axis=1)
        )


@cache  # falsifiers look at the same
def followed(case: Case) -> Followed:
    flow = normalized_flow(case)
    return Followed.of(flow, case.problem, flow.start(case.n, start_radius(case), case.direction), 1e-8)


def measure(case: Case, other: float = 1.0, clock: float = 1.0, share: float = 1.0, start: float = 1.0) -> Measurement:
    """Two bounds on the squared distance, those on the mass, and the path's mass against basis pursuit's.

    For the falsifiers: a path from `other` times the radius, with another `clock`; a `share` of the interpolant;
    weights that the path of a `start` beyond the window would jump to.
    """
    flow, problem, Q = followed(case), case.problem, float(case.target.sum())
    path = large_ratio_path(problem, replace(flow.start, radius=other * flow.start.radius))
    distance, weights = flow.distance(path, clock), path.at(clock * flow.times)
    away = np.linalg.norm(problem.A, axis=0).max() * distance + flow.k / flow.flow.ratio
    at = weights[[0, 5, -1]] if start == 1 else _beyond(problem, start * Q)
    pursued = [basis_pursuit(Problem(problem.A, problem.A @ w, w)).value for w in at]
    above = np.full(len(distance), flow.largest_mass(share * Q))
    gone = np.abs(flow.masses - weights.sum(axis=1))
    return Measurement(
        np.concatenate([distance**2, distance**2, gone, flow.masses, at.sum(axis=1)]),
        np.concatenate([flow.first, flow.second(share * Q), away, above, pursued]),
        main=range(2 * len(distance)),
    )


def _beyond(problem: Problem, mass: float) -> Array:
    """Nonnegative weights (1, N) of a given mass with the least loss: at them a path from there starts, and stays."""
    heavy = 1e3 * np.linalg.norm(problem.A)
    rows = np.vstack([problem.A, np.full(problem.shape[1], heavy)])
    return np.array([nnls(rows, np.append(problem.y, heavy * mass), maxiter=100 * problem.shape[1])[0]])


def nearly_there(case: Case, crude: bool) -> Measurement:
    """One weight is measured, and the start has nearly its mass, in all weights alike."""
    problem = Problem(np.eye(1, case.n), np.ones(1))
    flow = WeightNormFlow(2, 100 * case.ratio)
    found = Followed.of(flow, problem, flow.start(case.n, 1 - 1e-6), 1e-4)
    square = found.distance(large_ratio_path(problem, found.start)) ** 2
    bound = found.second(1.0) if crude else found.first
    at = int(np.argmax(square / bound))
    return Measurement(square[at], bound[at])


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.large_ratio_path", "wnlib.LargeRatioPath"),
    tolerance=1e-5,
    ensemble=Ensemble(depths=(2,), ratios=(30.0, 3000.0), scales=(0.3, 0.9)),
    derive=derive,
    measure=measure,
    uses=("rescaled_dual_flow", "dissipation"),
    falsifiers=(
        Falsifier(1, "the path from nine tenths of the radius", partial(measure, other=0.9)),
        Falsifier(2, r"$\tfrac12 z^\circ$: no interpolant", partial(measure, share=0.5)),
        Falsifier(3, "$S_0 = 2 Q$, and the weights that a path starts at", partial(measure, start=2.0)),
        Falsifier("formula", r"$d\hat\tau = 2 \eta_r S\, dt$", partial(measure, clock=0.5)),
    ),
    attained=(
        Attained(
            "the first, where one weight is measured and the start has its mass", partial(nearly_there, crude=False)
        ),
        Attained("the second, there", partial(nearly_there, crude=True), within=3.0),
    ),
    mutants=(
        "the earlier pieces left out",
        "a jump in the place of a decay",
        "twice the decay of the multiplier",
        "events that are noticed too late",
        "entries that never catch up",
        "the force of least squares doubled",
        "a support that is never left",
    ),
)
