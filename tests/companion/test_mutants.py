"""Every theorem notices mutants of the implementation that it rests on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from mutation import ROOT, Mutant, mutants

from companion import theorems
from pipeline.environment import ENVIRONMENT

MUTANTS = mutants()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.theorem}-{mutant.file}-{mutant.kind}")
def test_mutant_is_one_change_of_the_code(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    assert mutant.new != mutant.old
    assert not mutant.file.startswith("companion/theorems/")


def test_every_theorem_has_three_mutants() -> None:
    counts = Counter(mutant.theorem for mutant in MUTANTS)
    assert set(counts) == set(theorems.names())
    assert min(counts.values()) >= 3


@pytest.mark.parametrize("theorem", theorems.names())
def test_mutants_are_caught(theorem: str) -> None:
    command = [sys.executable, str(Path(__file__).with_name("mutation.py")), theorem]
    environment = {**os.environ, **ENVIRONMENT}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    caught = json.loads(result.stdout)
    survivors = [m for m, why in zip([m for m in MUTANTS if m.theorem == theorem], caught, strict=True) if not why]
    assert survivors == []
