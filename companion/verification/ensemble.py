"""Seeded cases on which theorems are measured, ugly ones included.

A case is a few numbers that determine a problem, a flow and a start; its printed form reproduces it. Case i of an
ensemble depends on i and the ensemble alone.
"""

from dataclasses import dataclass
from functools import cached_property
from math import ceil, log

import numpy as np

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.flows.flow import GradientFlow
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit

MATRICES = (
    "gaussian",
    "rademacher",
    "cosine",
    "rank-deficient",
    "duplicated columns",
    "repeated rows",
    "ill-conditioned",
)
CONDITION = 1e3  # of the ill-conditioned matrices


@dataclass(frozen=True)
class Case:
    """One problem of `m` measurements of `n` weights, with one flow and one start.

    The flow has the given depth and ratio, the start the norm `scale` and a uniform or a random direction. Numbers that
    a theorem needs beyond these come from `rng`.
    """

    depth: int
    ratio: float
    scale: float
    matrix: str
    m: int
    n: int
    sparsity: int
    uniform: bool
    seed: int

    @cached_property
    def problem(self) -> Problem:
        """Measurements of nonnegative weights with `sparsity` nonzero entries."""
        return Problem.planted(
            lambda rng: _matrix(self.matrix, self.m, self.n, rng), self.m, self.n, self.sparsity, self.seed
        )

    @property
    def flow(self) -> WeightNormFlow:
        """Weight-normalized gradient flow."""
        return WeightNormFlow(self.depth, self.ratio)

    @property
    def plain(self) -> GradientFlow:
        """Gradient flow of the same depth."""
        return GradientFlow(self.depth)

    def rng(self) -> np.random.Generator:
        """A generator of the case's own, independent of the problem's."""
        return np.random.default_rng([self.seed, 1])

    @cached_property
    def direction(self) -> Array:
        """Uniform, or with random entries: positive, and of random sign at depth 1. Shape (n,)."""
        if self.uniform:
            return np.ones(self.n)
        rng = np.random.default_rng([self.seed, 2])
        sizes = rng.uniform(0.3, 1.7, self.n)
        return sizes * rng.choice([-1.0, 1.0], self.n) if self.depth == 1 else sizes

    @cached_property
    def start(self) -> Polar:
        """x(0), of norm `scale`."""
        return self.flow.start(self.n, self.scale, self.direction)

    @cached_property
    def target(self) -> Array:
        """The minimiser of basis pursuit, shape (n,)."""
        return basis_pursuit(self.problem).weights

    @cached_property
    def target_radius(self) -> float:
        r"""$\sqrt{\rho(z^*)}$, the norm of the target's factors."""
        return float(np.sqrt(np.sum(self.target ** (2 / self.depth))))


@dataclass(frozen=True)
class Ensemble:
    """Cases of the given depths and kinds of matrices, in turn; all other numbers are drawn.

    `ratios` and `scales` are ranges of log-uniform draws. `uniform` fixes the direction of the start (None: either).
    With `sparse`, at most so many of the weights are nonzero, and as many measurements as usually find s of n weights
    are taken: 2 s log(n/s), rounded up.
    """

    depths: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    ratios: tuple[float, float] = (0.1, 30.0)
    scales: tuple[float, float] = (0.1, 2.0)
    matrices: tuple[str, ...] = MATRICES
    columns: tuple[int, int] = (4, 12)
    uniform: bool | None = None
    sparse: int | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in (("ratios", self.ratios), ("scales", self.scales), ("columns", self.columns)):
            if not 0 < low <= high:
                raise ValueError(f"{name} must be a range 0 < low <= high, got {(low, high)}")
        if self.sparse is not None and not 1 <= self.sparse <= self.columns[0] // 5:
            raise ValueError(f"sparse must be from 1 to a fifth of the columns, {self.columns}, got {self.sparse}")
        if unknown := set(self.matrices) - set(MATRICES):
            raise ValueError(f"matrices must be among {MATRICES}, got {sorted(unknown)}")

    def case(self, index: int) -> Case:
        """Case number `index`, counted from 0."""
        index = check.integer("index", index, least=0)
        rng = np.random.default_rng([index, 3])
        n = int(rng.integers(self.columns[0], self.columns[1] + 1))
        rounds, turn = divmod(index, len(self.depths))
        return Case(
            depth=self.depths[turn],
            ratio=_log_uniform(rng, self.ratios),
            scale=_log_uniform(rng, self.scales),
            matrix=self.matrices[(rounds + turn) % len(self.matrices)],
            **self._sizes(n, rng),
            uniform=bool(rng.integers(2)) if self.uniform is None else self.uniform,
            seed=index,
        )

    def _sizes(self, n: int, rng: np.random.Generator) -> dict[str, int]:
        if self.sparse is None:
            return {"m": int(rng.integers(1, n)), "n": n, "sparsity": int(rng.integers(1, n + 1))}
        sparsity = int(rng.integers(1, self.sparse + 1))
        return {"m": ceil(2 * sparsity * log(n / sparsity)), "n": n, "sparsity": sparsity}


def _log_uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    """Rounded to four digits, so that its printed form is the number itself."""
    return float(f"{np.exp(rng.uniform(*np.log(bounds))):.4g}")


def _matrix(kind: str, m: int, n: int, rng: np.random.Generator) -> Array:
    """Shape (m, n), columns of about unit norm."""
    A = rng.standard_normal((m, n)) / np.sqrt(m)
    if kind == "rademacher":
        return np.sign(A) / np.sqrt(m)
    if kind == "cosine":
        return np.asarray(Problem.dct(m, n, 1, int(rng.integers(2**31))).A)
    if kind == "rank-deficient":
        rank = max(1, m // 2)
        return A[:, :rank] @ rng.standard_normal((rank, n)) / np.sqrt(rank)
    if kind == "duplicated columns":
        return A[:, rng.integers(0, max(1, n // 2), n)]
    if kind == "repeated rows":
        return A[rng.integers(0, max(1, m // 2), m)]
    if kind == "ill-conditioned":
        left, _, right = np.linalg.svd(A, full_matrices=False)
        return left @ (np.geomspace(1, 1 / CONDITION, m)[:, None] * right)
    return A
