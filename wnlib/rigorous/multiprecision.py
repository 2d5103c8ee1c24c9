r"""Both flows followed in multiple precision, and their limits computed there, on small instances in exact rationals.

A flow is followed in its own coordinates, x or (r, u), by Taylor's method: the vector fields are polynomials, so the
Taylor coefficients of a solution follow from one another by arithmetic of power series. This part knows nothing of the
magnified coordinates, the invariants or the mirror map. They enter only with what is asked *about* a followed flow:

- the invariants $\langle v, m_L(z)\rangle$, v in a rational basis of ker A, at every step (`invariant_drift`);
- the minimiser of the Bregman divergence $D_\Phi(w, w_0)$ over the interpolants, which is the interpolant whose
  invariants are those of the start (`limit`), against the end of the followed flow (`agreement`).

Numbers are mpmath's, at `digits` decimal digits and a few guard digits; ratios and rates, which a flow holds as floats,
are taken for the rationals that these floats are.

Reference for the choice of order and step: A. Jorba and M. Zou, A software package for the numerical integration of
ODEs by means of high-order Taylor methods, Experimental Mathematics 14 (2005). The series are those of `taylor`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from mpmath import mp, mpf

from wnlib import _checks as check
from wnlib.errors import ArgumentError, IntegrationError, LimitError
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.weight_norm import ScheduledWeightNormFlow, WeightNormFlow
from wnlib.rigorous.arithmetic import coordinates_of, dot, field_of, number, numbers, residual_of, start_of, weights_of
from wnlib.rigorous.instance import Instance
from wnlib.rigorous.taylor import Vector, taylor_coefficients

__all__ = ["State", "agreement", "invariant_drift", "limit", "taylor_path"]

GUARD = 10  # digits carried beyond those that are asked for
MAX_STEPS = 300


@dataclass(frozen=True)
class State:
    """Where a flow is at one time, in mpmath's numbers.

    Attributes:
        t: The time.
        coordinates: x for gradient flow, N numbers, and (r, u) for the other, 1 + N.
        weights: N numbers.

    Example:
        >>> from wnlib import GradientFlow
        >>> from wnlib.rigorous.instance import Instance
        >>> from wnlib.rigorous.multiprecision import taylor_path
        >>> instance = Instance(A=[[1, 2]], y=[3], radius=1, direction=[3, 4])
        >>> start = taylor_path(GradientFlow(depth=2), instance, residual=1e-3, digits=15)[0]
        >>> [float(x) for x in start.coordinates]
        [0.6, 0.8]
    """

    t: mpf
    coordinates: Vector
    weights: Vector


def taylor_path(flow: Flow, instance: Instance, residual: float = 1e-45, digits: int = 50) -> list[State]:
    r"""The flow at every step of Taylor's method, from the start until it fits.

    Order p and step h make the last two Taylor terms of every coordinate at most $10^{-\text{digits}}$ of the largest
    coordinate.

    Args:
        residual: What $\|A w - y\|_\infty / \|y\|_\infty$ is in the end.
        digits: Decimal digits of the arithmetic, at least 15.

    Raises:
        ArgumentError: for bad arguments, or a residual below the digits.
        IntegrationError: if the residual is not reached in 300 steps, as it never is by a flow that collapses.

    Example:
        >>> from wnlib import GradientFlow
        >>> from wnlib.rigorous.instance import Instance
        >>> from wnlib.rigorous.multiprecision import taylor_path
        >>> instance = Instance(A=[[1, 2]], y=[3], radius=1, direction=[1, 1])
        >>> path = taylor_path(GradientFlow(depth=2), instance, residual=1e-15, digits=20)
        >>> [round(float(weight), 12) for weight in path[-1].weights]
        [0.75, 1.125]
    """
    check_flow(flow)
    check.integer("digits", digits, least=15)
    if check.positive("residual", residual) < 10.0**-digits:
        raise ArgumentError(f"residual must be >= 10^-digits, which is 1e-{digits}, got {residual}")
    with mp.workdps(digits + GUARD):
        field, order = field_of(flow, instance), ceil(digits * mp.ln(10) / 2) + 1
        A, y, start = numbers(instance.A), numbers(instance.y), start_of(flow, instance)
        states = [State(mpf(0), start, weights_of(flow, start))]
        while max(map(abs, residual_of(A, y, states[-1].weights))) > residual * max(map(abs, y)):
            if len(states) > MAX_STEPS:
                raise IntegrationError(
                    f"the residual is above {residual} after {MAX_STEPS} steps of Taylor's method: it may collapse"
                )
            now = states[-1]
            terms = taylor_coefficients(field, now.coordinates, order)
            h = _step(terms, mpf(10) ** -digits)
            coordinates = [mp.polyval(series[::-1], h) for series in terms]
            states.append(State(now.t + h, coordinates, weights_of(flow, coordinates)))
    return states


def _step(terms: list[Vector], tolerance: mpf) -> mpf:
    """The largest step at which the last two Taylor terms of each coordinate meet the tolerance."""
    order, size = len(terms[0]) - 1, max(abs(series[0]) for series in terms)
    last = {n: max(abs(series[n]) for series in terms) for n in (order - 1, order)}
    return min((tolerance * size / bound) ** (mpf(1) / n) for n, bound in last.items() if bound)


def magnified(flow: Flow, coordinates: Vector) -> Vector:
    r"""The magnified coordinates: z = x for gradient flow, $z = u\,e^{c r^2/2}$ with weight normalization.

    Like `dual_variable`, evaluated at mpmath's current working precision.
    """
    if not isinstance(flow, WeightNormFlow):
        return coordinates
    r, *u = coordinates
    return [u_i * mp.exp(number(flow.ratio) * r**2 / 2) for u_i in u]


def dual_variable(depth: int, z: Vector) -> Vector:
    r"""$m_1(z) = z$, $m_2(z) = \log z$, $m_L(z) = z^{2-L}/(2-L)$."""
    if depth == 1:
        return z
    return [mp.log(z_i) if depth == 2 else z_i ** (2 - depth) / (2 - depth) for z_i in z]


def invariant_drift(flow: Flow, instance: Instance, states: Sequence[State], digits: int = 50) -> mpf:
    r"""The largest relative change of an invariant $\langle v, m_L(z)\rangle$ since the first state.

    Args:
        states: The states of one `taylor_path`.
        digits: Decimal digits of the arithmetic, at least 15.

    Raises:
        ArgumentError: for bad arguments.

    Example:
        >>> from wnlib import WeightNormFlow
        >>> from wnlib.rigorous.instance import Instance
        >>> from wnlib.rigorous.multiprecision import invariant_drift, taylor_path
        >>> flow = WeightNormFlow(depth=2, ratio=1)
        >>> instance = Instance(A=[[1, 2]], y=[3], radius=1, direction=[1, 1])
        >>> path = taylor_path(flow, instance, residual=1e-3, digits=20)
        >>> bool(invariant_drift(flow, instance, path, digits=20) < 1e-18)
        True
    """
    check_flow(flow)
    check.integer("digits", digits, least=15)
    with mp.workdps(digits + GUARD):
        return largest_change(
            instance, [dual_variable(flow.depth, magnified(flow, state.coordinates)) for state in states]
        )


def largest_change(instance: Instance, thetas: Sequence[Vector]) -> mpf:
    r"""The largest $|\langle v, \theta_t - \theta_0\rangle| / \sum_i |v_i \theta_{0,i}|$, v in a basis of ker A."""
    first, kernel = thetas[0], numbers(instance.kernel)
    sizes = [dot(map(abs, v), map(abs, first)) for v in kernel]
    return max(
        abs(dot(v, theta) - dot(v, first)) / size for theta in thetas for v, size in zip(kernel, sizes, strict=True)
    )


def limit(flow: Flow, instance: Instance, digits: int = 50) -> Vector:
    r"""The minimiser of $D_\Phi(w, w_0)$ over A w = y: Newton's method, from the minimiser in double precision.

    Stationarity, $m_L(z(w)) - \theta_0 = A^\top\lambda$, stated without $\lambda$: w has the invariants of the start.

    Args:
        digits: Decimal digits of the answer, at least 15.

    Returns:
        N numbers, of mpmath.

    Raises:
        ArgumentError: for bad arguments.
        LimitError: if the conditions cannot be met to these digits.

    Example:
        >>> from wnlib import GradientFlow
        >>> from wnlib.rigorous.instance import Instance
        >>> from wnlib.rigorous.multiprecision import limit
        >>> instance = Instance(A=[[1, 2]], y=[3], radius=1, direction=[1, 1])
        >>> bool(abs(limit(GradientFlow(depth=2), instance, digits=40)[0] - 0.75) < 1e-39)
        True
    """
    check_flow(flow)
    check.integer("digits", digits, least=15)
    with mp.workdps(digits + GUARD):
        A, y, kernel = numbers(instance.A), numbers(instance.y), numbers(instance.kernel)
        theta_0 = dual_variable(flow.depth, magnified(flow, start_of(flow, instance)))
        unit = max(map(abs, theta_0))

        def conditions(*w: mpf) -> Vector:
            theta = dual_variable(flow.depth, magnified(flow, coordinates_of(flow, w)))
            shift = [(a - b) / unit for a, b in zip(theta, theta_0, strict=True)]
            return residual_of(A, y, w) + [dot(v, shift) for v in kernel]

        try:
            # mpmath's tolerance is one of the square.
            root = mp.findroot(conditions, tuple(instance.approximate_limit(flow)), tol=mpf(10) ** (-2 * digits))
        except (ValueError, ZeroDivisionError) as error:
            raise LimitError(f"Newton's method did not reach {digits} digits, try fewer: {error}") from error
        return list(root)


def agreement(found: Sequence[mpf], wanted: Sequence[mpf], digits: int = 50) -> float:
    r"""To how many digits two vectors agree.

    $-\log_{10}(\|\text{found} - \text{wanted}\|_\infty / \|\text{wanted}\|_\infty)$, and at most `digits`, the
    precision in which both are known.

    Example:
        >>> from wnlib.rigorous.multiprecision import agreement
        >>> round(agreement([1.0, 2.0], [1.0, 2.002]), 2)
        3.0
    """
    with mp.workdps(digits + GUARD):
        difference = max(abs(a - b) for a, b in zip(found, wanted, strict=True)) / max(map(abs, wanted))
        return min(float(digits), float(-mp.log10(difference))) if difference else float(digits)


def check_flow(flow: Flow) -> None:
    """Raise ArgumentError unless `flow` has magnified coordinates."""
    if not isinstance(flow, (GradientFlow, WeightNormFlow)) or isinstance(flow, ScheduledWeightNormFlow):
        raise ArgumentError(f"flow must be a GradientFlow or a WeightNormFlow, got {type(flow).__name__}")
