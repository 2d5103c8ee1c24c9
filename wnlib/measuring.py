"""What measurements share: several comparisons in one, times to follow a flow for, and velocities as they are."""

import numpy as np
from scipy.integrate import RK45

from wnlib._checks import Array
from wnlib.flows import Flow, Polar
from wnlib.problem import Problem
from wnlib.theorem import Measurement


def together(*measurements: Measurement) -> Measurement:
    """Several comparisons as one, each in units of its own largest predicted value, or of its `scale` if larger."""
    measured, predicted = [], []
    for one in measurements:
        values, wanted = np.broadcast_arrays(np.atleast_1d(one.measured), one.predicted)
        unit = max(np.abs(wanted).max(), one.scale)
        measured.append(values.ravel() / unit)
        predicted.append(wanted.ravel() / unit)
    return Measurement(np.concatenate(measured), np.concatenate(predicted), scale=1.0)


def horizon(flow: Flow, problem: Problem, start: Polar, steps: int = 8) -> float:
    """The time that a few crude `steps` of an explicit solver cover: the flow has moved, and nothing is stiff yet."""
    field, state = flow.velocity(problem), flow.encode(start)
    first = 0.01 / np.abs(field(0.0, state)).max()
    with np.errstate(over="ignore", invalid="ignore"):  # in trial steps, which the solver rejects
        solver = RK45(field, 0.0, state, np.inf, rtol=1e-4, atol=1e-4, first_step=first)
        for _ in range(steps):
            solver.step()
    return float(solver.t)


def polar_velocity(flow: Flow, problem: Problem, point: Polar, t: float = 0.0) -> tuple[float, Array]:
    """The velocities r' and u' (N,) of a weight-normalized flow at one point, whatever it is integrated in."""
    velocity = flow.velocity(problem)(t, flow.encode(point))
    if flow.depth == 1:
        return float(velocity[0]), velocity[1:]
    return float(point.radius * velocity[0]), point.direction * velocity[1:]
