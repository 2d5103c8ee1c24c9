r"""Sparse recovery from linear measurements.

A problem is the pair $(A, y)$ of an $M \times N$ matrix and a vector of $M$ measurements $y = A w$ of unknown
nonnegative weights $w$. Signed weights are nonnegative weights of the doubled problem $[A, -A]$ (see
`Problem.doubled`), so that one theory and one code serve both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from scipy import linalg

from wnlib import _checks as check, ensembles
from wnlib._checks import Array, numeric
from wnlib._values import Value, computed_once
from wnlib.errors import InfeasibleError
from wnlib.linear.linear_program import linear_program
from wnlib.linear.program import FEASIBLE
from wnlib.linear.ranks import RowSpace, kernel, row_space

Draw = Callable[[np.random.Generator], Array]
ROUNDINGS = 16  # of data of less precision than float64, that a relative residual may have


@dataclass(frozen=True, eq=False, repr=False)
class Problem(Value):
    r"""Least squares, $\tfrac12\|A w - y\|^2$ over the weights w, with an interpolant.

    Arrays are copied to float64 and made read-only; a table is taken by its values, in its order, without its labels.

    Attributes:
        A: The measurement matrix, shape (M, N).
        y: The data, shape (M,), in the units of `A` times those of the weights.
        truth: The weights that made `y`, shape (N,), or None: for recovery errors only.
        tolerance: The relative residual up to which weights interpolate: at least 1e-9, and 16 roundings in the types
            that `A` and `y` come in: 1.9e-6 for float32.

    Raises:
        ArgumentError: for a wrong shape, a NaN, entries that are no real numbers or masked, or a negative tolerance.
        InfeasibleError: if `y` is not in the range of `A`.

    Example:
        >>> import numpy as np
        >>> from wnlib import Problem
        >>> problem = Problem(A=[[1, 2, 0], [0, 1, 1]], y=[3, 2])
        >>> problem.shape, problem.rank
        ((2, 3), 2)
        >>> weights = np.array([[0, 0, 0], [1, 1, 1]])
        >>> problem.residual(weights)[0], problem.loss(weights)
        (array([3., 2.]), array([6.5, 0. ]))
    """

    A: Array
    y: Array
    truth: Array | None = None
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        A = check.array("A", self.A, (None, None))
        y = check.array("y", self.y, A.shape[:1])
        least = max(FEASIBLE, ROUNDINGS * check.precision(self.A, self.y))
        object.__setattr__(self, "tolerance", max(least, check.nonnegative("tolerance", self.tolerance)))
        object.__setattr__(self, "A", A)
        object.__setattr__(self, "y", y)
        if self.truth is not None:
            object.__setattr__(self, "truth", check.array("truth", self.truth, self.shape[1:]))
        self._require_range()

    @property
    def shape(self) -> tuple[int, int]:
        """(M, N): measurements and weights."""
        return self.A.shape[0], self.A.shape[1]

    @computed_once
    def _rows(self) -> RowSpace:
        return row_space(self.A)

    @property
    def row_basis(self) -> Array:
        """Orthonormal basis of row(A), shape (N, rank): the directions in which the forces point."""
        return self._rows.basis

    @computed_once
    def moments(self) -> Array:
        """The coordinates of every interpolant's part in row(A), shape (rank,): row_basis.T @ w for all A w = y."""
        return self._rows.coordinates(self.y)

    @property
    def rank(self) -> int:
        """Numerical rank of A."""
        return self.row_basis.shape[1]

    @computed_once
    def kernel(self) -> Array:
        """Orthonormal basis of ker A, shape (N, N - rank): the directions in which nothing pushes."""
        return kernel(self.A, self.rank)

    def residual(self, weights: Array) -> Array:
        """The residual y - A w, shape (..., M), of weights of shape (..., N)."""
        return self.y - numeric("weights", weights, self.A.shape[1]) @ self.A.T

    def loss(self, weights: Array) -> Array:
        r"""The square loss $\tfrac12\|A w - y\|^2$, shape (...), of weights of shape (..., N)."""
        return 0.5 * np.sum(self.residual(weights) ** 2, axis=-1)

    @property
    def loss_of_zero(self) -> float:
        """The loss at w = 0: of nothing learned."""
        return float(self.loss(np.zeros(self.shape[1])))

    def require_nonnegative_interpolant(self) -> None:
        """Refuse measurements that no nonnegative weights make.

        Raises:
            InfeasibleError: unless some w >= 0 has A w = y; says how far the best is from it.

        Example:
            >>> from wnlib import Problem
            >>> problem = Problem(A=[[1.0, 1.0]], y=[-1.0])
            >>> problem.require_nonnegative_interpolant()  # doctest: +ELLIPSIS
            Traceback (most recent call last):
                ...
            wnlib.errors.InfeasibleError: y must have a nonnegative interpolant ...
        """
        if self.truth is None or self.truth.min() < 0 or not self._solved_by(self.truth):
            _ = self._nonnegative_interpolant

    def doubled(self) -> Self:
        """The positive problem on [A, -A], of shape (M, 2N), whose weights v are signed ones, v[:N] - v[N:].

        Example:
            >>> from wnlib import Problem
            >>> signed = Problem(A=[[1, 2, 0], [0, 1, 1]], y=[1, -2], truth=[1, 0, -2]).doubled()
            >>> signed.shape, signed.truth
            ((2, 6), array([1., 0., 0., 0., 0., 2.]))
        """
        truth = self.truth
        split = None if truth is None else np.concatenate([np.maximum(truth, 0), np.maximum(-truth, 0)])
        return type(self)(np.hstack([self.A, -self.A]), self.y, split, self.tolerance)

    @computed_once
    def _nonnegative_interpolant(self) -> Array:
        requirement = "y must have a nonnegative interpolant (some w >= 0 with A w = y)"
        cost = np.zeros(self.shape[1])
        return linear_program(cost, self.A, self.y, tolerance=self.tolerance, requirement=requirement).x

    def _solved_by(self, weights: Array | None) -> bool:
        return weights is not None and bool(linalg.norm(self.residual(weights)) <= self.tolerance * linalg.norm(self.y))

    def _require_range(self) -> None:
        if not (self._solved_by(self.truth) or self._solved_by(best := self.row_basis @ self.moments)):
            residual = linalg.norm(self.residual(best))
            raise InfeasibleError(
                f"y must lie in the range of A, got least-squares residual {residual:.3g} (relative "
                f"{residual / linalg.norm(self.y):.3g}), where {self.tolerance:.1e} passes, the precision of the data"
            )

    @classmethod
    def gaussian(cls, m: int, n: int, sparsity: int, seed: int = 0, signed: bool = False) -> Self:
        """Independent Gaussian entries of variance 1/m: columns of unit norm, in the mean.

        Weights, arguments and errors are those of `planted`.

        Example:
            >>> from wnlib import Problem
            >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
            >>> problem.shape, int((problem.truth > 0).sum())
            ((24, 60), 3)
        """
        return cls.planted(partial(ensembles.gaussian, *ensembles.sizes(m, n)), m, n, sparsity, seed, signed)

    @classmethod
    def rademacher(cls, m: int, n: int, sparsity: int, seed: int = 0, signed: bool = False) -> Self:
        r"""Entries $\pm 1/\sqrt m$ with equal probability: columns of unit norm.

        Weights, arguments and errors are those of `planted`.

        Example:
            >>> import numpy as np
            >>> from wnlib import Problem
            >>> problem = Problem.rademacher(m=16, n=60, sparsity=3)
            >>> np.unique(problem.A)
            array([-0.25,  0.25])
        """
        return cls.planted(partial(ensembles.rademacher, *ensembles.sizes(m, n)), m, n, sparsity, seed, signed)

    @classmethod
    def dct(cls, m: int, n: int, sparsity: int, seed: int = 0, signed: bool = False) -> Self:
        r"""Random rows of the orthonormal cosine transform (DCT-II), times $\sqrt{n/m}$.

        The constant row is never drawn: it would measure the sum of the weights, hence their l1 norm, directly.
        Weights, arguments and errors are those of `planted`.

        Example:
            >>> import numpy as np
            >>> from wnlib import Problem
            >>> problem = Problem.dct(m=16, n=64, sparsity=3)
            >>> np.allclose(problem.A @ problem.A.T, 64 / 16 * np.eye(16))
            True
        """
        return cls.planted(partial(ensembles.dct, *ensembles.sizes(m, n)), m, n, sparsity, seed, signed)

    @classmethod
    def fourier(cls, m: int, n: int, sparsity: int, seed: int = 0, signed: bool = False) -> Self:
        r"""Random rows of the real orthonormal Fourier basis, times $\sqrt{n/m}$.

        The constant row is not drawn: see `dct`. Weights, arguments and errors are those of `planted`.

        Example:
            >>> import numpy as np
            >>> from wnlib import Problem
            >>> problem = Problem.fourier(m=16, n=64, sparsity=3)
            >>> np.allclose(problem.A.sum(axis=1), 0)
            True
        """
        return cls.planted(partial(ensembles.fourier, *ensembles.sizes(m, n)), m, n, sparsity, seed, signed)

    @classmethod
    def planted(cls, matrix: Draw, m: int, n: int, sparsity: int, seed: int = 0, signed: bool = False) -> Self:
        """Measurements of sparse weights, of any ensemble.

        Weights are uniform on [1/2, 3/2], and so are their places. The same `seed` gives the same problem everywhere.

        Args:
            matrix: Draws the measurement matrix, shape (m, n), with the generator that it is called with.
            m: Number of measurements, from 1 to n - 1.
            n: Number of weights.
            sparsity: Number of nonzero weights, from 1 to n.
            signed: Each sign is a fair coin, and the problem is the `doubled` one, of shape (m, 2n).

        Raises:
            ArgumentError: for a number out of its range.

        Example:
            >>> from wnlib import Problem
            >>> problem = Problem.planted(lambda rng: rng.uniform(size=(8, 20)), 8, 20, sparsity=2)
            >>> problem.shape, bool(problem.A.min() > 0)
            ((8, 20), True)
        """
        m, n = ensembles.sizes(m, n)
        sparsity, signed = check.integer("sparsity", sparsity, least=1, most=n), check.flag("signed", signed)
        rng = np.random.default_rng(check.integer("seed", seed, least=0))
        A = matrix(rng)
        truth = ensembles.sparse_weights(n, sparsity, rng, signed)
        problem = cls(A, A @ truth, truth)
        return problem.doubled() if signed else problem
