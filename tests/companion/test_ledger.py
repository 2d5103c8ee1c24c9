"""The ledger derives each theorem's status from records, and says no where it must."""

import copy
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

from companion import ledger, theorems
from companion.ledger import LedgerError, Status, closure, order, statuses
from companion.theorems import magnification
from companion.verification.ensemble import Case
from companion.verification.symbolic import Derivation
from companion.verification.theorem import Assumption, Certificate, Falsifier, Kind, Measurement, Theorem
from companion.verification.verify import Record, failures, verify

THEOREM = magnification.THEOREM
FAITH = Assumption("faith", "It is so.", "No run is infinite.")


@pytest.fixture(scope="module")
def record() -> Record:
    return verify(THEOREM, cases=12)


def with_measure(measure: object) -> Theorem:
    return replace(THEOREM, measure=measure)


def test_record_tells_what_was_done(record: Record) -> None:
    assert failures(record) == []
    assert record["missing"] == []
    assert record["measurement"]["cases"] == len(record["measurement"]["discrepancies"]) == 12
    assert record["measurement"]["depths"] == [1, 2, 3, 4, 5, 6] * 2
    assert record["measurement"]["margin"] == pytest.approx(
        THEOREM.tolerance / max(record["measurement"]["discrepancies"]), rel=1e-3
    )
    assert [d["depth"] for d in record["derivation"]["depths"]] == ["L", "1", "2", "3", "4", "5", "6"]
    assert all(falsifier["rejections"] == falsifier["cases"] == 12 for falsifier in record["falsifiers"])


def test_worst_case_is_reproducible(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    worst = record["measurement"]["worst"]
    assert ledger.main(["magnification", "--case", str(worst["index"])]) == 0
    printed = capsys.readouterr().out
    assert worst["case"] in printed
    assert f"discrepancy {worst['discrepancy']:.3g}" in printed


def test_two_runs_give_one_record(record: Record) -> None:
    again = verify(THEOREM, cases=12)
    assert {**again, "seconds": 0} == {**record, "seconds": 0}


def test_wrong_measurement_is_refuted() -> None:
    found = verify(with_measure(partial(magnification.measure, exponent=0.5001)), cases=6)
    assert any("measurement" in failure for failure in failures(found))
    assert statuses({"magnification": found})["magnification"] is Status.REFUTED


def test_passing_falsifier_is_refuted() -> None:
    found = verify(replace(THEOREM, falsifiers=(Falsifier("formula", "nothing", THEOREM.measure),)), cases=6)
    assert failures(found) == ["passing falsifier: nothing"]
    assert statuses({"magnification": found})["magnification"] is Status.REFUTED


def test_falsifier_must_be_rejected_in_its_share() -> None:
    def in_a_third(case: Case) -> Measurement:
        return Measurement(1.0, 1.0 if case.depth % 3 else 2.0)

    rare = Falsifier("formula", "rare", in_a_third)
    for falsifier, rejected in ((rare, False), (replace(rare, share=0.3), True)):
        found = verify(replace(THEOREM, falsifiers=(falsifier,)), cases=12)["falsifiers"][0]
        assert (found["rejections"], found["rejected"]) == (4, rejected)


def test_nonzero_residual_is_refuted() -> None:
    found = verify(replace(THEOREM, derive=lambda depth: Derivation((), (sp.Symbol("rest"),))), cases=1)
    assert len(failures(found)) == len(THEOREM.depths)


def test_certificate_needs_its_digits() -> None:
    def certify(depth: int) -> tuple[Certificate, ...]:
        return (Certificate("by hand", "equal", 39.9 if depth == 3 else 50.0),)

    found = verify(replace(THEOREM, certify=certify), cases=1)
    assert failures(found) == ["certificate at depth 3: 39.9 digits of 40"]


def test_broken_part_is_incomplete() -> None:
    def broken(case: Case) -> Measurement:
        raise ArithmeticError("no digits left")

    found = verify(with_measure(broken), cases=1)
    assert found["missing"] == ["the measurement raised ArithmeticError: no digits left"]
    assert statuses({"magnification": found})["magnification"] is Status.INCOMPLETE


def test_first_failure_stops() -> None:
    found = verify(with_measure(partial(magnification.measure, exponent=0.6)), cases=6, first_failure=True)
    assert found["measurement"]["cases"] == 1
    assert failures(found)
    assert "derivation" not in found


def test_nan_is_written_as_null() -> None:
    found = verify(with_measure(lambda case: Measurement(np.nan, 1.0)), cases=1)
    assert found["measurement"]["worst"]["measured"] is None
    assert "NaN" not in json.dumps(found)
    assert failures(found)


def test_empirical_statement_needs_its_share() -> None:
    def mostly(case: Case) -> Measurement:
        return Measurement(2.0 if case.depth == 1 else 0.5, 1.0)

    for share, passes in ((0.8, True), (0.9, False)):
        theorem = replace(THEOREM, kind=Kind.EMPIRICAL, tolerance=0.0, measure=mostly, share=share)
        assert verify(theorem, cases=12)["measurement"]["passes"] is passes


def records_of(record: Record, uses: dict[str, list[str]], **changes: dict) -> dict[str, Record]:
    made = {name: {**copy.deepcopy(record), "name": name, "uses": used} for name, used in uses.items()}
    for name, change in changes.items():
        made[name].update(change)
    return made


@pytest.fixture
def same_code(monkeypatch: pytest.MonkeyPatch, record: Record) -> None:
    monkeypatch.setattr(ledger, "rests_on", lambda name: record["fingerprint"])


CHAIN = {"a": [], "b": ["a"], "c": ["b"]}


@pytest.mark.usefixtures("same_code")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (Status.VERIFIED, Status.VERIFIED, Status.VERIFIED)),
        ({"assumes": [vars(FAITH)]}, (Status.ASSUMING, Status.ASSUMING, Status.ASSUMING)),
        ({"missing": ["no falsifier"]}, (Status.INCOMPLETE, Status.INCOMPLETE, Status.INCOMPLETE)),
        ({"fingerprint": "old"}, (Status.STALE, Status.INCOMPLETE, Status.INCOMPLETE)),
    ],
)
def test_status_is_inherited(record: Record, change: dict, expected: tuple) -> None:
    assert tuple(statuses(records_of(record, CHAIN, a=change)).values()) == expected


@pytest.mark.usefixtures("same_code")
def test_refutation_leaves_what_rests_on_it_incomplete(record: Record) -> None:
    refuted = copy.deepcopy(record["measurement"]) | {"passes": False}
    found = statuses(records_of(record, CHAIN, b={"measurement": refuted}))
    assert tuple(found.values()) == (Status.VERIFIED, Status.REFUTED, Status.INCOMPLETE)


def test_order_puts_first_what_is_used() -> None:
    assert order({"c": ["a"], "b": ["a"], "a": [], "d": ["b", "c"]}) == ["a", "b", "c", "d"]


def test_cycle_is_refused() -> None:
    with pytest.raises(LedgerError, match=r"use each other in a circle: (a <- b <- a|b <- a <- b)"):
        order({"a": ["b"], "b": ["a"]})


def test_unknown_use_is_refused() -> None:
    with pytest.raises(LedgerError, match="a uses nothing, which no file holds"):
        order({"a": ["nothing"]})


def test_closure_of_every_theorem_is_in_order() -> None:
    found = closure(theorems.names())
    assert sorted(found) == list(theorems.names())
    for place, name in enumerate(found):
        assert set(theorems.theorem(name).uses) <= set(found[:place])


class TestCommand:
    """`python -m companion.ledger`, on one theorem with few cases."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(theorems, "names", lambda: ("magnification",))

    def test_writes_ledger_and_records(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert ledger.main(["--jobs", "1", "--cases", "6"]) == 0
        book = json.loads(Path("_build/ledger.json").read_text())
        assert [(t["name"], t["status"]) for t in book["theorems"]] == [("magnification", "verified")]
        assert json.loads(Path("_build/ledger/magnification.json").read_text())["name"] == "magnification"
        assert "verified" in capsys.readouterr().out
        assert {path.name for path in Path("_build").rglob("*.*")} == {"ledger.json", "magnification.json"}

    def test_reuses_records_whose_code_has_not_changed(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert ledger.main(["--jobs", "1", "--cases", "6"]) == 0
        capsys.readouterr()
        assert ledger.main(["--jobs", "1", "--cases", "6", "--reuse"]) == 0
        assert "[1/1]" not in capsys.readouterr().out
        monkeypatch.setattr(ledger, "rests_on", lambda name: "changed")
        assert ledger.main(["--jobs", "1", "--cases", "6", "--reuse"]) == 1
        assert "[1/1]" in capsys.readouterr().out

    def test_exit_status_says_no(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        wrong = partial(magnification.measure, exponent=0.6)
        monkeypatch.setattr(magnification, "THEOREM", with_measure(wrong))
        assert ledger.main(["--jobs", "1", "--cases", "6"]) == 1
        assert "refuted" in capsys.readouterr().out

    def test_unknown_name_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert ledger.main(["nonsense"]) == 2
        assert "name must be one of magnification, got 'nonsense'" in capsys.readouterr().err
        assert not Path("_build").exists()

    @pytest.mark.parametrize("arguments", [["--cases", "0"], ["--jobs", "0"], ["--case", "-1"], ["--case", "1"]])
    def test_wrong_numbers_are_refused(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert ledger.main(arguments) == 2
        assert "must be" in capsys.readouterr().err
        assert not Path("_build").exists()
