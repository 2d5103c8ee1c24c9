"""PyTorch's weight normalization beside ours: the same layer, the same steps, the same minibatches.

The layer is ``torch.nn.Linear`` with ``torch.nn.utils.parametrizations.weight_norm(layer, dim=None)``, whose
parameters are `original0`, the scale g, and `original1`, the free vector v; the weights of the problem are the L-th
powers of the layer's. ``torch.optim.SGD`` trains it in double precision. PyTorch is imported where it is used only:
what it did is stored, and `descents` does the same without it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.running.record import Record, Row
from wnlib._checks import Array
from wnlib.descent import DecayedSalimansKingmaDescent, descend
from wnlib.errors import require
from wnlib.flows.polar import Polar
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit

M, N, SPARSITY = 12, 30, 2
STEPS, EVERY = 400, 50
SIZE = 0.6  # the norm of v at the start
DIGITS = 10  # of agreement, at which counting stops: what lies beyond is rounding
WIDTHS, DRAWS = (30, 300, 3000), 10  # of PyTorch's own initialization


@dataclass(frozen=True)
class Setting:
    """One training: factors, step, rows of a minibatch (`M`: all), weight decay on g and on v."""

    name: str
    depth: int
    step: float
    batch: int = M
    scale_decay: float = 0.0
    vector_decay: float = 0.0


SETTINGS = (
    *(Setting("small step", depth, 0.002) for depth in (1, 2, 3)),
    *(Setting("large step", depth, 0.05) for depth in (1, 2, 3)),
    Setting("decay of g", 2, 0.02, scale_decay=0.1),
    Setting("decay of v", 2, 0.02, vector_decay=0.1),
    Setting("decay of both", 2, 0.02, scale_decay=0.1, vector_decay=0.1),
    Setting("minibatches", 2, 0.01, batch=4),
    Setting("single rows", 2, 0.005, batch=1),
)


@dataclass(frozen=True, eq=False)
class Training:
    """Snapshots after 0, `EVERY`, ..., `STEPS` steps: g (T,), the norm of v (T,), and the layer's weights (T, N)."""

    scale: Array
    norm: Array
    x: Array


def problem_and_start(depth: int) -> tuple[Problem, Polar]:
    """The problem of the record, and its uniform start of norm 1."""
    return Problem.gaussian(M, N, SPARSITY), WeightNormFlow(depth, SIZE**-2).start(N, 1.0)


def descents(setting: Setting) -> Training:
    """The training by `descend`."""
    problem, start = problem_and_start(setting.depth)
    method = DecayedSalimansKingmaDescent(setting.depth, SIZE, setting.scale_decay, setting.vector_decay)
    batch_size = None if setting.batch == M else setting.batch
    run = descend(method, problem, start, setting.step, STEPS, EVERY, batch_size)
    return Training(run.states[:, 0], run.norm, run.radius[:, None] * run.points.direction)


def minibatches(size: int) -> Callable[[], tuple[Array, float]]:
    """What `descend` draws with seed 0, by NumPy's generator alone: the rows of the next step, and their factor."""
    rng, count = np.random.default_rng(0), -(-M // size)
    queue: list[Array] = []

    def following() -> tuple[Array, float]:
        if not queue:
            queue.extend(np.array_split(rng.permutation(M) if count > 1 else np.arange(M), count))
        return queue.pop(0), float(count)

    return following


def trained(setting: Setting) -> Training:
    """The training by PyTorch. Raises MissingExtraError without PyTorch."""
    require("torch", "torch")
    import torch
    from torch.nn.utils.parametrizations import weight_norm

    problem, start = problem_and_start(setting.depth)
    A, y = torch.from_numpy(problem.A.copy()), torch.from_numpy(problem.y.copy())
    layer = torch.nn.Linear(N, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(start.radius * start.direction))
        weight_norm(layer, dim=None)
        g, v = layer.parametrizations.weight.original0, layer.parametrizations.weight.original1
        v.mul_(SIZE / v.norm())
    optimizer = torch.optim.SGD(
        [
            {"params": [g], "weight_decay": setting.scale_decay},
            {"params": [v], "weight_decay": setting.vector_decay},
        ],
        lr=setting.step,
    )
    following = minibatches(setting.batch)
    snapshots = []
    for k in range(STEPS + 1):
        if k % EVERY == 0:
            x = layer.weight.detach().numpy().ravel().copy()
            snapshots.append((float(g.detach()), float(v.detach().norm()), x))
        rows, factor = following()
        optimizer.zero_grad()
        residual = y[rows] - A[rows] @ layer.weight.squeeze(0) ** setting.depth
        (0.5 * factor * residual.square().sum()).backward()
        optimizer.step()
    return Training(*(np.array(column) for column in zip(*snapshots, strict=True)))


def default_start(width: int, seed: int) -> tuple[float, float]:
    """g and the norm of v of a layer as PyTorch makes it. Raises MissingExtraError without PyTorch."""
    require("torch", "torch")
    import torch
    from torch.nn.utils.parametrizations import weight_norm

    torch.manual_seed(seed)
    parameters = weight_norm(torch.nn.Linear(width, 1, bias=False, dtype=torch.float64)).parametrizations.weight
    return float(parameters.original0.detach()), float(parameters.original1.detach().norm())


def agreement(one: Training, other: Training) -> int:
    """The decimal digits to which two trainings agree in all that they hold, at most `DIGITS`."""
    pairs = ((one.scale, other.scale), (one.norm, other.norm), (one.x, other.x))
    error = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
    return DIGITS if error <= 10.0**-DIGITS else int(-np.log10(error))


def columns(setting: Setting, training: Training, digits: int) -> list[Row]:
    """One row for each snapshot."""
    problem, _ = problem_and_start(setting.depth)
    target, weights = basis_pursuit(problem).weights, training.x**setting.depth
    fixed: dict[str, float | int | str] = {
        "setting": setting.name,
        "depth": setting.depth,
        "step": setting.step,
        "batch": setting.batch,
        "decay_g": setting.scale_decay,
        "decay_v": setting.vector_decay,
    }
    return [
        {
            **fixed,
            "taken": k * EVERY,
            "g": float(training.scale[k]),
            "norm": float(training.norm[k]),
            "loss": float(problem.loss(weights[k])),
            "distance": float(np.linalg.norm(weights[k] - target) / np.linalg.norm(target)),
            "digits": digits,
        }
        for k in range(len(weights))
    ]


def compute(task: Setting | int) -> list[Row]:
    """The rows of a training by PyTorch, or of its initializations of one width."""
    if isinstance(task, Setting):
        training = trained(task)
        return columns(task, training, agreement(training, descents(task)))
    empty = {"depth": 1, "step": 0.0, "batch": 0, "decay_g": 0.0, "decay_v": 0.0, "taken": 0}
    starts = [default_start(task, seed) for seed in range(DRAWS)]
    return [
        {"setting": "default", **empty, "g": g, "norm": norm, "loss": 0.0, "distance": 0.0, "digits": task}
        for g, norm in starts
    ]


RECORD = Record(__name__, (*SETTINGS, *WIDTHS), compute, sample=(1, 10, 12), rtol=1e-4, needs="torch")
