r"""The metric of a flow, and how sharp it makes the loss, which decides how long the steps of its descent may be.

The weights move by $w' = K(w)\, p$. With $x = r u$, $D = \mathrm{diag}(L x^{L-1})$, $P = u u^\top$ and
$\gamma = r^2 \eta_u/\eta_r$ (1 for gradient flow, $c r^2$ with weight normalization),

$$K(w) = \eta_u r^2\, D \bigl(I - P + \tfrac1\gamma P\bigr) D ,$$

and one step of length h multiplies a small residual by $I - h A K A^\top$.
"""

import numpy as np
from scipy import linalg

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import ArgumentError
from wnlib.flows.flow import Flow
from wnlib.flows.polar import Polar
from wnlib.flows.units import Units, from_own, to_own
from wnlib.problem import Problem


def metric(flow: Flow, point: Polar) -> Array:
    r"""K(w), by which the weights move: $w' = K(w)\, p$.

    Args:
        point: One point, shape (N,).

    Returns:
        Shape (N, N), symmetric, positive semidefinite.

    Example:
        >>> import numpy as np
        >>> from wnlib import GradientFlow, metric
        >>> flow = GradientFlow(depth=2)
        >>> metric(flow, flow.start(2, scale=5.0, direction=[3, 4])).round(12)  # diag(4 w)
        array([[36.,  0.],
               [ 0., 64.]])
    """
    units = Units.of_weights(np.atleast_1d(point.radius), depth=1)
    flow, point = units.flow(flow), units.start(point)
    L, u, rate = flow.depth, point.direction, flow.angular_rate(point.radius)
    gamma = flow.relative_rate(point.radius) * point.radius**2
    D, P = np.diag(u ** (L - 1)), np.outer(u, u)
    K = L**2 * rate * point.radius ** (2 * L) * D @ (np.eye(len(u)) - P + P / gamma) @ D
    return np.asarray(from_own(K, (2 * L - 2) * units.point))


def rate_matrix(flow: Flow, problem: Problem, weights: Array) -> Array:
    r"""$A K A^\top$ on the range of A: its eigenvalues are the rates at which a small residual decays.

    Args:
        weights: The weights that the residual is small at, shape (N,), nonzero, nonnegative for depth >= 2.

    Returns:
        Shape (k, k), k the rank of A, in the basis of `scipy.linalg.orth`; in units of one over time.

    Raises:
        ArgumentError: for other weights.

    Example:
        >>> import numpy as np
        >>> from wnlib import GradientFlow, Problem, rate_matrix
        >>> problem = Problem(A=[[1.0, 1.0]], y=[25.0])
        >>> rate_matrix(GradientFlow(depth=2), problem, np.array([9.0, 16.0])).round(12)
        array([[100.]])
    """
    units = Units.of(problem, flow.depth)
    flow, problem, weights = _stated(units, flow, problem, weights)
    basis = linalg.orth(problem.A)
    return np.asarray(from_own(basis.T @ _rates(flow, problem, weights) @ basis, -units.time))


def _stated(units: Units, flow: Flow, problem: Problem, weights: Array) -> tuple[Flow, Problem, Array]:
    """All in the problem's own units."""
    weights = check.array("weights", weights, problem.shape[1:])
    if not weights.any() or (flow.depth >= 2 and weights.min() < 0):
        raise ArgumentError(f"weights must be nonzero, and >= 0 for depth >= 2, got a minimum of {weights.min()}")
    to_own("weights", float(np.abs(weights).max()), units.weights)  # the smaller ones may vanish beside the largest
    return units.flow(flow), units.problem(problem), from_own(weights, -units.weights)


def _rates(flow: Flow, problem: Problem, weights: Array) -> Array:
    """A K A^T, shape (M, M), without the (N, N) matrix K."""
    L = flow.depth
    x = np.sign(weights) * np.abs(weights) ** (1 / L)
    r = np.asarray(linalg.norm(x))
    gamma = flow.relative_rate(r) * r**2
    B = problem.A * (L * x ** (L - 1))
    along = B @ (x / r)
    radial = np.outer(along, along)
    return np.asarray(flow.angular_rate(r) * r**2 * (radial / gamma + (B @ B.T - radial)))


def sharpness(flow: Flow, problem: Problem, weights: Array) -> float:
    r"""How sharp the loss is for the steps of a flow's descent, $\lambda_{\max}(A K A^\top)$.

    Args:
        weights: Shape (N,), nonzero, nonnegative for depth >= 2.

    Returns:
        The fastest rate of `rate_matrix`, in units of one over time.

    Raises:
        ArgumentError: for other weights.

    Example:
        >>> import numpy as np
        >>> from wnlib import GradientFlow, Problem, sharpness
        >>> problem = Problem(A=[[1.0, 1.0]], y=[25.0])
        >>> round(sharpness(GradientFlow(depth=2), problem, np.array([9.0, 16.0])), 12)
        100.0
    """
    units = Units.of(problem, flow.depth)
    return float(from_own(_sharpness(*_stated(units, flow, problem, weights)), -units.time))


def _sharpness(flow: Flow, problem: Problem, weights: Array) -> float:
    return float(linalg.eigvalsh(_rates(flow, problem, weights))[-1])


def longest_step(flow: Flow, problem: Problem, weights: Array) -> float:
    """The step, twice the inverse of the `sharpness`, beyond which weights repel descents.

    Args:
        weights: Shape (N,), nonzero, nonnegative for depth >= 2.

    Returns:
        In units of time.

    Raises:
        ArgumentError: for other weights.

    Example:
        >>> import numpy as np
        >>> from wnlib import GradientFlow, Problem, longest_step
        >>> problem = Problem(A=[[1.0, 1.0]], y=[25.0])
        >>> round(longest_step(GradientFlow(depth=2), problem, np.array([9.0, 16.0])), 12)
        0.02
    """
    units = Units.of(problem, flow.depth)
    return float(from_own(2 / _sharpness(*_stated(units, flow, problem, weights)), units.time))
