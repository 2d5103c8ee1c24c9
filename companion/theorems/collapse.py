r"""Collapse at small scale

A start that is too small, and whose direction points against the data, shrinks to $w = 0$: the radius decays before
the direction has had time to turn.

Statement
---------
Let $L \ge 2$, let $(r, u)$ move by weight-normalized gradient flow from $r_0 > 0$ and $u_0 > 0$, and write $b =
A^\top y$, $\beta = \lVert b\rVert_\infty$, $a$ for the largest norm of a column of $A$, and

$$
\begin{aligned}
s_0 &= \langle b, u_0^L\rangle, & \beta_0 &= \beta + a^2 r_0^L, \\
K &= \beta\beta_0, & \mu^2 &= K - (K - s_0^2)\, e^{L c\, r_0^2}.
\end{aligned}
$$

If

1. **against the data**: $s_0 < 0$;
2. **small scale**: $\mu^2 > 0$, that is $L c\, r_0^2 < \log\frac{K}{K - s_0^2}$,

then the flow collapses: $r$ decreases to $0$, and with $\mu > 0$ for all $t \ge 0$

$$
\begin{aligned}
r(t) &\le r_0\, e^{-2 \eta_r \mu t} && (L = 2), \\
r(t) &\le \bigl(r_0^{2-L} + L (L-2)\, \eta_r \mu t\bigr)^{-1/(L-2)} && (L \ge 3).
\end{aligned}
$$

The direction turns by at most $\int_0^\infty \lVert u'\rVert\, dt \le c\, r_0^2\, \beta_0 / (2\mu)$ and converges to
some $u_\infty > 0$, while $w \to 0$, which does not interpolate since $y \ne 0$.

Given a direction with $s_0 < 0$, all small scales collapse: the second hypothesis holds for $r_0 < r_*$, where $r_*$
is the only root of $L c\, r_*^2 = -\log(1 - s_0^2/K(r_*))$. It holds in particular if $r_0^L \le \beta / a^2$ and
$r_0^2 \le s_0^2 / (2 L c\, \beta^2)$.

Proof
-----
The flow exists for all times, with $u > 0$: its field is smooth, $u$ stays on the sphere, $\log u_i$ has a bounded
derivative where $r$ is bounded, and $r$ will turn out not to grow. All sums below are over entries.

*In magnified coordinates.* By {prf:ref}`thm-magnification`, $z = u\, e^{c r^2/2}$ moves by $z' = \kappa L\, p \odot
z^{L-1}$. Let $B = \langle b, z^L\rangle$ and $n = \lVert z\rVert^2 = e^{c r^2} \ge 1$. Then

$$
\begin{aligned}
B' &= \kappa L^2 \sum_i b_i\, p_i\, z_i^{2L-2}, & n' &= 2 \kappa L\, \langle p, z^L\rangle .
\end{aligned}
$$

*Two bounds, while $r \le r_0$.* First, $p = b - A^\top A w$, and $w$ is a positive multiple of $z^L$, so $\langle p,
z^L\rangle = B - \langle A w, A z^L\rangle \le B$: the nonlinear part of the force always pulls inwards. Secondly,
$|p_i| \le \beta_0$. For $\lVert A w\rVert \le \sum_j a\, w_j \le a\, r_0^L$, because $\sum_j u_j^L \le \sum_j u_j^2 =
1$, and the $i$-th entry of $A^\top A w$ is at most $a$ times that. Hence $|b_i p_i| \le K$, and as $\sum_i z_i^{2L-2}
\le n^{L-1}$, we have $|B'| \le \kappa L^2 K\, n^{L-1}$.

*A quantity that does not grow.* Let $E = K n^L - B^2$. While $B < 0$ and $r \le r_0$,

$$
\begin{aligned}
E' &= L K\, n^{L-1} n' - 2 B B' \le 2 \kappa L^2 K\, n^{L-1} B + 2 |B|\, \kappa L^2 K\, n^{L-1} = 0 .
\end{aligned}
$$

*The start's sign is kept.* At the start $E_0 = (K - s_0^2)\, e^{L c r_0^2} = K - \mu^2$. Here $K > s_0^2$, as $|s_0|
\le \beta \sum_i u_{0,i}^L \le \beta < \beta_0$. While $B < 0$ and $r \le r_0$, then, $\langle b, u^L\rangle^2 = B^2
n^{-L} = K - E\, n^{-L} \ge K - E_0 = \mu^2$, since $n \ge 1$ and $0 \le E \le E_0$ or $E < 0$. So $\langle b,
u^L\rangle \le -\mu$, and $r' = \eta_r L\, r^{L-1} \langle p, u^L\rangle \le -\eta_r L\, \mu\, r^{L-1} < 0$. A first
time at which $B = 0$ or $r = r_0$ again would contradict these two inequalities, which hold up to it by continuity.
They hold for all times.

*Rate.* With $m_2(r) = \log r$ and $m_L(r) = r^{2-L}/(2-L)$, $m_L(r)' = r^{1-L} r' \le -\eta_r L\, \mu$. So $m_L(r(t))
\le m_L(r_0) - \eta_r L\, \mu\, t$, which is the claim.

*Rotation.* $u' = c\, \eta_r L\, r^L \bigl(p \odot u^{L-1} - \langle p, u^L\rangle u\bigr)$, and the bracket is a
projection of $p \odot u^{L-1}$, of norm at most $\beta_0 \lVert u^{L-1}\rVert \le \beta_0$. Divide by $-r' \ge \eta_r
L\, \mu\, r^{L-1}$: $\lVert u'\rVert \le -r' \cdot c\, r\, \beta_0/\mu$, and integrate from $r_0$ to $0$. In the same
way $|(\log u_i)'| \le c\, \eta_r L\, r^L \cdot 2\beta_0$ is integrable, so $u_\infty > 0$.

*Small scales.* $L c\, r_0^2 + \log(1 - s_0^2/K)$ increases strictly with $r_0$, because $K$ does, is negative as $r_0
\to 0$ and tends to infinity. Since $-\log(1 - x) > x$ for $0 < x < 1$, it is enough that $L c\, r_0^2 K \le s_0^2$,
and $K \le 2\beta^2$ if $a^2 r_0^L \le \beta$.

Boundary
--------
- **Checked.** The algebra of the proof. On flows followed until the radius has fallen by orders of magnitude ($L = 2$)
  or as far as its power law allows: decay and rotation against the bounds, and that `wnlib.collapses` foresees the end;
  the code's $\mu$ against the formula. The problems are $[A, -A]$, the positive form of signed weights, so that data
  against which a direction can point always exist.
- **Assumed.** Nothing.
- **No run can test.** That $r$ tends to $0$: a run ends at a positive radius. It is proved.

Source
------
Derived here.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import against_the_data
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, L, Step
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib.flows.geometry import mirror_entry
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.collapse import collapses
from wnlib.limits.small_starts import SmallStart
from wnlib.trajectories.integration import integrate

LONG = (30.0, 5.0)  # how long a flow is followed, in units of the time in which the radius falls (L >= 3; L = 2)
SHALLOW = Ensemble(depths=(2, 3), scales=(0.3, 0.99))


def derive(depth: Depth = L) -> Derivation:
    """The derivative of E term by term, and the scale of the radius in which the decay is linear."""
    kappa, n, K, size, inward, spare, mu, eta = sp.symbols(r"\kappa n K {|B|} I J \mu \eta_r", positive=True)
    z = sp.symbols("z_i", positive=True)
    power_rate = sp.diff(z**depth, z) * kappa * symbolic.plain_rates(depth)[symbolic.x].subs(symbolic.x, z)
    norm_rate = -2 * kappa * depth * (size + inward)
    data_rate = kappa * depth**2 * (K * n ** (depth - 1) - spare)
    rate = depth * K * n ** (depth - 1) * norm_rate + 2 * size * data_rate
    gap = 2 * kappa * depth**2 * (K * n ** (depth - 1) * inward + size * spare)
    clock_rate = sp.diff(symbolic.mirror(symbolic.r, depth), symbolic.r) * -eta * depth * mu * symbolic.r ** (depth - 1)
    steps = (
        Step("One entry", "(z_i^L)'", symbolic.tidy(power_rate), "Multiply by $b_i$ and sum: this is $B'$."),
        Step(
            "The squared norm",
            "n'",
            norm_rate,
            r"$B < 0$, and $I = \langle A w, A z^L\rangle \ge 0$ pulls inwards, as $w$ is a multiple of $z^L$.",
        ),
        Step(
            "The data term", "B'", data_rate, r"$J = K n^{L-1} - \sum_i b_i p_i z_i^{2L-2} \ge 0$, by the second bound."
        ),
        Step("It does not grow", "E'", -gap, "Of $E = K n^L - B^2$: minus a sum of nonnegative terms is left."),
        Step(
            "Rate",
            "m_L(r)'",
            sp.simplify(clock_rate),
            r"Along $r' = -\eta_r L \mu\, r^{L-1}$: in this scale of the radius, the decay is linear.",
        ),
    )
    residuals = symbolic.reduced(
        power_rate - kappa * depth * symbolic.p * depth * z ** (2 * depth - 2),
        rate + gap,
        clock_rate + eta * depth * mu,
        *_written_out(depth),
    )
    return Derivation(steps, residuals)


def _written_out(depth: Depth) -> tuple[sp.Expr, ...]:
    r"""For two entries and one measurement: the inward pull, the parts of J, and $E_0 = K - \mu^2$."""
    a, (y, s_0) = sp.symbols("a_1:3", real=True), sp.symbols("y s_0", real=True)
    z, (q, K, r_0) = sp.symbols("z_1:3", positive=True), sp.symbols("q K r_0", positive=True)
    through = sum(a_i * z_i**depth for a_i, z_i in zip(a, z, strict=True))
    force = [a_i * (y - q * through) for a_i in a]
    data = y * through
    pushed = sum(p_i * z_i**depth for p_i, z_i in zip(force, z, strict=True))
    powers = [z_i ** (2 * depth - 2) for z_i in z]
    ball = sum(z_i**2 for z_i in z) ** (depth - 1)
    products = [a_i * y * p_i for a_i, p_i in zip(a, force, strict=True)]
    spare = K * ball - sum(product * power for product, power in zip(products, powers, strict=True))
    parts = K * (ball - sum(powers))
    parts += sum((K - product) * power for product, power in zip(products, powers, strict=True))
    n_0 = sp.exp(symbolic.c * r_0**2)
    mu_squared = K - (K - s_0**2) * sp.exp(depth * symbolic.c * r_0**2)
    return (
        pushed - (data - q * through**2),
        spare - parts,
        K * n_0**depth - (s_0 * n_0 ** (depth / sp.Integer(2))) ** 2 - (K - mu_squared),
    )


def measure(
    case: Case, sign: float = -1.0, scale: float | None = None, faster: float = 1.0, power: int = 0
) -> Measurement:
    r"""From $r_0$ = case.scale $r_*$: how far $m_L(r)$ has fallen, how far u has turned, what `collapses` says; $\mu$.

    For the falsifiers: a direction of the other `sign`, another `scale` in units of $r_*$, a rate `faster` by a
    factor or by a `power` of $r_0$.
    """
    start = against_the_data(case, sign)
    radius = (case.scale if scale is None else scale) * start.threshold
    flow = WeightNormFlow(case.depth, case.ratio)
    point = flow.start(start.problem.shape[1], radius, start.direction)
    t_end = LONG[case.depth == 2] * radius ** (2 - case.depth) / (case.depth * abs(start.push))
    escaped = 0.5 * start.problem.loss_of_zero
    trajectory = integrate(flow, start.problem, point, t_end, rtol=1e-6, stop_loss=escaped)
    times = trajectory.t[-1] * np.array([0.01, 0.1, 1.0])
    path = trajectory.at(times).points
    fallen = mirror_entry(radius, case.depth) - mirror_entry(path.radius, case.depth)
    turned = np.linalg.norm(path.direction - point.direction, axis=-1).max()
    stays = float(not collapses(flow, start.problem, point))
    mu, stated = start.push_left(radius), _push_left(start, radius)
    proved = faster * radius**power * case.depth * mu * times
    turning = case.ratio * radius**2 * start.force(radius)
    return Measurement(
        [*proved, 2 * mu * turned, stays, mu, stated], [*fallen, turning, 0.0, stated, mu], main=[0, 1, 2]
    )


def _push_left(start: SmallStart, radius: float) -> float:
    r"""$\mu$ as it is stated, 0 beyond the threshold."""
    L, A, b = start.depth, start.problem.A, start.problem.A.T @ start.problem.y
    beta, a, s_0 = np.abs(b).max(), np.linalg.norm(A, axis=0).max(), b @ start.direction**L
    K = beta * (beta + a**2 * radius**L)
    return float(np.sqrt(max(0.0, K - (K - s_0**2) * np.exp(L * start.ratio * radius**2))))


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.collapses",),
    tolerance=1e-5,
    ensemble=Ensemble(depths=(2, 3, 4, 5, 6), ratios=(0.1, 100), scales=(0.01, 0.99)),
    derive=derive,
    symbolic=True,
    measure=measure,
    falsifiers=(
        # At higher depths the escape from so small a radius takes too long to follow.
        Falsifier(1, r"$s_0 > 0$: a direction along the data", partial(measure, sign=1.0), ensemble=SHALLOW),
        Falsifier(2, r"$r_0 = 30\, r_*$", partial(measure, scale=30.0)),
        Falsifier("formula", r"twice the rate", partial(measure, faster=2.0)),
        Falsifier("formula", r"the rate with $r^{L-2}$ in place of $r^{L-1}$", partial(measure, power=-1)),
    ),
    attained=(
        Attained(
            "from starts of at most a twentieth of $r_*$",
            measure,
            Ensemble(depths=(2, 3, 4, 5, 6), ratios=(0.1, 100), scales=(0.001, 0.05)),
        ),
    ),
    uses=("magnification",),
    mutants=(
        "the mirror map's sign",
        "L for L - 2 in the mirror map",
        "half the logarithm in the mirror map",
        "above the loss of zero for below it",
        "a radius that grows for shrinking",
        "the direction for its power in the push",
        "a power less in the push",
        "a tenth of the bound on the force",
        "twice the force at zero in its bound",
        "twice the columns in the bound on the force",
        "a power of r less in the bound on the force",
        "the mean column in the bound on the force",
        "no L in the excess of a small start",
        "no ratio in the excess of a small start",
        "twice the squared push",
        "twice the push that is left",
        "no L in the chart's radius",
        "a power of r more in the chart's radius",
    ),
)
