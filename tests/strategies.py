"""What the tests of the core share: flows, points, problems of deficient rank, and errors as numbers."""

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from wnlib import Flow, GradientFlow, Polar, Problem, ScheduledWeightNormFlow, WeightNormFlow
from wnlib._checks import Array

DEPTHS = (1, 2, 3, 4, 5)
FLOWS: list[Flow] = [GradientFlow(L) for L in DEPTHS] + [WeightNormFlow(L, 1.5, radial_rate=0.7) for L in DEPTHS]


def name(value: object) -> str:
    """A test's name for a flow or a function."""
    if isinstance(value, ScheduledWeightNormFlow):
        return f"scheduled-{value.depth}"
    if isinstance(value, Flow):
        ratio = f"-{value.ratio}" if isinstance(value, WeightNormFlow) else ""
        return f"{type(value).__name__}-{value.depth}{ratio}"
    return getattr(value, "__name__", str(value))


def error(found: Array, wanted: Array) -> float:
    """The largest relative error in the norm of the last axis."""
    distance = np.linalg.norm(np.asarray(found) - wanted, axis=-1)
    return float(np.max(distance / np.linalg.norm(wanted, axis=-1)))


def derivative(function: Callable[[float], Array], h: float = 1e-3) -> Array:
    """d function / dh at 0, of sixth order."""
    steps = zip((1, 2, 3), (45, -9, 1), strict=True)
    return sum(weight * (function(k * h) - function(-k * h)) for k, weight in steps) / (60 * h)


def direction(n: int, depth: int, seed: int = 0) -> Array:
    """A random direction: positive, with both signs at depth 1."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.5, 1.5, n) * (rng.choice([-1, 1], n) if depth == 1 else 1)


def start(flow: Flow, n: int, scale: float = 0.8, seed: int = 0) -> Polar:
    """A start in a random direction."""
    return flow.start(n, scale, direction(n, flow.depth, seed))


def duplicated(problem: Problem) -> Problem:
    """The same problem with every measurement, and then the first three columns, repeated: no more rank."""
    A = np.vstack([problem.A, problem.A])
    return Problem(np.hstack([A, A[:, :3]]), np.tile(problem.y, 2))


def low_rank(m: int = 6, n: int = 9, rank: int = 3, seed: int = 0) -> Problem:
    """A Gaussian matrix of shape (m, n) and given rank, with measurements of a nonnegative vector."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n)) / np.sqrt(m)
    return Problem(A, A @ rng.uniform(0, 1, n))


depths = st.sampled_from(DEPTHS)
ratios = st.floats(0.1, 30)
scales = st.floats(0.3, 2)


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    """Either flow, at any depth and ratio."""
    depth = draw(depths)
    return draw(st.sampled_from([GradientFlow(depth), WeightNormFlow(depth, draw(ratios))]))


@st.composite
def points(draw: st.DrawFn, flow: Flow, n: int = 4) -> Polar:
    """A point of a flow."""
    return start(flow, n, draw(scales), draw(st.integers(0, 10**6)))
