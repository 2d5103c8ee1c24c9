"""Why nothing notices the sampled mutants that survive, in the words of somebody who has looked at each."""

from enum import StrEnum
from typing import NamedTuple

from companion.verification.mutation import Mutant
from companion.verification.sampling import SAMPLED


class Effect(StrEnum):
    """What a change does that is not noticed."""

    NONE = "no result changes"
    ACCURACY = "only time changes, or digits within what is promised"
    WORDS = "only what is told changes"
    UNNOTICED = "not noticed"


class Survivor(NamedTuple):
    """A mutant, what it does, and why nothing notices it."""

    function: str
    old: str
    new: str
    occurrence: int
    effect: Effect
    why: str

    @property
    def mutant(self) -> Mutant:
        return Mutant(SAMPLED, *self[:4])


FOUND = (
    Survivor(
        "wnlib._values._brief",
        "len(repr(part)) <= NESTED",
        "len(repr(part)) >= NESTED",
        2,
        Effect.WORDS,
        "How a tuple is told within a value that is too long to be told whole.",
    ),
    Survivor(
        "wnlib.descent.progress.PAUSE",
        "0.5",
        "0.55",
        0,
        Effect.WORDS,
        "How often the line of progress is written.",
    ),
    Survivor(
        "wnlib.descent.progress.shown",
        "print(file=sys.stderr, flush=True)",
        "print(file=sys.stderr, flush=False)",
        0,
        Effect.WORDS,
        "stderr shows the end of the line of progress a little later.",
    ),
    Survivor(
        "wnlib.descent.runs.Snapshots.descent",
        "self.taken.reshape(-1, *(1 for _ in shape))",
        "self.taken.reshape(-2, *(1 for _ in shape))",
        0,
        Effect.NONE,
        "NumPy takes every negative number for the length that is left.",
    ),
    Survivor(
        "wnlib.flows.units._log2_norm",
        "-np.inf",
        "np.inf",
        0,
        Effect.NONE,
        "Of the size of what is 0 only whether it is finite is asked.",
    ),
    Survivor(
        "wnlib.limits.collapse._followed_to_zero",
        "2 * units.point",
        "3 * units.point",
        0,
        Effect.WORDS,
        "A number in the message of an error.",
    ),
    Survivor(
        "wnlib.limits.collapse._followed_to_zero",
        "max(1.0, 1 / flow.ratio)",
        "max(1.1, 1 / flow.ratio)",
        0,
        Effect.ACCURACY,
        "The radius at which a collapse begins to be followed: any tiny one does.",
    ),
    Survivor(
        "wnlib.limits.continuation.Continuation._advance",
        "2",
        "3",
        1,
        Effect.ACCURACY,
        "How much shorter a step is tried after one that leaves the domain.",
    ),
    Survivor(
        "wnlib.limits.continuation.Continuation._keep",
        "TRIALS // 2",
        "TRIALS * 2",
        0,
        Effect.ACCURACY,
        "After how many corrections the stride grows still.",
    ),
    Survivor(
        "wnlib.limits.continuation.Continuation._move_measurements",
        "Place(0.0, 1.0, 0.0)",
        "Place(0.0, 1.0, 1.0)",
        0,
        Effect.ACCURACY,
        "The way to the curve of the problem, whose end is corrected until it fits: it is less well predicted.",
    ),
    Survivor(
        "wnlib.limits.continuation.Continuation._point",
        "correction.lack * correction.change * np.exp((2 - L) * in_basis)",
        "correction.lack * correction.change / np.exp((2 - L) * in_basis)",
        0,
        Effect.UNNOTICED,
        "The decrement of a limit, by which the bound on its error grows, has another size at depth 3 and more.",
    ),
    Survivor(
        "wnlib.limits.continuation.Continuation._turn_direction",
        "Place(0.0, 0.0, 1.0)",
        "Place(0.0, 1.0, 1.0)",
        0,
        Effect.NONE,
        "The measurements have arrived when the direction turns, and stay.",
    ),
    Survivor(
        "wnlib.limits.limit.LimitCurve._on_the_line",
        "max(1.0, abs(value(low)))",
        "min(1.0, abs(value(low)))",
        0,
        Effect.ACCURACY,
        "How fast the interval grows in which a root is sought.",
    ),
    Survivor(
        "wnlib.limits.small_starts.SmallStart.force",
        "(A ** 2).sum(axis=0)",
        "(A ** 2).sum()",
        0,
        Effect.UNNOTICED,
        "The force at a small start whose columns of A have different norms.",
    ),
    Survivor(
        "wnlib.limits.window._beyond",
        "np.log(10 * scale)",
        "np.log1p(10 * scale)",
        0,
        Effect.ACCURACY,
        "How far the end beyond the window is sought where there is none: a step more or less.",
    ),
    Survivor(
        "wnlib.limits.window._beyond",
        "surplus(high) < 0",
        "surplus(high) < 1",
        0,
        Effect.ACCURACY,
        "The interval in which the start is sought whose limit has the scale: it is longer.",
    ),
    Survivor(
        "wnlib.linear.feasibility.excluded_by",
        "float(linalg.norm(program.A, axis=0).max()) or 1.0",
        "float(linalg.norm(program.A, axis=0).max()) or 1.1",
        0,
        Effect.NONE,
        "It is a length of columns that are all 0, which exclude every mass if they exclude any.",
    ),
    Survivor(
        "wnlib.linear.feasibility.nearest_point",
        "optimize.lsq_linear(program.A * units, program.b, bounds, method='bvls', tol=1e-14)",
        "optimize.lsq_linear(program.A * units, program.b, bounds, tol=1e-14)",
        0,
        Effect.ACCURACY,
        "Another solver for the same least squares.",
    ),
    Survivor(
        "wnlib.linear.linear_program._highs",
        "optimize.linprog(program.cost, A_eq=program.A, b_eq=program.b / unit, bounds=bounds, method=method, "
        "options={'primal_feasibility_tolerance': tolerance, 'dual_feasibility_tolerance': tolerance})",
        "optimize.linprog(program.cost, A_eq=program.A, b_eq=program.b / unit, bounds=bounds, "
        "options={'primal_feasibility_tolerance': tolerance, 'dual_feasibility_tolerance': tolerance})",
        0,
        Effect.ACCURACY,
        "HiGHS chooses its method; what it answers needs a certificate in any case.",
    ),
    Survivor(
        "wnlib.linear.linear_program.linear_program",
        "program.cost.any()",
        "program.cost.all()",
        1,
        Effect.ACCURACY,
        "A program in which something costs nothing is solved by the ways for ill-posed ones.",
    ),
    Survivor(
        "wnlib.linear.program.equilibrated",
        "across / 2",
        "across / 3",
        0,
        Effect.ACCURACY,
        "The units of a program are further from the best ones; its certificate is in those of the data.",
    ),
    Survivor(
        "wnlib.models.matrix_descent.matrix_descent",
        "0.5 * np.square(tolerance * np.linalg.norm(problem.y))",
        "0.55 * np.square(tolerance * np.linalg.norm(problem.y))",
        0,
        Effect.ACCURACY,
        "When a descent has arrived: its tolerance is a twentieth larger.",
    ),
    Survivor(
        "wnlib.models.matrix_descent.matrix_descent",
        "np.zeros((2, len(scale)), dtype=bool)",
        "np.ones((2, len(scale)), dtype=bool)",
        0,
        Effect.NONE,
        "Every run ends, at the latest after the last step, and writes its own.",
    ),
    Survivor(
        "wnlib.models.spectral._Curve._slopes",
        "L == 2",
        "L == 3",
        2,
        Effect.UNNOTICED,
        "Slopes beside equal eigenvalues at depth 2, for Newton's method.",
    ),
    Survivor(
        "wnlib.models.spectral._end",
        "high > LOG_RANGE[1]",
        "high >= LOG_RANGE[1]",
        0,
        Effect.ACCURACY,
        "When a search is given up: at the last place or before it.",
    ),
    Survivor(
        "wnlib.problem.Problem.require_nonnegative_interpolant",
        "self.truth.min() < 0",
        "self.truth.min() <= 0",
        0,
        Effect.ACCURACY,
        "A known solution with an entry 0 is not taken for an interpolant at once: a program finds one.",
    ),
    Survivor(
        "wnlib.rigorous.multiprecision._step",
        "terms[0]",
        "terms[1]",
        0,
        Effect.NONE,
        "All series have the same number of terms.",
    ),
    Survivor(
        "wnlib.sparse.phase_transition.statistical_dimension",
        "2 * np.log(n)",
        "3 * np.log(n)",
        0,
        Effect.ACCURACY,
        "The end of the interval in which a minimiser is sought.",
    ),
    Survivor(
        "wnlib.sparse.stability.margin",
        "problem.A / np.abs(problem.A).max()",
        "problem.A * np.abs(problem.A).max()",
        0,
        Effect.NONE,
        "It is a unit of A, of which the margin does not depend.",
    ),
    Survivor(
        "wnlib.trajectories.stepping._crossing",
        "4 * np.finfo(float).eps * abs(after)",
        "4 * np.finfo(float).eps / abs(after)",
        0,
        Effect.ACCURACY,
        "How many digits an event's time has, at times far from 1.",
    ),
    Survivor(
        "wnlib._checks.integers",
        "result.setflags(write=False)",
        "result.setflags(write=True)",
        0,
        Effect.UNNOTICED,
        "An array that is meant to be read-only can be written to, by code of the package alone.",
    ),
    Survivor(
        "wnlib.descent.arguments.shape_of_runs",
        "shape",
        "not shape",
        2,
        Effect.WORDS,
        "Which shapes the message of an error lists.",
    ),
    Survivor(
        "wnlib.flows.units._log2_norm",
        "np.abs(values).max(initial=0.0)",
        "np.abs(values).min(initial=0.0)",
        0,
        Effect.UNNOTICED,
        "Sizes of matrices whose squares leave the range of floats: they have entries of 0 as well.",
    ),
    Survivor(
        "wnlib.limits.continuation.Continuation._point",
        "np.sum(np.abs(L * weights * self.equations.everywhere(correction.change)))",
        "np.prod(np.abs(L * weights * self.equations.everywhere(correction.change)))",
        0,
        Effect.UNNOTICED,
        "The correction of a limit, a part of the bound on its error, is smaller.",
    ),
    Survivor(
        "wnlib.limits.continuation.Continuation.reach",
        "way.steps += 1",
        "pass",
        0,
        Effect.WORDS,
        "How many steps a limit says that it took.",
    ),
    Survivor(
        "wnlib.limits.continuation.STEPS",
        "500",
        "501",
        0,
        Effect.ACCURACY,
        "When a curve is given up: after one step more.",
    ),
    Survivor(
        "wnlib.limits.end_point.Limit._shift",
        "L == 1",
        "L == 2",
        2,
        Effect.UNNOTICED,
        "The unit of the dual variables of a limit at depth 1 in which its gap is computed.",
    ),
    Survivor(
        "wnlib.limits.stays.exit_time",
        "trajectory.weights[:, outside].sum(axis=1) >= mass",
        "trajectory.weights[:, outside].sum(axis=1) > mass",
        0,
        Effect.ACCURACY,
        "An exit that falls on a time of the trajectory exactly.",
    ),
    Survivor(
        "wnlib.linear.linear_program._refined",
        "x.any()",
        "x.all()",
        0,
        Effect.ACCURACY,
        "The unit in which what is left of a program is solved, where the first answer has entries of 0.",
    ),
    Survivor(
        "wnlib.linear.polishing.polished",
        "(better >= program.lower) & (better <= program.upper)",
        "(better >= program.lower) | (better <= program.upper)",
        0,
        Effect.UNNOTICED,
        "A polished answer that leaves its bounds: it is one of several, and its certificate fails.",
    ),
    Survivor(
        "wnlib.models.matrix.MatrixProblem.n",
        "self.A.shape[1]",
        "self.A.shape[2]",
        0,
        Effect.NONE,
        "The matrices are square.",
    ),
    Survivor(
        "wnlib.models.signed.tilt",
        "ratio > NEGLIGIBLE",
        "ratio >= NEGLIGIBLE",
        0,
        Effect.ACCURACY,
        "A weight of 1e-260 of the scale exactly.",
    ),
    Survivor(
        "wnlib.models.spectral._Curve._slopes",
        "1e-06 * np.maximum(1.0 if L == 2 else 0.0, np.abs(theta)[:, None])",
        "1e-06 / np.maximum(1.0 if L == 2 else 0.0, np.abs(theta)[:, None])",
        0,
        Effect.UNNOTICED,
        "Slopes between eigenvalues that nearly coincide, for Newton's method.",
    ),
    Survivor(
        "wnlib.models.two_phases.certificate",
        "along > 0",
        "along > 1",
        1,
        Effect.UNNOTICED,
        "Bounds at points where the force along the direction is less than 1: they are infinite.",
    ),
    Survivor(
        "wnlib.rigorous.instance.SMALL_INSTANCE",
        "Instance(A=((1, 2, 0, 1), (0, -1, 1, 2)), y=(5, 3), radius=2, direction=(5, 6, 7, 6))",
        "Instance(A=((1, 2, 0, 1), (0, -1, 1, 2)), y=(5, 3), radius=2, direction=(5, 6, 7, 7))",
        0,
        Effect.UNNOTICED,
        "Another example, at which all holds as well; results that are stored for it are not compared by tests.",
    ),
    Survivor(
        "wnlib.trajectories.charts.logarithmic.LogChart._log_z",
        "log_z_basis.min(axis=-1, keepdims=True)",
        "log_z_basis.min(keepdims=True)",
        0,
        Effect.UNNOTICED,
        "Many states share a unit: they would have to differ by more than the range of floats.",
    ),
    Survivor(
        "wnlib.trajectories.charts.logarithmic._active",
        "weights > NEGLIGIBLE * weights.max()",
        "weights >= NEGLIGIBLE * weights.max()",
        0,
        Effect.ACCURACY,
        "Which entries a solver's Jacobian rests on: those exactly at the threshold.",
    ),
    Survivor(
        "wnlib.trajectories.integration._Segment.solve",
        "stop.time - begin",
        "stop.time + begin",
        1,
        Effect.ACCURACY,
        "How long the first step of a solver may be.",
    ),
    Survivor(
        "wnlib.trajectories.trajectory.Trajectory._crossing",
        "brentq(excess, before, after, xtol=1e-13 * after, rtol=1e-13)",
        "brentq(excess, before, after, xtol=1e-13 * after, rtol=1.1e-13)",
        0,
        Effect.ACCURACY,
        "How many digits a time has at which the loss falls to a given one.",
    ),
    Survivor(
        "wnlib.trajectories.trajectory.Trajectory.fits_at",
        "k > 0",
        "k >= 0",
        0,
        Effect.UNNOTICED,
        "A trajectory that fits at its first time already.",
    ),
)
SURVIVORS = {survivor.mutant: survivor for survivor in FOUND}
