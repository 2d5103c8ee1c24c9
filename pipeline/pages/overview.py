"""The pages that stand for all theorems: the graph, the claims, what is taken on faith, and the counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from companion.verification.theorem import Assumption
from companion.verification.verification import Status
from pipeline.pages.abstract import Found, abstract
from pipeline.pages.graph import Node, graph
from pipeline.pages.markdown import GLYPHS, STYLES, badge, line, link, listed, table
from pipeline.pages.theorem import Entry, strength

Entries = Mapping[str, Entry]  # in the ledger's order: each after those it uses

INTRODUCTION = """Each theorem of this book is a file. It holds the statement with its numbered hypotheses and the
proof, a derivation whose residuals sympy must reduce to 0, a measurement on a seeded ensemble of cases, and
falsifiers: wrong variants that the measurement must reject, in half of the cases if nothing else is said. A theorem is
verified if all of that holds, and if every theorem that its proof uses is verified; it is verified under assumptions
if it, or one that it uses, assumes what no run can test. What is measured in a share of the cases, and not proved, is
an observation, with a number of its own kind. The site is built only if each is verified, or so under assumptions."""

CLAIMS = """What is claimed, by whom, and how it is checked. The margin is the largest discrepancy that passes,
divided by the largest that was measured; for a bound it is said how tight it is. {doc}`assumptions` lists what no
check can show."""

TRUST = """Every check on these pages also trusts what it runs on:

- **Python and its libraries.** numpy, scipy and sympy are taken to compute what they document. Another
  implementation, or the falsifiers, would show a gross error; nothing here shows that there is none.
- **The simplifier.** A residual counts as 0 if sympy reduces it to 0. Such a reduction is not a formal proof: an
  error of sympy's, or an assumption on a symbol that the text does not make, could hide a defect.
- **Floating-point arithmetic.** Measurements carry about 16 digits and the errors of solvers; what is smaller than
  the tolerance goes unseen. Certificates in multiple-precision or ball arithmetic reach further, on single instances.
- **A finite ensemble.** Cases are drawn from ranges of depths, ratios, scales and matrices that are written in each
  theorem's file. A theorem that failed only outside of them would pass.
- **The reader of the proof.** That the steps which sympy checks are the steps of the proof, and that the proof shows
  the statement, is for a reader to judge."""


def counts(entries: Entries) -> str:
    """How many theorems have which status, and how much was tried: for the front page."""
    verifications = [entry.verification for entry in entries.values()]
    kinds = {
        noun: [entry.status for entry in entries.values() if entry.theorem.noun == noun]
        for noun in ("theorem", "observation")
    }
    counted = "; ".join(of_kind(noun, states) for noun, states in kinds.items() if states)
    depths = [depth for verification in verifications for depth in verification.derivation.depths]
    falsifiers = [falsifier for verification in verifications for falsifier in verification.falsifiers]
    rejected = sum(falsifier.rejected for falsifier in falsifiers)
    tried, rejections = (sum(getattr(one, name) for one in falsifiers) for name in ("cases", "rejections"))
    cases = sum(verification.measurement.cases for verification in verifications)
    passing = sum(verification.measurement.passing for verification in verifications)
    allowed = " (the others are in the share that an observation leaves)" * (passing < cases)
    residuals, zeros = (sum(d.residuals for d in found) for found in (depths, [d for d in depths if d.holds]))
    return (
        f"**{counted}.**"
        f" {passing:,} of {cases:,} measurements pass{allowed}; {rejected:,} of {len(falsifiers):,}"
        " falsifiers are rejected, each in at least the share of its cases that it must be (half, if its page says"
        f" nothing else), which is {rejections:,} of {tried:,} cases in all; and sympy reduces {zeros:,} of"
        f" {residuals:,} residuals to 0."
        " See {doc}`what is claimed </theorems/claims>`, {doc}`how it is checked </theorems/checks>` and"
        " {doc}`what is taken on faith </theorems/assumptions>`.\n"
    )


def of_kind(noun: str, states: Sequence[Status]) -> str:
    """How many there are of one kind, and how many have which status."""
    by_status = [f"{states.count(status)} {status.value}" for status in GLYPHS if status in states]
    return f"{len(states)} {{doc}}`{noun}{'s' * (len(states) > 1)} </theorems/index>`: {listed(by_status)}"


def index(entries: Entries) -> str:
    """The dependency graph, with its legend."""
    nodes = {
        name: Node(entry.title, GLYPHS[entry.status], STYLES[entry.status], entry.status.value, entry.theorem.uses)
        for name, entry in entries.items()
    }
    found = [entry.status for entry in entries.values()]
    legend = " ".join(badge(status) for status in GLYPHS if status in found)
    return "\n\n".join(
        [
            "# What is verified",
            counts(entries),
            INTRODUCTION,
            "## Dependency graph",
            f"{legend} An arrow leads from a theorem to one that its proof uses; arrows that follow from others are"
            " left out. Each theorem leads to its page.",
            graph(nodes),
        ]
    )


def claims(entries: Entries, evidence: Sequence[Found]) -> str:
    body = (
        [
            f"{link(entry.theorem)}<br>{badge(entry.status)}<br>{entry.theorem.kind.value}. {strength(entry)}",
            entry.theorem.text.summary,
            entry.theorem.text.source,
        ]
        for entry in entries.values()
    )
    theorems = ["## The theorems", CLAIMS, table(["theorem", "what is claimed", "by whom"], body, "stacked")]
    return "\n\n".join(["# Claims", *abstract(evidence), *theorems]) + "\n"


def assumptions(entries: Entries) -> str:
    parts = ["# Assumptions", "What must be taken on faith, and why no run can test it.", "## What theorems assume"]
    for assumption, makers in assumed(entries).items():
        heirs = [link(entry.theorem) for name, entry in entries.items() if inherits(entries, name, makers)]
        parts += [
            f"### {assumption.name}",
            line(assumption.statement),
            f"*Why no run can test it.* {line(assumption.reason)}",
            f"Assumed by {listed([link(entries[name].theorem) for name in makers])}"
            + (f"; inherited by {listed(heirs)}." if heirs else "."),
        ]
    if not assumed(entries):
        parts.append("None of them assumes anything beyond its hypotheses.")
    parts += ["## What every check trusts", TRUST, "## Where each check ends"]
    items = ("Assumed", "No run can test")
    body = (
        [link(entry.theorem), *(f"[{item}.]{{.label}} {entry.theorem.text.boundary[item]}" for item in items)]
        for entry in entries.values()
    )
    return "\n\n".join([*parts, table(["theorem", *map(str.lower, items)], body, "stacked")]) + "\n"


def assumed(entries: Entries) -> dict[Assumption, list[str]]:
    """Each assumption, with the theorems that make it."""
    found: dict[Assumption, list[str]] = {}
    for name, entry in entries.items():
        for assumption in entry.theorem.assumes:
            found.setdefault(assumption, []).append(name)
    return found


def inherits(entries: Entries, name: str, makers: Sequence[str]) -> bool:
    """Whether a theorem rests on one of others, directly or not."""
    return any(used in makers or inherits(entries, used, makers) for used in entries[name].theorem.uses)
