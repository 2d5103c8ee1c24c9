"""The experiment behind the chapter on speed: starts of equal bias, and numbers of steps."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose
from scipy import linalg

from companion.experiments import equal_bias, speed
from companion.plots import speed as figures
from wnlib import GradientDescent, GradientFlow, LimitCurve, PolarDescent, WeightNormFlow, descend, limit
from wnlib.flows.metric import rate_matrix

PROBLEM = speed.small_problem(0)
NAMES = ("plain", "salimans-kingma")


@pytest.fixture(scope="module")
def race():
    return speed.races(2, 0.1, 0.5, 1)[0]


@settings(max_examples=12, deadline=None)
@given(st.sampled_from((2, 3, 4)), st.floats(-3, -0.8), st.floats(0.3, 0.9))
def test_starts_of_equal_excess_lead_to_the_same_weights(depth, log_excess, share):
    excess = 10.0**log_excess
    found = equal_bias.contestants(PROBLEM, depth, excess, (share,))
    assert {"plain", "salimans-kingma", f"polar {share:g}"} <= set(found)
    for contestant in found.values():
        alone = limit(contestant.method.flow, PROBLEM, contestant.start)
        assert_allclose(alone.l1_excess, excess, rtol=1e-5)
        assert_allclose(alone.weights, found["plain"].limit.weights, atol=1e-6)


def test_scale_and_ratio_are_inverse_to_each_other():
    end = equal_bias.limit_of_excess(LimitCurve(PROBLEM, 2), 0.05)
    assert_allclose(equal_bias.scale_to(end, equal_bias.ratio_to(end, 0.7)), 0.7)
    assert_allclose(limit(GradientFlow(2), PROBLEM, GradientFlow(2).start(40, np.exp(end.log_scale))).l1_excess, 0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda end: equal_bias.ratio_to(end, 5.0), "scale must be on the limit's side"),
        (lambda end: equal_bias.ratio_to(end, -1.0), "scale must be > 0"),
        (lambda end: equal_bias.scale_to(end, 0.1), "ratio must be larger"),
        (lambda end: equal_bias.limit_of_excess(LimitCurve(PROBLEM, 2), 0.0), "target must be > 0"),
    ],
)
def test_what_leads_nowhere_is_refused(call, message):
    end = equal_bias.limit_of_excess(LimitCurve(PROBLEM, 2), 0.05)
    with pytest.raises(ValueError, match=message):
        call(end)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from((2, 3, 4)), st.floats(0.3, 0.9), st.integers(0, 5))
def test_the_matrices_at_a_common_limit_differ_by_a_factor_and_rank_one(depth, share, seed):
    race = next(iter(speed.races(depth, 0.1, share, 1, seed).values()))
    plain, polar = race["plain"], race["polar"]
    weights, problem = plain.limit.weights, plain.limit.problem
    G, G_wn = (rate_matrix(c.method.flow, problem, weights) for c in (plain, polar))
    R, gamma = equal_bias.radial_part(plain), equal_bias.turning(polar)
    assert_allclose(G_wn, R + gamma * (G - R), atol=1e-9 * np.abs(G_wn).max())
    assert np.linalg.matrix_rank(R) == 1
    assert equal_bias.turning(plain) == pytest.approx(1)
    room = plain.spectrum[-2] / plain.spectrum[-1] if gamma >= 1 else plain.spectrum[0] / plain.spectrum[1]
    assert polar.condition >= room * plain.condition * (1 - 1e-9)


def test_a_step_near_the_limit_is_linear_with_the_flows_matrix(race):
    for contestant in race.values():
        sizes = 1e-3, 1e-5
        coarse, fine = (equal_bias.step_mismatch(contestant, contestant.longest_step, size) for size in sizes)
        assert_allclose(coarse / fine, 100, rtol=0.1)


def test_flows_end_at_the_predicted_rate(race):
    for contestant in race.values():
        assert_allclose(equal_bias.final_rate(contestant), contestant.spectrum[0], rtol=1e-3)


def test_the_longest_step_is_where_the_limit_becomes_unstable(race):
    plain = race["plain"]
    assert plain.steps_per_decade(0.999 * plain.longest_step) > 0
    assert plain.steps_per_decade(1.01 * plain.longest_step) < 0
    slowest = np.log(10) / -np.log(1 - 0.1 * plain.longest_step * plain.spectrum[0])
    assert_allclose(plain.steps_per_decade([0.1 * plain.longest_step]), [slowest])


def test_a_search_in_stages_counts_what_single_descents_do(race):
    tolerances, share = (1e-2, 1e-4), np.array([0.5, 0.9])
    unit = float(PROBLEM.loss(np.zeros(40)))
    for contestant in race.values():
        found = speed.search(contestant, share, tolerances, 1000)
        for k, tolerance in enumerate(tolerances):
            steps = share * contestant.longest_step
            run = descend(contestant.method, PROBLEM, contestant.start, steps, 1000, stop_loss=tolerance * unit)
            assert np.abs(found.counts[k] - run.steps).max() <= 1
        Q = float(PROBLEM.truth.sum())
        assert_allclose(found.excess, run.l1[-1] / Q - 1, rtol=1e-3)


def test_a_search_ends_at_its_cap_and_at_its_slack(race):
    capped = speed.search(race["plain"], [0.1, 0.9], (1e-2, 1e-4), 50)
    assert np.isinf(capped.counts[0, 0])
    assert capped.counts[0, 1] <= 50
    assert np.isinf(capped.counts[1]).all()
    slack = speed.search(race["plain"], [0.1, 0.9], (1e-2, 1e-4), 10_000, slack=1.5)
    assert np.isfinite(slack.counts[:, 1]).all()
    assert np.isfinite(slack.counts[0, 0])
    assert np.isinf(slack.counts[1, 0])


def test_the_best_step_is_stable():
    found = speed.Search(np.array([0.5, 0.9, 1.2]), np.array([[9.0, 7.0, 5.0], [20.0, np.inf, 1.0]]), np.zeros(3))
    assert found.best.tolist() == [1, 0]
    assert found.fewest.tolist() == [7, 20]


def test_a_course_follows_its_flow_at_short_steps(race):
    course = speed.course(race["polar"], 0.02, 1e-2, 10_000)
    common = np.isfinite(course.flow)
    assert_allclose(course.descent[common], course.flow[common], rtol=0.1)


def test_problems_without_a_ratio_are_passed_over():
    with pytest.raises(ValueError, match="limit's side"):
        equal_bias.contestants(speed.small_problem(24), 3, 0.2, (0.5,))
    assert list(speed.races(3, 0.2, 0.5, 1, seed=24)) == [25]


def test_gains_are_ratios_of_the_record():
    record = speed.RECORD.load()
    gains = speed.gains(record, 3, "polar 0.5")
    rows = {
        name: (record["depth"] == 3) & (record["seed"] == 2) & (record["target"] == 1e-3) & (record["method"] == name)
        for name in ("plain", "polar 0.5")
    }
    wanted = record["predicted"][rows["plain"]] / record["predicted"][rows["polar 0.5"]]
    assert_allclose(gains.predicted[speed.TARGETS.index(1e-3), :, 2], wanted)
    assert np.isnan(gains.measured[-1, -1]).all(), "too long to run"
    assert 0.5 < speed.drift(record, 2, "plain") < 2


def test_every_sampled_task_has_all_methods():
    stored = speed.RECORD.load()
    for number in speed.RECORD.sample:
        methods = set(stored["method"][stored["task"] == number])
        assert methods == {*(f"polar {s:g}" for s in equal_bias.SHARES), "polar at ratio"} | set(NAMES)


def test_contestants_take_the_method_they_are_given():
    curve = LimitCurve(PROBLEM, 2)
    same = [equal_bias.Contestant.at(curve, method, 0.8) for method in (GradientDescent(2), PolarDescent(2, 5.0))]
    assert same[0].method.flow == GradientFlow(2)
    assert same[1].method.flow == WeightNormFlow(2, 5.0)
    ends = linalg.eigvalsh(rate_matrix(same[1].method.flow, PROBLEM, same[1].limit.weights))
    assert_allclose(same[1].spectrum, ends)


def test_figures_draw_what_they_are_given(race):
    found = {name: speed.search(race[name], [0.5, 0.9, 1.1], (1e-2,), 500) for name in race}
    drawn = figures.step_sizes(found, dict.fromkeys(race, 20.0), 0.1).axes[0]
    assert_allclose(drawn.lines[0].get_ydata(), 20 / np.array([0.5, 0.9, 1.1]))
    assert len(figures.courses({"plain": speed.course(race["plain"], 0.9, 1e-2, 500)}).axes) == 1
    values = {name: np.array([100.0, 200.0]) for name in race}
    assert_allclose(figures.decades(values, values).axes[0].lines[0].get_xdata(), [100, 200])
    record = speed.RECORD.load()
    panels = figures.gain({2: speed.gains(record, 2, "polar 0.5"), 3: speed.gains(record, 3, "polar 0.5")}).axes
    assert [axes.get_title(loc="left") for axes in panels] == ["$L = 2$", "$L = 3$"]
