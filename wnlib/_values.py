"""Values: frozen dataclasses whose arrays nobody can write to, in their copies neither, and which a line tells.

Two values of one class are equal if what they are made of is. What is computed of one when it is first read is a
`computed_once`, and no part of it: copies do without.
"""

from collections.abc import Iterable
from dataclasses import Field, fields
from functools import cached_property
from typing import Any, Self, TypeVar, cast, overload

import numpy as np

T = TypeVar("T")

LISTED = 8  # entries up to which an array is told by these, not by its shape
NESTED = 60  # characters up to which a value is told as a part of another
LONGEST = 200  # characters in which a value is told
HASHED = 64  # entries of an array that its hash depends on


class Value:
    """What all values have in common, each of them a `dataclass(frozen=True, eq=False, repr=False)`."""

    def __post_init__(self) -> None:
        self.__dict__.update({name: _own(part) for name, part in vars(self).items()})

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in _fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({name: read_only(part) for name, part in state.items()})

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(map(_equal, _compared(self), _compared(other)))

    def __hash__(self) -> int:
        return hash((type(self), *map(_hashed, _compared(self))))

    def __repr__(self) -> str:
        exact = self._told(_exact) if _evaluates(self) else ""
        return exact if 0 < len(exact) <= LONGEST else self._told(_brief)

    def _told(self, told: Any) -> str:
        parts = ", ".join(f"{field.name}={told(getattr(self, field.name))}" for field in _fields(self) if field.repr)
        return f"{type(self).__name__}({parts})"


class computed_once(cached_property[T]):
    """A property of a value that is computed when it is first read, and whose arrays are read-only."""

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return read_only(super().__get__(instance, owner))


def read_only(part: T) -> T:
    """The same, an array or a tuple of them no longer writable."""
    if isinstance(part, np.ndarray):
        part.setflags(write=False)
    elif isinstance(part, tuple):
        for one in part:
            read_only(one)
    return part


def _own(part: T) -> T:
    """The same, an array as a copy that nobody else can write to, unless it is one."""
    if isinstance(part, np.ndarray) and (part.flags.writeable or not part.flags.owndata):
        return cast(T, read_only(part.copy(order="K")))
    return part


def _fields(one: Value) -> tuple[Field[Any], ...]:
    return fields(cast(Any, one))


def _compared(one: Value) -> Iterable[Any]:
    return [getattr(one, field.name) for field in _fields(one) if field.compare]


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=True)
    return bool(one == other)


def _hashed(part: Any) -> Any:
    return (part.shape, (part.ravel()[:HASHED] + 0.0).tobytes()) if isinstance(part, np.ndarray) else part


def _evaluates(part: Any) -> bool:
    """Whether what `_exact` tells is the same when it is evaluated."""
    if isinstance(part, Value):
        return all(_evaluates(getattr(part, field.name)) for field in _fields(part) if field.repr)
    if isinstance(part, tuple):
        return all(map(_evaluates, part))
    return part.size <= LISTED if isinstance(part, np.ndarray) else isinstance(part, int | float | str | None)


def _exact(part: Any) -> str:
    return repr(part.tolist() if isinstance(part, np.ndarray) else part)


def _brief(part: Any) -> str:
    """A part that is too long to be told is told by its shape, its name or its number."""
    match part:
        case np.ndarray():
            return f"<{part.shape}>" if part.ndim else _brief(part.item())
        case Value() if not (_evaluates(part) and len(repr(part)) <= NESTED):
            return f"<{type(part).__name__}>"
        case tuple() if not (_evaluates(part) and len(repr(part)) <= NESTED):
            return f"<{len(part)}>"
        case float():
            return f"{part:.3g}"
        case _:
            return f"<{getattr(part, '__qualname__', type(part).__name__)}>" if callable(part) else repr(part)
