"""The figure of the chapter that sets the models side by side."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from companion.experiments.models import SHARE, THRESHOLD, Measured
from companion.plots.style import BLUE, RED, styled
from wnlib.flows.flow import GradientFlow

FLOOR = 1e-6  # of excesses; what lies below is drawn there


def models(found: Sequence[Measured]) -> Figure:
    """Reach and bias of each model: a row for each, small dots for problems, a large one for their median."""
    with styled():
        figure, (left, right) = plt.subplots(1, 2, figsize=(4.8, 4.6), sharey=True)
        for row, measured in enumerate(found):
            plain = isinstance(measured.model.flow, GradientFlow)
            look = {"color": RED if plain else BLUE, "marker": "s" if plain else "o", "linestyle": "none"}
            for axes, values in ((left, np.sqrt(measured.reach)), (right, np.maximum(measured.bias, FLOOR))):
                axes.plot(values, np.full(len(values), row), markersize=3.5, alpha=0.5, **look)
                axes.plot(np.median(values), row, markersize=8, markerfacecolor="none", markeredgewidth=1.6, **look)
        left.set(xscale="log", xlabel=f"reach: largest $r_0$ for {THRESHOLD:.0%}\nexcess, over that of $z^*$")
        right.set(xscale="log", xlabel=f"bias: excess from\n$r_0^2 = {SHARE:g}\\,\\rho(z^*)$")
        left.axvline(1, color="black", linewidth=0.8)
        right.axvline(THRESHOLD, color="black", linewidth=0.8)
        left.set_yticks(range(len(found)), [_label(measured) for measured in found])
        left.invert_yaxis()
    return figure


def _label(measured: Measured) -> str:
    flow = "GF" if isinstance(measured.model.flow, GradientFlow) else "WN"
    return f"{flow}, $L = {measured.model.flow.depth}$" + (", signed" if measured.model.signed else "")
