"""Figures of the page of benchmarks: ratios of times, work against precision, growth, times of many instances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from companion.plots.style import BLACK, BLUE, DEPTHS, GREEN, GREY, ORANGE, PURPLE, RED, SKY, styled
from wnlib._checks import Array

LOOKS = tuple(
    zip(
        (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, GREY, BLACK, RED, GREEN),
        ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">"),
        ("-", "--", "-.", ":", "--", "-.", ":", "--", ":", "--"),
        strict=True,
    )
)


@dataclass(frozen=True)
class Ratio:
    """A row of a dot plot: median and quartiles; `open_ended` if the ratio is at least that."""

    label: str
    median: float
    low: float
    high: float
    open_ended: bool = False


def ratios(panels: Mapping[str, Sequence[Ratio]], quantity: str) -> Figure:
    """A panel of dots with quartiles for each case, on one logarithmic axis, with a line where both take as long."""
    rows = [max(1, len(panel)) for panel in panels.values()]
    with styled():
        figure, axes = plt.subplots(
            len(panels),
            1,
            figsize=(4.8, 0.9 + 0.5 * len(panels) + 0.3 * sum(rows)),
            sharex=True,
            squeeze=False,
            gridspec_kw={"height_ratios": [count + 0.4 for count in rows]},
        )
        for ax, (title, panel) in zip(axes[:, 0], panels.items(), strict=True):
            for place, row in enumerate(panel):
                spread = [[row.median - row.low], [row.high - row.median]]
                ax.errorbar(row.median, place, xerr=spread, fmt="none", ecolor=BLUE, elinewidth=1.6)
                marker = ">" if row.open_ended else "o"
                ax.plot(row.median, place, marker, color=BLUE, markerfacecolor="white" if row.open_ended else BLUE)
            ax.axvline(1, color=BLACK, linestyle=":", linewidth=1.2)
            ax.set(xscale="log", yticks=range(len(panel)), ylim=(len(panel) - 0.5, -0.5))
            ax.set_yticklabels([row.label for row in panel])
            ax.set_title(title, loc="left")
        axes[-1, 0].set_xlabel(quantity)
        _ticks_of_ratios(axes[-1, 0])
    return figure


def work_precision(lines: Mapping[str, Array]) -> Figure:
    """Seconds against error of each solver, over its tolerances: lines (2, K) of errors and seconds."""
    with styled():
        figure, ax = plt.subplots(figsize=(4.8, 5.4))
        for (name, (error, seconds)), (color, marker, line) in zip(lines.items(), LOOKS, strict=False):
            ax.loglog(error, seconds, color=color, marker=marker, linestyle=line, markersize=5, label=name)
        ax.invert_xaxis()
        ax.set(xlabel="largest relative error along the path", ylabel="seconds")
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def growth(lines: Mapping[str, Array], beside: Mapping[str, Array]) -> Figure:
    """Seconds and MiB of each contender against N: rows N, seconds, MiB of arrays (3, K). Hollow dots for `beside`."""
    with styled():
        figure, (above, below) = plt.subplots(2, 1, figsize=(4.8, 6.6), sharex=True)
        for (name, (size, seconds, memory)), (color, marker, line) in zip(lines.items(), LOOKS, strict=False):
            look: dict[str, Any] = {"color": color, "marker": marker, "linestyle": line, "markersize": 5}
            above.loglog(size, seconds, label=name, **look)
            below.loglog(size, memory, **look)
            if name in beside:
                hollow: dict[str, Any] = {
                    "color": color,
                    "marker": marker,
                    "linestyle": "none",
                    "markerfacecolor": "white",
                }
                above.loglog(beside[name][0], beside[name][1], **hollow)
                below.loglog(beside[name][0], beside[name][2], **hollow)
        above.set_ylabel("seconds")
        below.set(xlabel="number of weights $N$", ylabel="memory beyond the problem, MiB")
        figure.legend(loc="outside lower center", ncols=1)
    return figure


def distribution(seconds: Mapping[int, Array]) -> Figure:
    """The share of instances that took at most so long, for each depth."""
    with styled():
        figure, ax = plt.subplots(figsize=(4.8, 3.8))
        lines = ("-", "--", "-.", ":", "-", "--")
        for (depth, values), line in zip(seconds.items(), lines, strict=False):
            ordered = np.sort(values) * 1e3
            share = np.arange(1, ordered.size + 1) / ordered.size
            ax.step(ordered, share, where="post", color=DEPTHS[depth], linestyle=line, label=f"$L = {depth}$")
        ax.set(xscale="log", xlabel="milliseconds", ylabel="share of the instances", ylim=(0, 1.02))
        ax.legend()
    return figure


def _ticks_of_ratios(ax: Axes) -> None:
    """Decades; where there are few, also their halves and fifths."""
    low, high = ax.get_xlim()
    few = np.log10(high / low) < 2.5
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=6))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
