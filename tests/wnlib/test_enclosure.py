"""The limit is proved to lie where it is said to lie, and the proof fails where it must."""

from dataclasses import replace
from fractions import Fraction

import pytest
from flint import arb
from hypothesis import given, settings, strategies as st
from mpmath import mp, mpf
from strategies import name

from wnlib import GradientFlow, ScheduledWeightNormFlow, WeightNormFlow
from wnlib.errors import EnclosureError
from wnlib.rigorous.enclosure import enclose
from wnlib.rigorous.instance import SMALL_INSTANCE, Instance
from wnlib.rigorous.multiprecision import limit

FLOWS = [flow for L in range(1, 7) for flow in (GradientFlow(L), WeightNormFlow(L, 1.1))]
on_both_flows_at_every_depth = pytest.mark.parametrize("flow", FLOWS, ids=name)


@on_both_flows_at_every_depth
def test_the_limit_is_enclosed_to_70_digits(flow):
    enclosure = enclose(flow, SMALL_INSTANCE)
    assert enclosure.width <= 1e-70
    assert enclosure.contraction < 1e-2
    assert enclosure.contains(limit(flow, SMALL_INSTANCE, digits=90))


@on_both_flows_at_every_depth
def test_a_shifted_point_is_excluded(flow):
    enclosure, point = enclose(flow, SMALL_INSTANCE), limit(flow, SMALL_INSTANCE, digits=90)
    with mp.workdps(90):
        for i in range(4):
            for shift in (mpf("1e-60"), mpf("-1e-60")):
                shifted = [w + shift * (i == j) for j, w in enumerate(point)]
                assert not enclosure.contains(shifted)
    assert not enclosure.contains(SMALL_INSTANCE.approximate_limit(flow))


@on_both_flows_at_every_depth
def test_the_limit_in_double_precision_is_within_rounding_of_the_enclosure(flow):
    midpoints = enclose(flow, SMALL_INSTANCE).midpoints
    assert SMALL_INSTANCE.approximate_limit(flow) == pytest.approx(midpoints, rel=1e-13)


@on_both_flows_at_every_depth
def test_the_operator_does_not_contract_where_there_is_no_solution(flow):
    """Measurements other than those whose limit the box is centred at, by far, and by little."""
    near = SMALL_INSTANCE.approximate_limit(flow)
    for box, shift in ((1e-6, Fraction(1, 1000)), (1e-12, Fraction(1, 10**7))):
        assert enclose(flow, SMALL_INSTANCE, near, box).width <= 1e-70
        with pytest.raises(EnclosureError, match="does not contract"):
            enclose(flow, replace(SMALL_INSTANCE, y=(5 + shift, 3)), near, box)


@on_both_flows_at_every_depth
def test_the_operator_does_not_contract_a_box_that_is_too_wide(flow):
    if flow == GradientFlow(1):  # whose system is linear
        assert enclose(flow, SMALL_INSTANCE, box=1e6).width <= 1e-60
    else:
        with pytest.raises(EnclosureError, match="does not contract"):
            enclose(flow, SMALL_INSTANCE, box=1.0)


@on_both_flows_at_every_depth
def test_every_box_that_contracts_yields_the_same_enclosure(flow):
    narrow, wide = (enclose(flow, SMALL_INSTANCE, box=box) for box in (1e-10, 1e-5))
    assert narrow.contraction <= wide.contraction < 1
    assert all(arb(a).overlaps(arb(b)) for a, b in zip(narrow.weights, wide.weights, strict=True))


@pytest.mark.parametrize("flow", FLOWS[2:6], ids=name)
def test_the_width_falls_with_the_precision(flow):
    widths = [enclose(flow, SMALL_INSTANCE, bits=bits).width for bits in (128, 256, 512)]
    assert all(width <= 2.0 ** (20 - bits) for width, bits in zip(widths, (128, 256, 512), strict=True))


@pytest.mark.parametrize("flow", FLOWS[2:6], ids=name)
def test_another_start_or_flow_has_another_limit(flow):
    enclosure = enclose(flow, SMALL_INSTANCE)
    for other in (
        limit(flow, replace(SMALL_INSTANCE, radius=2 + Fraction(1, 10**40)), digits=90),
        limit(replace(flow, depth=flow.depth + 1), SMALL_INSTANCE, digits=90),
    ):
        assert not enclosure.contains(other)


@settings(max_examples=40)
@given(
    st.sampled_from(FLOWS),
    st.lists(st.integers(1, 9), min_size=3, max_size=3),
    st.lists(st.integers(1, 9), min_size=3, max_size=3),
    st.floats(0.5, 2),
)
def test_any_instance_is_enclosed(flow, row, direction, level):
    instance = Instance(A=(row,), y=(Fraction(level) * sum(row),), radius=Fraction(3, 2), direction=direction)
    enclosure = enclose(flow, instance, box=1e-8, bits=192)
    assert enclosure.width <= 1e-40
    assert enclosure.contains(limit(flow, instance, digits=80))


def test_bad_input():
    with pytest.raises(ValueError, match="flow must be a GradientFlow or a WeightNormFlow"):
        enclose(ScheduledWeightNormFlow(2, 1.0), SMALL_INSTANCE)
    with pytest.raises(ValueError, match="box must be > 0"):
        enclose(GradientFlow(2), SMALL_INSTANCE, box=0.0)
    with pytest.raises(ValueError, match="bits must be >= 64, got 53"):
        enclose(GradientFlow(2), SMALL_INSTANCE, bits=53)
    with pytest.raises(ValueError, match="near must have shape"):
        enclose(GradientFlow(2), SMALL_INSTANCE, near=[1.0, 1.0])


@pytest.mark.parametrize("near", [[0.0, 0.0, 0.0, 0.0], [-1.0, 1.0, 1.0, 1.0]])
def test_a_candidate_outside_the_domain_proves_nothing(near):
    for flow in (GradientFlow(3), WeightNormFlow(2, 1.0)):
        with pytest.raises(EnclosureError, match="does not contract"):
            enclose(flow, SMALL_INSTANCE, near)
