"""Every theorem notices the mutants of the code that it rests on: it lists three or more, and each is tried."""

import ast
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from companion import theorems
from companion.running.fingerprint import sources
from companion.verification.mutants import MUTANTS, checks, flows, limits, models, paths
from companion.verification.mutation import Mutant, catches

LISTED = {name: theorems.theorem(name).mutants for name in theorems.names()}
PAIRS = [(theorem, mutant) for theorem, mutants in LISTED.items() for mutant in mutants]
ROOT = Path(__file__).resolve().parents[2]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_mutant_is_one_change_of_the_code(mutant: Mutant) -> None:
    assert mutant.tree()
    assert ast.dump(ast.parse(mutant.new)) != ast.dump(ast.parse(mutant.old))


def test_every_change_has_one_name() -> None:
    changes = [part.CHANGES[function] for part in (checks, flows, limits, models, paths) for function in part.CHANGES]
    assert len(MUTANTS) == sum(map(len, changes))
    assert len({(mutant.place, ast.dump(mutant.tree())) for mutant in MUTANTS.values()}) == len(MUTANTS)


@pytest.mark.parametrize("theorem", theorems.names())
def test_theorem_lists_three_mutants(theorem: str) -> None:
    assert len(set(LISTED[theorem])) == len(LISTED[theorem]) >= 3
    assert set(LISTED[theorem]) <= set(MUTANTS)


def test_every_mutant_is_tried() -> None:
    assert {mutant for _, mutant in PAIRS} == set(MUTANTS)


@pytest.mark.parametrize("theorem", theorems.names())
def test_theorem_notices_a_change_of_each_function_that_it_is_about(theorem: str) -> None:
    """A measurement that had measured and predicted values from the same function would notice none in it."""
    text = (ROOT / f"companion/theorems/{theorem}.py").read_text("utf-8")
    called = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    changed = {MUTANTS[name].place[0] for name in LISTED[theorem]}
    for place, name in (about.rsplit(".", 1) for about in theorems.theorem(theorem).about):
        if name in called:
            home = getattr(import_module(place), name).__module__
            rests_on = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sources(home)}
            assert changed & rests_on, name


@pytest.mark.parametrize("theorem", theorems.names())
def test_mutants_are_no_part_of_what_a_theorem_rests_on(theorem: str) -> None:
    rests_on = {path.stem for path in sources(f"companion.theorems.{theorem}", "companion.verification.verify")}
    assert "theorem" in rests_on
    assert "mutation" not in rests_on


@pytest.mark.parametrize(("theorem", "mutant"), PAIRS, ids=map(": ".join, PAIRS))
def test_mutant_is_caught(theorem: str, mutant: str) -> None:
    assert catches(theorems.theorem(theorem), MUTANTS[mutant])


def test_example_notices_its_mutants() -> None:
    [example, *_] = re.findall(r"^```python\n(.*?)^```", CONTRIBUTING.read_text("utf-8"), re.M | re.S)
    module: dict[str, Any] = {"__name__": "companion.theorems.toy"}
    exec(example, module)
    listed = module["THEOREM"].mutants
    assert len(listed) >= 3
    assert [mutant for mutant in listed if not catches(module["THEOREM"], MUTANTS[mutant])] == []
