r"""Separate weight normalization: a sphere and a radius for each sign.

Signed weights $w = w_+ - w_-$, $w_\pm = (r_\pm u_\pm)^L$ with $\lVert u_\pm\rVert = 1$, and $p = A^\top(y - A w)$:

$$r_\pm' = \pm\eta_r L\, r_\pm^{L-1} \langle p, u_\pm^L\rangle,\qquad
  u_\pm' = \eta_u L\, r_\pm^L \bigl(\pm p \odot u_\pm^{L-1} \mp \langle p, u_\pm^L\rangle u_\pm\bigr).$$

Each half has magnified coordinates $z_\pm = u_\pm e^{c r_\pm^2/2}$ of its own, with
$m_L(z_\pm)' = \pm\kappa_\pm L\, p$, and a clock $\kappa_\pm = \eta_u r_\pm^L e^{(2-L) c r_\pm^2/2}$ of its own. With
*matched* clocks, $\eta_u$ is such that $\kappa_\pm = e^{(2-L) c r_{\pm}(0)^2/2}$, constants that equal starts share.

Problems are doubled ones, $[A, -A]$ of shape (M, 2N), as for the joint normalization.
"""

import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import LSODA

from wnlib import _checks as check
from wnlib._checks import Array, numeric
from wnlib._values import Value, computed_once
from wnlib.errors import ArgumentError, IntegrationError
from wnlib.flows.flow import Field
from wnlib.flows.polar import Polar, log_norm
from wnlib.flows.units import Units, from_own, to_own
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.problem import Problem
from wnlib.trajectories.stepping import stepped

SMALLEST = 1e-6  # of a radius that vanishes in finite time, as matched clocks let it: there the flow ends


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
        return WeightNormFlow(self.depth, self.ratio)

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
            start: Two points, each of shape (N,), whose radii are the units of matched clocks.
        """
        A, L, c = problem.A, self.depth, self.ratio
        first = np.array([float(half.radius) for half in start])

        def field(t: float, state: Array) -> Array:
            log_r, log_u = _parts(numeric("state", state))
            force = (A.T @ problem.residual(np.exp(L * (log_r + log_u)).ravel())).reshape(2, -1)
            along = np.sum(force * np.exp(L * log_u), axis=-1, keepdims=True)
            if self.matched:
                angular = np.exp(-L * log_r + (L - 2) * c * (np.exp(2 * log_r) - first[:, None] ** 2) / 2)
            else:
                angular = np.full_like(log_r, c)
            growing = angular / c * np.exp((L - 2) * log_r) * along
            turning = angular * np.exp(L * log_r) * (force * np.exp((L - 2) * log_u) - along)
            return L * np.concatenate([growing, turning], axis=-1).ravel()

        return field


def _parts(states: Array) -> tuple[Array, Array]:
    """log r (..., 2, 1) and log u (..., 2, N), on the spheres, of states (..., 2 (N + 1))."""
    halves = states.reshape(*states.shape[:-1], 2, -1)
    log_u = halves[..., 1:]
    return halves[..., :1], log_u - log_norm(log_u)[..., None]


def encode(start: tuple[Polar, Polar]) -> Array:
    """The state of a point."""
    return np.concatenate([np.append(np.log(half.radius), half.log_direction) for half in start])


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
    t_end, stop, rtol = check.positive("t_end", t_end), check.positive("stop", stop), check.positive("rtol", rtol)
    units = _own_units(flow, problem)
    told, end = problem, to_own("t_end", t_end, units.time)
    own = replace(flow, ratio=to_own("ratio", flow.ratio, units.ratio))
    problem, start = units.problem(problem), (units.start(start[0]), units.start(start[1]))
    size = float(np.linalg.norm(problem.y))
    field, state = own.velocity(problem, start), encode(start)

    def unfit(t: float, state: Array) -> float:
        log_r, log_u = _parts(state)
        weights = np.exp(flow.depth * (log_r + log_u)).ravel()
        return float(np.linalg.norm(problem.residual(weights))) / size - stop

    def unspent(t: float, state: Array) -> float:
        return float(_parts(state)[0].min() - np.log(SMALLEST)) if flow.matched else 1.0

    first = min(end, 1e-3 / float(np.abs(field(0.0, state)).max()))
    with np.errstate(over="ignore", invalid="ignore"), warnings.catch_warnings():
        # Overflow happens in trial steps, which the solver rejects; what it warns of, the error below says.
        warnings.filterwarnings("ignore", message="lsoda", category=UserWarning)
        solver = LSODA(field, 0.0, state, end, rtol=rtol, atol=rtol, first_step=first)
        solution, ended, message = stepped(solver, [unfit, unspent], lambda t: from_own(t, units.time))
    if solution is None or (ended is None and solver.status == "failed"):
        reached = from_own(solver.t, units.time)
        raise IntegrationError(f"no solution past t = {reached:.3g} of {t_end:.3g}: {message}; try another rtol")
    log_r, log_u = _parts(solution(solution.ts).T)
    plus, minus = (units.told(Polar(np.exp(log_r[:, k, 0]), log_u[:, k], np.ones(1))) for k in (0, 1))
    return SeparateTrajectory(flow, told, from_own(solution.ts, units.time), plus, minus, ended is unfit)


def _own_units(flow: SeparateFlow, problem: Problem) -> Units:
    r"""The problem's own; with matched clocks $\eta_u$ has no unit of its own, and time is in units of 1/(a b)."""
    units = Units.of(problem, flow.depth)
    return replace(units, time=-units.force) if flow.matched else units
