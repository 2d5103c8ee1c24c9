"""Small pieces of MyST Markdown that the theorems' pages are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wnlib.ledger import Status
from wnlib.theorem import Theorem

GLYPHS = {Status.VERIFIED: "✓", Status.ASSUMING: "†"}  # of what a site may show: a build with any other status fails
STYLES = {Status.VERIFIED: "verified", Status.ASSUMING: "assuming"}
LARGEST = 1e300  # records write what is infinite as the largest number
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None) -> str:
    """Two digits, with a power of ten where that is shorter: 0.031, 3.1·10⁻¹³, ∞; records write NaN as None."""
    if value is None:
        return "undefined"
    if abs(value) >= LARGEST:
        return "∞" if value > 0 else "-∞"
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{float(f'{value:.2g}'):,g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}·{power(int(exponent))}"


def power(exponent: int) -> str:
    """A power of ten, written as one from 100 on and below 1."""
    return ("1", "10")[exponent] if exponent in (0, 1) else "10" + str(exponent).translate(SUPERSCRIPTS)


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
