r"""What holds on the curve of limits, and the linear systems that Newton's method and its tangent take from it.

The limit x of gradient flow from $\alpha u_0$ solves $A x^L = y$, $m_L(x) - m_L(\alpha u_0) \in$ row(A), for L >= 2.
Unknowns are the logarithms t of x on a basis B of columns (`WeightedBasis`); they determine the others, since m_L(x)
moves in row(A): with $\sigma = x^{2-L}$, $\sigma = T\sigma_B + \alpha^{2-L} q$ (at depth 2, $t = T t_B + q + \xi e$,
$\xi = \log\alpha$). No entry of x is ever subtracted from a larger one, so that the equations keep their digits to
$\xi = -10^4$ and beyond. Measurements are compared in the basis too, where the equation of $j \in B$ is
$w_j + \sum_{i \notin B} T_{ij} w_i = b_j$: positive terms P on one side, N on the other. Far from balance, Newton's
method is applied to $\log N = \log P$, which is nearly linear in t; near it, to the equation itself.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from wnlib._checks import Array
from wnlib.limits.weighted_basis import EXPONENT, ROUNDING, WeightedBasis
from wnlib.problem import Problem

EPS = float(np.finfo(float).eps)
IMBALANCE = 1.0  # of log P - log N, above which it replaces the equation itself
TINY = 1e-200  # below this, sums of exponentials have lost small terms


class Place(NamedTuple):
    """A point of the curve, or on the way to its first one; or a step between two such points.

    log_scale $\\xi$; progress of the measurements from those of the first start to y; turn of the direction from the
    uniform one to the start's.
    """

    log_scale: float
    progress: float
    turn: float


class Correction(NamedTuple):
    """Newton's next step at a point.

    lack      (rank,), what the equations of the basis lack, as Newton's method should see it
    residual  the norm of what the measurements lack
    change    (rank,), of log x on the basis
    """

    lack: Array
    residual: float
    change: Array


class CurveEquations:
    """The equations for one problem, depth >= 2 and direction, around a point to which `linearise` moves them.

    `log_direction` (n,) and the columns of A are those of entries that some interpolant makes positive. The point is
    `log_x` (n,) and `place`; at first a uniform start, which fulfils the equations for measurements of its own. As the
    direction turns from there at the same scale, no weight of the start exceeds the first ones by more than a factor of
    e^heaviest, unless their geometric mean stays the same without that.
    """

    def __init__(self, problem: Problem, depth: int, log_direction: Array, heaviest: float) -> None:
        self.depth, self.log_direction = depth, log_direction
        # What the logarithms are near to before the direction turns.
        self.level = max(float(np.mean(log_direction)), float(np.max(log_direction)) - heaviest / depth)
        self.rows, self.target = problem.row_basis, problem.moments
        n, rank = self.rows.shape
        # The weights of the first start as large as the least-norm interpolant, whose norm is that of a part in row(A).
        size = float(linalg.norm(self.target)) / np.sqrt(rank)
        self.log_x = np.full(n, np.log(size) / depth)
        self.origin = size * self.rows.sum(axis=0)
        self.place = Place(float(self.log_x[0]) - self.level, 0.0, 0.0)
        self.basis = WeightedBasis(self.rows, (depth - 1) * self.log_x)
        self.offsets_at = -1, 0.0

    def linearise(self, log_x: Array, place: Place) -> None:
        """Move to a point: the basis and the linear system are its own from here on."""
        self.log_x, self.place = log_x, place
        half = (self.depth - 1) * self.log_x
        G = self.basis.update(half)
        matrix = G.T @ G
        matrix[np.diag_indices_from(matrix)] += 1
        self.factor = linalg.cho_factor(matrix, overwrite_a=True, check_finite=False)

    def correction(self) -> Correction:
        """Newton's step."""
        lack, residual = self._equation()
        return Correction(lack, residual, self.solve(lack))

    def solve(self, lack: Array) -> Array:
        """The change of log x on the basis that changes the basis's equations by `lack`, to first order."""
        L, t = self.depth, self.log_x[self.basis.columns]
        scaled = linalg.cho_solve(self.factor, lack * np.exp((1 - L) * t), check_finite=False)
        return scaled * np.exp(-t) / L

    def everywhere(self, change: Array) -> Array:
        """The change of log x everywhere, to first order, from that on the basis."""
        basis = self.basis
        factors = basis.T if self.depth == 2 else basis.times_ratios((self.depth - 2) * self.log_x)
        result = factors @ change
        result[basis.columns] = change
        return result

    def towards_target(self) -> Array:
        """The change of log x on the basis as the measurements move to those of the problem."""
        return self.solve(self.basis.to_basis @ (self.target - self.origin))

    def turning(self) -> tuple[Array, Array]:
        """The change of log x, on the basis and everywhere, as the direction turns to that of the start."""
        return self.tangent(self.log_direction - self.level)

    def tangent(self, velocity: Array) -> tuple[Array, Array]:
        """The change of log x, on the basis and everywhere, as log x(0) moves with a velocity (N,) and A w stays."""
        L, basis = self.depth, self.basis
        direct, units = self._outside(velocity, (2 - L) * self._log_direction(self.place.turn))
        direct *= np.exp(np.minimum(units + (L - 2) * (self.log_x - self.place.log_scale), EXPONENT))
        on_basis = self.solve(-(basis.T.T @ (L * np.exp(L * self.log_x) * direct)))
        return on_basis, direct + self.everywhere(on_basis)

    def complete(self, t: Array, place: Place) -> Array:
        """All of log x from that on the basis; NaN where it is outside the domain."""
        L, basis = self.depth, self.basis
        offset, units = self._offsets(place.turn)
        if L == 2:
            log_x = basis.T @ t + offset + place.log_scale * self.excess
        else:
            log_terms, shifts = (2 - L) * t, units + (2 - L) * place.log_scale
            units = np.maximum(log_terms.max(), shifts)
            sigma = (basis.T @ np.exp(log_terms - log_terms.max())) * np.exp(log_terms.max() - units)
            sigma += offset * np.exp(shifts - units)
            # Entries that depend on none of the largest: each in a unit of its own.
            for i in np.flatnonzero(np.abs(sigma) < TINY):
                factors, logarithms = np.append(basis.T[i], offset[i]), np.append(log_terms, shifts[i])
                units[i] = logarithms[factors != 0].max(initial=-np.inf)
                sigma[i] = factors @ np.exp(np.where(factors != 0, logarithms - units[i], -np.inf))
            with np.errstate(divide="ignore", invalid="ignore"):
                log_x = (np.log(sigma) + units) / (2 - L)
        log_x[basis.columns] = t
        return log_x

    def _log_direction(self, turn: float) -> Array:
        """On the way from the uniform direction to that of the start."""
        return self.level + turn * (self.log_direction - self.level)

    def _offsets(self, turn: float) -> tuple[Array, Array]:
        """q of the module's docstring, for a direction, and the logarithms of its units; at depth 2, e as well."""
        if self.offsets_at != (self.basis.version, turn):
            L, log_u = self.depth, self._log_direction(turn)
            ones = np.ones_like(log_u)
            self.offset, self.units = self._outside(log_u if L == 2 else ones, (2 - L) * log_u)
            if L == 2:
                self.excess, _ = self._outside(ones, 0 * log_u)
            self.offsets_at = self.basis.version, turn
        return self.offset, self.units

    def _outside(self, values: Array, log_sizes: Array) -> tuple[Array, Array]:
        """What of v = values e^log_sizes (N,) the basis does not determine: v - T v_B, without rounding errors.

        In units (N,) whose logarithms are returned too: an entry's own, of its largest term, where v spans more than
        floats do.
        """
        columns, T = self.basis.columns, self.basis.T
        if np.ptp(log_sizes) <= EXPONENT:
            units = np.full(len(values), log_sizes.max())
            direct = values * np.exp(log_sizes - units)
            from_basis, size = T @ direct[columns], np.abs(T) @ np.abs(direct[columns])
        else:
            at_basis = np.where(T != 0, log_sizes[columns], -np.inf)
            units = np.maximum(log_sizes, at_basis.max(axis=1))
            direct, terms = values * np.exp(log_sizes - units), T * np.exp(at_basis - units[:, None]) * values[columns]
            from_basis, size = terms.sum(axis=1), np.abs(terms).sum(axis=1)
        outside = direct - from_basis
        outside[np.abs(outside) < ROUNDING * (np.abs(direct) + size)] = 0
        outside[columns] = 0
        return outside, units

    def _equation(self) -> tuple[Array, float]:
        """What the equations of the basis lack, as Newton's method should see it; and the norm of the residual."""
        basis, weights = self.basis, np.exp(self.depth * self.log_x)
        goal = self.origin + self.place.progress * (self.target - self.origin)
        gap = goal - self.rows.T @ weights
        rounding = 2 * EPS * (np.abs(basis.to_basis) @ (linalg.norm(weights) + np.abs(goal)))
        b = basis.to_basis @ goal
        b[np.abs(b) <= 10 * rounding] = 0
        total, difference = basis.absolute_sums(weights), basis.T.T @ weights
        positive, negative = (total + difference) / 2, (total - difference) / 2
        scale = np.maximum(positive, negative)
        # What is below the rounding error of the measurements is balanced as if they were exact.
        lack = np.where(scale > 1e3 * rounding, basis.to_basis @ gap, b - difference)
        with np.errstate(divide="ignore", invalid="ignore"):
            imbalance = np.log((negative + np.maximum(b, 0)) / (positive + np.maximum(-b, 0)))
        far = ~(np.abs(imbalance) < IMBALANCE)
        return np.where(far, scale * np.clip(np.nan_to_num(imbalance), -30, 30), lack), float(linalg.norm(gap))
