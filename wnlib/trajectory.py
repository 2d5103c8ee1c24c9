"""Following a flow: in its own coordinates (primal), or in rank(A) dual coordinates.

The two integrations share nothing but the problem: different vector fields, dimensions and solvers. Their agreement is
one of the book's tests of the theory.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import OdeSolution, solve_ivp

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.charts import dual_chart
from wnlib.flows import Field, Flow, Polar
from wnlib.geometry import invariant_drift, mirror_map
from wnlib.problem import Problem

Event = Callable[[float, Array], float]

RTOL_RANGE = (1e-12, 1e-2)
AMPLIFICATION = 1e7  # accepted loss of relative accuracy by cancellation: 1e-16 * 1e7 = 1e-9
MAX_EVALUATIONS = 200_000


class IntegrationError(RuntimeError):
    """The solver could not follow the flow to the end at the accuracy that was asked for."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A solution of a flow: snapshots, and the dense output they were taken from.

    t (T,) increasing times from 0; points: T points x = r u in logarithms; `at` gives other times.
    """

    flow: Flow
    problem: Problem
    t: Array
    points: Polar
    interpolant: Callable[[Array], Polar]

    @cached_property
    def weights(self) -> Array:
        """Weights w(t), shape (T, N)."""
        return self.points.weights(self.flow.depth)

    @property
    def radius(self) -> Array:
        """r(t), shape (T,): the norm of x, with its sign at depth 1."""
        return self.points.radius

    @property
    def loss(self) -> Array:
        """Square loss, shape (T,)."""
        return self.problem.loss(self.weights)

    @property
    def l1(self) -> Array:
        """The l1 norm of the weights, shape (T,)."""
        return np.sum(np.abs(self.weights), axis=-1)

    @property
    def invariant_drift(self) -> Array:
        """Relative change of the N - rank(A) invariants since t = 0, shape (T,). See `geometry.invariant_drift`."""
        return invariant_drift(self.flow, self.problem, self.points)

    def bregman(self, target: ArrayLike) -> Array:
        """Bregman divergence D(target, w(t)) of the flow's potential, shape (T,), in units of the start's radius.

        `target` has shape (N,), and is nonnegative for depth >= 2.
        """
        target = check.array("target", target, (self.problem.shape[1],))
        if self.flow.depth >= 2 and target.min() < 0:
            raise ValueError(f"target must be >= 0 in every entry for depth >= 2, got a minimum of {target.min()}")
        return mirror_map(self.flow, float(self.radius[0])).bregman(target, self.points)

    def at(self, times: ArrayLike) -> "Trajectory":
        """The same solution at other `times` (T',), increasing, within the interval of integration."""
        times = check.array("times", times, (None,))
        if times.min() < self.t[0] or times.max() > self.t[-1] or np.any(np.diff(times) < 0):
            raise ValueError(f"times must increase within [{self.t[0]}, {self.t[-1]}], got {times}")
        return Trajectory(self.flow, self.problem, times, self.interpolant(times), self.interpolant)


def integrate(
    flow: Flow,
    problem: Problem,
    start: Polar,
    t_end: float,
    rtol: float = 1e-9,
    coordinates: Literal["dual", "primal"] = "dual",
    stop_loss: float = 0.0,
) -> Trajectory:
    """Follow `flow` on `problem` from `start` to time `t_end`, or until the loss has fallen to `stop_loss`.

    "dual": a stiff solver (LSODA) in rank(A) + 2 coordinates with the analytic Jacobian; for stiff and long flows.
    "primal": an explicit solver of order 8 (DOP853) in the flow's own N or N + 1 coordinates. `rtol` is the solver's
    tolerance per step, on logarithms at depth >= 2. The snapshots are the solver's own steps.

    Raises ValueError for bad arguments, InfeasibleError if the depth's weights cannot interpolate, and IntegrationError
    if the solver gives up or its answer would be inaccurate.
    """
    flow.check_start(start, problem.shape[1])
    t_end = check.positive("t_end", t_end)
    rtol = check.real("rtol", rtol)
    if not RTOL_RANGE[0] <= rtol <= RTOL_RANGE[1]:
        raise ValueError(f"rtol must be between {RTOL_RANGE[0]} and {RTOL_RANGE[1]}, got {rtol}")
    if coordinates not in ("dual", "primal"):
        raise ValueError(f"coordinates must be 'dual' or 'primal', got {coordinates!r}")
    if check.real("stop_loss", stop_loss) < 0:
        raise ValueError(f"stop_loss must be >= 0, got {stop_loss}")
    if flow.depth >= 2:
        problem.require_nonnegative_interpolant()
    segments = [_Segment.solve(flow, problem, start, (0.0, t_end), rtol, stop_loss, coordinates)]
    while segments[-1].expired:
        last = segments[-1]
        segments.append(_Segment.solve(flow, problem, last.end, (last.times[-1], t_end), rtol, stop_loss, coordinates))
    return _joined(flow, problem, segments)


@dataclass(frozen=True, eq=False)
class _Segment:
    """A solution within one chart; `expired` if the chart ended before the solution did."""

    times: Array
    decode: Callable[[Array], Polar]
    solution: OdeSolution
    expired: bool

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
        start: Polar,
        interval: tuple[float, float],
        rtol: float,
        stop_loss: float,
        coordinates: str,
    ) -> "_Segment":
        if coordinates == "dual":
            chart = dual_chart(flow, problem, start)
            state, decode = chart.encode(), chart.decode
            velocity: Field = chart.velocity
            events: list[Event] = [chart.expired]
            options: dict[str, Any] = {"method": "LSODA", "jac": chart.jacobian}
            rtol = 0.1 * rtol  # a multistep solver accumulates more of the error per step
        else:
            state, decode = flow.encode(start), flow.decode
            velocity, events, options = flow.velocity(problem), [], {"method": "DOP853"}
        if stop_loss > 0:
            events.append(lambda t, s: float(problem.loss(decode(s[None]).weights(flow.depth))[0]) - stop_loss)
        # Overflow happens in trial steps, which the solver rejects; what it warns of, the error below says.
        with np.errstate(over="ignore", invalid="ignore"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="lsoda", category=UserWarning)
            result = solve_ivp(
                _budgeted(velocity, coordinates),
                interval,
                state,
                rtol=rtol,
                atol=rtol,
                events=[_Terminal(event) for event in events],
                dense_output=True,
                first_step=_first_step(velocity(interval[0], state), interval),
                **options,
            )
        if not result.success or not np.isfinite(result.y).all():
            raise IntegrationError(f"no solution past t = {result.t[-1]:.3g} of {interval[1]:.3g}: {result.message}")
        if coordinates == "dual" and not (lost := chart.amplification(result.y.T)) <= AMPLIFICATION:
            raise IntegrationError(f"dual coordinates lose {lost:.1g} in relative accuracy here: use 'primal'")
        expired = coordinates == "dual" and result.t_events[0].size > 0
        return cls(result.t, decode, result.sol, expired)


def _first_step(slope: Array, interval: tuple[float, float]) -> float | None:
    """A step that changes no coordinate by more than 1/100: the solvers' own guess overflows after a slow start."""
    fastest = float(np.abs(slope).max())
    return min(0.01 / fastest, interval[1] - interval[0]) if fastest > 0 else None


@dataclass
class _Terminal:
    """An event at which the solver stops, in SciPy's form: a function with attributes."""

    event: Event
    terminal = True
    direction = -1

    def __call__(self, t: float, state: Array) -> float:
        return self.event(t, state)


def _budgeted(velocity: Field, coordinates: str) -> Field:
    evaluations = 0

    def counted(t: float, state: Array) -> Array:
        nonlocal evaluations
        evaluations += 1
        if evaluations > MAX_EVALUATIONS:
            advice = "; the flow is stiff here: use coordinates='dual'" if coordinates == "primal" else ""
            raise IntegrationError(f"more than {MAX_EVALUATIONS} evaluations of the field, at t = {t:.3g}{advice}")
        return velocity(t, state)

    return counted


def _joined(flow: Flow, problem: Problem, segments: list[_Segment]) -> Trajectory:
    starts = np.array([segment.times[0] for segment in segments])

    def interpolant(times: Array) -> Polar:
        where = np.searchsorted(starts, times, side="right") - 1
        return Polar.concatenate([segments[i](times[where == i]) for i in np.unique(where)])

    t = np.concatenate([segment.times[i > 0 :] for i, segment in enumerate(segments)])
    return Trajectory(flow, problem, t, interpolant(t), interpolant)
