"""Small pieces of MyST Markdown that the theorems' pages are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from companion.verification.theorem import Theorem
from companion.verification.verification import Status

GLYPHS = {Status.VERIFIED: "✓", Status.ASSUMING: "†"}  # of what a site may show: a build with any other status fails
STYLES = {Status.VERIFIED: "verified", Status.ASSUMING: "assuming"}


def badge(status: Status) -> str:
    """The status as colour, glyph and word."""
    return f"[{GLYPHS[status]} {status.value}]{{.status .{STYLES[status]}}}"


def link(theorem: Theorem) -> str:
    """The theorem's title, leading to its page."""
    return f"{{prf:ref}}`{theorem.text.title} <thm-{theorem.name}>`"


def listed(parts: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def line(text: str) -> str:
    """Text on one line, as a cell of a table or an item of a list."""
    return " ".join(text.split())


def item(text: str) -> str:
    """An entry of a numbered list; Markdown counts."""
    return "1. " + text.replace("\n", "\n   ")


def table(head: Sequence[str], body: Iterable[Sequence[str]], style: str = "") -> str:
    """A table; its style sheet class makes it a list on a phone where `style` is "stacked"."""
    rows = [head, ["---"] * len(head), *body]
    text = "\n".join("| " + " | ".join(line(cell).replace("|", r"\|") for cell in row) + " |" for row in rows)
    return f":::{{table}}\n:class: {style}\n\n{text}\n:::" if style else text


def directive(name: str, argument: str, content: str, *options: str) -> str:
    """A block that holds others; its fence is longer than any that these have."""
    fence = ":" * max(3, 1 + max((len(word) for word in content.split() if set(word) == {":"}), default=0))
    head = "\n".join([f"{fence}{{{name}}} {argument}".rstrip(), *(f":{option}" for option in options)])
    return f"{head}\n\n{content}\n{fence}"
