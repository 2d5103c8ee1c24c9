"""Limits from any direction of the start: entries of very different costs u_0^(2-L) keep their digits, all of them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from wnlib import (
    CollapseError,
    GradientFlow,
    Limit,
    Problem,
    WeightNormFlow,
    limit,
    radius_of,
)
from wnlib.errors import ContinuationError
from wnlib.flows.flow import Flow
from wnlib.flows.polar import Polar
from wnlib.limits.continuation import HEAVIEST, Continuation, CurvePoint, Mismatch
from wnlib.rigorous import multiprecision
from wnlib.rigorous.instance import Instance

KINDS = ("gaussian", "coherent", "deficient", "doubled", "signs", "nearly square")
LAWS = ("gaussian", "cubed", "lognormal", "sixth power")


def matrix(kind: str, rng: np.random.Generator) -> np.ndarray:
    m = int(rng.integers(4, 12))
    n = m + int(rng.integers(1, 3)) if kind == "nearly square" else int(rng.integers(2 * m, 4 * m))
    A = rng.standard_normal((m, n)) / np.sqrt(m)
    if kind == "coherent":
        A += rng.uniform(0.5, 5) * rng.standard_normal((m, 1)) / np.sqrt(m)
    if kind == "deficient":
        A = A[rng.integers(0, m // 2, m)]
    if kind == "doubled":
        A[:, n // 2 :] = A[:, : n - n // 2]
    return np.sign(A) if kind == "signs" else A


def direction(law: str, n: int, rng: np.random.Generator) -> np.ndarray:
    normal = rng.standard_normal(n)
    powers = {"gaussian": 1, "cubed": 3, "sixth power": 6}
    return np.exp(2 * normal) if law == "lognormal" else np.abs(normal) ** powers[law]


def drawn(seed: int) -> tuple[Flow, Problem, Polar]:
    """A flow of depth 2 to 6 on a problem of some kind, from half or twice the target's radius, in some direction."""
    rng = np.random.default_rng(seed)
    A = matrix(KINDS[rng.integers(len(KINDS))], rng)
    n, target = A.shape[1], np.zeros(A.shape[1])
    support = rng.choice(n, int(rng.integers(1, 4)), replace=False)
    target[support] = rng.uniform(0.5, 1.5, len(support))
    depth, ratio = int(rng.integers(2, 7)), (None, 1.0, 10.0, 100.0)[rng.integers(4)]
    flow = GradientFlow(depth) if ratio is None else WeightNormFlow(depth, ratio)
    scale = float(rng.choice([0.5, 2.0]) * radius_of(target, depth))
    return flow, Problem(A, A @ target, target), flow.start(n, scale, direction(LAWS[rng.integers(len(LAWS))], n, rng))


def certified(end: Limit) -> None:
    assert end.residual <= 1e-11
    assert end.kkt <= 1e-9
    assert end.correction <= 1e-11


@pytest.mark.parametrize("seed", [48, 49, 51, 63, 68, 85, 98, 257])
def test_directions_that_were_lost_have_a_limit(seed: int) -> None:
    certified(limit(*drawn(seed)))


def test_random_directions_have_limits() -> None:
    collapsed = 0
    for seed in range(200):
        try:
            certified(limit(*drawn(seed)))
        except CollapseError:
            collapsed += 1
    assert collapsed <= 20


@pytest.mark.parametrize("depth", [2, 3, 4, 6])
@pytest.mark.parametrize("smallest", [1e-20, 1e-100, 1e-300])
@pytest.mark.parametrize("backwards", [False, True])
def test_entries_as_small_as_floats_are_no_obstacle(depth: int, smallest: float, backwards: bool) -> None:
    direction = np.geomspace(smallest, 1, 14)[:: -1 if backwards else 1]
    problem, flow = Problem.gaussian(6, 14, 2, seed=3), GradientFlow(depth)
    certified(limit(flow, problem, flow.start(14, 0.8, direction)))


@pytest.mark.parametrize("depth", [2, 3, 4, 6])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_limit_to_40_digits(depth: int, seed: int) -> None:
    problem = Problem.gaussian(2, 5, 1, seed=seed)
    direction = np.abs(np.random.default_rng(seed).standard_normal(5)) ** 3
    flow = GradientFlow(depth)
    instance = Instance(problem.A.tolist(), problem.y.tolist(), 1, direction.tolist())
    exact = np.array([float(weight) for weight in multiprecision.limit(flow, instance, digits=40)])
    end = limit(flow, problem, flow.start(5, 1.0, direction))
    assert_allclose(end.weights, exact, rtol=0, atol=1e-12 * exact.sum())


def test_each_way_leads_to_the_same_point() -> None:
    """The first one is preferred; the others go another way to the curve, on which there is one point of each scale."""
    _, problem, start = drawn(1)
    ends = [
        Continuation(problem, 5, start.log_direction, heaviest).reach(lambda xi, log_r: (-0.5 - xi, 0.0))
        for heaviest in HEAVIEST
    ]
    for end in ends[1:]:
        assert_allclose(np.exp(5 * end.log_x), np.exp(5 * ends[0].log_x), atol=1e-12)


def test_where_one_way_is_lost_another_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, problem, start = drawn(48)
    wanted, arrive, levels = limit(flow, problem, start), Continuation.reach, list[float]()

    def reach(self: Continuation, mismatch: Mismatch) -> CurvePoint:
        levels.append(self.equations.level)
        if len(levels) <= 2:
            raise ContinuationError("lost")
        return arrive(self, mismatch)

    monkeypatch.setattr(Continuation, "reach", reach)
    assert_allclose(limit(flow, problem, start).weights, wanted.weights, atol=1e-12)
    assert levels[0] == levels[1] < levels[2]
