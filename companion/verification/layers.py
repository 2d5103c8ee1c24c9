"""Cases of networks whose layers have factors of their own, and wrong variants of their flows."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from companion.verification.cases import with_signs
from companion.verification.ensemble import Case
from companion.verification.measuring import solved
from wnlib._checks import Array
from wnlib.flows.polar import radius_of
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.models.layered import LayeredTrajectory, decode, encode, integrate_layered, layered_field
from wnlib.models.signed import signed
from wnlib.problem import Problem
from wnlib.sparse.basis_pursuit import basis_pursuit

END, FITTED = 1e4, 0.1  # of a run: its longest time, and the residual at which it stops


def layered(case: Case) -> tuple[WeightNormFlow, Problem, Array]:
    r"""Weight normalization, the same measurements, and factors of any sign (L, N), each layer of a norm of its own.

    Ratio and scale are in units of the sparsest interpolant of either sign.
    """
    problem, L = with_signs(case), case.depth
    size = float(radius_of(np.abs(signed(basis_pursuit(problem.doubled()).weights)), L))
    rng = np.random.default_rng([case.seed, 5])
    x = rng.standard_normal((L, case.n))
    sizes = case.scale * size * rng.uniform(0.7, 1.4, (L, 1))
    flow = WeightNormFlow(L, 2 * case.ratio / (max(1, L - 2) * size**2))
    return flow, problem, np.asarray(sizes * x / np.linalg.norm(x, axis=1, keepdims=True))


def followed(
    case: Case, rtol: float, lead: float = 1.0, doubling: bool = False, turning: bool = False
) -> Iterator[LayeredTrajectory]:
    """Weight normalization and, unless the case is the `turning` one, gradient flow, until a tenth is left.

    For falsifiers: a first layer whose rates `lead`; a ratio that is `doubling` on the way.
    """
    normalized, problem, x = turned(case) if turning else layered(case)
    for flow in (normalized,) if turning else (normalized, case.plain):
        path = integrate_layered(flow, problem, x, END, FITTED, rtol)
        if doubling and isinstance(flow, WeightNormFlow):
            faster = replace(flow, ratio=2 * flow.ratio)
            path = joined(path, integrate_layered(faster, problem, path.factors[-1], END, FITTED / 10, rtol))
        yield path if lead == 1 else led(path, lead)


def joined(first: LayeredTrajectory, second: LayeredTrajectory) -> LayeredTrajectory:
    """One path after another."""
    return replace(
        first,
        t=np.append(first.t, first.t[-1] + second.t),
        radii=np.concatenate([first.radii, second.radii]),
        directions=np.concatenate([first.directions, second.directions]),
    )


def turned(case: Case) -> tuple[WeightNormFlow, Problem, Array]:
    """Weight normalization of two weights that the data pull through zero: a radius changes its sign."""
    rng, L = case.rng(), case.depth
    directions = [1.0, 2.0] * rng.uniform(0.9, 1.1, (L, 2))
    sizes = 0.1 * np.arange(1, L + 1)[:, None]
    x = sizes * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return WeightNormFlow(L, 1.0), Problem(np.array([[1.0, -1.0]]), np.ones(1)), np.asarray(x)


def led(path: LayeredTrajectory, lead: float) -> LayeredTrajectory:
    """The same for as long, where the rates of the first layer `lead`."""
    flow, x = path.flow, path.factors[0]
    layers = np.where(np.arange(len(x)) == 0, lead, 1.0)
    of_radii = layers if isinstance(flow, WeightNormFlow) else layers[:0]
    rates, field = np.concatenate([of_radii, np.repeat(layers, x.shape[1])]), layered_field(flow, path.problem)
    states = solved(lambda t, state: rates * field(t, state), encode(flow, x), path.t[[0, -1]])
    radii, directions = decode(flow, states)
    return replace(path, t=path.t[[0, -1]], radii=radii, directions=directions)
