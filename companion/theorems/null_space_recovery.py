r"""Recovery under the null space property

If no vector in the kernel has more than half of its mass on a support, then a limit is close to the weights that were
measured: as close as its excess mass and the mass of these off the support allow. With noise the same holds where a
flow is stopped.

Statement
---------
Let $J$ be a set of entries, $\sigma_J = \sum_{j \notin J} w^\star_j$ the mass of the weights $w^\star$ off it, $S =
\lVert w\rVert_1$, and $Q = \min\{\lVert z\rVert_1 : A z = A w,\ z \ge 0\}$. If

1. **nonnegative**: $w \ge 0$ and $w^\star \ge 0$;
2. **null space**: for all $v \in \ker A$, $\lVert v_J\rVert_1 \le \beta\, \lVert v_{J^c}\rVert_1$ and $|\sum_{i \in J}
   v_i| \le \beta_+ \lVert v_{J^c}\rVert_1$, with $\beta_+ < 1$;
3. **same measurements**: $A w = A w^\star$,

then

$$
\begin{aligned}
\lVert w - w^\star\rVert_1 &\le \frac{1 + \beta}{1 - \beta_+}\, \bigl( S - Q + 2 \sigma_J \bigr) .
\end{aligned}
$$

As $\beta_+ \le \beta$, the classical factor $\tfrac{1 + \beta}{1 - \beta}$ serves as well where $\beta < 1$. If $J$ is
the support of $w^\star$, then $1 - \beta_+$ can be replaced by the margin $\gamma \ge 1 - \beta_+$ that `wnlib.margin`
computes. Without the third hypothesis, with $h = A^+ A (w - w^\star)$ and any $\nu$ with $A^\top \nu \le \mathbf 1$ and
$\langle\nu, A w\rangle = Q$,

$$
\begin{aligned}
\lVert w - w^\star\rVert_1 &\le \frac{1 + \beta}{1 - \beta_+}\, \bigl( S - Q + 2 \sigma_J
  + \langle\nu, A (w - w^\star)\rangle + \lVert h\rVert_1 \bigr) + \max(1, \beta)\, \lVert h\rVert_1 .
\end{aligned}
$$

So a limit of either flow is close to what was measured if its excess is small. And if $y = A w^\star + e$ with $\lVert
e\rVert \le \epsilon$ and a flow is stopped where $\lVert A w(t) - y\rVert = \epsilon$, then $\lVert A (w -
w^\star)\rVert \le 2\epsilon$, and at $L = 2$, from a uniform start of mass $S_0 < Q$, weight normalization has $S - Q
\le \tfrac{Q \log N}{c\, (Q - S_0)}$.

Proof
-----
Let $v = w - w^\star$ and $k = v - h$, which is in the kernel. Off $J$ the negative part of $v$ is at most $w^\star$, by
hypothesis 1, so

$$
\begin{aligned}
\lVert v_{J^c}\rVert_1 &\le \sum_{j \notin J} v_j + 2 \sigma_J
  = S - \lVert w^\star\rVert_1 + 2 \sigma_J - \sum_{i \in J} v_i .
\end{aligned}
$$

By hypothesis 2, $-\sum_{i \in J} v_i \le \beta_+ \lVert k_{J^c}\rVert_1 + \lVert h_J\rVert_1 \le \beta_+ \lVert
v_{J^c}\rVert_1 + \lVert h\rVert_1$, as $\beta_+ < 1$. Hence $(1 - \beta_+) \lVert v_{J^c}\rVert_1 \le S - \lVert
w^\star\rVert_1 + 2 \sigma_J + \lVert h\rVert_1$. Likewise $\lVert v_J\rVert_1 \le \beta \lVert v_{J^c}\rVert_1 +
\max(1, \beta) \lVert h\rVert_1$. Add: it remains that $S - \lVert w^\star\rVert_1 \le S - Q + \langle\nu, A (w -
w^\star)\rangle$, and this is $\langle\nu, A w^\star\rangle = \langle A^\top \nu, w^\star\rangle \le \lVert
w^\star\rVert_1$. If $A w = A w^\star$, then $h = 0$ and the pairing vanishes.

If $J$ is the support of $w^\star$, then $v_{J^c} \ge 0$, and $\sum_i v_i \ge \gamma \lVert v_{J^c}\rVert_1$, as
$\gamma$ is the least $\sum_i v_i$ of such a $v \in \ker A$ with $\lVert v_{J^c}\rVert_1 = 1$; by hypothesis 2 it is at
least $1 - \beta_+$. (So $w^\star$ is the only solution of basis pursuit, and the margin is that of its support.)

The last line is {prf:ref}`thm-stopped_early`, with $\lVert A (w - w^\star)\rVert \le \lVert A w - y\rVert + \lVert
e\rVert$.

Boundary
--------
- **Checked.** The chain of the proof by computer algebra. In numbers, where $\beta_+ < 1$: limits of both flows for
  sparse and for compressible weights, and weight normalization stopped at the discrepancy, at depth 2 with the bound on
  its excess; all constants by linear programming.
- **Assumed.** Nothing.
- **No run can test.** The constants of large problems: the number of linear programs doubles with each entry of $J$,
  and the supports of one size are many.

Source
------
The null space property, its constants and the classical bound are those of compressed sensing, see
{cite:t}`FoucartRauhut2013`; what it says of nonnegative weights, and of a flow that is stopped, is derived here.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification.cases import lever, magnified, normalized_flow, start_radius
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, Step, reduced
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import Flow
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.bounds import normalized_excess_bound
from wnlib.limits.limit import limit
from wnlib.linear.ranks import least_squares
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit
from wnlib.sparse.margin import margin
from wnlib.sparse.null_space import null_space_constant
from wnlib.trajectories.integration import integrate

TAIL = 0.02  # the largest entry that compressible weights have off their support
NOISE = 0.05  # of the weights; of the one datum where there is one
ROUNDING = 1e-6  # of linear programs and limits: by which a constant may miss 1, and weights the truth


def derive(depth: Depth = 2) -> Derivation:
    """The masses on and off the support, for one entry on it and two off it; the bound, from what the parts are."""
    w, truth = (sp.Matrix(sp.symbols(f"{name}_1:4", nonnegative=True)) for name in ("w", "x"))
    v = w - truth
    off = -v[1] + v[2]  # where the second entry falls and the third does not
    told = sum(w) - sum(truth) - 2 * v[1] - v[0]
    names = "S", "Q", r"\sigma_J", r"{\langle\nu,Av\rangle}", r"{\lVert{h}\rVert_1}", r"\beta", r"\beta_+"
    S, Q, tail, pairing, h, beta, one_sided = (sp.Symbol(name, positive=True) for name in names)
    mass, true_mass, on = sp.symbols(r"{\lVert{v_{J^c}}\rVert_1} {\lVert{w^\star}\rVert_1} {\sum_{i\in{J}}v_i}")
    room = S - Q + 2 * tail + pairing + h
    most = sp.solve(sp.Eq(mass, room + one_sided * mass), mass)[0]
    steps = (
        Step("Off the support", r"\lVert v_{J^c}\rVert_1", S - true_mass + 2 * tail - on, "As $w \\ge 0$.", r"\le"),
        Step("On it", r"-\sum_{i \in J} v_i", one_sided * mass + h, r"By hypothesis 2, for $v - h$.", r"\le"),
        Step("The mass", r"S - \lVert w^\star\rVert_1", S - Q + pairing, r"$A^\top \nu \le \mathbf 1$.", r"\le"),
        Step("Together", r"\lVert v_{J^c}\rVert_1", most, r"Solved; $\beta_+ < 1$.", r"\le"),
        Step("Both parts", r"\lVert v\rVert_1", (1 + beta) * most + sp.Max(1, beta) * h, "By hypothesis 2.", r"\le"),
    )
    return Derivation(steps, reduced(off - told, most * (1 - one_sided) - room))


def bound(problem: Problem, w: Array, truth: Array, share: float = 1.0, told: bool = True, first: float = 1.0) -> float:
    """The bound on the distance of w (n,) from the truth (n,), whose larger entries are its support.

    For the falsifiers: a `share` of the constants; of other measurements nothing is `told`; another number than 1 in
    the numerator.
    """
    J = np.flatnonzero(truth > TAIL)
    change, pursuit = problem.A @ (w - truth), basis_pursuit(Problem(problem.A, problem.A @ w))
    beta, one_sided = (share * null_space_constant(problem, J, signs) for signs in (None, np.ones(J.size)))
    if one_sided > 1 - ROUNDING:
        return np.inf
    h = float(np.abs(least_squares(problem.A, change)).sum()) if told else 0.0
    room = float(w.sum()) - pursuit.value + 2 * float(np.delete(truth, J).sum()) + h
    room += float(pursuit.dual @ change) if told else 0.0
    return (first + beta) / (1 - one_sided) * max(room, 0.0) + max(1.0, beta) * h


def planted(case: Case) -> Problem:
    """The case's weights, in every other case with a tail."""
    tail, sparse = case.rng().uniform(0, TAIL, case.n) * (case.seed % 2), np.asarray(case.problem.truth)
    truth = np.where(sparse > 0, sparse, tail)
    return Problem(case.problem.A, case.problem.A @ truth, truth)


def stopped(flow: Flow, problem: Problem, start: Polar, noise: Array) -> Array:
    """The weights (n,) where the residual of noisy measurements is that of the truth."""
    noisy = Problem(problem.A, problem.y + noise)
    return integrate(flow, noisy, start, 1e12, rtol=1e-8, stop_loss=0.5 * float(noise @ noise)).weights[-1]


def by_margin(problem: Problem, w: Array) -> float:
    """The bound on the distance of an interpolant w (n,) from the solution of basis pursuit, if there is only one."""
    found = margin(problem)
    if found.several or np.isinf(found.value):
        return np.inf
    beta = null_space_constant(problem, np.flatnonzero(found.support))
    return (1 + beta) / found.value * max(float(w.sum() - found.target.sum()), 0.0)


def apart(w: Array, truth: Array) -> float:
    """The distance, 0 if it is rounding."""
    distance = float(np.abs(w - truth).sum())
    return distance if distance > ROUNDING * truth.sum() else 0.0


def measure(case: Case) -> Measurement:
    """Distances over bounds, of a limit of either flow and of weight normalization stopped; the latter's excess."""
    problem, (flow, start) = planted(case), magnified(case)
    truth, polar, radius = np.asarray(problem.truth), normalized_flow(case), start_radius(case)
    noise = problem.A @ (np.abs(truth + NOISE * case.rng().standard_normal(case.n)) - truth)
    end = limit(flow, problem, start).weights
    early = stopped(polar, problem, polar.start(case.n, radius), noise)
    z = basis_pursuit(Problem(problem.A, problem.A @ early)).weights
    measured = [apart(w, x) for w, x in ((end, truth), (end, basis_pursuit(problem).weights), (early, truth))]
    predicted = [bound(problem, end, truth), by_margin(problem, end), bound(problem, early, truth)]
    if case.depth == 2:
        measured.append(float(early.sum() / z.sum()) - 1)
        predicted.append(normalized_excess_bound(polar.ratio, radius, z))
    return Measurement(measured, predicted, main=[0, 1, 2])


def tight(case: Case, share: float = 1.0, told: bool = True, first: float = 1.0, negative: bool = False) -> Measurement:
    """Two weights of one measurement, the second little measured: the limit, and stopped before it fits.

    For the falsifiers, see `bound`; the limit mirrored at the truth, so that a weight is `negative`.
    """
    problem, flow = lever(2, float(case.rng().uniform(0.7, 0.95))), WeightNormFlow(case.depth, 2 * case.ratio)
    start, truth = flow.start(2, case.scale), np.asarray(problem.truth)
    end = limit(flow, problem, start).weights
    early = stopped(flow, problem, start, np.array([-NOISE]))
    ends = [2 * truth - end if negative else end, early]
    return Measurement(
        [float(np.abs(w - truth).sum()) for w in ends], [bound(problem, w, truth, share, told, first) for w in ends]
    )


def attained(case: Case) -> Measurement:
    """The same, and with a third weight that measures against the first: it spoils the constants, not the margin."""
    two, A = tight(case), np.append(lever(2, float(case.rng().uniform(0.2, 0.5))).A, -1.0)[None]
    problem, flow = Problem(A, np.ones(1)), WeightNormFlow(case.depth, 2 * case.ratio)
    w = limit(flow, problem, flow.start(3, case.scale)).weights
    distance = float(np.abs(w - np.eye(3)[0]).sum())
    return Measurement(np.append(two.measured, distance), np.append(two.predicted, by_margin(problem, w)))


# Not so much magnified that rounding decides the excess
GENTLE = Ensemble(depths=(2, 3), ratios=(2, 4), scales=(0.3, 0.8))

THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.margin", "wnlib.null_space_constant"),
    tolerance=1e-6,
    ensemble=Ensemble(depths=(2, 3, 4), ratios=(2, 10), scales=(0.3, 0.8), columns=(10, 12), sparse=2, uniform=True),
    derive=derive,
    measure=measure,
    uses=("stopped_early",),
    falsifiers=(
        Falsifier(1, "limits mirrored at the truth", partial(tight, negative=True), ensemble=GENTLE),
        Falsifier(2, "half of the constants", partial(tight, share=0.5), ensemble=GENTLE),
        Falsifier(3, r"other measurements, without $h$ and $\nu$", partial(tight, told=False), ensemble=GENTLE),
        Falsifier("formula", r"$\beta$ for $1 + \beta$", partial(tight, first=0.0), ensemble=GENTLE),
    ),
    attained=(
        Attained("for two weights of one measurement, and a third that measures against them", attained, GENTLE),
    ),
    mutants=(
        "half of the null space constant",
        "one pattern of signs for all",
        "the positive part alone in the kernel",
        "a certificate of half the costs",
    ),
)
