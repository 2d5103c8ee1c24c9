"""Low-rank recovery by descents on W = X^L: where they end, and where the theory of eigenvalues says they would."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from companion.running.record import Record, Row
from wnlib._checks import Array
from wnlib.errors import CertificateError, LimitError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.bounds import mass_bound
from wnlib.models.matrix import MatrixProblem, conjugated, plain_field, polar_field, rotation
from wnlib.models.matrix_descent import matrix_descent
from wnlib.models.spectral import spectral_limit
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate

FITTED = 1e-4  # relative residual at which a descent ends
STEPS = 15_000  # after which it ends as well
ARRIVED = 1e-2  # relative residual above which its end is none
MULTIPLES = (4.0, 2.0, 1.0)  # of the inverse of the bound on the curvature: the steps of which each run takes its best
CERTIFIED = 1e-5  # relative gap and residual up to which the nuclear norm counts as minimised
# How the solver is asked, in turn, until an answer is certified: its scaling of the data can stall it.
SETTINGS: tuple[dict[str, Any], ...] = ({}, {"equilibrate_enable": False}, {"static_regularization_constant": 1e-9})
UNIQUE = 1e-3  # relative difference of the smallest and the largest trace below which positivity alone identifies W

ENSEMBLES = {"sensing": MatrixProblem.gaussian, "completion": MatrixProblem.completion}


@dataclass(frozen=True, eq=False)
class NuclearNorm:
    r"""The positive semidefinite interpolant of the smallest nuclear norm, which is its trace.

    W      (n, n)
    dual   (M,), with $\sum_k \nu_k A_k \preceq I$ up to the solver's accuracy
    value  Q, the trace
    """

    W: Array
    dual: Array
    value: float

    @property
    def eigenvalues(self) -> Array:
        """Of W (n,), zero where they are the solver's errors."""
        found = np.linalg.eigvalsh(self.W)
        return np.where(found > 1e-6 * self.value, found, 0.0)

    def radius(self, depth: int) -> float:
        r"""$\sqrt{\rho(W)}$, where $\rho(W) = \sum_i \lambda_i^{2/L}$."""
        return float(np.sqrt(np.sum(self.eigenvalues ** (2 / depth))))

    def excess(self, problem: MatrixProblem, W: Array) -> Array:
        r"""$(\|W\|_* - \langle\nu, \mathcal A W\rangle)/Q$ of matrices (..., n, n), shape (...).

        Of an interpolant this is $(\|W\|_* - Q)/Q$. A positive semidefinite matrix that does not quite interpolate is
        compared with the smallest nuclear norm for what it measures, to first order: the value is never negative.
        """
        nuclear = np.abs(np.linalg.eigvalsh(W)).sum(axis=-1)
        return (nuclear - (problem.y - problem.residual(W)) @ self.dual) / self.value


def nuclear_norm(problem: MatrixProblem) -> NuclearNorm:
    """By an interior-point method (Clarabel). Raises CertificateError if gap and residual do not certify the answer."""
    found = _extreme_trace(problem, 1.0)
    if found is None:
        raise CertificateError("the smallest nuclear norm was not found to accuracy")
    return found


def largest_trace(problem: MatrixProblem) -> float:
    """The largest trace of a positive semidefinite interpolant, infinite where none was found to accuracy."""
    largest = _extreme_trace(problem, -1.0)
    return np.inf if largest is None else largest.value


def positivity_identifies(problem: MatrixProblem, smallest: NuclearNorm) -> bool:
    """Whether the largest trace of a positive semidefinite interpolant is the smallest: then any method finds W."""
    return largest_trace(problem) <= (1 + UNIQUE) * smallest.value


def _extreme_trace(problem: MatrixProblem, sign: float) -> NuclearNorm | None:
    """The interpolant of the smallest trace for `sign` 1, of the largest for -1; None if there is none to accuracy."""
    cvxpy: Any = import_module("cvxpy")  # a library of the book, not of the package
    W = cvxpy.Variable((problem.n, problem.n), PSD=True)
    fits = problem.A.reshape(len(problem.y), -1) @ cvxpy.vec(W, order="C") == problem.y
    program = cvxpy.Problem(cvxpy.Minimize(sign * cvxpy.trace(W)), [fits])
    for settings in SETTINGS:
        with warnings.catch_warnings():  # of tolerances that it did not reach: the certificate decides
            warnings.filterwarnings("ignore", message="Solution may be inaccurate")
            program.solve(solver=cvxpy.CLARABEL, **settings)
        if W.value is None:
            return None
        found = NuclearNorm(np.asarray(W.value), -sign * np.asarray(fits.dual_value), float(sign * program.value))
        gap = float(abs(found.value - found.dual @ problem.y) / abs(found.value))
        residual = float(np.linalg.norm(problem.residual(found.W)) / np.linalg.norm(problem.y))
        if max(gap, residual) <= CERTIFIED:
            return found
    return None


@dataclass(frozen=True, eq=False)
class Ends:
    """Where descents from several scales end, each with the step that fits in the fewest steps. All of shape (K,).

    excess    of the nuclear norm, see `NuclearNorm.excess`
    error     the distance to the truth over its norm, in Frobenius norm
    rank      effective: the exponential of the entropy of the eigenvalues' shares
    residual  relative
    least     the smallest eigenvalue of X over its Frobenius norm: positive along the flow
    step      the multiple that was best
    steps     that it took
    """

    excess: Array
    error: Array
    rank: Array
    residual: Array
    least: Array
    step: Array
    steps: NDArray[np.intp]

    @property
    def arrived(self) -> NDArray[np.bool_]:
        """Where there is an end: the residual is small enough, shape (K,)."""
        return self.residual <= ARRIVED


def ends(
    problem: MatrixProblem,
    smallest: NuclearNorm,
    depth: int,
    ratio: float | None,
    scale: Array,
    steps: int = STEPS,
    multiples: Sequence[float] = MULTIPLES,
) -> Ends:
    """Of gradient descent, or of weight normalization with a `ratio`, from multiples of I of norm `scale` (K,)."""
    K, grid = len(scale), np.repeat(multiples, len(scale))
    runs = matrix_descent(problem, depth, np.tile(scale, len(multiples)), grid, ratio, steps, FITTED)
    residual = np.linalg.norm(problem.residual(runs.W), axis=-1) / np.linalg.norm(problem.y)
    # the fewest steps; where none fits, the smallest residual
    cost = np.where(runs.fit, runs.steps, steps * (1 + np.nan_to_num(residual, nan=np.inf, posinf=np.inf)))
    best = np.argmin(cost.reshape(-1, K), axis=0) * K + np.arange(K)
    W = runs.W[best]
    return Ends(
        smallest.excess(problem, W),
        recovery_error(problem, W),
        effective_rank(W),
        residual[best],
        np.linalg.eigvalsh(runs.X[best])[:, 0] / np.linalg.norm(runs.X[best], axis=(1, 2)),
        grid[best],
        runs.steps[best],
    )


def recovery_error(problem: MatrixProblem, W: Array) -> Array:
    """The distance to the truth over its norm, shape (...) for (..., n, n). Raises ValueError if there is no truth."""
    if problem.truth is None:
        raise ValueError("problem must have a truth, got one without")
    return np.linalg.norm(W - problem.truth, axis=(-2, -1)) / np.linalg.norm(problem.truth)


def effective_rank(W: Array) -> Array:
    r"""$\exp(-\sum_i p_i \log p_i)$ with the shares $p$ of the eigenvalues' sizes; shape (...) for (..., n, n)."""
    sizes = np.abs(np.linalg.eigvalsh(W)) + np.finfo(float).tiny
    share = sizes / sizes.sum(axis=-1, keepdims=True)
    return np.exp(-np.sum(share * np.log(share), axis=-1))


def predicted(problem: MatrixProblem, smallest: NuclearNorm, depth: int, ratio: float | None, scale: Array) -> Array:
    """The excess at the limits that the theory of eigenvalues gives for each scale (K,); NaN where none was found."""
    found = np.full(len(scale), np.nan)
    for k, r in enumerate(scale):
        try:
            found[k] = smallest.excess(problem, spectral_limit(problem, depth, float(r), ratio))
        except LimitError:
            continue
    return found


def bounds(smallest: NuclearNorm, depth: int, ratio: float | None, scale: Array) -> Array:
    """Upper bounds on the excess at each scale (K,) that `mass_bound` gives for the eigenvalues, where all commute."""
    flow = GradientFlow(depth) if ratio is None else WeightNormFlow(depth, ratio)
    target = smallest.eigenvalues
    return np.array([mass_bound(flow, float(r), target) for r in scale]) / float(target.sum()) - 1


@dataclass(frozen=True, eq=False)
class Eigenvalues:
    """One matrix flow, and the diagonal model's.

    t          (T,)
    matrix     (T, n), the eigenvalues of W = X^L along the flow of the matrix, in descending order
    diagonal   (T, n), the sorted weights of the diagonal model
    turned     (T,), how far W is from having the eigenvectors of the start: the Frobenius norm of what is off the
               diagonal in their basis, over that of W
    """

    t: Array
    matrix: Array
    diagonal: Array
    turned: Array


def eigenvalues(
    problem: Problem, flow: Flow, scale: float, times: Array, seed: int = 0, off: float = 0.0
) -> Eigenvalues:
    """Measurements V diag(a_k) V^T in a random basis V, with the rows a_k of A, from a multiple of the identity.

    `off` adds symmetric Gaussian matrices, of this size relative to the measurements, which do not commute.
    """
    n, L = problem.shape[1], flow.depth
    rng = np.random.default_rng(seed)
    V = rotation(rng, n)
    matrices = MatrixProblem.commuting(problem, V)
    if off:
        B = rng.standard_normal(matrices.A.shape)
        B = B + B.transpose(0, 2, 1)
        matrices = MatrixProblem(matrices.A + off * B * np.linalg.norm(matrices.A) / np.linalg.norm(B), matrices.y)
    start = flow.start(n, scale)
    X_0 = conjugated(start.radius * start.direction, V)
    if isinstance(flow, WeightNormFlow):
        field, state = polar_field(matrices, L, flow.ratio), np.append(scale, X_0 / scale)
    else:
        field, state = plain_field(matrices, L), X_0.ravel()
    states = solve_ivp(field, (0.0, times[-1]), state, method="LSODA", t_eval=times, rtol=1e-9, atol=1e-12).y.T
    X = (states[:, :1] * states[:, 1:] if isinstance(flow, WeightNormFlow) else states).reshape(-1, n, n)
    values, vectors = np.linalg.eigh(X)
    W = (vectors * values[:, None, :] ** L) @ vectors.transpose(0, 2, 1)
    inside = V.T @ W @ V
    off_diagonal = np.linalg.norm(inside * (1 - np.eye(n)), axis=(1, 2)) / np.linalg.norm(W, axis=(1, 2))
    diagonal = np.sort(integrate(flow, problem, start, times[-1]).at(times).weights, axis=1)[:, ::-1]
    return Eigenvalues(times, np.sort(values**L, axis=1)[:, ::-1], diagonal, off_diagonal)


N = 12
MEASUREMENTS = {1: 26, 2: 36, 3: 46}  # by rank: of 78 entries, few enough that positivity alone rarely identifies W
POSITIONS = np.array([1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0])  # of r_0^2 over rho(W*)
RATIOS = (0.0, 3.0, 10.0)  # 0 stands for gradient descent without weight normalization
SEEDS = 3
DIGITS = 6  # after the point: below, the solvers' errors begin

Task = tuple[str, int, int, float, int]


def _row(task: Task) -> Iterator[Row]:
    """One problem, depth and method: an end for each scale."""
    ensemble, rank, depth, ratio, seed = task
    problem = ENSEMBLES[ensemble](MEASUREMENTS[rank], N, rank, seed)
    smallest = nuclear_norm(problem)
    scale = smallest.radius(depth) * np.sqrt(POSITIONS)
    found = ends(problem, smallest, depth, ratio or None, scale)
    theory = predicted(problem, smallest, depth, ratio or None, scale)
    bound = bounds(smallest, depth, ratio or None, scale)
    recovered = float(recovery_error(problem, smallest.W))
    identified = positivity_identifies(problem, smallest)
    for k, position in enumerate(POSITIONS):
        yield {
            "ensemble": ensemble,
            "rank": rank,
            "depth": depth,
            "ratio": ratio,
            "seed": seed,
            "position": float(position),
            "excess": round(float(found.excess[k]), DIGITS),
            "predicted": round(float(theory[k]), DIGITS),
            "bound": round(float(bound[k]), DIGITS),
            "error": float(found.error[k]),
            "effective_rank": float(found.rank[k]),
            "residual": float(found.residual[k]),
            "least": round(float(found.least[k]), DIGITS),
            "step": float(found.step[k]),
            "steps": int(found.steps[k]),
            "error_of_nuclear_norm": round(recovered, DIGITS),
            "identified": int(identified),
        }


TASKS: tuple[Task, ...] = tuple(
    (ensemble, rank, depth, ratio, seed)
    for ensemble in ENSEMBLES
    for rank in MEASUREMENTS
    for depth in (2, 3)
    for ratio in RATIOS
    for seed in range(SEEDS)
)
RECORD = Record(__name__, TASKS, _row, sample=(18, 21), rtol=1e-2, needs="cvxpy")


@dataclass(frozen=True, eq=False)
class Grid:
    """The stored table, for one ensemble: arrays over problems (P rows: rank by rank, seed by seed) and scales (K)."""

    columns: dict[str, NDArray[Any]]
    ensemble: str

    def of(self, column: str, depth: int, ratio: float, all_runs: bool = False) -> Array:
        """One column for one depth and ratio (0: plain), (P, K); NaN where the descent has not arrived."""
        here = (
            (self.columns["ensemble"] == self.ensemble)
            & (self.columns["depth"] == depth)
            & (self.columns["ratio"] == ratio)
        )
        values = self.columns[column][here].astype(float)
        if not all_runs:
            values[self.columns["residual"][here] > ARRIVED] = np.nan
        return values.reshape(-1, len(POSITIONS))

    def by_method(self, column: str, all_runs: bool = False) -> dict[int, dict[float, Array]]:
        """The same for every depth and ratio."""
        return {L: {c: self.of(column, L, c, all_runs) for c in RATIOS} for L in (2, 3)}


def stored() -> dict[str, Grid]:
    """The record, by ensemble."""
    columns = RECORD.load()
    return {ensemble: Grid(columns, ensemble) for ensemble in ENSEMBLES}
