"""The book's page of benchmarks, from the reports of the last run alone: ``python -m pipeline.pages.benchmarks``.

Writes ``_build/benchmarks``: the page and its figures. Nothing is timed here.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt

from companion.plots.style import styled
from companion.running.report import NAMES, REPORT, AnyReport
from companion.running.structured import FileError, read
from pipeline.intact import seal
from pipeline.notebooks import write_text
from pipeline.pages.aims import aims
from pipeline.pages.comparisons import Figures, marked, section
from pipeline.pages.markdown import listed

REPORTS, PAGE = Path("benchmarks", "reports"), Path("_build", "benchmarks")

INTRODUCTION = """\
The package beside the tools that one would use without it, in one run: contenders take turns, so that drift of the
machine hits all alike. Times are medians, with quartiles in parentheses; a ratio above 1 says that the other takes
longer. This page is made from the committed reports of the last `make bench`; building the book times nothing."""


def machine(reports: Sequence[AnyReport]) -> str:
    """What the reports were made on; each kind of machine once."""
    machines = [report.machine for report in reports]
    lines = []
    for kind in (kind for place, kind in enumerate(machines) if kind not in machines[:place]):
        libraries = listed([f"{name} {version}" for name, version in sorted(kind.libraries.items())])
        names = listed([report.name for report in reports if report.machine == kind])
        lines.append(
            f"- {names}: {kind.processor}, cores: {kind.cores}, {kind.memory_gib} GiB, {kind.system};"
            f" threads of every contender: {kind.threads}; Python {kind.python}, {libraries}; NumPy's matrix"
            f" products by {kind.blas}."
        )
    return "\n".join(lines)


def page(reports: Sequence[AnyReport], figures: Figures) -> str:
    """The page as MyST Markdown; its figures are added to `figures`."""
    ordered = sorted(reports, key=lambda report: NAMES.index(report.name))
    parts = ["# Benchmarks", INTRODUCTION, machine(ordered), "## What was aimed at", marked(aims(ordered))]
    for report in ordered:
        parts += section(report, figures)
    return "\n\n".join(parts) + "\n"


def main() -> None:
    try:
        reports = [read(path, REPORT) for path in sorted(REPORTS.glob("*.json"))]
    except FileError as error:
        raise SystemExit(str(error)) from None
    figures: Figures = {}
    write_text(PAGE / "index.md", page(reports, figures))
    for name, drawn in figures.items():
        buffer = io.StringIO()
        with styled():
            drawn.savefig(buffer, format="svg", metadata={"Date": None})
        plt.close(drawn)
        write_text(PAGE / f"{name}.svg", buffer.getvalue())
    seal(PAGE)


if __name__ == "__main__":
    main()
