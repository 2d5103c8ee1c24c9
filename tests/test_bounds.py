"""The bounds hold for computed limits, agree with their closed forms, and are no larger than they need be."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from wnlib import GradientFlow, Problem, WeightNormFlow, basis_pursuit, limit, mass_bound
from wnlib.bounds import entropy_excess, normalized_excess_bound, plain_excess_bound

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
