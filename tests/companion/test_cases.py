"""Cases in units of their targets are where they claim to be, and broken ones break what they claim to break."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from companion.verification import cases
from companion.verification.ensemble import Case, Ensemble
from wnlib import GradientFlow, WeightNormFlow, integrate, mirror_map, polar_of, radius_of

few = settings(max_examples=40)
indices = st.integers(0, 10**4)


def measured(case: Case) -> bool:
    """Whether there are data: a single cosine vanishes where the only weight may be."""
    return bool(np.abs(case.problem.y).max() > 1e-9)


deep = indices.map(Ensemble(depths=(2, 3, 4, 5), columns=(4, 9)).case).filter(measured)
flat = indices.map(Ensemble(depths=(1,), columns=(4, 9)).case).filter(measured)
of_any_depth = st.one_of(deep, flat)


@few
@given(of_any_depth)
def test_the_ratio_is_how_often_a_start_is_magnified_on_the_way_to_the_target(case: Case) -> None:
    flow = cases.normalized_flow(case)
    magnified = flow.log_magnification(np.array([0.0, radius_of(case.target, case.depth)]))
    assert max(1, case.depth - 2) * np.diff(magnified)[0] == pytest.approx(case.ratio, rel=1e-12)
    assert flow.depth == case.depth


@few
@given(of_any_depth)
def test_the_scale_is_relative_to_the_targets_radius(case: Case) -> None:
    assert cases.start_radius(case) == pytest.approx(case.scale * radius_of(case.target, case.depth), rel=1e-12)


@few
@given(flat)
def test_a_sheltered_start_has_less_loss_than_nothing_and_no_larger_a_scale(case: Case) -> None:
    start = cases.sheltered(case)
    assert case.problem.loss(start.weights(1)) < case.problem.loss_of_zero
    assert 0 < start.radius <= case.scale


@few
@given(deep)
def test_above_depth_one_every_start_is_sheltered(case: Case) -> None:
    assert cases.sheltered(case) is case.start


@few
@given(flat)
def test_an_opposed_start_shrinks_at_first(case: Case) -> None:
    start = cases.opposed(case)
    field = case.flow.velocity(case.problem)
    assert start.radius * field(0.0, case.flow.encode(start))[0] < 0
    sheltered = cases.sheltered(case)
    assert sheltered.radius * field(0.0, case.flow.encode(sheltered))[0] > 0


@few
@given(of_any_depth, st.floats(0.1, 3), st.floats(0, 5))
def test_a_growing_ratio_grows_at_its_rate_and_starts_where_the_flow_does(case: Case, rate: float, t: float) -> None:
    state, problem = case.flow.encode(cases.sheltered(case)), case.problem
    first = case.flow.velocity(problem)(0.0, state)
    later = cases.growing(case.flow, rate).velocity(problem)(t, state)
    assert later[0] == pytest.approx(first[0], rel=1e-12)
    np.testing.assert_allclose(later[1:], (1 + rate * t) * first[1:], rtol=1e-10, atol=1e-12 * np.abs(first).max())


def test_gradient_flow_has_no_ratio_to_grow() -> None:
    assert cases.growing(GradientFlow(3), 1.0) == GradientFlow(3)


@few
@given(flat)
def test_measurements_of_dense_weights_come_with_a_start_of_the_cases_size(case: Case) -> None:
    problem, start = cases.problem_and_start(case)
    assert abs(start.radius) == case.scale
    assert problem.A is case.problem.A or np.array_equal(problem.A, case.problem.A)
    np.testing.assert_allclose(np.abs(start.direction), np.abs(case.start.direction), rtol=1e-12)


def test_both_signs_of_the_radius_and_of_the_weights_occur() -> None:
    found = [cases.problem_and_start(Ensemble(depths=(1,)).case(i)) for i in range(20)]
    assert {float(np.sign(start.radius)) for _, start in found} == {-1.0, 1.0}


@few
@given(deep, st.booleans(), st.sampled_from([0.1, 0.3]))
def test_a_planned_start_differs_from_its_end_by_forces_and_by_the_reach(case: Case, plain: bool, reach: float) -> None:
    flow = case.plain if plain else cases.normalized_flow(case)
    problem, end, start = cases.planned(case, flow, reach)
    assert end.min() > 0
    assert np.linalg.norm(problem.residual(end)) <= 1e-12 * np.linalg.norm(problem.y)
    radius = radius_of(end, flow.depth)
    mirror = mirror_map(flow, float(radius))
    theta = mirror.gradient(polar_of(end, flow.depth))
    change = theta - mirror.gradient(start)
    assert np.abs(change @ problem.kernel).max(initial=0.0) <= 1e-9 * np.linalg.norm(change)
    gamma = float(flow.relative_rate(radius) * radius**2)
    relative = np.abs(change) / (1.0 if flow.depth == 2 else np.abs(theta))
    assert relative.max() == pytest.approx(reach * min(1.0, gamma), rel=1e-6)


@pytest.mark.parametrize("depth", [2, 3])
def test_the_flow_from_a_planned_start_ends_there(depth: int) -> None:
    case = Ensemble(depths=(depth,), matrices=("gaussian",), columns=(5, 6)).case(3)
    problem, end, start = cases.planned(case, case.plain)
    np.testing.assert_allclose(integrate(case.plain, problem, start, 1e4).weights[-1], end, rtol=1e-6)


@few
@given(of_any_depth)
def test_a_tilted_direction_goes_from_one_to_four(case: Case) -> None:
    tilted = cases.tilted(case)
    assert tilted.shape == (case.n,)
    np.testing.assert_allclose([tilted[0], tilted[-1]], [1, 4])
    np.testing.assert_allclose(np.diff(np.log(tilted)), np.log(4) / (case.n - 1))


@few
@given(of_any_depth)
def test_a_signed_problem_measures_the_cases_weights_with_signs(case: Case) -> None:
    problem = cases.signed_problem(case)
    plus, minus = np.split(np.asarray(problem.truth), 2)
    np.testing.assert_allclose(plus + minus, case.problem.truth)
    np.testing.assert_allclose(case.problem.A @ (plus - minus), problem.y, atol=1e-12)
    assert not (plus * minus).any()


def test_either_flow_is_one_or_the_other_and_both_occur() -> None:
    found = [(case, cases.either_flow(case)) for case in map(Ensemble().case, range(24))]
    assert {type(flow) for _, flow in found} == {GradientFlow, WeightNormFlow}
    assert all(flow in (case.plain, cases.normalized_flow(case)) for case, flow in found)


@few
@given(deep, st.sampled_from([-1.0, 1.0]))
def test_a_start_leans_to_the_side_it_is_told_to(case: Case, sign: float) -> None:
    start = cases.against_the_data(case, sign)
    assert sign * start.push > 0
    assert np.linalg.norm(start.direction) == pytest.approx(1, rel=1e-12)
    assert start.direction.min() > 0
    assert (start.depth, start.ratio) == (case.depth, case.ratio)


@few
@given(of_any_depth)
def test_a_negative_interpolant_is_both(case: Case) -> None:
    weights = cases.negative_interpolant(case)
    assert weights.min() < -0.4
    size = np.linalg.norm(case.problem.A) * np.linalg.norm(weights)
    assert np.linalg.norm(case.problem.residual(weights)) <= 1e-12 * size
