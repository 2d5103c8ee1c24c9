"""Run a module that ends when it is told to: ``python -m companion.running.run MODULE [ARGUMENTS]``.

Ctrl-C ends it without a traceback. And it ends with the engine that has started it, however that ended: nobody would
wait for what it computes. `ENGINE` tells which: the node and the process.
"""

import os
import runpy
import sys
import threading
import time
from platform import node

INTERRUPTED = 130  # as a shell has it


def watch(engine: str) -> None:
    """End this process once the engine has ended, if that is on this node."""
    place, _, process = engine.rpartition(":")
    while place == node():
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            os._exit(1)
        except PermissionError:
            return  # the number is another's by now
        time.sleep(1)


def main() -> None:
    del sys.argv[0]
    if engine := os.environ.get("ENGINE"):
        threading.Thread(target=watch, args=[engine], daemon=True).start()
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
