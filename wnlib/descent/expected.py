r"""Where minibatches move the effective start at depth 2, expected, to first order in the step, for isotropic rows.

On k minibatches a step of size h multiplies an entry of x by $1 + \varepsilon_i$, $\varepsilon = 2 h p_B$, and takes
$\varepsilon_i^2/2$ from the logarithm of the effective start. Drawn without replacement, the force has the variance
$(k-1) \tfrac{M}{M-1} \sum_m q_{m,i}^2$ about p, with the pulls $q_m = r_m A_m$ of the rows, r their residuals. If all
entries of A have the same variance $a/M$ and do not depend on r, this is $\tfrac{k-1}{M-1}\, 2 a \ell$ in every entry.
And $2 L \kappa\, \ell\, dt = -dD_\Phi(w_\infty, w)$ along the flow. So all entries are divided by $e^t$,

$$t = h\, \frac{k-1}{M-1}\, a \int \kappa\, (-dD_\Phi(w_\infty, w)), \qquad \kappa = 1,$$

for gradient descent, where the integral is $D_\Phi(w_\infty, w_0)$. Polar descent has $\kappa = c r^2$, and twice that:
a step turns u by $\langle u^2, \varepsilon^2\rangle$, which lengthens V by half as much.
"""

from dataclasses import replace

import numpy as np

from wnlib.descent.methods import GradientDescent
from wnlib.descent.polar import PolarDescent
from wnlib.flows.geometry import mirror_map
from wnlib.flows.polar import Polar
from wnlib.limits.limit import limit
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate

FITTED = 1e-6  # of the loss at w = 0: what noise comes later is nothing


def expected_start(
    method: GradientDescent | PolarDescent, problem: Problem, start: Polar, step: float, batches: int
) -> Polar:
    """The start of the flow that stands for descent of depth 2 on so many minibatches, without what all rows do."""
    flow, (m, n) = method.flow, problem.shape
    end = limit(flow, problem, start).weights
    if isinstance(method, PolarDescent):
        path = integrate(flow, problem, start, 1e9, rtol=1e-5, stop_loss=FITTED * problem.loss_of_zero)
        pace = 2 * flow.relative_rate(path.radius) * path.radius**2
        spent = float(np.sum((pace[1:] + pace[:-1]) / 2 * -np.diff(path.bregman(end))))
    else:
        spent = float(mirror_map(flow, reference=float(start.radius)).bregman(end, start))
    shift = step * (batches - 1) / (m - 1) * np.sum(problem.A**2) / n * spent
    return replace(start, radius=flow.radius(flow.log_magnification(start.radius) - shift))
