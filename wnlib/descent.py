r"""The discrete methods: gradient descent on the factors of w = x^L, plain, polar, and in Salimans-Kingma coordinates.

One step of size h, with the force $p = A^\top(y - A w)$ at the point it leaves; time advances by h.

- Gradient descent: $x \leftarrow x + h L\, p \odot x^{L-1}$.
- Polar descent, $x = r u$ with $\|u\| = 1$ and learning rates 1 and c: both coordinates step from the same point,
  $r \leftarrow r + h L r^{L-1} \langle p, u^L\rangle$,
  $u \leftarrow u + h c L r^L (p \odot u^{L-1} - \langle p, u^L\rangle u)$, and u is normalized.
- Salimans-Kingma descent, $x = g\, v / \|v\|$: the plain gradient step on (g, v). On g and $u = v / \|v\|$ it is the
  polar step at the ratio $c = 1 / \|v\|^2$. The step on v is orthogonal to v, so that $\|v\|$ can only grow, by second
  order in h, and the ratio can only fall.

Each has a flow to which it converges at first order in h. Stochastic steps split the rows of A into k minibatches, in a
new random order each epoch, and take the force $p_B = k A_B^\top(y_B - A_B w)$ of each in turn: at a fixed w their mean
is p, so that an epoch advances time by k h.

For $L \ge 2$ the flows stay in the positive orthant. A discrete step stays there only if it is short enough: gradient
descent does if $h L\, |p_i|\, x_i^{L-2} < 1$ in every entry. Beyond zero the flow's logarithms, invariants and limits
mean nothing; a step that gets there is an error, not a point.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice, repeat

import numpy as np
from numpy.typing import NDArray

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.flows import Flow, GradientFlow, Polar, WeightNormFlow
from wnlib.problem import Problem

Force = Callable[[Array], Array]
Mask = NDArray[np.bool_]

DIVERGED = 1e6  # times the larger of the losses at the start and at w = 0: a loss that no longer comes down


class DescentError(RuntimeError):
    """The steps were too long: a coordinate lost positivity (depth >= 2) or is not finite, or the loss diverged."""


@dataclass(frozen=True)
class DescentMethod(ABC):
    """A discrete method for the factors x of w = x^L; `depth` is L, an integer >= 1.

    Its states are arrays (..., n), one run for each index of the leading axes.
    """

    depth: int

    def __post_init__(self) -> None:
        check.integer("depth", self.depth, least=1)

    @property
    @abstractmethod
    def flow(self) -> Flow:
        """The flow that the method follows as its steps get shorter."""

    @abstractmethod
    def encode(self, start: Polar) -> Array:
        """The state (..., n) at which a descent starts."""

    @abstractmethod
    def decode(self, states: Array) -> Polar:
        """Points from states (..., n)."""

    @abstractmethod
    def step(self, state: Array, h: float, force: Force) -> Array:
        """The state one step of size h later; `force` maps weights (..., N) to forces (..., N)."""


@dataclass(frozen=True)
class GradientDescent(DescentMethod):
    """Gradient descent on x, which is the state, at unit learning rate."""

    @property
    def flow(self) -> GradientFlow:
        return GradientFlow(self.depth)

    def encode(self, start: Polar) -> Array:
        return start.weights(1)

    def decode(self, states: Array) -> Polar:
        return self.flow.decode(states if self.depth == 1 else np.log(states))

    def step(self, state: Array, h: float, force: Force) -> Array:
        power = state ** (self.depth - 1)
        return state + h * self.depth * force(power * state) * power


@dataclass(frozen=True)
class PolarDescent(DescentMethod):
    r"""Descent on (r, u), which is the state, with learning rates 1 and `ratio`; u is normalized after each step.

    The step on u is along the sphere: with it $\|u\| \ge 1$ before normalization, which is always possible.
    """

    ratio: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check.positive("ratio", self.ratio)

    @property
    def flow(self) -> WeightNormFlow:
        return WeightNormFlow(self.depth, self.ratio)

    def encode(self, start: Polar) -> Array:
        return _joined(start.radius, start.direction)

    def decode(self, states: Array) -> Polar:
        return Polar.of(states[..., 0], states[..., 1:])

    def step(self, state: Array, h: float, force: Force) -> Array:
        r, u = state[..., 0], state[..., 1:]
        radial, angular = _polar_slopes(self.depth, r, u, force)
        u = u + h * self.ratio * angular
        return _joined(r + h * radial, u / _norm(u)[..., None])


@dataclass(frozen=True)
class SalimansKingmaDescent(DescentMethod):
    r"""Gradient descent on (g, v), which is the state, at unit learning rates: $x = g\, v / \|v\|$.

    `norm` is $\|v\|$ at the start. Source: Salimans and Kingma, Weight normalization, NeurIPS 2016.
    """

    norm: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check.positive("norm", self.norm)

    @property
    def flow(self) -> WeightNormFlow:
        return WeightNormFlow(self.depth, self.norm**-2)

    def encode(self, start: Polar) -> Array:
        return _joined(start.radius, self.norm * start.direction)

    def decode(self, states: Array) -> Polar:
        v = states[..., 1:]
        return Polar.of(states[..., 0], v / _norm(v)[..., None])

    def step(self, state: Array, h: float, force: Force) -> Array:
        g, v = state[..., 0], state[..., 1:]
        norm = _norm(v)[..., None]
        radial, angular = _polar_slopes(self.depth, g, v / norm, force)
        return _joined(g + h * radial, v + h * angular / norm)


@dataclass(frozen=True, eq=False)
class Descent:
    """Snapshots of a method's runs.

    t (T,): times, the numbers of steps taken times the step; states (T, ..., n): the method's own coordinates.
    """

    method: DescentMethod
    problem: Problem
    t: Array
    states: Array

    @cached_property
    def points(self) -> Polar:
        """The points x = r u in logarithms, of shape (T, ..., N)."""
        return self.method.decode(self.states)

    @cached_property
    def weights(self) -> Array:
        """Weights, shape (T, ..., N)."""
        return self.points.weights(self.method.depth)

    @property
    def radius(self) -> Array:
        """r, shape (T, ...): the norm of x, with its sign at depth 1."""
        return self.points.radius

    @property
    def loss(self) -> Array:
        """Square loss, shape (T, ...)."""
        return self.problem.loss(self.weights)

    @property
    def l1(self) -> Array:
        """The l1 norm of the weights, shape (T, ...)."""
        return np.sum(np.abs(self.weights), axis=-1)

    @property
    def norm(self) -> Array:
        r"""$\|v\|$ of Salimans-Kingma descent, shape (T, ...); ValueError for a method without v."""
        if not isinstance(self.method, SalimansKingmaDescent):
            raise ValueError(f"method must be SalimansKingmaDescent to have ||v||, got {self.method}")
        return _norm(self.states[..., 1:])


def descend(
    method: DescentMethod,
    problem: Problem,
    start: Polar,
    step: float,
    steps: int,
    every: int = 1,
    batch_size: int | None = None,
    seed: int = 0,
) -> Descent:
    """Take `steps` steps of size `step` from `start`: one point, or many of shape (..., N) that run side by side.

    Snapshots are kept of the start, of every `every` steps, and of the end. With `batch_size` the steps are stochastic:
    each epoch splits the rows of A at random into the fewest minibatches of at most that size, equal but for one row,
    the same for all runs; `seed` decides them. Before an epoch ends, its part of the error is random.

    Raises ValueError for bad arguments, InfeasibleError if the depth's weights cannot interpolate, and DescentError if
    the steps are too long. A loss that diverges is seen at the next snapshot.
    """
    if not isinstance(method, DescentMethod):
        raise ValueError(f"method must be a DescentMethod, such as GradientDescent(2), got {method!r}")
    _check_starts(method.flow, start, problem.shape[1])
    step = check.positive("step", step)
    steps = check.integer("steps", steps, least=1)
    every = check.integer("every", every, least=1, most=steps)
    if batch_size is not None:
        batch_size = check.integer("batch_size", batch_size, least=1, most=problem.shape[0])
    seed = check.integer("seed", seed, least=0)
    if method.depth >= 2:
        problem.require_nonnegative_interpolant()
    state = method.encode(start)
    if _failed(method, state).any():
        raise ValueError("start must be a positive floating-point number in every entry, got one that underflows")

    taken = np.append(np.arange(0, steps, every), steps)
    states = np.empty((taken.size, *state.shape))
    states[0] = state
    snapshot = 1
    # Overflow happens on the way to the error below, which says what it means.
    with np.errstate(over="ignore", invalid="ignore"):
        bound = DIVERGED * np.maximum(problem.loss(start.weights(method.depth)), 0.5 * problem.y @ problem.y)
        for k, force in enumerate(islice(_forces(problem, batch_size, seed), steps), 1):
            state = method.step(state, step, force)
            if (failed := _failed(method, state)).any():
                wanted = "positive" if method.depth >= 2 else "finite"
                raise DescentError(_message(step, k, failed, f"has a coordinate that is not {wanted}"))
            if k == taken[snapshot]:
                states[snapshot] = state
                snapshot += 1
                losses = problem.loss(method.decode(state).weights(method.depth))
                if (failed := np.asarray(~(losses <= bound))).any():
                    raise DescentError(_message(step, k, failed, f"has a loss of {losses[failed][0]:.3g}"))
    return Descent(method, problem, taken * step, states)


def _forces(problem: Problem, batch_size: int | None, seed: int) -> Iterator[Force]:
    """The force of each step: that of all rows, or those of the minibatches."""
    rows = problem.shape[0]
    if batch_size is None:
        yield from repeat(partial(_force, problem.A, problem.y))
        return
    rng = np.random.default_rng(seed)
    count = -(-rows // batch_size)
    while True:
        for batch in np.array_split(rng.permutation(rows), count):
            yield partial(_force, problem.A[batch], problem.y[batch], scale=count)


def _force(A: Array, y: Array, weights: Array, scale: float = 1.0) -> Array:
    return scale * (y - weights @ A.T) @ A


def _polar_slopes(L: int, r: Array, u: Array, force: Force) -> tuple[Array, Array]:
    r"""$L r^{L-1} \langle p, u^L\rangle$ and $L r^L (p \odot u^{L-1} - \langle p, u^L\rangle u)$."""
    power = u ** (L - 1)
    p = force(r[..., None] ** L * power * u)
    along = np.vecdot(p, power * u)
    return L * r ** (L - 1) * along, L * r[..., None] ** L * (p * power - along[..., None] * u)


def _norm(vectors: Array) -> Array:
    return np.sqrt(np.vecdot(vectors, vectors))


def _joined(radius: Array, vectors: Array) -> Array:
    return np.concatenate([radius[..., None], vectors], axis=-1)


def _failed(method: DescentMethod, state: Array) -> Mask:
    """Which runs have left the coordinates in which the method is defined, shape (...)."""
    valid = state > 0 if method.depth >= 2 else np.isfinite(state)
    return np.asarray(~valid.all(axis=-1))


def _message(step: float, k: int, failed: Mask, what: str) -> str:
    index = tuple(int(i) for i in np.argwhere(failed)[0])
    run = f"run {index}" if index else "the run"
    return f"step must be smaller: with step = {step:.6g} {run} {what} at step {k}"


def _check_starts(flow: Flow, start: Polar, n: int) -> None:
    """Raise ValueError unless `start` is one start, or an array of starts, for `n` weights that `flow` can take."""
    if not isinstance(start, Polar) or np.shape(start.radius) != np.shape(start.log_direction)[:-1]:
        flow.check_start(start, n)
    signs = np.broadcast_to(start.sign, start.log_direction.shape)
    for index in np.ndindex(start.radius.shape):
        flow.check_start(Polar(start.radius[index], start.log_direction[index], signs[index]), n)
