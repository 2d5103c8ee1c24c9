"""Networks whose layers have factors of their own: flows, their leaves and limits, descents, and PyTorch's layers."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad, solve_ivp
from scipy.special import ellipkinc

from wnlib import (
    ArgumentError,
    GradientFlow,
    LimitError,
    Problem,
    ScheduledWeightNormFlow,
    WeightNormFlow,
    blow_up_times,
    integrate,
    integrate_layered,
    layered_descent,
    layered_limit,
    limit,
)
from wnlib.models.blow_up import Leaf, blow_up
from wnlib.models.layered import encode, layered_field

DEPTHS = (2, 3, 4, 6)
PROBLEM = Problem.gaussian(4, 8, 2, seed=1)
SIGNED = Problem(PROBLEM.A, PROBLEM.A @ np.array([1.0, -0.5, 0, 0, 0.3, 0, 0, -0.8]))
FLOWS = [flow for L in (2, 3, 4) for flow in (GradientFlow(L), WeightNormFlow(L, 2.0))]
entries = st.floats(0.01, 10) | st.floats(-10, -0.01)


def factors(depth: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((depth, 8)) / 3


def columns(depth: int) -> st.SearchStrategy[np.ndarray]:
    return st.lists(entries, min_size=depth, max_size=depth).map(lambda column: np.array(column)[:, None])


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_equal_factors_are_the_flow_of_their_power(flow):
    start = flow.start(8, 0.9, np.linspace(0.5, 1.5, 8))
    equal = np.tile(start.radius * start.direction, (flow.depth, 1))
    path = integrate_layered(flow, PROBLEM, equal, 2.0 * flow.depth, stop=1e-12, rtol=1e-10)
    assert_allclose(path.weights[-1], integrate(flow, PROBLEM, start, 2.0).weights[-1], atol=1e-7)
    assert_allclose(layered_limit(flow, PROBLEM, equal).weights, limit(flow, PROBLEM, start).weights, atol=1e-9)


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_exchanged_layers_and_pairs_of_signs_change_nothing(flow):
    x = factors(flow.depth)
    path = integrate_layered(flow, SIGNED, x, 3.0, rtol=1e-10)
    signs = np.random.default_rng(1).choice([-1.0, 1.0], 8)
    other = np.concatenate([[signs * x[-1]], x[1:-1], [signs * x[0]]])
    assert_allclose(integrate_layered(flow, SIGNED, other, 3.0, rtol=1e-10).weights[-1], path.weights[-1], atol=1e-7)
    ends = [layered_limit(flow, SIGNED, start).weights for start in (x, other)]
    assert_allclose(*ends, atol=1e-12)


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_fields_are_the_flows_as_they_are_written(flow):
    x = factors(flow.depth)
    p = SIGNED.A.T @ SIGNED.residual(x.prod(axis=0))
    g = np.array([p * np.delete(x, k, axis=0).prod(axis=0) for k in range(flow.depth)])
    velocity = layered_field(flow, SIGNED)(0.0, encode(flow, x))
    if isinstance(flow, GradientFlow):
        assert_allclose(velocity, g.ravel())
        return
    r = np.linalg.norm(x, axis=1, keepdims=True)
    along = np.sum(g * x / r, axis=1, keepdims=True)
    assert_allclose(velocity[: flow.depth], along[:, 0])
    assert_allclose(velocity[flow.depth :], (2.0 * r * (g - along * x / r)).ravel())


def test_a_radius_changes_its_sign_where_equal_ones_would_collapse():
    problem, flow = Problem([[1.0, -1.0]], [1.0]), WeightNormFlow(2, 1.0)
    u = np.array([1.0, 2.0]) / np.sqrt(5)
    path = integrate_layered(flow, problem, [0.1 * u, 0.2 * u], 1e4)
    assert path.radii[0].min() > 0 > path.radii[-1].min()
    assert path.fits
    assert_allclose(path.radii[:, 1] ** 2 - path.radii[:, 0] ** 2, 0.03, atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(DEPTHS).flatmap(columns), st.floats(-0.95, 0.95))
def test_the_leaf_is_where_the_factors_move(x, share):
    L, leaf = len(x), Leaf.of(x)
    growing, falling = leaf.times
    theta = share * np.minimum(growing if share > 0 else falling, 2.0)
    xi = leaf.at(theta)
    moved = solve_ivp(
        lambda t, z: [np.prod(np.delete(z, k)) for k in range(L)],
        (0.0, theta[0]),
        x[:, 0],
        method="DOP853",
        rtol=1e-11,
        atol=1e-12,
    ).y[:, -1:]
    assert_allclose(leaf.factors(xi), moved, rtol=1e-6, atol=1e-7 * np.abs(moved).max())
    assert_allclose(leaf.product(xi), leaf.factors(xi).prod(axis=0), rtol=1e-9)
    back = leaf.dual_variable(xi)
    assert_allclose(leaf.at(back), xi, rtol=1e-6, atol=1e-9)
    z = leaf.factors(xi)
    sums = sum(np.prod(np.delete(z, k, axis=0), axis=0) ** 2 for k in range(L))
    assert_allclose(leaf.slope(xi), sums, rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from((3, 4, 5)).flatmap(columns), st.floats(0.1, 10))
def test_blow_up_times_are_integrals_and_scale(x, unit):
    a = x[:, 0] ** 2
    wanted = quad(
        lambda v: 0.5 * np.exp(v - 0.5 * np.sum(np.log(a + np.exp(v)))), -60, 60, limit=400, points=[-9, 0, 5]
    )
    plus, minus = blow_up_times(x)
    away = plus if x.prod() > 0 else minus
    assert_allclose(away, wanted[0], rtol=1e-7)
    assert_allclose(np.array(blow_up_times(unit * x)), unit ** (2 - len(x)) * np.array([plus, minus]), rtol=1e-9)
    assert_allclose(blow_up_times(-x), (plus, minus) if len(x) % 2 == 0 else (minus, plus))


def test_blow_up_times_at_depth_three_are_elliptic():
    plus, minus = (times[0] for times in blow_up_times([[1.0], [2.0], [3.0]]))
    # Legendre's form of R_F(1, 4, 9)
    assert_allclose(plus, ellipkinc(np.arccos(1 / 3), 5 / 8) / np.sqrt(8), rtol=1e-12)
    assert_allclose(minus, 2 * blow_up(np.array([[0.0], [3.0], [8.0]]))[0] - plus, rtol=1e-14)


def test_blow_up_times_without_end():
    assert_allclose(blow_up_times([[1.0, 2.0], [3.0, -1.0]]), np.inf)
    for third in (2.0, 5.0):
        plus, minus = blow_up_times([[1.0, 0.0], [1.0, 0.0], [third, 1.0]])
        assert np.isfinite(plus[0])
        assert np.isinf([minus[0], plus[1], minus[1]]).all()
    equal = blow_up_times(np.full((5, 1), 0.5))
    assert_allclose(equal[0], 0.5**-3 / 3, rtol=1e-12)
    assert_allclose(blow_up_times([[0.0], [1.0], [-2.0], [3.0]])[0], blow_up_times([[0.0], [1.0], [2.0], [3.0]])[1])


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_the_limit_is_where_the_flow_ends(flow):
    for seed in range(3):
        x = factors(flow.depth, seed)
        path = integrate_layered(flow, SIGNED, x, 1e5, stop=1e-7, rtol=1e-10)
        end = layered_limit(flow, SIGNED, x)
        if path.radii.min() < 0:
            continue
        assert path.fits
        assert_allclose(path.weights[-1], end.weights, atol=1e-5)
        assert_allclose(path.factors[-1], end.factors, atol=1e-3)
        assert_allclose(SIGNED.kernel.T @ end.theta, 0, atol=1e-9 * np.abs(end.theta).max())
        assert end.residual < 1e-12


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_a_limit_that_is_magnified_beyond_the_digits_of_its_dual_variable_interpolates(depth):
    flow, x = WeightNormFlow(depth, 60.0), 3 * factors(depth)
    end = layered_limit(flow, SIGNED, x / np.linalg.norm(x, axis=1, keepdims=True))
    assert end.residual < 1e-12
    assert np.count_nonzero(np.abs(end.weights) > 1e-3) <= SIGNED.shape[0]


def test_where_no_limit_is_in_reach_that_is_said():
    x = np.full((3, 2), 0.5)  # which keeps positive weights positive
    with pytest.raises(LimitError, match="relative residual"):
        layered_limit(GradientFlow(3), Problem([[1.0, 2.0]], [-1.0]), x)


@pytest.mark.parametrize("solve", [lambda *given: integrate_layered(*given, t_end=1.0), layered_limit])
@pytest.mark.parametrize(
    ("flow", "x", "message"),
    [
        (GradientFlow(1), np.ones((1, 8)), "flow must have depth >= 2, got 1"),
        (ScheduledWeightNormFlow(2, 1.0), factors(2), "flow must be a GradientFlow or a WeightNormFlow, got Scheduled"),
        (GradientFlow(3), factors(2), r"factors must have shape \(3, 8\) .*, got \(2, 8\)"),
        (GradientFlow(2), np.array([np.ones(8), np.zeros(8)]), "factors must have no zero layer, got layer 1"),
        (GradientFlow(2), np.full((2, 8), np.nan), "factors must be finite"),
    ],
)
def test_bad_factors_are_refused(solve, flow, x, message):
    with pytest.raises(ArgumentError, match=message):
        solve(flow, SIGNED, x)
    with pytest.raises(ArgumentError, match="y must be nonzero"):
        solve(GradientFlow(2), Problem([[1.0, 1.0]], [0.0]), np.ones((2, 2)))


def test_entries_that_never_move_are_refused_and_times_need_layers():
    x = factors(3)
    x[:2, 4] = 0.0
    with pytest.raises(ArgumentError, match="factors must have at most one zero in an entry"):
        layered_limit(GradientFlow(3), SIGNED, x)
    with pytest.raises(ArgumentError, match="factors must have at least 2 layers, got 1"):
        blow_up_times([[1.0]])


def ratio_of(flow):
    return flow.ratio if isinstance(flow, WeightNormFlow) else None


@pytest.mark.parametrize("flow", FLOWS[:4], ids=str)
def test_descent_follows_the_flow_at_first_order(flow):
    x, t_end = 2 * factors(flow.depth), 2.0
    wanted = integrate_layered(flow, SIGNED, x, t_end, stop=1e-12, rtol=1e-10).factors[-1]
    runs = [layered_descent(SIGNED, x, t_end / n, n, ratio_of(flow), tolerance=1e-12) for n in (200, 400)]
    assert [run.steps for run in runs] == [200, 400]
    errors = [np.abs(run.factors - wanted).max() for run in runs]
    assert errors[0] < 0.01
    assert_allclose(errors[0] / errors[1], 2, rtol=0.03)


@pytest.mark.parametrize("flow", FLOWS[:4], ids=str)
def test_descent_ends_near_the_limit_of_the_flow_at_first_order(flow):
    x = factors(flow.depth)
    wanted = layered_limit(flow, SIGNED, x)
    runs = [layered_descent(SIGNED, x, step, 20_000, ratio_of(flow), tolerance=1e-6) for step in (0.04, 0.02)]
    stop = 1e-12 * SIGNED.loss_of_zero
    assert all(run.fit and run.losses[-1] <= stop < run.losses[-2] for run in runs)
    errors = [np.abs(run.factors - wanted.factors).max() for run in runs]
    assert errors[0] < 0.02
    assert_allclose(errors[0] / errors[1], 2, rtol=0.1)


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_steps_are_along_the_gradient_of_the_loss_in_the_coordinates(flow):
    """By imaginary steps, which have no error but rounding: no formula of the gradient is needed."""
    x, step, steps, imaginary = 2 * factors(flow.depth), 0.1, 5, 1e-30j
    plain = isinstance(flow, GradientFlow)

    def factors_of(state):
        g, v = state[:, :1], state[:, 1:]
        return v if plain else g * v / np.sqrt(np.sum(v * v, axis=1, keepdims=True))

    def loss(state):
        return 0.5 * np.sum((SIGNED.y - SIGNED.A @ factors_of(state).prod(axis=0)) ** 2)

    g = np.linalg.norm(x, axis=1, keepdims=True)
    state, losses = np.hstack([g, x if plain else x / g / np.sqrt(flow.ratio)]), []
    for _ in range(steps):
        losses.append(loss(state))
        units = np.eye(state.size).reshape(-1, *state.shape)
        gradient = np.array([loss(state + imaginary * unit).imag / abs(imaginary) for unit in units])
        state = state - step * gradient.reshape(state.shape)
    run = layered_descent(SIGNED, x, step, steps, ratio_of(flow))
    assert_allclose(run.factors, factors_of(state), rtol=1e-12, atol=1e-13)
    assert_allclose(run.losses, [*losses, loss(state)], rtol=1e-12)


def test_a_radius_of_a_descent_may_change_its_sign():
    problem, u = Problem([[1.0, -1.0]], [1.0]), np.array([1.0, 2.0]) / np.sqrt(5)
    x = np.array([0.1 * u, 0.2 * u])
    path = integrate_layered(WeightNormFlow(2, 1.0), problem, x, 1e4)
    run = layered_descent(problem, x, 0.01, 10_000, ratio=1.0)
    assert (run.fit, run.diverged) == (True, False)
    assert path.radii[-1].min() < 0
    assert_allclose(run.factors, path.factors[-1], atol=0.01)


def test_a_descent_from_what_fits_takes_no_step():
    x = np.array([[1.0, 2.0], [3.0, -1.0]])
    run = layered_descent(Problem([[1.0, 1.0]], [1.0]), x, 0.1, 10, ratio=2.0)
    assert (run.steps, run.fit, run.diverged) == (0, True, False)
    assert_allclose(run.factors, x, rtol=0)
    assert_allclose(run.losses, [0.0], atol=0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"factors": np.ones((1, 8))}, "factors must have at least 2 layers, got 1"),
        ({"factors": np.ones((2, 7))}, r"factors must have shape \(any, 8\) .*, got \(2, 7\)"),
        ({"factors": [np.ones(8), np.zeros(8)]}, "factors must have no zero layer, got layer 1"),
        ({"step": 0.0}, "step must be > 0, got 0.0"),
        ({"steps": 0}, "steps must be >= 1, got 0"),
        ({"ratio": -1.0}, "ratio must be > 0, got -1.0"),
        ({"tolerance": 0.0}, "tolerance must be > 0, got 0.0"),
    ],
)
def test_bad_descents_are_refused(changed, message):
    with pytest.raises(ArgumentError, match=message):
        layered_descent(**{"problem": SIGNED, "factors": factors(2), "step": 0.1, "steps": 5, **changed})


@pytest.mark.parametrize("depth", [2, 3])
def test_pytorch_with_a_weight_norm_for_each_layer_takes_the_steps_of_descent(depth):
    torch = pytest.importorskip("torch")
    weight_norm = pytest.importorskip("torch.nn.utils.parametrizations").weight_norm
    size, step, steps, x = 0.6, 0.005, 400, 2 * factors(depth)
    A, y = torch.from_numpy(SIGNED.A.copy()), torch.from_numpy(SIGNED.y.copy())
    layers = []
    for entries in x:
        layer = torch.nn.Linear(8, 1, bias=False, dtype=torch.float64)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(entries.copy()))
            weight_norm(layer, dim=None)
            v = layer.parametrizations.weight.original1
            v.mul_(size / v.norm())
        layers.append(layer)
    parameters = [parameter for layer in layers for parameter in layer.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=step)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        weights = torch.stack([layer.weight.squeeze(0) for layer in layers]).prod(dim=0)
        loss = 0.5 * (y - A @ weights).square().sum()
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    run = layered_descent(SIGNED, x, step, steps, size**-2, tolerance=1e-12)
    assert run.steps == steps
    assert_allclose(run.losses[:-1], losses, rtol=0, atol=1e-12)
    assert_allclose(run.factors, [layer.weight.detach().numpy().ravel() for layer in layers], rtol=0, atol=1e-12)
