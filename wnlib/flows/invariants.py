"""What a flow conserves, and how well a trajectory does."""

import numpy as np

from wnlib._checks import Array
from wnlib.flows.flow import Flow
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import Polar, log_norm
from wnlib.problem import Problem


def invariants(flow: Flow, problem: Problem, point: Polar, reference: float) -> Array:
    r"""What a flow conserves: $\langle v, m_L(z)\rangle$ for v in an orthonormal basis of ker A.

    Args:
        point: Points, shape (..., N).
        reference: The radius that sets the unit, see `mirror_map`.

    Returns:
        Shape (..., N - rank A).

    Raises:
        ArgumentError: for a flow without magnified coordinates.

    Example:
        >>> import numpy as np
        >>> from wnlib import Problem, WeightNormFlow, integrate, invariants
        >>> flow = WeightNormFlow(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=3, n=5, sparsity=1)
        >>> points = integrate(flow, problem, flow.start(5, scale=1.0), t_end=1.0).points
        >>> np.ptp(invariants(flow, problem, points, reference=1.0), axis=0) < 1e-7  # two
        array([ True,  True])
    """
    return mirror_map(flow, reference).dual_variable(point) @ problem.kernel


def invariant_drift(flow: Flow, problem: Problem, points: Polar) -> Array:
    r"""How far the invariants have moved since the first point, relative to the dual variable.

    $\|P_{\ker A}(\theta_t - \theta_0)\| / \max(\|\theta_t\|, \|\theta_0\|)$.

    Args:
        points: The points of a trajectory, shape (T, N).

    Returns:
        Shape (T,).

    Raises:
        ArgumentError: for a flow without magnified coordinates.

    Example:
        >>> from wnlib import Problem, WeightNormFlow, integrate, invariant_drift
        >>> flow = WeightNormFlow(depth=3, ratio=10)
        >>> problem = Problem.gaussian(m=3, n=5, sparsity=1)
        >>> points = integrate(flow, problem, flow.start(5, scale=1.0), t_end=1.0).points
        >>> bool(invariant_drift(flow, problem, points).max() < 1e-7)
        True
    """
    mirror, L = mirror_map(flow, float(points.radius[0])), flow.depth
    if L == 2:
        theta = mirror.dual_variable(points)
        first, scale = theta[0], np.maximum(np.linalg.norm(theta, axis=-1), np.linalg.norm(theta[0]))
    else:
        # Each pair theta_t, theta_0 in units of the larger of the two, which may be beyond the largest float.
        log_theta = mirror.log_magnified(points) * (1 if L == 1 else 2 - L)
        log_size = log_norm(log_theta)
        log_unit = np.maximum(log_size, log_size[0])[:, None]
        sign = np.broadcast_to(points.sign, log_theta.shape)
        theta, first = sign * np.exp(log_theta - log_unit), sign[0] * np.exp(log_theta[0] - log_unit)
        scale = np.ones(len(theta))
    change = theta - first
    drift = change - (change @ problem.row_basis) @ problem.row_basis.T
    return np.linalg.norm(drift, axis=-1) / scale
