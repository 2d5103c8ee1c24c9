"""Which weights some nonnegative interpolant makes positive."""

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from wnlib.errors import CertificateError
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
    rows, n = problem.row_basis, problem.shape[1]
    unit = np.abs(problem.moments).max(initial=0.0) or 1.0  # y = 0 has no size
    program = optimize.linprog(
        np.concatenate([-np.ones(n), np.zeros(n + 1)]),
        A_eq=np.column_stack([rows.T, rows.T, -problem.moments / unit]),
        b_eq=np.zeros(rows.shape[1]),
        bounds=[(0, 1)] * n + [(0, None)] * n + [(1, None)],
        method="highs",
    )
    if program.status != 0:
        raise CertificateError(
            f"the linear program of the attainable weights did not finish: {program.message} Try other units"
        )
    return program.x[:n] > 0.5
