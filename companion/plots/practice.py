"""Figures of the chapter on weight normalization in practice."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from companion.experiments.finite_steps import Runs
from companion.experiments.weight_decay import Penalised, Shortening
from companion.plots.style import BLACK, BLUE, GREEN, GREY, NORMALIZED, ORANGE, PLAIN, RED, THEORY, styled
from wnlib._checks import Array

DOT = {"linestyle": "none", "marker": "o", "markersize": 5}
GAP_FLOOR = 1e-12  # smaller distances are drawn there: they are rounding


def growth(fractions: Array, runs: Runs, predicted: Array, ratio: float, predicted_ratio: Array) -> Figure:
    """Growth of the squared norm of v and the last ratio, (K,), against the step over the largest stable one."""
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 5.0), sharex=True)
        top.loglog(fractions, predicted, label="first order in the step", **THEORY)
        top.loglog(fractions, runs.growth, color=BLUE, label="descent", **DOT)
        top.set_ylabel(r"$\|v\|^2/\|v_0\|^2 - 1$ at the end")
        bottom.semilogx(fractions, predicted_ratio / ratio, **THEORY)
        bottom.semilogx(fractions, runs.ratio / ratio, color=BLUE, **DOT)
        bottom.set_ylabel("last ratio, over the first")
        bottom.set_xlabel("step, over the largest stable one")
        for axes in (top, bottom):
            _mark_stable(axes, fractions)
        top.legend(loc="upper left")
    return figure


def ends(fractions: Array, runs: Runs, plain: Runs, limit: float, ratio_alone: Array, first_order: Array) -> Figure:
    """l1 excess of the ends, (K,), against the step over the largest stable one; `limit` is that of the flow."""
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 5.6), sharex=True, height_ratios=(1, 2))
        top.semilogx(fractions, plain.excess, marker="s", markersize=4, label="gradient descent on $x$", **PLAIN)
        bottom.semilogx(fractions, ratio_alone, color=ORANGE, linestyle="--", label="limit at the last ratio")
        bottom.semilogx(fractions, first_order, label="first order: ratio and tilt", **THEORY)
        bottom.axhline(limit, color=GREY, linewidth=1.0, label="limit of the flow")
        bottom.semilogx(fractions, runs.excess, color=BLUE, label="descent on $(g, v)$", **DOT)
        top.set_ylim(0, 1.3 * float(np.nanmax(plain.excess)))
        bottom.set_xlabel("step, over the largest stable one")
        figure.supylabel(r"$\ell_1$ excess  $(\|w\|_1 - Q)/Q$ of the end", fontsize=11)
        for axes in (top, bottom):
            _mark_stable(axes, fractions)
            axes.legend(loc="best")
    return figure


def batches(counts: Array, runs: list[Runs], growth: Array, excess: Array, limit: float) -> Figure:
    """Growth and excess against the number k of minibatches, (K,): predicted, and of each run of S seeds."""
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 5.2), sharex=True)
        top.loglog(counts, growth, label="first order in the step", **THEORY)
        bottom.semilogx(counts, excess, **THEORY)
        bottom.axhline(limit, color=GREY, linewidth=1.0, label="limit of the flow")
        for k, run in zip(counts, runs, strict=True):
            label = "descent, each seed" if k == counts[0] else None
            top.plot(np.full(run.growth.shape, k), run.growth, color=BLUE, alpha=0.6, label=label, **DOT)
            bottom.plot(np.full(run.excess.shape, k), run.excess, color=BLUE, alpha=0.6, **DOT)
        top.set_ylabel(r"$\|v\|^2/\|v_0\|^2 - 1$ at the end")
        bottom.set_ylabel(r"$\ell_1$ excess of the end")
        bottom.set_xlabel("number $k$ of minibatches in an epoch")
        bottom.set_xticks(counts, [f"{k:g}" for k in counts])
        bottom.minorticks_off()
        top.legend(loc="upper left")
        bottom.legend(loc="best")
    return figure


def shortening(run: Shortening, decays: Array, ratio: float) -> Figure:
    """Ratio and excess in time, one line for each of four decays on v."""
    looks = tuple(zip((GREY, GREEN, BLUE, RED), ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1))), strict=True))
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 5.4), sharex=True)
        for k, (decay, (colour, line)) in enumerate(zip(decays, looks, strict=True)):
            top.semilogy(run.t, run.ratio[:, k], color=colour, linestyle=line, label=rf"$\lambda = {decay:g}$")
            with np.errstate(over="ignore"):
                law = ratio * np.exp(2 * decay * run.t)
            top.semilogy(run.t, np.where(law < 1.5 * run.pinned, law, np.nan), color=BLACK, linestyle=":", linewidth=1)
            bottom.plot(run.t, 100 * run.excess[:, k], color=colour, linestyle=line)
        top.axhline(run.pinned, color=BLACK, linewidth=0.8)
        top.set_ylabel(r"ratio $1/\|v\|^2$")
        last = 100 * run.excess[len(run.t) // 8 :]
        room = 0.15 * float(np.ptp(last)) + 0.02
        bottom.set_ylim(float(last.min()) - room, float(last.max()) + room)
        bottom.set_ylabel(r"$\ell_1$ excess, per cent")
        bottom.set_xlabel("time $t$, steps times their length")
        figure.legend(
            *top.get_legend_handles_labels(), loc="outside upper center", ncols=4, columnspacing=1, handlelength=1.6
        )
    return figure


def lasso(found: Penalised) -> Figure:
    """Mass over Q of the ends and of the Lasso's solutions against the decay, and the distances between them."""
    looks = {"plain": (RED, "s", "on $x$"), "scale": (BLUE, "o", "on $g$"), "both": (ORANGE, "^", "on $g$ and $v$")}
    Q = float(found.target.sum())
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 5.6), sharex=True)
        top.semilogx(found.decays, found.lasso.sum(axis=1) / Q, label=r"Lasso, penalty $\lambda/2$", **THEORY)
        for name, (colour, marker, label) in looks.items():
            style = {"color": colour, "marker": marker, "linestyle": "none", "markersize": 6, "fillstyle": "none"}
            top.semilogx(found.decays, found.weights[name].sum(axis=1) / Q, label=f"decay {label}", **style)
            bottom.loglog(found.decays, np.maximum(found.gap(name), GAP_FLOOR), **style)
        top.set_ylabel(r"mass of the end, $\|w\|_1/Q$")
        bottom.set_ylabel("distance to the Lasso, relative")
        bottom.set_xlabel(r"decay $\lambda$")
        top.legend(loc="lower left")
    return figure


def defaults(position: Array, excess: dict[str, Array]) -> Figure:
    """Median excess, (K,), against r0^2 over the frontier; keys "plain", "default", "free"."""
    looks = {
        "plain": PLAIN | {"label": "gradient flow"},
        "default": {"color": ORANGE, "linestyle": "-.", "label": r"PyTorch's default, $\|v_0\| = g_0$"},
        "free": NORMALIZED | {"label": r"$\|v_0\|$ chosen, $c = 10$"},
    }
    with styled():
        figure, axes = plt.subplots(figsize=(4.8, 3.8))
        for name, look in looks.items():
            axes.loglog(position, np.maximum(excess[name], 1e-6), **look)
        axes.set_xlabel(r"squared scale of the start, $r_0^2/Q$")
        axes.set_ylabel(r"$\ell_1$ excess of the limit")
        axes.legend(loc="best")
    return figure


def _mark_stable(axes: Axes, fractions: Array) -> None:
    axes.axvline(1, color=RED, linewidth=0.8, alpha=0.6)
    axes.xaxis.minorticks_off()
    axes.set_xticks(fractions, [f"{fraction:g}" for fraction in fractions], fontsize=9)
