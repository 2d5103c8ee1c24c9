"""The abstract's claims: what chapters find of them, and the section of the page that gathers it."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from companion.telling.claims import CLAIMS, Support, evidence, overall
from pipeline.notebooks import Notebook
from pipeline.pages.abstract import Found, abstract, told


def notebook(*items: tuple[str, bool, bool, str]) -> Notebook:
    cells = []
    for item in items:
        data, metadata = evidence(*item)._repr_mimebundle_()
        cells.append(new_code_cell(outputs=[new_output("execute_result", data, metadata=metadata)]))
    return new_notebook(cells=[new_markdown_cell("# A chapter"), *cells])


@pytest.mark.parametrize(
    ("everywhere", "within", "support"),
    [(True, True, Support.FULL), (False, True, Support.LIMITED), (False, False, Support.NONE)],
)
def test_support_is_computed(everywhere: bool, within: bool, support: Support) -> None:
    found = evidence("scale", everywhere, within, "So it was.")
    assert found.support is support
    assert f"**Here: {support.value}.** So it was." in found.markdown
    assert CLAIMS["scale"] in found.markdown


def test_an_unknown_claim_is_refused() -> None:
    with pytest.raises(ValueError, match=r"claim must be one of sparse, .*, got 'fame'"):
        evidence("fame", True, True, "")


def test_mixed_evidence_is_support_within_limits() -> None:
    assert overall([Support.FULL, Support.FULL]) is Support.FULL
    assert overall([Support.NONE]) is Support.NONE
    assert overall([Support.FULL, Support.NONE]) is Support.LIMITED


def test_the_page_gathers_the_evidence_and_links_to_the_chapters() -> None:
    chapters = {
        "one": notebook(("scale", True, True, "It held in 7.")),
        "two": notebook(("scale", False, False, "It failed | in 8."), ("speed", True, True, "Twice.")),
    }
    found = told(chapters)
    assert [(item.claim, item.chapter) for item in found] == [("scale", "one"), ("scale", "two"), ("speed", "two")]
    head, _, table = abstract(found)
    assert head == "## The abstract's claims"
    scale, speed = [row for row in table.splitlines() if row.startswith("| ")][2:]
    assert CLAIMS["scale"] in scale
    assert "supported within stated limits" in scale
    assert "It held in 7. {doc}`→ chapter </notebooks/one>`" in scale
    assert r"It failed \| in 8. {doc}`→ chapter </notebooks/two>`" in scale
    assert "[✓ supported]{.status .verified}" in speed
    assert abstract([]) == []


@pytest.mark.parametrize("metadata", [{"claim": "scale"}, {"claim": "scale", "support": "perhaps", "found": "So."}])
def test_what_is_no_evidence_is_refused(metadata: dict[str, str]) -> None:
    cell = new_code_cell(outputs=[new_output("display_data", {}, metadata=metadata)])
    with pytest.raises(ValueError, match="support"):
        told({"one": new_notebook(cells=[cell])})


def test_a_claim_without_evidence_has_no_row() -> None:
    table = abstract([Found("sparse", Support.NONE, "Nothing.", "one")])[-1]
    assert CLAIMS["speed"] not in table
    assert "[✗ not supported]{.status .unsupported}" in table
