"""The point nearest to feasible, and the certificate that its residual is that none is."""

import numpy as np
from scipy import linalg, optimize

from wnlib._checks import Array
from wnlib.linear.program import Program
from wnlib.linear.ranks import least_squares

EXCLUDED = 1e6  # times the least conceivable mass: what a certificate must exclude


def nearest_point(program: Program) -> Array:
    """The x within the bounds whose residual is least, in units of the columns."""
    sizes = np.abs(program.A).max(axis=0)
    units = np.where(sizes > 0, np.exp2(-np.frexp(sizes)[1]), 1.0)
    if np.isinf(program.upper).all():
        try:
            x = optimize.nnls(program.A * units, program.b, maxiter=30 * sum(program.A.shape))[0]
        except RuntimeError:
            x = np.zeros_like(program.cost)
    else:
        upper = program.upper / units
        x = optimize.lsq_linear(program.A * units, program.b, (0, upper), method="bvls", tol=1e-14).x.clip(0, upper)
    return x * units


def excluded_by(program: Program, nearest: Array) -> float:
    r"""The mass below which the residual of the nearest point excludes all feasible x; 0 if that proves too little."""
    inner = (nearest > 0) & (nearest < program.upper)
    columns, ray = program.A[:, inner], program.b - program.A @ nearest
    for _ in range(2 if inner.any() else 0):  # what is left of it in their span is rounding, or the solver's fault
        ray = ray - columns @ least_squares(columns, ray)
    mass, longest = excluded_mass(program, ray), float(linalg.norm(program.A, axis=0).max()) or 1.0
    return mass if mass > EXCLUDED * program.size / longest else 0.0


def excluded_mass(program: Program, ray: Array) -> float:
    r"""The mass $\sum x_j$, over unbounded x, below which a ray $\varrho$, shape (M,), excludes all feasible x.

    Farkas: a feasible x has $\varrho^\top b = (A^\top\varrho)^\top x$. If $A^\top\varrho \le \delta$, the right side is
    at most $\delta \sum x_j$, so that the mass is at least $\varrho^\top b/\delta$: infinite for $\delta \le 0$.
    """
    pull, bounded = program.A.T @ ray, np.isfinite(program.upper)
    left = float(ray @ program.b) - float(np.maximum(pull[bounded], 0) @ program.upper[bounded])
    if left <= 0:
        return 0.0
    most = float(pull[~bounded].max(initial=0.0))
    return left / most if most else np.inf
