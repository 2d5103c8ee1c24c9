r"""How much of a vector in the kernel a support can hold: the constant of the null space property.

For a support J, by homogeneity,

$$\rho = \max\Bigl\{ \|v_J\|_1 : A v = 0,\ \sum_{j \notin J} |v_j| \le 1 \Bigr\} .$$

It is less than 1 if and only if basis pursuit finds all weights with this support, whatever their signs. If A_J is
injective, $v_J = -A_J^+ A v_{J^c}$, so that each pattern of the signs of v_J makes a linear program in the rest of v;
v and -v need only one of them. Of weights whose signs are known, one pattern decides.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import ArgumentError
from wnlib.linear.linear_program import linear_program
from wnlib.linear.ranks import left_kernel, rank
from wnlib.problem import Problem


def null_space_constant(
    problem: Problem, support: Sequence[int] | NDArray[np.integer], signs: ArrayLike | None = None
) -> float:
    r"""The largest $\|v_J\|_1$ of a v in the kernel of A whose other entries add up to $\|v_{J^c}\|_1 = 1$.

    By linear programming, $2^{|J| - 1}$ times: for small supports.

    Args:
        support: The indices of J, from 0 to N - 1, each once, shape (K,).
        signs: Of the weights on J, shape (K,), -1 or 1: then the largest $\langle \text{signs}, v_J\rangle$, by one
            linear program. For nonnegative weights all are 1.

    Returns:
        $\rho \ge 0$: 0 if v_J always vanishes, infinite if A_J is not injective.

    Raises:
        ArgumentError: for a support or signs that are none.
        CertificateError: if a linear program is not solved.

    Example:
        >>> from wnlib import Problem, null_space_constant
        >>> problem = Problem(A=[[2, 0, 1], [0, 2, -1]], y=[1, 1])
        >>> null_space_constant(problem, [0, 1])  # the kernel: multiples of (-1, 1, 2)
        1.0
        >>> null_space_constant(problem, [0, 1], signs=[1, 1])
        0.0
    """
    J = check.integers("support", support, least=0, most=problem.shape[1] - 1)
    if J.ndim != 1 or np.unique(J).size < J.size:
        raise ArgumentError(f"support must be indices, each once, got {J}")
    known = None if signs is None else _signs(signs, J.size)
    A = linalg.orth(problem.A).T @ problem.A  # the kernel is the same
    on, off = A[:, J], np.delete(A, J, axis=1)
    if rank(on) < J.size:
        return np.inf
    if not (J.size and off.shape[1]):
        return 0.0
    coordinates, beyond = linalg.pinv(on) @ off, left_kernel(on)
    rows = np.zeros((beyond.shape[1] + 1, 2 * off.shape[1] + 1))  # of v's positive part, its negative one, and a slack
    rows[:-1, :-1] = beyond.T @ np.hstack([off, -off]) / np.abs(A).max()
    rows[-1] = 1.0
    columns, mass = np.column_stack([coordinates, -coordinates, np.zeros(J.size)]), np.eye(len(rows))[-1]
    patterns = product([1, -1], repeat=J.size - 1) if known is None else [known[1:]]
    costs = [np.append(1 if known is None else known[0], pattern) @ columns for pattern in patterns]
    return max(0.0, *(-float(cost @ linear_program(cost, rows, mass).x) for cost in costs))


def _signs(signs: ArrayLike, count: int) -> Array:
    found = check.array("signs", signs, (count,))
    if not (np.abs(found) == 1).all():
        raise ArgumentError(f"signs must be -1 or 1, got {found}")
    return found
