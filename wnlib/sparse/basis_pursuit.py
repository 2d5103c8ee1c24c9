r"""Basis pursuit, $Q = \min\{\|z\|_1 : A z = y,\ z \ge 0\}$: what sparse limits are compared with."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from wnlib._checks import Array
from wnlib._values import Value
from wnlib.linear.linear_program import linear_program
from wnlib.problem import Problem

_solved: WeakKeyDictionary[Problem, "BasisPursuit"] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False, repr=False)
class BasisPursuit(Value):
    r"""A minimiser of $\|z\|_1$ over $A z = y,\ z \ge 0$, and the certificate that it is one.

    Attributes:
        weights: The minimiser $z^*$, shape (N,).
        dual: $\nu$ with $A^\top \nu \le 1$, shape (M,), so that $\langle y, \nu\rangle \le Q$ bounds the optimum
            rigorously.
        value: $Q$, the l1 norm of the weights.
        gap: $Q - \langle y, \nu\rangle$: how far from optimal the weights can be, whatever the solver did. Where y has
            an interpolant only to the problem's tolerance, $\langle A z - y, \nu\rangle$ is a part of it.
        residual: $\|A z - y\| / \|y\|$, 0 if y = 0.

    Example:
        >>> from wnlib import Problem, basis_pursuit
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> solution = basis_pursuit(problem)
        >>> solution.gap < 1e-12, bool((problem.A.T @ solution.dual).max() < 1 + 1e-12)
        (True, True)
    """

    weights: Array
    dual: Array
    value: float
    gap: float
    residual: float


def basis_pursuit(problem: Problem) -> BasisPursuit:
    """Solve basis pursuit by linear programming (HiGHS), to a certificate, whatever the units of A and y.

    Ill-posed programs are tried in several forms, and answers are polished on the support and refined. Measurements
    whose interpolants are only as good as the problem's tolerance are met to that: see `residual`. A problem is solved
    once: its answer, with read-only arrays, is kept.

    Raises:
        InfeasibleError: if y has no nonnegative interpolant.
        CertificateError: if the answer's certificate is not good to 1e-6.

    Example:
        >>> import numpy as np
        >>> from wnlib import Problem, basis_pursuit
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> np.allclose(basis_pursuit(problem).weights, problem.truth)
        True
    """
    if problem not in _solved:
        _solved[problem] = _solve(problem)
    return _solved[problem]


def _solve(problem: Problem) -> BasisPursuit:
    problem.require_nonnegative_interpolant()
    A, y = problem.A, problem.y
    if not y.any():
        return BasisPursuit(np.zeros(A.shape[1]), np.zeros(A.shape[0]), 0.0, 0.0, 0.0)
    answer = linear_program(np.ones(A.shape[1]), A, y, tolerance=problem.tolerance)
    dual = answer.dual / max(1.0, (A.T @ answer.dual).max())
    value = float(answer.x.sum())
    return BasisPursuit(answer.x, dual, value, value - float(y @ dual), answer.residual)
