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
from wnlib.limits.active_set import Position
from wnlib.problem import Problem

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

    def at_mass(self, masses: ArrayLike) -> Array:
        r"""Weights of masses S of any shape (...), shape (..., N); where w jumps, those from there on.

        Args:
            masses: Shape (...), from the first to the last of the path's.

        Raises:
            ArgumentError: for others.

        Example:
            >>> from wnlib import GradientFlow, Problem, large_ratio_path
            >>> problem, flow = Problem(A=[[2, 1], [0, 1]], y=[3, 1]), GradientFlow(depth=2)
            >>> path = large_ratio_path(problem, flow.start(2, scale=0.1))
            >>> path.at_mass([0.5, 2.0]).round(3).tolist()
            [[0.5, 0.0], [1.0, 1.0]]
        """
        S = check.array("masses", masses, (...,))
        if S.size and not self.masses[0] <= S.min() <= S.max() <= self.masses[-1]:
            raise ArgumentError(
                f"masses must be from {self.masses[0]:.6g} to {self.masses[-1]:.6g}, got {S.min():.6g} to {S.max():.6g}"
            )
        piece = np.minimum(np.searchsorted(self.masses, S, side="right"), len(self.masses) - 1) - 1
        share = ((S - self.masses[piece]) / np.diff(self.masses)[piece])[..., None]
        return np.asarray(self.weights[piece] + share * (self.arriving[piece + 1] - self.weights[piece]))

    def integral(self, times: ArrayLike) -> Array:
        r"""$\int_0^{\hat\tau} w$ at finite times of any shape (...), shape (..., N).

        With it, $\hat\theta = r_0^2 + A^\top (\hat\tau\,y - A \int w)$.

        Raises:
            ArgumentError: for negative times.

        Example:
            >>> from wnlib import GradientFlow, Problem, large_ratio_path
            >>> problem, flow = Problem(A=[[2, 1], [0, 1]], y=[3, 1]), GradientFlow(depth=2)
            >>> path = large_ratio_path(problem, flow.start(2, scale=0.1))
            >>> path.integral([0, 1, 2]).round(3).tolist()
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
    path = Position(own, float(begin.radius) ** 2)
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
