"""Compute a sweep by the pipeline's engine: ``python -m pipeline.sweep SPECIFICATION [SNAKEMAKE ARGUMENTS]``.

For a cluster; on one machine ``python -m companion.sweep SPECIFICATION`` does the same, with less ado for each task.
Both write to the same folder, and each goes on where the other stopped.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from companion.sweep.results import OUT, Results
from pipeline.environment import ENVIRONMENT

SNAKEFILE = Path(__file__).with_suffix(".smk")


def main(specification: str, *arguments: str) -> None:
    try:
        Results.of(Path(specification), OUT)
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from None
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(SNAKEFILE), "--nolock", "--rerun-incomplete"]
    # The folder's name says what its files rest on; their times say nothing more.
    command += ["--rerun-triggers", "input", "--keep-going", "--quiet", "host", "reason", "progress"]
    command += ["--cores", "all", "--config", f"specification={specification}"]
    os.execve(sys.executable, [*command, *arguments], {**os.environ, **ENVIRONMENT})


if __name__ == "__main__":
    main(*sys.argv[1:])
