"""Invariants and exact bias to 40 digits and more, on a followed flow that knows of neither."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from mpmath import mp, mpf
from numpy.testing import assert_allclose
from strategies import name

from wnlib import (
    GradientFlow,
    IntegrationError,
    LimitError,
    Problem,
    ScheduledWeightNormFlow,
    WeightNormFlow,
    integrate,
)
from wnlib.rigorous.instance import SMALL_INSTANCE, Instance
from wnlib.rigorous.multiprecision import (
    _step,
    agreement,
    dual_variable,
    invariant_drift,
    largest_change,
    limit,
    magnified,
    taylor_path,
)
from wnlib.rigorous.taylor import taylor_coefficients

DEPTHS = range(1, 7)
FLOWS = [flow for L in DEPTHS for flow in (GradientFlow(L), WeightNormFlow(L, 1.1))]
SHALLOW = [flow for flow in FLOWS if flow.depth <= 3]
NORMALIZED = [flow for flow in FLOWS if isinstance(flow, WeightNormFlow)]
SHIFT = mpf(10) ** -30

followed = cache(lambda flow: taylor_path(flow, SMALL_INSTANCE))


@pytest.fixture(autouse=True)
def _precision():
    with mp.workdps(60):
        yield


@pytest.mark.parametrize("flow", FLOWS, ids=name)
def test_the_invariants_are_invariant_to_40_digits(flow):
    states = followed(flow)
    assert len(states) >= 10
    assert invariant_drift(flow, SMALL_INSTANCE, states) <= 1e-40


@pytest.mark.parametrize("flow", FLOWS, ids=name)
def test_the_flow_ends_at_the_minimiser_to_40_digits(flow):
    assert agreement(followed(flow)[-1].weights, limit(flow, SMALL_INSTANCE)) >= 40


@pytest.mark.parametrize("flow", FLOWS, ids=name)
def test_the_minimiser_in_double_precision_has_13_digits(flow):
    approximate = [mpf(w) for w in SMALL_INSTANCE.approximate_limit(flow)]
    assert agreement(approximate, limit(flow, SMALL_INSTANCE)) >= 13


@pytest.mark.parametrize("flow", SHALLOW, ids=name)
def test_the_followed_flow_is_the_one_integrated_in_double_precision(flow):
    states = followed(flow)
    state = states[len(states) // 2]
    A, y, direction = (np.array(v, dtype=float) for v in (SMALL_INSTANCE.A, SMALL_INSTANCE.y, SMALL_INSTANCE.direction))
    problem = Problem(A, y)
    start = flow.start(4, float(SMALL_INSTANCE.radius), direction)
    there = integrate(flow, problem, start, float(state.t), rtol=1e-11).weights[-1]
    assert_allclose(there, [float(w) for w in state.weights], rtol=1e-8)


def _change(flow, theta):
    return largest_change(SMALL_INSTANCE, [theta(state.coordinates) for state in followed(flow)])


def _magnified_by(exponent):
    return lambda coordinates: [u * mp.exp(exponent(coordinates[0])) for u in coordinates[1:]]


@pytest.mark.parametrize("flow", NORMALIZED, ids=name)
def test_the_magnification_is_none_but_the_stated_one(flow):
    L, c = flow.depth, mpf(flow.ratio)
    mutants = {
        "as stated": lambda r: c * r**2 / 2,
        "ratio off by 1e-30": lambda r: c * (1 + SHIFT) * r**2 / 2,
        "no factor 1/2": lambda r: c * r**2,
        "power of r off by 1e-30": lambda r: c * r ** (2 + SHIFT) / 2,
        "opposite sign": lambda r: -c * r**2 / 2,
    }
    change = {
        label: _change(flow, lambda s, exponent=exponent: dual_variable(L, _magnified_by(exponent)(s)))
        for label, exponent in mutants.items()
    }
    assert change.pop("as stated") <= 1e-40
    assert min(change.values()) >= 1e-34, change


@pytest.mark.parametrize("flow", FLOWS, ids=name)
def test_the_mirror_coordinate_is_none_but_the_stated_one(flow):
    L = flow.depth
    exponent = (1 if L == 1 else 2 - L) + mpf(10) ** -20
    assert _change(flow, lambda s: [(z**exponent - 1) / exponent for z in magnified(flow, s)]) >= 1e-24
    assert _change(flow, lambda s: dual_variable(L + 1, magnified(flow, s))) >= 1e-6


@given(rows=st.lists(st.lists(st.fractions(-2, 2, max_denominator=3), min_size=5, max_size=5), min_size=1, max_size=4))
def test_the_kernel_is_a_basis_of_what_a_sends_to_zero(rows):
    A = np.array(rows, dtype=object)
    assume(np.linalg.matrix_rank(A.astype(float)) == len(A))
    kernel = np.array(Instance(A.tolist(), y=[1] * len(A), radius=1, direction=[1] * 5).kernel, dtype=object)
    assert np.all(A @ kernel.reshape(-1, 5).T == 0)
    assert np.linalg.matrix_rank(kernel.astype(float).reshape(-1, 5)) == 5 - len(A)


@pytest.mark.parametrize("flow", SHALLOW, ids=name)
def test_directions_outside_the_kernel_have_no_invariant(flow):
    theta = [dual_variable(flow.depth, magnified(flow, state.coordinates)) for state in followed(flow)]
    other = replace(SMALL_INSTANCE, A=((1, 2, 0, 1), (0, -1, 1, 2 + Fraction(1, 10**30))))
    assert largest_change(SMALL_INSTANCE, theta) <= 1e-40
    assert largest_change(other, theta) >= 1e-34


@pytest.mark.parametrize("flow", SHALLOW, ids=name)
def test_the_minimiser_from_another_start_or_of_another_flow_is_another(flow):
    end = limit(flow, SMALL_INSTANCE)
    moved = limit(flow, replace(SMALL_INSTANCE, radius=2 + Fraction(1, 10**30)))
    assert 29 <= agreement(end, moved) <= 33
    assert agreement(end, limit(replace(flow, depth=flow.depth + 1), SMALL_INSTANCE)) <= 3


@pytest.mark.parametrize("flow", SHALLOW[3:5], ids=name)
def test_the_errors_fall_with_the_digits(flow):
    """Ten more digits asked for, nearly ten more kept: by the invariants, and by the end against the minimiser."""
    exact = limit(flow, SMALL_INSTANCE, digits=60)
    for digits in (15, 20, 30):
        states = taylor_path(flow, SMALL_INSTANCE, residual=10.0 ** (2 - digits), digits=digits)
        assert invariant_drift(flow, SMALL_INSTANCE, states) <= mpf(10) ** -digits
        assert digits - 3 <= agreement(states[-1].weights, exact) <= digits + 12


@pytest.mark.parametrize("flow", SHALLOW, ids=name)
def test_the_direction_stays_on_the_sphere(flow):
    if isinstance(flow, WeightNormFlow):
        assert max(abs(mp.norm(state.coordinates[1:]) - 1) for state in followed(flow)) <= 1e-45


def test_taylor_coefficients_of_known_solutions():
    """tan' = 1 + tan^2; and y' = -y^5 y, whose solution is (1 + 5 t)^(-1/5)."""
    (tangent,) = taylor_coefficients(lambda s: [s[0] ** 2 + mpf(1)], [mpf(0)], 20)
    (power,) = taylor_coefficients(lambda s: [-(s[0] ** 5 * s[0])], [mpf(1)], 20)
    assert_allclose(np.array(tangent - np.array(mp.taylor(mp.tan, 0, 20)), dtype=float), 0, atol=1e-25)
    assert all(abs(c - 5**n * mp.binomial(mpf(-1) / 5, n)) <= 1e-45 * 5**n for n, c in enumerate(power))


def test_plain_least_squares_has_its_closed_form():
    A, y = mp.matrix([list(row) for row in SMALL_INSTANCE.A]), mp.matrix(list(SMALL_INSTANCE.y))
    direction = mp.matrix(list(SMALL_INSTANCE.direction))
    x = SMALL_INSTANCE.radius * direction / mp.norm(direction)
    expected = x + A.T * mp.lu_solve(A * A.T, y - A * x)
    assert agreement(limit(GradientFlow(1), SMALL_INSTANCE), list(expected)) >= 49


small = st.integers(1, 6)


@settings(max_examples=6)
@given(
    st.sampled_from([GradientFlow(2), WeightNormFlow(2, 1.5), GradientFlow(1), WeightNormFlow(3, 0.5)]),
    st.tuples(small, small, small),
    st.tuples(small, small, small),
    small,
)
def test_the_invariants_and_the_bias_hold_on_any_instance(flow, row, direction, y):
    instance = Instance(A=(row,), y=(y,), radius=1, direction=direction)
    states = taylor_path(flow, instance, residual=1e-22, digits=25)
    assert invariant_drift(flow, instance, states, digits=25) <= 1e-22
    assert agreement(states[-1].weights, limit(flow, instance, digits=25), digits=25) >= 20


def test_floats_are_taken_for_the_rationals_that_they_are():
    assert WeightNormFlow(2, 0.1) != WeightNormFlow(2, 0.125)
    written, exact = (limit(WeightNormFlow(2, 0.1), replace(SMALL_INSTANCE, radius=r)) for r in (0.1, Fraction(0.1)))
    assert agreement(written, exact) == 50
    assert agreement(exact, limit(WeightNormFlow(2, 0.1), replace(SMALL_INSTANCE, radius=Fraction(1, 10)))) <= 20


def test_a_flow_that_collapses_is_an_error():
    against = Instance(A=((2, -3, -3),), y=(1,), radius=Fraction(1, 10), direction=(1, 1, 1))
    with pytest.raises(IntegrationError, match="300 steps"):
        taylor_path(WeightNormFlow(2, 1.0), against, residual=1e-10, digits=15)


def test_conditions_that_cannot_be_met_are_an_error(monkeypatch):
    monkeypatch.setattr(Instance, "approximate_limit", lambda self, flow: [1e-9, 1.0, 1.0, 1.0])
    with pytest.raises(LimitError, match="50 digits"):
        limit(GradientFlow(3), SMALL_INSTANCE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"A": ((1, 2, 0, 1), (0, -1, 1))}, "A must have rows of one length"),
        ({"A": ((1, 2, 0, 1), (2, 4, 0, 2))}, "A must have full row rank, got rank 1"),
        ({"A": ((1, 2, 0, float("nan")), (0, -1, 1, 2))}, "A must hold rational numbers"),
        ({"y": (1,)}, "y must have 2 entries, got 1"),
        ({"radius": 0}, "radius must be > 0, got 0"),
        ({"direction": (1, 1, 1, 0)}, "direction must be > 0"),
        ({"direction": (1, 1, 1)}, "direction must have 4 entries, got 3"),
    ],
)
def test_a_bad_instance_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL_INSTANCE, **change)


def test_bad_input():
    with pytest.raises(ValueError, match="flow must be a GradientFlow or a WeightNormFlow"):
        taylor_path(ScheduledWeightNormFlow(2, 1.0), SMALL_INSTANCE)
    with pytest.raises(ValueError, match="digits must be >= 15, got 3"):
        limit(GradientFlow(2), SMALL_INSTANCE, digits=3)
    with pytest.raises(ValueError, match=r"residual must be >= 10\^-digits, which is 1e-20"):
        taylor_path(GradientFlow(2), SMALL_INSTANCE, residual=1e-30, digits=20)


def test_the_path_ends_when_every_measurement_is_met() -> None:
    fast_and_slow = Instance(A=[[3, 0, 0], [0, 1, 0]], y=[1, 1], radius=1, direction=[1, 1, 1])
    end = taylor_path(GradientFlow(2), fast_and_slow, residual=1e-6, digits=15)[-1].weights
    assert max(abs(3 * end[0] - 1), abs(end[1] - 1)) <= 1e-6


def test_a_step_is_as_long_as_the_largest_of_the_last_terms_allows() -> None:
    terms = [[mpf(4), mpf(1), mpf(2)], [mpf(1), mpf(8), mpf(32)]]
    assert _step(terms, mpf("0.02")) == min(mpf("0.02") * 4 / 8, mp.sqrt(mpf("0.02") * 4 / 32))
    assert _step(terms, mpf("50")) == mp.sqrt(mpf("50") * 4 / 32)
