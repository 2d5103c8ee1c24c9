"""Linear programs are solved, or refused, with certificates that hold in the units of the data: ill-posed ones too."""

from collections.abc import Callable
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from strategies import name

from wnlib import CertificateError, GradientFlow, InfeasibleError, Problem, basis_pursuit, limit
from wnlib._checks import Array
from wnlib.linear import linear_program as module
from wnlib.linear.feasibility import excluded_mass, nearest_point
from wnlib.linear.linear_program import linear_program
from wnlib.linear.polishing import polished, shielded
from wnlib.linear.program import Program, certified, equilibrated, exact_product, implied, overall

Rng = np.random.Generator
seeds = st.integers(0, 10**6)
VANDERMONDE = np.vander(np.linspace(0, 1, 40), 12, increasing=True).T
ATOMS = np.isin(np.arange(40), [3, 20, 33]).astype(float)


def sizes(rng: Rng) -> tuple[int, int]:
    m = int(rng.integers(6, 25))
    return m, int(rng.integers(2 * m, 4 * m))


def exponentials(rng: Rng) -> Array:
    m, n = sizes(rng)
    return np.exp(-np.sort(rng.uniform(0, 1, m))[:, None] * np.exp(rng.uniform(np.log(0.1), np.log(50), n)))


def lognormal(rng: Rng) -> Array:
    return np.exp(rng.uniform(1, 4) * rng.standard_normal(sizes(rng)))


def gaussian_kernels(rng: Rng) -> Array:
    m, n = sizes(rng)
    away = np.linspace(0, 1, m)[:, None] - np.linspace(0, 1, n)
    return np.exp(-(away**2) / (2 * rng.uniform(0.03, 0.3) ** 2))


def nearly_coincident(rng: Rng) -> Array:
    half = rng.standard_normal((m := sizes(rng)[0], int(1.5 * m)))
    return np.hstack([half, half + 1e-8 * rng.standard_normal(half.shape)])


def columns_of_all_sizes(rng: Rng) -> Array:
    m, n = sizes(rng)
    return rng.standard_normal((m, n)) * 10 ** rng.uniform(-6, 6, n)


def moments(rng: Rng) -> Array:
    m, n = sizes(rng)
    return np.vander(np.sort(rng.uniform(0, 1, n)), m, increasing=True).T


FAMILIES = [exponentials, lognormal, gaussian_kernels, nearly_coincident, columns_of_all_sizes, moments]


def planted(family: Callable[[Rng], Array], seed: int) -> tuple[Problem, Array]:
    """A problem of a family, and sparse weights that make its measurements, which it does not know."""
    rng = np.random.default_rng([seed, FAMILIES.index(family)])
    A = family(rng)
    weights = np.zeros(A.shape[1])
    places = rng.choice(A.shape[1], int(rng.integers(1, len(A) + 1)), replace=False)
    weights[places] = rng.uniform(0.5, 1.5, places.size)
    return Problem(A, A @ weights), weights


def exact_bound(problem: Problem, dual: Array) -> float:
    r"""A bound on the mass of all interpolants: of the dual, scaled so that it is feasible, in rational arithmetic."""
    nu = [Fraction(value) for value in dual]
    pulls = [sum(map(Fraction.__mul__, map(Fraction, column), nu)) for column in problem.A.T]
    return float(sum(map(Fraction.__mul__, map(Fraction, problem.y), nu)) / max(Fraction(1), *pulls))


def check(family: Callable[[Rng], Array], seed: int) -> None:
    problem, weights = planted(family, seed)
    found = basis_pursuit(problem)
    assert found.weights.min() >= 0
    assert np.linalg.norm(problem.A @ found.weights - problem.y) <= 1e-9 * np.linalg.norm(problem.y)
    assert abs(exact_bound(problem, found.dual) - found.value) <= 1e-6 * found.value
    assert found.value <= (1 + 1e-6) * weights.sum()


@pytest.mark.parametrize("family", FAMILIES, ids=name)
@pytest.mark.parametrize("block", range(7))
def test_500_ill_posed_programs_are_solved_to_exact_certificates(family: Callable[[Rng], Array], block: int) -> None:
    for seed in range(12 * block, 12 * (block + 1)):
        check(family, seed)


@pytest.mark.parametrize(
    ("family", "seed"),
    [
        pytest.param(exponentials, 1079, id="prices of 1e11, at which rounding errors of a certificate count"),
        pytest.param(gaussian_kernels, 1077, id="rows of which the solver takes all that counts for 0"),
    ],
)
def test_programs_that_were_not_solved(family: Callable[[Rng], Array], seed: int) -> None:
    check(family, seed)


@settings(max_examples=30)
@given(seeds)
def test_products_are_exact_but_for_one_rounding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    A, x = rng.standard_normal((4, 8)), rng.standard_normal(8) * 10.0 ** rng.integers(-8, 8, 8)
    A[:, 0] = -(A[:, 1:] @ x[1:]) / x[0]  # nothing is left of the sum but rounding
    wanted = [float(sum(map(Fraction.__mul__, map(Fraction, row), map(Fraction, x)))) for row in A]
    np.testing.assert_array_equal(exact_product(A, x), wanted)


def test_three_atoms_on_the_moment_curve_have_the_mass_of_their_first_moment() -> None:
    found = basis_pursuit(Problem(VANDERMONDE, VANDERMONDE @ ATOMS))
    assert abs(found.value - 3) <= 1e-12
    np.testing.assert_allclose(found.weights, ATOMS, atol=1e-6)


@pytest.mark.parametrize("matrix", [-150, 0, 150])
@pytest.mark.parametrize("data", [-150, 0, 150])
@pytest.mark.parametrize("A", [Problem.gaussian(12, 30, 3, seed=1).A, VANDERMONDE], ids=["gaussian", "vandermonde"])
def test_units_of_any_size_change_no_digit(A: Array, matrix: int, data: int) -> None:
    y = A[:, [3, 20, 25]].sum(axis=1)
    cost = np.ones(A.shape[1])
    plain, scaled = (linear_program(cost, np.ldexp(A, p), np.ldexp(y, q)) for p, q in ((0, 0), (3 * matrix, 3 * data)))
    np.testing.assert_array_equal(np.ldexp(scaled.x, 3 * (matrix - data)), plain.x)
    decimal = basis_pursuit(Problem(10.0**matrix * A, 10.0**data * y))
    assert abs(decimal.value / 10.0**data * 10.0**matrix / plain.x.sum() - 1) <= 1e-9
    assert decimal.gap <= 1e-6 * decimal.value


@settings(max_examples=30)
@given(seeds)
def test_upper_bounds_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    A, cost = rng.standard_normal((3, 7)), rng.uniform(0.5, 2, 7)
    upper = np.where(np.arange(7) < 3, rng.uniform(0.5, 2, 7), np.inf)
    b = A @ (np.minimum(rng.uniform(0, 2, 7), upper))
    bounds = np.column_stack([np.zeros(7), upper])
    found = module.optimize.linprog(cost, A_eq=A, b_eq=b, bounds=bounds, method="highs-ds")
    answer = linear_program(cost, A, b, upper=upper)
    assert answer.gap <= 1e-9
    assert answer.residual <= 1e-10
    np.testing.assert_allclose(cost @ answer.x, found.fun, rtol=1e-7, atol=1e-7)


def test_an_infeasible_problem_is_refused_with_what_its_certificate_excludes() -> None:
    problem = Problem([[1.0, 1.0, 2.0], [0.0, 1.0, 1.0]], [1.0, -1.0])
    with pytest.raises(InfeasibleError, match=r"residual 1 \(relative 0.707\), where 1.0e-09 passes.* excludes any$"):
        basis_pursuit(problem)


@pytest.mark.parametrize("beyond", [1e-3, 1e-6, 1e-8, 3e-9])
def test_moments_just_beyond_the_possible_ones_are_refused_for_all_of_reasonable_mass(beyond: float) -> None:
    y = VANDERMONDE @ ATOMS
    y[5] += beyond * np.linalg.norm(y)  # three atoms of positive weight lie on the boundary of the moments' cone
    with pytest.raises(InfeasibleError, match=r"which excludes any|excludes any of l1 norm < \d\S*e\+\d\d$") as refused:
        basis_pursuit(Problem(VANDERMONDE, y))
    assert "passes, the precision of the data" in str(refused.value)


def program(A: Array, b: Array) -> Program:
    n = A.shape[1]
    return Program(np.ones(n), A, b, np.full(n, np.inf))


@settings(max_examples=30)
@given(seeds)
def test_a_ray_excludes_no_weights_that_there_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    A, weights = rng.standard_normal((4, 9)), rng.uniform(0, 1, 9)
    rays = rng.standard_normal((20, 4))
    assert max(excluded_mass(program(A, A @ weights), ray) for ray in rays) <= weights.sum() * (1 + 1e-9)


def test_what_a_ray_excludes_is_what_its_largest_pull_leaves() -> None:
    spoiled = program(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([-1.0, 1.0]))
    assert excluded_mass(spoiled, np.array([-1.0, 0.0])) == np.inf
    assert excluded_mass(spoiled, np.array([-1.0, 0.5])) == 1.5 / 0.5
    assert excluded_mass(spoiled, np.array([1.0, 0.0])) == 0


def test_the_nearest_point_is_within_all_bounds() -> None:
    upper, b = np.array([1.0, np.inf, np.inf]), np.array([2.0, 2.0, -1.0])
    bounded = Program(np.ones(3), np.eye(3), b, upper)
    np.testing.assert_allclose(nearest_point(bounded), [1.0, 2.0, 0.0], atol=1e-12)


@pytest.fixture
def near() -> tuple[Program, Array, Array]:
    """A program, its minimiser on the first three columns, and their prices, exact but for rounding."""
    rng = np.random.default_rng(0)
    A, x = rng.standard_normal((5, 9)), np.append(rng.uniform(1, 2, 3), np.zeros(6))
    dual = rng.standard_normal(5)
    cost = A.T @ dual + np.append(np.zeros(3), rng.uniform(1, 2, 6))
    return Program(cost, A, A @ x, np.full(9, np.inf)), x, dual


def test_polishing_leaves_rounding_errors_on_the_support(near: tuple[Program, Array, Array]) -> None:
    exact, x, dual = near
    spoiled, prices = polished(exact, x + 1e-10 * exact.A[0], dual + 1e-6)
    np.testing.assert_allclose(spoiled, x, rtol=1e-14, atol=0)
    np.testing.assert_allclose((exact.A.T @ prices)[:3], exact.cost[:3], rtol=1e-13)


def test_shielded_prices_are_moved_by_rounding_errors_only(near: tuple[Program, Array, Array]) -> None:
    exact, x, dual = near
    prices = shielded(exact, x, dual)
    np.testing.assert_allclose(prices, dual, rtol=1e-12)
    assert (exact.cost - exact.A.T @ prices)[:3].min() > 0


def test_a_refined_answer_stays_at_an_upper_bound() -> None:
    upper = np.array([1.0, np.inf])
    cheap = Program(np.array([-1.0, 0.0]), np.ones((1, 2)), np.array([3.0]), upper)
    for x, _ in module._refined(cheap, "highs-ds", 1e-9, rounds=3):
        np.testing.assert_allclose(x, [1.0, 2.0], atol=1e-12)


def test_a_residual_that_is_not_the_least_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem.gaussian(12, 30, 3, seed=1)
    monkeypatch.setattr(module, "nearest_point", lambda program: np.zeros(30))
    answer = linear_program(np.zeros(30), problem.A, problem.y)
    assert answer.residual <= 1e-10


@settings(max_examples=30)
@given(seeds)
def test_a_certificate_holds_whatever_the_prices(seed: int) -> None:
    """No rounding error of its sums is in it, however large the prices that they cancel."""
    rng = np.random.default_rng(seed)
    A, x = rng.uniform(0, 1, (3, 5)), rng.uniform(0, 1, 5)
    dual = 1e11 * np.cross(*A.T[:2])  # two columns give the others their prices
    given = program(A, A @ x)
    exact_x, exact_dual = [list(map(Fraction, values)) for values in (x, dual)]

    def dot(first: Array, second: list[Fraction]) -> Fraction:
        return sum(map(Fraction.__mul__, map(Fraction, first), second), Fraction())

    left = [Fraction(value) - dot(row, exact_x) for value, row in zip(given.b, A, strict=True)]
    wrong = max(Fraction(), *(dot(column, exact_dual) - 1 for column in A.T))
    more = sum(map(Fraction.__mul__, left, exact_dual), Fraction())
    gap = abs(sum(exact_x) - dot(given.b, exact_dual)) + abs(more) + wrong * sum(exact_x)
    found = certified(given, x, dual)
    assert abs(found.gap / float(gap / sum(exact_x)) - 1) <= 1e-14
    assert abs(found.residual * given.size / float(np.linalg.norm([float(value) for value in left])) - 1) <= 1e-12


@pytest.mark.parametrize("part", ["x", "dual", "sign"])
def test_a_spoiled_certificate_is_noticed(part: str) -> None:
    problem = Problem.gaussian(12, 30, 3, seed=1)
    found, given = basis_pursuit(problem), program(problem.A, problem.y)
    assert certified(given, found.weights, found.dual).good
    x = found.weights * (1 + 1e-5 * (part == "x"))
    dual = found.dual * {"x": 1.0, "dual": 1 + 1e-5, "sign": -1.0}[part]
    spoiled = certified(given, x, dual)
    assert spoiled.gap > 1e-6
    assert not spoiled.good


def test_a_program_without_a_least_value_names_the_quality_of_what_was_found() -> None:
    with pytest.raises(CertificateError, match=r"was not solved: (no answer|gap \S+, residual).*try other units"):
        linear_program(np.array([-1.0, 0.0]), np.array([[1.0, -1.0]]), np.array([1.0]))


def test_an_answer_that_the_solver_calls_optimal_is_judged_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    liar = SimpleNamespace(linprog=lambda cost, A_eq, **rest: SimpleNamespace(
        x=np.ones(len(cost)), eqlin=SimpleNamespace(marginals=np.ones(len(A_eq)))
    ))  # fmt: skip
    monkeypatch.setattr(module, "optimize", liar)
    with pytest.raises(CertificateError, match=r"was not solved: gap \S+, residual \S+ \(relatively"):
        basis_pursuit(Problem.gaussian(12, 30, 3, seed=1))


@pytest.mark.parametrize("bad", [0, 1])
def test_an_answer_that_is_finite_in_part_is_none(bad: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, prices = (np.array([1.0, np.nan if bad == k else 1.0]) for k in range(2))
    answer = SimpleNamespace(x=x, eqlin=SimpleNamespace(marginals=prices))
    monkeypatch.setattr(module, "optimize", SimpleNamespace(linprog=lambda *given, **rest: answer))
    assert module._highs(program(np.eye(2), np.ones(2)), 1e-9) is None


@settings(max_examples=20)
@given(seeds, st.sampled_from([overall, equilibrated, implied]))
def test_units_change_no_digit_and_can_be_undone(seed: int, units_of: Callable[[Program], object]) -> None:
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((4, 9)) * 10 ** rng.uniform(-5, 5, 9) * 10 ** rng.uniform(-5, 5, (4, 1))
    given = program(A, A @ rng.uniform(0, 1, 9))
    units = units_of(given)
    restated, x, dual = units.restate(given), rng.uniform(0, 1, 9), rng.standard_normal(4)
    back = units.back(units.into(x), dual)
    np.testing.assert_array_equal(back[0], x)
    ours = np.ldexp(restated.A @ units.into(x), -units.rows + units.primal)
    np.testing.assert_allclose(ours, A @ x, rtol=1e-9, atol=1e-13 * np.abs(A).max())
    largest = np.abs(restated.A).max()
    assert 0.2 <= largest <= 2.1
    if units_of is equilibrated:
        assert np.abs(restated.A).max(axis=0).min() > 0.2
        assert np.abs(restated.A).max(axis=1).min() > 0.2


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(np.float16, 2**-6), (np.float32, 2**-19), (np.float64, 1e-9), (np.longdouble, 1e-9), (np.int64, 1e-9)],
    ids=name,
)
def test_the_tolerance_follows_the_precision_of_the_data(dtype: type, tolerance: float) -> None:
    A, y = np.array([[1, 2, 0], [0, 1, 1]], dtype=dtype), np.array([3, 2], dtype=dtype)
    assert Problem(A, y).tolerance == tolerance
    assert Problem(A.astype(float), y).tolerance == tolerance
    assert Problem(A, y).doubled().tolerance == tolerance
    assert Problem(A, y, tolerance=0.1).tolerance == 0.1
    with pytest.raises(ValueError, match="tolerance must be >= 0, got -1"):
        Problem(A, y, tolerance=-1)


@pytest.mark.parametrize("A", [np.abs(Problem.gaussian(24, 60, 3).A), VANDERMONDE], ids=["gaussian", "vandermonde"])
def test_data_in_single_precision_are_interpolated_to_it(A: Array) -> None:
    single, weights = A.astype(np.float32), np.isin(np.arange(A.shape[1]), [3, 20, 33]).astype(np.float32)
    y = single @ weights
    problem = Problem(np.vstack([single, single]), np.concatenate([y, np.nextafter(y, np.float32(9))]))
    found = basis_pursuit(problem)
    assert 1e-9 < found.residual <= problem.tolerance
    assert abs(found.value - 3) <= 1e-5
    with pytest.raises(InfeasibleError, match=r"where 1\.0e-09 passes, the precision of the data"):
        Problem(problem.A, problem.y)
    flow = GradientFlow(1)
    assert limit(flow, problem, flow.start(A.shape[1], 1.0)).residual > 1e-9
