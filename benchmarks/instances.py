"""The instances that benchmarks share, and how far one answer is from another."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from wnlib import Problem
from wnlib._checks import Array

SIZE = {"m": 200, "n": 1000, "sparsity": 20, "seed": 0}
SCALE = 1.0  # of the uniform start


def matrix(size: Mapping[str, int]) -> tuple[Array, Array]:
    """A of shape (M, N) and y of shape (M,): what a contender is given."""
    problem = Problem.gaussian(**size)
    return problem.A, problem.y


def distance(weights: Any, reference: Array) -> float:
    r"""$\|w - w_*\|_1 / \|w_*\|_1$; the largest over the first axis, if there are several (T, N)."""
    error = np.sum(np.abs(weights - reference), axis=-1) / np.sum(np.abs(reference), axis=-1)
    return float(np.max(error))
