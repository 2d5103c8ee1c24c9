"""A line on stderr for what takes long."""

import sys
from collections.abc import Callable, Iterator
from time import monotonic

PATIENCE = 2.0  # seconds before the first line
PAUSE = 0.5  # seconds between one and the next


def shown(steps: range, wanted: bool, note: Callable[[], str]) -> Iterator[int]:
    """The `steps`, and, if that is `wanted`, how many are done with a `note`: one line, written over until the end."""
    if not wanted:
        yield from steps
        return
    due = monotonic() + PATIENCE
    width = 0
    try:
        for k in steps:
            if monotonic() >= due:
                line = f"step {k} of {steps.stop - 1}, {note()}"
                print(f"\r{line:{width}}", end="", file=sys.stderr, flush=True)
                width, due = len(line), monotonic() + PAUSE
            yield k
    finally:
        if width:
            print(file=sys.stderr, flush=True)
