"""Trajectories are solutions: by two integrations, by invariants, by closed forms, and in every restatement."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.integrate import LSODA, solve_ivp
from scipy.linalg import expm
from strategies import DEPTHS, FLOWS, direction, duplicated, error, low_rank, name, start

from wnlib import Flow, GradientFlow, Polar, Problem, WeightNormFlow, basis_pursuit, integrate, limit
from wnlib._checks import Array
from wnlib.trajectories import integration

PROBLEM = Problem.gaussian(5, 12, 2, seed=1)
every_flow = pytest.mark.parametrize("flow", FLOWS, ids=name)
every_depth = pytest.mark.parametrize("depth", DEPTHS)
both_coordinates = pytest.mark.parametrize("coordinates", ["dual", "primal"])

RATIO_AND_SCALE = [(0.1, 0.3), (0.1, 2.0), (1.0, 1.0), (10.0, 0.3), (30.0, 0.5), (30.0, 2.0)]
CASES = enumerate(product(DEPTHS, RATIO_AND_SCALE), 1)
GRID = [(WeightNormFlow(L, ratio), scale, seed) for seed, (L, (ratio, scale)) in CASES]


def check_agreement(flow: Flow, problem: Problem, first: Polar, t_end: float) -> None:
    """Both integrations give the same weights, conserve the invariants and the norm of u, and descend."""
    primal, dual = (integrate(flow, problem, first, t_end, 1e-11, c) for c in ("primal", "dual"))
    # At the primal solver's own steps: between them its interpolant is of a lower order.
    assert error(dual.at(primal.t).weights, primal.weights) <= 1e-8
    for path in (primal, dual):
        assert path.invariant_drift.max() <= 1e-9
        assert np.abs(np.linalg.norm(path.points.direction, axis=-1) - 1).max() <= 1e-9
        assert np.all(np.diff(path.loss) <= 1e-9 * path.loss[0])
        assert path.loss[-1] < path.loss[0]


@pytest.mark.parametrize(("flow", "scale", "seed"), GRID, ids=name)
def test_primal_and_dual_weight_normalization_agree(flow: Flow, scale: float, seed: int) -> None:
    problem = Problem.gaussian(5, 12, 2, seed=seed)
    stiff = flow.ratio * scale > 50
    check_agreement(flow, problem, start(flow, 12, scale, seed), t_end=1.0 if stiff else 5.0)


@every_depth
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_primal_and_dual_gradient_flow_agree(depth: int, scale: float) -> None:
    flow = GradientFlow(depth)
    check_agreement(flow, PROBLEM, start(flow, 12, scale), 5.0)


@every_flow
@pytest.mark.parametrize(
    "problem",
    [low_rank(), duplicated(Problem.gaussian(4, 9, 2, seed=1)), Problem.gaussian(4, 9, 2, seed=1)],
    ids=["low-rank", "duplicated", "small"],
)
def test_primal_and_dual_agree_at_every_rank(flow: Flow, problem: Problem) -> None:
    check_agreement(flow, problem, start(flow, problem.shape[1]), 5.0)


@both_coordinates
@every_depth
def test_the_solution_is_that_of_the_theorys_equations(depth: int, coordinates: str) -> None:
    c, A, y = 1.5, PROBLEM.A, PROBLEM.y

    def equations(t: float, state: Array) -> Array:
        r, u = state[0], state[1:]
        p = A.T @ (y - A @ (r * u) ** depth)
        along = p @ u**depth
        return depth * np.append(r ** (depth - 1) * along, c * r**depth * (p * u ** (depth - 1) - along * u))

    flow = WeightNormFlow(depth, c)
    first = start(flow, 12)
    state = np.append(first.radius, first.direction)
    wanted = solve_ivp(equations, (0, 3), state, method="DOP853", rtol=1e-12, atol=1e-14).y[:, -1]
    found = integrate(flow, PROBLEM, first, 3.0, 1e-11, coordinates)
    np.testing.assert_allclose(found.radius[-1], wanted[0], rtol=1e-9)
    assert error(found.points.direction[-1], wanted[1:]) <= 1e-8


@both_coordinates
@pytest.mark.parametrize("problem", [PROBLEM, low_rank()], ids=["full", "low-rank"])
def test_linear_gradient_flow_is_a_matrix_exponential(problem: Problem, coordinates: str) -> None:
    flow = GradientFlow(1)
    first = start(flow, problem.shape[1])
    path = integrate(flow, problem, first, 3.0, 1e-11, coordinates)
    solution = np.linalg.pinv(problem.A) @ problem.y
    for t, weights in zip(path.t[::10], path.weights[::10], strict=True):
        wanted = solution + expm(-t * problem.A.T @ problem.A) @ (first.weights(1) - solution)
        assert error(weights, wanted) <= 1e-9


def test_at_depth_one_the_radius_passes_through_zero() -> None:
    flow = WeightNormFlow(1, 0.5)
    first = flow.start(12, -0.3, PROBLEM.truth + 0.01)
    check_agreement(flow, PROBLEM, first, 20.0)
    path = integrate(flow, PROBLEM, first, 20.0)
    assert path.radius[0] < 0 < path.radius[-1]
    assert path.loss[-1] <= 1e-2 * path.loss[0]


@both_coordinates
def test_a_collapse_is_followed_to_zero(coordinates: str) -> None:
    problem, flow = Problem.gaussian(5, 12, 2, seed=17), WeightNormFlow(2, 1.0)
    pull = float(problem.y @ problem.A.sum(axis=1)) / 12
    path = integrate(flow, problem, flow.start(12, 0.05), 2000.0, coordinates=coordinates)
    assert pull < 0
    assert 0 < path.radius[-1] < 1e-100
    assert np.isfinite(path.points.log_direction).all()
    assert path.invariant_drift.max() <= 1e-9
    np.testing.assert_allclose(path.loss[-1], 0.5 * problem.y @ problem.y, rtol=1e-14)
    late = path.at([1000.0, 2000.0])
    force = problem.A.T @ problem.y
    rate = np.log(late.radius[1] / late.radius[0]) / 1000
    np.testing.assert_allclose(rate, 2 * force @ late.points.direction[1] ** 2, rtol=1e-6)


@both_coordinates
@every_flow
def test_snapshots_run_from_the_start_to_the_end(flow: Flow, coordinates: str) -> None:
    first = start(flow, 12)
    path = integrate(flow, PROBLEM, first, 2.0, coordinates=coordinates)
    assert (path.t[0], path.t[-1]) == (0, 2)
    assert np.all(np.diff(path.t) > 0)
    assert path.weights.shape == (len(path.t), 12)
    assert error(path.weights[0], first.weights(flow.depth)) <= 1e-13
    np.testing.assert_allclose(path.loss, 0.5 * np.sum((path.weights @ PROBLEM.A.T - PROBLEM.y) ** 2, axis=1))
    np.testing.assert_allclose(path.l1, np.linalg.norm(path.weights, ord=1, axis=1))


@both_coordinates
@every_flow
def test_a_solution_is_known_between_its_snapshots(flow: Flow, coordinates: str) -> None:
    first = start(flow, 12)
    path = integrate(flow, PROBLEM, first, 2.0, 1e-10, coordinates)
    shorter = integrate(flow, PROBLEM, first, 1.234, 1e-10, coordinates)
    again = path.at(path.t)
    assert error(again.weights, path.weights) <= 1e-12
    assert error(path.at([1.0, 1.234]).weights[1], shorter.weights[-1]) <= 1e-7
    assert error(again.at([1.234]).weights[0], path.at([1.234]).weights[0]) == 0


@both_coordinates
@every_flow
def test_a_solution_stops_at_the_loss_it_was_asked_for(flow: Flow, coordinates: str) -> None:
    first = start(flow, 12)
    stop = 0.5 * float(PROBLEM.loss(first.weights(flow.depth)))
    path = integrate(flow, PROBLEM, first, 1e3, coordinates=coordinates, stop_loss=stop)
    assert path.t[-1] < 1e3
    np.testing.assert_allclose(path.loss[-1], stop, rtol=1e-6)
    assert np.all(path.loss[:-1] > stop)


@both_coordinates
@every_depth
def test_the_error_falls_with_the_tolerance(depth: int, coordinates: str) -> None:
    flow = WeightNormFlow(depth, 2.0)
    first = start(flow, 12, 1.2)
    exact, *coarser = (
        integrate(flow, PROBLEM, first, 5.0, rtol, coordinates).weights[-1] for rtol in (1e-12, 1e-4, 1e-6, 1e-8)
    )
    errors = [error(weights, exact) for weights in coarser]
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
    assert errors[2] <= 1e-6


@pytest.mark.parametrize(("depth", "ratio", "distance"), [(2, 30.0, 1e-7), (3, 3.0, 1e-3)])
def test_a_long_time_leads_to_the_sparse_solution(depth: int, ratio: float, distance: float) -> None:
    problem, flow = Problem.gaussian(10, 30, 2), WeightNormFlow(depth, ratio)
    path = integrate(flow, problem, flow.start(30, 0.8), 1e6)
    assert path.t[-1] == 1e6
    assert path.loss[-1] <= 1e-15
    assert error(path.weights[-1], basis_pursuit(problem).weights) <= distance


def test_linear_weight_normalization_ends_at_its_invariants() -> None:
    flow = WeightNormFlow(1, 3.0)
    first = start(flow, 12)
    path = integrate(flow, PROBLEM, first, 1e6, 1e-11)
    w, kernel = path.weights[-1], PROBLEM.kernel
    shrinkage = np.exp(3.0 / 2 * (first.radius**2 - w @ w)) * np.linalg.norm(w)
    assert path.loss[-1] <= 1e-20
    assert error(w @ kernel, shrinkage * first.direction @ kernel) <= 1e-8


def test_the_same_call_gives_the_same_bytes() -> None:
    flow = WeightNormFlow(3, 2.0)
    first, again = (integrate(flow, PROBLEM, start(flow, 12), 5.0) for _ in range(2))
    assert first.weights.tobytes() == again.weights.tobytes()


def final(flow: Flow, problem: Problem, first: Polar, t_end: float) -> Array:
    return integrate(flow, problem, first, t_end, 1e-11).weights[-1]


@every_flow
def test_permuted_columns_permute_the_weights(flow: Flow) -> None:
    order, toward = np.random.default_rng(0).permutation(12), direction(12, flow.depth)
    permuted = Problem(PROBLEM.A[:, order], PROBLEM.y)
    found = final(flow, permuted, flow.start(12, 0.8, toward[order]), 3.0)
    assert error(found, final(flow, PROBLEM, flow.start(12, 0.8, toward), 3.0)[order]) <= 1e-8


@every_flow
def test_repeated_measurements_run_twice_as_fast(flow: Flow) -> None:
    first = start(flow, 12)
    twice = Problem(np.vstack([PROBLEM.A, PROBLEM.A]), np.tile(PROBLEM.y, 2))
    assert error(final(flow, twice, first, 1.5), final(flow, PROBLEM, first, 3.0)) <= 1e-8


@every_flow
@pytest.mark.parametrize("unit", [1e-4, 0.5, 1e4])
def test_a_unit_of_measurement_is_a_unit_of_time(flow: Flow, unit: float) -> None:
    first = start(flow, 12)
    scaled = Problem(unit * PROBLEM.A, unit * PROBLEM.y)
    assert error(final(flow, scaled, first, 3.0 / unit**2), final(flow, PROBLEM, first, 3.0)) <= 1e-8


@every_flow
@pytest.mark.parametrize("unit", [1e-4, 0.5, 1e4])
def test_a_unit_of_weight_is_a_unit_of_time_and_of_ratio(flow: Flow, unit: float) -> None:
    r"""w = s v with x = s^{1/L} x_v: the force is s times as large, and c r^2 keeps its value."""
    length = unit ** (1 / flow.depth)
    changes = {"ratio": flow.ratio / length**2} if isinstance(flow, WeightNormFlow) else {}
    scaled, scaled_flow = Problem(PROBLEM.A, unit * PROBLEM.y), replace(flow, **changes)
    found = final(scaled_flow, scaled, start(flow, 12, 0.8 * length), 3.0 * (length / unit) ** 2)
    assert error(found, unit * final(flow, PROBLEM, start(flow, 12, 0.8), 3.0)) <= 1e-8


@every_depth
def test_a_common_rate_is_a_unit_of_time(depth: int) -> None:
    slow, fast = WeightNormFlow(depth, 2.0), WeightNormFlow(depth, 2.0, radial_rate=4.0)
    first = start(slow, 12)
    assert error(final(fast, PROBLEM, first, 0.75), final(slow, PROBLEM, first, 3.0)) <= 1e-8


def test_equal_columns_keep_equal_weights_however_small_their_dual_variable():
    """A rounding error of their difference, once kept, let one of them vanish."""
    column = np.array([[-0.85, 0.32, 1.79]])
    problem = Problem(column[:, [0, 1, 2, 1, 2, 0]], [1.05])
    flow = WeightNormFlow(3, 900.0)
    end = integrate(flow, problem, flow.start(6, 0.22), 1e6, rtol=1e-8)
    assert end.loss[-1] <= 1e-20
    np.testing.assert_allclose(end.weights[-1], limit(flow, problem, flow.start(6, 0.22)).weights, atol=1e-6)
    assert end.weights[-1][2] == pytest.approx(end.weights[-1][4], rel=1e-9)


def test_at_rest_the_trajectory_stays_where_it_is():
    problem = Problem.gaussian(4, 8, 2, seed=1)
    flow = WeightNormFlow(2, 3.0)
    still = integrate(flow, problem, flow.start(8, 1.0), 1e12)
    assert still.t[-1] == 1e12
    assert still.t[-2] < 1e6
    np.testing.assert_allclose(still.weights[-1], still.weights[-2], rtol=1e-12)
    np.testing.assert_allclose(still.at([1e9]).weights[0], still.weights[-1], rtol=1e-12)
    np.testing.assert_allclose(still.weights[-1], limit(flow, problem, flow.start(8, 1.0)).weights, atol=1e-7)


def test_the_implicit_runge_kutta_method_waits_until_the_multistep_one_gives_up(monkeypatch):
    monkeypatch.setattr(integration, "Radau", None)
    flow, problem = WeightNormFlow(3, 2.0), Problem.gaussian(5, 9, 2, seed=4)
    assert integrate(flow, problem, start(flow, 9), 100.0).loss[-1] < 1e-3 * problem.loss_of_zero


def test_the_implicit_runge_kutta_method_goes_on_where_the_multistep_one_gives_up(monkeypatch):
    class Failing(LSODA):
        def step(self):
            if self.t > 1.0:
                self.status = "failed"
                return "gave up"
            return super().step()

    problem = Problem.gaussian(4, 8, 2, seed=1)
    flow = WeightNormFlow(2, 3.0)
    whole = integrate(flow, problem, flow.start(8, 1.0), 10.0, rtol=1e-9)
    monkeypatch.setattr(integration, "LSODA", Failing)
    parts = integrate(flow, problem, flow.start(8, 1.0), 10.0, rtol=1e-9)
    np.testing.assert_allclose(parts.weights[-1], whole.weights[-1], rtol=1e-6)


def test_events_are_located_by_the_dense_output():
    problem = Problem.gaussian(4, 8, 2, seed=1)
    flow = WeightNormFlow(3, 2.0)
    followed = integrate(flow, problem, flow.start(8, 1.0), 1e6, rtol=1e-10)
    level = 1e-3 * float(followed.loss[0])
    when = followed.fits_at(level)
    assert followed.at([when]).loss[0] == pytest.approx(level, rel=1e-9)
    stopped = integrate(flow, problem, flow.start(8, 1.0), 1e6, rtol=1e-10, stop_loss=level)
    assert stopped.t[-1] == pytest.approx(when, rel=1e-6)
    assert followed.fits_at(2 * float(followed.loss[0])) == 0
    assert followed.fits_at(1e-300) == np.inf


def test_a_plateau_ends_where_the_loss_has_fallen():
    problem = Problem.gaussian(6, 14, 2, seed=3)
    flow = GradientFlow(3)
    followed = integrate(flow, problem, flow.start(14, 0.01), 1e6)
    (begin, end), *_ = followed.plateaus(drop=0.1, decades=1.0)
    first, last = followed.at([begin, end]).loss
    assert end >= 10 * begin
    assert last == pytest.approx(0.9 * first, rel=1e-9)
    assert len(followed.plateaus(drop=0.1, decades=30.0)) == 0
    lasts = np.log10(end / begin)
    assert begin in followed.plateaus(drop=0.1, decades=lasts - 1e-6)[:, 0]
    assert begin not in followed.plateaus(drop=0.1, decades=lasts + 1e-6)[:, 0]
    with pytest.raises(ValueError, match="drop must be < 1"):
        followed.plateaus(drop=1.5)
