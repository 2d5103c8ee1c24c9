"""What a chapter rests on: a hash that changes if and only if it must be executed again."""

from __future__ import annotations

import json
from pathlib import Path

from companion.running import fingerprint


def of_chapter(path: Path) -> str:
    """Of a notebook: the code of all that its cells import, and the stored tables of the experiments among it."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    modules = sorted(set[str]().union(*map(fingerprint.imported, code)))
    tables = ((table.name, table.read_text(encoding="utf-8")) for table in fingerprint.tables(*modules))
    return fingerprint.digest([("code", fingerprint.fingerprint(*modules)), *tables])
