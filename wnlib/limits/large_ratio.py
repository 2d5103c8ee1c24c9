r"""Weight normalization at a large ratio, depth 2: an exact path, piece by piece.

With $\hat\theta_i = S + \tfrac1c \log(w_i/(S u_{0,i}^2))$, $S = \|w\|_1$, weight normalization moves by
$d\hat\theta/d\hat\tau = A^\top (y - A w)$, $d\hat\tau = 4 \eta_r S\,dt$: see the theorem "The dual flow, rescaled". As
$c \to \infty$ this becomes the inverse scale space of $\tfrac12\|w\|_1^2$, from $\hat\theta = r_0^2$ in every entry:
$S = \max_i \hat\theta_i$, and w lives where $\hat\theta$ is largest. There it has the least loss that its mass allows,
so that on its support J, with $G = A_J^\top A_J$,

$$A_J^\top (y - A_J w_J) = \mu \mathbf 1,\qquad S' = \mu,\qquad w_J = G^{-1} (A_J^\top y - \mu \mathbf 1) .$$

So $S_J - S$ falls like $e^{-\hat\tau/k}$, $k = \mathbf 1^\top G^{-1} \mathbf 1$, towards the mass $S_J$ of least
squares on J, w is linear in S, and every $\hat\theta_j$ is known in closed form, until one of them catches up with S or
a weight vanishes. Then w jumps to the least loss of the same mass on what is tied by then.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib._values import Value
from wnlib.errors import ArgumentError, LimitError
from wnlib.flows.flow import GradientFlow
from wnlib.flows.polar import Polar
from wnlib.flows.units import Units, from_own
from wnlib.problem import Problem

FITTED = 1e-12  # of the norm of y, at which the measurements count as fitted
TIED = 1e-13  # of the largest of its kind, what is none
CLOSE = 1e-9  # of S, and of k: what is tied, and a time that is none
EVENTS = 50  # for each measurement


@dataclass(frozen=True, eq=False, repr=False)
class LargeRatioPath(Value):
    r"""The path of weight normalization at depth 2, from a start of norm $r_0$, as the ratio tends to infinity.

    Attributes:
        masses: The l1 norms of the weights at the K events, shape (K,).
        times: Their times $\hat\tau$, shape (K,): the first is 0, the last, the end, infinite.
        arriving: The weights up to each event, shape (K, N); at the first those that the start jumps to.
        weights: The weights from each event on, shape (K, N): where w jumps they differ, but not in their mass.
        decays: k of each piece, shape (K - 1,).

    Example:
        >>> import numpy as np
        >>> from wnlib import GradientFlow, Problem, basis_pursuit, large_ratio_path
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> start = GradientFlow(depth=2).start(60, scale=1.0)
        >>> path = large_ratio_path(problem, start)
        >>> np.allclose(path.weights[-1], basis_pursuit(problem).weights)
        True
    """

    masses: Array
    times: Array
    arriving: Array
    weights: Array
    decays: Array

    def at(self, times: ArrayLike) -> Array:
        r"""Weights at times $\hat\tau \ge 0$ of any shape (...), shape (..., N); at an event, those from there on.

        Raises:
            ArgumentError: for negative times.

        Example:
            >>> from wnlib import GradientFlow, Problem, large_ratio_path
            >>> problem, flow = Problem(A=[[2, 1], [0, 1]], y=[3, 1]), GradientFlow(depth=2)
            >>> large_ratio_path(problem, flow.start(2, scale=0.1)).at([0, 1e9]).round(3).tolist()
            [[0.01, 0.0], [1.0, 1.0]]
        """
        tau, piece = self._located(times)
        since, lasts = tau - self.times[piece], np.diff(self.times)[piece]
        share = np.expm1(-since / self.decays[piece]) / np.expm1(-lasts / self.decays[piece])
        share = np.where(tau >= self.times[-1], 1.0, share)[..., None]
        return self.weights[piece] + share * (self.arriving[piece + 1] - self.weights[piece])

    def integral(self, times: ArrayLike) -> Array:
        r"""$\int_0^{\hat\tau} w$ at finite times of any shape (...), shape (..., N).

        With it, $\hat\theta = r_0^2 + A^\top (\hat\tau\,y - A \int w)$.

        Raises:
            ArgumentError: for negative times.

        Example:
            >>> from wnlib import GradientFlow, Problem, large_ratio_path
            >>> problem, flow = Problem(A=[[2, 1], [0, 1]], y=[3, 1]), GradientFlow(depth=2)
            >>> large_ratio_path(problem, flow.start(2, scale=0.1)).integral([0, 1, 2]).round(3).tolist()
            [[0.0, 0.0], [1.0, 0.167], [2.0, 1.027]]
        """
        tau, piece = self._located(times)
        starts = self.times[:-1]
        whole = self._within(np.arange(len(starts) - 1), np.diff(starts))
        before = np.cumsum(np.vstack([np.zeros((1, self.weights.shape[1])), whole]), axis=0)
        return np.asarray(before[piece] + self._within(piece, tau - starts[piece]))

    def _located(self, times: ArrayLike) -> tuple[Array, Any]:
        """The times, and the indices of their pieces."""
        tau = check.array("times", times, (...,))
        if tau.min(initial=0.0) < 0:
            raise ArgumentError(f"times must be >= 0, got {tau.min()}")
        return tau, np.minimum(np.searchsorted(self.times, tau, side="right"), len(self.times) - 1) - 1

    def _within(self, piece: Any, since: Array) -> Array:
        """The integral of the weights over the first times `since` of pieces, both (...,); shape (..., N)."""
        decay, lasts = self.decays[piece], np.diff(self.times)[piece]
        shared = (since + decay * np.expm1(-since / decay)) / -np.expm1(-lasts / decay)
        change = self.arriving[piece + 1] - self.weights[piece]
        return np.asarray(since[..., None] * self.weights[piece] + shared[..., None] * change)


def large_ratio_path(problem: Problem, start: Polar) -> LargeRatioPath:
    r"""The path of weight normalization at depth 2 as the ratio tends to infinity, computed exactly by active sets.

    Args:
        start: One point, shape (N,), as `Flow.start` makes it; only its norm matters.

    Raises:
        ArgumentError: for bad arguments, if y = 0, and for a start beyond the window, $r_0^2 \ge Q$.
        InfeasibleError: if there is no nonnegative interpolant.
        LimitError: if events are so degenerate that the path is lost.

    Example:
        >>> from wnlib import GradientFlow, Problem, large_ratio_path
        >>> problem, flow = Problem(A=[[2, 1], [0, 1]], y=[3, 1]), GradientFlow(depth=2)
        >>> path = large_ratio_path(problem, flow.start(2, scale=0.1))
        >>> [path.weights[k].round(3).tolist() for k in range(3)]
        [[0.01, 0.0], [1.0, 0.409], [1.0, 1.0]]
    """
    GradientFlow(2).check_start(start, problem.shape[1])
    if not problem.y.any():
        raise ArgumentError("y must be nonzero, got the zero vector")
    units = Units.of(problem, 2)
    own, begin = units.problem(problem), units.start(start)
    own.require_nonnegative_interpolant()
    try:
        return _followed(own, begin, start, units)
    except linalg.LinAlgError as error:
        raise LimitError(f"the columns of a support are dependent: {error}") from error


def _followed(own: Problem, begin: Polar, start: Polar, units: Units) -> LargeRatioPath:
    path = _Path(own, float(begin.radius) ** 2)
    if path.fits():
        raise ArgumentError(
            f"start must be within the window, r_0^2 < Q, got r_0 = {float(start.radius):.6g}: beyond it some weights "
            "of that mass fit at once"
        )
    first = begin.weights(2)
    times, arriving, weights, decays = [0.0], [first], [path.weights], list[float]()
    while not path.fits():
        if len(times) > EVENTS * own.shape[0] or np.isinf(times[-1]):
            raise LimitError(f"no end of the path after {len(times)} events: try another start")
        piece = path.piece()
        times.append(times[-1] + piece.lasts)
        decays.append(piece.decay)
        arriving.append(path.advance(piece))
        weights.append(path.weights)
    found = from_own(np.array([arriving, weights]), units.weights)
    clock = units.weights - units.force
    return LargeRatioPath(
        found[1].sum(axis=1), from_own(np.array(times), clock), found[0], found[1], from_own(np.array(decays), clock)
    )


@dataclass(frozen=True, eq=False)
class _Piece:
    r"""A stretch without an event: $w = a - \mu h$ on J, and $\mu$ falls like $e^{-\hat\tau/k}$.

    free, slope  a and h, (|J|,); multiplier  $\mu$ at first; decay  k; lasts  until the next event
    """

    free: Array
    slope: Array
    multiplier: float
    decay: float
    lasts: float


class _Path:
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

    def piece(self) -> _Piece:
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
        return _Piece(free, slope, multiplier, decay, decay * min(until, default=np.inf))

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

    def advance(self, piece: _Piece) -> Array:
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
