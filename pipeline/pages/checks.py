"""The page that says how this book is checked: what each kind of check can find, and what it cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median

from companion.experiments.mutation import RECORD
from companion.telling.numbers import number
from pipeline.pages.markdown import link, table
from pipeline.pages.mutation import mutation
from pipeline.pages.theorem import Entry, defined, rejected

INTRODUCTION = """A check is worth what it can find. Here is what each kind of check in this book can find and what it
cannot, how much of it there was, how often falsifiers are rejected, and how tight each bound is where it was measured.
What must be taken on faith whatever the checks say is on the page {doc}`assumptions`."""

SHARES = """A falsifier is a wrong variant of a theorem, and it counts as rejected if the check rejects it in a share of
its cases: in half of them, unless its theorem's page says another share. A number that is undefined rejects nothing,
except where the variant leaves the domain and its page says so. Below is, for each theorem, how many cases of all its
falsifiers were rejected, and the falsifier that was rejected least."""

TIGHTNESS = """A bound passes if it holds, so that a bound which is too weak passes as well. What shows that is its
tightness: bound / measured. So each bound names a family of cases on which it is nearly attained, and half of the bound
is rejected there; where no such family is known, what is rejected is the bound divided by a larger number. On the cases
of the measurement, which were not chosen for that, a bound may be far away: the last column."""


def checks(entries: Mapping[str, Entry]) -> str:
    """The page as MyST Markdown."""
    return (
        "\n\n".join(
            [
                "# How this book is checked",
                INTRODUCTION,
                table(["what is done", "it can find", "it cannot find", "how much"], kinds(entries), "stacked"),
                "## How often falsifiers are rejected",
                SHARES,
                table(["theorem", "cases rejected", "least rejected"], map(rejections, entries.values())),
                "## How tight the bounds are",
                TIGHTNESS,
                table(
                    ["bound", "nearly attained", "there", "at most", "divided by", "on all cases"], tightness(entries)
                ),
                mutation(RECORD.tried()),
            ]
        )
        + "\n"
    )


def kinds(entries: Mapping[str, Entry]) -> Iterator[list[str]]:
    found = [entry.verification for entry in entries.values()]
    residuals = sum(depth.residuals for one in found for depth in one.derivation.depths)
    cases, falsifiers = (sum(one.measurement.cases for one in found), [f for one in found for f in one.falsifiers])
    mutants = [name for entry in entries.values() for name in entry.theorem.mutants]
    yield [
        "**Derivations**, by computer algebra, at the symbol $L$ or at each depth",
        "a wrong sign, constant or exponent in what a proof computes",
        "a gap between what is computed and what is stated; an error of the algebra system itself",
        f"{residuals:,} residuals",
    ]
    yield [
        "**Measurements** on random cases, ugly ones among them, by the package's own code",
        "a statement that is false somewhere in the ranges that its file gives, by more than the tolerance",
        "what happens outside the ranges; what is smaller than the tolerance; a bound that could be better",
        f"{cases:,} cases",
    ]
    yield [
        "**Falsifiers**: the same measurement on statements that are wrong",
        "a measurement that would pass whatever is stated",
        "a wrong statement that nobody thought of",
        f"{len(falsifiers)} variants, {sum(f.cases for f in falsifiers):,} cases",
    ]
    yield [
        "**Certificates**, in multiple-precision or ball arithmetic",
        "an agreement that is due to rounding, or to 16 digits being too few",
        "anything beyond the single instances that they are about",
        f"{sum(len(one.certificates) for one in found)} instances",
    ]
    yield [
        "**Mutants** of the code, with one sign, constant, exponent or index wrong",
        "code that a theorem rests on and that its measurement does not notice",
        "a change that nobody thought of; how many of those are noticed is told below, of a sample",
        f"{len(set(mutants))} changes, tried {len(mutants)} times",
    ]
    yield [
        "**Verdicts** of the chapters: assertions on what their experiments found, printed only if they hold",
        "a sentence of a chapter that its own run contradicts, with your parameters too",
        "sentences that assert nothing; whether an experiment is fair",
        "each green bar",
    ]
    yield [
        "**Samples** of stored tables, computed again",
        "a table that the code of today would not give",
        "a difference in the rows that are not computed again",
        "every table",
    ]
    yield [
        "**Tests** of the code, with properties on random inputs, and of every page in a browser",
        "a function that breaks its contract; a formula, figure or link that is broken",
        "what no property states; whether a page is worth reading",
        "each module, each page",
    ]


def rejections(entry: Entry) -> list[str]:
    falsifiers = entry.verification.falsifiers
    least = min(falsifiers, key=lambda one: one.rejections / one.cases)
    rejections, cases = (sum(getattr(one, name) for one in falsifiers) for name in ("rejections", "cases"))
    return [link(entry.theorem), f"{rejections} of {cases}", f"{rejected(least)}: {least.change}"]


def tightness(entries: Mapping[str, Entry]) -> Iterator[list[str]]:
    """Each family on which a bound is nearly attained; for the last column, the median of its own cases."""
    for entry in entries.values():
        own = defined(entry.verification.measurement.tightness)
        nearly = [falsifier for falsifier in entry.verification.falsifiers if falsifier.lowered]
        for each, found in zip(entry.theorem.attained, nearly, strict=True):
            there = (number(value) for value in (median(found.tightness), max(found.tightness), found.lowered))
            yield [link(entry.theorem), each.family, *there, number(median(own))]
