"""What the paper's abstract claims of its method, and how a chapter says what its experiment shows of that.

A chapter tells what it measured under each condition that it tried, and nothing else: when the claim holds under one
condition, and how far it is supported by all of them, is decided here, by rules that are the same for all chapters. The
book's page of claims gathers the evidence from the executed chapters.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

DRAMATIC = 5.0  # so many times better


@dataclass(frozen=True)
class Claim:
    """A claim, in our words; what is measured of it under one condition, and from what on it holds there."""

    text: str
    measured: str
    least: float

    @property
    def rule(self) -> str:
        """When it holds, in words."""
        return f"It holds where {self.measured} is at least {self.least:g}."


SHARE = (
    "the share of runs with weight normalization that end within 1 % of the least $\\ell_1$ norm, or at the planted"
    " weights,"
)
CLAIMS = {
    "sparse": Claim(
        "Weight normalization has an implicit bias towards sparse solutions in the diagonal linear model.", SHARE, 0.9
    ),
    "scale": Claim(
        "The bias is robust: it persists even if the weights are initialized at a practically large scale.",
        f"{SHARE} from starts of a tenth of the target's norm and more,",
        0.9,
    ),
    "speed": Claim(
        "In experiments, the gains in convergence speed are dramatic.",
        "the number of steps of gradient descent over that of weight normalization, to the same end,",
        DRAMATIC,
    ),
    "robustness": Claim(
        "In experiments, the gains in robustness of the implicit bias are dramatic.",
        "the factor by which weight normalization is better than gradient flow, in excess, error, scale or recoveries,",
        DRAMATIC,
    ),
}


class Support(StrEnum):
    """What an experiment shows of a claim, from most to least."""

    FULL = "supported"
    LIMITED = "supported within limits"
    PART = "supported only in part"
    NONE = "not supported"


RULE = (
    f"A claim is **{Support.FULL}** by a chapter if it holds under all conditions that the chapter tried,"
    f" **{Support.LIMITED}** if under at least half of them, **{Support.PART}** if under fewer, and **{Support.NONE}**"
    " if under none. Over all chapters, the mean of their shares is judged in the same way."
)


def judged(share: float) -> Support:
    """By the share of conditions under which the claim holds."""
    if share == 1:
        return Support.FULL
    return Support.LIMITED if share >= 0.5 else Support.PART if share > 0 else Support.NONE


@dataclass(frozen=True)
class Evidence:
    """What one experiment shows of a claim: under how many conditions it held, and what was found, in words."""

    claim: str
    held: int
    tried: int
    found: str

    @property
    def share(self) -> float:
        return self.held / self.tried

    @property
    def support(self) -> Support:
        return judged(self.share)

    @property
    def count(self) -> str:
        return f"it holds under {self.held} of {self.tried} conditions"

    @property
    def markdown(self) -> str:
        claim = CLAIMS[self.claim]
        return f"**The claim.** {claim.text} {claim.rule}\n\n**Here: {self.support.value}**, {self.count}. {self.found}"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        data = {"text/markdown": self.markdown, "text/plain": f"{self.claim}: {self.support.value}, {self.count}"}
        return data, {"claim": self.claim, "held": self.held, "tried": self.tried, "found": self.found}


def evidence(claim: str, measured: ArrayLike, found: str) -> Evidence:
    """Evidence on a claim of `CLAIMS`, as the last value of a chapter's cell.

    `measured`: what the claim measures, a number for each condition that was tried, NaN where there was none to be
    had; `found`: a sentence or two of Markdown with the numbers of the run. Raises ValueError for an unknown claim, or
    for no condition.
    """
    if claim not in CLAIMS:
        raise ValueError(f"claim must be one of {', '.join(CLAIMS)}, got {claim!r}")
    values = np.asarray(measured, dtype=float)
    if not values.size:
        raise ValueError("measured must have a number for at least one condition, got none")
    return Evidence(claim, int(np.count_nonzero(values >= CLAIMS[claim].least)), values.size, found)


def overall(shares: list[float]) -> Support:
    """Of all chapters on one claim together."""
    return judged(float(np.mean(shares)))
