r"""Points in polar coordinates, $x = r u$ with $\|u\| = 1$, in logarithms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wnlib import _checks as check
from wnlib._checks import Array, numeric
from wnlib._values import Value
from wnlib.errors import ArgumentError


def log_norm(log_entries: Array) -> Array:
    """The logarithm of the Euclidean norm of vectors (..., N) whose entries' sizes are given as logarithms; (...)."""
    # Either way several times as fast as SciPy's logsumexp: the first for few entries, the second for many.
    if log_entries.shape[-1] <= 64:
        return 0.5 * np.logaddexp.reduce(2 * log_entries, axis=-1)
    largest = log_entries.max(axis=-1)
    unit = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore"):
        return unit + 0.5 * np.log(np.sum(np.exp(2 * (log_entries - unit[..., None])), axis=-1))


def _scaled(values: Any, exponent: NDArray[np.intc]) -> Any:
    """Values times powers of two, exactly."""
    if np.iscomplexobj(values):
        return np.ldexp(values.real, exponent) + 1j * np.ldexp(values.imag, exponent)
    return np.ldexp(values, exponent)


def norm(vectors: Array) -> Array:
    """The Euclidean norm of vectors (..., N), shape (...), also where squares would over- or underflow."""
    unit = np.frexp(np.abs(vectors).max(axis=-1))[1]
    return np.ldexp(np.linalg.norm(np.ldexp(vectors, -unit[..., None]), axis=-1), unit)


@dataclass(frozen=True, eq=False, repr=False)
class Polar(Value):
    r"""One point $x = r u$, or many, in logarithms: u = sign * exp(log_direction), $\|u\| = 1$.

    Many points, of shape (T, N), can be indexed and sliced.

    Attributes:
        radius: r, shape (...); for L = 1 of either sign, else positive.
        log_direction: Shape (..., N).
        sign: The signs of u, in a shape that broadcasts to (..., N).

    Radius and log_direction may be complex, for derivatives by imaginary steps; no flow starts there.

    Raises:
        ArgumentError: for what is no array of numbers.

    Example:
        >>> from wnlib import Polar
        >>> points = Polar.of(radius=[1.0, 5.0], direction=[[0.6, 0.8], [0.8, 0.6]])
        >>> points.weights(depth=2).round(12)
        array([[ 0.36,  0.64],
               [16.  ,  9.  ]])
        >>> Polar.concatenate([points, points[:1]]).radius
        array([1., 5., 1.])
    """

    radius: Array
    log_direction: Array
    sign: Array

    def __post_init__(self) -> None:
        for name in ("radius", "log_direction", "sign"):
            object.__setattr__(self, name, numeric(name, getattr(self, name)))
        super().__post_init__()

    @classmethod
    def of(cls, radius: ArrayLike, direction: ArrayLike) -> "Polar":
        """Points from the radius, shape (...), and the direction, shape (..., N), themselves."""
        direction = numeric("direction", direction)
        with np.errstate(divide="ignore"):
            return cls(numeric("radius", radius), np.log(np.abs(direction)), np.sign(direction))

    def __getitem__(self, index: int | slice) -> "Polar":
        """Some of many points."""
        sign = self.sign[index] if self.sign.ndim > 1 else self.sign
        return Polar(self.radius[index], self.log_direction[index], sign)

    @classmethod
    def concatenate(cls, parts: Sequence["Polar"]) -> "Polar":
        """Many points from parts of many points each, of shapes (T, N), of one flow."""
        signed = parts[0].sign.ndim > 1
        return cls(
            np.concatenate([part.radius for part in parts]),
            np.concatenate([part.log_direction for part in parts]),
            np.concatenate([part.sign for part in parts]) if signed else parts[0].sign,
        )

    @property
    def direction(self) -> Array:
        """The direction u, shape (..., N)."""
        return self.sign * np.exp(self.log_direction)

    def weights(self, depth: int) -> Array:
        """The weights $w = (r u)^L$, shape (..., N).

        Raises:
            ArgumentError: for a depth that is no integer >= 1.
        """
        depth = check.integer("depth", depth, least=1)
        # A power of two in the radius is one in the weights: these scale exactly.
        fraction, exponent = np.frexp(np.abs(self.radius))
        with np.errstate(divide="ignore"):
            log_radius = np.log(fraction)[..., None]
        sign = self.sign * np.sign(self.radius)[..., None] if depth == 1 else 1.0
        sizes = np.exp(depth * (log_radius + self.log_direction))
        with np.errstate(over="ignore"):
            return sign * _scaled(sizes, depth * exponent[..., None])


def radius_of(weights: Array, depth: int) -> Array:
    r"""The radius $r = \|x\|$, shape (...), of weights $w = x^L$ of shape (..., N): $r^2 = \sum_i |w_i|^{2/L}$.

    Raises:
        ArgumentError: for a depth out of its range, or what is no array of numbers.

    Example:
        >>> import numpy as np
        >>> from wnlib import radius_of
        >>> float(radius_of(np.array([9.0, 16.0]), depth=2))
        5.0
    """
    weights, depth = np.abs(numeric("weights", weights)), check.integer("depth", depth, least=1)
    unit = np.frexp(weights.max(axis=-1))[1] // depth  # only at depth 1 could a power over- or underflow
    powers = np.ldexp(weights, -depth * unit[..., None]) ** (2 / depth)
    return np.ldexp(np.sqrt(np.sum(powers, axis=-1)), unit)


def polar_of(weights: Array, depth: int) -> Polar:
    """The points $x = r u$ with r > 0 that have given weights $w = x^L$.

    Args:
        weights: Shape (..., N), none of them all zero, nonnegative for depth >= 2.

    Raises:
        ArgumentError: for a depth out of its range, or for other weights.

    Example:
        >>> import numpy as np
        >>> from wnlib import polar_of
        >>> point = polar_of(np.array([9.0, 16.0]), depth=2)
        >>> float(point.radius), point.direction
        (5.0, array([0.6, 0.8]))
    """
    weights, depth = check.array("weights", weights, (..., None)), check.integer("depth", depth, least=1)
    radius = radius_of(weights, depth)
    if not np.all(radius > 0):
        raise ArgumentError("weights must have a nonzero norm, got zero vectors")
    return Polar.of(radius, np.sign(weights) * np.abs(weights) ** (1 / depth) / radius[..., None])
