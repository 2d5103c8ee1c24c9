"""Verify one theorem: its derivation, its measurement on the ensemble, its falsifiers, its certificates.

Nothing here knows of other theorems; what follows from all verifications together is the ledger's.
"""

import platform
import time
from collections.abc import Callable
from functools import cache
from importlib.metadata import version

import numpy as np

from companion.running import fingerprint
from companion.verification.ensemble import Case, Ensemble
from companion.verification.symbolic import Depth, Derivation
from companion.verification.theorem import BOUNDS, Falsifier, Theorem, compare
from companion.verification.verification import (
    Assumed,
    Certified,
    Derived,
    Falsified,
    Line,
    Measured,
    Reduced,
    Verification,
    Worst,
)

PARTS = ("measurement", "derivation", "falsifiers", "certificates")
CASES = 100
FALSIFIER_CASES = 30
LARGEST = (-1e308, 1e308)

Draw = Callable[[Ensemble, int], Case]
Part = Measured | Derived | tuple[Falsified, ...] | tuple[Certified, ...]


def verify(
    theorem: Theorem, cases: int = CASES, first_failure: bool = False, parts: tuple[str, ...] = PARTS
) -> Verification:
    """Check the `parts` of one theorem, in order. With `first_failure`, nothing is tried after a check that fails."""
    began = time.perf_counter()
    found = Verification(
        name=theorem.name,
        kind=theorem.kind,
        tolerance=theorem.tolerance,
        limit=theorem.limit,
        share=theorem.share,
        uses=theorem.uses,
        assumes=tuple(Assumed(**vars(assumption)) for assumption in theorem.assumes),
        missing=tuple(theorem.missing()),
        fingerprint=rests_on(theorem.name),
        versions=versions(),
        seconds=0.0,
    )
    drawn = cache(Ensemble.case)  # falsifiers share cases with the measurement, and what these have computed
    run: dict[str, Callable[[], Part]] = {
        "measurement": lambda: _measured(theorem, drawn, cases, first_failure),
        "derivation": lambda: _derived(theorem, first_failure),
        "falsifiers": lambda: _all_falsified(theorem, drawn, cases, first_failure),
        "certificates": lambda: _certified(theorem),
    }
    for part in parts:
        if first_failure and (found.failures or found.missing):
            break
        try:
            found = found.model_copy(update={part: run[part]()})
        except Exception as error:
            broken = f"the {part} raised {type(error).__name__}: {error}"
            found = found.model_copy(update={"missing": (*found.missing, broken)})
    return found.model_copy(update={"seconds": round(time.perf_counter() - began, 2)})


def rests_on(name: str) -> str:
    """The hash of the code that the verification of a theorem rests on."""
    return fingerprint.of_theorem(name)


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    packages = ("numpy", "scipy", "sympy", "mpmath", "python-flint")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def _measured(theorem: Theorem, case: Draw, cases: int, first_failure: bool) -> Measured:
    drawn, measured, compared, failing = [], [], [], 0
    for index in range(cases):
        drawn.append(case(theorem.ensemble, index))
        measured.append(theorem.measure(drawn[-1]))
        compared.append(compare(theorem.kind, measured[-1]))
        failing += not compared[-1].discrepancy <= theorem.limit
        if first_failure and (cases - failing) / cases < theorem.share:
            break
    discrepancies = np.array([comparison.discrepancy for comparison in compared])
    passing = discrepancies <= theorem.limit
    worst = int(np.argmax(discrepancies))
    return Measured(
        cases=len(drawn),
        passing=int(passing.sum()),
        passes=bool(passing.mean() >= theorem.share),
        margin=_rounded(theorem.limit / max(discrepancies[worst], 1e-300)),
        worst=Worst(
            index=worst,
            case=repr(drawn[worst]),
            discrepancy=_rounded(compared[worst].discrepancy),
            measured=_defined(compared[worst].measured),
            predicted=_defined(compared[worst].predicted),
        ),
        discrepancies=tuple(map(_rounded, discrepancies)),
        tightness=tuple(_defined(float(one.room.min())) for one in measured) if theorem.kind in BOUNDS else (),
        depths=tuple(case.depth for case in drawn),
    )


def _all_falsified(theorem: Theorem, case: Draw, cases: int, first_failure: bool) -> tuple[Falsified, ...]:
    found: list[Falsified] = []
    for falsifier in theorem.wrong:
        found.append(_falsified(theorem, falsifier, case, cases))
        if first_failure and not found[-1].rejected:
            break
    return tuple(found)


def _falsified(theorem: Theorem, falsifier: Falsifier, case: Draw, cases: int) -> Falsified:
    ensemble = falsifier.ensemble or theorem.ensemble
    drawn = [case(ensemble, index) for index in range(min(cases, FALSIFIER_CASES))]
    with np.errstate(all="ignore"):  # what is wrong may leave the domain, and no warning is due
        found = [compare(theorem.kind, falsifier.measure(one)) for one in drawn]
    discrepancies = np.array([one.discrepancy for one in found])
    rejections = sum(one.discrepancy > theorem.limit and (one.defined or falsifier.undefined) for one in found)
    return Falsified(
        breaks=falsifier.breaks,
        change=falsifier.change,
        cases=len(discrepancies),
        rejections=rejections,
        share=falsifier.share,
        rejected=rejections >= falsifier.share * len(discrepancies) and rejections > 0,
        discrepancies=tuple(map(_rounded, discrepancies)),
        lowered=falsifier.lowered,
    )


def _derived(theorem: Theorem, first_failure: bool) -> Derived:
    derivations: dict[Depth, Derivation] = {}
    for depth in theorem.depths:
        derivations[depth] = theorem.derive(depth)
        if first_failure and not derivations[depth].holds:
            break
    first = theorem.depths[0]
    # All of them: chapters show derivations at other depths.
    lines = {
        depth: tuple(Line(name=step.name, reason=step.reason, equation=step.equation) for step in derivation.steps)
        for depth, derivation in derivations.items()
    }
    return Derived(
        depths=tuple(
            Reduced(depth=str(depth), residuals=len(derivation.residuals), holds=derivation.holds)
            for depth, derivation in derivations.items()
        ),
        shown=str(first),
        steps=lines[first],
    )


def _certified(theorem: Theorem) -> tuple[Certified, ...]:
    if theorem.certify is None:
        return ()
    return tuple(
        Certified(depth=depth, **vars(certificate))
        for depth in theorem.ensemble.depths
        for certificate in theorem.certify(depth)
    )


def _rounded(value: float) -> float:
    """Four digits are enough. JSON has no infinity, for which the largest float stands."""
    return float(f"{np.clip(value, *LARGEST):.4g}")


def _defined(value: float) -> float | None:
    """JSON has no NaN either."""
    return None if np.isnan(value) else _rounded(value)
