"""Many runs of a method side by side: a step is one pair of matrix products for all the runs that go on.

A run that ends leaves the batch, and the products shrink. A row of a product depends on the other rows by rounding
only, so that runs side by side are the runs alone to rounding, not to the bit.
"""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wnlib import _checks as check
from wnlib.descent.arguments import Shape, check_starts, nonnegative, positive, seeds, shape_of_runs
from wnlib.descent.methods import DescentMethod
from wnlib.descent.progress import shown
from wnlib.descent.result import Descent
from wnlib.descent.rows import Epochs, Minibatch
from wnlib.descent.runs import Runs, Snapshots
from wnlib.descent.units import in_units, told
from wnlib.errors import ArgumentError, DescentError
from wnlib.flows.polar import Polar
from wnlib.flows.units import Units, from_own, require_nonnegative_interpolant, to_own
from wnlib.problem import Problem


def descend(
    method: DescentMethod,
    problem: Problem,
    start: Polar,
    step: ArrayLike,
    steps: int,
    every: int = 1,
    batch_size: int | None = None,
    seed: int | NDArray[np.integer[Any]] = 0,
    stop_loss: ArrayLike = 0.0,
    divergence: Literal["raise", "record"] = "raise",
    progress: bool = False,
) -> Descent:
    """Descend by a discrete method, with one run or with many side by side.

    Arrays make many runs: the start, `step`, `seed`, `stop_loss` and what the method is made of may have shapes (...).
    The shape of the runs is that to which all of these broadcast: starts (5, N) and steps (3, 1) make (3, 5) runs.

    A run diverges if its next step makes a coordinate nonpositive (depth >= 2) or the coordinates' norm overflow, or if
    its loss is no number, or far larger than at the start and at zero. The loss is seen at every step, but in
    stochastic descent at snapshots only.

    Args:
        start: Points, shape (..., N), as `Flow.start` makes one.
        step: The size of a step, in units of time, shape (...).
        steps: How many to take, unless the loss falls below `stop_loss`.
        every: Snapshots are kept of the start, of each so many steps, and of the end.
        batch_size: Makes the steps stochastic: each epoch splits the rows of A at random into the fewest minibatches of
            at most that size, equal but for one row. Before an epoch ends, its part of the error is random.
        seed: Decides the minibatches: one for all runs, which then see the same rows, or one for each, shape (...), at
            the cost of products with all rows at every step.
        stop_loss: In the squared units of y, shape (...).
        divergence: "raise" makes it an error, "record" the end of that run alone, at the state that it diverges from.
        progress: Is written to stderr after the first two seconds.

    Raises:
        ArgumentError: for bad arguments.
        InfeasibleError: if the depth's weights cannot interpolate.
        DescentError: if a run diverges, with the step at which it does; at step 0 if the start has no finite loss.

    Example:
        >>> from wnlib import PolarDescent, Problem, descend
        >>> method = PolarDescent(depth=2, ratio=10)
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> start = method.flow.start(60, scale=1.0)
        >>> options = {"steps": 300, "stop_loss": 1e-4, "divergence": "record"}
        >>> descend(method, problem, start, step=[0.01, 0.1], **options).fit
        array([ True, False])
    """
    if not isinstance(method, DescentMethod):
        raise ArgumentError(f"method must be a DescentMethod, such as GradientDescent(2), got {method!r}")
    check_starts(method.depth, start, problem.shape[1])
    step = np.asarray(positive("step", step))
    steps = check.integer("steps", steps, least=1)
    every = check.integer("every", every, least=1, most=steps)
    if batch_size is not None:
        batch_size = check.integer("batch_size", batch_size, least=1, most=problem.shape[0])
    seed, stop_loss = seeds(seed), nonnegative("stop_loss", stop_loss)
    if divergence not in ("raise", "record"):
        raise ArgumentError(f"divergence must be 'raise' or 'record', got {divergence!r}")
    shape = shape_of_runs(start=start.radius, **method.parameters, step=step, seed=seed, stop_loss=stop_loss)
    units = Units.of(problem, method.depth)
    own = units.problem(problem)
    if method.depth >= 2:
        require_nonnegative_interpolant(problem, own)
    own_step = to_own("step", step, units.time)
    runs = Runs.at(in_units(method, units), own, units.start(start), own_step, from_own(stop_loss, -units.loss), shape)
    epochs = Epochs(own, batch_size, seed if seed.ndim == 0 else np.broadcast_to(seed, shape).ravel())
    all_rows = None if batch_size is None else Minibatch(own.A, own.y)
    kept = Snapshots(runs, steps, every)
    counted = shown(range(steps + 1), progress, lambda: f"{runs.count} of {kept.steps.size} runs")
    _follow(runs, kept, epochs, all_rows, counted, units, shape if divergence == "raise" else None)
    kept.states = told(method, kept.states, units)
    return kept.descent(method, problem, step, shape)


def _follow(
    runs: Runs,
    kept: Snapshots,
    epochs: Epochs,
    all_rows: Minibatch | None,
    counted: Iterator[int],
    units: Units,
    raising: Shape | None,
) -> None:
    """Step by step, until no run goes on. Stochastic descent, which has `all_rows`, takes snapshots with these.

    All is in the problem's own `units`. The first run to diverge is an error, which is told the shape of the runs,
    where one is given.
    """
    method, steps, stochastic = runs.method, kept.taken[-1], all_rows is not None
    # Overflow happens on the way to a divergence.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for k in counted:
            seen = kept.see(k, runs)
            observed = runs.advance(all_rows)[1] if all_rows is not None and seen else None
            moved, residual = runs.advance(epochs.next(runs.numbers))
            residual = residual if observed is None else observed
            losses = 0.5 * np.vecdot(residual, residual)
            going_on = inside = method.inside(moved) | (k == steps)
            if known := seen or not stochastic:
                going_on = inside & (losses >= runs.stop_loss) & (losses <= runs.bound)
            if going_on.all():
                runs.move(moved)
                continue
            fit, large = known & (losses < runs.stop_loss), known & ~(losses <= runs.bound)
            diverged = ~(going_on | fit)
            if raising is not None and diverged.any():
                i = int(np.argmax(diverged))
                left = "a coordinate that is not positive" if method.finite(moved)[i] else "a norm that is not finite"
                loss, step = from_own(losses[i], units.loss), from_own(runs.step[i], units.time)
                what = f"a loss of {loss:.3g}" if large[i] else left
                raise DescentError(_message(step, runs.numbers[i], raising, what, k if large[i] else k + 1))
            kept.end(k, runs, fit, diverged)
            if not going_on.any():
                break
            runs.move(moved)
            runs.keep(np.flatnonzero(going_on))


def _message(step: float, number: int, shape: Shape, what: str, k: int) -> str:
    run = f"run {tuple(map(int, np.unravel_index(number, shape)))}" if shape else "the run"
    must = f"step must be smaller: with step = {step:.6g}" if k else "start must have a finite loss:"
    return f"{must} {run} has {what} at step {k}"
