"""Charts for depth 1, where the dual variable is linear in z and every sign is allowed."""

import numpy as np

from wnlib._checks import Array
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.trajectories.charts.base import DualChart


class LinearChart(DualChart):
    """Gradient flow at depth 1: the state is x on the basis."""

    def _center(self) -> Array:
        return self.point.weights(1)

    def encode(self) -> Array:
        return self.theta[self.basis]

    def decode(self, states: Array) -> Polar:
        x = self._x(states)
        radius = np.linalg.norm(x, axis=-1)
        return Polar.of(radius, x / radius[..., None])

    def velocity(self, t: float, state: Array) -> Array:
        return self.A_basis.T @ self.problem.residual(self._x(state))

    def jacobian(self, t: float, state: Array) -> Array:
        return -self.A_basis.T @ (self.problem.A @ self.T)

    def _x(self, states: Array) -> Array:
        return states @ self.T.T + self.offset


class LinearWeightNormChart(DualChart):
    """Weight normalization at depth 1: the state is (r, s, v on the basis), and v = T v_B + e^{-s} q."""

    flow: WeightNormFlow

    def _center(self) -> Array:
        return self.point.direction

    def encode(self) -> Array:
        return np.concatenate([[self.point.radius, 0.0], self.theta[self.basis]])

    def decode(self, states: Array) -> Polar:
        v = self._v(states)
        return Polar.of(states[..., 0], v / np.linalg.norm(v, axis=-1, keepdims=True))

    def velocity(self, t: float, state: Array) -> Array:
        r, v_basis = state[0], state[2:]
        c, rate = self.flow.ratio, self.flow.radial_rate
        v = self._v(state)
        norm = np.linalg.norm(v)
        output = self.problem.A @ (v / norm)
        residual = self.problem.y - r * output
        d_r = rate * (residual @ output)
        d_s = c * r * d_r
        d_basis = c * rate * r * norm * (self.A_basis.T @ residual) - d_s * v_basis
        return np.concatenate([[d_r, d_s], d_basis])

    def jacobian(self, t: float, state: Array) -> Array:
        A, r, v_basis = self.problem.A, state[0], state[2:]
        c, rate = self.flow.ratio, self.flow.radial_rate
        v = self._v(state)
        norm = np.linalg.norm(v)
        u = v / norm
        output = A @ u
        residual = self.problem.y - r * output
        force = self.A_basis.T @ residual
        D_v = np.column_stack([np.zeros_like(v), -np.exp(-state[1]) * self.offset, self.T])
        D_norm = u @ D_v
        D_output = A @ (D_v - np.outer(u, D_norm)) / norm
        D_residual = -r * D_output
        D_residual[:, 0] -= output
        d_r = rate * (residual @ output)
        D_dr = rate * (output @ D_residual + residual @ D_output)
        D_ds = c * r * D_dr
        D_ds[0] += c * d_r
        D_basis = c * rate * (r * np.outer(force, D_norm) + r * norm * (self.A_basis.T @ D_residual))
        D_basis[:, 0] += c * rate * norm * force
        D_basis -= np.outer(v_basis, D_ds)
        D_basis[:, 2:] -= c * r * d_r * np.eye(len(v_basis))
        return np.vstack([D_dr, D_ds, D_basis])

    def _v(self, states: Array) -> Array:
        return states[..., 2:] @ self.T.T + np.exp(-states[..., 1:2]) * self.offset
