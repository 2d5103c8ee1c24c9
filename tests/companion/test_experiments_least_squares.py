"""The experiments behind the chapter on least squares."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from companion.experiments import least_squares, two_phases
from companion.plots import least_squares as figures
from companion.theorems.perpendicular import squared_norm
from wnlib import GradientFlow, WeightNormFlow
from wnlib.models.two_phases import least_norm, length_from_data

RATIO = 2.0
PROBLEM = least_squares.problem(6, 15, seed=1)
U = least_squares.direction(PROBLEM, seed=1)
NU = float(least_squares.excess(PROBLEM, U))
RADIUS = 0.9 * length_from_data(PROBLEM)


def test_the_problem_is_in_units_of_its_target():
    assert_allclose(np.linalg.norm(least_norm(PROBLEM)), 1)
    assert PROBLEM.y @ PROBLEM.A @ U > 0 > PROBLEM.y @ PROBLEM.A @ least_squares.direction(PROBLEM, 1, towards=-1.0)
    adverse = least_squares.adverse(PROBLEM, share=0.03)
    assert_allclose(np.linalg.norm(adverse), 1)
    assert_allclose(np.linalg.norm(least_squares.across(PROBLEM, adverse)), 0.03)
    assert_allclose(adverse @ least_norm(PROBLEM), -np.sqrt(1 - 0.03**2))


@pytest.mark.parametrize("radius", [-0.05, 0.3, 1.5])
def test_the_law_of_the_radius(radius):
    law = least_squares.law(PROBLEM, RATIO, U, radius)
    assert_allclose(law.measured, law.predicted, rtol=1e-6, atol=1e-8)
    assert law.off_line <= 1e-8
    assert_allclose(law.radius[0], radius)
    assert np.abs(law.radius[-1]) >= 1
    assert not np.allclose(law.measured, law.radius / radius)


def test_limits_ends_and_the_equation_agree_for_either_sign():
    radii = np.array([0.2, 1.0, 1.8])
    limits = least_squares.limits(PROBLEM, RATIO, U, radii)
    assert_allclose(limits, [squared_norm(RATIO, r**2, NU, 1.0) - 1 for r in radii], rtol=1e-9)
    for sign in (1, -1):
        assert_allclose(least_squares.ends(PROBLEM, RATIO, U, sign * radii), limits, rtol=1e-5)
    assert_allclose(least_squares.limits(PROBLEM, None, U, radii), NU * radii**2)
    assert_allclose(least_squares.ends(PROBLEM, None, U, radii), NU * radii**2, rtol=1e-6)


@pytest.mark.parametrize("flow", [WeightNormFlow(1, RATIO), GradientFlow(1)], ids=str)
def test_residuals_end_as_their_limits_predict(flow):
    decay = least_squares.decay(PROBLEM, flow, U, 0.7)
    assert_allclose(decay.linear[decay.residual < 1e-3], decay.residual[decay.residual < 1e-3], rtol=0.02)
    assert decay.measured >= 0.99 * decay.local
    late = np.isfinite(decay.bound)
    assert late.sum() == len(decay.t) - decay.since
    assert np.all(decay.residual[late] <= decay.bound[late] * (1 + 1e-6))
    if isinstance(flow, GradientFlow):
        squares = np.linalg.svd(PROBLEM.A, compute_uv=False) ** 2
        assert_allclose([decay.local, decay.condition], [squares[-1], squares[0] / squares[-1]])


def test_all_descents_are_of_first_order():
    errors = least_squares.step_errors(PROBLEM, RATIO, U, 0.5, 0.5, (40, 80, 160))
    assert set(errors.error) == {"polar", "projected", "(g, v)"}
    assert all(abs(errors.order(name) - 1) < 0.1 for name in errors.error)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_projected_step_is_a_tangential_one(share):
    projected, tangential = least_squares.tangential(PROBLEM, U, 0.6, share)
    assert_allclose(projected, tangential, atol=1e-14)
    assert np.linalg.norm(projected - U) > 1e-3


@pytest.mark.parametrize("u", [U, least_squares.adverse(PROBLEM)], ids=["random", "adverse"])
def test_phase_one_does_what_is_promised(u):
    run = two_phases.phase_one(PROBLEM, RATIO, u, RADIUS, releases=4)
    seen = run.share > 1e-8
    assert np.all((run.share <= run.promised * (1 + 1e-6))[seen])
    assert np.all((run.share <= run.told * (1 + 1e-6))[seen])
    rates = -np.diff(np.log(run.share[seen])) / np.diff(run.t[seen])
    assert 1 < rates[-1] / max(known.rate for known in run.known) < 3  # not sharp, but no idle promise
    assert_allclose(run.followed, run.excess, rtol=1e-4)
    assert np.all(run.excess <= run.allowed * (1 + 1e-6))
    assert np.all(np.diff(run.excess) < 0)
    assert run.promised[-1] <= 1.01e-4


def test_switching_in_time():
    step = 1 / (RATIO * RADIUS**2 * np.linalg.norm(PROBLEM.A, 2) ** 2)
    switching = two_phases.switching(PROBLEM, RATIO, U, RADIUS, step, (1e-1, 1e-3))
    assert np.all(switching.true <= switching.told)
    assert np.all(switching.true <= switching.promised)
    assert np.all(switching.true > 0)


def test_the_race():
    race = two_phases.race(PROBLEM, RATIO, U, RADIUS, 400, 1e-3, length=1.0)
    assert race["two phases"].distance[-1] <= 1e-6
    assert race["two phases"].switched > 0 == race["polar descent"].switched
    assert_allclose(race["gradient descent"].distance[-1], NU * RADIUS**2, rtol=1e-6)
    assert race["polar descent"].distance[-1] < race["gradient descent"].distance[-1]
    far = two_phases.race(PROBLEM, RATIO, U, 1.5, 400, 1e-3, length=1.0)
    assert_allclose(far["two phases"].distance[-1], 1.5**2 - 1, rtol=1e-3)


def test_figures_draw_what_they_are_given():
    laws = {r: least_squares.law(PROBLEM, RATIO, U, r) for r in (0.3, 1.2)}
    drawn = figures.law(laws, RATIO, 1.0).axes[0].lines
    assert_allclose(drawn[1].get_ydata(), 0.3 * laws[0.3].measured)
    theory, path = drawn[0], drawn[1]
    assert_allclose(np.interp(path.get_xdata(), *theory.get_data()), path.get_ydata(), atol=1e-3)
    radii = np.array([0.3, 1.0])
    limits = least_squares.limits(PROBLEM, RATIO, U, radii)
    figure = figures.excess(
        radii, {RATIO: limits}, {RATIO: (limits, limits)}, limits, radii, {RATIO: (limits, limits)}, limits, 1.4
    )
    assert_allclose(figure.axes[0].lines[0].get_ydata(), limits)
    decay = least_squares.decay(PROBLEM, WeightNormFlow(1, RATIO), U, 0.7)
    assert_allclose(figures.decay({"flow": decay}).axes[0].lines[0].get_ydata(), decay.residual)
    errors = least_squares.step_errors(PROBLEM, RATIO, U, 0.5, 0.5, (20, 40))
    assert len(figures.steps(errors).axes[0].lines) == 4
    run = two_phases.phase_one(PROBLEM, RATIO, U, RADIUS, releases=3)
    assert len(figures.phase_one({"run": run}).axes) == 2
    race = two_phases.race(PROBLEM, RATIO, U, RADIUS, 200, 1e-2, length=1.0)
    panels = figures.race([("", race, {"polar descent": 0.1}), ("", race, {})]).axes
    assert len(panels[0].lines) == len(panels[1].lines) + 1
