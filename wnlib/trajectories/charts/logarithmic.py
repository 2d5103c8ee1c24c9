"""Charts for depth L >= 2, where everything is positive and the state is made of logarithms."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wnlib._checks import Array
from wnlib.flows.polar import Polar, log_norm
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.trajectories.charts.base import DualChart

EXPONENT = 100.0  # beyond the centre's; products of several bounded exponentials do not overflow either
NEGLIGIBLE = 1e-10  # of a weight, relative to the largest
PREFERENCE = np.log(1e8)  # the largest, beyond which independence would not count; larger ones are drawn together
SHRINKAGE = 0.1  # a chart expires when an eliminated entry of theta has shrunk by this factor


class LogChart(DualChart):
    """Gradient flow at depth L >= 2: the state is log x on the basis."""

    s_center = 0.0  # of the center, when z = v e^s is measured in the chart's unit

    def _center(self) -> Array:
        log_v = self._log_v_center()
        if self.flow.depth == 2:
            return log_v
        self.s_center = -float(log_v.min())  # the unit in which the largest entry of theta is 1 / (L - 2)
        return self._m(log_v + self.s_center)

    def _log_v_center(self) -> Array:
        return np.log(self.point.radius) + self.point.log_direction

    def _preference(self) -> Array:
        if self.flow.depth == 2:
            return np.ones_like(self.theta)
        # Of a saddle's support they are so small that the next one to join it differs from the others by less.
        sizes = np.log(np.abs(self.theta))
        return np.exp((sizes.min() - sizes) * min(1.0, PREFERENCE / max(1.0, np.ptp(sizes))))

    def encode(self) -> Array:
        return self._log_v_center()[self.basis]

    def decode(self, states: Array) -> Polar:
        log_x = self._log_x(states)
        log_radius = log_norm(log_x)
        return Polar(np.exp(log_radius), log_x - log_radius[..., None], np.ones(1))

    def velocity(self, t: float, state: Array) -> Array:
        L, log_x = self.flow.depth, self._log_x(state)
        residual = self.problem.residual(self._bounded_exp(L * log_x))
        return L * self._bounded_exp((L - 2) * state) * (self.A_basis.T @ residual)

    def jacobian(self, t: float, state: Array) -> Array:
        L, log_x = self.flow.depth, self._log_x(state)
        weights = self._bounded_exp(L * log_x)
        rate = L * self._bounded_exp((L - 2) * state)
        active = _active(weights)
        D_residual = -L * (self.problem.A[:, active] * weights[active]) @ self._D_log_v(log_x, active)
        growth = (L - 2) * rate * (self.A_basis.T @ self.problem.residual(weights))
        return np.diag(growth) + rate[:, None] * (self.A_basis.T @ D_residual)

    def expired(self, t: float, state: Array) -> float:
        within = self._bound - EXPONENT / 2 - self.flow.depth * self._log_size(state)
        return within if self.flow.depth == 2 else min(within, self._until_shrunk(state))

    def _until_shrunk(self, state: Array) -> float:
        log_v, s = self._split(state)
        growth = log_v + s - self._log_v_center() - self.s_center
        growth[self.basis] = 0
        return -np.log(SHRINKAGE) - (self.flow.depth - 2) * float(growth.max())

    def amplification(self, states: Array) -> float:
        L = self.flow.depth
        if L == 2:
            return 1.0
        log_v, s = self._split(states)
        unit = np.minimum((log_v + s).min(axis=-1, keepdims=True), 0)
        theta = np.abs(self._m(log_v + s - unit))
        terms = np.exp((L - 2) * unit) * np.abs(self.offset) + theta[..., self.basis] @ np.abs(self.T).T
        eliminated = np.setdiff1d(np.arange(len(self.theta)), self.basis)
        with np.errstate(divide="ignore", over="ignore"):
            return float(np.max(terms[..., eliminated] / theta[..., eliminated], initial=1.0))

    @cached_property
    def _bound(self) -> float:
        """Of exponents: far above those of the centre, and of the interpolants, whose logarithms are about 0."""
        return EXPONENT + self.flow.depth * max(0.0, float(np.log(self.point.radius)))

    def _bounded_exp(self, exponent: Array) -> Array:
        """exp, finite also in a solver's trial steps, which are rejected by their error estimate but not by a NaN.

        No step that is accepted comes near the bound: the chart expires before.
        """
        return np.exp(np.minimum(exponent, self._bound))

    def _log_size(self, state: Array) -> float:
        """About log r, which no exponent over the depth exceeds."""
        return float(self._log_x(state).max())

    def _m(self, log_z: Array) -> Array:
        L = self.flow.depth
        return log_z if L == 2 else -np.exp((2 - L) * log_z) / (L - 2)

    def _split(self, states: Array) -> tuple[Array, Array]:
        """log v and s."""
        return self._log_x(states), np.full(1, self.s_center)

    def _log_x(self, states: Array) -> Array:
        return self._log_v(states, np.full(1, self.s_center))

    def _log_v(self, log_v_basis: Array, s: Array) -> Array:
        """log v of all entries from those of the basis, where z = v e^s; s has shape (..., 1)."""
        L = self.flow.depth
        if L == 2:
            return log_v_basis @ self.T.T + self.offset + s * self.excess
        # theta in a unit of its own size: neither its largest entry nor the offset can overflow.
        unit = np.minimum((log_v_basis + s).min(axis=-1, keepdims=True), 0)
        theta = self._m(log_v_basis + s - unit) @ self.T.T + np.exp((L - 2) * unit) * self.offset
        # A solver's trial step may leave the domain theta < 0; it is rejected by its error estimate, not here.
        log_v = unit - s - np.log(np.maximum(-(L - 2) * theta, np.finfo(float).tiny)) / (L - 2)
        log_v[..., self.basis] = log_v_basis
        return log_v

    def _D_log_v(self, log_v: Array, rows: NDArray[np.intp]) -> Array:
        """The derivative of some entries of log v by those on the basis, shape (rows, rank)."""
        L = self.flow.depth
        if L == 2:
            return self.T[rows]
        scale = np.exp(np.minimum((L - 2) * (log_v - log_v[self.basis].min()), 600))
        return scale[rows, None] * self.T[rows] / scale[self.basis]


class LogWeightNormChart(LogChart):
    """Weight normalization at depth L >= 2: the state is (log r, s, log v on the basis)."""

    flow: WeightNormFlow

    def _log_v_center(self) -> Array:
        return self.point.log_direction

    def encode(self) -> Array:
        return np.concatenate([[np.log(self.point.radius), self.s_center], self.point.log_direction[self.basis]])

    def decode(self, states: Array) -> Polar:
        log_v = self._log_v(states[..., 2:], states[..., 1:2])
        return Polar(np.exp(states[..., 0]), log_v - log_norm(log_v)[..., None], np.ones(1))

    def velocity(self, t: float, state: Array) -> Array:
        return self._evaluate(state)[0]

    def _evaluate(self, state: Array) -> tuple[Array, ...]:
        """The velocity and what its derivative is made of: log v, u^L, A u^L, the residual, the rate of each log z.

        The products are taken with u^L, not w: in a collapse r^L underflows, and r^(L-2) times a product need not.
        """
        L, c, radial_rate = self.flow.depth, self.flow.ratio, self.flow.radial_rate
        log_v = self._log_v(state[2:], state[1:2])
        largest = log_v.max()
        v = np.exp(log_v - largest)
        norm = np.sqrt(v @ v)
        log_u_basis = state[2:] - largest - np.log(norm)
        unit_weights = (v / norm) ** L
        unit_output = self.problem.A @ unit_weights
        residual = self.problem.y - self._bounded_exp(L * state[0]) * unit_output
        # On the flow log |v| stays 0. Were nothing to hold it there, then on a plateau, where all that holds others is
        # stiff, steps could be no longer than rounding errors take to move it.
        along = residual @ unit_output + (largest + np.log(norm))
        d_log_r = L * radial_rate * self._bounded_exp((L - 2) * state[0]) * along
        d_s = c * self._bounded_exp(2 * state[0]) * d_log_r
        rate = L * c * radial_rate * self._bounded_exp(L * state[0] + (L - 2) * log_u_basis)
        velocity = np.concatenate([[d_log_r, d_s], rate * (self.A_basis.T @ residual) - d_s])
        return velocity, log_v, unit_weights, unit_output, residual, rate

    def jacobian(self, t: float, state: Array) -> Array:
        L, c, radial_rate = self.flow.depth, self.flow.ratio, self.flow.radial_rate
        velocity, log_v, unit_weights, unit_output, residual, rate = self._evaluate(state)
        r2, r_L = self._bounded_exp(2 * state[0]), self._bounded_exp(L * state[0])
        share = np.exp(2 * (log_v - log_norm(log_v)))
        active = _active(np.maximum(unit_weights, share))
        D_log_v = np.column_stack([self._D_s_log_v(log_v, state[1])[active], self._D_log_v(log_v, active)])
        D_log_norm = share[active] @ D_log_v
        D_output = (self.problem.A[:, active] * unit_weights[active]) @ D_log_v - np.outer(unit_output, D_log_norm)
        D_unit_output = np.column_stack([np.zeros_like(residual), L * D_output])
        D_residual = -r_L * D_unit_output
        D_residual[:, 0] -= L * r_L * unit_output
        D_dlog_r = unit_output @ D_residual + residual @ D_unit_output
        D_dlog_r[1:] += D_log_norm
        D_dlog_r *= L * radial_rate * self._bounded_exp((L - 2) * state[0])
        D_dlog_r[0] += (L - 2) * velocity[0]
        D_ds = c * r2 * D_dlog_r
        D_ds[0] += 2 * velocity[1]
        D_log_u = np.column_stack([np.zeros(len(rate)), np.eye(len(rate))]) - D_log_norm  # on the basis
        D_log_rate = np.column_stack([np.full(len(rate), float(L)), (L - 2) * D_log_u])
        pull = velocity[2:] + velocity[1]
        D_basis = pull[:, None] * D_log_rate + rate[:, None] * (self.A_basis.T @ D_residual) - D_ds
        return np.vstack([D_dlog_r, D_ds, D_basis])

    def _D_s_log_v(self, log_v: Array, s: float) -> Array:
        L = self.flow.depth
        if L == 2:
            return self.excess
        return (L - 2) * np.exp(np.minimum((L - 2) * (log_v + s), 600)) * self.offset

    def _log_size(self, state: Array) -> float:
        return float(state[0])

    def _split(self, states: Array) -> tuple[Array, Array]:
        return self._log_v(states[..., 2:], states[..., 1:2]), states[..., 1:2]


def _active(weights: Array) -> NDArray[np.intp]:
    """The entries on which a Jacobian rests: a solver's Newton iteration asks for a few digits of it."""
    return np.flatnonzero(weights > NEGLIGIBLE * weights.max())
