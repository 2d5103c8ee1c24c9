"""How the report of a benchmark is made: its machine, its results, their ratios.

It holds no times of day, names of hosts or paths. `companion.running.report` is what it holds, as models.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Contender, Outcome
from companion.running.files import write
from companion.running.report import REPORT, Case, Done, Machine, Quartiles, Result, Undone
from companion.running.structured import Model, text

FOLDER = Path(__file__).parent / "reports"
LIBRARIES = ("numpy", "scipy", "cvxpy", "clarabel", "jax", "diffrax", "torch")
THREADS = "OMP_NUM_THREADS"  # set for all contenders alike


def machine() -> Machine:
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        blas=blas(),
        libraries={name: found for name in LIBRARIES if (found := _version(name))},
        threads=int(os.environ[THREADS]),
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.+)$", info.read_text(), re.MULTILINE) if info.exists() else []
    return " ".join(names[0].split()) if names else platform.processor() or platform.machine()


def _version(library: str) -> str | None:
    try:
        return version(library).split("+")[0]
    except PackageNotFoundError:
        return None


def blas() -> str:
    """NumPy's library of matrix products, and the processor whose kernels it chose; "unknown" if nothing can tell."""
    if find_spec("threadpoolctl") is None:
        return "unknown"
    from threadpoolctl import threadpool_info

    found = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return " ".join(str(found[0][key]) for key in ("internal_api", "version", "architecture")) if found else "unknown"


def quartiles(values: Sequence[float]) -> Quartiles:
    """Median and quartiles, in four digits."""
    low, middle, high = (digits(value) for value in np.percentile(values, (25, 50, 75)))
    return Quartiles(median=middle, low=low, high=high)


def ratio(seconds: Sequence[float], reference: Sequence[float]) -> Quartiles:
    """Quartiles of the ratios of times, round by round for as many rounds as both have.

    Of a contender that took part in one round, the ratio to the reference's median.
    """
    if len(seconds) == 1:
        reference = [float(np.median(reference))]
    paired = min(len(seconds), len(reference))
    return quartiles([a / b for a, b in zip(seconds[:paired], reference[:paired], strict=True)])


def result(case: Case, contender: Contender, outcome: Outcome, **measures: Any) -> Result[Case]:
    """What a report holds of one contender in one case; with `measures` such as error, if it is done."""
    notes = {name: digits(value) for name, value in outcome.notes.items()} or None
    tried = {"case": case, "contender": contender.name, "memory": outcome.memory, "notes": notes}
    if outcome.status != "done":
        return Undone[type(case)](status=outcome.status, reason=outcome.reason, **tried)
    return Done[type(case)](
        status="done",
        seconds=tuple(map(digits, outcome.seconds)),
        first=digits(outcome.first),
        quartiles=quartiles(outcome.seconds),
        **tried,
        **{name: digits(value) for name, value in measures.items()},
    )


def with_ratios(results: Sequence[Result[Case]], reference: str) -> list[Result[Case]]:
    """Results of one case, each with the ratio of its time to that of the contender `reference`, if that is done."""
    times = {found.contender: found.seconds for found in results if isinstance(found, Done)}
    if reference not in times:
        return list(results)
    return [
        found.model_copy(update={"ratio": ratio(found.seconds, times[reference])}) if isinstance(found, Done) else found
        for found in results
    ]


def digits(value: Any) -> Any:
    """Numbers in four digits; everything else as it is."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def save(name: str, parameters: Model, results: Iterable[Result[Case]], folder: Path = FOLDER) -> None:
    """Write a benchmark's report, at once."""
    made = {"schema": 1, "name": name, "machine": machine(), "parameters": parameters, "results": tuple(results)}
    write(folder / f"{name}.json", text(REPORT.validate_python(made)))
