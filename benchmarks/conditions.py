r"""The conditions that characterise a limit, evaluated apart from the package's own geometry.

A point w = (r u)^L is the limit from w_0 iff A w = y and $m_L(z) - m_L(z_0) \in$ row(A), with $z = u\,e^{c r^2/2}$ and
$m_1(z) = z$, $m_2(z) = \log z$, $m_L(z) = z^{2-L}$ up to a factor; restricted, at depth >= 2, to the entries that some
interpolant makes positive.
"""

import numpy as np
from scipy import linalg, optimize

from wnlib import Polar, Problem, WeightNormFlow
from wnlib._checks import Array


def feasibility(problem: Problem, weights: Array) -> float:
    r"""$\|A w - y\| / \|y\|$."""
    return float(linalg.norm(problem.A @ weights - problem.y) / linalg.norm(problem.y))


def stationarity(flow: WeightNormFlow, problem: Problem, start: Polar, point: Polar) -> float:
    r"""The part of $m_L(z) - m_L(z_0)$ outside row(A), over the larger of the norms of the two."""
    some = np.isfinite(point.log_direction) if flow.depth >= 2 else np.full(point.log_direction.shape, True)
    growth = flow.ratio * float(point.radius**2 - start.radius**2) / 2
    logs = np.array([start.log_direction[some], point.log_direction[some] + growth])
    if flow.depth == 2:
        theta = logs
    else:
        power = 1 if flow.depth == 1 else 2 - flow.depth
        theta = np.exp(power * logs - np.max(power * logs))
    if flow.depth == 1:
        theta *= np.array([start.sign, point.sign])
    change = theta[1] - theta[0]
    rows = problem.A[:, some].T
    off = change - rows @ linalg.lstsq(rows, change)[0]
    return float(linalg.norm(off) / np.max(linalg.norm(theta, axis=1)))


def attainable_mass(problem: Problem, point: Polar) -> float:
    """The largest share of its mass that an interpolant w >= 0 can have where `point` is 0, by linear programming."""
    never = ~np.isfinite(point.log_direction)
    if not never.any():
        return 0.0
    unit = float(linalg.norm(problem.y))
    program = optimize.linprog(-never.astype(float), A_eq=problem.A, b_eq=problem.y / unit, bounds=(0, 1e6))
    return 0.0 if program.status != 0 else -program.fun / float(np.sum(program.x))
