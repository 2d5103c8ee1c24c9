"""Figures of the chapter on speed."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from companion.experiments.speed import TARGETS, TOLERANCES, Course, Gains, Search
from companion.plots.style import BLACK, BLUE, GREEN, GREY, NORMALIZED, ORANGE, PLAIN, PURPLE, RED, THEORY, styled
from wnlib._checks import Array

LABELS = {"plain": "gradient descent", "polar": "weight normalization", "salimans-kingma": "Salimans-Kingma"}
COLOURS = {"plain": PLAIN["color"], "polar": NORMALIZED["color"], "salimans-kingma": GREEN}
LINES = {"plain": PLAIN["linestyle"], "polar": NORMALIZED["linestyle"], "salimans-kingma": "-."}
MARKERS = {"plain": "s", "polar": "o", "salimans-kingma": "^"}
COUNTS = [base * 10**power for power in range(7) for base in (1, 3)]  # ticks of numbers of steps
FAITHFUL = 1.25  # a run whose excess is more than this times the target has ended elsewhere


def courses(found: dict[str, Course]) -> Figure:
    """Relative loss against the number of steps, by method, over the flow's at the same times."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 3.8))
        for name, course in found.items():
            label, colour = LABELS[name], COLOURS[name]
            axes.loglog(course.steps, course.descent, color=colour, linestyle=LINES[name], label=label)
        for k, course in enumerate(found.values()):
            axes.loglog(course.steps, course.flow, label="their flows" if k == 0 else None, **THEORY)
        axes.axhline(0.5, color=GREY, linewidth=0.8)
        axes.set_xlabel("steps")
        axes.set_ylabel(r"loss, relative to $w = 0$")
        axes.legend(loc="lower left")
    return figure


def step_sizes(found: dict[str, Search], predicted: dict[str, float], target: float) -> Figure:
    """Steps to the last tolerance against the step size, by method: runs over the flow's time over the step.

    `predicted` are the flow's times in units of the longest stable step. A star is the best stable step; hollow runs
    end at an excess of more than `FAITHFUL` times the target.
    """
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 4.2))
        for name, search in found.items():
            colour, counts = COLOURS[name], search.counts[-1]
            axes.loglog(search.share, predicted[name] / search.share, color=colour, linestyle=":", linewidth=1.2)
            faithful = search.excess <= FAITHFUL * target
            for chosen, filling in ((faithful, colour), (~faithful, "none")):
                axes.loglog(
                    search.share[chosen], counts[chosen], MARKERS[name], color=colour, mfc=filling, markersize=5
                )
            axes.loglog([], [], MARKERS[name], color=colour, linestyle=":", label=LABELS[name])
            best = search.best[-1]
            axes.loglog(search.share[best], counts[best], "*", color=colour, mec=BLACK, markersize=13, zorder=5)
        axes.axvline(1, color=RED, linewidth=0.8, alpha=0.6)
        axes.axvspan(1, axes.get_xlim()[1], color=RED, alpha=0.05, linewidth=0)
        axes.set_xlabel(r"step $h$ over the longest stable one, $2/\lambda_{\max}(G)$")
        axes.set_ylabel(f"steps to a relative loss of {TOLERANCES[-1]:.0e}")
        _plain_ticks(axes.xaxis, (0.2, 0.5, 1))
        _plain_ticks(axes.yaxis, COUNTS)
        axes.legend(loc="upper right")
    return figure


def decades(predicted: dict[str, Array], measured: dict[str, Array]) -> Figure:
    """Steps for the last tenth of the residual, measured against predicted; arrays (K,) by method."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 3.8))
        for name in predicted:
            axes.loglog(
                predicted[name], measured[name], MARKERS[name], color=COLOURS[name], label=LABELS[name], mfc="none"
            )
        everything = np.concatenate(list(predicted.values()))
        ends = np.array([everything.min() / 1.5, everything.max() * 1.5])
        axes.loglog(ends, ends, label="equal", **THEORY)
        for axis in (axes.xaxis, axes.yaxis):
            _plain_ticks(axis, COUNTS)
        axes.set_xlabel(r"predicted: $\log 10 \,/ -\log \max_i |1 - h \mu_i|$")
        axes.set_ylabel("steps per decade, measured")
        axes.legend(loc="upper left")
    return figure


def gain(found: dict[int, Gains]) -> Figure:
    """Steps of gradient descent over those of weight normalization against the loss to reach, a panel for each depth.

    Lines: predicted by the flows, median; markers: measured, median and quartiles where at least half of the problems
    were run.
    """
    looks = list(zip((ORANGE, GREEN, BLUE, PURPLE), ("-", "--", "-.", ":"), ("o", "s", "^", "D"), strict=True))
    with styled():
        figure, panels = plt.subplots(len(found), 1, figsize=(4.8, 2.5 * len(found) + 0.7), sharex=True, squeeze=False)
        for axes, (depth, gains) in zip(panels[:, 0], found.items(), strict=True):
            for k, (target, (colour, line, marker)) in enumerate(zip(TARGETS, looks, strict=True)):
                median = np.nanmedian(gains.predicted[k], axis=-1)
                axes.loglog(TOLERANCES, median, color=colour, linestyle=line, label=f"excess {target:g}")
                _quartiles(axes, gains.measured[k], 1.08 ** (k - 1.5), colour, marker)
            axes.axhline(1, color=BLACK, linewidth=0.8)
            axes.set_title(f"$L = {depth}$", loc="left")
            _plain_ticks(axes.yaxis, (0.5, 1, 2, 5, 10, 20))
        panels[0, 0].invert_xaxis()
        panels[-1, 0].set_xlabel(r"loss to reach, relative to $w = 0$")
        figure.supylabel("steps of gradient descent / weight normalization", fontsize=11)
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def _plain_ticks(axis: Axis, wanted: Sequence[float]) -> None:
    """Those of the `wanted` ticks of a logarithmic axis that are in view, as plain numbers, and no others."""
    low, high = axis.get_view_interval()
    ticks = [tick for tick in wanted if low <= tick <= high]
    axis.set_minor_locator(NullLocator())
    axis.set_ticks(ticks, [f"{tick:g}" if tick < 1e4 else f"{tick:,.0f}" for tick in ticks])


def _quartiles(axes: Axes, measured: Array, shift: float, colour: str, marker: str) -> None:
    enough = np.isfinite(measured).mean(axis=-1) >= 0.5
    low, middle, high = np.nanquantile(measured[enough], (0.25, 0.5, 0.75), axis=-1)
    x = np.array(TOLERANCES)[enough] * shift
    axes.errorbar(x, middle, (middle - low, high - middle), fmt=marker, color=colour, markersize=4, elinewidth=1)
