r"""The limit of a flow, proved: ball arithmetic encloses the minimiser of the Bregman divergence over the interpolants.

In the M dual variables the optimality conditions are $F(\lambda) = A\,w(\theta_0 + A^\top\lambda) - y = 0$, with
$w(\theta) = \nabla\Phi^*(\theta)$ elementary at every depth: $z_i = \theta_i$, $e^{\theta_i}$ or
$(-(L-2)\theta_i)^{-1/(L-2)}$, and then $w = z^L$ for gradient flow; with weight normalization
$r^2 = \tfrac1c \log\|z\|^2$, $w = (r z/\|z\|)^L$.

Let $\Lambda$ be a box around $\hat\lambda$, C any matrix, and $F'(\Lambda)$ enclose the derivatives over $\Lambda$. If
Krawczyk's operator
$K(\Lambda) = \hat\lambda - C F(\hat\lambda) + (1 - C F'(\Lambda))(\Lambda - \hat\lambda)$
maps $\Lambda$ into its interior, then F has exactly one zero in $\Lambda$, and it is in $K(\Lambda)$. Its w fulfils the
optimality conditions, and $\Phi$ is strictly convex: it is the minimiser, and the only one.

Every operation rounds outward (Arb, through python-flint), from the instance's exact rationals to the decimal digits
of the answer.

References: R. Krawczyk, Newton-Algorithmen zur Bestimmung von Nullstellen mit Fehlerschranken, Computing 4 (1969);
F. Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic, IEEE Trans. Comput. 66 (2017).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf, nextafter

from flint import arb, arb_mat, ctx, fmpq
from mpmath import mpf

from wnlib import _checks as check
from wnlib.errors import EnclosureError
from wnlib.flows.flow import Flow
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.rigorous.instance import Instance, Rational
from wnlib.rigorous.multiprecision import check_flow

__all__ = ["Enclosure", "enclose"]

Balls = list[arb]


@dataclass(frozen=True)
class Enclosure:
    """N balls that contain the minimiser's weights, and what their proof came from.

    Attributes:
        weights: N balls, each in decimal digits, "[midpoint +/- radius]".
        width: The largest diameter of a ball.
        bits: Of the arithmetic's precision.
        half_width: Of the first box, in which F has no other zero.
        contraction: A bound on the max norm of 1 - C F' over that box.

    Example:
        >>> from wnlib import GradientFlow
        >>> from wnlib.rigorous.enclosure import enclose
        >>> from wnlib.rigorous.instance import Instance
        >>> instance = Instance(A=[[1, 2]], y=[3], radius=1, direction=[1, 1])
        >>> found = enclose(GradientFlow(depth=2), instance, bits=64)
        >>> found.contains([0.75, 1.125]), found.contains([0.75, 1.125000001])
        (True, False)
        >>> found.midpoints, found.width < 1e-17
        ([0.75, 1.125], True)
    """

    weights: tuple[str, ...]
    width: float
    bits: int
    half_width: float
    contraction: float

    @property
    def midpoints(self) -> list[float]:
        """The balls' midpoints, rounded to double precision."""
        return [float(arb(ball).mid()) for ball in self.weights]

    def contains(self, point: Sequence[mpf | float]) -> bool:
        """Whether a point, of exactly the N numbers that it holds, lies in all the balls."""
        with ctx.workprec(self.bits):
            return all(arb(ball).contains(arb(value)) for ball, value in zip(self.weights, point, strict=True))


def enclose(
    flow: Flow,
    instance: Instance,
    near: Sequence[float] | None = None,
    box: float = 1e-6,
    bits: int = 256,
) -> Enclosure:
    r"""Enclose the minimiser of $D_\Phi(w, w_0)$ over A w = y, the limit of a flow if it has one.

    Args:
        near: Weights at whose dual variable the first box is centred, shape (N,), by default those of `wnlib.limit`.
        box: How wide that is to either side, in units of $(\max_i |z_i|)^{2-L}$, those of a relative change of z.
        bits: The precision of the arithmetic, at least 64.

    Raises:
        ArgumentError: for bad arguments.
        EnclosureError: if the operator does not map the box into its interior: the minimiser is not in it, or it is too
            wide.

    Example:
        >>> from wnlib import WeightNormFlow
        >>> from wnlib.rigorous.enclosure import enclose
        >>> from wnlib.rigorous.instance import Instance
        >>> instance = Instance(A=[[1, 2]], y=[3], radius=1, direction=[1, 1])
        >>> found = enclose(WeightNormFlow(depth=2, ratio=1), instance)
        >>> [round(midpoint, 12) for midpoint in found.midpoints], found.width < 1e-70
        ([0.678990529943, 1.160504735028], True)
    """
    check_flow(flow)
    check.positive("box", box)
    check.integer("bits", bits, least=64)
    n = len(instance.direction)
    candidate = check.array("near", instance.approximate_limit(flow) if near is None else near, (n,))
    with ctx.workprec(bits):
        program = _DualProgram(flow, instance)
        centre = program.dual_of([arb(w) for w in candidate])
        half_width = (box * max(abs(z_i) for z_i in program.magnified(centre)) ** (2 - flow.depth)).upper()
        Lambda = [mid + arb(0, half_width) for mid in centre]
        image, contraction = program.krawczyk(Lambda)
        if not all(ball.contains_interior(part) for ball, part in zip(Lambda, image, strict=True)):
            raise EnclosureError(
                f"Krawczyk's operator does not contract the box of half width {box:g} around {candidate}: "
                "try another width"
            )
        Lambda, smaller = image, program.krawczyk(image)[0]
        while _width(smaller) < _width(Lambda) / 2:
            Lambda, smaller = smaller, program.krawczyk(smaller)[0]
        weights = tuple(ball.str(int(bits * 0.301)) for ball in program.weights(Lambda))
        return Enclosure(
            weights=weights,
            width=_float_above(_width([arb(ball) for ball in weights])),
            bits=bits,
            half_width=_float_above(half_width),
            contraction=_float_above(contraction),
        )


class _DualProgram:
    r"""The system $F(\lambda) = A\,w(\theta_0 + A^\top\lambda) - y$ in balls."""

    def __init__(self, flow: Flow, instance: Instance) -> None:
        self.flow, self.depth = flow, flow.depth
        self.ratio = _exact(flow.ratio) if isinstance(flow, WeightNormFlow) else None
        self.A = arb_mat([[_exact(entry) for entry in row] for row in instance.A])
        self.y = _column([_exact(entry) for entry in instance.y])
        direction = [_exact(entry) for entry in instance.direction]
        x_0 = [_exact(instance.radius) * v / _norm(direction) for v in direction]
        self.theta_0 = self.gradient(x_0)

    def gradient(self, x: Balls) -> Balls:
        r"""$\theta = m_L(z)$ at the weights $w = x^L$."""
        L, z = self.depth, x
        if self.ratio is not None:
            r = _norm(x)
            z = [x_i / r * (self.ratio * r**2 / 2).exp() for x_i in x]
        if L == 1:
            return z
        return [z_i.log() if L == 2 else z_i ** (2 - L) / (2 - L) for z_i in z]

    def magnified(self, Lambda: Balls) -> Balls:
        r"""$z = m_L^{-1}(\theta_0 + A^\top\lambda)$; not finite where $\theta$ leaves the domain."""
        L, shift = self.depth, _entries(self.A.transpose() * _column(Lambda))
        theta = [a + b for a, b in zip(self.theta_0, shift, strict=True)]
        if L == 1:
            return theta
        return [t.exp() if L == 2 else 1 / (-(L - 2) * t).root(L - 2) for t in theta]

    def weights(self, Lambda: Balls) -> Balls:
        r"""$w(\theta_0 + A^\top\lambda)$."""
        z = self.magnified(Lambda)
        if self.ratio is None:
            return [z_i**self.depth for z_i in z]
        norm = _norm(z)
        r = (2 * norm.log() / self.ratio).sqrt()
        return [(r * z_i / norm) ** self.depth for z_i in z]

    def value(self, Lambda: Balls) -> arb_mat:
        """F."""
        return self.A * _column(self.weights(Lambda)) - self.y

    def jacobian(self, Lambda: Balls) -> arb_mat:
        r"""$F' = A \frac{dw}{d\theta} A^\top$.

        With $d\theta = z^{1-L} dz$, gradient flow has $dw_i = L z_i^{2L-2} d\theta_i$; weight normalization has
        $dw_i = L (s z_i^{2L-2} d\theta_i - (1 - \tfrac1{c r^2}) w_i \sum_j z_j^L d\theta_j / \|z\|^2)$,
        $s = (r/\|z\|)^L$.
        """
        L, z, n = self.depth, self.magnified(Lambda), self.A.ncols()
        rows = [[L * z[i] ** (2 * L - 2) if i == j else arb(0) for j in range(n)] for i in range(n)]
        if self.ratio is not None:
            w, norm = self.weights(Lambda), _norm(z)
            gamma = 2 * norm.log()
            s = ((gamma / self.ratio).sqrt() / norm) ** L
            along = [L * (1 - 1 / gamma) * z_j**L / norm**2 for z_j in z]
            rows = [[s * rows[i][j] - w[i] * along[j] for j in range(n)] for i in range(n)]
        return self.A * arb_mat(rows) * self.A.transpose()

    def krawczyk(self, Lambda: Balls) -> tuple[Balls, arb]:
        r"""The image of the box under Krawczyk's operator, and a bound on $\|1 - C F'(\Lambda)\|_\infty$."""
        m, centre = len(Lambda), [ball.mid() for ball in Lambda]
        C = self.jacobian(centre).mid().inv(nonstop=True).mid()
        defect = arb_mat(m, m, [int(i == j) for i in range(m) for j in range(m)]) - C * self.jacobian(Lambda)
        offset = _column([ball - mid for ball, mid in zip(Lambda, centre, strict=True)])
        image = _column(centre) - C * self.value(centre) + defect * offset
        bound = max(sum((defect[i, j].abs_upper() for j in range(m)), start=arb(0)).upper() for i in range(m))
        return _entries(image), bound

    def dual_of(self, w: Balls) -> Balls:
        r"""The $\lambda$ whose $\theta_0 + A^\top\lambda$ is nearest to the dual variable of w, up to rounding."""
        shift = [a - b for a, b in zip(self.gradient([w_i.root(self.depth) for w_i in w]), self.theta_0, strict=True)]
        normal = self.A * self.A.transpose()
        return [entry.mid() for entry in _entries(normal.solve(self.A * _column(shift)))]


def _exact(value: Rational) -> arb:
    exact = Fraction(value)
    return arb(fmpq(exact.numerator, exact.denominator))


def _norm(vector: Balls) -> arb:
    return sum((entry**2 for entry in vector), start=arb(0)).sqrt()


def _column(entries: Balls) -> arb_mat:
    return arb_mat(len(entries), 1, entries)


def _entries(column: arb_mat) -> Balls:
    return [column[i, 0] for i in range(column.nrows())]


def _width(balls: Balls) -> arb:
    return max(2 * ball.rad() for ball in balls).upper()


def _float_above(value: arb) -> float:
    return nextafter(float(value.upper()), inf)
