"""The reference of the package, from its docstrings: ``python -m pipeline.pages.api ROOM...``.

Writes ``_build/api``: what is where, and a page for each room with its classes and functions under their public names,
whose docstrings Sphinx's autodoc fills in. The arguments are the rooms, in the order of the pages.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import wnlib
import wnlib.rigorous
from companion.running.fingerprint import sources
from companion.theorems import names, theorem
from companion.verification.theorem import Theorem
from pipeline.intact import seal
from pipeline.notebooks import write_text
from pipeline.pages.markdown import line, listed, table

PAGES = Path("_build/api")
INTRODUCTION = """\
All names are those of `wnlib` itself, as in `from wnlib import limit`; only what needs more than NumPy and SciPy is in
modules of `wnlib.rigorous`. Symbols are those of the {doc}`notation </book/notation>`: $M$ measurements of $N$ weights,
depth $L$. A shape (..., N) has any number of leading axes, and arrays are of double precision. The examples run as they
stand, and are run with the tests. An entry names the theorems that say what it computes."""


@dataclass(frozen=True)
class Entry:
    """A public name, as "wnlib.limit", what it names, and the theorems about it."""

    name: str
    thing: Any
    theorems: Sequence[Theorem]

    @property
    def module(self) -> str:
        return self.thing.__module__

    @property
    def room(self) -> str:
        return self.module.split(".")[1]

    @property
    def summary(self) -> str:
        """The first paragraph of the docstring, which is a sentence."""
        return line(text(self.thing).split("\n\n")[0])

    @property
    def place(self) -> tuple[str, int]:
        """The module, and the line at which it begins."""
        return self.module, inspect.getsourcelines(self.thing)[1]


def public() -> dict[str, Any]:
    """The public names of the package and of the modules that need an extra, and what they name."""
    extras = [module.name for module in iter_modules(wnlib.rigorous.__path__, "wnlib.rigorous.")]
    return {
        f"{module.__name__}.{name}": getattr(module, name)
        for module in (wnlib, *map(import_module, extras))
        for name in getattr(module, "__all__", ())
    }


def entries(rooms: Sequence[str]) -> list[Entry]:
    """All of them, by room and by module, what rests on least first. Raises ValueError for a room without a page."""
    theorems = [theorem(name) for name in names()]
    found = [Entry(name, thing, [one for one in theorems if name in one.about]) for name, thing in public().items()]
    for entry in found:
        if entry.room not in rooms:
            raise ValueError(f"{entry.name} must have a page api/{entry.room} in _toc.yml, got {', '.join(rooms)}")
    return sorted(found, key=lambda entry: (rooms.index(entry.room), len(sources(entry.module)), entry.place))


def index(found: Sequence[Entry], rooms: Sequence[str]) -> str:
    """The page that says what is where: a table for each room."""
    parts = ["# The package", INTRODUCTION]
    for room in rooms:
        rows = [[link(entry.name), entry.summary] for entry in found if entry.room == room]
        about = module_text(f"wnlib.{room}").split("\n\n")[0]
        parts += [f"## {{doc}}`{title(room)} <{room}>`", about, table(["name", "what it is"], rows, "stacked names")]
    return "\n\n".join(parts) + "\n"


def page(room: str, found: Sequence[Entry]) -> str:
    """The page of one room, its modules below each other."""
    parts = [f"# {title(room)}", module_text(f"wnlib.{room}")]
    own = [entry for entry in found if entry.room == room]
    for module in dict.fromkeys(entry.module for entry in own):
        if module != f"wnlib.{room}":
            parts += [f"## {title(module)}", module_text(module)]
        documented = "\n\n".join(autodoc([entry for entry in own if entry.module == module]))
        parts += [f"```{{eval-rst}}\n{documented}\n```"]
    return "\n\n".join(parts) + "\n"


def autodoc(found: Sequence[Entry]) -> Iterator[str]:
    """What autodoc is told, in reStructuredText."""
    yield ".. currentmodule:: wnlib"
    for entry in found:
        bases = entry.thing.__bases__ if isinstance(entry.thing, type) else ()
        derived = any(re.match(r"wnlib\.[a-z]", base.__module__) for base in bases)
        yield f".. auto{'class' if bases else 'function'}:: {entry.name}" + "\n   :show-inheritance:" * derived
        if entry.theorems:
            links = [f":prf:ref:`{one.text.title} <thm-{one.name}>`" for one in entry.theorems]
            yield f"   {'Theorems' if len(links) > 1 else 'Theorem'}: {listed(links)}."


def title(module: str) -> str:
    return module.rpartition(".")[2].replace("_", " ").capitalize()


def link(name: str) -> str:
    return f"{{py:obj}}`{name.removeprefix('wnlib.')} <{name}>`"


def text(thing: Any) -> str:
    """The docstring, its public names as links."""
    names = public()
    return re.sub(
        r"`(?:wnlib\.)?(\w+)(\.\w+)?`",
        lambda found: link(name + (found[2] or "")) if (name := f"wnlib.{found[1]}") in names else found[0],
        inspect.getdoc(thing) or "",
    )


def module_text(name: str) -> str:
    return text(import_module(name))


def main(rooms: Sequence[str]) -> None:
    found = entries(rooms)
    write_text(PAGES / "index.md", index(found, rooms))
    for room in rooms:
        write_text(PAGES / f"{room}.md", page(room, found))
    seal(PAGES)


if __name__ == "__main__":
    main(sys.argv[1:])
