"""Mutants of the implementation, and how one is tried."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A theorem, and one change in a file of the package that its checks must notice: `old` occurs there once."""

    theorem: str
    file: str
    old: str
    new: str
    kind: str
