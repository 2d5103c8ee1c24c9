"""Signed weights: the pair behind a difference, the potential, and the separate flow."""

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st
from mpmath import mp
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from wnlib import GradientFlow, Polar, Problem, WeightNormFlow, integrate, limit, mirror_map
from wnlib.models.separate import SeparateFlow, encode, integrate_separate
from wnlib.models.signed import (
    gradient,
    halves,
    leaf_point,
    log_temperature,
    potential,
    radius,
    signed,
    symmetric_start,
    tilt,
)

FLOWS = [flow for L in (2, 3, 5) for flow in (GradientFlow(L), WeightNormFlow(L, 3.0))]
DIRECTION = np.random.default_rng(0).uniform(0.5, 1.5, 6)
SIGNED = Problem.gaussian(4, 6, 2, seed=1, signed=True)


@settings(deadline=None)
@example(3, [0.0, 1e-300, 2.2e-311], 0.0)
@given(st.sampled_from([2, 3, 4, 7]), st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3), st.floats(-30, 3))
def test_halves_have_the_difference_and_the_law(depth, weights, log_alpha):
    upper, lower = halves(np.array(weights), np.full(3, log_alpha), depth)
    assert_allclose(
        np.exp(depth * upper) - np.exp(depth * lower), weights, rtol=1e-12, atol=1e-14 * np.exp(depth * log_alpha)
    )
    if depth == 2:
        assert_allclose(upper + lower, 2 * log_alpha, atol=1e-12)
    else:
        law = np.exp((2 - depth) * (upper - log_alpha)) + np.exp((2 - depth) * (lower - log_alpha))
        assert_allclose(law, 2, rtol=1e-12)


@pytest.mark.parametrize("depth", [3, 4, 20])
@pytest.mark.parametrize("log_weight", [-300.0, -3.0, 0.0, 1.0, 31.0, 600.0])
def test_the_tilt_keeps_its_relative_accuracy(depth, log_weight):
    with mp.workdps(300):
        q, power = (
            mp.mpf(float(tilt(np.ones(1), np.array([-log_weight / depth]), depth)[0])),
            mp.mpf(depth) / (depth - 2),
        )
        found = mp.log(mp.e ** (power * q) - (2 - mp.e ** (-q)) ** (-power))
        wanted = -depth * mp.mpf(-log_weight / depth)
        assert abs(mp.exp(found - wanted) - 1) < 1e-13 * max(1.0, abs(log_weight))


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_the_potential_is_the_least_divergence_of_all_pairs(flow):
    start = symmetric_start(flow, 6, 0.7, DIRECTION)
    w = np.array([0.5, -0.3, 0.0, 0.2, -1.0, 0.01])
    mirror = mirror_map(flow, 0.7)

    def divergence(log_v):
        v = np.exp(log_v)
        return float(mirror.bregman(np.concatenate([np.maximum(w, 0) + v, np.maximum(-w, 0) + v]), start))

    pair = leaf_point(flow, start, w).weights(flow.depth)
    assert_allclose(signed(pair), w, atol=1e-14)
    common = np.minimum(pair[:6], pair[6:])
    found = minimize(divergence, np.log(common) + 0.1, method="BFGS", options={"gtol": 1e-9}).fun
    assert potential(flow, start, w) <= found * (1 + 1e-12)
    assert_allclose(potential(flow, start, w), found, rtol=1e-6)
    assert radius(flow, start, w) > 0.7
    assert_allclose(gradient(flow, start, -w), -gradient(flow, start, w))


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_nothing_is_where_the_start_is(flow):
    start = symmetric_start(flow, 6, 0.7, DIRECTION)
    assert_allclose(leaf_point(flow, start, np.zeros(6)).weights(flow.depth), start.weights(flow.depth))
    assert potential(flow, start, np.zeros(6)) <= 1e-15
    assert_allclose(gradient(flow, start, np.zeros(6)), 0)
    assert_allclose(log_temperature(flow, start, 0.7), np.log(0.7) + start.log_direction[:6])


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_the_computed_limit_is_a_pair_of_the_leaf(flow):
    start = symmetric_start(flow, 6, 0.7, DIRECTION)
    pair = limit(flow, SIGNED, start).weights
    assert_allclose(leaf_point(flow, start, signed(pair)).weights(flow.depth), pair, atol=1e-9)


def test_starts_that_are_not_symmetric_are_refused():
    flow = WeightNormFlow(2, 3.0)
    with pytest.raises(ValueError, match="start must be symmetric"):
        gradient(flow, flow.start(4, 1.0, [1, 2, 3, 4]), np.zeros(2))
    with pytest.raises(ValueError, match="start must be symmetric"):
        gradient(flow, flow.start(3, 1.0), np.zeros(1))
    with pytest.raises(ValueError, match="flow must have depth >= 2, got 1"):
        gradient(WeightNormFlow(1, 3.0), symmetric_start(WeightNormFlow(1, 3.0), 2, 1.0), np.zeros(2))
    with pytest.raises(ValueError, match="weights must have shape"):
        gradient(flow, symmetric_start(flow, 2, 1.0), np.zeros(3))


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_each_half_moves_like_positive_weights_with_the_others_measured_away(depth):
    flow, rng = SeparateFlow(depth, 3.0), np.random.default_rng(3)
    halves = tuple(flow.half.start(6, size, rng.uniform(0.5, 1.5, 6)) for size in (0.8, 0.5))
    field = flow.velocity(SIGNED, halves)(0.0, encode(halves)).reshape(2, 7)
    A, (plus, minus) = SIGNED.A[:, :6], (half.weights(depth) for half in halves)
    for k, problem in enumerate((Problem(A, SIGNED.y + A @ minus), Problem(-A, SIGNED.y - A @ plus))):
        assert_allclose(field[k], flow.half.velocity(problem)(0.0, flow.half.encode(halves[k])), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("depth", [2, 3])
def test_beside_a_vanishing_half_the_other_is_the_positive_model(depth):
    positive = Problem.gaussian(4, 6, 2, seed=1)
    flow = SeparateFlow(depth, 3.0)
    start = flow.half.start(6, 0.8)
    path = integrate_separate(flow, positive.doubled(), (start, flow.half.start(6, 1e-40)), 3.0, stop=1e-12, rtol=1e-10)
    other = integrate(flow.half, positive, start, 3.0)
    assert_allclose(path.parts[-1, :6], other.weights[-1], atol=1e-7)
    assert path.parts[-1, 6:].max() < 1e-30


def test_with_matched_clocks_the_fields_differ_by_their_times_alone():
    start = (Polar.of(0.8, np.full(6, 6**-0.5)), Polar.of(0.5, np.full(6, 6**-0.5)))
    fields = [SeparateFlow(3, 3.0, matched).velocity(SIGNED, start)(0.0, encode(start)) for matched in (False, True)]
    ratio = (fields[1] / fields[0]).reshape(2, 7)
    radii = np.array([0.8, 0.5])
    unit = np.exp(3 * (radii**2 - np.mean(radii**2)) / 2)  # the clocks have one unit, whatever the starts are
    assert_allclose(ratio, (radii**-3 * unit)[:, None] / 3 * np.ones(7), rtol=1e-10)


def test_exchanging_the_signs_exchanges_the_halves():
    flow, start = SeparateFlow(2, 3.0), SeparateFlow(2, 3.0).start(6, 0.9)
    path = integrate_separate(flow, SIGNED, start, 1e4)
    mirrored = integrate_separate(flow, Problem(SIGNED.A, -SIGNED.y), start, 1e4)
    assert path.fits
    assert mirrored.fits
    assert_allclose(signed(mirrored.parts[-1]), -signed(path.parts[-1]), atol=1e-6)
    assert_allclose(path.radii[0], 0.9 / np.sqrt(2))


def test_bad_arguments_of_the_separate_flow():
    with pytest.raises(ValueError, match="depth must be >= 2, got 1"):
        SeparateFlow(1, 3.0)
    with pytest.raises(ValueError, match="ratio must be > 0"):
        SeparateFlow(2, 0.0)
    flow = SeparateFlow(2, 1.0)
    with pytest.raises(ValueError, match="problem must be a doubled one"):
        integrate_separate(flow, Problem.gaussian(3, 6, 2), flow.start(3, 1.0), 1.0)
    with pytest.raises(ValueError, match="start must be one point with 6 entries"):
        integrate_separate(flow, SIGNED, flow.start(5, 1.0), 1.0)
