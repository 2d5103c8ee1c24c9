"""Numerical ranks, judged in one place: what is at most `threshold` of the largest singular value or pivot is 0.

It is the rule of `scipy.linalg.orth`, `null_space` and `pinv`. `scipy.linalg.lstsq` left to itself has another: the
precision alone, above which rounding may leave a second singular value of two equal rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from wnlib._checks import Array
from wnlib._values import Value


def threshold(shape: tuple[int, ...]) -> float:
    """The share of the largest below which rounding may have left a singular value of a matrix of this shape."""
    return max(shape) * float(np.finfo(float).eps)


def least_squares(A: Array, b: Array) -> Array:
    """The x of least norm among those that minimise the norm of A x - b; `b` of shape (M,) or (M, K)."""
    return np.asarray(linalg.lstsq(A, b, cond=threshold(A.shape))[0])


@dataclass(frozen=True, eq=False, repr=False)
class RowSpace(Value):
    """The row space of A, by QR with pivoting: basis (N, rank), R (rank, M) and order p (M,), A[p].T = basis R."""

    basis: Array
    R: Array
    order: NDArray[np.intp]

    def coordinates(self, b: Array) -> Array:
        """basis.T @ w, the same for all w with A w = b; shape (rank,)."""
        if self.R.shape[0] == self.R.shape[1]:
            return np.asarray(linalg.solve_triangular(self.R, b[self.order], trans="T"))
        return least_squares(self.R.T, b[self.order])

    def combination(self, coordinates: Array) -> Array:
        """A combination nu of the rows, shape (M,), with A.T @ nu = basis @ coordinates."""
        nu = np.empty(self.order.size)
        square = self.R.shape[0] == self.R.shape[1]
        nu[self.order] = linalg.solve_triangular(self.R, coordinates) if square else least_squares(self.R, coordinates)
        return nu


def row_space(A: Array) -> RowSpace:
    """The row space of a matrix, shape (M, N); its rank is the number of columns of its basis."""
    Q, R, order = linalg.qr(A.T, mode="economic", pivoting=True, check_finite=False)
    diagonal = np.abs(np.diag(R))
    rank = int(np.count_nonzero(diagonal > threshold(A.shape) * diagonal[0]))
    return RowSpace(np.ascontiguousarray(Q[:, :rank]), R[:rank], order)


def rank(A: Array) -> int:
    """How many singular values of a matrix, shape (M, N), rounding cannot have left."""
    sizes = linalg.svdvals(A)
    return int(np.count_nonzero(sizes > threshold(A.shape) * sizes.max(initial=0.0)))


def kernel(A: Array, rank: int) -> Array:
    """Orthonormal basis of the kernel of a matrix of this rank, shape (N, N - rank)."""
    return np.asarray(linalg.svd(A, full_matrices=True)[2][rank:].T)


def left_kernel(A: Array) -> Array:
    """Orthonormal basis of the vectors orthogonal to all columns of A, shape (M, M - rank)."""
    return np.asarray(linalg.null_space(A.T, rcond=threshold(A.shape)))
