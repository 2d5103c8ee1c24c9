"""The same sweep by the pipeline's engine, on this machine and on a stand-in for a cluster."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.pipeline

SPECIFICATION = """
flow = "weight-normalized"
m = 8
n = 20
sparsity = 2
seed = [0, 1]
depth = 2
ratio = [1, 10]
scale = [0.5, 1.2]
"""
SUBMIT = """#!/bin/sh
echo "$1" >> submitted.log
sh "$1" > job.log 2>&1 &
echo $!
"""
CLUSTER = ["--executor", "cluster-generic", "--cluster-generic-submit-cmd", "./submit", "--jobs", "2"]
CLUSTER += ["--seconds-between-status-checks", "1"]


def run(folder: Path, module: str, *arguments: str, status: int = 0) -> str:
    """What a run in a folder of its own says."""
    folder.mkdir(exist_ok=True)
    (folder / "small.toml").write_text(SPECIFICATION)
    result = subprocess.run(
        [sys.executable, "-m", module, "small.toml", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout + result.stderr


def files(folder: Path) -> dict[str, bytes]:
    build = folder / "_build"
    return {str(path.relative_to(build)): path.read_bytes() for path in build.rglob("*") if path.is_file()}


def test_the_engine_gives_the_same_bytes(tmp_path: Path) -> None:
    run(tmp_path / "local", "companion.sweep", "--jobs", "2")
    expected = files(tmp_path / "local")
    assert len(expected) == 2 + 2

    run(tmp_path / "engine", "pipeline.sweep")
    assert files(tmp_path / "engine") == expected
    assert "Nothing to be done" in run(tmp_path / "engine", "pipeline.sweep")

    cluster = tmp_path / "cluster"
    cluster.mkdir()
    (cluster / "submit").write_text(SUBMIT)
    (cluster / "submit").chmod(0o755)
    run(cluster, "pipeline.sweep", *CLUSTER)
    assert files(cluster) == expected
    assert len((cluster / "submitted.log").read_text().split()) == 3


def test_the_engine_goes_on_with_a_local_run(tmp_path: Path) -> None:
    run(tmp_path, "companion.sweep", "--jobs", "1", "--tasks", "m8-n20-sparsity2-seed0-depth2")
    said = run(tmp_path, "pipeline.sweep")
    assert "seed1-depth2: computing" in said
    assert "seed0-depth2: computing" not in said
    assert "Nothing to be done" in run(tmp_path, "pipeline.sweep")


def test_a_wrong_specification_is_refused_before_the_engine_starts(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text(SPECIFICATION.replace("depth = 2", "depth = 0"))
    result = subprocess.run(
        [sys.executable, "-m", "pipeline.sweep", "wrong.toml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stderr == "wrong.toml: depth must be >= 1, got 0\n"
