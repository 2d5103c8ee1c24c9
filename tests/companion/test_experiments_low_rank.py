"""The experiments behind the chapter on low rank."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from companion.experiments import low_rank
from companion.experiments.low_rank import POSITIONS, RATIOS, RECORD
from companion.plots import low_rank as figures
from wnlib import CertificateError, GradientFlow, Problem, WeightNormFlow
from wnlib.models.matrix import MatrixProblem, conjugated, rotation

PROBLEM = MatrixProblem.gaussian(20, 8, 1, seed=1)
SMALLEST = low_rank.nuclear_norm(PROBLEM)


def test_the_nuclear_norm_is_minimised_and_certified():
    assert np.linalg.norm(PROBLEM.residual(SMALLEST.W)) <= 1e-6
    assert np.linalg.eigvalsh(SMALLEST.W).min() >= -1e-6
    certificate = np.tensordot(SMALLEST.dual, PROBLEM.A, axes=1)
    assert np.linalg.eigvalsh(certificate).max() <= 1 + 1e-6
    assert_allclose(SMALLEST.dual @ PROBLEM.y, SMALLEST.value, rtol=1e-6)
    assert_allclose(np.trace(SMALLEST.W), SMALLEST.value, rtol=1e-6)
    assert SMALLEST.value <= np.trace(PROBLEM.truth) * (1 + 1e-6)
    assert_allclose(SMALLEST.radius(2) ** 2, SMALLEST.value, rtol=1e-4)
    assert np.count_nonzero(SMALLEST.eigenvalues) == 1


def test_the_excess_is_that_of_an_interpolant_and_never_negative():
    truth, n = PROBLEM.truth, PROBLEM.n
    assert_allclose(SMALLEST.excess(PROBLEM, truth), np.trace(truth) / SMALLEST.value - 1, atol=1e-6)
    rng = np.random.default_rng(0)
    some = conjugated(rng.uniform(0, 1, (50, n)), rotation(rng, n))
    assert SMALLEST.excess(PROBLEM, some).min() >= -1e-6
    assert_allclose(SMALLEST.excess(PROBLEM, 0.5 * SMALLEST.W), 0, atol=1e-6)


def test_positivity_identifies_only_where_measurements_leave_no_choice():
    assert not low_rank.positivity_identifies(PROBLEM, SMALLEST)
    traced = MatrixProblem(np.concatenate([PROBLEM.A, np.eye(8)[None]]), np.append(PROBLEM.y, np.trace(PROBLEM.truth)))
    assert low_rank.positivity_identifies(traced, low_rank.nuclear_norm(traced))


def test_an_infeasible_problem_has_no_nuclear_norm():
    with pytest.raises(CertificateError, match="not found to accuracy"):
        low_rank.nuclear_norm(MatrixProblem(np.eye(3)[None], [-1.0]))


def test_an_answer_that_the_solver_does_not_reach_is_asked_for_otherwise(monkeypatch):
    spoiled = {"max_iter": 3}  # as the scaling of the data spoils it on some machines
    monkeypatch.setattr(low_rank, "SETTINGS", (spoiled, {"equilibrate_enable": False}))
    assert_allclose(low_rank.nuclear_norm(PROBLEM).value, SMALLEST.value, rtol=1e-6)
    monkeypatch.setattr(low_rank, "SETTINGS", (spoiled,))
    with pytest.raises(CertificateError, match="not found to accuracy"):
        low_rank.nuclear_norm(PROBLEM)


def test_descents_end_near_the_spectral_limit_and_within_the_bounds_on_an_easy_problem():
    scale = SMALLEST.radius(2) * np.sqrt([0.1, 3.0])
    for ratio in (None, 10.0):
        found = low_rank.ends(PROBLEM, SMALLEST, 2, ratio, scale, steps=4000)
        assert found.arrived.all()
        assert set(found.step) <= set(low_rank.MULTIPLES)
        predicted = low_rank.predicted(PROBLEM, SMALLEST, 2, ratio, scale)
        assert_allclose(found.excess, predicted, rtol=0.5, atol=5e-3)
        assert np.all(predicted <= low_rank.bounds(SMALLEST, 2, ratio, scale) + 1e-6)


def test_where_nothing_fits_the_end_is_that_of_the_smallest_residual():
    found = low_rank.ends(PROBLEM, SMALLEST, 2, None, np.array([0.3]), steps=5)
    assert not found.arrived.any()
    assert found.steps[0] == 5
    assert found.step[0] == max(low_rank.MULTIPLES)


def test_effective_rank_counts_equal_eigenvalues():
    basis = rotation(np.random.default_rng(0), 6)
    assert_allclose(low_rank.effective_rank(conjugated(np.array([2.0, 2, 2, 0, 0, 0]), basis)), 3)
    assert_allclose(low_rank.effective_rank(np.eye(6)), 6)


def test_recovery_needs_a_truth():
    assert_allclose(low_rank.recovery_error(PROBLEM, np.stack([PROBLEM.truth, 0 * PROBLEM.truth])), [0, 1])
    with pytest.raises(ValueError, match="problem must have a truth"):
        low_rank.recovery_error(MatrixProblem(PROBLEM.A, PROBLEM.y), PROBLEM.truth)


@pytest.mark.parametrize("flow", [GradientFlow(2), WeightNormFlow(3, 2.0)], ids=str)
def test_eigenvalues_follow_the_diagonal_model_only_if_all_commute(flow):
    problem, times = Problem.gaussian(3, 6, 1, seed=2), np.linspace(0, 3, 7)
    together = low_rank.eigenvalues(problem, flow, 0.6, times, seed=1)
    apart = low_rank.eigenvalues(problem, flow, 0.6, times, seed=1, off=0.3)
    assert_allclose(together.matrix, together.diagonal, atol=1e-6)
    assert together.turned.max() <= 1e-6
    assert np.abs(apart.matrix - apart.diagonal).max() > 1e-3
    assert apart.turned.max() > 1e-3


def test_the_stored_grid_is_complete():
    columns = RECORD.load()
    assert len(columns["task"]) == len(RECORD.tasks) * len(POSITIONS)


def test_a_grid_leaves_out_what_has_not_arrived():
    grid = low_rank.stored()["sensing"]
    found, every = (grid.of("excess", 3, 10.0, all_runs=value) for value in (False, True))
    assert found.shape == (len(low_rank.MEASUREMENTS) * low_rank.SEEDS, len(POSITIONS))
    assert np.array_equal(np.isnan(found), grid.of("residual", 3, 10.0, all_runs=True) > low_rank.ARRIVED)
    assert_allclose(found[np.isfinite(found)], every[np.isfinite(found)])


def test_figures_draw_what_they_are_given():
    grid = low_rank.stored()["sensing"]
    figure = figures.excess(POSITIONS, grid.by_method("excess"), grid.by_method("predicted"))
    assert len(figure.axes) == 2
    line = figure.axes[0].lines[0].get_ydata()
    assert_allclose(line, np.maximum(np.nanmedian(grid.of("predicted", 2, RATIOS[0]), axis=0), figures.FLOOR))
    problem, times = Problem.gaussian(3, 6, 1, seed=2), np.linspace(0, 3, 30)
    found = low_rank.eigenvalues(problem, GradientFlow(2), 0.6, times)
    panels = figures.eigenvalues({"gradient flow": found, "weight normalization": found}, {0.0: found}).axes
    assert [panel.get_title() for panel in panels[:2]] == ["gradient flow", "weight normalization"]
    assert_allclose(panels[0].lines[-1].get_ydata(), found.diagonal[1:, -1])
