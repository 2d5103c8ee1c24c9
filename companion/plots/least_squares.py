"""Figures of the chapter on least squares."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from companion.experiments.least_squares import Decay, Law, StepErrors
from companion.experiments.two_phases import PhaseOne, Run
from companion.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, PLAIN, PURPLE, RED, SKY, THEORY, styled
from wnlib._checks import Array

LOOKS = tuple(zip((BLUE, ORANGE, GREEN, PURPLE), ("-", "-.", (0, (3, 1)), (0, (5, 1, 1, 1, 1, 1))), strict=True))
LOWEST = 1e-12  # of an excess that is drawn: beneath are rounding errors


def law(laws: Mapping[float, Law], ratio: float, length: float) -> Figure:
    """The signed size of the part in ker A, over u's part at the start, against r: theory, paths and ends, by r0."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 3.8))
        reach = 1.1 * max(float(np.abs(one.radius).max()) for one in laws.values())
        r = np.linspace(-reach, reach, 401)
        for (radius, one), (colour, line) in zip(laws.items(), LOOKS, strict=False):
            axes.plot(r, r * np.exp(ratio * (radius**2 - r**2) / 2), **THEORY)
            axes.plot(one.radius, one.measured * radius, color=colour, linestyle=line, label=f"$r_0 = {radius:g}$")
            axes.plot(one.radius[0], radius, "o", color=colour, markersize=5, markerfacecolor="white")
            axes.plot(one.radius[-1], one.measured[-1] * radius, "o", color=colour, markersize=5)
        for side in (-1, 1):
            axes.axvline(side * length, color=RED, linewidth=0.8, alpha=0.6)
        axes.set_ylim(*(1.15 * max(abs(radius) for radius in laws) * np.array([-1, 1])))
        axes.set_xlabel(r"radius $r$, in units of $\|w^\dagger\|$")
        axes.set_ylabel(r"$w_\perp / u_\perp(0)$")
        figure.legend(loc="outside upper center", ncols=2)
    return figure


def excess(
    radii: Array,
    theory: Mapping[float, Array],
    bounds: Mapping[float, tuple[Array, Array]],
    plain: Array,
    measured_at: Array,
    measured: Mapping[float, tuple[Array, Array]],
    plain_measured: Array,
    crossing: float,
) -> Figure:
    """The excess of the limit (K,) against |r0|, by ratio, with both bounds; dots (K',) for r0 of either sign."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 4.6))
        for (ratio, values), (colour, line) in zip(theory.items(), LOOKS, strict=False):
            axes.loglog(radii, values, color=colour, linestyle=line, label=f"$c = {ratio:.3g}$")
            low, high = bounds[ratio]
            axes.fill_between(
                radii, np.maximum(low, LOWEST), np.maximum(high, LOWEST), color=colour, alpha=0.2, linewidth=0
            )
            positive, negative = measured[ratio]
            axes.plot(measured_at, positive, "o", color=colour, markersize=4.5)
            axes.plot(measured_at, negative, "o", color=colour, markersize=8, markerfacecolor="none")
        axes.loglog(radii, plain, **PLAIN, label="gradient flow")
        axes.plot(measured_at, plain_measured, "s", color=PLAIN["color"], markersize=4)
        for x in (1.0, crossing):
            axes.axvline(x, color=GREY, linewidth=0.8)
        axes.set_ylim(max(LOWEST, 0.2 * min(float(values.min()) for values in theory.values())), 30)
        axes.set_xlabel(r"length of the start, $|r_0|/\|w^\dagger\|$")
        axes.set_ylabel(r"excess, $(\|w_\infty\|^2 - q)/q$")
        figure.legend(loc="outside upper center", ncols=2)
    return figure


def decay(decays: Mapping[str, Decay]) -> Figure:
    """Residuals against time, with what the limits predict for the end, and the global bounds."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 4.2))
        for (name, one), (colour, line) in zip(decays.items(), LOOKS, strict=False):
            axes.semilogy(one.t, one.residual, color=colour, linestyle=line, label=name)
            axes.plot(one.t, one.bound, color=colour, linewidth=0.9, alpha=0.7)
            axes.plot(one.t, one.linear, **THEORY)
        axes.set_ylim(min(float(one.residual[-1]) for one in decays.values()), 10)
        axes.set_xlim(0, max(float(one.t[-1]) for one in decays.values()))
        axes.set_xlabel("time $t$")
        axes.set_ylabel(r"residual, $\|A w - y\|/\|y\|$")
        figure.legend(loc="outside upper center", ncols=2)
    return figure


def steps(errors: StepErrors) -> Figure:
    """The distance of each method from its flow, against the step."""
    with styled():
        figure, axes = plt.subplots()
        markers = ("o", "s", "^")
        for (name, values), (colour, line), marker in zip(errors.error.items(), LOOKS, markers, strict=False):
            axes.loglog(errors.steps, values, marker=marker, color=colour, linestyle=line, label=name, markersize=4.5)
        top = max(float(values[0]) for values in errors.error.values())
        axes.loglog(errors.steps, 1.5 * top * errors.steps / errors.steps[0], **THEORY, label="first order")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("step $h$")
        axes.set_ylabel("distance from the flow")
        figure.legend(loc="outside upper center", ncols=2)
    return figure


def phase_one(phases: Mapping[str, PhaseOne]) -> Figure:
    """Above, n against time with what is known of it; below, the excess of the limit against the time of release."""
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 6.4), sharex=True)
        for (name, one), (colour, line) in zip(phases.items(), LOOKS, strict=False):
            top.semilogy(one.t, one.share, color=colour, linestyle=line, label=f"{name}: $n$")
            top.plot(one.t, one.told, color=colour, linewidth=4, alpha=0.25, label="  told by the force")
            top.plot(one.t, one.promised, color=colour, linestyle=":", label="  promised")
            at = one.t[one.released]
            bottom.semilogy(at, one.allowed, color=colour, linewidth=4, alpha=0.25)
            bottom.plot(at, one.excess, color=colour, linestyle=line, linewidth=1)
            bottom.plot(at, one.followed, "o", color=colour, markersize=4.5)
        top.set_ylim(1e-5, 2)
        bottom.set_ylim(LOWEST, 2)
        top.set_ylabel(r"part in $\ker A$, $n = \|u_\perp\|$")
        bottom.set_ylabel("excess of the limit")
        bottom.set_xlabel("time in phase one; below: of the release")
        figure.legend(loc="outside upper center", ncols=2)
    return figure


def race(races: Sequence[tuple[str, Mapping[str, Run], Mapping[str, float]]]) -> Figure:
    """Squared distances to the least norm against steps, a panel for each start: its title, runs and predicted ends."""
    with styled():
        figure, panels = plt.subplots(len(races), 1, figsize=(4.8, 3.1 * len(races) + 0.6))
        for axes, (title, runs, ends) in zip(np.atleast_1d(panels), races, strict=True):
            _race(axes, title, runs, ends)
        handles, labels = panels[-1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def _race(axes: Axes, title: str, runs: Mapping[str, Run], ends: Mapping[str, float]) -> None:
    looks = ((RED, "--"), (BLUE, "-"), (SKY, ":"), (BLACK, "-."))
    last = 1.15 * max(run.arrived for run in runs.values())
    for (name, run), (colour, line) in zip(runs.items(), looks, strict=True):
        axes.semilogy(np.maximum(run.distance, LOWEST), color=colour, linestyle=line, label=name)
        if run.switched:
            axes.plot(run.switched, run.distance[run.switched], "D", color=colour, markersize=5)
        if name in ends:
            axes.axhline(ends[name], color=colour, linewidth=0.8, alpha=0.7)
    axes.set_xlim(0, last)
    low, high = (f([float(f(run.distance[: int(last)])) for run in runs.values()]) for f in (np.min, np.max))
    axes.set_ylim(max(LOWEST, low / 2), 2 * high)
    if high < 100 * low:
        axes.set_yscale("linear")
        axes.set_ylim(0, 1.1 * high)
    axes.set_title(title)
    axes.set_xlabel("steps")
    axes.set_ylabel(r"$\|w - w^\dagger\|^2/q$")
