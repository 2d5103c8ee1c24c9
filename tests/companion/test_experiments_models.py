"""The models side by side: what their numbers mean, and how they are written."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from companion.experiments import models
from companion.experiments.models import Measured, Model
from companion.plots import models as figures
from wnlib import GradientFlow, LimitCurve, Problem, WeightNormFlow, integrate

PROBLEM = Problem.gaussian(10, 24, 2, seed=1)
MODELS = models.models(10.0)


def test_each_flow_and_depth_and_each_with_signs_but_depth_1():
    assert len(MODELS) == 10
    assert [model.name for model in MODELS[-2:]] == [
        "gradient flow, $L = 3$, signed",
        "weight normalization, $L = 3$, signed",
    ]
    assert not any(model.signed and model.flow.depth == 1 for model in MODELS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_reach_is_where_the_excess_is_the_threshold(model: Model):
    problem, flow = model.problem(PROBLEM), model.flow
    curve = LimitCurve(problem, flow.depth)
    scale = models.reach(flow, curve)
    for factor, below in ((0.98, True), (1.02, False)):
        end = curve.limit(flow, flow.start(problem.shape[1], factor * scale))
        assert (models.excess(end) < models.THRESHOLD) is below
    assert_allclose(models.measure(model, [PROBLEM]).reach[0], scale**2 / models.frontier(problem, flow.depth) ** 2)


def test_a_ratio_too_small_for_any_start_has_no_reach():
    assert models.reach(WeightNormFlow(2, 0.05), LimitCurve(PROBLEM, 2)) == 0


@pytest.mark.parametrize("depth", [2, 3])
def test_both_flows_meet_at_the_ends_of_their_reach(depth: int):
    assert models.meeting(PROBLEM, depth, 10.0) < 1e-7
    assert np.isnan(models.meeting(PROBLEM, depth, 0.01))


def test_the_price_is_the_flows_time_and_its_steps():
    flow = GradientFlow(2)
    measured = models.measure(Model(flow), [PROBLEM])
    start = flow.start(24, float(np.sqrt(models.SHARE) * models.frontier(PROBLEM, 2)))
    stop = models.RELATIVE * float(PROBLEM.loss(np.zeros(24)))
    assert_allclose(integrate(flow, PROBLEM, start, 1e9, stop_loss=stop).t[-1], measured.time[0], rtol=1e-4)
    # the loss falls by ten decades at a rate that is at most mu_max
    assert measured.steps[0] > np.log(1e10) / 2


def test_the_frontier_at_depth_1_is_the_least_norm():
    assert_allclose(models.frontier(PROBLEM, 1), np.linalg.norm(np.linalg.pinv(PROBLEM.A) @ PROBLEM.y))


def test_the_figure_has_a_row_for_each_model():
    numbers = np.array([0.5, 2.0])
    found = [Measured(model, numbers, numbers, numbers, numbers) for model in MODELS]
    left, right = figures.models(found).axes
    assert len(left.get_yticklabels()) == len(MODELS)
    assert_allclose(left.lines[0].get_xdata(), np.sqrt(numbers))
    assert_allclose(right.lines[0].get_xdata(), numbers)
