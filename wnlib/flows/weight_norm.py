"""Weight-normalized gradient flow, at constant rates and at rates that vary in time."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wnlib import _checks as check
from wnlib._checks import Array, numeric
from wnlib.errors import ArgumentError
from wnlib.flows.flow import Field, Flow
from wnlib.flows.polar import Polar, log_norm
from wnlib.problem import Problem


@dataclass(frozen=True, eq=False, repr=False)
class WeightNormFlow(Flow):
    r"""Weight-normalized gradient flow: gradient flow on polar coordinates (r, u), x = r u.

    The state is (log r, log u), or (r, u) itself at depth 1, where r may change sign.

    Attributes:
        ratio: The learning-rate ratio $c = \eta_u/\eta_r > 0$, in units of $r^{-2}$.
        radial_rate: $\eta_r > 0$.

    Raises:
        ArgumentError: for a depth or a rate out of its range.

    Example:
        >>> from wnlib import Problem, WeightNormFlow, limit
        >>> flow = WeightNormFlow(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> starts = [flow.start(60, scale) for scale in (1.0, 1e-10)]
        >>> [limit(flow, problem, start).l1_excess < 0.01 for start in starts]
        [True, True]
    """

    ratio: float
    radial_rate: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "ratio", check.positive("ratio", self.ratio))
        object.__setattr__(self, "radial_rate", check.positive("radial_rate", self.radial_rate))
        super().__post_init__()

    def _check_scale(self, scale: float) -> float:
        scale = check.real("scale", scale)
        if scale == 0 or (scale < 0 and self.depth >= 2):
            raise ArgumentError(f"scale must be > 0 (or, at depth 1, nonzero), got {scale}")
        return scale

    def log_magnification(self, radius: Array) -> Array:
        radius = numeric("radius", radius)
        return 0.5 * self.ratio * radius**2

    def radius(self, log_magnification: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return np.sqrt(2 * numeric("log_magnification", log_magnification) / self.ratio)

    def relative_rate(self, radius: Array) -> Array:
        radius = numeric("radius", radius)
        return np.full_like(radius, self.ratio)

    def angular_rate(self, radius: Array) -> Array:
        return self.radial_rate * self.relative_rate(radius)

    def encode(self, start: Polar) -> Array:
        if self.depth == 1:
            return np.append(start.radius, start.direction)
        return np.append(np.log(start.radius), start.log_direction)

    def decode(self, states: Array) -> Polar:
        states = numeric("states", states)
        if self.depth == 1:
            return Polar.of(states[..., 0], states[..., 1:])
        return Polar(np.exp(states[..., 0]), states[..., 1:], np.ones(1))

    def velocity(self, problem: Problem) -> Field:
        rates = self.radial_rate, self.ratio * self.radial_rate
        return lambda t, state: _polar_velocity(problem, self.depth, rates, state)


@dataclass(frozen=True)
class Growth:
    """The schedule e^(rate t), 1 where the rate is 0."""

    rate: float = 0.0

    def __call__(self, t: float) -> float:
        return float(np.exp(self.rate * t))


@dataclass(frozen=True, eq=False, repr=False)
class ScheduledWeightNormFlow(WeightNormFlow):
    r"""Weight-normalized gradient flow whose rates vary in time.

    $\eta_r(t)$ = radial_rate * radial_schedule(t), $\eta_u(t)$ = ratio * radial_rate * angular_schedule(t).

    If the two schedules differ, the magnification depends on the path, not on the radius alone: this flow has no
    magnified coordinates, and what survives of the invariants is their ratios (see the chapter on invariants).

    Attributes:
        radial_schedule: A positive function of time, 1 by default.
        angular_schedule: Another.

    Raises:
        ArgumentError: for a depth or a rate out of its range, or a schedule that is no function.

    Example:
        >>> import numpy as np
        >>> from wnlib import Problem, ScheduledWeightNormFlow
        >>> flow = ScheduledWeightNormFlow(depth=2, ratio=1, angular_schedule=np.exp)
        >>> velocity = flow.velocity(Problem(A=[[1, 2]], y=[2]))
        >>> state = flow.encode(flow.start(2, scale=1.0))
        >>> (velocity(3.0, state) / velocity(0.0, state)).round(3)  # u turns e^3 times as fast
        array([ 1.   , 20.086, 20.086])
    """

    radial_schedule: Callable[[float], float] = Growth()
    angular_schedule: Callable[[float], float] = Growth()

    def __post_init__(self) -> None:
        for name in ("radial_schedule", "angular_schedule"):
            if not callable(schedule := getattr(self, name)):
                raise ArgumentError(f"{name} must be a function of time, got {schedule!r}")
        super().__post_init__()

    def log_magnification(self, radius: Array) -> Array:
        raise ArgumentError("flow must have a constant ratio to have magnified coordinates, got scheduled rates")

    def velocity(self, problem: Problem) -> Field:
        def field(t: float, state: Array) -> Array:
            radial = self.radial_rate * self.radial_schedule(t)
            angular = self.ratio * self.radial_rate * self.angular_schedule(t)
            return _polar_velocity(problem, self.depth, (radial, angular), state)

        return field


def _polar_velocity(problem: Problem, L: int, rates: tuple[float, float], state: Array) -> Array:
    """d state / dt for the state (r, u) at depth 1, (log r, log u) at depth L >= 2."""
    (radial_rate, angular_rate), state = rates, numeric("state", state)
    # The sphere is unstable where r shrinks; with the field evaluated on it, the norm of the state's u is neutral.
    if L == 1:
        r, v = state[0], state[1:]
        norm = np.linalg.norm(v)
        u = v / norm
        force = problem.A.T @ problem.residual(r * u)
        along = force @ u
        return np.append(radial_rate * along, angular_rate * r * (force * norm - along * v))
    log_r, log_u = state[0], state[1:] - log_norm(state[1:])
    force = problem.A.T @ problem.residual(np.exp(L * (log_r + log_u)))
    along = force @ np.exp(L * log_u)
    return L * np.append(
        radial_rate * np.exp((L - 2) * log_r) * along,
        angular_rate * np.exp(L * log_r) * (force * np.exp((L - 2) * log_u) - along),
    )
