"""Checks of arguments at the door: each converts what it is given once, or names it, what it must be and what it was.

A real number is what Python's `numbers.Real` counts as one: its own and NumPy's of every width, and a Fraction; not a
Decimal, and no bool, time or text. An array of no axes is the number that it holds. Arrays are of numbers of one kind,
or of objects each of which is a real number; a table with labels is taken by its values, in its order. What would be
lost is refused: imaginary parts, masks, units of time, and the zeros of sparse matrices, which are no arrays.
"""

from numbers import Integral, Real
from reprlib import Repr
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wnlib.errors import ArgumentError

Array = NDArray[np.float64]
Shape = tuple[int | EllipsisType | None, ...]

_BRIEF = Repr()
_BRIEF.maxother = _BRIEF.maxstring = _BRIEF.maxlong = 80


def array(name: str, value: ArrayLike, shape: Shape) -> Array:
    """`value` as a read-only copy in float64, finite.

    In `shape`, None stands for any positive length, and an ellipsis in the first place for any axes.
    """
    found = _numbers(name, value, "iuf")
    axes = found.shape
    if shape[:1] == (...,):
        shape, axes = shape[1:], axes[max(0, found.ndim - len(shape) + 1) :]
    fits = len(axes) == len(shape) and all(n in (None, m) for n, m in zip(shape, axes, strict=True))
    if not (fits and found.size):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ArgumentError(f"{name} must have shape ({wanted}) with no empty axis, got {found.shape}")
    with np.errstate(over="ignore"):  # of a number of more than double precision
        result = np.array(found, dtype=np.float64)
    if not np.isfinite(result).all():
        raise ArgumentError(f"{name} must be finite, got {np.count_nonzero(~np.isfinite(result))} NaN or inf entries")
    result.setflags(write=False)
    return result


def numeric(name: str, value: ArrayLike, entries: int | None = None) -> Array:
    """`value` in double precision, with so many `entries` along the last axis, if that is told; not copied if it is.

    For what is evaluated entry by entry, often: NaN and inf are let through, and so are complex numbers, on which it is
    the analytic continuation.
    """
    if type(value) is np.ndarray and value.dtype == np.float64:
        found: Any = value
    else:
        found = _numbers(name, value, "iufc")
        found = found.astype(np.complex128 if found.dtype.kind == "c" else np.float64)
    if entries is not None and found.shape[-1:] != (entries,):
        raise ArgumentError(f"{name} must have shape (..., {entries}), got {found.shape}")
    return found


def integers(name: str, value: ArrayLike, least: int, most: int | None = None) -> NDArray[Any]:
    """`value` as an array of integers in [least, most], of any shape, in a read-only copy."""
    found = _numbers(name, value, "iu")
    if found.size and (found.min() < least or (most is not None and found.max() > most)):
        bound = f">= {least}" if most is None else f"between {least} and {most}"
        raise ArgumentError(f"{name} must be integers {bound}, got {_told(value)}")
    result = found.astype(found.dtype if found.size else np.intp)
    result.setflags(write=False)
    return result


def integer(name: str, value: object, least: int, most: int | None = None) -> int:
    """`value` as an int in [least, most]; a bool or a float (2.5, but also 2.0) is refused."""
    number = _scalar(value)
    if not isinstance(number, Integral):
        raise ArgumentError(f"{name} must be an integer, got {_told(value)}")
    if int(number) < least or (most is not None and int(number) > most):
        bound = f">= {least}" if most is None else f"between {least} and {most}"
        raise ArgumentError(f"{name} must be {bound}, got {_told(number)}")
    return int(number)


def real(name: str, value: object) -> float:
    """`value` as a finite float."""
    number = _scalar(value)
    try:
        result = float(number) if isinstance(number, Real) else np.nan
    except OverflowError:
        result = np.inf
    if not np.isfinite(result):
        raise ArgumentError(f"{name} must be a finite real number, got {_told(value)}")
    return result


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


def flag(name: str, value: object) -> bool:
    """`value` as a bool."""
    if not isinstance(value, bool | np.bool_):
        raise ArgumentError(f"{name} must be True or False, got {_told(value)}")
    return bool(value)


def _scalar(value: object) -> object:
    """The number that an array of no axes holds; None for what `numbers` takes for a number and is none."""
    if isinstance(value, np.ndarray) and value.ndim == 0 and not np.ma.is_masked(value):
        value = value[()]
    return None if isinstance(value, bool | np.bool_ | np.timedelta64) else value


def _numbers(name: str, value: Any, kinds: str) -> NDArray[Any]:
    """`value` as an array of one of the `kinds` of numbers, as NumPy abbreviates them; an empty one is of any kind."""
    if _masked(value):
        raise ArgumentError(f"{name} must be an array without masked entries, got {_told(value)}")
    try:
        found = np.asarray(value)
        if found.dtype == object:
            found = _of_objects(found, kinds)
    except (TypeError, ValueError, OverflowError) as error:
        raise ArgumentError(f"{name} must be an array of {_KINDS[kinds]}, got {_told(value)}") from error
    if found.size and found.dtype.kind not in kinds:
        raise ArgumentError(f"{name} must be an array of {_KINDS[kinds]}, got {_told(value)} of type {found.dtype}")
    return found


_KINDS = {"iu": "integers", "iuf": "real numbers", "iufc": "numbers"}


def _of_objects(found: NDArray[Any], kinds: str) -> NDArray[Any]:
    """What is an array of objects, such as Fractions, as one of numbers. Raises TypeError if one is no number."""
    kind, dtype = (Integral, np.int64) if kinds == "iu" else (Real, np.float64)
    if not all(isinstance(_scalar(entry), kind) for entry in found.ravel()):
        raise TypeError("not all are numbers")
    return found.astype(dtype)


def _masked(value: Any) -> bool:
    """Whether an entry is masked, here or in an array of a list."""
    if isinstance(value, list | tuple):
        return any(_masked(part) for part in value if not isinstance(part, float | int))
    return np.ma.is_masked(value)


def _told(value: object) -> str:
    """What was given, in one line."""
    return " ".join(_BRIEF.repr(value).split())
