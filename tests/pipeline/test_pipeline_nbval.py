"""nbval notices a changed digit of a verdict and a changed formula of the package; shown on copies."""

from __future__ import annotations

import copy
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
FORMULAS = {  # by module: one, a wrong one, and a verdict that rests on this one alone
    "wnlib/flows/weight_norm": (
        "angular_rate * np.exp(L * log_r)",
        "angular_rate * np.exp((L - 1) * log_r)",
        "max(gaps) <= 1e-6",
    ),
    "companion/verification/symbolic": (
        "u * sp.exp(c * r**2 / 2)",
        "u * sp.exp(c * r**2 / 3)",
        "all(magnification.derive(L).holds for L in magnification.THEOREM.depths)",
    ),
}

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


def with_another_digit(output: Notebook) -> None:
    output["text"] = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), output["text"], count=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the package, and the chapter up to the verdict."""
    for name in ("wnlib", "companion"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    notebook = read(ROOT / CHAPTER)
    write(tmp_path / CHAPTER, {**notebook, "cells": notebook["cells"][: last_verdict(notebook)[0] + 1]})
    return tmp_path


def failing(folder: Path) -> list[str]:
    """The sources of the cells that nbval fails."""
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q", "-rf", CHAPTER]
    variables = {**environment(), "PYTHONPATH": str(folder)}
    result = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout
    sources = [cell["source"] for cell in read(folder / CHAPTER)["cells"] if cell["cell_type"] == "code"]
    failed = [sources[int(number)] for number in re.findall(r"^FAILED \S+::Cell (\d+)", result.stdout, re.MULTILINE)]
    assert f"{len(failed)} failed, {len(sources) - len(failed)} passed in " in result.stdout
    return failed


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
    with_another_digit(last_verdict(notebook)[1])
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


def test_a_changed_digit_fails_and_what_is_unchanged_passes(folder: Path) -> None:
    notebook = read(folder / CHAPTER)
    changed = {**copy.deepcopy(notebook["cells"][-1]), "id": "changed"}
    changed["source"] += "  # the same again, with another digit stored"
    with_another_digit(changed["outputs"][0])
    write(folder / CHAPTER, {**notebook, "cells": [*notebook["cells"], changed]})
    assert failing(folder) == [changed["source"]]


def test_a_changed_formula_fails_the_verdict_that_rests_on_it(folder: Path) -> None:
    for module, (formula, other, _) in FORMULAS.items():
        path = folder / f"{module}.py"
        source = path.read_text()
        assert formula in source
        path.write_text(source.replace(formula, other, 1))
    failed = failing(folder)
    for _, _, verdict in FORMULAS.values():
        assert [source for source in failed if source.startswith(f"assert {verdict}\n")]
