"""The dependency graph of the theorems as a drawing in the page, in which each theorem is a link to its own.

Two drawings are made, one for a desk and one for a phone; the style sheet shows the one that fits.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from pipeline.pages.layers import Item, Link, Sheet, arranged, links, placed, reduced, rows

SHEETS = {"desk": Sheet(width=672, node=140, type=14), "phone": Sheet(width=324, node=98, type=12)}
BEND, ARROW, PORT = 34.0, 7.0, 9.0  # between rows, of an arrowhead, between edges that reach the same theorem
LEADING, PADDING, LETTER = 1.3, 6.0, 0.6  # in sizes of the type: the height of a line, the mean width of a letter


@dataclass(frozen=True)
class Node:
    """A theorem as it is drawn: `style` is its class in the style sheet, `status` what a screen reader says."""

    title: str
    glyph: str
    style: str
    status: str
    uses: tuple[str, ...]


def graph(nodes: Mapping[str, Node]) -> str:
    """HTML; every node comes after those it uses, and leads to the page of its name."""
    drawings = "\n".join(drawing(nodes, sheet, name) for name, sheet in SHEETS.items())
    return f'<div class="dependency-graph">\n{drawings}\n</div>'


def drawing(nodes: Mapping[str, Node], sheet: Sheet, name: str) -> str:
    uses = reduced({name: node.uses for name, node in nodes.items()})
    found = rows(uses, sheet)
    pieces = list(links(uses, found))
    order = arranged(found, pieces)
    x = placed(order, pieces, sheet)
    lines = {name: wrapped(node, sheet) for name, node in nodes.items()}
    tops, bottoms, y = [], [], 1.0
    for row in order:
        tops.append(y)
        tallest = max(len(lines[item.name]) for item in row if not item.lane)
        bottoms.append(y + tallest * LEADING * sheet.type + 2 * PADDING)
        y = bottoms[-1] + BEND
    items = [item for row in order for item in row if not item.lane]
    drawn = [
        *(edge(link, x, pieces, tops, bottoms) for link in pieces),
        *(arrowhead(x[item], bottoms[item.row]) for item in items if any(link.above == item for link in pieces)),
        *(box(nodes, item, lines[item.name], x[item], tops[item.row], bottoms[item.row], sheet) for item in items),
    ]
    return "\n".join(
        [
            f'<svg class="{name}" viewBox="0 0 {sheet.width:g} {bottoms[-1] + 1:.1f}" font-size="{sheet.type:g}"'
            f' style="max-width: {sheet.width:g}px" role="group"'
            f' aria-labelledby="graph-{name}-title graph-{name}-description">',
            f'<title id="graph-{name}-title">Which theorem rests on which</title>',
            f'<desc id="graph-{name}-description">{len(nodes)} theorems, each a link to its page. An arrow leads from'
            " a theorem to one that its proof uses; arrows that follow from others are left out.</desc>",
            *drawn,
            "</svg>",
        ]
    )


def wrapped(node: Node, sheet: Sheet) -> list[str]:
    """The glyph and the title, in lines that fit a node."""
    letters = int((sheet.node - PADDING) / (LETTER * sheet.type))
    return textwrap.wrap(f"{node.glyph}\N{NO-BREAK SPACE}{node.title}", letters, break_long_words=False)


def box(
    nodes: Mapping[str, Node], item: Item, lines: Sequence[str], x: float, top: float, bottom: float, sheet: Sheet
) -> str:
    """One theorem: a link around a rectangle and its text."""
    node = nodes[item.name]
    uses = ", ".join(nodes[used].title for used in node.uses)
    spoken = f"{node.title}: {node.status}" + (f"; uses {uses}" if uses else "")
    leading = LEADING * sheet.type
    first = (top + bottom - leading * (len(lines) - 1)) / 2 + 0.36 * sheet.type
    spans = "".join(
        f'<tspan x="{x:.1f}" y="{first + k * leading:.1f}">{escape(line)}</tspan>' for k, line in enumerate(lines)
    )
    return (
        f'<a class="{node.style}" href="{item.name}.html" aria-label="{escape(spoken)}">'
        f'<rect x="{x - sheet.node / 2:.1f}" y="{top:.1f}" width="{sheet.node:g}" height="{bottom - top:.1f}" rx="5"/>'
        f'<text text-anchor="middle">{spans}</text></a>'
    )


def edge(
    link: Link, x: Mapping[Item, float], pieces: Sequence[Link], tops: Sequence[float], bottoms: Sequence[float]
) -> str:
    """A curve between two rows, and on through the second one where that has a lane for it."""
    above, below = link
    start, end = bottoms[above.row] + (0 if above.lane else ARROW), tops[below.row]
    arriving = sorted(x[other.above] for other in pieces if other.below == below)
    to = x[below] + (arriving.index(x[above]) - (len(arriving) - 1) / 2) * PORT
    middle = (start + end) / 2
    through = f"V{bottoms[below.row]:.1f}" if below.lane else ""
    return (
        f'<path d="M{x[above]:.1f} {start:.1f}C{x[above]:.1f} {middle:.1f} {to:.1f} {middle:.1f} {to:.1f} {end:.1f}'
        f'{through}"/>'
    )


def arrowhead(x: float, y: float) -> str:
    return f'<path class="arrowhead" d="M{x:.1f} {y:.1f}l{-ARROW / 2:g} {ARROW:g}h{ARROW:g}z"/>'
