"""Corners are what they are said to be, and a prediction that were wrong would be seen there."""

from dataclasses import replace

import numpy as np
import pytest

from companion.experiments import corners
from companion.experiments.corners import PREDICTIONS, Corner, corner
from wnlib import GradientFlow, basis_pursuit, radius_of

SHORT = (1, 2, 4, 5, 9, 12, 14, 15)  # corners that take no time
BY_KEY = {each.key: each for each in PREDICTIONS}


def of_depth(depth: int, first: int = 0) -> Corner:
    """The first corner of this depth."""
    return next(at for at in map(corner, range(first, corners.COUNT)) if at.flow.depth == depth)


def test_corners_are_extreme_and_of_every_kind() -> None:
    found = [corner(seed) for seed in range(corners.COUNT)]
    assert {at.flow.depth for at in found} == set(corners.DEPTHS)
    assert {at.scale for at in found} == set(corners.SCALES)
    ratios = np.array([at.flow.ratio * at.radius**2 for at in found])
    assert np.isclose(ratios[:, None], corners.RATIOS).any(axis=1).all()
    assert all(at.problem.y.any() and basis_pursuit(at.problem).value > 0 for at in found)
    assert any(at.problem.shape[0] == at.problem.shape[1] - 1 for at in found)


def test_a_start_is_as_large_as_the_corner_says_and_not_larger_than_allowed() -> None:
    at = replace(of_depth(5), scale=20.0)
    target = radius_of(basis_pursuit(at.problem).weights, 5)
    assert at.start().radius == pytest.approx(20 * target)
    assert at.start(most=0.5).radius == pytest.approx(0.5 * target)


@pytest.mark.parametrize(
    ("key", "name", "wrong"),
    [
        ("limit", "limit", lambda right: lambda flow, problem, start: right(GradientFlow(flow.depth), problem, start)),
        ("collapse", "collapses", lambda right: lambda *given: not right(*given)),
        ("barrier", "collapse_barrier", lambda right: lambda *given: 1.5 * right(*given)),
        ("needed", "needed_ratio", lambda right: lambda *given: 1.01 * right(*given)),
        ("mass", "mass_bound", lambda right: lambda *given: 0.1 * right(*given)),
        ("stay", "exit_time", lambda right: lambda *given: 0.1 * right(*given)),
        ("effective", "effective_start", lambda right: lambda run: run.points[0]),
    ],
)
def test_what_is_wrong_is_seen(monkeypatch: pytest.MonkeyPatch, key: str, name: str, wrong) -> None:
    asked, rows = BY_KEY[key], corners.RECORD.load()
    at = corner(next(k for k in SHORT if np.isfinite(rows[key][k])))
    assert asked.ask(at) <= asked.tolerance
    monkeypatch.setattr(corners, name, wrong(getattr(corners, name)))
    assert asked.ask(at) > asked.tolerance


def test_a_wrong_bound_on_the_excess_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, at = BY_KEY["sharp"], corner(next(k for k in SHORT if np.isfinite(corners.RECORD.load()["sharp"][k])))
    assert asked.ask(at) <= asked.tolerance
    right = corners.OffSupport.log_lower
    monkeypatch.setattr(corners.OffSupport, "log_lower", lambda off, direction: 10 + right(off, direction))
    assert asked.ask(at) > asked.tolerance


def test_a_refusal_is_no_answer_and_an_error_none_that_agrees() -> None:
    asked = BY_KEY["limit"]
    gaps = {each.key: np.zeros(4) for each in PREDICTIONS} | {"limit": np.array([0.0, np.nan, np.inf, 1.0])}
    found = corners.tally(gaps)[0]
    assert (found.prediction, found.asked, found.answered, found.met, found.worst) == (asked, 3, 2, 1, 1.0)


def test_near_a_vertex_a_linear_program_comes_to_an_end() -> None:
    """An interior point went on for ever there."""
    asked, gap = BY_KEY["effective"], BY_KEY["effective"].ask(corner(19))
    assert np.isinf(gap) or gap <= asked.tolerance
