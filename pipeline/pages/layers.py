"""A layered layout of the theorems: rows, the order in each, and horizontal places.

Each theorem stands below all that it uses. Edges bend between rows only; where one passes a row it runs straight, in a
lane beside the theorems. All edges to one theorem share a lane, so that each theorem has one trunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression

Uses = Mapping[str, Sequence[str]]  # what each theorem uses; it comes after all of them

LANE, GAP = 6.0, 8.0  # the width of a lane and the space between items
SWEEPS = 24


class Item(NamedTuple):
    """A theorem in its row, or the lane of an earlier one."""

    row: int
    name: str
    lane: bool


class Link(NamedTuple):
    """A piece of an edge: from an item to one in the next row."""

    above: Item
    below: Item


class Sheet(NamedTuple):
    """What a drawing must fit: its width, that of a theorem, and the size of the type, in pixels."""

    width: float
    node: float
    type: float

    def size(self, item: Item) -> float:
        return LANE if item.lane else self.node


def reduced(uses: Uses) -> dict[str, list[str]]:
    """The dependencies that do not follow from others."""
    reach: dict[str, set[str]] = {}
    for name, used in uses.items():
        reach[name] = set(used).union(*(reach[other] for other in used))
    return {name: [u for u in used if not any(u in reach[v] for v in used)] for name, used in uses.items()}


def rows(uses: Uses, sheet: Sheet) -> list[list[Item]]:
    """Rows that fit the sheet; of the theorems that could come next, first those on which the longest chains rest."""
    height: dict[str, int] = {}
    for name in reversed(list(uses)):
        height[name] = 1 + max((height[user] for user in uses if name in uses[user]), default=0)
    found: list[list[Item]] = []
    above: list[str] = []
    waiting = sorted(uses, key=lambda name: -height[name])
    while waiting:
        row: list[Item] = []
        for name in (name for name in waiting if set(uses[name]) <= set(above)):
            below = [other for other in waiting if other not in [*(item.name for item in row), name]]
            lanes = [Item(len(found), used, True) for used in above if any(used in uses[user] for user in below)]
            tried = [*(item for item in row if not item.lane), Item(len(found), name, False), *lanes]
            if not row or sum(sheet.size(item) + GAP for item in tried) - GAP <= sheet.width:
                row = tried
        found.append(row)
        above += [item.name for item in row if not item.lane]
        waiting = [name for name in waiting if name not in above]
    return found


def links(uses: Uses, found: Sequence[Sequence[Item]]) -> Iterator[Link]:
    """Every theorem to those in the row above that it uses, and to the lanes of those further up."""
    for row, following in pairwise(found):
        for below in following:
            for above in row:
                if above.name == below.name or (not below.lane and above.name in uses[below.name]):
                    yield Link(above, below)


def arranged(found: Sequence[list[Item]], pieces: Sequence[Link]) -> list[list[Item]]:
    """The rows with few crossings: each item at the mean place of those above it, then of those below it, and again."""
    order, best = [list(row) for row in found], (np.inf, [list(row) for row in found])
    for sweep in range(SWEEPS):
        place = {item: (k + 0.5) / len(row) for row in order for k, item in enumerate(row)}
        best = min(best, (crossings(place, pieces), [list(row) for row in order]), key=lambda entry: entry[0])
        for row in order if sweep % 2 == 0 else reversed(order):
            if sweep % 2 == 0:
                near = {item: [place[link.above] for link in pieces if link.below == item] for item in row}
            else:
                near = {item: [place[link.below] for link in pieces if link.above == item] for item in row}
            means = {item: float(np.mean(near[item] or [place[item]])) for item in row}
            row.sort(key=means.__getitem__)
            place.update({item: (k + 0.5) / len(row) for k, item in enumerate(row)})
    return best[1]


def crossings(place: Mapping[Item, float], pieces: Sequence[Link]) -> int:
    """How many pairs of links cross between their rows."""
    return sum(
        (place[one.above] - place[other.above]) * (place[one.below] - place[other.below]) < 0
        for k, one in enumerate(pieces)
        for other in pieces[:k]
        if one.above.row == other.above.row
    )


def spread(wanted: Sequence[float], sizes: Sequence[float], width: float) -> list[float]:
    """Centres of items of these sizes side by side within a width, as near to the wanted ones as can be."""
    steps = np.array(sizes) + GAP
    offsets = np.cumsum(steps) - steps / 2 - GAP / 2
    nearest = isotonic_regression(np.array(wanted) - offsets).x
    return [float(x) for x in np.clip(nearest, 0, max(0.0, width - float(steps.sum() - GAP))) + offsets]


def placed(order: Sequence[Sequence[Item]], pieces: Sequence[Link], sheet: Sheet) -> dict[Item, float]:
    """The horizontal centre of each item, near those it is linked to."""
    near: dict[Item, list[Item]] = {item: [] for row in order for item in row}
    for above, below in pieces:
        near[above].append(below)
        near[below].append(above)
    x = {item: (k + 0.5) / len(row) * sheet.width for row in order for k, item in enumerate(row)}
    for _ in range(SWEEPS):
        for row in order:
            wanted = [float(np.mean([x[other] for other in near[item]] or [x[item]])) for item in row]
            x.update(zip(row, spread(wanted, [sheet.size(item) for item in row], sheet.width), strict=True))
    return x
