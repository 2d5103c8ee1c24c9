"""Figures of the chapter on the path at an infinite ratio."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from companion.experiments.large_ratio import Apart, Paths, Rates, Steps
from companion.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, THEORY, styled
from wnlib._checks import Array
from wnlib.limits.saddles import Cascade
from wnlib.trajectories.trajectory import Trajectory

COLOURS = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY)  # of the entries that are told apart
EXACT: dict[str, Any] = {"linewidth": 5.0, "alpha": 0.3, "solid_capstyle": "butt"}
FLOWS: tuple[Literal[":", "--", "-"], ...] = (":", "--", "-")
BY_RATIO = (ORANGE, GREEN, BLUE, BLACK)


def ways(given: Paths, flows: Mapping[float, Trajectory]) -> Figure:
    """Weights against mass: the limit under flows at three ratios; the limit under the Lasso's."""
    masses, Q = given.masses, float(given.limit.masses[-1])
    weights, other = given.limit.at_mass(masses), given.lasso_at_mass(masses)
    colours = _coloured(np.maximum(weights, other).max(axis=0))
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 6.6), sharex=True)
        for axes in (top, bottom):
            _entries(axes, masses, weights, colours, EXACT)
            axes.set_ylabel("weights")
        for (_, flow), style in zip(flows.items(), FLOWS, strict=True):
            _entries(top, flow.l1, flow.weights, colours, {"linestyle": style, "linewidth": 1.1})
        _entries(bottom, masses, other, colours, {"linestyle": "-.", "linewidth": 1.3})
        bottom.set_xlim(masses[0], 1.01 * Q)
        bottom.set_xlabel(r"mass $S = \|w\|_1$")
        handles = [Line2D([], [], color=GREY, label=r"limit $c \to \infty$", linewidth=5.0, alpha=0.4)]
        handles += [
            Line2D([], [], color=GREY, linestyle=style, linewidth=1.1, label=f"$c = {ratio:g}$")
            for ratio, style in zip(flows, FLOWS, strict=True)
        ]
        handles.append(Line2D([], [], color=GREY, linestyle="-.", linewidth=1.3, label="Lasso"))
        figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def apart(found: Apart) -> Figure:
    """The limit against the Lasso at equal mass: how far apart, where an entry is late, and nonzeros."""
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 5.2), sharex=True)
        top.plot(found.mass, found.distance, color=BLUE)
        late = found.late > 1e-9
        for axes in (top, bottom):
            axes.fill_between(
                found.mass, 0, 1, where=late, transform=axes.get_xaxis_transform(), color=GREY, alpha=0.12, linewidth=0
            )
        top.set_ylabel(r"distance$\,/\,Q$")
        top.set_ylim(bottom=0)
        for counts, colour, style, label in zip(
            found.counts, (BLUE, GREEN), ("-", "-."), (r"limit $c \to \infty$", "Lasso"), strict=True
        ):
            bottom.plot(found.mass, counts, color=colour, linestyle=style, label=label)
        bottom.set_ylim(bottom=0)
        bottom.set_ylabel("nonzero weights")
        bottom.set_xlabel(r"mass $S = \|w\|_1$")
        bottom.legend(loc="upper left")
    return figure


def rates(found: Sequence[Rates]) -> Figure:
    """Distances from the limit against the ratio: of the dual variable, with its bounds, and of the weights."""
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 6.0), sharex=True)
        for k, one in enumerate(found):
            first = k == 0
            top.loglog(one.ratio, one.dual, "o-", color=BLUE, markersize=4, label="measured" if first else None)
            top.loglog(one.ratio, one.first, **THEORY, label="first bound" if first else None)
            top.loglog(one.ratio, one.second, color=RED, linestyle="--", label="second bound" if first else None)
            bottom.loglog(one.ratio, one.weights, "o-", color=BLUE, markersize=4)
        top.set_ylabel(r"$\|\hat\lambda_c - \hat\lambda_\infty\|$, largest")
        bottom.set_ylabel(r"$\|w_c - w_\infty\|_1/Q$, mean")
        bottom.set_xlabel("ratio $c$, in units of $1/Q$")
        figure.legend(loc="outside upper center", ncols=3)
    return figure


def vanishing(steps: Steps, flows: Mapping[float, tuple[Array, Array]]) -> Figure:
    r"""Weights against $2t/\log(1/\alpha)$: gradient flow from two small starts over its limit."""
    until = max(float(times[-1]) for times, _ in flows.values())
    here = steps.times < until
    times, weights = np.append(steps.times[here], until), steps.weights[here]
    colours = _coloured(weights.max(axis=0))
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 3.9))
        stairs = np.repeat(times, 2)[1:-1], np.repeat(weights, 2, axis=0)
        _entries(axes, *stairs, colours, EXACT)
        for (t, w), style in zip(flows.values(), FLOWS[::2], strict=True):
            _entries(axes, t, w, colours, {"linestyle": style, "linewidth": 1.1})
        axes.set_xlim(0, until)
        axes.set_xlabel(r"time, $2t/\log(1/\alpha)$")
        axes.set_ylabel("weights")
        handles = [Line2D([], [], color=GREY, label=r"limit $\alpha \to 0$", linewidth=5.0, alpha=0.4)]
        handles += [
            Line2D(
                [], [], color=GREY, linestyle=style, linewidth=1.1, label=rf"$\alpha = 10^{{{np.log10(alpha):.0f}}}$"
            )
            for alpha, style in zip(flows, FLOWS[::2], strict=True)
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def depths(
    limit: tuple[Array, Array], shallow: Mapping[float, Trajectory], saddles: Cascade, deep: Mapping[float, Trajectory]
) -> Figure:
    """Loss against the flow's own time for four ratios, at depth 2 with the limit, and deeper with the saddles."""
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 6.2), sharex=True)
        top.loglog(*limit, **(THEORY | {"linewidth": 2.2}), label=r"limit $c \to \infty$", zorder=3)
        for axes, flows in ((top, shallow), (bottom, deep)):
            for (ratio, flow), colour in zip(flows.items(), BY_RATIO, strict=True):
                label = f"$c = {ratio:g}$" if axes is bottom else None
                axes.loglog(flow.t[1:], flow.loss[1:], color=colour, linewidth=1.3, label=label)
            first = next(iter(flows.values()))
            axes.set_ylim(1e-3 * float(first.loss[0]), 1.5 * float(first.loss[0]))
            axes.set_ylabel(rf"loss, $L = {first.flow.depth}$")
        for one in saddles.saddles[:-1]:
            bottom.axhline(one.loss, color=GREY, linewidth=0.8, alpha=0.7)
        bottom.set_xlim(1e-3, 1e3)
        bottom.set_xlabel("time $t$")
        figure.legend(loc="outside upper center", ncols=3)
    return figure


def _coloured(sizes: Array) -> dict[int, str]:
    """A colour for each of the largest entries."""
    return dict(zip(np.argsort(-sizes).tolist(), COLOURS, strict=False))


def _entries(axes: Axes, x: Array, weights: Array, colours: Mapping[int, str], look: Mapping[str, Any]) -> None:
    """A line for each of the entries that are told apart; thin grey ones, of the limit alone, for all others."""
    if look is EXACT:
        others = np.setdiff1d(np.flatnonzero(weights.max(axis=0) > 0), list(colours))
        axes.plot(x, weights[:, others], color=GREY, linewidth=0.6, alpha=0.5)
    for i, colour in colours.items():
        axes.plot(x, weights[:, i], color=colour, **look)
