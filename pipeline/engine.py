"""The engine of all that is computed: Snakemake, one run at a time in a folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from platform import node
from typing import NoReturn

from companion.running import environment

BUILD = Path("_build")
FLAGS = ["--nolock", "--rerun-incomplete", "--keep-going", "--show-failed-logs", "--cores", "all"]


def hold() -> None:
    """Keep others from building in this folder, until this process ends or what it becomes does."""
    BUILD.mkdir(exist_ok=True)
    # The system drops this lock with the process, however it ends; Snakemake's own would outlive a kill.
    lock = os.open(BUILD / "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit("another build is running in this folder") from None
    os.set_inheritable(lock, True)


def become(arguments: Sequence[str], quiet: Sequence[str], missed: Sequence[Path] = ()) -> NoReturn:
    """Go on as Snakemake, which is `quiet` about these things, and makes what is `missed` though nothing needs it."""
    # before other flags: an option that takes several values would take the targets as well
    several = ["--quiet", *quiet, *(["--forcerun", *map(str, missed)] if missed else [])]
    engine = f"{node()}:{os.getpid()}"  # the process stays the same
    environment.become("snakemake", *several, *FLAGS, *arguments, ENGINE=engine)
