"""What all charts have in common: a centre, a basis of columns, and the affine map from it."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from wnlib._checks import Array
from wnlib.flows.flow import Flow
from wnlib.flows.polar import Polar
from wnlib.problem import Problem

ROUNDING = 1e-13  # what is below this is a rounding error of zero


class DualChart(ABC):
    """Coordinates around one point of a flow. The state: the radius if weights are normalized, then basis entries."""

    def __init__(self, flow: Flow, problem: Problem, point: Polar) -> None:
        self.flow, self.problem, self.point = flow, problem, point
        self.theta = self._center()
        self.basis, self.T = _basis(problem, self._preference())
        self.A_basis = problem.A[:, self.basis]
        self.offset = self.theta - self.T @ self.theta[self.basis]
        self.offset[self.basis] = 0
        # Where theta shrinks, a rounding error would stay: of two equal columns one would vanish.
        terms = np.abs(self.theta) + np.abs(self.T) @ np.abs(self.theta[self.basis])
        self.offset[np.abs(self.offset) <= ROUNDING * terms] = 0

    @abstractmethod
    def _center(self) -> Array:
        """The dual variable of the point that the chart is centred at, in a unit of the chart's choice."""

    def _preference(self) -> Array:
        """Positive weights (N,): entries of theta that the basis should rather hold."""
        return np.ones_like(self.theta)

    @abstractmethod
    def encode(self) -> Array:
        """The state of the point that the chart is centred at."""

    @abstractmethod
    def decode(self, states: Array) -> Polar:
        """Points from states of shape (T, n)."""

    @abstractmethod
    def velocity(self, t: float, state: Array) -> Array:
        """d state / dt."""

    @abstractmethod
    def jacobian(self, t: float, state: Array) -> Array:
        """The derivative of `velocity` by the state."""

    def expired(self, t: float, state: Array) -> float:
        """Positive while the chart is accurate: an event function for the solver."""
        return 1.0

    def amplification(self, states: Array) -> float:
        """By how much cancellation magnifies the relative error of an eliminated entry, at worst over the states."""
        return 1.0


def _basis(problem: Problem, preference: Array) -> tuple[NDArray[np.intp], Array]:
    """Indices B of rank(A) independent columns, and T of shape (N, rank) with v = T v_B for v in row(A)."""
    row = problem.row_basis
    _, pivots = linalg.qr(row.T * preference, mode="r", pivoting=True)
    basis = np.sort(pivots[: problem.rank])
    T = linalg.solve(row[basis].T, row.T).T
    T[np.abs(T) < ROUNDING] = 0
    T[basis] = np.eye(len(basis))
    return basis, T
