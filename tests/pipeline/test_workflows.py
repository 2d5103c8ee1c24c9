"""The workflows are valid, pinned and least privileged, according to linters that work offline."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"^[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sysconfig.get_path("scripts"), program), *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return run("zizmor", "--offline", "--no-config", "--persona=pedantic", "--format=plain", folder)


def check_schema(paths: list[Path]) -> subprocess.CompletedProcess[str]:
    return run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *paths)


def unpinned(path: Path) -> list[str]:
    uses = re.findall(r"^\s*(?:- )?uses: (.*)$", path.read_text(), re.MULTILINE)
    assert uses
    return [action for action in uses if not PINNED.match(action)]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with a copy of the first workflow, to be broken."""
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    return Path(shutil.copy(WORKFLOWS[0], folder))


def test_there_are_workflows() -> None:
    assert [path.stem for path in WORKFLOWS] == ["publish", "validate"]


def test_workflows_fit_the_schema() -> None:
    result = check_schema(WORKFLOWS)
    assert result.returncode == 0, result.stdout


def test_schema_check_can_fail(copy: Path) -> None:
    copy.write_text(copy.read_text().replace("runs-on:", "run-on:"))
    assert check_schema([copy]).returncode != 0


def test_linter_finds_nothing() -> None:
    result = lint(ROOT / ".github" / "workflows")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit(path: Path) -> None:
    assert unpinned(path) == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_permissions_are_granted_by_job(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    assert all(job["permissions"] for job in workflow["jobs"].values())


def test_action_pinned_by_tag_is_caught(copy: Path) -> None:
    copy.write_text(re.sub(r"@[0-9a-f]{40} # (v\S+)", r"@\1", copy.read_text(), count=1))
    assert unpinned(copy) == ["actions/checkout@v6.0.1"]
    result = lint(copy.parent)
    assert result.returncode != 0
    assert "unpinned-uses" in result.stdout


@pytest.mark.parametrize(
    ("present", "instead", "finding"),
    [
        ("permissions: {}", "permissions: write-all", "excessive-permissions"),
        ("          persist-credentials: false\n", "          fetch-depth: 1\n", "artipacked"),
        (".ci/run", "echo ${{ github.event.head_commit.message }}", "template-injection"),
    ],
)
def test_linter_can_fail(copy: Path, present: str, instead: str, finding: str) -> None:
    assert present in copy.read_text()
    copy.write_text(copy.read_text().replace(present, instead))
    result = lint(copy.parent)
    assert result.returncode != 0
    assert finding in result.stdout
