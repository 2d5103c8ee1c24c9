"""A thousand random limits: which fail, which are wrong, how long each takes.

Every answer is held to the conditions that characterise a limit (`benchmarks.conditions`). Of some, and of every
collapse, the flow itself is followed until it has converged or is all but 0, and must end where the answer says.
"""

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.conditions import attainable_mass, feasibility, stationarity
from benchmarks.harness import Contender, Outcome, Run, race
from benchmarks.instances import distance
from benchmarks.report import result, save
from companion.running.report import Answered, Drawn, RobustnessCase, RobustnessParameters
from companion.verification.ensemble import Case, Ensemble
from wnlib import CollapseError, Limit, Problem, integrate, limit

ENSEMBLE = {"ratios": (0.1, 1000.0), "scales": (0.1, 3.0), "columns": (4, 40)}
INSTANCES = 1000
TOLERANCE = 1e-10  # of the residual, asked for and held to
STATIONARY = 1e-8  # entries as small as the rounding of the measurements have fewer digits
ATTAINABLE = 1e-7  # of a linear program's answers
FOLLOWED = 29  # of the instances, each so many-th is followed: a step that meets all depths and kinds of matrices
CONVERGED = 1e-14  # loss over that of w = 0 at which a flow counts as converged
AGREED = 1e-3  # distance of the flow's end from the limit: the conditioning of A magnifies the residual that is left
SHRUNK = 1e-3  # r / r_0 at which it counts as collapsed
HORIZON, LEAP = 1e15, 1e3
CAP = 20.0
OURS = "wnlib limit"


@dataclass(frozen=True)
class Answer:
    """What `limit` says of one instance: its end, None for a collapse; or the error."""

    index: int
    case: Case
    seconds: float
    end: Limit | None = None
    error: str = ""


def answer(index: int, tolerance: float = TOLERANCE) -> Answer:
    case = Ensemble(**ENSEMBLE).case(index)
    problem, flow, start = Problem(case.problem.A, case.problem.y), case.flow, case.start
    begin = time.perf_counter()
    end, error = None, ""
    try:
        end = limit(flow, problem, start, tolerance=tolerance)
    except CollapseError:
        pass
    except Exception as problem_met:  # whatever it is, it is a failure to be counted
        error = f"{type(problem_met).__name__}: {problem_met}".splitlines()[0]
    return Answer(index, case, time.perf_counter() - begin, end, error)


def defect(found: Answer) -> str:
    """Which condition an answer breaks; "" if none."""
    if found.end is None:
        return ""
    case, point = found.case, found.end.point
    measures = {
        "residual": (feasibility(case.problem, found.end.weights), TOLERANCE),
        "stationarity": (stationarity(case.flow, case.problem, case.start, point), STATIONARY),
    }
    if case.depth >= 2:
        measures["mass where no interpolant has any"] = (attainable_mass(case.problem, point), ATTAINABLE)
    return "; ".join(f"{name} {value:.1e}" for name, (value, most) in measures.items() if not value <= most)


def flow_run(index: int) -> Run:
    """Run: the end of the flow, its weights, or None if it collapses."""
    case = Ensemble(**ENSEMBLE).case(index)
    problem, flow = case.problem, case.flow
    zero = problem.loss_of_zero

    def run() -> np.ndarray | None:
        point, horizon = case.start, 1.0
        while horizon <= HORIZON:
            path = integrate(flow, problem, point, horizon, rtol=1e-10, stop_loss=CONVERGED * zero)
            point = path.points[-1]
            if path.loss[-1] <= 2 * CONVERGED * zero:
                return path.weights[-1]
            if case.depth >= 2 and point.radius < SHRUNK * case.start.radius and path.loss[-1] >= (1 - 1e-6) * zero:
                return None
            horizon *= LEAP
        raise RuntimeError(f"neither converged nor collapsed by t = {HORIZON:g}")

    return run


def disagreement(found: Answer, followed: Outcome) -> str:
    """What the flow's end says against an answer; "" if nothing."""
    if found.end is None or followed.value is None:
        return "" if (found.end is None) == (followed.value is None) else "the flow and the answer differ on collapse"
    error = distance(followed.value, found.end.weights)
    return "" if error <= AGREED else f"the flow ends {error:.1e} away"


def main() -> None:
    answers = [answer(index) for index in range(INSTANCES)]
    wrong = {found.index: reason for found in answers if (reason := defect(found))}
    chosen = [a for a in answers if not a.error and (a.end is None or a.index % FOLLOWED == 0)]
    followed: set[int] = set()
    for first in range(0, len(chosen), 8):
        batch = chosen[first : first + 8]
        contenders = [Contender("flow", flow_run, {"index": found.index}) for found in batch]
        for found, outcome in zip(batch, race(contenders, 0, CAP, CAP), strict=True):
            if outcome.status == "done":
                followed.add(found.index)
                if reason := disagreement(found, outcome):
                    wrong[found.index] = reason
    results = [_summary(depth, [a for a in answers if a.case.depth == depth], wrong, followed) for depth in range(1, 7)]
    parameters = RobustnessParameters(
        ensemble=Drawn(**ENSEMBLE, matrices=Ensemble().matrices),
        instances=INSTANCES,
        tolerance=TOLERANCE,
        stationary=STATIONARY,
        agreed=AGREED,
        converged=CONVERGED,
        tried=len(chosen),
    )
    save("robustness", parameters, results)


def _summary(depth: int, answers: list[Answer], wrong: dict[int, str], followed: set[int]) -> Answered:
    times = [found.seconds for found in answers]
    timed = result(RobustnessCase(depth=depth), Contender(OURS, answer), Outcome(seconds=times, first=times[0]))
    return Answered(
        **dict(timed),
        instances=len(answers),
        collapses=sum(found.end is None and not found.error for found in answers),
        followed=sum(found.index in followed for found in answers),
        failures=tuple(f"{found.case}: {found.error}" for found in answers if found.error),
        wrong=tuple(f"{found.case}: {wrong[found.index]}" for found in answers if found.index in wrong),
    )
