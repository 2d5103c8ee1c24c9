"""Where the theorems end: instances on which what they do not say is false, computed on both sides."""

import numpy as np
import pytest

from companion.theorems import window
from wnlib import (
    GradientFlow,
    Problem,
    SalimansKingmaDescent,
    WeightNormFlow,
    basis_pursuit,
    descend,
    integrate,
    limit,
    mirror_map,
    radius_of,
)


@pytest.mark.parametrize("step", [1e-3, 1e-4])
def test_the_norm_of_v_grows_by_more_than_the_loss_of_zero(step: float) -> None:
    r"""`discretization` bounds the growth by $h\, \ell(w_0)$: the start may fit far worse than no weights do."""
    problem, method = Problem([[1.0, -1.0]], [0.5]), SalimansKingmaDescent(2, norm=1.0)
    start = method.flow.start(2, scale=2.0, direction=[1.0, 0.3])
    run = descend(method, problem, start, step, steps=int(10 / step), every=int(10 / step))
    growth = (run.norm[-1] ** 2 - run.norm[0] ** 2) / step
    assert 20 * problem.loss_of_zero < growth
    assert growth <= problem.loss(start.weights(2))


def test_no_start_of_gradient_flow_leads_to_the_largest_squared_radius() -> None:
    """The edge of `window`: on w_1 + 2 w_2 = 1 rho is largest, sqrt(3/2), at (2/3, 1/6), which is not Q's minimiser."""
    flow, problem, edge = GradientFlow(4), Problem([[1.0, 2.0]], [1.0]), np.array([2 / 3, 1 / 6])
    assert radius_of(edge, 4) ** 2 == pytest.approx(np.sqrt(1.5), rel=1e-15)
    assert basis_pursuit(problem).value == pytest.approx(1 / 2)
    ends = [limit(flow, problem, flow.start(2, alpha)).weights for alpha in (0.5, 1, 2, 4, 8, 16, 32)]
    short = np.array([np.sqrt(1.5) - radius_of(end, 4) ** 2 for end in ends])
    assert np.all(short > 0)
    assert np.all(np.diff(short) < 0)
    assert short[-1] <= 1e-6  # so every squared radius between is reached
    assert np.abs(ends[-1] - edge).max() <= 1e-3


def test_at_depth_two_the_window_has_many_solutions_and_the_flows_choose_the_one_of_largest_entropy() -> None:
    """All interpolants of mass r_0^2 solve the program of `window`; both flows end at one of them."""
    problem, mass = Problem([[1.0, 2.0, 3.0]], [6.0]), 2.5
    along = np.array([1.0, -2.0, 1.0])  # in the kernel, and orthogonal to 1
    family = np.array([0.0, 1.5, 1.0]) + np.linspace(0, 0.75, 2001)[:, None] * along
    assert np.allclose(family.sum(axis=1), mass)
    assert np.allclose(problem.A @ family.T, 6)
    assert basis_pursuit(problem).value < mass
    entropy = -np.sum(family * np.log(np.maximum(family, 1e-300)), axis=1)
    best = family[np.argmax(entropy)]

    normalized = WeightNormFlow(2, ratio=1e4)
    assert limit(normalized, problem, normalized.start(3, np.sqrt(mass))).weights == pytest.approx(best, abs=2e-3)
    flow, log_scale = GradientFlow(2), np.log([0.1, 10.0])
    for _ in range(60):  # bisection: the mass grows with the scale
        middle = float(log_scale.mean())
        end = limit(flow, problem, flow.start(3, np.exp(middle))).weights
        log_scale[int(end.sum() > mass)] = middle
    assert end == pytest.approx(best, abs=2e-3)


def test_the_divergence_falls_no_faster_than_a_quarter_of_the_bound_says() -> None:
    r"""`loss_rate`: from a start that waits $\tau\,\delta$ comes near $\|\lambda_\infty\|^2/4$, beyond an eighth."""
    flow, problem, alpha = GradientFlow(2), Problem([[1.0, 1.0]], [1.0]), 1e-6
    start = flow.start(2, scale=alpha * np.sqrt(2))
    path = integrate(flow, problem, start, t_end=10.0, rtol=1e-9)
    dual = -0.5 * np.log(2 * alpha**2)  # both weights are alpha^2 exp(2 lambda)
    products = 2 * path.t * mirror_map(flow, alpha).bregman(np.array([0.5, 0.5]), path.points)  # dtau = 2 dt
    assert products.max() <= dual**2 / 4
    assert products.max() >= dual**2 / 4 * (1 - 1 / dual)


def test_the_window_is_measured_where_there_is_something_to_see() -> None:
    """In every case the distance to the limit falls to a small share of the first one, and is not rounded to 0."""
    for index in range(20):
        distances = np.asarray(window.measure(window.THEOREM.ensemble.case(index)).measured)
        assert distances[0] == 1
        assert 1e-7 < distances[-1] < window.FALLEN
