"""Every public name says what it takes, returns and raises, and shows it in an example that runs as it stands."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType
from typing import Any

import pytest

import wnlib


def modules() -> Iterator[ModuleType]:
    """Those that can be imported with the extras that are installed."""
    for found in walk_packages(wnlib.__path__, "wnlib."):
        with suppress(wnlib.MissingExtraError):
            yield import_module(found.name)


MODULES = list(modules())
EXAMPLES = [
    example
    for module in (wnlib, *MODULES)
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, globs={})
    if example.examples
]
SECTION = re.compile(r"^(\w+):\n((?:(?:    .*)?\n)+)", re.MULTILINE)
SHAPE = re.compile(r"\((?:\.\.\.|[0-9A-Znm][0-9A-Znm +-]*,)[0-9A-Znm ,.+-]*\)")
ARRAYS = re.compile(r"\b(Array|ArrayLike|NDArray|PerRun|Polar|Parts)\b")
CHECKING = {"wnlib.descent.arguments"}
REFUSALS = {"require_nonnegative_interpolant": "InfeasibleError", "check_start": "ArgumentError"}


@dataclass(frozen=True)
class Entry:
    """Something public: a class, a function, a method or a property, and the class that has it, if any."""

    name: str
    thing: Any
    owner: type | None = None

    @property
    def text(self) -> str:
        return inspect.cleandoc(self.thing.__doc__ or "") + "\n"

    @property
    def around(self) -> str:
        """What is also said of it: the text of its class."""
        return "" if self.owner is None else inspect.cleandoc(self.owner.__doc__ or "")

    @property
    def sections(self) -> dict[str, str]:
        return dict(SECTION.findall(self.text))

    @cached_property
    def code(self) -> Callable[..., Any] | None:
        """The function that runs when it is called or read."""
        if isinstance(self.thing, type):
            own = vars(self.thing)
            return own.get("__post_init__", None if "__dataclass_fields__" in own else own.get("__init__"))
        function = getattr(self.thing, "fget", None) or getattr(self.thing, "func", None) or self.thing
        return inspect.unwrap(getattr(function, "__func__", function))


def public() -> Iterator[Entry]:
    things = {f"wnlib.{name}": getattr(wnlib, name) for name in wnlib.__all__}
    for module in MODULES:
        if module.__name__.startswith("wnlib.rigorous."):
            things |= {f"{module.__name__}.{name}": getattr(module, name) for name in getattr(module, "__all__", ())}
    for name, thing in things.items():
        yield Entry(name, thing)
        for key, member in vars(thing).items() if isinstance(thing, type) else ():
            documented = any(vars(base).get(key).__doc__ for base in thing.__mro__[1:] if key in vars(base))
            described = inspect.isroutine(member) or isinstance(member, property | cached_property | classmethod)
            field = key in getattr(thing, "__dataclass_fields__", {})
            if described and not field and not key.startswith("_") and (member.__doc__ or not documented):
                yield Entry(f"{name}.{key}", member, thing)


ENTRIES = {entry.name: entry for entry in public()}
CALLED = [name for name, entry in ENTRIES.items() if not isinstance(entry.thing, property | cached_property)]


def raised(code: Callable[..., Any]) -> Iterator[str]:
    """The exceptions that a function raises itself, or by a check of its arguments."""
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(code)))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield ast.unparse(node.exc.func)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            helper = code.__globals__.get(called)
            if called.startswith("check."):
                yield "ArgumentError"
            elif called.rpartition(".")[2] in REFUSALS:
                yield REFUSALS[called.rpartition(".")[2]]
            elif inspect.isfunction(helper) and (called.startswith("_") or helper.__module__ in CHECKING):
                yield from raised(helper) if helper is not code else ()


def methods_shown(entry: Entry) -> str:
    """The examples in which a method may be shown: its own, and those of its class and what derives from it."""
    classes = [other.thing for other in ENTRIES.values() if isinstance(other.thing, type)]
    texts = [other.__doc__ or "" for other in classes if entry.owner is not None and issubclass(other, entry.owner)]
    return "\n".join(line for line in "\n".join(texts).splitlines() if line.lstrip().startswith(">>>"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_runs_as_it_stands(example: doctest.DocTest) -> None:
    said: list[str] = []
    failed = doctest.DocTestRunner().run(example, out=said.append).failed
    assert not failed, "".join(said)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_fits_the_page(example: doctest.DocTest) -> None:
    lines = [line for part in example.examples for line in f">>> {part.source}{part.want}".splitlines()]
    assert max(map(len, lines)) <= 110
    assert max(len(line) for line in lines if line.startswith(">>>")) <= 88


@pytest.mark.parametrize("name", ENTRIES)
def test_begins_with_one_sentence(name: str) -> None:
    summary = ENTRIES[name].text.split("\n\n")[0].strip()
    assert summary.endswith(".")
    assert not re.search(r"\.\s", summary)


@pytest.mark.parametrize("name", CALLED)
def test_shows_an_example(name: str) -> None:
    entry = ENTRIES[name]
    assert ">>> " in entry.text or f".{name.rpartition('.')[2]}(" in methods_shown(entry)


@pytest.mark.parametrize("name", ENTRIES)
def test_says_what_it_raises(name: str) -> None:
    entry = ENTRIES[name]
    told = set(re.findall(r"^    (\w+): ", entry.sections.get("Raises", ""), re.MULTILINE))
    assert entry.code is None or set(raised(entry.code)) <= told
    assert all(issubclass(getattr(wnlib, error), wnlib.WnlibError) for error in told)


@pytest.mark.parametrize("name", CALLED)
def test_says_the_shapes_of_arrays(name: str) -> None:
    entry = ENTRIES[name]
    if isinstance(entry.thing, type):
        told = "Attributes" if "__dataclass_fields__" in vars(entry.thing) else "Args"
        arguments = vars(entry.thing).get("__annotations__", {}) if told == "Attributes" else {}
        annotated = {key: str(value) for key, value in arguments.items() if "ndarray" in str(value)}
    else:
        told, annotated = "Args", {}
        [function] = ast.parse(textwrap.dedent(inspect.getsource(entry.code))).body
        arguments = [*function.args.args, *function.args.kwonlyargs]
        annotated = {one.arg: ast.unparse(one.annotation) for one in arguments if one.annotation is not None}
        annotated |= {"returned": ast.unparse(function.returns)} if function.returns else {}
        annotated = {key: value for key, value in annotated.items() if ARRAYS.search(value)}
    for argument in annotated:
        own = re.search(rf"^    {argument}: (.*\n(?:        .*\n)*)", entry.sections.get(told, ""), re.MULTILINE)
        said = own[1] if own else entry.text + entry.around
        assert SHAPE.search(said), argument
