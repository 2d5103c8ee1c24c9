"""Work done by several processes, of which any may die."""

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
log = logging.getLogger(__name__)

# The processes share the cores, and the order of a sum must not depend on their number.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

Outcomes = Generator[tuple[Item, Result | BaseException], None, None]


def completed(work: Callable[[Item], Result], items: Sequence[Item], jobs: int) -> Outcomes[Item, Result]:
    """Each item with its result, or with the exception that `work` raised, in the order in which they finish.

    Where a worker dies, it is not known on which item: each that was being worked on, or about to be, is tried again,
    with a worker of its own. One that kills two of these has a BrokenProcessPool for its outcome; the others are not
    affected.
    """
    waiting = deque(items)
    while waiting:
        suspects = yield from _pooled(work, waiting, jobs)
        if suspects:
            log.warning("a worker died; again, each on its own: %s", ", ".join(map(str, suspects)))
        for suspect in suspects:
            for _ in range(2):
                if not (yield from _pooled(work, deque([suspect]), 1)):
                    break
            else:
                yield suspect, BrokenProcessPool("its worker died twice")


def _pooled(
    work: Callable[[Item], Result], waiting: deque[Item], jobs: int
) -> Generator[tuple[Item, Result | BaseException], None, list[Item]]:
    """The outcomes of items from the queue, until it is empty or a worker dies; those being worked on then."""
    running: dict[Future[Result], Item] = {}
    # not forked: a worker must load its libraries anew, to have them with one thread
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(waiting)), mp_context=context, initializer=_attach) as pool:
        while waiting or running:
            try:
                while waiting and len(running) < jobs:
                    running[pool.submit(work, waiting[0])] = waiting[0]
                    waiting.popleft()
            except BrokenProcessPool:
                return list(running.values())
            done = wait(running, return_when=FIRST_COMPLETED).done
            for future in done:
                error = future.exception()
                if not isinstance(error, BrokenProcessPool):
                    yield running.pop(future), error or future.result()
            if done & running.keys():
                return list(running.values())
    return []


def _attach() -> None:
    """Let this worker end with its parent, however that ends, and on an interrupt without a word."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)
