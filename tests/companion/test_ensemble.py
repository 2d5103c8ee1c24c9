"""Cases are reproducible, cover what they promise, and are as ugly as their names say."""

import numpy as np
import pytest

from companion.theorems import sparser_in_the_window
from companion.verification.ensemble import CONDITION, MATRICES, Case, Ensemble

CASES = [Ensemble().case(index) for index in range(84)]


def test_a_case_is_reproduced_by_its_printed_form() -> None:
    for case in CASES[:20]:
        twin = eval(repr(case), {"Case": Case})
        assert twin == case
        assert np.array_equal(twin.problem.A, case.problem.A)
        assert np.array_equal(twin.start.log_direction, case.start.log_direction)
        assert twin.rng().integers(10**9) == case.rng().integers(10**9)


def test_every_depth_meets_every_kind_of_matrix() -> None:
    assert {(case.depth, case.matrix) for case in CASES} == {(L, kind) for L in range(1, 7) for kind in MATRICES}


def test_numbers_lie_in_their_ranges() -> None:
    ensemble = Ensemble(depths=(2,), ratios=(0.5, 0.6), scales=(1, 1), columns=(5, 5), uniform=True)
    for case in (ensemble.case(index) for index in range(30)):
        assert 0.4999 <= case.ratio <= 0.6001
        assert case.scale == 1
        assert case.n == 5
        assert case.uniform
        assert case.depth == 2
        assert 1 <= case.m < case.n
        assert 1 <= case.sparsity <= case.n


def test_sparse_weights_have_the_measurements_that_find_them() -> None:
    ensemble = Ensemble(matrices=("gaussian",), columns=(16, 28), sparse=3)
    cases = [ensemble.case(index) for index in range(30)]
    assert {case.sparsity for case in cases} == {1, 2, 3}
    for case in cases:
        assert case.m == np.ceil(2 * case.sparsity * np.log(case.n / case.sparsity)) < case.n
        assert np.count_nonzero(case.problem.truth) == case.sparsity
        assert np.allclose(case.target, case.problem.truth, atol=1e-9) or case.target.sum() < case.problem.truth.sum()


def test_the_worst_case_of_a_theorem_on_gaussian_measurements_is_one_of_them() -> None:
    ensemble = sparser_in_the_window.THEOREM.ensemble
    for case in (ensemble.case(index) for index in range(100)):
        assert (case.matrix, case.uniform) == ("gaussian", True)
        assert case.depth in {2, 3}
        assert 16 <= case.n <= 28
        assert case.sparsity <= 3
        assert 0.1 <= case.scale**2 <= 0.4
        assert 10 <= case.ratio <= 15


@pytest.mark.parametrize(
    ("kind", "ugly"),
    [
        ("rank-deficient", lambda A: np.linalg.matrix_rank(A) <= max(1, len(A) // 2)),
        ("duplicated columns", lambda A: len(np.unique(A, axis=1).T) < A.shape[1]),
        ("repeated rows", lambda A: len(A) == 1 or len(np.unique(A, axis=0)) <= max(1, len(A) // 2)),
        ("ill-conditioned", lambda A: len(A) == 1 or np.isclose(np.linalg.cond(A), CONDITION, rtol=1e-6)),
        ("rademacher", lambda A: np.allclose(np.abs(A), 1 / np.sqrt(len(A)))),
        ("cosine", lambda A: np.allclose(A @ A.T, A.shape[1] / len(A) * np.eye(len(A)))),
        ("gaussian", lambda A: np.linalg.matrix_rank(A) == len(A)),
    ],
)
def test_matrices_are_what_their_names_say(kind: str, ugly: object) -> None:
    found = [case.problem.A for case in CASES if case.matrix == kind]
    assert len(found) == 12
    assert all(ugly(A) for A in found)


def test_directions_have_signs_at_depth_one_only() -> None:
    for case in CASES:
        entries = case.start.direction
        assert np.ptp(entries) == pytest.approx(0) if case.uniform else np.ptp(entries) > 0
        assert case.depth == 1 or entries.min() > 0
    assert any(case.start.direction.min() < 0 for case in CASES if case.depth == 1)


def test_target_solves_basis_pursuit() -> None:
    case = Ensemble(depths=(3,)).case(0)
    assert case.target.sum() <= case.problem.truth.sum() * (1 + 1e-9)
    assert case.target_radius**2 == pytest.approx(np.sum(case.target ** (2 / 3)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ratios": (0, 1)}, "ratios must be a range"),
        ({"scales": (2, 1)}, "scales must be a range"),
        ({"columns": (0, 4)}, "columns must be a range"),
        ({"sparse": 0}, "sparse must be from 1"),
        ({"sparse": 3, "columns": (14, 20)}, "sparse must be from 1"),
        ({"matrices": ("pretty",)}, r"matrices must be among .* got \['pretty'\]"),
    ],
)
def test_wrong_ranges_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Ensemble(**arguments)


def test_negative_index_is_refused() -> None:
    with pytest.raises(ValueError, match="index must be >= 0"):
        Ensemble().case(-1)
