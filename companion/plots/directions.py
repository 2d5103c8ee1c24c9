"""Figures of the chapter on directions."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from companion.experiments.directions_flows import Way
from companion.plots.style import BLACK, BLUE, DEPTHS, GREY, RED, THEORY, styled
from wnlib._checks import Array

MARKERS = {2: "o", 3: "s", 4: "^", 5: "D", 6: "v"}
GAUSSIAN = np.pi / np.sqrt(8)  # the standard deviation of log |g|, g Gaussian
LABELS = {
    "gaussian": "$x_0$ Gaussian",
    "uniform": "$x_0$ uniform",
    "product": "$w_0$ a product of Gaussians",
    "weights": "$w_0$ Gaussian",
    "identity": "$x_0$ near 1",
    "lowered": "Gaussian, large lowered",
    "lifted": "Gaussian, small lifted",
    "constant": "$x_0$ of one modulus",
}


def shares(
    spreads: Array, programs: Mapping[int, Array], limits: Mapping[int, Array], costs: Array, share: Array
) -> Figure:
    """The sparse share by depth, (K,), against the spreads (K,) of the direction, and against those of the costs.

    `programs` are of the weighted programs, `limits` of flows; `share` (J,) of the programs at spreads `costs` (J,).
    """
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 6.4), sharey=True)
        top.axvline(GAUSSIAN, color=GREY, linewidth=0.8, linestyle="--")
        top.text(GAUSSIAN - 0.01, 0.02, "Gaussian $x_0$", color=GREY, rotation=90, ha="right", va="bottom", fontsize=9)
        bottom.plot(costs, share, **THEORY)
        for depth, values in limits.items():
            colour, marker = DEPTHS[depth], MARKERS[depth]
            top.plot(spreads, programs[depth], color=colour, linewidth=1.4)
            top.plot(spreads, values, marker, color=colour, markersize=5)
            bottom.plot((depth - 2) * spreads, values, marker, color=colour, markersize=5)
        top.set_ylim(0, 1.05)
        top.set_xlim(0, 1.02 * GAUSSIAN)
        bottom.set_xlim(0, costs[-1] + 0.1)
        top.set_xlabel("spread of the direction, $\\mathrm{sd}\\,\\log u_0$")
        bottom.set_xlabel("spread of the costs, $(L - 2)\\ \\mathrm{sd}\\,\\log u_0$")
        for axes in (top, bottom):
            axes.set_ylabel("share that ends sparse")
        handles: list[Artist] = [
            Line2D([], [], color=DEPTHS[L], marker=MARKERS[L], markersize=5, label=f"$L = {L}$") for L in limits
        ]
        handles += [
            Line2D([], [], color=GREY, label="weighted program"),
            Line2D([], [], color=GREY, marker="o", linestyle="", markersize=5, label="WN limits"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=9)
    return figure


def phase(costs: Array, sparsities: Array, recovered: Array, cells: Mapping[int, tuple[Array, Array, Array]]) -> Figure:
    """The share of problems (S, K) whose weighted program is sparse, and shares of limits, by depth.

    `cells`: spreads of costs, sparsities and shares, each (J,).
    """
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 4.8))
        look: dict[str, Any] = {"cmap": "cividis", "vmin": 0, "vmax": 1}
        mesh = axes.pcolormesh(costs, sparsities, recovered, shading="nearest", rasterized=True, **look)
        axes.contour(costs, sparsities, recovered, levels=[0.5], colors="white", linewidths=1.4)
        for depth, (x, y, values) in cells.items():
            axes.scatter(
                x, y, 36, c=values, marker=MARKERS[depth], edgecolors="white", linewidths=0.9, zorder=3, **look
            )
        for depth in (3, 4, 6):
            place = (depth - 2) * GAUSSIAN
            axes.axvline(place, color="white", linestyle=":", linewidth=1.2)
            axes.text(place - 0.06, sparsities[-1] + 0.6, f"$L = {depth}$", color="white", ha="right", fontsize=9)
        axes.grid(False)
        axes.set_xlabel("spread of the costs, $(L - 2)\\ \\mathrm{sd}\\,\\log u_0$")
        axes.set_ylabel("positive entries of the truth, $s$")
        bar = figure.colorbar(mesh, ax=axes, location="bottom", aspect=35, shrink=0.9)
        bar.set_label("share of problems that recover")
        handles: list[Artist] = [
            Line2D([], [], color=GREY, marker=MARKERS[L], linestyle="", markersize=6, label=f"WN limits, $L = {L}$")
            for L in cells
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=2, fontsize=9)
    return figure


def margins(spreads: Array, margin: Array, recovered: NDArray[np.bool_]) -> Figure:
    """The planted weights' margin (P, K) against the spread of the costs (K,), and where they are the minimiser."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 3.8))
        x = np.broadcast_to(spreads, margin.shape)
        axes.plot(spreads, margin.T, color=GREY, linewidth=0.8, alpha=0.7)
        axes.plot(x[recovered], margin[recovered], "o", color=BLUE, markersize=4, label="the planted weights")
        axes.plot(x[~recovered], margin[~recovered], "x", color=RED, markersize=5, label="others")
        axes.axhline(0, color=BLACK, linewidth=0.8)
        axes.set_ylim(-1.05, 1.05)
        axes.set_xlabel("spread of the costs")
        axes.set_ylabel(r"margin $\gamma$ of the planted weights")
        figure.legend(loc="outside upper center", ncols=2, title="the weighted program finds", fontsize=9)
    return figure


def starts(programs: Mapping[str, Array], limits: Mapping[str, Array], depths: Sequence[int]) -> Figure:
    """The sparse share of each start, by name: of the weighted program (L,), and of limits from K scales (L, K)."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 5.2))
        place = np.arange(len(programs))[::-1]
        for k, depth in enumerate(depths):
            height = place + 0.18 * (1.5 - k)
            for at, name in zip(height, programs, strict=True):
                found = limits[name][k]
                axes.plot(found, np.full(found.shape, at), MARKERS[depth], color=DEPTHS[depth], markersize=4)
            predicted = [values[k] for values in programs.values()]
            axes.plot(predicted, height, "|", color=DEPTHS[depth], markersize=11, markeredgewidth=1.6)
        for edge in place[:-1] - 0.5:
            axes.axhline(edge, color=GREY, linewidth=0.4, alpha=0.5)
        axes.grid(visible=False, axis="y")
        axes.set_yticks(place, [LABELS[name] for name in programs])
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, 1.04)
        axes.set_xlabel("share that ends sparse")
        handles: list[Artist] = [
            Line2D([], [], color=DEPTHS[L], marker=MARKERS[L], linestyle="", markersize=5, label=f"$L = {L}$")
            for L in depths
        ]
        handles.append(Line2D([], [], color=GREY, marker="|", markersize=11, linestyle="", label="weighted program"))
        figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=9)
    return figure


def ways(found: Mapping[int, Mapping[str, Way]], slopes: Mapping[int, float]) -> Figure:
    """Distances to the minimisers of basis pursuit and of the weighted program, by depth and flow, with slopes."""
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 6.4), sharex=True)
        for depth, flows in found.items():
            for name, marker, size in (("plain", "s", 8), ("normalized", "o", 4)):
                one = flows[name]
                fill = "none" if name == "plain" else DEPTHS[depth]
                look = {"color": DEPTHS[depth], "markerfacecolor": fill, "markersize": size, "linestyle": ""}
                for axes, values in ((top, one.to_pursuit), (bottom, one.to_program)):
                    axes.loglog(np.exp(one.log_magnification), values, marker, **look)
            last, x = flows["normalized"], np.exp(flows["normalized"].log_magnification)
            middle = len(x) // 2
            bottom.loglog(x, last.to_program[middle] * (x / x[middle]) ** slopes[depth], **THEORY)
        bottom.set_ylim(bottom=1e-16)
        top.set_ylabel("distance to basis pursuit")
        bottom.set_ylabel("to the weighted program")
        bottom.set_xlabel("magnification $M_\\infty$")
        handles: list[Artist] = [Line2D([], [], color=DEPTHS[L], linewidth=4, label=f"$L = {L}$") for L in found]
        handles += [
            Line2D([], [], color=GREY, marker="s", markerfacecolor="none", linestyle="", markersize=8, label="plain"),
            Line2D([], [], color=GREY, marker="o", linestyle="", markersize=4, label="weight normalization"),
            Line2D([], [], **THEORY, label="predicted slope"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=9)
    return figure
