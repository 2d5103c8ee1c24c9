"""What a descent leaves: snapshots of its runs, and how each ended."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wnlib._checks import Array
from wnlib.descent.methods import DescentMethod, Mask, SalimansKingmaDescent
from wnlib.errors import ArgumentError
from wnlib.flows.polar import Polar
from wnlib.problem import Problem


@dataclass(frozen=True, eq=False)
class Descent:
    """Snapshots of a method's runs, of shape (...), and how each ended.

    t (T, ...): times, the numbers of steps taken times the step. states (T, ..., n): the method's own coordinates.
    steps (...): the number of steps that a run took. fit (...): whether it ended because its loss fell below
    `stop_loss`. diverged (...): whether it ended because it diverged. A run that did neither took all its steps.

    The snapshots after a run's end repeat its last state and time.
    """

    method: DescentMethod
    problem: Problem
    t: Array
    states: Array
    steps: NDArray[np.intp]
    fit: Mask
    diverged: Mask

    @cached_property
    def points(self) -> Polar:
        """The points x = r u in logarithms, of shape (T, ..., N)."""
        return self.method.decode(self.states)

    @cached_property
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
        return self.problem.loss(self.weights)

    @property
    def l1(self) -> Array:
        """The l1 norm of the weights, shape (T, ...)."""
        return np.sum(np.abs(self.weights), axis=-1)

    @property
    def norm(self) -> Array:
        r"""$\|v\|$ of Salimans-Kingma descent, shape (T, ...); ValueError for a method without v."""
        if not isinstance(self.method, SalimansKingmaDescent):
            raise ArgumentError(f"method must be SalimansKingmaDescent to have ||v||, got {self.method}")
        return self.method.norms(self.states)
