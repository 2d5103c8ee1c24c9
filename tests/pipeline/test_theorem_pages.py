"""The theorems' pages: each number comes from the ledger, and nothing that the ledger holds is left out."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from companion.running.structured import text as text_of
from companion.telling.numbers import number
from companion.theorems import magnification
from companion.verification.theorem import Assumption, Attained, Certificate, Falsifier, Kind, Measurement, Theorem
from companion.verification.verification import Ledger
from companion.verification.verify import verify
from pipeline.pages import theorems
from pipeline.pages.checks import checks
from pipeline.pages.markdown import directive, listed, table
from pipeline.pages.overview import assumptions, claims, counts, index
from pipeline.pages.strips import Axis, Row, strips
from pipeline.pages.theorem import Entry, Established, page, proof, quoted

SCHEMA = json.loads(files("companion").joinpath("ledger.schema.json").read_text("utf-8"))
FAITH = Assumption("Faith", "It is so.", "No run is infinite.")


def entry(theorem: Theorem, status: str = "verified", **surroundings: Any) -> Entry:
    return Entry(theorem, Established(**dict(verify(theorem, cases=6)), status=status), **surroundings)


def bound(case: Any, factor: float = 1.0) -> Measurement:
    return Measurement(factor * (case.seed + 1), 4.0 if case.seed < 3 else 8.0)


@pytest.fixture(scope="module")
def identity() -> Entry:
    return entry(magnification.THEOREM)


@pytest.fixture(scope="module")
def upper() -> Entry:
    """A bound on the first of four, attained in one case, with everything that a theorem may have."""
    wrong = Falsifier("formula", "twice $|x|$", lambda case: bound(case, 2.0))
    theorem = replace(
        magnification.THEOREM,
        kind=Kind.UPPER_BOUND,
        tolerance=0.0,
        measure=bound,
        falsifiers=(replace(wrong, breaks=1), wrong),
        attained=(Attained("for $x$ close to 4", lambda case: Measurement(case.seed + 14, 20.0)),),
        uses=("magnification",),
        assumes=(FAITH,),
        symbolic=False,
        certify=lambda depth: (Certificate("balls", "it lies in a ball", 50.0 + depth),),
    )
    return entry(theorem, "verified under assumptions", uses=[magnification.THEOREM], chapters=["told"])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.9999, "1"),
        (0.031, "0.031"),
        (5877.0, "5,900"),
        (1e5, "1.0·10⁵"),
        (3.14e-13, "3.1·10⁻¹³"),
        (-2.0, "-2"),
        (1e308, "∞"),
        (float("inf"), "∞"),
        (-1e308, "-∞"),
        (None, "undefined"),
    ],
)
def test_numbers_have_two_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_lists_read_as_prose() -> None:
    assert [listed(parts) for parts in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_cells_stay_in_their_row() -> None:
    assert table(["x", "y"], [["$|a|$", "two\nlines"]]).splitlines()[2:] == [r"| $\|a\|$ | two lines |"]


def test_outer_fence_is_longer() -> None:
    inner = directive("prf:proof", "", "text")
    assert directive("note", "", inner).splitlines() == ["::::{note}", "", ":::{prf:proof}", "", "text", ":::", "::::"]


@given(st.lists(st.floats(0, 1e308), min_size=1), st.floats(1e-12, 10.0))
def test_what_passes_is_left_of_the_line(values: list[float], limit: float) -> None:
    axis = Axis.of(values, limit)
    line = float(axis.place(limit)[:-1])
    assert 3 <= line <= 97
    for value in values:
        assert 3 <= float(axis.place(value)[:-1]) <= 97
        assert (float(axis.place(value)[:-1]) <= line) or value > limit
        assert (float(axis.place(value)[:-1]) >= line) or value < limit
    labels = [text for _, text in axis.ticks()]
    assert len(labels) == len(set(labels)) <= 9


def test_dots_are_cases() -> None:
    rows = [Row("Check", [1e-15, 0.0], "check"), Row("F1 & more", [1.0, 1e308], "falsifier")]
    html = strips(rows, 1e-10, "error", 'a "description"', "A caption")
    assert html.count('<circle class="check"') == html.count('<circle class="falsifier"') == 2
    assert 'aria-label="a &quot;description&quot;"' in html
    assert "F1 &amp; more" in html
    assert [text in html for text in (">0</text>", ">∞</text>", ">10⁻¹²</text>", ">A caption<")] == [True] * 4
    assert "\n\n" not in html


def test_page_of_an_identity(identity: Entry) -> None:
    text, found = page(identity), identity.verification
    title, *_ = text.splitlines()
    assert title == "# Magnification"
    assert "[✓ verified]{.status .verified} [identity]{.kind}" in text
    for part in (identity.theorem.text.statement, identity.theorem.text.proof, identity.theorem.text.source):
        assert part in text
    assert ":label: thm-magnification" in text
    residuals = [depth.residuals for depth in found.derivation.depths]
    assert f"sympy reduces {sum(residuals)} residuals to exactly 0" in text
    assert f"| residuals | {' | '.join(map(str, residuals))} |" in text
    for step in found.derivation.steps:
        assert f"1. **{step.name}.** {step.reason}" in text
        assert step.equation in text
    worst = found.measurement.worst
    assert f"6 of 6 cases pass. The relative error is at most {number(worst.discrepancy)}" in text
    assert f"Margin {number(found.measurement.margin)}." in text
    assert worst.case in text
    assert f"python -m companion.ledger magnification --case {worst.index}" in text
    assert r"| F1 | hypothesis 1, on the sphere | $\lVert u\rVert = 1.2$ | 6 of 6 | 50% |" in text
    assert "| F5 | the formula |" in text
    assert text.count('class="check"') == 6
    assert text.count('class="falsifier"') == 30
    assert re.search(r'aria-label="[^"]*Check: 6 of 6 pass, relative error .* to .*; F1: 6 of 6 rejected', text)
    assert "rejected: 30 of the falsifiers' 30 cases" in text
    assert "- **No run can test.** Nothing: the identity is algebraic." in text
    assert "- **In the package** {py:obj}`wnlib.WeightNormFlow` and {py:obj}`wnlib.MirrorMap`" in text
    assert "```{literalinclude} source/magnification.py" in text
    assert not any(part in text for part in ("Certificates", "Rests on", "Used by", "Told in", "bound"))


def test_page_of_a_bound(upper: Entry) -> None:
    text = page(upper)
    assert "[† verified under assumptions]{.status .assuming} [upper bound]{.kind}" in text
    # measured / bound is 1/4, 2/4, 3/4, 4/8, 5/8, 6/8 at depths 1 to 6
    assert "The ratio measured / bound is at most 0.75; up to 1 passes." in text
    assert "Bound / measured: median 1.8, from 1.3 to 4." in text
    assert "| $2$ | 1 | 0.5 | 0.5 | 2 | 2 |" in text
    assert r"| F2 | the formula | twice $\|x\|$ | 3 of 6 | 50% |" in text
    assert "left of the line, at 1, passes: 6 of the check's 6 cases" in text
    assert "| F3 | the formula | half of the bound, for $x$ close to 4 | 6 of 6 | 100% |" in text
    assert "| for $x$ close to 4 | 6 | 1.2 | 1.4 |" in text  # 20 over 14, ..., 19
    assert "rejected: 12 of the falsifiers' 18 cases" in text
    assert "| $6$ | 56 | it lies in a ball | balls |" in text
    assert "The steps are those at $L = 1$." in text
    assert "- **Rests on** {prf:ref}`Magnification <thm-magnification>`" in text
    assert "- **Told in** {doc}`/notebooks/told`" in text


def test_page_of_an_observation_says_what_share_must_pass_and_that_it_is_no_theorem(upper: Entry) -> None:
    mostly = entry(replace(upper.theorem, kind=Kind.OBSERVATION, share=0.9))
    text = page(mostly)
    assert "6 of 6 cases pass (90% must)." in text
    assert ":::{prf:observation} Magnification\n:label: thm-magnification" in text
    assert f"**Not proved.** {mostly.theorem.text.proof}" in text
    assert not any(part in text for part in ("prf:theorem", "prf:proof"))
    assert quoted(mostly).startswith(":::{prf:observation} Magnification")
    assert "must)" not in page(upper)


def test_page_tells_no_time_and_no_place(identity: Entry) -> None:
    changed = identity.verification.model_copy(update={"seconds": 1234.5, "versions": {"python": "9.9"}})
    assert page(replace(identity, verification=changed)) == page(identity)
    assert str(Path.cwd()) not in page(identity)


def test_chapters_quote_without_number_or_label(identity: Entry) -> None:
    assert quoted(identity).splitlines()[:3] == [":::{prf:theorem} Magnification", ":nonumber:", ":class: quoted"]
    assert identity.theorem.text.statement in quoted(identity)
    assert "[✓ verified]{.status .verified} {prf:ref}`thm-magnification`" in quoted(identity)
    assert ":label:" not in quoted(identity)
    assert proof(identity.theorem) == f":::{{prf:proof}}\n\n{identity.theorem.text.proof}\n:::"


def test_counts_are_sums(identity: Entry, upper: Entry) -> None:
    text = counts({"magnification": identity, "other": upper})
    assert text.startswith("**2 {doc}`theorems </theorems/index>`: 1 verified and 1 verified under assumptions.** ")
    seen = replace(upper, theorem=replace(upper.theorem, kind=Kind.OBSERVATION))
    assert counts({"magnification": identity, "other": seen}).startswith(
        "**1 {doc}`theorem </theorems/index>`: 1 verified;"
        " 1 {doc}`observation </theorems/index>`: 1 verified under assumptions.** "
    )
    of_identity, of_bound = (
        [depth.residuals for depth in entry.verification.derivation.depths] for entry in (identity, upper)
    )
    total = sum(of_identity) + sum(of_bound)
    assert "12 of 12 measurements pass; 8 of 8 falsifiers are rejected, each in at least the share of its cases" in text
    assert "which is 42 of 48 cases in all;" in text
    assert f"sympy reduces {total} of {total} residuals to 0" in text
    broken = json.loads(text_of(identity.verification))
    broken["measurement"]["passing"] = 5
    broken["falsifiers"][0]["rejected"] = False
    broken["derivation"]["depths"][3]["holds"] = False
    changed = Established.model_validate_json(json.dumps(broken))
    text = counts({"magnification": replace(identity, verification=changed)})
    assert "5 of 6 measurements pass (the others are in the share that an observation leaves); 4 of 5" in text
    assert f"sympy reduces {sum(of_identity) - of_identity[3]} of {sum(of_identity)} residuals to 0" in text


def test_the_page_of_checks_counts_and_tells_shares_and_tightness(identity: Entry, upper: Entry) -> None:
    text = checks({"magnification": identity, "other": upper})
    rows = [row for row in text.splitlines() if row.startswith("| {prf")]
    of_identity, of_upper, of_bound = rows  # of an identity nothing is told of tightness
    assert "| 30 of 30 |" in of_identity
    assert r"| 12 of 18 | 3 of 6: twice $\|x\|$ |" in of_upper
    assert of_bound.endswith("| for $x$ close to 4 | 1.2 | 1.4 | 2 | 1.8 |")
    tried = len(identity.theorem.mutants) + len(upper.theorem.mutants)
    for count in ("12 cases", "8 variants, 48 cases", f"changes, tried {tried} times"):
        assert count in text
    certificates = len(identity.verification.certificates) + len(upper.verification.certificates)
    assert f"| {certificates} instances |" in text


def test_claims_say_what_by_whom_and_how_far(identity: Entry, upper: Entry) -> None:
    rows = [
        row for row in claims({"magnification": identity, "other": upper}, []).splitlines() if row.startswith("| {prf")
    ]
    assert len(rows) == 2
    assert "[✓ verified]{.status .verified}<br>identity. Margin" in rows[0]
    assert "upper bound. Bound / measured: median 1.8, from 1.3 to 4." in rows[1]
    assert all("that are exponentially magnified in the squared radius." in row for row in rows)
    assert all("Derived here." in row and "{cite:t}`ChouRauhutWard2024`" in row for row in rows)


def test_assumptions_are_inherited(identity: Entry, upper: Entry) -> None:
    def named(name: str, entry: Entry, *uses: str) -> Entry:
        return replace(entry, theorem=replace(entry.theorem, module=f"theorems.{name}", uses=uses))

    entries = {
        "base": named("base", identity),
        "maker": named("maker", upper, "base"),
        "heir": named("heir", identity, "maker"),
        "grandchild": named("grandchild", identity, "heir", "base"),
    }
    text = assumptions(entries)
    assert "### Faith\n\nIt is so.\n\n*Why no run can test it.* No run is infinite." in text
    links = [f"{{prf:ref}}`Magnification <thm-{name}>`" for name in ("maker", "heir", "grandchild")]
    assert f"Assumed by {links[0]}; inherited by {links[1]} and {links[2]}." in text
    assert text.count("[No run can test.]{.label} Nothing: the identity is algebraic.") == 4
    assert "None of them assumes" in assumptions({"base": entries["base"]})


def test_index_draws_every_theorem(identity: Entry) -> None:
    text = index({"magnification": identity})
    assert text.count('href="magnification.html"') == 2  # for a desk and for a phone
    assert "[✓ verified]" in text
    assert "[† verified" not in text  # a legend of what there is


def test_chapters_are_known_by_what_they_show(identity: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.json"
    path.write_text(text_of(Ledger(schema=1, theorems=(identity.verification,))))
    monkeypatch.setattr(theorems, "LEDGER", path)

    def showing(**metadata: str) -> dict[str, Any]:
        return {"cells": [{"cell_type": "markdown"}, {"outputs": [{"metadata": metadata}, {"name": "stdout"}]}]}

    chapters = {
        "one": showing(theorem="magnification"),
        "two": showing(figure="magnification"),
        "three": showing(theorem="other"),
    }
    assert theorems.entries(chapters)["magnification"].chapters == ["one"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "refuted"}, r"theorems\.0\.status: Input should be .*'verified'"),
        ({"derivation": None}, r"theorems\.0\.derivation: Input should be an object"),
    ],
)
def test_a_site_shows_no_theorem_that_is_not_verified(
    identity: Entry, change: dict[str, Any], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.json"
    book = {"schema": 1, "theorems": [json.loads(text_of(identity.verification)) | change]}
    path.write_text(json.dumps(book))
    monkeypatch.setattr(theorems, "LEDGER", path)
    with pytest.raises(SystemExit, match=rf"ledger\.json cannot be read: {reason}"):
        theorems.main([])


def defects(found: dict[str, Any], status: str | None = "verified") -> list[str]:
    """What the schema refuses in a ledger of one theorem."""
    book = {"schema": 1, "theorems": [{**found, "status": status} if status else found]}
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(book)]


def test_ledgers_fit_the_schema(identity: Entry, upper: Entry) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    def raising(case: Any) -> Measurement:
        raise ArithmeticError

    incomplete = verify(replace(magnification.THEOREM, measure=raising), cases=1)
    undefined = verify(replace(magnification.THEOREM, measure=lambda case: Measurement(float("nan"), 1.0)), cases=1)
    for found in (identity.verification, upper.verification, incomplete, undefined):
        assert defects(json.loads(text_of(found))) == []


@pytest.mark.parametrize(
    ("change", "defect"),
    [
        ({"surplus": 1}, "Additional properties"),
        ({"seconds": "long"}, "'long' is not of type 'number'"),
        ({"kind": "theorem"}, "'theorem' is not one of"),
        ({"fingerprint": "0"}, "does not match"),
        ({"falsifiers": [{}]}, "required property"),
        ({"measurement": {}}, "required property"),
    ],
)
def test_schema_refuses(identity: Entry, change: dict[str, Any], defect: str) -> None:
    found = json.loads(text_of(identity.verification))
    assert any(defect in message for message in defects({**found, **change}))
    assert defects(found, status="proved")
    assert defects({key: value for key, value in found.items() if key != "status"}, status=None)


@pytest.mark.parametrize(
    "change",
    [{"surplus": 1}, {"seconds": "1.5"}, {"seconds": float("inf")}, {"kind": "theorem"}, {"falsifiers": [{}]}],
)
def test_models_refuse_what_the_schema_refuses(identity: Entry, change: dict[str, Any]) -> None:
    found = json.loads(text_of(identity.verification))
    assert Established.model_validate_json(json.dumps(found)) == identity.verification
    with pytest.raises(ValidationError):
        Established.model_validate_json(json.dumps({**found, **change}))


def test_schema_describes_every_part_of_a_verification(identity: Entry) -> None:
    properties = SCHEMA["$defs"]["Judged"]["properties"]
    assert set(json.loads(text_of(identity.verification))) == set(properties)
    assert all(part["description"] for part in properties.values())
