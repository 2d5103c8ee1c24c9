"""The runs of a descent: those that still go on, and the snapshots of all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wnlib._checks import Array
from wnlib._diverging import loss_bound
from wnlib.descent.arguments import Shape
from wnlib.descent.methods import DescentMethod, Mask, Parts
from wnlib.descent.result import Descent
from wnlib.descent.rows import Minibatch
from wnlib.errors import ArgumentError
from wnlib.flows.polar import Polar
from wnlib.problem import Problem

Numbers = NDArray[np.intp]


@dataclass
class Runs:
    """Runs that go on, by their `numbers` (R,) in the order of all; the rest has R entries along its first axis."""

    numbers: Numbers
    method: DescentMethod
    parts: Parts
    step: Array
    stop_loss: Array
    bound: Array  # of the loss: beyond it a run has diverged

    def __post_init__(self) -> None:
        self._allot()

    def _allot(self) -> None:
        self._spare = np.empty_like(self.parts[-1]), np.empty_like(self.parts[-1])

    @classmethod
    def at(
        cls, method: DescentMethod, problem: Problem, start: Polar, step: Array, stop_loss: Array, shape: Shape
    ) -> "Runs":
        """All runs, of the given shape, at their start."""
        numbers = np.arange(int(np.prod(shape)))
        n = problem.shape[1]
        starts = Polar(
            np.broadcast_to(start.radius, shape).ravel(),
            np.broadcast_to(start.log_direction, (*shape, n)).reshape(-1, n),
            np.broadcast_to(start.sign, (*shape, n)).reshape(-1, n),
        )
        method = method.of_runs(shape, numbers)
        parts = method.split(method.encode(starts))
        if method.depth >= 2 and not method.positive(parts).all():
            raise ArgumentError(
                "start must be a positive floating-point number in every entry, got one that underflows"
            )
        with np.errstate(over="ignore", invalid="ignore"):  # of starts at which the first step finds that they diverge
            bound = loss_bound(problem.loss(starts.weights(method.depth)), problem.loss_of_zero)
        step, stop_loss = (np.broadcast_to(value, shape).ravel() for value in (step, stop_loss))
        return cls(numbers, method, parts, step, stop_loss, bound)

    @property
    def count(self) -> int:
        return self.numbers.size

    @property
    def states(self) -> Array:
        """The states, shape (R, n)."""
        return self.method.join(self.parts)

    def advance(self, rows: Minibatch) -> tuple[Parts, Array]:
        """The parts of the states one step later, which the next call overwrites, and the residuals before it."""
        return self.method.advance(self.parts, self.step, rows, self._spare)

    def move(self, parts: Parts) -> None:
        """Make the parts that `advance` has returned those of these runs."""
        self._spare = self.parts[-1], self._spare[1]
        self.parts = parts

    def keep(self, places: Numbers) -> None:
        """Leave out all but the runs at some places among these."""
        self.method = self.method.of_runs((self.count,), places)
        self.parts = tuple(part[places] for part in self.parts)
        self.numbers, self.step = self.numbers[places], self.step[places]
        self.stop_loss, self.bound = self.stop_loss[places], self.bound[places]
        self._allot()


class Snapshots:
    """Snapshots of all runs after 0, `every`, 2 `every`, ... steps and after the last, and their ends."""

    def __init__(self, runs: Runs, steps: int, every: int) -> None:
        self.taken = np.append(np.arange(0, steps, every), steps)
        self.states = np.empty((self.taken.size, *runs.states.shape))
        self.steps = np.full(runs.count, steps)
        self.fit, self.diverged = np.zeros((2, runs.count), dtype=bool)
        self.seen = 0

    def see(self, k: int, runs: Runs) -> bool:
        """Whether there is a snapshot after k steps, which is taken."""
        due = k == self.taken[self.seen]
        if due:
            self.states[self.seen, runs.numbers] = runs.states
            self.seen += 1
        return bool(due)

    def end(self, k: int, runs: Runs, fit: Mask, diverged: Mask) -> None:
        """Some runs end after k steps."""
        ended = fit | diverged
        numbers = runs.numbers[ended]
        self.steps[numbers], self.fit[numbers], self.diverged[numbers] = k, fit[ended], diverged[ended]
        self.states[self.seen :, numbers] = runs.states[ended]

    def descent(self, method: DescentMethod, problem: Problem, step: Array, shape: Shape) -> Descent:
        steps, fit, diverged = (ends.reshape(shape) for ends in (self.steps, self.fit, self.diverged))
        t = np.minimum(self.taken.reshape(-1, *(1 for _ in shape)), steps) * step
        return Descent(method, problem, t, self.states.reshape(-1, *shape, self.states.shape[-1]), steps, fit, diverged)
