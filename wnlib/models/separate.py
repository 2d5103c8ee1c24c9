r"""Separate weight normalization: a sphere and a radius for each sign.

Signed weights $w = w_+ - w_-$, $w_\pm = (r_\pm u_\pm)^L$ with $\lVert u_\pm\rVert = 1$, and $p = A^\top(y - A w)$:

$$r_\pm' = \pm\eta_r L\, r_\pm^{L-1} \langle p, u_\pm^L\rangle,\qquad
  u_\pm' = \eta_u L\, r_\pm^L \bigl(\pm p \odot u_\pm^{L-1} \mp \langle p, u_\pm^L\rangle u_\pm\bigr).$$

Each half has magnified coordinates $z_\pm = u_\pm e^{c r_\pm^2/2}$ of its own, with
$m_L(z_\pm)' = \pm\kappa_\pm L\, p$, and a clock $\kappa_\pm = \eta_u r_\pm^L e^{(2-L) c r_\pm^2/2}$ of its own. With
*matched* clocks, $\eta_u$ is such that $\kappa_+ = \kappa_-$ at all times. The two halves are two groups of the pair
$(w_+, w_-)$: `wnlib.models.grouped` has their field, and follows them.

Problems are doubled ones, $[A, -A]$ of shape (M, 2N), as for the joint normalization.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib._values import Value, computed_once
from wnlib.errors import ArgumentError
from wnlib.flows.flow import Field
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.models import grouped
from wnlib.models.grouped import GroupedFlow, integrate_grouped
from wnlib.problem import Problem


@dataclass(frozen=True, eq=False, repr=False)
class SeparateFlow(Value):
    r"""Weight normalization of each sign, with a sphere and a radius for either.

    Attributes:
        depth: L, an integer >= 2.
        ratio: The learning-rate ratio c > 0, in units of $r^{-2}$; $\eta_r = 1$ unless the clocks are matched.
        matched: Whether the two clocks are matched.

    Raises:
        ArgumentError: for a depth or a ratio out of its range.

    Example:
        >>> import numpy as np
        >>> from wnlib import Problem, SeparateFlow, integrate_separate
        >>> flow = SeparateFlow(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=4, n=6, sparsity=1, signed=True)
        >>> start = flow.start(6, scale=1.0)
        >>> flow.velocity(problem, start)(0.0, np.zeros(14)).shape  # of log r and log u, twice
        (14,)
        >>> integrate_separate(flow, problem, start, t_end=100.0).fits
        True
    """

    depth: int
    ratio: float
    matched: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", check.integer("depth", self.depth, least=2))
        object.__setattr__(self, "ratio", check.positive("ratio", self.ratio))
        object.__setattr__(self, "matched", check.flag("matched", self.matched))
        super().__post_init__()

    @property
    def half(self) -> WeightNormFlow:
        """The flow of one half alone: what its magnified coordinates and its mirror map are those of."""
        return self.grouped.alone

    @property
    def grouped(self) -> GroupedFlow:
        """The flow of the pair, which is two groups."""
        return GroupedFlow(self.depth, self.ratio, self.matched)

    def start(self, n: int, scale: float, direction: ArrayLike | None = None) -> tuple[Polar, Polar]:
        r"""The start with $x_+ = x_-$, each of shape (n,).

        Args:
            n: Number of signed weights.
            scale: The norm of both together, positive.
            direction: A positive multiple of either's, shape (n,), uniform by default.

        Raises:
            ArgumentError: for bad arguments.
        """
        half = self.half.start(n, check.positive("scale", scale) / np.sqrt(2), direction)
        return half, half

    def velocity(self, problem: Problem, start: tuple[Polar, Polar]) -> Field:
        r"""The field of the states $(\log r_+, \log u_+, \log r_-, \log u_-)$ of shape (2 (N + 1),).

        Args:
            start: Two points, each of shape (N,), whose radii give matched clocks their unit.
        """
        return self.grouped.velocity(problem, _pair(start))


def _pair(start: tuple[Polar, Polar]) -> Polar:
    """Both halves, as two groups (2, N)."""
    radii, log_u = (np.array([getattr(half, name) for half in start]) for name in ("radius", "log_direction"))
    return Polar(radii, log_u, np.ones(1))


def encode(start: tuple[Polar, Polar]) -> Array:
    """The state of a point."""
    return grouped.encode(_pair(start))


@dataclass(frozen=True, eq=False, repr=False)
class SeparateTrajectory(Value):
    """A followed flow, with both halves of its signed weights.

    Attributes:
        t: Increasing times from 0, shape (T,).
        plus: The positive half's points, shape (T, N).
        minus: The negative half's, shape (T, N).
        fits: Whether it reached the residual that it was to be followed to.

    Example:
        >>> from wnlib import Problem, SeparateFlow, integrate_separate
        >>> flow = SeparateFlow(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=4, n=6, sparsity=1, signed=True)
        >>> start = flow.start(6, scale=1.0)
        >>> trajectory = integrate_separate(flow, problem, start, t_end=100.0)
        >>> trajectory.radii[0].round(4), bool(problem.loss(trajectory.parts[-1]) < 1e-9)
        (array([0.7071, 0.7071]), True)
    """

    flow: SeparateFlow
    problem: Problem
    t: Array
    plus: Polar
    minus: Polar
    fits: bool

    @computed_once
    def parts(self) -> Array:
        """$w_+$ and $w_-$ together, the weights of the doubled problem, shape (T, 2N)."""
        return np.concatenate([half.weights(self.flow.depth) for half in (self.plus, self.minus)], axis=-1)

    @property
    def radii(self) -> Array:
        """$r_+$ and $r_-$, shape (T, 2)."""
        return np.stack([self.plus.radius, self.minus.radius], axis=-1)


def integrate_separate(
    flow: SeparateFlow,
    problem: Problem,
    start: tuple[Polar, Polar],
    t_end: float,
    stop: float = 1e-5,
    rtol: float = 1e-8,
) -> SeparateTrajectory:
    """Follow a flow with separate spheres, by a stiff multistep solver (LSODA) on logarithms.

    It ends at the time `t_end`, at a relative residual `stop`, or where matched clocks have spent a radius.

    Args:
        problem: A doubled one, [A, -A] of shape (M, 2N).
        start: The positive and the negative half, points of shape (N,), as `SeparateFlow.start` makes them.
        rtol: The solver's tolerance per step, on logarithms.

    Raises:
        ArgumentError: for bad arguments: another problem, or a start that does not fit it.
        IntegrationError: if the solver gives up.

    Example:
        >>> from wnlib import Problem, SeparateFlow, integrate_separate
        >>> flow = SeparateFlow(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=4, n=6, sparsity=1, signed=True)
        >>> start = flow.start(6, scale=1.0)
        >>> trajectory = integrate_separate(flow, problem, start, t_end=100.0, stop=1e-3)
        >>> trajectory.fits, bool(trajectory.t[-1] < 100)
        (True, True)
    """
    n, odd = divmod(problem.shape[1], 2)
    if odd or not np.array_equal(problem.A[:, :n], -problem.A[:, n:]):
        raise ArgumentError(f"problem must be a doubled one, [A, -A], got shape {problem.shape} with other columns")
    for half in start:
        flow.half.check_start(half, n)
    path = integrate_grouped(flow.grouped, problem, _pair(start), t_end, stop, rtol)
    radius, log_u = path.points.radius, path.points.log_direction
    plus, minus = (Polar(radius[:, k], log_u[:, k], np.ones(1)) for k in (0, 1))
    return SeparateTrajectory(flow, problem, path.t, plus, minus, path.fits)
