"""All mutants that a few simple rules make of a package, and samples of them.

Hand-written mutants are what somebody thought of. These are what nobody chose: every operator, comparison, condition,
number, sign, name and statement of every function is changed by the same rules. What is text stays as it is: messages,
annotations, docstrings; and what only an import executes, but for the numbers among the constants of modules.
"""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from functools import cache
from typing import Any

from companion.running.fingerprint import digest
from companion.verification.mutation import Definition, Mutant, definitions, modules, parsed

SAMPLED = "sampled"  # the name of all of them
OPERATORS: dict[type[ast.AST], tuple[Any, ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
PAIRS = (
    *(("min", "max"), ("minimum", "maximum"), ("argmin", "argmax"), ("sum", "prod"), ("any", "all")),
    *(("floor", "ceil"), ("zeros", "ones"), ("log", "log1p"), ("exp", "expm1"), ("sinh", "cosh")),
)
NAMES = {one: other for pair in PAIRS for one, other in (pair, pair[::-1])}
SMALL = (ast.Constant, ast.Name, ast.Attribute, ast.UnaryOp, ast.Tuple)  # say little without what is around them
UNTOUCHED = (ast.Raise, ast.JoinedStr)
HARMLESS = {"out", "check_finite", "strict"}  # keywords that save or guard, and change no result
TALKING = ("__repr__", "__str__", "__all__")
TEXT = {"annotation", "returns", "decorator_list"}  # fields
CONDITIONS = {"If": "test", "While": "test", "IfExp": "test", "comprehension": "ifs"}
NEGATED = (ast.Compare, ast.UnaryOp)  # by another rule


class _Site:
    """A node of a syntax tree, and where it stands."""

    def __init__(self, node: ast.AST, field: str = "", index: int | None = None, above: "_Site | None" = None) -> None:
        self.node, self.field, self.index, self.above = node, field, index, above
        own = field in TEXT or isinstance(node, UNTOUCHED) or getattr(node, "arg", None) in HARMLESS
        self.untouched: bool = own or (above is not None and above.untouched)

    def below(self) -> Iterator["_Site"]:
        """All that is in the node and the node itself, in the order in which a mutant's occurrences are counted."""
        yield self
        for field, value in ast.iter_fields(self.node):
            for index, one in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(one, ast.AST):
                    yield from _Site(one, field, index, self).below()

    def shown(self) -> "_Site | None":
        """The smallest site around this one that can be written alone, and read."""
        site: _Site | None = self
        while site is not None and not _stands_alone(site):
            site = site.above
        return site

    def with_(self, new: ast.AST, within: "_Site") -> ast.AST:
        """The node of the site `within`, with a new node here."""
        if self is within or self.above is None:
            return new
        above, value = copy(self.above.node), getattr(self.above.node, self.field)
        setattr(above, self.field, new if self.index is None else [*value[: self.index], new, *value[self.index + 1 :]])
        return self.above.with_(above, within)


def mutants(module: str, name: str, definition: Definition) -> list[Mutant]:
    """All mutants of one function or constant."""
    function = isinstance(definition, ast.FunctionDef)
    body: list[ast.stmt] = definition.body if isinstance(definition, ast.FunctionDef) else [definition]
    counts: Counter[str] = Counter()
    occurrences: dict[int, int] = {}
    sites = list(_Site(ast.Module(body, [])).below())
    for site in sites:
        counts[dumped := ast.dump(site.node)] += 1
        occurrences[id(site.node)] = counts[dumped]
    found = {}
    for site in [site for site in sites if not site.untouched]:
        changed = list(_changed(site) if function else _number(site.node))
        if changed and (shown := site.shown()) is not None:
            old = _text(shown.node)
            occurrence = occurrences[id(shown.node)] if counts[ast.dump(shown.node)] > 1 else 0
            for new in (_text(site.with_(new, shown)) for new in changed):
                found[old, new, occurrence] = Mutant(SAMPLED, f"{module}.{name}", old, new, occurrence)
    return list(found.values())


@cache
def everything(package: str) -> dict[str, list[Mutant]]:
    """All mutants of a package, by its modules."""
    found = {
        module: [
            mutant
            for name, definition in definitions(module).items()
            if not name.endswith(TALKING)
            for mutant in mutants(module, name, definition)
        ]
        for module in modules(package)
    }
    return {module: all_of_it for module, all_of_it in found.items() if all_of_it}


def drawn(pool: dict[str, list[Mutant]], number: int, least: int, seed: str) -> list[Mutant]:
    """A stratified sample: of each module at least so many, if it has them, and else in proportion to what it has.

    A mutant's place in the order of its module hangs on nothing but itself and the seed, so that most of the sample
    stays the same when code is changed.
    """
    order = []
    for module, all_of_it in pool.items():
        for rank, mutant in enumerate(sorted(all_of_it, key=lambda mutant: digest([(seed, repr(mutant))]))):
            order.append((rank >= least, (rank + 0.5) / len(all_of_it), module, rank, mutant))
    return sorted((mutant for *_, mutant in sorted(order, key=lambda one: one[:4])[:number]), key=repr)


def without(pool: dict[str, list[Mutant]], taken: Iterable[Mutant]) -> dict[str, list[Mutant]]:
    left = {module: [mutant for mutant in found if mutant not in set(taken)] for module, found in pool.items()}
    return {module: found for module, found in left.items() if found}


def _changed(site: _Site) -> Iterator[ast.AST]:
    """What may stand in the place of a node."""
    node = site.node
    yield from _number(node)
    if isinstance(node, ast.BinOp):
        yield from (ast.BinOp(node.left, new(), node.right) for new in OPERATORS.get(type(node.op), ()))
    elif isinstance(node, ast.BoolOp):
        yield from (ast.BoolOp(new(), node.values) for new in OPERATORS[type(node.op)])
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from (ast.Compare(node.left, [new()], node.comparators) for new in OPERATORS[type(node.ops[0])])
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.AugAssign):
        yield from (ast.AugAssign(node.target, new(), node.value) for new in OPERATORS.get(type(node.op), ()))
        yield ast.Pass()
    elif isinstance(node, ast.Call):
        yield from _called(site, node)
    above = type(site.above.node).__name__ if site.above is not None else ""
    if site.field == CONDITIONS.get(above) and isinstance(node, ast.expr) and not isinstance(node, NEGATED):
        yield ast.UnaryOp(ast.Not(), node)


def _called(site: _Site, call: ast.Call) -> Iterator[ast.AST]:
    """A call of the function's counterpart; without a keyword of a library's function; no call where none is used."""
    match call.func:
        case ast.Name(id=name) if name in NAMES:
            yield ast.Call(ast.Name(NAMES[name], ast.Load()), call.args, call.keywords)
        case ast.Attribute(value=value, attr=name):
            if name in NAMES:
                yield ast.Call(ast.Attribute(value, NAMES[name], ast.Load()), call.args, call.keywords)
            for k, keyword in enumerate(call.keywords):
                if keyword.arg not in (None, *HARMLESS):
                    yield ast.Call(call.func, call.args, [*call.keywords[:k], *call.keywords[k + 1 :]])
    if site.above is not None and isinstance(site.above.node, ast.Expr) and "super()" not in ast.unparse(call):
        yield ast.Constant(None)


def _number(node: ast.AST) -> Iterator[ast.AST]:
    """Another value of a constant: the other truth value, the next integer, a tenth more."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif isinstance(node.value, int):
            yield ast.Constant(node.value + 1)
        elif isinstance(node.value, float):
            yield ast.Constant(float(f"{1.1 * node.value:.12g}") or 1.0)


def _stands_alone(site: _Site) -> bool:
    """Whether a node is an expression or a simple statement, not too small a part of another, that can be parsed."""
    node, above = site.node, site.above
    if not isinstance(node, ast.expr):
        return isinstance(node, (ast.AugAssign, ast.Assign, ast.AnnAssign, ast.Return))
    if isinstance(node, SMALL) and above is not None and isinstance(above.node, (ast.expr, ast.keyword, ast.Slice)):
        return False
    try:
        return ast.dump(parsed(_text(node))) == ast.dump(node)
    except (SyntaxError, ValueError):
        return False


def _text(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(node))


def reading(definition: Definition) -> str:
    """A hash of what a function or constant is, whatever its docstring says of it."""
    text: Sequence[ast.stmt] = [definition]
    if isinstance(definition, ast.FunctionDef):
        text = definition.body[ast.get_docstring(definition) is not None :]
    return digest((type(node).__name__, ast.dump(node)) for node in text)[:12]
