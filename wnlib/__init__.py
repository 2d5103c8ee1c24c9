"""Gradient flow with weight normalization: flows, their invariants and their limits.

problem = Problem.gaussian(m=20, n=60, sparsity=3)
flow = WeightNormFlow(depth=2, ratio=10)
trajectory = integrate(flow, problem, flow.start(60, scale=1.0), t_end=100)
"""

from wnlib.flows import Flow, GradientFlow, Polar, ScheduledWeightNormFlow, WeightNormFlow
from wnlib.geometry import MirrorMap, invariant_drift, invariants, mirror_map, radius_of
from wnlib.problem import BasisPursuit, InfeasibleError, Problem, basis_pursuit
from wnlib.trajectory import IntegrationError, Trajectory, integrate

__all__ = [
    "BasisPursuit",
    "Flow",
    "GradientFlow",
    "InfeasibleError",
    "IntegrationError",
    "MirrorMap",
    "Polar",
    "Problem",
    "ScheduledWeightNormFlow",
    "Trajectory",
    "WeightNormFlow",
    "basis_pursuit",
    "integrate",
    "invariant_drift",
    "invariants",
    "mirror_map",
    "radius_of",
]
