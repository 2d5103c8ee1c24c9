"""Figures of the chapter on the map of the window."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.patheffects import AbstractPathEffect, withStroke

from wnlib._checks import Array
from wnlib.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, PLAIN, RED, SKY, THEORY, styled

LEAST, MOST = 1e-6, 3.0  # of the excess that colours tell apart
LOOKS = ((ORANGE, "s", ":"), (GREEN, "^", "-."), (BLUE, "o", "--"))  # of thresholds
OUTLINE: list[AbstractPathEffect] = [withStroke(linewidth=1.6, foreground="#222222")]


def diagram(
    positions: Array,
    ratios: Array,
    excess: Array,
    starts: Array,
    plain: Array,
    thresholds: Sequence[float],
    predicted: Mapping[float, Array],
    guaranteed: Mapping[float, Array],
) -> Figure:
    r"""The map of weight normalization's excess, and beside it, in the same colours, gradient flow's.

    `excess` (ratios, positions) over $r_0^2/\rho^*$ and c; `plain` (K,) over `starts` (K,), in the same unit.
    `predicted` and `guaranteed` have, for thresholds, the largest position of each ratio, of theory and by the bound.
    """
    with styled():
        figure, (left, right) = plt.subplots(1, 2, figsize=(4.8, 5.2), width_ratios=(6, 1))
        colours: dict[str, Any] = {"norm": LogNorm(LEAST, MOST), "cmap": "viridis", "rasterized": True}
        mesh = left.pcolormesh(positions, ratios, np.clip(excess, LEAST, MOST), shading="nearest", **colours)
        right.pcolormesh([0.0, 1.0], starts, np.clip(plain, LEAST, MOST)[:, None].repeat(2, 1), **colours)
        for axes in (left, right):
            axes.grid(False)
            axes.set_yscale("log")
            axes.spines[["top", "right"]].set_visible(True)
        found = left.contour(positions, ratios, excess, levels=sorted(thresholds), colors="white", linewidths=1.4)
        _label(left, found, ratios, predicted)
        for k, threshold in enumerate(thresholds):
            label = "contour, predicted" if k == 0 else None
            left.plot(predicted[threshold], ratios, color=BLACK, linestyle=(0, (1, 2)), linewidth=1.4, label=label)
        for threshold, line in zip(guaranteed, ("--", "-."), strict=False):
            left.plot(guaranteed[threshold], ratios, color=ORANGE, linestyle=line, label=f"bound: {threshold:.0%}")
        left.axvline(1, color=RED, linewidth=1.6, label=r"$r_0^2 = \rho^*$")
        left.plot([], [], color=GREY, linewidth=1.4, label="contour, measured")
        left.set_xlim(positions[0], positions[-1])
        left.set_ylim(ratios[0], ratios[-1])
        left.set_xlabel(r"squared scale of the start, $r_0^2/\rho^*$")
        left.set_ylabel("ratio $c$")
        left.set_title("weight normalization", fontsize=10)
        _strip(right, starts, plain, thresholds)
        bar = figure.colorbar(mesh, ax=[left, right], location="bottom", extend="both", aspect=35, shrink=0.9)
        bar.set_label(r"$\ell_1$ excess, median over problems")
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=9)
    return figure


def _label(axes: Axes, contours: ContourSet, ratios: Array, lines: Mapping[float, Array]) -> None:
    """Name each contour, apart from the others."""
    places = []
    for k, threshold in enumerate(sorted(lines)):
        at = int(len(ratios) * (0.55 + 0.1 * k))
        places.append((float(lines[threshold][at]), float(ratios[at])))
    for text in axes.clabel(contours, fmt=_power, fontsize=9, manual=places):
        text.set_path_effects(OUTLINE)


def _power(value: float) -> str:
    return f"{value:.0%}" if value >= 0.01 else f"$10^{{{np.log10(value):.0f}}}$"


def _strip(axes: Axes, starts: Array, plain: Array, thresholds: Sequence[float]) -> None:
    """Gradient flow: one scale only."""
    for threshold in thresholds:
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


def lines(
    inverse: Array,
    predicted: Mapping[float, Array],
    measured: Mapping[float, tuple[Array, Array]],
    guaranteed: Mapping[float, Array],
) -> Figure:
    r"""Frontiers against $1/(c\rho^*)$ on one problem, for thresholds: straight lines, limits on them, and the bound.

    `predicted` and `guaranteed` are $r_0^2/\rho^*$ at `inverse` (K,); `measured` pairs of inverses and of those.
    """
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 4.2))
        for (threshold, values), (colour, marker, line) in zip(predicted.items(), LOOKS, strict=False):
            axes.plot(inverse, values, color=colour, linestyle=line, label=f"{_power(threshold)}, predicted")
            axes.plot(*measured[threshold], marker, color=colour, markersize=5, label="limits")
            axes.plot(inverse, guaranteed[threshold], color=colour, linewidth=0.9, label="bound")
        axes.axhline(1, color=RED, linewidth=0.8)
        axes.set_xlim(0, inverse[-1])
        axes.set_ylim(0, 1.05 * max(1.1, *(float(values[0]) for values in predicted.values())))
        axes.set_xlabel(r"inverse ratio, $1/(c\,\rho^*)$")
        axes.set_ylabel(r"frontier, $r_0^2/\rho^*$")
        figure.legend(loc="outside upper center", ncols=3, fontsize=9)
    return figure


def rates(
    curves: Mapping[int, Sequence[tuple[Array, Array]]],
    dots: Mapping[int, tuple[Array, Array]],
    gain: Array,
    seen: Mapping[int, Array],
    bound: Mapping[int, Array],
) -> Figure:
    r"""Excess against the gain, $c\,(\rho^* - r_0^2)$ or $\log(\rho^*/r_0^2)$, a panel for each depth.

    For each depth: gains and excesses along each problem's curve; those of single limits; and at `gain` (K,) the
    exponential that is seen, and the bound.
    """
    with styled():
        figure, panels = plt.subplots(len(curves), 1, figsize=(4.8, 2.9 * len(curves)), sharex=True, squeeze=False)
        for axes, depth in zip(panels[:, 0], curves, strict=True):
            for k, (x, y) in enumerate(curves[depth]):
                label = "plain flow, each problem" if k == 0 else None
                axes.semilogy(x, y, color=SKY, linewidth=0.8, label=label)
            axes.semilogy(*dots[depth], "o", color=BLUE, markersize=4, label="weight normalization")
            axes.semilogy(gain, seen[depth], **THEORY, label="predicted exponential")
            axes.semilogy(gain, bound[depth], **PLAIN, label="proved bound")
            axes.set_ylim(1e-10, 10)
            axes.set_xlim(0, gain[-1])
            axes.set_ylabel(rf"$\ell_1$ excess, $L = {depth}$")
        panels[-1, 0].set_xlabel(r"gain, $c\,(\rho^* - r_0^2)$ or $\log(\rho^*/r_0^2)$")
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=9)
    return figure


def collapse(positions: Array, ratios: Array, share: Array, lost: Array, predicted: Array, safe: Array) -> Figure:
    r"""The share (ratios, positions) of problems on which a start collapses, over $r_0^2/Q$ and c.

    At each ratio, over the problems (problems, ratios): the position below which the theorem on collapse applies, that
    of the barrier, and that from which on no collapse is possible; medians and ranges are drawn.
    """
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 4.6))
        mesh = axes.pcolormesh(
            positions, ratios, share, shading="nearest", norm=Normalize(0, 1), cmap="cividis", rasterized=True
        )
        axes.loglog()
        axes.grid(False)
        looks = (
            (lost, "white", ":", "collapse: proved"),
            (predicted, "white", "--", "barrier: predicted"),
            (safe, RED, "-", "no collapse: proved"),
        )
        for values, colour, line, label in looks:
            there = np.isfinite(values).all(axis=0)
            low, middle, high = np.quantile(values[:, there], (0, 0.5, 1), axis=0)
            axes.fill_betweenx(ratios[there], low, high, color=colour, alpha=0.18, linewidth=0)
            axes.plot(middle, ratios[there], color=colour, linestyle=line, label=label)
        axes.set_xlim(positions[0], positions[-1])
        axes.set_ylim(ratios[0], ratios[-1])
        axes.set_xlabel("squared scale of the start, $r_0^2/Q$")
        axes.set_ylabel("ratio $c$")
        bar = figure.colorbar(mesh, ax=axes, location="bottom", aspect=35, shrink=0.9)
        bar.set_label("share of problems on which the flow collapses")
        legend = figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=9)
        for handle in legend.get_lines()[:2]:
            handle.set_color(GREY)
    return figure


def thresholds(barrier: Array, measured: Mapping[float, Array], proved: Array, depth: int) -> Figure:
    r"""Measured $c\,r_0^2$ between collapse and escape, (P,) for ratios, against the barrier (P,); what is proved."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 3.6))
        ends = np.array([barrier.min() / 2, barrier.max() * 2])
        axes.loglog(ends, ends, **THEORY, label="barrier")
        looks = zip((BLUE, ORANGE, GREEN), ("o", "s", "^"), strict=True)
        for (ratio, values), (colour, marker) in zip(measured.items(), looks, strict=False):
            axes.loglog(barrier, values, marker, color=colour, markersize=5, label=f"flows, $c = {ratio:.3g}$")
        axes.loglog(barrier, proved, "v", color=GREY, markersize=4, label="collapse proved below")
        axes.set_xlabel(r"barrier, $-\min_s \log \|z(s)\|^2$")
        axes.set_ylabel(r"threshold of $c\,r_0^2$")
        axes.set_title(f"depth {depth}", fontsize=10)
        axes.legend(loc="upper left", fontsize=9)
    return figure
