"""When a descent has diverged: the rule of all discrete methods, for many runs at once.

A run goes on while its loss is at most a bound, which is finite whatever the data, and its coordinates have a norm that
is a floating-point number; what else it must be, such as positive, its method knows. No comparison holds for a NaN.
"""

import numpy as np
from numpy.typing import NDArray

from wnlib._checks import Array

DIVERGED = 1e6  # times the larger of the losses at the start and at zero: a loss that no longer comes down


def loss_bound(at_start: Array, at_zero: Array | float) -> Array:
    """The loss beyond which a run has diverged, shape (...)."""
    with np.errstate(over="ignore"):
        return np.minimum(DIVERGED * np.maximum(at_start, at_zero), np.finfo(np.float64).max)


def finite(vectors: Array, *scalars: Array) -> NDArray[np.bool_]:
    """Whether vectors, shape (..., N), have norms that do not overflow, nor scalars, shape (...); shape (...)."""
    total = np.vecdot(vectors, vectors)
    for scalar in scalars:
        total = total + scalar
    return np.isfinite(total)
