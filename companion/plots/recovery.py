"""Figures of the chapter on depth and sparsity."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from companion.plots.style import BLACK, BLUE, DEPTHS, GREY, RED, SKY, styled
from wnlib._checks import Array

MARKERS = {2: "o", 3: "s", 4: "^", 5: "D", 6: "v"}
METHODS = {"plain": RED, "gentle": SKY, "normalized": BLUE}
LABELS = {"plain": "GD", "gentle": "WN-GD, $c = 1$", "normalized": "WN-GD, $c = 10$"}
TITLES = {
    "tiny": r"tiny: $r_0 = 0.01$",
    "large": r"large: $r_0 = 1$",
    "edge": r"edge: $r_0^2 = 0.8\,\rho(z^*)$",
    "mass": r"equal weights: $\|w_0\|_1 = Q/10$",
}
JITTER = 0.05  # between depths, so that lines at 0 or 1 stay apart


def rates(
    sparsity: Array,
    limits: Mapping[tuple[str, str, int], Array],
    pursuit: Array,
    theory: tuple[Array, Array, Array],
) -> Figure:
    """Recovery rates against sparsity (K,), a panel a scale; `limits` by method, scale and depth, each (K,).

    `pursuit` (K,) is the rate of basis pursuit; `theory` holds sparsities (J,), its predicted rate and the probability
    that positivity alone is enough (J,).
    """
    at, ceiling, floor = theory
    with styled():
        figure, panels = plt.subplots(len(TITLES), 1, figsize=(4.8, 9.2), sharex=True)
        for axes, (scale, title) in zip(panels, TITLES.items(), strict=True):
            axes.fill_between(at, floor, ceiling, color=GREY, alpha=0.2, linewidth=0)
            axes.plot(sparsity, pursuit, "o", color=BLACK, markersize=8, markerfacecolor="none", zorder=3)
            for (method, of, depth), rate in limits.items():
                if of == scale:
                    look = "-" if method == "normalized" else "--"
                    fill = DEPTHS[depth] if method == "normalized" else "white"
                    axes.plot(
                        sparsity + JITTER * (depth - 4),
                        rate,
                        look,
                        color=DEPTHS[depth],
                        marker=MARKERS[depth],
                        markersize=4,
                        markerfacecolor=fill,
                        linewidth=1.2,
                    )
            axes.set_title(title, loc="left")
            axes.set_ylim(-0.05, 1.05)
            axes.set_ylabel("share recovered")
        panels[-1].set_xlabel("positive entries of the truth, $s$")
        depths = sorted({depth for _, _, depth in limits})
        handles: list[Artist] = [
            Line2D([], [], color=DEPTHS[L], marker=MARKERS[L], markersize=4, label=f"$L = {L}$") for L in depths
        ]
        handles += [
            Line2D([], [], color=GREY, label="WN limit"),
            Line2D([], [], color=GREY, linestyle="--", label="GD limit"),
            Line2D(
                [],
                [],
                color=BLACK,
                marker="o",
                markersize=8,
                markerfacecolor="none",
                linestyle="",
                label="basis pursuit",
            ),
            Patch(color=GREY, alpha=0.25, label="theory: from positivity\nalone to basis pursuit"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=9)
    return figure


def phase(
    sparsity: Array, measurements: Array, rate: Mapping[str, Array], theory: Mapping[str, Array], at: Array
) -> Figure:
    """Recovery rates (M, s) as maps, NaN where there is none, under the curves of the theory, each over `at`.

    `theory` has the keys "dimension", "positivity", and "low", "high" for the ends of the transition.
    """
    with styled():
        figure, panels = plt.subplots(len(rate), 1, figsize=(4.8, 9.0), sharex=True)
        for axes, (title, values) in zip(panels, rate.items(), strict=True):
            image = axes.pcolormesh(sparsity, measurements, values, cmap="cividis", vmin=0, vmax=1, rasterized=True)
            for bright, wide in (("white", 3.4), (BLACK, 1.6)):  # a rim, to be seen on all colours
                axes.plot(at, theory["dimension"], color=bright, linewidth=wide, label=r"$\delta(s)$")
                axes.plot(at, theory["low"], color=bright, linewidth=wide / 2, linestyle=":", label="5 %, 95 %")
                axes.plot(at, theory["high"], color=bright, linewidth=wide / 2, linestyle=":")
                axes.plot(
                    at, theory["positivity"], color=RED if bright == BLACK else bright, linewidth=wide, linestyle="--"
                )
            axes.set_title(title, loc="left")
            axes.set_ylabel("measurements, $M$")
            axes.set_ylim(measurements[0] - 2, measurements[-1] + 2)
            axes.set_xlim(sparsity[0] - 1, sparsity[-1] + 1)
            axes.grid(False)
        panels[-1].set_xlabel("positive entries of the truth, $s$")
        figure.colorbar(
            image, ax=list(panels), location="bottom", label="share recovered", shrink=0.8, aspect=40, pad=0.02
        )
        handles = [
            Line2D([], [], color=BLACK, label=r"$\delta(s)$"),
            Line2D([], [], color=BLACK, linestyle=":", linewidth=1, label="5 %, 95 %"),
            Line2D([], [], color=RED, linestyle="--", label="$(N + s)/2$"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def magnification(depths: Sequence[int], needed: Array, sufficient: Array) -> Figure:
    """log M that the theorems ask for and that is enough, both (problems, depths), against depth."""
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 3.6))
        for values, way, colour, marker, label in (
            (needed, 0.08, RED, "v", "enough by the theorems"),
            (sufficient, -0.08, BLUE, "o", "enough in fact"),
        ):
            axes.plot(np.array(depths) + way, np.median(values, axis=0), color=colour, linewidth=1.2)
            x = np.broadcast_to(np.array(depths) + way, values.shape)
            axes.plot(x.ravel(), values.ravel(), marker, color=colour, markersize=4, alpha=0.7, label=label)
        axes.axhline(0, color=BLACK, linewidth=0.8)
        axes.set_yscale("symlog", linthresh=1)
        axes.set_ylim(-1.2, 5 * needed.max())
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xticks(list(depths))
        axes.set_xlabel("depth, $L$")
        axes.set_ylabel(r"magnification, $\log M$")
        axes.legend(loc="upper right")
    return figure


def descents(
    depths: Sequence[int], arrived: Mapping[tuple[str, str], Array], recovered: Mapping[tuple[str, str], Array]
) -> Figure:
    """Shares of runs that arrived and of those that recovered, (depths,), by method and scale; a panel a scale."""
    with styled():
        figure, panels = plt.subplots(len(TITLES), 1, figsize=(4.8, 7.6), sharex=True)
        for axes, (scale, title) in zip(panels, TITLES.items(), strict=True):
            _bars(axes, depths, scale, arrived, recovered)
            axes.set_title(title, loc="left")
            axes.set_ylim(0, 1.03)
            axes.set_ylabel("share of runs")
            axes.set_xticks(list(depths))
        panels[-1].set_xlabel("depth, $L$")
        handles = [Patch(color=colour, alpha=0.55, label=LABELS[method]) for method, colour in METHODS.items()]
        handles += [
            Patch(facecolor="white", edgecolor=BLACK, label="arrived"),
            Patch(color=GREY, alpha=0.55, label="recovered"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=9)
    return figure


def _bars(
    axes: Axes,
    depths: Sequence[int],
    scale: str,
    arrived: Mapping[tuple[str, str], Array],
    recovered: Mapping[tuple[str, str], Array],
) -> None:
    for way, (method, colour) in zip((-0.27, 0.0, 0.27), METHODS.items(), strict=True):
        x = np.array(depths) + way
        axes.bar(x, recovered[method, scale], 0.24, color=colour, alpha=0.55, linewidth=0)
        axes.bar(x, arrived[method, scale], 0.24, facecolor="none", edgecolor=colour, linewidth=1.4)
