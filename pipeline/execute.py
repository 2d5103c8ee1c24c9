"""Execute one prepared notebook: ``python -m pipeline.execute NAME``.

The result appears whole or not at all. If a cell fails, ``_build/failed`` keeps the notebook up to there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from pipeline.notebooks import read, stable, write

BUILD = Path("_build")


def run(name: str, running: Path) -> None:
    with TemporaryDirectory() as sockets:
        papermill.execute_notebook(
            BUILD / "prepared" / f"{name}.ipynb",
            running,
            cwd="notebooks",
            kernel_name="python3",
            progress_bar=False,
            # kernels that start at the same time compete for TCP ports
            config=Config(KernelManager={"transport": "ipc", "ip": f"{sockets}/kernel"}),
            shutdown_kernel="immediate",  # one that is asked to end tells of what it was at, after ctrl-C too
            coalesce_streams=True,  # how a stream is cut into messages depends on timing
        )


def execute(name: str) -> None:
    running, failed = BUILD / "running" / f"{name}.ipynb", BUILD / "failed" / f"{name}.ipynb"
    running.parent.mkdir(parents=True, exist_ok=True)
    failed.unlink(missing_ok=True)
    try:
        run(name, running)
    except PapermillExecutionError as error:
        cell, what = error.cell_index, "\n".join(error.traceback)
    except DeadKernelError:
        started = [cell["metadata"]["papermill"]["start_time"] is not None for cell in read(running)["cells"]]
        cell, what = sum(started) - 1, "the kernel died; it may have run out of memory"
    else:
        write(BUILD / "executed" / f"{name}.ipynb", stable(read(running)))
        running.unlink()
        return
    failed.parent.mkdir(exist_ok=True)
    running.replace(failed)
    raise SystemExit(f"notebooks/{name}.ipynb: cell {cell + 1} failed\n{what}\nUp to there it is in {failed}")


if __name__ == "__main__":
    execute(sys.argv[1])
