"""The computed limit is the end of the flow, the minimiser of the divergence, and known where there is none."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from wnlib import (
    CollapseError,
    GradientFlow,
    InfeasibleError,
    LimitCurve,
    LimitError,
    Polar,
    Problem,
    WeightNormFlow,
    basis_pursuit,
    collapses,
    integrate,
    invariant_drift,
    limit,
    mirror_map,
)
from wnlib.limits.bounds import entropy_excess
from wnlib.limits.collapse import divergence_excludes_collapse
from wnlib.limits.continuation import Continuation

PROBLEM = Problem.gaussian(6, 14, 2, seed=3)
N = 14


def flows(*depths):
    return [flow for L in depths for flow in (GradientFlow(L), WeightNormFlow(L, 0.5), WeightNormFlow(L, 3.0))]


@pytest.mark.parametrize("flow", flows(1, 2, 3, 4), ids=str)
@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_the_followed_flow_ends_there(flow, scale):
    direction = np.random.default_rng(1).uniform(0.5, 2, N)
    start = flow.start(N, scale, direction)
    stop = 0.5 * (1e-8 * np.linalg.norm(PROBLEM.y)) ** 2
    followed = integrate(flow, PROBLEM, start, 1e9, rtol=1e-9, stop_loss=stop).weights[-1]
    assert_allclose(limit(flow, PROBLEM, start).weights, followed, atol=1e-5)


@pytest.mark.parametrize("flow", flows(1, 2, 3), ids=str)
def test_it_fulfils_both_optimality_conditions(flow):
    end = limit(flow, PROBLEM, flow.start(N, 0.8))
    assert end.residual <= 1e-10
    assert end.kkt <= 1e-12
    shift = mirror_map(flow, 0.8).gradient(_point(end.weights, flow.depth)) - mirror_map(flow, 0.8).gradient(
        flow.start(N, 0.8)
    )
    assert_allclose(PROBLEM.A.T @ end.dual, shift, atol=1e-7 * np.abs(shift).max())


@pytest.mark.parametrize("flow", flows(2, 3), ids=str)
def test_a_search_over_the_interpolants_finds_the_same_point(flow):
    """Two free dimensions, so that a method without derivatives or duality gets there."""
    small = Problem.gaussian(3, 5, 2, seed=1)
    start, mirror = flow.start(5, 0.8), mirror_map(flow, 0.8)
    interior = limit(GradientFlow(2), small, GradientFlow(2).start(5, 2.0)).weights

    def divergence(a):
        weights = interior + small.kernel @ a
        return float(mirror.bregman(weights, start)) if weights.min() > 0 else np.inf

    options = {"xatol": 1e-10, "fatol": 1e-14, "maxiter": 4000}
    found = minimize(divergence, np.zeros(2), method="Nelder-Mead", options=options)
    assert_allclose(interior + small.kernel @ found.x, limit(flow, small, start).weights, atol=1e-5)


def hurry(patch):
    """Newton's method stops a little off its goal from now on, where all but the measurements hold."""
    arrive = Continuation.reach

    def reach(self, mismatch):
        log_scale = arrive(self, mismatch).log_scale
        log_x = self.equations.complete(self.log_x[self.equations.basis.columns] + 1e-4, self.place)
        self.equations.linearise(log_x, self.place)
        return self._point(log_x, log_scale, self.equations.correction(), 1)

    patch.setattr(Continuation, "reach", reach)


@pytest.mark.parametrize("flow", flows(2, 3, 4), ids=str)
def test_what_misses_the_measurements_is_no_limit(monkeypatch, flow):
    hurry(monkeypatch)
    start = flow.start(N, 0.8)
    with pytest.raises(LimitError, match=r"relative residual \S+ exceeds the tolerance 1\.0e-09: try a larger one"):
        limit(flow, PROBLEM, start, tolerance=1e-9)
    with pytest.raises(LimitError, match="exceeds the tolerance"):
        limit(flow, PROBLEM, start)
    end = limit(flow, PROBLEM, start, tolerance=0.1)
    missed = np.linalg.norm(PROBLEM.residual(end.weights)) / np.linalg.norm(PROBLEM.y)
    assert end.residual == pytest.approx(missed, rel=1e-9)
    assert 1e-5 < missed < 0.1


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("ratio", [None, 0.1, 3.0])
def test_the_gap_bounds_the_divergence_of_what_is_missed(monkeypatch, depth, ratio):
    r"""One weight alone has the gap of twice the divergence, and $1/\gamma$ times that where $\gamma < 1$."""
    flow = GradientFlow(depth) if ratio is None else WeightNormFlow(depth, ratio)
    alone = Problem([[1.0]], [3.0])
    starts = [(problem, flow.start(problem.shape[1], 0.8)) for problem in (PROBLEM, alone)]
    exact = [limit(flow, *which).weights for which in starts]
    hurry(monkeypatch)
    for (problem, start), weights in zip(starts, exact, strict=True):
        end = limit(flow, problem, start, tolerance=0.1)
        # in the units that the end itself has with gradient flow
        divergence = mirror_map(flow, end.radius).bregman(weights, end.point) / end.radius**depth
        assert divergence <= end.gap
        if problem is alone:
            gamma = float(flow.relative_rate(end.point.radius) * end.radius**2)
            assert end.gap == pytest.approx(2 * divergence / min(1, gamma), rel=1e-2)


def test_the_limit_of_another_ratio_breaks_stationarity():
    flow, other = WeightNormFlow(2, 3.0), WeightNormFlow(2, 3.03)
    start = flow.start(N, 0.8)
    ends = [_point(limit(f, PROBLEM, start).weights, 2) for f in (flow, other)]
    drifts = [invariant_drift(flow, PROBLEM, _two(start, end))[-1] for end in ends]
    assert drifts[0] <= 1e-12
    assert drifts[1] >= 1e-5


def test_plain_least_squares_has_its_closed_form():
    flow = GradientFlow(1)
    start = flow.start(N, 1.5, np.linspace(-1, 1, N))
    x = start.weights(1)
    expected = x + np.linalg.pinv(PROBLEM.A) @ PROBLEM.residual(x)
    assert_allclose(limit(flow, PROBLEM, start).weights, expected, atol=1e-10)


def test_goal_within_rounding_errors_of_the_scale_is_reached():
    n = 1000  # the limit is at log alpha = -96, and its weights move with alpha
    ratio, scale = 192.9, 0.1635
    A = np.full((1, n), 1 - (np.log(n) - 1) / (ratio * (1 - scale**2)))
    A[0, 0] = 1.0
    problem, flow = Problem(A, np.ones(1)), WeightNormFlow(2, ratio)
    start = flow.start(n, scale)
    found = limit(flow, problem, start)
    gain = np.log(found.weights[[0, 1]] / start.weights(2)[[0, 1]]) + ratio * (found.weights.sum() - scale**2)
    gain -= np.log(found.weights.sum() / scale**2)  # u^2 = w / r^2
    assert_allclose(gain[1] / gain[0], A[0, 1], rtol=1e-12)
    assert_allclose(problem.residual(found.weights), 0, atol=1e-12)


def test_permuted_columns_permute_the_limit():
    order = np.random.default_rng(0).permutation(N)
    permuted = Problem(PROBLEM.A[:, order], PROBLEM.y)
    flow = WeightNormFlow(3, 2.0)
    ends = [limit(flow, p, flow.start(N, 0.7)).weights for p in (PROBLEM, permuted)]
    assert_allclose(ends[0][order], ends[1], atol=1e-8)


def test_dependent_rows_do_not_matter():
    doubled = Problem(np.vstack([PROBLEM.A, PROBLEM.A[:2]]), np.append(PROBLEM.y, PROBLEM.y[:2]))
    flow = WeightNormFlow(2, 2.0)
    ends = [limit(flow, p, flow.start(N, 0.7)).weights for p in (PROBLEM, doubled)]
    assert_allclose(ends[0], ends[1], atol=1e-9)


def test_l1_excess_is_relative_to_basis_pursuit():
    flow = WeightNormFlow(2, 2.0)
    end = limit(flow, PROBLEM, flow.start(N, 0.7))
    Q = basis_pursuit(PROBLEM).value
    assert_allclose(end.l1_excess, (end.weights.sum() - Q) / Q)
    assert end.l1_excess > 0


def _collapsing():
    """Weight normalization from a small start against the force: seed 5 of the ensemble."""
    flow, problem = WeightNormFlow(2, 1.0), Problem.gaussian(24, 60, 3, seed=5)
    return flow, problem, flow.start(60, 0.05)


def test_a_collapse_is_named_and_the_flow_confirms_it():
    flow, problem, start = _collapsing()
    assert collapses(flow, problem, start)
    with pytest.raises(CollapseError, match="collapses to w = 0"):
        limit(flow, problem, start)
    assert integrate(flow, problem, start, 1000.0).radius[-1] < 1e-20


def test_gradient_flow_never_collapses_and_a_larger_ratio_escapes():
    _, problem, start = _collapsing()
    assert not collapses(GradientFlow(2), problem, start)
    assert not collapses(WeightNormFlow(2, 100.0), problem, WeightNormFlow(2, 100.0).start(60, 0.3))


@pytest.mark.parametrize("ratio", [1.0, 3.0, 10.0, 30.0])
def test_the_condition_against_collapse_is_the_stated_one_at_depth_2(ratio):
    problem = Problem.gaussian(24, 60, 3, seed=5)
    target = basis_pursuit(problem).weights
    Q, KL = target.sum(), entropy_excess(target)
    flow = WeightNormFlow(2, ratio)
    for r0 in np.linspace(0.05, 2.5, 30):
        stated = ratio * r0**2 * (2 * Q - r0**2) > 2 * Q * KL
        assert divergence_excludes_collapse(flow, flow.start(60, r0), target) == stated


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_what_the_condition_calls_safe_does_not_collapse(depth):
    flow, safe = WeightNormFlow(depth, 10.0), 0
    for seed in range(12):
        problem = Problem.gaussian(8, 20, 2, seed=seed)
        start = flow.start(20, 0.9 * np.sqrt(np.sum(basis_pursuit(problem).weights ** (2 / depth))))
        if divergence_excludes_collapse(flow, start, basis_pursuit(problem).weights):
            safe += 1
            stop = 0.99 * problem.loss(np.zeros(20))
            assert integrate(flow, problem, start, 1e6, rtol=1e-6, stop_loss=stop).loss[-1] <= stop * (1 + 1e-6)
    assert safe >= 6


@pytest.mark.parametrize(("depth", "ratio", "scale"), [(3, 100.0, 0.3), (2, 1000.0, 1.0), (5, 1000.0, 1.0)])
def test_an_exponentially_small_start_seen_from_the_inside(depth, ratio, scale):
    """The program is then basis pursuit in double precision, whose solution is found by another algorithm."""
    problem = Problem.gaussian(24, 60, 3, seed=0)
    flow = WeightNormFlow(depth, ratio)
    end = limit(flow, problem, flow.start(60, scale), tolerance=1e-13)
    assert end.log_scale < -100
    assert end.kkt <= 1e-10
    assert_allclose(end.weights, basis_pursuit(problem).weights, atol=1e-12)


def test_bad_input():
    flow = WeightNormFlow(2, 1.0)
    start = flow.start(2, 1.0)
    with pytest.raises(ValueError, match="y must be nonzero"):
        limit(flow, Problem([[1.0, 2.0]], [0.0]), start)
    with pytest.raises(InfeasibleError, match="nonnegative interpolant"):
        limit(flow, Problem([[1.0, 2.0]], [-1.0]), start)
    with pytest.raises(ValueError, match="tolerance must be > 0"):
        limit(flow, Problem([[1.0, 2.0]], [1.0]), start, tolerance=0.0)


def _point(weights, depth):
    x = np.sign(weights) * np.abs(weights) ** (1 / depth)
    radius = np.linalg.norm(x)
    return Polar.of(radius, x / radius)


def _two(first, second):
    return Polar.of(np.array([first.radius, second.radius]), np.array([first.direction, second.direction]))


def test_weights_that_no_interpolant_has_are_zero():
    problem = Problem(np.array([[1.0, 1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0, 0.0]]), np.array([1.0, 0.0]))
    for flow in flows(2, 3):
        end = limit(flow, problem, flow.start(5, 1.0))
        assert end.attainable.tolist() == [True, True, False, False, True]
        assert_allclose(end.weights, [1 / 3, 1 / 3, 0, 0, 1 / 3], atol=1e-12)


def test_one_curve_serves_every_flow_and_scale():
    curve = LimitCurve(PROBLEM, 3)
    for flow, scale in [(f, s) for f in flows(3) for s in (0.5, 3.0, 1.0)]:
        start = flow.start(N, scale)
        end, fresh = curve.limit(flow, start), limit(flow, PROBLEM, start)
        assert_allclose(end.weights, fresh.weights, atol=1e-10)
        plain = GradientFlow(3)
        same = limit(plain, PROBLEM, plain.start(N, float(np.exp(end.log_scale))))
        assert_allclose(same.weights, end.weights, atol=1e-10)


def test_a_curve_refuses_what_does_not_lie_on_it():
    curve = LimitCurve(PROBLEM, 3)
    with pytest.raises(ValueError, match="flow must have depth 3, got 2"):
        curve.limit(GradientFlow(2), GradientFlow(2).start(N, 1.0))
    with pytest.raises(ValueError, match="start must have the direction of the curve"):
        curve.limit(GradientFlow(3), GradientFlow(3).start(N, 1.0, np.arange(1.0, N + 1)))


def test_at_depth_1_the_radius_may_end_with_the_other_sign():
    """Against the force, from a small start: r changes its sign, and the primal flow confirms it."""
    problem = Problem(np.array([[1.0, 0.5, 0.2]]), np.array([1.0]))
    flow = WeightNormFlow(1, 0.2)
    start = flow.start(3, 0.1, [-1.0, 0.3, 0.4])
    end = limit(flow, problem, start)
    followed = integrate(flow, problem, start, 200.0, rtol=1e-11, coordinates="primal")
    assert end.radius < 0
    assert followed.radius[-1] < 0
    assert_allclose(end.weights, followed.weights[-1], atol=1e-8)


def test_a_start_that_spans_many_orders_of_magnitude():
    direction = np.geomspace(1, 1e-6, N)
    for flow in flows(2, 3, 5):
        end = limit(flow, PROBLEM, flow.start(N, 0.8, direction), tolerance=1e-11)
        assert end.kkt <= 1e-9


def test_a_start_at_one_entry_that_pulls_backwards_collapses():
    flow, direction = WeightNormFlow(3, 0.5), np.geomspace(1e-6, 1, N)
    start = flow.start(N, 0.8, direction)
    assert PROBLEM.y @ PROBLEM.A[:, -1] < 0
    with pytest.raises(CollapseError):
        limit(flow, PROBLEM, start)
    followed = integrate(flow, PROBLEM, start, 1e3, coordinates="primal")
    assert followed.radius[-1] < 0.1 * followed.radius[0]
