"""The theorems, one file each."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from companion.verification.theorem import Theorem


@cache
def names() -> tuple[str, ...]:
    """The names of all theorems, in alphabetical order."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def theorem(name: str) -> Theorem:
    """One theorem. Raises ValueError for a name that no file has."""
    if name not in names():
        raise ValueError(f"name must be one of {', '.join(names())}, got {name!r}")
    found: Theorem = import_module(f"{__name__}.{name}").THEOREM
    return found
