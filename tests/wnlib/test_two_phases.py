"""Least squares in two phases: what is known of the first one, and projected descent."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose

from wnlib.flows.polar import Polar
from wnlib.models.two_phases import Guarantee, certificate, guarantees, least_norm, length_from_data, projected_descent
from wnlib.problem import Problem

A = Problem.gaussian(6, 15, sparsity=15, seed=3).A
Y = A @ np.random.default_rng([3, 4]).standard_normal(15)
PROBLEM = Problem(A, Y / np.linalg.norm(least_norm(Problem(A, Y))))
DIRECTION = np.random.default_rng([3, 5]).standard_normal(15)
DIRECTION *= np.sign(Y @ A @ DIRECTION) / np.linalg.norm(DIRECTION)


def shares(points: Polar) -> np.ndarray:
    return np.linalg.norm(points.direction @ PROBLEM.kernel, axis=-1)


def test_the_least_norm_and_a_length_below_it():
    assert_allclose(least_norm(PROBLEM), np.linalg.pinv(PROBLEM.A) @ PROBLEM.y, atol=1e-12)
    assert_allclose(np.linalg.norm(least_norm(PROBLEM)), 1)
    assert 0 < length_from_data(PROBLEM) < 1
    orthonormal = Problem(np.eye(2, 4), np.array([3.0, 4.0]))
    assert_allclose(length_from_data(orthonormal), 5)  # then the plane touches the sphere of the least norm


@pytest.mark.parametrize("seed", range(8))  # in some, rounding makes the direction longer than 1
def test_direction_in_the_kernel_is_below_zero_at_once(seed):
    u = PROBLEM.kernel @ np.random.default_rng(seed).standard_normal(PROBLEM.kernel.shape[1])
    for known in guarantees(PROBLEM, 0.5, u / np.linalg.norm(u)):
        assert known.share <= 1
        assert_allclose(known.below_zero, 0, atol=1e-6 / known.rate)


@given(seed=st.integers(0, 50), radius=st.floats(0.05, 0.95), step=st.floats(-2, 3))
def test_projected_steps_of_any_length_keep_the_promise(seed, radius, step):
    u = np.random.default_rng([seed, 6]).standard_normal(15)
    u /= np.linalg.norm(u)
    points = projected_descent(PROBLEM, Polar.of(radius, u), 1.0, 10**step, 20, radial=0.0)
    assert_allclose(points.radius, radius)
    for known in guarantees(PROBLEM, radius, u):
        assert np.all(shares(points) <= known.along_steps(np.arange(21), 10**step) * (1 + 1e-9) + 1e-14)
    assert np.all(shares(points) <= certificate(PROBLEM, points) * (1 + 1e-9) + 1e-14)


def test_guarantees_by_hand():
    # One measurement of two weights, w_1 = 1: w = (1, 0), and from u = (0, 1) the angle obeys x' = c r (1 - r u_1).
    problem = Problem(np.array([[1.0, 0.0]]), np.array([1.0]))
    for known in guarantees(problem, 0.25, np.array([0.0, 1.0]), rate=2.0):
        assert known == Guarantee(rate=pytest.approx(2 * 0.25 * 0.75), offset=0.0, share=pytest.approx(1.0))
        assert known.below_zero == 0
    assert_allclose(known.along_flow([0.0, 1e6]), [1, 0])
    assert_allclose(known.along_flow(2.0), 1 / np.cosh(0.75))
    assert_allclose(known.along_steps(3, 1.0), 1 / np.cosh(3 * np.log(1.375)))


@given(seed=st.integers(0, 50), radius=st.floats(0.05, 0.95))
def test_below_the_loss_of_zero_n_is_promised_to_be_what_it_was(seed, radius):
    """On the other side of the equator: the cosine of the angle to row(A) is its share there, and not minus that."""
    u = np.random.default_rng([seed, 6]).standard_normal(15)
    u *= -np.sign(u @ least_norm(PROBLEM)) / np.linalg.norm(u)
    for known in guarantees(PROBLEM, radius, u):
        assert_allclose(known.along_flow(known.below_zero), known.share, rtol=1e-9)


def test_only_short_lengths_have_the_guarantee_that_the_data_give():
    longer = 0.5 * (1 + length_from_data(PROBLEM))
    assert len(guarantees(PROBLEM, 0.9 * length_from_data(PROBLEM), DIRECTION)) == 2
    assert len(guarantees(PROBLEM, longer, DIRECTION)) == 1


def test_the_force_tells_nothing_where_it_pulls_inwards():
    opposite = -least_norm(PROBLEM)
    assert certificate(PROBLEM, Polar.of(0.5, opposite)) == np.inf
    assert certificate(PROBLEM, Polar.of(0.5, -opposite)) < np.inf


def test_a_projected_step_by_hand():
    problem = Problem(np.array([[1.0, 0.0]]), np.array([1.0]))
    points = projected_descent(problem, Polar.of(2.0, [0.6, 0.8]), ratio=3.0, step=0.1, steps=1, radial=0.5)
    force = np.array([1 - 1.2, 0.0])
    moved = np.array([0.6, 0.8]) + 0.1 * 3 * 2 * force
    assert_allclose(points.radius, [2, 2 + 0.1 * 0.5 * force[0] * 0.6])
    assert_allclose(points.direction[1], moved / np.linalg.norm(moved))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"radius": 1.5}, r"radius must be < 1, the length of the shortest interpolant, got 1\.5"),
        ({"radius": -0.5}, "radius must be > 0, got -0.5"),
        ({"rate": 0.0}, r"rate must be > 0, got 0\.0"),
        ({"direction": np.ones(3)}, r"direction must have shape \(15\)"),
        ({"direction": least_norm(PROBLEM)}, r"direction must have a part in ker A, got one of norm"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        guarantees(**({"problem": PROBLEM, "radius": 0.5, "direction": DIRECTION} | arguments))
    with pytest.raises(ValueError, match="steps must be >= 1, got 0"):
        projected_descent(PROBLEM, Polar.of(0.5, DIRECTION), 1.0, 0.1, 0)


@pytest.mark.parametrize("seed", range(5))
def test_repeated_rows_change_no_guarantee_from_the_least_norm(seed):
    row = np.random.default_rng(seed).standard_normal(9)
    u = np.random.default_rng([seed, 1]).standard_normal(9)
    u /= np.linalg.norm(u)
    once, thrice = Problem(row[None], np.ones(1)), Problem(np.tile(row, (3, 1)), np.ones(3))
    radius = 0.5 * float(np.linalg.norm(least_norm(once)))
    for one, three in zip(guarantees(once, radius, u), guarantees(thrice, radius, u), strict=True):
        assert_allclose([three.rate, three.offset, three.share], [3 * one.rate, one.offset, one.share])
