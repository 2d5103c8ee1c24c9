"""The picture on the front page."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from companion.experiments.front import Plane
from companion.plots.style import BLACK, GREEN, GREY, NORMALIZED, PLAIN, styled
from wnlib._checks import Array


def story(plain: Plane, normalized: Plane, sparse: Array, shortest: Array) -> Figure:
    """Paths of both flows in the plane of the weights, over the level sets of the divergence each of them minimises."""
    with styled():
        figure, axes = plt.subplots(2, 1, figsize=(4.8, 8.4), sharex=True)
        for ax, plane, look, name in zip(
            axes, (plain, normalized), (PLAIN, NORMALIZED), ("Gradient flow", "Weight normalization"), strict=True
        ):
            _panel(ax, plane, str(look["color"]), sparse, shortest)
            ax.set_title(name, loc="left")
            ax.set_ylabel("$w_2$")
        axes[1].set_xlabel("$w_1$")
        axes[0].legend(loc="upper right", frameon=True, framealpha=1, edgecolor="white")
    return figure


def _panel(ax: Axes, plane: Plane, color: str, sparse: Array, shortest: Array) -> None:
    levels = plane.touching * np.array([0.25, 1.0, 2.5, 6.0])
    ax.contour(plane.grid, plane.grid, plane.divergence, levels=levels, colors=GREY, linewidths=[0.6, 1.2, 0.6, 0.6])
    ax.plot([0, 2], [1, 0], color=BLACK, linewidth=1, label="interpolants $A w = y$")
    for path in plane.paths:
        ax.plot(*path.T, color=color)
        ax.plot(*path[0], "o", color=color, markersize=4)
        ax.plot(*path[-1], "o", color=color, markersize=6, markerfacecolor="white", markeredgewidth=1.6, zorder=4)
    ax.plot(*sparse, "*", color=GREEN, markersize=15, zorder=3, label="sparse interpolant")
    ax.plot(*shortest, "D", color=BLACK, markersize=6, zorder=3, label="shortest interpolant")
    ax.set(xlim=(-0.05, plane.grid[-1] * 0.95), ylim=(-0.05, 1.35), aspect="equal")
