r"""Weight decay on v, which raises the ratio, and on g, which penalises the norm: what each does to the end.

Decay on v makes v shorter and so the steps of the direction longer, until they are as long as stable steps can be:
those for which $h$ times the largest eigenvalue of the Hessian of the loss in (g, v) is 2. There the growth of
$\|v\|^2$ by $h^2 \|\nabla_v\ell\|^2$ a step makes up for the decay.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from sklearn.linear_model import Lasso

from wnlib._checks import Array
from wnlib.descent import DecayedGradientDescent, DecayedSalimansKingmaDescent, descend
from wnlib.flows.metric import longest_step
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit


@dataclass(frozen=True, eq=False)
class Shortening:
    r"""Descents with decay on v, one for each of D decays, at T times.

    t        (T,)
    ratio    (T, D), $1/\|v\|^2$
    radius   (T, D)
    loss     (T, D)
    excess   (T, D), (||w||_1 - Q) / Q
    pinned   the ratio beyond which a step at the minimiser of basis pursuit is unstable
    alive    (D,), whether the run stayed in the positive orthant
    """

    t: Array
    ratio: Array
    radius: Array
    loss: Array
    excess: Array
    pinned: float
    alive: NDArray[np.bool_]


def shortened(
    problem: Problem, start: Polar, depth: int, ratio: float, step: float, decays: Array, steps: int, every: int
) -> Shortening:
    """Descent on (g, v) from the given ratio, with each of the `decays` on v and none on g."""
    method = DecayedSalimansKingmaDescent(depth, ratio**-0.5, 0.0, decays)
    run = descend(method, problem, start, step, steps, every, divergence="record")
    target = basis_pursuit(problem)
    return Shortening(
        t=run.t[:, 0],
        ratio=run.norm**-2.0,
        radius=run.radius,
        loss=run.loss,
        excess=run.l1 / target.value - 1,
        pinned=pinned_ratio(problem, target.weights, depth, step),
        alive=~run.diverged,
    )


def pinned_ratio(problem: Problem, weights: Array, depth: int, step: float) -> float:
    """The ratio at which `step` is the largest stable one at an interpolant; NaN if there is none."""

    def beyond(log_ratio: float) -> float:
        return step / longest_step(WeightNormFlow(depth, float(np.exp(log_ratio))), problem, weights) - 1

    return float(np.exp(brentq(beyond, -20, 20))) if beyond(-20) < 0 < beyond(20) else np.nan


@dataclass(frozen=True, eq=False)
class Penalised:
    """Ends of descents with D decays, and the Lasso's solutions with half of each for its penalty.

    decays    (D,)
    lasso     (D, N), by coordinate descent
    weights   by name of the method, (D, N): "plain", decay on x; "scale", on g; "both", on g and v
    target    (N,), the minimiser of basis pursuit
    """

    decays: Array
    lasso: Array
    weights: dict[str, Array]
    target: Array

    def gap(self, name: str) -> Array:
        """The l1 distance of a method's end to the Lasso's solution, over that one's norm; (D,)."""
        return np.sum(np.abs(self.weights[name] - self.lasso), axis=1) / np.sum(self.lasso, axis=1)


def penalised(problem: Problem, start: Polar, ratio: float, step: float, decays: Array, steps: int) -> Penalised:
    """Descents at depth 2 of so many steps, with each of the `decays`."""
    methods = {
        "plain": DecayedGradientDescent(2, decays),
        "scale": DecayedSalimansKingmaDescent(2, ratio**-0.5, decays, 0.0),
        "both": DecayedSalimansKingmaDescent(2, ratio**-0.5, decays, decays),
    }
    ends = {
        name: descend(method, problem, start, step, steps, steps, divergence="record").weights[-1]
        for name, method in methods.items()
    }
    lasso = np.array([lasso_solution(problem, decay / 2) for decay in decays])
    return Penalised(decays, lasso, ends, basis_pursuit(problem).weights)


def lasso_solution(problem: Problem, penalty: float) -> Array:
    """The minimiser (N,) of 1/2 ||A w - y||^2 + penalty ||w||_1 over w >= 0, by scikit-learn."""
    rows = problem.shape[0]
    model = Lasso(alpha=penalty / rows, positive=True, fit_intercept=False, tol=1e-14, max_iter=200_000)
    return np.asarray(model.fit(problem.A, problem.y).coef_)
