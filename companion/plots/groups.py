"""The figure of the section on rows that normalize their own weights."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from companion.experiments.groups import Approach, Spread
from companion.experiments.robustness import ARRIVED
from companion.plots.style import BLACK, GREEN, GREY, NORMALIZED, ORANGE, styled
from wnlib._checks import Array

FLOOR = 0.5 * ARRIVED  # what lies below is drawn there: a followed flow is not more accurate
EQUAL = {"color": GREEN, "linestyle": "-.", "marker": "^"}
MATCHED = {"color": ORANGE, "linestyle": ":", "marker": "D"}


def rows(many: Sequence[int], spread: Spread, ratios: Array, approach: Approach) -> Figure:
    """Excess against the number of rows, one mark a problem and medians; distance to the nearest masses against c."""
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 6.8))
        columns = (
            (spread.equal, "a sphere for each row, equal rates", EQUAL),
            (spread.matched, "  with matched clocks: limit", MATCHED),
        )
        for values, label, look in columns:
            top.plot(many, _floored(np.nanmedian(values, axis=0)), label=label, **look)
            x = np.broadcast_to(many, values.shape)
            top.plot(x.ravel(), _floored(values).ravel(), look["marker"], color=look["color"], markersize=3, alpha=0.6)
        nearest = _floored(np.median(spread.nearest, axis=0))
        top.plot(many, nearest, color=BLACK, linewidth=1, label=r"  nearest masses, $c \to \infty$")
        one = np.full(len(many), np.median(spread.one))
        top.plot(many, _floored(one), label="one sphere for all: limit", **NORMALIZED)
        top.set_xscale("log", base=2)
        top.set_yscale("log")
        top.set_xticks(many, [str(each) for each in many])
        top.set_xlabel("number of rows")
        top.set_ylabel(r"$\ell_1$ excess  $(\|w_\infty\|_1 - Q)/Q$")
        bottom.loglog(ratios, approach.bound, color=GREY, linewidth=1, label="bound of the theorem")
        bottom.loglog(ratios, approach.equal, **EQUAL)
        bottom.loglog(ratios, approach.matched, **MATCHED)
        bottom.set_xlabel("learning-rate ratio $c$")
        bottom.set_ylabel(r"excess of $\sum_k (S_k - S_{k,0})^2$")
        figure.legend(loc="outside upper center", ncols=1)
    return figure


def _floored(values: Array) -> Array:
    return np.maximum(values, FLOOR)
