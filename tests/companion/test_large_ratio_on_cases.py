"""The path at an infinite ratio on ugly problems: basis pursuit at its end, and of what is fitted on the way."""

import numpy as np
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose

from companion.verification.ensemble import Ensemble
from wnlib import GradientFlow, Problem, basis_pursuit, large_ratio_path

FLOW = GradientFlow(2)
UGLY = Ensemble(depths=(2,), columns=(4, 30))


@given(st.integers(0, 300), st.floats(0.05, 0.95))
def test_it_ends_at_basis_pursuit_and_is_that_of_what_is_fitted_on_the_way(index, share):
    problem = UGLY.case(index).problem
    if np.linalg.norm(problem.y) < 1e-12:
        return
    pursuit = basis_pursuit(problem)
    path = large_ratio_path(problem, FLOW.start(problem.shape[1], np.sqrt(share * pursuit.value)))
    assert_allclose(problem.residual(path.weights[-1]), 0, atol=1e-10 * np.linalg.norm(problem.y))
    assert_allclose(path.masses[-1], pursuit.value, rtol=1e-6)
    assert path.weights.min() >= 0
    assert np.all(np.diff(path.masses) >= -1e-9 * pursuit.value)
    middle = path.weights[len(path.weights) // 2]
    fitted = basis_pursuit(Problem(problem.A, problem.A @ middle, middle)).value
    assert_allclose(middle.sum(), fitted, rtol=1e-6)
