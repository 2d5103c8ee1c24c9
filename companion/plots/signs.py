"""Figures of the chapter on signed weights."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from companion.experiments.robustness import ARRIVED
from companion.experiments.signs import Cooling, Sweep, slope_of
from companion.plots.style import BLACK, BLUE, GREEN, GREY, NORMALIZED, ORANGE, PLAIN, RED, SKY, mark_frontier, styled
from wnlib._checks import Array

FLOOR = 0.5 * ARRIVED  # what lies below is drawn there: a followed flow is not more accurate
SEPARATE = {"color": GREEN, "linestyle": "-."}
LOOKS = {"plain": PLAIN, "joint": NORMALIZED, "separate": SEPARATE}
NAMES = {"plain": "gradient flow", "joint": "one sphere", "separate": "a sphere for each sign"}
MARKERS = {"plain": "s", "joint": "o", "separate": "^"}


def cooling(radii: Array, lines: dict[str, Array], seen: dict[str, Cooling], depth: int) -> Figure:
    """The temperature against the squared radius, and the slope of the potential against the weight.

    `lines` holds temperatures (K,) at the `radii` (K,), `seen` snapshots; the keys are "plain" and "joint".
    """
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 6.4))
        for key, temperature in lines.items():
            top.semilogy(radii**2, temperature**2, label=f"{NAMES[key]}: theory", **LOOKS[key])
            many = seen[key].law.shape[1]
            top.plot(
                np.repeat(seen[key].radius ** 2, many),
                seen[key].law.ravel() ** 2,
                MARKERS[key],
                color=LOOKS[key]["color"],
                markersize=5,
                markerfacecolor="none",
                label="  followed, every entry",
            )
        top.set_xlabel(r"squared radius $r^2$")
        top.set_ylabel(r"squared temperature $\alpha(r)^2$")
        top.legend(loc="lower left")
        path = seen["joint"]
        largest = float(np.abs(path.weights).max())
        grid = largest * np.linspace(-1, 1, 801)
        for k, (colour, line, marker) in zip(
            (1, len(path.radius) // 2, -1), ((SKY, ":", "v"), (BLUE, "--", "o"), (BLACK, "-", "D")), strict=True
        ):
            curve = slope_of(grid, float(path.temperature[k]), path.direction, depth)
            label = rf"$r^2 = {path.radius[k] ** 2:.2g}$"
            bottom.plot(grid, curve / curve[-1], color=colour, linestyle=line, linewidth=1.2, label=label)
            measured = path.slope[k] / curve[-1]
            bottom.plot(path.weights[k], measured, marker, color=colour, markersize=4, markerfacecolor="none")
        bottom.set_xlabel(r"signed weight $w_i$")
        bottom.set_ylabel(r"slope $\partial\Psi/\partial w_i$, relative")
        bottom.legend(loc="upper left")
    return figure


def excess(
    position: Array, theory: dict[str, Sweep], measured_at: dict[str, Array], measured: dict[str, Sweep]
) -> Figure:
    """Excess and distance to the target, (P, K), against r0^2 over the frontier.

    `theory` has the keys "plain" and "joint", `measured` also "separate". Lines are medians over problems.
    """
    with styled():
        figure, panels = plt.subplots(2, 1, figsize=(4.8, 6.4), sharex=True)
        for axes, name in zip(panels, ("excess", "error"), strict=True):
            for key, sweep in theory.items():
                label = f"{NAMES[key]}: limit" if name == "excess" else None
                axes.loglog(position, _floored(np.median(getattr(sweep, name), axis=0)), label=label, **LOOKS[key])
            for key, sweep in measured.items():
                values = getattr(sweep, name)
                x = np.broadcast_to(measured_at[key], values.shape)
                label = f"{NAMES[key]}: followed" if key == "separate" and name == "excess" else None
                axes.plot(
                    x.ravel(),
                    _floored(values).ravel(),
                    MARKERS[key],
                    color=LOOKS[key]["color"],
                    markersize=4,
                    alpha=0.7,
                    label=label,
                )
            axes.set_ylim(FLOOR / 2, 30)
            mark_frontier(axes, position)
        panels[0].set_ylabel(r"$\ell_1$ excess  $(\|w_\infty\|_1 - Q)/Q$")
        panels[1].set_ylabel(r"distance to $w^*$, relative")
        panels[1].set_xlabel(r"squared scale of the start, $r_0^2/\rho(w^*)$")
        figure.legend(loc="outside upper center", ncols=1)
    return figure


def order(contrasts: Array, moved: dict[str, Array]) -> Figure:
    """How far the ends move, (K,), when the measurements are weighted with `contrasts` (K,)."""
    labels = NAMES | {"matched": "a sphere for each sign, matched clocks"}
    looks = LOOKS | {"matched": {"color": ORANGE, "linestyle": ":"}}
    markers = MARKERS | {"matched": "D"}
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 4.2))
        for key, values in moved.items():
            axes.loglog(contrasts, values, label=labels[key], marker=markers[key], markersize=5, **looks[key])
        axes.set_ylim(1e-9, 1)
        axes.set_xticks(contrasts, [f"{contrast:g}" for contrast in contrasts])
        axes.minorticks_off()
        axes.set_xlabel("contrast of the weights of the measurements")
        axes.set_ylabel("movement of the end, relative")
        figure.legend(loc="outside upper center")
    return figure


def balance(
    positions: Array,
    separate: dict[int, dict[int, Array]],
    others: dict[int, dict[str, Array]],
    predicted: dict[int, Array],
) -> Figure:
    """Median excess (K,) by depth and number of negative weights; of the other flows by depth, over all problems.

    `predicted` is the excess (K,) of the mixed norm at depth 2, by number of negative weights.
    """
    colours, lines, markers = (RED, ORANGE, GREEN), ("-", "--", "-."), ("v", "s", "^")
    most = max(separate[2])
    with styled():
        figure, panels = plt.subplots(2, 1, figsize=(4.8, 6.8), sharex=True)
        for axes, depth in zip(panels, (2, 3), strict=True):
            looks = zip(separate[depth].items(), colours, lines, markers, strict=True)
            for (count, values), colour, line, marker in looks:
                label = f"a sphere for each, {count} of {2 * most} negative" if depth == 2 else None
                axes.loglog(
                    positions,
                    _floored(values),
                    color=colour,
                    linestyle=line,
                    marker=marker,
                    markersize=5,
                    label=label,
                )
                if depth == 2:
                    name = r"  mixed norm, $c \to \infty$" if count == 0 else None
                    axes.loglog(
                        positions, _floored(predicted[count]), color=colour, linestyle=":", linewidth=1.1, label=name
                    )
            for key, colour in (("plain", GREY), ("joint", BLUE)):
                label = NAMES[key] + ", all" if depth == 2 else None
                axes.loglog(positions, _floored(others[depth][key]), color=colour, linewidth=1.2, label=label)
            axes.set_ylim(FLOOR / 2, 10)
            axes.set_ylabel(rf"median $\ell_1$ excess, $L = {depth}$")
            mark_frontier(axes, positions)
        panels[1].set_xlabel(r"squared scale of the start, $r_0^2/\rho(w^*)$")
        figure.legend(loc="outside upper center", ncols=1)
    return figure


def _floored(values: Array) -> Array:
    return np.maximum(values, FLOOR)
