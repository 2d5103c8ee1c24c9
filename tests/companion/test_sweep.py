"""Sweeps: what may be specified, which cells that means, and that each is what it says it is."""

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from companion.running.table import TableError, formatted, identified
from companion.sweep import Sweep, cells, read
from companion.sweep.cells import Cell, evaluate, lines, tasks
from companion.sweep.results import Results, provenance
from wnlib import CertificateError, GradientFlow, LimitError, Problem, WeightNormFlow, basis_pursuit, limit

SPECIFICATION = """
flow = "weight-normalized"
m = 8
n = 20
sparsity = 2
seed = [0, 3]
depth = [2, 3]
ratio = { first = 1, last = 100, count = 3, spacing = "log" }
scale = [0.5, 1.2]
"""
TABLE: dict[str, Any] = {
    "flow": "weight-normalized",
    "m": 8,
    "n": 20,
    "sparsity": 2,
    "seed": [0, 3],
    "depth": [2, 3],
    "ratio": [1, 10, 100],
    "scale": [0.5, 1.2],
}
SWEEP = Sweep.of(TABLE)


@pytest.fixture
def specification(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SPECIFICATION)
    return path


def all_cells(sweep: Sweep) -> list[Cell]:
    return [cell for task in tasks(sweep) for cell in evaluate(sweep, task)]


def test_a_file_says_what_to_compute(specification: Path) -> None:
    sweep = Sweep.load(specification)
    assert sweep == SWEEP
    assert sweep.ratio == (1.0, 10.0, 100.0)
    assert sweep.size == 2 * 2 * 3 * 2


def test_ranges() -> None:
    sweep = Sweep.of(
        TABLE
        | {
            "seed": {"first": 2, "last": 4},
            "scale": {"first": 0.1, "last": 0.3, "count": 3, "spacing": "linear"},
            "ratio": {"first": 1e-3, "last": 1e3, "count": 7, "spacing": "log"},
        }
    )
    assert sweep.seed == (2, 3, 4)
    assert sweep.scale == (0.1, 0.2, 0.3)  # not 0.30000000000000004
    assert sweep.ratio == (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0)


RANGE = {"first": 1.0, "last": 2.0, "count": 3, "spacing": "log"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sale": [1]}, "unknown key sale; the keys are flow, m, n"),
        ({"flow": "steepest"}, "flow must be one of weight-normalized, gradient, got 'steepest'"),
        ({"flow": ["gradient"]}, "flow must be one of"),
        ({"matrix": "planted"}, "matrix must be one of gaussian, rademacher, dct, fourier, got 'planted'"),
        ({"flow": "gradient"}, "ratio must be left out for gradient flow, which has none, got [1, 10, 100]"),
        ({"signed": 1}, "signed must be true or false, got 1"),
        ({"relative": "yes"}, "relative must be true or false, got 'yes'"),
        ({"scale": []}, "scale must have a value or more, got an empty list"),
        ({"ratio": []}, "ratio must have a value or more"),
        ({"depth": []}, "depth must have a value or more"),
        ({"ratio": [1.0, -2.0]}, "ratio[1] must be > 0, got -2.0"),
        ({"ratio": 0}, "ratio must be > 0, got 0"),
        ({"scale": [math.nan, 1.0]}, "scale[0] must be a finite real number, got nan"),
        ({"scale": "1"}, "scale must be a finite real number, got '1'"),
        ({"depth": 2.5}, "depth must be an integer, got 2.5"),
        ({"depth": [2, True]}, "depth[1] must be an integer, got True"),
        ({"depth": 0}, "depth must be >= 1, got 0"),
        ({"seed": -1}, "seed must be >= 0, got -1"),
        ({"m": [8, 20]}, "m must be < n, got m = 20 with n = 20"),
        ({"sparsity": 21}, "sparsity must be <= n, got 21 with n = 20"),
        ({"scale": [1.0, 0.5, 1]}, "scale must not repeat a value, got 1.0 more than once"),
        ({"seed": {"first": 3, "last": 2}}, "seed.last must be >= 3, got 2"),
        ({"seed": {"first": 0, "count": 2}}, "seed must be a value, a list or a range with the keys first, last"),
        ({"scale": {"first": 0, "last": 2}}, "scale must be a value, a list or a range with the keys count, first, "),
        ({"flow": {"first": 0, "last": 2}}, "flow must be one of"),
        ({"scale": RANGE | {"first": 0}}, "scale.first must be > 0, got 0"),
        ({"scale": RANGE | {"first": 2}}, "scale.last must be > scale.first, got 2.0 with 2.0"),
        ({"scale": RANGE | {"count": 1}}, "scale.count must be >= 2, got 1"),
        ({"scale": RANGE | {"spacing": "cubic"}}, "scale.spacing must be one of linear, log, got 'cubic'"),
    ],
)
def test_a_wrong_specification_is_refused_by_field(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        Sweep.of(TABLE | change)


@pytest.mark.parametrize("name", ["flow", "m", "n", "sparsity", "seed", "depth", "scale"])
def test_a_missing_field_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} is missing"):
        Sweep.of({key: value for key, value in TABLE.items() if key != name})


def test_weight_normalization_needs_a_ratio() -> None:
    with pytest.raises(ValueError, match=r"^ratio must have a value"):
        Sweep.of({key: value for key, value in TABLE.items() if key != "ratio"})


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    for text in (SPECIFICATION.replace("m = 8", "m = 0"), "flow = "):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"wrong\.toml: "):
            Sweep.load(path)


def test_the_order_of_values_does_not_matter() -> None:
    permuted = Sweep.of({key: value[::-1] if isinstance(value, list) else value for key, value in TABLE.items()})
    assert permuted == SWEEP
    assert tasks(permuted) == tasks(SWEEP)


@pytest.mark.parametrize(
    "change",
    [
        {"m": 9},
        {"n": 21},
        {"sparsity": 3},
        {"seed": [0, 4]},
        {"depth": 2},
        {"ratio": [1, 10, 100.0000001]},
        {"scale": [0.5, 1.3]},
        {"matrix": "dct"},
        {"signed": True},
        {"relative": True},
    ],
)
def test_another_sweep_has_another_identity(change: dict[str, Any]) -> None:
    assert identified("small", provenance(Sweep.of(TABLE | change))) != identified("small", provenance(SWEEP))


@pytest.mark.parametrize(("most", "shares"), [(1, 3), (3, 3), (4, 2), (5, 2), (6, 1), (100, 1)])
def test_tasks_cover_the_grid_once(most: int, shares: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "CELLS", most)
    found = [(*dataclasses.astuple(task)[:5], ratio) for task in tasks(SWEEP) for ratio in lines(SWEEP, task)]
    assert len(found) == len(set(found)) == 2 * 2 * 3
    assert len({str(task) for task in tasks(SWEEP)}) == len(tasks(SWEEP)) == 2 * 2 * shares


def test_cells_are_the_limits() -> None:
    found = all_cells(SWEEP)
    assert [cell.status for cell in found] == ["ok"] * SWEEP.size
    for cell in found:
        problem = Problem.gaussian(cell.m, cell.n, cell.sparsity, cell.seed)
        flow = WeightNormFlow(cell.depth, cell.ratio)
        weights = limit(flow, problem, flow.start(cell.n, cell.scale)).weights
        Q, truth = basis_pursuit(problem), problem.truth
        assert cell.r0 == cell.scale
        assert cell.l1 == pytest.approx(weights.sum(), rel=1e-9)
        assert cell.excess == pytest.approx(weights.sum() / Q.value - 1, abs=1e-9)
        assert cell.error == pytest.approx(np.linalg.norm(weights - truth) / np.linalg.norm(truth), abs=1e-9)
        assert cell.radius**2 == pytest.approx(np.sum(weights ** (2 / cell.depth)), rel=1e-9)
        assert cell.residual < 1e-12
        assert Q.value == cell.Q


def test_gradient_flow_from_alpha_ends_at_the_same_place() -> None:
    for cell in all_cells(SWEEP):
        if cell.log_alpha > math.log(1e-12):
            problem, flow = Problem.gaussian(cell.m, cell.n, cell.sparsity, cell.seed), GradientFlow(cell.depth)
            weights = limit(flow, problem, flow.start(cell.n, math.exp(cell.log_alpha))).weights
            assert weights.sum() == pytest.approx(cell.l1, rel=1e-9)


def test_gradient_flow_has_no_ratio() -> None:
    table = {key: value for key, value in TABLE.items() if key != "ratio"} | {"flow": "gradient"}
    found = all_cells(Sweep.of(table))
    assert len(found) == Sweep.of(table).size == 8
    for cell in found:
        assert math.isnan(cell.ratio)
        assert cell.log_alpha == pytest.approx(math.log(cell.scale))
    assert found == sorted(found, key=lambda cell: cell.place)


def test_a_relative_scale_is_in_units_of_the_window() -> None:
    for cell in all_cells(dataclasses.replace(SWEEP, relative=True)):
        target = basis_pursuit(Problem.gaussian(cell.m, cell.n, cell.sparsity, cell.seed)).weights
        assert cell.r0**2 == pytest.approx(cell.scale**2 * np.sum(target ** (2 / cell.depth)))


def test_signed_problems_are_compared_as_signed_weights() -> None:
    sweep = dataclasses.replace(SWEEP, signed=True, seed=(1,), depth=(2,), matrix="rademacher")
    for cell in all_cells(sweep):
        problem = Problem.rademacher(cell.m, cell.n, cell.sparsity, cell.seed, signed=True)
        flow = WeightNormFlow(cell.depth, cell.ratio)
        weights = limit(flow, problem, flow.start(2 * cell.n, cell.scale)).weights
        found, truth = (values[: cell.n] - values[cell.n :] for values in (weights, problem.truth))
        assert cell.error == pytest.approx(np.linalg.norm(found - truth) / np.linalg.norm(truth), abs=1e-9)


def test_a_collapse_is_a_status() -> None:
    sweep = dataclasses.replace(SWEEP, seed=tuple(range(12)), depth=(2,), ratio=(1.0,), scale=(0.01, 1.0))
    found = all_cells(sweep)
    collapsed = [cell for cell in found if cell.status == "collapsed"]
    assert collapsed
    assert {cell.scale for cell in collapsed} == {0.01}
    for cell in collapsed:
        assert math.isnan(cell.l1)
        assert "collapses to w = 0" in cell.message
        assert cell.Q > 0


def test_a_failure_is_a_status_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Curve(cells.LimitCurve):
        def limit(self, flow: Any, start: Any, tolerance: float = 1e-9) -> Any:
            if flow.ratio == 10.0:
                raise LimitError("lost, for a test")
            return super().limit(flow, start, tolerance)

    monkeypatch.setattr(cells, "LimitCurve", Curve)
    for cell in all_cells(SWEEP):
        assert (cell.status, cell.message) == (("failed", "lost, for a test") if cell.ratio == 10 else ("ok", ""))
        assert math.isnan(cell.l1) is (cell.ratio == 10)


def test_cells_of_a_problem_without_basis_pursuit_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsolved(problem: Problem) -> None:
        raise CertificateError("basis pursuit was not solved")

    monkeypatch.setattr(cells, "basis_pursuit", unsolved)
    found = all_cells(SWEEP)
    assert {(cell.status, cell.message) for cell in found} == {("failed", "basis pursuit was not solved")}
    assert len(found) == SWEEP.size


def test_shares_of_the_lines_agree_to_the_solvers_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = all_cells(SWEEP)
    monkeypatch.setattr(cells, "CELLS", 1)
    shares = all_cells(SWEEP)
    assert [cell.place for cell in shares] == [cell.place for cell in whole]
    assert [cell.l1 for cell in shares] == pytest.approx([cell.l1 for cell in whole], rel=1e-12)


def test_a_table_keeps_every_digit(tmp_path: Path) -> None:
    cell = Cell(1, 2, 1, 0, 2, math.pi, 5e-324, "failed", message='a comma, a "quote"\nand a line')
    (tmp_path / "cells.csv").write_text(formatted([cell._asdict()]))
    [again] = read(tmp_path / "cells.csv")
    assert repr(again.tolist()) == repr(tuple(cell))
    assert again["ratio"] == math.pi
    assert again["message"] == cell.message
    assert again["seed"].dtype.kind == "i"


def test_results_are_gathered_in_the_grid_order(specification: Path) -> None:
    results = Results.of(specification, specification.parent)
    results.run(reversed(range(len(results.tasks))))
    assert results.gather() == f"{results.cells}: {SWEEP.size} ok"
    found = [Cell(*cell) for cell in read(results.cells).tolist()]
    assert found == sorted(found, key=lambda cell: cell.place)
    assert len({cell.place for cell in found}) == len(found) == SWEEP.size


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("ratio", "rate", 1),
        lambda text: text.rsplit("\n", 2)[0] + "\n",
        lambda text: text.replace("0.5", "half"),
    ],
    ids=["column", "row", "number"],
)
def test_a_damaged_file_is_noticed(specification: Path, damage: Any) -> None:
    results = Results.of(specification, specification.parent)
    results.run(range(len(results.tasks)))
    path = results.parts / f"{len(results.tasks) - 1}.csv"
    path.write_text(damage(path.read_text()))
    with pytest.raises(TableError):
        results.gather()
    assert not results.cells.exists()


@pytest.mark.parametrize("damage", [lambda text: text.rsplit(",", 3)[0], lambda text: ""], ids=["cut", "empty"])
def test_what_is_cut_off_is_computed_again(specification: Path, damage: Any) -> None:
    results = Results.of(specification, specification.parent)
    results.run(range(len(results.tasks)))
    path = results.parts / f"{len(results.tasks) - 1}.csv"
    whole = path.read_text()
    path.write_text(damage(whole))
    assert results.gather() == f"{results.cells}: {SWEEP.size} ok"
    assert path.read_text() == whole


def test_the_folder_changes_with_what_is_computed_and_by_what(
    specification: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def folder() -> str:
        return Results.of(specification, Path("out")).folder.name

    first = folder()
    specification.write_text(SPECIFICATION.replace("[0, 3]", "[3, 0]"))
    assert folder() == first
    assert re.fullmatch("small-[0-9a-f]{12}", first)
    specification.write_text(SPECIFICATION.replace("[0, 3]", "[0, 4]"))
    assert folder() != first
    specification.write_text(SPECIFICATION)
    with monkeypatch.context() as patch:
        patch.setattr("companion.sweep.results.fingerprint", lambda *modules: "other code")
        assert folder() != first
    with monkeypatch.context() as patch:
        patch.setattr("scipy.__version__", "other")
        assert folder() != first
    assert folder() == first


def test_the_fingerprint_covers_the_code_that_computes(specification: Path) -> None:
    from companion.running.fingerprint import sources

    found = {path.name for path in sources("companion.sweep.results")}
    assert {"results.py", "cells.py", "specification.py", "limit.py", "continuation.py", "problem.py"} <= found
    assert not {"tables.py", "engine.py"} & found


def test_committed_specifications_are_valid() -> None:
    found = sorted((Path(__file__).resolve().parents[2] / "sweeps").glob("*.toml"))
    assert found
    for path in found:
        assert Sweep.load(path).size > 0
