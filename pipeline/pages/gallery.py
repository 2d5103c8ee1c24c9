"""The gallery: every figure of the chapters on one page: ``python -m pipeline.pages.gallery CHAPTER...``.

Writes ``_build/gallery``: the page and the figures. The arguments are the chapters, in the order of the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.intact import seal
from pipeline.notebooks import Notebook, read, write_text
from pipeline.pages.markdown import directive, line

BUILD = Path("_build")
PAGE = BUILD / "gallery"
INTRODUCTION = "Every figure of the chapters, in their order; each leads to the place where it is made and explained."


@dataclass(frozen=True)
class Picture:
    """A figure: its name, its chapter, that one's title, the image and its alternative text."""

    name: str
    chapter: str
    title: str
    svg: str
    alt: str


def pictures(chapters: Mapping[str, Notebook]) -> Iterator[Picture]:
    """The figures of executed notebooks; a cell that shows one has its image first and its named caption next."""
    for chapter, notebook in chapters.items():
        head = next(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown")
        title = head.splitlines()[0].lstrip("# ")
        for cell in notebook["cells"]:
            outputs = cell.get("outputs", [])
            names = [output["metadata"]["figure"] for output in outputs if "figure" in output.get("metadata", {})]
            images = [output["data"] for output in outputs if "image/svg+xml" in output.get("data", {})]
            for name, data in zip(names, images, strict=True):
                yield Picture(name, chapter, title, data["image/svg+xml"], data["text/plain"])


def page(found: Sequence[Picture]) -> str:
    """The page as MyST Markdown: the figures of each chapter side by side."""
    parts = ["# Gallery", INTRODUCTION]
    for chapter in dict.fromkeys(picture.chapter for picture in found):
        shown = [picture for picture in found if picture.chapter == chapter]
        items = [directive("grid-item", "", framed(picture)) for picture in shown]
        parts += [f"## {shown[0].title}", directive("grid", "1 1 2 2", "\n\n".join(items), "gutter: 3")]
    return "\n\n".join(parts) + "\n"


def framed(picture: Picture) -> str:
    """The figure, with a link to its place for a caption; the style sheet hides a second number."""
    return directive(
        "figure", f"{picture.name}.svg", f"{{numref}}`{picture.name}`", f"alt: {line(picture.alt)}", "figclass: gallery"
    )


def main(names: Sequence[str]) -> None:
    found = list(pictures({name: read(BUILD / "executed" / f"{name}.ipynb") for name in names}))
    write_text(PAGE / "index.md", page(found))
    for picture in found:
        write_text(PAGE / f"{picture.name}.svg", picture.svg)
    seal(PAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
