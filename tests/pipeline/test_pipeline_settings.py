"""Settings of the user's machine neither change what is built nor break it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_book import DEPTH, Book

from companion.running.environment import environment

ROOT = Path(__file__).resolve().parents[2]
PLACE = Path("companion", "running", "environment.py")

LOOK = """
import locale, os, sys, tempfile, time
from wnlib import square

print(__debug__, square(3), time.tzname, locale.getlocale(), sys.flags.optimize, hash("a"))
print(os.environ["OMP_NUM_THREADS"], os.environ.get("COLUMNS"), os.get_terminal_size.__name__)
1 + 1
2 + 2
"""
DRAW = "import matplotlib.pyplot as plt\n\nplt.plot([1, 2]);"
OTHER = "print('a setting of mine')\n"


def machine(root: Path) -> dict[str, str]:
    """Variables that a user's shell may have set, and the files that they lead to."""

    def file(place: str, text: str) -> str:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    profile = "home/.ipython/profile_default"
    file(f"{profile}/startup/first.py", OTHER)
    file(f"{profile}/ipython_config.py", "get_config().InteractiveShell.ast_node_interactivity = 'all'")
    red = file("home/.config/matplotlib/matplotlibrc", "figure.facecolor: red\n")
    kernel = {"argv": ["false", "{connection_file}"], "display_name": "Mine", "language": "python"}
    for place in ("home/.local/share/jupyter", "jupyter"):
        file(f"{place}/kernels/python3/kernel.json", json.dumps(kernel))
    file("python/wnlib/__init__.py", "def square(x):\n    return 0\n")
    file("python/sitecustomize.py", OTHER)
    long = root / ("long" * 30)
    long.mkdir()
    return {
        "HOME": str(root / "home"),
        "PYTHONOPTIMIZE": "2",
        "PYTHONPATH": str(root / "python"),
        "PYTHONSTARTUP": file("startup.py", OTHER),
        "PYTHONWARNINGS": "error",
        "PYTHONHASHSEED": "7",
        "JUPYTER_PATH": str(root / "jupyter"),
        "MPLBACKEND": "agg",
        "MATPLOTLIBRC": red,
        "SNAKEMAKE_PROFILE": "mine",
        "BASH_ENV": file("bash", "echo a setting of mine\n"),
        "TMPDIR": str(long),
        "XDG_CACHE_HOME": "/dev/null/cache",
        "LC_ALL": "C",
        "TZ": "Asia/Tokyo",
        "COLUMNS": "20",
        "OMP_NUM_THREADS": "7",
    }


@pytest.mark.pipeline
def test_the_users_settings_change_nothing(tmp_path: Path) -> None:
    book = Book(tmp_path / "book", "index")
    book.notebook("index", DEPTH, LOOK, DRAW)
    book.build()
    built = {**book.site(), "index": book.executed("index").read_bytes()}
    assert "True 9" in book.printed("index")
    said = book.build("--forceall", **machine(tmp_path))
    assert "a setting of mine" not in said
    assert {**book.site(), "index": book.executed("index").read_bytes()} == built
    book.build("executed", "--forceall", HOME="/dev/null")


def test_an_unknown_variable_does_not_pass_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"HOME", "https_proxy", "SLURM_CONF", "PIP_INDEX_URL", "PARAMS"}
    others = {"OPENBLAS_CORETYPE", "LD_PRELOAD", "PIP_USER", "UV_PRERELEASE", "SYMPY_GROUND_TYPES", "MINE"}
    for name in known | others:
        monkeypatch.setenv(name, "set")
    assert (known | others) & environment().keys() == known
    monkeypatch.setenv("KEEP", "MINE LD_PRELOAD")
    assert (known | others) & environment().keys() == known | {"MINE", "LD_PRELOAD"}
    monkeypatch.setenv("KEEP", "PYTHONHASHSEED")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    assert environment()["PYTHONHASHSEED"] == "7"  # by name, what is fixed can be set too


@pytest.mark.parametrize(("folder", "kept"), [("/var/folders/xy/1234567890/T/", True), (60 * "/x", False), ("", False)])
def test_a_temporary_folder_is_kept_where_sockets_fit(folder: str, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", folder)
    assert ("TMPDIR" in environment()) == kept


def run(root: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(root / PLACE), *arguments]
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True)


@pytest.mark.parametrize("name", ["a[b]", "a:b"])
def test_a_folder_whose_path_has_special_characters_is_refused_by_name(name: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "companion" / "running", (tmp_path / name / PLACE).parent)
    said = run(tmp_path / name, "pipeline.build")
    assert said.returncode == 1
    assert said.stderr == (
        f"the path of this folder must have none of the characters [*?:, got {name[1]} in {tmp_path / name}\n"
    )
    assert [path.name for path in (tmp_path / name).iterdir()] == ["companion"]


def test_python_without_assertions_is_refused() -> None:
    for command in (
        ["-m", "companion.ledger", "magnification"],
        ["-c", "from companion.telling.claims import evidence"],
    ):
        said = subprocess.run([sys.executable, "-O", *command], cwd=ROOT, capture_output=True, text=True)
        assert said.returncode == 1
        assert "verdicts rest on assertions, which python -O and PYTHONOPTIMIZE strip" in said.stderr
    assert run(ROOT, "companion.ledger", "--help", PYTHONOPTIMIZE="1").returncode == 0


def test_the_kernel_is_the_python_that_starts_it() -> None:
    code = (
        "from jupyter_client.manager import KernelManager as K; print(K(kernel_name='python3').format_kernel_cmd()[0])"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout
    assert said.strip() == sys.executable


def test_the_kernel_reads_no_settings_of_the_machine() -> None:
    code = (
        "import pipeline.kernel\nfrom IPython.core import application as a, shellapp as s\n"
        "print(a.SYSTEM_CONFIG_DIRS + s.SYSTEM_CONFIG_DIRS)"
    )
    said = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
    assert "pipeline.kernel" in (ROOT / "pipeline" / "jupyter" / "kernels" / "python3" / "kernel.json").read_text()
