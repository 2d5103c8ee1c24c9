r"""Where both flows end as the magnification grows: the minimiser of a norm that the direction of the start decides.

The norm is $\langle\chi, w\rangle$, $\chi = u_0^{2-L}$. Let J be the union of the supports of its minimisers over the
nonnegative interpolants. As $\chi_J \in \operatorname{row}(A_J)$, the stationarity of a limit, tested with v in
ker $A_J$, reads

$$\Bigl\langle v, \log\frac{w_J}{u_{0,J}^2}\Bigr\rangle = 0\quad (L = 2),\qquad
\bigl\langle v, w_J^{(2-L)/L}\bigr\rangle = 0\quad (L \ge 3):$$

neither the scale nor the ratio is left in it. So of several minimisers the flows tend to that of the least divergence
$\sum w_i \log(w_i/u_{0,i}^2)$ at depth 2, the largest entropy if the start is uniform, and to that of the largest
radius above; and any start in the same direction, flowing on J alone, ends at it.
"""

import numpy as np
from numpy.typing import ArrayLike

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.flows.flow import GradientFlow
from wnlib.flows.polar import Polar, radius_of
from wnlib.limits.limit import limit
from wnlib.linear.ranks import least_squares
from wnlib.problem import Problem
from wnlib.sparse.margin import Margin, margin


def sparse_limit(problem: Problem, depth: int, direction: ArrayLike | None = None) -> Array:
    r"""Where both flows end as their magnification grows: the minimiser of $\langle u_0^{2-L}, w\rangle$.

    Of several, the one of the least divergence from the start at depth 2, of the largest radius above.

    Args:
        depth: L >= 2.
        direction: $u_0$, shape (N,), positive; uniform by default.

    Returns:
        The nonnegative weights, shape (N,).

    Raises:
        ArgumentError: for a depth or a direction out of range, and if y = 0.
        InfeasibleError: if there is no nonnegative interpolant.

    Example:
        >>> from wnlib import Problem, sparse_limit
        >>> problem = Problem(A=[[1.0, 1.0, 0.5]], y=[1.0])  # the first two weights count alike
        >>> sparse_limit(problem, depth=2, direction=[2, 1, 1]).round(6).tolist()
        [0.8, 0.2, 0.0]
        >>> sparse_limit(problem, depth=4, direction=[2, 1, 1]).round(6).tolist()
        [1.0, 0.0, 0.0]
    """
    depth = check.integer("depth", depth, least=2)
    start = GradientFlow(depth).start(problem.shape[1], 1.0, direction)
    return beside(problem, margin(problem, costs(start, depth)), start, depth)


def costs(start: Polar, depth: int) -> Array:
    r"""$\chi = u_0^{2-L}$, shape (N,), of the norm that the limits from a direction tend to minimise."""
    return np.asarray(np.exp((2 - depth) * start.log_direction))


def beside(problem: Problem, found: Margin, start: Polar, depth: int, outside: ArrayLike = 0.0) -> Array:
    """The weights (N,) of a limit from a direction, given those off the support of a margin (N - |J|,).

    Raises:
        InfeasibleError: if no nonnegative weights on the support make up for them.
    """
    on = found.support
    weights = np.zeros(len(on))
    weights[~on] = outside
    missing = problem.A[:, ~on] @ weights[~on]
    if not found.several:
        weights[on] = found.target[on] - least_squares(problem.A[:, on], missing)
        return weights
    flow = GradientFlow(depth)
    alone = flow.start(int(np.count_nonzero(on)), float(radius_of(found.target, depth)), start.direction[on])
    weights[on] = limit(flow, Problem(problem.A[:, on], problem.y - missing), alone).weights
    return weights
