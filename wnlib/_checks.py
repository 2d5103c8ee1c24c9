"""Checks of arguments at the door: each names the argument, what it must be and what it was."""

from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wnlib.errors import ArgumentError

Array = NDArray[np.float64]


def array(name: str, value: ArrayLike, shape: tuple[int | None, ...]) -> Array:
    """`value` as a read-only copy in float64; `None` in `shape` stands for any positive length."""
    try:
        result = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{name} must be an array of real numbers, got {value!r}") from error
    matches = result.ndim == len(shape) and all(
        n >= 1 if wanted is None else n == wanted for n, wanted in zip(result.shape, shape, strict=True)
    )
    if not matches:
        wanted_text = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
        raise ArgumentError(f"{name} must have shape {wanted_text} with no empty axis, got {result.shape}")
    if not np.isfinite(result).all():
        raise ArgumentError(f"{name} must be finite, got {np.count_nonzero(~np.isfinite(result))} NaN or inf entries")
    result.setflags(write=False)
    return result


def integer(name: str, value: object, least: int, most: int | None = None) -> int:
    """`value` as an int in [least, most]; a bool or a float (2.5, but also 2.0) is refused."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ArgumentError(f"{name} must be an integer, got {value!r}")
    if int(value) < least or (most is not None and int(value) > most):
        bound = f">= {least}" if most is None else f"between {least} and {most}"
        raise ArgumentError(f"{name} must be {bound}, got {value}")
    return int(value)


def real(name: str, value: object) -> float:
    """`value` as a finite float."""
    if isinstance(value, bool) or not isinstance(value, Real) or not np.isfinite(float(value)):
        raise ArgumentError(f"{name} must be a finite real number, got {value!r}")
    return float(value)


def positive(name: str, value: object) -> float:
    """`value` as a finite float > 0."""
    result = real(name, value)
    if result <= 0:
        raise ArgumentError(f"{name} must be > 0, got {value!r}")
    return result


def nonnegative(name: str, value: object) -> float:
    """`value` as a finite float >= 0."""
    result = real(name, value)
    if result < 0:
        raise ArgumentError(f"{name} must be >= 0, got {value!r}")
    return result


def precision(*values: ArrayLike) -> float:
    """The unit of rounding of the coarsest floating-point type in which values are given, and at least float64's."""
    types = [np.asarray(value).dtype for value in values]
    return max(float(np.finfo(dtype).eps) for dtype in [np.dtype(np.float64), *types] if dtype.kind == "f")
