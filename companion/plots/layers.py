"""Figures on networks whose layers have factors of their own."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from companion.experiments.layers import Ends, Fading
from companion.plots.style import BLUE, NORMALIZED, PLAIN, RED, THEORY, styled

LABELS = {"normalized": "weight normalization", "plain": "gradient flow"}
FLOOR = 1e-14  # smaller distances are drawn there: they are rounding


def layers(normalized: Fading, plain: Fading, ends: dict[str, Ends]) -> Figure:
    """Differences between layers against the magnification; below, distances of limits of "normalized" and "plain"."""
    with styled():
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.8, 5.6))
        top.loglog(
            normalized.magnification, normalized.difference, label="weight normalization, each layer", **NORMALIZED
        )
        top.loglog(plain.magnification, plain.difference, label="gradient flow", **PLAIN)
        top.loglog(normalized.magnification, normalized.predicted, label="$M_t^{-2}$", **THEORY)
        top.set_ylabel("difference of squared layers")
        top.legend(loc="lower left")
        for name, colour, marker in (("normalized", BLUE, "o"), ("plain", RED, "s")):
            found = ends[name]
            look = {"color": colour, "marker": marker, "markersize": 5, "linestyle": "none"}
            bottom.loglog(found.magnification, np.maximum(found.cheapest, FLOOR), label=LABELS[name], **look)
            bottom.loglog(found.magnification, found.sparsest, fillstyle="none", **look)
        bottom.set_ylabel("distance of the limit")
        bottom.set_xlabel("magnification")
        bottom.legend(loc="lower left", title="full: to the least blow-up norm\nopen: to the least $\\ell_1$ norm")
    return figure
