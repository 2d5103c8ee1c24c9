r"""The barrier of collapse: how large $c\,r_0^2$ must be for a small start to be fitted, and not to shrink to w = 0.

While w is small the residual is y, and $m_L(z)$ moves along $b = A^\top y$: $z = m_L^{-1}(m_L(u_0) + s b)$ after a
while s. As $r^2 = r_0^2 + \tfrac1c \log\|z\|^2$, a start with

$$c\, r_0^2 < \Lambda_L = -\log \min_{s \ge 0} \bigl\| m_L^{-1}(m_L(u_0) + s b) \bigr\|^2$$

reaches r = 0, and one with more gets past. At depth 2, $\Lambda_2 = -\log\min_s \sum_i u_{0,i}^2\, e^{2 s b_i}$ is a
Chernoff exponent.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import ArgumentError
from wnlib.flows.flow import GradientFlow
from wnlib.flows.units import Units
from wnlib.problem import Problem


def collapse_barrier(problem: Problem, depth: int, direction: ArrayLike | None = None) -> float:
    r"""$\Lambda_L$: weight normalization from a small start fits if $c\,r_0^2$ is larger, and collapses if less.

    So $r_0 = \sqrt{\Lambda_L/c}$ is about the smallest start that is safe at the ratio c.

    Args:
        depth: L >= 2.
        direction: $u_0$, shape (N,), positive; uniform by default.

    Returns:
        A number without unit; 0 if the data pull every small start outwards.

    Raises:
        ArgumentError: for a depth or a direction out of range, and if y = 0.
        InfeasibleError: if there is no nonnegative interpolant.

    Example:
        >>> import numpy as np
        >>> from wnlib import Problem, WeightNormFlow, collapse_barrier, collapses
        >>> problem = Problem(A=[[1, -2]], y=[1])
        >>> barrier, r = collapse_barrier(problem, depth=2), 0.01
        >>> flows = [WeightNormFlow(2, share * barrier / r**2) for share in (0.99, 1.01)]
        >>> [collapses(flow, problem, flow.start(2, r)) for flow in flows]
        [True, False]
    """
    depth = check.integer("depth", depth, least=2)
    start = GradientFlow(depth).start(problem.shape[1], 1.0, direction)
    if not problem.y.any():
        raise ArgumentError("y must be nonzero, got the zero vector")
    own = Units.of(problem, depth).problem(problem)
    own.require_nonnegative_interpolant()  # so that some force is positive
    force = own.A.T @ own.y
    force = force / np.abs(force).max()
    log_u = start.log_direction - start.log_direction.max()

    def log_coordinates(s: float) -> Array:
        if depth == 2:
            return log_u + s * force
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(np.exp((2 - depth) * log_u) - (depth - 2) * s * force) / (2 - depth)

    def pull(s: float) -> float:
        """Half the slope of the squared norm of z, in a unit that cannot overflow."""
        terms = depth * log_coordinates(s)
        return float(force @ np.exp(terms - terms.max()))

    if pull(0.0) >= 0:
        return 0.0
    edge = np.inf  # where an entry of z becomes infinite
    if depth > 2:
        outwards = force > 0
        edge = float(np.min(np.exp((2 - depth) * log_u[outwards]) / ((depth - 2) * force[outwards])))
    far = min(1.0, edge / 2)
    while pull(far) < 0:
        far = min(2 * far, (far + edge) / 2)
    log_z = log_coordinates(float(brentq(pull, 0.0, far, xtol=1e-300, rtol=1e-15)))
    log_norms = [float(np.logaddexp.reduce(2 * each)) for each in (log_z, log_u)]
    return max(0.0, log_norms[1] - log_norms[0])
