"""Weight decay: the step it claims to be, alone and beside other runs; and what is refused."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose

from wnlib import GradientFlow, Problem, ScheduledWeightNormFlow, WeightNormFlow
from wnlib.descent import (
    DecayedGradientDescent,
    DecayedSalimansKingmaDescent,
    GradientDescent,
    SalimansKingmaDescent,
    descend,
)

PROBLEM = Problem.gaussian(5, 12, 2, seed=1)
decays = st.floats(0, 2)


def force(weights):
    return PROBLEM.residual(weights) @ PROBLEM.A


@given(st.integers(1, 4), decays, decays)
def test_a_step_is_the_one_without_decay_less_the_decayed_part(depth, on_g, on_v):
    start, h = WeightNormFlow(depth, 2.0).start(12, 0.8), 0.01
    pairs = (
        (DecayedGradientDescent(depth, on_v), GradientDescent(depth), on_v),
        (
            DecayedSalimansKingmaDescent(depth, 0.7, on_g, on_v),
            SalimansKingmaDescent(depth, 0.7),
            np.array([on_g] + 12 * [on_v]),
        ),
    )
    for decayed, plain, rates in pairs:
        state = plain.encode(start)
        assert_allclose(decayed.step(state, h, force), plain.step(state, h, force) - h * rates * state, atol=1e-14)


def test_runs_of_many_decays_are_the_runs_alone():
    start, rates = WeightNormFlow(2, 2.0).start(12, 0.8), np.array([0.0, 0.1, 0.5])
    together = descend(DecayedSalimansKingmaDescent(2, 0.7, rates, rates[::-1]), PROBLEM, start, 0.01, 50, 10, 2)
    for k, rate in enumerate(rates):
        alone = descend(DecayedSalimansKingmaDescent(2, 0.7, rate, rates[2 - k]), PROBLEM, start, 0.01, 50, 10, 2)
        assert_allclose(together.states[:, k], alone.states, rtol=1e-12)
    plain = descend(DecayedGradientDescent(2, rates), PROBLEM, start, 0.01, 50)
    assert_allclose(plain.weights[:, 0], descend(GradientDescent(2), PROBLEM, start, 0.01, 50).weights, rtol=1e-12)


def test_without_decay_on_g_it_follows_a_scheduled_flow():
    flow = DecayedSalimansKingmaDescent(2, 0.5, 0.0, 0.3).flow
    assert isinstance(flow, ScheduledWeightNormFlow)
    assert_allclose([flow.ratio, flow.angular_schedule(2.0)], [4.0, np.exp(1.2)])
    assert DecayedGradientDescent(3).flow == GradientFlow(3)


def test_bad_decay_is_refused():
    with pytest.raises(ValueError, match=r"scale_decay must be >= 0, got -1"):
        DecayedSalimansKingmaDescent(2, 1.0, -1.0)
    with pytest.raises(ValueError, match=r"vector_decay must be >= 0, got -2"):
        DecayedSalimansKingmaDescent(2, 1.0, 0.0, np.array([1.0, -2.0]))
    with pytest.raises(ValueError, match="decay must be a finite real number"):
        DecayedGradientDescent(2, np.nan)
    with pytest.raises(ValueError, match="scale_decay must be 0 for weight normalization to follow"):
        _ = DecayedSalimansKingmaDescent(2, 1.0, 0.1).flow
    with pytest.raises(ValueError, match="decay must be 0 for gradient flow to follow"):
        _ = DecayedGradientDescent(2, 0.1).flow
