"""Layers with factors of their own: how they become alike, and which norm their limits minimise."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from companion.experiments import layers
from companion.plots import layers as figures
from wnlib import GradientFlow, Problem, WeightNormFlow, blow_up_times
from wnlib.models.blow_up import cheapest_interpolant

WEIGHTS = np.where(np.arange(12) < 3, [1.0, -0.7, 0.4] * 4, 0.0)
GAUSSIAN = Problem.gaussian(6, 12, 2, seed=1)
PROBLEM = Problem(GAUSSIAN.A, GAUSSIAN.A @ WEIGHTS)
FACTORS = layers.random_layers(3, 12, seed=2) * np.array([[0.6], [0.8], [0.7]])


def test_random_layers_have_norm_one_and_both_signs():
    assert_allclose(np.linalg.norm(layers.random_layers(4, 9), axis=1), 1)
    assert layers.random_layers(4, 9).min() < 0 < layers.random_layers(4, 9).max()


def test_directions_become_alike_as_predicted_and_factors_of_gradient_flow_do_not():
    found = layers.fading(WeightNormFlow(3, 4.0), PROBLEM, FACTORS)
    assert found.magnification[-1] > 10
    assert_allclose(found.difference, found.predicted, rtol=1e-2, atol=1e-7)
    plain = layers.fading(GradientFlow(3), PROBLEM, FACTORS)
    assert plain.magnification[-1] > 1.5
    assert_allclose(plain.difference, 1, rtol=1e-6)


@pytest.mark.parametrize("depth", [3, 4])
def test_limits_tend_to_the_least_blow_up_norm(depth):
    x = layers.random_layers(depth, 12, seed=2)
    for ends in (
        layers.normalized_ends(PROBLEM, x, [2.0, 6.0, 12.0]),
        layers.plain_ends(PROBLEM, x, [0.3, 0.03, 0.003]),
    ):
        assert np.all(np.diff(ends.magnification) > 0)
        assert np.all(np.diff(ends.cheapest) < 0)
        assert ends.cheapest[-1] < 1e-3
        assert ends.sparsest.min() > 0.1


def test_the_cheapest_interpolant_depends_on_the_directions():
    best = [cheapest_interpolant(PROBLEM, blow_up_times(layers.random_layers(3, 12, seed))) for seed in (1, 2)]
    assert_allclose([PROBLEM.A @ one for one in best], [PROBLEM.y] * 2, atol=1e-10)
    assert np.abs(best[0] - best[1]).sum() > 0.1


def test_the_figure_draws_what_it_is_given():
    fading = layers.Fading(np.array([1.0, 10.0]), np.array([1.0, 0.011]))
    ends = layers.Ends(np.array([2.0, 4.0]), np.array([0.1, 0.0]), np.array([0.5, 0.6]))
    top, bottom = figures.layers(fading, fading, {"normalized": ends, "plain": ends}).axes
    assert_allclose(top.lines[0].get_ydata(), [1.0, 0.011])
    assert_allclose(top.lines[2].get_ydata(), [1.0, 0.01])
    assert_allclose(bottom.lines[0].get_ydata(), [0.1, figures.FLOOR])
    assert_allclose(bottom.lines[3].get_ydata(), [0.5, 0.6])
