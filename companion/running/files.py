"""Files that appear whole or not at all."""

import os
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Write a file at once, by renaming a complete one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8", newline="\n")
    partial.replace(path)
