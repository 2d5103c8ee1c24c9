"""Results of benchmarks: how they are grouped, compared and written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from companion.plots.benchmarks import Ratio
from companion.running.report import Case, Done, Result
from companion.telling.numbers import number

STATUS = {"absent": "not installed", "unable": "cannot", "failed": "failed"}


def seconds(value: float) -> str:
    """In seconds or milliseconds, two digits."""
    return f"{number(value)} s" if value >= 0.1 else f"{number(1e3 * value)} ms"


def time_of(result: Result[Case], cap: float, parts: int = 1) -> str:
    """The median time of one of `parts`, with the quartiles if there are repetitions; or why there is none."""
    if isinstance(result, Done):
        each = result.quartiles.over(parts)
        low, middle, high = (seconds(value) for value in (each.low, each.median, each.high))
        return f"{middle} ({low} to {high})" if len(result.seconds) > 1 else middle
    return f"> {cap:g} s" if result.status == "capped" else STATUS[result.status]


def ratio_of(result: Result[Case]) -> str:
    return number(result.ratio.median) if isinstance(result, Done) and result.ratio else ""


def measure(result: Result[Case], of: Callable[[Done[Case]], float | None]) -> str:
    """A number that is known of some of the results that are done; nothing of others."""
    value = of(result) if isinstance(result, Done) else None
    return "" if value is None else number(value)


def by_case(results: Iterable[Result[Case]]) -> list[tuple[Case, list[Result[Case]]]]:
    """Results that share a case, in their order."""
    found: list[tuple[Case, list[Result[Case]]]] = []
    for result in results:
        if not found or found[-1][0] != result.case:
            found.append((result.case, []))
        found[-1][1].append(result)
    return found


def one(results: Iterable[Result[Case]], contender: str) -> Result[Case]:
    """The result of this contender."""
    return next(result for result in results if result.contender == contender)


def ratios(results: Iterable[Result[Case]]) -> dict[str, float]:
    """The median ratio of each contender that has one."""
    return {found.contender: found.ratio.median for found in results if isinstance(found, Done) and found.ratio}


def fastest(results: Iterable[Result[Case]], accuracy: float) -> dict[str, Done[Case]]:
    """Of each solver, its fastest run that is at least so accurate."""
    found: dict[str, Done[Case]] = {}
    for result in results:
        if isinstance(result, Done) and result.error is not None and result.error <= accuracy:
            name = result.contender
            if name not in found or result.quartiles.median < found[name].quartiles.median:
                found[name] = result
    return found


def dots(results: Iterable[Result[Case]], reference: str) -> Iterator[Ratio]:
    """Rows of a dot plot: those that have a ratio to the contender `reference`, without its own."""
    for result in results:
        if isinstance(result, Done) and result.ratio and result.contender != reference:
            yield Ratio(result.contender, **dict(result.ratio), open_ended=result.arrived is False)
