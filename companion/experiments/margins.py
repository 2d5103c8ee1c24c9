"""How clearly basis pursuit has its solution, and what start gradient flow needs because of it, over problem sizes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from companion.experiments.recovery import planted
from companion.running.record import Record, Row
from wnlib._checks import Array
from wnlib.errors import ArgumentError
from wnlib.limits.needed import needed_scale
from wnlib.problem import Problem
from wnlib.sparse.margin import margin

N = 60  # weights, where the number of measurements varies
SPARSITIES = (2, 4, 8)
MEASUREMENTS = tuple(range(6, 52, 3))
SIZES = (30, 60, 120, 240)  # weights, where the shape stays
SHAPE = (0.4, 0.05)  # measurements and nonzero weights, for each weight
PROBLEMS = 20
EXCESS = 1e-2


def compute(task: tuple[int, int, int]) -> Iterator[Row]:
    """A row for each problem of one size (M, N, s).

    recovered   1 if the solution of basis pursuit is what was planted
    margin      inf if all nonnegative interpolants are solutions
    scale       log10 of $r_0^2/Q$ from which gradient flow at depth 2 has the excess
    """
    m, n, s = task
    for seed in range(PROBLEMS):
        problem = Problem.gaussian(m, n, s, seed=seed)
        found, truth = margin(problem), planted(problem)
        Q = float(found.target.sum())
        try:
            scale = 2 * float(np.log10(needed_scale(problem, 2, EXCESS))) - float(np.log10(Q))
        except ArgumentError:  # every interpolant is a solution, or the scale is beyond the smallest float
            scale = np.nan
        yield {
            "m": m,
            "n": n,
            "s": s,
            "recovered": int(np.abs(found.target - truth).max() <= 1e-6 * truth.max()),
            "margin": found.value,
            "scale": scale,
        }


def tasks() -> list[tuple[int, int, int]]:
    """Sizes with N weights, then those of one shape."""
    varied = [(m, N, s) for s in SPARSITIES for m in MEASUREMENTS]
    return varied + [(round(SHAPE[0] * n), n, round(SHAPE[1] * n)) for n in SIZES]


RECORD = Record(__name__, tasks(), compute, sample=[5, 20, 48])


@dataclass(frozen=True, eq=False)
class Margins:
    """Quartiles over the problems of each size, shape (3, K); where there is no number they are NaN.

    at         measurements (K,), or weights where the shape stays
    recovered  (K,), shares
    """

    at: Array
    recovered: Array
    margin: Array
    scale: Array


def at_sparsity(rows: dict[str, Array], s: int) -> Margins:
    """Over the number of measurements of N weights, s of them nonzero."""
    return _quartiles(rows, "m", (rows["n"] == N) & (rows["s"] == s) & np.isin(rows["m"], MEASUREMENTS))


def at_shape(rows: dict[str, Array]) -> Margins:
    """Over the number of weights, where the shape stays."""
    shape = [(round(SHAPE[0] * n), n, round(SHAPE[1] * n)) for n in SIZES]
    of_shape = np.array([size in shape for size in zip(rows["m"], rows["n"], rows["s"], strict=True)])
    return _quartiles(rows, "n", of_shape)


def _quartiles(rows: dict[str, Array], key: str, chosen: Array) -> Margins:
    at = np.unique(rows[key][chosen])

    def over(name: str) -> Array:
        with np.errstate(invalid="ignore"):
            return np.array([_of(rows[name][chosen & (rows[key] == value)]) for value in at]).T

    shares = np.array([rows["recovered"][chosen & (rows[key] == value)].mean() for value in at])
    return Margins(at, shares, over("margin"), over("scale"))


def _of(values: Array) -> Array:
    """Quartiles, inf for what is infinite; NaN if a quarter is missing."""
    if np.isnan(values).mean() > 0.25:
        return np.full(3, np.nan)
    return np.quantile(values[~np.isnan(values)], [0.25, 0.5, 0.75], method="nearest")
