r"""Discrete magnification

Descent in Salimans-Kingma coordinates, and polar descent, are plain gradient descent on a rescaled vector, with steps
of varying length, to the letter: for steps of any length, on any rows, with or without decay on $v$. So one knows what
long steps do to the end.

Statement
---------
Let $L \ge 1$, $w = x^L$, $x = g\, v/\lVert v\rVert$, and let $j$ count the steps

$$
\begin{aligned}
g_{j+1} &= g_j - h\, \frac{\partial\ell_j}{\partial g}, &
v_{j+1} &= q_j\, \bigl( (1 - h\lambda)\, v_j - \eta\, \nabla_v \ell_j \bigr),
\end{aligned}
$$

where $\ell_j$ is a multiple of the square loss of some of the rows, of force $p_j$, and $\eta, q_j > 0$, $\lambda \ge
0$. In Salimans-Kingma coordinates $\eta = h$ and $q_j = 1$; polar descent of ratio $c$ has $\eta = hc$, and $q_j$ such
that $\lVert v_{j+1}\rVert = 1$. Write $b_j = \tfrac\eta h\, g_j\, (g_{j+1} - g_j)/\lVert v_j\rVert^2$, let all $1 -
h\lambda - b_j > 0$, and $v_j > 0$ if $L \ge 2$. If

1. **gradient steps**: $g$ and $v$ move as above and by nothing else,

then $V_j = v_j / \prod_{s<j} q_s (1 - h\lambda - b_s)$ moves by plain gradient steps of lengths $\hat h_j > 0$,

$$
\begin{aligned}
V_{j+1} &= V_j + \hat h_j L\, p_j \odot V_j^{L-1} .
\end{aligned}
$$

If moreover

2. **in the kernel**: $A k = 0$,

then $\langle k, m_L(V_j) + T_j\rangle$ is constant, where the *tilt* $T_j \ge 0$ adds up what $m_L$ falls below its
tangents: with $\varepsilon_s = \hat h_s L\, p_s \odot V_s^{L-2}$,

$$
\begin{aligned}
T_j &= \sum_{s<j} V_s^{2-L} \odot f_L(\varepsilon_s), &
f_L(\varepsilon) &= \varepsilon + m_L(1) - m_L(1 + \varepsilon) = \tfrac{L-1}2 \varepsilon^2 + O(\varepsilon^3),
\end{aligned}
$$

with $\varepsilon_s = V_{s+1}/V_s - 1$ in every entry. There is no tilt at $L = 1$. If also

3. **its own data**: $y$ is replaced by $A w_j$, and $g_j > 0$,

then $w_j$ is where gradient flow ends from $x$ with $m_L(x) = m_L(\alpha v_0/\lVert v_0\rVert) - (g_j/\lVert
V_j\rVert)^{2-L}\, T_j$, $\alpha = g_j \lVert v_0\rVert/\lVert V_j\rVert$.

Proof
-----
With $\omega = g/\lVert v\rVert$ the gradient step on $v$ is $-\eta \nabla_v\ell = \eta L \omega^L (p \odot v^{L-1} -
\langle p, v^L\rangle v/\lVert v\rVert^2)$ by {prf:ref}`thm-salimans_kingma`, and $\eta L \omega^L \langle p,
v^L\rangle/\lVert v\rVert^2 = \tfrac\eta h\, g\, (h L g^{L-1} \langle p, u^L\rangle)/\lVert v\rVert^2 = b$. So $v_{j+1}
= q_j\, \bigl( (1 - h\lambda - b_j)\, v_j + \eta L \omega_j^L\, p_j \odot v_j^{L-1} \bigr)$. Divide by the product
$\Pi_{j+1} = q_j\, (1 - h\lambda - b_j)\, \Pi_j$: this is the step on $V$, with $\hat h_j = \eta \omega_j^L\,
\Pi_j^{L-2}/(1 - h\lambda - b_j)$.

$m_L(V + V \odot \varepsilon) - m_L(V) = V^{2-L} (m_L(1 + \varepsilon) - m_L(1))$ in every entry (at $L = 2$, $\log(1 +
\varepsilon)$), and $V^{2-L} \odot \varepsilon_j = \hat h_j L\, p_j \in \operatorname{row}(A)$, for any rows. So
$m_L(V) + T$ moves in $\operatorname{row}(A)$. As $m_L$ is concave with $m_L'(1) = 1$, $f_L \ge 0$; its second
derivative at $0$ is $L - 1$, and $m_1$ is linear.

Finally $x_j = (g_j/\lVert V_j\rVert)\, V_j$. Multiply by $(g_j/\lVert V_j\rVert)^{2-L}$ (at $L = 2$, add
$\log(g_j/\lVert V_j\rVert)$): $m_L(x_j) - m_L(x) \in \operatorname{row}(A)$, and for the data $A w_j$ this has only one
solution, where gradient flow from $x$ ends, by {prf:ref}`thm-implicit_bias`.

Boundary
--------
- **Checked.** The step on $V$, its length, and the expansion of $f_L$ by computer algebra; descents of steps so long
  that the loss falls by a good part in each, on all rows and on minibatches, in both coordinates, with decay on $v$ and
  without: every step, the constants, and where they are, against computed limits.
- **Assumed.** Nothing.
- **No run can test.** Nothing: the identity is algebraic and holds for steps of any length.

Source
------
Derived here.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import together
from companion.verification.symbolic import Depth, Derivation, L, Step, mirror, p
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib._checks import Array
from wnlib.descent import DecayedSalimansKingmaDescent, DescentMethod, PolarDescent, descend
from wnlib.descent.rows import Epochs, Minibatch
from wnlib.flows.polar import Polar, log_norm
from wnlib.limits.limit import limit
from wnlib.problem import Problem

STEPS = 24
TURN = 0.1  # the largest relative change of an entry of v, or of g, in the first step


def derive(depth: Depth = L) -> Derivation:
    """One step of v, divided by the product, and the expansion of the tilt."""
    h, eta, lam, omega, v, P, q, norm = sp.symbols(r"h \eta \lambda \omega v_i \Pi q {\lVert{v}\rVert}", positive=True)
    pulled, eps = sp.Symbol(r"{\langle p, v^L\rangle}", real=True), sp.Symbol(r"\varepsilon", real=True)
    g = omega * norm
    gradient = depth * omega**depth * (p * v ** (depth - 1) - pulled * v / norm**2)
    moved = q * ((1 - h * lam) * v + eta * gradient)
    # pull with v = norm u, so that <p, u^L> = <p, v^L> / norm^L
    b = sp.powsimp(eta / h * g * (h * depth * g ** (depth - 1) * pulled / norm**depth) / norm**2, force=True)
    kept = sp.Symbol("a", positive=True)  # 1 - h lambda - b
    V = v / P
    length = eta * omega**depth * P ** (depth - 2) / kept
    step = V + length * depth * p * V ** (depth - 1)
    f = eps + mirror(sp.S.One, depth) - mirror(1 + eps, depth)
    steps = (
        Step("A step of $v$", "(v_{j+1})_i", moved, r"With $\omega = g/\lVert v\rVert$."),
        Step("Its part along $v$", "b", sp.simplify(b), r"$\tfrac\eta h\, g\,(g_{j+1} - g_j)/\lVert v\rVert^2$."),
        Step("Divided by the product", "(V_{j+1})_i", step, r"$V = v/\Pi$, and $a = 1 - h\lambda - b$."),
        Step("The tilt", r"f_L(\varepsilon)", f, r"What $m_L$ falls below its tangent."),
        Step("To second order", "f_L''(0)", sp.simplify(sp.diff(f, eps, 2).subs(eps, 0)), "It is not negative."),
    )
    split = sp.powsimp(sp.expand(moved / q - (1 - h * lam - b) * v - step * P * kept + kept * v), force=True)
    return Derivation(
        steps,
        symbolic.reduced(
            split, f.subs(eps, 0), sp.diff(f, eps).subs(eps, 0), sp.diff(f, eps, 2).subs(eps, 0) - (depth - 1)
        ),
    )


def measure(
    case: Case,
    momentum: float = 0.0,
    outside: bool = False,
    own_data: bool = True,
    tilted: float = 1.0,
    shrink: float = 1.0,
) -> Measurement:
    r"""Every step of V, the constants in the kernel, and w_j against a limit.

    Polar descent in every fourth dozen of cases, else (g, v); decay on v and minibatches in some.

    For the falsifiers: `momentum` in both coordinates, the kernel of another matrix (`outside`), the problem's y,
    another multiple of the tilt, of b.
    """
    L, problem = case.depth, case.problem
    turn = case.seed // len(DEPTHS)
    batches, polar = 2 if turn % 2 and case.m > 1 else 1, turn % 4 >= 2
    h = _step(case) / batches
    lam = float(case.rng().uniform(0.1, 0.5)) / (h * STEPS) if turn % 3 and not polar else 0.0
    method = PolarDescent(L, case.ratio) if polar else DecayedSalimansKingmaDescent(L, case.ratio**-0.5, 0.0, lam)
    eta = h * case.ratio if polar else h
    states, forces = _path(case, method, h, batches, momentum)
    g, v = states[:, 0], states[:, 1:]
    norms = np.linalg.norm(v, axis=1)
    kept = 1 - h * lam - shrink * eta / h * g[:-1] * np.diff(g) / norms[:-1] ** 2
    lengths = _lengths(L, eta, g, v, forces) if polar else 1.0
    product = np.concatenate([[1.0], np.cumprod(lengths * kept)])
    V = v / product[:, None]
    length = eta * (g / norms)[:-1] ** L * product[:-1] ** (L - 2) / kept
    moves = length[:, None] * L * forces * V[:-1] ** (L - 1)
    eps = V[1:] / V[:-1] - 1
    tilt = tilted * np.concatenate([np.zeros((1, case.n)), np.cumsum(V[:-1] ** (2 - L) * _fall(eps, L), axis=0)])
    theta = _mirror(V, L) + tilt
    seen = Problem.gaussian(case.m, case.n, case.sparsity, case.seed + 1) if outside else problem
    end = _limit(case, own_data, V, float(g[-1]), tilt[-1])
    return together(
        Measurement(np.diff(V, axis=0), moves, scale=float(np.abs(V).max())),
        Measurement((theta - theta[0]) @ seen.kernel, 0.0, scale=float(np.abs(theta).max())),
        Measurement(end, (g[-1] * v[-1] / norms[-1]) ** L),
    )


def _step(case: Case) -> float:
    """In which nothing changes by more than `TURN`, to first order."""
    flow = case.flow
    field = flow.velocity(case.problem)(0.0, flow.encode(case.start))
    state = flow.encode(case.start) if case.depth == 1 else np.ones(case.n + 1)
    return float(TURN / np.max(np.abs(field) / np.abs(state)))


def _path(case: Case, method: DescentMethod, h: float, batches: int, momentum: float) -> tuple[Array, Array]:
    """States (K + 1, 1 + N) and forces (K, N) of a descent; with `momentum`, heavy-ball steps."""
    problem, batch = case.problem, -(-case.m // batches)
    batch_size = batch if batches > 1 else None
    run = descend(method, problem, case.start, h, STEPS, 1, batch_size, case.seed, divergence="record")
    states = run.states[: int(run.steps) + 1]
    epochs = Epochs(problem, batch_size, np.asarray(case.seed))
    rows: list[Minibatch] = [epochs.next(np.zeros(1, dtype=np.intp)) for _ in range(len(states) - 1)]
    weights = method.decode(states).weights(case.depth)
    forces = [(seen.scale or 1.0) * (seen.y - seen.A @ w) @ seen.A for seen, w in zip(rows, weights, strict=False)]
    if momentum:
        states = states.copy()
        states[1:] += momentum * np.vstack([np.zeros(states.shape[1]), np.diff(states, axis=0)[:-1]])
    return states, np.array(forces)


def _lengths(L: int, eta: float, r: Array, u: Array, forces: Array) -> Array:
    r"""$1/\lVert\tilde u\rVert$ of polar steps, shape (K,), from the states that they leave."""
    r, u = r[:-1, None], u[:-1]
    sideways = forces * u ** (L - 1) - np.vecdot(forces, u**L)[:, None] * u
    return 1 / np.linalg.norm(u + eta * L * r**L * sideways, axis=1)


def _mirror(x: Array, L: int) -> Array:
    return np.log(x) if L == 2 else x ** (2 - L) / (2 - L)


def _fall(eps: Array, L: int) -> Array:
    """$f_L$, what the mirror map falls below its tangent at 1."""
    if L == 1:
        return np.zeros_like(eps)
    return eps - np.log1p(eps) if L == 2 else eps + ((1 + eps) ** (2 - L) - 1) / (L - 2)


def _limit(case: Case, own_data: bool, V: Array, g: float, tilt: Array) -> Array:
    """Where gradient flow ends from the tilted start, for the data of the weights g V / |V|; shape (N,)."""
    L, scale = case.depth, g / np.linalg.norm(V[-1])
    problem = Problem(case.problem.A, case.problem.A @ (scale * V[-1]) ** L) if own_data else case.problem
    if L == 1:
        x = scale * V[0]
    elif L == 2:
        x = scale * V[0] * np.exp(-tilt)
    else:
        x = scale * (V[0] ** (2 - L) + (L - 2) * tilt) ** (1 / (2 - L))
    log_x = np.log(np.abs(x))
    log_r = float(log_norm(log_x))
    return limit(case.plain, problem, Polar(np.exp(np.asarray(log_r)), log_x - log_r, np.sign(x)), 1e-8).weights


DEPTHS = (1, 2, 3, 4)

THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.SalimansKingmaDescent", "wnlib.DecayedSalimansKingmaDescent", "wnlib.PolarDescent"),
    tolerance=1e-7,
    ensemble=Ensemble(depths=DEPTHS, ratios=(0.2, 5.0), scales=(0.3, 2.0)),
    derive=derive,
    symbolic=True,
    measure=measure,
    falsifiers=(
        Falsifier(1, "momentum", partial(measure, momentum=0.1)),
        Falsifier(2, "the kernel of another matrix", partial(measure, outside=True)),
        Falsifier(3, "$y$ itself", partial(measure, own_data=False)),
        Falsifier("formula", "no tilt", partial(measure, tilted=0.0)),
        Falsifier("formula", r"$\tfrac12 b$", partial(measure, shrink=0.5)),
    ),
    uses=("salimans_kingma", "implicit_bias"),
    mutants=(
        "rho in the measurements of a step",
        "the pull of a step over the norm",
        "a power of rho more in a step of g",
        "a vector that decay lengthens",
        "ratio squared in a polar step",
    ),
)
