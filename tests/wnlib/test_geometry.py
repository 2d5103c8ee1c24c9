"""Mirror maps, divergences and invariants are what they are defined to be, in any units and without overflow."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, strategies as st
from mpmath import mp
from strategies import (
    DEPTHS,
    FLOWS,
    derivative,
    direction,
    duplicated,
    error,
    flows,
    low_rank,
    name,
    points,
    scales,
    start,
)

from wnlib import (
    Flow,
    GradientFlow,
    MirrorMap,
    Polar,
    Problem,
    ScheduledWeightNormFlow,
    Trajectory,
    WeightNormFlow,
    basis_pursuit,
    integrate,
    invariant_drift,
    invariants,
    mirror_map,
    radius_of,
)
from wnlib._checks import Array
from wnlib.flows.geometry import scaled_upper_gamma

PROBLEM = Problem.gaussian(5, 9, 2, seed=4)
every_flow = pytest.mark.parametrize("flow", FLOWS, ids=name)
every_depth = pytest.mark.parametrize("depth", DEPTHS)


def magnified(flow: Flow, point: Polar) -> Array:
    """z as theory has it: x, or u exp(c r^2 / 2)."""
    r = point.radius[..., None]
    return point.direction * (r if isinstance(flow, GradientFlow) else np.exp(flow.ratio * r**2 / 2))


def potential(flow: Flow, weights: list[mpmath.mpf]) -> mpmath.mpf:
    """The potential by its definition, in high precision and in the unit in which theta = m_L(z)."""
    L, c = flow.depth, getattr(flow, "ratio", None)
    rho = mpmath.fsum(abs(w) ** (mpmath.mpf(2) / L) for w in weights)
    if L == 2:
        entropy = mpmath.fsum(w * mpmath.log(w) for w in weights)
        if c is None:
            return (entropy - rho) / 2
        return (entropy - rho * mpmath.log(rho)) / 2 + c * rho**2 / 4
    if L == 1:
        return rho / 2 if c is None else mpmath.quad(lambda s: mpmath.exp(c * s**2 / 2), [0, mpmath.sqrt(rho)])
    factor = mpmath.mpf(L) / 2 / (L - 2)
    if c is None:
        return -factor * rho
    tail = mpmath.quad(
        lambda t: t ** (mpmath.mpf(L - 2) / 2) * mpmath.exp(-(L - 2) * c * t / 2), [rho, rho + 1, mpmath.inf]
    )
    return factor * tail


def exact(values: Array) -> list[mpmath.mpf]:
    return [mpmath.mpf(float(v)) for v in values]


@every_flow
@pytest.mark.parametrize("scale", [0.4, 1.7])
def test_the_potential_is_its_defining_integral(flow: Flow, scale: float) -> None:
    mirror = mirror_map(flow, reference=0.9)
    weights = start(flow, 3, scale).weights(flow.depth)
    with mp.workdps(30):
        wanted = float(potential(flow, exact(weights)) / mpmath.exp((2 - flow.depth) * mirror.unit))
    np.testing.assert_allclose(mirror.potential(weights), wanted, rtol=1e-12)


@every_flow
@pytest.mark.parametrize("scale", [0.4, 1.7])
def test_the_dual_variable_is_the_gradient_of_the_potential(flow: Flow, scale: float) -> None:
    mirror = mirror_map(flow, reference=0.9)
    point = start(flow, 3, scale)
    weights = exact(point.weights(flow.depth))
    with mp.workdps(30):
        partials = [mpmath.diff(lambda *w: potential(flow, w), weights, order) for order in np.eye(3, dtype=int)]
        wanted = [float(p / mpmath.exp((2 - flow.depth) * mirror.unit)) for p in partials]
    np.testing.assert_allclose(mirror.gradient(point), wanted, rtol=1e-12)


def test_at_negative_radius_the_gradient_has_the_sign_of_the_weights() -> None:
    flow = WeightNormFlow(1, 1.5)
    mirror, toward = mirror_map(flow, 1.0), direction(4, 1)
    backward, forward = flow.start(4, -0.8, toward), flow.start(4, 0.8, -toward)
    assert error(mirror.gradient(backward), mirror.gradient(forward)) <= 1e-15
    assert error(mirror.dual_variable(backward), -mirror.gradient(backward)) <= 1e-15


@every_flow
def test_the_dual_variable_is_m_of_the_magnified_coordinates(flow: Flow) -> None:
    L, point = flow.depth, start(flow, 6)
    z = magnified(flow, point)
    wanted = np.log(z) if L == 2 else z ** (2 - L) / (2 - L)
    unit = np.linalg.norm(magnified(flow, start(flow, 6, 1.3))) ** (2 - L)
    assert error(mirror_map(flow, 1.3).dual_variable(point), wanted / unit) <= 1e-13
    np.testing.assert_allclose(radius_of(point.weights(L), L), point.radius, rtol=1e-14)


@every_flow
def test_the_dual_variable_moves_along_the_force_at_its_speed(flow: Flow) -> None:
    point, mirror = start(flow, 9), mirror_map(flow, 1.3)
    state = flow.encode(point)
    velocity = flow.velocity(PROBLEM)(0.0, state)
    force = PROBLEM.A.T @ PROBLEM.residual(point.weights(flow.depth))
    found = derivative(lambda h: mirror.dual_variable(flow.decode(state + h * velocity)))
    assert error(found, mirror.speed(point) * force) <= 1e-9


@given(data=st.data(), flow=flows(), reference=scales)
def test_the_inverse_undoes_the_gradient(data: st.DataObject, flow: Flow, reference: float) -> None:
    point = data.draw(points(flow))
    again = mirror_map(flow, reference).inverse(mirror_map(flow, reference).gradient(point))
    np.testing.assert_allclose(again.radius, point.radius, rtol=1e-11)
    assert error(again.direction, point.direction) <= 1e-11


@every_flow
def test_the_conjugates_gradient_is_the_weights(flow: Flow) -> None:
    mirror, point = mirror_map(flow, 0.9), start(flow, 4)
    theta = mirror.gradient(point)
    partials = [derivative(lambda h, e=e: mirror.conjugate(theta + h * e)) for e in np.diag(np.abs(theta))]
    assert error(np.array(partials) / np.abs(theta), point.weights(flow.depth)) <= 1e-9


@given(data=st.data(), flow=flows(), reference=scales)
def test_the_divergence_is_the_gap_of_fenchel_and_young(data: st.DataObject, flow: Flow, reference: float) -> None:
    here, there = data.draw(points(flow)), data.draw(points(flow))
    mirror, z = mirror_map(flow, reference), there.weights(flow.depth)
    theta = mirror.gradient(here)
    terms = np.array([mirror.potential(z), mirror.conjugate(theta), -theta @ z])
    slack = 1e-11 * np.abs(terms).max()
    assert terms.sum() >= -slack
    np.testing.assert_allclose(mirror.bregman(z, here), terms.sum(), rtol=1e-9, atol=slack)


@given(data=st.data(), flow=flows())
def test_the_divergence_is_positive_between_different_points(data: st.DataObject, flow: Flow) -> None:
    mirror, here = mirror_map(flow, 1.0), data.draw(points(flow))
    weights = here.weights(flow.depth)
    size = np.abs(mirror.gradient(here)) @ np.abs(weights) + np.abs(mirror.potential(weights))
    assert 0 <= mirror.bregman(weights, here) <= 1e-13 * size
    assert mirror.bregman(1.2 * weights, here) > 1e-10 * size
    assert mirror.bregman(weights * [1, 1, 0, 1], here) > 1e-10 * size


@every_flow
def test_the_reference_is_a_common_unit(flow: Flow) -> None:
    here, there = start(flow, 4, 0.8, seed=1), start(flow, 4, 1.1, seed=2)
    target = there.weights(flow.depth)

    def quantities(mirror: MirrorMap) -> Array:
        theta, other = mirror.gradient(here), mirror.gradient(there)
        scalars = [mirror.speed(here), mirror.bregman(target, here), mirror.conjugate(other) - mirror.conjugate(theta)]
        rise = mirror.potential(target) - mirror.potential(here.weights(flow.depth))
        return np.array([*theta, *scalars, rise])

    near, far = (mirror_map(flow, reference) for reference in (0.5, 1.5))
    factor = np.exp((2 - flow.depth) * (near.unit - far.unit))
    np.testing.assert_allclose(factor * quantities(near), quantities(far), rtol=1e-12)
    assert (abs(np.log(factor)) > 1) == (flow.depth != 2)


@pytest.mark.parametrize("twice_s", range(1, 13))
def test_the_scaled_gamma_function(twice_s: int) -> None:
    x = np.array([0.0, 1e-6, 0.3, 1.0, 7.5, 120.0, 1e4])
    with mp.workdps(30):
        wanted = [float(mpmath.exp(a) * mpmath.gammainc(mpmath.mpf(twice_s) / 2, a)) for a in exact(x)]
    np.testing.assert_allclose(scaled_upper_gamma(twice_s, x), wanted, rtol=1e-13)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [0.0, 2.0])
def test_no_quantity_is_nan_where_the_magnification_overflows(depth: int, size: float) -> None:
    flow = WeightNormFlow(depth, 1e4)
    toward, radii = start(flow, 4), np.array([0.1, 1.0, 10.0])
    path = Polar(radii, np.tile(toward.log_direction, (3, 1)), toward.sign)
    target = size * start(flow, 4, 1.0, seed=1).weights(depth)
    reference = max(1.0, size) if depth == 1 else min(1.0, size)
    mirror = mirror_map(flow, reference)
    together = mirror.bregman(target, path)
    assert np.isfinite(mirror.log_magnified(path)).all()
    assert 0 < together[1] < np.inf
    assert np.array_equal(together, [mirror.bregman(target, path[i]) for i in range(3)])
    drift = invariant_drift(flow, Problem([[1.0, 2.0, 3.0, 4.0]], [1.0]), path)
    assert drift[0] == 0
    assert (drift[1:] > 1e-3).all()


def test_an_entry_that_is_zero_in_both_costs_nothing() -> None:
    flow = GradientFlow(2)
    alone, both = Polar.of(1.0, [1.0]), Polar.of(1.0, [1.0, 0.0])
    divergence = mirror_map(flow, 1.0).bregman(np.array([2.0]), alone)
    assert divergence == pytest.approx((2 * np.log(2) - 1) / 2)
    assert mirror_map(flow, 1.0).bregman(np.array([2.0, 0.0]), both) == pytest.approx(divergence)


@pytest.mark.parametrize("flow", [GradientFlow(6), WeightNormFlow(6, 1.0)], ids=name)
def test_an_entry_too_small_for_a_weight_hides_no_other(flow: Flow) -> None:
    few, target = flow.start(2, 1.0, [1.0, 2.0]), np.array([0.5, 0.1])
    more = flow.start(3, 1.0, [1.0, 2.0, 1e-300])
    wanted = mirror_map(flow, 1.0).bregman(target, few)
    assert mirror_map(flow, 1.0).bregman(np.append(target, 0.0), more) == pytest.approx(wanted, rel=1e-14)
    both = Polar(np.ones(2), np.stack([more.log_direction, more.log_direction]), np.ones(1))
    assert np.array_equal(mirror_map(flow, 1.0).bregman(more.weights(6), both), [0.0, 0.0])


@pytest.mark.parametrize("depth", [3, 4, 6])
def test_the_divergence_keeps_its_digits_near_zero(depth: int) -> None:
    """The potential at 0 is a million times larger, or more."""
    flow = WeightNormFlow(depth, 5.0)
    here, target = start(flow, 4, 1e-3), start(flow, 4, 5e-4, seed=1).weights(depth)
    mirror, weights = mirror_map(flow, 1e-3), here.weights(depth)
    with mp.workdps(50):
        slope = exact(mirror.gradient(here))
        rise = potential(flow, exact(target)) - potential(flow, exact(weights))
        linear = mpmath.fsum(g * (z - w) for g, z, w in zip(slope, exact(target), exact(weights), strict=True))
        wanted = float(rise / mpmath.exp((2 - depth) * mirror.unit) - linear)
    np.testing.assert_allclose(mirror.bregman(target, here), wanted, rtol=1e-13)


def test_the_divergence_of_a_tiny_start_is_infinite_only_in_other_units() -> None:
    flow, target = GradientFlow(5), start(GradientFlow(5), 4, 1.0).weights(5)
    tiny = start(flow, 4, 1e-120)
    assert mirror_map(flow, 1.0).bregman(target, tiny) == np.inf
    assert 0 < mirror_map(flow, 1e-120).bregman(target, tiny) < np.inf


@pytest.mark.parametrize(
    ("problem", "rank"),
    [
        (PROBLEM, 5),
        (low_rank(6, 9, 3), 3),
        (duplicated(PROBLEM), 5),
        (Problem(np.vstack([PROBLEM.A, PROBLEM.A[:2]]), np.append(PROBLEM.y, PROBLEM.y[:2])), 5),
    ],
    ids=["full", "low-rank", "duplicated", "duplicated-rows"],
)
@every_flow
def test_there_are_as_many_invariants_as_kernel_directions(flow: Flow, problem: Problem, rank: int) -> None:
    n = problem.shape[1]
    first = start(flow, n)
    path = integrate(flow, problem, first, 3.0, 1e-11, "primal")
    values = invariants(flow, problem, path.points, reference=0.8)
    theta = mirror_map(flow, 0.8).dual_variable(path.points)
    assert values.shape == (len(path.t), n - rank)
    assert np.abs(values - values[0]).max() <= 1e-9 * np.abs(theta).max()
    assert path.invariant_drift.max() <= 1e-9
    assert np.linalg.matrix_rank(theta[1:] - theta[0], tol=1e-8 * np.abs(theta).max()) <= rank
    assert np.abs(theta - theta[0]).max() >= 1e-3 * np.abs(theta).max()


@every_flow
def test_drift_is_the_relative_motion_in_the_kernel(flow: Flow) -> None:
    parts = [start(flow, 9, scale, seed) for scale, seed in ((0.8, 1), (0.9, 2), (0.7, 3))]
    path = Polar(
        np.array([p.radius for p in parts]),
        np.array([p.log_direction for p in parts]),
        np.array([np.broadcast_to(p.sign, 9) for p in parts]),
    )
    theta = mirror_map(flow, 1.0).dual_variable(path)
    size = np.maximum(np.linalg.norm(theta, axis=1), np.linalg.norm(theta[0]))
    wanted = np.linalg.norm((theta - theta[0]) @ PROBLEM.kernel, axis=1) / size
    np.testing.assert_allclose(invariant_drift(flow, PROBLEM, path), wanted, rtol=1e-12)


def path_of(flow: Flow, rtol: float = 1e-11) -> Trajectory:
    return integrate(flow, PROBLEM, start(flow, 9), 5.0, rtol, "primal")


@every_depth
def test_the_invariants_need_the_right_magnification(depth: int) -> None:
    flow = WeightNormFlow(depth, 2.0)
    wrong = WeightNormFlow(depth, 2.0 * 1.01)
    path = path_of(flow)
    assert path.invariant_drift.max() <= 1e-10
    assert invariant_drift(wrong, PROBLEM, path.points).max() >= 1e-4


@every_depth
def test_the_invariants_need_equal_schedules(depth: int) -> None:
    path = path_of(ScheduledWeightNormFlow(depth, 2.0, radial_schedule=lambda t: 1 + t))
    assert invariant_drift(WeightNormFlow(depth, 2.0), PROBLEM, path.points).max() >= 1e-2


@every_depth
def test_drift_falls_with_the_tolerance(depth: int) -> None:
    rtols = 10.0 ** np.arange(-4, -11, -1)
    drifts = [path_of(WeightNormFlow(depth, 2.0), rtol).invariant_drift.max() for rtol in rtols]
    order = np.polyfit(np.log(rtols), np.log(drifts), 1)[0]
    assert 0.7 < order < 1.3


@every_flow
def test_the_divergence_to_every_interpolant_falls_at_the_rate_of_the_loss(flow: Flow) -> None:
    path = integrate(flow, PROBLEM, start(flow, 9), 5.0, 1e-11).at(np.linspace(0, 5, 4001))
    rate = 2 * mirror_map(flow, path.radius[0]).speed(path.points) * path.loss
    simpson = (rate[:-2:2] + 4 * rate[1:-1:2] + rate[2::2]) * (path.t[2] - path.t[0]) / 6
    fall = np.cumsum(simpson)
    rng = np.random.default_rng(0)
    mixed = PROBLEM.truth + 1e-2 * PROBLEM.kernel @ rng.standard_normal(4)
    targets = [PROBLEM.truth, basis_pursuit(PROBLEM).weights]
    for target in targets + ([mixed] if flow.depth == 1 else []):
        divergence = path.bregman(target)
        assert np.all(np.diff(divergence) <= 1e-12 * divergence[0])
        np.testing.assert_allclose(divergence[0] - divergence[2::2], fall, rtol=1e-7, atol=1e-9 * divergence[0])
