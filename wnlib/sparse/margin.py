r"""How clearly the solutions of basis pursuit cost least: the margin of the best dual certificate.

Let J be the union of the supports of all $z$ that minimise $\langle\chi, z\rangle$ over the interpolants $z \ge 0$,
with costs $\chi > 0$. A certificate of that is a $\nu$ with $A_J^\top\nu = \chi_J$ and $A_j^\top\nu \le (1 -
\gamma)\,\chi_j$ elsewhere; the largest $\gamma$ is the margin. It is positive: linear programs have strictly
complementary solutions. Its linear program has the dual

$$\gamma = \min\Bigl\{ \langle\chi, v\rangle : A v = 0,\ v_j \ge 0 \text{ off } J,\ \sum_{j \notin J} \chi_j v_j = 1
\Bigr\}:$$

what it costs to leave the minimisers for other interpolants, in the cheapest direction. With a smaller J, such as the
support of one of several minimisers, it is 0, and the direction leads to another one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from wnlib._checks import Array
from wnlib._values import Value
from wnlib.errors import ArgumentError, CertificateError, InfeasibleError
from wnlib.linear.linear_program import linear_program
from wnlib.linear.ranks import left_kernel
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit, priced

SUPPORT = 1e-9  # of the largest weight, below which one is none
LEAST = 1e-9  # what costs less is free


@dataclass(frozen=True, eq=False, repr=False)
class Margin(Value):
    r"""The margin of basis pursuit, with the certificate that has it and the direction that shows it.

    Attributes:
        value: $\gamma > 0$, infinite if all nonnegative interpolants are minimisers.
        target: A minimiser, shape (N,), with all of J as its support.
        several: Whether there are other minimisers.
        dual: $\nu$, shape (M,).
        direction: v, shape (N,); zero if all nonnegative interpolants are minimisers.
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
    several: bool
    dual: Array
    direction: Array
    costs: Array

    @property
    def support(self) -> NDArray[np.bool_]:
        """J, shape (N,)."""
        return self.target > 0


def margin(problem: Problem, costs: ArrayLike | None = None) -> Margin:
    r"""How clearly the solutions of basis pursuit cost least: the largest margin of a dual certificate.

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
    own, chi = priced(problem, costs)
    if not problem.y.any():
        raise ArgumentError("y must be nonzero, got the zero vector")
    pursuit = basis_pursuit(own)
    target = np.where(pursuit.weights > SUPPORT * pursuit.weights.max(), pursuit.weights, 0.0)
    for found in range(chi.size):  # minimisers, each with more support than the one before
        try:
            value, dual, direction = cheapest(own, target > 0)
        except InfeasibleError:
            value, dual, direction = np.inf, pursuit.dual, np.zeros_like(chi)
        if value > LEAST:
            return Margin(value, target / chi, found > 0, dual, direction / chi, chi)
        target = _halfway(target, direction)
    raise CertificateError("the minimisers of basis pursuit were not told apart from other interpolants")


def _halfway(target: Array, direction: Array) -> Array:
    """Between a minimiser and the last one in a direction that costs nothing: with the supports of both."""
    falling = direction < 0
    reach = float(np.min(target[falling] / -direction[falling]))
    return target + 0.5 * reach * np.where(np.abs(direction) > SUPPORT * np.abs(direction).max(), direction, 0.0)


def cheapest(problem: Problem, support: NDArray[np.bool_], most: float = np.inf) -> tuple[float, Array, Array]:
    r"""$\gamma$, $\nu$ (M,) and v (N,) of a support, at costs 1; up to `most`, which each missing unit of v costs.

    $v_J = -G v$ with $G = A_J^+ A$ costs $\sum_i G_{ij}$ less for each unit of $v_j$; what A_J does not reach must
    vanish.

    Raises:
        InfeasibleError: if there is no direction, and so no largest $\gamma$.
        CertificateError: if it is not found.
    """
    if support.all():
        raise InfeasibleError("no direction leads off all entries")
    outputs = linalg.orth(problem.A)  # what is orthogonal to them, no certificate needs
    A = outputs.T @ problem.A
    on, off, unit = A[:, support], A[:, ~support], float(np.abs(A).max())
    inverse, beyond = linalg.pinv(on), left_kernel(on)
    coordinates = inverse @ off
    cost = 1 - coordinates.sum(axis=0)
    cost[np.abs(cost) <= LEAST] = 0.0
    rows = np.vstack([beyond.T @ off / unit, np.ones(cost.size)])
    if np.isfinite(most):
        rows = np.column_stack([rows, np.eye(len(rows))[-1]])
        cost = np.append(cost, most)
    answer = linear_program(cost, rows, np.eye(len(rows))[-1])
    nu = inverse.sum(axis=0) + beyond @ answer.dual[:-1] / unit
    v = np.zeros(problem.shape[1])
    v[~support] = answer.x[: off.shape[1]]
    v[support] = -coordinates @ v[~support]
    return min(most, 1 - float((off.T @ nu).max(initial=-np.inf))), outputs @ nu, v
