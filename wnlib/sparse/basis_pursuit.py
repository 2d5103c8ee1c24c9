r"""Basis pursuit, $Q = \min\{\|z\|_1 : A z = y,\ z \ge 0\}$: what sparse limits are compared with.

With costs $\chi > 0$ it minimises $\langle\chi, z\rangle$, a weighted l1 norm: in the unknowns $\chi \odot z$ this is
basis pursuit again, with the columns of A over their costs.
"""

from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib._values import Value
from wnlib.errors import ArgumentError
from wnlib.linear.linear_program import linear_program
from wnlib.problem import Problem

_solved: WeakKeyDictionary[Problem, "BasisPursuit"] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False, repr=False)
class BasisPursuit(Value):
    r"""A minimiser of $\langle\chi, z\rangle$ over $A z = y,\ z \ge 0$, and the certificate that it is one.

    The costs $\chi$ are 1 by default: then it minimises $\|z\|_1$.

    Attributes:
        weights: The minimiser $z^*$, shape (N,).
        dual: $\nu$ with $A^\top \nu \le \chi$, shape (M,), so that $\langle y, \nu\rangle \le Q$ bounds the optimum
            rigorously.
        value: $Q = \langle\chi, z^*\rangle$: the l1 norm of the weights where all costs are 1.
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


def basis_pursuit(problem: Problem, costs: ArrayLike | None = None) -> BasisPursuit:
    r"""Solve basis pursuit by linear programming (HiGHS), to a certificate, whatever the units of A and y.

    Ill-posed programs are tried in several forms, and answers are polished on the support and refined. Measurements
    whose interpolants are only as good as the problem's tolerance are met to that: see `residual`. A problem is solved
    once: its answer, with read-only arrays, is kept.

    Args:
        costs: $\chi > 0$, shape (N,): those of the weights in the norm that is minimised, 1 by default.

    Raises:
        ArgumentError: for costs that are not positive.
        InfeasibleError: if y has no nonnegative interpolant.
        CertificateError: if the answer's certificate is not good to 1e-6.

    Example:
        >>> import numpy as np
        >>> from wnlib import Problem, basis_pursuit
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> np.allclose(basis_pursuit(problem).weights, problem.truth)
        True
        >>> problem = Problem(A=[[2.0, 1.0]], y=[2.0])
        >>> costs = [1, 1], [3, 1]  # the second weight measures half as much
        >>> [basis_pursuit(problem, each).weights.tolist() for each in costs]
        [[1.0, 0.0], [0.0, 2.0]]
    """
    own, chi = priced(problem, costs)
    if own not in _solved:
        _solved[own] = _solve(own)
    return _solved[own] if costs is None else replace(_solved[own], weights=_solved[own].weights / chi)


def priced(problem: Problem, costs: ArrayLike | None) -> tuple[Problem, Array]:
    r"""The problem in the unknowns $\chi \odot z$, whose l1 norm is what z costs, and $\chi$ (N,); itself for None."""
    count = problem.shape[1]
    if costs is None:
        return problem, np.ones(count)
    chi = check.array("costs", costs, (count,))
    if not chi.min() > 0:
        raise ArgumentError(f"costs must be > 0 in every entry, got a minimum of {chi.min()}")
    truth = None if problem.truth is None else problem.truth * chi
    return Problem(problem.A / chi, problem.y, truth, problem.tolerance), chi


def _solve(problem: Problem) -> BasisPursuit:
    problem.require_nonnegative_interpolant()
    A, y = problem.A, problem.y
    if not y.any():
        return BasisPursuit(np.zeros(A.shape[1]), np.zeros(A.shape[0]), 0.0, 0.0, 0.0)
    answer = linear_program(np.ones(A.shape[1]), A, y, tolerance=problem.tolerance)
    dual = answer.dual / max(1.0, (A.T @ answer.dual).max())
    value = float(answer.x.sum())
    return BasisPursuit(answer.x, dual, value, value - float(y @ dual), answer.residual)
