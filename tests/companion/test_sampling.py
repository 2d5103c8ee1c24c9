"""Mutants are what a few rules make of functions; samples of them are stable."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from companion.verification.mutation import applied
from companion.verification.sampling import drawn, everything, mutants, reading, without
from wnlib.linear import ranks

CODE = '''
def f(x, k=2):
    """What it does, in 3 words."""
    if k > 0 and x is not None:
        x -= np.min(x, axis=-1)
    check(x)
    y: float = -0.5 * x[..., 0] ** 2
    if not k:
        raise ValueError(f"k must be {k + 1}, got {1 - k}")
    return solve(x + 1, y + 1, strict=True)
'''


def of(code: str) -> list[tuple[str, str, int]]:
    (definition,) = ast.parse(code).body
    assert isinstance(definition, ast.FunctionDef | ast.Assign)
    return [(mutant.old, mutant.new, mutant.occurrence) for mutant in mutants("wnlib.a", "f", definition)]


def test_all_mutants_of_a_function() -> None:
    assert of(CODE) == [
        ("k > 0 and x is not None", "k > 0 or x is not None", 0),
        ("k > 0 and x is not None", "not (k > 0 and x is not None)", 0),
        ("k > 0", "k >= 0", 0),
        ("k > 0", "k < 0", 0),
        ("k > 0", "k > 1", 0),
        ("x is not None", "x is None", 0),
        ("x -= np.min(x, axis=-1)", "x += np.min(x, axis=-1)", 0),
        ("x -= np.min(x, axis=-1)", "pass", 0),
        ("np.min(x, axis=-1)", "np.max(x, axis=-1)", 0),
        ("np.min(x, axis=-1)", "np.min(x)", 0),
        ("np.min(x, axis=-1)", "np.min(x, axis=1)", 0),
        ("np.min(x, axis=-1)", "np.min(x, axis=-2)", 0),
        ("check(x)", "None", 0),
        ("-0.5 * x[..., 0] ** 2", "-0.5 / x[..., 0] ** 2", 0),
        ("-0.5 * x[..., 0] ** 2", "0.5 * x[..., 0] ** 2", 0),
        ("-0.5 * x[..., 0] ** 2", "-0.55 * x[..., 0] ** 2", 0),
        ("x[..., 0] ** 2", "x[..., 0] * 2", 0),
        ("x[..., 0]", "x[..., 1]", 0),
        ("x[..., 0] ** 2", "x[..., 0] ** 3", 0),
        ("not k", "k", 0),
        ("x + 1", "x - 1", 0),
        ("x + 1", "x + 2", 0),
        ("y + 1", "y - 1", 0),
        ("y + 1", "y + 2", 0),
    ]


def test_what_occurs_twice_is_numbered() -> None:
    changed = of("def f(x):\n    return (x + x * x) / (x * x)")
    assert [one for one in changed if one[0] == "x * x"] == [("x * x", "x / x", 1), ("x * x", "x / x", 2)]


def test_of_a_constant_only_numbers_are_changed() -> None:
    assert of("f = {'a': 1e-3, 'b': -2, 'c': max(True, g)}") == [
        ("{'a': 0.001, 'b': -2, 'c': max(True, g)}", "{'a': 0.0011, 'b': -2, 'c': max(True, g)}", 0),
        ("{'a': 0.001, 'b': -2, 'c': max(True, g)}", "{'a': 0.001, 'b': -3, 'c': max(True, g)}", 0),
        ("max(True, g)", "max(False, g)", 0),
    ]


def test_every_mutant_is_another_module_and_can_be_applied() -> None:
    changed = everything("wnlib")["wnlib.linear.ranks"]
    modules = {ast.dump(mutant.tree()) for mutant in changed}
    assert len(modules | {ast.dump(ast.parse(Path(ranks.__file__).read_text("utf-8")))}) == len(changed) + 1
    for mutant in changed:
        with applied(mutant):
            pass


def test_a_sample_has_some_of_each_module_and_of_the_others_by_size() -> None:
    pool = {name: everything("wnlib")[name] for name in ("wnlib.linear.ranks", "wnlib.problem", "wnlib.errors")}
    taken = drawn(pool, 60, 4, "a")
    assert len(set(taken)) == 60
    counts = Counter(mutant.place[0] for mutant in taken)
    assert counts["wnlib.errors"] == min(4, len(pool["wnlib.errors"]))
    ratio = len(pool["wnlib.problem"]) / len(pool["wnlib.linear.ranks"])
    assert counts["wnlib.problem"] / counts["wnlib.linear.ranks"] == pytest.approx(ratio, rel=0.2)
    assert set(drawn(pool, 40, 4, "a")) < set(taken) != set(drawn(pool, 60, 4, "b"))
    assert not set(taken) & set(drawn(without(pool, taken), 60, 0, "a"))


def test_of_other_modules_the_sample_stays_when_one_is_changed() -> None:
    pool = {name: everything("wnlib")[name] for name in ("wnlib.linear.ranks", "wnlib.problem")}
    less = {**pool, "wnlib.problem": pool["wnlib.problem"][:-1]}
    assert len(set(drawn(pool, 60, 4, "a")) - set(drawn(less, 60, 4, "a"))) <= 2


def test_a_function_reads_the_same_whatever_its_docstring_says() -> None:
    def read(code: str) -> str:
        (definition,) = ast.parse(code).body
        assert isinstance(definition, ast.FunctionDef)
        return reading(definition)

    assert read("def f(x):\n    'a'\n    return x") == read("def f(x):\n    return x  # it")
    assert read("def f(x):\n    return x") != read("def f(x):\n    return -x")
