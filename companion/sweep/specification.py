r"""What a sweep computes: limits over the grid of all combinations of its axes.

    # gradient flow with weight normalization from starts inside and outside the window of robustness
    flow = "weight-normalized"                   # or "gradient", which has no ratio
    m = 60                                       # a value,
    n = 200
    sparsity = [5, 10]                           # several,
    seed = { first = 0, last = 9 }               # all integers of a range,
    depth = 2
    ratio = { first = 1, last = 100, count = 3, spacing = "log" }  # or "linear"
    scale = [0.5, 1.0, 2.0]
    relative = true                              # optional; so are: matrix = "gaussian", signed = false

`m`, `n`, `sparsity`, `seed`, `matrix` and `signed` are the arguments of the ensembles of `Problem`. A `relative` scale
is in units of the radius at which the window of robustness ends, $\sqrt{\sum_i (z^*_i)^{2/L}}$ with $z^*$ from basis
pursuit: at depth 2 its square is $r_0^2 / Q$. The order of the values in a list does not matter.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np

from wnlib import _checks as check

FLOWS = ("weight-normalized", "gradient")
MATRICES = ("gaussian", "rademacher", "dct", "fourier")
LEAST = {"m": 1, "n": 2, "sparsity": 1, "seed": 0, "depth": 1}
POSITIVE = ("ratio", "scale")
SPACINGS: dict[str, Callable[[float, float, int], Any]] = {"linear": np.linspace, "log": np.geomspace}


@dataclass(frozen=True)
class Sweep:
    """The grid, each axis sorted. Raises ValueError, which names the field, for what cannot be computed."""

    flow: str
    m: tuple[int, ...]
    n: tuple[int, ...]
    sparsity: tuple[int, ...]
    seed: tuple[int, ...]
    depth: tuple[int, ...]
    scale: tuple[float, ...]
    ratio: tuple[float, ...] = ()
    matrix: str = "gaussian"
    signed: bool = False
    relative: bool = False

    def __post_init__(self) -> None:
        _one_of("flow", self.flow, FLOWS)
        _one_of("matrix", self.matrix, MATRICES)
        for name in ("signed", "relative"):
            if not isinstance(value := getattr(self, name), bool):
                raise ValueError(f"{name} must be true or false, got {value!r}")
        for name, least in LEAST.items():
            object.__setattr__(self, name, _axis(name, getattr(self, name), partial(check.integer, least=least)))
        if self.flow == "gradient" and self.ratio != ():
            raise ValueError(f"ratio must be left out for gradient flow, which has none, got {self.ratio!r}")
        for name in POSITIVE if self.flow == "weight-normalized" else ("scale",):
            object.__setattr__(self, name, _axis(name, getattr(self, name), check.positive))
        if max(self.m) >= min(self.n):
            raise ValueError(f"m must be < n, got m = {max(self.m)} with n = {min(self.n)}")
        if max(self.sparsity) > min(self.n):
            raise ValueError(f"sparsity must be <= n, got {max(self.sparsity)} with n = {min(self.n)}")

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """From a table as TOML has it, with ranges."""
        known = {field.name: field for field in fields(cls)}
        if unknown := sorted(set(table) - set(known)):
            raise ValueError(f"unknown key {unknown[0]}; the keys are {', '.join(known)}")
        missing = [name for name, field in known.items() if field.default is MISSING and name not in table]
        if missing:
            raise ValueError(f"{missing[0]} is missing")
        return cls(**{name: _values(name, value) for name, value in table.items()})

    @classmethod
    def load(cls, path: Path) -> Self:
        """From a file. Raises ValueError, which names the file and the field, and OSError."""
        try:
            return cls.of(tomllib.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:  # TOML that cannot be read, too
            raise ValueError(f"{path}: {error}") from None

    @property
    def size(self) -> int:
        """The number of cells."""
        lengths = [len(getattr(self, name)) for name in (*LEAST, *POSITIVE)]
        return int(np.prod([max(1, length) for length in lengths]))


def _one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")


def _axis(name: str, values: Any, checked: Callable[[str, object], float]) -> tuple[float, ...]:
    """The values of an axis, each checked, in order."""
    given = list(values) if isinstance(values, Iterable) and not isinstance(values, str) else [values]
    if not given:
        raise ValueError(f"{name} must have a value or more, got an empty list")
    single = len(given) == 1
    found = sorted(checked(name if single else f"{name}[{k}]", value) for k, value in enumerate(given))
    if repeated := [value for value, following in pairwise(found) if value == following]:
        raise ValueError(f"{name} must not repeat a value, got {repeated[0]} more than once")
    return tuple(found)


def _values(name: str, value: Any) -> Any:
    """The values of a range; anything else as it is."""
    if name not in (*LEAST, *POSITIVE) or not isinstance(value, Mapping):
        return value
    keys = {"first", "last"} | (set() if name in LEAST else {"count", "spacing"})
    if set(value) != keys:
        raise ValueError(f"{name} must be a value, a list or a range with the keys {', '.join(sorted(keys))}")
    if name in LEAST:
        first = check.integer(f"{name}.first", value["first"], LEAST[name])
        return range(first, check.integer(f"{name}.last", value["last"], first) + 1)
    ends = check.positive(f"{name}.first", value["first"]), check.positive(f"{name}.last", value["last"])
    if not ends[0] < ends[1]:
        raise ValueError(f"{name}.last must be > {name}.first, got {ends[1]} with {ends[0]}")
    _one_of(f"{name}.spacing", value["spacing"], tuple(SPACINGS))
    count = check.integer(f"{name}.count", value["count"], least=2)
    # rounded, so that machines whose powers differ in the last bit agree on the grid
    return [float(f"{x:.12g}") for x in SPACINGS[value["spacing"]](*ends, count)]
