"""The experiment behind the chapter on directions: starts, weighted programs, limits, rows, the way there, figures."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from companion.experiments import directions, directions_flows
from companion.experiments.recovery import select
from companion.plots import directions as figures
from wnlib import GradientFlow, Problem, WeightNormFlow, basis_pursuit, limit, margin

PROBLEMS = [Problem.gaussian(10, 24, 2, seed=seed) for seed in range(6)]
SPREAD = [directions.spread_out(1.0, 24, seed) for seed in range(6)]


@pytest.mark.parametrize("name", directions.STARTS)
def test_starts_are_directions_and_a_seed_determines_them(name):
    first, same, other = (directions.drawn(name, 3, 50, seed) for seed in (1, 1, 2))
    assert_allclose(np.linalg.norm(first), 1)
    assert first.min() > 0
    assert np.array_equal(first, same)
    assert np.array_equal(first, other) == (name == "constant")


def test_starts_are_what_their_names_say():
    gaussian, lifted, lowered, weights = (
        directions.drawn(name, 4, 1001, 0) for name in ("gaussian", "lifted", "lowered", "weights")
    )
    middle = np.median(gaussian)
    assert_allclose(lifted / lifted.min(), np.maximum(gaussian, middle) / middle)
    assert_allclose(lowered / lowered.max(), np.minimum(gaussian, middle) / middle)
    assert_allclose(np.log(gaussian).std(), figures.GAUSSIAN, rtol=0.05)
    assert_allclose(np.log(weights).std(), figures.GAUSSIAN / 4, rtol=0.05)
    products = [np.log(directions.drawn("product", depth, 20_000, 0)).std() for depth in (2, 4)]
    assert_allclose(products, figures.GAUSSIAN / np.sqrt([2, 4]), rtol=0.05)


@pytest.mark.parametrize("depth", [2, 3, 6])
def test_costs_are_a_power_of_the_direction_and_as_spread_as_depth_times_direction(depth):
    direction = directions.spread_out(0.5, 24, 3)
    chi = directions.costs(direction, depth)
    assert_allclose(chi * direction ** (depth - 2), (chi * direction ** (depth - 2))[0])
    assert_allclose(np.log(chi).std(), (depth - 2) * np.log(direction).std(), atol=1e-12)
    priced, opposed = directions.spread_out(0.5 * (depth - 2), 24, 3), directions.spread_out(-0.5, 24, 3)
    ratio = directions.costs(opposed, depth) / priced
    assert_allclose(ratio, ratio[0])


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_ends_are_limits_near_the_weighted_program_from_all_scales(depth):
    problem, direction = PROBLEMS[0], SPREAD[0]
    radius = float(np.sqrt(np.sum(basis_pursuit(problem).weights ** (2 / depth))))
    found = directions.ends(problem, depth, direction, (0.1, 0.7))
    flow = WeightNormFlow(depth, directions.GAIN / radius**2)
    single = limit(flow, problem, flow.start(24, 0.1 * radius, direction)).weights
    assert_allclose(found[0], single, atol=1e-9)
    program = basis_pursuit(problem, directions.costs(direction, depth)).weights
    assert np.abs(found - program).max() <= 1e-3


def test_the_planted_weights_are_found_where_their_margin_is_positive():
    signs = []
    for problem in PROBLEMS:
        for spread in (0.0, 1.0, 2.0):
            chi = directions.spread_out(spread, 24, 1)
            value = directions.planted_margin(problem, chi)
            found = margin(problem, chi)
            recovers = np.allclose(found.target, problem.truth, atol=1e-6)
            assert recovers == (value > 0)
            if recovers:
                assert_allclose(value, found.value, rtol=1e-6)
            signs.append(recovers)
    assert {True, False} == set(signs)


def test_the_only_interpolant_has_an_infinite_margin():
    only = Problem([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]], [1.0, 0.0], [1.0, 0.0, 0.0])
    assert directions.planted_margin(only, np.ones(3)) == np.inf


def test_rows_count():
    truths = np.array([p.truth for p in PROBLEMS[:4]])
    dense = [np.linalg.pinv(p.A) @ p.y for p in PROBLEMS[:1]]
    weights = np.array([truths[0], 1.05 * truths[1], 1.005 * truths[2], 3 * truths[3]])
    where: directions.Where = {"start": "gaussian", "s": 2, "spread": 0.5}
    counted = directions.row("limits", where, 3, 0.1, weights, PROBLEMS[:4], truths)
    expected = {"kind": "limits", "s": 2, "problems": 4, "sparse": 2, "recovered": 2, "agreeing": 2}
    assert {name: counted[name] for name in expected} == expected
    assert_allclose([counted["farthest"], counted["excess"]], [2.0, 0.0275])
    assert directions.excess(np.abs(dense[0]), PROBLEMS[0]) > directions.SPARSE


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_both_flows_go_the_same_way_with_the_predicted_slope(depth):
    away = {
        name: directions_flows.way(name, PROBLEMS[1], depth, SPREAD[1], (5.0, 6.0, 7.0))
        for name in directions_flows.FLOWS
    }
    slope = directions_flows.predicted_slope(PROBLEMS[1], depth)
    for one in away.values():
        assert_allclose(one.slope, slope, rtol=0.05 if depth == 2 else 0.01)
        assert np.all(np.diff(one.to_program) < 0)
    plain, normalized = away.values()
    ahead = normalized.log_magnification - plain.log_magnification
    assert np.abs(ahead).max() <= 0.05
    assert_allclose(normalized.log_mass - plain.log_mass, slope * ahead, atol=0.01)


def test_the_way_ends_at_the_limits_of_the_flows():
    problem, direction = PROBLEMS[1], SPREAD[1]
    radius = float(np.sqrt(np.sum(margin(problem, directions.costs(direction, 3)).target ** (2 / 3))))
    flow = GradientFlow(3)
    end = limit(flow, problem, flow.start(24, radius * np.exp(-4.0), direction)).weights
    found = directions_flows.way("plain", problem, 3, direction, (4.0,))
    pursuit = basis_pursuit(problem).weights
    assert_allclose(found.to_pursuit[0], np.abs(end - pursuit).sum() / pursuit.sum(), rtol=1e-6)
    assert_allclose(found.excess[0], end.sum() / pursuit.sum() - 1, atol=1e-9)


def test_the_farthest_program_is_found():
    number = directions_flows.farthest(PROBLEMS, SPREAD, 6)
    programs = [basis_pursuit(p, directions.costs(u, 6)) for p, u in zip(PROBLEMS, SPREAD, strict=True)]
    excess = [directions.excess(z.weights, p) for z, p in zip(programs, PROBLEMS, strict=True)]
    assert excess[number] == max(excess) > directions.SPARSE


def test_the_record_has_every_task_and_the_programs_of_one_are_those_of_another():
    table = directions.RECORD.load()
    assert set(table["task"]) == set(range(len(directions.TASKS)))
    for depth in (3, 4, 6):
        where = {"kind": "program", "start": "log-normal", "s": 3, "depth": depth}
        for spread, sparse in zip(select(table, "spread", **where), select(table, "sparse", **where), strict=True):
            same = select(table, "sparse", start="costs", s=3, spread=(depth - 2) * spread)
            assert all(same == sparse)


def test_figures_draw_what_they_are_given():
    x, share = np.array([0.1, 0.5, 1.0]), np.array([1.0, 0.7, 0.4])
    figure = figures.shares(x, {3: share, 4: share / 2}, {3: share, 4: share / 2}, 2 * x, share)
    top, bottom = figure.axes
    assert_allclose(top.lines[1].get_ydata(), share)
    assert_allclose(bottom.lines[2].get_xdata(), 2 * x)
    values = np.array([[1.0, 0.8, 0.3], [0.9, 0.4, 0.1]])
    figure = figures.phase(x, np.array([1, 3]), values, {3: (x, np.full(3, 3), values[1])})
    assert_allclose(figure.axes[0].collections[0].get_array(), values)
    lines = figures.margins(x, values - 0.5, values > 0.5).axes[0].lines
    assert (lines[2].get_xdata().size, lines[3].get_xdata().size) == (3, 3)
    programs = {"gaussian": share[:2], "constant": np.ones(2)}
    ends = {name: np.repeat(one[:, None], 3, axis=1) for name, one in programs.items()}
    axes = figures.starts(programs, ends, (3, 4)).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [figures.LABELS[name] for name in programs]
    one = directions_flows.Way(np.log([10.0, 100.0, 1e3]), x, 10.0**-x, x, x)
    figure = figures.ways({3: dict.fromkeys(directions_flows.FLOWS, one)}, {3: -3.0})
    assert_allclose(figure.axes[1].lines[0].get_ydata(), one.to_program)
