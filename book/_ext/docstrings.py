"""Docstrings as autodoc shows them: the book's Markdown made reStructuredText, types by their names in the code.

A docstring holds formulas between dollars, names between backticks, and sections as Google writes them, which napoleon
reads. Where reStructuredText would see markup in other text, it is escaped.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sphinx.application import Sphinx
from sphinx.ext.autodoc import Options, PropertyDocumenter
from sphinx.ext.napoleon import Config, GoogleDocstring
from sphinx.util.typing import stringify_annotation

SECTIONS = Config(napoleon_attr_annotations=False)
SPAN = re.compile(r"\$\$(?P<display>.+?)\$\$|\$(?P<inline>[^$]+)\$(?P<glued>\w?)|`[^`]+`|(?P<plain>[^$`]+)", re.DOTALL)
EXAMPLE = re.compile(r"(^ *>>> .*?(?=\n *\n|\Z))", re.MULTILINE | re.DOTALL)
MARKUP = re.compile(r"[*|]|(?<=\w)_(?!\w)")
ALIASES = {
    "Array": [NDArray[np.float64]],
    "ArrayLike": [ArrayLike],
    "NDArray[bool]": [NDArray[np.bool_]],
    "NDArray[int]": [NDArray[np.intp], NDArray[np.integer], NDArray[np.integer[Any]]],
}
SHORT = {stringify_annotation(alias, "smart"): name for name, aliases in ALIASES.items() for alias in aliases}


def restructured(text: str) -> str:
    """Docstring Markdown as reStructuredText; examples stay as they are."""
    parts = EXAMPLE.split(text)  # every second one is an example
    return "".join(part if k % 2 else SPAN.sub(_span, part) for k, part in enumerate(parts))


def _span(found: re.Match[str]) -> str:
    if formula := found["display"]:
        indent = re.search(r"[^\S\n]*$", found.string[: found.start()])
        margin = indent[0] if indent else ""
        lines = "\n".join(f"{margin}   {line.strip()}" for line in formula.strip().splitlines())
        return f"\n{margin}.. math::\n\n{lines}\n\n{margin}"
    if formula := found["inline"]:
        return f":math:`{' '.join(formula.split())}`" + (rf"\ {found['glued']}" if found["glued"] else "")
    if plain := found["plain"]:
        return MARKUP.sub(r"\\\g<0>", plain)
    return found[0]


def short(types: str) -> str:
    """A signature with arrays by their names, and an ellipsis for a default that is a function."""
    for long, name in SHORT.items():
        types = types.replace(long, name)
    return re.sub(r"<function \S*<lambda>>", "...", types)


class ShortPropertyDocumenter(PropertyDocumenter):
    """A property whose type is short."""

    def add_line(self, line: str, source: str, *lineno: int) -> None:
        super().add_line(short(line) if line.lstrip().startswith(":type:") else line, source, *lineno)


def process_docstring(app: Sphinx, what: str, name: str, thing: Any, options: Options, lines: list[str]) -> None:
    kind = "method" if what == "property" else what  # in others, what stands before a colon is taken for their type
    lines[:] = GoogleDocstring(restructured("\n".join(lines)), SECTIONS, app, kind, name, thing, options).lines()


def process_signature(
    app: Sphinx, what: str, name: str, thing: Any, options: Options, arguments: str | None, result: str | None
) -> tuple[str | None, str | None]:
    return arguments and short(arguments), result and short(result)


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sphinx.ext.autodoc")
    app.add_autodocumenter(ShortPropertyDocumenter, override=True)
    app.connect("autodoc-process-docstring", process_docstring)
    app.connect("autodoc-process-signature", process_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
