"""Figures of the chapter on the map of the window."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.patheffects import AbstractPathEffect, withStroke

from companion.experiments.window_collapse import POSITIONS, RATIOS, Edges, Fates, Thresholds
from companion.experiments.window_map import THRESHOLDS, Lines, Map, Rates
from companion.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, PLAIN, RED, SKY, THEORY, styled
from wnlib._checks import Array

LEAST, MOST = 1e-6, 3.0  # of the excess that colours tell apart
LOOKS = ((ORANGE, "s", ":"), (GREEN, "^", "-."), (BLUE, "o", "--"))  # of thresholds
OUTLINE: list[AbstractPathEffect] = [withStroke(linewidth=1.6, foreground="#222222")]


def diagram(chart: Map) -> Figure:
    """The map of weight normalization's excess, and beside it, in the same colours, gradient flow's; medians."""
    positions, ratios, excess = chart.positions, chart.ratios, chart.median
    plain, starts = np.median(chart.plain, axis=0), chart.starts
    frontier, guaranteed = np.median(chart.frontier, axis=1), np.median(chart.guaranteed, axis=1)
    with styled():
        figure, (left, right) = plt.subplots(1, 2, figsize=(4.8, 5.2), width_ratios=(6, 1))
        colours: dict[str, Any] = {"norm": LogNorm(LEAST, MOST), "cmap": "viridis", "rasterized": True}
        mesh = left.pcolormesh(positions, ratios, np.clip(excess, LEAST, MOST), shading="nearest", **colours)
        right.pcolormesh([0.0, 1.0], starts, np.clip(plain, LEAST, MOST)[:, None].repeat(2, 1), **colours)
        for axes in (left, right):
            axes.grid(False)
            axes.set_yscale("log")
            axes.spines[["top", "right"]].set_visible(True)
        left.plot([], [], color=GREY, linewidth=1.4, label="contour of the map")
        contours = left.contour(positions, ratios, excess, levels=sorted(THRESHOLDS), colors="white", linewidths=1.4)
        for k, line in enumerate(frontier):
            label = "straight in $1/c$" if k == 0 else None
            left.plot(line, ratios, color=BLACK, linestyle=(0, (1, 2)), linewidth=1.4, label=label)
        for threshold, line, dashes in zip(THRESHOLDS, guaranteed, ("--", "-."), strict=False):
            left.plot(line, ratios, color=ORANGE, linestyle=dashes, label=f"bound: {_power(threshold)}")
        left.axvline(1, color=RED, linewidth=1.6, label=r"$r_0^2 = \rho^*$")
        left.set_xlim(positions[0], positions[-1])
        left.set_ylim(ratios[0], ratios[-1])
        left.set_xlabel(r"squared scale of the start, $r_0^2/\rho^*$")
        left.set_ylabel("ratio $c$")
        left.set_title("weight normalization", fontsize=10)
        _label(left, contours, ratios, frontier)
        _strip(right, starts, plain)
        bar = figure.colorbar(mesh, ax=[left, right], location="bottom", extend="both", aspect=35, shrink=0.9)
        bar.set_label(r"$\ell_1$ excess, median over problems")
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=9)
    return figure


def _label(axes: Axes, contours: ContourSet, ratios: Array, frontier: Array) -> None:
    """Name each contour that the map has, where it passes about the middle of the window."""
    places = []
    for line, position in zip(frontier, (0.5, 0.6, 0.7), strict=True):
        if np.nanmax(line, initial=0) > position:
            k = int(np.nanargmin(np.abs(line - position)))
            places.append((float(line[k]), float(ratios[k])))
    for text in axes.clabel(contours, fmt=_power, fontsize=9, manual=places):
        text.set_path_effects(OUTLINE)


def _power(value: float) -> str:
    return f"{value:.0%}" if value >= 0.01 else f"$10^{{{np.log10(value):.0f}}}$"


def _strip(axes: Axes, starts: Array, plain: Array) -> None:
    """Gradient flow: one scale only."""
    for threshold in THRESHOLDS:
        at = float(np.exp(np.interp(np.log(threshold), np.log(plain), np.log(starts))))
        if starts[0] < at < starts[-1]:
            axes.axhline(at, color="white", linewidth=1.4)
            text = axes.text(0.5, at / 1.3, _power(threshold), color="white", ha="center", va="top", fontsize=9)
            text.set_path_effects(OUTLINE)
    axes.axhline(1, color=RED, linewidth=1.6)
    axes.set_xlim(0, 1)
    axes.set_ylim(starts[0], starts[-1])
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    axes.set_ylabel(r"$r_0^2/\rho^*$", labelpad=0)
    axes.set_title("plain", fontsize=10)


def lines(found: Lines) -> Figure:
    """Frontiers against the inverse ratio: straight lines, roots of single limits on them, and the bounds."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 4.2))
        for k, (threshold, (colour, marker, dashes)) in enumerate(zip(THRESHOLDS, LOOKS, strict=True)):
            label = f"{_power(threshold)}, predicted"
            axes.plot(found.inverse, found.predicted[k], color=colour, linestyle=dashes, label=label)
            axes.plot(found.at[k], found.measured[k], marker, color=colour, markersize=5, label="limits")
            axes.plot(found.inverse, found.guaranteed[k], color=colour, linewidth=0.9, label="bound")
        axes.axhline(1, color=RED, linewidth=0.8)
        axes.set_xlim(0, found.inverse[-1])
        axes.set_ylim(0, 1.05 * max(1.1, found.predicted.max()))
        axes.set_xlabel(r"inverse ratio, $1/(c\,\rho^*)$")
        axes.set_ylabel(r"frontier, $r_0^2/\rho^*$")
        figure.legend(loc="outside upper center", ncols=3, fontsize=9)
    return figure


def rates(found: Mapping[int, Rates]) -> Figure:
    """Excess against gain, a panel for each depth: curves and limits, the exponential that is seen, and the bound."""
    with styled():
        figure, panels = plt.subplots(len(found), 1, figsize=(4.8, 2.9 * len(found)), sharex=True, squeeze=False)
        for axes, (depth, one) in zip(panels[:, 0], found.items(), strict=True):
            for k, (gain, excess) in enumerate(one.curves):
                label = "plain flow, each problem" if k == 0 else None
                axes.semilogy(gain[::4], excess[::4], color=SKY, linewidth=0.8, label=label)
            axes.semilogy(one.at, one.normalized, "o", color=BLUE, markersize=4, label="weight normalization")
            axes.semilogy(one.gain, one.seen, **THEORY, label="predicted exponential")
            axes.semilogy(one.gain, one.proved, **PLAIN, label="proved bound")
            axes.set_ylim(1e-10, 10)
            axes.set_xlim(0, one.gain[-1])
            axes.set_ylabel(rf"$\ell_1$ excess, $L = {depth}$")
        panels[-1, 0].set_xlabel(r"gain, $c\,(\rho^* - r_0^2)$ or $\log(\rho^*/r_0^2)$")
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=9)
    return figure


def collapse(fates: Fates, edges: Edges) -> Figure:
    r"""The share of problems on which a start collapses, over $r_0^2/Q$ and c; medians of what is known of the edge."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 4.8))
        mesh = axes.pcolormesh(
            POSITIONS, RATIOS, fates.share, shading="nearest", norm=Normalize(0, 1), cmap="cividis", rasterized=True
        )
        axes.loglog()
        axes.grid(False)
        looks: tuple[tuple[Array, dict[str, Any]], ...] = (
            (edges.lost, {"color": BLACK, "linestyle": ":", "label": "below: collapse proved"}),
            (edges.turning, {"color": RED, "linestyle": "--", "label": "barrier: predicted"}),
            (edges.safe, {"color": SKY, "label": "above: no collapse proved"}),
        )
        for values, look in looks:
            axes.plot(np.median(values, axis=0), RATIOS, **look)
        axes.set_xlim(POSITIONS[0], POSITIONS[-1])
        axes.set_ylim(RATIOS[0], RATIOS[-1])
        axes.set_xlabel("squared scale of the start, $r_0^2/Q$")
        axes.set_ylabel("ratio $c$")
        bar = figure.colorbar(mesh, ax=axes, location="bottom", aspect=35, shrink=0.9)
        bar.set_label("share of problems on which the flow collapses")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=9)
    return figure


def thresholds(found: Thresholds) -> Figure:
    r"""The $c\,r_0^2$ between collapse and escape against the barrier: measured, and what is proved."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 3.8))
        ends = np.array([found.barrier.min() / 2, found.barrier.max() * 2])
        axes.loglog(ends, ends, **THEORY, label="barrier")
        looks = zip((ORANGE, BLUE), ("s", "o"), (8, 4), strict=True)
        for position, values, (colour, marker, size) in zip(found.positions, found.measured, looks, strict=True):
            label = rf"flows, $r_0^2 \approx 10^{{{np.log10(position):.0f}}}\,\rho^*$"
            axes.loglog(found.barrier, values, marker, color=colour, markersize=size, label=label)
        axes.loglog(found.barrier, found.proved[-1], "v", color=GREY, markersize=4, label="collapse proved below")
        axes.set_xlabel(r"barrier, $-\min_s \log \|z(s)\|^2$")
        axes.set_ylabel(r"threshold of $c\,r_0^2$")
        figure.legend(loc="outside upper center", ncols=2, fontsize=9)
    return figure
