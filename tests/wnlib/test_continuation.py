"""The curve of limits: its points fulfil the conditions, its tangent is its derivative, its ends are known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from wnlib import GradientFlow, Problem, basis_pursuit, mirror_map, polar_of
from wnlib.errors import ContinuationError
from wnlib.limits.continuation import FAILURES, TRIALS, Continuation, _Way

PROBLEM = Problem.gaussian(6, 14, 2, seed=3)
DIRECTION = np.log(np.random.default_rng(1).uniform(0.3, 1.7, 14))
DIRECTION -= 0.5 * np.log(np.sum(np.exp(2 * DIRECTION)))


def at(log_scale: float):
    return lambda xi, log_r: (log_scale - xi, 0.0)


@pytest.mark.parametrize("depth", [2, 3, 4, 6])
@pytest.mark.parametrize("log_scale", [-3.0, -0.5, 0.0, 1.0, 4.0])
def test_each_point_is_the_limit_of_gradient_flow_from_its_scale(depth, log_scale):
    """A w = y, and m_L(x) - m_L(alpha u_0) in row(A): checked here from the point alone."""
    point = Continuation(PROBLEM, depth, DIRECTION).reach(at(log_scale))
    assert point.log_scale == pytest.approx(log_scale, abs=1e-12)
    weights = np.exp(depth * point.log_x)
    assert np.linalg.norm(PROBLEM.residual(weights)) <= 1e-12 * np.linalg.norm(PROBLEM.y) + 1e-14 * np.linalg.norm(
        weights
    )
    start = log_scale + DIRECTION
    if depth == 2:
        shift, size = point.log_x - start, np.abs(start).max()
    else:
        unit = min(start.min(), point.log_x.min())
        ends = [np.exp((2 - depth) * (t - unit)) for t in (point.log_x, start)]
        shift, size = ends[0] - ends[1], max(end.max() for end in ends)
    assert np.abs(shift @ PROBLEM.kernel).max() <= 1e-10 * max(1.0, size)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_the_tangent_is_the_derivative_along_the_curve(depth):
    curve, step = Continuation(PROBLEM, depth, DIRECTION), 1e-5
    before, after = (curve.reach(at(0.3 + way)).log_x for way in (-step, step))
    curve.reach(at(0.3))
    curve.equations.linearise(curve.log_x, curve.place)
    _, tangent = curve.equations.tangent(np.ones(14))
    assert_allclose(tangent, (after - before) / (2 * step), atol=1e-6)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_the_decrement_is_twice_the_divergence_from_where_newtons_method_goes(depth):
    """From the limit for measurements that are off by a thousandth, which is the minimiser for those."""
    off = Problem(PROBLEM.A, 1.001 * PROBLEM.y)
    near, curve = Continuation(off, depth, DIRECTION).reach(at(0.3)), Continuation(PROBLEM, depth, DIRECTION)
    end = np.exp(depth * curve.reach(at(0.3)).log_x)
    curve.equations.linearise(near.log_x, curve.place)
    found = curve._point(near.log_x, 0.3, curve.equations.correction(), 1)
    weights = np.exp(depth * near.log_x)
    divergence = mirror_map(GradientFlow(depth), 1.0).bregman(end, polar_of(weights, depth))
    assert found.decrement == pytest.approx(2 * divergence, rel=0.02)
    assert found.change == pytest.approx(np.abs(end - weights).sum() / weights.sum(), rel=0.02)


@pytest.mark.parametrize("depth", [2, 3, 6])
@pytest.mark.parametrize("log_scale", [-60.0, -1e3, -1e4])
def test_far_out_it_is_basis_pursuit(depth, log_scale):
    problem = Problem.gaussian(24, 60, 3, seed=0)
    point = Continuation(problem, depth, np.full(60, -0.5 * np.log(60))).reach(at(log_scale))
    assert_allclose(np.exp(depth * point.log_x), basis_pursuit(problem).weights, atol=1e-12)
    assert point.log_scale == pytest.approx(log_scale)


def test_the_way_there_does_not_matter():
    fresh = [Continuation(PROBLEM, 3, DIRECTION).reach(at(xi)).log_x for xi in (-2.0, 2.0, -1.0)]
    curve = Continuation(PROBLEM, 3, DIRECTION)
    for xi, log_x in zip((-2.0, 2.0, -1.0), fresh, strict=True):
        assert_allclose(curve.reach(at(xi)).log_x, log_x, atol=1e-10)


def test_the_share_of_the_scale_in_the_radius_is_between_0_and_1():
    """So the equation of weight normalization has one solution: its slope is between -1 and -min(1, c r^2)."""
    curve = Continuation(PROBLEM, 3, DIRECTION)
    radii = np.array([np.linalg.norm(np.exp(curve.reach(at(xi)).log_x)) for xi in np.linspace(-3, 6, 40)])
    slopes = np.diff(np.log(radii)) / np.diff(np.linspace(-3, 6, 40))
    assert slopes.min() >= -1e-9
    assert slopes.max() <= 1 + 1e-9


def test_a_curve_that_does_not_exist_is_an_error():
    """Every interpolant of the second problem has a zero, and the curve no point."""
    forced = Problem(np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]), np.array([1.0, 0.0]))
    with pytest.raises((ContinuationError, FloatingPointError, np.linalg.LinAlgError)):
        Continuation(forced, 2, np.zeros(4)).reach(at(-1.0))


def test_a_curve_is_lost_after_so_many_predictions_that_are_given_up():
    curve = Continuation(PROBLEM, 3, DIRECTION)
    curve.equations.linearise(curve.log_x, curve.place)
    way = _Way(saved=(curve.log_x, curve.place))
    for _ in range(FAILURES):
        way.trials = TRIALS
        curve._correct(curve.equations.correction(), way)
    way.trials = TRIALS
    with pytest.raises(ContinuationError, match="the curve was lost at log alpha = "):
        curve._correct(curve.equations.correction(), way)
