"""Benchmarks do what they say, reports say what was done, the page says what is in the reports. Nothing is timed."""

from __future__ import annotations

import copy
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from matplotlib import pyplot as plt
from pydantic import ValidationError

from benchmarks import report, robustness
from benchmarks.conditions import attainable_mass, feasibility, stationarity
from benchmarks.descent import METHODS, finished, instance, stepper
from benchmarks.harness import Contender, Outcome, race
from benchmarks.instances import distance
from benchmarks.limits import Descended
from benchmarks.trajectories import PolarFlow
from companion.plots.benchmarks import Ratio
from companion.running.report import (
    NAMES,
    REPORT,
    AnyReport,
    Done,
    LimitsCase,
    LimitsParameters,
    Quartiles,
    RobustnessParameters,
    Size,
    TrajectoriesCase,
    Undone,
)
from companion.running.structured import FileError, read, text as text_of
from pipeline.pages import benchmarks
from pipeline.pages.aims import aims
from pipeline.pages.benchmarks import machine, page
from pipeline.pages.timings import fastest
from wnlib import Polar, Problem, WeightNormFlow, descend, limit

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "benchmarks" / "report.schema.json").read_text(encoding="utf-8"))
PATHS = {path.stem: path for path in sorted((ROOT / "benchmarks" / "reports").glob("*.json"))}
REPORTS = {name: json.loads(path.read_text()) for name, path in PATHS.items()}
MEGABYTES = 64


def models(reports: dict[str, Any]) -> list[AnyReport]:
    return [REPORT.validate_json(json.dumps(each)) for each in reports.values()]


def done(case: LimitsCase | TrajectoriesCase, name: str, *seconds: float, **more: Any) -> Done:
    given = {"seconds": seconds, "first": seconds[0], "quartiles": report.quartiles(seconds)}
    return Done[type(case)](case=case, contender=name, status="done", **given, **more)


def capped(case: LimitsCase | TrajectoriesCase, name: str) -> Undone:
    return Undone[type(case)](case=case, contender=name, status="capped", reason="more than 1 s")


def allocating(megabytes: int) -> Callable[[], float]:
    held = np.ones((8, 1 << 17))  # 8 MiB that the run does not need
    return lambda: float(np.ones((megabytes, 1 << 17)).sum() + held[0, 0])


def noting(value: float) -> tuple[Callable[[], float], dict[str, float]]:
    return lambda: value, {"step": value}


def sleeping(seconds: float) -> Callable[[], None]:
    return lambda: time.sleep(seconds)


def failing(when: str) -> Callable[[], None]:
    def run() -> None:
        if when == "dying":
            os._exit(3)
        raise ValueError("no\nsuch thing")

    if when == "preparing":
        raise ValueError("not even prepared")
    return run


def reading(name: str) -> Callable[[], str | None]:
    return lambda: os.environ.get(name)


def test_race() -> None:
    contenders = [
        Contender("notes", noting, {"value": 3.0}),
        Contender("slow", sleeping, {"seconds": 60.0}),
        Contender("share", sleeping, {"seconds": 0.3}),
        Contender("preparing", failing, {"when": "preparing"}),
        Contender("running", failing, {"when": "running"}),
        Contender("dying", failing, {"when": "dying"}),
        Contender("absent", failing, {"when": "preparing"}, needs="no_such_library"),
        Contender("environment", reading, {"name": "ONE_CONTENDER"}, environment={"ONE_CONTENDER": "alone"}),
        Contender("other", reading, {"name": "ONE_CONTENDER"}),
    ]
    outcomes = dict(zip((c.name for c in contenders), race(contenders, rounds=4, cap=2.0, share=0.2), strict=True))
    notes = outcomes["notes"]
    assert (notes.status, notes.value, notes.notes, len(notes.seconds)) == ("done", 3.0, {"step": 3.0}, 4)
    assert (outcomes["slow"].status, outcomes["slow"].seconds) == ("capped", [])
    share = outcomes["share"]
    assert share.seconds == [share.first]
    assert share.first is not None
    assert share.first >= 0.3
    statuses = {
        name: (outcomes[name].status, outcomes[name].reason) for name in ("preparing", "running", "dying", "absent")
    }
    assert statuses == {
        "preparing": ("failed", "ValueError: not even prepared"),
        "running": ("failed", "ValueError: no"),
        "dying": ("failed", "the process died"),
        "absent": ("absent", "no_such_library is not installed"),
    }
    assert (outcomes["environment"].value, outcomes["other"].value) == ("alone", None)
    assert "ONE_CONTENDER" not in os.environ


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of a run")
def test_memory_is_what_a_run_needs_beyond_its_preparation() -> None:
    [large, small] = race([Contender("", allocating, {"megabytes": size}) for size in (MEGABYTES, 1)], 2, 20.0, 5.0)
    assert large.memory is not None
    assert small.memory is not None
    assert 0.95 * MEGABYTES * 2**20 <= large.memory <= 1.5 * MEGABYTES * 2**20
    assert small.memory < 8 * 2**20


def test_ratios_are_taken_round_by_round() -> None:
    # The machine became ten times slower after the first round; the ratio did not change.
    assert report.ratio([2.0, 20.0, 20.0], [1.0, 10.0, 10.0]) == Quartiles(median=2.0, low=2.0, high=2.0)
    assert report.ratio([2.0, 20.0, 400.0], [1.0, 10.0]).high == 2.0
    assert report.ratio([6.0], [1.0, 2.0, 30.0]).median == 3.0
    assert report.quartiles([4.0, 1.0, 2.0, 3.0, 5.0]) == Quartiles(median=3.0, low=2.0, high=4.0)
    case = LimitsCase(depth=2, ratio=10.0)
    found = [done(case, "a", 2.0), done(case, "b", 6.0), capped(case, "c")]
    with_ratios = report.with_ratios(found, "a")
    assert [result.ratio.median for result in with_ratios[:2]] == [1.0, 3.0]
    assert with_ratios[2:] == found[2:]
    assert report.with_ratios(found, "c") == found


@pytest.fixture(scope="module")
def answer() -> tuple[WeightNormFlow, Problem, Polar, Polar]:
    problem, flow = Problem.gaussian(8, 20, 2), WeightNormFlow(3, 5.0)
    start = flow.start(20, 1.0, np.linspace(1, 2, 20))
    return flow, problem, start, limit(flow, problem, start, tolerance=1e-12).point


def test_conditions_hold_at_a_limit_and_nowhere_else(answer: tuple[WeightNormFlow, Problem, Polar, Polar]) -> None:
    flow, problem, start, point = answer
    assert feasibility(problem, point.weights(3)) < 1e-12
    assert stationarity(flow, problem, start, point) < 1e-10
    assert attainable_mass(problem, point) == 0
    for other in (WeightNormFlow(3, 5.1), WeightNormFlow(4, 5.0)):
        assert stationarity(other, problem, start, point) > 1e-4
    log_direction = point.log_direction + 1e-6 * np.cos(np.arange(20))
    assert feasibility(problem, Polar(point.radius, log_direction, point.sign).weights(3)) > 1e-8
    assert stationarity(flow, problem, start, Polar(point.radius, log_direction, point.sign)) > 1e-8
    zeroed = Polar(point.radius, np.where(np.arange(20) < 9, -np.inf, point.log_direction), point.sign)
    assert attainable_mass(problem, zeroed) > 1e-3


@pytest.mark.parametrize("depth", [1, 2])
def test_conditions_at_depths_of_their_own(depth: int) -> None:
    problem, flow = Problem.gaussian(8, 20, 2), WeightNormFlow(depth, 5.0)
    start = flow.start(20, 1.0, np.linspace(1, 2, 20))
    point = limit(flow, problem, start, tolerance=1e-12).point
    assert stationarity(flow, problem, start, point) < 1e-10
    assert stationarity(WeightNormFlow(depth, 5.5), problem, start, point) > 1e-4


def test_robustness_counts_what_is_wrong() -> None:
    answers = [robustness.answer(index) for index in range(6)]
    assert [found.error for found in answers] == [""] * 6
    assert [robustness.defect(found) for found in answers] == [""] * 6
    impossible = [robustness.answer(index, tolerance=1e-40).error for index in range(6)]
    assert any(error.startswith("LimitError") for error in impossible)  # rounding may leave one without any residual
    found = answers[1]
    assert found.end is not None
    point = found.end.point
    longer = replace(found.end, point=Polar(1.001 * point.radius, point.log_direction, point.sign))
    assert "residual" in robustness.defect(replace(found, end=longer))
    other = replace(found, case=replace(found.case, ratio=2 * found.case.ratio))
    assert robustness.defect(other).startswith("stationarity")
    followed = robustness.flow_run(0)()
    assert robustness.disagreement(answers[0], Outcome(value=followed)) == ""
    assert "away" in robustness.disagreement(answers[0], Outcome(value=1.01 * followed))
    assert "collapse" in robustness.disagreement(answers[0], Outcome(value=None))


def test_distance_is_relative_and_the_largest_along_a_path() -> None:
    assert distance([1.0, 2.0], np.array([1.0, 1.0])) == 0.5
    assert distance(np.array([[1.0, 1.0], [3.0, 1.0]]), np.array([[1.0, 1.0], [1.0, 1.0]])) == 1.0


def test_the_better_descent_arrives_sooner_or_ends_nearer() -> None:
    far, late, soon = Descended(1.0, 1, 0.5, 0.1), Descended(2.0, 1, 1e-9, 0.1), Descended(1.0, 1, 9e-4, 0.1)
    farther = Descended(0.5, 1, 0.6, 0.1)
    assert sorted([farther, far, late, soon], key=lambda found: found.rank) == [soon, late, far, farther]


@pytest.mark.parametrize("depth", [2, 3])
def test_the_polar_flow_is_the_packages(depth: int) -> None:
    flow, own = PolarFlow(depth, 7.0), WeightNormFlow(depth, 7.0)
    rng = np.random.default_rng(0)
    state = np.append(0.9, rng.uniform(0.5, 1.5, 1000))
    state[1:] /= np.linalg.norm(state[1:])
    slopes = own.velocity(Problem(flow.A, flow.y))(0.0, np.log(state)) * state
    np.testing.assert_allclose(flow.velocity(0.0, state), slopes, rtol=1e-8, atol=1e-10)
    direction, h = rng.standard_normal(1001), 1e-6
    difference = (flow.velocity(0.0, state + h * direction) - flow.velocity(0.0, state - h * direction)) / (2 * h)
    exact = flow.jacobian(0.0, state) @ direction
    np.testing.assert_allclose(exact, difference, atol=1e-6 * np.abs(exact).max())


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("depth", [2, 3])
def test_the_loops_of_the_other_libraries_take_the_packages_steps(depth: int, method: str) -> None:
    problem, starts, state = instance(depth, method)
    step = stepper(np, depth, method, problem.A, problem.y)
    for _ in range(3):
        state = step(*state)
    ours = descend(METHODS[method](depth), problem, starts, 1e-3, 3, every=3).weights[-1]
    np.testing.assert_allclose(finished(depth, method, *state), ours, rtol=1e-10, atol=1e-14)


def test_there_is_a_report_of_each_benchmark() -> None:
    assert set(REPORTS) == set(NAMES) == {each["name"] for each in REPORTS.values()}


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_reports_fit_their_schema_and_name_no_machine(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(REPORTS[name], SCHEMA)
    text = json.dumps(REPORTS[name])
    assert not re.search(r"(?<![\w.])/(home|root|tmp|usr|work)|\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d", text)
    for result in REPORTS[name]["results"]:
        if "seconds" in result:
            assert result["quartiles"]["median"] == pytest.approx(np.median(result["seconds"]), rel=1e-3)


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_reports_are_as_their_models_write_them(name: str) -> None:
    assert text_of(read(PATHS[name], REPORT)) == PATHS[name].read_text(encoding="utf-8")


def test_a_report_that_contradicts_itself_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(report.THREADS, "2")
    case = LimitsCase(depth=2, ratio=10.0)
    outcome = Outcome(seconds=[1.0, 2.0, 3.0], first=4.0, memory=10, notes={"step": 0.5})
    first = report.result(case, Contender("one", noting), outcome, error=1e-9, arrived=True)
    second = report.result(case, Contender("two", noting), Outcome("capped", "more than 1 s", value=[1.0]), error=1e-9)
    size = Size(m=2, n=3, sparsity=1, seed=0)
    parameters = LimitsParameters(size=size, scale=1.0, tolerance=1e-9, near=0.1, budget=1.0, cap=1.0)
    report.save("limits", parameters, report.with_ratios([first, second], "one"), folder=tmp_path)
    [path] = tmp_path.iterdir()  # no partial file is left
    saved = json.loads(path.read_text())
    jsonschema.validate(saved, SCHEMA)
    assert [result["status"] for result in saved["results"]] == ["done", "capped"]
    assert text_of(read(path, REPORT)) == path.read_text()
    for wrong in (
        {"status": "capped"},
        {"status": "gone"},
        {"seconds": []},
        {"reason": "none"},
        {"host": "a name"},
    ):
        bad = copy.deepcopy(saved)
        bad["results"][0] |= wrong
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, SCHEMA)
        with pytest.raises(ValidationError):
            REPORT.validate_json(json.dumps(bad))


def test_a_report_of_another_benchmark_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(report.THREADS, "2")
    parameters = read(PATHS["robustness"], REPORT).parameters
    assert isinstance(parameters, RobustnessParameters)
    with pytest.raises(ValidationError, match="LimitsParameters"):
        report.save("limits", parameters, [done(LimitsCase(depth=2, ratio=10.0), "one", 1.0)], folder=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["", '{"schema": 1, "name": "limits"}', '{"name": "fame"}'])
def test_a_report_that_cannot_be_read_is_named(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "limits.json"
    path.write_text(content)
    monkeypatch.setattr(benchmarks, "REPORTS", tmp_path)
    with pytest.raises(FileError, match=r"limits\.json cannot be read: \w"):
        read(path, REPORT)
    with pytest.raises(SystemExit, match=r"limits\.json cannot be read: \w"):
        benchmarks.main()


@pytest.fixture
def drawn() -> Iterator[dict[str, object]]:
    figures: dict[str, object] = {}
    yield figures
    plt.close("all")


def test_the_page_shows_the_reports(drawn: dict[str, object]) -> None:
    text = page(models(REPORTS), drawn)
    shown = re.findall(r"^:+\{figure\} (\w+)\.svg$", text, re.MULTILINE)
    assert sorted(shown) == sorted(drawn)
    assert len(re.findall(r"^:alt: \S", text, re.MULTILINE)) == len(shown)
    assert text.count("`make bench`]{.stored}") == len(shown) + len(re.findall(r"^\| --- ", text, re.MULTILINE))
    assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == [name.capitalize() for name in NAMES]
    for each in models(REPORTS):
        assert each.machine.processor in machine([each])
    changed = copy.deepcopy(REPORTS)
    changed["limits"]["results"][0]["quartiles"]["median"] = 7.7e6
    assert "7.7·10⁶ s" not in text
    assert "7.7·10⁶ s" in page(models(changed), drawn)


def test_a_part_of_the_reports_makes_a_part_of_the_page(drawn: dict[str, object]) -> None:
    text = page(models({"growth": REPORTS["growth"]}), drawn)
    assert re.findall(r"^## .*", text, re.MULTILINE) == ["## What was aimed at", "## Growth"]


def test_a_contender_that_is_not_there_is_said_to_be_absent(drawn: dict[str, object]) -> None:
    reports = copy.deepcopy(REPORTS)
    for name in ("limits", "trajectories", "descent"):
        for result in reports[name]["results"]:
            if not result["contender"].startswith(("wnlib", "products alone", "SciPy")):
                for key in set(result) - {"case", "contender"}:
                    del result[key]
                result |= {"status": "absent", "reason": "it is not installed"}
        jsonschema.validate(reports[name], SCHEMA)
    text = page(models(reports), drawn)
    rows = [line for line in text.splitlines() if "PyTorch" in line and line.startswith("|")]
    assert rows
    assert all("not installed" in row for row in rows)
    assert "jitted JAX / descend" not in text


def test_an_aim_that_is_missed_is_said_to_be() -> None:
    reports = copy.deepcopy({"descent": REPORTS["descent"], "robustness": REPORTS["robustness"]})
    for result in reports["descent"]["results"]:
        result["ratio"] = {"median": 0.7 if result["contender"] == "products alone" else 2.0, "low": 1.0, "high": 3.0}
    for result in reports["robustness"]["results"]:
        result["failures"] = result["wrong"] = []
    assert "not reached" not in aims(models(reports))
    reports["robustness"]["results"][2]["wrong"] = ["a case"]
    assert aims(models(reports)).count("not reached") == 1
    reports["descent"]["results"][0]["ratio"]["median"] = 1.0
    for result in reports["descent"]["results"]:
        if result["contender"] == "jitted JAX":
            result["ratio"]["median"] = 0.35
    lines = [line for line in aims(models(reports)).splitlines() if "not reached" in line]
    assert len(lines) == 2
    assert "take 2 times as long" in lines[0]


def test_solvers_are_compared_at_one_accuracy() -> None:
    case = TrajectoriesCase(depth=2, ratio=10.0, tolerance=1e-6)
    runs = [
        done(case, "a", 1.0, error=1e-3),
        done(case, "a", 5.0, error=1e-7),
        done(case, "a", 3.0, error=1e-9),
        done(case, "b", 1.0, error=1e-5),
        capped(case, "c"),
        done(case, "d", 1.0),
    ]
    assert fastest(runs, 1e-6) == {"a": runs[2]}
    assert fastest(runs, 1e-4) == {"a": runs[2], "b": runs[3]}


def test_a_missed_aim_of_trajectories_names_what_the_products_alone_take() -> None:
    case = TrajectoriesCase(depth=2, ratio=10.0, tolerance=1e-6)
    runs = (done(case, "wnlib, dual", 2.0, error=1e-9), done(case, "SciPy LSODA", 16.0, error=1e-9))
    trajectories = read(PATHS["trajectories"], REPORT).model_copy(update={"results": runs})
    assert "not reached. |" in aims([trajectories])
    products = done(case, "its products alone", 0.5)
    text = aims([trajectories.model_copy(update={"results": (*runs, products)})])
    assert "alone take 25 % of its time: with nothing else the ratio would be 32." in text


def test_rows_of_figures_are_ratios() -> None:
    assert Ratio("a", **dict(report.quartiles([1.0, 2.0, 3.0]))) == Ratio("a", median=2.0, low=1.5, high=2.5)
