"""What code cells say about themselves: captioned figures, verdicts and theorems; and that chapters state no others.

A cell shows a figure as two outputs: the image, whose plain-text form is its alternative text, and after it
the caption, Markdown whose output metadata names the figure: ``{"figure": "drift"}``. A notebook front end
shows the caption below the image; this extension hands both to MyST-NB, which makes them a numbered figure
that any page can refer to with ``{numref}`drift```. So both texts can carry numbers that the run computed.

A cell that prints ``verified: ...`` is tagged as a verdict, for the style sheet.

A cell shows a theorem, or its proof, as Markdown whose output metadata names it: ``{"theorem": "magnification", "part":
"statement"}``. What the pipeline wrote of it into ``theorems/quoted`` takes its place, in a cell of its own, labelled
by the chapter and the theorem. A theorem, proposition, lemma or corollary that stands on a page in any other way is a
defect: results are stated in theorem files, whose pages are in ``theorems``.
"""

from __future__ import annotations

import json
from pathlib import Path

from docutils.nodes import Element, document
from sphinx.application import Sphinx
from sphinx.util import logging

RESULTS = ("theorem", "proposition", "lemma", "corollary")
logger = logging.getLogger(__name__)


def join(text: str | list[str]) -> str:
    """The notebook format stores a text whole or as a list of lines."""
    return text if isinstance(text, str) else "".join(text)


def is_image(output: dict) -> bool:
    return any(mime.startswith("image/") for mime in output.get("data", {}))


def caption_figure(cell: dict) -> str | None:
    """Move the caption of a cell's figure from its outputs to its metadata; return the defect, if any."""
    images = [output for output in cell["outputs"] if is_image(output)]
    captions = [output for output in cell["outputs"] if "figure" in output.get("metadata", {})]
    if not images and not captions:
        return None
    if len(images) != 1 or len(captions) != 1:
        return f"a cell shows one figure with one caption, not {len(images)} with {len(captions)}"
    [image], [caption] = images, captions
    alt = join(image["data"].get("text/plain", "")).strip()
    if not alt or alt.startswith("<"):
        return f"the plain-text form of a figure is its alternative text, not {alt!r}"
    cell["outputs"].remove(caption)
    figure = {"name": caption["metadata"]["figure"], "caption": join(caption["data"]["text/markdown"])}
    cell["metadata"]["mystnb"] = {"image": {"alt": alt}, "figure": figure}
    return None


def tag_verdict(cell: dict) -> None:
    printed = "".join(join(output["text"]) for output in cell["outputs"] if output.get("name") == "stdout")
    if printed.startswith("verified:"):
        cell["metadata"].setdefault("tags", []).append("verdict")


def labelled(text: str, label: str) -> str:
    """A statement as the pipeline wrote it, with a label."""
    head, rest = text.split("\n", 1)
    return f"{head}\n:label: {label}\n{rest}"


def quote_theorems(cell: dict, quoted: Path, chapter: str) -> list[dict]:
    """Move the theorems that a cell shows into Markdown cells to follow it. Raises ValueError for an unknown one."""
    found = []
    for output in [output for output in cell["outputs"] if "theorem" in output.get("metadata", {})]:
        name, part = output["metadata"]["theorem"], output["metadata"]["part"]
        path = quoted / f"{name}.{part}.md"
        if not path.exists():
            raise ValueError(f"shows the {part} of {name!r}, which no theorem file holds")
        cell["outputs"].remove(output)
        text, label = path.read_text(encoding="utf-8"), f"{chapter}-{name}"
        if part == "statement":  # unlabelled, it would be numbered by its place, as the first of another chapter is
            text = labelled(text, label)
        shown = {"id": f"{cell['id']}-{len(found)}", "source": text}
        found.append({"cell_type": "markdown", "metadata": {"quoted": label}, **shown})
    return found


def prepare(app: Sphinx, docname: str, source: list[str]) -> None:
    if not str(app.env.doc2path(docname)).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    cells = []
    for index, cell in enumerate(notebook["cells"], start=1):
        cells.append(cell)
        if cell["cell_type"] == "code":
            tag_verdict(cell)
            if defect := caption_figure(cell):
                logger.warning("cell %d: %s", index, defect, location=docname)
            try:
                cells += quote_theorems(cell, Path(app.srcdir, "theorems", "quoted"), Path(docname).name)
            except ValueError as error:
                logger.warning("cell %d %s", index, error, location=docname)
    app.env.temp_data["quoted"] = {cell["metadata"].get("quoted") for cell in cells}
    source[0] = json.dumps({**notebook, "cells": cells})


def refuse_own_results(app: Sphinx, page: document) -> None:
    """Whatever wrote it, and in whatever syntax: what counts is what is on the page."""
    docname = app.env.docname
    if docname.startswith("theorems/"):
        return
    for node in page.findall(Element):
        if node.get("realtype") in RESULTS and node["label"] not in app.env.temp_data.get("quoted", ()):
            result = f"{node['realtype']}{node['title']}"
            logger.warning("states a result that no theorem file holds: %s", result, location=docname)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", prepare)
    app.connect("doctree-read", refuse_own_results)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
