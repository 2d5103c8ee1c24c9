"""Whether anything notices a mutant: a test of the package, or the measurement of a theorem.

What is tried is what calls the changed function, the fastest first, until something fails or does not end, or until
ten seconds of tests, and as much of theorems, have noticed nothing. mutmut and cosmic-ray change files, or
copies, and know a command that runs tests: no theorem. Here the change is made in memory, as in
`companion.verification.mutation`, in a fork of a process that has loaded all tests.
"""

import ast
import contextlib
import fcntl
import io
import json
import math
import os
import resource
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest

from companion import theorems
from companion.running.files import write
from companion.verification.mutation import ROOT, Mutant, applied, catches, definitions, forget, modules, watched
from companion.verification.verify import CASES, verify

PACKAGE, TESTS = "wnlib", "tests/wnlib"
BUDGET = 10.0  # seconds of the processor, for tests and for theorems
PATIENCE, EXCESS = 10, 5  # seconds of the processor that anything may take, and how many times its own
LONGEST = 20  # times as long, if it waits for something
MEMORY = 8 << 30
FAILED = 1  # exit status, as pytest has it
FEW = 5  # cases, to see what a theorem calls
MEASUREMENT = ("measurement",)

Begin = Callable[[str, float], None]


class Call(NamedTuple):
    """What a test or a theorem takes, in seconds of the processor, and the functions of the package that it calls."""

    seconds: float
    functions: Sequence[str]


Calls = Mapping[str, Call]


class _Session:
    """A plugin of pytest: hypothesis does not shrink what it finds, and its profile is not that of other sessions."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:  # the profile of tests/conftest.py is loaded before
        from hypothesis import Phase, settings  # of which pytest wants to be the first to import it

        settings.register_profile("once", settings.get_profile("book"), phases=[Phase.explicit, Phase.generate])
        settings.load_profile("once")

    def run(self, files: Sequence[str], *options: str) -> int:
        with contextlib.redirect_stdout(io.StringIO()):
            return pytest.main([*files, "--rootdir", str(ROOT), "-x", "-p", "no:cacheprovider", *options], [self])


class _Survey(_Session):
    """What each test calls, and each theorem."""

    def __init__(self, called: set[str]) -> None:
        self.called = called
        self.found: dict[str, Call] = {}

    @contextlib.contextmanager
    def of(self, name: str, share: float = 1) -> Generator[None]:
        """While this lasts, what is called is the part `share` of what a test or theorem does."""
        forget()
        self.called.clear()
        began = time.process_time()
        yield
        self.found[name] = Call((time.process_time() - began) / share, sorted(self.called))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        with self.of(item.nodeid):
            return (yield)


class _Trial(_Session):
    """The tests that are wanted, in their order, with a mutant once all are collected."""

    def __init__(self, mutant: Mutant, wanted: Calls, begin: Begin) -> None:
        self.mutant, self.wanted, self.begin = mutant, wanted, begin

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        there = {item.nodeid: item for item in items}
        items[:] = [there[name] for name in self.wanted]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        with applied(self.mutant):
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        self.begin(item.nodeid, self.wanted[item.nodeid].seconds)


def load() -> None:
    """Import all tests, once for all forks."""
    _Session().run([str(ROOT / TESTS)], "--collect-only")


def surveyed(path: Path) -> Calls:
    """What the tests and the theorems call, from a file that is written, by one process, if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            write(path, json.dumps(_survey()))
    found = json.loads(path.read_text(encoding="utf-8"))
    return {name: Call(*call) for name, call in found.items()}


def _survey() -> Calls:
    with watched(PACKAGE) as called:
        survey = _Survey(called)
        if survey.run([str(ROOT / TESTS)]):
            raise RuntimeError(f"without a mutant, {TESTS} must pass")
        for name in theorems.names():
            with survey.of(name, FEW / CASES):
                verify(theorems.theorem(name), cases=FEW, parts=MEASUREMENT)
    return survey.found


def caught(mutant: Mutant, calls: Calls, first: str = "") -> str:
    """The test or theorem that notices a mutant; nothing if none does. The one that is named is tried first."""
    if first in calls and noticed(mutant, {first: calls[first]}):
        return first
    tests = {name: call for name, call in calls.items() if _is_test(name)}
    of_theorems = {name: call for name, call in calls.items() if not _is_test(name)}
    return noticed(mutant, chosen(mutant, tests)) or noticed(mutant, chosen(mutant, of_theorems))


def noticed(mutant: Mutant, wanted: Calls) -> str:
    """The first of some tests, or of some theorems, that notices a mutant."""

    def run(begin: Begin) -> int:
        if any(map(_is_test, wanted)):
            files = {ROOT / name.partition("::")[0] for name in wanted}
            return _Trial(mutant, wanted, begin).run(sorted(map(str, files)))
        for name, call in wanted.items():
            begin(name, call.seconds)
            if catches(theorems.theorem(name), mutant, MEASUREMENT):
                return FAILED
        return 0

    return _first(run) if wanted else ""


def _is_test(name: str) -> bool:
    return "::" in name


def chosen(mutant: Mutant, calls: Calls) -> Calls:
    """What calls what is changed: the fastest, and as far as the budget goes one case of each test, then the next."""
    changed = changed_functions(mutant)
    calling = {name: call for name, call in calls.items() if not changed.isdisjoint(call.functions)}
    cases: Counter[str] = Counter()
    order = []
    for name in sorted(calling, key=lambda name: calling[name].seconds):
        order.append((cases[test := name.partition("[")[0]], calling[name].seconds, name))
        cases[test] += 1
    found: dict[str, Call] = {}
    spent = 0.0
    for _, seconds, name in sorted(order):
        if not found or spent + seconds < BUDGET:
            spent, found[name] = spent + seconds, calling[name]
    return found


def changed_functions(mutant: Mutant) -> set[str]:
    """The function that is changed, or those that name the constant that is."""
    module, name = mutant.place
    if isinstance(definitions(module)[name], ast.FunctionDef):
        return {f"{module}.{name}"}
    value = vars(import_module(module))[name]
    holders = [holder for holder in modules(PACKAGE) if vars(import_module(holder)).get(name) is value]
    found = [(holder, function) for holder in holders for function in definitions(holder)]
    return {f"{holder}.{function}" for holder, function in found if name in _names(holder, function)}


@cache
def _names(module: str, function: str) -> set[str]:
    body = definitions(module)[function]
    return {node.id for node in ast.walk(body) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _first(run: Callable[[Begin], int]) -> str:
    """What a fork had begun when it failed, ended or took too long; nothing if all went well."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _become(run, writer)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as names:
        begun = names.read().splitlines()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status > FAILED:
        raise RuntimeError(f"a trial broke off with status {status} after {''.join(begun[-1:])}")
    return begun[-1] if status else ""


def _become(run: Callable[[Begin], int], writer: int) -> NoReturn:
    def begin(name: str, seconds: float) -> None:
        limit = PATIENCE + math.ceil(EXCESS * seconds)
        signal.setitimer(signal.ITIMER_PROF, limit)  # of its own time: others may use the processor
        signal.alarm(LONGEST * limit)
        os.write(writer, f"{name}\n".encode())

    status = 3
    try:
        for ending in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(ending, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        status = int(run(begin))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
