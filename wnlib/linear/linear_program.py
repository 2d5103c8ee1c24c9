r"""Linear programs, solved by HiGHS in several ways until weak duality certifies the answer.

HiGHS's tolerances are absolute, and it checks its answers in its own units. So a program whose rows are nearly
dependent is infeasible to it in one form and not in another, and an answer that it calls optimal may not be one in the
units of the data. Here a program is scaled by powers of two and tried, from what is best for ordinary programs on:

1. with an orthonormal basis of the rows for the constraints;
2. with the leading right singular vectors of the equilibrated A, through the point nearest to feasible: the rows that
   are dropped cannot move the residual by more than their singular values, and no small pivot divides the data;
3. with the equilibrated rows, where the answer is refined: its residuals and reduced costs are magnified and solved for
   by the same program, until rounding is all that is left (Gleixner, Steffy and Wolter, 2016);
4. with both again, where x is measured by what rows without negative entries allow.

Each answer is polished on its support and judged by its own certificate; the best one counts. That there is no feasible
point is said only with a certificate for that, too: the residual of the nearest one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, optimize

from wnlib._checks import Array
from wnlib.errors import CertificateError, InfeasibleError
from wnlib.linear.feasibility import excluded_by, nearest_point
from wnlib.linear.polishing import polished, variants
from wnlib.linear.program import CERTIFIED, FEASIBLE, Answer, Pair, Program, certified, equilibrated, implied, overall
from wnlib.linear.ranks import row_space

METHODS = (("highs", 1e-10), ("highs", 1e-7), ("highs-ipm", 1e-7))  # with their tolerances
MAGNIFIED, PRICED = 1e12, 1e4  # the most that refinement multiplies residuals and reduced costs by
LONGEST = 20, 1000  # iterations, per row and column and beside; near dependent rows an interior point may find no end
SHARES = (1e-10, 1e-8)  # of the largest singular value, below which rows are dropped


def linear_program(
    cost: Array,
    A: Array,
    b: Array,
    upper: ArrayLike = np.inf,
    tolerance: float = FEASIBLE,
    requirement: str = "A x = b must have a solution within the bounds",
) -> Answer:
    r"""A minimiser of $c^\top x$ over A x = b, $0 \le x \le u$, and its certificate.

    Args:
        cost: c, shape (N,).
        A: Shape (M, N).
        b: Shape (M,).
        upper: u, shape (N,) or a number.
        tolerance: Relative residual up to which b is interpolated: of data that are less precise, larger.
        requirement: What the message of an InfeasibleError says must be.

    Raises:
        InfeasibleError: if no x within the bounds is feasible to the tolerance: only with a certificate of that.
        CertificateError: if neither this nor an answer could be certified.
    """
    n = A.shape[1]
    given = Program(cost, A, b, np.broadcast_to(upper, n))
    units = overall(given)
    program = units.restate(given)
    answer = _first(program) if program.cost.any() else None
    if answer is None or not answer.good:
        nearest = nearest_point(program)
        residual = program.residual(nearest)
        mass = excluded_by(program, nearest) if residual > tolerance else 0.0
        if mass > 0:
            excluded = "any" if np.isinf(mass) else f"any of l1 norm < {np.ldexp(mass, units.primal):.3g}"
            raise InfeasibleError(
                f"{requirement}, got least-squares residual {residual * given.size:.3g} (relative {residual:.3g}), "
                f"where {tolerance:.1e} passes, the precision of the data; the residual excludes {excluded}"
            )
        if program.cost.any() or residual > tolerance:
            answer = _best_of(program, nearest if residual <= tolerance else None, answer, tolerance)
        else:
            answer = Answer(nearest, np.zeros_like(program.b), 0.0, residual)
    x, dual = units.back(answer.x, answer.dual)
    return replace(answer, x=x, dual=dual)


def _best_of(program: Program, nearest: Array | None, first: Answer | None, tolerance: float) -> Answer:
    """The first good answer of the ladder, or the best one there is, if it passes; `nearest` if it interpolates."""
    # What the data may be, within the tolerance, and have an interpolant for sure:
    exact = program if nearest is None else replace(program, b=program.A @ nearest)
    best = _best(_ladder(exact, nearest), first)
    if best is not None:
        best = replace(best, residual=program.residual(best.x))
    if best is None or best.gap > CERTIFIED or best.residual > tolerance:
        quality = "no answer" if best is None else f"gap {best.gap:.3g}, residual {best.residual:.3g}"
        raise CertificateError(
            f"the linear program was not solved: {quality} (relatively {CERTIFIED:.0e} and {tolerance:.1e} pass); "
            "try other units of rows and columns, or leave out those that others nearly repeat"
        )
    return best


def _best(answers: Iterable[Answer], best: Answer | None = None) -> Answer | None:
    """The answer of the least error, up to the first that is good."""
    for answer in answers:
        if best is None or answer.error < best.error:
            best = answer
        if best.good:
            break
    return best


def _first(program: Program) -> Answer | None:
    """With the rows of A in an orthonormal basis of their span, and the answer polished."""
    rows = row_space(program.A)
    found = _highs(replace(program, A=rows.basis.T, b=rows.coordinates(program.b)), 1e-10)
    if found is None:
        return None
    return certified(program, *polished(program, found[0], rows.combination(found[1])))


def _ladder(program: Program, nearest: Array | None) -> Iterator[Answer]:
    """What is tried when that was not good, in two kinds of units: through the nearest point if that is feasible."""
    for units in (equilibrated(program), implied(program)):
        restated = units.restate(program)
        attempts = [_refined(restated, *method) for method in METHODS]
        if nearest is not None:
            point = units.into(nearest)
            attempts[:0] = [_through(restated, point, share, *method) for method in METHODS for share in SHARES]
        for attempt in attempts:
            for x, dual in attempt:
                for pair in variants(restated, x, dual):
                    yield certified(program, *units.back(*pair))


def _through(program: Program, point: Array, share: float, method: str, tolerance: float) -> Iterator[Pair]:
    """With the right singular vectors of A, down to a share of the largest value, through a point that is feasible."""
    left, sizes, right = linalg.svd(program.A, full_matrices=False)
    kept = sizes > share * sizes[0]
    for x, dual in _refined(replace(program, A=right[kept], b=right[kept] @ point), method, tolerance):
        yield x, left[:, kept] @ (dual / sizes[kept])


def _refined(program: Program, method: str, tolerance: float, rounds: int = 5) -> Iterator[Pair]:
    """The answers of HiGHS to the program, and to what is left of it after the last one, magnified."""
    x, dual = np.zeros_like(program.cost), np.zeros_like(program.b)
    primal = price = 1.0
    for _ in range(rounds):
        left, reduced = program.b - program.A @ x, program.cost - program.A.T @ dual
        wrong = np.where(np.isinf(program.upper), -reduced, 0.0).max()
        if x.any():
            primal = 1 / max(float(np.abs(left).max()), 1 / MAGNIFIED)
            price = 1 / max(float(wrong), 1 / PRICED)
        rest = replace(program, cost=price * reduced, b=primal * left, upper=primal * (program.upper - x))
        found = _highs(rest, tolerance, method, lower=-primal * x)
        if found is None:
            return
        x = np.clip(x + found[0] / primal, 0, program.upper)
        dual = dual + found[1] / price
        yield x, dual


def _highs(program: Program, tolerance: float, method: str = "highs", lower: ArrayLike = 0.0) -> Pair | None:
    """HiGHS's answer, in units of the largest entry of b, or None."""
    unit = np.abs(program.b).max() or 1.0
    bounds = np.column_stack([np.broadcast_to(lower, program.upper.shape), program.upper]) / unit
    longest = LONGEST[0] * sum(program.A.shape) + LONGEST[1]
    found = optimize.linprog(
        program.cost,
        A_eq=program.A,
        b_eq=program.b / unit,
        bounds=bounds,
        method=method,
        options={
            "primal_feasibility_tolerance": tolerance,
            "dual_feasibility_tolerance": tolerance,
            "maxiter": longest,
        },
    )
    if found.x is None or found.eqlin.marginals is None:
        return None
    x, dual = found.x * unit, np.asarray(found.eqlin.marginals, dtype=np.float64)
    return (x, dual) if np.isfinite(x).all() and np.isfinite(dual).all() else None
