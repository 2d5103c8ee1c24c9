"""The grammar of parameters cells, and what PARAMS may set."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from pipeline.parameters import Parameter, ParameterError, applied, cell_of, parse, table

DEPTH = "depth: int = 2  # 1..6: number of factors L"
RATIO = "ratio: float = 10.0  # 0.1..1000: learning-rate ratio c"
ENSEMBLE = 'ensemble: str = "gaussian"  # gaussian|dct: distribution of the measurements'
KNOWN = {
    "setting": parse(f"{DEPTH}\n{RATIO}"),
    "robustness": parse(f"{DEPTH.replace('1..6', '2|3')}\n{ENSEMBLE}"),
}


def test_cell_is_read() -> None:
    assert parse(f"{DEPTH}\n{RATIO}\n{ENSEMBLE}") == [
        Parameter("depth", "int", 2, "1..6", "number of factors L"),
        Parameter("ratio", "float", 10.0, "0.1..1000", "learning-rate ratio c"),
        Parameter("ensemble", "str", "gaussian", "gaussian|dct", "distribution of the measurements"),
    ]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("depth = 2", "does not read"),
        ("depth: int = 2", "does not read"),
        ("depth: int = 2  # 1..6", "does not read"),
        ("depth: bool = True  # True|False: signed", "does not read"),
        (f"{DEPTH}\nprint(depth)", "does not read"),
        (f"{DEPTH}\n\n{RATIO}", "does not read"),
        ("depth: int = L  # 1..6: factors", "not a literal"),
        ("depth: int = 2.0  # 1..6: factors", "not of type int"),
        ("depth: int = True  # 1..6: factors", "not of type int"),
        ("ratio: float = 10  # 0.1..1000: ratio", "not of type float"),
        ("depth: int = 7  # 1..6: factors", "outside its domain 1..6"),
        ("depth: int = 2  # 6..1: factors", "not a finite range"),
        ("ratio: float = 2.0  # 0..inf: ratio", "not a finite range"),
        ("depth: int = 2  # 1..x: factors", "'x' is not of type int"),
        ("depth: int = 2  # 2|x: factors", "'x' is not of type int"),
        ('ensemble: str = "dft"  # gaussian|dct: distribution', "outside its domain"),
        (f"{DEPTH}\n{DEPTH}", "declared twice"),
    ],
)
def test_cell_that_breaks_the_grammar_is_refused(source: str, reason: str) -> None:
    with pytest.raises(ParameterError, match=reason):
        parse(source)


@pytest.mark.parametrize(("tagged", "kind"), [(0, "code"), (2, "code"), (1, "markdown")])
def test_notebook_needs_one_parameters_cell(tagged: int, kind: str) -> None:
    cell = {"cell_type": kind, "metadata": {"tags": ["parameters"]}, "source": DEPTH}
    with pytest.raises(ParameterError, match="exactly one"):
        cell_of({"cells": [cell] * tagged})


def test_settings_reach_only_those_that_know_them() -> None:
    changed = applied(KNOWN, "depth=3  ratio=3e1 ensemble=dct")
    assert [p.value for p in changed["setting"]] == [3, 30.0]
    assert [p.value for p in changed["robustness"]] == [3, "dct"]
    assert applied(KNOWN, "") == KNOWN


@pytest.mark.parametrize(
    ("line", "ends"), [(DEPTH, ("1", "6")), (RATIO, ("0.1", "1e3")), (ENSEMBLE, ("gaussian", "dct"))]
)
def test_domain_includes_its_ends(line: str, ends: tuple[str, str]) -> None:
    known = {"setting": parse(line)}
    for end in ends:
        [changed] = applied(known, f"{line.split(':')[0]}={end}")["setting"]
        assert parse(str(changed)) == [changed]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("width=3", "no chapter knows 'width'"),
        ("Depth=3", "no chapter knows 'Depth'"),
        ("depth", "'depth' does not read name=value"),
        ("depth = 3", "'=' does not read name=value"),
        ("depth=", "'depth=' does not read name=value"),
        ("depth=3 depth=3", "depth is set twice"),
        ("depth=2.5", "depth: '2.5' is not of type int"),
        ("depth=4", "depth = 4 is outside its domain 2|3 (chapter robustness)"),
        ("depth=7", "depth = 7 is outside its domain 1..6 (chapter setting)"),
        ("ratio=0", "ratio = 0.0 is outside its domain 0.1..1000"),
        ("ratio=nan", "ratio = nan is outside"),
        ("ratio=inf", "ratio = inf is outside"),
        ("ratio=", "'ratio=' does not read name=value"),
        ("ensemble=GAUSSIAN", "outside its domain gaussian|dct"),
        ("depth=3 ratio=30 width=3", "no chapter knows 'width'"),
    ],
)
def test_wrong_settings_are_refused_with_a_table(settings: str, reason: str) -> None:
    with pytest.raises(ParameterError, match=re.escape(reason)) as refusal:
        applied(KNOWN, settings)
    assert str(refusal.value).endswith(table(KNOWN))


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(ParameterError, match=r"(?s)width.*ratio"):
        applied(KNOWN, "width=1 ratio=0")


def test_table_names_each_chapter_and_domain() -> None:
    lines = [line.split(maxsplit=5) for line in table(KNOWN).splitlines()]
    assert ["depth", "int", "2", "2|3", "robustness", "number of factors L"] in lines
    assert ["depth", "int", "2", "1..6", "setting", "number of factors L"] in lines


@given(st.floats(0.1, 1000))
def test_set_value_is_what_the_cell_then_says(ratio: float) -> None:
    [parameter] = applied({"setting": parse(RATIO)}, f"ratio={ratio!r}")["setting"]
    assert parse(str(parameter)) == [parameter]
    assert parameter.value == ratio
