"""A solver step by step: its end, the first event on the way, and what happens when it gives up."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.integrate import DOP853, DenseOutput, OdeSolver

from wnlib import IntegrationError
from wnlib._checks import Array
from wnlib.trajectories.stepping import STRIDE, stepped


class Piece(DenseOutput):
    """y = t, or what `bend` makes of it."""

    def __init__(self, before: float, after: float, bend: Callable[[Array], Array]) -> None:
        super().__init__(before, after)
        self.bend = bend

    def _call_impl(self, t: Array) -> Array:
        return self.bend(np.atleast_1d(t)) if np.ndim(t) == 0 else self.bend(t)[None]


class Clock(OdeSolver):
    """A solver of y' = 1 from y = t in steps of a given length, which gives up where it is told to."""

    def __init__(
        self,
        end: float,
        step: float = 1.0,
        first: float = 0.0,
        gives_up: float = np.inf,
        bend: Callable[[Array], Array] = lambda t: t,
    ) -> None:
        super().__init__(lambda t, y: np.ones(1), first, np.array([first]), end, vectorized=False)
        self.length, self.gives_up, self.bend = step, gives_up, bend

    def _step_impl(self) -> tuple[bool, str | None]:
        if self.t >= self.gives_up:
            return False, "no more"
        self.t = min(self.t + self.length, self.t_bound)
        self.y = np.array([self.t])
        return True, None

    def _dense_output_impl(self) -> DenseOutput:
        return Piece(self.t_old, self.t, self.bend)


def falls_at(time: float, calls: list[float] | None = None) -> Callable[[float, Array], float]:
    def event(t: float, y: Array) -> float:
        if calls is not None:
            calls.append(t)
        return time - float(y[0])

    return event


def test_without_events_it_goes_to_its_end() -> None:
    solution, event, message = stepped(DOP853(lambda t, y: -y, 0.0, np.ones(1), 3.0, rtol=1e-10, atol=1e-12), [])
    assert solution is not None
    assert (solution.ts[0], solution.ts[-1], event, message) == (0.0, 3.0, None, None)
    times = np.linspace(0, 3, 20)
    np.testing.assert_allclose(solution(times)[0], np.exp(-times), rtol=1e-9)


@given(st.floats(0.01, 29.9))
def test_it_ends_where_an_event_falls_to_zero(time: float) -> None:
    never, event = falls_at(1e3), falls_at(time)
    solution, found, _ = stepped(Clock(30.0), [never, event])
    assert solution is not None
    assert found is event
    assert solution.ts[-1] == pytest.approx(time, rel=1e-14)
    assert len(solution.ts) == np.ceil(time) + 1


@given(st.lists(st.floats(0.01, 29.9), min_size=2, max_size=4, unique_by=np.ceil))
def test_of_events_within_one_look_the_first_of_the_list_is_taken(times: list[float]) -> None:
    events = [falls_at(time) for time in times]
    look = min(np.ceil(np.ceil(times) / STRIDE))
    wanted = next(i for i, time in enumerate(times) if np.ceil(np.ceil(time) / STRIDE) == look)
    solution, found, _ = stepped(Clock(30.0), events)
    assert solution is not None
    assert found is events[wanted]
    assert solution.ts[-1] == pytest.approx(times[wanted], rel=1e-14)


def test_events_are_looked_at_every_few_steps() -> None:
    calls: list[float] = []
    stepped(Clock(10.0 * STRIDE), [falls_at(1e3, calls)])
    assert calls == [STRIDE * k for k in range(1, 11)]


def test_an_event_at_the_very_end_is_seen() -> None:
    event = falls_at(2.5)
    solution, found, _ = stepped(Clock(3.0), [event])
    assert solution is not None
    assert found is event
    assert solution.ts[-1] == 2.5


def test_a_nan_counts_as_an_event() -> None:
    solution, found, _ = stepped(Clock(30.0), [lambda t, y: np.nan if t > 10 else 1.0])
    assert solution is not None
    assert found is not None
    assert solution.ts[-1] == 11.0


def test_where_the_dense_output_disagrees_the_event_is_at_the_steps_end() -> None:
    """The solver's own value has fallen, the dense output's has not."""
    event = falls_at(4.5)
    solution, found, _ = stepped(Clock(8.0, bend=lambda t: np.minimum(t, 7.0) - 3.0), [event])
    assert solution is not None
    assert found is event
    assert solution.ts[-1] == 8.0


def test_a_solver_that_gives_up_at_once_has_no_solution() -> None:
    assert stepped(Clock(5.0, gives_up=0.0), [falls_at(2.5)]) == (None, None, "no more")


def test_a_solver_that_gives_up_later_has_one_up_to_there() -> None:
    solution, event, message = stepped(Clock(30.0, gives_up=11.0), [falls_at(1e3)])
    assert solution is not None
    assert (solution.ts[-1], event, message) == (11.0, None, "no more")


def test_an_event_before_a_solver_gives_up_counts() -> None:
    event = falls_at(10.5)
    solution, found, _ = stepped(Clock(30.0, gives_up=11.0), [event])
    assert solution is not None
    assert found is event
    assert solution.ts[-1] == 10.5


def test_what_is_faster_than_times_can_tell_is_an_error() -> None:
    def event(t: float, y: Array) -> float:
        return 1.0 if y[0] <= 1e16 else -1e16  # so steep that it falls to 0 within the rounding error of the time

    with pytest.raises(IntegrationError, match="what happens after t = 10000000000000000 is faster than times"):
        stepped(Clock(1e16 + 32.0, step=2.0, first=1e16), [event])
