"""The experiments behind the chapter on noise."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose

from companion.experiments import noise, noisy_paths
from companion.plots import noise as figures
from wnlib import GradientFlow, InfeasibleError, LimitCurve, Problem, WeightNormFlow, basis_pursuit

GIVEN = noisy_paths.noisy(10, 30, 2, 0.1, seed=0)
FLOWS = [GradientFlow(2), WeightNormFlow(2, 5.0), GradientFlow(3)]


def test_the_noise_has_its_level():
    residuals = [noisy_paths.noisy(20, 60, 3, 0.2, seed).noise for seed in range(40)]
    assert_allclose(np.sqrt(np.mean(np.square(residuals))), noisy_paths.noisy(20, 60, 3, 0.2, 0).level, rtol=0.05)
    with pytest.raises(ValueError, match="sigma must be > 0, got 0"):
        noisy_paths.noisy(20, 60, 3, 0.0, 0)


def test_problems_without_an_interpolant_are_passed_over():
    def solvable(seed: int) -> bool:
        try:
            noisy_paths.noisy(10, 16, 2, 1.0, seed)
        except InfeasibleError:
            return False
        return True

    share = np.mean([solvable(seed) for seed in range(60)])
    assert 0 < share < 1
    found = noisy_paths.several(10, 16, 2, 1.0, 5)
    assert len(found) == 5
    for one in found:
        one.problem.require_nonnegative_interpolant()


def test_the_chance_that_every_y_can_be_fitted():
    """Against the definition: columns in no half-space, hence 0 as a combination with all coefficients positive."""
    rng = np.random.default_rng(0)

    def surrounds(A: np.ndarray) -> bool:
        problem = Problem(np.vstack([A, np.ones(A.shape[1])]), np.append(np.zeros(len(A)), 1.0))
        try:
            problem.require_nonnegative_interpolant()
        except InfeasibleError:
            return False
        return True

    share = np.mean([surrounds(rng.standard_normal((4, 9))) for _ in range(400)])
    assert_allclose(share, noisy_paths.solvable(4, 9), atol=0.08)
    assert noisy_paths.solvable(1, 2) == pytest.approx(0.5)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), sigma=st.floats(0.02, 0.5), where=st.floats(0.02, 0.98))
def test_the_lasso_path_is_optimal_at_every_residual(seed, sigma, where):
    (one,) = noisy_paths.several(10, 30, 2, sigma, 1, seed)
    path = noisy_paths.lasso(one)
    assert np.all(np.diff(path.residuals) < 1e-9)
    residual = where * path.residuals[0] + (1 - where) * path.residuals[-1]
    weights = path.at(residual)
    misfit = one.problem.residual(weights)
    assert_allclose(np.linalg.norm(misfit), residual, rtol=1e-6)
    pull, active = misfit @ one.problem.A, weights > 1e-6
    mu = pull[active].mean()
    assert_allclose(pull[active], mu, atol=1e-6)
    assert np.all(pull <= mu + 1e-6)


def test_the_ends_of_the_lasso_path():
    path = noisy_paths.lasso(GIVEN)
    assert_allclose(path.at(10 * path.residuals[0]), 0)
    assert_allclose(path.at(0.0), basis_pursuit(GIVEN.problem).weights)
    outcome, refitted = path.outcome(), path.refitted()
    points = np.array([path.at(r) for r in np.linspace(path.residuals[0], 0, 2000)])
    assert_allclose(outcome.best, GIVEN.error(points).min(), rtol=1e-4)
    assert outcome.best <= min(outcome.stopped, outcome.end)
    assert refitted.best <= min(refitted.stopped, refitted.end)
    assert refitted.best >= 0.99 * noisy_paths.oracle(GIVEN) or refitted.at < 1


def test_the_oracle_fits_on_the_support_only():
    A, support = GIVEN.problem.A, GIVEN.truth > 0
    least = np.linalg.lstsq(A[:, support], GIVEN.problem.y)[0]
    assert least.min() > 0
    weights = np.zeros(A.shape[1])
    weights[support] = least
    assert_allclose(noisy_paths.oracle(GIVEN), np.linalg.norm(weights - GIVEN.truth) / np.linalg.norm(GIVEN.truth))


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_a_followed_flow_its_stops_and_its_end(flow):
    curve = LimitCurve(GIVEN.problem, flow.depth)
    run = noisy_paths.noisy_trajectory(flow, GIVEN, 0.5)
    end, log_scale = noisy_paths.limit_of(curve, flow, flow.start(30, 0.5))
    assert np.isfinite(log_scale)
    outcome = noisy_paths.early(GIVEN, run, end)
    assert outcome.best <= min(outcome.stopped, outcome.end)
    stopped = noisy_paths.stopped(GIVEN, run)
    assert_allclose(np.linalg.norm(GIVEN.problem.residual(stopped)), GIVEN.level, rtol=1e-6)
    some = noisy_paths.stops(GIVEN, run, np.array([2.0, 1.0, 0.5, 1e-9]))
    assert_allclose(np.sqrt(2 * some.loss) / GIVEN.level, [2, 1, 0.5], rtol=1e-6)
    assert_allclose(some.weights[1], stopped, rtol=1e-6)
    assert noisy_paths.noiseless(GIVEN, some, 0.5).max() < 1e-4
    assert noisy_paths.noiseless(GIVEN, some, 2.0).max() > 1e-2
    nowhere = noisy_paths.stops(GIVEN, run, np.array([1e-9]))
    assert_allclose(nowhere.weights[0], run.weights[-1])


def test_a_flow_that_never_reaches_the_noise_has_no_stop():
    run = noisy_paths.noisy_trajectory(GradientFlow(2), GIVEN, 0.5, patience=1e-3)
    outcome = noisy_paths.early(GIVEN, run, None)
    assert np.isnan(outcome.stopped)
    assert np.isnan(outcome.end)
    assert np.isfinite(outcome.best)


def test_at_equal_bias_the_ends_agree():
    flow = WeightNormFlow(2, 5.0)
    curve = LimitCurve(GIVEN.problem, 2)
    small, run = noisy_paths.equal_bias(curve, flow, GIVEN, 0.8)
    assert small < 0.8
    assert run is not None
    ends = [curve.limit(f, f.start(30, s)).weights for f, s in ((flow, 0.8), (GradientFlow(2), small))]
    assert_allclose(*ends, atol=1e-7)


def test_excesses_are_ordered():
    flow, path = WeightNormFlow(2, 5.0), noisy_paths.lasso(GIVEN)
    found = noisy_paths.excess(GIVEN, noisy_paths.noisy_trajectory(flow, GIVEN, 0.5), path, np.array([2.0, 1.0, 0.3]))
    assert_allclose(found.residual, [2, 1, 0.3], rtol=1e-6)
    for less, more in ((found.lasso, found.same), (found.same, found.mass), (found.mass, found.bound)):
        assert np.all(less <= more * (1 + 1e-6))


def test_correlations_are_equal_on_the_lasso_path_and_zero_at_the_oracle():
    path = noisy_paths.lasso(GIVEN)
    mean, spread = noisy_paths.correlations(GIVEN, np.array([path.at(0.5 * GIVEN.level), path.at(GIVEN.level)]))
    assert np.all(mean > 0.01)
    assert spread.max() < 1e-9
    weights = np.zeros(30)
    support = GIVEN.truth > 0
    weights[support] = np.linalg.lstsq(GIVEN.problem.A[:, support], GIVEN.problem.y)[0]
    assert_allclose(noisy_paths.correlations(GIVEN, weights[None]), 0, atol=1e-12)


def test_hold_out_does_not_see_the_last_rows():
    changed = noisy_paths.Noisy(
        Problem(GIVEN.problem.A, np.append(GIVEN.problem.y[:-2], [9.0, 9.0]), GIVEN.truth), GIVEN.sigma
    )
    seen = [noisy_paths._split(one, 2)[0].problem for one in (GIVEN, changed)]
    assert_allclose(seen[0].y, seen[1].y)
    errors = noisy_paths.held_out(GradientFlow(2), GIVEN, 0.1, 2), noisy_paths.held_out_lasso(GIVEN, 2)
    assert all(0 < error < 1.5 for error in errors)
    with pytest.raises(ValueError, match="rows must be between 1 and 9, got 10"):
        noisy_paths.held_out_lasso(GIVEN, 10)


def test_the_best_setting_has_the_least_mean_and_lacks_nothing(monkeypatch):
    monkeypatch.setattr(noise, "SIGMAS", (0.1,))
    values = {"scale": [1.0, 1.0, 2.0, 2.0, 3.0, 3.0], "best": [0.3, 0.5, 0.1, 0.6, 0.0, np.nan]}
    table = {name: np.array(column) for name, column in values.items()}
    table |= {"method": np.array(["wn"] * 6), "sigma": np.full(6, 0.1), "depth": np.full(6, 2), "ratio": np.ones(6)}
    errors, settings = noise.tuned(table, "wn", 2, "best")
    assert settings == [(1.0, 2.0)]
    assert_allclose(errors, [[0.1, 0.6]])


def test_figures_draw_what_they_are_given():
    path, oracle = noisy_paths.lasso(GIVEN), noisy_paths.oracle(GIVEN)
    runs = {
        "plain": noisy_paths.noisy_trajectory(GradientFlow(2), GIVEN, 0.5),
        "normalized": noisy_paths.noisy_trajectory(WeightNormFlow(2, 5.0), GIVEN, 0.5),
    }
    drawn = figures.paths(GIVEN, path, runs, oracle).axes[0].lines
    assert_allclose(drawn[1].get_ydata(), GIVEN.error(runs["plain"].weights))
    found = {key: [noisy_paths.excess(GIVEN, run, path, np.array([1.0, 0.5]))] for key, run in runs.items()}
    dots = figures.excesses(found).axes[1].lines[0]
    assert_allclose(dots.get_ydata(), found["plain"][0].mass / found["plain"][0].lasso - 1)
    errors = {"wn": np.array([[0.1, 0.3], [0.2, 0.4]]), "oracle": np.array([[0.1, 0.1], [0.2, 0.2]])}
    level = figures.levels(np.array([0.1, 0.2]), {"best": errors}).axes[0].lines[0]
    assert_allclose(level.get_ydata(), [0.2, 0.3])
    ratios = {0.0: errors["wn"], 5.0: errors["oracle"], 9.0: errors["oracle"]}
    scales = figures.scales(np.array([0.1, 1.0]), {"best": ratios}, {"best": {"oracle": 0.1}})
    assert_allclose(scales.axes[0].lines[0].get_ydata(), [0.2, 0.3])


def test_a_start_too_small_to_be_followed_is_only_named():
    flow = WeightNormFlow(3, 30.0)
    small, run = noisy_paths.equal_bias(LimitCurve(GIVEN.problem, 3), flow, GIVEN, 0.8)
    assert small < 1e-6
    assert run is None
