"""The bounds hold for computed limits, agree with their closed forms, and are no larger than they need be."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from wnlib import GradientFlow, Problem, WeightNormFlow, basis_pursuit, limit, mass_bound, radius_of
from wnlib.limits.bounds import (
    deep_normalized_excess_bound,
    deep_plain_excess_bound,
    entropy_excess,
    magnification_excess_bound,
    minimum_norm_excess_bounds,
    normalized_excess_bound,
    normalized_mass_bound,
    plain_excess_bound,
    plain_mass_bound,
    uniform_mass,
)
from wnlib.limits.window import window_mass

PROBLEMS = [Problem.gaussian(8, 20, 2, seed=seed) for seed in range(3)]
TARGETS = [basis_pursuit(problem).weights for problem in PROBLEMS]


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("ratio", [None, 0.3, 3.0])
@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_no_limit_exceeds_the_mass_bound(depth, ratio, scale):
    flow = GradientFlow(depth) if ratio is None else WeightNormFlow(depth, ratio)
    for problem, target in zip(PROBLEMS, TARGETS, strict=True):
        mass = limit(flow, problem, flow.start(20, scale)).weights.sum()
        assert target.sum() * (1 - 1e-9) <= mass <= mass_bound(flow, scale, target) * (1 + 1e-9)


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("ratio", [0.3, 3.0, 300.0])
def test_closed_form_of_weight_normalization_at_depth_2(scale, ratio):
    for target in TARGETS:
        Q, S0 = target.sum(), scale**2
        expected = S0 + np.sqrt((Q - S0) ** 2 + 2 * Q * entropy_excess(target) / ratio)
        assert_allclose(mass_bound(WeightNormFlow(2, ratio), scale, target), expected, rtol=1e-9)
        assert_allclose(normalized_mass_bound(ratio, scale, target), expected, rtol=1e-14)


@pytest.mark.parametrize("scale", [1e-8, 0.3, 1.0, 30.0])
def test_closed_form_of_gradient_flow_at_depth_2(scale):
    for target in TARGETS:
        assert_allclose(plain_mass_bound(scale, target), mass_bound(GradientFlow(2), scale, target), rtol=1e-9)


def test_the_short_bounds_of_depth_2_are_weaker():
    for target in TARGETS:
        Q = target.sum()
        for scale in (1e-3, 0.1, 0.5):
            plain = mass_bound(GradientFlow(2), scale, target) / Q - 1
            normalized = mass_bound(WeightNormFlow(2, 10.0), scale, target) / Q - 1
            assert 0 < plain <= plain_excess_bound(scale, target)
            assert 0 < normalized <= normalized_excess_bound(10.0, scale, target)


def test_they_say_nothing_where_they_cannot():
    target = TARGETS[0]
    assert normalized_excess_bound(10.0, 1.01 * np.sqrt(target.sum()), target) == np.inf
    assert plain_excess_bound(10.0, target) == np.inf
    assert mass_bound(WeightNormFlow(4, 300.0), 5.0, target) == np.inf


def test_a_tenfold_ratio_in_the_bound_is_refuted():
    """One measurement of two weights, so that the target is a vertex and the bound has no slack in N."""
    problem = Problem([[1.0, 1.1]], [1.1])
    target = basis_pursuit(problem).weights
    flow = WeightNormFlow(2, 3.0)
    mass = limit(flow, problem, flow.start(2, 0.5)).weights.sum()
    assert mass <= mass_bound(flow, 0.5, target)
    assert mass > mass_bound(WeightNormFlow(2, 300.0), 0.5, target)


def test_entropy_excess_is_log_n_for_one_nonzero_and_0_for_equal_ones():
    assert_allclose(entropy_excess(np.eye(7)[2]), np.log(7))
    assert_allclose(entropy_excess(np.full(7, 0.3)), 0, atol=1e-15)


@pytest.mark.parametrize("depth", [2, 3, 4, 5])
def test_uniform_weights_of_the_uniform_mass_have_the_radius_of_the_target(depth):
    for target in TARGETS:
        mass = uniform_mass(target, depth)
        assert_allclose(radius_of(np.full(20, mass / 20), depth), radius_of(target, depth), rtol=1e-13)
        assert mass <= target.sum() * (1 + 1e-13)


@pytest.mark.parametrize("depth", [3, 4, 5])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_the_explicit_bounds_of_deep_flows_are_weaker(depth, part):
    for target in TARGETS:
        Q, radius = target.sum(), float(radius_of(target, depth))
        scale, normalized, plain = part * radius, WeightNormFlow(depth, 4 / radius**2), GradientFlow(depth)
        sharp = mass_bound(normalized, scale, target) / Q - 1
        assert 0 < sharp <= deep_normalized_excess_bound(depth, normalized.ratio, scale, target)
        assert sharp <= magnification_excess_bound(normalized, scale, target)
        sharp = mass_bound(plain, scale, target) / Q - 1
        short = deep_plain_excess_bound(depth, scale, target)
        assert 0 < sharp <= short <= magnification_excess_bound(plain, scale, target)


@pytest.mark.parametrize("flow", [WeightNormFlow, GradientFlow])
def test_the_bound_by_magnification_at_depth_2_has_the_entropy_in_place_of_its_maximum(flow):
    for target in TARGETS:
        share = entropy_excess(target) / np.log(20)
        if flow is GradientFlow:
            assert_allclose(
                magnification_excess_bound(flow(2), 0.5, target), share * plain_excess_bound(0.5, target), rtol=1e-12
            )
        else:
            bound = magnification_excess_bound(flow(2, 3.0), 0.5, target)
            assert_allclose(bound, share * normalized_excess_bound(3.0, 0.5, target), rtol=1e-12)


def test_the_explicit_bound_of_the_deep_plain_flow_says_nothing_at_its_frontier():
    assert deep_plain_excess_bound(3, 1.0, np.ones(1)) == np.inf


def test_the_explicit_bounds_say_nothing_beyond_the_frontier():
    target = TARGETS[0]
    beyond = 1.01 * float(radius_of(target, 3))
    assert magnification_excess_bound(WeightNormFlow(3, 2.0), beyond, target) == np.inf
    assert deep_plain_excess_bound(3, 10 * beyond, target) == np.inf
    assert np.isfinite(deep_normalized_excess_bound(3, 2.0, beyond, target))


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("beyond", [1.1, 1.4])
def test_window_mass_is_the_optimum_that_a_general_solver_finds(depth, beyond):
    problem = Problem.gaussian(3, 9, 6, seed=3)
    n, rows = 9, problem.row_basis.T
    moments = rows @ problem.truth
    radius = beyond * float(radius_of(basis_pursuit(problem).weights, depth))
    flow = GradientFlow(depth)
    found = minimize(
        lambda q: np.sum(np.exp(q)),
        np.log(limit(flow, problem, flow.start(n, 3 * radius)).weights),
        jac=np.exp,
        constraints=[
            {"type": "eq", "fun": lambda q: rows @ np.exp(q) - moments, "jac": lambda q: rows * np.exp(q)},
            {
                "type": "ineq",
                "fun": lambda q: np.sum(np.exp(2 * q / depth)) / radius**2 - 1,
                "jac": lambda q: 2 / depth * np.exp(2 * q / depth) / radius**2,
            },
        ],
        method="SLSQP",
        options={"ftol": 1e-13, "maxiter": 1000},
    )
    assert found.success
    assert_allclose(window_mass(problem, depth, radius), found.fun, rtol=1e-5)


def test_window_mass_is_the_optimum_of_basis_pursuit_inside_and_infinite_where_there_is_no_room():
    problem = PROBLEMS[0]
    Q = basis_pursuit(problem).value
    assert window_mass(problem, 2, 0.9 * np.sqrt(Q)) == Q
    measured_mass = Problem(np.vstack([problem.A, np.ones(20)]), np.append(problem.y, Q), problem.truth)
    assert window_mass(measured_mass, 2, 1.5 * np.sqrt(Q)) == np.inf


def test_bounds_of_deep_flows_refuse_depth_2():
    with pytest.raises(ValueError, match="depth"):
        deep_plain_excess_bound(2, 1.0, TARGETS[0])
    with pytest.raises(ValueError, match="depth"):
        deep_normalized_excess_bound(2, 1.0, 1.0, TARGETS[0])


@pytest.mark.parametrize("ratio", [1.5, 4.0, 20.0])
@pytest.mark.parametrize("scale", [-0.6, 0.9, 1.2])
def test_the_excess_over_the_least_norm_is_between_its_bounds(ratio, scale):
    """Of limits at depth 1, with the least norm as the unit of length."""
    dense = Problem.gaussian(5, 9, 9, seed=2)
    least = np.linalg.lstsq(dense.A, dense.y)[0]
    problem, unit = Problem(dense.A, dense.y / np.linalg.norm(least)), least / np.linalg.norm(least)
    flow, direction = WeightNormFlow(1, ratio), np.random.default_rng(1).standard_normal(9)
    direction *= np.sign(scale * (direction @ unit))
    start = flow.start(9, scale, direction)
    weights = limit(flow, problem, start).weights
    excess = np.sum((weights @ problem.kernel) ** 2)
    share = np.sum((start.direction @ problem.kernel) ** 2)
    lower, upper = minimum_norm_excess_bounds(ratio, share * np.exp(ratio * (scale**2 - 1)))
    assert weights @ weights - 1 == pytest.approx(excess, abs=1e-9)
    assert 0 < lower * (1 - 1e-9) <= excess <= upper * (1 + 1e-9)
    assert upper <= 1.7 * lower


def test_the_bounds_on_the_excess_over_the_least_norm_have_the_shape_of_epsilon():
    epsilon = np.array([[1e-8, 0.1], [1.0, 1e3]])
    lower, upper = minimum_norm_excess_bounds(3.0, epsilon)
    assert_allclose(lower * np.exp(3 * lower), epsilon, rtol=1e-12)
    assert_allclose(upper * np.exp(2 * upper), epsilon, rtol=1e-12)
