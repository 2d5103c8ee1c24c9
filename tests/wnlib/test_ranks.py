"""Ranks are judged by one rule, that of rounding in a matrix of the given shape."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from strategies import low_rank

from wnlib import Problem
from wnlib.linear.ranks import kernel, least_squares, rank, row_space


def repeated(seed: int) -> np.ndarray:
    """Two equal rows up to rounding, whose second singular value is a few roundings of the first."""
    row = np.random.default_rng(seed).standard_normal(12)
    return np.array([row, 3 * row / 3 * (1 + 2 * np.finfo(float).eps)])


@pytest.mark.parametrize("seed", range(20))
def test_rounding_between_repeated_rows_makes_no_second_direction(seed: int) -> None:
    A = repeated(seed)
    y = A @ np.ones(12)
    least = least_squares(A, y)
    assert_allclose(least, A[0] * (A[0] @ np.ones(12)) / (A[0] @ A[0]), atol=1e-13)
    rows = row_space(A)
    assert rows.basis.shape[1] == rank(A) == 1
    assert_allclose(rows.basis @ rows.coordinates(y), least, atol=1e-13)


@pytest.mark.parametrize("problem", [low_rank(), Problem.gaussian(5, 9, 2)], ids=["low-rank", "full"])
def test_coordinates_and_combinations_are_those_of_the_rows(problem: Problem) -> None:
    rows, rng = row_space(problem.A), np.random.default_rng(0)
    weights = rng.standard_normal(problem.shape[1])
    assert_allclose(rows.coordinates(problem.A @ weights), rows.basis.T @ weights, atol=1e-12)
    wanted = rng.standard_normal(rows.basis.shape[1])
    assert_allclose(problem.A.T @ rows.combination(wanted), rows.basis @ wanted, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_kernel_and_the_rows_have_all_dimensions(seed: int) -> None:
    A = repeated(seed)
    assert kernel(A, row_space(A).basis.shape[1]).shape == (12, 11)


def test_what_has_no_columns_or_only_zeros_has_rank_0() -> None:
    assert rank(np.empty((3, 0))) == rank(np.zeros((3, 2))) == 0
