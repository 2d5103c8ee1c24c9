r"""Basis pursuit, $Q = \min\{\|z\|_1 : A z = y,\ z \ge 0\}$: what sparse limits are compared with."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from wnlib._checks import Array
from wnlib.errors import CertificateError
from wnlib.problem import Problem

CERTIFIED = 1e-6  # relative gap and residual up to which basis pursuit counts as solved
_solved: WeakKeyDictionary[Problem, "BasisPursuit"] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class BasisPursuit:
    r"""A minimiser of $\|z\|_1$ over $A z = y,\ z \ge 0$, and the certificate that it is one.

    Attributes:
        weights: The minimiser $z^\star$, shape (N,).
        dual: $\nu$ with $A^\top \nu \le 1$, shape (M,), so that $\langle y, \nu\rangle \le Q$ bounds the optimum
            rigorously.
        value: $Q$, the l1 norm of the weights.
        gap: $Q - \langle y, \nu\rangle$: how far from optimal the weights can be, whatever the solver did.
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

    def __post_init__(self) -> None:
        self.weights.setflags(write=False)
        self.dual.setflags(write=False)


def basis_pursuit(problem: Problem) -> BasisPursuit:
    """Solve basis pursuit by linear programming (HiGHS), then polish on the support to machine precision.

    The program's constraints are stated in an orthonormal basis of row(A), and in units of the largest, so that the
    solver's absolute tolerances are relative ones, whatever the units of the measurements. A problem is solved once:
    its answer, with read-only arrays, is kept.

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
    row = problem.row_basis.T
    moments = problem.moments
    unit = np.abs(moments).max()
    program = optimize.linprog(
        np.ones(A.shape[1]),
        A_eq=row,
        b_eq=moments / unit,
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if program.status != 0:
        raise CertificateError(f"the linear program did not finish: {program.message} Try other units of A and y")
    weights, support = _polish_weights(problem, np.maximum(program.x, 0) * unit)
    dual = linalg.lstsq(A.T, row.T @ program.eqlin.marginals)[0]
    dual = dual + linalg.lstsq(A[:, support].T, 1 - A[:, support].T @ dual)[0]
    dual /= max(1.0, (A.T @ dual).max())
    value = float(weights.sum())
    gap = value - float(y @ dual)
    residual = float(linalg.norm(problem.residual(weights)) / linalg.norm(y))
    if not (abs(gap) <= CERTIFIED * value and residual <= CERTIFIED):
        raise CertificateError(
            f"basis pursuit was not solved: gap {gap:.3g} of {value:.3g}, residual {residual:.3g}; try other units"
        )
    return BasisPursuit(weights, dual, value, gap, residual)


def _polish_weights(problem: Problem, weights: Array) -> tuple[Array, NDArray[np.bool_]]:
    support = weights > 1e-9 * weights.max()
    polished = np.zeros_like(weights)
    polished[support] = weights[support] + linalg.lstsq(problem.A[:, support], problem.residual(weights * support))[0]
    return (polished if polished.min() >= 0 else weights), support
