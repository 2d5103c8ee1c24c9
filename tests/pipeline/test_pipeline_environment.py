"""The lock, the environments made from it, and when .venv is made again."""

from __future__ import annotations

import re
import shutil
import stat
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from pipeline import bootstrap

ROOT = Path(__file__).resolve().parents[2]
LOCK, BENCH_LOCK = ((ROOT / name).read_text() for name in ("requirements.lock", "requirements-bench.lock"))
PINS, BENCH_PINS = (dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE)) for lock in (LOCK, BENCH_LOCK))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_locks_have_everything_asked_for_but_pytorch() -> None:
    extras = PROJECT["optional-dependencies"]
    assert set(extras) == {"book", "test", "bench", "torch"}
    for pins, asked in (
        (PINS, [*PROJECT["dependencies"], *extras["book"], *extras["test"]]),
        (BENCH_PINS, [*PROJECT["dependencies"], *extras["bench"]]),
    ):
        for requirement in map(Requirement, asked):
            assert requirement.specifier.contains(pins[requirement.name]), requirement


def test_locks_agree_and_the_makefile_names_the_same_pytorch() -> None:
    assert {name: pin for name, pin in BENCH_PINS.items() if PINS.get(name, pin) != pin} == {}
    [torch] = PROJECT["optional-dependencies"]["torch"]
    assert f"TORCH ?= {torch}" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("lock", [LOCK, BENCH_LOCK], ids=["main", "bench"])
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
    assert not PINS.keys() & {re.split("[=<> ]", program)[0] for program in programs}
    assert (ROOT / "postBuild").stat().st_mode & stat.S_IXUSR


@pytest.mark.parametrize("version", [(3, 10, 13), (3, 14, 0), (2, 7, 18)])
def test_other_pythons_are_refused(monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int]) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(SystemExit, match=r"Python 3.11, 3.12 or 3.13 is needed.*\n.*PYTHON=python3.12"):
        bootstrap.main()


def test_venv_is_made_again_only_when_its_sources_change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done: list[str] = []

    def install_lock() -> None:
        done.append("lock")
        shutil.rmtree(bootstrap.VENV, ignore_errors=True)
        bootstrap.VENV.mkdir()

    def install_package() -> None:
        done.append("package")

    def make() -> list[str]:
        done.clear()
        bootstrap.main()
        return done

    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr(bootstrap, "install_lock", install_lock)
    monkeypatch.setattr(bootstrap, "install_package", install_package)
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text("")

    assert make() == ["lock", "package"]
    assert make() == []
    (tmp_path / "pyproject.toml").write_text("changed")
    assert make() == ["package"]
    (tmp_path / "requirements.lock").write_text("changed")
    assert make() == ["lock", "package"]
    monkeypatch.setattr(sys, "version", "another Python")
    assert make() == ["lock", "package"]


def test_interrupted_step_is_done_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap, "install_lock", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            bootstrap.main()
