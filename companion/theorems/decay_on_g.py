r"""Weight decay on the scale

Weight decay on $g$ is gradient descent with the penalty $\tfrac\lambda2 g^2$, and $g^2$ is $\sum_i |w_i|^{2/L}$. At
depth $2$ that is the $\ell_1$ norm: the flow ends at a solution of the Lasso, whatever the ratio.

Statement
---------
Let $L \ge 1$, $w = x^L$, $x = g\, v/\lVert v\rVert$, let $g(0) > 0$ and $v(0) > 0$, and $\lambda > 0$. If

1. **decay on g**: $g' = -\partial\ell/\partial g - \lambda g$, and $v' = -\nabla_v\ell$,

then $(r, u) = (g, v/\lVert v\rVert)$ moves by weight-normalized gradient flow for the penalised loss

$$
\begin{aligned}
F(w) &= \tfrac12 \lVert A w - y\rVert^2 + \tfrac\lambda2 \sum_i |w_i|^{2/L} .
\end{aligned}
$$

At $L = 1$ the penalty is that of ridge regression. If moreover

2. **two factors**: $L = 2$,

then $F$ is the objective of the Lasso on $w \ge 0$, with the penalty $\tfrac\lambda2 \lVert w\rVert_1$. With $d\tau =
2 c\, r^2 dt$, $c = \lVert v(0)\rVert^{-2}$, any minimiser $w^*$ of it, and $\Phi$ the potential of the flow without
decay,

$$
\begin{aligned}
\tau\, \bigl( F(w(\tau)) - F(w^*) \bigr) \le D_\Phi(w^*, w(0)) - D_\Phi(w^*, w(\tau)),
\end{aligned}
$$

and $\langle k, \log u\rangle$ is constant for every $k \in \ker A$ with $\sum_i k_i = 0$. If also

3. **convergence**: $w(t) \to w_\infty \ne 0$,

then $w_\infty$ is a solution of the Lasso. This last claim and the constant $\langle k, \log u\rangle$ hold as well
if $v$ decays too, or if the ratio varies in any other way, as long as it stays above a positive bound.

Proof
-----
*The penalty.* $r^2 = \sum_i |w_i|^{2/L}$, so that in $(r, u)$ the penalty is $\tfrac\lambda2 r^2$: its derivative in
$r$ is $\lambda r$, and it does not depend on $u$ on the sphere. In terms of the force, that of $F$ is $\tilde p = p -
\tfrac\lambda L x^{2-L}$, hence $\langle\tilde p, u^L\rangle = \langle p, u^L\rangle - \tfrac\lambda L r^{2-L}$, while
$\tilde p \odot u^{L-1} - \langle\tilde p, u^L\rangle u$ is what it is for $p$. (At $v$ the chain rule is that of
{prf:ref}`thm-salimans_kingma`.)

*Two factors.* Now $\tilde p = p - \tfrac\lambda2 \mathbf 1 = -\nabla F$. As in {prf:ref}`thm-magnification`, which uses
nothing of the force, $\nabla\Phi(w)' = 2 \eta_u r^2\, \tilde p$, that is $\frac{d}{d\tau}\nabla\Phi(w) = -\nabla F(w)$,
and $\frac{d}{d\tau} D_\Phi(w^*, w) = \langle\nabla F(w), w^* - w\rangle \le F(w^*) - F(w)$ as $F$ is convex. $F$ falls
along its gradient flow: integrate. And $(\log u_i)' = 2 c\, r^2 (p_i - \langle p, u^2\rangle)$, which is in
$\operatorname{row}(A) + \mathbb R \mathbf 1$ for any $c$ and any motion of $r$.

*The limit.* Let $w(t) \to w_\infty = r_\infty^2 u_\infty^2 \ne 0$. Then $r_\infty > 0$, the force converges to
$p_\infty$, and $(\log r)' = 2\langle p, u^2\rangle - \lambda$ has a limit, which must be $0$: $\langle p_\infty,
u_\infty^2\rangle = \tfrac\lambda2$. Likewise $(\log u_i)'/c$ converges to $2 r_\infty^2 (p_{\infty, i} -
\tfrac\lambda2)$. If this were positive, $u_i$ would grow beyond $1$; if it were negative and $u_{\infty,i} > 0$, $u_i$
would fall to $0$. So $p_{\infty,i} \le \tfrac\lambda2$, with equality where $w_{\infty,i} > 0$. These are the
conditions of optimality of the Lasso, which is convex.

Boundary
--------
- **Checked.** The penalty and the cancellation for every depth by computer algebra. Flows at depth $2$ on problems that
  are made so that their Lasso solution is known: that they end there, with and without decay on $v$; the bound on
  $F$ and the constants along the way.
- **Assumed.** Nothing beyond the third hypothesis.
- **No run can test.** That a flow converges. It is proved for constant ratios, unless $r \to 0$, with the solution at
  which it ends where there are several: {prf:ref}`thm-lasso_projection`.

Source
------
Derived here. That a squared penalty on two factors is an $\ell_1$ penalty on their product is well known; the Lasso is
that of {cite:t}`Tibshirani1996`.
"""

from functools import partial

import numpy as np
import sympy as sp
from scipy import linalg
from scipy.integrate import solve_ivp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import together
from companion.verification.symbolic import Depth, Derivation, L, Step, eta_r, eta_u, p, pull, r, tidy, u
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import Polar, log_norm
from wnlib.linear.ranks import least_squares
from wnlib.problem import Problem

SPAN = 200.0  # of time, in units of the slowest rate at which the weights settle
TIMES = 40  # at which the bound and the constants are measured


def derive(depth: Depth = L) -> Derivation:
    """The force of the penalised loss, put into the equations of the flow."""
    decay = sp.Symbol(r"\lambda", positive=True)
    rates = symbolic.polar_rates(depth, eta_r, eta_u)
    force = p - decay / depth * tidy((r * u) ** (2 - depth))
    penalty = tidy(decay / depth * (r * u) ** (2 - depth) * u**depth)
    total = pull - penalty / u**2  # the squares of u add up to 1
    inserted = {p: force, pull: total}
    radial, turning = (tidy(rates[symbol].subs(inserted, simultaneous=True)) for symbol in (r, u))
    steps = (
        Step(
            "The force of $F$",
            r"\tilde p_i",
            force,
            r"$\frac{\partial}{\partial w_i} \frac\lambda2 w_i^{2/L}$ with $w = x^L$.",
        ),
        Step("Its pull", r"\langle\tilde p, u^L\rangle", sp.simplify(total), r"With $\lVert u\rVert = 1$."),
        Step("The radius", "r'", sp.simplify(radial), r"Decay at the rate $\eta_r\lambda$."),
        Step("The direction", "u_i'", sp.simplify(turning), "The penalty cancels."),
    )
    w = sp.Symbol("w", positive=True)
    slope = sp.diff(decay / 2 * w ** (sp.Integer(2) / depth), w).subs(w, (r * u) ** depth)
    return Derivation(
        steps,
        symbolic.reduced(
            radial - rates[r] + eta_r * decay * r,
            turning - rates[u],
            sp.powdenest(slope, force=True) - decay / depth * (r * u) ** (2 - depth),
        ),
    )


def planned(case: Case) -> tuple[Problem, Array, float]:
    r"""A problem, its Lasso solution (N,) on w >= 0, and $\lambda$: the residual is chosen with the solution.

    The columns off the support are shortened so that their correlation with the residual stays below $\lambda/2$.
    """
    rng, A = case.rng(), case.problem.A.copy()
    _, order = linalg.qr(A * rng.uniform(0.5, 2, case.n), mode="r", pivoting=True)
    support = order[: max(1, case.problem.rank // 2)]  # independent columns: the solution is unique
    solution = np.zeros(case.n)
    solution[support] = rng.uniform(0.5, 1.5, support.size)
    lam = float(rng.uniform(0.2, 0.6))
    residual = least_squares(A[:, support].T, np.full(support.size, lam / 2))
    pulls = A.T @ residual
    off = np.setdiff1d(np.arange(case.n), support)
    A[:, off] *= np.minimum(1, 0.4 * lam / np.maximum(np.abs(pulls[off]), 1e-300))
    return Problem(A, A @ solution + residual), solution, lam


def decayed(
    problem: Problem, start: Polar, times: Array, ratio: float, decay: float, rising: float = 0.0, depth: int = 2
) -> tuple[Polar, Array]:
    r"""Points (T, N) of the flow with decay on g at some times (T,), and $\tau$ there; the ratio may rise at a rate."""

    def field(t: float, state: Array) -> Array:
        log_r, log_u = state[0], state[1:-1] - log_norm(state[1:-1])
        force = problem.A.T @ problem.residual(np.exp(depth * (log_r + log_u)))
        along = force @ np.exp(depth * log_u)
        clock = depth * ratio * np.exp(rising * t + depth * log_r)
        radial = depth * np.exp((depth - 2) * log_r) * along - decay
        return np.concatenate([[radial], clock * (force * np.exp((depth - 2) * log_u) - along), [clock]])

    state = np.concatenate([[np.log(start.radius)], start.log_direction, [0.0]])
    states = solve_ivp(field, times[[0, -1]], state, method="LSODA", t_eval=times, rtol=1e-9, atol=1e-9).y.T
    log_u = states[:, 1:-1] - log_norm(states[:, 1:-1])[:, None]
    return Polar(np.exp(states[:, 0]), log_u, np.ones(1)), states[:, -1]


def measure(
    case: Case,
    strength: float = 1.0,
    depth: int = 2,
    span: float = SPAN,
    bound: float = 1.0,
    outside: bool = False,
) -> Measurement:
    r"""The end against the Lasso's solution, the bound on F, the constants; in every other case v decays too.

    For the falsifiers: `strength` times the decay, another `depth`, another `span` of time, a factor in the `bound`,
    constants for any k in the kernel, `outside` the mean-free ones.
    """
    problem, solution, lam = planned(case)
    # From near the solution F is below F(0), and falls: no collapse.
    near = case.scale * (solution + case.rng().uniform(0.02, 0.1, case.n))
    c, start = case.ratio, case.flow.start(case.n, float(np.sqrt(near.sum())), np.sqrt(near))
    both = case.seed % 2 == 1 and bound == 1
    slowest = min(1.0, float(linalg.svdvals(problem.A[:, solution > 0])[-1]) ** 2)
    t_end = span / (slowest * lam * min(1.0, c * float(solution.sum())))

    rising = 2 / t_end if both else 0.0
    times = np.concatenate([[0.0], np.geomspace(1e-6 * t_end, t_end, TIMES - 1)])
    points, tau = decayed(problem, start, times, c, strength * lam, rising, depth)
    log_u, weights = points.log_direction, points.weights(depth)
    parts = [Measurement(weights[-1], solution)]
    if depth == 2:
        rows = problem.A if outside else np.vstack([problem.A, np.ones(case.n)])
        kernel = linalg.null_space(rows, rcond=1e-10)
        if kernel.shape[1] > 0:
            parts.append(Measurement((log_u - log_u[0]) @ kernel, 0.0, scale=float(np.abs(log_u).max())))
        if not both:
            mirror = mirror_map(case.flow, float(start.radius))
            objective = problem.loss(weights) + lam / 2 * weights.sum(axis=1)
            least = float(problem.loss(solution)) + lam / 2 * float(solution.sum())
            budget = mirror.bregman(solution, points[:1]) - mirror.bregman(solution, points)
            beyond = np.maximum(bound * tau * (objective - least) - budget, 0)
            parts.append(Measurement(beyond, 0.0, scale=float(np.abs(budget).max())))
    return together(*parts)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.DecayedSalimansKingmaDescent",),
    tolerance=1e-5,
    ensemble=Ensemble(
        depths=(2,),
        ratios=(0.3, 3),
        scales=(0.6, 1.1),
        matrices=("gaussian", "rademacher", "cosine", "rank-deficient", "repeated rows"),
    ),
    derive=derive,
    symbolic=True,
    measure=measure,
    falsifiers=(
        Falsifier(1, "half the decay", partial(measure, strength=0.5)),
        Falsifier(2, "$L = 3$", partial(measure, depth=3)),
        Falsifier(3, "a flow that stops on the way", partial(measure, span=0.5)),
        Falsifier("formula", r"$3\tau(F - F^*)$ in the bound", partial(measure, bound=3.0)),
        Falsifier("formula", r"all $k \in \ker A$", partial(measure, outside=True)),
    ),
    uses=("salimans_kingma", "magnification", "mirror_map"),
    mutants=(
        "weights divided by the direction",
        "the mass's entropy added",
        "half the penalty on the mass",
    ),
)
