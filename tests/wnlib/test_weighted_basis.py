"""The basis of columns stays a basis, its matrices exact, and no entry of G large, whatever the weights."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose
from scipy import linalg

from wnlib.limits.weighted_basis import GROWTH, WeightedBasis


def _rows(n: int, rank: int, seed: int, doubled: bool = False) -> np.ndarray:
    A = np.random.default_rng(seed).standard_normal((n, rank))
    if doubled:
        A[n // 2 :] = A[: n - n // 2]
    return linalg.qr(A, mode="economic")[0]


@given(
    seed=st.integers(0, 10**6),
    rank=st.integers(1, 8),
    more=st.integers(1, 20),
    spread=st.sampled_from([0.0, 3.0, 30.0, 200.0, 2000.0]),
    doubled=st.booleans(),
)
def test_it_is_a_basis_of_nearly_the_largest_volume(seed, rank, more, spread, doubled):
    n = rank + more + (rank if doubled else 0)
    rows, rng = _rows(n, rank, seed, doubled), np.random.default_rng(seed)
    basis = WeightedBasis(rows, np.zeros(n))
    for _ in range(3):
        log_weights = -spread * rng.uniform(size=n)
        G = basis.update(log_weights)
        assert np.abs(G).max() <= GROWTH
        T = rows @ linalg.inv(rows[basis.columns])
        condition = np.linalg.cond(rows[basis.columns])
        assert_allclose(basis.T, T, atol=1e-12 * condition)
        assert_allclose(basis.to_basis @ rows[basis.columns].T, np.eye(rank), atol=1e-12 * condition)
        exact = T * np.exp(np.clip(log_weights[:, None] - log_weights[basis.columns], -700, 300))
        exact[basis.columns] = 0
        assert_allclose(G, exact, atol=1e-9 * condition, rtol=1e-6) if spread <= 3 else None


def test_an_exchange_is_made_where_a_heavier_column_waits():
    rows = _rows(12, 3, seed=1)
    basis = WeightedBasis(rows, np.zeros(12))
    outside = np.setdiff1d(np.arange(12), basis.columns)[0]
    log_weights = np.zeros(12)
    log_weights[outside] = 20.0
    before = basis.version
    basis.update(log_weights)
    assert outside in basis.columns
    assert basis.version > before


@pytest.mark.parametrize("spread", [10.0, 1000.0])
def test_sizes_and_sums_are_the_plain_ones(spread):
    rows = _rows(30, 4, seed=2)
    basis = WeightedBasis(rows, np.zeros(30))
    log_sizes = np.linspace(0, -spread, 30)
    ratios = np.exp(np.clip(log_sizes[:, None] - log_sizes[basis.columns], -1e4, 300))
    assert_allclose(basis.times_ratios(log_sizes), basis.T * ratios, rtol=1e-12, atol=1e-120)
    values = np.arange(30.0)
    assert_allclose(basis.absolute_sums(values), np.abs(basis.T).T @ values)
