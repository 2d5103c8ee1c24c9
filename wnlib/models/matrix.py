r"""Low-rank recovery: linear measurements of a matrix $W = X^L$ with symmetric X, and descents on X.

The data are $y_k = \langle A_k, W\rangle$ with symmetric $A_k$, the loss is $\tfrac12\sum_k (\langle A_k, W\rangle -
y_k)^2$, the force is $P = \sum_k (y_k - \langle A_k, W\rangle)\, A_k$, and

$-\nabla_X\ell = \sum_{j=0}^{L-1} X^j P X^{L-1-j} =: G(X)$,

which is $L P X^{L-1}$ where X and the measurements commute.

- Gradient flow:  $X' = G(X)$.
- Weight-normalized gradient flow, $X = r U$ with $\|U\|_F = 1$ and $\eta_u = c\,\eta_r$:
  $r' = \eta_r \langle G, U\rangle$, $U' = \eta_u r\,(G - \langle G, U\rangle U)$.

At depth L >= 2 both keep X positive definite, whatever the measurements: $(\log\det X)' = \operatorname{tr} X^{-1} X'$,
and $\operatorname{tr} X^{-1} G = L \operatorname{tr} P X^{L-2}$ is bounded where X is. So $\|X\|_F^2$ is $\rho(W) =
\sum_i \lambda_i(W)^{2/L}$, which at depth 2 is the trace of W. A descent with large steps may break this.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from wnlib import _checks as check
from wnlib._checks import Array, numeric
from wnlib._values import Value
from wnlib.errors import ArgumentError
from wnlib.flows.units import Units, from_own
from wnlib.problem import Problem

SYMMETRIC = 1e-10  # relative asymmetry up to which a measurement counts as symmetric


@dataclass(frozen=True, eq=False, repr=False)
class MatrixProblem(Value):
    r"""Least squares, $\tfrac12\sum_k (\langle A_k, W\rangle - y_k)^2$, over symmetric matrices W of shape (..., n, n).

    Attributes:
        A: The measurements, symmetric, shape (M, n, n).
        y: The data, shape (M,).
        truth: The matrix that made `y`, shape (n, n), or None: for recovery errors only.

    Raises:
        ArgumentError: for a wrong shape, a NaN or a measurement that is not symmetric.

    Example:
        >>> import numpy as np
        >>> from wnlib import MatrixProblem
        >>> problem, X = MatrixProblem(A=[np.eye(2)], y=[3.0]), np.eye(2)  # the trace is 3
        >>> problem.residual(X), float(problem.loss(X))
        (array([1.]), 0.5)
        >>> np.diag(problem.force(X)), np.diag(problem.slope(X, depth=2))
        (array([1., 1.]), array([2., 2.]))
    """

    A: Array
    y: Array
    truth: Array | None = None

    def __post_init__(self) -> None:
        A = check.array("A", self.A, (None, None, None))
        if A.shape[1] != A.shape[2]:
            raise ArgumentError(f"A must hold square matrices, shape (M, n, n), got {A.shape}")
        asymmetry = np.abs(A - A.transpose(0, 2, 1)).max()
        if asymmetry > SYMMETRIC * np.abs(A).max():
            raise ArgumentError(f"A must hold symmetric matrices, got an asymmetry of {asymmetry:.3g}")
        object.__setattr__(self, "A", A)
        object.__setattr__(self, "y", check.array("y", self.y, A.shape[:1]))
        if self.truth is not None:
            object.__setattr__(self, "truth", check.array("truth", self.truth, A.shape[1:]))
        super().__post_init__()

    @property
    def n(self) -> int:
        """The matrices are n x n."""
        return self.A.shape[1]

    def residual(self, W: Array) -> Array:
        r"""The residuals $y_k - \langle A_k, W\rangle$, shape (..., M), of matrices of shape (..., n, n)."""
        W = numeric("W", W, self.n)
        return self.y - W.reshape(*W.shape[:-2], -1) @ self.A.reshape(len(self.y), -1).T

    def loss(self, W: Array) -> Array:
        """The square loss, shape (...), of matrices of shape (..., n, n)."""
        return 0.5 * np.sum(self.residual(W) ** 2, axis=-1)

    def force(self, W: Array) -> Array:
        r"""The force $P = \sum_k (y_k - \langle A_k, W\rangle)\, A_k$ at matrices, of the same shape (..., n, n)."""
        return (self.residual(W) @ self.A.reshape(len(self.y), -1)).reshape(np.shape(W))

    def slope(self, X: Array, depth: int) -> Array:
        """G(X), minus the gradient of the loss of $X^L$ in X, of the same shape (..., n, n).

        Raises:
            ArgumentError: for a depth that is no integer >= 1.
        """
        X, depth = numeric("X", X, self.n), check.integer("depth", depth, least=1)
        return slope(X, self.force(power(X, depth)), depth)

    @classmethod
    def commuting(cls, problem: Problem, basis: ArrayLike) -> Self:
        r"""The diagonal problem (A, y) in another basis: measurements $V \operatorname{diag}(a_k) V^\top$.

        Args:
            basis: V, orthonormal, shape (n, n).

        Raises:
            ArgumentError: for a wrong shape, or a basis that is not orthonormal.

        Example:
            >>> from wnlib import MatrixProblem, Problem
            >>> MatrixProblem.commuting(Problem(A=[[1, 2]], y=[3]), basis=[[0, 1], [1, 0]]).A
            array([[[2., 0.],
                    [0., 1.]]])
        """
        V = check.array("basis", basis, (problem.shape[1], problem.shape[1]))
        if not np.allclose(V.T @ V, np.eye(len(V)), atol=1e-10):
            raise ArgumentError("basis must be orthonormal, got columns that are not")
        return cls(conjugated(problem.A, V), problem.y)

    @classmethod
    def gaussian(cls, m: int, n: int, rank: int, seed: int = 0) -> Self:
        r"""Symmetric Gaussian measurements, $\mathbb E \langle A_k, W\rangle^2 = \|W\|_F^2/m$.

        The truth is positive semidefinite, its positive eigenvalues are uniform on [1/2, 3/2], its eigenvectors
        uniform. The same `seed` gives the same problem.

        Args:
            m: Number of measurements, less than n (n + 1) / 2.
            rank: Of the truth, from 1 to n.

        Raises:
            ArgumentError: for a number out of its range.

        Example:
            >>> import numpy as np
            >>> from wnlib import MatrixProblem
            >>> problem = MatrixProblem.gaussian(m=12, n=6, rank=2)
            >>> problem.A.shape, int(np.linalg.matrix_rank(problem.truth))
            ((12, 6, 6), 2)
        """
        truth, m, rng = planted(m, n, rank, seed)
        n = len(truth)
        B = rng.standard_normal((m, n, n)) / np.sqrt(m)
        A = (B + B.transpose(0, 2, 1)) / 2
        return cls(A, np.sum(A * truth, axis=(1, 2)), truth)

    @classmethod
    def completion(cls, m: int, n: int, rank: int, seed: int = 0) -> Self:
        """`m` entries on or above the diagonal, drawn without repetition.

        Truth, arguments and errors are those of `gaussian`.

        Example:
            >>> from wnlib import MatrixProblem
            >>> problem = MatrixProblem.completion(m=12, n=6, rank=1)
            >>> all(y in problem.truth for y in problem.y)
            True
        """
        truth, m, rng = planted(m, n, rank, seed)
        n = len(truth)
        drawn = rng.choice(n * (n + 1) // 2, m, replace=False)
        A = np.zeros((m, n, n))
        for k, (i, j) in enumerate(np.transpose(np.triu_indices(n))[drawn]):
            A[k, i, j] = A[k, j, i] = 1.0 if i == j else 0.5
        return cls(A, np.sum(A * truth, axis=(1, 2)), truth)


def in_own_units(problem: MatrixProblem, depth: int) -> tuple[Units, MatrixProblem]:
    """The problem's own units, see `wnlib.flows.units`, and the problem in them."""
    units = Units.of_data(problem.A, problem.y, problem.n * (problem.n + 1) / 2, depth)
    return units, MatrixProblem(from_own(problem.A, -units.matrix), from_own(problem.y, -units.data))


def planted(m: int, n: int, rank: int, seed: int) -> tuple[Array, int, np.random.Generator]:
    """A positive semidefinite matrix (n, n) of the given rank, and the number and the generator of its measurements.

    Its positive eigenvalues are uniform on [1/2, 3/2], its eigenvectors uniform. Raises ArgumentError for numbers that
    leave no such matrix, or no fewer measurements than it has entries.
    """
    n = check.integer("n", n, least=2)
    m = check.integer("m", m, least=1, most=n * (n + 1) // 2 - 1)
    rank = check.integer("rank", rank, least=1, most=n)
    rng = np.random.default_rng(check.integer("seed", seed, least=0))
    V = rotation(rng, n)[:, :rank]
    return (V * rng.uniform(0.5, 1.5, rank)) @ V.T, m, rng


def rotation(rng: np.random.Generator, n: int) -> Array:
    """A uniformly distributed orthogonal matrix (n, n)."""
    Q, R = np.linalg.qr(rng.standard_normal((n, n)))
    return np.asarray(Q * np.sign(np.diag(R)))


def conjugated(eigenvalues: Array, V: Array) -> Array:
    """V diag(x) V^T, shape (..., n, n), for eigenvalues x of shape (..., n)."""
    return (V * eigenvalues[..., None, :]) @ V.T


def power(X: Array, exponent: int) -> Array:
    """X^L by multiplication, shape (..., n, n)."""
    W = X
    for _ in range(exponent - 1):
        W = W @ X
    return W


def slope(X: Array, P: Array, depth: int) -> Array:
    """The sum of X^j P X^(L-1-j), j = 0, ..., L - 1, shape (..., n, n), by Horner's rule."""
    total, right = P, P
    for _ in range(depth - 1):
        right = right @ X
        total = X @ total + right
    return total


def plain_field(problem: MatrixProblem, depth: int) -> Callable[[float, Array], Array]:
    """The vector field of gradient flow; the state is X, flattened."""
    shape = (problem.n, problem.n)
    return lambda t, state: problem.slope(state.reshape(shape), depth).ravel()


def polar_field(problem: MatrixProblem, depth: int, ratio: float) -> Callable[[float, Array], Array]:
    """The vector field of weight-normalized gradient flow, learning rates 1 and c; the state is r and U, flattened."""

    def field(t: float, state: Array) -> Array:
        r, U = state[0], state[1:].reshape(problem.n, problem.n)
        G = problem.slope(r * U, depth)
        along = np.sum(G * U)
        return np.append(along, ratio * r * (G - along * U))

    return field
