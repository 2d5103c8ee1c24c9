r"""The local rate

Near a positive limit the residual decays exponentially, at a rate that the limit tells: the smallest eigenvalue of
$A K(w_\infty) A^\top$, with the matrix $K$ that turns the force into a velocity.

Statement
---------
Let $L \ge 1$, let $w(t)$ move by gradient flow, or by weight-normalized gradient flow with constant learning rates, and
let $\epsilon(t) = y - A w(t)$ be the residual. Let $K(w)$ be the matrix of {prf:ref}`thm-mirror_map`, so that
$K(w_\infty) = \kappa_\infty L\, \nabla^2\Phi^*(\theta_\infty)$, and $\mu_1 \le \dots \le \mu_k$ the eigenvalues of
$G_\infty = A K(w_\infty) A^\top$ on the range of $A$. If

1. **interior limit**: $w(t) \to w_\infty$ with $A w_\infty = y$ and $w_\infty > 0$ (or $L = 1$ and $r_\infty \ne 0$),

then $\mu_1 > 0$, the loss decays exponentially, and if $\epsilon \ne 0$,

$$
\begin{aligned}
-\frac{d}{dt} \log \lVert\epsilon(t)\rVert \;\to\; \mu, \qquad -\frac1t \log\lVert\epsilon(t)\rVert \;\to\; \mu,
\end{aligned}
$$

where $\mu$ is one of $\mu_1, \dots, \mu_k$. If moreover

2. **generic**: $\epsilon(t)/\lVert\epsilon(t)\rVert$ does not become orthogonal to the eigenvectors of $\mu_1$,

then $\mu = \mu_1$.

Proof
-----
By {prf:ref}`thm-mirror_map` $w' = K(w)\, A^\top \epsilon$ with $K$ positive definite where $w > 0$, so

$$
\begin{aligned}
\epsilon' &= -G \epsilon, & G(t) &= A K(w(t)) A^\top \to G_\infty .
\end{aligned}
$$

$G$ maps the range of $A$ to itself, and $\epsilon$ is in it. There $\langle h, G_\infty h\rangle = \langle A^\top h, K
A^\top h\rangle > 0$ for $h \ne 0$, as $A^\top$ is injective on the range of $A$; so $\mu_1 > 0$.

*Exponentially.* $\frac{d}{dt}\lVert\epsilon\rVert^2 = -2\langle\epsilon, G \epsilon\rangle$. For any $\mu' < \mu_1$ the
smallest eigenvalue of $G(t)$ exceeds $\mu'$ from some time on, and from then on $\lVert\epsilon\rVert$ falls at least
like $e^{-\mu' t}$. So $w'$ is integrable, and with it $G'$, as $K$ is smooth near $w_\infty$.

*The rate converges.* Let $h = \epsilon/\lVert\epsilon\rVert$ and $q = \langle h, G h\rangle =
-\frac{d}{dt}\log\lVert\epsilon\rVert$. From $h' = -G h + q h$,

$$
\begin{aligned}
q' &= \langle h, G' h\rangle - 2\, \lVert G h - q h\rVert^2 .
\end{aligned}
$$

So $q - \int_0^t \langle h, G' h\rangle$ does not increase, and it is bounded since $G'$ is integrable. Hence it
converges, $q$ converges to some $\mu$, and $\int \lVert G h - q h\rVert^2 dt$ is finite. Along some sequence of times
$G h - q h \to 0$, and $h$ converges, since it is on the unit sphere, to a $h_\infty$ with $G_\infty h_\infty = \mu
h_\infty$. This proves the first limit; the second is its mean.

*Which one.* All of $Gv - qv$ tends to $0$, because its square is integrable and its derivative bounded. So every limit
point of $h$ is a unit vector in the eigenspace of $\mu$. If $\mu \ne \mu_1$, then this eigenspace is orthogonal to that
of $\mu_1$, and $h$ becomes orthogonal to it as well, which the second hypothesis excludes.

Boundary
--------
- **Checked.** The derivatives of $\lVert\epsilon\rVert^2$, $h$ and $q$ by computer algebra for two measurements, $K$
  for every depth. In numbers, for both flows: the rate at which the residual of a followed trajectory falls, up to the
  time $8/\mu_1$, against $\mu_1$ at the limit that `wnlib.limit` computes. Limits are sparse but for small entries,
  down to $10^{-4}$ ($10^{-3}$ where $A$ is ill-conditioned). Starts are at moderate distance from the limit, in random
  directions in which all eigenvectors have a part; but where $\mu_i < 1.75\, \mu_1$ that of $\mu_i$ is so small that
  within this time it falls behind that of $\mu_1$. Smaller entries would take the residual below the rounding errors of
  $y$ before the slowest direction is left alone.
- **Assumed.** Nothing. That a limit is positive need not be assumed: for $L \ge 2$ it is if and only if some
  interpolant is, {prf:ref}`thm-positive_limits`, and a linear program decides that (`wnlib.attainable_weights`). Here
  the problems are made of positive weights, so that all limits are positive.
- **No run can test.** That a start is generic in the sense of the second hypothesis: a rate might change after the run
  ends. Where two eigenvalues are close, no run is long enough to tell them apart.

Source
------
Derived here. That convergence is linear close to the minimum-norm solution, for least squares with weight
normalization, is in {cite:t}`Wu2020`.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import sympy as sp
from scipy import linalg

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, L, Step, along, c, eta_u, p, pull, r, reduced, u
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import Flow
from wnlib.flows.geometry import mirror_map
from wnlib.flows.metric import rate_matrix
from wnlib.flows.polar import Polar, polar_of
from wnlib.limits.limit import limit
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate

LONG = 8.0  # of a run, in units of the slowest time
BEHIND = 6.0  # by what power of e, at least, other directions lag behind the slowest at its end, if they start alike
RESOLVED = 1e-11  # of the data; below, the residual has lost its digits


def derive(depth: Depth = L) -> Derivation:
    """The residual's equation, its norm, and the motion of the Rayleigh quotient, for two measurements."""
    t = sp.Symbol("t", positive=True)
    a, b, d = (sp.Function(name)(t) for name in "abd")
    G = sp.Matrix([[a, b], [b, d]])
    e = sp.Matrix([sp.Function(f"e_{i}")(t) for i in (1, 2)])
    moved = dict(zip(e.diff(t), -G * e, strict=True))

    def rate(expression: sp.Expr) -> sp.Expr:
        return sp.diff(expression, t).subs(moved)

    square = e.dot(e)
    q = (e.T * G * e)[0] / square
    excess = G * e - q * e
    growth = (e.T * G.diff(t) * e)[0] / square
    v_1 = e[0] / sp.sqrt(square)
    gamma = c * r**2
    metric_row = depth**2 * eta_u * r ** (2 * depth) * (u ** (2 * depth - 2) * p - (1 - 1 / gamma) * u**depth * pull)
    residuals = (
        *reduced(rate(square) + 2 * (e.T * G * e)[0]),
        sp.simplify(rate(v_1) + ((G * e)[0] - q * e[0]) / sp.sqrt(square)),
        sp.simplify(rate(q) - growth + 2 * excess.dot(excess) / square),
        *reduced((along((r * u) ** depth, symbolic.polar_rates(depth)) - metric_row) / (eta_u * r ** (2 * depth))),
    )
    E, Q, X, Y = (
        sp.Symbol(name)
        for name in (r"{\lVert\epsilon\rVert}", "q", r"{\langle h, G'h\rangle}", r"{\lVert Gh-qh\rVert}")
    )
    steps = (
        Step(
            "The metric",
            "(K p)_i",
            metric_row,
            r"$w' = K(w)\, p$ and $p = A^\top \epsilon$, so $\epsilon' = -A K A^\top \epsilon$.",
        ),
        Step(
            "The norm",
            r"\lVert\epsilon\rVert'",
            -Q * E,
            r"$q = \langle h, G h\rangle$ for $h = \epsilon/\lVert\epsilon\rVert$.",
        ),
        Step("The rate", "q'", X - 2 * Y**2, "Product rule; the second term never lets the rate grow."),
    )
    return Derivation(steps, residuals)


def sparse(case: Case) -> tuple[Problem, Array]:
    """A problem and a positive interpolant (N,): a sparse one, and small entries where that is 0."""
    rng, smallest = case.rng(), 1e-3 if case.matrix == "ill-conditioned" else 1e-4
    least = np.exp(rng.uniform(np.log(smallest), np.log(0.1)))
    end = np.asarray(case.problem.truth) + least * rng.uniform(1, 3, case.n)
    return Problem(case.problem.A, case.problem.A @ end, end), end


def near(flow: Flow, problem: Problem, end: Array, rng: np.random.Generator, distance: float = 0.1) -> Polar:
    """A start from which the flow ends at `end`, in a random direction."""
    point = polar_of(end, flow.depth)
    mirror = mirror_map(flow, float(point.radius))
    theta = mirror.gradient(point)
    rates, vectors = linalg.eigh(rate_matrix(flow, problem, end))
    # theta moves by A^T lambda and the residual by A K A^T lambda: along an eigenvector if lambda is one.
    directions = problem.A.T @ (linalg.orth(problem.A) @ vectors)
    parts = rng.uniform(0.5, 1.5, rates.size) * rng.choice([-1.0, 1.0], rates.size)
    parts[1:] *= np.exp(np.minimum(0.0, LONG * (rates[1:] / rates[0] - 1) - BEHIND))
    change = directions @ (parts / np.linalg.norm(directions, axis=0))
    gamma = float(flow.relative_rate(point.radius) * point.radius**2)
    size = np.ones(len(end)) if flow.depth == 2 else np.abs(theta)
    return mirror.inverse(theta + distance * min(1.0, gamma) / np.max(np.abs(change) / size) * change)


def positive(case: Case, flow: Flow) -> tuple[Problem, Polar, Array]:
    """A problem, a start, and the positive limit that `wnlib.limit` computes."""
    problem, end = sparse(case)
    start = near(flow, problem, end, case.rng())
    return problem, start, limit(flow, problem, start).weights


def extreme(case: Case, flow: Flow) -> tuple[Problem, Polar, Array]:
    """Two measurements of which only one weight is an interpolant: the others vanish, and with them their K."""
    rng = case.rng()
    A = np.vstack([rng.uniform(0.5, 1, case.n), np.append(0.0, rng.uniform(0.5, 1, case.n - 1))])
    end = np.append(1.0, np.zeros(case.n - 1))
    return Problem(A, A @ end, end), case.start, end


def symmetric(case: Case, flow: Flow) -> tuple[Problem, Polar, Array]:
    """Two measurements that a symmetry swaps: their residuals stay equal, orthogonal to the slower (1, -1)."""
    rng = case.rng()
    a, b, half = rng.uniform(0.5, 1, (3, case.n))
    A, end = np.block([[a, b], [b, a]]), np.append(half, half)
    problem = Problem(A, A @ end, end)
    point = polar_of(end, flow.depth)
    mirror = mirror_map(flow, float(point.radius))
    theta = mirror.gradient(point)
    size = 0.1 * min(1.0, float(flow.relative_rate(point.radius) * point.radius**2))
    push = A.sum(axis=0) * np.min(np.abs(theta) if flow.depth != 2 else 1.0) / A.sum(axis=0).max()
    return problem, mirror.inverse(theta - size * push), end


def rates_at(flow: Flow, problem: Problem, weights: Array, inverted: bool) -> Array:
    r"""The rate matrix; with $\gamma$ for $1/\gamma$ in K, the radius contributes $\gamma^2$ times as much."""
    right = rate_matrix(flow, problem, weights)
    if not inverted:
        return right
    point = polar_of(weights, flow.depth)
    gamma = float(flow.relative_rate(point.radius) * point.radius**2)
    output = linalg.orth(problem.A).T @ problem.A @ weights
    radial = float(flow.angular_rate(point.radius)) / gamma * flow.depth**2 * np.outer(output, output)
    return right + (gamma**2 - 1) * radial


def measure(
    case: Case,
    build: Callable[[Case, Flow], tuple[Problem, Polar, Array]] = positive,
    inverted: bool = False,
    factor: float = 1.0,
) -> Measurement:
    r"""Rates between equidistant times, on the way to the limit, against the smallest eigenvalue; both flows.

    For the falsifiers: another `build` of problem, start and limit; gamma `inverted` in K; a `factor` on the
    predicted rate.
    """
    rates = []
    # Gradient flow at depth 1 is linear: there is nothing to approach.
    flows: tuple[Flow, ...] = (case.flow,) if case.depth == 1 else (case.flow, case.plain)
    for flow in flows:
        problem, start, end = build(case, flow)
        spectrum = linalg.eigvalsh(rates_at(flow, problem, end, inverted))
        slowest = factor * float(np.min(spectrum[spectrum > 1e-9 * spectrum.max()]))
        trajectory = integrate(flow, problem, start, LONG / slowest, rtol=1e-12)
        resolved = trajectory.loss > RESOLVED**2 * problem.loss_of_zero
        times = np.linspace(0, trajectory.t[resolved][-1], 7)
        residual = np.linalg.norm(problem.residual(trajectory.at(times).weights), axis=1)
        rates.append(-np.diff(np.log(residual)) / np.diff(times) / slowest)
    # The flow whose last rate is farther from the prediction stands for both. More digits would be the solver's.
    return Measurement(np.round(max(rates, key=lambda rate: abs(rate[-1] - 1)), 4), 1.0)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.LIMIT,
    about=("wnlib.rate_matrix",),
    tolerance=1e-3,
    ensemble=Ensemble(ratios=(0.1, 10.0)),
    derive=derive,
    symbolic=True,
    measure=measure,
    uses=("mirror_map",),
    falsifiers=(
        Falsifier(
            1,
            "only one weight interpolates: the limit is on the boundary",
            partial(measure, build=extreme),
            ensemble=Ensemble(depths=(2, 3), ratios=(1.0, 10.0), scales=(0.8, 1.2), columns=(2, 4)),
        ),
        Falsifier(2, "a symmetry hides the slow eigenvector", partial(measure, build=symmetric)),
        Falsifier("formula", r"$2\mu_1$", partial(measure, factor=2.0)),
        Falsifier("formula", r"$\gamma$ for $1/\gamma$ in $K$", partial(measure, inverted=True)),
    ),
    mutants=(
        "the exponent 2/L in polar coordinates",
        "1/r for the plain flow's ratio",
        "a ratio that grows with the radius",
        "2 for the radial rate",
        "twice the rate matrix",
        "gamma for 1/gamma in the rates",
        "the radial part twice in the rates",
        "a power of x more in the rates",
        "r for its square in the rates",
        "no L in the chart's radius",
    ),
)
