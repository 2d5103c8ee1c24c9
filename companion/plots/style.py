"""One style for all figures, and the way a chapter shows one.

Figures are vector graphics, 4.8 inches wide with panels stacked, so that the smallest text stays legible on a phone.
Colours are Okabe and Ito's, which colour-blind readers can tell apart; flows differ in line style as well.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from cycler import cycler
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from companion.running.record import Record
from wnlib._checks import Array

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#000000",
    "#6E6E6E",
)
PLAIN: dict[str, Any] = {"color": RED, "linestyle": "--"}
NORMALIZED: dict[str, Any] = {"color": BLUE, "linestyle": "-"}
THEORY: dict[str, Any] = {"color": BLACK, "linestyle": ":", "linewidth": 1.6}
DEPTHS = {1: GREY, 2: BLUE, 3: RED, 4: GREEN, 5: PURPLE, 6: ORANGE}

STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=[BLUE, RED, GREEN, ORANGE, PURPLE, SKY]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "figure.constrained_layout.use": True,
    "figure.figsize": (4.8, 3.3),
    "font.size": 11,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "mathtext.fontset": "cm",
    "svg.fonttype": "path",
    "svg.hashsalt": "wnlib",
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
}


@contextmanager
def styled() -> Iterator[None]:
    """The book's style, for the figures made inside."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)  # type: ignore[arg-type]
        yield


def mark_frontier(axes: Axes, position: Array, edge: float = 1.0, margin: float = 1.5) -> None:
    """A line where the window of robustness ends, and all beyond it shaded; the axis is that of positions (K,)."""
    axes.set_xlim(position[0] / margin, position[-1] * margin)
    axes.axvline(edge, color=RED, linewidth=0.8, alpha=0.6)
    axes.axvspan(edge, position[-1] * margin, color=RED, alpha=0.05, linewidth=0)


def show(figure: Figure, name: str, alt: str, caption: str, stored: Record | None = None) -> None:
    """Display a figure, with its alternative text, above its caption (MyST Markdown); pages refer to it by `name`.

    stored   the record that numbers of the figure or its caption come from; the caption then ends with its mark
    """
    buffer = io.StringIO()
    with styled():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(figure)
    display({"image/svg+xml": buffer.getvalue(), "text/plain": alt}, raw=True)
    text = f"{caption} {stored.mark}" if stored else caption
    display({"text/markdown": text}, raw=True, metadata={"figure": name})
