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
    """Gradient flow at depth L >= 2: the state is log z on the basis, where z is x in the chart's unit."""

    log_unit = 0.0  # minus the logarithm of the unit of z

    def _center(self) -> Array:
        log_x = self._log_x_center()
        if self.flow.depth > 2:
            self.log_unit = -float(log_x.min())  # in this one the largest entry of theta is 1 / (L - 2)
        self.log_z_center = log_x + self.log_unit
        return self._m(self.log_z_center)

    def _log_x_center(self) -> Array:
        return np.log(self.point.radius) + self.point.log_direction

    def _preference(self) -> Array:
        if self.flow.depth == 2:
            return np.ones_like(self.theta)
        # Of a saddle's support they are so small that the next one to join it differs from the others by less.
        sizes = (2 - self.flow.depth) * self.log_z_center
        return np.exp((sizes.min() - sizes) * min(1.0, PREFERENCE / max(1.0, np.ptp(sizes))))

    def encode(self) -> Array:
        return self.log_z_center[self.basis]

    def decode(self, states: Array) -> Polar:
        log_x = self._log_z(states) - self.log_unit
        log_radius = log_norm(log_x)
        return Polar(np.exp(log_radius), log_x - log_radius[..., None], np.ones(1))

    def velocity(self, t: float, state: Array) -> Array:
        L, log_x = self.flow.depth, self._log_z(state) - self.log_unit
        residual = self.problem.residual(self._bounded_exp(L * log_x))
        return L * self._bounded_exp((L - 2) * log_x[self.basis]) * (self.A_basis.T @ residual)

    def jacobian(self, t: float, state: Array) -> Array:
        L, log_z = self.flow.depth, self._log_z(state)
        log_x = log_z - self.log_unit
        weights = self._bounded_exp(L * log_x)
        rate = L * self._bounded_exp((L - 2) * log_x[self.basis])
        active = _active(weights)
        D_residual = -L * (self.problem.A[:, active] * weights[active]) @ self._D_log_z(log_z, active)
        growth = (L - 2) * rate * (self.A_basis.T @ self.problem.residual(weights))
        return np.diag(growth) + rate[:, None] * (self.A_basis.T @ D_residual)

    def expired(self, t: float, state: Array) -> float:
        within = self._bound - EXPONENT / 2 - self.flow.depth * self._log_size(state)
        return within if self.flow.depth == 2 else min(within, self._until_shrunk(state))

    def _until_shrunk(self, state: Array) -> float:
        growth = self._log_z(self._basis_entries(state)) - self.log_z_center
        growth[self.basis] = 0
        return -np.log(SHRINKAGE) - (self.flow.depth - 2) * float(growth.max())

    def amplification(self, states: Array) -> float:
        L = self.flow.depth
        if L == 2:
            return 1.0
        log_z = self._log_z(self._basis_entries(states))
        unit = np.minimum(log_z.min(axis=-1, keepdims=True), 0)
        theta = np.abs(self._m(log_z - unit))
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
        return float(self._log_z(state).max()) - self.log_unit

    def _basis_entries(self, states: Array) -> Array:
        """log z on the basis."""
        return states

    def _m(self, log_z: Array) -> Array:
        L = self.flow.depth
        return log_z if L == 2 else -np.exp((2 - L) * log_z) / (L - 2)

    def _log_z(self, log_z_basis: Array) -> Array:
        """log z of all entries from those of the basis."""
        L = self.flow.depth
        if L == 2:
            return log_z_basis @ self.T.T + self.offset
        # theta in a unit of its own size: neither its largest entry nor the offset can overflow.
        unit = np.minimum(log_z_basis.min(axis=-1, keepdims=True), 0)
        theta = self._m(log_z_basis - unit) @ self.T.T + np.exp((L - 2) * unit) * self.offset
        # A solver's trial step may leave the domain theta < 0; it is rejected by its error estimate, not here.
        log_z = unit - np.log(np.maximum(-(L - 2) * theta, np.finfo(float).tiny)) / (L - 2)
        log_z[..., self.basis] = log_z_basis
        return log_z

    def _D_log_z(self, log_z: Array, rows: NDArray[np.intp]) -> Array:
        """The derivative of some entries of log z by those on the basis, shape (rows, rank)."""
        L = self.flow.depth
        if L == 2:
            return self.T[rows]
        scale = np.exp(np.minimum((L - 2) * (log_z - log_z[self.basis].min()), 600))
        return scale[rows, None] * self.T[rows] / scale[self.basis]


class LogWeightNormChart(LogChart):
    """Weight normalization at depth L >= 2: the state is log r, then log z on the basis, where z = v e^s.

    Here s is c r^2 / 2 but for a constant, and on the flow v is u, of norm 1. An entry of z that does not yet count
    moves by its own force alone; one of v would move with r too, on a plateau by nothing but r's rounding errors.
    """

    flow: WeightNormFlow

    def _log_x_center(self) -> Array:
        return self.point.log_direction

    def encode(self) -> Array:
        return np.concatenate([[np.log(self.point.radius)], self.log_z_center[self.basis]])

    def decode(self, states: Array) -> Polar:
        log_z = self._log_z(states[..., 1:])
        return Polar(np.exp(states[..., 0]), log_z - log_norm(log_z)[..., None], np.ones(1))

    def velocity(self, t: float, state: Array) -> Array:
        return self._evaluate(state)[0]

    def _evaluate(self, state: Array) -> tuple[Array, ...]:
        """The velocity and what its derivative is made of: log z, u^L, A u^L, the residual, the rate of each log z.

        The products are taken with u^L, not w: in a collapse r^L underflows, and r^(L-2) times a product need not.
        """
        L, c, radial_rate = self.flow.depth, self.flow.ratio, self.flow.radial_rate
        log_z = self._log_z(state[1:])
        log_size = log_norm(log_z)
        unit_weights = np.exp(L * (log_z - log_size))
        unit_output = self.problem.A @ unit_weights
        residual = self.problem.y - self._bounded_exp(L * state[0]) * unit_output
        log_v_norm = log_size - self._s(state[0])
        along = residual @ unit_output + self._hold(state[0])[0] * log_v_norm
        d_log_r = L * radial_rate * self._bounded_exp((L - 2) * state[0]) * along
        rate = L * c * radial_rate * self._bounded_exp(L * state[0] + (L - 2) * (state[1:] - log_size))
        velocity = np.concatenate([[d_log_r], rate * (self.A_basis.T @ residual)])
        return velocity, log_z, unit_weights, unit_output, residual, rate, log_v_norm

    def jacobian(self, t: float, state: Array) -> Array:
        L, c, radial_rate = self.flow.depth, self.flow.ratio, self.flow.radial_rate
        velocity, log_z, unit_weights, unit_output, residual, rate, log_v_norm = self._evaluate(state)
        share = np.exp(2 * (log_z - log_norm(log_z)))
        active = _active(np.maximum(unit_weights, share))
        D_log_z = self._D_log_z(log_z, active)
        D_log_size = share[active] @ D_log_z
        D_unit_output = L * (
            (self.problem.A[:, active] * unit_weights[active]) @ D_log_z - np.outer(unit_output, D_log_size)
        )
        # by log r, then by log z on the basis
        D_unit_output = np.column_stack([np.zeros_like(residual), D_unit_output])
        r_L = self._bounded_exp(L * state[0])
        D_residual = -r_L * D_unit_output
        D_residual[:, 0] -= L * r_L * unit_output
        hold, D_hold = self._hold(state[0])
        D_along = unit_output @ D_residual + residual @ D_unit_output
        D_along[0] += D_hold * log_v_norm - hold * c * self._bounded_exp(2 * state[0])
        D_along[1:] += hold * D_log_size
        D_dlog_r = L * radial_rate * self._bounded_exp((L - 2) * state[0]) * D_along
        D_dlog_r[0] += (L - 2) * velocity[0]
        D_log_rate = np.column_stack([np.full(len(rate), float(L)), (L - 2) * (np.eye(len(rate)) - D_log_size)])
        return np.vstack([D_dlog_r, velocity[1:, None] * D_log_rate + rate[:, None] * (self.A_basis.T @ D_residual)])

    def _s(self, log_r: float) -> float:
        center = float(np.log(self.point.radius))
        growth = np.expm1(np.minimum(2 * (log_r - center), EXPONENT))
        return self.log_unit + 0.5 * self.flow.ratio * float(self.point.radius) ** 2 * growth

    def _hold(self, log_r: Array) -> tuple[Array, Array]:
        """How strongly |v| = 1 holds r, and the derivative of that by log r: without it, rounding errors add up."""
        magnified = self.flow.ratio * self._bounded_exp(2 * log_r)
        return magnified / (1 + magnified), 2 * magnified / (1 + magnified) ** 2

    def _log_size(self, state: Array) -> float:
        return float(state[0])

    def _basis_entries(self, states: Array) -> Array:
        return states[..., 1:]


def _active(weights: Array) -> NDArray[np.intp]:
    """The entries on which a Jacobian rests: a solver's Newton iteration asks for a few digits of it."""
    return np.flatnonzero(weights > NEGLIGIBLE * weights.max())
