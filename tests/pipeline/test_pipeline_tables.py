"""Tables, computed for real: nothing is lost when a process dies, and the bytes are the same however they came about.

The last test needs a Slurm, which `.ci/run` starts where it may; elsewhere it is skipped, and says so.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from small_book import ROOT, running, wait_for

pytestmark = pytest.mark.pipeline

EXPERIMENT = '''
"""Squares of 0 to 9, in two jobs. Files tell what else a task does: kill its process, fail, or wait."""
import os
import signal
import time
from pathlib import Path

from companion.running.record import Record


def compute(task):
    with open("log", "a") as log:
        log.write(f"{task}:{os.getpid()}:{os.environ.get('OMP_NUM_THREADS')} ")
    if Path("kill").exists() and task == 2:
        Path("kill").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if Path("fail").exists() and task == 5:
        raise ValueError("no")
    while Path("wait").exists() and task == 5:
        time.sleep(0.05)
    return [{"square": float(task) ** 2}]


RECORD = Record(__name__, tuple(range(10)), compute, sample=(0,))
'''
SWEEP = """
flow = "weight-normalized"
m = 8
n = 20
sparsity = 2
seed = [0, 1]
depth = 2
ratio = [1, 10]
scale = [0.5, 1.2]
"""
SLURM = ["--executor", "slurm", "--jobs", "2", "--default-resources", "runtime=10", "mem_mb=500"]
# Accounting needs a database; without it, the queue tells how a job ended.
SLURM += ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1"]


class Folder:
    """A copy of the code, with one experiment of its own, and one sweep."""

    def __init__(self, root: Path) -> None:
        self.root = root
        keep_out = shutil.ignore_patterns("__pycache__", "experiments")
        for name in ("wnlib", "companion", "pipeline"):
            shutil.copytree(ROOT / name, root / name, ignore=keep_out)
        experiments = root / "companion" / "experiments"
        experiments.mkdir()
        (experiments / "__init__.py").touch()
        (experiments / "squares.py").write_text(EXPERIMENT)
        (root / "small.toml").write_text(SWEEP)

    def run(self, module: str, *arguments: str, fails: bool = False) -> str:
        """Everything that a command says."""
        with running(self.root, module, *arguments) as process:
            said = process.communicate(timeout=400)[0]
        assert (process.returncode != 0) == fails, said
        return said

    def log(self) -> list[list[str]]:
        """Number, process and threads of the tasks that were begun, in order of the numbers."""
        path = self.root / "log"
        return sorted(entry.split(":") for entry in (path.read_text().split() if path.exists() else []))

    def begun(self) -> str:
        return "".join(number for number, *_ in self.log())

    def tables(self) -> dict[str, bytes]:
        """What was computed, by its place."""
        found = [*self.root.glob("companion/experiments/records/*"), *self.root.glob("_build/**/*.csv")]
        found += self.root.glob("_build/**/*.json")
        return {str(path.relative_to(self.root)): path.read_bytes() for path in found}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process computes, without the pipeline."""
    folder = Folder(tmp_path_factory.mktemp("alone"))
    for name in ("squares", "small.toml"):
        folder.run("companion.tables", name)
    tables = folder.tables()
    assert len(tables) == 1 + 10 + 2 + 2
    stored = tables["companion/experiments/records/squares.csv"].decode().splitlines()
    assert stored[1:] == ["task,square", *(f"{k},{k * k}" for k in range(10))]
    return tables


def test_a_killed_worker_loses_the_task_that_it_was_at(folder: Folder, expected: dict[str, bytes]) -> None:
    (folder.root / "kill").touch()
    said = folder.run("pipeline.tables", "squares", "small.toml", "--cores", "2")
    assert folder.tables() == expected
    assert folder.begun() == "01223456789"
    assert len({process for _, process, _ in folder.log()}) == 3  # two jobs, one of them twice
    assert {threads for *_, threads in folder.log()} == {"1"}
    assert "squares: job 2 of 2" in said
    assert "6 of 6 steps (100%) done" in said


def test_a_task_that_fails_is_named_and_the_rest_is_computed(folder: Folder, expected: dict[str, bytes]) -> None:
    (folder.root / "fail").touch()
    said = folder.run("pipeline.tables", "squares", "small.toml", "--cores", "1", fails=True)
    assert "ValueError: no\nsquares: task 5 failed: 5\n" in said
    assert folder.begun() == "01234556789"
    assert folder.tables().items() <= expected.items()
    assert expected.keys() - folder.tables().keys() == {
        "companion/experiments/records/squares.csv",
        *(place for place in expected if place.endswith("/5.csv")),
    }
    (folder.root / "fail").unlink()
    folder.run("pipeline.tables", "--cores", "1")  # all records
    assert folder.begun() == "012345556789"
    assert folder.tables() == expected


def test_a_killed_run_goes_on_where_it_stopped(folder: Folder, expected: dict[str, bytes]) -> None:
    wait, stored = folder.root / "wait", folder.root / "companion" / "experiments" / "records" / "squares.csv"
    wait.touch()
    with running(folder.root, "pipeline.tables", "squares", "--cores", "1") as process:  # leaving kills it
        wait_for(lambda: "5" in folder.begun(), process, seconds=120)
        assert folder.run("pipeline.tables", "squares", fails=True) == "another build is running in this folder\n"
    assert not stored.exists()
    wait.unlink()
    folder.run("pipeline.tables", "squares", "--cores", "1")
    assert folder.begun() == "01234556789"
    assert stored.read_bytes() == expected["companion/experiments/records/squares.csv"]

    stored.write_text("edited")
    folder.run("pipeline.tables", "squares", "--cores", "1")
    assert folder.begun() == "01234556789"
    assert stored.read_bytes() == expected["companion/experiments/records/squares.csv"]


def test_what_other_code_computed_is_left_alone(folder: Folder) -> None:
    experiment = folder.root / "companion" / "experiments" / "squares.py"
    experiment.write_text(EXPERIMENT.replace("** 2", "** (2 + 1)"))  # of another length, as Python's caches go by it
    folder.run("companion.tables", "squares")
    before = folder.tables()
    experiment.write_text(EXPERIMENT)
    folder.run("companion.tables", "squares")
    assert folder.begun() == "".join(f"{k}{k}" for k in range(10))
    stored = "companion/experiments/records/squares.csv"
    assert folder.tables().items() >= {place: text for place, text in before.items() if place != stored}.items()
    assert folder.tables()[stored].endswith(b"9,81\n")


def test_what_cannot_be_computed_is_refused_before_anything_runs(folder: Folder) -> None:
    said = folder.run("pipeline.tables", "squares", "nowhere", fails=True)
    assert said == "name must be one of squares, or a TOML file of a sweep, got 'nowhere'\n"
    (folder.root / "wrong.toml").write_text(SWEEP.replace("depth = 2", "depth = 0"))
    assert folder.run("pipeline.tables", "wrong.toml", fails=True) == "wrong.toml: depth must be >= 1, got 0\n"
    assert folder.begun() == ""


@pytest.fixture
def slurm() -> None:
    """A Slurm with an answer; for root and with CI=true, `.ci/run` has started one."""
    try:
        state = subprocess.run(["sinfo", "--noheader", "--format=%t"], capture_output=True, text=True, timeout=20)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        answers = False
    else:
        answers = state.stdout.strip() in ("idle", "mix", "alloc")
    if not answers:
        required = os.environ.get("CI") == "true" and os.geteuid() == 0
        (pytest.fail if required else pytest.skip)("no Slurm answers, so no job went through one: see .ci/slurm")


@pytest.mark.usefixtures("slurm")
def test_a_cluster_gives_the_same_bytes_though_a_job_is_killed(folder: Folder, expected: dict[str, bytes]) -> None:
    wait = folder.root / "wait"
    wait.touch()
    with running(folder.root, "pipeline.tables", "squares", "small.toml", *SLURM) as process:
        wait_for(lambda: "5" in folder.begun(), process, seconds=120)
        [victim] = {int(process) for number, process, _ in folder.log() if number == "5"}
        os.killpg(os.getpgid(victim), signal.SIGKILL)  # all of the job's processes
        wait.unlink()
        said = process.communicate(timeout=400)[0]
    assert process.returncode == 0, said
    assert folder.begun() == "01234556789"
    assert folder.tables() == expected
