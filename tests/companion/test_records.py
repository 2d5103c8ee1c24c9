"""Stored results: computed once, whatever dies on the way; and still what their experiments compute."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from companion import records
from companion.running.record import STORED, Record, RecordError, columns, table

RECORDS = records.records()
SAMPLES = [(name, number) for name, record in RECORDS.items() for number in record.sample]


def rows(task: tuple[float, str]) -> list[dict[str, float | int | str]]:
    """Two rows for each task."""
    value, word = task
    return [{"value": value, "k": k, "word": word} for k in range(2)]


TASKS = ((1 / 3, "a"), (np.nan, "b,c"), (1e-30, "d"))


def test_a_table_has_six_digits_and_names_the_task_of_each_row() -> None:
    text = table(enumerate(map(rows, TASKS)))
    assert text.splitlines()[:2] == ["task,value,k,word", "0,0.333333,0,a"]
    found = columns(f"# a comment\n{text}")
    assert_array_equal(found["task"], [0, 0, 1, 1, 2, 2])
    assert_allclose(found["value"], np.repeat([0.333333, np.nan, 1e-30], 2))
    assert found["k"].dtype.kind == "i"
    assert found["word"].tolist() == ["a", "a", "b,c", "b,c", "d", "d"]


def test_rows_with_other_columns_are_refused() -> None:
    with pytest.raises(RecordError, match=r"the rows of task 7 must have the columns \('task', 'a'\), got"):
        table([(3, [{"a": 1.0}]), (7, [{"b": 1.0}])])


def test_a_record_that_is_not_there_names_the_command() -> None:
    record = Record("companion.experiments.nowhere", TASKS, rows, sample=())
    with pytest.raises(RecordError, match="make records ONLY=nowhere computes it"):
        record.load()


def test_a_sample_is_some_of_the_tasks() -> None:
    with pytest.raises(ValueError, match=r"sample\[0\] must be between 0 and 2, got 3"):
        Record("companion.experiments.nowhere", TASKS, rows, sample=(3,))


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(RecordError, match=r"name must be one of .*, got 'nowhere'"):
        records.record("nowhere")
    assert records.main(["nowhere"]) == 1


EXPERIMENT = '''
"""An experiment whose second task kills its worker once."""
import os
from pathlib import Path

from companion.records import Record


def compute(task):
    with open("log", "a") as log:
        log.write(f"{task} ")
    if task == 1 and not Path("died").exists():
        Path("died").touch()
        os._exit(3)
    if task == 2 and Path("fail").exists():
        raise ValueError("no")
    return [{"square": float(task) ** 2}]


RECORD = Record(__name__, tuple(range(4)), compute, sample=(0,))
'''


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package like wnlib, with an experiment of its own."""
    keep_out = shutil.ignore_patterns("__pycache__", "experiments")
    for name in ("wnlib", "companion"):
        shutil.copytree(STORED.parents[2] / name, tmp_path / name, ignore=keep_out)
    (tmp_path / "companion" / "experiments").mkdir()
    (tmp_path / "companion" / "experiments" / "__init__.py").touch()
    (tmp_path / "companion" / "experiments" / "squares.py").write_text(EXPERIMENT)
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "companion.records", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_record_survives_a_worker_and_a_failed_task_and_is_computed_once(package: Path) -> None:
    (package / "fail").touch()
    failed = run(package, "squares", "--jobs", "1")
    stored = package / "companion" / "experiments" / "records" / "squares.csv"
    assert failed.returncode == 1
    assert "squares: 1 tasks failed, the first is 2: ValueError('no')" in failed.stderr
    assert not stored.exists()
    (package / "fail").unlink()
    done = run(package, "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert "squares: 4 of 4 tasks" in done.stderr
    comment, *rest = stored.read_text().splitlines()
    assert comment.startswith("# make records ONLY=squares; computed with Python ")
    assert rest == ["task,square", "0,0", "1,1", "2,4", "3,9"]
    assert sorted((package / "log").read_text().split()) == ["0", "1", "1", "2", "2", "3"]


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
        if values.dtype.kind == "f":
            assert_allclose(values, stored[column], rtol=record.rtol, atol=1e-12, err_msg=column)
        else:
            assert_array_equal(values, stored[column], err_msg=column)
