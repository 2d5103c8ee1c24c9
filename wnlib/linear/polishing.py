"""What makes an answer of a solver accurate: least squares on its support, and prices that rounding cannot spoil."""

from collections.abc import Iterator

import numpy as np

from wnlib._checks import Array
from wnlib.linear.program import Pair, Program
from wnlib.linear.ranks import least_squares

EPS = float(np.finfo(float).eps)


def variants(program: Program, x: Array, dual: Array) -> Iterator[Pair]:
    """As it is, polished, and with prices that are kept off the bounds."""
    better, smooth = polished(program, x, dual)
    for point in (better, x):
        for prices in (smooth, dual):
            yield point, prices
            yield point, shielded(program, point, prices)


def polished(program: Program, x: Array, dual: Array) -> Pair:
    """Least squares on the support, for x (if it stays within the bounds) and for the prices."""
    x = np.clip(x, 0, program.upper)
    inner = (x > 1e-9 * x.max()) & (x < (1 - 1e-9) * program.upper)
    if not inner.any():
        return x, dual
    columns = program.A[:, inner]
    better = np.where(inner, x, np.where(x < (1 - 1e-9) * program.upper, 0.0, x))
    better[inner] += least_squares(columns, program.b - program.A @ better)
    within = bool(np.all((better >= 0) & (better <= program.upper)))
    return (better if within else x), dual + least_squares(columns.T, program.cost[inner] - columns.T @ dual)


def shielded(program: Program, x: Array, dual: Array, rounds: int = 3) -> Array:
    """Prices moved so far that rounding leaves no reduced cost of the wrong sign, where x is positive or one is."""
    bounded = np.isfinite(program.upper)
    for _ in range(rounds):
        reduced = program.cost - program.A.T @ dual
        margin = 2 * EPS * (np.abs(program.A).T @ np.abs(dual) + np.abs(program.cost))
        tight = ((x > 0) | (reduced < 0)) & ~bounded
        if not tight.any():
            return dual
        dual = dual - least_squares(program.A[:, tight].T, (margin - reduced)[tight])
    return dual
