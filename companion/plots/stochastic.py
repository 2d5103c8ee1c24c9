"""Figures of the chapter on minibatches and long steps."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from companion.experiments.stochastic import Ends, Shifts
from companion.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, THEORY, styled
from wnlib._checks import Array

LABELS = {"plain": "gradient descent", "polar": "polar descent", "salimans-kingma": "Salimans-Kingma descent"}
COLOURS = {"plain": RED, "polar": BLUE, "salimans-kingma": GREEN}
MARKERS = {"plain": "s", "polar": "o", "salimans-kingma": "^"}
SHORT = {name: label.removesuffix(" descent") for name, label in LABELS.items()}
BATCHES = ((GREY, "o", "-"), (ORANGE, "D", "--"), (PURPLE, "v", "-."))  # from all rows to one


def ends(
    shares: Array,
    found: Mapping[str, Mapping[str, Ends]],
    expected: Mapping[str, Mapping[str, Array]],
    flow: Mapping[str, float],
) -> Figure:
    """Excess over that of the flow against the step over the longest stable one, a panel for each method.

    `found` and `expected`, excesses (K,), by method, then by rows in a batch; `flow` by method.
    """
    with styled():
        figure, panels = plt.subplots(len(found), 1, figsize=(4.8, 7.2), sharex=True, sharey=True)
        for axes, (name, series) in zip(panels, found.items(), strict=True):
            for (label, runs), (colour, marker, line) in zip(series.items(), BATCHES, strict=False):
                mean = runs.excess.mean(axis=1) / flow[name]
                axes.plot(shares, mean, color=colour, marker=marker, linestyle=line, markersize=5, label=label)
                if label in expected[name]:
                    axes.plot(shares, expected[name][label] / flow[name], **THEORY)
            axes.axhline(1, color=BLACK, linewidth=0.8)
            axes.set_xscale("log")
            axes.set_title(LABELS[name], loc="left")
        panels[0].plot([], [], label="expected, a smaller start", **THEORY)
        _share_ticks(panels[-1], shares)
        panels[-1].set_xlabel("step, over the longest stable one on all rows")
        panels[-1].set_ylim(bottom=0)
        figure.supylabel(r"$\ell_1$ excess of the end, over that of the flow", fontsize=11)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def entries(found: Mapping[str, Array], support: NDArray[np.bool_]) -> Figure:
    """What divides each entry of the start, (N,), a panel for each size of a batch; the support comes first."""
    order = np.argsort(~support, stable=True)
    place, inside = np.arange(support.size), support[order]
    with styled():
        figure, panels = plt.subplots(len(found), 1, figsize=(4.8, 2.0 * len(found) + 0.6), sharex=True)
        for axes, (label, shrunk) in zip(panels, found.items(), strict=True):
            for chosen, colour, name in ((inside, ORANGE, "on the support"), (~inside, SKY, "off the support")):
                axes.bar(place[chosen], shrunk[order][chosen], color=colour, width=0.8, label=name)
            axes.axhline(shrunk[~support].mean(), color=BLACK, linestyle=":", linewidth=1.2)
            axes.set_title(label, loc="left")
        panels[-1].set_xlabel("entry")
        panels[-1].set_xticks([])
        figure.supylabel(r"$\log(x_{0,i}/\hat x_i)$", fontsize=11)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def law(found: Mapping[str, Shifts], conditions: Sequence[tuple[float, int]], short: float) -> Figure:
    """What minibatches change of the logarithm of the excess, seen against expected; hollow where an epoch is long."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 4.2))
        for name, shift in found.items():
            for (share, _), seen, expected in zip(conditions, shift.seen, shift.expected, strict=True):
                face = COLOURS[name] if share <= short else "none"
                style = {"color": COLOURS[name], "marker": MARKERS[name], "markerfacecolor": face, "linestyle": "none"}
                axes.loglog(-expected, -seen, markersize=4.5, **style)
            axes.plot([], [], color=COLOURS[name], marker=MARKERS[name], linestyle="none", label=LABELS[name])
        axes.plot([], [], color=GREY, marker="o", markerfacecolor="none", linestyle="none", label="long steps")
        seen = np.concatenate([-shift.seen.ravel() for shift in found.values()])
        ends = np.array([np.nanmin(seen) / 1.5, np.nanmax(seen) * 1.5])
        axes.loglog(ends, ends, label="equal", **THEORY)
        axes.fill_between(ends, ends / 2, 2 * ends, color=GREY, alpha=0.12, linewidth=0, label="within a factor of 2")
        axes.set_xlabel("expected fall of the log of the excess")
        axes.set_ylabel("seen")
        axes.legend(loc="upper left")
    return figure


def lengths(shares: Sequence[float], changed: Mapping[str, Array]) -> Figure:
    """Excess over the flow's on all rows, from changes of its logarithm (K, P), a panel for each method."""
    with styled():
        figure, panels = plt.subplots(1, len(changed), figsize=(4.8, 3.4), sharey=True)
        for axes, (name, found) in zip(panels, changed.items(), strict=True):
            excess = np.exp(np.vstack([np.zeros(found.shape[1]), found]))  # steps of no length are the flow
            axes.plot((0, *shares), excess, color=COLOURS[name], linewidth=0.9, alpha=0.6)
            axes.plot((0, *shares), np.median(excess, axis=1), color=BLACK, linewidth=2.2)
            axes.axhline(1, color=BLACK, linewidth=0.8)
            axes.set_title(SHORT[name], fontsize=10)
            axes.set_xticks([0, 0.5], ["0", "0.5"])
        panels[0].set_ylabel(r"$\ell_1$ excess, over the flow's")
        figure.supxlabel("step, over the longest stable one", fontsize=11)
    return figure


def against_ratio(to_come: Array, seen: Mapping[str, Array]) -> Figure:
    """What minibatches change of the log of the excess, (R, P), against the log-magnification to come, (R, P)."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 3.6))
        middle = np.median(to_come, axis=1)
        for name, changed in seen.items():
            style = {"color": COLOURS[name], "marker": MARKERS[name]}
            axes.semilogx(to_come.ravel(), changed.ravel(), linestyle="none", markersize=3.5, alpha=0.5, **style)
            axes.semilogx(middle, np.median(changed, axis=1), label=LABELS[name], markersize=6, **style)
        axes.axhline(0, color=BLACK, linewidth=0.8)
        axes.set_xlabel(r"log-magnification to come, $\frac{c}{2}(r_\infty^2 - r_0^2)$")
        axes.set_ylabel("change of the log of the excess")
        _plain(axes, (0.5, 1, 2, 5, 10))
        axes.legend(loc="upper left")
    return figure


def _share_ticks(axes: Axes, shares: Array) -> None:
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(shares, [f"{share:g}" for share in shares])


def _plain(axes: Axes, ticks: Sequence[float]) -> None:
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
