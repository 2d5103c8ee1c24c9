"""What was found when a theorem was verified, and the ledger of all of them.

Numbers have four digits. The largest float stands for infinity, and None for an undefined value.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from companion.running.structured import Model
from companion.verification.theorem import Kind

DIGITS = 40  # that a certificate must have

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Discrepancies = Annotated[tuple[float, ...], Field(min_length=1)]


class Status(StrEnum):
    """What is known about a theorem; computed, never declared."""

    VERIFIED = "verified"
    ASSUMING = "verified under assumptions"
    REFUTED = "refuted"  # a check failed, or a falsifier passed
    STALE = "stale"  # the code has changed since the checks ran, or they ran on fewer cases than all
    INCOMPLETE = "incomplete"  # a part is missing or broke, or a theorem it uses is not verified


class Assumed(Model):
    """What a theorem takes on faith."""

    name: str
    statement: str
    """MyST Markdown."""
    reason: str
    """Why no run can test it; MyST Markdown."""


class Worst(Model):
    """The case with the largest discrepancy: python -m companion.ledger NAME --case INDEX prints it."""

    index: Count
    """Its number, from 0."""
    case: str
    """A Python expression for it."""
    discrepancy: float
    measured: float | None
    """At the entry that fits worst."""
    predicted: float | None
    """At the entry that fits worst."""


class Measured(Model):
    """The check, on the first cases of the theorem's ensemble."""

    cases: Positive
    """How many cases were measured."""
    passing: Count
    """In how many the discrepancy was at most the limit."""
    passes: bool
    """Whether that is the share that must pass."""
    margin: float
    """limit / the largest discrepancy."""
    worst: Worst
    discrepancies: Discrepancies
    """One a case."""
    tightness: tuple[float | None, ...]
    """Of a bound: bound / measured of what the theorem is about, one a case; else empty."""
    depths: tuple[Positive, ...]
    """The depth of each case."""


class Falsified(Model):
    """A wrong variant of the theorem, which the check must reject."""

    breaks: Positive | Literal["formula"]
    """The number of the hypothesis that is broken, or formula for a wrong constant, sign or exponent."""
    change: str
    """What is wrong; MyST Markdown."""
    cases: Positive
    """How many cases were tried."""
    rejections: Count
    """In how many the discrepancy exceeded the limit."""
    share: Annotated[float, Field(gt=0, le=1)]
    """In which share of them it must."""
    rejected: bool
    """Whether those are enough."""
    discrepancies: Discrepancies
    """One a case."""
    lowered: float | None = None
    """By what an upper bound is divided where it is nearly attained."""

    @property
    def tightness(self) -> list[float]:
        """Of a bound that is lowered where it is nearly attained: bound / measured, one a case."""
        return [self.lowered / one for one in self.discrepancies] if self.lowered else []


class Reduced(Model):
    """The residuals of the derivation at one depth."""

    depth: Annotated[str, Field(pattern=r"^([1-9][0-9]*|L)$")]
    """A number, or L for the symbol."""
    residuals: Count
    """How many expressions must be 0."""
    holds: bool
    """Whether sympy reduced all of them to 0."""


class Line(Model):
    """A step of the derivation, as it is printed."""

    name: str
    reason: str
    """MyST Markdown."""
    equation: str
    """LaTeX; the right side is written by sympy."""


class Derived(Model):
    """The algebra, by sympy."""

    depths: tuple[Reduced, ...]
    shown: str
    """The depth of the steps."""
    steps: tuple[Line, ...]


class Certified(Model):
    """A single instance in multiple-precision or ball arithmetic."""

    depth: Positive
    method: str
    claim: str
    """MyST Markdown."""
    digits: float
    """To how many digits it agrees or is enclosed."""


class Verification(Model):
    """What was done to check one theorem, and what came out; a file of its own, _build/ledger/NAME.json.

    A part that broke, or that was not tried after a failure, is absent.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """The theorem's file: companion/theorems/NAME.py."""
    kind: Kind
    """What is asserted of measured and predicted values, and so what a discrepancy is. Identity, equality: the
    largest relative error. Upper bound, observation: the largest measured / predicted. Limit: the last relative error.
    Convergence order: the error of the observed order."""
    tolerance: Annotated[float, Field(ge=0)]
    """The largest discrepancy that passes; for bounds, the rounding allowed above 1."""
    limit: Annotated[float, Field(ge=0)]
    """The largest discrepancy that passes, for any kind."""
    share: Annotated[float, Field(gt=0, le=1)]
    """The share of cases that must pass; 1 but for observations."""
    uses: tuple[str, ...]
    """The theorems that its proof uses directly."""
    assumes: tuple[Assumed, ...]
    """What it takes on faith."""
    missing: tuple[str, ...]
    """The parts that it lacks or that broke, in words; none in a theorem that is verified."""
    measurement: Measured | None = None
    """What the code computes, beside what the theorem predicts."""
    derivation: Derived | None = None
    """The proof's algebra."""
    falsifiers: tuple[Falsified, ...] | None = None
    """Wrong variants of the theorem, which the check must reject."""
    certificates: tuple[Certified, ...] | None = None
    """Single instances in multiple-precision or ball arithmetic."""
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """sha256 of the code that the verification rests on; it is stale when that has another."""
    versions: dict[str, str]
    """Of what the numbers depend on."""
    seconds: Annotated[float, Field(ge=0)]
    """How long the checks took."""

    @property
    def failures(self) -> list[str]:
        """Which checks failed, in words."""
        derived, measured = self.derivation, self.measurement
        found = [f"derivation at depth {each.depth}" for each in (derived.depths if derived else ()) if not each.holds]
        if measured and not measured.passes:
            worst = measured.worst
            found.append(f"measurement: {worst.discrepancy:.3g} exceeds {self.limit:.3g} in {worst.case}")
        found += [f"passing falsifier: {each.change}" for each in self.falsifiers or () if not each.rejected]
        found += [
            f"certificate at depth {each.depth}: {each.digits:.1f} digits of {DIGITS}"
            for each in self.certificates or ()
            if not each.digits >= DIGITS
        ]
        return found


class Judged(Verification):
    """A verification, and the status of the theorem that follows from all of them together."""

    status: Status
    """Computed, never declared. Refuted: a check failed, or a falsifier passed. Stale: the code has changed since the
    checks ran, or they ran on fewer cases than all. Incomplete: a part is missing or broke, or a theorem that it uses
    is not verified."""


class Ledger(Model):
    """What is verified: all theorems, each after those it uses. Written by python -m companion.ledger.

    Numbers have four digits; 1e308 stands for infinity, null for an undefined value.
    """

    version: Literal[1] = Field(alias="schema")
    """The version of this schema."""
    theorems: tuple[Judged, ...]


VERIFICATION = TypeAdapter(Verification)
LEDGER = TypeAdapter(Ledger)
