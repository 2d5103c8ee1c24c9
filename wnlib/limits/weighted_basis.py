r"""A basis of columns of A, chosen for weights that span hundreds of powers of ten.

Newton's method for the limit of a flow solves systems with $A D A^\top$, D a diagonal of squared sensitivities. Where
the weights of a sparse solution differ from the others by a factor of $10^{100}$, that matrix has no digits left. But
with B a basis of columns and $T = (A_B^{-1} A)^\top$, so that $v = T v_B$ for every v in row(A),

$$A D A^\top = A_B D_B^{1/2}\,(I + G^\top G)\,D_B^{1/2} A_B^\top,\qquad
  G_{ij} = T_{ij}\sqrt{D_i / D_j},\quad i \notin B,\ j \in B,$$

and if B is a basis of nearly the largest volume $|\det A_B D_B^{1/2}|$ then no entry of G is large: exchanging i for j
multiplies the volume by $|G_{ij}|$, so while an entry exceeds a threshold, exchange. Only ratios of entries of D are
used, as logarithms.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from wnlib._checks import Array

ROUNDING = 1e-13  # entries of T below this are rounding errors of zero
GROWTH = 10.0  # an entry of G above this calls for an exchange
EXPONENT = 300.0  # of the exponentials that are formed: 1e130, whose square is finite
CHUNK = 4096  # rows of T at a time
LIGHTEST = -20.0  # in the choice of a basis: lighter, a column would count less than the rounding error of another
EXCHANGES = 8  # as many at once are cheaper than a new factorisation


class WeightedBasis:
    """Columns B of A, for the weights of the last call of `update`.

    `rows` (N, rank) is a basis of row(A), orthonormal. After `update`: `columns` (rank,) the basis B, `T` (N, rank),
    `to_basis` (rank, rank) with to_basis @ rows.T @ w = the coordinates of A w in the columns of B.
    """

    columns: NDArray[np.intp]
    T: Array
    to_basis: Array

    def __init__(self, rows: Array, log_weights: Array) -> None:
        self.rows = rows
        self.version = 0  # grows with every change of the basis
        self._choose(log_weights)

    def update(self, log_weights: Array) -> Array:
        r"""Exchange columns until no entry of G is large for D = exp(2 log_weights); return G, 0 in the rows of B."""
        chosen_anew = False
        while True:
            G = self._scaled(log_weights)
            tall = np.count_nonzero(np.maximum(G.max(axis=1), -G.min(axis=1)) > GROWTH)
            if tall == 0:
                return G
            if tall > EXCHANGES and not chosen_anew:
                self._choose(log_weights)
                chosen_anew = True
            else:  # each makes the volume larger, so that this ends
                i, j = np.unravel_index(np.abs(G).argmax(), G.shape)
                self._exchange(int(i), int(j))

    def times_ratios(self, log_sizes: Array) -> Array:
        """T_ij s_i / s_j, shape (N, rank), for sizes s given by their logarithms (N,); bounded by e^300 where T is."""
        at_basis = log_sizes[self.columns]
        center = 0.5 * (float(at_basis.max()) + float(at_basis.min()))
        if max(float(np.abs(at_basis - center).max()), float(log_sizes.max()) - center) < EXPONENT / 2:
            ratios = np.exp(np.maximum(log_sizes - center, -EXPONENT))[:, None] * np.exp(center - at_basis)
        else:
            ratios = log_sizes[:, None] - at_basis
            np.exp(np.minimum(ratios, EXPONENT, out=ratios), out=ratios)
        ratios *= self.T
        return ratios

    def absolute_sums(self, values: Array) -> Array:
        """|T|^T values, shape (rank,), without a second matrix of the size of T."""
        parts = np.array_split(np.arange(len(values)), max(1, len(values) // CHUNK))
        return np.sum([np.abs(self.T[part[0] : part[-1] + 1]).T @ values[part] for part in parts], axis=0)

    def _scaled(self, log_weights: Array) -> Array:
        G = self.times_ratios(log_weights)
        G[self.columns] = 0
        return G

    def _choose(self, log_weights: Array) -> None:
        """By QR with pivoting among the heaviest columns."""
        n, rank = self.rows.shape
        heaviest = np.argsort(-log_weights, kind="stable")
        weights = np.exp(np.maximum(log_weights - log_weights.max(), LIGHTEST))
        size = min(n, 4 * rank)
        while True:
            candidates = heaviest[:size]
            triangle, pivots = linalg.qr(
                self.rows[candidates].T * weights[candidates], mode="r", pivoting=True, check_finite=False
            )
            diagonal = np.abs(np.diag(triangle)) / weights[candidates][pivots[:rank]]
            if size == n or diagonal.min() > np.sqrt(ROUNDING):
                break
            size = min(n, 2 * size)
        self._set(np.sort(candidates[pivots[:rank]]))

    def _set(self, columns: NDArray[np.intp]) -> None:
        self.columns = columns
        self.to_basis = linalg.inv(self.rows[columns].T, check_finite=False)
        self.T = self.rows @ self.to_basis.T
        self._clean()

    def _exchange(self, i: int, j: int) -> None:
        """Column i enters in the place of the j-th of B."""
        row, column = self.T[i].copy(), self.T[:, j] / self.T[i, j]
        entering = self.to_basis[j] / self.T[i, j]
        row[j] -= 1
        self.T -= np.outer(column, row)
        self.to_basis -= np.outer(row, entering)
        self.columns = self.columns.copy()
        self.columns[j] = i
        self._clean()

    def _clean(self) -> None:
        self.T[np.abs(self.T) < ROUNDING] = 0
        self.T[self.columns] = np.eye(len(self.columns))
        self.version += 1
