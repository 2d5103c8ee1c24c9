r"""The models of the book side by side, on problems with one and the same truth.

Each model is measured by three numbers. *Reach*: the largest start, as $r_0^2/\rho(z^*)$, from which the excess of the
limit is at most a threshold. *Bias*: the excess of the limit from a start at half of the frontier. *Price*: the time
that the flow takes from there to a relative loss, and the same in steps of $1/\mu_{\max}$, with the largest eigenvalue
of the matrix of the local rate: half of the longest steps with which descent can end at that limit.

At depth 1 the excess is that of the Euclidean norm over the least norm of an interpolant, which takes the place of
$z^*$; above, that of the $\ell_1$ norm over the value of basis pursuit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

from companion.experiments import robustness
from companion.experiments.equal_bias import limit_of_excess, scale_to
from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import IntegrationError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.metric import sharpness
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.limits.end_point import Limit
from wnlib.limits.limit import LimitCurve
from wnlib.problem import Problem
from wnlib.trajectories.integration import integrate

SHARE = 0.5  # of the frontier, in the squared radius of the start
THRESHOLD = 0.01  # of the excess that counts as sparse
RELATIVE = 1e-10  # loss over that of w = 0, at which a flow has arrived
PATIENCE = 1e9


@dataclass(frozen=True)
class Model:
    """A flow of one depth on positive or, as the difference of two halves on one sphere, signed weights."""

    flow: Flow
    signed: bool = False

    @property
    def name(self) -> str:
        """As figures and tables call it."""
        flow = "gradient flow" if isinstance(self.flow, GradientFlow) else "weight normalization"
        return f"{flow}, $L = {self.flow.depth}$" + ", signed" * self.signed

    def problem(self, problem: Problem) -> Problem:
        """The one that the flow sees."""
        return problem.doubled() if self.signed else problem


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a model on P problems, arrays (P,).

    A reach is 0 where the excess exceeds the threshold from every start, a time infinite where a flow did not arrive.
    """

    model: Model
    reach: Array
    bias: Array
    time: Array
    steps: Array


def models(ratio: float, depths: Sequence[int] = (1, 2, 3)) -> list[Model]:
    """Gradient flow and weight normalization at each depth, and with signs at each depth above 1."""
    ratio = check.positive("ratio", ratio)
    found = []
    for signed in (False, True):
        for depth in depths:
            if depth == 1 and signed:
                continue
            found += [Model(GradientFlow(depth), signed), Model(WeightNormFlow(depth, ratio), signed)]
    return found


def measure(model: Model, problems: Sequence[Problem]) -> Measured:
    """Reach, bias and price of a model."""
    rows = [_measure(model.flow, model.problem(problem)) for problem in problems]
    return Measured(model, *np.array(rows).T)


def _measure(flow: Flow, problem: Problem) -> tuple[float, float, float, float]:
    curve, edge = LimitCurve(problem, flow.depth), frontier(problem, flow.depth)
    start = flow.start(problem.shape[1], float(np.sqrt(SHARE) * edge))
    end = curve.limit(flow, start)
    return (reach(flow, curve) ** 2 / edge**2, excess(end), *price(flow, problem, start, end))


def frontier(problem: Problem, depth: int) -> float:
    r"""The radius of the target, $\sqrt{\rho(z^*)}$; at depth 1 the least norm of an interpolant."""
    if depth == 1:
        return float(linalg.norm(problem.moments))
    return robustness.frontier(problem, depth)


def excess(end: Limit) -> float:
    """The relative excess that the model's bias is about."""
    if end.flow.depth == 1:
        least = float(linalg.norm(end.problem.moments))
        return float(linalg.norm(end.weights)) / least - 1
    return end.l1_excess


def reach(flow: Flow, curve: LimitCurve) -> float:
    """The norm of the largest start from which the limit's excess is at most `THRESHOLD`; 0 if there is none."""
    if flow.depth == 1:
        return _largest(lambda scale: excess(_end(flow, curve, scale)) - THRESHOLD, frontier(curve.problem, 1))
    end = limit_of_excess(curve, THRESHOLD)
    if not isinstance(flow, WeightNormFlow):
        return float(np.exp(end.log_scale))
    try:
        return scale_to(end, flow.ratio)
    except ValueError:  # the ratio is too small for any start
        return 0.0


def _end(flow: Flow, curve: LimitCurve, scale: float) -> Limit:
    return curve.limit(flow, flow.start(curve.problem.shape[1], scale))


def _largest(surplus: Callable[[float], float], edge: float) -> float:
    """Where a function that increases with the norm of the start is 0, at most a few times the frontier's `edge`."""
    low, high = 1e-6 * edge, 3 * edge
    return float(optimize.brentq(surplus, low, high, xtol=1e-12)) if surplus(low) < 0 else 0.0


def price(flow: Flow, problem: Problem, start: Polar, end: Limit) -> tuple[float, float]:
    r"""The time to the relative loss `RELATIVE`, and the number of steps of length $1/\mu_{\max}$ in it."""
    stop = RELATIVE * problem.loss_of_zero
    try:
        path = integrate(flow, problem, start, PATIENCE, rtol=1e-7, stop_loss=stop)
    except IntegrationError:  # a plateau that is too long to follow
        return np.inf, np.inf
    time = float(path.t[-1]) if path.loss[-1] <= 2 * stop else np.inf
    return time, time * sharpness(flow, problem, end.weights)


def meeting(problem: Problem, depth: int, ratio: float) -> float:
    """How far the limits of both flows, each from the end of its own reach, are apart, relatively; NaN without one."""
    curve, plain, normalized = LimitCurve(problem, depth), GradientFlow(depth), WeightNormFlow(depth, ratio)
    scales = reach(plain, curve), reach(normalized, curve)
    if not all(scales):
        return np.nan
    ends = [_end(flow, curve, scale).weights for flow, scale in zip((plain, normalized), scales, strict=True)]
    return float(linalg.norm(ends[0] - ends[1]) / linalg.norm(ends[0]))
