"""Verify one theorem: its derivation, its measurement on the ensemble, its falsifiers, its certificates.

The result is a record, a dictionary of plain values whose schema is `ledger.schema.json`. Nothing here knows of other
theorems; what follows from all records together is the ledger's.
"""

import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from companion.running import fingerprint
from companion.verification.theorem import BOUNDS, Falsifier, Theorem, compare

Record = dict[str, Any]

CASES = 100
FALSIFIER_CASES = 30
DIGITS = 40  # that a certificate must have
LARGEST = (-1e308, 1e308)


def verify(theorem: Theorem, cases: int = CASES, first_failure: bool = False) -> Record:
    """The record of one theorem. With `first_failure`, nothing is tried after the first case or part that fails."""
    began = time.perf_counter()
    record: Record = {
        "name": theorem.name,
        "kind": str(theorem.kind),
        "tolerance": theorem.tolerance,
        "limit": theorem.limit,
        "share": theorem.share,
        "uses": list(theorem.uses),
        "assumes": [vars(assumption) for assumption in theorem.assumes],
        "missing": theorem.missing(),
    }
    parts: dict[str, Callable[[], Any]] = {
        "measurement": lambda: _measurement(theorem, cases, first_failure),
        "derivation": lambda: _derivation(theorem),
        "falsifiers": lambda: [_falsified(theorem, falsifier, cases) for falsifier in theorem.falsifiers],
        "certificates": lambda: _certificates(theorem),
    }
    for part, run in parts.items():
        if first_failure and (failures(record) or record["missing"]):
            break
        try:
            record[part] = run()
        except Exception as error:
            record["missing"].append(f"the {part} raised {type(error).__name__}: {error}")
    record["fingerprint"] = rests_on(theorem.name)
    record["versions"] = versions()
    record["seconds"] = round(time.perf_counter() - began, 2)
    return record


def rests_on(name: str) -> str:
    """The hash of the code that the record of a theorem rests on."""
    return fingerprint.of_theorem(name)


def failures(record: Record) -> list[str]:
    """Which checks of a record failed, in words."""
    found = []
    if "derivation" in record:
        found += [f"derivation at depth {d['depth']}" for d in record["derivation"]["depths"] if not d["holds"]]
    if "measurement" in record and not record["measurement"]["passes"]:
        worst = record["measurement"]["worst"]
        found.append(f"measurement: {worst['discrepancy']:.3g} exceeds {record['limit']:.3g} in {worst['case']}")
    found += [f"passing falsifier: {f['change']}" for f in record.get("falsifiers", []) if not f["rejected"]]
    found += [
        f"certificate at depth {c['depth']}: {c['digits']:.1f} digits of {DIGITS}"
        for c in record.get("certificates", [])
        if not c["digits"] >= DIGITS
    ]
    return found


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    packages = ("numpy", "scipy", "sympy", "mpmath", "python-flint")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def _measurement(theorem: Theorem, cases: int, first_failure: bool) -> Record:
    drawn, measured, compared = [], [], []
    for index in range(cases):
        drawn.append(theorem.ensemble.case(index))
        measured.append(theorem.measure(drawn[-1]))
        compared.append(compare(theorem.kind, measured[-1]))
        if first_failure and theorem.share == 1 and not compared[-1].discrepancy <= theorem.limit:
            break
    discrepancies = np.array([comparison.discrepancy for comparison in compared])
    passing = discrepancies <= theorem.limit
    worst = int(np.argmax(discrepancies))
    return {
        "cases": len(drawn),
        "passing": int(passing.sum()),
        "passes": bool(passing.mean() >= theorem.share),
        "margin": _finite(theorem.limit / max(discrepancies[worst], 1e-300)),
        "worst": {
            "index": worst,
            "case": repr(drawn[worst]),
            **{key: _finite(value) for key, value in vars(compared[worst]).items()},
        },
        "discrepancies": [_finite(value) for value in discrepancies],
        "tightness": [_finite(one.tightness) for one in measured] if theorem.kind in BOUNDS else [],
        "depths": [case.depth for case in drawn],
    }


def _falsified(theorem: Theorem, falsifier: Falsifier, cases: int) -> Record:
    ensemble = falsifier.ensemble or theorem.ensemble
    drawn = [ensemble.case(index) for index in range(min(cases, FALSIFIER_CASES))]
    with np.errstate(all="ignore"):  # what is wrong may leave the domain: a NaN is rejected, and no warning is due
        discrepancies = np.array([compare(theorem.kind, falsifier.measure(case)).discrepancy for case in drawn])
    rejections = int(np.sum(~(discrepancies <= theorem.limit)))
    return {
        "breaks": falsifier.breaks,
        "change": falsifier.change,
        "cases": len(discrepancies),
        "rejections": rejections,
        "rejected": rejections >= falsifier.share * len(discrepancies) and rejections > 0,
        "discrepancies": [_finite(value) for value in discrepancies],
    }


def _derivation(theorem: Theorem) -> Record:
    derivations = {depth: theorem.derive(depth) for depth in theorem.depths}
    shown = derivations[theorem.depths[0]]
    return {
        "depths": [
            {"depth": str(depth), "residuals": len(derivation.residuals), "holds": derivation.holds}
            for depth, derivation in derivations.items()
        ],
        "shown": str(theorem.depths[0]),
        "steps": [{"name": step.name, "reason": step.reason, "equation": step.equation} for step in shown.steps],
    }


def _certificates(theorem: Theorem) -> list[Record]:
    if theorem.certify is None:
        return []
    return [
        {"depth": depth, **vars(certificate)}
        for depth in theorem.ensemble.depths
        for certificate in theorem.certify(depth)
    ]


def _finite(value: float) -> float | None:
    """Four digits are enough. JSON has neither infinity, for which the largest float stands, nor NaN."""
    return None if np.isnan(value) else float(f"{np.clip(value, *LARGEST):.4g}")
