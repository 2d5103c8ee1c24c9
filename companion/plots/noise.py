"""Figures of the chapter on noise."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from companion.experiments.noisy_paths import Excess, LassoPath, Noisy
from companion.plots.style import BLACK, GREEN, GREY, NORMALIZED, ORANGE, PLAIN, PURPLE, SKY, styled
from wnlib._checks import Array
from wnlib.trajectories.trajectory import Trajectory

LASSO = {"color": GREEN, "linestyle": "-."}
EQUAL = {"color": ORANGE, "linestyle": (0, (4, 1, 1, 1))}
LOOK = {
    "gf": PLAIN | {"marker": "s"},
    "wn": NORMALIZED | {"marker": "o"},
    "lasso": LASSO | {"marker": "^"},
    "refitted": {"color": PURPLE, "linestyle": (0, (5, 2)), "marker": "v"},
    "pursuit": {"color": GREY, "linestyle": ":", "marker": "x"},
    "oracle": {"color": BLACK, "linestyle": "-", "linewidth": 0.9, "marker": "."},
}
NAMES = {
    "gf": "gradient flow",
    "wn": "weight normalization",
    "lasso": "Lasso",
    "refitted": "Lasso, refitted",
    "pursuit": "basis pursuit",
    "oracle": "oracle",
}


def paths(noisy: Noisy, lasso: LassoPath, flows: dict[str, Trajectory], oracle: float) -> Figure:
    """Error, l1 norm and divergence to the truth, against the residual over the noise level, which falls to the right.

    `flows` has some of the keys "plain", "equal" (plain, at equal bias) and "normalized".
    """
    looks = {"plain": PLAIN, "equal": EQUAL, "normalized": NORMALIZED}
    labels = {
        "plain": "gradient flow, same start",
        "equal": "gradient flow, same end",
        "normalized": "weight normalization",
    }
    dense = np.array([lasso.at(r) for r in np.geomspace(lasso.residuals[0], 0.1 * noisy.level, 400)])
    with styled():
        figure, (top, middle, bottom) = plt.subplots(3, 1, figsize=(4.8, 8.6), sharex=True)
        weights = {"lasso": dense} | {key: flow.weights for key, flow in flows.items()}
        for key, path in weights.items():
            look, label = (LASSO, "Lasso path") if key == "lasso" else (looks[key], labels[key])
            residual = np.linalg.norm(noisy.problem.residual(path), axis=1) / noisy.level
            top.semilogx(residual, noisy.error(path), label=label, **look)
            middle.semilogx(residual, path.sum(axis=1) / noisy.truth.sum(), **look)
            if key != "lasso":
                divergence = flows[key].bregman(noisy.truth)
                bottom.loglog(residual, divergence / divergence[0], **look)
        top.axhline(oracle, color=BLACK, linewidth=0.9, label="oracle")
        middle.axhline(1, color=BLACK, linewidth=0.9)
        for axes in (top, middle, bottom):
            axes.axvline(noisy.noise / noisy.level, color=GREY, linewidth=0.8)
        _residual_axis(bottom, 1.3 * float(lasso.residuals[0]) / noisy.level)
        top.set_ylim(0, 1.25)
        middle.set_ylim(0, 1.1 * max(2.0, float(lasso.knots[-1].sum() / noisy.truth.sum())))
        top.set_ylabel(r"error  $\|w - w^*\| / \|w^*\|$")
        middle.set_ylabel(r"mass  $\|w\|_1 / \|w^*\|_1$")
        bottom.set_ylabel(r"$D_\Phi(w^*, w) / D_\Phi(w^*, w_0)$")
        figure.legend(loc="outside upper center", ncols=2)
    return figure


def excesses(found: dict[str, list[Excess]]) -> Figure:
    """Against the residual: mass over the least with the same measurements, with its bound; over the Lasso's.

    Keys as in `paths`, one `Excess` for each problem.
    """
    looks = {
        "plain": (PLAIN["color"], "s", "gradient flow, same start"),
        "equal": (EQUAL["color"], "^", "gradient flow, same end"),
        "normalized": (NORMALIZED["color"], "o", "weight normalization"),
    }
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 6.6), sharex=True)
        for key, each in found.items():
            colour, marker, label = looks[key]
            for k, one in enumerate(each):
                named = label if k == 0 else None
                dots = {"color": colour, "marker": marker, "markersize": 3.5, "linestyle": "none", "alpha": 0.7}
                top.loglog(one.residual, _floored(one.mass / one.same - 1), label=named, **dots)
                top.loglog(one.residual, one.bound / one.same - 1, color=colour, linestyle=":", linewidth=1.2)
                bottom.loglog(one.residual, _floored(one.mass / one.lasso - 1), **dots)
        for axes in (top, bottom):
            axes.axvline(1, color=GREY, linewidth=0.8)
        top.set_ylim(3e-7, 30)
        bottom.set_ylim(3e-4, 30)
        _residual_axis(bottom, 1.3 * max(float(one.residual.max()) for each in found.values() for one in each))
        top.set_ylabel(r"$\|w\|_1/Q(t) - 1$: same measurements")
        bottom.set_ylabel(r"$\|w\|_1/Q_\mathrm{Lasso} - 1$: same residual")
        figure.legend(loc="outside upper center", ncols=2)
    return figure


def levels(sigmas: Array, tuned: dict[str, dict[str, Array]]) -> Figure:
    """Errors against the noise level, one panel for each way to stop: method -> (levels, seeds); medians, quartiles."""
    with styled():
        figure, panels = plt.subplots(len(tuned), 1, figsize=(4.8, 3.1 * len(tuned) + 0.8), sharex=True, squeeze=False)
        for axes, (title, methods) in zip(panels[:, 0], tuned.items(), strict=True):
            for name, errors in methods.items():
                axes.loglog(sigmas, np.median(errors, axis=1), label=NAMES[name], markersize=4, **LOOK[name])
                if name in ("wn", "lasso"):
                    low, high = np.quantile(errors, (0.25, 0.75), axis=1)
                    axes.fill_between(sigmas, low, high, color=LOOK[name]["color"], alpha=0.15, linewidth=0)
            axes.set_title(title)
            axes.set_ylabel("error")
            axes.set_ylim(0.01, 2)
        _ticks(panels[-1, 0], sigmas)
        panels[-1, 0].set_xlabel(r"noise $\sigma$")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def scales(scale: Array, found: dict[str, dict[float, Array]], levels: dict[str, dict[str, float]]) -> Figure:
    """Errors against the scale of the start, one panel for each title: ratio (0: gradient flow) -> (scales, seeds).

    There are three ratios, and the lines are means. `levels` are horizontal lines in each panel: method -> error.
    """
    looks = (PLAIN | {"marker": "s"}, {"color": SKY, "marker": "d", "linestyle": "-"}, LOOK["wn"])
    with styled():
        figure, panels = plt.subplots(len(found), 1, figsize=(4.8, 3.0 * len(found) + 0.8), sharex=True, squeeze=False)
        for axes, (title, ratios) in zip(panels[:, 0], found.items(), strict=True):
            for look, (ratio, errors) in zip(looks, ratios.items(), strict=True):
                label = f"weight norm., $c = {ratio:g}$" if ratio else "gradient flow"
                axes.semilogx(scale, np.nanmean(errors, axis=1), label=label, markersize=4, **look)
            for name, value in levels[title].items():
                look = {key: value for key, value in LOOK[name].items() if key != "marker"}
                axes.axhline(value, label=NAMES[name], **look)
            axes.set_title(title)
            axes.set_ylabel("error")
            axes.set_ylim(bottom=0)
        panels[-1, 0].set_xlabel(r"scale of the start, $r_0 = \|x(0)\|$")
        named = {
            label: line for axes in panels[:, 0] for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(list(named.values()), list(named), loc="outside upper center", ncols=2)
    return figure


def _residual_axis(axes: Axes, largest: float) -> None:
    """Of residuals in noise levels: logarithmic, and falling to the right, as time runs."""
    axes.set_xlim(largest, 0.1)
    marks = [mark for mark in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if mark <= largest]
    axes.set_xticks(marks, [f"{mark:g}" for mark in marks])
    axes.minorticks_off()
    axes.set_xlabel(r"residual over noise level, $\|A w - y\| / (\sigma\sqrt{M})$")


def _ticks(axes: Axes, sigmas: Array) -> None:
    axes.set_xticks(sigmas, [f"{sigma:g}" for sigma in sigmas])
    axes.minorticks_off()


def _floored(values: Array) -> Array:
    return np.maximum(values, 1e-6)
