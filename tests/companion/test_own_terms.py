"""The terms of the sharp excess, to forty digits, and what they would not pass."""

import pytest
from mpmath import mp, mpf

from companion.verification.own_terms import DIGITS, certificates, own_terms
from wnlib import GradientFlow, WeightNormFlow
from wnlib.rigorous import multiprecision
from wnlib.rigorous.instance import SMALL_INSTANCE


@pytest.mark.parametrize("depth", [2, 3])
def test_terms_have_forty_digits(depth):
    assert min(one.digits for one in certificates(depth)) >= 40


@pytest.mark.parametrize("depth", [2, 4])
@pytest.mark.parametrize("normalized", [True, False])
def test_a_weight_that_is_off_in_its_twentieth_digit_is_noticed(depth, normalized):
    flow = WeightNormFlow(depth, 0.5) if normalized else GradientFlow(depth)
    weights = multiprecision.limit(flow, SMALL_INSTANCE, DIGITS)
    with mp.workdps(DIGITS + 10):
        wrong = [weights[0] * (1 + mpf(10) ** -20), *weights[1:]]
    assert multiprecision.agreement(*own_terms(flow, SMALL_INSTANCE, weights), DIGITS) >= 40
    assert multiprecision.agreement(*own_terms(flow, SMALL_INSTANCE, wrong), DIGITS) <= 21
