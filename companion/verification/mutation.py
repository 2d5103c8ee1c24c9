"""Wrong variants of the code, in place of the right one while a theorem is tried: this is how the checks are checked.

A mutant is one change of one function: a wrong sign, exponent, constant or index. It is caught if a theorem that rests
on the function is no longer verified. Nothing is copied or imported anew: the code of the function is exchanged, and
with it what all do that call it.
"""

import ast
import sys
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from types import CodeType
from weakref import WeakKeyDictionary

from companion.verification import symbolic
from companion.verification.theorem import Theorem
from companion.verification.verify import PARTS, verify

ROOT = Path(__file__).parents[2]
PACKAGES = ("wnlib", "companion.verification")
WRAPPED = ("fget", "func", "__func__", "__wrapped__")  # where decorators keep the function that they are given
Changes = Mapping[str, Mapping[str, tuple[str, str] | tuple[str, str, int]]]  # of functions, by the mutants' names
Definition = ast.FunctionDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True)
class Mutant:
    """One change of a function of `PACKAGES`, or of a constant of one of their modules.

    name        what is wrong, in words
    function    the qualified name of what is changed, after the end of its module's name where it has namesakes
    old, new    an expression or a statement each, compared as syntax trees: how they are written does not matter
    occurrence  which one is changed, counted from 1, where `old` occurs several times
    """

    name: str
    function: str
    old: str
    new: str
    occurrence: int = 0

    @property
    def place(self) -> tuple[str, str]:
        """The module and the qualified name of what is changed. Raises ValueError unless there is exactly one."""
        found = [place for place in places() if self._means(*place)]
        if len(found) != 1:
            names = ", ".join(f"{module}.{name}" for module, name in found) or "none"
            raise ValueError(f"function must name one function or constant, got {self.function!r}: {names}")
        return found[0]

    def tree(self) -> ast.Module:
        """The changed module. Raises ValueError unless it is changed in exactly one place."""
        module, name = self.place
        tree = _parse(_path(module))
        node = dict(_definitions(tree.body))[name]
        change = _Change(parsed(self.old), parsed(self.new), self.occurrence)
        change.visit(ast.Module(node.body if isinstance(node, ast.FunctionDef) else [node], []))
        fits = 1 <= self.occurrence <= change.found if self.occurrence else change.found == 1
        if not fits:
            raise ValueError(f"old must occur once in {self.function}, or be numbered, got {change.found}: {self.old}")
        return ast.fix_missing_locations(tree)

    def _means(self, module: str, name: str) -> bool:
        return len(self.function) >= len(name) and f".{module}.{name}".endswith(f".{self.function}")


class _Change(ast.NodeTransformer):
    """One syntax tree for another, at one occurrence; all are counted."""

    def __init__(self, old: ast.AST, new: ast.AST, occurrence: int) -> None:
        self.old, self.new, self.at = ast.dump(old), new, max(1, occurrence)
        self.found = 0

    def visit(self, node: ast.AST) -> ast.AST:
        if ast.dump(node) != self.old:
            return self.generic_visit(node)
        self.found += 1
        return ast.copy_location(self.new, node) if self.found == self.at else node


def parsed(source: str) -> ast.AST:
    """The expression or statement that is written."""
    [statement] = ast.parse(source).body
    return statement.value if isinstance(statement, ast.Expr) else statement


@cache
def places() -> tuple[tuple[str, str], ...]:
    """Modules and qualified names of all functions and constants."""
    files = [path for package in PACKAGES for path in sorted(_folder(package).rglob("*.py"))]
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in files}
    return tuple((module, name) for module, path in modules.items() for name, _ in _definitions(_parse(path).body))


def modules(package: str) -> list[str]:
    """The modules of a package that have functions or constants, without `__init__`, which is imported otherwise."""
    found = {module for module, _ in places() if module.startswith(f"{package}.")}
    return sorted(module for module in found if not module.endswith(".__init__"))


def _folder(module: str) -> Path:
    return ROOT / module.replace(".", "/")


def _path(module: str) -> Path:
    return _folder(module).with_suffix(".py")


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def definitions(module: str) -> dict[str, Definition]:
    """Functions, methods and constants of a module, by their qualified names."""
    return dict(_definitions(_parse(_path(module)).body))


def _definitions(statements: list[ast.stmt], within: str = "") -> Iterator[tuple[str, Definition]]:
    for node in statements:
        match node:
            case ast.FunctionDef(name=name):
                yield within + name, node
            case ast.ClassDef(name=name, body=body):
                yield from _definitions(body, f"{within}{name}.")
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)) if not within:
                yield name, node


@contextmanager
def applied(mutant: Mutant) -> Iterator[None]:
    """While this lasts, every call of the function runs the changed one, and every module has the changed constant.

    Default values of arguments stay as they are. What modules keep of earlier results is dropped, before and after.
    """
    with _changed(_changes(mutant)):
        yield


@contextmanager
def _changed(changes: list[tuple[object, str, object]]) -> Iterator[None]:
    kept = [(holder, name, getattr(holder, name)) for holder, name, _ in changes]
    forget()
    try:
        for change in changes:
            setattr(*change)
        yield
    finally:
        for change in kept:
            setattr(*change)
        forget()


def _changes(mutant: Mutant) -> list[tuple[object, str, object]]:
    """Whose attributes are to be set, their names, and their values."""
    module, name = mutant.place
    home, tree = import_module(module), mutant.tree()
    node = dict(_definitions(tree.body))[name]
    if isinstance(node, ast.FunctionDef):
        return _exchanged(module, tree, [name])
    assert node.value is not None
    value = eval(compile(ast.Expression(node.value), str(_path(module)), "eval"), vars(home))
    ours = [module for module in sys.modules if module.startswith(("wnlib", "companion"))]
    holders = [sys.modules[module] for module in ours if vars(sys.modules[module]).get(name) is vars(home)[name]]
    return [(holder, name, value) for holder in holders]


def _exchanged(module: str, tree: ast.Module, names: Collection[str]) -> list[tuple[object, str, object]]:
    """Functions of a module, by their qualified names, with their code in the changed module."""
    codes = {code.co_qualname: code for code in _codes(compile(tree, str(_path(module)), "exec"))}
    return [(_function(import_module(module), name), "__code__", codes[name]) for name in names]


@contextmanager
def watched(package: str) -> Iterator[set[str]]:
    """While this lasts, the functions of a package that are called add their names to a set."""
    called: set[str] = set()
    changes: list[tuple[object, str, object]] = []
    for module in modules(package):
        tree = _parse(_path(module))
        functions = {name: node for name, node in _definitions(tree.body) if isinstance(node, ast.FunctionDef)}
        for name, node in functions.items():
            node.body.insert(0, ast.parse(f"_called({f'{module}.{name}'!r})").body[0])
        vars(import_module(module))["_called"] = called.add
        changes += _exchanged(module, ast.fix_missing_locations(tree), functions)
    with _changed(changes):
        yield called


def _function(home: object, name: str) -> object:
    for part in name.split("."):
        home = vars(home)[part]
    for attribute in WRAPPED:
        home = getattr(home, attribute, home)
    return home


def _codes(code: CodeType) -> Iterator[CodeType]:
    """All code within some code."""
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield part
            yield from _codes(part)


def forget() -> None:
    """Drop the results that functions and objects of our modules have kept."""
    modules = [module for module in sys.modules if module.startswith(("wnlib", "companion")) and module != __name__]
    for value in [value for module in modules for value in vars(sys.modules[module]).values()]:
        if isinstance(value, WeakKeyDictionary):
            value.clear()
        elif hasattr(value, "cache_clear"):
            value.cache_clear()
        attributes = [attribute for kind in type(value).__mro__ for attribute in vars(kind).items()]
        for name in [name for name, attribute in attributes if isinstance(attribute, cached_property)]:
            vars(value).pop(name, None)


def catches(theorem: Theorem, mutant: Mutant, parts: tuple[str, ...] = PARTS) -> list[str]:
    """Why the theorem is not verified with the mutant in place; nothing if the mutant survives these `parts`."""
    module, _ = mutant.place
    first = "derivation" if module == symbolic.__name__ else "measurement"  # only derivations use its blocks
    with applied(mutant), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = verify(theorem, first_failure=True, parts=tuple(sorted(parts, key=lambda part: part != first)))
    return [*found.missing, *found.failures]
