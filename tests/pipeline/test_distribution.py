"""What is installed: a wheel that holds wnlib alone and works alone, and an sdist that holds its tests as well."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.message import Message
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import wnlib

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = {path.relative_to(ROOT).as_posix() for path in (ROOT / "wnlib").rglob("*.py*") if path.suffix != ".pyc"}
[SNIPPET] = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)
MISSING = """
import importlib, wnlib
for room in ("multiprecision", "enclosure"):
    try:
        importlib.import_module(f"wnlib.rigorous.{room}")
    except wnlib.MissingExtraError as error:
        print(error)
"""


def test_the_version_is_told_everywhere_alike() -> None:
    told = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert told[0] == wnlib.__version__
    assert told == sorted(told, key=lambda version: tuple(map(int, version.split("."))), reverse=True)
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["version"] == wnlib.__version__


def test_what_the_changelog_says_is_now_somewhere_is_there() -> None:
    rows = re.findall(r"^  \| (.*) \| (.*) \|$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    places = {place for _, now in rows for place in re.findall(r"(?:wnlib|companion)\.[\w.]+", now)}
    assert len(places) > 30
    for place in places:
        path = ROOT.joinpath(*place.split("."))
        assert path.with_suffix(".py").exists() or path.is_dir(), place


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run("build", "--no-isolation", "--outdir", folder, ROOT)
    return folder


def run(module: str, *arguments: str | Path) -> str:
    """What a module of this environment says; it needs no network."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def wheel(built: Path) -> Path:
    return built / f"wnlib-{wnlib.__version__}-py3-none-any.whl"


@pytest.mark.pipeline
def test_the_wheel_holds_the_package_alone(built: Path) -> None:
    names = set(zipfile.ZipFile(wheel(built)).namelist())
    about = {name for name in names if name.startswith(f"wnlib-{wnlib.__version__}.dist-info/")}
    assert names - about == PACKAGE | {"wnlib/py.typed"}
    assert {"wnlib/__init__.py", "wnlib/__init__.pyi"} <= names
    assert f"wnlib-{wnlib.__version__}.dist-info/licenses/LICENSE" in about


def metadata(built: Path) -> Message:
    with zipfile.ZipFile(wheel(built)) as file:
        return email.message_from_bytes(file.read(f"wnlib-{wnlib.__version__}.dist-info/METADATA"))


@pytest.mark.pipeline
def test_the_wheel_requires_numpy_and_scipy(built: Path) -> None:
    found = metadata(built)
    requirements = [Requirement(line) for line in found.get_all("Requires-Dist", [])]
    assert {one.name for one in requirements if one.marker is None} == {"numpy", "scipy"}
    rigorous = {one.name for one in requirements if one.marker and one.marker.evaluate({"extra": "rigorous"})}
    assert rigorous == {"mpmath", "python-flint"}
    assert set(found.get_all("Provides-Extra", [])) == {"rigorous", "book", "test", "lab", "bench", "torch"}
    assert found["Version"] == wnlib.__version__


@pytest.mark.pipeline
def test_the_sdist_holds_the_package_and_its_tests(built: Path) -> None:
    sdist = built / f"wnlib-{wnlib.__version__}.tar.gz"
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    tests = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests/wnlib").glob("*.py")}
    about = {"PKG-INFO", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff"}
    assert names == PACKAGE | {"wnlib/py.typed"} | about | tests | {"tests/conftest.py", "tests/strategies.py"}
    assert sdist.stat().st_size < 500_000


@pytest.mark.pipeline
def test_a_registry_would_take_both(built: Path) -> None:
    assert run("twine", "check", "--strict", *sorted(built.iterdir())).count("PASSED") == 2


@pytest.fixture(scope="module")
def alone(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel, NumPy and SciPy, and nothing else."""
    folder = tmp_path_factory.mktemp("alone")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    run("pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel(built))
    [packages] = folder.glob("lib/python*/site-packages")
    for library in map(distribution, ("numpy", "scipy")):
        for name in {file.parts[0] for file in library.files or ()} - {".."}:
            (packages / name).symlink_to(Path(str(library.locate_file(name))))
    return python


def said(python: Path, program: str) -> str:
    ended = subprocess.run([python, "-I", "-W", "error", "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


@pytest.mark.pipeline
def test_the_wheel_works_alone(alone: Path) -> None:
    assert Path(said(alone, "import wnlib; print(wnlib.__file__)")).is_relative_to(alone.parents[1])
    said(alone, SNIPPET)
    said(alone, "from wnlib import *")
    others = "from importlib.util import find_spec; print(*filter(find_spec, ['companion', 'sympy', 'mpmath', 'pip']))"
    assert said(alone, others) == ""


@pytest.mark.pipeline
def test_what_an_extra_brings_is_missed_by_name(alone: Path) -> None:
    message = 'mpmath and flint cannot be imported: try pip install "wnlib[rigorous]"'
    assert said(alone, MISSING).splitlines() == [message, message]
