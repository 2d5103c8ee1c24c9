"""The sections of the page of benchmarks: each makes text, tables and figures of one report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure

from companion.plots import benchmarks as plots
from companion.running.record import mark
from companion.running.report import AnyReport, Descent, Done, Growth, Limits, Robustness, Trajectories
from companion.telling.numbers import number
from pipeline.pages.markdown import directive, listed, table
from pipeline.pages.timings import by_case, dots, fastest, measure, ratio_of, seconds, time_of

ACCURACIES = (1e-4, 1e-6, 1e-8)  # at which trajectories are compared
OURS_DUAL = "wnlib, dual"
MEBI = 2**20
STORED = mark("make bench")

Figures = dict[str, Figure]


def figure(name: str, caption: str, alt: str) -> str:
    """A figure as in the chapters: numbered, on a white card in the dark, scaled on a phone."""
    shown = directive("figure", f"{name}.svg", f"{caption} {STORED}", f"alt: {alt}", f"name: benchmarks-{name}")
    return directive("container", "cell_output", shown)


def marked(table: str) -> str:
    """A table, and below it the mark of what is stored."""
    return f"{table}\n\n{STORED}"


def all_times(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, folded."""
    return directive("dropdown", "All times", marked(table(head, rows)))


def limits(report: Limits, figures: Figures) -> list[str]:
    parameters, size = report.parameters, report.parameters.size
    cases = {f"$L = {case.depth}$, $c = {case.ratio:g}$": found for case, found in by_case(report.results)}
    panels = {title: list(dots(results, "wnlib limit")) for title, results in cases.items()}
    figures["limits"] = plots.ratios(panels, "time / time of wnlib's limit")
    rows = [
        [
            title,
            result.contender,
            time_of(result, parameters.cap),
            ratio_of(result),
            measure(result, lambda done: done.error),
            measure(result, lambda done: done.residual),
        ]
        for title, results in cases.items()
        for result in results
    ]
    text = f"""\
Where weight normalization ends, each from the same arrays A and y: `limit`, all that it sets up included; the
potential's convex program by CVXPY and Clarabel, at two tolerances; and descent until it is there, in NumPy (`descend`,
polar) and in PyTorch with its own `weight_norm`, at the step that did best in short trials. `limit` was asked for a
relative residual of {number(parameters.tolerance)}. Basis pursuit is another program with another solution: its time
shows what a linear program of this size costs. Above depth 2 the potential is an incomplete gamma function, which has
no conic form."""
    caption = f"""\
How many times as long as `limit` others take on one instance, M = {size.m}, N = {size.n}, {size.sparsity}
nonzero weights, from a uniform start of norm {parameters.scale:g}: medians and quartiles. An open arrow is a descent
that had not come within {number(parameters.near)} of the limit after {parameters.budget:g} s; its ratio is larger
than that."""
    return [
        "## Limits",
        text,
        figure("limits", caption, "Dots of time ratios for each contender, in a panel for each depth and ratio."),
        all_times(["case", "contender", "time", "ratio", "distance to the limit", "relative residual"], rows),
    ]


def trajectories(report: Trajectories, figures: Figures) -> list[str]:
    parameters, results = report.parameters, report.results
    lines: dict[str, list[list[float]]] = {}
    for result in results:
        if isinstance(result, Done) and result.error is not None:
            lines.setdefault(result.contender, []).append([result.error, result.quartiles.median])
    figures["trajectories"] = plots.work_precision({name: np.array(points).T for name, points in lines.items()})
    panels = {}
    for accuracy in ACCURACIES:
        best = fastest(results, accuracy)
        if OURS_DUAL in best:
            unit = best.pop(OURS_DUAL).quartiles.median
            panels[f"error at most {number(accuracy)}"] = [
                plots.Ratio(name, **dict(run.quartiles.over(unit))) for name, run in best.items()
            ]
    if panels:
        figures["accuracies"] = plots.ratios(panels, "time / time of wnlib's integrate")
    capped = dict.fromkeys(result.contender for result in results if result.status == "capped")
    never = [name for name in capped if name not in lines]
    rows = [
        [
            result.contender,
            number(result.case.tolerance),
            time_of(result, parameters.cap),
            measure(result, lambda done: done.error),
            seconds(result.notes["compile"]) if result.notes else "",
        ]
        for result in sorted(results, key=lambda result: result.contender)
    ]
    text = f"""\
The flow of the first case above, to t = {parameters.t_end:g}: `integrate` in dual coordinates, all that it sets up
included; the matrix products that its evaluations of the field are made of, alone; and general solvers on the polar
flow (r, u), the implicit ones with its Jacobian. The error is the largest
along the path, against DOP853 at tolerance {number(parameters.reference)}. The compilation of JAX is not in the
times. A solver that took more than {parameters.cap:g} s was not tried at tighter
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


def descent(report: Descent, figures: Figures) -> list[str]:
    parameters, size = report.parameters, report.parameters.size
    cases = {f"$L = {case.depth}$, {case.method}": found for case, found in by_case(report.results)}
    panels = {title: list(dots(results, "wnlib descend")) for title, results in cases.items()}
    figures["descent"] = plots.ratios(panels, "time / time of wnlib's descend")
    rows = [
        [
            title,
            result.contender,
            time_of(result, parameters.cap, parameters.steps),
            ratio_of(result),
            measure(result, lambda done: done.error),
        ]
        for title, results in cases.items()
        for result in results
    ]
    wide = ""
    if any("AVX-512" in result.contender for result in report.results):
        wide = """
NumPy's library of products does not know this processor and leaves its wider registers unused: where a name says
AVX-512, it was told to use them (`OPENBLAS_CORETYPE=SkylakeX`)."""
    text = f"""\
{parameters.runs} runs side by side, M = {size.m}, N = {size.n}: `descend`; the same loop in PyTorch, and in
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


def growth(report: Growth, figures: Figures) -> list[str]:
    parameters, results = report.parameters, report.results
    first: dict[int, int] = {}  # of each N, the M through which lines are drawn
    points: dict[tuple[str, bool], list[list[float]]] = {}
    for result in results:
        n, m = result.case.n, result.case.m
        on_line = first.setdefault(n, m) == m
        if isinstance(result, Done):
            memory = np.nan if result.memory is None else max(result.memory / MEBI, 0.1)
            points.setdefault((result.contender, on_line), []).append([n, result.quartiles.median, memory])
    lines, beside = (
        {name: np.array(found).T for (name, on), found in points.items() if on is line} for line in (True, False)
    )
    figures["growth"] = plots.growth(lines, beside)
    rows = [
        [
            f"{result.case.n:,}",
            f"{result.case.m:,}",
            result.contender,
            time_of(result, parameters.cap),
            "" if result.memory is None else f"{number(result.memory / MEBI)} MiB",
        ]
        for result in results
    ]
    text = f"""\
Each in a process of its own that holds the problem and its answer; memory is what the run needs beyond that. A
contender that took more than {parameters.cap:g} s was not tried on larger problems."""
    caption = f"""\
Time and memory against N: limits to {number(parameters.tolerance)}, trajectories to t = {parameters.t_end:g} at
tolerance {number(parameters.rtol)}, depth {parameters.depth}, ratio {parameters.ratio:g}. The
table has M; where there are several of one N, lines go through the smallest, and the others are hollow."""
    alt = "Two panels with a line for each contender: seconds, and memory, against the number of weights."
    return [
        "## Growth",
        text,
        figure("growth", caption, alt),
        all_times(["N", "M", "contender", "time", "memory"], rows),
    ]


def robustness(report: Robustness, figures: Figures) -> list[str]:
    parameters, results = report.parameters, report.results
    figures["robustness"] = plots.distribution({r.case.depth: np.array(r.seconds) for r in results})
    ensemble = parameters.ensemble
    instances = sum(r.instances for r in results)
    collapses = sum(r.collapses for r in results)
    followed = sum(r.followed for r in results)
    failures, wrong = [text for r in results for text in r.failures], [text for r in results for text in r.wrong]
    every = float(np.median(np.concatenate([r.seconds for r in results])))
    ranges = (ensemble.ratios, ensemble.scales, ensemble.columns)
    ratios, scales, columns = (f"{low:g} to {high:g}" for low, high in ranges)
    text = f"""\
{instances:,} random instances of depths 1 to 6, with ratios {ratios}, scales {scales} and {columns} columns, of the
kinds {listed(ensemble.matrices)}: {len(failures)} without an answer, {len(wrong)} with a wrong one. The median time
is {seconds(every)}. An answer is wrong if it breaks the conditions that characterise a limit, evaluated apart from the
package, to a residual of {number(parameters.tolerance)} and a stationarity of {number(parameters.stationary)}; or
if the flow, followed to its end, arrives elsewhere. That was tried in {parameters.tried} instances, among them the
{collapses} that collapse, and {followed} could be followed so far."""
    rows = [
        [
            *map(str, (r.case.depth, r.instances, r.collapses, r.followed, len(r.failures), len(r.wrong))),
            seconds(r.quartiles.median),
            seconds(max(r.seconds)),
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
        marked(table(head, rows)),
    ]


def section(report: AnyReport, figures: Figures) -> list[str]:
    """The section of a report as MyST Markdown; its figures are added to `figures`."""
    match report:
        case Limits():
            return limits(report, figures)
        case Trajectories():
            return trajectories(report, figures)
        case Descent():
            return descent(report, figures)
        case Growth():
            return growth(report, figures)
        case Robustness():
            return robustness(report, figures)
