"""Which code a module or a chapter rests on, and the hash of it.

Results are computed again if and only if this hash changes. It is that of the code of all modules that are imported,
directly or not, without comments and docstrings: what is said about code does not change what it computes.
"""

import ast
import hashlib
import io
import re
import tokenize
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("wnlib", "companion")
STORED = "companion.experiments"  # whose modules may have a stored table beside their code


@cache
def _source(module: str) -> Path | None:
    """The file of a module of our packages; None for what is none."""
    place = ROOT / module.replace(".", "/")
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists()), None)


@cache
def _public(package: str) -> dict[str, str]:
    """The modules of the names that a package loads when they are used, as its stub has them."""
    source = _source(package)
    stub = source.with_suffix(".pyi") if source is not None else None
    if stub is None or not stub.exists():
        return {}
    lines = ast.parse(stub.read_text(encoding="utf-8")).body
    return {name.name: str(line.module) for line in lines if isinstance(line, ast.ImportFrom) for name in line.names}


def imported(code: str) -> set[str]:
    """The modules of our packages that code imports, or imports names from."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (package := str(node.module)).split(".")[0] in PACKAGES:
            for name in (alias.name for alias in node.names):
                inner = f"{package}.{name}"
                found.add(_public(package).get(name, inner if _source(inner) else package))
    return {name for name in found if name.split(".")[0] in PACKAGES}


@cache
def _imports(path: Path) -> frozenset[str]:
    return frozenset(imported(path.read_text(encoding="utf-8")))


def sources(*modules: str) -> list[Path]:
    """The files of our packages that modules import, directly or not, and their own; sorted."""
    found: set[Path] = set()
    waiting = list(modules)
    while waiting:
        path = _source(waiting.pop())
        if path is not None and path not in found:
            found.add(path)
            waiting += _imports(path)
    return sorted(found)


def tables(*modules: str) -> list[Path]:
    """The stored tables of the experiments that modules import, directly or not, and their own; sorted."""
    folder = ROOT / STORED.replace(".", "/")
    stored = (folder / "records" / f"{path.stem}.csv" for path in sources(*modules) if path.parent == folder)
    return [path for path in stored if path.exists()]


def code_of(text: str) -> str:
    """A module's text without comments, docstrings (those of fields too) and empty lines."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines[node.lineno - 1 : node.end_lineno] = [""] * (int(node.end_lineno or 0) - node.lineno + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip())


@cache
def _code(path: Path) -> str:
    return code_of(path.read_text(encoding="utf-8"))


def digest(parts: Iterable[tuple[str, str]]) -> str:
    """The sha256 of named texts."""
    found = hashlib.sha256()
    for name, text in parts:
        found.update(f"{name}\n{text}\0".encode())
    return found.hexdigest()


def fingerprint(*modules: str) -> str:
    """The hash of the code that modules rest on, with the names of its files."""
    return digest((path.relative_to(ROOT).as_posix(), _code(path)) for path in sources(*modules))


def of_theorem(name: str) -> str:
    """The hash of the code that the checks of a theorem rest on: its own, and that which runs them.

    And of its hypotheses, each of which must be broken by a falsifier.
    """
    module = f"companion.theorems.{name}"
    text = path.read_text(encoding="utf-8") if (path := _source(module)) is not None else ""
    hypotheses = re.findall(r"^\d+\. \*\*[^*]+\*\*", text, re.MULTILINE)
    return digest([("code", fingerprint(module, "companion.verification.verify")), *((name, h) for h in hypotheses)])
