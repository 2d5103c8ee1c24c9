"""What every chart has from the start: a basis of columns, and the affine map from it to all entries of theta."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import FLOWS, direction, duplicated, flows, low_rank, name, start

from wnlib import Flow, GradientFlow, Problem
from wnlib.trajectories.charts import DualChart, dual_chart

FULL = Problem.gaussian(5, 9, 2, seed=4)
PROBLEMS = {"full": FULL, "low rank": low_rank(), "duplicated": duplicated(FULL)}
problems = st.sampled_from(list(PROBLEMS.values()))
every_flow = pytest.mark.parametrize("flow", FLOWS, ids=name)
every_problem = pytest.mark.parametrize("problem", list(PROBLEMS.values()), ids=list(PROBLEMS))


def chart_of(flow: Flow, problem: Problem, seed: int = 0) -> DualChart:
    return dual_chart(flow, problem, start(flow, problem.shape[1], seed=seed))


@given(flows(), problems, st.integers(0, 10**6))
def test_the_basis_determines_every_vector_of_the_row_space(flow: Flow, problem: Problem, seed: int) -> None:
    chart = chart_of(flow, problem, seed)
    v = problem.A.T @ np.random.default_rng(seed).standard_normal(problem.shape[0])
    assert_allclose(chart.T @ v[chart.basis], v, rtol=0, atol=1e-10 * np.abs(v).max())
    assert_array_equal(chart.T[chart.basis], np.eye(problem.rank))


@given(flows(), problems, st.integers(0, 10**6))
def test_the_centre_is_the_offset_from_what_the_basis_says(flow: Flow, problem: Problem, seed: int) -> None:
    chart = chart_of(flow, problem, seed)
    size = np.abs(chart.theta) + np.abs(chart.T) @ np.abs(chart.theta[chart.basis])
    assert np.all(np.abs(chart.T @ chart.theta[chart.basis] + chart.offset - chart.theta) <= 1e-12 * size)
    assert not chart.offset[chart.basis].any()


@every_problem
@every_flow
def test_the_columns_of_the_basis_are_independent_and_those_of_the_problem(flow: Flow, problem: Problem) -> None:
    chart = chart_of(flow, problem)
    assert_array_equal(chart.A_basis, problem.A[:, chart.basis])
    assert np.linalg.matrix_rank(chart.A_basis) == problem.rank == len(chart.basis)
    assert np.all(np.diff(chart.basis) > 0)


@pytest.mark.parametrize("depth", [3, 5])
def test_of_equal_columns_one_is_the_other_to_the_last_digit(depth: int) -> None:
    """A rounding error in the offset would be all that is left of it when theta shrinks."""
    equal = [(0, 9), (1, 10), (2, 11)]
    flow, toward = GradientFlow(depth), direction(12, depth)
    toward[9:] = toward[:3]
    toward[[0, 1, 2, 9, 10, 11]] *= 100  # of each pair, one is in the basis that holds the large weights
    chart = dual_chart(flow, duplicated(FULL), flow.start(12, 0.8, toward))
    others = [j if i in chart.basis else i for i, j in equal if (i in chart.basis) != (j in chart.basis)]
    assert len(others) == 3
    assert not chart.offset[others].any()


@pytest.mark.parametrize("flow", [flow for flow in FLOWS if flow.depth <= 2], ids=name)
def test_a_linear_map_loses_nothing_and_holds_until_exponentials_are_bounded(flow: Flow) -> None:
    chart = chart_of(flow, FULL)
    state = chart.encode()
    assert chart.expired(0.0, state - 5) > 0
    assert (chart.expired(0.0, state + 100) > 0) == (flow.depth == 1)
    assert chart.amplification(np.stack([state, state - 5])) == 1.0
