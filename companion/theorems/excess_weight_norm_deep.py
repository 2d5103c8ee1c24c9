r"""Excess of weight normalization, depth 3 and above

With three or more factors the excess mass is exponentially small in the ratio, times how far the squared radius of the
start is below that of the target.

Statement
---------
Let $L \ge 3$, $a = (L-2)\,c/2$, let $Q = \lVert z^*\rVert_1$ be the optimal value of basis pursuit,
$\rho_* = \rho(z^*) = \sum_i (z_i^*)^{2/L}$ and $S = \lVert w_\infty\rVert_1$. If

1. **limit**: $w_\infty$ is the interpolating limit of weight-normalized gradient flow from $w_0$;
2. **uniform start**: $w_0 = (r_0/\sqrt N)^L\, \mathbf 1$;
3. **minimiser**: $z^*$ is an interpolant $\ge 0$ of mass $Q$,

then

$$
\begin{aligned}
S - Q &\le \tfrac L2 N^{(2-L)/2}\, e^{a r_0^2} \int_{\rho_*}^{\rho(w_\infty)} t^{(L-2)/2} e^{-a t}\, dt, \\
\rho(w_\infty) &\le \rho_S := N^{1-2/L} S^{2/L} .
\end{aligned}
$$

With the upper limit $\rho_S$ this is the mass bound, an inequality for $S$ alone; with $\infty$ it is explicit, an
incomplete gamma function. If moreover

4. **below the frontier**: $r_0^2 < \rho_*$,

then

$$
\begin{aligned}
\frac{S - Q}{Q} \le \frac{1 - U_*/Q}{e^{a (\rho_* - r_0^2)} - 1},
  \qquad U_* = N^{(2-L)/2} \rho_*^{L/2} \le Q .
\end{aligned}
$$

Proof
-----
By {prf:ref}`thm-implicit_bias`, $w_\infty$ minimises $S(w) - \int^{U(w)} M(s)^{2-L} ds$ over the interpolants. Compare
it with $z^*$: $S - Q \le \int_{U_*}^{U(w_\infty)} M(s)^{2-L} ds$. Substitute $s = N^{(2-L)/2} t^{L/2}$, the mass of
uniform weights with squared radius $t$: then $M^{2-L} = e^{a (r_0^2 - t)}$ and $ds = \tfrac L2 N^{(2-L)/2} t^{(L-2)/2}
dt$. This is the first inequality. The second, which is $U(w) \le S$, is the inequality of the power means with
exponents $\tfrac2L \le 1$ and $1$. The integrand is positive: the upper limit may grow, to $\rho_S$ (the mass bound) or
to $\infty$.

For the last bound, let $\epsilon = e^{-a (\rho_* - r_0^2)}$, the value of $M(s)^{2-L}$ at $s = U_*$. As $M$ increases,
$S - Q \le \int_{U_*}^S M^{2-L} ds \le \epsilon\,(S - U_*) = \epsilon\,(S - Q) + \epsilon\,(Q - U_*)$, and
$\epsilon < 1$ by the fourth hypothesis: solve for $S - Q$.

Boundary
--------
- **Checked.** The algebra at every depth. Computed limits against the mass bound and the power mean; that the mass
  bound solves the integral equation, with the incomplete gamma function; both explicit bounds against the mass bound.
- **Assumed.** Nothing beyond {prf:ref}`thm-implicit_bias`.
- **No run can test.** Nothing further. The ratio is so large at most that double precision still holds the excess. The
  first explicit bound is the better one at large ratios, by a factor of about $a \rho_*$, the second at small ones.

Source
------
Derived here. {cite:t}`ChouRauhutWard2024` show that the bias to sparse weights persists at practically large scales of
the start.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import lever, normalized_flow, start_radius
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, L, Step, c
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib.flows.polar import radius_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.bounds import deep_normalized_excess_bound, magnification_excess_bound, mass_bound
from wnlib.limits.limit import limit

N, S, Q, t, r_0 = sp.symbols("N S Q t r_0", positive=True)
U, rho, epsilon = sp.symbols(r"U_* \rho_* \epsilon", positive=True)
TOLERANCE = 1e-6  # of the limit, far below any excess that is bounded here


def derive(depth: Depth = L) -> Derivation:
    """The substitution, and the elementary bound solved for the excess."""
    a = (depth - 2) * c / 2
    mass = N ** (1 - sp.S(depth) / 2) * t ** (sp.S(depth) / 2)
    squared_radius = N ** (1 - sp.S(2) / depth) * mass ** (sp.S(2) / depth)
    factor = sp.exp((2 - depth) * c * (t - r_0**2) / 2)
    integrand = sp.S(depth) / 2 * N ** (1 - sp.S(depth) / 2) * t ** (sp.S(depth) / 2 - 1) * sp.exp(a * (r_0**2 - t))
    bound = epsilon / (1 - epsilon) * (Q - U)
    end = sp.Symbol(r"\rho(w_\infty)", positive=True)
    steps = (
        Step("Mass of uniform weights", "s", mass, "Their squared radius is $t$."),
        Step("Magnification", "M(s)^{2-L}", factor, r"$\sigma(r) = c\, r^2/2$, from $r_0^2$ to $t$."),
        Step("Substitute", "S - Q", sp.Integral(integrand, (t, rho, end)), r"Of $M^{2-L}\, ds$.", r"\le"),
        Step("At the lower end", r"\epsilon", factor.subs(t, rho), "The largest value of the decreasing factor."),
        Step("Solve", "S - Q", bound, r"$S - Q \le \epsilon (S - Q) + \epsilon (Q - U_*)$.", r"\le"),
    )
    residuals = symbolic.reduced(
        sp.expand_power_base(squared_radius - t, force=True),
        factor * sp.diff(mass, t) - integrand,
        epsilon * (S - U) - epsilon * (S - Q) - epsilon * (Q - U),
        bound - (epsilon * bound + epsilon * (Q - U)),
        (1 - U / Q) / (1 / epsilon - 1) - bound / Q,
    )
    return Derivation(steps, residuals)


def measure(
    case: Case,
    ratio: float = 1.0,
    other: float = 1.0,
    tilt: float = 1.0,
    target: float = 1.0,
    power: float = 0.0,
    share: float = 1.0,
) -> Measurement:
    """Excess: of the limit, of the mass bound, of the explicit bounds; the power mean; the integral equation both ways.

    For the falsifiers: a `ratio` in the explicit bounds that is not the flow's, a limit from a start `other` times as
    large, a start that is smaller by the factor `tilt` where $z^*$ is positive, a `target` that is this many times an
    interpolant, a `power` more of N, a `share` of the bounds.
    """
    flow, radius, z, L, n = normalized_flow(case), start_radius(case), target * case.target, case.depth, case.n
    c, Q = ratio * flow.ratio, float(np.sum(z))
    share *= n**power
    start = flow.start(n, other * radius, np.where(z > 0, 1 / tilt, 1))
    end = limit(flow, case.problem, start, TOLERANCE).weights
    mass = mass_bound(flow, radius, z)
    excess, tail = mass / Q - 1, share * deep_normalized_excess_bound(L, c, radius, z)
    beyond_mass = share * deep_normalized_excess_bound(L, c, radius, np.full(n, mass / n)) * mass / Q
    short = share * magnification_excess_bound(WeightNormFlow(L, c), radius, z)
    square, mean = float(radius_of(end, L)) ** 2, n * float(np.mean(end)) ** (2 / L)
    return Measurement(
        [np.sum(end) / Q - 1, excess, excess, square, excess + beyond_mass, tail],
        [excess, tail, short, mean, tail, excess + beyond_mass],
        main=[0],
    )


def beyond(case: Case) -> Measurement:
    r"""The elementary bound from beyond the frontier, with $|\rho_* - r_0^2|$ in it."""
    flow, z = normalized_flow(case), case.target
    outside = np.sqrt(2 * case.target_radius**2 - start_radius(case) ** 2)
    end = limit(flow, case.problem, flow.start(case.n, float(outside)), TOLERANCE).weights
    return Measurement(np.sum(end) / np.sum(z) - 1, magnification_excess_bound(flow, start_radius(case), z))


def one_apart(case: Case) -> Measurement:
    """The excess against the first bound, with the limit's own radius, where one weight measures most."""
    problem = lever(8, 0.5)
    flow, radius, L = WeightNormFlow(case.depth, case.ratio), case.scale, case.depth
    end = limit(flow, problem, flow.start(8, radius), TOLERANCE).weights
    tails = [float(np.sum(w)) * deep_normalized_excess_bound(L, flow.ratio, radius, w) for w in (np.eye(8)[0], end)]
    return Measurement(np.sum(end) - 1, tails[0] - tails[1])


def one_missing(case: Case) -> Measurement:
    """The excess against the last bound, where $z^*$ is uniform but for one entry, at the tightest margin."""
    L, n = case.depth, 20
    rho = (n - 1) ** (1 - 2 / L)
    flow, radius = WeightNormFlow(L, case.ratio / rho), case.scale * np.sqrt(rho)
    magnified = np.diff(flow.log_magnification(np.array([radius, radius / case.scale])))
    problem = lever(n, (L - 2) / 2 / np.expm1((L - 2) * float(magnified[0])), n - 1)
    excess = limit(flow, problem, flow.start(n, radius), TOLERANCE).weights.sum() - 1
    return Measurement(excess, magnification_excess_bound(flow, radius, np.asarray(problem.truth)))


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.magnification_excess_bound", "wnlib.needed_magnification"),
    tolerance=1e-6,
    ensemble=Ensemble(depths=(3, 4, 5, 6), ratios=(0.5, 8), scales=(0.5, 0.95), uniform=True),
    derive=derive,
    symbolic=True,
    measure=measure,
    uses=("implicit_bias", "mass_bound"),
    falsifiers=(
        Falsifier(1, "the limit from a start of twice the radius", partial(measure, other=2.0)),
        Falsifier(
            2,
            r"$x(0)$ smaller by 10 where $z^*$ is positive",
            partial(measure, tilt=10.0),
            share=0.1,  # a bad direction does harm only where the measurements leave a choice
            ensemble=Ensemble(depths=(3, 4), ratios=(4, 8), scales=(0.8, 0.95), uniform=True),
        ),
        Falsifier(3, "half of $z^*$, which is no interpolant", partial(measure, target=0.5)),
        Falsifier(
            4,
            r"$r_0^2 > \rho_*$, with $r_0^2 - \rho_*$ in the bound",
            beyond,
            ensemble=Ensemble(depths=(3, 4, 5, 6), ratios=(4, 8), scales=(0.5, 0.7), uniform=True),
        ),
        Falsifier("formula", "$2c$ in the bounds", partial(measure, ratio=2.0)),
        Falsifier("formula", "$N^{(1-L)/2}$", partial(measure, power=-0.5)),
        Falsifier("formula", "half of the integral", partial(measure, share=0.5)),
    ),
    attained=(
        Attained(
            "with the limit's own radius, where one weight measures twice as much as the others",
            one_apart,
            Ensemble(depths=(3,), ratios=(6, 15), scales=(0.1, 0.4), uniform=True),
        ),
        Attained(
            "where $z^*$ is uniform but for one entry",
            one_missing,
            Ensemble(depths=(3, 4), ratios=(10, 20), scales=(0.1, 0.5), uniform=True),
            within=6.0,
        ),
    ),
    mutants=(
        "half the exponent in the radius",
        "a minus in the recurrence",
        "a power less in the uniform mass",
        "L for L - 2 in the excess",
        "L - 1 for L - 2 in the deep excess",
        "1 - L for 1 - L/2 in the deep excess",
    ),
)
