"""The book's page of benchmarks, from the records of the last run alone: ``python -m pipeline.pages.benchmarks``.

Writes ``_build/benchmarks``: the page and its figures. Nothing is timed here.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt

from companion.plots.style import styled
from pipeline.notebooks import write_text
from pipeline.pages.aims import aims
from pipeline.pages.comparisons import SECTIONS, Figures, Json
from pipeline.pages.markdown import listed

RECORDS, PAGE = Path("benchmarks", "records"), Path("_build", "benchmarks")

INTRODUCTION = """\
The package beside the tools that one would use without it, in one run: contenders take turns, so that drift of the
machine hits all alike. Times are medians, with quartiles in parentheses; a ratio above 1 says that the other takes
longer. This page is made from the committed records of the last `make bench`; building the book times nothing."""


def machine(records: Sequence[Json]) -> str:
    """What the records were made on; each kind of machine once."""
    kinds = list(dict.fromkeys(json.dumps(record["machine"], sort_keys=True) for record in records))
    lines = []
    for kind in map(json.loads, kinds):
        libraries = listed([f"{name} {version}" for name, version in kind["libraries"].items()])
        names = listed([record["name"] for record in records if record["machine"] == kind])
        lines.append(
            f"- {names}: {kind['processor']}, cores: {kind['cores']}, {kind['memory_gib']} GiB, {kind['system']};"
            f" threads of every contender: {kind['threads']}; Python {kind['python']}, {libraries}; NumPy's matrix"
            f" products by {kind['blas']}."
        )
    return "\n".join(lines)


def page(records: Mapping[str, Json], figures: Figures) -> str:
    """The page as MyST Markdown; its figures are added to `figures`."""
    found = {name: records[name] for name in SECTIONS if name in records}
    parts = ["# Benchmarks", INTRODUCTION, machine(list(found.values())), "## What was aimed at", aims(found)]
    for name, record in found.items():
        parts += SECTIONS[name](record, figures)
    return "\n\n".join(parts) + "\n"


def main() -> None:
    records = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RECORDS.glob("*.json"))}
    figures: Figures = {}
    write_text(PAGE / "index.md", page(records, figures))
    for name, drawn in figures.items():
        buffer = io.StringIO()
        with styled():
            drawn.savefig(buffer, format="svg", metadata={"Date": None})
        plt.close(drawn)
        write_text(PAGE / f"{name}.svg", buffer.getvalue())


if __name__ == "__main__":
    main()
