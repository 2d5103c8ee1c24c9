"""Sweeps, run for real: the same bytes however they came about, and nothing lost when a process dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from companion.sweep.cells import tasks
from companion.sweep.parallel import completed
from companion.sweep.results import Results

ROOT = Path(__file__).resolve().parents[2]
SPECIFICATION = """
flow = "weight-normalized"
m = 12
n = 40
sparsity = 3
seed = { first = 0, last = 3 }
depth = [2, 3]
ratio = { first = 1, last = 100, count = 10, spacing = "log" }
scale = { first = 0.1, last = 2, count = 15, spacing = "linear" }
relative = true
"""
Files = dict[str, bytes]


class Runs:
    """A sweep, and where each of its runs leaves its results."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.specification = root / "small.toml"
        self.specification.write_text(SPECIFICATION)

    def results(self, out: str) -> Results:
        return Results.of(self.specification, self.root / out)

    def files(self, out: str) -> Files:
        folder = self.root / out
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}

    def done(self, out: str) -> int:
        return len(list((self.results(out).folder / "tasks").glob("[!.]*.csv")))

    @contextmanager
    def start(self, out: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "companion.sweep", str(self.specification), "--out", str(self.root / out)]
        with subprocess.Popen(
            [*command, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=heed_interrupts,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def run(self, out: str, *arguments: str, status: int = 0) -> tuple[str, str]:
        """What a run writes to its two streams."""
        with self.start(out, *arguments) as process:
            streams = process.communicate(timeout=300)
        assert process.returncode == status, streams
        return streams

    def under_way(self, out: str) -> None:
        """Wait until some tasks are done, but not all."""
        wait_for(lambda: self.done(out) >= 1)
        assert self.done(out) < len(tasks(self.results(out).sweep))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def heed_interrupts() -> None:
    """What a shell starts in the background ignores them, and with it whatever that starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return [child for child in psutil.Process(process.pid).children() if "spawn_main" in " ".join(child.cmdline())]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("sweep"))


@pytest.fixture(scope="module")
def expected(runs: Runs) -> Files:
    """The files of a run with one worker."""
    output, progress = runs.run("one", "--jobs", "1")
    assert output.split() == [f"{runs.results('one').cells}:", "1200", "ok"]
    assert "[8/8]" in progress
    return runs.files("one")


def test_workers_do_not_change_a_byte(runs: Runs, expected: Files) -> None:
    runs.run("two", "--jobs", "2")
    assert runs.files("two") == expected
    assert len(expected) == 8 + 2


def test_what_is_there_is_not_computed_again(runs: Runs, expected: Files) -> None:
    runs.run("again", "--jobs", "2")
    kept = runs.results("again").path(tasks(runs.results("again").sweep)[3])
    before = kept.stat().st_mtime_ns
    for path in (runs.root / "again").rglob("*seed0*"):
        path.unlink()
    _, progress = runs.run("again", "--jobs", "2")
    assert "2 of 8 tasks to compute" in progress
    assert runs.files("again") == expected
    assert kept.stat().st_mtime_ns == before
    assert runs.run("again")[1] == ""


def test_a_killed_worker_loses_nothing(runs: Runs, expected: Files) -> None:
    with runs.start("killed", "--jobs", "2") as process:
        runs.under_way("killed")
        victim = workers(process)[0]
        victim.send_signal(signal.SIGKILL)
        _, progress = process.communicate(timeout=300)
    assert process.returncode == 0, progress
    assert "a worker died" in progress
    assert runs.files("killed") == expected


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_goes_on_where_it_stopped(runs: Runs, expected: Files, number: signal.Signals) -> None:
    out = number.name
    with runs.start(out, "--jobs", "2") as process:
        runs.under_way(out)
        children = workers(process)
        process.send_signal(number)
        _, progress = process.communicate(timeout=300)
        wait_for(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in progress
    done = runs.done(out)
    assert 1 <= done < 8
    _, progress = runs.run(out, "--jobs", "2")
    assert f"{8 - done} of 8 tasks to compute" in progress
    assert runs.files(out) == expected


def test_an_interrupt_from_the_terminal_is_silent(runs: Runs) -> None:
    with runs.start("terminal", "--jobs", "2") as process:
        runs.under_way("terminal")
        os.killpg(process.pid, signal.SIGINT)  # reaches the workers, too
        _, progress = process.communicate(timeout=300)
    assert process.returncode == 130
    assert progress.endswith("Interrupted; the same command goes on from here.\n")
    assert "Traceback" not in progress


def test_single_tasks_and_gathering(runs: Runs, expected: Files) -> None:
    names = [str(task) for task in tasks(runs.results("parts").sweep)]
    runs.run("parts", "--jobs", "1", "--tasks", *names[:5])
    assert runs.done("parts") == 5
    assert "3 tasks are missing" in runs.run("parts", "--gather", status=2)[1]
    runs.run("parts", "--jobs", "2", "--tasks", *names[5:])
    assert "cells.csv" not in " ".join(runs.files("parts"))
    runs.run("parts", "--gather")
    assert runs.files("parts") == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--jobs", "0"], "--jobs must be >= 1, got 0"),
        (
            ["--tasks", "seed7"],
            "--tasks must name tasks of the sweep, such as m12-n40-sparsity3-seed0-depth2, got seed7",
        ),
    ],
)
def test_wrong_arguments_are_refused(runs: Runs, arguments: list[str], message: str) -> None:
    assert message in runs.run("wrong", *arguments, status=2)[1]
    assert runs.files("wrong") == {}


def double(item: int) -> int:
    return 2 * item


def fail_at_three(item: int) -> int:
    if item == 3:
        raise ArithmeticError("three")
    return 2 * item


def die_at_three(item: int) -> int:
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return 2 * item


def die_once(mark: str) -> str:
    """Die on the first call with this name of a file, which does not exist yet."""
    try:
        Path(mark).touch(exist_ok=False)
    except FileExistsError:
        return mark
    os.kill(os.getpid(), signal.SIGKILL)
    return "unreachable"


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_each_item_has_one_outcome(jobs: int) -> None:
    assert sorted(completed(double, range(5), jobs)) == [(k, 2 * k) for k in range(5)]
    assert list(completed(double, [], jobs)) == []


def test_a_worker_is_not_taken_for_dead_while_nobody_waits(caplog: pytest.LogCaptureFixture) -> None:
    for _ in completed(double, range(6), 2):
        time.sleep(0.1)  # in which the other worker finishes
    assert caplog.text == ""


def test_an_exception_is_an_outcome() -> None:
    outcomes = dict(completed(fail_at_three, range(6), 2))
    assert isinstance(error := outcomes.pop(3), ArithmeticError)
    assert error.args == ("three",)
    assert outcomes == {k: 2 * k for k in (0, 1, 2, 4, 5)}


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_item_that_kills_its_worker_twice_is_reported(jobs: int, caplog: pytest.LogCaptureFixture) -> None:
    found = list(completed(die_at_three, range(8), jobs))
    assert len(found) == 8
    outcomes = dict(found)
    assert "a worker died" in caplog.text
    assert isinstance(outcomes.pop(3), BrokenProcessPool)
    assert outcomes == {k: 2 * k for k in (0, 1, 2, 4, 5, 6, 7)}


def test_an_item_whose_worker_dies_once_is_tried_again(tmp_path: Path) -> None:
    marks = [str(tmp_path / str(k)) for k in range(4)]
    assert dict(completed(die_once, marks, 2)) == {mark: mark for mark in marks}
