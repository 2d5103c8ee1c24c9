r"""What minibatches do

At depth 2 minibatches act as a smaller start, by a factor that can be told beforehand: its logarithm is the step over
the number of rows in a batch, times the divergence from the start to the limit.

Statement
---------
Let $L = 2$, let $A$ have independent Gaussian entries of variance $1/M$, $N$ from 24 to 36 and $M = \lceil 2 s
\log(N/s)\rceil$, and let $y = A w$ with $s \le 3$ nonzero weights. Let gradient descent, or polar descent of ratio $c$,
take steps of size $h$ on $k$ minibatches of rows, from uniform weights of mass $r_0^2 \le \tfrac12 Q$, until the time
at which the flow's loss is a hundredth of that of $w = 0$. Let

$$
\begin{aligned}
t &= h\, \frac{k - 1}{M - 1}\, D_\Phi(w_\infty, w_0), &
t &= 2 h\, \frac{k - 1}{M - 1} \int c\, r^2\, \bigl( -dD_\Phi(w_\infty, w) \bigr)
\end{aligned}
$$

for gradient descent and for polar descent, the latter along the flow from $w_0$ to $w_\infty$. If

1. **isotropic rows**: the rows of $A$ are Gaussian;
2. **short steps**: $h k$ is at most $0.4$ of the longest stable step at the limit,

then minibatches change the logarithm of the excess, of the flow's limit from the effective start that two orders of the
rows have in the mean, against all rows, by what the start $e^{-t} z_0$ in place of $z_0$ does, within a factor of 2, in
at least 85 % of such problems, unless $z^*$ is the only nonnegative interpolant or not the only minimiser.

Proof
-----
In {prf:ref}`thm-effective_start` minibatches add to $\varepsilon_j^2$ its variance, that of a force drawn without
replacement. With the pulls $q_m$ of the rows, each $A_m$ times its residual, it is $4 h^2 \kappa^2 (k-1) \tfrac{M}{M-1}
\sum_m (q_m - \bar q)_i^2$, where $\kappa = 1$ for gradient descent and $c\, r^2$ for polar descent. For isotropic rows
$\sum_m q_{m,i}^2$ is near $2\ell/M$ in *every* entry. So $\delta$ is uniform, and in polar descent $\beta$ takes as
much again. By {prf:ref}`thm-dual_flow` and the three-point identity of
{prf:ref}`thm-implicit_bias` $dD_\Phi(w_\infty, w) = -4 \kappa\, \ell\, dt$ at $L = 2$.

Boundary
--------
- **Checked.** Both methods, two and three minibatches and single rows, on problems that recover a sparse interpolant.
- **Assumed.** That problems which were not drawn behave like those that were.
- **No run can test.** Other distributions of rows. Where the entries of $A$ are not alike, the tilt is not uniform.

Source
------
Derived here. {cite:t}`Pesme2021` prove that in diagonal linear networks the stochastic flow chooses a solution that
generalises better than that of gradient flow, the better the slower the loss converges.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, Step
from companion.verification.theorem import Assumption, Falsifier, Kind, Measurement, Theorem
from wnlib.descent import GradientDescent, PolarDescent, descend, effective_start
from wnlib.descent.expected import expected_start
from wnlib.errors import ArgumentError, CollapseError, DescentError
from wnlib.flows.flow import Flow
from wnlib.flows.metric import longest_step
from wnlib.flows.polar import Polar, log_norm
from wnlib.limits.limit import limit
from wnlib.problem import Problem
from wnlib.sparse.margin import margin
from wnlib.trajectories.integration import integrate

SHARE = 0.4  # of the longest stable step that an epoch takes
FITTED = 1e-2  # of the loss at w = 0, at which a descent ends
ORDERS = 2  # of the rows, over which is averaged
FACTOR = 2.0  # between what is expected and what is measured


def derive(depth: Depth = 2) -> Derivation:
    """From the variance of the force to the divergence."""
    h, k, M, kappa, loss = sp.symbols(r"h k M \kappa \ell", positive=True)
    variance = (k - 1) * M / (M - 1) * 2 * loss / M
    tilt = (2 * h * kappa) ** 2 * variance / 2
    fall = 2 * depth * kappa * loss
    rate = tilt / h
    steps = (
        Step("The variance of the force", r"\mathrm{Var}\,(p_B)_i", sp.simplify(variance), "Isotropic rows."),
        Step(
            "What a step takes from an entry",
            r"\tfrac12 \mathrm E\, \varepsilon_i^2",
            tilt,
            r"$\varepsilon = 2 h \kappa\, p_B$.",
        ),
        Step("What the divergence loses", r"-\frac{d}{dt'} D_\Phi(w_\infty, w)", fall, "Along the flow."),
        Step(
            "A step takes time $h$", r"\frac{d\delta_i}{dt'}", rate, r"This is $h \tfrac{k-1}{M-1} \kappa$ times that."
        ),
    )
    return Derivation(steps, symbolic.reduced(rate - h * (k - 1) / (M - 1) * kappa * fall))


def measure(case: Case, share: float = SHARE, stretch: float = 1.0, times: float = 1.0) -> Measurement:
    """The logarithm of the ratio of the excesses over the expected one, and the inverse, over the `FACTOR`.

    Gradient and polar descent in turn; NaN where a descent diverges. For the falsifiers: another `share` of the stable
    step, columns of the support so much longer (`stretch`), many `times` the expected logarithm.
    """
    problem = Problem(case.problem.A * np.where(case.target > 0, stretch, 1.0), case.problem.y)
    found = margin(problem)
    if not 0 < found.value < np.inf:  # nothing is to be predicted
        return Measurement(0.0, 1.0)
    method = PolarDescent(2, case.ratio) if case.seed % 2 else GradientDescent(2)
    start = method.flow.start(case.n, case.scale * np.sqrt(found.target.sum()))
    batch_size = -(-case.m // (2, 3, case.m)[case.seed // 2 % 3])
    try:
        seen, expected = _changes(method, problem, start, share, batch_size)
    except (ArgumentError, CollapseError, DescentError):  # there is no such start, a flow collapses, a descent diverges
        return Measurement(np.nan, 1.0)
    return Measurement([seen / (FACTOR * times * expected), times * expected / (FACTOR * seen)], 1.0)


def _changes(
    method: GradientDescent | PolarDescent, problem: Problem, start: Polar, share: float, batch_size: int
) -> tuple[float, float]:
    """What minibatches change of the logarithm of the excess: seen, and expected."""
    flow = method.flow
    batches = -(-problem.shape[0] // batch_size)
    h = share * longest_step(flow, problem, limit(flow, problem, start).weights) / batches
    until = integrate(flow, problem, start, 1e9, rtol=1e-4, stop_loss=FITTED * problem.loss_of_zero).t[-1]
    steps = int(until / h) + 1
    full = descend(method, problem, start, h, steps)
    part = descend(method, problem, start, h, steps, 1, batch_size, np.arange(ORDERS))
    ends = (
        effective_start(full),
        _mean(flow, effective_start(part)),
        start,
        expected_start(method, problem, start, h, batches),
    )
    on_all, on_batches, unmoved, moved = (np.log(limit(flow, problem, end).l1_excess) for end in ends)
    return on_batches - on_all, moved - unmoved


def _mean(flow: Flow, points: Polar) -> Polar:
    """The geometric mean of points (K, N) in magnified coordinates."""
    log_z = np.mean(flow.log_magnification(points.radius)[:, None] + points.log_direction, axis=0)
    log_length = log_norm(log_z)
    return Polar(flow.radius(log_length), log_z - log_length, np.ones(1))


PROBLEMS = Ensemble(
    depths=(2,),
    ratios=(1.0, 4.0),
    scales=(0.3, 0.7),
    matrices=("gaussian",),
    columns=(24, 36),
    uniform=True,
    sparse=3,
)

THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.OBSERVATION,
    about=("wnlib.effective_start",),
    tolerance=0.0,
    share=0.85,
    ensemble=PROBLEMS,
    derive=derive,
    measure=measure,
    assumes=(
        Assumption(
            "A representative ensemble of minibatches",
            "Problems and orders of the rows that were not drawn behave like those that were.",
            "A share is that of finitely many problems of one distribution; other distributions have another.",
        ),
    ),
    falsifiers=(
        Falsifier(1, "columns of the support five times as long", partial(measure, stretch=5.0), share=0.4),
        Falsifier(2, "an epoch of four stable steps, which diverges", partial(measure, share=4.0), undefined=True),
        Falsifier("formula", "three times the logarithm", partial(measure, times=3.0)),
        Falsifier("formula", "a third of the logarithm", partial(measure, times=1 / 3)),
    ),
    uses=("effective_start", "dual_flow", "implicit_bias"),
    mutants=(
        "the tilt added to the start",
        "minibatches that make the start larger",
        "the variance of an entry for the squares of a column",
    ),
)
