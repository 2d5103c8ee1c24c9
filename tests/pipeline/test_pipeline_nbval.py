"""nbval notices a changed digit of a verdict and a changed formula of the package; shown on copies."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from companion.running.environment import environment
from pipeline.notebooks import Notebook, read, write

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = "notebooks/invariants.ipynb"
VERDICTS = 3  # the third is the first that rests on a trajectory

pytestmark = pytest.mark.pipeline


def last_verdict(notebook: Notebook) -> tuple[int, Notebook]:
    """The place of the cell that prints the last of the first few verdicts, and its output."""
    found = [
        (place, output)
        for place, cell in enumerate(notebook["cells"])
        for output in cell.get("outputs", [])
        if output.get("text", "").startswith("verified:")
    ]
    return found[VERDICTS - 1]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with the package, and the chapter up to the verdict."""
    for name in ("wnlib", "companion"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    notebook = read(ROOT / CHAPTER)
    write(tmp_path / CHAPTER, {**notebook, "cells": notebook["cells"][: last_verdict(notebook)[0] + 1]})
    return tmp_path


def nbval(copy: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q", CHAPTER]
    variables = {**environment(), "PYTHONPATH": str(copy)}
    return subprocess.run(command, cwd=copy, env=variables, capture_output=True, text=True)


@pytest.fixture
def replayed(tmp_path: Path) -> Path:
    """A folder with a chapter as it is committed and, the same, as the pipeline has executed it."""
    notebook = read(ROOT / CHAPTER)
    for path in (tmp_path / CHAPTER, tmp_path / "_build" / "executed" / Path(CHAPTER).name):
        write(path, notebook)
    return tmp_path


def replay(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "pipeline.replay", "--nbval", "--nbval-current-env", "-q", CHAPTER]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)


def test_what_was_executed_already_is_compared(replayed: Path) -> None:
    result = replay(replayed)
    assert result.returncode == 0, result.stdout
    executed = replayed / "_build" / "executed" / Path(CHAPTER).name
    notebook = read(executed)
    output = last_verdict(notebook)[1]
    output["text"] = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), output["text"], count=1)
    write(executed, notebook)
    result = replay(replayed)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout
    assert "1 failed" in result.stdout


def test_what_was_executed_of_another_notebook_is_not(replayed: Path) -> None:
    notebook = read(replayed / CHAPTER)
    place = last_verdict(notebook)[0]
    notebook["cells"][place]["source"] += "\n# edited"
    write(replayed / CHAPTER, notebook)
    result = replay(replayed)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout
    assert "is not this notebook, executed: make book executes it" in result.stdout


def test_unchanged_copy_passes(copy: Path) -> None:
    result = nbval(copy)
    assert result.returncode == 0, result.stdout


def test_changed_digit_fails(copy: Path) -> None:
    notebook = read(copy / CHAPTER)
    output = last_verdict(notebook)[1]
    output["text"] = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), output["text"], count=1)
    write(copy / CHAPTER, notebook)
    result = nbval(copy)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout
    assert "1 failed" in result.stdout


@pytest.mark.parametrize(
    ("module", "formula", "other"),
    [
        ("wnlib/flows/weight_norm", "angular_rate * np.exp(L * log_r)", "angular_rate * np.exp((L - 1) * log_r)"),
        ("companion/verification/symbolic", "u * sp.exp(c * r**2 / 2)", "u * sp.exp(c * r**2 / 3)"),
    ],
)
def test_changed_formula_fails(copy: Path, module: str, formula: str, other: str) -> None:
    path = copy / f"{module}.py"
    source = path.read_text()
    assert formula in source
    path.write_text(source.replace(formula, other, 1))
    result = nbval(copy)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout
