"""Reading and writing notebooks so that the same content is the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from companion.running import files

Notebook = dict[str, Any]


class NotebookError(ValueError):
    """A file is no notebook; the message names it and says why."""


def read(path: Path) -> Notebook:
    """The notebook of a file. Raises NotebookError where that holds none."""
    try:
        notebook: Notebook = nbformat.read(path, as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        raise NotebookError(f"{path} cannot be read as a notebook: {str(error).partition(chr(10))[0]}") from None
    return notebook


def chapters() -> dict[str, Notebook]:
    """The book's notebooks by name, in alphabetical order."""
    return {path.stem: read(path) for path in sorted(Path("notebooks").glob("*.ipynb"))}


def stable(notebook: Notebook) -> Notebook:
    """``notebook`` without what two runs of the same code differ in: times, versions, papermill's traces."""
    metadata = {key: value for key, value in notebook["metadata"].items() if key != "papermill"}
    metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    return {**notebook, "metadata": metadata, "cells": [_stable_cell(cell) for cell in notebook["cells"]]}


def _stable_cell(cell: Notebook) -> Notebook:
    kept = {key: value for key, value in cell["metadata"].items() if key not in ("execution", "papermill")}
    if kept.get("tags") == []:  # papermill gives every cell tags
        del kept["tags"]
    return {**cell, "metadata": kept}


def cleared(notebook: Notebook) -> Notebook:
    """``notebook`` as it is before any run."""
    cells = [
        {**cell, "outputs": [], "execution_count": None} if cell["cell_type"] == "code" else cell
        for cell in stable(notebook)["cells"]
    ]
    return {**stable(notebook), "cells": cells}


def text_of(notebook: Notebook) -> str:
    """The file's content: sorted keys, one line for each line of source."""
    text: str = nbformat.writes(nbformat.from_dict(notebook))
    return text + "\n"


def outputs(notebook: Notebook) -> Iterator[dict[str, Any]]:
    """The outputs of all cells, in order."""
    for cell in notebook["cells"]:
        yield from cell.get("outputs", [])


def write(path: Path, notebook: Notebook) -> bool:
    """Write ``notebook`` to ``path`` at once, only where that changes the file; whether it did."""
    return write_text(path, text_of(notebook))


def write_text(path: Path, text: str) -> bool:
    """Write ``text`` to ``path`` at once, only where that changes the file; whether it did."""
    if path.exists() and path.read_bytes() == text.encode():
        return False
    files.write(path, text)
    return True
