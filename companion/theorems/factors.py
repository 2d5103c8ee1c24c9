r"""Networks with equal factors

A network of $L$ factors that are equal at the start brings nothing new: they stay equal, and the common factor follows
the flow of this book, $L$ times more slowly.

Statement
---------
Let $w = x^{(1)} \odot \dots \odot x^{(L)}$, and let every factor move down the loss by its own flow: either by gradient
flow,

$$
\begin{aligned}
\left(x^{(k)}\right)' = -\eta\, \nabla_{x^{(k)}} \ell,
\end{aligned}
$$

or by weight normalization, $x^{(k)} = r^{(k)} u^{(k)}$ with $\lVert u^{(k)} \rVert = 1$,

$$
\begin{aligned}
\left(r^{(k)}\right)' &= -\eta_r\, \left\langle \nabla_{x^{(k)}} \ell, u^{(k)} \right\rangle, \\
\left(u^{(k)}\right)' &= -\eta_u\, r^{(k)} \left( \nabla_{x^{(k)}} \ell
- \left\langle \nabla_{x^{(k)}} \ell, u^{(k)} \right\rangle u^{(k)} \right).
\end{aligned}
$$

If

1. **equal factors**: $x^{(1)} = \dots = x^{(L)}$ at the start (with weight normalization: equal radii and directions);
2. **equal rates**: all factors have the same learning rates,

then the factors are equal at all times. The common factor at time $t$ is $x(t/L)$, where $x$ starts at the same point
and moves by the flow of $w = x^L$: by $x' = \eta L\, p \odot x^{L-1}$ or by weight normalization, with the same rates.

Proof
-----
As $-\partial\ell/\partial w = p$, the gradient of factor $k$ is
$-\nabla_{x^{(k)}} \ell = p \odot \bigodot_{j \ne k} x^{(j)}$. Where all factors equal $x$, it is $p \odot x^{L-1}$ for
every $k$: with equal rates, all factors have the same velocity. So let $x$ solve $x' = \eta\, p \odot x^{L-1}$. Then
$L$ copies of $x$ solve the equations of the network. These are polynomial, so they have only one solution from a given
start, and this is it. Its velocity is that of the flow of $w = x^L$, divided by $L$.

With weight normalization put $p \odot x^{L-1} = r^{L-1}\, p \odot u^{L-1}$ into the equations of the radius and the
direction:

$$
\begin{aligned}
r' &= \eta_r\, r^{L-1} \langle p, u^L\rangle, \\
u' &= \eta_u\, r^L \left( p \odot u^{L-1} - \langle p, u^L\rangle\, u \right).
\end{aligned}
$$

Again these are the same for every $k$, polynomial, and the equations of weight-normalized gradient flow divided by $L$.

Boundary
--------
- **Checked.** The velocities, for every depth, by computer algebra; networks of $L$ factors, each followed on its own,
  against the flows at $1/L$ of the time. The cases take gradient flow and weight normalization in turn.
- **Assumed.** Nothing.
- **No run can test.** Nothing. The theorem is about factors that do not differ; how differences fade, or do not, tells
  {prf:ref}`thm-layer_magnification`.

Source
------
Derived here.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon, solved
from companion.verification.symbolic import Depth, Derivation, Step, eta_r, eta_u, p, r, tidy, total, u, x
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.flows.flow import Flow
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.models.layered import slopes
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate

TIMES = 6  # at which the network is compared


def derive(depth: Depth) -> Derivation:
    """The velocity of every factor, where all are equal; of every radius and direction."""
    depth = check.integer("depth", depth, least=1)
    factors = sp.symbols([f"x^{{({k})}}_i" for k in range(1, depth + 1)], positive=True)
    equal = dict.fromkeys(factors, x)
    velocities = [p * sp.diff(sp.Mul(*factors), factor) for factor in factors]
    common = velocities[0].subs(equal)
    force = tidy(common.subs(x, r * u))
    along_u = total(force * u, depth)
    radial, angular = eta_r * along_u, eta_u * r * tidy(force - along_u * u)
    book = symbolic.polar_rates(depth, eta_r, eta_u)
    steps = (
        Step(
            "One factor",
            r"\left(x^{(1)}_i\right)'",
            velocities[0],
            r"Gradient flow on $w = x^{(1)} \odot \dots \odot x^{(L)}$: the force times the other factors.",
        ),
        Step("All equal", "x_i'", common, "The same for every factor: equal factors stay equal."),
        Step("Their radius", "r'", radial, r"With weight normalization: $\eta_r$ times the inner product with $u$."),
        Step("Their direction", "u_i'", tidy(angular), r"And $\eta_u r$ times what is orthogonal to $u$."),
    )
    differences = [velocity.subs(equal) - common for velocity in velocities]
    return Derivation(
        steps,
        symbolic.reduced(
            *differences,
            depth * common - symbolic.plain_rates(depth)[x],
            depth * radial - book[r],
            depth * angular - book[u],
        ),
    )


def measure(case: Case, power: int = 1, spread: float = 0.0, faster: float = 1.0) -> Measurement:
    r"""All factors of the network at several times, against the flow's x at 1/L of these times.

    For the falsifiers: the network L to another `power` slower; factors that start at the common one times the numbers
    $e^{ks}$ (`spread` s, the same product) and are divided by them again; the first factor `faster` than the others.
    """
    L, problem, flow = case.depth, case.problem, case.plain if case.seed % 2 else case.flow
    t_end = horizon(flow, problem, case.start, steps=6)
    times = t_end * L ** min(0, 1 - power) * np.linspace(0, 1, TIMES)
    path = integrate(flow, problem, case.start, t_end, rtol=1e-10, coordinates="primal").at(times)
    x = path.radius[:, None] * path.points.direction
    tilt = np.exp(spread * (np.arange(L) - (L - 1) / 2))[:, None]
    rates = np.where(np.arange(L) == 0, faster, 1.0)[:, None]
    factors = _network(flow, problem, tilt * x[0], L**power * times, rates) / tilt
    return Measurement(factors, x[:, None, :])


def _network(flow: Flow, problem: Problem, start: Array, times: Array, rates: Array) -> Array:
    """All factors (L, N) of a network at `times` (T,), from their gradients: shape (T, L, N)."""
    L, n = start.shape

    def plain(t: float, state: Array) -> Array:
        return (rates * slopes(problem, state.reshape(L, n))).ravel()

    def normalized(t: float, state: Array) -> Array:
        radius, direction = state[:L, None], state[L:].reshape(L, n)
        force = slopes(problem, radius * direction)
        along = np.sum(force * direction, axis=1, keepdims=True)
        turning = flow.relative_rate(radius) * radius * (force - along * direction)
        return np.append(rates * along, rates * turning)

    if not isinstance(flow, WeightNormFlow):
        return solved(plain, start.ravel(), times).reshape(-1, L, n)
    norms = np.linalg.norm(start, axis=1, keepdims=True)
    states = solved(normalized, np.append(norms, start / norms), times)
    return states[:, :L, None] * states[:, L:].reshape(-1, L, n)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.GradientFlow", "wnlib.WeightNormFlow"),
    tolerance=1e-7,
    ensemble=Ensemble(),
    derive=derive,
    measure=measure,
    falsifiers=(
        Falsifier(1, "factors in a geometric sequence, with the same product", partial(measure, spread=0.1)),
        Falsifier(2, "the first factor faster by a tenth", partial(measure, faster=1.1)),
        Falsifier("formula", "the same speed, not $1/L$ of it", partial(measure, power=0)),
        Falsifier("formula", "$1/L^2$ of the speed", partial(measure, power=2)),
    ),
    mutants=(
        "2L in the plain velocity",
        "r squared in the turning at depth 1",
        "the pull added at depth 1",
        "twice the growth of the radius",
        "a tenth more at the start",
    ),
)
