r"""Following weight normalization to a time: in the dual, and by general solvers on its polar coordinates (r, u).

The general solvers are given the flow as it is defined, in float64, and the implicit ones its analytic Jacobian (LSODA
also without); JAX makes its own. The error is the largest, over times from early to last, of
$\|w - w_*\|_1/\|w_*\|_1$, against SciPy's DOP853 at the tolerance REFERENCE. Every solver is run at each of the
tolerances; times are then compared at one accuracy, each solver's being that of its fastest run at least as accurate.
"""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.harness import Contender, Notes, Run, race
from benchmarks.instances import SCALE, SIZE, distance, matrix
from benchmarks.report import result, save
from companion.running.report import Result, Size, TrajectoriesCase, TrajectoriesParameters
from wnlib import Problem, WeightNormFlow, integrate
from wnlib._checks import Array
from wnlib.trajectories.charts import dual_chart
from wnlib.trajectories.charts.logarithmic import LogWeightNormChart

CASE = {"depth": 2, "ratio": 10.0}
T_END = 100.0
TIMES = np.geomspace(1e-2, T_END, 25)
TOLERANCES = (1e-4, 1e-6, 1e-8, 1e-10)
ABSOLUTE = 1e-3  # absolute over relative tolerance: entries of u start at 0.03
REFERENCE = 1e-13
OURS, PRODUCTS = "wnlib, dual", "its products alone"
EXPLICIT, IMPLICIT = ("RK45", "DOP853"), ("LSODA", "Radau", "BDF")
DIFFRAX = ("Tsit5", "Dopri8", "Kvaerno5")
ROUNDS, CAP, SHARE = 7, 40.0, 6.0
MAX_STEPS = 2**20


class PolarFlow:
    r"""Weight normalization in (r, u), the state, as the module `wnlib.flows.flow` defines it."""

    def __init__(self, depth: int, ratio: float) -> None:
        self.A, self.y = matrix(SIZE)
        self.gram = self.A.T @ self.A
        self.L, self.c = depth, ratio
        n = self.A.shape[1]
        self.start = np.append(SCALE, np.full(n, n**-0.5))

    def weights(self, states: Array) -> Array:
        """For states (..., N + 1)."""
        return (states[..., :1] * states[..., 1:]) ** self.L

    def velocity(self, t: float, state: Array) -> Array:
        L, r, u = self.L, state[0], state[1:]
        power = u ** (L - 1)
        force = (self.y - self.A @ (r**L * (power * u))) @ self.A
        along = force @ (power * u)
        return np.append(L * r ** (L - 1) * along, self.c * L * r**L * (force * power - along * u))

    def jacobian(self, t: float, state: Array) -> Array:
        L, c, r, u = self.L, self.c, state[0], state[1:]
        power, lower = u ** (L - 1), u ** (L - 2)
        force = (self.y - self.A @ (r**L * (power * u))) @ self.A
        along = force @ (power * u)
        force_r = -L * r ** (L - 1) * (self.gram @ (power * u))
        force_u = -L * r**L * self.gram * power
        along_r = force_r @ (power * u)
        along_u = (power * u) @ force_u + L * force * power
        result = np.empty((u.size + 1, u.size + 1))
        result[0, 0] = L * (L - 1) * r ** (L - 2) * along + L * r ** (L - 1) * along_r
        result[0, 1:] = L * r ** (L - 1) * along_u
        inner = L * r ** (L - 1) * (force * power - along * u) + r**L * (force_r * power - along_r * u)
        result[1:, 0] = c * L * inner
        block = force_u * power[:, None] - np.outer(u, along_u)
        block[np.diag_indices(u.size)] += (L - 1) * force * lower - along
        result[1:, 1:] = c * L * r**L * block
        return result

    def solve(self, method: str, tolerance: float, jacobian: bool) -> Array:
        """The weights at TIMES, shape (T, N), by a solver with the Jacobian or without. RuntimeError if it fails."""
        options = {"jac": self.jacobian} if jacobian else {}
        with np.errstate(all="ignore"):
            solution = solve_ivp(
                self.velocity,
                (0, T_END),
                self.start,
                method=method,
                t_eval=TIMES,
                rtol=tolerance,
                atol=ABSOLUTE * tolerance,
                **options,
            )
        if not (solution.success and np.isfinite(solution.y).all() and solution.t.size == TIMES.size):
            raise RuntimeError(f"{method} stopped before t = {T_END:g}")
        return self.weights(solution.y.T)


def ours(depth: int, ratio: float, tolerance: float) -> Run:
    A, y = matrix(SIZE)
    flow = WeightNormFlow(depth, ratio)
    start = flow.start(A.shape[1], SCALE)
    return lambda: integrate(flow, Problem(A, y), start, T_END, rtol=tolerance).at(TIMES).weights


def products(depth: int, ratio: float, tolerance: float) -> Run:
    """The matrix products of as many evaluations of the dual field as `integrate` takes, and nothing else."""
    A, y = matrix(SIZE)
    problem, flow = Problem(A, y), WeightNormFlow(depth, ratio)
    start = flow.start(A.shape[1], SCALE)
    with patch.object(LogWeightNormChart, "velocity", autospec=True, side_effect=LogWeightNormChart.velocity) as field:
        integrate(flow, problem, start, T_END, rtol=tolerance)
    chart = dual_chart(flow, problem, start)
    state, weights = chart.encode()[2:], start.weights(depth)

    def run() -> None:
        for _ in range(field.call_count):
            chart.T @ state
            chart.A_basis.T @ (A @ weights)

    return run


def scipy_solver(depth: int, ratio: float, tolerance: float, method: str, jacobian: bool) -> Run:
    flow = PolarFlow(depth, ratio)
    return lambda: flow.solve(method, tolerance, jacobian)


def diffrax_solver(depth: int, ratio: float, tolerance: float, method: str) -> tuple[Run, Notes]:
    import time

    import jax

    jax.config.update("jax_enable_x64", True)
    import diffrax
    import jax.numpy as jnp

    flow = PolarFlow(depth, ratio)
    A, y, L = jnp.asarray(flow.A), jnp.asarray(flow.y), depth

    def velocity(t: Any, state: Any, arguments: Any) -> Any:
        r, u = state
        power = u ** (L - 1)
        force = (y - A @ (r**L * (power * u))) @ A
        along = force @ (power * u)
        return L * r ** (L - 1) * along, ratio * L * r**L * (force * power - along * u)

    def solve(state: Any) -> Any:
        return diffrax.diffeqsolve(
            diffrax.ODETerm(velocity),
            getattr(diffrax, method)(),
            t0=0.0,
            t1=T_END,
            dt0=None,
            y0=state,
            saveat=diffrax.SaveAt(ts=jnp.asarray(TIMES)),
            stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=ABSOLUTE * tolerance),
            max_steps=MAX_STEPS,
        ).ys

    state = (jnp.asarray(flow.start[0]), jnp.asarray(flow.start[1:]))
    begin = time.perf_counter()
    compiled = jax.jit(solve).lower(state).compile()
    seconds = time.perf_counter() - begin

    def run() -> Array:
        r, u = jax.block_until_ready(compiled(state))
        return flow.weights(np.column_stack([r, u]))

    return run, {"compile": seconds}


def main() -> None:
    reference = PolarFlow(**CASE).solve("DOP853", REFERENCE, jacobian=False)
    contenders: list[tuple[str, Callable[..., Any], dict[str, Any], str]] = [
        (OURS, ours, {}, "numpy"),
        (PRODUCTS, products, {}, "numpy"),
    ]
    for method in EXPLICIT + IMPLICIT:
        given = {"method": method, "jacobian": method in IMPLICIT}
        contenders.append((f"SciPy {method}", scipy_solver, given, "scipy"))
    alone = {"method": "LSODA", "jacobian": False}
    contenders.append(("SciPy LSODA, no Jacobian", scipy_solver, alone, "scipy"))
    contenders += [(f"diffrax {method}", diffrax_solver, {"method": method}, "diffrax") for method in DIFFRAX]
    results: list[Result[TrajectoriesCase]] = []
    slow: set[str] = set()
    for tolerance in TOLERANCES:
        print(f"  tolerance {tolerance:g}", flush=True)
        case = TrajectoriesCase(**CASE, tolerance=tolerance)
        entered = [Contender(name, prepare, dict(case) | more, needs) for name, prepare, more, needs in contenders]
        outcomes = race([contender for contender in entered if contender.name not in slow], ROUNDS, CAP, SHARE)
        for contender, outcome in zip([c for c in entered if c.name not in slow], outcomes, strict=True):
            if outcome.status == "capped":
                slow.add(contender.name)  # a tighter tolerance takes longer
            errors = {} if outcome.value is None else {"error": distance(outcome.value, reference)}
            results.append(result(case, contender, outcome, **errors))
    parameters = TrajectoriesParameters(
        size=Size(**SIZE), scale=SCALE, t_end=T_END, reference=REFERENCE, cap=CAP, absolute=ABSOLUTE
    )
    save("trajectories", parameters, results)
