"""Gradient flow with weight normalization: flows, their invariants and their limits.

problem = Problem.gaussian(m=20, n=60, sparsity=3)
flow = WeightNormFlow(depth=2, ratio=10)
trajectory = integrate(flow, problem, flow.start(60, scale=1.0), t_end=100)
"""

from wnlib.descent import Descent, GradientDescent, PolarDescent, SalimansKingmaDescent, descend
from wnlib.errors import CollapseError, DescentError, InfeasibleError, IntegrationError, LimitError
from wnlib.flows.flow import Flow, GradientFlow, ScheduledWeightNormFlow, WeightNormFlow
from wnlib.flows.geometry import MirrorMap, invariant_drift, invariants, mirror_map
from wnlib.flows.polar import Polar, radius_of
from wnlib.limits.bounds import mass_bound
from wnlib.limits.collapse import collapses
from wnlib.limits.limit import Limit, LimitCurve, limit
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import BasisPursuit, basis_pursuit
from wnlib.trajectories.trajectory import Trajectory, integrate

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
