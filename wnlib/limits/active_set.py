r"""A position on the path at an infinite ratio, and the stretch without an event that begins there.

See `wnlib.limits.large_ratio`, whose letters these are: J is the support, and k the decay of a piece.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg

from wnlib._checks import Array
from wnlib.problem import Problem

FITTED = 1e-12  # of the norm of y, at which the measurements count as fitted
TIED = 1e-13  # of the largest of its kind, what is none
CLOSE = 1e-9  # of S, and of k: what is tied, and a time that is none


@dataclass(frozen=True, eq=False)
class Piece:
    r"""A stretch without an event: $w = a - \mu h$ on J, and $\mu$ falls like $e^{-\hat\tau/k}$.

    free, slope  a and h, (|J|,); multiplier  $\mu$ at first; decay  k; lasts  until the next event
    """

    free: Array
    slope: Array
    multiplier: float
    decay: float
    lasts: float


class Position:
    r"""A position on the path: $\hat\theta$ (N,), the weights (N,) and their support J, sorted indices."""

    def __init__(self, problem: Problem, mass: float) -> None:
        self.A, self.y = problem.A, problem.y
        self.theta = np.full(problem.shape[1], mass)
        self.weights = np.zeros(problem.shape[1])
        self.support = [int(np.argmax(self.A.T @ self.y))]
        self.weights[self.support] = mass
        self._relax(mass)

    def fits(self) -> bool:
        """Whether the weights interpolate."""
        return bool(linalg.norm(self.y - self.A @ self.weights) <= FITTED * linalg.norm(self.y))

    def piece(self) -> Piece:
        """The stretch that begins here."""
        J = self.A[:, self.support]
        free, slope = linalg.solve(J.T @ J, np.column_stack([J.T @ self.y, np.ones(J.shape[1])]), assume_a="pos").T
        decay = float(slope.sum())
        multiplier = float(free.sum() - self.weights.sum()) / decay
        vanishing = np.divide(free, multiplier * slope, out=np.zeros_like(free), where=slope != 0)
        inside = vanishing[(vanishing > 0) & (vanishing < 1 - TIED)]
        entries, times = self._catching_up(free, slope, multiplier, decay)
        if times.size and times.min() <= CLOSE:  # of several that are tied, rounding lets none join
            self.support = sorted([*self.support, int(entries[np.argmin(times)])])
            return self.piece()
        until = [-float(np.log(share)) for share in inside] + [float(u) for u in times]
        return Piece(free, slope, multiplier, decay, decay * min(until, default=np.inf))

    def _catching_up(self, free: Array, slope: Array, multiplier: float, decay: float) -> tuple[Any, Array]:
        r"""The entries off the support that catch up with S, and when, in units of k.

        $\hat\theta_j - S$ is $d_j + k\,((\beta_j - 1)\,\mu\,(1 - e^{-u}) + \alpha_j u)$ after a while u.
        """
        off = np.setdiff1d(np.arange(len(self.theta)), self.support)
        A, J, S = self.A[:, off], self.A[:, self.support], self.weights.sum()
        alpha, beta = A.T @ (self.y - J @ free), A.T @ (J @ slope)
        d, bend = np.minimum(self.theta[off] - S, 0.0), decay * (beta - 1) * multiplier

        def behind(u: Array) -> Array:
            return d - bend * np.expm1(-u) + decay * alpha * u

        with np.errstate(divide="ignore", invalid="ignore"):
            turn = np.log(-bend / (decay * alpha))  # where it is least, or most
            turn = np.where(turn > 0, turn, 0.0)  # also for what is undefined
            rising = alpha > TIED * np.abs(self.A.T @ self.y).max()
            low = np.where(rising, turn, 0.0)
            high = turn + np.where(rising, 2 * (np.abs(bend) - d) / (decay * alpha), 0.0)
            found = (high > low) & (behind(high) > np.where(rising, 0.0, TIED * S))
        off, low, high, d, bend, alpha = (part[found] for part in (off, low, high, d, bend, alpha))
        for _ in range(200):
            middle = (low + high) / 2
            above = behind(middle) > 0
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return off, high

    def advance(self, piece: Piece) -> Array:
        """Go to the end of a piece, and jump; the weights (N,) on arrival."""
        left = piece.multiplier * float(np.exp(-piece.lasts / piece.decay))
        arriving = np.zeros_like(self.weights)
        arriving[self.support] = np.maximum(piece.free - piece.slope * left, 0.0)
        J, S = self.A[:, self.support], float(arriving.sum())
        if np.isfinite(piece.lasts):
            gained = S - self.weights.sum()
            moved = (self.y - J @ piece.free) * piece.lasts + J @ piece.slope * gained
            self.theta = np.minimum(self.theta + self.A.T @ moved, S)
        self.theta[self.support], self.weights = S, arriving
        if np.isfinite(piece.lasts):
            self._relax(S)
        return arriving

    def _relax(self, mass: float) -> None:
        """The least loss of this mass on the tied entries, from the weights there are: an active-set method."""
        tied = self.theta >= mass * (1 - CLOSE)
        P = [i for i in self.support if self.weights[i] > TIED * mass]
        w = np.where(np.isin(np.arange(len(tied)), P), self.weights, 0.0)
        for _ in range(10 * len(self.y) + 100):
            J = self.A[:, P]
            system = np.pad(J.T @ J, (0, 1), constant_values=1.0) - np.diag([*np.zeros(len(P)), 1.0])
            solved = linalg.solve(system, np.append(J.T @ self.y, mass), assume_a="sym")
            wanted, multiplier = solved[:-1], solved[-1]
            if wanted.min() < 0:
                shares = np.where(wanted < 0, w[P] / np.where(wanted < 0, w[P] - wanted, 1.0), np.inf)
                k = int(np.argmin(shares))
                w[P] += shares[k] * (wanted - w[P])
                w[P[k]] = 0.0
                P.pop(k)
                continue
            w[P] = wanted
            pull = np.where(tied, self.A.T @ (self.y - self.A @ w) - multiplier, -np.inf)
            pull[P] = -np.inf
            j = int(np.argmax(pull))
            if pull[j] <= TIED * np.abs(self.A.T @ self.y).max():
                break
            P = sorted([*P, j])
        self.weights, self.support = w, P
