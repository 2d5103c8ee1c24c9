"""A solver of SciPy's taken step by step, to its end or to where something happens."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.integrate import DenseOutput, OdeSolution, OdeSolver
from scipy.optimize import brentq

from wnlib._checks import Array
from wnlib.errors import IntegrationError

Event = Callable[[float, Array], float]

STRIDE = 8  # steps after which events are looked at


def stepped(
    solver: OdeSolver, events: Sequence[Event], told: Callable[[float], float] = float
) -> tuple[OdeSolution | None, Event | None, str | None]:
    """The solution to its end, or to where the first of `events` falls to 0, which is returned with it.

    None if the solver fails in its first step. An error has its time as it is `told`. Events cost as much as
    steps: they are looked at every few of these.
    """
    times, pieces, message, seen = [solver.t], list[DenseOutput](), None, 0
    while solver.status == "running":
        message = solver.step()
        if solver.status != "failed":
            pieces.append(solver.dense_output())
            times.append(solver.t)
        if len(pieces) < seen + STRIDE and solver.status == "running":
            continue
        for event in events:
            if pieces[seen:] and not event(solver.t, solver.y) > 0:
                while event(times[seen + 1], pieces[seen](times[seen + 1])) > 0 and seen < len(pieces) - 1:
                    seen += 1
                times[seen + 1 :] = [_crossing(event, pieces[seen], times[seen], times[seen + 1])]
                if not times[-1] > times[-2]:
                    raise IntegrationError(
                        f"what happens after t = {told(times[-1]):.17g} is faster than times can tell: "
                        "integrate from there anew"
                    )
                return OdeSolution(times, pieces[: seen + 1]), event, message
        seen = len(pieces)
    return (OdeSolution(times, pieces) if pieces else None), None, message


def _crossing(event: Event, piece: DenseOutput, before: float, after: float) -> float:
    """Where the event falls to 0 within a step; the step's end, where the dense output disagrees with it."""

    def value(t: float) -> float:
        return float(event(t, piece(t)))

    if not (value(before) > 0 > value(after)):
        return after
    return float(brentq(value, before, after, xtol=4 * np.finfo(float).eps * abs(after)))
