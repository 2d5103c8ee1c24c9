"""A solution of a flow in time, and what is read off it: losses, invariants, times of fitting, plateaus."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from wnlib import _checks as check
from wnlib._checks import Array, numeric
from wnlib._values import Value, computed_once
from wnlib.errors import ArgumentError
from wnlib.flows.flow import Flow
from wnlib.flows.geometry import mirror_map
from wnlib.flows.invariants import invariant_drift
from wnlib.flows.polar import Polar
from wnlib.flows.units import Units, from_own
from wnlib.problem import Problem


@dataclass(frozen=True)
class Told:
    """Points at times, both in the caller's units, of a solution in the problem's own."""

    interpolant: Callable[[Array], Polar]
    units: Units

    def __call__(self, times: Array) -> Polar:
        return self.units.told(self.interpolant(from_own(numeric("times", times), -self.units.time)))


@dataclass(frozen=True, eq=False, repr=False)
class Trajectory(Value):
    """A solution of a flow: snapshots, and the dense output they were taken from.

    Attributes:
        t: Increasing times from 0, shape (T,).
        points: x = r u at these times, in logarithms, shape (T, N).
        interpolant: The points, shape (T, N), at other times, shape (T,).

    Example:
        >>> import numpy as np
        >>> from wnlib import Problem, WeightNormFlow, integrate
        >>> flow = WeightNormFlow(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> trajectory = integrate(flow, problem, flow.start(60, scale=1.0), t_end=10.0)
        >>> trajectory.at([0.0, 1.0, 10.0]).loss.round(2)
        array([1.81, 0.01, 0.  ])
        >>> bool(np.all(np.diff(trajectory.bregman(problem.truth)) < 1e-9))  # it falls
        True
        >>> round(trajectory.fits_at(0.1), 2)
        0.56
    """

    flow: Flow
    problem: Problem
    t: Array
    points: Polar
    interpolant: Callable[[Array], Polar] = field(compare=False)

    @computed_once
    def weights(self) -> Array:
        """Weights w(t), shape (T, N)."""
        return self.points.weights(self.flow.depth)

    @property
    def radius(self) -> Array:
        """r(t), shape (T,): the norm of x, with its sign at depth 1."""
        return self.points.radius

    @computed_once
    def loss(self) -> Array:
        """Square loss, shape (T,)."""
        return np.asarray(from_own(self._own_loss, self._units.loss))

    @computed_once
    def _units(self) -> Units:
        return Units.of(self.problem, self.flow.depth)

    @computed_once
    def _own_loss(self) -> Array:
        """In the problem's own unit, where it is not lost with the squares of small residuals."""
        return self._own_loss_at(self.points)

    def _own_loss_at(self, points: Polar) -> Array:
        return self._units.loss_of(self.problem, points.weights(self.flow.depth))

    @property
    def l1(self) -> Array:
        """The l1 norm of the weights, shape (T,)."""
        return np.sum(np.abs(self.weights), axis=-1)

    @property
    def invariant_drift(self) -> Array:
        """The relative change of the N - rank(A) invariants since t = 0, shape (T,), see `wnlib.invariant_drift`."""
        return invariant_drift(self.flow, self.problem, self.points)

    def bregman(self, target: ArrayLike) -> Array:
        """The Bregman divergence from w(t) to a target, shape (T,), in units of the start's radius.

        Args:
            target: Shape (N,), nonnegative for depth >= 2.

        Raises:
            ArgumentError: for another target, or a flow without magnified coordinates.
        """
        target = check.array("target", target, (self.problem.shape[1],))
        if self.flow.depth >= 2 and target.min() < 0:
            raise ArgumentError(f"target must be >= 0 in every entry for depth >= 2, got a minimum of {target.min()}")
        return mirror_map(self.flow, float(self.radius[0])).bregman(target, self.points)

    def fits_at(self, loss: float) -> float:
        """The time at which the loss first falls to `loss`, by the dense output; infinite if it does not.

        Raises:
            ArgumentError: for a loss that is not positive.
        """
        loss = from_own(check.positive("loss", loss), -self._units.loss)
        below = np.flatnonzero(self._own_loss <= loss)
        if below.size == 0:
            return np.inf
        k = int(below[0])
        return self._crossing(k, loss) if k > 0 else float(self.t[0])

    def plateaus(self, drop: float = 0.1, decades: float = 1.0) -> Array:
        """The plateaus that the trajectory leaves.

        Args:
            drop: The share by which the loss falls until a plateau ends, between 0 and 1.
            decades: A plateau is one if the time grows by 10 to this power on it; positive.

        Returns:
            Intervals of time from a plateau's first snapshot to its end, shape (K, 2).

        Raises:
            ArgumentError: for a number out of its range.

        Example:
            >>> from wnlib import GradientFlow, Problem, integrate
            >>> flow = GradientFlow(depth=2)
            >>> start = flow.start(2, scale=1e-6)
            >>> trajectory = integrate(flow, Problem(A=[[1, 1]], y=[2]), start, t_end=5.0)
            >>> trajectory.plateaus()[:, 1].round(2)
            array([3.18])
        """
        drop, decades = check.positive("drop", drop), check.positive("decades", decades)
        if drop >= 1:
            raise ArgumentError(f"drop must be < 1, got {drop}")
        found, k, losses = [], 1, self._own_loss  # the first snapshot is at time 0
        while k < len(self.t):
            left = np.flatnonzero(losses[k:] <= (1 - drop) * losses[k])
            if left.size == 0:
                break
            end = self._crossing(k + int(left[0]), (1 - drop) * float(losses[k]))
            if end >= 10**decades * self.t[k]:
                found.append((float(self.t[k]), end))
                k += int(left[0])
            else:
                k += 1
        return np.array(found).reshape(-1, 2)

    def _crossing(self, k: int, loss: float) -> float:
        """The time between the snapshots k - 1 and k at which the loss, in the problem's own unit, is `loss`."""

        def excess(t: float) -> float:
            return float(self._own_loss_at(self.interpolant(np.array([t])))[0]) / loss - 1

        before, after = float(self.t[k - 1]), float(self.t[k])
        if not excess(before) > 0 > excess(after):
            return after
        return float(brentq(excess, before, after, xtol=1e-13 * after, rtol=1e-13))

    def at(self, times: ArrayLike) -> "Trajectory":
        """The same solution at other times, shape (T,), increasing, within the interval of integration.

        Raises:
            ArgumentError: for other times.
        """
        times = check.array("times", times, (None,))
        if times.min() < self.t[0] or times.max() > self.t[-1] or np.any(np.diff(times) < 0):
            raise ArgumentError(f"times must increase within [{self.t[0]}, {self.t[-1]}], got {times}")
        return Trajectory(self.flow, self.problem, times, self.interpolant(times), self.interpolant)
