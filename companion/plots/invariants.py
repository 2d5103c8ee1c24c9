"""Figures of the chapter on invariants."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from companion.experiments.invariants import Broken, Drift, ToleranceSweep, measured_magnification
from companion.plots.style import BLUE, DEPTHS, ORANGE, RED, THEORY, styled
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.trajectories.trajectory import Trajectory

MARKERS = {1: "o", 2: "s", 3: "^", 4: "D"}


def magnifications(paths: Sequence[Trajectory]) -> Figure:
    r"""$\sigma(t) - \sigma(0)$ measured from the direction, against $c\,(r^2 - r_0^2)/2$."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 4.0))
        for path in paths:
            flow = path.flow
            assert isinstance(flow, WeightNormFlow)
            predicted = flow.ratio * (path.radius**2 - path.radius[0] ** 2) / 2
            # Early and late points alike: evenly spaced along the line, not in time.
            wanted = np.linspace(predicted.min(), predicted.max(), 9)
            shown = np.unique(np.abs(predicted[:, None] - wanted).argmin(axis=0))
            axes.plot(
                predicted[shown],
                measured_magnification(path)[shown],
                linestyle="none",
                marker=MARKERS[flow.depth],
                color=DEPTHS[flow.depth],
                markersize=6,
                markerfacecolor="none",
                label=f"$L = {flow.depth}$",
            )
        axes.axline((0, 0), slope=1, **THEORY, label="theory")
        axes.set(xlabel=r"from the radius: $c\,(r^2 - r_0^2)/2$", ylabel="from the direction")
        axes.legend()
    return figure


def drifts(full: Mapping[int, Drift], deficient: Mapping[int, Drift], depth: int, threshold: float) -> Figure:
    """Drift of the invariants against time, by depth, and of two wrong versions of them at one depth."""
    with styled():
        figure, panels = plt.subplots(2, 1, figsize=(4.8, 6.4), sharex=True, sharey=True)
        for axes, drift, title in zip(panels, (full, deficient), ("full rank", "dependent rows"), strict=True):
            for L, line in drift.items():
                axes.plot(line.t, line.conserved, color=DEPTHS[L], linewidth=1.4, label=f"$L = {L}$")
            wrong = drift[depth]
            axes.plot(wrong.t, wrong.plain, color=RED, linestyle="--", label="$x$ in place of $z$")
            axes.plot(wrong.t, wrong.detuned, color=ORANGE, linestyle="-.", label="$c$ off by 1 %")
            axes.axhline(threshold, **THEORY)
            axes.set(xscale="log", yscale="log", ylim=(1e-17, 10), ylabel="drift", title=title)
        panels[1].set_xlabel("time $t$")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def tolerances(sweep: ToleranceSweep) -> Figure:
    """Largest drift against the solver's tolerance, with a line of slope 1."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 3.8))
        for L, drift, order in zip(sweep.depths, sweep.drift, sweep.orders, strict=True):
            label = f"$L = {L}$, slope {order:.2f}"
            axes.loglog(sweep.rtols, drift, color=DEPTHS[L], marker=MARKERS[L], markersize=5, linewidth=1, label=label)
        middle = np.exp(np.mean(np.log(sweep.drift)) - np.mean(np.log(sweep.rtols)))
        axes.loglog(sweep.rtols, middle * sweep.rtols, **THEORY, label="slope 1")
        axes.set(xlabel="solver's relative tolerance", ylabel="largest drift")
        axes.legend()
    return figure


def separate_rates(broken: Broken, threshold: float) -> Figure:
    """What breaks, as predicted, and what survives when the rates vary separately."""
    with styled():
        figure, (above, below) = plt.subplots(2, 1, figsize=(4.8, 6.0), sharex=True)
        above.plot(broken.t, broken.measured, color=BLUE, label="from the direction")
        above.plot(broken.t, broken.predicted, **THEORY, label=r"theory: $\int c\, r\, r'\, dt$")
        above.plot(broken.t, broken.radial, color=RED, linestyle="--", label=r"from the radius: $c(t)\, r^2/2$")
        above.set(ylabel="log-magnification")
        above.legend()
        _logarithmic(below, broken.t, np.abs(broken.measured - broken.radial), RED, "--", "the one that breaks")
        _logarithmic(below, broken.t, broken.survived, BLUE, "-", "those that survive")
        below.axhline(threshold, **THEORY)
        below.set(xlabel="time $t$", ylabel="change")
        below.legend(loc="center right", bbox_to_anchor=(1, 0.7))
    return figure


def _logarithmic(axes: Axes, t: np.ndarray, values: np.ndarray, color: str, linestyle: str, label: str) -> None:
    axes.semilogy(t[1:], np.maximum(values[1:], 1e-17), color=color, linestyle=linestyle, linewidth=1.4, label=label)
