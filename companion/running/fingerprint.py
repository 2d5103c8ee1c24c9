"""Which source files a module rests on, and the hash of their contents."""

import ast
import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("wnlib", "companion")


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
    """The modules of our packages that a file imports, or imports names from."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if _source(name) else _home(str(node.module), name) for name in names}
    return tuple(sorted(name for name in found if name.split(".")[0] in PACKAGES))


@cache
def _public(package: str) -> dict[str, str]:
    """The modules of the names that a package loads when they are used, as its stub has them."""
    source = _source(package)
    stub = source.with_suffix(".pyi") if source is not None else None
    if stub is None or not stub.exists():
        return {}
    lines = ast.parse(stub.read_text(encoding="utf-8")).body
    return {name.name: str(line.module) for line in lines if isinstance(line, ast.ImportFrom) for name in line.names}


def _home(module: str, name: str) -> str:
    """The module in which a name is that is imported from another one."""
    return _public(module).get(name.rpartition(".")[2], module)


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


def fingerprint(*modules: str) -> str:
    """A hash of the sources of modules: sha256 over their names and contents."""
    digest = hashlib.sha256()
    for path in sources(*modules):
        content = path.read_text(encoding="utf-8")
        digest.update(f"{path.relative_to(ROOT).as_posix()}\n{content}\0".encode())
    return digest.hexdigest()
