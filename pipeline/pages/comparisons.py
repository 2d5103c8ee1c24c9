"""The sections of the page of benchmarks: each makes text, tables and figures of one record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from companion.plots import benchmarks as plots
from companion.telling.numbers import number
from pipeline.pages.markdown import directive, listed, table

ACCURACIES = (1e-4, 1e-6, 1e-8)  # at which trajectories are compared
OURS_DUAL, PRODUCTS = "wnlib, dual", "its products alone"
MEBI, GIBI = 2**20, 2**30
STATUS = {"absent": "not installed", "unable": "cannot", "failed": "failed"}

Json = dict[str, Any]
Figures = dict[str, Figure]


def seconds(value: float) -> str:
    """In seconds or milliseconds, two digits."""
    return f"{number(value)} s" if value >= 0.1 else f"{number(1e3 * value)} ms"


def time_of(result: Json, cap: float, parts: int = 1) -> str:
    """The median time of one of `parts`, with the quartiles if there are repetitions; or why there is none."""
    if result["status"] == "done":
        low, middle, high = (seconds(result["quartiles"][key] / parts) for key in ("low", "median", "high"))
        return f"{middle} ({low} to {high})" if len(result["seconds"]) > 1 else middle
    return f"> {cap:g} s" if result["status"] == "capped" else STATUS[result["status"]]


def ratio_of(result: Json) -> str:
    return number(result["ratio"]["median"]) if "ratio" in result else ""


def measure(result: Json, name: str) -> str:
    return number(result[name]) if name in result else ""


def by_case(results: Iterable[Json]) -> Iterator[tuple[Json, list[Json]]]:
    """Results that share a case, in their order."""
    found: list[tuple[Json, list[Json]]] = []
    for result in results:
        if not found or found[-1][0] != result["case"]:
            found.append((result["case"], []))
        found[-1][1].append(result)
    yield from found


def one(results: Iterable[Json], contender: str) -> Json:
    """The result of this contender."""
    return next(result for result in results if result["contender"] == contender)


def dots(results: Iterable[Json], reference: str) -> list[plots.Ratio]:
    """Rows of a dot plot: those that have a ratio to the contender `reference`, without its own."""
    return [
        plots.Ratio(result["contender"], **result["ratio"], open_ended=result.get("arrived") is False)
        for result in results
        if "ratio" in result and result["contender"] != reference
    ]


def figure(name: str, caption: str, alt: str) -> str:
    """A figure as in the chapters: numbered, on a white card in the dark, scaled on a phone."""
    shown = directive("figure", f"{name}.svg", caption, f"alt: {alt}", f"name: benchmarks-{name}")
    return directive("container", "cell_output", shown)


def all_times(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, folded."""
    return directive("dropdown", "All times", table(head, rows))


def limits(record: Json, figures: Figures) -> list[str]:
    parameters, size = record["parameters"], record["parameters"]["size"]
    cases = {f"$L = {case['depth']}$, $c = {case['ratio']:g}$": found for case, found in by_case(record["results"])}
    panels = {title: dots(results, "wnlib limit") for title, results in cases.items()}
    figures["limits"] = plots.ratios(panels, "time / time of wnlib's limit")
    rows = [
        [
            title,
            result["contender"],
            time_of(result, parameters["cap"]),
            ratio_of(result),
            measure(result, "error"),
            measure(result, "residual"),
        ]
        for title, results in cases.items()
        for result in results
    ]
    text = f"""\
Where weight normalization ends, each from the same arrays A and y: `limit`, all that it sets up included; the
potential's convex program by CVXPY and Clarabel, at two tolerances; and descent until it is there, in NumPy (`descend`,
polar) and in PyTorch with its own `weight_norm`, at the step that did best in short trials. `limit` was asked for a
relative residual of {number(parameters["tolerance"])}. Basis pursuit is another program with another solution: its time
shows what a linear program of this size costs. Above depth 2 the potential is an incomplete gamma function, which has
no conic form."""
    caption = f"""\
How many times as long as `limit` others take on one instance, M = {size["m"]}, N = {size["n"]}, {size["sparsity"]}
nonzero weights, from a uniform start of norm {parameters["scale"]:g}: medians and quartiles. An open arrow is a descent
that had not come within {number(parameters["near"])} of the limit after {parameters["budget"]:g} s; its ratio is larger
than that."""
    return [
        "## Limits",
        text,
        figure("limits", caption, "Dots of time ratios for each contender, in a panel for each depth and ratio."),
        all_times(["case", "contender", "time", "ratio", "distance to the limit", "relative residual"], rows),
    ]


def fastest(results: Iterable[Json], accuracy: float) -> dict[str, Json]:
    """Of each solver, its fastest run that is at least so accurate."""
    found: dict[str, Json] = {}
    for result in results:
        if result["status"] == "done" and result.get("error", np.inf) <= accuracy:
            name = result["contender"]
            if name not in found or result["quartiles"]["median"] < found[name]["quartiles"]["median"]:
                found[name] = result
    return found


def trajectories(record: Json, figures: Figures) -> list[str]:
    parameters, results = record["parameters"], record["results"]
    lines: dict[str, list[list[float]]] = {}
    for result in results:
        if "error" in result:
            lines.setdefault(result["contender"], []).append([result["error"], result["quartiles"]["median"]])
    figures["trajectories"] = plots.work_precision({name: np.array(points).T for name, points in lines.items()})
    panels = {}
    for accuracy in ACCURACIES:
        best = fastest(results, accuracy)
        if OURS_DUAL in best:
            unit = best.pop(OURS_DUAL)["quartiles"]["median"]
            spreads = {
                name: {key: value / unit for key, value in run["quartiles"].items()} for name, run in best.items()
            }
            panels[f"error at most {number(accuracy)}"] = [
                plots.Ratio(name, **spread) for name, spread in spreads.items()
            ]
    if panels:
        figures["accuracies"] = plots.ratios(panels, "time / time of wnlib's integrate")
    capped = dict.fromkeys(result["contender"] for result in results if result["status"] == "capped")
    never = [name for name in capped if name not in lines]
    rows = [
        [
            result["contender"],
            number(result["case"]["tolerance"]),
            time_of(result, parameters["cap"]),
            measure(result, "error"),
            seconds(result["notes"]["compile"]) if "notes" in result else "",
        ]
        for result in sorted(results, key=lambda result: str(result["contender"]))
    ]
    text = f"""\
The flow of the first case above, to t = {parameters["t_end"]:g}: `integrate` in dual coordinates, all that it sets up
included; the matrix products that its evaluations of the field are made of, alone; and general solvers on the polar
flow (r, u), the implicit ones with its Jacobian. The error is the largest
along the path, against DOP853 at tolerance {number(parameters["reference"])}. The compilation of JAX is not in the
times. A solver that took more than {parameters["cap"]:g} s was not tried at tighter
tolerances{f": {listed(never)} took longer at every one" if never else ""}."""
    return [
        "## Trajectories",
        text,
        figure(
            "trajectories",
            "Time against error, over the solvers' tolerances: lower is faster, further right more accurate.",
            "A line for each solver in the plane of error and time.",
        ),
        *equal_accuracy(bool(panels)),
        all_times(["solver", "tolerance", "time", "error", "compilation"], rows),
    ]


def equal_accuracy(shown: bool) -> Iterator[str]:
    if shown:
        yield figure(
            "accuracies",
            "Times at equal accuracy, as ratios to that of `integrate`: of each solver, its fastest run that is at"
            " least so accurate. Medians and quartiles.",
            "Dots of time ratios for each solver, in a panel for each accuracy.",
        )


def descent(record: Json, figures: Figures) -> list[str]:
    parameters, size = record["parameters"], record["parameters"]["size"]
    cases = {f"$L = {case['depth']}$, {case['method']}": found for case, found in by_case(record["results"])}
    panels = {title: dots(results, "wnlib descend") for title, results in cases.items()}
    figures["descent"] = plots.ratios(panels, "time / time of wnlib's descend")
    rows = [
        [
            title,
            result["contender"],
            time_of(result, parameters["cap"], parameters["steps"]),
            ratio_of(result),
            measure(result, "error"),
        ]
        for title, results in cases.items()
        for result in results
    ]
    wide = ""
    if any("AVX-512" in result["contender"] for result in record["results"]):
        wide = """
NumPy's library of products does not know this processor and leaves its wider registers unused: where a name says
AVX-512, it was told to use them (`OPENBLAS_CORETYPE=SkylakeX`)."""
    text = f"""\
{parameters["runs"]} runs side by side, M = {size["m"]}, N = {size["n"]}: `descend`; the same loop in PyTorch, and in
JAX, compiled whole; and the two matrix products of every step alone. Their ratio is the share of its time that
`descend` spends in them. All loops end at the same weights.{wide}"""
    return [
        "## Descent",
        text,
        figure(
            "descent",
            "Times as ratios to that of `descend`: medians and quartiles. Left of the line is faster.",
            "Dots of time ratios for each contender, in a panel for each depth and method.",
        ),
        all_times(["case", "contender", "time of a step", "ratio", "distance to descend"], rows),
    ]


def growth(record: Json, figures: Figures) -> list[str]:
    parameters, results = record["parameters"], record["results"]
    first: dict[int, int] = {}  # of each N, the M through which lines are drawn
    points: dict[tuple[str, bool], list[list[float]]] = {}
    for result in results:
        n, m = result["case"]["n"], result["case"]["m"]
        on_line = first.setdefault(n, m) == m
        if result["status"] == "done":
            found = points.setdefault((result["contender"], on_line), [])
            memory = max(result.get("memory", np.nan) / MEBI, 0.1)
            found.append([n, result["quartiles"]["median"], memory])
    lines, beside = (
        {name: np.array(found).T for (name, on), found in points.items() if on is line} for line in (True, False)
    )
    figures["growth"] = plots.growth(lines, beside)
    rows = [
        [
            f"{result['case']['n']:,}",
            f"{result['case']['m']:,}",
            result["contender"],
            time_of(result, parameters["cap"]),
            f"{number(result['memory'] / MEBI)} MiB" if "memory" in result else "",
        ]
        for result in results
    ]
    text = f"""\
Each in a process of its own that holds the problem and its answer; memory is what the run needs beyond that. A
contender that took more than {parameters["cap"]:g} s was not tried on larger problems."""
    caption = f"""\
Time and memory against N: limits to {number(parameters["tolerance"])}, trajectories to t = {parameters["t_end"]:g} at
tolerance {number(parameters["rtol"])}, depth {parameters["depth"]}, ratio {parameters["ratio"]:g}. The
table has M; where there are several of one N, lines go through the smallest, and the others are hollow."""
    alt = "Two panels with a line for each contender: seconds, and memory, against the number of weights."
    return [
        "## Growth",
        text,
        figure("growth", caption, alt),
        all_times(["N", "M", "contender", "time", "memory"], rows),
    ]


def robustness(record: Json, figures: Figures) -> list[str]:
    parameters, results = record["parameters"], record["results"]
    figures["robustness"] = plots.distribution({r["case"]["depth"]: np.array(r["seconds"]) for r in results})
    ensemble = parameters["ensemble"]
    instances, collapses, followed = (sum(r[key] for r in results) for key in ("instances", "collapses", "followed"))
    failures, wrong = ([text for r in results for text in r[key]] for key in ("failures", "wrong"))
    every = float(np.median(np.concatenate([r["seconds"] for r in results])))
    ratios, scales, columns = ("{:g} to {:g}".format(*ensemble[name]) for name in ("ratios", "scales", "columns"))
    text = f"""\
{instances:,} random instances of depths 1 to 6, with ratios {ratios}, scales {scales} and {columns} columns, of the
kinds {listed(ensemble["matrices"])}: {len(failures)} without an answer, {len(wrong)} with a wrong one. The median time
is {seconds(every)}. An answer is wrong if it breaks the conditions that characterise a limit, evaluated apart from the
package, to a residual of {number(parameters["tolerance"])} and a stationarity of {number(parameters["stationary"])}; or
if the flow, followed to its end, arrives elsewhere. That was tried in {parameters["tried"]} instances, among them the
{collapses} that collapse, and {followed} could be followed so far."""
    rows = [
        [
            str(r["case"]["depth"]),
            *(str(r[key]) for key in ("instances", "collapses", "followed")),
            *(str(len(r[key])) for key in ("failures", "wrong")),
            seconds(r["quartiles"]["median"]),
            seconds(max(r["seconds"])),
        ]
        for r in results
    ]
    listing = ["\n".join(f"- {defect}" for defect in (*failures, *wrong))] if failures or wrong else []
    head = ["depth", "instances", "collapses", "followed", "failures", "wrong", "median", "longest"]
    caption = "How many of the instances took at most so long, by depth."
    return [
        "## Robustness",
        text,
        *listing,
        figure("robustness", caption, "A rising step line for each depth."),
        table(head, rows),
    ]


SECTIONS: Mapping[str, Callable[[Json, Figures], list[str]]] = {
    "limits": limits,
    "trajectories": trajectories,
    "descent": descent,
    "growth": growth,
    "robustness": robustness,
}
