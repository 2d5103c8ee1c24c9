"""The page of a theorem: what it says, its proof, and everything that was done to check it, from the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from companion.telling.numbers import number
from companion.verification.theorem import BOUNDS, Kind, Theorem
from companion.verification.verification import Certified, Derived, Falsified, Judged, Ledger, Measured, Status
from pipeline.pages.markdown import badge, directive, item, line, link, listed, table
from pipeline.pages.strips import Row, strips

QUANTITIES = {
    Kind.IDENTITY: "relative error",
    Kind.EQUALITY: "relative error",
    Kind.UPPER_BOUND: "measured / bound",
    Kind.OBSERVATION: "measured / bound",
    Kind.LIMIT: "last relative error",
    Kind.ORDER: "error of the observed order",
}


class Established(Judged):
    """What the ledger holds of a theorem that is verified: a site shows no others. Every part is there."""

    measurement: Measured
    derivation: Derived
    falsifiers: tuple[Falsified, ...]
    certificates: tuple[Certified, ...]
    status: Literal[Status.VERIFIED, Status.ASSUMING]


class Site(Ledger):
    """The ledger of a site."""

    theorems: tuple[Established, ...]


@dataclass(frozen=True)
class Entry:
    """A theorem, its verification, the theorems it uses and that use it, and the chapters that state it."""

    theorem: Theorem
    verification: Established
    uses: Sequence[Theorem] = ()
    used_by: Sequence[Theorem] = ()
    chapters: Sequence[str] = ()

    @property
    def status(self) -> Status:
        return self.verification.status

    @property
    def title(self) -> str:
        return self.theorem.text.title


def page(entry: Entry) -> str:
    """The page as MyST Markdown."""
    text, name = entry.theorem.text, entry.theorem.name
    sections = [
        f"# {text.title}",
        f"{badge(entry.status)} [{entry.theorem.kind.value}]{{.kind}}",
        text.summary,
        statement(entry),
        proof(entry.theorem),
        connections(entry),
        "## Derivation",
        *derivation(entry.verification.derivation),
        "## Measurement",
        *measurement(entry),
        "## Falsifiers",
        *falsifiers(entry),
        *certificates(entry.verification.certificates),
        "## Boundary",
        "\n".join(f"- **{item}.** {line(content)}" for item, content in text.boundary.items()),
        "## Source",
        text.source,
        directive("dropdown", f"The file `companion/theorems/{name}.py`", source(name)),
    ]
    return "\n\n".join(sections) + "\n"


def statement(entry: Entry) -> str:
    """The numbered theorem or observation; its label lives on its page only."""
    theorem, text = entry.theorem, entry.theorem.text
    return directive(f"prf:{theorem.noun}", text.title, text.statement, f"label: thm-{theorem.name}")


def quoted(entry: Entry) -> str:
    """The theorem as a chapter states it, with its status and a link to its page."""
    text, name = entry.theorem.text, entry.theorem.name
    told = f"{badge(entry.status)} {{prf:ref}}`thm-{name}`: its derivation, measurements and falsifiers"
    content = f"{text.statement}\n\n{told}"
    return directive(f"prf:{entry.theorem.noun}", text.title, content, "nonumber:", "class: quoted")


def proof(theorem: Theorem) -> str:
    if theorem.kind is Kind.OBSERVATION:
        return f"**{theorem.argument}.** {theorem.text.proof}"
    return directive("prf:proof", "", theorem.text.proof)


def source(name: str) -> str:
    return f"```{{literalinclude}} source/{name}.py\n:language: python\n```"


def connections(entry: Entry) -> str:
    """What the theorem rests on, what rests on it, where it is told, and what computes what it says."""
    chapters = [f"{{doc}}`/notebooks/{chapter}`" for chapter in entry.chapters]
    parts = {
        "Rests on": [link(theorem) for theorem in entry.uses],
        "Used by": [link(theorem) for theorem in entry.used_by],
        "Told in": chapters,
        "In the package": [f"{{py:obj}}`{name}`" for name in entry.theorem.about],
    }
    return "\n".join(f"- **{name}** {listed(found)}" for name, found in parts.items() if found)


def derivation(derived: Derived) -> Iterator[str]:
    depths = derived.depths
    yield (
        f"sympy reduces {sum(d.residuals for d in depths)} residuals to exactly 0, at the depths below. The steps"
        " are those at " + ("the symbol $L$." if derived.shown == "L" else f"$L = {derived.shown}$.")
    )
    yield table(["depth $L$", *(f"${d.depth}$" for d in depths)], [["residuals", *(str(d.residuals) for d in depths)]])
    for step in derived.steps:
        yield item(f"**{step.name}.** {step.reason}\n\n$$\n{step.equation}\n$$")


def measurement(entry: Entry) -> Iterator[str]:
    kind, measured = entry.theorem.kind, entry.verification.measurement
    worst, quantity = measured.worst, QUANTITIES[kind]
    share = f" ({entry.verification.share:.0%} must)" if kind is Kind.OBSERVATION else ""
    yield (
        f"{measured.passing} of {measured.cases} cases pass{share}."
        f" The {'ratio ' * (kind in BOUNDS)}{quantity} is at most {number(worst.discrepancy)};"
        f" up to {number(entry.verification.limit)} passes. {strength(entry)}"
    )
    room = ["bound / measured: median", "smallest"] if kind in BOUNDS else []
    yield table(
        ["depth $L$", "cases", f"{quantity}: median", "largest", *room],
        (
            [f"${depth}$", str(len(values)), number(median(values)), number(max(values))]
            + [number(statistic(tightness)) for statistic in (median, min) if tightness]
            for depth, values, tightness in by_depth(measured)
        ),
    )
    if nearly := [falsifier for falsifier in entry.verification.falsifiers if falsifier.tightness]:
        yield "That the bound can hardly be better is seen where it is nearly attained:"
        yield table(
            ["where it is nearly attained", "cases", "bound / measured: median", "largest"],
            (
                [family, str(one.cases), number(median(one.tightness)), number(max(one.tightness))]
                for family, one in zip((each.family for each in entry.theorem.attained), nearly, strict=True)
            ),
        )
    yield f"The worst case, number {worst.index}, and the command that prints it:"
    yield f"```python\n{worst.case}\n```"
    yield f"```bash\npython -m companion.ledger {entry.theorem.name} --case {worst.index}\n```"


def by_depth(measured: Measured) -> Iterator[tuple[int, list[float], list[float]]]:
    """Each depth, with the discrepancies of its cases and, for a bound, its tightness where that is defined."""
    for depth in sorted(set(measured.depths)):
        at = [k for k, other in enumerate(measured.depths) if other == depth]
        room = defined(measured.tightness[k] for k in at if measured.tightness)
        yield depth, [measured.discrepancies[k] for k in at], room


def defined(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def strength(entry: Entry) -> str:
    """How far from failing the check is: the tightness of a bound, else the margin."""
    measured = entry.verification.measurement
    if entry.theorem.kind not in BOUNDS:
        return f"Margin {number(measured.margin)}."
    found = defined(measured.tightness)
    return f"Bound / measured: median {number(median(found))}, from {number(min(found))} to {number(max(found))}."


def falsifiers(entry: Entry) -> Iterator[str]:
    verification, quantity = entry.verification, QUANTITIES[entry.theorem.kind]
    limit, check = verification.limit, verification.measurement
    tried = {f"F{k}": falsifier for k, falsifier in enumerate(verification.falsifiers, start=1)}
    yield (
        "The same check on wrong variants of the theorem, each with one hypothesis broken or one formula altered: it"
        " must reject them, each in at least the share of its cases that is listed."
    )
    yield table(
        ["", "broken", "how", "rejected", "at least"],
        (
            [
                name,
                broken(entry.theorem, falsifier.breaks),
                falsifier.change,
                rejected(falsifier),
                f"{falsifier.share:.0%}",
            ]
            for name, falsifier in tried.items()
        ),
    )
    rows = [Row(f"Check: {check.passing} of {check.cases} pass", check.discrepancies, "check")]
    rows += [Row(f"{name}: {rejected(f)} rejected", f.discrepancies, "falsifier") for name, f in tried.items()]
    ranges = [
        f"{row.label}, {quantity} {number(min(row.discrepancies))} to {number(max(row.discrepancies))}" for row in rows
    ]
    rejections = sum(falsifier.rejections for falsifier in tried.values())
    cases = sum(falsifier.cases for falsifier in tried.values())
    yield strips(
        rows,
        limit,
        quantity,
        f"Dots on a logarithmic axis with a line at {number(limit)}. {'; '.join(ranges)}.",
        f"One dot a case. What is left of the line, at {number(limit)}, passes: {check.passing} of the check's"
        f" {check.cases} cases. What is right of it is rejected: {rejections} of the falsifiers' {cases} cases.",
    )


def broken(theorem: Theorem, breaks: int | Literal["formula"]) -> str:
    return "the formula" if breaks == "formula" else f"hypothesis {breaks}, {theorem.text.hypotheses[breaks]}"


def rejected(falsifier: Falsified) -> str:
    return f"{falsifier.rejections} of {falsifier.cases}"


def certificates(found: Sequence[Certified]) -> Iterator[str]:
    if found:
        yield "## Certificates"
        yield "Single instances, with the digits to which they agree or are enclosed."
        yield table(
            ["depth $L$", "digits", "claim", "method"],
            ([f"${one.depth}$", f"{one.digits:.0f}", one.claim, one.method] for one in found),
        )
