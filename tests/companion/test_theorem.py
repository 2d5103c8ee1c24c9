"""What a theorem file must hold, and when a measurement passes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from companion.telling.excerpts import proof, statement
from companion.theorems import magnification, names, theorem
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Derivation
from companion.verification.theorem import Assumption, Attained, Falsifier, Kind, Measurement, Text, Theorem, compare

DOCSTRING = r"""Title

A summary.

Statement
---------
If

1. **one**: the first;
2. **two**: the second,

then $1 = 1$.

Proof
-----
Clear.

Boundary
--------
- **Checked.** This,
  over two lines.
- **Assumed.** Nothing.
- **No run can test.** That.

Source
------
Derived here.
"""


def toy(docstring: str = DOCSTRING, breaks: tuple = (1, 2, "formula")) -> Theorem:
    def measure(case: Case) -> Measurement:
        return Measurement(1.0, 1.0)

    def wrong(case: Case) -> Measurement:
        return Measurement(1.0, 2.0)

    return Theorem(
        "companion.theorems.toy",
        docstring,
        kind=Kind.IDENTITY,
        tolerance=1e-12,
        ensemble=Ensemble(depths=(2, 3)),
        derive=lambda depth: Derivation((), ()),
        measure=measure,
        falsifiers=tuple(Falsifier(number, "wrong", wrong) for number in breaks),
    )


def test_text_is_read_from_the_docstring() -> None:
    text = Text.parse(DOCSTRING)
    assert (text.title, text.summary, text.proof, text.source) == ("Title", "A summary.", "Clear.", "Derived here.")
    assert text.hypotheses == {1: "one", 2: "two"}
    assert text.boundary["Checked"] == "This,\n  over two lines."
    assert text.statement.startswith("If")
    assert text.statement.endswith("then $1 = 1$.")


def test_no_line_of_a_formula_begins_a_list_or_a_quote() -> None:
    text = Text.parse(DOCSTRING.replace("Nothing.", "$a\n- b\n   > c$ and $$d\n- e$$.\n  On\n  $f$.", 1))
    assert text.boundary["Assumed"] == "$a - b > c$ and $$d\n- e$$.\n  On\n  $f$."


@pytest.mark.parametrize("part", ["A summary.\n", "Statement\n---------\n", "Proof\n-----\nClear.", "Derived here."])
def test_text_without_a_part_is_refused(part: str) -> None:
    assert part in DOCSTRING
    with pytest.raises(ValueError, match="docstring must be"):
        Text.parse(DOCSTRING.replace(part, ""))


def test_boundary_without_an_item_is_refused() -> None:
    with pytest.raises(ValueError, match="boundary must have"):
        Text.parse(DOCSTRING.replace("- **Assumed.** Nothing.\n", ""))


def test_complete_theorem_misses_nothing() -> None:
    assert toy().missing() == []
    assert replace(toy(), about=("wnlib.limit", "wnlib.rigorous.enclosure.enclose")).missing() == []


@pytest.mark.parametrize("name", ["limit", "wnlib.limits.limit.limit", "wnlib.quaternionic", "wnlib.nowhere.limit", ""])
def test_theorem_is_about_public_names(name: str) -> None:
    assert replace(toy(), about=("wnlib.limit", name)).missing() == [f"it is about {name}, which is no public name"]


@pytest.mark.parametrize(
    ("breaks", "defect"),
    [
        ((1, "formula"), "no falsifier breaks hypothesis 2"),
        ((1, 2), "no falsifier mutates a formula"),
        ((1, 2, 3, "formula"), "hypothesis 3, which there is not"),
        ((), "no falsifier breaks hypothesis 1"),
    ],
)
def test_missing_falsifiers_are_named(breaks: tuple, defect: str) -> None:
    assert any(defect in found for found in toy(breaks=breaks).missing())


def test_hypotheses_must_be_numbered_from_one() -> None:
    assert any("numbered" in found for found in toy(DOCSTRING.replace("2. **two**", "3. **two**")).missing())
    assert any("numbered" in f for f in toy(DOCSTRING.replace("**one**", "one").replace("**two**", "two")).missing())


def test_an_observation_must_assume_something() -> None:
    seen = replace(toy(), kind=Kind.OBSERVATION)
    assert any("representative" in found for found in seen.missing())
    assert replace(seen, assumes=(Assumption("a", "b", "c"),)).missing() == []


values = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=5).filter(lambda v: max(map(abs, v)) > 1e-3)


@given(values, st.floats(1e-6, 1))
def test_identity_measures_the_relative_error(predicted: list[float], error: float) -> None:
    exact = np.array(predicted)
    size = np.abs(exact).max()
    for kind in (Kind.IDENTITY, Kind.EQUALITY):
        assert compare(kind, Measurement(exact, exact)).discrepancy == 0
        assert compare(kind, Measurement(exact + error * size, exact)).discrepancy == pytest.approx(error, rel=1e-6)


def test_identity_is_relative_to_the_scale_where_that_is_larger() -> None:
    assert compare(Kind.IDENTITY, Measurement(0.1, 0.0, scale=10.0)).discrepancy == pytest.approx(0.01)


@given(st.floats(1e-6, 1e6), st.floats(0, 1e6))
def test_upper_bound_measures_the_ratio(bound: float, measured: float) -> None:
    assert compare(Kind.UPPER_BOUND, Measurement(measured, bound)).discrepancy == pytest.approx(measured / bound)


def test_upper_bound_takes_the_worst_entry() -> None:
    found = compare(Kind.UPPER_BOUND, Measurement([1.0, 3.0, -5.0], [2.0, 4.0, 1.0]))
    assert (found.discrepancy, found.measured, found.predicted) == (0.75, 3.0, 4.0)


def test_a_bound_of_zero_allows_zero_only() -> None:
    assert compare(Kind.UPPER_BOUND, Measurement(0.0, 0.0)).discrepancy == 0
    assert compare(Kind.UPPER_BOUND, Measurement(1e-9, 0.0)).discrepancy > 1e300


def test_limit_takes_the_last_error_and_demands_that_errors_fall() -> None:
    assert compare(Kind.LIMIT, Measurement([3.0, 2.5, 2.1], 2.0)).discrepancy == pytest.approx(0.05)
    assert compare(Kind.LIMIT, Measurement([2.01, 2.5, 2.1], 2.0)).discrepancy > 1e300


@given(st.floats(0.5, 4), st.floats(1e-3, 10))
def test_order_is_observed_under_halving(order: float, constant: float) -> None:
    errors = constant * 0.5 ** (order * np.arange(5))
    assert compare(Kind.ORDER, Measurement(errors, order)).discrepancy < 1e-9
    assert compare(Kind.ORDER, Measurement(errors, order + 1)).discrepancy == pytest.approx(1)


@pytest.mark.parametrize("kind", list(Kind))
def test_nan_never_passes(kind: Kind) -> None:
    assert compare(kind, Measurement([np.nan, np.nan], [1.0, 1.0])).discrepancy > 1e300
    assert compare(kind, Measurement([1.0, 1.0], [np.nan, np.nan])).discrepancy > 1e300


def test_bounds_pass_up_to_one() -> None:
    assert toy().limit == 1e-12
    assert replace(toy(), kind=Kind.UPPER_BOUND).limit == 1 + 1e-12


def test_bound_is_lowered_at_the_main_entry_with_the_most_room() -> None:
    attained = Attained("here", lambda case: Measurement([1.0, 2.0, 1.0], [1.1, 3.0, 9.0], main=[0, 1]))
    lowered = attained.falsifier
    assert lowered.change == "half of the bound, here"
    case = Ensemble().case(0)
    assert compare(Kind.UPPER_BOUND, lowered.measure(case)).discrepancy == pytest.approx(2 / 1.5)
    third = replace(attained, within=3.0).falsifier
    assert (third.change, third.lowered, third.share) == ("the bound divided by 3, here", 3.0, 1.0)
    loose = Attained("here", lambda case: Measurement(1.0, 2.5)).falsifier
    assert compare(Kind.UPPER_BOUND, loose.measure(case)).discrepancy < 1


def test_upper_bound_must_say_where_it_is_nearly_attained() -> None:
    upper = replace(toy(), kind=Kind.UPPER_BOUND)
    assert upper.missing() == ["an upper bound must say where it is nearly attained"]
    assert replace(upper, attained=(Attained("here", lambda case: Measurement(1.0, 1.0)),)).missing() == []


@pytest.mark.parametrize("name", names())
def test_every_theorem_is_complete(name: str) -> None:
    assert theorem(name).name == name
    assert theorem(name).missing() == []
    assert set(theorem(name).uses) <= set(names())


def test_chapters_show_statement_and_proof() -> None:
    data, metadata = statement("magnification")._repr_mimebundle_()
    assert data["text/markdown"].startswith("**Theorem (Magnification).** Let $L")
    assert metadata == {"theorem": "magnification", "part": "statement"}
    data, metadata = proof("magnification")._repr_mimebundle_()
    assert magnification.THEOREM.text.proof in data["text/markdown"]
    assert metadata["part"] == "proof"


def test_unknown_theorem_is_refused() -> None:
    with pytest.raises(ValueError, match=r"name must be one of .*magnification.*, got 'nonsense'"):
        statement("nonsense")
