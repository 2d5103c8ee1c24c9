"""Problems are what their names say, and basis pursuit solves them with a certificate."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import ArrayLike
from scipy import optimize
from scipy.optimize import linprog
from strategies import duplicated, error, low_rank, name

from wnlib import ArgumentError, BasisPursuit, Problem, basis_pursuit
from wnlib._checks import Array

ENSEMBLES = [Problem.gaussian, Problem.rademacher, Problem.dct, Problem.fourier]
ensembles = pytest.mark.parametrize("ensemble", ENSEMBLES, ids=name)
orthogonal_ensembles = pytest.mark.parametrize("ensemble", [Problem.dct, Problem.fourier], ids=name)


@ensembles
def test_an_ensemble_plants_sparse_weights_of_moderate_size(ensemble) -> None:
    problem = ensemble(7, 16, 3, seed=5)
    planted = problem.truth[problem.truth != 0]
    assert problem.shape == problem.A.shape == (7, 16)
    assert len(planted) == 3
    assert 0.5 <= planted.min() <= planted.max() <= 1.5
    np.testing.assert_allclose(problem.A @ problem.truth, problem.y, rtol=1e-14)


def test_planted_weights_are_uniform_on_their_interval() -> None:
    planted = np.sort(Problem.gaussian(2, 2000, 2000).truth)
    np.testing.assert_allclose(planted, np.linspace(0.5, 1.5, 2000), atol=0.04)  # 1.8 standard errors of the median
    assert planted[0] < 0.51 < 1.49 < planted[-1]


@ensembles
@pytest.mark.parametrize("signed", [False, True])
def test_a_seed_determines_the_problem(ensemble, signed: bool) -> None:
    first, same, other = (ensemble(7, 16, 3, seed=seed, signed=signed) for seed in (1, 1, 2))
    assert np.array_equal(first.A, same.A)
    assert np.array_equal(first.y, same.y)
    assert not np.array_equal(first.A, other.A)
    assert not np.array_equal(first.truth, other.truth)


@ensembles
def test_a_signed_problem_is_the_doubled_one(ensemble) -> None:
    problem = ensemble(7, 16, 8, seed=1, signed=True)
    positive, negative = problem.truth[:16], problem.truth[16:]
    assert problem.shape == (7, 32)
    assert np.array_equal(problem.A[:, 16:], -problem.A[:, :16])
    assert problem.truth.min() == 0
    assert np.count_nonzero(positive) + np.count_nonzero(negative) == 8
    assert positive.any()
    assert negative.any()
    assert not np.any((positive > 0) & (negative > 0))
    again = Problem(problem.A[:, :16], problem.y, positive - negative).doubled()
    assert np.array_equal(again.A, problem.A)
    assert np.array_equal(again.truth, problem.truth)


def test_gaussian_columns_have_unit_norm_on_average() -> None:
    A = Problem.gaussian(200, 400, 3).A
    entries = A * np.sqrt(200)
    deviation = 1 / np.sqrt(entries.size)
    assert abs(entries.mean()) < 4 * deviation
    assert abs((entries**2).mean() - 1) < 4 * np.sqrt(2) * deviation
    assert abs((entries**4).mean() - 3) < 4 * np.sqrt(96) * deviation


def test_rademacher_entries_are_fair_signs() -> None:
    A = Problem.rademacher(100, 200, 3).A
    np.testing.assert_allclose(np.abs(A), 0.1, rtol=1e-15)
    assert abs(np.sign(A).mean()) < 4 / np.sqrt(A.size)


@orthogonal_ensembles
@pytest.mark.parametrize("n", [15, 16])
def test_transform_rows_are_orthogonal_and_never_constant(ensemble, n: int) -> None:
    A = ensemble(n - 1, n, 3).A
    np.testing.assert_allclose(A @ A.T, n / (n - 1) * np.eye(n - 1), atol=1e-14)
    np.testing.assert_allclose(A @ np.ones(n), 0, atol=1e-13)


def test_transform_rows_are_cosines_and_sines() -> None:
    n, j = 12, np.arange(12)
    cosines = [np.cos(np.pi * k * (j + 0.5) / n) for k in range(1, n)]
    waves = [wave(2 * np.pi * k * j / n) for k in range(1, 6) for wave in (np.cos, np.sin)] + [(-1.0) ** j]
    for ensemble, basis in ((Problem.dct, cosines), (Problem.fourier, waves)):
        unit = np.array([row / np.linalg.norm(row) for row in basis])
        overlap = np.abs(ensemble(n - 1, n, 3).A @ unit.T) * np.sqrt((n - 1) / n)
        np.testing.assert_allclose(np.sort(overlap, axis=1)[:, -1], 1, rtol=1e-13)


def test_residual_and_loss_take_many_weights() -> None:
    problem = Problem([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]], [3.0, 2.0])
    weights = np.array([[[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]])
    assert np.array_equal(problem.residual(weights), [[[0, 0], [3, 2]]])
    assert np.array_equal(problem.loss(weights), [[0, 6.5]])


def test_arrays_are_private_copies() -> None:
    A, y = np.eye(2, 3), np.ones(2)
    problem = Problem(A, y)
    A[:] = y[:] = 7
    assert np.array_equal(problem.A, np.eye(2, 3))
    assert np.array_equal(problem.y, np.ones(2))
    with pytest.raises(ValueError, match="read-only"):
        problem.A[0, 0] = 7


@pytest.mark.parametrize(
    ("problem", "rank"),
    [(Problem.gaussian(5, 9, 2), 5), (duplicated(Problem.gaussian(5, 9, 2)), 5), (low_rank(rank=2), 2)],
    ids=["full", "duplicated", "low-rank"],
)
def test_row_space_and_kernel_split_the_weights(problem: Problem, rank: int) -> None:
    row, kernel = problem.row_basis, problem.kernel
    n = problem.shape[1]
    both = np.hstack([row, kernel])
    assert problem.rank == rank
    assert (row.shape, kernel.shape) == ((n, rank), (n, n - rank))
    np.testing.assert_allclose(both.T @ both, np.eye(n), atol=1e-14)
    np.testing.assert_allclose(problem.A @ kernel, 0, atol=1e-14)


def certify(problem: Problem, solution: BasisPursuit, costs: ArrayLike = 1.0) -> None:
    """Optimality by weak duality, recomputed from the problem alone."""
    chi = np.broadcast_to(costs, problem.shape[1])
    assert solution.weights.min() >= 0
    assert np.linalg.norm(problem.A @ solution.weights - problem.y) <= 1e-9 * np.linalg.norm(problem.y)
    assert (problem.A.T @ solution.dual / chi).max() <= 1 + 1e-12
    assert abs(chi @ solution.weights - problem.y @ solution.dual) <= 1e-9 * solution.value
    np.testing.assert_allclose(solution.value, chi @ solution.weights, rtol=1e-14)
    np.testing.assert_allclose(solution.gap, solution.value - problem.y @ solution.dual, atol=1e-9)
    assert abs(solution.gap) <= 1e-9 * solution.value
    assert solution.residual <= 1e-9


@ensembles
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("sparsity", [2, 12])
def test_basis_pursuit_is_certified(ensemble, signed: bool, sparsity: int) -> None:
    problem = ensemble(20, 40, sparsity, seed=3, signed=signed)
    certify(problem, basis_pursuit(problem))


@pytest.mark.parametrize("spread", [0.5, 3.0, 10.0])
def test_basis_pursuit_is_certified_with_costs(spread: float) -> None:
    problem = Problem.gaussian(12, 30, 3, seed=1)
    costs = np.exp(spread * np.random.default_rng(0).standard_normal(30))
    certify(problem, basis_pursuit(problem, costs), costs)


def test_equal_costs_change_the_value_alone() -> None:
    problem = Problem.gaussian(12, 30, 3)
    plain, doubled = basis_pursuit(problem), basis_pursuit(problem, np.full(30, 2.0))
    assert error(doubled.weights, plain.weights) <= 1e-13
    np.testing.assert_allclose(doubled.value, 2 * plain.value)


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ([1.0, 0.0], r"costs must be > 0 in every entry, got a minimum of 0\.0"),
        ([1.0], r"costs must have shape \(2\)"),
        ([1.0, np.nan], "costs must be finite"),
    ],
)
def test_bad_costs_are_named(costs: list[float], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        basis_pursuit(Problem([[1.0, 2.0]], [1.0]), costs)


@pytest.mark.parametrize(
    "problem", [duplicated(Problem.gaussian(8, 20, 3)), low_rank()], ids=["duplicated", "low-rank"]
)
def test_basis_pursuit_is_certified_at_deficient_rank(problem: Problem) -> None:
    certify(problem, basis_pursuit(problem))


def test_basis_pursuit_recovers_sparse_weights() -> None:
    problem = Problem.gaussian(40, 100, 5)
    solution = basis_pursuit(problem)
    assert error(solution.weights, problem.truth) <= 1e-13
    assert abs(solution.gap) <= 1e-13 * solution.value


def least_value_of_supports(problem: Problem, costs: Array) -> float:
    """Basis pursuit by brute force: an optimum is attained with at most rank(A) independent columns."""
    values = []
    for support in combinations(range(problem.shape[1]), problem.rank):
        part = problem.A[:, support]
        z, *_ = np.linalg.lstsq(part, problem.y, rcond=None)
        if z.min() >= -1e-12 and np.linalg.norm(part @ z - problem.y) <= 1e-10 * np.linalg.norm(problem.y):
            values.append(costs[list(support)] @ z)
    return min(values)


@given(m=st.integers(1, 3), extra=st.integers(1, 4), seed=st.integers(0, 10**6))
def test_basis_pursuit_agrees_with_brute_force(m: int, extra: int, seed: int) -> None:
    problem = Problem.gaussian(m, m + extra, min(2, m + extra), seed=seed)
    for costs in (np.ones(m + extra), np.random.default_rng(seed).uniform(0.2, 5.0, m + extra)):
        value = least_value_of_supports(problem, costs)
        np.testing.assert_allclose(basis_pursuit(problem, costs).value, value, rtol=1e-9)


@pytest.mark.parametrize("unit", [1e-8, 1e-3, 1e8])
@pytest.mark.parametrize("scaled", ["y", "A"])
def test_basis_pursuit_scales(unit: float, scaled: str) -> None:
    problem = Problem.gaussian(20, 40, 9, seed=2)
    wanted = basis_pursuit(problem)
    A, y, weight_unit = (
        (problem.A, unit * problem.y, unit) if scaled == "y" else (unit * problem.A, problem.y, 1 / unit)
    )
    restated = Problem(A, y)
    found = basis_pursuit(restated)
    certify(restated, found)
    assert error(found.weights, weight_unit * wanted.weights) <= 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_basis_pursuit_takes_measurements_in_different_units(seed: int) -> None:
    problem = Problem.gaussian(20, 40, 9, seed=seed)
    units = 10 ** np.random.default_rng(seed).uniform(-3, 3, 20)
    restated = Problem(units[:, None] * problem.A, units * problem.y)
    found = basis_pursuit(restated)
    certify(restated, found)
    assert found.residual <= 1e-14
    assert error(found.weights, basis_pursuit(problem).weights) <= 1e-9


def test_a_failed_certificate_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem.gaussian(20, 40, 3)
    other = linprog(np.arange(1.0, 41.0), A_eq=problem.A, b_eq=problem.y + problem.A[:, 0])
    monkeypatch.setattr(optimize, "linprog", lambda *args, **kwargs: other)
    with pytest.raises(RuntimeError, match=r"linear program was not solved: gap .*, residual"):
        basis_pursuit(problem)


def test_basis_pursuit_follows_a_permutation() -> None:
    problem = Problem.gaussian(20, 40, 9, seed=2)
    order = np.random.default_rng(0).permutation(40)
    permuted = basis_pursuit(Problem(problem.A[:, order], problem.y))
    assert error(permuted.weights, basis_pursuit(problem).weights[order]) <= 1e-9


def test_basis_pursuit_of_nothing_is_nothing() -> None:
    solution = basis_pursuit(Problem(np.eye(2, 3), np.zeros(2)))
    assert np.array_equal(solution.dual, np.zeros(2))
    assert not solution.weights.any()
    assert solution.value == solution.gap == solution.residual == 0


def test_a_problem_is_solved_once_and_its_answer_cannot_be_changed():
    problem = Problem.gaussian(5, 12, 2)
    first = basis_pursuit(problem)
    assert basis_pursuit(problem) is first
    with pytest.raises(ValueError, match="read-only"):
        first.weights[0] = 1.0
