r"""Where a matrix flow would end if its measurements commuted: the minimiser of a spectral Bregman divergence.

If the measurements and the start commute, the limit of a flow on $W = X^L$ minimises the divergence $D_\Phi$ of
eigenvalues over the interpolants. Both sides of the optimality conditions,

$m_L(X) \in m_L(\alpha I/\sqrt n) + \operatorname{span}(A_k)$ and $\langle A_k, X^L\rangle = y_k$,

make sense for any symmetric $A_k$, with $m_L$ of the eigenvalues: they characterise the positive semidefinite
interpolant of the smallest *spectral* divergence from the start. That the flow ends there is a theorem if all commute
and nothing but a guess if not. As in `wnlib.limit`, all flows, plain and weight-normalized, of all ratios and from all
scales, would end on one curve, whose parameter is $\log\alpha$; with weight normalization
$\log\alpha = \log r + \tfrac c2 (r_0^2 - r^2)$.

A point of the curve minimises $\operatorname{tr}\Phi^*(\theta) - \langle y, \lambda\rangle$ with
$\theta = m_L(\alpha/\sqrt n)\, I + \sum_k \lambda_k A_k$: convex, smooth, in as many variables as there are
measurements.
"""

import numpy as np
from scipy import linalg
from scipy.optimize import brentq

from wnlib import _checks as check
from wnlib._checks import Array
from wnlib.errors import LimitError
from wnlib.flows.units import from_own, to_own
from wnlib.models.matrix import MatrixProblem, in_own_units

NEWTON = 500  # steps at most
DAMPING = 1e-14  # least curvature relative to the largest: the Hessian is nearly singular where W is of low rank
LOG_RANGE = (-40.0, 40.0)  # of log(alpha) in which the end of weight normalization is sought


def spectral_limit(
    problem: MatrixProblem, depth: int, scale: float, ratio: float | None = None, tolerance: float = 1e-6
) -> Array:
    r"""Where the theory of eigenvalues has a flow end that starts at $X = (r_0/\sqrt n)\, I$.

    Args:
        depth: L >= 2.
        scale: $r_0 > 0$, the Frobenius norm of the start.
        ratio: The learning-rate ratio c > 0 of weight normalization; None for gradient flow.
        tolerance: The largest relative residual.

    Returns:
        $W = X^L$, shape (n, n).

    Raises:
        ArgumentError: for bad arguments.
        LimitError: if the tolerance is not reached.

    Example:
        >>> import numpy as np
        >>> from wnlib import MatrixProblem, spectral_limit
        >>> problem = MatrixProblem(A=[np.eye(2)], y=[3.0])
        >>> spectral_limit(problem, depth=2, scale=1.0).round(6)
        array([[1.5, 0. ],
               [0. , 1.5]])
    """
    depth = check.integer("depth", depth, least=2)
    scale, ratio = check.positive("scale", scale), None if ratio is None else check.positive("ratio", ratio)
    tolerance = check.positive("tolerance", tolerance)
    units, problem = in_own_units(problem, depth)
    log_scale = float(np.log(to_own("scale", scale, units.point)))
    curve = _Curve(problem, depth, tolerance)
    end = curve.at(log_scale) if ratio is None else _end(curve, log_scale, to_own("ratio", ratio, units.ratio))
    return np.asarray(from_own(end, units.weights))


def _end(curve: "_Curve", log_scale: float, ratio: float) -> Array:
    """Where weight normalization ends on the curve, in the problem's own units."""

    def surplus(log_alpha: float) -> float:
        W = curve.at(log_alpha)
        rho = float(np.sum(np.maximum(linalg.eigvalsh(W), 0) ** (2 / curve.depth)))
        return log_alpha - 0.5 * np.log(rho) - ratio / 2 * (np.exp(2 * log_scale) - rho)

    high = log_scale
    while surplus(high) < 0:
        high += 1.0
        if high > LOG_RANGE[1]:
            raise LimitError(f"no end was found up to log(alpha) = {high:.3g}: try a smaller scale")
    low = high - 1.0
    while surplus(low) > 0:
        low -= 1.0
        if low < LOG_RANGE[0]:
            raise LimitError(f"no end was found down to log(alpha) = {low:.3g}: try a smaller ratio or a larger scale")
    return curve.at(brentq(surplus, low, high, xtol=1e-6))


class _Curve:
    """The points of one problem and depth, each found by Newton's method from the last."""

    def __init__(self, problem: MatrixProblem, depth: int, tolerance: float) -> None:
        self.problem, self.depth, self.tolerance = problem, depth, tolerance
        self.flat = problem.A.reshape(len(problem.y), -1)
        self.dual = np.zeros(len(problem.y))

    def at(self, log_alpha: float) -> Array:
        """W (n, n), the end of gradient flow from (alpha / sqrt(n)) I."""
        y, L = self.problem.y, self.depth
        log_x = log_alpha - 0.5 * np.log(self.problem.n)
        # in units of the start above depth 2: theta = -(x/x_0)^(2-L), and -1 at the start
        base, unit = (log_x, 0.0) if L == 2 else (-1.0, log_x)
        dual = self.dual * np.exp((L - 2) * unit)
        point = self._point(base, unit, dual)
        if not np.isfinite(point[3]):  # outside the domain: the start itself is inside
            dual = np.zeros_like(dual)
            point = self._point(base, unit, dual)
        for _ in range(NEWTON):
            theta, V, x, objective = point
            W = (V * x**L) @ V.T
            residual = y - self.flat @ W.ravel()
            if linalg.norm(residual) <= self.tolerance * linalg.norm(y):
                self.dual = dual / np.exp((L - 2) * unit)
                return W
            rotated = (V.T @ self.problem.A @ V).reshape(len(y), -1)
            hessian = (rotated * self._slopes(theta, x).ravel()) @ rotated.T
            curvature, axes = linalg.eigh(hessian)
            if not curvature[-1] > 0:
                break
            newton = axes @ ((axes.T @ residual) / np.maximum(curvature, DAMPING * curvature[-1]))
            length, decrease = 1.0, float(residual @ newton)
            while length > 1e-20:
                trial = self._point(base, unit, dual + length * newton)
                if trial[3] <= objective - 0.1 * length * decrease:
                    break
                length /= 2
            else:
                break
            dual, point = dual + length * newton, trial
        raise LimitError(
            f"relative residual {linalg.norm(residual) / linalg.norm(y):.3g} at log(alpha) = {log_alpha:.3g}: "
            "try a larger tolerance, or a start nearer to the end"
        )

    def _point(self, base: float, unit: float, dual: Array) -> tuple[Array, Array, Array, float]:
        """Eigenvalues and eigenvectors of theta, the eigenvalues of X, and the dual objective, infinite outside."""
        L, n = self.depth, self.problem.n
        theta, V = linalg.eigh((dual @ self.flat).reshape(n, n))
        theta = theta + base
        pairing = float(self.problem.y @ dual)
        if L == 2:
            x = np.exp(np.minimum(theta, 300.0))
            return theta, V, x, float(np.sum(x**2) / 2 - pairing)
        if theta.max() >= 0:
            return theta, V, theta, np.inf
        x = np.exp(unit - np.log(-theta) / (L - 2))
        value = (L - 2) / 2 * np.exp(L * unit) * np.sum((-theta) ** (-2 / (L - 2)))
        return theta, V, x, float(value - pairing)

    def _slopes(self, theta: Array, x: Array) -> Array:
        """The divided differences of W as a function of theta, (n, n)."""
        L, w = self.depth, x**self.depth
        own = 2 * w if L == 2 else L / (L - 2) * w / -theta
        gap = theta[:, None] - theta
        near = np.abs(gap) <= 1e-6 * np.maximum(1.0 if L == 2 else 0.0, np.abs(theta)[:, None])
        ratio = (w[:, None] - w) / np.where(near, 1.0, gap)
        return np.where(near, (own[:, None] + own) / 2, ratio)
