"""Records of benchmarks: what was run, on what machine, every repetition, and the ratios.

A record is a JSON file (`record.schema.json`) without times of day, names of hosts or paths.
"""

import os
import platform
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Contender, Outcome
from companion.running.files import write

FOLDER = Path(__file__).parent / "records"
SCHEMA = 1
LIBRARIES = ("numpy", "scipy", "cvxpy", "clarabel", "jax", "diffrax", "torch")
THREADS = "OMP_NUM_THREADS"  # set for all contenders alike

Json = dict[str, Any]


def machine() -> Json:
    """Of the machine, what the figures depend on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "blas": blas(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
        "threads": int(os.environ[THREADS]),
    }


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


def quartiles(values: Sequence[float]) -> Json:
    """Median and quartiles, in four digits."""
    low, middle, high = (digits(value) for value in np.percentile(values, (25, 50, 75)))
    return {"median": middle, "low": low, "high": high}


def ratio(seconds: Sequence[float], reference: Sequence[float]) -> Json:
    """Quartiles of the ratios of times, round by round for as many rounds as both have.

    Of a contender that took part in one round, the ratio to the reference's median.
    """
    if len(seconds) == 1:
        reference = [float(np.median(reference))]
    paired = min(len(seconds), len(reference))
    return quartiles([a / b for a, b in zip(seconds[:paired], reference[:paired], strict=True)])


def result(case: Mapping[str, Any], contender: Contender, outcome: Outcome, **more: Any) -> Json:
    """What a record holds of one contender in one case; `more` are measures such as error."""
    found: Json = {"case": dict(case), "contender": contender.name, "status": outcome.status}
    if outcome.reason:
        found["reason"] = outcome.reason
    if outcome.seconds:
        found |= {"seconds": [digits(value) for value in outcome.seconds], "first": digits(outcome.first)}
        found["quartiles"] = quartiles(outcome.seconds)
    if outcome.memory is not None:
        found["memory"] = outcome.memory
    if outcome.notes:
        found["notes"] = {name: digits(value) for name, value in outcome.notes.items()}
    return found | {name: digits(value) for name, value in more.items() if value is not None}


def with_ratios(results: Sequence[Json], reference: str) -> list[Json]:
    """Results of one case, each with the ratio of its time to that of the contender `reference`, if that is done."""
    times = {found["contender"]: found["seconds"] for found in results if "seconds" in found}
    if reference not in times:
        return list(results)
    return [
        found | {"ratio": ratio(found["seconds"], times[reference])} if "seconds" in found else found
        for found in results
    ]


def digits(value: Any) -> Any:
    """Numbers in four digits; everything else as it is."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def save(name: str, parameters: Mapping[str, Any], results: Sequence[Json], folder: Path = FOLDER) -> None:
    """Write a benchmark's record, at once."""
    record = {"schema": SCHEMA, "name": name, "machine": machine()}
    write(folder / f"{name}.json", record | {"parameters": dict(parameters), "results": list(results)})
