"""What a descent leaves: snapshots of its runs, and how each ended."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wnlib._checks import Array
from wnlib._values import Value, computed_once
from wnlib.descent.methods import DescentMethod, Mask
from wnlib.descent.polar import SalimansKingmaDescent
from wnlib.errors import ArgumentError
from wnlib.flows.polar import Polar
from wnlib.flows.units import Units, from_own
from wnlib.problem import Problem


@dataclass(frozen=True, eq=False, repr=False)
class Descent(Value):
    """Snapshots of a method's runs, of shape (...), and how each ended.

    A run that neither fit nor diverged took all its steps. The snapshots after a run's end repeat its last state and
    time.

    Attributes:
        t: Times, the numbers of steps taken times the step, shape (T, ...).
        states: The method's own coordinates, shape (T, ..., n).
        steps: The number of steps that a run took, shape (...).
        fit: Whether it ended because its loss fell below `stop_loss`, shape (...).
        diverged: Whether it ended because it diverged, shape (...).

    Example:
        >>> from wnlib import PolarDescent, Problem, descend
        >>> method = PolarDescent(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> start = method.flow.start(60, scale=1.0)
        >>> descent = descend(method, problem, start, step=[0.01, 0.02], steps=100, every=50)
        >>> descent.weights.shape, descent.t[:, 1]
        ((3, 2, 60), array([0., 1., 2.]))
    """

    method: DescentMethod
    problem: Problem
    t: Array
    states: Array
    steps: NDArray[np.intp]
    fit: Mask
    diverged: Mask

    @computed_once
    def points(self) -> Polar:
        """The points x = r u in logarithms, of shape (T, ..., N)."""
        return self.method.decode(self.states)

    @computed_once
    def weights(self) -> Array:
        """Weights, shape (T, ..., N)."""
        return self.points.weights(self.method.depth)

    @property
    def radius(self) -> Array:
        """r, shape (T, ...): the norm of x, with its sign at depth 1."""
        return self.points.radius

    @property
    def loss(self) -> Array:
        """Square loss, shape (T, ...)."""
        units = Units.of(self.problem, self.method.depth)
        return np.asarray(from_own(units.loss_of(self.problem, self.weights), units.loss))

    @property
    def l1(self) -> Array:
        """The l1 norm of the weights, shape (T, ...)."""
        return np.sum(np.abs(self.weights), axis=-1)

    @property
    def norm(self) -> Array:
        r"""$\|v\|$ of Salimans-Kingma descent, shape (T, ...).

        Raises:
            ArgumentError: for a method without v.
        """
        if not isinstance(self.method, SalimansKingmaDescent):
            raise ArgumentError(f"method must be SalimansKingmaDescent to have ||v||, got {self.method}")
        return self.method.norms(self.states)
