"""Figures of the chapter on robustness."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from companion.experiments.robustness import ARRIVED, Sweep
from companion.plots.style import BLACK, BLUE, GREEN, NORMALIZED, ORANGE, PLAIN, mark_frontier, styled
from wnlib._checks import Array

FLOOR = 0.3 * ARRIVED  # what lies below is drawn there: a followed flow is not more accurate


def excess(
    position: Array,
    predicted: dict[str, Array],
    theory: dict[str, Sweep],
    bound: dict[str, Array],
    measured_at: Array,
    measured: dict[str, Sweep],
) -> Figure:
    """l1 excess and recovery error against r0^2 over the frontier; each dict has the keys "plain", "normalized".

    `position`, `measured_at` are (K,), (K',); `predicted`, `bound` hold excesses (P, K). Lines are medians over
    problems, dots single trajectories.
    """
    look = {"plain": PLAIN, "normalized": NORMALIZED}
    label = {"plain": "gradient flow", "normalized": "weight normalization"}
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 6.4), sharex=True)
        for key in look:
            colour = look[key]["color"]
            top.loglog(position, _median(predicted[key]), label=f"{label[key]}: limit", **look[key])
            top.loglog(position, _median(bound[key]), color=colour, linestyle=":", linewidth=1.2, label="  its bound")
            bottom.loglog(position, _median(theory[key].error), **look[key])
            for axes, values in ((top, measured[key].excess), (bottom, measured[key].error)):
                x = np.broadcast_to(measured_at, values.shape)
                marker = "o" if key == "normalized" else "s"
                axes.plot(x.ravel(), _floored(values).ravel(), marker, color=colour, markersize=3.5, alpha=0.6)
        for axes in (top, bottom):
            mark_frontier(axes, position)
            axes.set_ylim(FLOOR / 2, 300)
        top.set_ylabel(r"$\ell_1$ excess  $(\|w_\infty\|_1 - Q)/Q$")
        bottom.set_ylabel(r"distance to $z^*$, relative")
        bottom.set_xlabel(r"squared scale of the start, $r_0^2/\rho(z^*)$")
        figure.legend(loc="outside upper center", ncols=2)
    return figure


def window(position: Array, mass: dict[float, Array], prediction: Array | None) -> Figure:
    """Mass of the limit over Q, (K,) for each of three ratios, against r0^2 over the frontier, and its limit."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 3.8))
        looks = zip((ORANGE, GREEN, BLUE), (":", "-.", "--"), strict=True)
        for (ratio, values), (colour, line) in zip(mass.items(), looks, strict=True):
            axes.loglog(position, values, color=colour, linestyle=line, label=f"$c = {ratio:g}$")
        if prediction is not None:
            axes.loglog(position, prediction, color=BLACK, linewidth=0.9, label=r"$c \to \infty$")
        mark_frontier(axes, position)
        axes.set_xlabel(r"squared scale of the start, $r_0^2/\rho(z^*)$")
        axes.set_ylabel(r"mass of the limit, $\|w_\infty\|_1/Q$")
        axes.legend(loc="upper left")
    return figure


def _median(values: Array) -> Array:
    with warnings.catch_warnings():  # of a scale at which no problem has a computed end: a gap in the line
        warnings.simplefilter("ignore", RuntimeWarning)
        return _floored(np.nanmedian(values, axis=0))


def _floored(values: Array) -> Array:
    return np.maximum(values, FLOOR)
