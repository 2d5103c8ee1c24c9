"""The flows' formulas in the numbers of mpmath, or in whatever has their operations."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import reduce
from operator import add
from typing import Any

from mpmath import mp, mpf

from wnlib.flows.flow import Flow
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.rigorous.instance import Instance
from wnlib.rigorous.taylor import Field, Scalar, Vector


def field_of(flow: Flow, instance: Instance) -> Field:
    r"""The vector field of a flow, on numbers or on power series."""
    A, y, L = numbers(instance.A), numbers(instance.y), flow.depth

    def force(w: Sequence[Scalar]) -> list[Scalar]:
        residual = [y_j - total(a * w_i for a, w_i in zip(row, w, strict=True)) for row, y_j in zip(A, y, strict=True)]
        return [total(a * s for a, s in zip(column, residual, strict=True)) for column in zip(*A, strict=True)]

    def plain(x: Sequence[Scalar]) -> list[Scalar]:
        slope = [x_i ** (L - 1) for x_i in x]
        p = force([x_i * k for x_i, k in zip(x, slope, strict=True)])
        return [L * p_i * k for p_i, k in zip(p, slope, strict=True)]

    if not isinstance(flow, WeightNormFlow):
        return plain
    radial_rate, ratio = number(flow.radial_rate), number(flow.ratio)

    def polar(state: Sequence[Scalar]) -> list[Scalar]:
        r, *u = state
        r_slope, u_slope = r ** (L - 1), [u_i ** (L - 1) for u_i in u]
        r_L = r * r_slope
        p = force([r_L * (u_i * k) for u_i, k in zip(u, u_slope, strict=True)])
        pull = [p_i * k for p_i, k in zip(p, u_slope, strict=True)]
        along = total(q * u_i for q, u_i in zip(pull, u, strict=True))
        turn = [radial_rate * ratio * L * (r_L * (q - along * u_i)) for q, u_i in zip(pull, u, strict=True)]
        return [radial_rate * L * (r_slope * along), *turn]

    return polar


def start_of(flow: Flow, instance: Instance) -> Vector:
    """The coordinates of the start."""
    radius, direction = number(instance.radius), numbers(instance.direction)
    u = [v / mp.norm(direction) for v in direction]
    return [radius, *u] if isinstance(flow, WeightNormFlow) else [radius * u_i for u_i in u]


def coordinates_of(flow: Flow, w: Sequence[mpf]) -> Vector:
    """The coordinates of given weights, of positive radius and, at depths above 1, positive."""
    x = [mp.root(w_i, flow.depth) for w_i in w]
    return [mp.norm(x), *(x_i / mp.norm(x) for x_i in x)] if isinstance(flow, WeightNormFlow) else x


def weights_of(flow: Flow, coordinates: Vector) -> Vector:
    """The weights at given coordinates."""
    if isinstance(flow, WeightNormFlow):
        r, *u = coordinates
        return [(r * u_i) ** flow.depth for u_i in u]
    return [x_i**flow.depth for x_i in coordinates]


def residual_of(A: list[Vector], y: Vector, w: Sequence[mpf]) -> Vector:
    """y - A w."""
    return [y_j - dot(row, w) for row, y_j in zip(A, y, strict=True)]


def number(value: Fraction | float) -> mpf:
    """An exact value, rounded to the digits at work."""
    exact = Fraction(value)
    return mpf(exact.numerator) / exact.denominator


def numbers(values: Sequence[Any]) -> Any:
    """Exact values in lists, as they are nested."""
    return [numbers(value) if isinstance(value, (tuple, list)) else number(value) for value in values]


def dot(a: Iterable[mpf], b: Iterable[mpf]) -> mpf:
    """Their inner product, rounded once."""
    return mp.fdot(a, b)


def total(terms: Iterable[Scalar]) -> Scalar:
    """The sum of numbers or power series."""
    return reduce(add, terms)
