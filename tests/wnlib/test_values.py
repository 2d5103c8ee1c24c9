"""Values are values: in all copies the same, equal, read-only, and told in a line."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import numpy as np
import pytest
from numpy import array  # noqa: F401

import wnlib
import wnlib._values
from wnlib import (
    BasisPursuit,
    DecayedGradientDescent,
    DecayedSalimansKingmaDescent,
    GradientDescent,
    GradientFlow,
    GroupedFlow,
    LimitCurve,
    MatrixProblem,
    Polar,
    PolarDescent,
    Problem,
    SalimansKingmaDescent,
    ScheduledWeightNormFlow,
    SeparateFlow,
    WeightNormFlow,
    basis_pursuit,
    cascade,
    descend,
    grouped_limit,
    integrate,
    integrate_grouped,
    integrate_layered,
    integrate_separate,
    large_ratio_path,
    layered_descent,
    layered_limit,
    limit,
    margin,
    matrix_descent,
    mirror_map,
    saddle,
    stay,
)

PROBLEM = Problem.gaussian(m=5, n=12, sparsity=2)
SIGNED = Problem.gaussian(m=4, n=6, sparsity=1, signed=True)
MATRIX = MatrixProblem.gaussian(m=9, n=6, rank=1)
PLAIN, FLOW, SEPARATE = GradientFlow(2), WeightNormFlow(2, 10), SeparateFlow(2, 10)
GROUPED = GroupedFlow(2, 10, matched=True)
START = FLOW.start(12, 1.0)
FACTORS = [START.direction, START.direction / np.linspace(1, -2, 12)]
METHOD = DecayedSalimansKingmaDescent(2, [0.5, 1.0], vector_decay=0.1)

MADE: dict[str, Callable[[], Any]] = {
    "BasisPursuit": lambda: basis_pursuit(PROBLEM),
    "Cascade": lambda: cascade(PROBLEM),
    "DecayedGradientDescent": lambda: DecayedGradientDescent(2, decay=0.1),
    "DecayedSalimansKingmaDescent": lambda: METHOD,
    "Descent": lambda: descend(METHOD, PROBLEM, START, 0.01, 5),
    "DescentMethod": lambda: PolarDescent(2, np.array([1.0, 2.0, 4.0])),
    "Flow": lambda: WeightNormFlow(3, 1 / 3, radial_rate=0.7),
    "GradientDescent": lambda: GradientDescent(3),
    "GradientFlow": lambda: PLAIN,
    "GroupedFlow": lambda: GROUPED,
    "GroupedLimit": lambda: grouped_limit(GROUPED, PROBLEM, GROUPED.start(12, 1.0, 3)),
    "GroupedTrajectory": lambda: integrate_grouped(GROUPED, PROBLEM, GROUPED.start(12, 1.0, 3), t_end=1.0),
    "LargeRatioPath": lambda: large_ratio_path(PROBLEM, START),
    "LayeredDescent": lambda: layered_descent(PROBLEM, FACTORS, 0.01, 20, ratio=2),
    "LayeredLimit": lambda: layered_limit(FLOW, PROBLEM, FACTORS),
    "LayeredTrajectory": lambda: integrate_layered(FLOW, PROBLEM, FACTORS, t_end=1.0),
    "Limit": lambda: limit(FLOW, PROBLEM, START),
    "Margin": lambda: margin(PROBLEM),
    "MatrixDescent": lambda: matrix_descent(MATRIX, 2, [0.1, 0.2], [1.0, 0.5], steps=20),
    "MatrixProblem": lambda: MATRIX,
    "MirrorMap": lambda: mirror_map(FLOW, 1.0),
    "Polar": lambda: START,
    "PolarDescent": lambda: PolarDescent(2, 10),
    "Problem": lambda: Problem(PROBLEM.A, PROBLEM.y),
    "Saddle": lambda: saddle(PROBLEM, [0, 3]),
    "SalimansKingmaDescent": lambda: SalimansKingmaDescent(1, 0.5),
    "ScheduledWeightNormFlow": lambda: ScheduledWeightNormFlow(2, 10, angular_schedule=np.exp),
    "SeparateFlow": lambda: SEPARATE,
    "SeparateTrajectory": lambda: integrate_separate(SEPARATE, SIGNED, SEPARATE.start(6, 1.0), t_end=1.0),
    "Stay": lambda: stay(PLAIN, saddle(PROBLEM, []), PLAIN.start(12, 1e-3), mass=1e-3),
    "Trajectory": lambda: integrate(FLOW, PROBLEM, START, t_end=1.0),
    "WeightNormFlow": lambda: FLOW,
}
POSITIONS = {"LimitCurve": lambda: LimitCurve(PROBLEM, 2)}  # what is no value, but moves
EVALUATED = {name for name in MADE if name.endswith("Flow") or (name.endswith("Descent") and "Decay" in name)} | {
    "DescentMethod",
    "GradientDescent",
    "PolarDescent",
    "SalimansKingmaDescent",
    "WeightNormFlow",
}
every_value = pytest.mark.parametrize("name", MADE)
COPIES: list[Callable[[Any], Any]] = [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))]
every_copy = pytest.mark.parametrize("copied", COPIES, ids=["copy", "deepcopy", "pickle"])


def test_every_public_class_is_here() -> None:
    classes = {name for name in wnlib.__all__ if isinstance(getattr(wnlib, name), type)}
    assert MADE.keys() | POSITIONS.keys() == {name for name in classes if not name.endswith("Error")}
    assert all(isinstance(make(), getattr(wnlib, name)) for name, make in MADE.items())


def read(one: Any) -> list[np.ndarray]:
    """All arrays that a value has or keeps, after everything that it computes without arguments was read."""
    for key in dir(type(one)):
        if not key.startswith("__") and isinstance(getattr(type(one), key), property | wnlib._values.computed_once):
            try:
                getattr(one, key)
            except wnlib.WnlibError:
                continue  # of what this one has not
    found: list[np.ndarray] = []
    for _, part in sorted(vars(one).items()):
        for value in part if isinstance(part, tuple) else [part]:
            found += [value] if isinstance(value, np.ndarray) else []
            found += read(value) if isinstance(value, wnlib._values.Value) else []
    return found


@every_value
@every_copy
def test_a_copy_is_the_same_value(name: str, copied: Callable[[Any], Any]) -> None:
    one = MADE[name]()
    other = copied(one)
    assert type(other) is type(one)
    assert other == one
    assert hash(other) == hash(one)
    assert repr(other) == repr(one)
    for first, second in zip(read(one), read(other), strict=True):
        np.testing.assert_array_equal(first, second)


@every_value
@every_copy
def test_nobody_writes_to_a_value(name: str, copied: Callable[[Any], Any]) -> None:
    for one in (MADE[name](), copied(MADE[name]())):
        assert not any(found.flags.writeable for found in read(one))
        for field in fields(one):
            with pytest.raises(FrozenInstanceError):
                setattr(one, field.name, getattr(one, field.name))


def test_a_value_does_not_share_the_arrays_it_was_made_of() -> None:
    radius, logs = np.ones(2), np.zeros((2, 1))
    point, view = Polar(radius, logs, np.ones(1)), Polar(radius[:1], logs[:1], np.ones(1))
    radius[0] = logs[0] = 7.0
    assert (point.radius[0], point.log_direction[0, 0], view.radius[0]) == (1.0, 0.0, 1.0)
    found = BasisPursuit(radius, logs[0], 0.0, 0.0, 0.0)
    radius[0] = 8.0
    assert found.weights[0] == 7.0


@every_value
def test_values_differ_where_a_part_does(name: str) -> None:
    one = MADE[name]()
    first = fields(one)[0].name
    part = getattr(one, first)
    others: dict[str, Any] = {"flow": GradientFlow(3), "method": GradientDescent(4), "problem": SIGNED, "depth": 5}
    assert one != (replace(one, **{first: others[first]}) if first in others else replace(one, **changed(first, part)))
    assert one != repr(one)


def changed(name: str, part: Any) -> dict[str, Any]:
    return {name: part[:-1] if isinstance(part, tuple) else part * 2}


@every_value
def test_a_value_is_told_in_a_line(name: str) -> None:
    told = repr(MADE[name]())
    assert told.startswith(f"{type(MADE[name]()).__name__}(")
    assert len(told) <= 200
    assert "\n" not in told


@pytest.mark.parametrize("name", sorted(EVALUATED - {"ScheduledWeightNormFlow"}))
def test_flows_and_methods_are_what_is_told(name: str) -> None:
    one = MADE[name]()
    assert eval(repr(one), vars(wnlib) | {type(one).__name__: type(one)}) == one


def test_a_large_value_is_told_by_its_shapes() -> None:
    A = np.ones((100, 10_000))
    assert repr(Problem(A, A[:, 0])) == "Problem(A=<(100, 10000)>, y=<(100,)>, truth=None, tolerance=1e-09)"
    small = Problem(A=[[1, 2]], y=[3])
    assert repr(small) == "Problem(A=[[1.0, 2.0]], y=[3.0], truth=None, tolerance=1e-09)"
    assert eval(repr(small)) == small


def test_a_copied_problem_has_the_answers_of_its_own_data() -> None:
    problem = Problem.gaussian(m=5, n=12, sparsity=2, seed=4)
    known = basis_pursuit(problem)
    other = copy.deepcopy(problem)
    with pytest.raises(ValueError, match="read-only"):
        other.A[0, 0] = 7.0
    assert basis_pursuit(other) == known


@pytest.mark.parametrize("coordinates", ["dual", "primal"])
@every_copy
def test_a_copied_trajectory_is_known_at_all_times(coordinates: Any, copied: Callable[[Any], Any]) -> None:
    for depth in (1, 2, 3):
        flow = WeightNormFlow(depth, 2.0)
        path = integrate(flow, PROBLEM, flow.start(12, 1.0), 1.0, coordinates=coordinates)
        times = [0.0, 0.1, 0.7]
        np.testing.assert_array_equal(copied(path).at(times).weights, path.at(times).weights)


@every_copy
def test_decayed_and_scheduled_flows_are_copied(copied: Callable[[Any], Any]) -> None:
    flow = DecayedSalimansKingmaDescent(2, 0.5, vector_decay=0.1).flow
    assert copied(flow) == flow
    assert copied(flow).angular_schedule(5.0) == pytest.approx(np.e)
    assert copied(ScheduledWeightNormFlow(2, 10)) == ScheduledWeightNormFlow(2, 10)


@every_copy
def test_a_copied_curve_begins_anew_and_has_the_same_limits(copied: Callable[[Any], Any]) -> None:
    curve = LimitCurve(PROBLEM, 2, START.direction)
    wanted = curve.limit(FLOW, START)
    other = copied(curve)
    assert repr(other) == repr(curve)
    assert len(repr(curve)) <= 200
    assert other._continuation is None
    np.testing.assert_allclose(other.limit(FLOW, START).weights, wanted.weights, atol=1e-14)


@pytest.mark.parametrize("name", [name for name in wnlib.__all__ if name.endswith("Error")])
@every_copy
def test_errors_are_copied(name: str, copied: Callable[[Any], Any]) -> None:
    error = copied(getattr(wnlib, name)("depth must be >= 1, got 0"))
    assert type(error) is getattr(wnlib, name)
    assert str(error) == "depth must be >= 1, got 0"
