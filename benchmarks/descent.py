r"""Many runs of descent side by side: the time of a step, against other libraries and its matrix products alone.

Every contender takes the same steps, written in the same formulas, from the same starts, on arrays (runs, N) in
float64; the states at the end agree. The products are $W A^\top$ and $R A$ for weights W (runs, N) and residuals
R (runs, M): the share of the time inside the products is that of these two, repeated, in NumPy.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Contender, Notes, Run, race
from benchmarks.instances import distance
from benchmarks.report import blas, result, save, with_ratios
from companion.running.report import DescentCase, DescentParameters, Result, Size
from wnlib import GradientDescent, Polar, PolarDescent, Problem, SalimansKingmaDescent, descend
from wnlib._checks import Array

SIZE = {"m": 200, "n": 1000, "sparsity": 20, "seed": 0}
RUNS, STEPS, STEP = 50, 300, 1e-3
RATIO = 10.0
CASES = tuple(
    DescentCase(depth=depth, method=method) for depth in (2, 3) for method in ("plain", "polar", "Salimans-Kingma")
)
OURS, PRODUCTS = "wnlib descend", "products alone"
WIDE = "AVX-512"
ROUNDS, CAP, SHARE = 11, 60.0, 12.0

METHODS = {
    "plain": lambda depth: GradientDescent(depth),
    "polar": lambda depth: PolarDescent(depth, RATIO),
    "Salimans-Kingma": lambda depth: SalimansKingmaDescent(depth, RATIO**-0.5),
}


def instance(depth: int, method: str) -> tuple[Problem, Polar, tuple[Array, Array]]:
    """The problem, the starts, and the states (r, u), (g, v) or (1, x) in which `method` starts."""
    problem = Problem.gaussian(**SIZE)
    scales = np.geomspace(0.5, 2.0, RUNS)
    direction = np.full((RUNS, SIZE["n"]), SIZE["n"] ** -0.5)
    starts = Polar.of(scales, direction)
    if method == "plain":
        return problem, starts, (np.ones((RUNS, 1)), scales[:, None] * direction)
    size = RATIO**-0.5 if method == "Salimans-Kingma" else 1.0
    return problem, starts, (scales[:, None], size * direction)


def ours(depth: int, method: str) -> Run:
    problem, starts, _ = instance(depth, method)
    descent = METHODS[method](depth)
    return lambda: descend(descent, problem, starts, STEP, STEPS, every=STEPS).weights[-1]


def products(depth: int, method: str) -> Run:
    problem, starts, _ = instance(depth, method)
    A, weights = problem.A, starts.weights(depth)
    residuals, forces = np.empty((RUNS, A.shape[0])), np.empty_like(weights)

    def run() -> None:
        for _ in range(STEPS):
            np.matmul(weights, A.T, out=residuals)
            np.matmul(residuals, A, out=forces)

    return run


def stepper(library: Any, depth: int, method: str, A: Any, y: Any) -> Callable[[Any, Any], tuple[Any, Any]]:
    """One step in the functions of `library` (NumPy, PyTorch or JAX), which have the same names."""
    L = depth

    def slopes(r: Any, u: Any) -> tuple[Any, Any]:
        power = u ** (L - 1)
        force = (y - (r**L * (power * u)) @ A.T) @ A
        along = (force * power * u).sum(-1)[:, None]
        return L * r ** (L - 1) * along, L * r**L * (force * power - along * u)

    def plain(one: Any, x: Any) -> tuple[Any, Any]:
        power = x ** (L - 1)
        return one, x + STEP * L * power * ((y - (power * x) @ A.T) @ A)

    def polar(r: Any, u: Any) -> tuple[Any, Any]:
        radial, angular = slopes(r, u)
        u = u + STEP * RATIO * angular
        return r + STEP * radial, u / library.sqrt((u * u).sum(-1))[:, None]

    def salimans_kingma(g: Any, v: Any) -> tuple[Any, Any]:
        norm = library.sqrt((v * v).sum(-1))[:, None]
        radial, angular = slopes(g, v / norm)
        return g + STEP * radial, v + STEP * angular / norm

    return {"plain": plain, "polar": polar, "Salimans-Kingma": salimans_kingma}[method]


def finished(depth: int, method: str, r: Any, u: Any) -> Array:
    """The weights at the end."""
    r, u = np.asarray(r), np.asarray(u)
    if method == "Salimans-Kingma":
        u = u / np.linalg.norm(u, axis=-1, keepdims=True)
    return (r * u) ** depth


def torch_loop(depth: int, method: str) -> Run:
    import torch

    problem, _, start = instance(depth, method)
    step = stepper(torch, depth, method, torch.tensor(problem.A), torch.tensor(problem.y))

    @torch.inference_mode()
    def run() -> Array:
        state = tuple(map(torch.tensor, start))
        for _ in range(STEPS):
            state = step(*state)
        return finished(depth, method, *state)

    return run


def jax_loop(depth: int, method: str) -> tuple[Run, Notes]:
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    problem, _, start = instance(depth, method)
    step = stepper(jnp, depth, method, jnp.asarray(problem.A), jnp.asarray(problem.y))
    state = tuple(map(jnp.asarray, start))
    begin = time.perf_counter()
    loop = jax.jit(lambda state: jax.lax.fori_loop(0, STEPS, lambda _, at: step(*at), state)).lower(state).compile()
    seconds = time.perf_counter() - begin
    return lambda: finished(depth, method, *jax.block_until_ready(loop(state))), {"compile": seconds}


def jax_products(depth: int, method: str) -> Run:
    """Each product on what the last gave, lest the compiler take it out of the loop."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    problem, starts, _ = instance(depth, method)
    A, weights = jnp.asarray(problem.A), jnp.asarray(starts.weights(depth))
    scale = np.linalg.norm(problem.A, 2) ** -2
    loop = (
        jax.jit(lambda w: jax.lax.fori_loop(0, STEPS, lambda _, at: scale * ((at @ A.T) @ A), w))
        .lower(weights)
        .compile()
    )
    return lambda: float(jax.block_until_ready(loop(weights))[0, 0])


def wide_kernels() -> dict[str, str]:
    """What makes OpenBLAS use AVX-512 where the processor has it and OpenBLAS, not knowing it, does not."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text(encoding="utf-8") if info.exists() else ""
    known = any(core in blas() for core in ("SkylakeX", "Cooperlake", "Sapphire"))
    return {"OPENBLAS_CORETYPE": "SkylakeX"} if "avx512dq" in flags and "openblas" in blas() and not known else {}


def main() -> None:
    results: list[Result[DescentCase]] = []
    numpys, wide = {OURS: ours, PRODUCTS: products}, wide_kernels()
    for case in CASES:
        print(f"  depth {case.depth}, {case.method}", flush=True)
        settings = dict(case)
        contenders = [
            Contender(OURS, ours, settings),
            Contender(PRODUCTS, products, settings),
            Contender(f"{PRODUCTS}, JAX", jax_products, settings, needs="jax"),
            Contender("PyTorch", torch_loop, settings, needs="torch"),
            Contender("jitted JAX", jax_loop, settings, needs="jax"),
        ]
        if wide:
            contenders += [
                Contender(f"{name}, {WIDE}", run, settings, environment=wide) for name, run in numpys.items()
            ]
        outcomes = race(contenders, ROUNDS, CAP, SHARE)
        reference = outcomes[0].value
        found = []
        for contender, outcome in zip(contenders, outcomes, strict=True):
            values = (outcome.value, reference)
            error = {} if any(not isinstance(value, np.ndarray) for value in values) else {"error": distance(*values)}
            found.append(result(case, contender, outcome, **error))
        results += with_ratios(found, OURS)
    parameters = DescentParameters(size=Size(**SIZE), runs=RUNS, steps=STEPS, step=STEP, ratio=RATIO, cap=CAP)
    save("descent", parameters, results)
