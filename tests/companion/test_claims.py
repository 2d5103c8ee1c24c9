"""The abstract's claims: what chapters find of them, and the section of the page that gathers it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from companion.telling.claims import CLAIMS, DRAMATIC, RULE, Support, evidence, judged, overall
from pipeline.notebooks import Notebook
from pipeline.pages.abstract import INTRODUCTION, Found, abstract, told

ROOT = Path(__file__).resolve().parents[2]
ALL, NONE = [9.0, 9.0], [0.0, 0.0]


def notebook(*items: tuple[str, list[float], str]) -> Notebook:
    cells = []
    for item in items:
        data, metadata = evidence(*item)._repr_mimebundle_()
        cells.append(new_code_cell(outputs=[new_output("execute_result", data, metadata=metadata)]))
    return new_notebook(cells=[new_markdown_cell("# A chapter"), *cells])


@pytest.mark.parametrize(
    ("measured", "support"),
    [
        ([5.0, 7.0], Support.FULL),
        ([5.0, 4.9], Support.LIMITED),
        ([5.0, 4.9, np.nan], Support.PART),
        ([[4.9, 1.0], [np.nan, 0.0]], Support.NONE),
    ],
)
def test_support_is_computed_from_what_was_measured(measured: list[float], support: Support) -> None:
    found = evidence("speed", measured, "So it was.")
    assert found.support is support
    assert f"**Here: {support.value}**, it holds under {found.held} of {np.size(measured)} conditions. So it was." in (
        found.markdown
    )
    assert CLAIMS["speed"].text in found.markdown
    assert "is at least 5." in found.markdown


def test_what_is_dramatic_is_one_number() -> None:
    assert {CLAIMS[name].least for name in ("speed", "robustness")} == {DRAMATIC}


def test_rules_name_all_that_they_judge() -> None:
    assert all(f"**{support}**" in RULE for support in Support)
    assert [judged(share) for share in (1, 0.99, 0.5, 0.49, 0.01, 0)] == [
        Support.FULL,
        Support.LIMITED,
        Support.LIMITED,
        Support.PART,
        Support.PART,
        Support.NONE,
    ]


def test_an_unknown_claim_and_no_condition_are_refused() -> None:
    with pytest.raises(ValueError, match=r"claim must be one of sparse, .*, got 'fame'"):
        evidence("fame", ALL, "")
    with pytest.raises(ValueError, match="measured must have a number for at least one condition, got none"):
        evidence("speed", [], "")


def test_chapters_count_alike() -> None:
    assert overall([1.0, 1.0]) is Support.FULL
    assert overall([0.0]) is Support.NONE
    assert overall([1.0, 0.0]) is Support.LIMITED
    assert overall([0.4, 0.5]) is Support.PART


def test_the_page_gathers_the_evidence_and_links_to_the_chapters() -> None:
    chapters = {
        "one": notebook(("scale", ALL, "It held in 7.")),
        "two": notebook(("scale", NONE, "It failed | in 8."), ("speed", ALL, "Twice.")),
    }
    found = told(chapters)
    assert [(item.claim, item.chapter) for item in found] == [("scale", "one"), ("scale", "two"), ("speed", "two")]
    head, _, rule, table = abstract(found)
    assert (head, rule) == ("## The abstract's claims", RULE)
    scale, speed = [row for row in table.splitlines() if row.startswith("| ")][2:]
    assert CLAIMS["scale"].text in scale
    assert CLAIMS["scale"].rule in scale
    assert "[◐ supported within limits]{.status .limited}" in scale
    assert "✓ Supported, it holds under 2 of 2 conditions. It held in 7. {doc}`→ chapter </notebooks/one>`" in scale
    assert r"✗ Not supported, it holds under 0 of 2 conditions. It failed \| in 8. {doc}" in scale
    assert "[✓ supported]{.status .verified}" in speed
    assert abstract([]) == []


@pytest.mark.parametrize("metadata", [{"claim": "scale"}, {"claim": "scale", "held": "some", "tried": 2, "found": ""}])
def test_what_is_no_evidence_is_refused(metadata: dict[str, object]) -> None:
    cell = new_code_cell(outputs=[new_output("display_data", {}, metadata=metadata)])
    with pytest.raises(ValueError, match="held"):
        told({"one": new_notebook(cells=[cell])})


def test_what_the_book_knows_of_the_paper_is_said_once_and_everywhere_alike() -> None:
    sentence = (
        "Of the paper, as of all that we cite, we use what its public abstract says;"
        " all that is stated here is proved or measured here."
    )
    notebook = json.loads((ROOT / "notebooks" / "index.ipynb").read_text())
    front = " ".join("".join(cell["source"]) for cell in notebook["cells"])
    for text in ((ROOT / "README.md").read_text(), front, INTRODUCTION):
        assert sentence in " ".join(text.split())


def test_a_claim_without_evidence_has_no_row() -> None:
    table = abstract([Found("sparse", 0, 3, "Nothing.", "one")])[-1]
    assert CLAIMS["speed"].text not in table
    assert "[✗ not supported]{.status .unsupported}" in table
