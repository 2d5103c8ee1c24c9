"""The public names of the package, and the modules in which they are; `__init__.py` reads them here."""

from wnlib.descent import (
    DecayedGradientDescent as DecayedGradientDescent,
    DecayedSalimansKingmaDescent as DecayedSalimansKingmaDescent,
    Descent as Descent,
    DescentMethod as DescentMethod,
    GradientDescent as GradientDescent,
    PolarDescent as PolarDescent,
    SalimansKingmaDescent as SalimansKingmaDescent,
    descend as descend,
    effective_start as effective_start,
)
from wnlib.errors import (
    ArgumentError as ArgumentError,
    CertificateError as CertificateError,
    CollapseError as CollapseError,
    DescentError as DescentError,
    EnclosureError as EnclosureError,
    InfeasibleError as InfeasibleError,
    IntegrationError as IntegrationError,
    LimitError as LimitError,
    MissingExtraError as MissingExtraError,
    WnlibError as WnlibError,
)
from wnlib.flows.flow import Flow as Flow, GradientFlow as GradientFlow
from wnlib.flows.geometry import MirrorMap as MirrorMap, mirror_map as mirror_map
from wnlib.flows.invariants import invariant_drift as invariant_drift, invariants as invariants
from wnlib.flows.metric import (
    longest_step as longest_step,
    metric as metric,
    rate_matrix as rate_matrix,
    sharpness as sharpness,
)
from wnlib.flows.polar import Polar as Polar, polar_of as polar_of, radius_of as radius_of
from wnlib.flows.weight_norm import ScheduledWeightNormFlow as ScheduledWeightNormFlow, WeightNormFlow as WeightNormFlow
from wnlib.limits.barrier import collapse_barrier as collapse_barrier
from wnlib.limits.bounds import (
    magnification_excess_bound as magnification_excess_bound,
    mass_bound as mass_bound,
    needed_magnification as needed_magnification,
)
from wnlib.limits.collapse import collapses as collapses
from wnlib.limits.end_point import Limit as Limit
from wnlib.limits.large_ratio import LargeRatioPath as LargeRatioPath, large_ratio_path as large_ratio_path
from wnlib.limits.limit import LimitCurve as LimitCurve, limit as limit
from wnlib.limits.needed import needed_ratio as needed_ratio, needed_scale as needed_scale
from wnlib.limits.saddles import Cascade as Cascade, Saddle as Saddle, cascade as cascade, saddle as saddle
from wnlib.limits.sparse_limit import sparse_limit as sparse_limit
from wnlib.limits.stays import Stay as Stay, stay as stay
from wnlib.limits.window import window_mass as window_mass
from wnlib.models.blow_up import blow_up_times as blow_up_times
from wnlib.models.grouped import (
    GroupedFlow as GroupedFlow,
    GroupedTrajectory as GroupedTrajectory,
    integrate_grouped as integrate_grouped,
)
from wnlib.models.grouped_limit import GroupedLimit as GroupedLimit, grouped_limit as grouped_limit
from wnlib.models.layered import LayeredTrajectory as LayeredTrajectory, integrate_layered as integrate_layered
from wnlib.models.layered_descent import LayeredDescent as LayeredDescent, layered_descent as layered_descent
from wnlib.models.layered_limit import LayeredLimit as LayeredLimit, layered_limit as layered_limit
from wnlib.models.matrix import MatrixProblem as MatrixProblem
from wnlib.models.matrix_descent import MatrixDescent as MatrixDescent, matrix_descent as matrix_descent
from wnlib.models.separate import (
    SeparateFlow as SeparateFlow,
    SeparateTrajectory as SeparateTrajectory,
    integrate_separate as integrate_separate,
)
from wnlib.models.signed import symmetric_start as symmetric_start
from wnlib.models.spectral import spectral_limit as spectral_limit
from wnlib.problem import Problem as Problem
from wnlib.sparse.attainable import attainable_weights as attainable_weights
from wnlib.sparse.basis_pursuit import BasisPursuit as BasisPursuit, basis_pursuit as basis_pursuit
from wnlib.sparse.margin import Margin as Margin, margin as margin
from wnlib.sparse.null_space import null_space_constant as null_space_constant
from wnlib.sparse.phase_transition import (
    positivity_success as positivity_success,
    statistical_dimension as statistical_dimension,
)
from wnlib.sparse.stability import stability as stability
from wnlib.trajectories.integration import integrate as integrate
from wnlib.trajectories.trajectory import Trajectory as Trajectory

__version__: str
