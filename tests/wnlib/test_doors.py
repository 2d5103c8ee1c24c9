"""What is public takes numbers of every type for what they are, or refuses them by the argument's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import wnlib
from wnlib import (
    ArgumentError,
    Cascade,
    DecayedGradientDescent,
    DecayedSalimansKingmaDescent,
    Descent,
    DescentMethod,
    Flow,
    GradientDescent,
    GradientFlow,
    GroupedFlow,
    LimitCurve,
    MatrixDescent,
    MatrixProblem,
    Polar,
    PolarDescent,
    Problem,
    SalimansKingmaDescent,
    ScheduledWeightNormFlow,
    SeparateFlow,
    Stay,
    WeightNormFlow,
)

Door = Callable[["Given"], Any]

SMALL = 2.0**-12  # a tolerance, a step: of half precision as well
PROBLEM = Problem(A=[[1, 2, 0], [0, 1, 1]], y=[3, 2])
DIAGONAL = Problem(A=[[1, 0], [0, 1]], y=[1, 3])
ONE = Problem(A=[[2]], y=[3])
SIGNED = Problem(A=[[1, 2, 0], [0, 1, 1]], y=[1, -2]).doubled()
MATRIX = MatrixProblem(A=[np.eye(2)], y=[3.0])
PLAIN, FLOW = GradientFlow(2), WeightNormFlow(2, 4.0)
MATCHED = GroupedFlow(2, 4.0, matched=True)
START = FLOW.start(3, 1.0)
TARGET = [1, 1, 1]

BAD_NUMBERS = [True, np.True_, Decimal(2), np.timedelta64(2), np.datetime64(2, "D"), "2", 2 + 0j, np.ma.masked]
BAD: dict[str, list[Any]] = {
    "integer": [*BAD_NUMBERS, 2.0, np.float16(2), np.array(2.0), Fraction(2)],
    "real": [*BAD_NUMBERS, np.nan, np.longdouble(np.inf), 10**400, sparse.eye_array(2)],
}


class Given:
    """Arguments, all of them made of another type, or the one at a place replaced by another."""

    def __init__(
        self, convert: Callable[[str, Any], Any] = lambda sort, value: value, place: int = -1, other: Any = None
    ) -> None:
        self.convert, self.place, self.other = convert, place, other
        self.seen: list[tuple[str, str, Any]] = []

    def _give(self, sort: str, name: str, value: Any) -> Any:
        self.seen.append((sort, name, value))
        return self.other if len(self.seen) - 1 == self.place else self.convert(sort, value)

    def integer(self, name: str, value: int) -> Any:
        return self._give("integer", name, value)

    def integers(self, name: str, value: list[int]) -> Any:
        return self._give("integers", name, value)

    def real(self, name: str, value: float) -> Any:
        return self._give("real", name, value)

    def array(self, name: str, value: Any) -> Any:
        """Real numbers, all of which are finite."""
        return self._give("array", name, value)

    def entries(self, name: str, value: Any) -> Any:
        """Numbers, complex ones too."""
        return self._give("entries", name, value)


def of_flow(flow: Flow, given: Given) -> list[Any]:
    radius = given.entries("radius", [1, 2])
    states = given.entries("states", [[1, 1, 2, 1] if isinstance(flow, WeightNormFlow) else [1, 2, 1]])
    found = [flow.start(given.integer("n", 3), given.real("scale", 2.0), given.array("direction", [1, 2, 2]))]
    found += [flow.relative_rate(radius), flow.angular_rate(radius), flow.decode(states)]
    if not isinstance(flow, ScheduledWeightNormFlow):
        found += [flow.log_magnification(radius), flow.radius(given.entries("log_magnification", [1, 2]))]
    return found


def plain(given: Given) -> list[Any]:
    flow = GradientFlow(given.integer("depth", 3))
    return [*of_flow(flow, given), flow.velocity(PROBLEM)(0.0, given.entries("state", [1, 2, 1]))]


def normalized(given: Given) -> list[Any]:
    flow = WeightNormFlow(given.integer("depth", 3), given.real("ratio", 4.0), given.real("radial_rate", 0.5))
    return [*of_flow(flow, given), flow.velocity(PROBLEM)(0.0, given.entries("state", [0, 1, 2, 1]))]


def scheduled(given: Given) -> list[Any]:
    return of_flow(ScheduledWeightNormFlow(given.integer("depth", 3), given.real("ratio", 4.0)), given)


def of_method(method: DescentMethod, given: Given, state: Any) -> list[Any]:
    states, h = given.entries("state", state), given.entries("h", SMALL)
    return [method.step(states, h, lambda weights: weights), method.decode(given.entries("states", state))]


def polar_descent(given: Given) -> list[Any]:
    method = PolarDescent(given.integer("depth", 2), given.real("ratio", 4.0))
    many = PolarDescent(2, given.array("ratio", [4, 2]))
    return [*of_method(method, given, [1, 1, 2, 2]), method.flow, many.ratio]


def salimans_kingma(given: Given) -> list[Any]:
    method = SalimansKingmaDescent(given.integer("depth", 2), given.real("norm", 0.5))
    return [*of_method(method, given, [1, 1, 2, 2]), method.flow, method.norms(given.entries("states", [1, 3, 4]))]


def decayed(given: Given) -> list[Any]:
    method = DecayedGradientDescent(given.integer("depth", 2), given.real("decay", 0.5))
    return [*of_method(method, given, [1, 2, 2]), DecayedGradientDescent(2, given.array("decay", [1, 2])).decay]


def decayed_salimans_kingma(given: Given) -> list[Any]:
    depth, norm = given.integer("depth", 2), given.real("norm", 0.5)
    return of_method(
        DecayedSalimansKingmaDescent(depth, norm, given.real("scale_decay", 0.5), given.array("vector_decay", [0.5])),
        given,
        [[1, 1, 2, 2]],
    )


def problem(given: Given) -> list[Any]:
    A, y = given.array("A", [[1, 2, 0], [0, 1, 1]]), given.array("y", [3, 2])
    found = Problem(A, y, given.array("truth", [1, 1, 1]), given.real("tolerance", 2.0**-5))
    weights = given.entries("weights", [[1, 2, 3], [3, 0, 1]])
    drawn = [
        draw(given.integer("m", 9), given.integer("n", 20), given.integer("sparsity", 2), given.integer("seed", 3))
        for draw in (Problem.gaussian, Problem.rademacher, Problem.dct, Problem.fourier)
    ]
    planted = Problem.planted(lambda rng: rng.uniform(size=(2, 5)), given.integer("m", 2), given.integer("n", 5), 1)
    return [found, found.kernel, found.residual(weights), found.loss(weights), *drawn, planted]


def matrix_problem(given: Given) -> list[Any]:
    X = given.entries("X", [[2, 1], [1, 1]])
    found = MatrixProblem(given.array("A", [[[1, 0], [0, 2]]]), given.array("y", [3]), given.array("truth", np.eye(2)))
    drawn = [
        draw(given.integer("m", 9), given.integer("n", 20), given.integer("rank", 2), given.integer("seed", 3))
        for draw in (MatrixProblem.gaussian, MatrixProblem.completion)
    ]
    commuting = MatrixProblem.commuting(DIAGONAL, given.array("basis", [[0, 1], [1, 0]]))
    W = given.entries("W", [[2, 1], [1, 1]])
    pulls = found.residual(W), found.loss(W), found.force(W), found.slope(X, given.integer("depth", 3))
    return [found, *pulls, *drawn, commuting]


def polar(given: Given) -> list[Any]:
    entries = given.entries("radius", [1, 2]), given.entries("log_direction", [[0, -1], [-1, 0]])
    point = Polar(*entries, given.entries("sign", [1]))
    other = Polar.of(given.entries("radius", 2.0), given.entries("direction", [0, 1]))
    return [point, point.weights(given.integer("depth", 3)), other, other.weights(3)]


def mirror(given: Given) -> list[Any]:
    found = []
    for depth in (1, 2, 3):
        for flow in (GradientFlow(depth), WeightNormFlow(depth, 4.0)):
            map_ = wnlib.mirror_map(flow, given.real("reference", 0.5))
            theta, point = given.entries("theta", [-1, -2, -4]), wnlib.polar_of(np.array([1.0, 2, 3]), depth)
            weights, target = given.entries("weights", [1, 2, 4]), given.entries("target", [1, 0, 2])
            found += [map_.inverse(theta).direction, map_.potential(weights), map_.bregman(target, point)]
            found += [map_.unit, map_.speed(point)]
    several = wnlib.mirror_map(FLOW, given.array("reference", [1, 2]))
    return [*found, several.unit]


def start(given: Given) -> Polar:
    return Polar(given.entries("radius", 2.0), given.entries("log_direction", [0, -6, -6]), np.ones(1))


def many(given: Given) -> Polar:
    return Polar(given.entries("radius", [2.0]), given.entries("log_direction", [[-1, -2, -2]]), np.ones(1))


def one(given: Given) -> Polar:
    return Polar(given.entries("radius", 2.0), given.entries("log_direction", [0]), np.ones(1))


def trajectory(given: Given) -> list[Any]:
    path = wnlib.integrate(
        FLOW,
        PROBLEM,
        START,
        given.real("t_end", 2.0),
        rtol=given.real("rtol", SMALL),
        stop_loss=given.real("stop_loss", SMALL),
    )
    plateaus = path.plateaus(given.real("drop", 0.5), given.real("decades", 0.25))
    at = path.at(given.array("times", [0, 0.125]))
    return [path, plateaus, at, path.bregman(given.array("target", TARGET)), path.fits_at(given.real("loss", 0.5))]


def separate(given: Given) -> list[Any]:
    flow = SeparateFlow(given.integer("depth", 2), given.real("ratio", 4.0))
    begin = flow.start(given.integer("n", 3), given.real("scale", 1.0), given.array("direction", [1, 2, 2]))
    velocity = flow.velocity(SIGNED, begin)(0.0, given.entries("state", [0, -1, -1, -1, 0, -1, -1, -1]))
    path = wnlib.integrate_separate(
        flow,
        SIGNED,
        begin,
        t_end=given.real("t_end", 2.0),
        stop=given.real("stop", SMALL),
        rtol=given.real("rtol", SMALL),
    )
    return [*begin, velocity, path.parts, path.t]


def grouped(given: Given) -> list[Any]:
    flow = GroupedFlow(given.integer("depth", 2), given.real("ratio", 4.0))
    direction = given.array("direction", [1, 2, 2, 1, 1, 1])
    begin = flow.start(given.integer("n", 6), given.real("scale", 1.0), given.integer("groups", 2), direction)
    velocity = flow.velocity(SIGNED, begin)(0.0, given.entries("state", [0, -1, -1, -1, 0, -1, -1, -1]))
    path = wnlib.integrate_grouped(
        flow,
        SIGNED,
        begin,
        t_end=given.real("t_end", 2.0),
        stop=given.real("stop", SMALL),
        rtol=given.real("rtol", SMALL),
    )
    return [begin, velocity, path.weights, path.t]


def layered(given: Given) -> list[Any]:
    factors = given.array("factors", [[1, 2, 1], [1, -1, 2]])
    path = wnlib.integrate_layered(
        FLOW,
        PROBLEM,
        factors,
        t_end=given.real("t_end", 2.0),
        stop=given.real("stop", SMALL),
        rtol=given.real("rtol", SMALL),
    )
    return [path.t, path.factors, path.weights]


def layered_end(given: Given) -> list[Any]:
    factors = given.array("factors", [[1, 2, 1], [1, -1, 2]])
    end = wnlib.layered_limit(FLOW, PROBLEM, factors, given.real("tolerance", SMALL))
    return [end.weights, end.theta, end.residual]


def layered_descent(given: Given) -> list[Any]:
    factors, step = given.array("factors", [[1, 2, 1], [1, -1, 2]]), given.real("step", SMALL)
    options = {"ratio": given.real("ratio", 4.0), "tolerance": given.real("tolerance", SMALL)}
    run = wnlib.layered_descent(PROBLEM, factors, step, given.integer("steps", 4), **options)
    return [run.factors, run.losses]


def limits(given: Given) -> list[Any]:
    curve = LimitCurve(PROBLEM, given.integer("depth", 2), given.array("direction", [1, 1, 1]))
    return [curve.limit(FLOW, START, given.real("tolerance", SMALL)), curve.depth]


def large_ratio(given: Given) -> list[Any]:
    path = wnlib.large_ratio_path(PROBLEM, PLAIN.start(3, 0.5))
    times = given.array("times", [0, 1])
    return [path.at(times), path.integral(times), path.at_mass(given.array("masses", [1, 1]))]


def descent(given: Given) -> list[Any]:
    options: dict[str, Any] = {"every": given.integer("every", 2), "batch_size": given.integer("batch_size", 1)}
    options |= {"seed": given.integer("seed", 3), "stop_loss": given.real("stop_loss", SMALL)}
    single = wnlib.descend(
        GradientDescent(2), PROBLEM, START, given.real("step", SMALL), given.integer("steps", 4), **options
    )
    steps, seeds = given.array("step", [2 * SMALL, SMALL]), given.integers("seed", [1, 2])
    several = wnlib.descend(PolarDescent(2, 4.0), PROBLEM, START, steps, 4, batch_size=1, seed=seeds)
    stopped = wnlib.descend(PolarDescent(2, 4.0), PROBLEM, START, SMALL, 4, stop_loss=given.array("stop_loss", [1, 0]))
    return [single, several, stopped]


def matrix_descent(given: Given) -> list[Any]:
    scale, step = given.array("scale", [1, 2]), given.array("step", [1, 1])
    options = {"ratio": given.real("ratio", 2.0), "tolerance": given.real("tolerance", SMALL)}
    depth, steps = given.integer("depth", 2), given.integer("steps", 9)
    return [wnlib.matrix_descent(MATRIX, depth, scale, step, steps=steps, **options)]


def spectral(given: Given) -> list[Any]:
    options = {"ratio": given.real("ratio", 2.0), "tolerance": given.real("tolerance", SMALL)}
    return [wnlib.spectral_limit(MATRIX, given.integer("depth", 2), given.real("scale", 0.5), **options)]


def stay(given: Given) -> list[Any]:
    begin = PLAIN.start(2, 2.0**-6)
    found = wnlib.stay(PLAIN, wnlib.saddle(DIAGONAL, []), begin, mass=given.real("mass", 2.0**-8))
    return [found.mass, found.earliest, found.latest]


def at_weights(function: Callable[..., Any]) -> Door:
    return lambda given: function(WeightNormFlow(3, 4.0), PROBLEM, given.array("weights", [1, 2, 3]))


def bound(function: Callable[..., Any]) -> Door:
    return lambda given: function(FLOW, given.real("scale", 0.5), given.array("target", [1, 0, 2]))


DOORS: dict[str, Door] = {
    "DecayedGradientDescent": decayed,
    "DecayedSalimansKingmaDescent": decayed_salimans_kingma,
    "GradientDescent": lambda given: of_method(GradientDescent(given.integer("depth", 3)), given, [1, 2, 2]),
    "GradientFlow": plain,
    "GroupedFlow": grouped,
    "LimitCurve": limits,
    "MatrixProblem": matrix_problem,
    "MirrorMap": mirror,
    "Polar": polar,
    "PolarDescent": polar_descent,
    "Problem": problem,
    "SalimansKingmaDescent": salimans_kingma,
    "ScheduledWeightNormFlow": scheduled,
    "SeparateFlow": separate,
    "Trajectory": trajectory,
    "WeightNormFlow": normalized,
    "basis_pursuit": lambda given: wnlib.basis_pursuit(PROBLEM, given.array("costs", [1, 2, 2])).weights,
    "blow_up_times": lambda given: [*wnlib.blow_up_times(given.array("factors", [[1, 2], [-1, 3], [2, 4]]))],
    "cascade": lambda given: wnlib.cascade(PROBLEM, given.integer("most", 2)).dual_time,
    "collapse_barrier": lambda given: wnlib.collapse_barrier(
        PROBLEM, given.integer("depth", 3), given.array("direction", [1, 2, 2])
    ),
    "collapses": lambda given: float(wnlib.collapses(FLOW, PROBLEM, start(given))),
    "descend": descent,
    "grouped_limit": lambda given: (
        wnlib.grouped_limit(MATCHED, SIGNED, MATCHED.start(6, 1.0, 2), given.real("tolerance", SMALL)).weights
    ),
    "integrate": trajectory,
    "integrate_grouped": grouped,
    "integrate_layered": layered,
    "integrate_separate": separate,
    "invariant_drift": lambda given: wnlib.invariant_drift(PLAIN, PROBLEM, Polar.concatenate([many(given)] * 2)),
    "invariants": lambda given: wnlib.invariants(FLOW, PROBLEM, START, given.real("reference", 0.5)),
    "LargeRatioPath": large_ratio,
    "layered_descent": layered_descent,
    "layered_limit": layered_end,
    "limit": lambda given: wnlib.limit(FLOW, ONE, one(given), given.real("tolerance", SMALL)),
    "longest_step": at_weights(wnlib.longest_step),
    "magnification_excess_bound": bound(wnlib.magnification_excess_bound),
    "margin": lambda given: [*vars(wnlib.margin(PROBLEM, given.array("costs", [1, 2, 2]))).values()],
    "mass_bound": bound(wnlib.mass_bound),
    "matrix_descent": matrix_descent,
    "metric": lambda given: wnlib.metric(PLAIN, start(given)),
    "mirror_map": mirror,
    "needed_magnification": lambda given: wnlib.needed_magnification(
        given.integer("depth", 3), given.array("target", [1, 0, 2]), given.real("excess", SMALL)
    ),
    "needed_ratio": lambda given: wnlib.needed_ratio(
        PROBLEM,
        given.integer("depth", 3),
        given.real("scale", 0.5),
        given.real("excess", SMALL),
        given.array("direction", [1, 1, 1]),
    ),
    "needed_scale": lambda given: wnlib.needed_scale(
        PROBLEM, given.integer("depth", 3), given.real("excess", SMALL), given.array("direction", [1, 1, 1])
    ),
    "null_space_constant": lambda given: wnlib.null_space_constant(
        PROBLEM, given.integers("support", [0, 1]), given.array("signs", [1, -1])
    ),
    "polar_of": lambda given: wnlib.polar_of(given.array("weights", [[1, 0, 3]]), given.integer("depth", 3)),
    "positivity_success": lambda given: wnlib.positivity_success(
        given.integer("m", 12), given.integer("s", 3), given.integer("n", 20)
    ),
    "radius_of": lambda given: wnlib.radius_of(given.entries("weights", [1, 2, 3]), given.integer("depth", 3)),
    "rate_matrix": at_weights(wnlib.rate_matrix),
    "saddle": lambda given: wnlib.saddle(PROBLEM, given.integers("candidates", [2, 1])).weights,
    "sharpness": at_weights(wnlib.sharpness),
    "spectral_limit": spectral,
    "sparse_limit": lambda given: wnlib.sparse_limit(
        PROBLEM, given.integer("depth", 3), given.array("direction", [1, 2, 2])
    ),
    "stability": lambda given: wnlib.stability(PROBLEM, given.array("target", [0, 1, 0])),
    "statistical_dimension": lambda given: wnlib.statistical_dimension(given.integer("s", 3), given.integer("n", 60)),
    "stay": stay,
    "symmetric_start": lambda given: wnlib.symmetric_start(
        FLOW, given.integer("n", 3), given.real("scale", 0.5), given.array("direction", [1, 2, 2])
    ),
    "window_mass": lambda given: wnlib.window_mass(PROBLEM, given.integer("depth", 2), given.real("scale", 2.0)),
}
NUMBERLESS = {
    "DescentMethod",
    "Flow",
    "attainable_weights",
    "effective_start",
    "large_ratio_path",
}  # those of the classes' heirs are above
RESULTS = {
    "BasisPursuit",
    "Cascade",
    "Descent",
    "GroupedLimit",
    "GroupedTrajectory",
    "LayeredDescent",
    "LayeredLimit",
    "LayeredTrajectory",
    "Limit",
    "Margin",
    "MatrixDescent",
    "Saddle",
    "SeparateTrajectory",
    "Stay",
}


def parts(result: Any) -> Iterator[np.ndarray]:
    """All numbers in a result, as arrays."""
    if isinstance(result, list | tuple):
        for part in result:
            yield from parts(part)
    elif isinstance(result, float | int | np.ndarray | np.number):
        yield np.asarray(result)
    elif isinstance(result, Polar | Problem | MatrixProblem | Flow | Descent | MatrixDescent | Stay | Cascade):
        yield from parts([part for part in vars(result).values() if not isinstance(part, Problem)])
    elif isinstance(result, wnlib.Limit | wnlib.Trajectory):
        yield from parts(result.weights)


TYPES = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64]
TYPES += [np.float16, np.float32, np.float64, np.longdouble]


def of_type(kind: Any) -> Callable[[str, Any], Any]:
    def convert(sort: str, value: Any) -> Any:
        whole = sort.startswith("integer")
        if whole and np.dtype(kind).kind == "f":
            return value
        converted = np.asarray(value).astype(kind)
        if not np.array_equal(converted, value):
            return value
        return converted if np.ndim(value) else converted[()]

    return convert


def without_axes(sort: str, value: Any) -> Any:
    return np.asarray(value)


def fractions(sort: str, value: Any) -> Any:
    if sort.startswith("integer"):
        return value
    return np.vectorize(Fraction, otypes=[object])(value)[()]


def objects(sort: str, value: Any) -> Any:
    return np.array(value, dtype=object) if np.ndim(value) else value


CONVERSIONS = {np.dtype(kind).name: of_type(kind) for kind in TYPES}
CONVERSIONS |= {"without axes": without_axes, "fractions": fractions, "objects": objects}


def test_every_public_name_has_its_door_here() -> None:
    exceptions = {name for name in wnlib.__all__ if isinstance(getattr(wnlib, name), type) and name.endswith("Error")}
    assert DOORS.keys() | NUMBERLESS | RESULTS | exceptions == set(wnlib.__all__)
    assert not DOORS.keys() & (NUMBERLESS | RESULTS)


@pytest.mark.parametrize("name", DOORS)
def test_numbers_of_every_type_are_what_they_are(name: str) -> None:
    wanted = list(parts(DOORS[name](Given())))
    assert wanted
    for kind, convert in CONVERSIONS.items():
        found = list(parts(DOORS[name](Given(convert))))
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert one.dtype == other.dtype, kind
            np.testing.assert_array_equal(one, other, err_msg=kind)


def bad(sort: str, value: Any) -> list[Any]:
    """What an argument like this must not be."""
    if sort in BAD:
        return BAD[sort]
    right = np.array(value)
    wrong = [
        right.astype(bool),
        right.astype("m8[s]"),
        right.astype("M8[D]"),
        right.astype(str),
        np.ma.array(right, mask=np.ones(right.shape)),
        np.vectorize(Decimal, otypes=[object])(right.astype(float)),
        sparse.eye_array(2),
    ]
    if right.ndim:
        wrong += [[right.tolist(), [1.0, 2.0, 3.0, 4.0, 5.0]], [np.ma.array(right, mask=np.ones(right.shape))]]
    if sort != "entries":
        wrong += [right + 0j, right.tolist() if sort == "integers" else right * np.nan]
    return wrong[:-1] if sort == "integers" else wrong


@pytest.mark.parametrize("name", DOORS)
def test_what_is_no_number_is_refused_by_name(name: str) -> None:
    right = Given()
    DOORS[name](right)
    for place, (sort, argument, value) in enumerate(right.seen):
        for other in bad(sort, value):
            with pytest.raises(ArgumentError, match=f"^{argument} must "):
                DOORS[name](Given(place=place, other=other))


def test_a_table_is_taken_by_its_values_in_its_order() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"b": [1, 0], "a": [2.0, 1.0], "c": pandas.array([0, 1], dtype="Int64")}, index=[9, 3])
    found = Problem(A=table, y=pandas.Series([3, 2], index=[3, 9]))
    assert found == Problem(A=[[1, 2, 0], [0, 1, 1]], y=[3, 2])
    for entry in (None, "1", pandas.Timestamp(0), pandas.Timedelta(0), True):
        wrong = table.astype(object)
        wrong.iloc[0, 0] = entry
        with pytest.raises(ArgumentError, match=r"^A must be "):
            Problem(A=wrong, y=[3, 2])


def test_what_is_told_of_a_bad_argument_is_a_line() -> None:
    for wrong in (sparse.eye_array(200), np.full((200, 200), "x"), np.ma.masked_all((50, 50)), [["x"] * 999]):
        with pytest.raises(ArgumentError) as error:
            Problem(A=wrong, y=[3, 2])
        assert len(str(error.value)) <= 200
        assert "\n" not in str(error.value)


def test_no_argument_is_written_to_or_kept() -> None:
    A, y = np.array([[1.0, 2.0]]), np.array([3.0])
    found = Problem(A, y)
    A[0, 0] = 5.0
    assert found.A[0, 0] == 1.0
    assert A.flags.writeable
