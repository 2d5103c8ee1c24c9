"""Figures of the chapter on initial scale."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from companion.experiments.scale import ARRIVED, FITTED, Exact, Grid
from companion.plots.style import BLACK, BLUE, GREEN, ORANGE, RED, mark_frontier, styled
from wnlib._checks import Array

FLOOR = 3e-6  # what lies below is drawn there: a descent that stops at a relative residual of 1e-5 is not closer
LOOKS: tuple[tuple[str, Any, str], ...] = (
    (RED, "--", "s"),
    (BLUE, "-", "o"),
    (GREEN, "-.", "^"),
    (ORANGE, ":", "D"),
)  # colour, line and marker of each method


def name_of(ratio: float) -> str:
    """What a legend calls the method with this ratio."""
    return f"WN-GD, $c = {ratio:g}$" if ratio else "GD"


def recovery(scales: Array, frontier: Array, theory: Mapping[float, Exact], measured: Mapping[float, Grid]) -> Figure:
    """Size of the l1 excess and recovery error against r0, for each ratio; `scales` (K,), `frontier` (P,).

    Lines are medians over problems of the flows' limits, dots those of the ends of descent, bands their deciles.
    """
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 6.6), sharex=True)
        handles = []
        for (ratio, grid), (colour, line, marker) in zip(measured.items(), LOOKS, strict=False):
            for axes, limit, end in (
                (top, theory[ratio].excess, grid.excess),
                (bottom, theory[ratio].error, grid.error),
            ):
                _band(axes, scales, np.maximum(end, FLOOR), colour, marker)
                axes.plot(scales, np.maximum(np.median(limit, axis=0), FLOOR), color=colour, linestyle=line)
            handles.append(Line2D([], [], color=colour, linestyle=line, marker=marker, label=name_of(ratio)))
        for axes in (top, bottom):
            axes.set(xscale="log", yscale="log", ylim=(FLOOR / 2, 100))
            mark_frontier(axes, scales, float(np.median(frontier)), margin=1.3)
        top.set_ylabel(r"$\ell_1$ excess, $|\,\|w\|_1 - Q\,| / Q$")
        bottom.set_ylabel(r"recovery error, $\|w - z^*\| / \|z^*\|$")
        bottom.set_xlabel(r"initial scale $r_0 = \|x(0)\|$")
        figure.legend(handles=handles, loc="outside upper center", ncols=2)
    return figure


def steps(
    scales: Array, frontier: Array, measured: Mapping[float, Grid], flow_steps: Mapping[float, Array], cap: int
) -> Figure:
    """Steps against r0, for each ratio: until FITTED, with the flows' times over the step as lines; until ARRIVED.

    Dots are medians over problems, bands deciles; a run that does not get there counts as one that takes all steps.
    """
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 6.6), sharex=True)
        handles = []
        for (ratio, grid), (colour, line, marker) in zip(measured.items(), LOOKS, strict=False):
            waited = np.median(np.where(np.isnan(flow_steps[ratio]), np.inf, flow_steps[ratio]), axis=0)
            top.plot(scales, np.where(np.isfinite(waited), waited, np.nan), color=colour, linestyle=line)
            _band(top, scales, np.where(grid.fit, grid.fit_steps, cap), colour, marker)
            _band(bottom, scales, np.where(grid.arrived, grid.steps, 2 * cap), colour, marker)
            handles.append(Line2D([], [], color=colour, linestyle=line, marker=marker, label=name_of(ratio)))
        for axes, loss, most in ((top, FITTED, cap), (bottom, ARRIVED, 2 * cap)):
            axes.set(xscale="log", yscale="log", ylim=(30, 3 * most))
            axes.axhline(most, color=BLACK, linewidth=0.9)
            mark_frontier(axes, scales, float(np.median(frontier)), margin=1.3)
            axes.set_ylabel(rf"steps to a loss of $10^{{{np.log10(loss):.0f}}}$")
        bottom.set_xlabel(r"initial scale $r_0 = \|x(0)\|$")
        figure.legend(handles=handles, loc="outside upper center", ncols=2)
    return figure


def _band(axes: Axes, scales: Array, values: Array, colour: str, marker: str) -> None:
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9), axis=0)
    axes.fill_between(scales, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(scales, middle, marker, color=colour, markersize=4.5)
