"""The Python in the documents runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "book").glob("*.md"))]
FENCED = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SNIPPETS = {
    f"{path.name}-{number}": code
    for path in DOCUMENTS
    for number, code in enumerate(FENCED.findall(path.read_text("utf-8")), start=1)
    if "THEOREM = Theorem(" not in code  # tests/pipeline adds it to a book
}


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_runs(snippet: str, tmp_path: Path) -> None:
    program = [sys.executable, "-W", "error", "-c", SNIPPETS[snippet]]
    ended = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_no_python_hides_elsewhere() -> None:
    assert "README.md-1" in SNIPPETS
    for path in DOCUMENTS:
        rest = FENCED.sub("", path.read_text("utf-8"))
        assert not re.search(r"^\s*(import \w|from \w+ import|>>> )", rest, re.MULTILINE), path
