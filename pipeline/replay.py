"""Let nbval read what the pipeline has executed: ``pytest -p pipeline.replay --nbval notebooks``.

nbval runs a notebook and compares each output with the committed one. The book has run the same notebooks: their
outputs in ``_build/executed`` take the place of a second run, and nbval compares them as it would its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import nbval.plugin

from pipeline.notebooks import read

EXECUTED = Path("_build", "executed").resolve()
Message = dict[str, Any]


class ExecutedKernel:
    """Answers like a kernel that runs the cells of a notebook one after the other."""

    def __init__(self, path: Path) -> None:
        self.path, self.cells = path, iter([c for c in read(path)["cells"] if c["cell_type"] == "code"])
        self.messages: Iterator[Message] = iter(())

    def execute_cell_input(self, source: str, allow_stdin: bool | None = None) -> str:
        cell = next(self.cells, None)
        if cell is None or cell["source"] != source or cell["execution_count"] is None:
            raise RuntimeError(f"{self.path} is not this notebook, executed: make book executes it")
        said = [(output["output_type"], output) for output in cell["outputs"]]
        said.append(("status", {"execution_state": "idle"}))
        name = str(cell["execution_count"])
        header = {"msg_id": name}
        self.messages = iter([{"msg_type": kind, "content": what, "parent_header": header} for kind, what in said])
        return name

    def get_message(self, stream: str, timeout: float | None = None) -> Message:
        message = next(self.messages, None)
        if message is None:
            raise Empty
        return message

    def await_reply(self, name: str, timeout: float | None = None) -> None:
        """The cell has been executed."""

    await_idle = await_reply

    def is_alive(self) -> bool:
        return True

    def stop(self) -> None:
        """There is no process to end."""


def _setup(notebook: nbval.plugin.IPyNbFile) -> None:
    notebook.kernel = ExecutedKernel(EXECUTED / notebook.path.name)
    notebook.setup_sanitize_files()


nbval.plugin.IPyNbFile.setup = _setup
