"""When .venv is made again, and that it is there until its successor is."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import bootstrap

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("version", [(3, 10, 13), (3, 14, 0), (2, 7, 18)])
def test_other_pythons_are_refused(monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int]) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(SystemExit, match=r"Python 3.11, 3.12 or 3.13 is needed.*\n.*PYTHON=python3.12"):
        bootstrap.main()


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkout in which steps are noted in a file `done`, and not done; that of the lock makes a folder."""

    def note(place: bootstrap.Environment, *arguments: str) -> None:
        with (tmp_path / "done").open("a") as file:
            file.write(f"{place.folder.name}:{arguments[-1]} ")

    def create(path: Path, **options: bool) -> None:
        assert options == {"symlinks": True, "with_pip": True}
        path.mkdir()

    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap.venv, "create", create)
    monkeypatch.setattr(bootstrap.Environment, "pip", note)
    monkeypatch.setattr(bootstrap.Environment, "list_fonts", lambda place: None)
    for name in ("requirements.lock", "pyproject.toml", "requirements-lab.lock", "requirements-bench.lock"):
        (tmp_path / name).write_text("")
    return tmp_path


def make(folder: Path, *arguments: str) -> list[str]:
    """What was done."""
    done = folder / "done"
    done.write_text("")
    bootstrap.main(arguments)
    assert not (folder / ".venv.aside").exists()
    return done.read_text().split()


def test_an_environment_is_made_again_only_when_its_sources_change(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    anew = [".venv:requirements.lock", ".venv:."]
    assert make(folder) == anew
    assert make(folder) == []
    (folder / "pyproject.toml").write_text("changed")
    assert make(folder) == [".venv:."]
    (folder / "requirements.lock").write_text("changed")
    assert make(folder) == anew
    assert make(folder, "lab") == [".venv:requirements-lab.lock"]
    assert make(folder, "lab") == make(folder) == []
    (folder / "requirements-lab.lock").write_text("changed")
    assert make(folder, "lab") == [".venv:requirements-lab.lock"]
    assert make(folder, "--with", "torch==2") == [".venv:torch==2"]
    assert make(folder, "--with", "torch==2") == make(folder, "--with", "") == []
    assert make(folder, "--apart", "bench", "--with", "torch==2") == [
        ".venv-bench:requirements-bench.lock",
        ".venv-bench:torch==2",
    ]
    monkeypatch.setattr(sys, "version", "another Python")
    assert make(folder) == anew
    assert make(folder, "lab") == [".venv:requirements-lab.lock"]  # .venv was made again without it
    with pytest.raises(SystemExit, match=r"there is no requirements-cellar\.lock"):
        make(folder, "cellar")


def changed(folder: Path) -> Path:
    """A file of an environment that is made and works, after a change of the lock."""
    make(folder)
    (folder / "requirements.lock").write_text("changed")
    (folder / ".venv" / "works").touch()
    return folder / ".venv" / "works"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, OSError])
@pytest.mark.parametrize("place", ["create", "pip"])
def test_the_old_environment_is_back_when_the_new_one_fails(
    monkeypatch: pytest.MonkeyPatch, folder: Path, error: type[BaseException], place: str
) -> None:
    def fail(path: object, *arguments: object, **options: object) -> None:
        raise error

    works = changed(folder)
    with monkeypatch.context() as patch:
        patch.setattr(bootstrap.venv if place == "create" else bootstrap.Environment, place, fail)
        for _ in range(2):
            with pytest.raises(error):
                bootstrap.main()
            assert works.exists()
            assert not (folder / ".venv.aside").exists()
    assert make(folder) == [".venv:requirements.lock", ".venv:."]
    assert not works.exists()


def test_the_old_environment_is_back_after_a_kill(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def killed(place: bootstrap.Environment, *arguments: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def seen(place: bootstrap.Environment, *arguments: str) -> None:
        assert (folder / ".venv.aside" / "works").exists()
        raise OSError("seen")

    works = changed(folder)
    for step in (killed, seen):
        monkeypatch.setattr(bootstrap.Environment, "pip", step)
        if step is seen:
            with pytest.raises(OSError, match="seen"):
                bootstrap.main()
        elif (child := os.fork()) == 0:
            bootstrap.main()
        else:
            assert os.waitpid(child, 0)[1] == signal.SIGKILL
            assert not works.exists()
    assert works.exists()


def test_a_kill_at_the_end_leaves_the_new_environment(folder: Path) -> None:
    works = changed(folder)
    make(folder)
    (folder / ".venv.aside").mkdir()
    assert make(folder) == []
    assert not works.exists()


@pytest.mark.parametrize("name", [".venv", ".venv.aside"])
def test_what_is_no_folder_of_its_own_is_refused_and_left_alone(folder: Path, name: str) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "precious").touch()
    (folder / name).symlink_to("mine")
    with pytest.raises(SystemExit, match=rf"{name} must be a folder of its own"):
        bootstrap.main()
    assert (folder / "mine" / "precious").exists()
    (folder / name).unlink()
    (folder / name).touch()
    with pytest.raises(SystemExit, match=rf"{name} must be a folder of its own"):
        bootstrap.main()


@pytest.mark.pipeline
def test_pip_is_brief_and_reads_of_the_users_settings_how_to_reach_a_registry(tmp_path: Path) -> None:
    for package in ("pipeline", "companion/running"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "companion" / "__init__.py", tmp_path / "companion")
    (tmp_path / "requirements.lock").write_text(f"nothing==1 --hash=sha256:{64 * '0'}\n")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "works").touch()
    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\nno-index = true\nfind-links = /nowhere\n[install]\nuser = true\ndry-run = true\n")
    variables = {"PIP_CONFIG_FILE": str(settings), "PIP_USER": "1", "PIP_TARGET": str(tmp_path / "target")}
    command = [sys.executable, "-I", "companion/running/environment.py", "pipeline.bootstrap"]
    mine = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    run = subprocess.run(command, cwd=tmp_path, env={**mine, **variables}, capture_output=True, text=True)
    log = tmp_path / "_build" / "pip.venv.log"
    assert run.returncode == 1
    assert run.stdout == "Making .venv from requirements.lock; this takes a minute or two.\n"
    *errors, last = run.stderr.splitlines()
    assert errors
    assert all(line.startswith("ERROR: ") for line in errors)
    assert last == f"pip could not install requirements.lock: all that it said is in {log}"
    assert "WARNING: Location '/nowhere' is ignored" in log.read_text()  # from the settings
    assert "--user" not in log.read_text()
    assert (tmp_path / ".venv" / "works").exists()
