"""The book's pages on its theorems, from their files and the ledger: ``python -m pipeline.pages.theorems CHAPTER...``.

Writes ``_build/theorems``: a page for each theorem, the pages that stand for all, and in ``quoted`` what chapters show.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter

from companion.running import structured
from companion.theorems import theorem
from pipeline.intact import seal
from pipeline.notebooks import Notebook, outputs, read, write_text
from pipeline.pages.abstract import told
from pipeline.pages.checks import checks
from pipeline.pages.overview import assumptions, claims, counts, index
from pipeline.pages.theorem import Entry, Site, page, proof, quoted

BUILD = Path("_build")
LEDGER, PAGES = BUILD / "ledger.json", BUILD / "theorems"


def entries(chapters: Mapping[str, Notebook]) -> dict[str, Entry]:
    """The theorems in the ledger's order, each with its surroundings. FileError if the ledger has an unverified one."""
    verifications = structured.read(LEDGER, TypeAdapter(Site)).theorems
    quoting = {chapter: set(shown(notebook)) for chapter, notebook in chapters.items()}
    return {
        verification.name: Entry(
            theorem(verification.name),
            verification,
            [theorem(used) for used in verification.uses],
            [theorem(other.name) for other in verifications if verification.name in other.uses],
            [chapter for chapter, names in quoting.items() if verification.name in names],
        )
        for verification in verifications
    }


def shown(notebook: Notebook) -> Iterator[str]:
    """The theorems that the cells of an executed notebook show."""
    for output in outputs(notebook):
        if "theorem" in output.get("metadata", {}):
            yield output["metadata"]["theorem"]


def main(chapters: Sequence[str]) -> None:
    notebooks = {name: read(BUILD / "executed" / f"{name}.ipynb") for name in chapters}
    try:
        found = entries(notebooks)
    except structured.FileError as error:
        raise SystemExit(str(error)) from None
    for name, entry in found.items():
        write_text(PAGES / f"{name}.md", page(entry))
        write_text(PAGES / "quoted" / f"{name}.statement.md", quoted(entry))
        write_text(PAGES / "quoted" / f"{name}.proof.md", proof(entry.theorem))
        write_text(
            PAGES / "source" / f"{name}.py", Path("companion", "theorems", f"{name}.py").read_text(encoding="utf-8")
        )
    write_text(PAGES / "claims.md", claims(found, told(notebooks)))
    for write_page in (index, assumptions, checks, counts):
        write_text(PAGES / f"{write_page.__name__}.md", write_page(found))
    seal(PAGES)


if __name__ == "__main__":
    main(sys.argv[1:])
