"""Mutants of the implementation, and how those of one theorem are tried: ``python tests/mutation.py THEOREM``.

A mutant is a copy of the package with one wrong sign, exponent, constant or index. It is caught if the theorem that
rests on that code is no longer verified. Prints what caught each, as JSON.
"""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("wnlib", "companion")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Mutant:
    """A theorem, and one change in a file of the package that its checks must notice: `old` occurs there once."""

    theorem: str
    file: str
    old: str
    new: str
    kind: str


def mutants() -> list[Mutant]:
    """All of them, from the lists ``mutants_*.py`` next to this file."""
    lists = sorted(path.stem for path in Path(__file__).parent.glob("mutants_*.py"))
    return [mutant for name in lists for mutant in importlib.import_module(name).MUTANTS]


def defects(theorem: str) -> list[str]:
    """Why the theorem is not verified by the package that is first on the path; nothing if it is."""
    for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
        del sys.modules[name]
    try:
        checks = importlib.import_module("companion.verification.verify")
        found = importlib.import_module("companion.theorems").theorem(theorem)
    except Exception as error:
        return [f"not imported: {error}"]
    verification = checks.verify(found, first_failure=True)
    return [*verification.missing, *verification.failures]


def tried(theorem: str) -> list[list[str]]:
    """What catches each of the theorem's mutants."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name in PACKAGES:
            shutil.copytree(ROOT / name, Path(folder, name), ignore=shutil.ignore_patterns("__pycache__"))
        sys.path.insert(0, folder)
        sys.dont_write_bytecode = True  # of two versions of a file within one second, Python may run the older
        for mutant in mutants():
            if mutant.theorem == theorem:
                path = Path(folder, mutant.file)
                source = path.read_text(encoding="utf-8")
                path.write_text(source.replace(mutant.old, mutant.new), encoding="utf-8")
                found.append(defects(theorem))
                path.write_text(source, encoding="utf-8")
    return found


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parent))
    sys.modules["mutation"] = sys.modules["__main__"]
    print(json.dumps(tried(sys.argv[1])))
