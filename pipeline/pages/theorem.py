"""The page of a theorem: what it says, its proof, and everything that was done to check it, from its record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from companion.ledger import Status
from companion.telling.numbers import number
from companion.verification.theorem import BOUNDS, Kind, Theorem
from companion.verification.verify import Record
from pipeline.pages.markdown import badge, directive, item, line, link, listed, table
from pipeline.pages.strips import Row, strips

QUANTITIES = {
    Kind.IDENTITY: "relative error",
    Kind.EQUALITY: "relative error",
    Kind.UPPER_BOUND: "measured / bound",
    Kind.EMPIRICAL: "measured / bound",
    Kind.LIMIT: "last relative error",
    Kind.ORDER: "error of the observed order",
}


@dataclass(frozen=True)
class Entry:
    """A theorem, its record in the ledger, the theorems it uses and that use it, and the chapters that state it."""

    theorem: Theorem
    record: Record
    uses: Sequence[Theorem] = ()
    used_by: Sequence[Theorem] = ()
    chapters: Sequence[str] = ()

    @property
    def status(self) -> Status:
        return Status(self.record["status"])

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
        *derivation(entry.record["derivation"]),
        "## Measurement",
        *measurement(entry),
        "## Falsifiers",
        *falsifiers(entry),
        *certificates(entry.record["certificates"]),
        "## Boundary",
        "\n".join(f"- **{item}.** {line(content)}" for item, content in text.boundary.items()),
        "## Source",
        text.source,
        directive("dropdown", f"The file `companion/theorems/{name}.py`", source(name)),
    ]
    return "\n\n".join(sections) + "\n"


def statement(entry: Entry) -> str:
    """The numbered theorem; its label lives on its page only."""
    text = entry.theorem.text
    return directive("prf:theorem", text.title, text.statement, f"label: thm-{entry.theorem.name}")


def quoted(entry: Entry) -> str:
    """The theorem as a chapter states it, with its status and a link to its page."""
    text, name = entry.theorem.text, entry.theorem.name
    told = f"{badge(entry.status)} {{prf:ref}}`thm-{name}`: its derivation, measurements and falsifiers"
    return directive("prf:theorem", text.title, f"{text.statement}\n\n{told}", "nonumber:", "class: quoted")


def proof(theorem: Theorem) -> str:
    return directive("prf:proof", "", theorem.text.proof)


def source(name: str) -> str:
    return f"```{{literalinclude}} source/{name}.py\n:language: python\n```"


def connections(entry: Entry) -> str:
    """What the theorem rests on, what rests on it, and where it is told."""
    chapters = [f"{{doc}}`/notebooks/{chapter}`" for chapter in entry.chapters]
    parts = {
        "Rests on": [link(theorem) for theorem in entry.uses],
        "Used by": [link(theorem) for theorem in entry.used_by],
        "Told in": chapters,
    }
    return "\n".join(f"- **{name}** {listed(found)}" for name, found in parts.items() if found)


def derivation(record: Record) -> Iterator[str]:
    depths = record["depths"]
    yield (
        f"sympy reduces {sum(d['residuals'] for d in depths)} residuals to exactly 0, at the depths below. The steps"
        " are those at " + ("the symbol $L$." if record["shown"] == "L" else f"$L = {record['shown']}$.")
    )
    yield table(
        ["depth $L$", *(f"${d['depth']}$" for d in depths)], [["residuals", *(str(d["residuals"]) for d in depths)]]
    )
    for step in record["steps"]:
        yield item(f"**{step['name']}.** {step['reason']}\n\n$$\n{step['equation']}\n$$")


def measurement(entry: Entry) -> Iterator[str]:
    kind, record = entry.theorem.kind, entry.record["measurement"]
    worst, quantity = record["worst"], QUANTITIES[kind]
    share = f" ({entry.record['share']:.0%} must)" if kind is Kind.EMPIRICAL else ""
    yield (
        f"{record['passing']} of {record['cases']} cases pass{share}."
        f" The {'ratio ' * (kind in BOUNDS)}{quantity} is at most {number(worst['discrepancy'])};"
        f" up to {number(entry.record['limit'])} passes. {strength(entry)}"
    )
    room = ["bound / measured: median", "smallest"] if kind in BOUNDS else []
    yield table(
        ["depth $L$", "cases", f"{quantity}: median", "largest", *room],
        (
            [f"${depth}$", str(len(values)), number(median(values)), number(max(values))]
            + [number(statistic(tightness)) for statistic in (median, min) if tightness]
            for depth, values, tightness in by_depth(record)
        ),
    )
    yield f"The worst case, number {worst['index']}, and the command that prints it:"
    yield f"```python\n{worst['case']}\n```"
    yield f"```bash\npython -m companion.ledger {entry.theorem.name} --case {worst['index']}\n```"


def by_depth(record: Record) -> Iterator[tuple[int, list[float], list[float]]]:
    """Each depth, with the discrepancies of its cases and, for a bound, its tightness."""
    for depth in sorted(set(record["depths"])):
        at = [k for k, other in enumerate(record["depths"]) if other == depth]
        yield depth, *([record[key][k] for k in at if record[key]] for key in ("discrepancies", "tightness"))


def strength(entry: Entry) -> str:
    """How far from failing the check is: the tightness of a bound, else the margin."""
    record = entry.record["measurement"]
    if entry.theorem.kind not in BOUNDS:
        return f"Margin {number(record['margin'])}."
    found = record["tightness"]
    return f"Bound / measured: median {number(median(found))}, from {number(min(found))} to {number(max(found))}."


def falsifiers(entry: Entry) -> Iterator[str]:
    record, quantity, limit = entry.record, QUANTITIES[entry.theorem.kind], entry.record["limit"]
    tried = {f"F{k}": falsifier for k, falsifier in enumerate(record["falsifiers"], start=1)}
    yield (
        "The same check on wrong variants of the theorem, each with one hypothesis broken or one formula altered: it"
        " must reject them."
    )
    yield table(
        ["", "broken", "how", "rejected"],
        (
            [name, broken(entry.theorem, falsifier["breaks"]), falsifier["change"], rejected(falsifier)]
            for name, falsifier in tried.items()
        ),
    )
    check = record["measurement"]
    rows = [Row(f"Check: {check['passing']} of {check['cases']} pass", check["discrepancies"], "check")]
    rows += [Row(f"{name}: {rejected(f)} rejected", f["discrepancies"], "falsifier") for name, f in tried.items()]
    ranges = [
        f"{row.label}, {quantity} {number(min(row.discrepancies))} to {number(max(row.discrepancies))}" for row in rows
    ]
    rejections, cases = (sum(falsifier[key] for falsifier in tried.values()) for key in ("rejections", "cases"))
    yield strips(
        rows,
        limit,
        quantity,
        f"Dots on a logarithmic axis with a line at {number(limit)}. {'; '.join(ranges)}.",
        f"One dot a case. What is left of the line, at {number(limit)}, passes: {check['passing']} of the check's"
        f" {check['cases']} cases. What is right of it is rejected: {rejections} of the falsifiers' {cases} cases.",
    )


def broken(theorem: Theorem, breaks: int | str) -> str:
    return "the formula" if breaks == "formula" else f"hypothesis {breaks}, {theorem.text.hypotheses[int(breaks)]}"


def rejected(falsifier: Record) -> str:
    return f"{falsifier['rejections']} of {falsifier['cases']}"


def certificates(records: Sequence[Record]) -> Iterator[str]:
    if records:
        yield "## Certificates"
        yield "Single instances, with the digits to which they agree or are enclosed."
        yield table(
            ["depth $L$", "digits", "claim", "method"],
            ([f"${r['depth']}$", f"{r['digits']:.0f}", r["claim"], r["method"]] for r in records),
        )
