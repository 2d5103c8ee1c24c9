r"""From the excess mass of an interpolant to its distance from the sparse one, and back to what a flow needs.

Let $z^*$, with support S, be the solution of basis pursuit, and $\nu$ a dual certificate with a margin $\gamma > 0$:
$A_S^\top \nu = 1$ and $A_j^\top \nu \le 1 - \gamma$ for $j \notin S$. For an interpolant $w \ge 0$,
$\|w\|_1 - Q = \sum_j (1 - A_j^\top\nu)\, w_j \ge \gamma \sum_{j \notin S} w_j$, since $\langle A^\top\nu, w\rangle =
\langle\nu, y\rangle = Q$. And $A_S (w - z^*)_S = -\sum_{j \notin S} w_j A_j$ gives $w - z^* = \sum_{j\notin S} w_j h_j$
with $h_j = e_j - A_S^+ A_j$. Hence, for every interpolant $w \ge 0$,

$$\|w - z^*\| \le K\,(\|w\|_1 - Q),\qquad K = \max_{j \notin S} \|h_j\| / \gamma .$$
"""

import numpy as np
from scipy import linalg

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import CertificateError
from wnlib.linear.ranks import rank
from wnlib.problem import Problem
from wnlib.sparse.margin import cheapest

MARGIN = 1e-6  # a certificate of less is none, to the linear program's accuracy


def stability(problem: Problem, target: Array) -> float:
    r"""The constant K in $\|w - z^*\| \le K\,(\|w\|_1 - Q)$, for every interpolant $w \ge 0$.

    Args:
        target: $z^*$, the solution of basis pursuit, shape (N,).

    Returns:
        K >= 1, or inf if nothing certifies the target as the only solution.

    Raises:
        ArgumentError: for a target that is none.

    Example:
        >>> import numpy as np
        >>> from wnlib import Problem, WeightNormFlow, basis_pursuit, limit, stability
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> flow = WeightNormFlow(depth=2, ratio=10)
        >>> target = basis_pursuit(problem).weights
        >>> weights = limit(flow, problem, flow.start(60, scale=1.0)).weights
        >>> distance, excess = np.linalg.norm(weights - target), weights.sum() - target.sum()
        >>> bool(distance <= stability(problem, target) * excess)
        True
    """
    A, on = problem.A, check.array("target", target, problem.shape[1:]) > 0
    if rank(A[:, on]) < np.count_nonzero(on):
        return np.inf
    try:
        gamma, *_ = cheapest(problem, on, most=1.0)  # any will do where there is no largest
    except CertificateError:
        return np.inf
    if gamma < MARGIN:
        return np.inf
    inverse, off = linalg.pinv(A[:, on]), A[:, ~on]
    return float(np.max(np.sqrt(1 + np.sum((inverse @ off) ** 2, axis=0))) / gamma)
