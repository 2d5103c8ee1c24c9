"""Who may import whom, and how long files may be: read from the sources, each rule seen to reject what breaks it."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable, Iterable
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

Sources = dict[str, str]  # the text of each module, by its dotted name

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = {  # and which others each may import
    "wnlib": (),
    "companion": ("wnlib",),
    "pipeline": ("companion", "wnlib"),
    "benchmarks": ("companion", "wnlib"),
    "notebooks": ("companion", "wnlib"),
    "tests.wnlib": ("wnlib",),
}
LIBRARIES = {"numpy", "scipy", *sys.stdlib_module_names}  # of wnlib
EXTRAS = {"wnlib.rigorous": {"mpmath", "flint"}}
ROOMS = (  # of wnlib, from the ground up: each may import those of the lines before its own
    ("errors",),
    ("_checks", "_values"),
    ("_diverging",),
    ("ensembles", "linear"),
    ("problem",),
    ("flows", "sparse"),
    ("trajectories",),
    ("limits",),
    ("descent", "models", "rigorous"),
)
LEVELS = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}
MODULE_LINES, FUNCTION_LINES = 250, 60  # a function's docstring has examples and does not count
HOMES = {"linprog": "wnlib.linear.linear_program", "lstsq": "wnlib.linear.ranks"}
THEOREMS = "companion.theorems"
SHOWN = {"THEOREM", "derive", "measure"}  # of a theorem's file


def sources(*packages: str) -> Sources:
    """Of Python files and of the code cells of notebooks; a package has the name of its folder."""
    found = {}
    for package in packages:
        folder = ROOT.joinpath(*package.split("."))
        for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.ipynb")]):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            text = path.read_text(encoding="utf-8")
            found[name] = _code(text) if path.suffix == ".ipynb" else text
    return found


def _code(notebook: str) -> str:
    cells = [cell["source"] for cell in json.loads(notebook)["cells"] if cell["cell_type"] == "code"]
    return "\n".join(line for cell in cells for line in "".join(cell).splitlines() if not line.startswith(("%", "!")))


@cache
def modules_there_are() -> frozenset[str]:
    return frozenset(sources("wnlib", "companion", "pipeline", "benchmarks"))


def within(name: str, packages: Iterable[str]) -> bool:
    """Whether a module is one of the packages, or in one of them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def imports(modules: Sources) -> dict[str, list[str]]:
    """What each module imports: `from a import b` is an import of a.b where that is a module, and of a elsewhere."""
    known, edges = {*modules, *modules_there_are()}, {}
    for name, text in modules.items():
        found = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = "." * node.level + (node.module or "")
                inner = {f"{base}.{alias.name}" for alias in node.names}
                found |= {one if one in known else base for one in inner}
        edges[name] = sorted(found)
    return edges


def foreign(modules: Sources) -> list[str]:
    """Imports that are neither wnlib's own, nor NumPy's, SciPy's or the standard library's."""
    found = []
    for name, others in imports(modules).items():
        allowed = {"wnlib", *LIBRARIES}.union(*(extra for room, extra in EXTRAS.items() if within(name, [room])))
        found += [f"{name} imports {other}" for other in others if not within(other, allowed)]
    return found


def upward(modules: Sources) -> list[str]:
    """Imports of a package that the importing one must not know of."""
    found = []
    for name, others in imports(modules).items():
        (own,) = [package for package in PACKAGES if within(name, [package])]
        forbidden = PACKAGES.keys() - {own, *PACKAGES[own]}
        found += [f"{name} imports {other}" for other in others if within(other, forbidden)]
    return found


def out_of_order(modules: Sources) -> list[str]:
    """Imports from a room of wnlib that is not below the importing one, or through wnlib's door."""
    found = []
    for name, others in imports(modules).items():
        room = name.split(".")[1] if "." in name else ""
        for other in [other for other in others if within(other, ["wnlib"])]:
            below = other.split(".")[1] if "." in other else ""
            if below != room and not LEVELS.get(below, len(ROOMS)) < LEVELS.get(room, 0):
                found.append(f"{name} imports {other}")
    return found


def circular(modules: Sources) -> list[str]:
    """Modules that import each other in a circle."""
    try:
        TopologicalSorter({name: set(others) & modules.keys() for name, others in imports(modules).items()}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def length(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def too_long(modules: Sources) -> list[str]:
    """Modules and functions of more lines than one reads at once."""
    found = [name for name, text in modules.items() if len(text.splitlines()) > MODULE_LINES]
    for name, text in modules.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                said = node.body[0] if ast.get_docstring(node) is not None else None
                lines = length(node) - (length(said) if said is not None else 0)
                found += [f"{name}.{node.name}"] * (lines > FUNCTION_LINES)
    return found


def unnamed(modules: Sources) -> list[str]:
    """Imports of a theorem's file by that of another one which does not name it in its `uses`."""
    found = []
    for name, others in imports(modules).items():
        calls = [node for node in ast.walk(ast.parse(modules[name])) if isinstance(node, ast.Call)]
        lists = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "uses"]
        named = {f"{THEOREMS}.{theorem}" for names in lists for theorem in ast.literal_eval(names)}
        found += [f"{name} imports {other}" for other in others if within(other, [THEOREMS]) and other not in named]
    return found


def borrowed(modules: Sources) -> list[str]:
    """What is taken from theorems' files beside a theorem, its derivation and its measurement, which may be shown."""
    found = []
    for name, text in modules.items():
        shown = {}
        for node in ast.walk(tree := ast.parse(text)):
            if isinstance(node, ast.Import):
                found += [f"{name} imports {alias.name}" for alias in node.names if within(alias.name, [THEOREMS])]
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    if node.module == THEOREMS and full in modules_there_are():
                        shown[alias.asname or alias.name] = full
                    elif within(full, [THEOREMS]):
                        found.append(f"{name} imports {full}")
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in shown:
                found += [f"{name} uses {shown[node.value.id]}.{node.attr}"] * (node.attr not in SHOWN)
    return found


def outside_its_home(modules: Sources) -> list[str]:
    """Calls of a solver that one module alone may call: all others would judge ranks, or answers, by other rules."""
    found = []
    for name, text in modules.items():
        for node in ast.walk(ast.parse(text)):
            called = {node.attr} if isinstance(node, ast.Attribute) else set()
            if isinstance(node, ast.ImportFrom):
                called = {alias.name for alias in node.names}
            found += [f"{name} uses {one}" for one in sorted(called & HOMES.keys()) if HOMES[one] != name]
    return found


Rule = Callable[[Sources], list[str]]
PLACES: dict[Rule, tuple[str, ...]] = {
    foreign: ("wnlib",),
    upward: tuple(PACKAGES),
    out_of_order: ("wnlib",),
    circular: ("wnlib", "companion", "pipeline", "benchmarks"),
    too_long: ("wnlib",),
    outside_its_home: ("wnlib", "companion"),
    unnamed: (THEOREMS,),
    borrowed: ("companion.experiments", "companion.plots", "notebooks"),
}
BROKEN: list[tuple[Rule, Sources, str]] = [
    (outside_its_home, {"wnlib.problem": "from scipy.optimize import linprog"}, "wnlib.problem uses linprog"),
    (outside_its_home, {"wnlib.problem": "x = linalg.lstsq(A, y)[0]"}, "wnlib.problem uses lstsq"),
    (foreign, {"wnlib.flows.flow": "import sympy as sp"}, "wnlib.flows.flow imports sympy"),
    (foreign, {"wnlib.problem": "from flint import arb"}, "wnlib.problem imports flint"),
    (foreign, {"wnlib.rigorous.taylor": "from sympy import Matrix"}, "wnlib.rigorous.taylor imports sympy"),
    (foreign, {"wnlib.problem": "def f():\n    import numpyro"}, "wnlib.problem imports numpyro"),
    (foreign, {"wnlib.problem": "from .errors import E"}, "wnlib.problem imports .errors"),
    (upward, {"wnlib.problem": "import companion.ledger"}, "wnlib.problem imports companion.ledger"),
    (upward, {"companion.ledger": "from pipeline import build"}, "companion.ledger imports pipeline.build"),
    (upward, {"companion.tables": "from benchmarks.report import R"}, "companion.tables imports benchmarks.report"),
    (upward, {"pipeline.build": "import benchmarks"}, "pipeline.build imports benchmarks"),
    (upward, {"benchmarks.limits": "import pipeline.stage"}, "benchmarks.limits imports pipeline.stage"),
    (upward, {"notebooks.window": "from pipeline import stage"}, "notebooks.window imports pipeline.stage"),
    (upward, {"tests.wnlib.test_x": "from companion import tables"}, "tests.wnlib.test_x imports companion.tables"),
    (
        out_of_order,
        {"wnlib.flows.flow": "from wnlib.limits import limit"},
        "wnlib.flows.flow imports wnlib.limits.limit",
    ),
    (out_of_order, {"wnlib.sparse.a": "from wnlib.flows.flow import F"}, "wnlib.sparse.a imports wnlib.flows.flow"),
    (out_of_order, {"wnlib.errors": "from wnlib import _checks"}, "wnlib.errors imports wnlib._checks"),
    (out_of_order, {"wnlib.limits.limit": "from wnlib import integrate"}, "wnlib.limits.limit imports wnlib"),
    (out_of_order, {"wnlib.problem": "from wnlib.loft.a import b"}, "wnlib.problem imports wnlib.loft.a"),
    (out_of_order, {"wnlib.loft.a": "import wnlib.errors"}, "wnlib.loft.a imports wnlib.errors"),
    (circular, {"a.b": "from a.c import d", "a.c": "import a.e", "a.e": "def f():\n    from a import b"}, "a.c"),
    (too_long, {"wnlib.problem": "\n" * 251}, "wnlib.problem"),
    (too_long, {"wnlib.problem": "class A:\n  def f():\n" + "    a\n" * 60}, "wnlib.problem.f"),
    (
        unnamed,
        {f"{THEOREMS}.a": f"from {THEOREMS}.window import f\nTheorem(uses=('plateau',))"},
        f"{THEOREMS}.a imports {THEOREMS}.window",
    ),
    (borrowed, {"notebooks.a": f"from {THEOREMS}.window import f"}, f"notebooks.a imports {THEOREMS}.window.f"),
    (borrowed, {"notebooks.a": f"import {THEOREMS}.window"}, f"notebooks.a imports {THEOREMS}.window"),
    (borrowed, {"notebooks.a": f"from {THEOREMS} import theorem"}, f"notebooks.a imports {THEOREMS}.theorem"),
    (borrowed, {"notebooks.a": "from companion import theorems"}, f"notebooks.a imports {THEOREMS}"),
    (
        borrowed,
        {"companion.experiments.a": f"from {THEOREMS} import window as w\nw.end(1)"},
        f"companion.experiments.a uses {THEOREMS}.window.end",
    ),
]
SOUND: list[tuple[Rule, Sources]] = [
    (
        foreign,
        {"wnlib.rigorous.taylor": "import flint, mpmath", "wnlib.problem": "from scipy import linalg\nimport ast"},
    ),
    (upward, {"pipeline.a": "import companion.ledger, wnlib", "companion.b": "from wnlib import limit"}),
    (out_of_order, {"wnlib.limits.a": "from wnlib.limits.b import c\nfrom wnlib import _checks"}),
    (circular, {"a.b": "from a.c import d", "a.c": "import a.d", "a.d": ""}),
    (too_long, {"wnlib.problem": "def f():\n" + "    a\n" * 59 + "\n" * 190}),
    (outside_its_home, {"wnlib.linear.ranks": "x = linalg.lstsq(A, y)", "wnlib.a": "lstsq = linalg.qr(A)"}),
    (unnamed, {f"{THEOREMS}.a": f"from {THEOREMS}.window import f\nTheorem(uses=('window',))"}),
    (borrowed, {"notebooks.a": f"from {THEOREMS} import window as w\nw.derive(w.THEOREM)"}),
]


def rule_name(value: object) -> str | None:
    return getattr(value, "__name__", None)


@pytest.mark.parametrize("rule", PLACES, ids=rule_name)
def test_the_rule_holds(rule: Rule) -> None:
    modules = sources(*PLACES[rule])
    assert len(modules) > 10
    assert rule(modules) == []


@pytest.mark.parametrize(("rule", "modules", "found"), BROKEN, ids=rule_name)
def test_what_breaks_a_rule_is_found(rule: Rule, modules: Sources, found: str) -> None:
    assert found in rule(modules)


@pytest.mark.parametrize(("rule", "modules"), SOUND, ids=rule_name)
def test_what_keeps_a_rule_is_not(rule: Rule, modules: Sources) -> None:
    assert rule(modules) == []


def test_every_rule_is_seen_to_break_and_to_hold() -> None:
    assert {rule for rule, *_ in BROKEN} == {rule for rule, _ in SOUND} == PLACES.keys()


def test_the_rooms_are_those_of_the_package() -> None:
    assert LEVELS.keys() == {name.split(".")[1] for name in sources("wnlib") if "." in name}
