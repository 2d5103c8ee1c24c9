"""Tables that tasks fill: what is written, what is refused; and stored results are what their experiments compute.

How the pipeline computes them is in tests/pipeline/test_tables.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from companion import tables
from companion.running import record
from companion.running.record import STORED, Record, Row
from companion.running.table import TableError, columns, formatted

RECORDS = tables.records()
SAMPLES = [(name, number) for name, record in RECORDS.items() for number in record.sample]


def rows(task: tuple[float, str]) -> Iterator[Row]:
    """Two rows for each task."""
    value, word = task
    yield from ({"value": value, "k": k, "word": word} for k in range(2))


TASKS = ((1 / 3, "a"), (np.nan, "b,c"), (1e-30, "# d\n"))
RECORD = Record("companion.experiments.nowhere", TASKS, rows, sample=())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where records and their parts are written."""
    monkeypatch.setattr(record, "STORED", tmp_path)
    monkeypatch.setattr(record, "PARTS", tmp_path / "parts")
    return tmp_path


def test_a_record_has_six_digits_and_names_the_task_of_each_row(folder: Path) -> None:
    assert str(RECORD.path) in RECORD.gather()
    comment, *lines = RECORD.path.read_text().splitlines()
    assert comment.startswith("# make records ONLY=nowhere; computed with Python 3")
    assert lines[:2] == ["task,value,k,word", "0,0.333333,0,a"]
    found = RECORD.load()
    assert_array_equal(found["task"], [0, 0, 1, 1, 2, 2])
    assert_allclose(found["value"], np.repeat([0.333333, np.nan, 1e-30], 2))
    assert found["k"].dtype.kind == "i"
    assert found["word"].tolist() == ["a", "a", "b,c", "b,c", "# d\n", "# d\n"]


@pytest.mark.parametrize("left", ["", "# made", "task,value\n0,1\n1"])
def test_a_record_that_is_cut_off_is_named(folder: Path, left: str) -> None:
    RECORD.gather()
    RECORD.path.write_text(left)
    with pytest.raises(TableError, match=r"nowhere\.csv cannot be read: .*: make records ONLY=nowhere computes it"):
        RECORD.load()


@pytest.mark.parametrize("left", ["", "task,value,k,word\n1,0.3"])
def test_a_part_that_is_cut_off_is_computed_again(folder: Path, left: str, capsys: pytest.CaptureFixture[str]) -> None:
    RECORD.gather()
    whole, part = RECORD.path.read_text(), RECORD.parts / "1.csv"
    part.write_text(left)
    assert RECORD.gather()
    assert RECORD.path.read_text() == whole
    assert f"{part} is cut off, so that task 1 is computed again" in capsys.readouterr().out


def test_without_a_format_floats_have_all_digits() -> None:
    values = [1 / 3, float(np.float64(1e-5)), 5e-324, -np.inf]
    assert columns(formatted({"value": value} for value in values))["value"].tolist() == values


def test_rows_with_other_columns_are_refused(folder: Path) -> None:
    with pytest.raises(TableError, match="rows must have the columns a, got b"):
        formatted([{"a": 1.0}, {"b": 1.0}])
    named = replace(RECORD, tasks=("a", "a", "b"), compute=lambda name: [{name: 1.0}])
    with pytest.raises(TableError, match="nowhere: task 2 must have rows with the columns task,a, got 'task,b'"):
        named.gather()
    empty = replace(RECORD, module="companion.experiments.empty", compute=lambda name: [])
    with pytest.raises(TableError, match="empty: task 0 must have rows"):
        empty.gather()
    assert not list(folder.glob("*.csv"))


def test_a_task_that_fails_is_named_and_the_others_go_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    computed = []

    def compute(task: float) -> list[Row]:
        computed.append(task)
        return [{"inverse": 1 / task}]

    inverses = replace(RECORD, tasks=(1, 0, 2), compute=compute)
    with pytest.raises(TableError, match=r"nowhere: tasks failed: 1$"):
        inverses.run(range(3))
    said = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero\nnowhere: task 1 failed: 0\n" in said
    assert computed == [1, 0, 2]
    with pytest.raises(TableError):
        inverses.run(range(3))
    assert computed == [1, 0, 2, 0]


def test_jobs_are_consecutive_tasks() -> None:
    many = replace(RECORD, tasks=range(20))
    assert many.jobs == [range(0, 8), range(8, 16), range(16, 20)]


def test_what_other_code_or_another_library_computed_is_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    first = replace(RECORD).parts
    with monkeypatch.context() as patch:
        patch.setattr(record, "fingerprint", lambda *modules: "other code")
        assert replace(RECORD).parts != first
    with monkeypatch.context() as patch:
        patch.setattr("scipy.__version__", "other")
        assert replace(RECORD).parts != first
    assert replace(RECORD).parts == first


def test_a_record_that_is_not_there_names_the_command() -> None:
    with pytest.raises(TableError, match="make records ONLY=nowhere computes it"):
        RECORD.load()


def test_a_sample_is_some_of_the_tasks() -> None:
    with pytest.raises(ValueError, match=r"sample\[0\] must be between 0 and 2, got 3"):
        replace(RECORD, sample=(3,))


def test_wrong_arguments_are_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TableError, match=r"name must be one of .*, or a TOML file of a sweep, got 'nowhere'"):
        tables.table("nowhere")
    assert tables.main(["nowhere"]) == 1
    jobs = len(RECORDS["signs"].jobs)
    assert tables.main(["signs", "--job", str(jobs + 1)]) == 1
    assert f"--job must be between 1 and {jobs}, got {jobs + 1}" in capsys.readouterr().err
    monkeypatch.setattr(tables, "find_spec", lambda name: None if name == "torch" else name)
    assert tables.main(["practice"]) == 1
    assert capsys.readouterr().err == "practice needs torch, which is not installed\n"


@pytest.mark.parametrize("name", RECORDS)
def test_a_stored_record_has_all_tasks(name: str) -> None:
    record = RECORDS[name]
    assert record.sample, "a record must have a sample that tests compute again"
    assert sorted(set(record.load()["task"])) == list(range(len(record.tasks)))
    assert record.path.stat().st_size < 600_000


def test_every_stored_record_belongs_to_an_experiment() -> None:
    assert sorted(path.stem for path in STORED.glob("*.csv")) == list(RECORDS)


@pytest.mark.parametrize(("name", "number"), SAMPLES)
def test_a_stored_record_is_what_its_experiment_computes(name: str, number: int) -> None:
    record = RECORDS[name]
    pytest.importorskip(record.needs)
    stored, found = record.recomputed(number)
    assert list(stored) == list(found)
    for column, values in found.items():
        if "f" in (values.dtype.kind, stored[column].dtype.kind):
            assert_allclose(values, stored[column], rtol=record.rtol, atol=0, err_msg=column)
        else:
            assert_array_equal(values, stored[column], err_msg=column)
