"""Results rest on exactly the code that they import, and on nothing that is only said about it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from companion.running.fingerprint import code_of, fingerprint, imported, of_theorem, sources, tables

ROOT = Path(__file__).resolve().parents[2]
MODULE = '''"""What it is."""

import numpy as np  # the library


def double(x: float) -> float:
    """Twice as much."""
    text = """kept: not a docstring"""  # said

    return 2 * x  # "#" in a comment


class Empty:
    """Nothing."""

    sign: str = "#"
    """Of a number,
    or of nothing."""
'''
CODE = """
import numpy as np


def double(x: float) -> float:
    text = \"\"\"kept: not a docstring\"\"\"
    return 2 * x


class Empty:
    sign: str = "#"
"""


def test_sources_follow_imports() -> None:
    found = {path.name for path in sources("companion.theorems.magnification")}
    assert {"magnification.py", "theorem.py", "ensemble.py", "symbolic.py", "geometry.py", "flow.py"} <= found
    assert {"_checks.py", "problem.py"} <= found  # by way of the others
    assert not {"__init__.py", "limit.py", "ledger.py", "invariants.py"} & found


def test_sources_of_several_modules_are_their_union() -> None:
    one, other = sources("wnlib.limits.limit"), sources("companion.verification.symbolic")
    assert sources("wnlib.limits.limit", "companion.verification.symbolic") == sorted({*one, *other})


def test_a_public_name_is_code_of_its_module() -> None:
    assert imported("import numpy\nfrom wnlib import limit, Problem") == {"wnlib.limits.limit", "wnlib.problem"}
    assert imported("from companion.theorems import window") == {"companion.theorems.window"}


def test_an_experiment_brings_its_table() -> None:
    assert [path.name for path in tables("companion.experiments.window")] == ["window.csv"]
    assert tables("companion.experiments.front") == []


def test_code_is_what_is_left_without_comments_docstrings_and_empty_lines() -> None:
    assert code_of(MODULE) == "\n".join(line for line in CODE.splitlines() if line)


def in_copy(folder: Path, module: str) -> str:
    program = f"from companion.running.fingerprint import fingerprint; print(fingerprint({module!r}))"
    command, variables = [sys.executable, "-c", program], {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("wnlib", "companion"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_fingerprint_is_that_of_the_contents(copy: Path) -> None:
    assert in_copy(copy, "companion.theorems.magnification").strip() == fingerprint("companion.theorems.magnification")
    assert of_theorem("magnification") != fingerprint("companion.theorems.magnification")  # that which runs the checks


@pytest.mark.parametrize(
    ("file", "addition", "changes"),
    [
        ("problem.py", "\nANOTHER = 1\n", True),
        ("problem.py", "\n# another comment\n", False),
        ("limits/limit.py", "\nANOTHER = 1\n", False),
    ],
)
def test_fingerprint_changes_with_the_code_that_it_rests_on(
    copy: Path, file: str, addition: str, changes: bool
) -> None:
    before = in_copy(copy, "companion.theorems.magnification")
    path = copy / "wnlib" / file
    path.write_text(path.read_text() + addition)
    assert (in_copy(copy, "companion.theorems.magnification") != before) is changes
