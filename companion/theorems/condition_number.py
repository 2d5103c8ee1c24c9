r"""The condition number at a common limit

Where gradient flow and weight normalization end at the same weights, the matrices of their local rates differ by a
factor and by rank one. So weight normalization can lower the condition number by no more than a gap between two
neighbouring eigenvalues.

Statement
---------
Let $L \ge 1$, let $\bar w$ be weights, $\bar w > 0$ or $L = 1$ and $\bar w \ne 0$, $\bar r^2 = \sum_i |\bar
w_i|^{2/L}$, and let $G = A K(\bar w) A^\top$ on the range of $A$ be the matrix of {prf:ref}`thm-local_rate` for
gradient flow, $\tilde G$ that of weight-normalized gradient flow with $\eta_r = 1$. Let $\mu_1 \le \dots \le \mu_k$ be
the eigenvalues of $G$, $k \ge 2$, and $\operatorname{cond}$ the largest eigenvalue over the smallest. If

1. **common limit**: both matrices belong to the same $\bar w$;
2. **interpolation**: $A \bar w = y$,

then, with $\gamma = c\, \bar r^2$ and $R = L^2 y y^\top/\bar r^2$,

$$
\begin{aligned}
G &= R + B, & \tilde G &= R + \gamma B = \gamma\, G - (\gamma - 1)\, R
\end{aligned}
$$

with $B \succeq 0$, and

$$
\begin{aligned}
\operatorname{cond} \tilde G &\ge \frac{\mu_{k-1}}{\mu_k} \operatorname{cond} G && (\gamma \ge 1), &
\operatorname{cond} \tilde G &\ge \frac{\mu_1}{\mu_2} \operatorname{cond} G && (\gamma \le 1) .
\end{aligned}
$$

Proof
-----
With $\bar w = x^L$, $x = \bar r u$, $D = \operatorname{diag}(L x^{L-1})$ and $P = u u^\top$, the matrix of
{prf:ref}`thm-mirror_map` is $K = \eta_u \bar r^2\, D\, (I - P + \tfrac1\gamma P)\, D$. For gradient flow $\eta_u \bar
r^2 = \gamma = 1$; for weight normalization $\eta_u \bar r^2 = c\, \bar r^2 = \gamma$. So $R = A D P D A^\top$ and $B =
A D (I - P) D A^\top$, and $A D u = \tfrac{L}{\bar r} A \bar w = \tfrac L{\bar r}\, y$.

*The bound.* $R \succeq 0$ has rank at most one, so subtracting a multiple of it moves no eigenvalue below its lower
neighbour, and none up (Weyl). For $\gamma \ge 1$ the largest eigenvalue of $\tilde G$ is at least $\gamma \mu_{k-1}$,
the smallest at most $\gamma \mu_1$; their ratio is at least $\mu_{k-1}/\mu_1$. For $\gamma \le 1$, $\tilde G = \gamma G
+ (1 - \gamma) R$ adds a multiple: the largest is at least $\gamma \mu_k$, the smallest at most $\gamma \mu_2$.

Boundary
--------
- **Checked.** What the radius and the direction contribute, by computer algebra. In numbers, for weights of which some
  are small: the matrix of weight normalization against that of gradient flow, and the condition numbers.
- **Assumed.** Nothing: Weyl's inequality is known.
- **No run can test.** Nothing. That flows go to a common limit is {prf:ref}`thm-straight_contours`.

Source
------
Derived here.
"""

from functools import partial

import numpy as np
import sympy as sp
from scipy import linalg

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation, L, Step
from companion.verification.theorem import Attained, Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.flows.flow import GradientFlow
from wnlib.flows.metric import rate_matrix
from wnlib.flows.polar import radius_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.problem import Problem

ROUNDING = 1e-9  # of the rates' largest entry


def derive(depth: Depth = L) -> Derivation:
    """The two matrices for one measurement of three weights, and what the radius contributes to them."""
    a, x = sp.symbols("a_1:4", real=True), sp.symbols("x_1:4", positive=True)
    gamma = sp.Symbol("gamma", positive=True)
    r2 = sum(x_i**2 for x_i in x)
    slopes = [a_i * depth * x_i ** (depth - 1) for a_i, x_i in zip(a, x, strict=True)]  # A D
    y = sum(a_i * x_i**depth for a_i, x_i in zip(a, x, strict=True))
    along = sum(s * x_i for s, x_i in zip(slopes, x, strict=True))  # r A D u
    R, G = along**2 / r2, sum(s**2 for s in slopes)
    normalized = gamma * (G - along**2 / r2) + gamma * along**2 / r2 / gamma
    r, out = sp.symbols(r"\bar{r} y", positive=True)
    whole, radial = sp.symbols("G R")
    steps = (
        Step("The radius", "R", depth**2 * out**2 / r**2, r"$A D u = L y/\bar r$."),
        Step("Gradient flow", "B", whole - radial, r"What the direction contributes."),
        Step(
            "Weight normalization",
            r"\tilde G",
            sp.expand(radial + gamma * (whole - radial)),
            r"$\eta_u \bar r^2 = \gamma$.",
        ),
    )
    residuals = (sp.powsimp(sp.expand(along - depth * y)), sp.expand(normalized - (gamma * G - (gamma - 1) * R)))
    return Derivation(steps, symbolic.reduced(*residuals))


def compared(
    problem: Problem, depth: int, w: Array, gamma: float, power: float = 1.0, squared: float = 1.0, other: float = 1.0
) -> Measurement:
    r"""The two matrices against what is said of them, and the least condition number over that of weight normalization.

    For the falsifiers: another `power` of the gap, of $\gamma$ in the matrix, and of w for weight normalization.
    """
    radius = float(radius_of(w, depth))
    G = rate_matrix(GradientFlow(depth), problem, w)
    flow = WeightNormFlow(depth, gamma / radius**2)
    turned = rate_matrix(flow, problem, np.sign(w) * np.abs(w) ** other)
    y, told = linalg.orth(problem.A).T @ problem.y, gamma**squared
    R = (depth / radius) ** 2 * np.outer(y, y)
    off = np.abs(told * G - (told - 1) * R - turned).max() / np.abs(turned).max()
    mu, rates = linalg.eigvalsh(G), linalg.eigvalsh(turned)
    if len(mu) == 1:
        return Measurement([off, 1.0], [ROUNDING, 1.0], main=[1])
    gap = mu[-2] / mu[-1] if gamma >= 1 else mu[0] / mu[1]
    return Measurement([off, gap**power * mu[-1] / mu[0]], [ROUNDING, rates[-1] / rates[0]], main=[1])


def measure(case: Case, squared: float = 1.0, other: float = 1.0, shifted: float = 0.0) -> Measurement:
    r"""Weights that span a factor of a hundred. For the falsifiers: see `compared`; data that are `shifted`."""
    rng = case.rng()
    w = np.exp(rng.uniform(np.log(0.01), 0.0, case.n)) * (rng.choice([-1.0, 1.0], case.n) if case.depth == 1 else 1.0)
    y = case.problem.A @ (w + shifted * rng.uniform(0.5, 1.5, case.n))
    return compared(Problem(case.problem.A, y), case.depth, w, case.ratio, squared=squared, other=other)


def lone(case: Case, power: float = 1.0) -> Measurement:
    r"""Two measurements, the first of the radius, the other of the direction alone, at the $\gamma$ of equal rates.

    The first has the smaller rate of gradient flow in every other case, and $\gamma < 1$ there.
    """
    L, x, A = case.depth, case.rng().uniform(0.5, 1.5, 4), np.zeros((2, 4))
    share = np.sum(x[:2] ** 2) / np.sum(x**2)  # of R in the first rate, as its slopes are along x
    second = np.sum(x[2:] ** -2.0)
    first = second * (case.scale if case.seed % 2 else 1 + case.scale * share / (1 - share))
    A[0, :2] = np.sqrt(first / np.sum(x[:2] ** 2)) * x[:2] ** (2 - L)
    A[1, 2:] = np.array([1.0, -1.0]) / x[2:] ** L
    return compared(Problem(A, A @ x**L), L, x**L, share * first / (second - (1 - share) * first), power)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.UPPER_BOUND,
    about=("wnlib.rate_matrix",),
    tolerance=1e-6,
    ensemble=Ensemble(
        ratios=(0.05, 20.0), matrices=("gaussian", "rademacher", "cosine", "duplicated columns", "repeated rows")
    ),
    derive=derive,
    symbolic=True,
    measure=measure,
    uses=("mirror_map",),
    falsifiers=(
        Falsifier(1, "weight normalization at the squares of the weights", partial(measure, other=2.0)),
        Falsifier(2, "data that the weights do not interpolate", partial(measure, shifted=0.2)),
        Falsifier("formula", r"$\gamma^2$ for $\gamma$", partial(measure, squared=2.0)),
        Falsifier(
            "formula", "the square root of the gap", partial(lone, power=0.5), ensemble=Ensemble(scales=(0.3, 0.7))
        ),
    ),
    attained=(Attained("for a measurement of the radius and one of the direction", lone, Ensemble(scales=(0.3, 0.7))),),
    mutants=(
        "gamma for 1/gamma in the rates",
        "the radial part twice in the rates",
        "r for its square in the rates",
        "twice the rate matrix",
    ),
)
