"""A fingerprint changes with every file that a module rests on, and with no other."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from companion.running.fingerprint import fingerprint, sources

ROOT = Path(__file__).resolve().parents[2]


def test_sources_follow_imports() -> None:
    found = {path.name for path in sources("companion.theorems.magnification")}
    assert {"magnification.py", "theorem.py", "ensemble.py", "symbolic.py", "geometry.py", "flow.py"} <= found
    assert {"_checks.py", "problem.py"} <= found  # by way of the others
    assert not {"__init__.py", "limit.py", "ledger.py", "invariants.py"} & found


def test_sources_of_several_modules_are_their_union() -> None:
    one, other = sources("wnlib.limits.limit"), sources("companion.verification.symbolic")
    assert sources("wnlib.limits.limit", "companion.verification.symbolic") == sorted({*one, *other})


def in_copy(folder: Path, module: str) -> str:
    program = f"from companion.running.fingerprint import fingerprint; print(fingerprint({module!r}))"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("wnlib", "companion"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_fingerprint_is_that_of_the_contents(copy: Path) -> None:
    assert in_copy(copy, "companion.theorems.magnification").strip() == fingerprint("companion.theorems.magnification")


@pytest.mark.parametrize(("file", "changes"), [("problem.py", True), ("limits/limit.py", False)])
def test_fingerprint_changes_with_what_it_rests_on(copy: Path, file: str, changes: bool) -> None:
    before = in_copy(copy, "companion.theorems.magnification")
    path = copy / "wnlib" / file
    path.write_text(path.read_text() + "\n# another version\n")
    assert (in_copy(copy, "companion.theorems.magnification") != before) is changes
