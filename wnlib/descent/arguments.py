"""Checks of arguments of which there may be one for all runs, or an array with one for each."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import ArgumentError
from wnlib.flows.flow import GradientFlow
from wnlib.flows.polar import Polar

PerRun = Any  # one number, or an array (...) with one for each run
Shape = tuple[int, ...]


def positive(name: str, value: PerRun) -> PerRun:
    """`value` as finite floats > 0."""
    if (axes := _axes(value)) == 0:
        return check.positive(name, value)
    values = check.array(name, value, (None,) * axes)
    if values.min() <= 0:
        raise ArgumentError(f"{name} must be > 0 in every run, got a minimum of {values.min()}")
    return values


def nonnegative(name: str, value: PerRun) -> Array:
    """`value` as finite floats >= 0."""
    number = check.real(name, value) if (axes := _axes(value)) == 0 else value
    values = check.array(name, number, (None,) * axes)
    if values.min() < 0:
        raise ArgumentError(f"{name} must be >= 0, got {values.min()}")
    return values


def seeds(value: PerRun) -> NDArray[np.integer[Any]]:
    """`seed` as integers >= 0."""
    if (axes := _axes(value)) == 0:
        return np.asarray(check.integer("seed", value, least=0))
    check.array("seed", value, (None,) * axes)
    return check.integers("seed", value, least=0)


def one(name: str, value: PerRun) -> float:
    """`value` if it is one for all runs."""
    if _axes(value) != 0:
        raise ArgumentError(f"{name} must be one number for the runs to follow one flow, got shape {np.shape(value)}")
    return float(value)


def shape_of_runs(**values: PerRun) -> Shape:
    """The shape to which those of the named values broadcast."""
    shapes = {name: np.shape(value) for name, value in values.items()}
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError as error:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items() if shape)
        raise ArgumentError(
            f"start and all that may differ between runs must broadcast, got shapes {listed}"
        ) from error


def check_starts(depth: int, start: Polar, n: int) -> None:
    """Raise ArgumentError unless `start` is one start, or an array of starts, for `n` weights at the given depth."""
    flow = GradientFlow(depth)
    if not isinstance(start, Polar) or np.shape(start.radius) != np.shape(start.log_direction)[:-1]:
        flow.check_start(start, n)
    signs = np.broadcast_to(start.sign, start.log_direction.shape)
    for index in np.ndindex(start.radius.shape):
        flow.check_start(Polar(start.radius[index], start.log_direction[index], signs[index]), n)


def _axes(value: Any) -> int:
    try:
        return np.ndim(value)
    except ValueError:  # lists of unequal lengths, which are refused by name as arrays
        return 1
