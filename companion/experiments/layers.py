"""Networks whose layers have factors of their own: how fast the layers become alike, and which norm decides the end."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from wnlib._checks import Array
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.models.blow_up import blow_up_times, cheapest_interpolant
from wnlib.models.layered import integrate_layered
from wnlib.models.layered_limit import layered_limit
from wnlib.problem import Problem


@dataclass(frozen=True, eq=False)
class Fading:
    """How different the layers are along a flow that was followed.

    magnification   (T,), by weight normalization, or for gradient flow by how much the first layer has grown
    difference      (T,), the largest l1 norm of the difference of two squared layers, relative to the start: of the
                    directions with weight normalization, of the factors without
    """

    magnification: Array
    difference: Array

    @property
    def predicted(self) -> Array:
        """The inverse square of the magnification, shape (T,)."""
        return self.magnification**-2.0


@dataclass(frozen=True, eq=False)
class Ends:
    """Limits of one flow from starts of one direction, which are magnified more and more.

    magnification   (K,)
    cheapest        (K,), l1 distances to the interpolant of least blow-up norm, relative to its l1 norm
    sparsest        (K,), to that of least l1 norm, relative to the same
    """

    magnification: Array
    cheapest: Array
    sparsest: Array


def random_layers(depth: int, n: int, seed: int = 0) -> Array:
    """Gaussian factors of any sign, shape (depth, n), each layer of norm 1."""
    x = np.random.default_rng(seed).standard_normal((depth, n))
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def fading(flow: Flow, problem: Problem, factors: Array, t_end: float = 1e5, stop: float = 1e-3) -> Fading:
    """A flow from the given factors, shape (L, N), until it fits."""
    path = integrate_layered(flow, problem, factors, t_end, stop, rtol=1e-10)
    normalized = isinstance(flow, WeightNormFlow)
    squares = (path.directions if normalized else path.factors) ** 2
    apart = np.abs(squares[:, :, None] - squares[:, None]).sum(axis=-1).max(axis=(1, 2))
    grown = np.linalg.norm(path.magnified[:, 0], axis=1)
    return Fading(grown / grown[0], apart / apart[0])


def normalized_ends(problem: Problem, factors: Array, ratios: Sequence[float]) -> Ends:
    """Of weight normalization from the same factors, shape (L, N), at several ratios."""
    return _ends(problem, [(WeightNormFlow(len(factors), ratio), factors) for ratio in ratios])


def plain_ends(problem: Problem, factors: Array, scales: Sequence[float]) -> Ends:
    """Of gradient flow from multiples of the factors, shape (L, N)."""
    return _ends(problem, [(GradientFlow(len(factors)), scale * factors) for scale in scales])


def _ends(problem: Problem, starts: list[tuple[Flow, Array]]) -> Ends:
    n = problem.shape[1]
    best = (
        cheapest_interpolant(problem, blow_up_times(starts[0][1])),
        cheapest_interpolant(problem, (np.ones(n), np.ones(n))),
    )
    grown, distances = [], []
    for flow, x in starts:
        end = layered_limit(flow, problem, x)
        radii = [np.linalg.norm(each, axis=1) for each in (x, end.factors)]
        log_grown = flow.log_magnification(radii[1]) - flow.log_magnification(radii[0])
        grown.append(float(np.exp(logsumexp(log_grown) - np.log(len(x)))))
        distances.append([np.abs(end.weights - one).sum() / np.abs(best[0]).sum() for one in best])
    return Ends(np.array(grown), *np.array(distances).T)
