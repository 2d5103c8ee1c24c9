"""The equations of the curve of limits: what determines what, and the derivatives that Newton's method takes."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose
from strategies import derivative, duplicated, low_rank

from wnlib import Problem
from wnlib._checks import Array
from wnlib.limits.equations import CurveEquations, Place

FULL = Problem.gaussian(4, 9, 3, seed=3)
few = settings(max_examples=30)
depths = st.integers(2, 6)
seeds = st.integers(0, 10**6)
problems = st.sampled_from([FULL, low_rank(), duplicated(FULL)])


def equations(problem: Problem, depth: int, seed: int, turn: float = 0.7) -> CurveEquations:
    """At a point near the start of its place, which is neither on the curve nor uniform."""
    rng = np.random.default_rng(seed)
    log_u = np.log(rng.uniform(0.5, 1.5, problem.shape[1]))
    found, place = CurveEquations(problem, depth, log_u, np.inf), Place(-0.3, 0.6, turn)
    start = place.log_scale + np.mean(log_u) + turn * (log_u - np.mean(log_u))
    found.linearise(start, place)
    step = 0.01 * rng.uniform(-1, 1, problem.rank)
    found.linearise(found.complete(start[found.basis.columns] + step, place), place)
    return found


def on_basis(at: CurveEquations) -> Array:
    return at.log_x[at.basis.columns]


def measured(at: CurveEquations, log_x: Array) -> Array:
    """The left sides of the equations of the basis."""
    return at.basis.T.T @ np.exp(at.depth * log_x)


@few
@given(problems, depths, seeds)
def test_the_basis_completes_to_a_point_with_the_invariants_of_its_place(p: Problem, depth: int, seed: int) -> None:
    at = equations(p, depth, seed)
    mean = np.mean(at.log_direction)
    start = at.place.log_scale + mean + at.place.turn * (at.log_direction - mean)
    ends = [log_x if depth == 2 else np.exp((2 - depth) * log_x) for log_x in (at.log_x, start)]
    assert np.abs(at.log_x - start).max() > 1e-4
    assert np.abs((ends[0] - ends[1]) @ p.kernel).max() <= 1e-11 * np.abs(ends[1]).max()


@few
@given(problems, depths, seeds, st.sampled_from([5.0, 50.0, 600.0]))
def test_a_start_completes_itself_in_each_entry_whatever_the_others_cost(
    p: Problem, depth: int, seed: int, spread: float
) -> None:
    log_u = -spread * np.random.default_rng(seed).uniform(size=p.shape[1])
    at, place = CurveEquations(p, depth, log_u, np.inf), Place(0.5, 1.0, 1.0)
    at.linearise(0.5 + log_u, place)
    assert_allclose(at.complete(on_basis(at), place), 0.5 + log_u, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("heaviest", [0.0, 2.0, np.inf])
def test_the_direction_turns_at_a_level_that_bounds_the_heaviest_weight(heaviest: float) -> None:
    log_u = np.log(np.random.default_rng(0).uniform(size=9) ** 6)
    at = CurveEquations(FULL, 4, log_u, heaviest)
    most = 4 * (at.place.log_scale + log_u.max() - at.log_x[0])
    assert most == pytest.approx(min(heaviest, 4 * (log_u.max() - log_u.mean())))


@few
@given(problems, depths, seeds)
def test_a_change_on_the_basis_is_one_everywhere_to_first_order(p: Problem, depth: int, seed: int) -> None:
    at = equations(p, depth, seed)
    change = np.random.default_rng([seed, 1]).uniform(-1, 1, p.rank)
    wanted = derivative(lambda h: at.complete(on_basis(at) + h * change, at.place))
    assert_allclose(at.everywhere(change), wanted, atol=1e-6 * np.abs(wanted).max())


@few
@given(problems, depths, seeds)
def test_the_linear_system_is_that_of_the_measurements(p: Problem, depth: int, seed: int) -> None:
    at = equations(p, depth, seed)
    lack = np.random.default_rng([seed, 1]).uniform(-1, 1, p.rank) * np.exp(depth * on_basis(at))
    change = at.solve(lack)
    h = 1e-3 / np.abs(at.everywhere(change)).max()
    found = derivative(lambda h: measured(at, at.complete(on_basis(at) + h * change, at.place)), h)
    assert_allclose(found, lack, atol=1e-6 * np.abs(lack).max())


@few
@given(problems, depths, seeds, st.booleans())
def test_the_tangents_keep_the_measurements_and_are_the_derivatives(
    p: Problem, depth: int, seed: int, turning: bool
) -> None:
    at = equations(p, depth, seed)
    tangent, everywhere = at.turning() if turning else at.tangent(np.ones_like(at.log_x))

    def moved(h: float) -> Array:
        log_scale, progress, turn = at.place
        place = Place(log_scale, progress, turn + h) if turning else Place(log_scale + h, progress, turn)
        return at.complete(on_basis(at) + h * tangent, place)

    h = 1e-3 / max(1.0, np.abs(everywhere).max())
    assert_allclose(derivative(moved, h), everywhere, atol=1e-6 * max(1.0, np.abs(everywhere).max()))
    size = np.abs(at.basis.T.T) @ (np.exp(depth * at.log_x) * np.abs(everywhere))
    assert np.all(np.abs(derivative(lambda h: measured(at, moved(h)), h)) <= 1e-5 * size.max())


@few
@given(problems, depths, seeds)
def test_towards_the_target_the_measurements_move_as_the_progress_has_it(p: Problem, depth: int, seed: int) -> None:
    at = equations(p, depth, seed)
    change = at.towards_target()
    h = 1e-3 / np.abs(at.everywhere(change)).max()
    found = derivative(lambda h: measured(at, at.complete(on_basis(at) + h * change, at.place)), h)
    wanted = at.basis.to_basis @ (p.moments - at.origin)
    assert_allclose(found, wanted, atol=1e-6 * np.abs(wanted).max())


@few
@given(problems, depths, seeds)
def test_the_first_point_fulfils_the_equations(p: Problem, depth: int, seed: int) -> None:
    at = CurveEquations(p, depth, np.log(np.random.default_rng(seed).uniform(0.5, 1.5, p.shape[1])), np.inf)
    assert (at.place.progress, at.place.turn) == (0, 0)
    at.linearise(at.log_x, at.place)
    correction = at.correction()
    assert correction.residual <= 1e-12 * np.linalg.norm(at.origin)
    assert np.abs(correction.change).max() <= 1e-10
    assert_allclose(at.complete(on_basis(at), at.place), at.log_x, atol=1e-11)


@pytest.mark.parametrize("problem", [FULL, low_rank(), duplicated(FULL)], ids=["full", "low rank", "duplicated"])
@pytest.mark.parametrize("depth", [2, 3, 5])
def test_newtons_method_converges_quadratically(depth: int, problem: Problem) -> None:
    """To the point whose measurements are asked for: that of the equations, moved by a hundredth on the basis."""
    there = equations(problem, depth, 0)
    known = Problem(problem.A, problem.A @ np.exp(depth * there.log_x))
    at = CurveEquations(known, depth, there.log_direction, np.inf)
    place = there.place._replace(progress=1.0)
    log_x, distances = there.log_x, []
    at.linearise(log_x, place)
    t = on_basis(at) + 1e-2
    for _ in range(5):
        at.linearise(at.complete(t, place), place)
        distances.append(float(np.abs(at.log_x - log_x).max()))
        correction = at.correction()
        t = on_basis(at) + correction.change
    assert distances[1] <= 0.1 * distances[0]
    assert distances[2] <= 100 * distances[1] ** 2 + 1e-12
    assert distances[4] <= 1e-11
    assert correction.residual <= 1e-11 * np.linalg.norm(known.moments)


def test_an_entry_far_larger_than_the_others_is_completed_in_a_unit_of_its_own() -> None:
    """Each of two pairs of equal columns has one entry in the basis, which determines the other alone."""
    pairs = Problem(np.repeat(np.eye(2), 2, axis=1), np.array([1.0, 2.0]))
    at, place = CurveEquations(pairs, 3, np.zeros(4), np.inf), Place(0.0, 1.0, 1.0)
    at.linearise(np.zeros(4), place)
    logarithms = np.array([0.0, 0.0, 2000.0, 2000.0])
    assert_allclose(at.complete(logarithms[at.basis.columns], place), logarithms, atol=1e-12)
