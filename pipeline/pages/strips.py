"""The discrepancies of a theorem as a figure: the check's cases left of what passes, the falsifiers' right of it.

Places are percentages of the width and all else is in pixels, so that the figure fits any screen with type of one size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from companion.telling.numbers import LARGEST, power

LABEL, DOTS, AXIS = 17.0, 26.0, 34.0  # heights: of a row's label, of its dots, of the axis below
LEFT, RIGHT = 3.0, 97.0  # where the axis begins and ends, in percent
SHADES = 9  # how many heights the dots of a row stand at
FINEST, COARSEST = -18, 6  # powers of ten between which the axis ends
TICKS = 5


@dataclass(frozen=True)
class Row:
    """What is tried, in words, and its discrepancies, one a case; `style` is a class of the style sheet."""

    label: str
    discrepancies: Sequence[float]
    style: str


@dataclass(frozen=True)
class Axis:
    """Powers of ten from `low` to `high`; 0 and infinity, where there are any, stand at the ends."""

    low: int
    high: int
    zero: bool
    infinite: bool

    @classmethod
    def of(cls, values: Sequence[float], limit: float) -> Axis:
        zero, infinite = min(values) < 10.0**FINEST, max(values) >= LARGEST
        shown = [math.log10(value) for value in (*values, limit) if 10.0**FINEST <= value < LARGEST]
        low, high = math.floor(min(shown)) - zero, math.ceil(min(max(shown), COARSEST)) + infinite
        return cls(low, max(high, low + 1), zero, infinite)

    def place(self, value: float) -> str:
        exponent = self.low if value <= 0 else math.log10(value)
        share = (min(max(exponent, self.low), self.high) - self.low) / (self.high - self.low)
        return f"{LEFT + share * (RIGHT - LEFT):.2f}%"

    def ticks(self) -> list[tuple[float, str]]:
        step = max(1, math.ceil((self.high - self.low) / TICKS))
        first, last = self.low + self.zero, self.high - self.infinite
        found = [(10.0**k, power(k)) for k in range(first, last + 1) if k % step == 0]
        return [*[(0.0, "0")] * self.zero, *found, *[(LARGEST, "∞")] * self.infinite]


def strips(rows: Sequence[Row], limit: float, quantity: str, alt: str, caption: str) -> str:
    """HTML of a figure with a row of dots for each of `rows`, and a line at the largest discrepancy that passes."""
    axis = Axis.of([value for row in rows for value in row.discrepancies], limit)
    end = len(rows) * (LABEL + DOTS)
    at = axis.place(limit)
    drawn = [
        f'<rect class="passing" x="0" y="0" width="{at}" height="{end:g}"/>',
        f'<line class="limit" x1="{at}" x2="{at}" y1="0" y2="{end:g}"/>',
    ]
    for k, row in enumerate(rows):
        top = k * (LABEL + DOTS)
        drawn.append(f'<text x="0" y="{top + LABEL - 4:g}">{escape(row.label)}</text>')
        for case, value in enumerate(row.discrepancies):
            y = top + LABEL + 5 + (case * 4 % SHADES) * (DOTS - 10) / (SHADES - 1)
            drawn.append(f'<circle class="{row.style}" cx="{axis.place(value)}" cy="{y:g}" r="3"/>')
    for value, text in axis.ticks():
        x = axis.place(value)
        drawn.append(f'<line class="tick" x1="{x}" x2="{x}" y1="{end:g}" y2="{end + 4:g}"/>')
        drawn.append(f'<text x="{x}" y="{end + 17:g}" text-anchor="middle">{text}</text>')
    drawn.append(f'<text x="50%" y="{end + AXIS:g}" text-anchor="middle">{escape(quantity)}</text>')
    return "\n".join(
        [
            '<figure class="strips">',
            f'<svg width="100%" height="{end + AXIS + 4:g}" role="img" aria-label="{escape(alt)}">',
            *drawn,
            "</svg>",
            f"<figcaption>{escape(caption, quote=False)}</figcaption>",
            "</figure>",
        ]
    )
