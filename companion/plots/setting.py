"""Figures of the chapter on the setting."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from companion.experiments.setting import Run
from companion.plots.style import NORMALIZED, PLAIN, THEORY, styled


def losses(runs: Sequence[Run]) -> Figure:
    """Relative loss against time, a panel for each flow."""
    figure, panels = _panels(runs)
    with styled():
        for axes in panels:
            axes.set(yscale="log", ylabel="loss, relative to $w = 0$")
        for run, axes, style in _drawn(runs, panels):
            axes.plot(run.t[1:], run.loss[1:], **style)
    return figure


def excesses(runs: Sequence[Run]) -> Figure:
    """The l1 excess against time, with the bounds on its limit at the right edge."""
    figure, panels = _panels(runs)
    with styled():
        for axes in panels:
            axes.set(ylabel=r"$\ell_1$ excess", ylim=(-1.05, 1.1 * max(1.0, *(run.excess[-1] for run in runs))))
            axes.axhline(0, **THEORY)
        end = 3 * max(run.t[-1] for run in runs)
        for run, axes, style in _drawn(runs, panels):
            axes.plot(run.t[1:], run.excess[1:], **style)
            if run.bound <= axes.get_ylim()[1]:
                axes.plot([end], [run.bound], marker="<", markersize=7, color=style["color"], clip_on=False)
    return figure


def _panels(runs: Sequence[Run]) -> tuple[Figure, list[Axes]]:
    with styled():
        figure, panels = plt.subplots(2, 1, figsize=(4.8, 6.0), sharex=True)
        early = min(run.t[-1] for run in runs) / 100
        panels[0].set(xscale="log", xlim=(early, 3 * max(run.t[-1] for run in runs)))
        panels[0].set_title("gradient flow")
        panels[1].set_title("weight-normalized gradient flow")
        panels[1].set_xlabel("time $t$")
        for fraction, color in _colors(runs).items():
            panels[0].plot([], [], color=color, label=f"{fraction:g}")
        figure.legend(loc="outside lower center", ncols=3, title=r"start, $S_0/Q$", title_fontsize=10)
    return figure, list(panels)


def _drawn(runs: Sequence[Run], panels: Sequence[Axes]) -> list[tuple[Run, Axes, dict[str, Any]]]:
    colors = _colors(runs)
    styles = {True: NORMALIZED, False: PLAIN}
    return [(run, panels[run.normalized], {**styles[run.normalized], "color": colors[run.fraction]}) for run in runs]


def _colors(runs: Sequence[Run]) -> dict[float, str]:
    """From dark, the smallest start, to light, the largest."""
    fractions = sorted({run.fraction for run in runs})
    shades = mpl.colormaps["viridis"](np.linspace(0, 0.85, len(fractions)))
    return {fraction: mpl.colors.to_hex(shade) for fraction, shade in zip(fractions, shades, strict=True)}
