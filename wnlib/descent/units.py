"""Methods and their states in a problem's own units, see `wnlib.flows.units`."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from wnlib._checks import Array
from wnlib.descent.arguments import PerRun
from wnlib.descent.methods import DescentMethod
from wnlib.descent.polar import PolarDescent
from wnlib.flows.units import Units, from_own, to_own

DIMENSIONS: Mapping[str, Callable[[Units], int]] = {  # of what methods are made of; all else is a number
    "ratio": lambda units: units.ratio,
    "norm": lambda units: units.point,
    "decay": lambda units: -units.time,
    "scale_decay": lambda units: -units.time,
    "vector_decay": lambda units: -units.time,
}


def in_units(method: DescentMethod, units: Units) -> DescentMethod:
    """The method in the units. Raises ArgumentError if it is made of what has no floating-point number there."""
    known = {name: value for name, value in method.parameters.items() if name in DIMENSIONS}
    stated = {name: to_own(name, _plain(value), DIMENSIONS[name](units)) for name, value in known.items()}
    return replace(method, **stated) if stated else method


def _plain(value: PerRun) -> PerRun:
    """One number for all runs as a number, not as an array without axes, which methods refuse."""
    return float(value) if np.ndim(value) == 0 else value


def told(method: DescentMethod, states: Array, units: Units) -> Array:
    """States (..., n) that are in the units, in the caller's: x, (r, u), or (g, v), whose v are lengths too."""
    if isinstance(method, PolarDescent):
        return np.concatenate([from_own(states[..., :1], units.point), states[..., 1:]], axis=-1)
    return np.asarray(from_own(states, units.point))
