"""The error of every method over the noise: a stored record, and what is chosen from it."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from companion.experiments.noisy_paths import Outcome, early, lasso, limit_of, noisy, noisy_trajectory, oracle
from companion.running.record import Record, Row
from wnlib._checks import Array
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.limit import LimitCurve

M, N, SPARSITY, SEEDS = 20, 80, 3, 20
SIGMAS = (0.02, 0.05, 0.1, 0.2, 0.4)
SCALES = {2: (1e-8, 1e-4, 1e-2, 0.1, 0.5, 1.0, 2.0), 3: (1e-2, 0.1, 0.5, 1.0, 2.0)}  # r_0 = ||x(0)||, by depth
RATIOS = {2: (10.0, 100.0), 3: (1.0, 3.0)}  # of weight normalization, by depth


def flows(depth: int) -> Iterator[tuple[str, float, Flow]]:
    """Gradient flow, and weight normalization with each of the `RATIOS`: name, ratio (0 without), flow."""
    yield "gf", 0.0, GradientFlow(depth)
    for ratio in RATIOS[depth]:
        yield "wn", ratio, WeightNormFlow(depth, ratio)


def rows(task: tuple[float, int, int]) -> list[Row]:
    """One noise level, depth and seed: every flow from every scale, the Lasso, plain and refitted, and the oracle."""
    sigma, depth, seed = task
    given = noisy(M, N, SPARSITY, sigma, seed)
    curve, path, known = LimitCurve(given.problem, depth), lasso(given), oracle(given)

    def row(method: str, ratio: float, scale: float, found: Outcome) -> Row:
        errors: Row = asdict(found)
        where: Row = {"method": method, "sigma": sigma, "depth": depth, "seed": seed, "ratio": ratio, "scale": scale}
        return {**where, **errors}

    table = [
        row("lasso", 0.0, 0.0, path.outcome()),
        row("refitted", 0.0, 0.0, path.refitted()),
        row("oracle", 0.0, 0.0, Outcome(known, 1.0, known, known)),
    ]
    for method, ratio, flow in flows(depth):
        for scale in SCALES[depth]:
            end, _ = limit_of(curve, flow, flow.start(N, scale))
            table.append(row(method, ratio, scale, early(given, noisy_trajectory(flow, given, scale), end)))
    return table


TASKS = tuple((sigma, depth, seed) for sigma in SIGMAS for depth in RATIOS for seed in range(SEEDS))
RECORD = Record(__name__, TASKS, rows, sample=(0, 21), rtol=0.05, needs="sklearn")


def tuned(
    table: dict[str, NDArray[Any]], method: str, depth: int, column: str
) -> tuple[Array, list[tuple[float, float]]]:
    """Errors (levels, seeds) of a method of the record at its own best for each noise level, and its (ratio, scale).

    The best is the least mean of `column` over the seeds; a setting that lacks one is out.
    """
    errors, settings = [], []
    for sigma in SIGMAS:
        here = (table["method"] == method) & (table["depth"] == depth) & np.isclose(table["sigma"], sigma)
        known = sorted(set(zip(table["ratio"][here].tolist(), table["scale"][here].tolist(), strict=True)))
        tried = [table[column][here & (table["ratio"] == ratio) & (table["scale"] == scale)] for ratio, scale in known]
        means = [np.inf if np.isnan(values).any() else float(np.mean(values)) for values in tried]
        errors.append(tried[int(np.argmin(means))])
        settings.append(known[int(np.argmin(means))])
    return np.array(errors), settings


def across(table: dict[str, NDArray[Any]], depth: int, ratio: float, sigma: float, column: str) -> Array:
    """Errors (scales, seeds) of one flow of the record, gradient flow for `ratio` 0, at one of its noise levels."""
    flow = (table["method"] == ("wn" if ratio else "gf")) & (table["depth"] == depth) & (table["ratio"] == ratio)
    here = flow & np.isclose(table["sigma"], sigma)
    return np.array([table[column][here & (table["scale"] == scale)] for scale in SCALES[depth]])


def from_scale(table: dict[str, NDArray[Any]], depth: int, ratio: float, scale: float, column: str) -> Array:
    """Mean errors (levels,) of one flow of the record from one scale; NaN where one of its runs has none."""
    k = SCALES[depth].index(scale)
    return np.array([across(table, depth, ratio, sigma, column)[k].mean() for sigma in SIGMAS])
