"""How time and memory grow with the problem: a limit, a trajectory, and basis pursuit, each in a process of its own.

The problem itself is made beforehand; memory is what a run needs beyond it. A contender that is killed at the cap is
not tried on larger problems.
"""

import numpy as np
from scipy import optimize

from benchmarks.harness import Contender, Run, race
from benchmarks.report import result, save, with_ratios
from companion.running.report import GrowthCase, GrowthParameters, Result
from wnlib import Problem, WeightNormFlow, integrate, limit

SIZES = (
    (100, 20),
    (300, 60),
    (1000, 200),
    (3000, 500),
    (10_000, 500),
    (10_000, 1000),
    (30_000, 500),
    (100_000, 500),
)  # (N, M)
DEPTH, RATIO, SCALE = 2, 10.0, 1.0
TOLERANCE, RTOL, T_END = 1e-9, 1e-6, 100.0
OURS = "wnlib limit"
ROUNDS, CAP, SHARE = 3, 100.0, 3.0


def _problem(n: int, m: int) -> Problem:
    """An instance with its weights known, and so its interpolant."""
    return Problem.gaussian(m, n, sparsity=m // 10)


def fixed_point(n: int, m: int) -> Run:
    problem = _problem(n, m)
    flow = WeightNormFlow(DEPTH, RATIO)
    start = flow.start(n, SCALE)

    def run() -> float:
        again = Problem(problem.A, problem.y, problem.truth)
        return limit(flow, again, start, tolerance=TOLERANCE).residual

    return run


def trajectory(n: int, m: int) -> Run:
    problem = _problem(n, m)
    flow = WeightNormFlow(DEPTH, RATIO)
    start = flow.start(n, SCALE)

    def run() -> float:
        again = Problem(problem.A, problem.y, problem.truth)
        return float(integrate(flow, again, start, T_END, rtol=RTOL).t[-1])

    return run


def linear_program(n: int, m: int) -> Run:
    problem = _problem(n, m)
    return lambda: optimize.linprog(np.ones(n), A_eq=problem.A, b_eq=problem.y, method="highs").fun


CONTENDERS = {
    OURS: (fixed_point, "numpy"),
    "wnlib trajectory": (trajectory, "numpy"),
    "HiGHS basis pursuit": (linear_program, "scipy"),
}


def main() -> None:
    results: list[Result[GrowthCase]] = []
    slow: set[str] = set()
    for n, m in SIZES:
        print(f"  N = {n}, M = {m}", flush=True)
        case = GrowthCase(n=n, m=m)
        found = []
        for name, (prepare, needs) in CONTENDERS.items():
            if name not in slow:
                contender = Contender(name, prepare, dict(case), needs)
                [outcome] = race([contender], ROUNDS, CAP, SHARE)
                slow |= {name} if outcome.status == "capped" else set()
                found.append(result(case, contender, outcome))
        results += with_ratios(found, OURS)
    parameters = GrowthParameters(
        depth=DEPTH, ratio=RATIO, scale=SCALE, tolerance=TOLERANCE, rtol=RTOL, t_end=T_END, cap=CAP
    )
    save("growth", parameters, results)
