r"""What a theorem file holds, and what it means that a check passes.

A theorem is a file in `companion.theorems`. Its docstring is the statement, in sections that `Text` reads and the book
renders; its functions derive the statement with sympy and measure it on a seeded ensemble; its falsifiers break one
hypothesis or one formula each, and must make the measurement fail. `Theorem` ties them together.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from importlib import import_module
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from companion.verification import symbolic
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation
from wnlib._checks import Array

SECTIONS = ("Statement", "Proof", "Boundary", "Source")
BOUNDARY = ("Checked", "Assumed", "No run can test")
_UNDERLINE = "-{3,}"
_FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$]+\$", flags=re.DOTALL)


class Kind(StrEnum):
    """What is asserted about measured and predicted values; `discrepancy` turns it into one number a case."""

    IDENTITY = "identity"  # two formulas agree, to rounding
    EQUALITY = "equality"  # a formula agrees with a computed trajectory or limit, to the solver's accuracy
    UPPER_BOUND = "upper bound"  # measured <= predicted
    LIMIT = "limit"  # measured values tend to the predicted one
    ORDER = "convergence order"  # errors at steps h, h/2, h/4, ... fall with the predicted order
    OBSERVATION = "observation"  # measured <= predicted in a stated share of the cases; seen, not proved: no theorem


BOUNDS = (Kind.UPPER_BOUND, Kind.OBSERVATION)


@dataclass(frozen=True)
class Measurement:
    """What one case gives: arrays of one shape, or to be broadcast.

    Errors are relative to the largest predicted value, and to `scale` where that is larger. For a limit, `measured`
    lists the values on the way, for an order the errors at successively halved steps. Of a bound whose check compares
    more than the bound itself, `main` is the index of the entries that the theorem is about.
    """

    measured: ArrayLike
    predicted: ArrayLike
    scale: float = 0.0
    main: Sequence[int] | None = None

    @property
    def room(self) -> Array:
        """bound / measured at the main entries, (K,); infinite where nothing positive is measured."""
        measured, predicted = np.broadcast_arrays(np.atleast_1d(self.measured), self.predicted)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            room = np.where(measured > 0, predicted / measured, np.inf)
        return room if self.main is None else room[list(self.main)]


@dataclass(frozen=True)
class Comparison:
    """The entry that fits worst, and by how much it misses (in units that depend on the kind)."""

    discrepancy: float
    measured: float
    predicted: float

    @property
    def defined(self) -> bool:
        """Whether two numbers disagree, and not a number with none."""
        return not (np.isnan(self.measured) or np.isnan(self.predicted))


def compare(kind: Kind, measurement: Measurement) -> Comparison:
    r"""How badly measured and predicted values disagree; NaN counts as infinitely badly.

    identity, equality          the largest |measured - predicted|, relatively
    upper bound, observation    the largest measured / predicted: at most 1, and 1 if the bound is attained
    limit                       the last relative error; infinite if it exceeds the first
    convergence order           |observed order - predicted|, the observed one by least squares
    """
    measured, predicted = np.broadcast_arrays(
        np.atleast_1d(np.asarray(measurement.measured, dtype=np.float64)),
        np.asarray(measurement.predicted, dtype=np.float64),
    )
    if kind is Kind.ORDER:
        halvings = np.arange(measured.size)
        order = -np.polyfit(halvings, np.log2(measured), 1)[0] if np.all(measured > 0) else np.nan
        return _comparison(abs(order - predicted.flat[0]), order, predicted.flat[0])
    if kind in BOUNDS:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(measured <= 0, 0.0, measured / predicted)
        ratio[np.isnan(measured) | ~(predicted >= 0)] = np.nan
        at = int(np.argmax(np.nan_to_num(ratio, nan=np.inf)))
        return _comparison(ratio.flat[at], measured.flat[at], predicted.flat[at])
    error = np.abs(measured - predicted) / max(np.abs(predicted).max(), measurement.scale)
    if kind is Kind.LIMIT:
        last = error.flat[-1] if error.flat[-1] <= error.flat[0] else np.inf
        return _comparison(last, measured.flat[-1], predicted.flat[-1])
    at = int(np.argmax(np.nan_to_num(error, nan=np.inf)))
    return _comparison(error.flat[at], measured.flat[at], predicted.flat[at])


def _comparison(discrepancy: float, measured: float, predicted: float) -> Comparison:
    return Comparison(float(np.nan_to_num(discrepancy, nan=np.inf)), float(measured), float(predicted))


@dataclass(frozen=True)
class Falsifier:
    """A wrong variant of the theorem, which the check must reject in at least a `share` of its cases.

    `breaks` is the number of the hypothesis that the variant breaks, or "formula" for a wrong constant, sign or
    exponent. `change` says in words what is wrong. `ensemble` defaults to the theorem's own. A NaN rejects nothing, for
    it may have any reason, unless the variant is `undefined`: it leaves the domain, and that is what is wrong with it.
    An upper bound that is `lowered` is divided by this much, see `Attained`.
    """

    breaks: int | Literal["formula"]
    change: str
    measure: Callable[[Case], Measurement]
    share: float = 0.5
    ensemble: Ensemble | None = None
    undefined: bool = False
    lowered: float | None = None


@dataclass(frozen=True)
class Attained:
    """A family of cases on which an upper bound is nearly attained: what shows that the bound cannot be much better.

    `family` says in words which cases these are. There bound / measured is below `within`, at every main entry of every
    case: the bound divided by that, half of the bound as a rule, is a falsifier, which every case must reject.
    `ensemble` defaults to the theorem's own.
    """

    family: str
    measure: Callable[[Case], Measurement]
    ensemble: Ensemble | None = None
    within: float = 2.0

    @property
    def falsifier(self) -> Falsifier:
        share = "half of the bound" if self.within == 2 else f"the bound divided by {self.within:g}"
        return Falsifier("formula", f"{share}, {self.family}", self._lowered, 1.0, self.ensemble, lowered=self.within)

    def _lowered(self, case: Case) -> Measurement:
        """The main entry with the most room, with so much less of the bound."""
        return Measurement(1.0, float(np.max(self.measure(case).room)) / self.within)


@dataclass(frozen=True)
class Assumption:
    """What must be taken on faith, and why no run can test it."""

    name: str
    statement: str
    reason: str


@dataclass(frozen=True)
class Certificate:
    """A computation in multiple-precision or ball arithmetic, and to how many digits it agrees or encloses."""

    method: str
    claim: str
    digits: float


@dataclass(frozen=True)
class Text:
    """The parts of a theorem file's docstring, as MyST Markdown. Raises ValueError where one is missing."""

    title: str
    summary: str
    statement: str
    proof: str
    boundary: dict[str, str]
    source: str

    @classmethod
    def parse(cls, docstring: str) -> "Text":
        docstring = _FORMULA.sub(_on_one_line, docstring.strip() + "\n")
        pieces = re.split(rf"^(\w+)\n{_UNDERLINE}\n", docstring, flags=re.MULTILINE)
        title, _, summary = pieces[0].partition("\n")
        sections = {name: text.strip() for name, text in zip(pieces[1::2], pieces[2::2], strict=True)}
        if tuple(sections) != SECTIONS or not all([title, summary.strip(), *sections.values()]):
            raise ValueError(
                f"a theorem's docstring must be a title, a summary and the sections {SECTIONS}, got {tuple(sections)}"
            )
        items = re.split(r"^- \*\*([^*]+)\.\*\* ", sections["Boundary"], flags=re.MULTILINE)
        boundary = {name: text.strip() for name, text in zip(items[1::2], items[2::2], strict=True)}
        if tuple(boundary) != BOUNDARY:
            raise ValueError(f"the boundary must have the items {BOUNDARY}, got {tuple(boundary)}")
        return cls(title, summary.strip(), sections["Statement"], sections["Proof"], boundary, sections["Source"])

    @cached_property
    def hypotheses(self) -> dict[int, str]:
        """The numbered hypotheses of the statement: `1. **name**: what it says`."""
        return {int(number): name for number, name in re.findall(r"^(\d+)\. \*\*([^*]+)\*\*", self.statement, re.M)}


def _on_one_line(formula: re.Match[str]) -> str:
    """A formula within a line: broken before a minus or a greater than, it would be a list or a quote to Markdown."""
    found = formula.group()
    return found if found.startswith("$$") else re.sub(r"\s*\n\s*", " ", found)


@dataclass(frozen=True)
class Theorem:
    """One result: its text, its derivation, its measurement and its falsifiers.

    module       the file, as `__name__`
    docstring    the text, see `Text`
    kind         what is asserted, see `Kind`
    tolerance    the largest discrepancy that passes; for bounds the rounding allowed above 1
    ensemble     where the cases are drawn
    derive       the sympy derivation for one depth
    measure      measured and predicted values for one case
    falsifiers   at least one for each hypothesis, and one for a formula
    attained     for upper bounds, where each is nearly attained; a falsifier each
    uses         the names of the theorems it rests on
    about        the public names that compute what it says, as "wnlib.limit", for links both ways
    assumes      what it takes on faith
    certify      certificates for one depth, where there are any
    symbolic     whether `derive` takes the symbol L as well as numbers
    share        for observations, the share of cases in which it is claimed to hold
    mutants      the names of wrong variants of the code that the checks must notice, of `verification.mutants`
    """

    module: str
    docstring: str
    kind: Kind
    tolerance: float
    ensemble: Ensemble
    derive: Callable[[Depth], Derivation]
    measure: Callable[[Case], Measurement]
    falsifiers: tuple[Falsifier, ...]
    attained: tuple[Attained, ...] = ()
    uses: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    assumes: tuple[Assumption, ...] = ()
    certify: Callable[[int], tuple[Certificate, ...]] | None = None
    symbolic: bool = False
    share: float = 1.0
    mutants: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.module.rpartition(".")[2]

    @cached_property
    def text(self) -> Text:
        return Text.parse(self.docstring)

    @property
    def depths(self) -> tuple[Depth, ...]:
        """The depths for which it is derived: those of its ensemble, and the symbol L."""
        return (symbolic.L, *self.ensemble.depths) if self.symbolic else self.ensemble.depths

    @property
    def wrong(self) -> tuple[Falsifier, ...]:
        """All that the checks must reject: the falsifiers, and every bound lowered where it is nearly attained."""
        return (*self.falsifiers, *(each.falsifier for each in self.attained))

    @property
    def noun(self) -> str:
        """What it is called: what is only seen is no theorem."""
        return "observation" if self.kind is Kind.OBSERVATION else "theorem"

    @property
    def argument(self) -> str:
        """What its section on the proof is."""
        return "Not proved" if self.kind is Kind.OBSERVATION else "Proof"

    @property
    def limit(self) -> float:
        """The largest discrepancy that passes."""
        return self.tolerance + (1 if self.kind in BOUNDS else 0)

    def missing(self) -> list[str]:
        """The parts without which the theorem is incomplete."""
        try:
            hypotheses = self.text.hypotheses
        except ValueError as error:
            return [str(error)]
        broken = {falsifier.breaks for falsifier in self.falsifiers}
        defects = [f"no falsifier breaks hypothesis {number}" for number in hypotheses if number not in broken]
        if list(hypotheses) != list(range(1, len(hypotheses) + 1)) or not hypotheses:
            defects.append("the statement must have hypotheses, numbered from 1")
        defects += [f"a falsifier breaks hypothesis {n}, which there is not" for n in broken - {*hypotheses, "formula"}]
        if "formula" not in broken:
            defects.append("no falsifier mutates a formula")
        if self.kind is Kind.OBSERVATION and not self.assumes:
            defects.append("an observation must assume that its ensemble is representative")
        if self.kind is Kind.UPPER_BOUND and not self.attained:
            defects.append("an upper bound must say where it is nearly attained")
        return defects + [f"it is about {name}, which is no public name" for name in self.about if not _is_public(name)]


def _is_public(name: str) -> bool:
    """Whether a module, as wnlib in "wnlib.limit", lists the name among its public ones."""
    module, _, attribute = name.rpartition(".")
    try:
        return attribute in import_module(module).__all__
    except (AttributeError, ImportError, ValueError):
        return False
