"""The schemas of structured files, from the models that read and write them: ``python -m pipeline.schemas``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from companion.running.report import REPORT
from companion.running.structured import schema
from companion.verification.verification import LEDGER
from pipeline.notebooks import write_text

SCHEMAS: Mapping[Path, TypeAdapter[Any]] = {
    Path("companion", "ledger.schema.json"): LEDGER,
    Path("benchmarks", "report.schema.json"): REPORT,
}


def main() -> None:
    for path, kind in SCHEMAS.items():
        print(f"{path}: {'refreshed' if write_text(path, schema(kind)) else 'unchanged'}")


if __name__ == "__main__":
    main()
