"""Gradient flow with weight normalization: flows, their invariants and their limits.

problem = Problem.gaussian(m=20, n=60, sparsity=3)
flow = WeightNormFlow(depth=2, ratio=10)
trajectory = integrate(flow, problem, flow.start(60, scale=1.0), t_end=100)
"""

from wnlib.bounds import mass_bound
from wnlib.collapse import CollapseError, collapses
from wnlib.descent import Descent, DescentError, GradientDescent, PolarDescent, SalimansKingmaDescent, descend
from wnlib.flows import Flow, GradientFlow, Polar, ScheduledWeightNormFlow, WeightNormFlow
from wnlib.geometry import MirrorMap, invariant_drift, invariants, mirror_map, radius_of
from wnlib.limit import Limit, LimitCurve, LimitError, limit
from wnlib.problem import BasisPursuit, InfeasibleError, Problem, basis_pursuit
from wnlib.stepping import IntegrationError
from wnlib.trajectory import Trajectory, integrate

__all__ = [
    "BasisPursuit",
    "CollapseError",
    "Descent",
    "DescentError",
    "Flow",
    "GradientDescent",
    "GradientFlow",
    "InfeasibleError",
    "IntegrationError",
    "Limit",
    "LimitCurve",
    "LimitError",
    "MirrorMap",
    "Polar",
    "PolarDescent",
    "Problem",
    "SalimansKingmaDescent",
    "ScheduledWeightNormFlow",
    "Trajectory",
    "WeightNormFlow",
    "basis_pursuit",
    "collapses",
    "descend",
    "integrate",
    "invariant_drift",
    "invariants",
    "limit",
    "mass_bound",
    "mirror_map",
    "radius_of",
]
