"""What is computed does not depend on the units in which a problem is stated: each solver, scaled and unscaled."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from wnlib import (
    ArgumentError,
    CollapseError,
    DecayedGradientDescent,
    DecayedSalimansKingmaDescent,
    Flow,
    GradientDescent,
    GradientFlow,
    GroupedFlow,
    IntegrationError,
    MatrixProblem,
    Polar,
    PolarDescent,
    Problem,
    SalimansKingmaDescent,
    ScheduledWeightNormFlow,
    SeparateFlow,
    WeightNormFlow,
    attainable_weights,
    basis_pursuit,
    blow_up_times,
    cascade,
    collapse_barrier,
    collapses,
    descend,
    effective_start,
    grouped_limit,
    integrate,
    integrate_grouped,
    integrate_layered,
    integrate_separate,
    invariant_drift,
    invariants,
    large_ratio_path,
    layered_descent,
    layered_limit,
    limit,
    longest_step,
    magnification_excess_bound,
    margin,
    mass_bound,
    matrix_descent,
    metric,
    mirror_map,
    needed_magnification,
    needed_ratio,
    needed_scale,
    null_space_constant,
    polar_of,
    radius_of,
    rate_matrix,
    saddle,
    sharpness,
    sparse_limit,
    spectral_limit,
    stability,
    stay,
    symmetric_start,
    window_mass,
)
from wnlib.flows.units import Units, from_own, to_own
from wnlib.limits.stays import exit_time
from wnlib.models.grouped_limit import nearest_masses

PROBLEM = Problem.gaussian(6, 12, 2, seed=3)
SIGNED = Problem.gaussian(4, 6, 1, signed=True)
MATRICES = MatrixProblem.gaussian(m=10, n=5, rank=1)
DIRECTION = np.linspace(0.5, 1.5, 12)
FACTORS = np.random.default_rng(0).standard_normal((3, 12)) / 4


@dataclass(frozen=True)
class Scaling:
    """A times 2^matrix and x times 2^point, and so y times 2^(matrix + L point): what all else is multiplied by."""

    depth: int
    matrix: int
    point: int

    @property
    def weights(self) -> int:
        return self.depth * self.point

    @property
    def data(self) -> int:
        return self.matrix + self.weights

    @property
    def time(self) -> int:
        return (2 - self.depth) * self.point - self.matrix - self.data

    def problem(self, problem: Problem = PROBLEM) -> Problem:
        truth = None if problem.truth is None else np.ldexp(problem.truth, self.weights)
        return Problem(np.ldexp(problem.A, self.matrix), np.ldexp(problem.y, self.data), truth)

    def flow(self, flow: Flow) -> Flow:
        return replace(flow, ratio=self(flow.ratio, -2 * self.point)) if isinstance(flow, WeightNormFlow) else flow

    def start(self, scale: float = 0.8) -> Polar:
        return GradientFlow(self.depth).start(12, self(scale, self.point), DIRECTION)

    def __call__(self, value: float, unit: int) -> float:
        return float(np.ldexp(value, unit))


Answer = dict[str, tuple[Any, int]]  # what was found, and the unit that it should be in
Solver = Callable[[Scaling], Answer]


def followed(flow: Flow, coordinates: Any = "dual") -> Solver:
    def solve(by: Scaling) -> Answer:
        path = integrate(by.flow(flow), by.problem(), by.start(), by(3.0, by.time), coordinates=coordinates)
        found = {"t": (path.t, by.time), "weights": (path.weights, by.weights), "radius": (path.radius, by.point)}
        if not isinstance(flow, ScheduledWeightNormFlow):
            found["bregman"] = (path.bregman(by.problem().truth), by.weights)
        return {**found, "loss": (path.loss, 2 * by.data), "plateaus": (path.plateaus(decades=0.1), by.time)}

    return solve


def scheduled(by: Scaling) -> Answer:
    flow = ScheduledWeightNormFlow(by.depth, 2.0, angular_schedule=lambda t: 1 + 0.1 * float(np.ldexp(t, -by.time)))
    path = integrate(by.flow(flow), by.problem(), by.start(), by(1.0, by.time), coordinates="primal")
    return {"weights": (path.weights, by.weights)}


def ended(flow: Flow, scale: float = 0.8) -> Solver:
    def solve(by: Scaling) -> Answer:
        end = limit(by.flow(flow), by.problem(), by.start(scale))
        shift = end.log_scale - by.point * np.log(2)
        return {
            "weights": (end.weights, by.weights),
            "dual": (end.dual, -by.matrix),
            "log_scale": (round(shift, 9), 0),
            "residual": (end.residual, 0),
        }

    return solve


def fallen(by: Scaling) -> Answer:
    scales = (0.01, 0.8) if by.depth > 2 else (0.1, 2.0)
    problem, flow = Problem([[1.0, -1.0]], [1.0]), WeightNormFlow(by.depth, 1.0)
    starts = [GradientFlow(by.depth).start(2, by(scale, by.point), [1, 2]) for scale in scales]
    return {"collapses": ([collapses(by.flow(flow), by.problem(problem), start) for start in starts], 0)}


def visited(by: Scaling) -> Answer:
    problem = by.problem()
    found, flow = cascade(problem), by.flow(WeightNormFlow(by.depth, 5.0))
    one = saddle(problem, [int(np.argmax(problem.truth))])
    start = GradientFlow(by.depth).start(12, by(0.1, by.point))
    answer = {
        "weights": (np.stack([at.weights for at in found.saddles]), by.weights),
        "loss": (one.loss, 2 * by.data),
        "force": (one.force, by.matrix + by.data),
        "gain": (one.gain, by.matrix),
        "dual_time": (found.dual_time, -by.matrix - by.data),
    }
    if by.depth > 2:
        answer["exits"] = (found.exits(flow, start), by.time)
    if by.depth > 1:
        mass = by(1e-2, by.weights)
        near = stay(
            GradientFlow(by.depth), saddle(problem, []), GradientFlow(by.depth).start(12, start.radius / 4), mass
        )
        answer |= {"stay": ([near.earliest, near.latest], by.time), "radii": (near.radius, 2 * by.point)}
        answer["left"] = (near.loss, 2 * by.data)
    return answer


def bounded(by: Scaling) -> Answer:
    flow, problem = by.flow(WeightNormFlow(by.depth, 5.0)), by.problem()
    target, scale = problem.truth, by(0.5, by.point)
    return {
        "mass_bound": (mass_bound(flow, scale, target), by.weights),
        "excess": (magnification_excess_bound(flow, scale, target), 0),
        "window": (window_mass(problem, by.depth, by(3.0, by.point)), by.weights),
    }


def measured(by: Scaling) -> Answer:
    flow, problem, weights = by.flow(WeightNormFlow(by.depth, 5.0)), by.problem(), np.ldexp(DIRECTION, by.weights)
    point = polar_of(weights, by.depth)
    return {
        "radius": (radius_of(weights, by.depth), by.point),
        "rates": (rate_matrix(flow, problem, weights), -by.time),
        "sharpness": (sharpness(flow, problem, weights), -by.time),
        "longest": (longest_step(flow, problem, weights), by.time),
        "metric": (metric(flow, point), (2 * by.depth - 2) * by.point),
    }


def sparse(by: Scaling) -> Answer:
    problem = by.problem()
    found = basis_pursuit(problem)
    return {
        "weights": (found.weights, by.weights),
        "value": (found.value, by.weights),
        "dual": (found.dual, -by.matrix),
        "priced": (basis_pursuit(problem, DIRECTION).weights, by.weights),
        "stability": (stability(problem, found.weights), 0),
        "margin": (margin(problem).value, 0),
        "null space": (null_space_constant(problem, np.flatnonzero(problem.truth)), 0),
        "certificate": (margin(problem, DIRECTION).dual, -by.matrix),
        "direction": (margin(problem).direction, 0),
        "attainable": (attainable_weights(problem), 0),
    }


def conserved(by: Scaling) -> Answer:
    flow, problem = by.flow(WeightNormFlow(by.depth, 2.0)), by.problem()
    starts = [flow.start(12, by(scale, by.point), DIRECTION**power) for scale, power in ((0.8, 1), (1.1, 2))]
    radii, directions = [np.stack([getattr(start, name) for start in starts]) for name in ("radius", "log_direction")]
    points = Polar(radii, directions, np.ones(12))
    mirror, radius = mirror_map(flow, by(0.9, by.point)), by(0.7, by.point)
    kept = np.diff(invariants(flow, problem, points, radius), axis=0)
    return {
        "drift": (invariant_drift(flow, problem, points), 0),
        "invariants": (kept, 0),  # z is in units of the reference
        "dual variable": (mirror.dual_variable(points), 0),
    }


def started(by: Scaling) -> Answer:
    flow, answer = GradientFlow(by.depth), {}
    answer["start"] = (symmetric_start(flow, 3, by(0.8, by.point), by(1.0, by.point) * DIRECTION[:3]).radius, by.point)
    if by.depth > 1:
        problem = by.problem()
        answer["needed"] = (needed_magnification(by.depth, problem.truth, 0.1), 0)
        answer["ratio"] = (needed_ratio(problem, by.depth, by(0.3, by.point), 0.01), -2 * by.point)
        answer["scale"] = (needed_scale(problem, by.depth, 0.01), by.point)
        answer["sparse limit"] = (sparse_limit(problem, by.depth, DIRECTION), by.weights)
        if by.depth == 2:
            path = large_ratio_path(problem, GradientFlow(2).start(problem.shape[1], by(0.3, by.point)))
            answer["path"] = (path.weights, by.weights)
            answer["events"] = (path.times[:-1], -2 * by.matrix)
            answer["integral"] = (path.integral(by(3.0, -2 * by.matrix)), by.weights - 2 * by.matrix)
        answer["barrier"] = (collapse_barrier(problem, by.depth, DIRECTION), 0)
    return answer


METHODS: dict[str, Callable[[Scaling], Any]] = {
    "plain": lambda by: GradientDescent(by.depth),
    "polar": lambda by: PolarDescent(by.depth, [by(2.0, -2 * by.point), by(3.0, -2 * by.point)]),
    "salimans": lambda by: SalimansKingmaDescent(by.depth, by(0.5, by.point)),
    "decayed": lambda by: DecayedGradientDescent(by.depth, by(0.1, -by.time)),
    "decayed-salimans": lambda by: DecayedSalimansKingmaDescent(
        by.depth, by(0.5, by.point), by(0.1, -by.time), by(0.2, -by.time)
    ),
}


def descended(name: str, **options: Any) -> Solver:
    def solve(by: Scaling) -> Answer:
        step = [by(0.01, by.time), by(0.02, by.time)]
        path = descend(METHODS[name](by), by.problem(), by.start(), step, 40, every=10, **options)
        weights, radius = (path.weights, by.weights), (path.radius, by.point)
        return {"weights": weights, "radius": radius, "t": (path.t, by.time), "loss": (path.loss, 2 * by.data)}

    return solve


def restarted(by: Scaling) -> Answer:
    ratio, answer = by(2.0, -2 * by.point), {}
    for method in (GradientDescent(by.depth), PolarDescent(by.depth, ratio), METHODS["salimans"](by)):
        run = descend(method, by.problem(), by.start(), by(0.02, by.time), 40, batch_size=2)
        start, name = effective_start(run), type(method).__name__
        answer |= {f"radius of {name}": (start.radius, by.point), f"direction of {name}": (start.log_direction, 0)}
    return answer


def separated(matched: bool) -> Solver:
    def solve(by: Scaling) -> Answer:
        flow = SeparateFlow(by.depth, by(2.0, -2 * by.point), matched)
        start = flow.start(6, by(1.0, by.point))
        unit = -by.matrix - by.data if matched else by.time
        path = integrate_separate(flow, by.problem(SIGNED), start, by(0.5, unit))
        return {"parts": (path.parts, by.weights), "t": (path.t, unit), "radii": (path.radii, by.point)}

    return solve


def grouped(matched: bool) -> Solver:
    def solve(by: Scaling) -> Answer:
        flow = GroupedFlow(by.depth, by(2.0, -2 * by.point), matched)
        start = flow.start(12, by(1.0, by.point), 3)
        unit = -by.matrix - by.data if matched else by.time
        path = integrate_grouped(flow, by.problem(PROBLEM), start, by(0.5, unit))
        answer = {"weights": (path.weights, by.weights), "t": (path.t, unit), "r": (path.points.radius, by.point)}
        if matched:
            answer["limit"] = (grouped_limit(flow, by.problem(PROBLEM), start).weights, by.weights)
            masses = [by(mass, by.weights) for mass in (0.3, 0.5, 1.0)]
            answer["masses"] = (nearest_masses(by.problem(PROBLEM), masses), by.weights)
        return answer

    return solve


def layered(flow: Flow) -> Solver:
    def solve(by: Scaling) -> Answer:
        factors = np.ldexp(FACTORS[: by.depth], by.point)
        path = integrate_layered(by.flow(flow), by.problem(), factors, by(0.5, by.time))
        end, power = layered_limit(by.flow(flow), by.problem(), factors), (2 - by.depth) * by.point
        return {
            "t": (path.t, by.time),
            "factors": (path.factors, by.point),
            "end": (end.factors, by.point),
            "theta": (end.theta, power if isinstance(flow, GradientFlow) else 0),
            "times": (blow_up_times(factors), power),
        }

    return solve


def layers_stepped(ratio: float | None) -> Solver:
    def solve(by: Scaling) -> Answer:
        factors, step = np.ldexp(FACTORS[: by.depth], by.point), by(0.01, by.time)
        run = layered_descent(by.problem(), factors, step, 30, None if ratio is None else by(ratio, -2 * by.point))
        return {"factors": (run.factors, by.point), "loss": (run.losses, 2 * by.data)}

    return solve


def of_matrices(by: Scaling) -> Answer:
    problem = MatrixProblem(np.ldexp(MATRICES.A, by.matrix), np.ldexp(MATRICES.y, by.data))
    answer = {}
    for name, ratio in (("plain", None), ("normalized", by(2.0, -2 * by.point))):
        found = matrix_descent(problem, by.depth, [by(0.5, by.point)], [0.5], ratio=ratio, steps=30)
        answer[name] = (found.W, by.weights)
    if by.depth > 1:
        answer["spectral"] = (spectral_limit(problem, by.depth, by(0.5, by.point), tolerance=1e-9), by.weights)
    return answer


ALL, DEEP = (1, 2, 3), (2, 3)
SOLVERS: dict[str, tuple[Callable[[int], Solver], tuple[int, ...]]] = {
    "gradient flow": (lambda L: followed(GradientFlow(L)), ALL),
    "weight normalization": (lambda L: followed(WeightNormFlow(L, 2.0)), ALL),
    "primal": (lambda L: followed(WeightNormFlow(L, 2.0), "primal"), ALL),
    "scheduled": (lambda L: scheduled, ALL),
    "limit of gradient flow": (lambda L: ended(GradientFlow(L)), ALL),
    "limit of weight normalization": (lambda L: ended(WeightNormFlow(L, 2.0)), ALL),
    "collapses": (lambda L: fallen, DEEP),
    "saddles": (lambda L: visited, ALL),
    "bounds": (lambda L: bounded, DEEP),
    "metrics": (lambda L: measured, ALL),
    "basis pursuit": (lambda L: sparse, (2,)),
    "invariants": (lambda L: conserved, ALL),
    "starts": (lambda L: started, ALL),
    **{f"{name} descent": ((lambda L, name=name: descended(name)), ALL) for name in METHODS},
    "stochastic descent": (lambda L: descended("plain", batch_size=2, seed=1), ALL),
    "effective starts": (lambda L: restarted, DEEP),
    "separate spheres": (lambda L: separated(False), DEEP),
    "layers of gradient flow": (lambda L: layered(GradientFlow(L)), DEEP),
    "layers of weight normalization": (lambda L: layered(WeightNormFlow(L, 2.0)), DEEP),
    "layered descent": (lambda L: layers_stepped(None), DEEP),
    "normalized layered descent": (lambda L: layers_stepped(2.0), DEEP),
    "matched clocks": (lambda L: separated(True), DEEP),
    "groups": (lambda L: grouped(False), DEEP),
    "groups with matched clocks": (lambda L: grouped(True), DEEP),
    "matrices": (lambda L: of_matrices, ALL),
}
CASES = [(name, depth) for name, (_, depths) in SOLVERS.items() for depth in depths]


@cache
def unscaled(name: str, depth: int) -> Answer:
    return SOLVERS[name][0](depth)(Scaling(depth, 0, 0))


@settings(max_examples=2, deadline=None)
@given(matrix=st.integers(-300, 300), weights=st.integers(-300, 300))
@pytest.mark.parametrize(("name", "depth"), CASES)
def test_powers_of_two_scale_the_answer_to_the_bit(name: str, depth: int, matrix: int, weights: int) -> None:
    """A from 1e-90 to 1e90, y from 1e-180 to 1e180: times and rates have numbers; other answers round as they do."""
    by = Scaling(depth, matrix, weights // depth)
    plain, scaled = unscaled(name, depth), SOLVERS[name][0](depth)(by)
    for what, (found, unit) in scaled.items():
        with np.errstate(over="ignore", under="ignore"):
            wanted = np.ldexp(np.asarray(plain[what][0], dtype=float), unit)
        regular = (np.abs(wanted) > 1e-290) & np.isfinite(wanted)  # beyond, squares lose digits before they underflow
        np.testing.assert_allclose(
            np.asarray(found, dtype=float)[regular], wanted[regular], rtol=1e-12, atol=0, err_msg=what
        )
        if name.endswith("descent") and what != "loss":
            assert np.array_equal(np.asarray(found)[regular], wanted[regular]), what


@pytest.mark.parametrize("factor", [1e-12, 1e-7, 3e-5, 7e4, 1e9])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_any_other_factor_scales_it_within_the_tolerance(depth: int, factor: float) -> None:
    for flow in (GradientFlow(depth), WeightNormFlow(depth, 2.0)):
        plain = integrate(flow, PROBLEM, Scaling(depth, 0, 0).start(), 3.0)
        length = factor ** (1 / depth)
        scaled = Problem(PROBLEM.A, factor * PROBLEM.y)
        its = replace(flow, ratio=flow.ratio / length**2) if isinstance(flow, WeightNormFlow) else flow
        start = flow.start(12, 0.8 * length, DIRECTION)
        path = integrate(its, scaled, start, 3.0 * length ** (2 - depth) / factor)
        np.testing.assert_allclose(path.weights[-1] / factor, plain.weights[-1], rtol=0, atol=2e-8)


@pytest.mark.parametrize("size", [1e-12, 1e-7, 1e-200, 1e150])
def test_linear_gradient_flow_is_followed_in_units_of_its_data(size: float) -> None:
    """The solver's absolute tolerance was one of y = 1: three orders of magnitude off at 1e-12, 2 % at 1e-7."""
    flow, problem = GradientFlow(1), Problem(PROBLEM.A, size * PROBLEM.y)
    path = integrate(flow, problem, flow.start(12, size), 100.0, rtol=1e-10)
    wanted = limit(flow, problem, flow.start(12, size)).weights
    late = integrate(flow, PROBLEM, flow.start(12, 1.0), 100.0, rtol=1e-10).weights[-1]
    np.testing.assert_allclose(path.weights[-1] / size, late, rtol=0, atol=1e-8)
    np.testing.assert_allclose(path.weights[-1] / size, wanted / size, rtol=0, atol=0.2)


def test_large_data_do_not_clip_steps_that_are_accepted() -> None:
    """At depth 2, where weights beyond e^100 were taken for e^100: a loss of 33923 u^2 for 0.0278 u^2."""
    flow, unit = GradientFlow(2), 1e50
    problem = Problem(PROBLEM.A, unit * PROBLEM.y)
    plain = integrate(flow, PROBLEM, flow.start(12, 0.8), 3.0)
    large = integrate(flow, problem, flow.start(12, 0.8 * unit**0.5), 3.0 / unit)
    np.testing.assert_allclose(large.loss[-1] / unit**2, plain.loss[-1], rtol=1e-6)


@pytest.mark.parametrize("flow", [GradientFlow(2), WeightNormFlow(2, 1e-60)], ids=["plain", "normalized"])
def test_large_starts_do_not_clip_steps_that_are_accepted(flow: Flow) -> None:
    """In no units are both the start and the interpolants of size one."""
    start = flow.start(12, 1e30, DIRECTION)
    dual, primal = (integrate(flow, PROBLEM, start, 3e-60, rtol=1e-9, coordinates=one) for one in ("dual", "primal"))
    assert primal.loss[-1] < 0.9 * primal.loss[0]
    np.testing.assert_allclose(dual.weights[-1], primal.weights[-1], rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-100, 1e-162, 1e-300])
@pytest.mark.parametrize("depth", [2, 3])
def test_a_tiny_start_alone_is_held_by_its_logarithm(depth: int, scale: float) -> None:
    plain, flow = GradientFlow(depth), WeightNormFlow(depth, 2.0)
    target = limit(plain, PROBLEM, plain.start(12, 1e-40)).l1_excess if depth == 3 else 0.0
    assert limit(plain, PROBLEM, plain.start(12, scale)).l1_excess <= max(target, 0.01)
    start = flow.start(12, scale)
    pushed = PROBLEM.y @ PROBLEM.A.sum(axis=1) > 0
    assert collapses(flow, PROBLEM, start) == (not pushed)
    if pushed:
        assert np.isfinite(limit(flow, PROBLEM, start).weights).all()
    else:
        with pytest.raises(CollapseError):
            limit(flow, PROBLEM, start)
    if depth == 2:
        end = integrate(plain, PROBLEM, plain.start(12, scale), 1e6)
        np.testing.assert_allclose(end.weights[-1], limit(plain, PROBLEM, plain.start(12, scale)).weights, atol=1e-4)


def test_small_problems_with_starts_of_another_size_are_solved_or_refused_by_name() -> None:
    problem = Problem(1e-150 * PROBLEM.A, 1e-200 * PROBLEM.y)
    for depth in (1, 2, 3):
        for flow in (GradientFlow(depth), WeightNormFlow(depth, 1.0), WeightNormFlow(depth, 1e50)):
            named = (CollapseError, IntegrationError) if isinstance(flow, WeightNormFlow) else ()
            with suppress(*named):
                assert limit(flow, problem, flow.start(12, 1e-162)).residual < 1e-9
    method = DecayedSalimansKingmaDescent(2, norm=1e-25, vector_decay=1e-300)
    with pytest.raises(ArgumentError, match="step must be within the range"):
        descend(method, problem, GradientFlow(2).start(12, 1e-25), 1.0, 10)
    with pytest.raises(ArgumentError, match="t_end must be within the range"):
        integrate(GradientFlow(2), problem, GradientFlow(2).start(12, 1e-25), 1e-3)


def test_units_are_one_for_problems_of_size_one_and_powers_of_the_depth_else() -> None:
    assert Units.of(Problem.gaussian(24, 60, 3), 2) == Units(0, 0, 0, 0)
    units = Units.of(Scaling(3, 7, -5).problem(), 3)
    own = Units.of(PROBLEM, 3)
    assert (units.matrix - own.matrix, units.point - own.point, units.weights - own.weights) == (7, -5, -15)
    assert units.problem(PROBLEM) is units.problem(PROBLEM)
    assert own.problem(PROBLEM) is (PROBLEM if own == Units(0, 0, 0, 0) else own.problem(PROBLEM))
    zero = Problem([[1.0, 1.0]], [0.0])
    assert Units.of(zero, 2).point == 0


@given(st.floats(1e-280, 1e280), st.integers(-2000, 2000))
def test_what_goes_in_comes_out_or_is_refused(value: float, unit: int) -> None:
    with np.errstate(over="ignore", under="ignore"):
        there = float(np.ldexp(value, -unit))
    if np.finfo(float).tiny <= there < np.inf:
        assert from_own(to_own("value", value, unit), unit) == value
    else:
        with pytest.raises(ArgumentError, match="value must be within"):
            to_own("value", value, unit)


def test_a_stay_ends_at_a_time_found_in_any_unit() -> None:
    flow, times = GradientFlow(2), []
    for by in (Scaling(2, 0, 0), Scaling(2, 300, -100)):
        problem, mass = by.problem(), by(1e-2, by.weights)
        start = flow.start(12, by(1e-2, by.point))
        path = integrate(flow, problem, start, by(10.0, by.time))
        times.append(by(exit_time(path, saddle(problem, []), mass), -by.time))
    assert times[1] == pytest.approx(times[0], rel=1e-9)
