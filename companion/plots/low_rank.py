"""Figures of the chapter on low rank."""

import warnings
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from companion.experiments.low_rank import Eigenvalues
from companion.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, RED, mark_frontier, styled
from wnlib._checks import Array

FLOOR = 1e-5  # what lies below is drawn there: the descents' ends are not more accurate


def eigenvalues(flows: Mapping[str, Eigenvalues], departed: Mapping[float, Eigenvalues]) -> Figure:
    """Eigenvalues of W along two flows, the diagonal model's drawn over them; departures where little commutes.

    `flows` has the keys "gradient flow" and "weight normalization"; `departed` maps the size of what does not commute
    to the flow with it.
    """
    with styled():
        figure, axes = plt.subplots(3, 1, figsize=(4.8, 7.8), sharex=True)
        for panel, (name, found) in zip(axes, flows.items(), strict=False):
            some = np.linspace(1, len(found.t) - 1, 24).astype(int)
            dots = panel.semilogx(found.t[some], found.matrix[some], "o", color=BLUE, markersize=4, alpha=0.7)
            lines = panel.semilogx(found.t[1:], found.diagonal[1:], color=BLACK, linewidth=0.9)
            panel.set_ylabel("eigenvalues of $W$")
            panel.set_title(name)
            panel.legend([dots[0], lines[0]], ["matrix", "diagonal model"], loc="upper left")
        looks = zip((GREEN, ORANGE, RED, GREY), ("-", "--", "-.", ":"), strict=True)
        for (off, found), (colour, line) in zip(departed.items(), looks, strict=False):
            apart = np.linalg.norm(found.matrix - found.diagonal, axis=1) / np.linalg.norm(found.diagonal, axis=1)
            label = f"{off:g}" if off else "none"
            axes[2].loglog(found.t[1:], np.maximum(apart[1:], 1e-12), color=colour, linestyle=line, label=label)
        axes[2].set_ylabel("departure, relative")
        axes[2].set_xlabel("time $t$")
        axes[2].set_title("with a part that does not commute, of relative size")
        axes[2].legend(loc="center right", ncols=2)
    return figure


def excess(
    position: Array, measured: Mapping[int, Mapping[float, Array]], theory: Mapping[int, Mapping[float, Array]]
) -> Figure:
    """Excess of the nuclear norm against the scale, a panel for each depth, for each ratio (0: plain).

    `position` (K,) is r_0^2 over rho(W*); `measured` and `theory` hold (P, K) by depth and ratio, NaN where there is no
    end. Small dots are single descents, large ones their medians, lines medians of the eigenvalue theory.
    """
    looks = zip((RED, ORANGE, BLUE), ("--", "-.", "-"), ("s", "^", "o"), (0.94, 1.0, 1.06), strict=True)
    look = dict(zip(next(iter(measured.values())), looks, strict=True))
    with styled():
        figure, axes = plt.subplots(len(measured), 1, figsize=(4.8, 3.3 * len(measured)), sharex=True, squeeze=False)
        for panel, depth in zip(axes[:, 0], measured, strict=True):
            for ratio, (colour, line, marker, shift) in look.items():
                label = f"weight normalization, $c = {ratio:g}$" if ratio else "gradient descent"
                panel.loglog(position, _median(theory[depth][ratio]), color=colour, linestyle=line)
                ends = np.maximum(measured[depth][ratio], FLOOR)
                x = np.broadcast_to(shift * position, ends.shape)
                panel.plot(x.ravel(), ends.ravel(), marker, color=colour, markersize=3, alpha=0.25, markeredgewidth=0)
                dots = {"color": colour, "marker": marker, "markersize": 6, "markeredgecolor": "white"}
                panel.plot(shift * position, _median(measured[depth][ratio]), linestyle="", **dots)
                panel.plot([], [], linestyle=line, label=label, **dots)
            mark_frontier(panel, position, margin=2.0)
            panel.set_ylim(FLOOR / 2, 60)
            panel.set_ylabel("excess of the nuclear norm")
            panel.set_title(f"depth {depth}")
        axes[-1, 0].set_xlabel(r"squared scale of the start, $r_0^2/\rho(W^*)$")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=1)
    return figure


def _median(values: Array) -> Array:
    with warnings.catch_warnings():  # of a scale without a computed end: a gap in the line
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.maximum(np.nanmedian(values, axis=0), FLOOR)
