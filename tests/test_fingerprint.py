"""A fingerprint changes with every file that a module rests on, and with no other."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wnlib.fingerprint import fingerprint, sources

ROOT = Path(__file__).resolve().parent.parent


def test_sources_follow_imports() -> None:
    found = {path.name for path in sources("wnlib.theorems.magnification")}
    assert {"magnification.py", "theorem.py", "ensemble.py", "symbolic.py", "geometry.py", "flows.py"} <= found
    assert {"_checks.py", "problem.py"} <= found  # by way of the others
    assert not {"__init__.py", "limit.py", "ledger.py", "invariants.py"} & found


def test_sources_of_several_modules_are_their_union() -> None:
    one, other = sources("wnlib.limit"), sources("wnlib.symbolic")
    assert sources("wnlib.limit", "wnlib.symbolic") == sorted({*one, *other})


def in_copy(folder: Path, module: str) -> str:
    program = f"from wnlib.fingerprint import fingerprint; print(fingerprint({module!r}))"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "wnlib", tmp_path / "wnlib", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_fingerprint_is_that_of_the_contents(copy: Path) -> None:
    assert in_copy(copy, "wnlib.theorems.magnification").strip() == fingerprint("wnlib.theorems.magnification")


@pytest.mark.parametrize(("file", "changes"), [("problem.py", True), ("limit.py", False)])
def test_fingerprint_changes_with_what_it_rests_on(copy: Path, file: str, changes: bool) -> None:
    before = in_copy(copy, "wnlib.theorems.magnification")
    path = copy / "wnlib" / file
    path.write_text(path.read_text() + "\n# another version\n")
    assert (in_copy(copy, "wnlib.theorems.magnification") != before) is changes
