"""Figures of the margin of basis pursuit."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from companion.experiments.margins import Margins
from companion.plots.style import BLUE, GREEN, RED, styled

COLOURS = (BLUE, GREEN, RED)


def over_measurements(found: Mapping[int, Margins], transitions: Mapping[int, float]) -> Figure:
    """The margin, and the start that gradient flow needs, by sparsity; dotted, where recovery begins."""
    with styled():
        figure, (above, below) = plt.subplots(2, 1, figsize=(4.8, 5.4), sharex=True)
        for (s, one), colour in zip(found.items(), COLOURS, strict=True):
            for axes, (low, middle, high) in ((above, one.margin), (below, 10**one.scale)):
                axes.fill_between(one.at, low, high, color=colour, alpha=0.15, linewidth=0)
                axes.plot(one.at, middle, color=colour, marker="o", markersize=3.5, label=f"$s = {s}$")
                axes.axvline(transitions[s], color=colour, linestyle=":", linewidth=1.2)
        above.set_ylabel(r"margin $\gamma$")
        above.set_ylim(0, 1)
        above.legend(loc="upper left")
        below.set_yscale("log")
        below.set_ylabel("start of GF, $r_0^2/Q$")
        below.set_xlabel("measurements $M$")
    return figure
