r"""Where weight normalization ends: from the dual, from a conic solver, and by waiting for descent.

At depth 2 the limit minimises $\tfrac12 S\,\mathrm{KL}(p\|p_0) + \tfrac c4 (S - S_0)^2$ over the interpolants, with
w = S p: a convex program of exponential cones. Above depth 2 the potential is an incomplete gamma function of
$\sum_i w_i^{2/L}$, which has no conic form, and descent is all that is left to compare with. Basis pursuit is another
program, with another solution: its time is the yardstick of what the measurements' size costs.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize

from benchmarks.conditions import feasibility, stationarity
from benchmarks.harness import Contender, Notes, Run, race
from benchmarks.instances import SCALE, SIZE, distance, matrix
from benchmarks.report import result, save, with_ratios
from companion.running.report import LimitsCase, LimitsParameters, Result, Size, Undone
from wnlib import DescentError, PolarDescent, Problem, WeightNormFlow, basis_pursuit, descend, limit
from wnlib._checks import Array

CASES = (
    LimitsCase(depth=2, ratio=10.0),
    LimitsCase(depth=2, ratio=1000.0),
    LimitsCase(depth=3, ratio=10.0),
    LimitsCase(depth=5, ratio=10.0),
)
TOLERANCE = 1e-12
OURS = "wnlib limit"
ROUNDS, CAP, SHARE = 11, 120.0, 10.0
NEAR = 1e-3  # distance to the limit at which a descent counts as arrived
BUDGET = 20.0  # seconds of a descent
LOST = 1e3  # distance that stands for all beyond
CHUNK = 500  # steps of a descent between two looks at the clock and the distance
STEPS = tuple(4.0**-k for k in range(9))  # of a descent: each is tried for a short time
TRIAL = 2.0  # seconds

Trial = Callable[[float], Callable[[], Array]]  # of a step size: CHUNK steps on from where it is, and the weights there


@dataclass(frozen=True)
class Descended:
    """What became of a descent: seconds, steps since it last began, distance to the limit, size of the steps."""

    seconds: float
    taken: int
    error: float
    step: float

    @property
    def rank(self) -> tuple[bool, float]:
        """Least for the best: the sooner near the limit, else the nearer."""
        arrived = self.error <= NEAR
        return not arrived, self.seconds if arrived else self.error


def ours(depth: int, ratio: float) -> Run:
    A, y = matrix(SIZE)
    flow = WeightNormFlow(depth, ratio)
    start = flow.start(A.shape[1], SCALE)
    return lambda: limit(flow, Problem(A, y), start, tolerance=TOLERANCE).point


def conic(depth: int, ratio: float, tolerance: float) -> Run:
    import cvxpy

    A, y = matrix(SIZE)
    n = A.shape[1]

    def run() -> Array:
        w = cvxpy.Variable(n)
        mass = cvxpy.sum(w)
        divergence = cvxpy.sum(cvxpy.rel_entr(w, mass * np.full(n, 1 / n))) / 2
        potential = divergence + ratio / 4 * cvxpy.square(mass - SCALE**2)
        tolerances = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), tolerance)
        cvxpy.Problem(cvxpy.Minimize(potential), [A @ w == y]).solve(solver="CLARABEL", **tolerances)
        return w.value

    return run


def linear_program() -> Run:
    A, y = matrix(SIZE)
    return lambda: optimize.linprog(np.ones(A.shape[1]), A_eq=A, b_eq=y, method="highs").x


def certified_linear_program() -> Run:
    A, y = matrix(SIZE)
    return lambda: basis_pursuit(Problem(A, y)).weights


def numpy_descent(depth: int, ratio: float, reference: Array) -> tuple[Run, Notes]:
    problem = Problem(*matrix(SIZE))
    method = PolarDescent(depth, ratio)
    first = method.flow.start(problem.shape[1], SCALE)

    def trial(step: float) -> Callable[[], Array]:
        point = first

        def advance() -> Array:
            nonlocal point
            descent = descend(method, problem, point, step, CHUNK, every=CHUNK)
            point = descent.points[-1]
            return descent.weights[-1]

        return advance

    return _waiting(trial, reference)


def torch_descent(depth: int, ratio: float, reference: Array) -> tuple[Run, Notes]:
    """PyTorch's own weight normalization: x = g v / ||v||, with ||v|| = c^(-1/2) at the start."""
    import torch

    problem = Problem(*matrix(SIZE))
    A, y = torch.tensor(problem.A), torch.tensor(problem.y)
    n = A.shape[1]

    def trial(step: float) -> Callable[[], Array]:
        layer = torch.nn.Linear(n, 1, bias=False, dtype=torch.float64)
        torch.nn.utils.parametrizations.weight_norm(layer)
        norm, vector = layer.parametrizations.weight.parameters()
        with torch.no_grad():
            norm.fill_(SCALE)
            vector.fill_((n * ratio) ** -0.5)
        optimizer = torch.optim.SGD(layer.parameters(), lr=step)

        def advance() -> Array:
            for _ in range(CHUNK):
                optimizer.zero_grad()
                (0.5 * torch.sum((A @ layer.weight[0] ** depth - y) ** 2)).backward()
                optimizer.step()
            return (layer.weight[0] ** depth).detach().numpy()

        return advance

    return _waiting(trial, reference)


def _waiting(trial: Trial, reference: Array) -> tuple[Run, Notes]:
    """A descent until it is near the reference or its time is up; at the step that did best in a short trial."""
    trials = {step: _descended(trial, step, reference, TRIAL) for step in STEPS}
    step = min(trials, key=lambda step: trials[step].rank)
    return lambda: _descended(trial, step, reference, BUDGET), {"step": step}


def _descended(trial: Trial, step: float, reference: Array, budget: float) -> Descended:
    """A descent; where a step turns out to be too long, it begins anew with half of it."""
    start = time.perf_counter()
    advance, taken = trial(step), 0
    while True:
        try:
            error = distance(advance(), reference)
        except DescentError:
            step /= 2
            advance, taken, error = trial(step), 0, np.inf
        taken += CHUNK
        seconds = time.perf_counter() - start
        if error <= NEAR or seconds > budget:
            return Descended(seconds, taken, float(np.nan_to_num(error, nan=np.inf)), step)


def main() -> None:
    results: list[Result[LimitsCase]] = []
    for case in CASES:
        print(f"  depth {case.depth}, ratio {case.ratio:g}", flush=True)
        results += _case(case)
    parameters = LimitsParameters(
        size=Size(**SIZE), scale=SCALE, tolerance=TOLERANCE, near=NEAR, budget=BUDGET, cap=CAP
    )
    save("limits", parameters, results)


def _case(case: LimitsCase) -> "list[Result[LimitsCase]]":
    problem = Problem(*matrix(SIZE))
    flow, settings = WeightNormFlow(case.depth, case.ratio), dict(case)
    start = flow.start(problem.shape[1], SCALE)
    waiting = settings | {"reference": limit(flow, problem, start, tolerance=TOLERANCE).weights}
    conics = [
        Contender(f"CVXPY + Clarabel, {tolerance}", conic, settings | {"tolerance": float(tolerance)}, needs="cvxpy")
        for tolerance in ("1e-8", "1e-12")
        if case.depth == 2
    ]
    contenders = [
        Contender(OURS, ours, settings),
        *conics,
        Contender("HiGHS basis pursuit", linear_program),
        Contender("wnlib basis pursuit", certified_linear_program),
        Contender("NumPy descent", numpy_descent, waiting),
        Contender("PyTorch weight_norm", torch_descent, waiting, needs="torch"),
    ]
    results: list[Result[LimitsCase]] = []
    for contender, outcome in zip(contenders, race(contenders, ROUNDS, CAP, SHARE), strict=True):
        measures = _measures(contender, outcome.value, waiting["reference"], problem, flow)
        results.append(result(case, contender, outcome, **measures))
    if case.depth > 2:
        reason = "no conic form of the incomplete gamma function"
        results.append(Undone[LimitsCase](case=case, contender="CVXPY + Clarabel", status="unable", reason=reason))
    return with_ratios(results, OURS)


def _measures(
    contender: Contender, value: Any, reference: Array, problem: Problem, flow: WeightNormFlow
) -> dict[str, Any]:
    """Of an answer: how well they fulfil the limit's conditions; how far they are from the reference."""
    if value is None or contender.prepare in (linear_program, certified_linear_program):
        return {}
    if contender.prepare is ours:
        kkt = stationarity(flow, problem, flow.start(problem.shape[1], SCALE), value)
        return {"residual": feasibility(problem, value.weights(flow.depth)), "stationarity": kkt}
    if contender.prepare is conic:
        return {"residual": feasibility(problem, value), "error": distance(value, reference)}
    return {"steps": value.taken, "error": min(value.error, LOST), "arrived": value.error <= NEAR}
