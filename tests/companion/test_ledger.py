"""The ledger derives each theorem's status from what was found, and says no where it must."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

from companion import ledger, theorems
from companion.ledger import LedgerError, closure, order, statuses
from companion.running.structured import FileError, read, text
from companion.theorems import magnification
from companion.verification.ensemble import Case
from companion.verification.symbolic import Depth, Derivation, Step
from companion.verification.theorem import Certificate, Falsifier, Kind, Measurement, Theorem
from companion.verification.verification import LEDGER, VERIFICATION, Assumed, Measured, Status, Verification
from companion.verification.verify import verify

THEOREM = magnification.THEOREM
FAITH = Assumed(name="faith", statement="It is so.", reason="No run is infinite.")


@pytest.fixture(scope="module")
def verification() -> Verification:
    return verify(THEOREM, cases=12)


def measured(verification: Verification) -> Measured:
    assert verification.measurement is not None
    return verification.measurement


def with_measure(measure: object) -> Theorem:
    return replace(THEOREM, measure=measure)


def test_verification_tells_what_was_done(verification: Verification) -> None:
    check = measured(verification)
    assert verification.failures == []
    assert verification.missing == ()
    assert check.cases == len(check.discrepancies) == 12
    assert check.depths == (1, 2, 3, 4, 5, 6) * 2
    assert check.margin == pytest.approx(THEOREM.tolerance / max(check.discrepancies), rel=1e-3)
    assert verification.derivation is not None
    assert [d.depth for d in verification.derivation.depths] == ["L", "1", "2", "3", "4", "5", "6"]
    assert verification.falsifiers
    assert all(falsifier.rejections == falsifier.cases == 12 for falsifier in verification.falsifiers)


def test_worst_case_is_reproducible(verification: Verification, capsys: pytest.CaptureFixture[str]) -> None:
    worst = measured(verification).worst
    assert ledger.main(["magnification", "--case", str(worst.index)]) == 0
    printed = capsys.readouterr().out
    assert worst.case in printed
    assert f"discrepancy {worst.discrepancy:.3g}" in printed


def test_two_runs_find_the_same(verification: Verification) -> None:
    again = verify(THEOREM, cases=12)
    assert again.model_copy(update={"seconds": 0}) == verification.model_copy(update={"seconds": 0})


def test_what_was_found_is_read_as_it_was_written(verification: Verification, tmp_path: Path) -> None:
    path = tmp_path / "magnification.json"
    path.write_text(text(verification))
    assert read(path, VERIFICATION) == verification
    assert text(read(path, VERIFICATION)) == path.read_text()
    assert list(json.loads(path.read_text())) == list(Verification.model_fields)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"", "Invalid JSON"),
        (b"\xff", "Invalid JSON"),
        (b"[]", "Input should be an object"),
        (b'{"name": 1}', "name: Input should be a valid string"),
    ],
)
def test_what_cannot_be_read_is_named(content: bytes | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "magnification.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileError, match=rf"magnification\.json cannot be read: {reason}"):
        read(path, VERIFICATION)


def test_wrong_measurement_is_refuted() -> None:
    found = verify(with_measure(partial(magnification.measure, faster=1.0002)), cases=6)
    assert any("measurement" in failure for failure in found.failures)
    assert statuses({"magnification": found})["magnification"] is Status.REFUTED


def test_passing_falsifier_is_refuted() -> None:
    found = verify(replace(THEOREM, falsifiers=(Falsifier("formula", "nothing", THEOREM.measure),)), cases=6)
    assert found.failures == ["passing falsifier: nothing"]
    assert statuses({"magnification": found})["magnification"] is Status.REFUTED


def test_falsifier_must_be_rejected_in_its_share() -> None:
    def in_a_third(case: Case) -> Measurement:
        return Measurement(1.0, 1.0 if case.depth % 3 else 2.0)

    rare = Falsifier("formula", "rare", in_a_third)
    for falsifier, rejected in ((rare, False), (replace(rare, share=0.3), True)):
        [found] = verify(replace(THEOREM, falsifiers=(falsifier,)), cases=12).falsifiers or ()
        assert (found.rejections, found.rejected) == (4, rejected)


def test_nonzero_residual_is_refuted() -> None:
    found = verify(replace(THEOREM, derive=lambda depth: Derivation((), (sp.Symbol("rest"),))), cases=1)
    assert len(found.failures) == len(THEOREM.depths)


@pytest.mark.parametrize("left", ["", "r", "s = r"])
@pytest.mark.parametrize("deep", [False, True])
def test_step_that_says_nothing_or_two_things_stops_the_build(left: str, deep: bool) -> None:
    shown = THEOREM.depths[0]

    def derive(depth: Depth) -> Derivation:
        wrong = (depth != shown) is deep
        return Derivation((Step("Square", left if wrong else "s", sp.Symbol("r"), ""),), ())

    found = verify(replace(THEOREM, derive=derive), cases=1)
    assert [message.split(":")[0] for message in found.missing] == ["the derivation raised ValueError"]
    assert "'Square'" in found.missing[0]


def test_certificate_needs_its_digits() -> None:
    def certify(depth: int) -> tuple[Certificate, ...]:
        return (Certificate("by hand", "equal", 39.9 if depth == 3 else 50.0),)

    found = verify(replace(THEOREM, certify=certify), cases=1)
    assert found.failures == ["certificate at depth 3: 39.9 digits of 40"]


def test_broken_part_is_incomplete() -> None:
    def broken(case: Case) -> Measurement:
        raise ArithmeticError("no digits left")

    found = verify(with_measure(broken), cases=1)
    assert found.missing == ("the measurement raised ArithmeticError: no digits left",)
    assert "measurement" not in json.loads(text(found))
    assert statuses({"magnification": found})["magnification"] is Status.INCOMPLETE


def test_first_failure_stops() -> None:
    found = verify(with_measure(partial(magnification.measure, faster=1.2)), cases=6, first_failure=True)
    assert measured(found).cases == 1
    assert found.failures
    assert "derivation" not in json.loads(text(found))


def test_first_failure_stops_within_a_part() -> None:
    passing = Falsifier("formula", "nothing", THEOREM.measure)
    rest = Derivation((), (sp.Symbol("rest"),))
    wrong = replace(THEOREM, derive=lambda depth: rest, falsifiers=(passing, passing, *THEOREM.falsifiers))
    derivation = verify(wrong, cases=1, first_failure=True).derivation
    assert derivation is not None
    assert [each.depth for each in derivation.depths] == ["L"]
    assert len(verify(replace(wrong, derive=THEOREM.derive), cases=1, first_failure=True).falsifiers or ()) == 1


def test_first_failure_stops_where_the_share_is_out_of_reach() -> None:
    def wrong_at_depth_one(case: Case) -> Measurement:
        return Measurement(2.0 if case.depth == 1 else 1.0, 1.0)

    for share, cases in ((0.8, 12), (0.9, 7)):  # 2 of 12 are wrong: the first and the seventh
        theorem = replace(with_measure(wrong_at_depth_one), share=share)
        assert measured(verify(theorem, cases=12, first_failure=True)).cases == cases


def test_parts_are_tried_in_the_order_given() -> None:
    wrong = replace(with_measure(partial(magnification.measure, faster=1.2)), derive=lambda depth: Derivation((), ()))
    found = verify(wrong, cases=1, first_failure=True, parts=("derivation", "measurement", "falsifiers"))
    assert set(json.loads(text(found))) >= {"derivation", "measurement"}
    assert found.falsifiers is None


def test_nan_is_written_as_null() -> None:
    found = verify(with_measure(lambda case: Measurement(np.nan, 1.0)), cases=1)
    assert json.loads(text(found))["measurement"]["worst"]["measured"] is None
    assert "NaN" not in text(found)
    assert found.failures


def test_an_observation_needs_its_share() -> None:
    def mostly(case: Case) -> Measurement:
        return Measurement(2.0 if case.depth == 1 else 0.5, 1.0)

    for share, passes in ((0.8, True), (0.9, False)):
        theorem = replace(THEOREM, kind=Kind.OBSERVATION, tolerance=0.0, measure=mostly, share=share)
        assert measured(verify(theorem, cases=12)).passes is passes


def test_a_nan_rejects_nothing_unless_the_variant_is_undefined() -> None:
    def spoiled(case: Case) -> Measurement:
        return Measurement(np.nan if case.depth < 3 else 2.0, 1.0)

    for undefined, rejections in ((False, 4), (True, 6)):
        wrong = replace(THEOREM.falsifiers[0], measure=spoiled, undefined=undefined)
        found = verify(replace(THEOREM, falsifiers=(wrong,)), cases=6, parts=("falsifiers",)).falsifiers
        assert found is not None
        assert found[0].rejections == rejections


def chained(verification: Verification, **changes: dict) -> dict[str, Verification]:
    """Three theorems of which each uses the one before, all found alike but for the changes."""
    uses = {"a": (), "b": ("a",), "c": ("b",)}
    return {
        name: verification.model_copy(update={"name": name, "uses": used, **changes.get(name, {})})
        for name, used in uses.items()
    }


@pytest.fixture
def same_code(monkeypatch: pytest.MonkeyPatch, verification: Verification) -> None:
    """The code has not changed, and the cases are all that there are."""
    monkeypatch.setattr(ledger, "rests_on", lambda name: verification.fingerprint)
    monkeypatch.setattr(ledger, "CASES", measured(verification).cases)


@pytest.mark.usefixtures("same_code")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (Status.VERIFIED, Status.VERIFIED, Status.VERIFIED)),
        ({"assumes": (FAITH,)}, (Status.ASSUMING, Status.ASSUMING, Status.ASSUMING)),
        ({"missing": ("no falsifier",)}, (Status.INCOMPLETE, Status.INCOMPLETE, Status.INCOMPLETE)),
        ({"fingerprint": "old"}, (Status.STALE, Status.INCOMPLETE, Status.INCOMPLETE)),
    ],
)
def test_status_is_inherited(verification: Verification, change: dict, expected: tuple) -> None:
    assert tuple(statuses(chained(verification, a=change)).values()) == expected


@pytest.mark.usefixtures("same_code")
def test_refutation_leaves_what_rests_on_it_incomplete(verification: Verification) -> None:
    refuted = measured(verification).model_copy(update={"passes": False})
    found = statuses(chained(verification, b={"measurement": refuted}))
    assert tuple(found.values()) == (Status.VERIFIED, Status.REFUTED, Status.INCOMPLETE)


@pytest.mark.usefixtures("same_code")
def test_fewer_cases_than_all_are_stale(verification: Verification) -> None:
    fewer = measured(verification).model_copy(update={"cases": 11})
    found = statuses(chained(verification, a={"measurement": fewer}))
    assert tuple(found.values()) == (Status.STALE, Status.INCOMPLETE, Status.INCOMPLETE)
    refuted = fewer.model_copy(update={"passes": False})  # in few cases as in many
    assert statuses(chained(verification, a={"measurement": refuted}))["a"] is Status.REFUTED


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


BOOK, FOUND = Path("_build/ledger.json"), Path("_build/ledger/magnification.json")


class TestCommand:
    """`python -m companion.ledger`, on one theorem, of which six cases are all."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(theorems, "names", lambda: ("magnification",))
        monkeypatch.setattr(ledger, "CASES", 6)
        quick = replace(THEOREM, derive=lambda depth: Derivation((), ()))
        monkeypatch.setattr(magnification, "THEOREM", quick)

    def test_writes_ledger_and_what_was_found(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert ledger.main([]) == 0
        assert [(t.name, t.status) for t in read(BOOK, LEDGER).theorems] == [("magnification", Status.VERIFIED)]
        assert read(FOUND, VERIFICATION).name == "magnification"
        assert "verified" in capsys.readouterr().out
        assert {path.name for path in Path("_build").rglob("*.*")} == {"ledger.json", "magnification.json"}

    def test_reuses_what_was_found_with_the_same_code(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert ledger.main([]) == 0
        capsys.readouterr()
        assert ledger.main(["--reuse"]) == 0
        assert "[1/1]" not in capsys.readouterr().out
        monkeypatch.setattr(ledger, "rests_on", lambda name: "changed")
        assert ledger.main(["--reuse"]) == 1
        assert "[1/1]" in capsys.readouterr().out

    @pytest.mark.parametrize("content", ["", "{}", "half"])
    def test_what_cannot_be_reused_is_found_anew(self, content: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert ledger.main([]) == 0
        whole = FOUND.read_text()
        FOUND.write_text(whole[: len(whole) // 2] if content == "half" else content)
        capsys.readouterr()
        assert ledger.main(["--reuse"]) == 0
        said = capsys.readouterr().out
        assert f"{FOUND} cannot be read: " in said
        assert "; magnification is verified again" in said
        assert measured(read(FOUND, VERIFICATION)).cases == 6

    @pytest.mark.parametrize("given", [["--cases", "5"], ["magnification", "--cases", "1"], ["--cases", "7"]])
    def test_a_run_on_other_cases_writes_nothing(self, given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert ledger.main([]) == 0
        before = {path: path.read_bytes() for path in (BOOK, FOUND)}
        capsys.readouterr()
        assert ledger.main(given) == (0 if "7" in given else 1)
        said = capsys.readouterr().out
        assert f"{BOOK} was not written" in said
        assert ("stale" in said) == (f"only {given[-1]} of 6 cases were measured" in said) == ("7" not in given)
        assert {path: path.read_bytes() for path in (BOOK, FOUND)} == before

    def test_a_folder_may_have_any_name(self) -> None:
        assert ledger.main(["--folder", "r.v2"]) == 0
        assert sorted(path.name for path in Path().iterdir()) == ["r.v2", "r.v2.json"]

    def test_a_run_that_stops_early_writes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(magnification, "THEOREM", with_measure(partial(magnification.measure, faster=1.2)))
        assert ledger.main(["--first-failure"]) == 1
        assert not Path("_build").exists()

    def test_a_run_of_some_theorems_leaves_the_ledger(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(theorems, "names", lambda: ("magnification", "perpendicular"))
        assert ledger.main(["magnification"]) == 0
        assert "verified" in capsys.readouterr().out
        assert FOUND.exists()
        assert not BOOK.exists()

    def test_what_was_measured_on_few_cases_is_not_reused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert ledger.main([]) == 0
        monkeypatch.setattr(ledger, "CASES", 8)
        assert ledger.main(["--reuse"]) == 0
        assert measured(read(FOUND, VERIFICATION)).cases == 8

    def test_exit_status_says_no(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        wrong = partial(magnification.measure, faster=1.2)
        monkeypatch.setattr(magnification, "THEOREM", with_measure(wrong))
        assert ledger.main([]) == 1
        assert "refuted" in capsys.readouterr().out

    def test_unknown_name_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert ledger.main(["nonsense"]) == 2
        assert "name must be one of magnification, got 'nonsense'" in capsys.readouterr().err
        assert not Path("_build").exists()

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--cases", "0"],
            ["--case", "-1"],
            ["--case", "1"],
            ["--alone", "--cases", "5"],
            ["--alone", "--first-failure"],
        ],
    )
    def test_wrong_numbers_are_refused(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert ledger.main(arguments) == 2
        assert "must be" in capsys.readouterr().err
        assert not Path("_build").exists()
