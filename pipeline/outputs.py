"""``python -m pipeline.outputs``: refresh the notebooks' committed outputs from ``_build/executed``.

The first figure of the front page is also the picture in the README.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.notebooks import Notebook, chapters, cleared, outputs, read, write, write_text

PICTURE = Path("book", "_static", "story.svg")


def main() -> None:
    for name, notebook in chapters().items():
        executed = read(Path("_build", "executed", f"{name}.ipynb"))
        if cleared(executed) != cleared(notebook):
            raise SystemExit(f"notebooks/{name}.ipynb was edited while it was executed: make outputs again")
        path = Path("notebooks", f"{name}.ipynb")
        print(f"{path}: {'refreshed' if write(path, executed) else 'unchanged'}")
        if name == "index":
            changed = write_text(PICTURE, first_figure(executed))
            print(f"{PICTURE}: {'refreshed' if changed else 'unchanged'}")


def first_figure(notebook: Notebook) -> str:
    """The first SVG among the outputs."""
    data = (
        output["data"]["image/svg+xml"] for output in outputs(notebook) if "image/svg+xml" in output.get("data", {})
    )
    return "".join(next(data))


if __name__ == "__main__":
    main()
