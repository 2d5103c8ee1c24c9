"""Bad input is refused at the door, by name; hard input gets a right answer or a clear error, never NaN."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.integrate import LSODA, Radau
from strategies import FLOWS, error, name, start

import wnlib.limits.limit
import wnlib.trajectories.integration
from wnlib import (
    Flow,
    GradientFlow,
    InfeasibleError,
    IntegrationError,
    Polar,
    Problem,
    ScheduledWeightNormFlow,
    WeightNormFlow,
    basis_pursuit,
    integrate,
    limit,
    mirror_map,
)
from wnlib.errors import ArgumentError, LimitError

NAN, INF = np.nan, np.inf
PROBLEM = Problem.gaussian(4, 9, 2, seed=1)
FLOW = WeightNormFlow(2, 3.0)
START = FLOW.start(9, 0.8)
both_coordinates = pytest.mark.parametrize("coordinates", ["dual", "primal"])


def refused(make: Callable[[], Any], *parts: str) -> None:
    """The call raises ValueError with a message of these parts, in this order."""
    with pytest.raises(ValueError, match=".*".join(map(re.escape, parts))):
        make()


@pytest.mark.parametrize(
    ("A", "parts"),
    [
        ([[1.0, NAN], [INF, 2.0]], ("A must be finite", "got 2 NaN or inf")),
        ([[1.0, -INF]], ("A must be finite", "got 1 NaN or inf")),
        ([1.0, 2.0], ("A must have shape (any, any)", "got (2,)")),
        ([[[1.0]]], ("A must have shape (any, any)", "got (1, 1, 1)")),
        (np.empty((0, 3)), ("A must have shape", "no empty axis", "got (0, 3)")),
        (np.empty((1, 0)), ("A must have shape", "no empty axis", "got (1, 0)")),
        ([[1.0, 2.0], [3.0]], ("A must be an array of real numbers", "got [[1.0, 2.0], [3.0]]")),
        ([["a", "b"]], ("A must be an array of real numbers", "got [['a', 'b']]")),
        ([[1j, 2.0]], ("A must be an array of real numbers", "got [[1j, 2.0]]")),
    ],
)
def test_a_matrix_is_finite_and_has_two_axes(A: Any, parts: tuple[str, ...]) -> None:
    refused(lambda: Problem(A, [1.0]), *parts)


@pytest.mark.parametrize(
    ("y", "parts"),
    [
        ([1.0], ("y must have shape (2)", "got (1,)")),
        ([1.0, 2.0, 3.0], ("y must have shape (2)", "got (3,)")),
        ([[1.0, 2.0]], ("y must have shape (2)", "got (1, 2)")),
        ([1.0, NAN], ("y must be finite", "got 1 NaN")),
    ],
)
def test_measurements_are_finite_and_as_many_as_rows(y: Any, parts: tuple[str, ...]) -> None:
    refused(lambda: Problem(np.eye(2, 3), y), *parts)


def test_a_truth_has_an_entry_for_each_column() -> None:
    refused(lambda: Problem(np.eye(2, 3), [1.0, 1.0], truth=[1.0, 1.0]), "truth must have shape (3)", "got (2,)")
    refused(lambda: Problem(np.eye(2, 3), [1.0, 1.0], truth=[1.0, NAN, 0.0]), "truth must be finite")


def test_measurements_out_of_range_are_refused_with_their_residual() -> None:
    A = np.array([[1.0, 1.0], [1.0, 1.0]])
    with pytest.raises(InfeasibleError, match=r"y must lie in the range of A, got .* residual 1.41 \(relative 0.447\)"):
        Problem(A, [1.0, 3.0])
    with pytest.raises(InfeasibleError, match="y must lie in the range of A"):
        Problem(A, [1.0, 1.0 + 1e-6], truth=[1.0, 0.0])


UNREACHABLE = Problem([[1.0, 2.0, 0.0], [0.0, 0.0, 1.0]], [-3.0, 4.0])


@pytest.mark.parametrize(
    "solve",
    [
        lambda: integrate(FLOW, UNREACHABLE, FLOW.start(3, 1.0), 1.0),
        lambda: integrate(FLOW, UNREACHABLE, FLOW.start(3, 1.0), 1.0, coordinates="primal"),
        lambda: integrate(GradientFlow(3), UNREACHABLE, FLOW.start(3, 1.0), 1.0),
        lambda: basis_pursuit(UNREACHABLE),
    ],
)
def test_no_nonnegative_interpolant_is_said_before_any_work(
    solve: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for solver in ("LSODA", "DOP853"):
        monkeypatch.setattr(wnlib.trajectories.integration, solver, None)
    monkeypatch.setattr(wnlib.linear.linear_program.optimize, "linprog", None)
    with pytest.raises(InfeasibleError, match=r"y must have a nonnegative interpolant .* residual 3 \(relative 0.6\)"):
        solve()


def test_at_depth_one_any_sign_interpolates() -> None:
    flow = WeightNormFlow(1, 1.0)
    assert integrate(flow, UNREACHABLE, flow.start(3, 1.0), 100.0).loss[-1] < 1e-9


@pytest.mark.parametrize("make", [GradientFlow, lambda depth: WeightNormFlow(depth, 1.0)], ids=["plain", "normalized"])
@pytest.mark.parametrize(
    ("depth", "parts"),
    [
        (0, ("depth must be >= 1", "got 0")),
        (-1, ("depth must be >= 1", "got -1")),
        (2.5, ("depth must be an integer", "got 2.5")),
        (2.0, ("depth must be an integer", "got 2.0")),
        (True, ("depth must be an integer", "got True")),
        ("2", ("depth must be an integer", "got '2'")),
        (NAN, ("depth must be an integer", "got nan")),
    ],
)
def test_a_depth_is_a_positive_integer(make: Callable[[Any], Flow], depth: Any, parts: tuple[str, ...]) -> None:
    refused(lambda: make(depth), *parts)


NOT_FINITE = [(value, "finite", f"got {value!r}") for value in (NAN, INF, "1", None)]
NOT_POSITIVE = [(0, "> 0", "got 0"), (-1.5, "> 0", "got -1.5"), *NOT_FINITE]
not_positive = pytest.mark.parametrize(("value", "wanted", "got"), NOT_POSITIVE)


@not_positive
def test_rates_are_positive(value: Any, wanted: str, got: str) -> None:
    refused(lambda: WeightNormFlow(2, value), "ratio must be", wanted, got)
    refused(lambda: WeightNormFlow(2, 1.0, radial_rate=value), "radial_rate must be", wanted, got)


@pytest.mark.parametrize("flow", FLOWS, ids=name)
@not_positive
def test_a_scale_is_positive(flow: Flow, value: Any, wanted: str, got: str) -> None:
    if isinstance(flow, WeightNormFlow) and flow.depth == 1 and value == -1.5:
        assert flow.start(9, value).radius == value
    else:
        refused(lambda: flow.start(9, value), "scale must be", wanted, got)


@pytest.mark.parametrize("flow", FLOWS, ids=name)
@pytest.mark.parametrize(
    ("entries", "parts"),
    [
        ([1.0, 1.0], ("direction must have shape (3)", "got (2,)")),
        ([1.0, NAN, 1.0], ("direction must be finite", "got 1 NaN")),
        ([0.0, 0.0, 0.0], ("direction must", "got")),
    ],
)
def test_a_direction_is_finite_and_nonzero(flow: Flow, entries: list[float], parts: tuple[str, ...]) -> None:
    refused(lambda: flow.start(3, 1.0, entries), *parts)


def test_a_zero_direction_has_no_norm() -> None:
    refused(lambda: GradientFlow(1).start(3, 1.0, np.zeros(3)), "direction must have a nonzero norm", "got the zero")


@pytest.mark.parametrize("flow", [flow for flow in FLOWS if flow.depth >= 2], ids=name)
@pytest.mark.parametrize("entry", [0.0, -0.5])
def test_a_deep_direction_is_positive(flow: Flow, entry: float) -> None:
    refused(
        lambda: flow.start(2, 1.0, [1.0, entry]), "direction must be > 0", "depth >= 2", f"got a minimum of {entry}"
    )


@pytest.mark.parametrize("n", [0, -1, 2.0])
def test_a_start_has_a_number_of_entries(n: Any) -> None:
    refused(lambda: FLOW.start(n, 1.0), "n must be", f"got {n}")


UNIT = np.full(9, 1 / 3)


@pytest.mark.parametrize(
    ("depth", "point", "parts"),
    [
        (2, UNIT, ("start must be a Polar, as `flow.start` makes one", "got ndarray")),
        (2, FLOW.start(8, 1.0), ("start must be one point with 9 entries", "got shape (8,)")),
        (2, Polar.of([1.0, 1.0], [UNIT, UNIT]), ("start must be one point with 9 entries", "got shape (2, 9)")),
        (2, Polar.of(0.0, UNIT), ("start must be finite with a nonzero norm", "got radius 0.0")),
        (2, Polar.of(NAN, UNIT), ("start must be finite with a nonzero norm", "got radius nan")),
        (1, Polar.of(INF, UNIT), ("start must be finite with a nonzero norm", "got radius inf")),
        (2, Polar.of(-1.0, UNIT), ("start must be positive in every entry for depth >= 2",)),
        (2, Polar.of(1.0, -UNIT), ("start must be positive in every entry for depth >= 2",)),
        (2, Polar.of(1.0, np.eye(9)[0]), ("start must be positive in every entry for depth >= 2",)),
        (2, Polar(np.array(1.0), np.append(0.0, np.full(8, -INF)), np.ones(1)), ("start must be positive in every",)),
        (1, Polar.of(1.0, np.zeros(9)), ("start must have a direction of norm 1", "got norm 0")),
        (2, Polar.of(1.0, 2 * UNIT), ("start must have a direction of norm 1", "got norm 2")),
        (
            1,
            Polar.of(1.0, np.where(np.eye(9)[0], NAN, UNIT)),
            ("start must have a direction of norm 1", "got norm nan"),
        ),
    ],
)
@both_coordinates
def test_a_start_is_one_point_of_the_flow(depth: int, point: Polar, parts: tuple[str, ...], coordinates: Any) -> None:
    refused(lambda: integrate(WeightNormFlow(depth, 1.0), PROBLEM, point, 1.0, coordinates=coordinates), *parts)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        *[({"t_end": v}, ("t_end must be", wanted, got)) for v, wanted, got in NOT_POSITIVE],
        ({"rtol": 0}, ("rtol must be between 1e-12 and 0.01", "got 0")),
        ({"rtol": 9e-13}, ("rtol must be between 1e-12 and 0.01", "got 9e-13")),
        ({"rtol": 0.1}, ("rtol must be between 1e-12 and 0.01", "got 0.1")),
        ({"rtol": NAN}, ("rtol must be a finite real number", "got nan")),
        ({"coordinates": "x"}, ("coordinates must be 'dual' or 'primal'", "got 'x'")),
        ({"stop_loss": -1.0}, ("stop_loss must be >= 0", "got -1.0")),
        ({"stop_loss": NAN}, ("stop_loss must be a finite real number", "got nan")),
    ],
)
def test_an_integration_has_a_time_and_a_tolerance(arguments: dict[str, Any], parts: tuple[str, ...]) -> None:
    refused(lambda: integrate(FLOW, PROBLEM, START, **{"t_end": 1.0, **arguments}), *parts)


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        (np.ones(8), ("target must have shape (9)", "got (8,)")),
        (np.full(9, NAN), ("target must be finite", "got 9 NaN")),
        (-np.eye(9)[0], ("target must be >= 0", "depth >= 2", "got a minimum of -1.0")),
    ],
)
def test_a_divergence_has_a_nonnegative_target(target: Any, parts: tuple[str, ...]) -> None:
    path = integrate(FLOW, PROBLEM, START, 1.0)
    refused(lambda: path.bregman(target), *parts)


@pytest.mark.parametrize("times", [[-0.1], [0.5, 1.1], [0.5, 0.4]])
def test_times_increase_within_the_integration(times: list[float]) -> None:
    path = integrate(FLOW, PROBLEM, START, 1.0)
    refused(lambda: path.at(times), "times must increase within [0.0, 1.0]", f"got {np.array(times)}")
    refused(lambda: path.at([]), "times must have shape")
    refused(lambda: path.at([NAN]), "times must be finite")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ((4, 4, 1), ("m must be between 1 and 3", "got 4")),
        ((0, 4, 1), ("m must be between 1 and 3", "got 0")),
        ((1, 1, 1), ("n must be >= 2", "got 1")),
        ((2, 4, 0), ("sparsity must be between 1 and 4", "got 0")),
        ((2, 4, 5), ("sparsity must be between 1 and 4", "got 5")),
        ((2, 4, 1, -1), ("seed must be >= 0", "got -1")),
        ((2.0, 4, 1), ("m must be an integer", "got 2.0")),
    ],
)
@pytest.mark.parametrize("ensemble", [Problem.gaussian, Problem.rademacher, Problem.dct, Problem.fourier], ids=name)
def test_an_ensemble_has_fewer_rows_than_columns(ensemble: Any, arguments: Any, parts: tuple[str, ...]) -> None:
    refused(lambda: ensemble(*arguments), *parts)


def test_schedules_have_no_magnified_coordinates() -> None:
    flow = ScheduledWeightNormFlow(2, 1.0)
    path = integrate(flow, PROBLEM, START, 1.0, coordinates="primal")
    refused(lambda: integrate(flow, PROBLEM, START, 1.0), "flow must have constant rates", "got scheduled")
    refused(lambda: path.invariant_drift, "flow must have a constant ratio", "got scheduled")


def test_a_mirror_map_belongs_to_a_known_flow() -> None:
    with pytest.raises(ArgumentError, match="flow must be a GradientFlow or a WeightNormFlow, got str"):
        mirror_map("flow", 1.0)  # type: ignore[arg-type]


HARD = Problem.gaussian(5, 12, 2, seed=3)


@pytest.mark.parametrize(("depth", "scale"), [(1, 10.0), (1, 0.5), (2, 10.0), (2, 0.5), (3, 0.5), (5, 0.5), (3, 0.01)])
def test_a_large_ratio_gives_a_right_answer(depth: int, scale: float) -> None:
    flow = WeightNormFlow(depth, 1e4)
    path = integrate(flow, HARD, start(flow, 12, scale), 5.0)
    assert np.isfinite(path.weights).all()
    assert np.isfinite(path.points.log_direction).all()
    assert np.all(np.diff(path.loss) <= 1e-7 * path.loss[0])
    assert path.invariant_drift.max() <= 1e-5
    assert not np.isnan(path.bregman(HARD.truth)).any()


def test_a_large_ratio_and_scale_at_depth_three_give_a_right_answer() -> None:
    flow = WeightNormFlow(3, 1e4)
    path = integrate(flow, HARD, start(flow, 12, 10.0), 1e-3)
    assert np.isfinite(path.weights).all()
    assert np.all(np.diff(path.loss) <= 1e-7 * path.loss[0])
    assert path.invariant_drift.max() <= 1e-5


@pytest.mark.parametrize(("depth", "coordinates"), [(5, "dual"), *((L, "primal") for L in (1, 2, 3, 5))])
def test_too_stiff_a_flow_is_an_error(depth: int, coordinates: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wnlib.trajectories.integration, "MAX_EVALUATIONS", 2000)
    flow = WeightNormFlow(depth, 1e4)
    advice = "; the flow is stiff here: use coordinates='dual'" if coordinates == "primal" else ""
    with pytest.raises(IntegrationError, match=f"more than 2000 evaluations of the field, at t = .*{advice}$"):
        integrate(flow, HARD, start(flow, 12, 10.0), 5.0, coordinates=coordinates)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_large_parameters_agree_where_both_coordinates_reach(depth: int) -> None:
    flow = WeightNormFlow(depth, 1e4)
    first = start(flow, 12, 10.0)
    t_end = 1e-5 / 10.0 ** (2 * depth - 2)
    primal = integrate(flow, HARD, first, t_end, 1e-11, "primal")
    dual = integrate(flow, HARD, first, t_end, 1e-11)
    assert error(dual.at(primal.t).weights, primal.weights) <= 1e-8
    assert error(primal.weights[-1], primal.weights[0]) >= 1e-3


def test_where_the_multistep_solver_gives_up_another_goes_on():
    problem, flow = Problem.gaussian(24, 60, 3, seed=0), GradientFlow(5)
    assert integrate(flow, problem, flow.start(60, 1e-3), 1e16, rtol=1e-7).loss[-1] <= 1e-20


def test_a_solver_that_gives_up_raises_and_warns_of_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    class GivingUp(Radau):
        def _step_impl(self) -> tuple[bool, str]:
            return False, "no more"

    monkeypatch.setattr(LSODA, "_step_impl", lambda solver: (False, "no more"))
    monkeypatch.setattr(wnlib.trajectories.integration, "Radau", GivingUp)
    problem, flow = Problem.gaussian(24, 60, 3, seed=0), GradientFlow(5)
    with pytest.raises(IntegrationError, match=r"no solution past t = .* of 1e\+16: no more"):
        integrate(flow, problem, flow.start(60, 1e-3), 1e16, rtol=1e-7)


def test_where_a_flow_stays_at_zero_its_sign_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    def stays(flow: Flow, problem: Problem, *given: object, **rest: object) -> SimpleNamespace:
        return SimpleNamespace(loss=np.array([problem.loss_of_zero]), radius=np.array([1e-9]))

    monkeypatch.setattr(wnlib.limits.limit, "integrate", stays)
    flow = WeightNormFlow(1, 1.0)
    with pytest.raises(LimitError, match=r"the sign of r is undecided, as the flow stays at the saddle r = 0"):
        limit(flow, Problem([[1.0, 0.0]], [1.0]), flow.start(2, 1.0, [-1.0, 1.0]))
