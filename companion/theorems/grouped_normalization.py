r"""Grouped normalization

Where each group of weights has a sphere and a radius of its own, clocks that are matched make the flow a mirror flow
again. At depth 2 its limit looks for masses of the groups near those of the start, not for a small total.

Statement
---------
Let $L \ge 2$, let the weights be divided into groups, $w^{(k)} = (r_k u^{(k)})^L$, with loss $\tfrac12\lVert A w -
y\rVert^2$, and let each group move by weight-normalized gradient flow, with learning rates $\eta_{r,k}$ of $r_k$ and
$\eta_{u,k}$ of $u^{(k)}$, which may depend on the group and on time. Let $z^{(k)} = u^{(k)} e^{c r_k^2/2}$,
$\theta^{(k)} = m_L(z^{(k)})$, and $\Phi$ the potential of one group alone. If

1. **own spheres**: $\lVert u^{(k)}\rVert = 1$ for every group;
2. **constant ratio**: $\eta_{u,k} = c\,\eta_{r,k}$, with one $c$ for all groups and times;
3. **matched clocks**: $\eta_{u,k}\, r_k^L\, e^{(2-L)\, c r_k^2/2} = \kappa$ is the same for all groups, at every time;
4. **interpolant**: $z^\circ \ge 0$ and $A z^\circ = A w(t)$,

then $\theta(t) - \theta(0) \in \operatorname{row}(A)$, and

$$
\begin{aligned}
\sum_k D_\Phi(z^{\circ(k)}, w^{(k)}_0) &= \sum_k D_\Phi(w^{(k)}, w^{(k)}_0) + \sum_k D_\Phi(z^{\circ(k)}, w^{(k)}) .
\end{aligned}
$$

So $w(t)$ is the only minimiser of $\sum_k D_\Phi(\cdot\,, w^{(k)}_0)$ over all such $z^\circ$, and an interpolating
limit over the nonnegative interpolants.

Let $L = 2$, and let $S_k$ and $\pi^{(k)}$ be the mass and the proportions of a group, at the start with an index $0$,
of $z^\circ$ with a circle. Then $\eta_{u,k}\, r_k^2 = \kappa$ matches the clocks, the divergence is

$$
\begin{aligned}
\sum_k D_\Phi(w^{(k)}, w^{(k)}_0)
  &= \tfrac12 \sum_k S_k\, \mathrm{KL}(\pi^{(k)} \,\|\, \pi^{(k)}_0) + \tfrac c4 \sum_k (S_k - S_{k,0})^2 ,
\end{aligned}
$$

and

$$
\begin{aligned}
\sum_k (S_k - S_{k,0})^2 &\le \sum_k (S^\circ_k - S_{k,0})^2
  + \tfrac2c \sum_k S^\circ_k\, \mathrm{KL}(\pi^{\circ(k)} \,\|\, \pi^{(k)}_0) .
\end{aligned}
$$

As $c \to \infty$ from the same $w_0$, interpolating limits therefore tend to the minimisers of $\sum_k (S_k -
S_{k,0})^2$ over the nonnegative interpolants, an exclusive lasso. These share their masses $S^*_k$, and if $z^\circ$ is
one of them, $\sum_k (S_k - S^*_k)^2 \le \tfrac2c \sum_k S^*_k\, \mathrm{KL}(\pi^{\circ(k)} \,\|\, \pi^{(k)}_0)$.

Proof
-----
*The row space.* The force on a group is its part $p^{(k)}$ of $p = A^\top(y - A w)$, whatever the other groups do. The
proof of {prf:ref}`thm-magnification` uses the force and the rates at one moment only: $\theta^{(k)\prime} = \kappa_k
L\, p^{(k)}$, with $\kappa_k$ the left side of hypothesis 3. With one $\kappa$ for all, $\theta' = \kappa L\, p \in
\operatorname{row}(A)$.

*The divergences.* By {prf:ref}`thm-mirror_map`, $\theta^{(k)} = \nabla\Phi(w^{(k)})$. The three-point identity of
{prf:ref}`thm-implicit_bias` holds in each group; the sum of its right sides is $\langle\theta(t) - \theta(0), z^\circ -
w(t)\rangle = 0$, as $z^\circ - w(t) \in \ker A$. Divergences are positive unless their arguments are equal, so $w(t)$
is the only minimiser. What remains true in the limit is shown there, for any strictly convex potential that extends
continuously to weights with zeros, and so for a sum of them.

*Depth 2.* Each group has the divergence of {prf:ref}`thm-implicit_bias`. Of the equation above, multiplied by $4/c$,
leave out $\tfrac4c \sum_k D_\Phi(z^{\circ(k)}, w^{(k)}) \ge 0$ and $\tfrac2c \sum_k S_k\, \mathrm{KL} \ge 0$. For the
limits, let $z^\circ$ be a minimiser: then $\sum_k (S_k - S_{k,0})^2$ is at least its value, and at most that plus a
multiple of $1/c$. The minimiser of a strictly convex function of the masses determines them. They are the projection of
$(S_{k,0})$ on the convex set of the masses of interpolants, so $\sum_k (S_k - S^*_k)^2 \le \sum_k (S_k - S_{k,0})^2 -
\sum_k (S^*_k - S_{k,0})^2$.

Boundary
--------
- **Checked.** The rates that match the clocks and what they make of $\theta'$, the sum of the three-point identities
  and the step to the bound by computer algebra. In numbers: flows of two to six groups of unequal radii, followed in
  their own coordinates: how far $\theta(t) - \theta(0)$ is from $\operatorname{row}(A)$, whether $w(t)$ is the computed
  minimiser, the sum of the divergences, their form at depth 2, and the bounds for the interpolant of the nearest
  masses.
- **Assumed.** Nothing beyond {prf:ref}`thm-implicit_bias`.
- **No run can test.** The limit $c \to \infty$, which is proved. That a flow converges; with matched clocks the radius
  of a group may vanish in finite time, and there the flow ends.

Source
------
Derived here.
"""

from functools import partial

import numpy as np
import sympy as sp
from scipy.special import rel_entr

from companion.verification import symbolic
from companion.verification.cases import normalized_flow, start_radius, wholly_positive
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, L, Step, c, eta_u, p, r
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import Polar, polar_of
from wnlib.linear.ranks import least_squares
from wnlib.models.grouped import GroupedFlow, integrate_grouped
from wnlib.models.grouped_limit import grouped_limit, nearest_masses
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate

SMALL = 1e-6  # relative distance from row(A), and from the minimiser, that counts as none


def derive(depth: Depth = L) -> Derivation:
    """The rates that match the clocks; the sum of the three-point identities for two groups of two; depth 2's bound."""
    kappa = sp.Symbol(r"\kappa", positive=True)
    matched = kappa * r ** (-depth) * sp.exp((depth - 2) * c * r**2 / 2)
    z, theta = symbolic.magnified(), symbolic.mirror(symbolic.magnified(), depth)
    moved = symbolic.along(theta, symbolic.polar_rates(depth)).subs(eta_u, matched)
    a, shift = sp.symbols("a_1:5", real=True), sp.symbols("v_1:4", real=True)
    multiplier = sp.Symbol(r"\lambda", real=True)
    last = -sp.Add(*(a_i * v for a_i, v in zip(a, shift, strict=False))) / a[3]  # <a, v> = 0, across both groups
    across = sp.Add(*(multiplier * a_i * v for a_i, v in zip(a, (*shift, last), strict=True)))
    squares, entropy, squares_0, entropy_0, rest = sp.symbols(r"\Sigma E \Sigma^\circ E^\circ \Delta", nonnegative=True)
    equation = entropy_0 / 2 + c * squares_0 / 4 - (entropy / 2 + c * squares / 4 + rest)
    bound = squares_0 + 2 * (entropy_0 - entropy) / c - 4 * rest / c
    steps = (
        Step("The rates", r"\eta_{u,k}", matched, "From hypothesis 3: a group turns the faster the smaller it is."),
        Step("One clock", r"\theta^{(k)\prime}", kappa * depth * p, "The same for all groups."),
        Step(
            "Across groups",
            r"\langle\theta(t) - \theta(0), z^\circ - w(t)\rangle",
            sp.simplify(across),
            r"One measurement of two groups of two, $z^\circ - w(t)$ in its kernel; no part of it is.",
        ),
        Step(
            "Depth 2",
            r"\sum_k (S_k - S_{k,0})^2",
            sp.expand(bound),
            r"$\Sigma$, $\Sigma^\circ$: sums of squares; $E$, $E^\circ$: of $S_k\,\mathrm{KL}$; $\Delta$ is left out.",
        ),
    )
    residuals = (
        symbolic.speed(depth).subs(eta_u, matched) - kappa,
        (moved - kappa * depth * p) / z ** (2 - depth),
        across,
        sp.solve(equation, squares)[0] - bound,
    )
    return Derivation(steps, symbolic.reduced(*residuals))


def measure(
    case: Case,
    matched: bool = True,
    joint: bool = False,
    doubling: bool = False,
    towards_start: float = 0.0,
    tuned: float = 1.0,
    deeper: int = 0,
    penalty: float = 0.25,
) -> Measurement:
    r"""The bounds for the interpolant of the nearest masses, the divergences that add up, row(A), the minimiser.

    For the falsifiers: clocks that are not `matched`, one sphere for all groups, a ratio that is `doubling`, an
    interpolant moved `towards_start`, a ratio that is `tuned` in z, the map of a `deeper` network, another `penalty` on
    the masses.
    """
    rng = case.rng()
    problem, flow = wholly_positive(case, rng), GroupedFlow(case.depth, normalized_flow(case).ratio, matched)
    start = _start(case, rng)
    points = (_one_sphere if joint else _path)(flow, problem, start)
    if doubling:
        points = _path(GroupedFlow(flow.depth, 2 * flow.ratio, matched), problem, points, left=0.1)
    weights = points.weights(case.depth)
    reached = Problem(problem.A, problem.A @ weights.ravel(), weights.ravel())
    nearest = nearest_masses(reached, start.radius**2).reshape(weights.shape)
    other = (1 - towards_start) * nearest + towards_start * start.weights(case.depth)
    known = GroupedFlow(case.depth + deeper, tuned * flow.ratio, matched=True)
    mirror = mirror_map(known.alone, float(np.sqrt(np.mean(start.radius**2))))
    moved = (mirror.dual_variable(points) - mirror.dual_variable(start)).ravel()
    outside = moved - problem.A.T @ least_squares(problem.A.T, moved)
    end = grouped_limit(GroupedFlow(flow.depth, flow.ratio, matched=True), reached, start, tolerance=1e-6).weights
    divergences = mirror_map(flow.alone, float(np.sqrt(np.mean(start.radius**2)))).bregman
    left, whole = np.sum(divergences(weights, start)), np.sum(divergences(other, start))
    added = left + np.sum(divergences(other, points))
    gaps = [
        float(np.linalg.norm(outside) / np.linalg.norm(moved)),
        float(np.linalg.norm(end - weights.ravel()) / np.linalg.norm(end)),
    ]
    measured, predicted = [left, *np.array(gaps) / SMALL, added, whole], [whole, 1.0, 1.0, whole, added]
    if case.depth == 2:
        entropy, squares = _parts(weights, start)
        explicit = entropy / 2 + penalty * flow.ratio * squares
        measured += [explicit, left, squares, _parts(nearest, start)[1]]
        predicted += [left, explicit, _bound(flow, other, start), squares]
    return Measurement(measured, predicted, main=[0, 7] if case.depth == 2 else [0])


def _start(case: Case, rng: np.random.Generator) -> Polar:
    """The case's, in groups of unequal radii."""
    groups = int(rng.choice([2, 3, 4, 6]))
    direction = case.direction * np.repeat(rng.uniform(0.7, 1.4, groups), case.n // groups)
    return GroupedFlow(case.depth, 1.0).start(case.n, start_radius(case), groups, direction)


def _path(flow: GroupedFlow, problem: Problem, start: Polar, left: float = 0.3) -> Polar:
    """Where the flow has so much of its residual `left`, or a tenth of a radius, or has spent much time."""
    points = integrate_grouped(flow, problem, start, 1e3, stop=left, rtol=1e-9).points
    return points[int(np.flatnonzero((points.radius > 0.1 * start.radius).all(axis=1))[-1])]


def _one_sphere(flow: GroupedFlow, problem: Problem, start: Polar) -> Polar:
    """The flow of one sphere for all, with each group in polar coordinates of its own."""
    whole = polar_of(start.weights(flow.depth).ravel(), flow.depth)
    stop = 0.1 * float(problem.loss_of_zero)
    moved = integrate(flow.alone, problem, whole, 1e3, coordinates="primal", stop_loss=stop)
    return polar_of(moved.weights[-1].reshape(start.log_direction.shape), flow.depth)


def _parts(weights: Array, start: Polar) -> tuple[float, float]:
    r"""$\sum_k S_k\,\mathrm{KL}(\pi^{(k)} \| \pi^{(k)}_0)$ and $\sum_k (S_k - S_{k,0})^2$ at depth 2."""
    masses = np.sum(weights, axis=-1)
    entropy = np.sum(rel_entr(weights, masses[:, None] * start.direction**2))
    return float(entropy), float(np.sum((masses - start.radius**2) ** 2))


def _bound(flow: GroupedFlow, other: Array, start: Polar) -> float:
    entropy, squares = _parts(other, start)
    return squares + 2 / flow.ratio * entropy


def attained(case: Case) -> Measurement:
    """The same bounds where only the masses are measured and the start is uniform: then the limit is so, too."""
    rng, groups = case.rng(), 3
    A = np.repeat(rng.uniform(0.5, 1.5, groups), case.n // groups)[None]
    problem = Problem(A, A @ rng.uniform(1.0, 2.0, case.n))
    flow = GroupedFlow(case.depth, case.ratio, matched=True)
    start = flow.start(case.n, case.scale, groups)
    weights = grouped_limit(flow, problem, start).weights.reshape(groups, -1)
    v = rng.standard_normal(weights.shape)
    other = weights * (1 + 0.05 * (v - v.mean(axis=-1, keepdims=True)))
    divergences = mirror_map(flow.alone, case.scale / np.sqrt(groups)).bregman
    left, whole = np.sum(divergences(weights, start)), np.sum(divergences(other, start))
    return Measurement([left, _parts(weights, start)[1]], [whole, _bound(flow, other, start)])


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.GroupedFlow", "wnlib.grouped_limit", "wnlib.integrate_grouped"),
    tolerance=1e-4,
    ensemble=Ensemble(depths=(2, 3, 4), ratios=(0.5, 6), scales=(0.6, 1.4), columns=(12, 12)),
    derive=derive,
    symbolic=True,
    measure=measure,
    falsifiers=(
        Falsifier(1, "one sphere for all groups", partial(measure, joint=True)),
        Falsifier(2, "a ratio that doubles on the way", partial(measure, doubling=True)),
        Falsifier(3, "equal rates", partial(measure, matched=False)),
        Falsifier(4, r"$z^\circ$ a tenth of the way to the start", partial(measure, towards_start=0.1)),
        Falsifier("formula", "$z$ with $1.01\\, c$ in place of $c$", partial(measure, tuned=1.01)),
        Falsifier("formula", "$m_{L+1}$ in place of $m_L$", partial(measure, deeper=1)),
        Falsifier(
            "formula",
            r"$\tfrac c2$ in place of $\tfrac c4$ in the divergence",
            partial(measure, penalty=0.5),
            ensemble=Ensemble(depths=(2,), ratios=(0.5, 6), scales=(0.6, 1.4), columns=(12, 12)),
        ),
    ),
    attained=(
        Attained(
            "where only the masses of three groups are measured, from a uniform start",
            attained,
            Ensemble(depths=(2,), ratios=(2, 20), scales=(0.5, 1.5), columns=(12, 12)),
        ),
    ),
    uses=("magnification", "mirror_map", "implicit_bias"),
    mutants=(
        "L - 1 for L - 2 in the matched clock",
        "a power of r more in the growth of a half",
        "a power of u more in the turning of a half",
        "a tenth more of the groups' start",
        "half of the data in the nearest masses",
    ),
)
