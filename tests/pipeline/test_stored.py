"""What a chapter shows, figure, table or evidence, is marked as stored if, and only if, it is made from a record."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.notebooks import Notebook, outputs, read

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
SHOWING = ("show", "Markdown", "evidence")
ADDING = ("append", "extend", "update")
MARK = re.compile(r"\bstored=[\w.]+,?|\{[\w.]+\.mark\}")
STORED = ("RECORD", "stored")  # of an experiment: the record, and the function that reads it
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

Records = frozenset[str]  # by the experiments' names


@dataclass(frozen=True)
class Shown:
    """A call that shows something: which records its arguments rest on, and which its marks name."""

    line: str
    rests_on: Records
    marked: Records


@dataclass
class Reader:
    """Reads statements in their order; `known` says of each name which records its value rests on.

    It does not run them. A loop is read once, both branches of a condition are, and a function rests on what the names
    in it stand for where it is defined.
    """

    known: dict[str, Records] = field(default_factory=dict)

    def of(self, node: ast.AST) -> Records:
        """The records that an expression or a function rests on; its marks do not count."""
        match node:
            case ast.Name(id=name):
                return self.known.get(name, Records())
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if attr in STORED:
                return Records({name})
            case ast.Attribute(attr="mark") | ast.keyword(arg="stored"):
                return Records()
        inner = Reader(self.known | dict.fromkeys(bound(node), Records()))
        return Records().union(*(inner.of(child) for child in ast.iter_child_nodes(node)))

    def marks(self, call: ast.Call) -> Records:
        """The records that the marks of a call name."""
        named = (keyword.value for keyword in call.keywords if keyword.arg == "stored")
        texts = (node.value for node in ast.walk(call) if isinstance(node, ast.Attribute) and node.attr == "mark")
        return Records().union(*map(self.of, [*named, *texts]))

    def assign(self, target: ast.expr, value: Records) -> None:
        """A name is bound anew; what is only changed in a part rests on what it did as well."""
        match target:
            case ast.Name(id=name):
                self.known[name] = value
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part in parts:
                    self.assign(part, value)
            case ast.Starred(value=whole):
                self.assign(whole, value)
            case ast.Subscript(value=whole) | ast.Attribute(value=whole):
                self.assign(whole, value | self.of(whole))

    def read(self, statements: Iterable[ast.stmt]) -> Iterator[Shown]:
        """What they show."""
        for statement in statements:
            yield from self.follow(statement)

    def follow(self, statement: ast.stmt) -> Iterator[Shown]:
        match statement:
            case ast.ImportFrom(module=str(module), names=names):
                self.known |= {
                    name.asname or name.name: Records({module.rpartition(".")[2]})
                    for name in names
                    if name.name in STORED
                }
            case ast.FunctionDef(name=name):
                self.known[name] = self.of(statement)
            case ast.For(target=target, iter=values, body=body):
                self.assign(target, self.of(values))
                yield from self.read(body)
            case ast.If(body=body, orelse=otherwise):
                yield from self.read([*body, *otherwise])
            case _:
                for call in calls(statement):
                    yield Shown(ast.unparse(call)[:80], self.of(call), self.marks(call))
        match statement:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self.assign(target, self.of(value))
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.assign(target, self.of(value))
            case ast.AugAssign(target=target, value=value):
                self.assign(target, self.of(target) | self.of(value))
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=whole, attr=attr)) as call) if attr in ADDING:
                self.assign(whole, self.of(call))


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Those that show something."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SHOWING:
            yield node


def bound(node: ast.AST) -> set[str]:
    """The names that a comprehension or a function has for itself."""
    if isinstance(node, ast.Lambda | ast.FunctionDef):
        own = {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}
        return own | (stores(node.body) if isinstance(node, ast.FunctionDef) else set())
    return stores([loop.target for loop in node.generators]) if isinstance(node, COMPREHENSIONS) else set()


def stores(nodes: Iterable[ast.AST]) -> set[str]:
    found = (name for node in nodes for name in ast.walk(node))
    return {name.id for name in found if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}


def shown(code: str) -> list[Shown]:
    return list(Reader().read(ast.parse(code).body))


def code_of(notebook: Notebook) -> str:
    return "\n".join(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_made_from_a_record_is_marked_and_nothing_else(path: Path) -> None:
    notebook = read(path)
    code = code_of(notebook)
    found = shown(code)
    assert len(found) == len(list(calls(ast.parse(code)))), "a function shows something: it is not read"
    assert [call.line for call in found if call.rests_on != call.marked] == []
    text = "".join(output["data"].get("text/markdown", "") for output in outputs(notebook) if "data" in output)
    assert text.count("]{.stored}") == sum(len(call.marked) for call in found)


def test_a_mark_that_is_taken_away_is_missed() -> None:
    """Each mark of each chapter, alone."""
    for code in map(code_of, map(read, NOTEBOOKS)):
        count = sum(len(call.marked) for call in shown(code))
        marks = list(MARK.finditer(code))
        assert len(marks) == count
        for mark in marks:
            found = shown(code[: mark.start()] + code[mark.end() :])
            assert [call.rests_on == call.marked for call in found].count(False) == 1


IMPORTS = "from companion.experiments import scale\nfrom companion.experiments.noise import RECORD\n"
TABLE = "table = scale.RECORD.load()\n"


@pytest.mark.parametrize(
    ("code", "rests_on"),
    [
        ("show(draw(1), stored=scale.RECORD)", []),
        (TABLE + "show(draw(table))", ["scale"]),
        ("grid = scale.stored(2)\nMarkdown(f'{grid}')", ["scale"]),
        ("Markdown(f'{RECORD.load()}')", ["noise"]),
        (TABLE + "a, b = 1, table\nshow(a)", ["scale"]),
        (TABLE + "table = 1\nshow(table)", []),
        (TABLE + "rows = [row for row in table]\nshow(rows)", ["scale"]),
        (TABLE + "show([table for table in range(3)])", []),
        (TABLE + "for row in table:\n    n = row\nshow(n)", ["scale"]),
        (TABLE + "lines = []\nlines.append(table)\nshow(lines)", ["scale"]),
        (TABLE + "lines = {}\nlines['a'] = table\nlines['b'] = 1\nshow(lines)", ["scale"]),
        (TABLE + "total = 0\ntotal += table\nshow(total)", ["scale"]),
        (TABLE + "def median(x):\n    y = x\n    return table[y]\nshow(median(1))", ["scale"]),
        (TABLE + "def median(table):\n    return table\nshow(median(1))", []),
        (TABLE + "show(table, RECORD.load())", ["noise", "scale"]),
        (TABLE + "if True:\n    show(table)", ["scale"]),
        (TABLE + "display(Markdown(text + table))", ["scale"]),
    ],
)
def test_what_a_call_rests_on(code: str, rests_on: list[str]) -> None:
    [call] = shown(IMPORTS + code)
    assert sorted(call.rests_on) == rests_on


@pytest.mark.parametrize(
    ("call", "marked"),
    [
        ("show(1)", []),
        ("show(1, stored=scale.RECORD)", ["scale"]),
        ("show(1, stored=RECORD)", ["noise"]),
        ("Markdown(f'{RECORD.mark}')", ["noise"]),
        ("display(Markdown('a' + f'{scale.RECORD.mark}'))", ["scale"]),
    ],
)
def test_what_a_mark_names(call: str, marked: list[str]) -> None:
    [found] = shown(IMPORTS + call)
    assert (sorted(found.marked), found.rests_on) == (marked, Records())
