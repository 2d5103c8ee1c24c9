"""Which source files a module of the package rests on, and the hash of their contents."""

import ast
import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def _source(module: str) -> Path | None:
    """The file of a module; None for what is not a module."""
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """The modules of this package that a file imports, or imports names from."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == __package__:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if _source(name) else str(node.module) for name in names}
    return tuple(sorted(name for name in found if name.split(".")[0] == __package__))


def sources(*modules: str) -> list[Path]:
    """The files of this package that modules import, directly or not, and their own; sorted."""
    found: set[Path] = set()
    waiting = list(modules)
    while waiting:
        path = _source(waiting.pop())
        if path is not None and path not in found:
            found.add(path)
            waiting += _imports(path)
    return sorted(found)


def fingerprint(*modules: str) -> str:
    """A hash of the sources of modules: sha256 over their names within the package and their contents."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sources(*modules):
        content = path.read_text(encoding="utf-8")
        digest.update(f"{path.relative_to(root).as_posix()}\n{content}\0".encode())
    return digest.hexdigest()
