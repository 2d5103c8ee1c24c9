"""What the paper's abstract claims of its method, and how a chapter says what its experiment shows of that.

The book's page of claims gathers the evidence from the executed chapters. A chapter computes whether its experiment
supports a claim; it cannot type it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

CLAIMS = {
    "sparse": "Weight normalization has an implicit bias towards sparse solutions in the diagonal linear model.",
    "scale": "The bias is robust: it persists even if the weights are initialized at a practically large scale.",
    "speed": "In experiments, the gains in convergence speed are dramatic.",
    "robustness": "In experiments, the gains in robustness of the implicit bias are dramatic.",
}


class Support(StrEnum):
    """What an experiment shows of a claim, from most to least."""

    FULL = "supported"
    LIMITED = "supported within stated limits"
    NONE = "not supported"


@dataclass(frozen=True)
class Evidence:
    """What one experiment shows of a claim: how far it supports it, and in words and numbers what was found."""

    claim: str
    support: Support
    found: str

    @property
    def markdown(self) -> str:
        return f"**The claim.** {CLAIMS[self.claim]}\n\n**Here: {self.support.value}.** {self.found}"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, str]]:
        data = {"text/markdown": self.markdown, "text/plain": f"{self.claim}: {self.support.value}"}
        return data, {"claim": self.claim, "support": self.support.value, "found": self.found}


def evidence(claim: str, everywhere: bool, within: bool, found: str) -> Evidence:
    """Evidence on a claim of `CLAIMS`, as the last value of a chapter's cell.

    `everywhere`: the claim held in all that was tried; `within`: it held within the limits that `found`, a sentence or
    two of Markdown with the numbers of the run, states. Raises ValueError for an unknown claim.
    """
    if claim not in CLAIMS:
        raise ValueError(f"claim must be one of {', '.join(CLAIMS)}, got {claim!r}")
    support = Support.FULL if everywhere else Support.LIMITED if within else Support.NONE
    return Evidence(claim, support, found)


def overall(supports: list[Support]) -> Support:
    """Of all the evidence on one claim together: limited wherever it is mixed."""
    return supports[0] if len(set(supports)) == 1 else Support.LIMITED
