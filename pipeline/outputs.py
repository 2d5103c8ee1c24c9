"""``python -m pipeline.outputs``: refresh the notebooks' committed outputs from ``_build/executed``."""

from __future__ import annotations

from pathlib import Path

from pipeline.notebooks import chapters, cleared, read, write


def main() -> None:
    for name, notebook in chapters().items():
        executed = read(Path("_build", "executed", f"{name}.ipynb"))
        if cleared(executed) != cleared(notebook):
            raise SystemExit(f"notebooks/{name}.ipynb was edited while it was executed: make outputs again")
        path = Path("notebooks", f"{name}.ipynb")
        print(f"{path}: {'refreshed' if write(path, executed) else 'unchanged'}")


if __name__ == "__main__":
    main()
