r"""How clearly basis pursuit has one solution: the margin of its best dual certificate.

Let $z^*$, with support J, minimise $\langle\chi, z\rangle$ over the interpolants $z \ge 0$, with costs $\chi > 0$. A
certificate of that is a $\nu$ with $A_J^\top\nu = \chi_J$ and $A_j^\top\nu \le (1 - \gamma)\,\chi_j$ elsewhere; the
largest $\gamma$ is the margin. It is positive if and only if $z^*$ is the only minimiser. Its linear program has the
dual

$$\gamma = \min\Bigl\{ \langle\chi, v\rangle : A v = 0,\ v_j \ge 0 \text{ off } J,\ \sum_{j \notin J} \chi_j v_j = 1
\Bigr\}:$$

what it costs to leave $z^*$ for other interpolants, in the cheapest direction.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib._values import Value
from wnlib.errors import ArgumentError, InfeasibleError
from wnlib.linear.linear_program import linear_program
from wnlib.linear.ranks import kernel
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit

SUPPORT = 1e-9  # of the largest weight, below which one is none
ROUNDING = 1e-14  # of the terms of a cost, below which their sum is 0


@dataclass(frozen=True, eq=False, repr=False)
class Margin(Value):
    r"""The margin of basis pursuit, with the certificate that has it and the direction that shows it.

    Attributes:
        value: $\gamma$: 0 if there are several minimisers, infinite if $z^*$ is the only interpolant.
        target: $z^*$, shape (N,).
        dual: $\nu$, shape (M,).
        direction: v, shape (N,); zero if $z^*$ is the only interpolant.
        costs: $\chi$, shape (N,).

    Example:
        >>> import numpy as np
        >>> from wnlib import Problem, margin
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> found = margin(problem)
        >>> off = ~found.support
        >>> bool(np.isclose((problem.A.T @ found.dual)[off].max(), 1 - found.value))
        True
        >>> v = found.direction
        >>> np.allclose(problem.A @ v, 0), bool(np.isclose(v.sum(), found.value))
        (True, True)
    """

    value: float
    target: Array
    dual: Array
    direction: Array
    costs: Array

    @property
    def support(self) -> NDArray[np.bool_]:
        """J, shape (N,)."""
        return self.target > 0


def margin(problem: Problem, costs: ArrayLike | None = None) -> Margin:
    r"""How clearly basis pursuit has one solution: the largest margin of a dual certificate.

    The excess of a limit falls with the magnification M as $M^{-2\gamma}$ at depth 2: see `needed_ratio`.

    Args:
        costs: $\chi > 0$, shape (N,): those of the weights in the norm that is minimised, 1 by default.

    Raises:
        ArgumentError: for costs that are not positive, and if y = 0.
        InfeasibleError: if y has no nonnegative interpolant.
        CertificateError: if a linear program cannot be solved to a certificate.

    Example:
        >>> from wnlib import Problem, margin
        >>> found = margin(Problem(A=[[2.0, 1.0]], y=[2.0]))
        >>> found.target.tolist(), found.value  # the second weight measures half as much
        ([1.0, 0.0], 0.5)
    """
    count = problem.shape[1]
    p = np.ones(count) if costs is None else check.array("costs", costs, (count,))
    if not p.min() > 0:
        raise ArgumentError(f"costs must be > 0 in every entry, got a minimum of {p.min()}")
    if not problem.y.any():
        raise ArgumentError("y must be nonzero, got the zero vector")
    truth = None if problem.truth is None else problem.truth * p
    priced = problem if costs is None else Problem(problem.A / p, problem.y, truth, problem.tolerance)
    pursuit = basis_pursuit(priced)
    target = np.where(pursuit.weights > SUPPORT * pursuit.weights.max(), pursuit.weights, 0.0)
    try:
        value, dual, direction = cheapest(priced, target > 0)
    except InfeasibleError:
        value, dual, direction = np.inf, pursuit.dual, np.zeros(count)
    return Margin(max(value, 0.0), target / p, dual, direction / p, p)


def cheapest(problem: Problem, support: NDArray[np.bool_], most: float = np.inf) -> tuple[float, Array, Array]:
    r"""$\gamma$, $\nu$ (M,) and v (N,) of a support, at costs 1; up to `most`, which each missing unit of v costs.

    $v_J = -G v$ with $G = A_J^+ A$ costs $\sum_i G_{ij}$ less for each unit of $v_j$; what A_J does not reach must
    vanish.

    Raises:
        InfeasibleError: if there is no direction, and so no largest $\gamma$.
        CertificateError: if it is not found.
    """
    on, off = problem.A[:, support], problem.A[:, ~support]
    unit = float(np.abs(problem.A).max())
    inverse, beyond = linalg.pinv(on), kernel(on.T, np.linalg.matrix_rank(on))
    coordinates = inverse @ off
    cost = 1 - coordinates.sum(axis=0)
    cost[np.abs(cost) <= ROUNDING * (1 + np.abs(coordinates).sum(axis=0))] = 0.0
    rows = np.vstack([beyond.T @ off / unit, np.ones(cost.size)])
    if np.isfinite(most):
        rows = np.column_stack([rows, np.eye(len(rows))[-1]])
        cost = np.append(cost, most)
    answer = linear_program(cost, rows, np.eye(len(rows))[-1])
    nu = inverse.sum(axis=0) + beyond @ answer.dual[:-1] / unit
    v = np.zeros(problem.shape[1])
    v[~support] = answer.x[: off.shape[1]]
    v[support] = -coordinates @ v[~support]
    return min(most, 1 - float((off.T @ nu).max(initial=-np.inf))), nu, v
