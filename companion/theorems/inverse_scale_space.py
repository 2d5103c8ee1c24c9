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

then, for every $c > 0$ and at every $\hat\tau > 0$, with $\pi_c = w_c/S_c$,

$$
\begin{aligned}
\lVert \hat\lambda_c - \hat\lambda_\infty\rVert^2 &\le \frac2c \int_0^{\hat\tau} \sum_i (w_{\infty,i} - w_{c,i}) \log
  \frac{\pi_{c,i}}{u_{0,i}^2}\, d\hat\tau' \le \frac{2 k\, \hat\tau}{c}\, (2 Q - S_0), \\
|S_c - S_\infty| &\le \max_j \lVert A_j\rVert\, \lVert \hat\lambda_c - \hat\lambda_\infty\rVert + \frac kc .
\end{aligned}
$$

So $\hat\lambda_c \to \hat\lambda_\infty$ and $S_c \to S_\infty$ as $c \to \infty$, uniformly on bounded intervals of
$\hat\tau$, and $A w_c \to A w_\infty$ in the mean square. Moreover $S_0 < S_\infty < 2 Q - S_0$, and

$$
\begin{aligned}
\lVert w_\infty\rVert_1 &= \min\{ \lVert v\rVert_1 : A v = A w_\infty,\ v \ge 0 \} .
\end{aligned}
$$

Proof
-----
*Two flows.* With $\hat\theta_c = S_c \mathbf 1 + \tfrac1c \log(\pi_c/u_0^2)$ and $s = S_\infty \mathbf 1 -
\hat\theta_\infty \ge 0$, which vanishes where $w_\infty$ does not,

$$
\begin{aligned}
\tfrac12 \tfrac{d}{d\hat\tau} \lVert \hat\lambda_c - \hat\lambda_\infty\rVert^2
  &= - \langle w_c - w_\infty, \hat\theta_c - \hat\theta_\infty\rangle \\
  &= - (S_c - S_\infty)^2 - \langle w_c, s\rangle + \tfrac1c \langle w_\infty - w_c, \log(\pi_c/u_0^2)\rangle .
\end{aligned}
$$

Drop what is not positive, and integrate. In what is left $\langle w_c, \log(\pi_c/u_0^2)\rangle = S_c
\operatorname{KL}(\pi_c \,\|\, u_0^2) \ge 0$, and $\log(\pi_c/u_0^2) \le k$ as $\pi_c \le 1$: it is at most $\tfrac kc
S_\infty$. That $S_\infty < 2 Q - S_0$ is shown below.

*The mass.* $S_c$ is a mean of $\hat\theta_{c,i}$ by exponentials, so $S_c \le \max_i \hat\theta_{c,i} \le S_c + \tfrac
kc$; and this maximum is within $\max_j \lVert A_j\rVert\, \lVert \hat\lambda_c - \hat\lambda_\infty\rVert$ of
$S_\infty$. Likewise $\hat D_c \to \hat D_\infty$ uniformly on bounded sets.

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
  over $Q$, the path computed exactly by active sets; and its weights against a linear program. The first bound
  needs the flow, and is nearly attained along it: both fall like $1/c$ in the runs. The second knows the start alone,
  and is of the order $1/\sqrt c$; at the first times, $\hat\tau$ of the order of $k/c$, it is not far from the truth.
- **Assumed.** Nothing but what is classical: a finite convex function has exactly one gradient flow from each point.
- **No run can test.** The limit $c \to \infty$. It is proved. Where several $w_\infty$ have one $A w_\infty$, all are
  minimisers; which of them $w_c$ tends to is not said.

Source
------
Derived here. {cite:t}`Burger2006` introduce inverse scale space methods for functionals that need not be smooth, and
{cite:t}`Osher2016` use such dynamics for sparse recovery.
"""

from dataclasses import replace
from functools import cache, partial

import numpy as np
import sympy as sp
from scipy.optimize import nnls

from companion.verification.cases import normalized_flow, start_radius
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import lag
from companion.verification.symbolic import Depth, Derivation, Step, c, reduced
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.large_ratio import large_ratio_path
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory

RTOL = 1e-6  # of the solver


def derive(depth: Depth = 2) -> Derivation:
    """How the distance changes, with three weights of which the limit has two; and the bound on the growth."""
    S, s, Q, S_0 = sp.symbols(r"S_c S_\infty Q S_0", positive=True)
    w, limit, logs = (sp.symbols(f"{name}_1:4", real=True) for name in ("w", "v", "l"))  # l: log(pi_c/u_0^2)
    behind = sp.Symbol("s_3", nonnegative=True)
    mass, whole = sp.Add(*w), limit[0] + limit[1]
    theta_c, theta = [mass + each / c for each in logs], [whole, whole, whole - behind]
    paired = zip(w, (limit[0], limit[1], 0), theta_c, theta, strict=True)
    change = -sp.Add(*((a - b) * (x - y) for a, b, x, y in paired))
    driven = (limit[0] - w[0]) * logs[0] + (limit[1] - w[1]) * logs[1] - w[2] * logs[2]
    growth = s**2 / 2 - Q * (s - S_0) - S_0**2 / 2
    residuals = reduced(
        sp.expand(change + (mass - whole) ** 2 + w[2] * behind - driven / c),
        growth - (s - S_0) * ((s + S_0) / 2 - Q),
    )
    lost, entropy, k = (
        sp.Symbol(r"{\langle w_c, s\rangle}"),
        sp.Symbol(r"{\operatorname{KL}(\pi_c \,\|\, u_0^2)}"),
        sp.Symbol("k"),
    )
    pushed = sp.Symbol(r"{\langle w_\infty - w_c, \log(\pi_c/u_0^2)\rangle}")
    steps = (
        Step(
            "Two flows",
            r"\tfrac12 \tfrac{d}{d\hat\tau} \lVert \hat\lambda_c - \hat\lambda_\infty\rVert^2",
            pushed / c - (S - s) ** 2 - lost,
            r"$\hat\theta_c$ and $\hat\theta_\infty$ inserted; $\langle w_\infty, s\rangle$ is 0.",
        ),
        Step(
            "The entropy that is missing",
            r"\langle w_\infty - w_c, \log(\pi_c/u_0^2)\rangle",
            k * s - S * entropy,
            r"Each logarithm is at most $k$.",
            r"\le",
        ),
        Step(
            "Growth",
            r"\hat D_\infty(\hat\lambda_\infty) - \hat D_\infty(0)",
            (s - S_0) * ((s + S_0) / 2 - Q),
            r"By $\langle y, \hat\lambda\rangle \le Q (S_\infty - S_0)$; and it is negative.",
            r"\ge",
        ),
    )
    return Derivation(steps, residuals)


@cache  # falsifiers look at the same
def followed(case: Case) -> Trajectory:
    flow = normalized_flow(case)
    return to_fit(flow, case.problem, flow.start(case.n, start_radius(case), case.direction), 1e-8)


def to_fit(flow: WeightNormFlow, problem: Problem, start: Polar, share: float) -> Trajectory:
    """Until only a `share` of the loss of w = 0 is left."""
    return integrate(flow, problem, start, 1e12, rtol=RTOL, stop_loss=share * problem.loss_of_zero)


def spread(start: Polar) -> float:
    """k."""
    return float(-2 * start.log_direction.min())


def measure(case: Case, other: float = 1.0, clock: float = 1.0, share: float = 1.0, start: float = 1.0) -> Measurement:
    """The squared distance and the masses against their bounds, the limit's mass against basis pursuit's.

    For the falsifiers: a path from `other` times the radius, with another `clock`; a `share` of the interpolant;
    weights that the path of a `start` beyond the window would jump to.
    """
    problem, trajectory = case.problem, followed(case)
    begin, ratio, Q = trajectory.points[0], normalized_flow(case).ratio, float(case.target.sum())
    found = lag(trajectory, large_ratio_path(problem, replace(begin, radius=other * begin.radius)), clock)
    at = np.linspace(len(found.times) // 8, len(found.times) - 1, 10).astype(int)
    k, most = spread(begin), 2 * share * Q - float(begin.radius) ** 2
    noise = RTOL * float(found.times[-1]) * np.linalg.norm(problem.y)
    squared, masses = found.distance[at] ** 2, found.weights[:, at].sum(axis=2)
    away = np.linalg.norm(problem.A, axis=0).max() * found.distance[at] + k / ratio
    limits = found.weights[1, at[[0, 5, -1]]] if start == 1 else _beyond(problem, start * Q)
    pursued = [basis_pursuit(Problem(problem.A, problem.A @ w, w)).value for w in limits]
    return Measurement(
        np.concatenate([squared, squared, np.abs(masses[0] - masses[1]), masses[1], limits.sum(axis=1)]),
        np.concatenate(
            [
                found.bound[at] ** 2 + noise**2,
                2 * k * found.times[at] / ratio * most + noise**2,
                away,
                np.full(len(at), most),
                pursued,
            ]
        ),
        main=range(2 * len(at)),
    )


def _beyond(problem: Problem, mass: float) -> Array:
    """Nonnegative weights (1, N) of a given mass with the least loss: at them a path from there starts, and stays."""
    heavy = 1e3 * np.linalg.norm(problem.A)
    rows = np.vstack([problem.A, np.full(problem.shape[1], heavy)])
    return np.array([nnls(rows, np.append(problem.y, heavy * mass), maxiter=100 * problem.shape[1])[0]])


def nearly_there(case: Case, crude: bool) -> Measurement:
    """One weight is measured, and the start has nearly its mass, in all weights alike."""
    problem, flow = Problem(np.eye(1, case.n), np.ones(1)), WeightNormFlow(2, 100 * case.ratio)
    begin = flow.start(case.n, 1 - 1e-6)
    found = lag(to_fit(flow, problem, begin, 1e-4), large_ratio_path(problem, begin))
    later = slice(len(found.times) // 8, None)
    bound = 2 * spread(begin) * found.times / flow.ratio * (2 - float(begin.radius) ** 2) if crude else found.bound**2
    at = int(np.argmax((found.distance**2 / np.maximum(bound, 1e-300))[later])) + later.start
    return Measurement(found.distance[at] ** 2, bound[at])


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
