"""The experiments behind the chapter on practice, with PyTorch itself where it is installed."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from companion.experiments import finite_steps, practice, weight_decay
from companion.plots import practice as figures
from wnlib import GradientFlow, MissingExtraError, Problem, WeightNormFlow, basis_pursuit, limit
from wnlib.descent import SalimansKingmaDescent
from wnlib.flows.metric import longest_step

PROBLEM = Problem.gaussian(8, 20, 2, seed=1)
Q = basis_pursuit(PROBLEM).value
FLOW = WeightNormFlow(2, 3.0)
START = FLOW.start(20, np.sqrt(0.2 * Q))
STABLE = longest_step(FLOW, PROBLEM, basis_pursuit(PROBLEM).weights)


@pytest.mark.parametrize("setting", practice.SETTINGS, ids=lambda s: f"{s.name}, depth {s.depth}")
def test_pytorch_does_the_same_steps(setting):
    pytest.importorskip("torch")
    assert practice.agreement(practice.trained(setting), practice.descents(setting)) >= practice.DIGITS


def test_without_pytorch_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    for use in (lambda: practice.trained(practice.SETTINGS[0]), lambda: practice.default_start(30, seed=0)):
        with pytest.raises(MissingExtraError, match=r'torch cannot be imported: try pip install "wnlib\[torch\]"'):
            use()


def test_pytorch_starts_with_g_as_long_as_v():
    pytest.importorskip("torch")
    scale, norm = practice.default_start(3000, seed=5)
    assert_allclose(scale, norm)
    assert_allclose(scale**2, 1 / 3, atol=0.03)


def test_the_stored_record_is_what_descend_gives_now():
    stored = practice.RECORD.load()
    for number, setting in enumerate(practice.SETTINGS):
        rows = practice.columns(setting, practice.descents(setting), practice.DIGITS)
        for name in rows[0]:
            column = stored[name][stored["task"] == number]
            if column.dtype.kind == "f":
                assert_allclose([row[name] for row in rows], column, rtol=1e-5, atol=1e-12, err_msg=name)
            else:
                assert column.tolist() == [row[name] for row in rows]


def test_trainings_that_differ_agree_to_fewer_digits():
    one, other = (practice.descents(setting) for setting in practice.SETTINGS[1:5:3])
    assert practice.agreement(one, one) == practice.DIGITS
    assert practice.agreement(one, other) <= 1
    near = practice.Training(one.scale, one.norm * (1 + 2e-5), one.x)
    assert practice.agreement(near, one) == 4


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_first_order_is_the_derivative_at_step_zero(depth):
    """Of ||v||^2, where what is left falls by four from a step to half of it, and of the end, as far as runs arrive."""
    problem = Problem.gaussian(3, 6, 2, seed=2)
    z = basis_pursuit(problem).weights
    flow = WeightNormFlow(depth, 1.0)
    start = flow.start(6, np.sqrt(0.4 * np.sum(z ** (2 / depth))))
    predicted = finite_steps.first_order(flow, problem, start)
    steps = np.array([0.2, 0.1]) * longest_step(flow, problem, z + 0.05)
    runs = finite_steps.normalized_runs(flow, problem, start, steps, 2000)
    assert runs.fit.all()
    ends = [predicted.excess(h) for h in steps]
    left = np.abs(runs.growth - steps * predicted.growth), np.abs(runs.excess - ends)
    moved = steps * predicted.growth, np.abs(runs.excess - predicted.excess(0.0))
    assert np.all(left[0] < 0.1 * moved[0])
    assert np.all(left[1] < 0.2 * moved[1])
    assert left[0][0] / left[0][1] > 2.8


def test_without_steps_the_end_is_that_of_the_flow():
    found = finite_steps.first_order(FLOW, PROBLEM, START)
    assert_allclose(found.excess(0.0), limit(FLOW, PROBLEM, START).l1_excess, rtol=1e-6)
    assert found.ratio(0.0) == FLOW.ratio


def test_forces_have_the_second_moment_of_minibatches():
    weights = START.weights(2)[None]
    found = finite_steps._forces(PROBLEM, weights, batches=4)[:, 0]
    rng, size = np.random.default_rng(0), 2
    rows = np.array([rng.permutation(8)[:size] for _ in range(40_000)])
    pulls = PROBLEM.residual(weights[0])[:, None] * PROBLEM.A
    samples = 4 * pulls[rows].sum(axis=1)
    wanted = samples.T @ samples / len(samples)
    assert_allclose(found.T @ found, wanted, atol=0.03 * np.abs(wanted).max())
    with pytest.raises(ValueError, match="batches must divide the number of rows 8, got 3"):
        finite_steps.first_order(FLOW, PROBLEM, START, batches=3)


def test_the_stable_step_is_where_the_hessian_says():
    weights = basis_pursuit(PROBLEM).weights + 0.1
    method = SalimansKingmaDescent(2, 3.0**-0.5)
    x = np.sqrt(weights)
    state = np.concatenate([[np.linalg.norm(x)], 3.0**-0.5 * x / np.linalg.norm(x)])

    def prediction(state):
        return PROBLEM.A @ method.decode(state).weights(2)

    J = np.array([(prediction(state + 1e-6 * e) - prediction(state - 1e-6 * e)) / 2e-6 for e in np.eye(21)])
    assert_allclose(longest_step(FLOW, PROBLEM, weights), 2 / np.linalg.norm(J, 2) ** 2, rtol=1e-6)
    pinned = weight_decay.pinned_ratio(PROBLEM, weights, 2, 0.01)
    assert_allclose(longest_step(WeightNormFlow(2, pinned), PROBLEM, weights), 0.01, rtol=1e-9)


def test_decay_on_v_raises_the_ratio_until_it_is_pinned():
    run = weight_decay.shortened(PROBLEM, START, 2, 3.0, 0.2 * STABLE, np.array([0.0, 0.02]), 6000, 100)
    assert run.alive.all()
    assert run.ratio[-1, 0] < 3.0
    assert_allclose(run.ratio[-1, 1], run.pinned, rtol=0.05)


def test_decay_on_g_ends_at_the_lasso():
    decays = np.array([0.1, 0.3])
    found = weight_decay.penalised(PROBLEM, START, 3.0, 0.3 * STABLE, decays, 10_000)
    assert np.all(found.gap("scale") < 1e-5)
    assert np.all(found.gap("plain") < 1e-3)
    for solution, decay in zip(found.lasso, decays, strict=True):
        pull = PROBLEM.A.T @ PROBLEM.residual(solution)
        assert_allclose(pull[solution > 0], decay / 2, rtol=1e-6)
        assert np.all(pull <= decay / 2 * (1 + 1e-6))


def test_excess_by_default_is_that_of_the_ratio_it_means():
    position = np.array([0.05, 0.3])
    found = finite_steps.default_excess([PROBLEM], position, 10.0)
    for k, share in enumerate(position):
        r = np.sqrt(share * Q)
        flows = {"plain": GradientFlow(2), "default": WeightNormFlow(2, r**-2), "free": WeightNormFlow(2, 10.0)}
        for name, flow in flows.items():
            assert_allclose(found[name][k], limit(flow, PROBLEM, flow.start(20, r)).l1_excess, atol=1e-6)


def test_figures_draw_what_they_are_given():
    fractions = np.array([0.3, 0.6])
    runs = finite_steps.normalized_runs(FLOW, PROBLEM, START, fractions * STABLE, 40_000)
    figure = figures.growth(fractions, runs, np.array([0.1, 0.2]), 3.0, np.array([2.7, 2.5]))
    assert_allclose(figure.axes[0].lines[1].get_ydata(), runs.growth)
    assert_allclose(figure.axes[1].lines[0].get_ydata(), [0.9, 2.5 / 3])
    figure = figures.ends(fractions, runs, runs, 0.01, runs.excess, 2 * runs.excess)
    assert_allclose(figure.axes[1].lines[1].get_ydata(), 2 * runs.excess)
    figure = figures.batches(np.array([1, 2]), [runs, runs], fractions, fractions, 0.1)
    assert len(figure.axes[0].lines) == 3
    decays = np.array([0.0, 0.001, 0.01, 0.02])
    run = weight_decay.shortened(PROBLEM, START, 2, 3.0, 0.2 * STABLE, decays, 400, 20)
    assert len(figures.shortening(run, decays, 3.0).axes[1].lines) == 4
    found = weight_decay.penalised(PROBLEM, START, 3.0, 0.3 * STABLE, decays[1:], 100)
    assert_allclose(figures.lasso(found).axes[0].lines[0].get_ydata(), found.lasso.sum(axis=1) / Q)
    excess = {name: np.array([1e-9, 0.1]) for name in ("plain", "default", "free")}
    assert_allclose(figures.defaults(fractions, excess).axes[0].lines[2].get_ydata(), [1e-6, 0.1])
