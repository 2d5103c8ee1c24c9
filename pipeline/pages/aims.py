"""What the package aims at beside its peers, and whether the reports of the benchmarks show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from companion.running.report import (
    AnyReport,
    Descent,
    Done,
    Growth,
    Limits,
    Robustness,
    Trajectories,
    TrajectoriesCase,
    Undone,
)
from companion.telling.numbers import number
from pipeline.pages.comparisons import ACCURACIES, OURS_DUAL
from pipeline.pages.markdown import table
from pipeline.pages.timings import by_case, fastest, one, ratios, seconds

PRODUCTS = "its products alone"
GIBI = 2**30


@dataclass(frozen=True)
class Aim:
    """What is aimed at, what was measured, whether that reaches it; and what bounds it, where something is known to."""

    what: str
    wanted: str
    measured: str
    reached: bool
    bound: str = ""


def aims(reports: Iterable[AnyReport]) -> str:
    """A table of all aims on which there is a report."""
    rows = [
        [aim.what, aim.wanted, aim.measured, "reached" if aim.reached else f"not reached. {aim.bound}".strip()]
        for report in reports
        for aim in aims_of(report)
    ]
    return table(["what", "aim", "measured", ""], rows)


def aims_of(report: AnyReport) -> Iterator[Aim]:
    match report:
        case Limits():
            return limits(report)
        case Trajectories():
            return trajectories(report)
        case Descent():
            return descent(report)
        case Growth():
            return growth(report)
        case Robustness():
            return robustness(report)


def at_least(what: str, least: float, measured: float, bound: str = "") -> Aim:
    return Aim(what, f"at least {number(least)}", number(measured), measured >= least, bound)


def limits(report: Limits) -> Iterator[Aim]:
    (_, first), *others = by_case(report.results)
    for name, least in (("HiGHS basis pursuit", 1.0), ("CVXPY + Clarabel", 100.0)):
        found = [ratio for contender, ratio in ratios(first).items() if contender.startswith(name)]
        if found:
            yield at_least(f"{name} / limit, first case: time", least, min(found))
    wanted = report.parameters.tolerance
    for case, results in others:
        ours = one(results, "wnlib limit")
        what = f"limit at depth {case.depth}, ratio {case.ratio:g}: residual"
        if isinstance(ours, Undone):
            yield Aim(what, f"at most {number(wanted)}", ours.reason, False)
        else:
            reached = ours.residual is not None and ours.residual <= wanted
            yield Aim(what, f"at most {number(wanted)}", number(ours.residual), reached)


def trajectories(report: Trajectories) -> Iterator[Aim]:
    for accuracy in ACCURACIES:
        best = fastest(report.results, accuracy)
        times = {name: run.quartiles.median for name, run in best.items()}
        if OURS_DUAL in times and len(times) > 1:
            mine = times.pop(OURS_DUAL)
            peer = min(times, key=lambda name: times[name])
            what = f"best peer ({peer}) / integrate, error {number(accuracy)}: time"
            yield at_least(what, 10.0, times[peer] / mine, _bound(report, best[OURS_DUAL], times[peer]))


def _bound(report: Trajectories, ours: Done[TrajectoriesCase], peer: float) -> str:
    """What a peer's time is to that of the matrix products which `integrate` cannot do without."""
    same = (run for run in report.results if isinstance(run, Done) and run.case == ours.case)
    alone = [run.quartiles.median for run in same if run.contender == PRODUCTS]
    if not alone:
        return ""
    [products] = alone
    share = products / ours.quartiles.median
    return (
        f"The products of its evaluations alone take {number(100 * share)} % of its time: with nothing else the ratio"
        f" would be {number(peer / products)}. The rest is all else in these evaluations, Jacobians, steps and set-up."
    )


def descent(report: Descent) -> Iterator[Aim]:
    cases = [ratios(results) for _, results in by_case(report.results)]
    shares = [case["products alone"] for case in cases if "products alone" in case]
    yield at_least("share of descend inside its matrix products, least of all cases", 0.6, min(shares))
    jax = [case for case in cases if "jitted JAX" in case]
    if jax:
        worst = min(jax, key=lambda case: case["jitted JAX"])
        products = worst["products alone"] / worst["jitted JAX"]
        bound = (
            f"NumPy's products alone take {number(products)} times as long there as all that JAX does:"
            f" {report.machine.blas}"
        )
        wide = worst.get("wnlib descend, AVX-512")
        if wide is not None:
            bound += f"; with kernels for AVX-512 the ratio is {number(worst['jitted JAX'] / wide)}"
        yield at_least("jitted JAX / descend, least of all cases: time", 1.0, worst["jitted JAX"], f"{bound}.")


def growth(report: Growth) -> Iterator[Aim]:
    largest, results = max(by_case(report.results), key=lambda found: (found[0].n, found[0].m))
    ours = one(results, "wnlib limit")
    size = f"limit at N = {largest.n:,}, M = {largest.m:,}"
    if isinstance(ours, Undone):
        yield Aim(size, "at most 60 s and 2 GiB", ours.reason, False)
        return
    time = ours.quartiles.median
    yield Aim(f"{size}: time", "at most 60 s", seconds(time), time <= 60)
    if ours.memory is not None:
        memory = ours.memory / GIBI
        yield Aim(f"{size}: memory beyond the matrix", "at most 2 GiB", f"{number(memory)} GiB", memory <= 2)


def robustness(report: Robustness) -> Iterator[Aim]:
    failed = sum(len(result.failures) for result in report.results)
    wrong = sum(len(result.wrong) for result in report.results)
    instances = sum(result.instances for result in report.results)
    measured = f"{failed} without an answer, {wrong} wrong"
    yield Aim(f"{instances:,} random limits", "all answered, none wrong", measured, failed + wrong == 0)
