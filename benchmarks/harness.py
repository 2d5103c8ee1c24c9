"""Contenders on one problem, timed in turn in one run, each in a process of its own.

A round runs every contender once, so that drift of the machine hits all alike; the first is a warm-up. A contender is
repeated until it has used up its share of time, and killed at the cap. Memory is the peak of its process during a run
beyond what the process held before.
"""

import multiprocessing
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Run = Callable[[], Any]
Notes = dict[str, float]

STATUS = Path("/proc/self/status")
START = 60.0  # seconds that a process may take to come up, beyond the cap


@dataclass(frozen=True)
class Contender:
    """What is timed: `prepare(**settings)`, a module's function, does what is not timed and returns what is.

    It may return a pair, the second being notes: numbers that go to the report, such as the seconds of a compilation.
    A contender whose library `needs` is not installed is left out, and said to be absent. `environment` holds variables
    of its process, which libraries read as they are loaded.
    """

    name: str
    prepare: Callable[..., Run | tuple[Run, Notes]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: str = "numpy"
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Outcome:
    """Of one contender: `status` is done, absent, capped or failed; `reason` says why it is not done.

    seconds  one a repetition, in the order of the rounds; empty unless done
    first    seconds of the warm-up
    memory   bytes, the peak over all runs; None where the system does not tell
    value    of the last run
    """

    status: str = "done"
    reason: str = ""
    seconds: list[float] = field(default_factory=list)
    first: float | None = None
    memory: int | None = None
    notes: Notes = field(default_factory=dict)
    value: Any = None


def race(contenders: Sequence[Contender], rounds: int, cap: float, share: float) -> list[Outcome]:
    """Run each contender `rounds` times after a warm-up, or until it has taken `share` seconds in all.

    A warm-up that takes longer than that is the one repetition. Runs longer than `cap` seconds are killed.
    """
    outcomes = [Outcome() for _ in contenders]
    workers: dict[int, _Worker] = {}
    try:
        for index, contender in enumerate(contenders):
            with _guarded(outcomes[index]):
                if find_spec(contender.needs) is None:
                    raise _Absent(f"{contender.needs} is not installed")
                workers[index] = _Worker(contender)
        for index, worker in workers.items():
            with _guarded(outcomes[index]):
                outcomes[index].notes = worker.answer(START + cap)
        spent = dict.fromkeys(workers, 0.0)
        for turn in range(rounds + 1):
            for index, worker in workers.items():
                outcome = outcomes[index]
                if outcome.status == "done" and spent[index] <= share:
                    with _guarded(outcome):
                        spent[index] += _repeat(worker, outcome, cap, turn == 0)
    finally:
        for worker in workers.values():
            worker.end()
    for outcome in outcomes:
        if outcome.status == "done" and not outcome.seconds and outcome.first is not None:
            outcome.seconds = [outcome.first]
    return outcomes


def _repeat(worker: "_Worker", outcome: Outcome, cap: float, warm_up: bool) -> float:
    seconds, memory, outcome.value = worker.run(cap)
    if memory is not None:
        outcome.memory = max(memory, outcome.memory or 0)
    if warm_up:
        outcome.first = seconds
    else:
        outcome.seconds.append(seconds)
    return seconds


class _Absent(Exception):
    """The contender's library is not installed."""


class _Capped(Exception):
    """A run took too long."""


class _Failed(Exception):
    """A run raised an exception, or its process died."""


@contextmanager
def _guarded(outcome: Outcome) -> Iterator[None]:
    try:
        yield
    except (_Absent, _Capped, _Failed) as error:
        outcome.status, outcome.reason = type(error).__name__.strip("_").lower(), str(error)
        outcome.seconds = []


class _Worker:
    """A process that has prepared one contender and runs it on demand."""

    def __init__(self, contender: Contender) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, contender), daemon=True)
        kept = dict(os.environ)
        os.environ.update(contender.environment)
        try:
            self.process.start()
        finally:
            os.environ.clear()
            os.environ.update(kept)
        other.close()

    def answer(self, cap: float) -> Any:
        if not self.connection.poll(cap):
            self.end()
            raise _Capped(f"more than {cap:g} s")
        try:
            answer = self.connection.recv()
        except EOFError:
            raise _Failed("the process died") from None
        if isinstance(answer, _Failed):
            raise answer
        return answer

    def run(self, cap: float) -> Any:
        self.connection.send("run")
        return self.answer(cap)

    def end(self) -> None:
        self.process.kill()
        self.process.join()


def _serve(connection: Connection, contender: Contender) -> None:
    try:
        prepared = contender.prepare(**contender.settings)
        run, notes = prepared if isinstance(prepared, tuple) else (prepared, {})
        connection.send(notes)
        while connection.recv():
            before = _reset_peak()
            start = time.perf_counter()
            value = run()
            seconds = time.perf_counter() - start
            connection.send((seconds, None if before is None else max(0, _resident("VmHWM") - before), value))
    except EOFError:
        return
    except Exception as error:  # whatever a contender raises is its result
        connection.send(_Failed(f"{type(error).__name__}: {error}".splitlines()[0][:200]))


def _reset_peak() -> int | None:
    """Forget the process's peak of resident memory; what it holds now, in bytes. None where there is no such file."""
    if not STATUS.exists():
        return None
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _resident("VmRSS")


def _resident(name: str) -> int:
    [kilobytes] = re.findall(rf"^{name}:\s+(\d+) kB$", STATUS.read_text(encoding="ascii"), re.MULTILINE)
    return 1024 * int(kilobytes)
