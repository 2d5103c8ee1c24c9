r"""Weight normalization by groups: a sphere and a radius for each, as where each row of a layer normalizes its own.

The N weights are K groups of n = N/K entries, one after another, $w = (w^{(1)}, \dots, w^{(K)})$, and so is
$p = A^\top(y - A w)$. With $w^{(k)} = (r_k u^{(k)})^L$ and $\lVert u^{(k)}\rVert = 1$, they move by

$$r_k' = \eta_{r,k} L\, r_k^{L-1} \langle p^{(k)}, (u^{(k)})^L\rangle,\qquad
  u^{(k)\prime} = \eta_{u,k} L\, r_k^L \bigl(p^{(k)} \odot (u^{(k)})^{L-1}
  - \langle p^{(k)}, (u^{(k)})^L\rangle u^{(k)}\bigr),\qquad \eta_{u,k} = c\, \eta_{r,k} .$$

Each group has magnified coordinates $z^{(k)} = u^{(k)} e^{c r_k^2/2}$ of its own, with $m_L(z^{(k)})' = \kappa_k L\,
p^{(k)}$, and a clock $\kappa_k = \eta_{u,k} r_k^L e^{(2-L) c r_k^2/2}$ of its own. With equal rates, $\eta_{r,k} = 1$,
the clocks differ, and the dual variables of all groups together leave row(A). With *matched* clocks the rates are such
that $\kappa_k = e^{(2-L) c \bar r^2/2}$ for all groups, where $\bar r^2$ is the mean of $r_k(0)^2$. Then
$\sum_k \Phi(w^{(k)})$ is a potential, and the limit is known (`wnlib.models.grouped_limit`).
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
class GroupedFlow(Value):
    r"""Weight normalization of each group of weights, with a sphere and a radius for each.

    Attributes:
        depth: L, an integer >= 2.
        ratio: The learning-rate ratio c > 0, in units of $r^{-2}$; $\eta_{r,k} = 1$ unless the clocks are matched.
        matched: Whether the clocks of the groups are matched.

    Raises:
        ArgumentError: for a depth or a ratio out of its range.

    Example:
        >>> import numpy as np
        >>> from wnlib import GroupedFlow, Problem, integrate_grouped
        >>> flow = GroupedFlow(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=6, n=12, sparsity=2)
        >>> start = flow.start(12, scale=1.0, groups=3)
        >>> flow.velocity(problem, start)(0.0, np.zeros(15)).shape  # log r and log u of each
        (15,)
        >>> integrate_grouped(flow, problem, start, t_end=100.0).fits
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
    def alone(self) -> WeightNormFlow:
        """The flow of one group alone: what its magnified coordinates and its mirror map are those of."""
        return WeightNormFlow(self.depth, self.ratio)

    def start(self, n: int, scale: float, groups: int, direction: ArrayLike | None = None) -> Polar:
        r"""The groups of the point at which one sphere for all would start, shape (K, n).

        Args:
            n: Number N of weights.
            scale: The norm of all groups together, positive.
            groups: Their number K, a divisor of N.
            direction: A positive multiple of u for one sphere, shape (N,), uniform by default.

        Raises:
            ArgumentError: for bad arguments.
        """
        whole = self.alone.start(n, scale, direction)
        groups = check.integer("groups", groups, least=1)
        if n % groups:
            raise ArgumentError(f"groups must divide the number of weights, {n}, got {groups}")
        parts = whole.log_direction.reshape(groups, -1)
        sizes = log_norm(parts)
        return Polar(whole.radius * np.exp(sizes), parts - sizes[:, None], np.ones(1))

    def velocity(self, problem: Problem, start: Polar) -> Field:
        r"""The field of the states $(\log r_1, \log u^{(1)}, \dots, \log r_K, \log u^{(K)})$ of shape (N + K,).

        Args:
            start: The groups at the start, shape (K, n), whose radii give matched clocks their unit.
        """
        A, L, c = problem.A, self.depth, self.ratio
        mean = float(np.mean(start.radius**2))

        def field(t: float, state: Array) -> Array:
            log_r, log_u = _parts(numeric("state", state), len(start.radius))
            force = (A.T @ problem.residual(np.exp(L * (log_r + log_u)).ravel())).reshape(log_u.shape)
            along = np.sum(force * np.exp(L * log_u), axis=-1, keepdims=True)
            if self.matched:
                angular = np.exp(-L * log_r + (L - 2) * c * (np.exp(2 * log_r) - mean) / 2)
            else:
                angular = np.full_like(log_r, c)
            growing = angular / c * np.exp((L - 2) * log_r) * along
            turning = angular * np.exp(L * log_r) * (force * np.exp((L - 2) * log_u) - along)
            return L * np.concatenate([growing, turning], axis=-1).ravel()

        return field


def _parts(states: Array, groups: int) -> tuple[Array, Array]:
    """log r (..., K, 1) and log u (..., K, n), on the spheres, of states (..., N + K)."""
    rows = states.reshape(*states.shape[:-1], groups, -1)
    log_u = rows[..., 1:]
    return rows[..., :1], log_u - log_norm(log_u)[..., None]


def own_units(flow: GroupedFlow, problem: Problem) -> Units:
    r"""The problem's own; with matched clocks $\eta_u$ has no unit of its own, and time is in units of 1/(a b)."""
    units = Units.of(problem, flow.depth)
    return replace(units, time=-units.force) if flow.matched else units


def check_start(flow: GroupedFlow, start: Polar, n: int) -> None:
    """Raise ArgumentError unless it is one point of each of some groups of together n weights."""
    if not isinstance(start, Polar):
        raise ArgumentError(f"start must be a Polar, as `flow.start` makes one, got {type(start).__name__}")
    shape = np.shape(start.log_direction)
    if np.ndim(start.radius) != 1 or len(shape) != 2 or shape[0] * shape[1] != n:
        raise ArgumentError(f"start must have groups of together {n} entries, got shape {shape}")
    for k in range(shape[0]):
        flow.alone.check_start(start[k], shape[1])


def encode(start: Polar) -> Array:
    """The state of a point (K, n)."""
    return np.concatenate([np.log(start.radius)[:, None], start.log_direction], axis=-1).ravel()


@dataclass(frozen=True, eq=False, repr=False)
class GroupedTrajectory(Value):
    """A followed flow, with the points of all groups.

    Attributes:
        t: Increasing times from 0, shape (T,).
        points: Shape (T, K, n).
        fits: Whether it reached the residual that it was to be followed to.

    Example:
        >>> from wnlib import GroupedFlow, Problem, integrate_grouped
        >>> flow = GroupedFlow(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=6, n=12, sparsity=2)
        >>> start = flow.start(12, scale=1.0, groups=4)
        >>> trajectory = integrate_grouped(flow, problem, start, t_end=100.0)
        >>> trajectory.points[0].radius, bool(problem.loss(trajectory.weights[-1]) < 1e-9)
        (array([0.5, 0.5, 0.5, 0.5]), True)
    """

    flow: GroupedFlow
    problem: Problem
    t: Array
    points: Polar
    fits: bool

    @computed_once
    def weights(self) -> Array:
        """All groups' weights, one after another, shape (T, N)."""
        return self.points.weights(self.flow.depth).reshape(len(self.t), -1)


def integrate_grouped(
    flow: GroupedFlow,
    problem: Problem,
    start: Polar,
    t_end: float,
    stop: float = 1e-5,
    rtol: float = 1e-8,
) -> GroupedTrajectory:
    """Follow a flow with a sphere for each group, by a stiff multistep solver (LSODA) on logarithms.

    It ends at the time `t_end`, at a relative residual `stop`, or where matched clocks have spent a radius.

    Args:
        start: The groups at the start, shape (K, n), as `GroupedFlow.start` makes them.
        rtol: The solver's tolerance per step, on logarithms.

    Raises:
        ArgumentError: for bad arguments, or a start that does not fit the problem.
        IntegrationError: if the solver gives up.

    Example:
        >>> from wnlib import GroupedFlow, Problem, integrate_grouped
        >>> flow = GroupedFlow(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=6, n=12, sparsity=2)
        >>> start = flow.start(12, scale=1.0, groups=3)
        >>> trajectory = integrate_grouped(flow, problem, start, t_end=100.0, stop=1e-3)
        >>> trajectory.fits, bool(trajectory.t[-1] < 100)
        (True, True)
    """
    check_start(flow, start, problem.shape[1])
    t_end, stop, rtol = check.positive("t_end", t_end), check.positive("stop", stop), check.positive("rtol", rtol)
    units, groups = own_units(flow, problem), len(start.radius)
    told, end = problem, to_own("t_end", t_end, units.time)
    own = replace(flow, ratio=to_own("ratio", flow.ratio, units.ratio))
    problem, start = units.problem(problem), units.start(start)
    size = float(np.linalg.norm(problem.y))
    field, state = own.velocity(problem, start), encode(start)

    def unfit(t: float, state: Array) -> float:
        log_r, log_u = _parts(state, groups)
        weights = np.exp(flow.depth * (log_r + log_u)).ravel()
        return float(np.linalg.norm(problem.residual(weights))) / size - stop

    def unspent(t: float, state: Array) -> float:
        return float(_parts(state, groups)[0].min() - np.log(SMALLEST)) if flow.matched else 1.0

    first = min(end, 1e-3 / float(np.abs(field(0.0, state)).max()))
    with np.errstate(over="ignore", invalid="ignore"), warnings.catch_warnings():
        # Overflow happens in trial steps, which the solver rejects; what it warns of, the error below says.
        warnings.filterwarnings("ignore", message="lsoda", category=UserWarning)
        solver = LSODA(field, 0.0, state, end, rtol=rtol, atol=rtol, first_step=first)
        solution, ended, message = stepped(solver, [unfit, unspent], lambda t: from_own(t, units.time))
    if solution is None or (ended is None and solver.status == "failed"):
        reached = from_own(solver.t, units.time)
        raise IntegrationError(f"no solution past t = {reached:.3g} of {t_end:.3g}: {message}; try another rtol")
    log_r, log_u = _parts(solution(solution.ts).T, groups)
    points = units.told(Polar(np.exp(log_r[..., 0]), log_u, np.ones(1)))
    return GroupedTrajectory(flow, told, from_own(solution.ts, units.time), points, ended is unfit)
