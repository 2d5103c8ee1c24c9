r"""Matrices with commuting measurements

Where the measurements of a symmetric matrix commute, a deep factorization of it is the diagonal model of this book, in
the measurements' eigenbasis: its eigenvalues are the weights, its trace is their sum.

Statement
---------
Let $W = X^L$ with a symmetric $n \times n$ matrix $X$, let $\ell = \tfrac12 \sum_k \bigl(\langle A_k, W\rangle -
y_k\bigr)^2$ with symmetric $A_k$, and let $X$ move down the loss by gradient flow,

$$
\begin{aligned}
X' = -\nabla_X \ell = \sum_{j=0}^{L-1} X^j P\, X^{L-1-j}, \qquad
P = \sum_k \bigl(y_k - \langle A_k, X^L\rangle\bigr) A_k,
\end{aligned}
$$

or by weight normalization, $X = r\, U$,

$$
\begin{aligned}
r' &= -\eta_r\, \langle \nabla_X \ell, U\rangle, \\
U' &= -\eta_u\, r\, \bigl( \nabla_X \ell - \langle\nabla_X \ell, U\rangle\, U \bigr).
\end{aligned}
$$

If

1. **commuting measurements**: $A_k = V \operatorname{diag}(a_k)\, V^\top$ for one orthogonal $V$ and all $k$;
2. **commuting start**: $X(0) = V \operatorname{diag}(x_0)\, V^\top$ with $x_0 > 0$ for $L \ge 2$ (for instance a
   positive multiple of the identity);
3. **Frobenius norm**: with weight normalization, $\lVert U \rVert_F = 1$ at the start,

then at all times

$$
\begin{aligned}
X(t) = V \operatorname{diag}(x(t))\, V^\top,
\end{aligned}
$$

where $x(t)$ moves from $x_0$ by the same flow of the diagonal model $w = x^L$ with the matrix $A_{ki} = a_{k,i}$, the
data $y$, the same rates and the same radius $r = \lVert x\rVert = \lVert X\rVert_F$. So the eigenvalues of $W$ are the
weights $w$, its nuclear norm is $\lVert w\rVert_1$, and every theorem of this book holds for them.

The same holds for a network $W = X_1 X_2 \cdots X_L$ of $L$ factors that are free to move on their own, by
$X_h' = -\nabla_{X_h}\ell$ or by weight normalization of each, if all start at one $X(0)$ as above: they stay equal, and
the common factor at time $t$ is $X(t/L)$.

Proof
-----
The derivative of $\langle P, X^L\rangle$ at fixed $P$ is $\sum_j \langle P, X^j\, dX\, X^{L-1-j}\rangle = \sum_j
\langle X^j P\, X^{L-1-j}, dX\rangle$, as $X$ and $P$ are symmetric: the gradient is as stated. Let $x(t)$ be the
trajectory of the diagonal model and $X = V \operatorname{diag}(x) V^\top$. By hypothesis 1

$$
\begin{aligned}
\langle A_k, X^L\rangle = \sum_i a_{k,i}\, x_i^L = (A w)_k, \qquad
P = V \operatorname{diag}(p)\, V^\top, \quad p = A^\top (y - A w) .
\end{aligned}
$$

All these matrices commute, so
$-\nabla_X\ell = L\, P X^{L-1} = V \operatorname{diag}(L\, p \odot x^{L-1})\, V^\top$: this is $X'$ for gradient
flow, and it is $V \operatorname{diag}(x')\, V^\top$. For weight normalization
$U = V \operatorname{diag}(u)\, V^\top$, and the inner product of two such matrices is that of their eigenvalues: hence
$\lVert U\rVert_F = \lVert u\rVert$ and

$$
\begin{aligned}
-\langle \nabla_X\ell, U\rangle &= L\, r^{L-1} \langle p, u^L\rangle, \\
-r\, \bigl(\nabla_X \ell - \langle\nabla_X \ell, U\rangle\, U\bigr)
  &= V \operatorname{diag}\bigl( L\, r^L\, (p \odot u^{L-1} - \langle p, u^L\rangle\, u) \bigr)\, V^\top ,
\end{aligned}
$$

which are the diagonal model's equations. So $V \operatorname{diag}(x) V^\top$ solves the equations of the matrix, from
$X(0)$ by hypothesis 2. They are polynomial and have only one solution from a given start: this is it.

*Networks.* The gradient in $X_h$ is
$-\nabla_{X_h}\ell = (X_1 \cdots X_{h-1})^\top P\, (X_{h+1} \cdots X_L)^\top$. At equal factors that commute with $P$
it is $P X^{L-1}$ for every $h$: a share $1/L$ of the above. From here on the argument is that of
{prf:ref}`thm-factors`.

*Norms.* $x > 0$ for $L \ge 2$ at all times, so $W$ is positive definite, its nuclear norm is its trace $\sum_i x_i^L$.

Boundary
--------
- **Checked.** The gradient in every entry of a $2 \times 2$ matrix in an arbitrary eigenbasis, and both flows'
  velocities, for depths 1 to 4 by computer algebra. Matrices and networks, with all their entries, followed in a random
  eigenbasis against the diagonal model, and the trace of $W$ against the sum of the weights. The cases take gradient
  flow and weight normalization in turn.
- **Assumed.** Nothing.
- **No run can test.** Nothing further. But few measurements commute, and what generic ones do is no part of this; and
  what commutes almost may not stay so: at depth 3 and more, a tilt of the eigenvectors can grow on a plateau.

Source
------
Derived here. {cite:t}`Gunasekar2017` study gradient descent on a matrix factorization, and conjecture that with small
steps and a start close to zero it converges to the solution of minimum nuclear norm.
"""

from functools import partial

import numpy as np
import sympy as sp

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.measuring import horizon, solved, together
from companion.verification.symbolic import Depth, Derivation, Step, eta_r, eta_u
from companion.verification.theorem import Falsifier, Kind, Measurement, Theorem
from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.flows.flow import Flow
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.models.matrix import MatrixProblem, conjugated, plain_field, polar_field, power, rotation
from wnlib.trajectories.integration import integrate

TIMES = 5  # at which the matrix is compared
TILT = 0.3  # of what does not commute, relative to what does


def derive(depth: Depth) -> Derivation:
    """The gradient in every entry of a 2 x 2 matrix with arbitrary eigenvectors, and what it is among them."""
    depth = check.integer("depth", depth, least=1)
    tangent, y = sp.symbols("t y", real=True)  # of half the angle of the eigenvectors
    V = sp.Matrix([[1 - tangent**2, -2 * tangent], [2 * tangent, 1 - tangent**2]]) / (1 + tangent**2)
    a, x = sp.symbols("a_1:3", real=True), sp.symbols("x_1:3", positive=True)
    A, at = V * sp.diag(*a) * V.T, V * sp.diag(*x) * V.T
    entries = sp.Matrix(2, 2, sp.symbols("X_11 X_12 X_21 X_22", real=True))
    here = dict(zip(entries, at, strict=True))
    measured = (A * entries**depth).trace()
    eigen = sp.Add(*(a_i * x_i**depth for a_i, x_i in zip(a, x, strict=True)))
    residual = y - eigen
    gradient = sp.Matrix(2, 2, lambda i, j: sp.diff(measured, entries[i, j])).subs(here, simultaneous=True)
    among = (V.T * gradient * V).applyfunc(sp.cancel)  # times the residual: minus the gradient of the loss
    velocity = sp.Matrix([depth * a_i * residual * x_i ** (depth - 1) for a_i, x_i in zip(a, x, strict=True)])
    norm = sp.sqrt(x[0] ** 2 + x[1] ** 2)
    unit = sp.Matrix(x) / norm
    along = (residual * among * sp.diag(*unit)).trace()
    turning = eta_u * norm * (residual * among - along * sp.diag(*unit))
    book = symbolic.written_out(depth, n=2, radial=eta_r)
    point = {symbolic.r: norm, **dict(zip(book.direction, unit, strict=True)), **dict(zip(book.row, a, strict=True))}
    rates = [rate.subs(point | {book.y: y}, simultaneous=True) for rate in book.rates.values()]
    steps = (
        Step("A measurement", r"\langle A, X^L\rangle", eigen, "In the common eigenbasis: of the eigenvalues."),
        Step(
            "The gradient along an eigenvector",
            r"-\left(V^\top \nabla_X \ell\, V\right)_{11}",
            velocity[0],
            "From the derivatives in all four entries, at a point with these eigenvectors: as in the diagonal model.",
        ),
        Step(
            "Between two eigenvectors",
            r"-\left(V^\top \nabla_X \ell\, V\right)_{12}",
            sp.simplify(among[0, 1] * residual),
            "Nothing turns the eigenvectors.",
        ),
        Step("The norm", r"\lVert X\rVert_F", norm, "The Euclidean norm of the eigenvalues."),
        Step("The radius", "r'", sp.factor(eta_r * along), r"The inner product with $U$: that of eigenvalues."),
    )
    return Derivation(
        steps,
        symbolic.reduced(
            sp.cancel(measured.subs(here, simultaneous=True) - eigen),
            *(among * residual - sp.diag(*velocity)),
            sp.sqrt(sp.cancel((at.T * at).trace())) - norm,
            eta_r * along - rates[0],
            turning[0, 0] - rates[1],
            turning[1, 1] - rates[2],
        ),
    )


def measure(
    case: Case,
    measurements: float = 0.0,
    start: float = 0.0,
    slower: int = 1,
    rotated: bool = True,
    network: bool = True,
) -> Measurement:
    """X of the matrix at several times, the equal factors of a network, and the trace, against the diagonal model.

    For the falsifiers: symmetric matrices without a common eigenbasis added to the `measurements`, or such a one to the
    `start`, with this relative size; a network L to another power `slower`; the model in the standard basis, not
    `rotated`.
    """
    flow: Flow = case.plain if case.seed % 2 else case.flow
    problem, basis = case.problem, rotation(case.rng(), case.n)
    matrices = MatrixProblem.commuting(problem, basis)
    if measurements:
        matrices = MatrixProblem(matrices.A + measurements * _symmetric(case, len(problem.A)), matrices.y)
    t_end = horizon(flow, problem, case.start, steps=6)
    times = t_end * np.linspace(0, 1, TIMES)
    path = integrate(flow, problem, case.start, t_end, rtol=1e-10, coordinates="primal").at(times)
    x = path.radius[:, None] * path.points.direction
    X_0 = conjugated(x[0], basis)
    if start:
        X_0 = X_0 + start * case.scale * _symmetric(case, 1)[0]
    X = matrix_path(flow, matrices, X_0, times)
    expected = conjugated(x, basis if rotated else np.eye(case.n))
    claims = [
        Measurement(X, expected),
        Measurement(np.trace(power(X, case.depth), axis1=1, axis2=2), path.weights.sum(axis=1), scale=case.scale),
    ]
    if network:
        factors = network_path(flow, matrices, X_0, case.depth**slower * times)
        claims.append(Measurement(factors, expected[:, None]))
    return together(*claims)


def operator_norm(case: Case) -> Measurement:
    """X of weight normalization with the largest eigenvalue of U equal to 1, and r that of X."""
    problem, flow = case.problem, case.flow
    t_end = horizon(flow, problem, case.start, steps=6)
    times = t_end * np.linspace(0, 1, TIMES)
    path = integrate(flow, problem, case.start, t_end, rtol=1e-10, coordinates="primal").at(times)
    basis = rotation(case.rng(), case.n)
    matrices = MatrixProblem.commuting(problem, basis)
    x = path.radius[:, None] * path.points.direction
    X_0 = conjugated(x[0], basis)

    def field(t: float, state: Array) -> Array:
        r, U = state[0], state[1:].reshape(X_0.shape)
        G = matrices.slope(r * U, case.depth)
        top = np.linalg.eigh(U)[1][:, -1]
        return np.append(np.sum(G * U), case.ratio * r * (G - (top @ G @ top) * U))

    norm = np.linalg.norm(X_0, 2)
    states = solved(field, np.append(norm, X_0 / norm), times)
    return Measurement(states[:, :1] * states[:, 1:], conjugated(x, basis).reshape(TIMES, -1))


def matrix_path(flow: Flow, matrices: MatrixProblem, X_0: Array, times: Array) -> Array:
    """X of the matrix flow at `times` (T,), all its entries; shape (T, n, n)."""
    if not isinstance(flow, WeightNormFlow):
        return solved(plain_field(matrices, flow.depth), X_0.ravel(), times).reshape(-1, *X_0.shape)
    norm = np.linalg.norm(X_0)
    states = solved(polar_field(matrices, flow.depth, flow.ratio), np.append(norm, X_0 / norm), times)
    return (states[:, :1] * states[:, 1:]).reshape(-1, *X_0.shape)


def network_path(flow: Flow, matrices: MatrixProblem, X_0: Array, times: Array) -> Array:
    """All L factors of a network at `times` (T,), each by its own gradient; shape (T, L, n, n)."""
    L, n = flow.depth, matrices.n
    identity = np.eye(n)

    def slopes(factors: Array) -> Array:
        before, after = [identity], [identity]
        for k in range(L - 1):
            before.append(before[-1] @ factors[k])
            after.append(factors[L - 1 - k] @ after[-1])
        P = matrices.force(before[-1] @ factors[-1])
        return np.array([before[k].T @ P @ after[L - 1 - k].T for k in range(L)])

    def plain(t: float, state: Array) -> Array:
        return slopes(state.reshape(L, n, n)).ravel()

    def normalized(t: float, state: Array) -> Array:
        r, U = state[:L, None, None], state[L:].reshape(L, n, n)
        G = slopes(r * U)
        along = np.sum(G * U, axis=(1, 2), keepdims=True)
        return np.append(along, flow.relative_rate(r) * r * (G - along * U))

    equal = np.tile(X_0, (L, 1, 1))
    if not isinstance(flow, WeightNormFlow):
        return solved(plain, equal.ravel(), times).reshape(-1, L, n, n)
    norms = np.full(L, np.linalg.norm(X_0))
    states = solved(normalized, np.append(norms, equal / norms[0]), times)
    return states[:, :L, None, None] * states[:, L:].reshape(-1, L, n, n)


def _symmetric(case: Case, count: int) -> Array:
    """Random symmetric matrices (count, n, n), of about unit norm."""
    B = np.random.default_rng([case.seed, 4]).standard_normal((count, case.n, case.n)) / case.n
    return (B + B.transpose(0, 2, 1)) / np.sqrt(2)


THEOREM = Theorem(
    __name__,
    __doc__,
    kind=Kind.EQUALITY,
    about=("wnlib.MatrixProblem", "wnlib.matrix_descent", "wnlib.spectral_limit"),
    tolerance=1e-7,
    ensemble=Ensemble(depths=(1, 2, 3, 4), columns=(3, 7)),
    derive=derive,
    measure=measure,
    uses=("factors",),
    falsifiers=(
        Falsifier(1, "measurements that do not commute", partial(measure, measurements=TILT, network=False)),
        Falsifier(2, "a start that does not commute", partial(measure, start=TILT, network=False)),
        Falsifier(
            3,
            "$U$ of operator norm 1",
            operator_norm,
            ensemble=Ensemble(depths=(2, 3, 4), ratios=(0.1, 3), columns=(3, 7)),  # faster, it soon blows up
        ),
        Falsifier(
            "formula",
            "a network as fast as the flow",
            partial(measure, slower=0),
            ensemble=Ensemble(depths=(2, 3, 4), columns=(3, 7)),
        ),
        Falsifier("formula", "the model in the standard basis", partial(measure, rotated=False, network=False)),
    ),
    mutants=(
        "a power more in the plain velocity",
        "measurements added to the residual",
        "a tenth more of the eigenvalues",
        "a power more of a matrix",
        "a minus in Horner's rule",
        "no r in the turning of a matrix",
        "a tenth more at the start",
    ),
)
