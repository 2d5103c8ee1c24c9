"""The locks, the environments made from them, and that all is started in one."""

from __future__ import annotations

import ast
import re
import stat
import sys
import tomllib
from collections import Counter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKED = {"": ("rigorous", "book", "test"), "-bench": ("bench",), "-lab": ("lab",)}  # extras, by lock
LOCKS = {name: (ROOT / f"requirements{name}.lock").read_text() for name in LOCKED}
PINS = {name: dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE)) for name, lock in LOCKS.items()}


def asked(extra: str) -> list[Requirement]:
    """What the package needs with an extra; an extra may name others."""
    found = map(Requirement, [*PROJECT["dependencies"], *EXTRAS[extra]])
    return [other for one in found for other in (asked(*one.extras) if one.name == "wnlib" else [one])]


def test_locks_have_everything_asked_for_but_pytorch() -> None:
    assert {extra for extras in LOCKED.values() for extra in extras} | {"torch"} == EXTRAS.keys()
    for name, extras in LOCKED.items():
        for requirement in (requirement for extra in extras for requirement in asked(extra)):
            assert requirement.specifier.contains(PINS[name][requirement.name]), requirement


def test_locks_agree_and_the_makefile_names_the_same_pytorch() -> None:
    for pins in PINS.values():
        assert {name: pin for name, pin in pins.items() if PINS[""].get(name, pin) != pin} == {}
    [torch] = EXTRAS["torch"]
    assert f"TORCH ?= {torch}" in (ROOT / "Makefile").read_text()


def test_only_make_lab_installs_jupyterlab() -> None:
    assert "jupyterlab" in PINS["-lab"]
    assert "jupyterlab" not in PINS[""]
    recipes = re.findall(r"^(\w+):.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [target for target, recipe in recipes if "$(BOOTSTRAP) lab" in recipe] == ["lab"]


@pytest.mark.parametrize("lock", LOCKS.values(), ids=["main", "bench", "lab"])
def test_a_lock_is_one_version_of_each_with_hashes_and_nothing_local(lock: str) -> None:
    names = re.findall(r"^(\S+)==", lock, re.MULTILINE)
    assert {name for name, count in Counter(names).items() if count > 1} == set()
    blocks = re.split(r"^(?=\S+==)", lock, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"://|file:|--(extra-)?index|--find-links", lock)


def test_conda_environment_reads_the_lock() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *programs, pip = environment["dependencies"]
    assert pip == {"pip": ["-r requirements.lock"]}
    assert not PINS[""].keys() & {re.split("[=<> ]", program)[0] for program in programs}
    assert (ROOT / "postBuild").stat().st_mode & stat.S_IXUSR


ROOMS = {
    "wnlib": ((), ("wnlib/*.py", "wnlib/[!r]*/**/*.py")),
    "wnlib.rigorous": (("rigorous",), ("wnlib/rigorous/*.py",)),
    "tests of wnlib": (("rigorous", "test"), ("tests/wnlib/*.py", "tests/*.py")),
    "benchmarks": (("bench", "torch"), ("benchmarks/*.py",)),
}


def imported(path: Path) -> set[str]:
    """The libraries that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_its_extras_bring(room: str) -> None:
    extras, patterns = ROOMS[room]
    files = [path for pattern in patterns for path in ROOT.glob(pattern)]
    assert len(files) > 2
    brought = {requirement.name for extra in extras for requirement in asked(extra)}
    brought |= {Requirement(line).name for line in PROJECT["dependencies"]}
    known = packages_distributions()
    needed = {library for path in files for library in imported(path)}
    ours = {"wnlib", "strategies"} | ({"companion", "benchmarks"} if room == "benchmarks" else set())
    assert {library for library in needed - ours if not brought & {*known.get(library, [library])}} == set()


def test_all_that_make_starts_goes_through_the_environment() -> None:
    makefile = (ROOT / "Makefile").read_text()
    lines = re.findall(r"^\t@?(?:PARAMS= )?(.*)", makefile, re.MULTILINE)
    started = [line for line in lines if not line.startswith(("echo ", "test ", "rm "))]
    known = ("$(RUN) ", "$(BOOTSTRAP)", "$(COMPILE) ", "$(PYTHON) $(HERE) ", ".venv-bench/bin/python $(HERE) ")
    assert len(started) > 20
    assert [line for line in started if not line.startswith(known)] == []
    for name in ("RUN", "BOOTSTRAP", "COMPILE"):
        [command] = re.findall(rf"^{name} = (.*)", makefile, re.MULTILINE)
        assert command.startswith(("$(RUN) ", "$(PYTHON) $(HERE) ", "$(BIN)/python $(HERE)"))
    rules = [line for name in ("Snakefile", "pipeline/tables.smk") for line in (ROOT / name).read_text().splitlines()]
    shells = [rules[k + 1].strip() for k, line in enumerate(rules) if line.strip() == "shell:"]
    assert len(shells) == 10
    assert all(shell.startswith('"{RUN} ') for shell in shells)
