r"""Magnified coordinates, invariants, and the mirror map of a flow, in the log domain throughout.

Along either flow $z = u\,e^{\sigma(r)}$ moves along the plain flow's field, $z' = \kappa L\, p \odot z^{L-1}$ with
$\kappa = \eta_u r^L e^{(2-L)\sigma}$; for gradient flow $\sigma = \log r$ (so $z = x$, $\kappa = 1$), for weight
normalization $\sigma = c r^2/2$. With $m_1(z) = z$, $m_2(z) = \log z$, $m_L(z) = z^{2-L}/(2-L)$ the dual variable
$\theta = m_L(z)$ moves in row(A), $\theta' = \kappa L\, p$, and is the gradient of a convex potential $\Phi_L$ at w.

Since $e^{\sigma}$ overflows at harmless parameters, the dual variable of depth $L$ is expressed in units of
$e^{(2-L)\sigma(r_0)}$, with a reference radius $r_0$ (usually the start's): one positive factor, common to $\theta$,
$\kappa$, $\Phi$, $\Phi^*$ and the Bregman divergence. At depth 2 the factor is 1.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import dawsn, erfcx, gamma, gammainc, xlogy

from wnlib import _checks as check
from wnlib._checks import Array, numeric
from wnlib._values import Value
from wnlib.errors import ArgumentError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.polar import Polar, log_norm, norm, radius_of
from wnlib.flows.weight_norm import WeightNormFlow


@dataclass(frozen=True, eq=False, repr=False)
class MirrorMap(Value, ABC):
    r"""The map $w \mapsto \theta = \nabla\Phi(w)$ of a flow, its inverse, and the divergence they define.

    Points, weights and $\theta$ have shape (..., N); potentials, divergences and rates have shape (...).

    Attributes:
        flow: Gradient flow, or weight normalization with a constant ratio.
        unit: $\sigma(r_0)$, the logarithm of the unit of z; one, or one for each point, shape (...).

    Example:
        >>> import numpy as np
        >>> from wnlib import WeightNormFlow, mirror_map, polar_of
        >>> mirror = mirror_map(WeightNormFlow(depth=3, ratio=2), reference=1.0)
        >>> weights = np.array([0.5, 1.5])
        >>> point = polar_of(weights, depth=3)
        >>> theta = mirror.gradient(point)
        >>> np.allclose(theta, mirror.dual_variable(point))
        True
        >>> np.allclose(theta, -np.exp(-mirror.log_magnified(point)))  # -1/z, at depth 3
        True
        >>> mirror.inverse(theta).weights(depth=3).round(12)
        array([0.5, 1.5])
        >>> np.allclose(mirror.potential(weights) + mirror.conjugate(theta), theta @ weights)
        True
        >>> bool(mirror.bregman(weights, point) < 1e-12 < mirror.speed(point))
        True
    """

    flow: Flow
    unit: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit", numeric("unit", self.unit))
        super().__post_init__()

    def log_magnified(self, point: Polar) -> Array:
        r"""$\log |z|$, minus $\sigma(r_0)$: finite where z itself would overflow."""
        shift = self.flow.log_magnification(point.radius) - self.unit
        return point.log_direction + shift[..., None]

    def dual_variable(self, point: Polar) -> Array:
        r"""$\theta = m_L(z)$, which moves in row(A)."""
        L = self.flow.depth
        log_z = self.log_magnified(point)
        if L == 1:
            return point.sign * np.exp(log_z)
        if L == 2:
            return log_z + self.unit[..., None]
        return -np.exp((2 - L) * log_z) / (L - 2)

    def gradient(self, point: Polar) -> Array:
        r"""$\nabla\Phi(w)$: the dual variable, with the sign of r, which only depth 1 lets be negative."""
        return self.dual_variable(point) * np.sign(point.radius)[..., None]

    def inverse(self, theta: Array) -> Polar:
        r"""The point with $\nabla\Phi(w) = \theta$ and r >= 0; theta must be negative at depths above 2.

        Its radius is NaN where theta lies outside the mirror map's range.
        """
        L, theta = self.flow.depth, numeric("theta", theta)
        sign = np.sign(theta) if L == 1 else np.ones(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            if L == 1:
                log_z = np.log(np.abs(theta))
            elif L == 2:
                log_z = theta - self.unit[..., None]
            else:
                log_z = -np.log(-(L - 2) * theta) / (L - 2)
        size = log_norm(log_z)
        return Polar(self.flow.radius(size + self.unit), log_z - size[..., None], sign)

    def speed(self, point: Polar) -> Array:
        r"""The rate $\kappa L$ of the dual clock, $d\theta/dt = \kappa L\, p$."""
        L = self.flow.depth
        shift = self.flow.log_magnification(point.radius) - self.unit
        return L * self.flow.angular_rate(point.radius) * point.radius**L * np.exp((2 - L) * shift)

    @abstractmethod
    def potential(self, weights: Array) -> Array:
        r"""$\Phi(w)$, up to a constant; weights may have zeros, and any sign at depth 1."""

    def conjugate(self, theta: Array) -> Array:
        r"""$\Phi^*(\theta) = \langle\theta, w\rangle - \Phi(w)$ at $w = \nabla\Phi^*(\theta)$."""
        theta = numeric("theta", theta)
        weights = self.inverse(theta).weights(self.flow.depth)
        return np.sum(theta * weights, axis=-1) - self.potential(weights)

    def bregman(self, target: Array, point: Polar) -> Array:
        r"""$D_\Phi(z, w) = \Phi(z) - \Phi(w) - \langle\nabla\Phi(w), z - w\rangle \ge 0$, from w to weights z.

        Infinite where it exceeds the largest float in the present units, never NaN.

        Example:
            >>> import numpy as np
            >>> from wnlib import GradientFlow, mirror_map, polar_of
            >>> point = polar_of(np.array([1.0, 4.0]), depth=2)
            >>> mirror = mirror_map(GradientFlow(depth=2), reference=1.0)
            >>> float(mirror.bregman(np.zeros(2), point).round(12))  # half of |w|
            2.5
        """
        L, target = self.flow.depth, numeric("target", target)
        weights = point.weights(L)
        difference = target - weights
        # In a unit of each point's own no term of its divergence overflows; the value in ours can.
        safe = replace(self, unit=self._safe_unit(target, point, difference != 0))
        with np.errstate(divide="ignore", over="ignore"):
            slopes = np.where(difference == 0, 0.0, safe.gradient(point))  # an entry that is 0 in both costs nothing
            linear = np.sum(slopes * difference, axis=-1)
            divergence = safe._rise(weights, target) - linear
            return np.exp(np.log(np.maximum(divergence, 0)) + (2 - L) * (safe.unit - self.unit))

    def _rise(self, weights: Array, target: Array) -> Array:
        r"""$\Phi$ of the target minus that of the weights."""
        return self.potential(target) - self.potential(weights)

    @abstractmethod
    def _safe_unit(self, target: Array, point: Polar, differ: NDArray[np.bool_]) -> Array:
        """For each point, a unit in which no term of its divergence overflows: those of the entries that `differ`."""


class PlainMirrorMap(MirrorMap):
    """Of gradient flow: separable, with the entropy at depth 2 and powers above."""

    def potential(self, weights: Array) -> Array:
        L, weights = self.flow.depth, numeric("weights", weights)
        if L == 1:
            return 0.5 * np.sum((weights * np.exp(-0.5 * self.unit)[..., None]) ** 2, axis=-1)
        if L == 2:
            return 0.5 * np.sum(xlogy(weights, weights) - weights, axis=-1)
        return -(L / 2) / (L - 2) * np.sum(weights ** (2 / L), axis=-1) * np.exp((L - 2) * self.unit)

    def _safe_unit(self, target: Array, point: Polar, differ: NDArray[np.bool_]) -> Array:
        log_z = self.log_magnified(point) + self.unit[..., None]
        return log_z.max(axis=-1) if self.flow.depth == 1 else np.minimum(_least(log_z, differ), log_z.max(axis=-1))


class MagnifiedMirrorMap(MirrorMap):
    r"""Of weight-normalized gradient flow: a function of $\rho = \sum_i w_i^{2/L} = r^2$ alone, unless L = 2."""

    flow: WeightNormFlow

    def potential(self, weights: Array) -> Array:
        L, c, weights = self.flow.depth, self.flow.ratio, numeric("weights", weights)
        if L == 1:
            radius = norm(weights)
            return np.sqrt(2 / c) * dawsn(radius * np.sqrt(c / 2)) * np.exp(c * radius**2 / 2 - self.unit)
        if L == 2:
            mass = np.sum(weights, axis=-1)
            return 0.5 * (np.sum(xlogy(weights, weights), axis=-1) - xlogy(mass, mass)) + c / 4 * mass * mass
        decay = (L - 2) * c / 2
        rho = np.sum(weights ** (2 / L), axis=-1)
        tail = scaled_upper_gamma(L, decay * rho) * np.exp((L - 2) * self.unit - decay * rho) / decay ** (L / 2)
        return (L / 2) / (L - 2) * tail

    def _rise(self, weights: Array, target: Array) -> Array:
        L, rise = self.flow.depth, super()._rise(weights, target)
        if L <= 2:
            return rise
        decay = (L - 2) * self.flow.ratio / 2
        # Near 0 both are nearly the potential at 0, which cancels: there from the integral up to them.
        after, before = (decay * np.sum(each ** (2 / L), axis=-1) for each in (target, weights))
        with np.errstate(over="ignore", invalid="ignore"):
            unit = (L / 2) / (L - 2) * gamma(L / 2) * np.exp((L - 2) * self.unit) / decay ** (L / 2)
            near = unit * (gammainc(L / 2, before) - gammainc(L / 2, after))
        return np.where(np.maximum(after, before) < 1, near, rise)

    def _safe_unit(self, target: Array, point: Polar, differ: NDArray[np.bool_]) -> Array:
        at_target = self.flow.log_magnification(radius_of(target, self.flow.depth))
        if self.flow.depth == 1:
            return np.maximum(self.flow.log_magnification(point.radius), at_target)
        return np.minimum(_least(self.log_magnified(point) + self.unit[..., None], differ), at_target)


def _least(log_entries: Array, chosen: NDArray[np.bool_]) -> Array:
    """The least logarithm of the chosen entries that are nonzero, along the last axis; inf if there are none."""
    return np.min(log_entries, axis=-1, initial=np.inf, where=chosen & np.isfinite(log_entries))


def mirror_map(flow: Flow, reference: float) -> MirrorMap:
    """The mirror map of a flow.

    Args:
        reference: The radius whose magnification is the unit of dual quantities, usually the start's; nonzero
            for gradient flow.

    Raises:
        ArgumentError: for a flow without magnified coordinates, or another reference.

    Example:
        >>> from wnlib import GradientFlow, mirror_map
        >>> flow = GradientFlow(depth=2)
        >>> start = flow.start(2, scale=5.0, direction=[3, 4])
        >>> mirror_map(flow, reference=5.0).dual_variable(start).round(6)  # log x
        array([1.098612, 1.386294])
    """
    if not isinstance(flow, (GradientFlow, WeightNormFlow)):
        raise ArgumentError(f"flow must be a GradientFlow or a WeightNormFlow, got {type(flow).__name__}")
    radius = np.abs(check.array("reference", reference, (...,)))
    if isinstance(flow, GradientFlow) and not radius.all():
        raise ArgumentError("reference must be nonzero for gradient flow, got a radius of 0")
    unit = flow.log_magnification(radius)
    return PlainMirrorMap(flow, unit) if isinstance(flow, GradientFlow) else MagnifiedMirrorMap(flow, unit)


def mirror_entry(z: ArrayLike, depth: int) -> Array:
    r"""$m_1(z) = z$, $m_2(z) = \log z$, $m_L(z) = z^{2-L}/(2-L)$, entry by entry; -inf at z = 0 for depth >= 2."""
    z = np.asarray(z, dtype=np.float64)
    if depth == 1:
        return z
    with np.errstate(divide="ignore"):
        return np.log(z) if depth == 2 else -np.power(z, 2.0 - depth) / (depth - 2)


def scaled_upper_gamma(twice_s: int, x: Array) -> Array:
    r"""$e^x\,\Gamma(s, x)$ for $s = $ `twice_s` / 2, an integer >= 1, and x >= 0, by a recurrence of positive terms."""
    x = np.asarray(x, dtype=np.float64)
    s, value = (0.5, np.sqrt(np.pi) * erfcx(np.sqrt(x))) if twice_s % 2 else (1.0, np.ones_like(x))
    while s < twice_s / 2:
        value = s * value + x**s
        s += 1
    return value
