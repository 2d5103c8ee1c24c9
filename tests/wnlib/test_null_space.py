"""The constant of the null space property: against linear programs in all of v, and what it says of basis pursuit."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import linprog

from wnlib import ArgumentError, Problem, basis_pursuit, margin, null_space_constant

seeds = st.integers(0, 200)


def directly(A, support, patterns):
    """The largest <pattern, v_J> of v = p - q, p, q >= 0, without any elimination."""
    n, off = A.shape[1], np.setdiff1d(np.arange(A.shape[1]), support)
    mass = np.zeros(2 * n)
    mass[off] = mass[n + off] = 1
    found = [0.0]
    for pattern in patterns:
        cost = np.zeros(2 * n)
        cost[support], cost[n + support] = np.negative(pattern), pattern
        answer = linprog(cost, mass[None], [1], np.hstack([A, -A]), np.zeros(len(A)), bounds=(0, None))
        found.append(np.inf if answer.status == 3 else -answer.fun)
    return max(found)


@given(seeds, st.integers(1, 4))
def test_it_is_the_largest_share_of_a_vector_in_the_kernel(seed, size):
    problem, support = Problem.gaussian(6, 12, 2, seed=seed), np.arange(size)
    every = directly(problem.A, support, product([1, -1], repeat=size))
    assert_allclose(null_space_constant(problem, support), every, rtol=1e-7, atol=1e-9)
    one = directly(problem.A, support, [np.ones(size)])
    assert_allclose(null_space_constant(problem, support, np.ones(size)), one, rtol=1e-7, atol=1e-9)
    assert one <= every + 1e-9


@given(seeds)
def test_below_one_it_recovers_nonnegative_weights(seed):
    problem = Problem.gaussian(8, 14, 2, seed=seed)
    support = np.flatnonzero(problem.truth)
    constant = null_space_constant(problem, support, np.ones(support.size))
    if constant < 1:
        assert_allclose(basis_pursuit(problem).weights, problem.truth, atol=1e-7)
        assert margin(problem).value >= 1 - constant - 1e-7  # signs off the support are free here


def test_degenerate_supports():
    problem = Problem([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [1.0, 1.0])
    assert null_space_constant(problem, [0]) == pytest.approx(1)  # its twin replaces it
    assert null_space_constant(problem, [2]) == 0
    assert null_space_constant(problem, [0, 1]) == np.inf
    assert null_space_constant(problem, []) == 0
    assert null_space_constant(Problem([[2.0]], [1.0]), [0]) == 0


def test_arguments_are_checked():
    problem = Problem([[1.0, 1.0]], [1.0])
    with pytest.raises(ArgumentError, match="support must be indices, each once"):
        null_space_constant(problem, [1, 1])
    with pytest.raises(ArgumentError, match="support must be integers between 0 and 1"):
        null_space_constant(problem, [2])
    with pytest.raises(ArgumentError, match="signs must be -1 or 1"):
        null_space_constant(problem, [1], [0.5])
    with pytest.raises(ArgumentError, match="signs must have shape"):
        null_space_constant(problem, [1], [1, 1])
