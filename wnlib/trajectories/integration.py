"""Following a flow: in its own coordinates (primal), or in rank(A) dual coordinates.

The two integrations share nothing but the problem: different vector fields, dimensions and solvers. Their agreement is
one of the book's tests of the theory.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from scipy.integrate import DOP853, LSODA, OdeSolution, OdeSolver, Radau

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import ArgumentError, IntegrationError
from wnlib.flows.flow import Field, Flow
from wnlib.flows.polar import Polar
from wnlib.flows.units import Units, from_own, require_nonnegative_interpolant, to_own
from wnlib.problem import Problem
from wnlib.trajectories.charts import dual_chart
from wnlib.trajectories.stepping import Event, stepped
from wnlib.trajectories.trajectory import Told, Trajectory

RTOL_RANGE = (1e-12, 1e-2)
AMPLIFICATION = 1e7  # accepted loss of relative accuracy by cancellation: 1e-16 * 1e7 = 1e-9
AT_REST = 1e-13  # relative residual that is a rounding error: followed further, it would only be noise
MAX_EVALUATIONS = 200_000
FIRST_STIFF = 1e3  # the first step, in units of the shortest of the flow's times
RESOLUTION = 1e-12  # of a step, relative to the time since the segment's begin: shorter ones need another


def integrate(
    flow: Flow,
    problem: Problem,
    start: Polar,
    t_end: float,
    rtol: float = 1e-9,
    coordinates: Literal["dual", "primal"] = "dual",
    stop_loss: float = 0.0,
) -> Trajectory:
    """Follow a flow in time; the snapshots are the solver's own steps.

    Args:
        start: One point, shape (N,), as `Flow.start` makes it.
        t_end: When it ends, positive, unless the loss falls to `stop_loss` before.
        rtol: The solver's tolerance per step, on logarithms at depth >= 2; from 1e-12 to 1e-2.
        coordinates: "dual", a stiff solver (LSODA) in rank(A) + 2 coordinates with the analytic Jacobian, for stiff and
            long flows; or "primal", an explicit one of order 8 (DOP853) in the flow's own N or N + 1 coordinates.
        stop_loss: In the squared units of y, at least 0.

    Raises:
        ArgumentError: for bad arguments.
        InfeasibleError: if the depth's weights cannot interpolate.
        IntegrationError: if the solver gives up or its answer would be inaccurate.

    Example:
        >>> from wnlib import Problem, WeightNormFlow, integrate
        >>> flow = WeightNormFlow(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=12, n=30, sparsity=1)
        >>> start = flow.start(30, scale=1.0)
        >>> dual = integrate(flow, problem, start, t_end=5.0)
        >>> primal = integrate(flow, problem, start, t_end=5.0, coordinates="primal")
        >>> bool(abs(dual.weights[-1] - primal.weights[-1]).max() < 1e-6)
        True
    """
    flow.check_start(start, problem.shape[1])
    t_end = check.positive("t_end", t_end)
    rtol = check.real("rtol", rtol)
    if not RTOL_RANGE[0] <= rtol <= RTOL_RANGE[1]:
        raise ArgumentError(f"rtol must be between {RTOL_RANGE[0]} and {RTOL_RANGE[1]}, got {rtol}")
    if coordinates not in ("dual", "primal"):
        raise ArgumentError(f"coordinates must be 'dual' or 'primal', got {coordinates!r}")
    stop_loss = check.nonnegative("stop_loss", stop_loss)
    units = Units.of(problem, flow.depth)
    own = units.problem(problem)
    if flow.depth >= 2:
        require_nonnegative_interpolant(problem, own)
    stop = _Stop(to_own("t_end", t_end, units.time), from_own(stop_loss, -units.loss), units)
    follow = partial(_Segment.solve, units.flow(flow), own, stop, rtol=rtol, coordinates=coordinates)
    segments = [follow(units.start(start), 0.0)]
    while segments[-1].expired and (until := segments[-1].until) < stop.time:
        last = segments[-1]
        segments.append(follow(last.end, until, method=last.next_method))
    t, interpolant = _joined(segments, stop.time)
    told = Told(interpolant, units)
    t = from_own(t, units.time)
    return Trajectory(flow, problem, t, told(t), told)


@dataclass(frozen=True)
class _Stop:
    """Where a flow that is followed ends, in the problem's own units, and what these are."""

    time: float
    loss: float
    units: Units

    def told(self, begin: float, t: float) -> float:
        """The time that is t after another, in the caller's unit."""
        return float(from_own(begin + t, self.units.time))


@dataclass(frozen=True, eq=False)
class _Segment:
    """A solution within one chart and by one solver; `expired` if either ended before the solution did.

    Its `times` are counted from its own `begin`: what happens after a long plateau may be faster than the time since
    the start can tell. `arrived` if the residual is a rounding error from the last time on: the point stays what it is.
    """

    begin: float
    times: Array
    decode: Callable[[Array], Polar]
    solution: OdeSolution
    expired: bool
    next_method: type[OdeSolver]
    arrived: bool

    @property
    def until(self) -> float:
        return self.begin + float(self.times[-1])

    @property
    def end(self) -> Polar:
        return self(self.times[-1:])[0]

    def __call__(self, times: Array) -> Polar:
        return self.decode(self.solution(times).T)

    @classmethod
    def solve(
        cls,
        flow: Flow,
        problem: Problem,
        stop: _Stop,
        start: Polar,
        begin: float,
        rtol: float,
        coordinates: str,
        method: type[OdeSolver] = LSODA,
    ) -> "_Segment":
        dual = coordinates == "dual"
        if dual:
            chart = dual_chart(flow, problem, start)
            state, decode, expired = chart.encode(), chart.decode, chart.expired
            field: Field = chart.velocity
            options: dict[str, Any] = {"jac": chart.jacobian}
            rtol = 0.1 * rtol  # a multistep solver accumulates more of the error per step
        else:
            state, decode, expired = flow.encode(start), flow.decode, _never
            field, options, method = flow.velocity(problem), {}, DOP853
        field = _budgeted(field, coordinates, partial(stop.told, begin), begin)

        rest = 0.5 * (AT_REST * float(np.linalg.norm(problem.y))) ** 2 if dual else 0.0
        threshold = max(stop.loss, rest)

        def unfit(t: float, state: Array) -> float:
            return float(problem.loss(decode(state[None]).weights(flow.depth))[0]) - threshold

        def resolved(t: float, state: Array) -> float:
            return solver.step_size / solver.t - RESOLUTION

        events: list[Event] = [expired, resolved, unfit] if threshold > 0 else [expired, resolved]
        # Overflow happens in trial steps, which the solver rejects; what it warns of, the error below says.
        with np.errstate(over="ignore", invalid="ignore"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="lsoda", category=UserWarning)
            longest = min(stop.time - begin, _shortenable(chart.jacobian(0.0, state)) if dual else np.inf)
            first = _first_step(field(0.0, state), longest)
            solver = method(field, 0.0, state, stop.time - begin, rtol=rtol, atol=rtol, first_step=first, **options)
            solution, ended, message = stepped(solver, events, partial(stop.told, begin))
        failed = ended is None and solver.status == "failed"
        if solution is None and method is LSODA:
            return cls.solve(flow, problem, stop, start, begin, 10 * rtol, coordinates, method=Radau)
        times = np.zeros(1) if solution is None else solution.ts
        states = state[:, None] if solution is None else solution(times)
        if solution is None or (failed and method is not LSODA) or not np.isfinite(states).all():
            advice = "try another rtol" if dual else "try coordinates='dual'"
            reached, end = stop.told(begin, times[-1]), stop.told(0.0, stop.time)
            raise IntegrationError(f"no solution past t = {reached:.3g} of {end:.3g}: {message}; {advice}")
        if dual and not (lost := chart.amplification(states.T)) <= AMPLIFICATION:
            raise IntegrationError(f"dual coordinates lose {lost:.1g} in relative accuracy here: use 'primal'")
        # Where the multistep solver gives up, at tight tolerances, the implicit Runge-Kutta method goes on.
        arrived, cut = ended is unfit and rest > stop.loss, failed or ended in (expired, resolved)
        return cls(begin, times, decode, solution, cut, Radau if failed else LSODA, arrived)


def _never(t: float, state: Array) -> float:
    return 1.0


def _first_step(slope: Array, longest: float) -> float | None:
    """A step that changes no coordinate by more than 1/100: the solvers' own guess overflows after a slow start."""
    fastest = float(np.abs(slope).max())
    return min(0.01 / fastest, longest) if fastest > 0 else None


def _shortenable(jacobian: Array) -> float:
    """A step that LSODA, which begins as if nothing were stiff and gives up after ten shortenings, can make its own."""
    return FIRST_STIFF / max(float(np.abs(jacobian).sum(axis=1).max()), np.finfo(float).tiny)


def _budgeted(velocity: Field, coordinates: str, told: Callable[[float], float], begin: float) -> Field:
    """The field by the time since `begin`, until it has been evaluated too often."""
    evaluations = 0

    def counted(t: float, state: Array) -> Array:
        nonlocal evaluations
        evaluations += 1
        if evaluations > MAX_EVALUATIONS:
            primal = "the flow is stiff here: use coordinates='dual'"
            advice = primal if coordinates == "primal" else "try a smaller t_end or a larger rtol"
            raise IntegrationError(
                f"more than {MAX_EVALUATIONS} evaluations of the field, at t = {told(t):.3g}; {advice}"
            )
        return velocity(begin + t, state)

    return counted


@dataclass(frozen=True, eq=False)
class _Solution:
    """The points, shape (T, N), at times (T,) that increase."""

    segments: list[_Segment]

    def __call__(self, times: Array) -> Polar:
        begins = [segment.begin for segment in self.segments]
        where = np.searchsorted(begins, times, side="right") - 1
        parts = [(self.segments[i], times[where == i]) for i in np.unique(where)]
        return Polar.concatenate([one(np.minimum(t - one.begin, one.times[-1])) for one, t in parts])


def _joined(segments: list[_Segment], t_end: float) -> tuple[Array, Callable[[Array], Polar]]:
    """The snapshots' times, which increase, and the points at any."""
    t = np.concatenate([one.begin + one.times[i > 0 :] for i, one in enumerate(segments)])
    if segments[-1].arrived and segments[-1].until < t_end:
        t = np.append(t, t_end)
    return t[np.append(True, np.diff(t) > 0)], _Solution(segments)
