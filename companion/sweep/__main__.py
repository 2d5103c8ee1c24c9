"""Compute a sweep, or go on with it: ``python -m companion.sweep sweeps/window.toml --jobs 2``."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from companion.sweep.cells import Task, tasks
from companion.sweep.parallel import THREADS, completed
from companion.sweep.results import OUT, Results, ResultsError
from wnlib import _checks as check


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m companion.sweep", description="Compute a sweep. What is there already is not computed again."
    )
    parser.add_argument("specification", type=Path, help="TOML file; see companion/sweep/specification.py")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of all results (default: %(default)s)")
    parser.add_argument("--tasks", nargs="+", help="compute these tasks only, without gathering")
    parser.add_argument("--gather", action="store_true", help="only gather what is computed")
    options = parser.parse_args(given)
    check.integer("--jobs", options.jobs, least=1)
    return options


def wanted(results: Results, names: Sequence[str] | None) -> list[Task]:
    """The tasks to compute: those of the given names, or those that are missing."""
    if names is None:
        return results.missing()
    known = {str(task): task for task in tasks(results.sweep)}
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"--tasks must name tasks of the sweep, such as {next(iter(known))}, got {unknown[0]}")
    return [known[name] for name in names]


def compute(results: Results, names: Sequence[str] | None, jobs: int) -> int:
    """Compute tasks, with a line on each; how many could not be computed."""
    todo, lost, began = wanted(results, names), 0, time.monotonic()
    if todo:
        print(f"{results.folder}: {len(todo)} of {len(tasks(results.sweep))} tasks to compute", file=sys.stderr)
    for done, (task, outcome) in enumerate(completed(results.compute, todo, jobs), start=1):
        left = (time.monotonic() - began) / done * (len(todo) - done)
        if isinstance(outcome, BaseException):
            lost += 1
            what = f"NOT COMPUTED, {type(outcome).__name__}: {outcome}"
        else:
            what = counted(outcome)
        print(f"[{done}/{len(todo)}] {task}: {what}; about {left:.0f} s left", file=sys.stderr, flush=True)
    return lost


def counted(statuses: Sequence[str]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(Counter(statuses).items(), reverse=True))


def main(given: Sequence[str] | None = None) -> int:
    try:
        options = arguments(given)
        results = Results.of(options.specification, options.out)
        os.environ.update(dict.fromkeys(THREADS, "1"))
        if not options.gather and compute(results, options.tasks, options.jobs):
            print("Some tasks were not computed; the same command tries them again.", file=sys.stderr)
            return 1
        if options.tasks is None:
            statuses = [cell.status for cell in results.gather()]
            print(f"{results.cells}: {counted(statuses)}")
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on from here.", file=sys.stderr)
        return 130
    except (ResultsError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
