"""``python -m benchmarks [NAME...]``: run benchmarks, by default all, and write their reports."""

import argparse
import os
import sys
from importlib import import_module

from companion.running.environment import THREADS
from companion.running.report import NAMES

VARIABLES = (*THREADS, "RAYON_NUM_THREADS")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--threads", type=int, default=2, help="of every contender (default: %(default)s)")
    options = parser.parse_args()
    names = options.names or NAMES
    if unknown := [name for name in names if name not in NAMES]:
        parser.error(f"there is no benchmark {unknown[0]!r}: they are {', '.join(NAMES)}")
    # Libraries read these once, when they are loaded: the contenders' processes inherit them.
    os.environ.update(dict.fromkeys(VARIABLES, str(options.threads)))
    if hasattr(os, "sched_setaffinity"):  # those that read no variable count the processors that they may use
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    for name in names:
        print(f"{name}: running", flush=True)
        import_module(f"benchmarks.{name}").main()
        print(f"{name}: benchmarks/reports/{name}.json", flush=True)


if __name__ == "__main__":
    sys.exit(main())
