"""The experiment behind the section on rows that normalize their own weights."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from companion.experiments import groups
from companion.plots import groups as figures
from wnlib import GroupedFlow, IntegrationError, Problem, WeightNormFlow, basis_pursuit, limit

PROBLEMS = groups.problems(2, seed=0)


def test_one_row_is_one_sphere_and_several_cost_more():
    found = groups.spread(PROBLEMS, 10.0, 0.1, rows=(1, 4))
    assert_allclose(found.equal[:, 0], found.one, atol=1e-4)
    assert_allclose(found.matched[:, 0], found.one, atol=1e-6)
    assert np.all(found.equal[:, 1] > 0.01)
    assert not found.spent.any()
    problem, flow = PROBLEMS[0], WeightNormFlow(2, 10.0)
    end = limit(flow, problem, flow.start(groups.N, np.sqrt(0.1 * basis_pursuit(problem).value)))
    assert_allclose(found.one[0], end.l1_excess)


def test_a_spent_radius_is_told():
    found = groups.spread([PROBLEMS[1]], 10.0, 0.1, rows=(2, 8))
    assert found.spent.tolist() == [[0, 1]]
    unneeded = Problem(A=[[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]], y=[4.0, 0.0])
    assert np.isnan(groups.spread([unneeded], 4.0, 0.5, rows=(2,)).matched).all()


def test_matched_clocks_approach_the_nearest_masses_within_the_bound():
    ratios = np.array([3.0, 30.0])
    found = groups.approach(PROBLEMS[0], ratios, 0.4, rows=4)
    assert np.all((found.matched > 0) & (found.matched <= found.bound))
    assert_allclose(found.bound[0] / found.bound[1], 10)
    assert found.matched[1] < 0.1 * found.matched[0]
    assert found.equal[1] > 10 * found.matched[1]


def test_a_flow_that_does_not_arrive_is_an_error(monkeypatch):
    monkeypatch.setattr(groups, "PATIENCE", 1e-3)
    with pytest.raises(IntegrationError, match="still on its way"):
        groups.approach(PROBLEMS[0], np.array([3.0]), 0.4, rows=4)
    assert np.isnan(groups.spread(PROBLEMS[:1], 10.0, 0.1, rows=(2,)).equal).all()


def test_the_start_is_that_of_one_sphere():
    assert_allclose(groups.joint_start(8, 2.0, 4).weights(2), 0.5)
    assert_allclose(groups.joint_start(8, 2.0, 4).radius, GroupedFlow(2, 3.0).start(8, 2.0, 4).radius)


def test_the_figure_draws_all_lines():
    ratios = np.array([3.0, 30.0])
    spread = groups.spread(PROBLEMS, 10.0, 0.1, rows=(2, 4))
    figure = figures.rows((2, 4), spread, ratios, groups.approach(PROBLEMS[0], ratios, 0.4, rows=4))
    top, bottom = figure.axes
    assert len(bottom.lines) == 3
    assert len(top.lines) == 6
