r"""Excess of gradient flow, depth 3 and above

With three or more factors plain gradient flow from $x(0) = \alpha\mathbf 1$ has an excess mass of the order
$\alpha^{L-2}$: a power of the scale, where weight normalization has an exponential of the ratio.

Statement
---------
Let $L \ge 3$, let $Q = \lVert z^*\rVert_1$ be the optimal value of basis pursuit,
$\rho_* = \rho(z^*) = \sum_i (z_i^*)^{2/L}$ and $S = \lVert w_\infty\rVert_1$. If

1. **limit**: $w_\infty$ is the interpolating limit of gradient flow from $w_0$;
2. **uniform start**: $x(0) = \alpha\mathbf 1$, so that $S_0 = \lVert w_0\rVert_1 = N\alpha^L$;
3. **minimiser**: $z^*$ is an interpolant $\ge 0$ of mass $Q$,

then

$$
\begin{aligned}
S - Q \le \tfrac L2\, \alpha^{L-2}\, \bigl( \rho(w_\infty) - \rho_* \bigr), \qquad
\rho(w_\infty) \le N^{1-2/L} S^{2/L} .
\end{aligned}
$$

Together this is the mass bound, an inequality for $S$ alone. If moreover

4. **small start**: $S_0 < Q$,

then with $\beta = (S_0/Q)^{1-2/L} < 1$ and $\rho_Q = N^{1-2/L} Q^{2/L} \ge \rho_*$

$$
\begin{aligned}
\frac{S - Q}{Q} \le \frac L2\, \frac{\beta}{1 - \beta}\, \Bigl( 1 - \frac{\rho_*}{\rho_Q} \Bigr) .
\end{aligned}
$$

For $N\alpha^2 < \rho_*$ this is at most $(1 - U_*/Q)/(M_*^{L-2} - 1)$, with $U_* = N^{(2-L)/2}\rho_*^{L/2}$ and the
magnification $M_* = \sqrt{\rho_*/(N\alpha^2)}$ from the start's radius to the target's: the form that the
bound for weight normalization has, with another magnification.

Proof
-----
By {prf:ref}`thm-implicit_bias` $w_\infty$ minimises $S(w) - \int_{S_0}^{U(w)} (S_0/s)^{1-2/L}\, ds$ over the
interpolants. The integral is $\tfrac L2 \alpha^{L-2} \rho(w)$ but for a constant, since $U = N^{(2-L)/2} \rho^{L/2}$
and $S_0 = N\alpha^L$. Compare with $z^*$: the first inequality. The second is that of the power means.

The power $S^{2/L}$ is concave: it is below its tangent, $S^{2/L} \le Q^{2/L} + \tfrac2L Q^{2/L-1} (S - Q)$. As
$\alpha^{L-2} N^{1-2/L} Q^{2/L-1} = \beta$, this gives
$S - Q \le \tfrac L2 \beta\, Q\, (1 - \rho_*/\rho_Q) + \beta\, (S - Q)$; solve for $S - Q$.

For the last form let $\epsilon = (S_0/U_*)^{1-2/L} = M_*^{2-L}$. The integrand $(S_0/s)^{1-2/L}$ decreases from
$\epsilon$ at $U_*$ to $\beta$ at $Q$. So $\beta \le \epsilon$, and $\tfrac L2 \beta\, Q\, (1 - \rho_*/\rho_Q)$, which
is its integral from $U_*$ to $Q$, is at most $\epsilon\, (Q - U_*)$.

Boundary
--------
- **Checked.** The algebra at every depth. Computed limits against the mass bound and the power mean; that the mass
  bound solves the equation of the first two inequalities; the explicit bounds against the mass bound and each other.
- **Assumed.** Nothing beyond {prf:ref}`thm-implicit_bias`.
- **No run can test.** Nothing further. The bounds know of $A$ only through $z^*$, and are not tight.

Source
------
Derived here. {cite:t}`ChouMalyRauhut2023` show that gradient flow on deep factorizations approximates the minimal
$\ell_1$ norm.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.cases import lever, start_radius
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, L, Step
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib.flows.flow import GradientFlow
from wnlib.flows.polar import radius_of
from wnlib.limits.bounds import deep_plain_excess_bound, magnification_excess_bound, mass_bound
from wnlib.limits.limit import limit

N, S, Q, s, alpha = sp.symbols(r"N S Q s \alpha", positive=True)
rho, beta = sp.symbols(r"\rho_* \beta", positive=True)
TOLERANCE = 1e-6  # of the limit, far below any excess that is bounded here


def derive(depth: Depth = L) -> Derivation:
    """The integral of the implicit bias, the tangent, and the bound solved for the excess."""
    depth = sp.S(depth)
    S_0, power = N * alpha**depth, 1 - 2 / depth
    mass = N ** (1 - depth / 2) * rho ** (depth / 2)
    integrand = (S_0 / s) ** power
    objective = depth / 2 * alpha ** (depth - 2) * rho
    rho_Q = N**power * Q ** (2 / depth)
    ratio = (S_0 / Q) ** power
    tangent = Q ** (2 / depth) + 2 / depth * Q ** (2 / depth - 1) * (S - Q)
    start = depth / 2 * Q * (1 - rho / sp.Symbol(r"\rho_Q", positive=True))
    bound = start * beta / (1 - beta)
    steps = (
        Step("What is minimised", "S(w)", S - objective.subs(rho, sp.Symbol(r"\rho(w)")), "But for a constant."),
        Step("Power means", r"\rho(w_\infty)", N**power * S ** (2 / depth), "Jensen.", r"\le"),
        Step("Tangent", "S^{2/L}", tangent, "Concave in $S$.", r"\le"),
        Step("Solve", "S - Q", bound, r"$S - Q \le \tfrac L2\beta Q (1-\rho_*/\rho_Q) + \beta (S - Q)$.", r"\le"),
    )
    residuals = symbolic.reduced(
        *(
            sp.expand_power_base(expression, force=True)
            for expression in (
                integrand.subs(s, mass) * sp.diff(mass, rho) - sp.diff(objective, rho),
                sp.diff(S ** (2 / depth), S).subs(S, Q) - sp.diff(tangent, S),
                alpha ** (depth - 2) * N**power * Q ** (2 / depth - 1) - ratio,
                depth / 2 * alpha ** (depth - 2) * rho_Q - depth / 2 * ratio * Q,
            )
        ),
        bound - (beta * start + beta * bound),
    )
    return Derivation(steps, residuals)


def measure(
    case: Case,
    other: float = 1.0,
    tilt: float = 1.0,
    target: float = 1.0,
    scale: float = 1.0,
    share: float = 1.0,
    power: float = 0.0,
) -> Measurement:
    """Excess: of the limit, of the mass bound, of the explicit bounds; the power mean; the equation, both ways.

    For the falsifiers: a limit from a start `other` times as large, a start that is smaller by the factor `tilt` where
    $z^*$ is positive, a `target` that is this many times $z^*$, a `scale` in the explicit bounds that is not the
    start's, a `share` of the explicit bounds, a `power` more of $\\alpha$ in the equation.
    """
    flow, radius, z, L, n = case.plain, start_radius(case), target * case.target, case.depth, case.n
    Q, alpha = float(np.sum(z)), radius / np.sqrt(n)
    end = limit(flow, case.problem, flow.start(n, other * radius, np.where(z > 0, 1 / tilt, 1)), TOLERANCE).weights
    mass = mass_bound(flow, radius, z)
    gained = radius_of(np.full(n, mass / n), L) ** 2 - radius_of(z, L) ** 2
    excess, equation = mass / Q - 1, L / 2 * alpha ** (L - 2 + power) * float(gained) / Q
    short = share * deep_plain_excess_bound(L, scale * radius, z)
    magnified = magnification_excess_bound(flow, radius, z)
    square, mean = float(radius_of(end, L)) ** 2, n * float(np.mean(end)) ** (2 / L)
    return Measurement(
        [np.sum(end) / Q - 1, excess, short, square, excess, equation],
        [excess, short, magnified, mean, equation, excess],
        main=[0],
    )


def beyond(case: Case) -> Measurement:
    r"""The explicit bound from a large start, with $Q/S_0$ in place of $S_0/Q$."""
    flow, z, L = case.plain, case.target, case.depth
    uniform = radius_of(np.full(case.n, np.mean(z)), L) ** 2  # the squared radius at which S_0 = Q
    end = limit(flow, case.problem, flow.start(case.n, float(uniform) / start_radius(case)), TOLERANCE).weights
    return Measurement(np.sum(end) / np.sum(z) - 1, deep_plain_excess_bound(L, start_radius(case), z))


def one_apart(case: Case) -> Measurement:
    """The excess against the first bound, with the limit's own radius, where one weight measures most."""
    problem = lever(8, 0.5)
    flow, radius, L = GradientFlow(case.depth), case.scale, case.depth
    end = limit(flow, problem, flow.start(8, radius), TOLERANCE).weights
    gained = float(radius_of(end, L)) ** 2 - 1
    return Measurement(np.sum(end) - 1, L / 2 * (radius / np.sqrt(8)) ** (L - 2) * gained)


def one_missing(case: Case) -> Measurement:
    """The excess against the last bound, where $z^*$ is uniform but for one entry, at the tightest margin."""
    L, n = case.depth, 20
    flow, radius = GradientFlow(L), case.scale * (n - 1) ** (1 / 2 - 1 / L)
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
    ensemble=Ensemble(depths=(3, 4, 5, 6), scales=(0.1, 0.95), uniform=True),
    derive=derive,
    symbolic=True,
    measure=measure,
    uses=("implicit_bias", "mass_bound"),
    falsifiers=(
        Falsifier(1, "the limit from a start of three times the radius", partial(measure, other=3.0)),
        Falsifier(
            2,
            r"$x(0)$ smaller by $10$ where $z^*$ is positive",
            partial(measure, tilt=10.0),
            share=0.1,  # a bad direction does harm only where the measurements leave a choice
        ),
        Falsifier(3, "half of $z^*$, which is no interpolant", partial(measure, target=0.5)),
        Falsifier(
            4,
            r"$S_0 > Q$, with $Q/S_0$ in the bound",
            beyond,
            ensemble=Ensemble(depths=(3, 4, 5, 6), scales=(0.4, 0.8), uniform=True),
        ),
        Falsifier("formula", r"$\alpha/2$ in the bounds", partial(measure, scale=0.5)),
        Falsifier("formula", "a quarter of the explicit bound", partial(measure, share=0.25)),
        Falsifier("formula", r"$\alpha^{L-1}$", partial(measure, power=1.0)),
    ),
    attained=(
        Attained(
            "with the limit's own radius, where one weight measures twice as much as the others",
            one_apart,
            Ensemble(depths=(3,), scales=(0.01, 0.1), uniform=True),
        ),
        Attained(
            "where $z^*$ is uniform but for one entry",
            one_missing,
            Ensemble(depths=(3, 4), scales=(0.1, 0.5), uniform=True),
            within=4.5,
        ),
    ),
    mutants=(
        "half the exponent in the radius",
        "twice the plain potential of depth 3",
        "a power less in the uniform mass",
        "L for L - 2 in the excess",
        "L/2 for L/2 - 1 in the plain deep excess",
        "1 + beta in the plain deep excess",
        "half the power of Q in the plain deep excess",
    ),
)
