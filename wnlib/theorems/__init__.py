"""The theorems, one file each; how a chapter shows one."""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from wnlib.theorem import Theorem


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


@dataclass(frozen=True)
class Excerpt:
    """A part of a theorem's text, which a notebook shows as Markdown and the book as a proof environment."""

    name: str
    part: str
    markdown: str

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, str]]:
        data = {"text/markdown": self.markdown, "text/plain": f"{self.part} of {self.name}"}
        return data, {"theorem": self.name, "part": self.part}


def statement(name: str) -> Excerpt:
    """What the theorem says. Raises ValueError for a name that no file has."""
    text = theorem(name).text
    return Excerpt(name, "statement", f"**Theorem ({text.title}).** {text.statement}")


def proof(name: str) -> Excerpt:
    """Its proof. Raises ValueError for a name that no file has."""
    return Excerpt(name, "proof", f"*Proof.* {theorem(name).text.proof}")
