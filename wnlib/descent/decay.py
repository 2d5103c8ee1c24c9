r"""Weight decay, as PyTorch's SGD does it: the gradient of a parameter, plus a multiple $\lambda$ of the parameter.

A step multiplies a parameter by $1 - h\lambda$ and then moves it by the gradient at the point it leaves. On v decay
leaves the direction as it is and shortens v, by which the ratio $1/\|v\|^2$ rises; the weights do not notice it at
once. On g it is the gradient step for the loss with the penalty $\tfrac\lambda2 g^2$. On x, of plain gradient descent,
the penalty is $\tfrac\lambda2 \|x\|^2$, which is the same number.
"""

from dataclasses import dataclass

import numpy as np

from wnlib._checks import Array
from wnlib.descent.arguments import PerRun, nonnegative, one
from wnlib.descent.methods import GradientDescent, Parts, Spare
from wnlib.descent.polar import SalimansKingmaDescent
from wnlib.descent.rows import Rows
from wnlib.errors import ArgumentError
from wnlib.flows.flow import GradientFlow
from wnlib.flows.weight_norm import Growth, ScheduledWeightNormFlow, WeightNormFlow


@dataclass(frozen=True, eq=False, repr=False)
class DecayedGradientDescent(GradientDescent):
    """Gradient descent on x, with weight decay.

    Attributes:
        decay: At least 0, in units of one over time; one, or one for each run, shape (...).

    Raises:
        ArgumentError: for a depth or a decay out of its range.

    Example:
        >>> from wnlib import DecayedGradientDescent, GradientFlow, Problem, descend
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> start = GradientFlow(depth=2).start(60, scale=1.0)
        >>> method = DecayedGradientDescent(depth=2, decay=[0.0, 0.1])
        >>> descent = descend(method, problem, start, step=0.1, steps=300)
        >>> descent.l1[-1].round(2), descent.loss[-1].round(4)  # less mass, some loss
        (array([4.11, 2.87]), array([0.0004, 0.0048]))
    """

    decay: PerRun = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "decay", nonnegative("decay", self.decay))

    @property
    def flow(self) -> GradientFlow:
        if np.any(self.decay):
            raise ArgumentError(f"decay must be 0 for gradient flow to follow, got {self.decay}")
        return super().flow

    def advance(self, parts: Parts, h: PerRun, rows: Rows, spare: Spare) -> tuple[Parts, Array]:
        (x,) = parts
        (x_new,), residual = super().advance(parts, h, rows, spare)
        x_new -= (h * self.decay)[..., None] * x
        return (x_new,), residual


@dataclass(frozen=True, eq=False, repr=False)
class DecayedSalimansKingmaDescent(SalimansKingmaDescent):
    r"""Gradient descent on (g, v), with weight decay on either.

    Without decay on g, the flow that it follows as its steps get shorter is weight-normalized gradient flow whose ratio
    is $e^{2\lambda t}/\|v(0)\|^2$, $\lambda$ the decay on v.

    Attributes:
        scale_decay: On g, at least 0, in units of one over time; one, or one for each run, shape (...).
        vector_decay: On v, likewise.

    Raises:
        ArgumentError: for a depth, a norm or a decay out of its range.

    Example:
        >>> from wnlib import DecayedSalimansKingmaDescent
        >>> flow = DecayedSalimansKingmaDescent(depth=2, norm=0.5, vector_decay=0.1).flow
        >>> flow.ratio, round(flow.angular_schedule(5.0), 4)  # the schedule is e^(2 decay t)
        (4.0, 2.7183)
    """

    scale_decay: PerRun = 0.0
    vector_decay: PerRun = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "scale_decay", nonnegative("scale_decay", self.scale_decay))
        object.__setattr__(self, "vector_decay", nonnegative("vector_decay", self.vector_decay))

    @property
    def flow(self) -> WeightNormFlow:
        if np.any(self.scale_decay):
            raise ArgumentError(f"scale_decay must be 0 for weight normalization to follow, got {self.scale_decay}")
        rate = one("vector_decay", self.vector_decay)
        ratio = super().flow.ratio
        return ScheduledWeightNormFlow(self.depth, ratio, angular_schedule=Growth(2 * rate))

    def advance(self, parts: Parts, h: PerRun, rows: Rows, spare: Spare) -> tuple[Parts, Array]:
        g, v = parts
        (g_new, v_new), residual = super().advance(parts, h, rows, spare)
        v_new -= (h * self.vector_decay)[..., None] * v
        return (g_new - h * self.scale_decay * g, v_new), residual
