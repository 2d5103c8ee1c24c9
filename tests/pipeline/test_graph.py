"""The dependency graph: what a layout must keep on any graph, and what the drawing says."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, strategies as st

from pipeline.pages.graph import SHEETS, Node, drawing, graph
from pipeline.pages.layers import (
    GAP,
    Item,
    Link,
    Sheet,
    Uses,
    arranged,
    crossings,
    links,
    placed,
    reduced,
    rows,
    spread,
)

PHONE = SHEETS["phone"]
SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Up to 24 theorems, each of which uses some of those before it."""
    names = [f"t{k}" for k in range(draw(st.integers(1, 24)))]
    return {
        name: draw(st.lists(st.sampled_from(names[:k]), unique=True, max_size=4)) if k else []
        for k, name in enumerate(names)
    }


def reach(uses: Uses) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, used in uses.items():
        found[name] = set(used).union(*(found[other] for other in used))
    return found


@given(graphs())
def test_only_what_follows_is_left_out(uses: dict[str, list[str]]) -> None:
    kept = reduced(uses)
    assert reach(kept) == reach(uses)
    for name, used in kept.items():
        for other in used:
            without = {**kept, name: [u for u in used if u != other]}
            assert other not in reach(without)[name]


@given(graphs(), st.sampled_from(sorted(SHEETS.values())))
def test_rows_fit_and_stand_below_what_they_use(uses: dict[str, list[str]], sheet: Sheet) -> None:
    found = rows(uses, sheet)
    level = {item.name: item.row for row in found for item in row if not item.lane}
    assert sorted(level) == sorted(uses)
    assert all(level[used] < level[name] for name in uses for used in uses[name])
    for number, row in enumerate(found):
        assert all(item.row == number for item in row)
        assert any(not item.lane for item in row)
        # one theorem stands in any row, whatever passes it
        several = sum(not item.lane for item in row) > 1
        assert not several or sum(sheet.size(item) + GAP for item in row) - GAP <= sheet.width


@given(graphs())
def test_every_dependency_is_a_path_of_links(uses: dict[str, list[str]]) -> None:
    found = rows(uses, PHONE)
    pieces = list(links(uses, found))
    assert all(below.row == above.row + 1 for above, below in pieces)
    for row in found[1:]:
        for item in row:
            above = [link.above.name for link in pieces if link.below == item]
            assert sorted(above) == sorted([item.name] if item.lane else uses[item.name])
    lanes = {item for row in found for item in row if item.lane}
    assert lanes <= {link.above for link in pieces}  # none ends in nothing


@given(graphs())
def test_items_stand_side_by_side_in_their_order(uses: dict[str, list[str]]) -> None:
    uses = reduced(uses)
    found = rows(uses, PHONE)
    pieces = list(links(uses, found))
    order = arranged(found, pieces)
    assert [sorted(row) for row in order] == [sorted(row) for row in found]
    x = placed(order, pieces, PHONE)
    for row in order:
        for left, right in pairwise(row):
            assert x[right] - x[left] >= (PHONE.size(left) + PHONE.size(right)) / 2 + GAP - 1e-6
        if sum(PHONE.size(item) + GAP for item in row) - GAP <= PHONE.width:
            assert x[row[0]] >= PHONE.size(row[0]) / 2 - 1e-6
            assert x[row[-1]] <= PHONE.width - PHONE.size(row[-1]) / 2 + 1e-6


def test_needless_crossings_are_undone() -> None:
    top, bottom = ([Item(k, name, False) for name in "abc"] for k in (0, 1))
    pieces = [Link(a, b) for a, b in zip(top, reversed(bottom), strict=True)]
    before = {item: float(k) for row in (top, bottom) for k, item in enumerate(row)}
    assert crossings(before, pieces) == 3
    after = {item: float(k) for row in arranged([top, bottom], pieces) for k, item in enumerate(row)}
    assert crossings(after, pieces) == 0


def test_items_stand_as_near_as_can_be_to_where_they_want() -> None:
    assert spread([50.0, 200.0], [20.0, 20.0], 300.0) == [50.0, 200.0]
    assert spread([100.0, 100.0], [20.0, 20.0], 300.0) == [100 - (20 + GAP) / 2, 100 + (20 + GAP) / 2]
    assert spread([-50.0, 400.0], [20.0, 20.0], 300.0) == [10.0, 290.0]


NODES = {
    "first": Node("First & <foremost>", "✓", "verified", "verified", ()),
    "second": Node("A second one with a long title", "†", "assuming", "verified under assumptions", ("first",)),
    "third": Node("Third", "†", "assuming", "verified under assumptions", ("second", "first")),
}


@pytest.mark.parametrize("name", SHEETS)
def test_every_node_is_a_link_that_says_what_it_is(name: str) -> None:
    text = drawing(NODES, SHEETS[name], name).replace("<svg", f'<svg xmlns="{SVG[1:-1]}"', 1)
    svg = ElementTree.fromstring(text)
    anchors = svg.findall(f"{SVG}a")
    assert [anchor.get("href") for anchor in anchors] == ["first.html", "second.html", "third.html"]
    assert [anchor.get("aria-label") for anchor in anchors] == [
        "First & <foremost>: verified",
        "A second one with a long title: verified under assumptions; uses First & <foremost>",
        "Third: verified under assumptions; uses A second one with a long title, First & <foremost>",
    ]
    words = [" ".join(span.text or "" for span in anchor.iter(f"{SVG}tspan")) for anchor in anchors]
    assert words == [f"{node.glyph}\N{NO-BREAK SPACE}{node.title}" for node in NODES.values()]
    named = [svg.find(f".//*[@id='{label}']") for label in str(svg.get("aria-labelledby")).split()]
    assert all(element is not None and element.text for element in named)
    paths = [path.get("class") for path in svg.findall(f"{SVG}path")]
    assert paths.count(None) == 2  # that the third uses the first follows
    assert paths.count("arrowhead") == 2


def test_drawings_are_one_block_of_html() -> None:
    assert "\n\n" not in graph(NODES)  # which would end the block in Markdown
