"""What the paper's abstract claims, beside the evidence that the executed chapters found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from companion.telling.claims import CLAIMS, RULE, Evidence, Support, overall
from pipeline.notebooks import Notebook, outputs
from pipeline.pages.markdown import table

INTRODUCTION = """What the abstract of {cite:t}`ChouRauhutWard2024` claims, in our words, and what the experiments of
this book found. Their settings are ours. Of the paper, as of all that we cite, we use what its public abstract says;
all that is stated here is proved or measured here. What is measured is computed by the chapter that is linked,
unless it is marked as stored; the rules are the same for all chapters."""

SYMBOLS = {Support.FULL: "✓", Support.LIMITED: "◐", Support.PART: "◔", Support.NONE: "✗"}
CLASSES = {Support.FULL: "verified", Support.LIMITED: "limited", Support.PART: "partial", Support.NONE: "unsupported"}


@dataclass(frozen=True)
class Found(Evidence):
    """What one chapter found on one claim."""

    chapter: str


FOUND = TypeAdapter(Found)


def told(chapters: Mapping[str, Notebook]) -> list[Found]:
    """The evidence in executed notebooks, in their order. ValueError where that is none."""
    return [
        FOUND.validate_python({**told, "chapter": chapter})
        for chapter, notebook in chapters.items()
        for told in (output.get("metadata", {}) for output in outputs(notebook))
        if "claim" in told
    ]


def abstract(evidence: Sequence[Found]) -> list[str]:
    """The section of the page of claims; nothing where no chapter tells any."""
    if not evidence:
        return []
    rows = []
    for claim, stated in CLAIMS.items():
        found = [item for item in evidence if item.claim == claim]
        if not found:
            continue
        judgement = badge(overall([item.share for item in found]))
        reasons = "<br><br>".join(
            f"{SYMBOLS[item.support]} {item.support.value.capitalize()}, {item.count}. {item.found}"
            f" {{doc}}`→ chapter </notebooks/{item.chapter}>`"
            for item in found
        )
        rows.append([f"{stated.text}<br>{judgement}<br>{stated.rule}", reasons])
    claims = table(["what is claimed", "what was found"], rows, "stacked")
    return ["## The abstract's claims", INTRODUCTION, RULE, claims]


def badge(support: Support) -> str:
    """The judgement as colour, symbol and words."""
    return f"[{SYMBOLS[support]} {support.value}]{{.status .{CLASSES[support]}}}"
