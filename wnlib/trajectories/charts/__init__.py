r"""The flow in the M coordinates of its dual, instead of N.

Along a flow the dual variable is confined to $\theta_0 + $ row(A), so the entries of $\theta$ at a basis B of columns
of A determine the others: $\theta = T\theta_B + q$ with a constant offset q. This is the flow of $\lambda$ in
$\theta = \theta_0 + A^\top\lambda$, written in entries of $\theta$ itself, for the sake of accuracy in floating point:

- For L >= 3 the entries of $\theta$ on the support of the solution become exponentially small against $\theta_0$, and
  $\theta_0 + A^\top\lambda$ would cancel to noise. The basis is chosen, as in the simplex method, to hold those
  entries, and they are kept as logarithms. A chart expires when an eliminated entry shrinks too far; the next one is
  centred there.
- With weight normalization $z = v\,e^s$ is split into a direction v and its magnification s, $s' = c r r'$: z itself
  may span hundreds of thousands of powers of e. The radius is a coordinate of its own, although $z$ determines it: in
  a collapse r decays to nothing while z freezes.
"""

from wnlib.errors import ArgumentError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import ScheduledWeightNormFlow
from wnlib.problem import Problem
from wnlib.trajectories.charts.base import DualChart
from wnlib.trajectories.charts.linear import LinearChart, LinearWeightNormChart
from wnlib.trajectories.charts.logarithmic import LogChart, LogWeightNormChart


def dual_chart(flow: Flow, problem: Problem, point: Polar) -> DualChart:
    """Coordinates around a point of the flow: rank(A) of them, and two more with weight normalization."""
    if isinstance(flow, ScheduledWeightNormFlow):
        raise ArgumentError("flow must have constant rates to have dual coordinates, got scheduled ones: use 'primal'")
    plain = isinstance(flow, GradientFlow)
    if flow.depth == 1:
        return (LinearChart if plain else LinearWeightNormChart)(flow, problem, point)
    return (LogChart if plain else LogWeightNormChart)(flow, problem, point)
