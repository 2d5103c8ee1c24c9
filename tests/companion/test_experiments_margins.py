"""The margins of random problems, what starts they ask for, and their figure."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from companion.experiments import margins
from companion.plots import margins as figures
from wnlib import GradientFlow, Problem, limit, margin, statistical_dimension

ROWS = list(margins.compute((24, 60, 3)))


def test_a_row_tells_its_problem():
    row, problem = ROWS[3], Problem.gaussian(24, 60, 3, seed=3)
    assert row["margin"] == margin(problem).value
    assert row["recovered"] == 1
    flow = GradientFlow(2)
    radius = np.sqrt(10 ** row["scale"] * problem.truth.sum())
    assert_allclose(limit(flow, problem, flow.start(60, radius)).l1_excess, margins.EXCESS, rtol=1e-6)


def test_where_every_interpolant_is_a_solution_there_is_no_scale():
    rows = list(margins.compute((48, 60, 3)))
    unique = [row for row in rows if np.isinf(row["margin"])]
    assert unique
    assert all(np.isnan(row["scale"]) for row in unique)


def test_quartiles_of_each_size():
    rows = margins.RECORD.load()
    found = margins.at_sparsity(rows, 4)
    assert found.at.tolist() == list(margins.MEASUREMENTS)
    k = list(margins.MEASUREMENTS).index(21)
    alone = rows["margin"][(rows["m"] == 21) & (rows["n"] == margins.N) & (rows["s"] == 4)]
    assert len(alone) == margins.PROBLEMS
    assert np.mean(alone <= found.margin[1, k]) == pytest.approx(0.5, abs=0.06)
    assert margins.at_shape(rows).at.tolist() == list(margins.SIZES)


def test_figure_has_a_line_for_each_sparsity():
    rows = margins.RECORD.load()
    found = {s: margins.at_sparsity(rows, s) for s in margins.SPARSITIES}
    figure = figures.over_measurements(found, {s: statistical_dimension(s, margins.N) for s in found})
    assert [len(axes.lines) for axes in figure.axes] == [6, 6]
