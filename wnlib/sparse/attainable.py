"""Which weights some nonnegative interpolant makes positive."""

import numpy as np
from numpy.typing import NDArray

from wnlib.linear.linear_program import linear_program
from wnlib.problem import Problem


def attainable_weights(problem: Problem) -> NDArray[np.bool_]:
    """Which weights some nonnegative interpolant makes positive, by linear programming (HiGHS).

    Of s y = A (v + e), 0 <= v <= 1, e >= 0, s >= 1, the largest sum of v.

    Returns:
        Shape (N,).

    Raises:
        InfeasibleError: if there is no nonnegative interpolant.
        CertificateError: if the linear program is not solved.

    Example:
        >>> from wnlib import Problem, attainable_weights
        >>> problem = Problem(A=[[1, 1, 0], [0, 1, -1]], y=[1, 1])
        >>> attainable_weights(problem)  # w = (0, 1, 0) is the only one
        array([False,  True, False])
    """
    problem.require_nonnegative_interpolant()
    n = problem.shape[1]
    matrix = np.abs(problem.A).max() or 1.0
    A, y = problem.A / matrix, problem.y / (np.abs(problem.moments).max(initial=0.0) or 1.0) / matrix
    found = linear_program(
        np.concatenate([-np.ones(n), np.zeros(n + 1)]),
        np.column_stack([A, A, -y]),  # the last for s - 1
        y,
        upper=np.concatenate([np.ones(n), np.full(n + 1, np.inf)]),
        tolerance=problem.tolerance,
    )
    return found.x[:n] > 0.5
