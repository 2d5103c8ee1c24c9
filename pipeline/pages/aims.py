"""What the package aims at beside its peers, and whether the records of the benchmarks show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from companion.telling.numbers import number
from pipeline.pages.comparisons import ACCURACIES, GIBI, OURS_DUAL, PRODUCTS, Json, by_case, fastest, one, seconds
from pipeline.pages.markdown import table


@dataclass(frozen=True)
class Aim:
    """What is aimed at, what was measured, whether that reaches it; and what bounds it, where something is known to."""

    what: str
    wanted: str
    measured: str
    reached: bool
    bound: str = ""


def aims(records: Mapping[str, Json]) -> str:
    """A table of all aims on which there is a record."""
    rows = [
        [aim.what, aim.wanted, aim.measured, "reached" if aim.reached else f"not reached. {aim.bound}".strip()]
        for name, found in AIMS.items()
        if name in records
        for aim in found(records[name])
    ]
    return table(["what", "aim", "measured", ""], rows)


def at_least(what: str, least: float, measured: float, bound: str = "") -> Aim:
    return Aim(what, f"at least {number(least)}", number(measured), measured >= least, bound)


def limits(record: Json) -> Iterator[Aim]:
    cases = list(by_case(record["results"]))
    first = [result for result in cases[0][1] if "ratio" in result]
    for name, least in (("HiGHS basis pursuit", 1.0), ("CVXPY + Clarabel", 100.0)):
        ratios = [result["ratio"]["median"] for result in first if result["contender"].startswith(name)]
        if ratios:
            yield at_least(f"{name} / limit, first case: time", least, min(ratios))
    wanted = record["parameters"]["tolerance"]
    for case, results in cases[1:]:
        ours = one(results, "wnlib limit")
        what = f"limit at depth {case['depth']}, ratio {case['ratio']:g}: residual"
        measured = number(ours["residual"]) if "residual" in ours else ours["reason"]
        yield Aim(what, f"at most {number(wanted)}", measured, ours.get("residual", 1.0) <= wanted)


def trajectories(record: Json) -> Iterator[Aim]:
    for accuracy in ACCURACIES:
        best = fastest(record["results"], accuracy)
        times = {name: run["quartiles"]["median"] for name, run in best.items()}
        if OURS_DUAL in times and len(times) > 1:
            mine = times.pop(OURS_DUAL)
            peer = min(times, key=lambda name: times[name])
            what = f"best peer ({peer}) / integrate, error {number(accuracy)}: time"
            yield at_least(what, 10.0, times[peer] / mine, _bound(record, best[OURS_DUAL], times[peer]))


def _bound(record: Json, ours: Json, peer: float) -> str:
    """What a peer's time is to that of the matrix products which `integrate` cannot do without."""
    same = (run for run in record["results"] if run["case"] == ours["case"] and run["status"] == "done")
    alone = [run for run in same if run["contender"] == PRODUCTS]
    if not alone:
        return ""
    products = alone[0]["quartiles"]["median"]
    share = products / ours["quartiles"]["median"]
    return (
        f"The products of its evaluations alone take {number(100 * share)} % of its time: with nothing else the ratio"
        f" would be {number(peer / products)}. The rest is all else in these evaluations, Jacobians, steps and set-up."
    )


def descent(record: Json) -> Iterator[Aim]:
    cases = [
        {result["contender"]: result["ratio"]["median"] for result in results if "ratio" in result}
        for _, results in by_case(record["results"])
    ]
    shares = [case["products alone"] for case in cases if "products alone" in case]
    yield at_least("share of descend inside its matrix products, least of all cases", 0.6, min(shares))
    jax = [case for case in cases if "jitted JAX" in case]
    if jax:
        worst = min(jax, key=lambda case: case["jitted JAX"])
        products = worst["products alone"] / worst["jitted JAX"]
        bound = (
            f"NumPy's products alone take {number(products)} times as long there as all that JAX does:"
            f" {record['machine']['blas']}"
        )
        wide = worst.get("wnlib descend, AVX-512")
        if wide is not None:
            bound += f"; with kernels for AVX-512 the ratio is {number(worst['jitted JAX'] / wide)}"
        yield at_least("jitted JAX / descend, least of all cases: time", 1.0, worst["jitted JAX"], f"{bound}.")


def growth(record: Json) -> Iterator[Aim]:
    largest = max((result["case"] for result in record["results"]), key=lambda case: (case["n"], case["m"]))
    ours = one([result for result in record["results"] if result["case"] == largest], "wnlib limit")
    size = f"limit at N = {largest['n']:,}, M = {largest['m']:,}"
    if ours["status"] != "done":
        yield Aim(size, "at most 60 s and 2 GiB", ours["reason"], False)
        return
    time = ours["quartiles"]["median"]
    yield Aim(f"{size}: time", "at most 60 s", seconds(time), time <= 60)
    if "memory" in ours:
        memory = ours["memory"] / GIBI
        yield Aim(f"{size}: memory beyond the matrix", "at most 2 GiB", f"{number(memory)} GiB", memory <= 2)


def robustness(record: Json) -> Iterator[Aim]:
    failed, wrong = (sum(len(result[key]) for result in record["results"]) for key in ("failures", "wrong"))
    instances = sum(result["instances"] for result in record["results"])
    measured = f"{failed} without an answer, {wrong} wrong"
    yield Aim(f"{instances:,} random limits", "all answered, none wrong", measured, failed + wrong == 0)


AIMS: Mapping[str, Callable[[Json], Iterator[Aim]]] = {
    "limits": limits,
    "trajectories": trajectories,
    "descent": descent,
    "growth": growth,
    "robustness": robustness,
}
