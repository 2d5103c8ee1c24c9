"""Figures of the chapter on the price of a large ratio."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from companion.experiments.plateaus import EXACT, Bracket, Discrete, Run
from companion.plots.style import BLACK, BLUE, DEPTHS, GREEN, GREY, NORMALIZED, ORANGE, PLAIN, RED, styled
from wnlib._checks import Array

MARKERS = {2: "o", 3: "s", 4: "^"}
Table = Mapping[str, NDArray[np.generic]]


def curves(runs: Mapping[float, Run], plain: Run) -> Figure:
    """Loss against time for runs of several ratios, and for gradient flow; predicted exits, losses of the saddles."""
    looks = zip((ORANGE, GREEN, BLUE), (":", "-.", "-"), strict=True)
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 3.9))
        drawn = {f"$c = {ratio:g}$": (run, look) for (ratio, run), look in zip(runs.items(), looks, strict=True)}
        for label, (run, look) in (drawn | {"gradient flow": (plain, (RED, "--"))}).items():
            trajectory, colour, line = run.trajectory, *look
            axes.loglog(trajectory.t[1:], trajectory.loss[1:], color=colour, linestyle=line, label=label)
            at = [one.loss for one in run.cascade.saddles[:-1]]
            axes.plot(run.predicted, at, "o", color=colour, markeredgecolor=BLACK, markersize=5, zorder=3)
        for one in plain.cascade.saddles[:-1]:
            axes.axhline(one.loss, color=GREY, linewidth=0.8, alpha=0.7)
        axes.set_xlim(left=1e-2)
        axes.set_xlabel("time $t$")
        axes.set_ylabel(r"loss $\ell(w(t))$")
        figure.legend(loc="outside upper center", ncols=2)
    return figure


def lengths(table: Table) -> Figure:
    """The time at which the last saddle is left against the ratio: all problems (dots), predictions (median, lines)."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 3.6))
        for depth in (2, 3, 4):
            rows = table["depth"] == depth
            ratio, left, expected = (table[name][rows] for name in ("ratio", "wn_exit", "wn_predicted"))
            colour = DEPTHS[depth]
            axes.loglog(ratio, left, MARKERS[depth], color=colour, markersize=3.5, alpha=0.7, label=f"$L = {depth}$")
            at = np.unique(ratio)
            if depth == 2:
                axes.loglog(at, medians(ratio, left), color=colour, linewidth=0.9)
            for seed in np.unique(table["seed"]) if depth > 2 else ():
                one = table["seed"][rows] == seed
                axes.loglog(ratio[one], expected[one], color=colour, linewidth=0.9, alpha=0.7)
        axes.set_xlabel("ratio of the learning rates, $c$")
        axes.set_ylabel("time at which the last saddle is left")
        axes.legend(loc="upper left")
    return figure


def brackets(found: Mapping[float, Bracket]) -> Figure:
    """The rest of the last stay between its bounds, against (L - 2) c, and the same over the measured time."""
    exponent = np.array(list(found))
    measured = np.array([one.measured for one in found.values()])
    low, high = (np.array([getattr(one.bounds, name) for one in found.values()]) for name in ("earliest", "latest"))
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 5.2), sharex=True)
        for axes, unit in ((top, 1.0), (bottom, measured)):
            axes.fill_between(exponent, low / unit, high / unit, color=GREY, alpha=0.25, linewidth=0)
            axes.plot(exponent, low / unit, color=BLACK, linestyle=":", label="lower and upper bound")
            axes.plot(exponent, high / unit, color=BLACK, linestyle=":")
            axes.plot(exponent, measured / unit, "o", color=BLUE, label="measured")
        top.set_yscale("log")
        top.set_ylabel("rest of the stay, $T$")
        bottom.set_ylabel("the same, over the measured")
        bottom.set_xlabel("$(L - 2)\\, c$")
        top.legend(loc="upper left")
    return figure


def descent(found: Mapping[str, Discrete], exit_time: float, table: Table) -> Figure:
    """Relative delay of discrete exits against the step; steps to fit against (L - 2) c, with two budgets."""
    looks = {"polar": (BLUE, "o", "-"), "Salimans-Kingma": (ORANGE, "s", "--")}
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 6.2))
        for name, one in found.items():
            colour, marker, line = looks[name]
            delay = np.abs(one.time / exit_time - 1)
            top.loglog(one.step, delay, marker=marker, color=colour, linestyle=line, label=name)
        step = found["polar"].step
        slope = np.abs(found["polar"].time[0] / exit_time - 1) * step / step[0]
        top.loglog(step, 1.3 * slope, color=BLACK, linestyle=":", linewidth=1.2, label="first order")
        top.set_xlabel("step size $h$")
        top.set_ylabel(r"$|T_h - T|/T$")
        top.legend()
        for depth in (3, 4):
            rows = table["depth"] == depth
            exponent = (depth - 2) * table["ratio"][rows]
            bottom.semilogy(
                exponent,
                table["wn_steps"][rows],
                MARKERS[depth],
                color=DEPTHS[depth],
                markersize=3.5,
                alpha=0.7,
                label=f"$L = {depth}$",
            )
            bottom.semilogy(np.unique(exponent), medians(exponent, table["wn_steps"][rows]), color=DEPTHS[depth])
        bottom.axhline(4e4, color=GREY, linestyle="--", linewidth=1)
        bottom.text(12.4, 1.4e4, "40 000 steps", color=GREY, fontsize=9)
        bottom.set_xlabel("$(L - 2)\\, c$")
        bottom.set_ylabel("steps of $1/\\mu_{\\max}$ to fit")
        bottom.legend(loc="lower right")
    return figure


def price(table: Table, depths: Sequence[int] = (2, 3, 4)) -> Figure:
    """Excess, time and steps to fit (medians) against the scale of the gradient flow with the same limit."""
    with styled():
        figure, panels = plt.subplots(3, 1, figsize=(4.8, 8.2), sharex=True)
        for depth in depths:
            rows = table["depth"] == depth
            ratio = table["ratio"][rows]
            scale = np.exp(medians(ratio, table["log_scale"][rows]))
            shown = scale >= 1e-17  # beyond, nothing but the bill of depth 2 grows
            for axes, name in zip(panels, ("excess", "time", "steps"), strict=True):
                keys = ("excess",) if name == "excess" else (f"wn_{name}", f"gf_{name}")
                for key, line in zip(keys, (NORMALIZED["linestyle"], PLAIN["linestyle"]), strict=False):
                    values = np.maximum(medians(ratio, table[key][rows]), EXACT)
                    axes.loglog(
                        scale[shown],
                        values[shown],
                        color=DEPTHS[depth],
                        linestyle=line,
                        marker=MARKERS[depth],
                        markersize=4,
                    )
        panels[0].set_ylabel(r"$\ell_1$ excess of both")
        panels[1].set_ylabel("time to fit")
        panels[2].set_ylabel("steps to fit")
        panels[2].set_xlabel(r"scale $\alpha$ of the gradient flow of the same limit")
        panels[0].invert_xaxis()
        handles = [Line2D([], [], color=DEPTHS[L], marker=MARKERS[L], label=f"$L = {L}$") for L in depths]
        handles += [Line2D([], [], color=BLACK, linestyle="-", label="weight normalization")]
        handles += [Line2D([], [], color=BLACK, linestyle="--", label="gradient flow")]
        figure.legend(handles=handles, loc="outside upper center", ncols=2)
    return figure


def medians(keys: NDArray[np.generic], values: NDArray[np.generic]) -> Array:
    """The median of the values of each key, in the order of the keys; NaN where more than half are missing."""
    filled = np.where(np.isnan(values), np.inf, values)
    found = np.array([np.median(filled[keys == key]) for key in np.unique(keys)])
    return np.where(np.isinf(found), np.nan, found)
