r"""Closer to the truth until the noise level

With noise the weights that made the measurements do not interpolate them. The flow still approaches them, in the
divergence of its mirror map, as long as it fits the measurements worse than they do.

Statement
---------
Let $L \ge 2$, let $w(t) > 0$ move by gradient flow or by weight-normalized gradient flow for any measurements $y$, and
let $D_\Phi$ be the divergence of the flow's mirror map. Let $z^\circ$ be weights, $\delta = \lVert A z^\circ -
y\rVert$ and $\varrho(t) = \lVert A w(t) - y\rVert$. If

1. **in the domain**: $z^\circ \ge 0$;
2. **constant ratio**: $c = \eta_u/\eta_r$ does not depend on time (weight normalization),

then

$$
\begin{aligned}
\frac{d}{dt}\, D_\Phi(z^\circ, w(t)) = -\kappa L\, \langle y - A w, A z^\circ - A w\rangle
  \le -\kappa L\, \varrho\, (\varrho - \delta) .
\end{aligned}
$$

If moreover

3. **above the noise**: $\varrho(t) \ge \delta$,

then $D_\Phi(z^\circ, w(s))$ has not increased for $s \le t$, and if $\varrho(t) \ge (1 + \eta)\, \delta$ with
$\eta > 0$, the clock of the dual flow shows at most

$$
\begin{aligned}
\tau(t) = \int_0^t \kappa L\, ds \le \frac{D_\Phi(z^\circ, w_0)}{\eta\, (1 + \eta)\, \delta^2} .
\end{aligned}
$$

For $z^\circ = w^*$, the weights that made $y = A w^* + \sigma e$, $\delta = \sigma \lVert e\rVert$: the discrepancy
principle, which stops the flow at $\varrho = (1 + \eta)\, \sigma \lVert e\rVert$, stops it while it still approaches
the truth, whatever the noise is.

Proof
-----
As in {prf:ref}`thm-dissipation`, $\frac{d}{dt} D_\Phi(z^\circ, w) = -\langle \theta', z^\circ - w\rangle$ with
$\theta' = \kappa L\, A^\top (y - A w)$ by {prf:ref}`thm-mirror_map`: the equation. With $A z^\circ - A w = (y - A w) +
(A z^\circ - y)$ and Cauchy and Schwarz,

$$
\begin{aligned}
\langle y - A w, A z^\circ - A w\rangle = \varrho^2 + \langle y - A w, A z^\circ - y\rangle
  \ge \varrho^2 - \varrho\, \delta .
\end{aligned}
$$

The loss does not increase, so $\varrho(s) \ge \varrho(t)$ for $s \le t$, and hypothesis 3 makes the right side $\le 0$
up to $t$. Where $\varrho \ge (1 + \eta)\,\delta$ it is at most $-\kappa L\, \eta\, (1 + \eta)\, \delta^2$; integrate,
and use $D_\Phi \ge 0$.

Boundary
--------
- **Checked.** The algebra. Along the beginnings of trajectories of both flows, for weights $z^\circ$ that do not
  interpolate: the equation, integrated; the inequality; that the divergence falls from snapshot to snapshot above the
  noise; the clock.
- **Assumed.** Nothing. The measurements need no interpolant; those of the measured cases have one.
- **No run can test.** Nothing: the equation is local in time. The theorem does not say that the distance to $z^\circ$
  in any norm falls, nor what happens below the noise level.

Source
------
Derived here. {cite:t}`Osher2016` find the oracle's estimate on the paths of inverse scale space dynamics, and give
rules for stopping there; {cite:t}`Vaskevicius2019` prescribe initialization, step size and stopping time of gradient
descent on a parametrization of least squares.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import growing, negative_interpolant
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon, integral
from companion.verification.symbolic import Depth, Derivation, L, Step, along, mirror, p, reduced, x
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import Flow
from wnlib.flows.geometry import MirrorMap, mirror_map
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate
from wnlib.trajectories.trajectory import Trajectory

ENSEMBLE = Ensemble(depths=(2, 3, 4, 5, 6), ratios=(0.1, 3.0), scales=(0.3, 2.0))


def derive(depth: Depth = L) -> Derivation:
    """The motion of the dual variable, the inner product split at the noise, and the two bounds."""
    speed, rho, delta, eta = sp.symbols(r"\kappa \varrho \delta \eta", positive=True)
    n, m = 3, 2
    z, w, y = (
        sp.Matrix(sp.symbols(f"z_1:{n + 1}")),
        sp.Matrix(sp.symbols(f"w_1:{n + 1}")),
        sp.Matrix(sp.symbols("y_1:3")),
    )
    A = sp.Matrix(m, n, sp.symbols(f"a_1:{m * n + 1}"))
    residual, noise = y - A * w, A * z - y
    bound = rho * (rho - delta)
    surplus = sp.Symbol("a", nonnegative=True)  # of the residual over (1 + eta) delta
    beyond = sp.expand(bound.subs(rho, (1 + eta) * delta + surplus) - eta * (1 + eta) * delta**2)
    residuals = reduced(
        along(mirror(symbolic.magnified(), depth), symbolic.polar_rates(depth)) - symbolic.speed(depth) * depth * p,
        along(mirror(x, depth), symbolic.plain_rates(depth)) - depth * p,
        (A.T * residual).dot(z - w) - residual.dot(residual) - residual.dot(noise),
        beyond - surplus * (surplus + (1 + 2 * eta) * delta),
    )
    steps = (
        Step("The dual variable", r"\theta_i'", speed * depth * p, r"The chain rule, with $\kappa$ of either flow."),
        Step(
            "The inner product",
            r"\langle p, z^\circ - w\rangle",
            rho**2 + sp.Symbol(r"\langle y - A w, A z^\circ - y\rangle"),
            "Split at the measurements.",
        ),
        Step(
            "Above the noise",
            r"\langle p, z^\circ - w\rangle - \varrho(\varrho - \delta)",
            sp.Symbol(r"\langle y - A w, A z^\circ - y\rangle") + rho * delta,
            "Not negative, by Cauchy and Schwarz.",
        ),
        Step(
            "Further above",
            r"\varrho(\varrho - \delta) - \eta(1 + \eta)\delta^2",
            surplus * (surplus + (1 + 2 * eta) * delta),
            r"With $\varrho = (1 + \eta)\delta + a$, $a \ge 0$.",
        ),
    )
    return Derivation(steps, residuals)


def scaled_truth(case: Case) -> Array:
    """The weights that made the measurements, each entry changed by up to a third: they leave a residual."""
    return np.asarray(case.problem.truth) * case.rng().uniform(0.67, 1.33, case.n)


def measure(
    case: Case,
    target: Callable[[Case], Array] = scaled_truth,
    drift: float = 0.0,
    factor: float = 1.0,
    sign: float = 1.0,
    below: bool = False,
) -> Measurement:
    r"""Both flows: the fall of the divergence, integrated, each way; its bound; its steps; the clock.

    For the falsifiers: another `target`, a ratio that grows by a share `drift`, `factor` times the rate, another `sign`
    of $\delta$ in the bound, steps also `below` the noise level.
    """
    z, measured, predicted = target(case), list[float](), list[float]()
    for flow in (case.flow, case.plain):
        trajectory, mirror = _followed(case, flow, drift, below)
        rho, delta = np.sqrt(2 * trajectory.loss), float(np.linalg.norm(case.problem.residual(z)))
        divergence = mirror.bregman(z, trajectory.points)
        first, last = float(divergence[0]), float(divergence[-1])
        tau, lost, bounded = _integrals(trajectory, mirror, z, sign * delta)
        fall = divergence if below else divergence[rho >= delta]
        steps = float(np.max(fall[1:] / fall[:-1], initial=0.0))
        whole = last + factor * lost
        measured += [
            steps,
            last + factor * bounded,
            float(np.max(tau * rho * np.maximum(rho - delta, 0))),
            whole,
            first,
        ]
        predicted += [1.0, first, first, first, whole]
    return Measurement(measured, predicted, main=[0, 1, 5, 6])


def _followed(case: Case, flow: Flow, drift: float, below: bool) -> tuple[Trajectory, MirrorMap]:
    """For a few steps, or until the measurements are fitted; a ratio that grows by the share `drift` meanwhile."""
    problem, start = case.problem, flow.start(case.n, case.scale, case.direction)
    stop = 0.5 * (1e-3 * float(np.linalg.norm(problem.y))) ** 2
    mirror = mirror_map(flow, case.scale)
    if below:
        return integrate(flow, problem, start, 1e6, rtol=1e-8, stop_loss=stop), mirror
    end = horizon(flow, problem, start)
    moving = growing(flow, drift / end) if drift else flow
    return integrate(moving, problem, start, end, rtol=1e-9, coordinates="primal", stop_loss=stop), mirror


def _integrals(trajectory: Trajectory, mirror: MirrorMap, z: Array, delta: float) -> tuple[Array, float, float]:
    """The clock at each snapshot, (T,); what the divergence to z has lost at the last; what the bound says of that."""
    image = trajectory.problem.A @ z

    def rate(part: Trajectory) -> Array:
        residual = part.problem.residual(part.weights)
        return mirror.speed(part.points) * np.sum(residual * (image - part.problem.y + residual), axis=-1)

    def least(part: Trajectory) -> Array:
        rho = np.sqrt(2 * part.loss)
        return mirror.speed(part.points) * rho * (rho - delta)

    tau = integral(trajectory, lambda part: mirror.speed(part.points))
    lost, bounded = (float(integral(trajectory, each)[-1]) for each in (rate, least))
    return tau, lost, bounded


def aligned(case: Case) -> Measurement:
    r"""One measurement, $A z^\circ < y$: the bound on the fall against it; the clock of gradient flow, which waits."""
    A = case.rng().uniform(0.5, 1, (1, case.n))
    problem, z = Problem(A, np.ones(1)), np.full(case.n, 0.5 / A.sum())
    measured, predicted = [], []
    for flow in (case.flow, case.plain):
        start = flow.start(case.n, case.scale)
        followed = integrate(flow, problem, start, 1e40, rtol=1e-8, stop_loss=0.6 * problem.loss_of_zero)
        mirror = mirror_map(flow, case.scale)
        divergence, rho = mirror.bregman(z, followed.points), np.sqrt(2 * followed.loss)
        tau, _, bounded = _integrals(followed, mirror, z, 0.5)
        measured += [bounded, float(np.max(tau * rho * (rho - 0.5)))]
        predicted += [float(divergence[0] - divergence[-1]), float(divergence[0])]
    return Measurement(measured, predicted, main=[0, 2, 3])


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.Trajectory",),
    tolerance=1e-6,
    ensemble=ENSEMBLE,
    derive=derive,
    symbolic=True,
    measure=measure,
    uses=("mirror_map", "dissipation"),
    falsifiers=(
        Falsifier(
            1,
            "weights with a negative entry, and no divergence",
            partial(measure, target=negative_interpolant),
            undefined=True,
        ),
        Falsifier(2, "a ratio that grows by half", partial(measure, drift=0.5)),
        Falsifier(3, "steps below the noise level", partial(measure, below=True), share=0.15),
        Falsifier("formula", "half of the rate", partial(measure, factor=0.5)),
        Falsifier("formula", r"$\varrho\,(\varrho + \delta)$", partial(measure, sign=-1.0)),
    ),
    attained=(
        Attained(
            r"the fall, and the clock of gradient flow, for one measurement with $A z^\circ < y$, from tiny starts",
            aligned,
            Ensemble(depths=(2, 3, 4, 5, 6), ratios=(0.1, 10.0), scales=(1e-4, 1e-3)),
        ),
    ),
    mutants=(
        "a power more in the plain velocity",
        "the pull added",
        "r squared in the speed",
        "the linear part added in the divergence",
    ),
)
