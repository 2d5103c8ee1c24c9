"""Mutants of the charts in which flows are followed, and of the discrete methods."""

from companion.verification.mutation import Changes

CHANGES: Changes = {
    # following flows
    "LinearChart._x": {
        "the offset of x subtracted": ("states @ self.T.T + self.offset", "states @ self.T.T - self.offset")
    },
    "LinearWeightNormChart.velocity": {
        "no r in the turning of the chart": ("c * rate * r * norm", "c * rate * norm"),
        "nine tenths of the turning of the chart": ("c * rate * r * norm", "0.9 * c * rate * r * norm"),
        "half of the chart's clock": ("d_s * v_basis", "0.5 * d_s * v_basis"),
    },
    "LinearWeightNormChart._v": {"the chart's kernel grows for shrinking": ("-states[..., 1:2]", "states[..., 1:2]")},
    "LogWeightNormChart._evaluate": {
        "no L in the chart's radius": (
            "L * radial_rate * self._bounded_exp((L - 2) * state[0])",
            "radial_rate * self._bounded_exp((L - 2) * state[0])",
        ),
        "a power of r more in the chart's radius": ("(L - 2) * state[0]", "(L - 1) * state[0]"),
        "a chart's radius that shrinks for growing": (
            "L * radial_rate * self._bounded_exp((L - 2) * state[0])",
            "-L * radial_rate * self._bounded_exp((L - 2) * state[0])",
        ),
    },
    # discrete methods
    "GradientDescent.advance": {"no L in a step": ("h * self.depth", "h")},
    "PolarDescent.advance": {"ratio squared in a polar step": ("self.ratio", "self.ratio**2")},
    "SalimansKingmaDescent.flow": {"1/norm for the ratio of g and v": ("-2", "-1")},
    "_polar_step": {
        "rho in the measurements of a step": ("column(rho**L) * measured", "column(rho) * measured"),
        "the pull of a step added": ("1 - pace * along / norm**2", "1 + pace * along / norm**2"),
        "the pull of a step over the norm": ("pace * along / norm**2", "pace * along / norm"),
        "a power of rho more in a step of g": ("rho ** (L - 1)", "rho**L"),
    },
    "effective_start": {
        "the tilt added to the start": (
            "gain[..., None] + points.log_direction[0] - _tilt(log_V, L)",
            "gain[..., None] + points.log_direction[0] + _tilt(log_V, L)",
        ),
    },
    "expected_start": {
        "minibatches that make the start larger": (
            "flow.log_magnification(start.radius) - shift",
            "flow.log_magnification(start.radius) + shift",
        ),
        "the variance of an entry for the squares of a column": (
            "step * (batches - 1) / (m - 1) * np.sum(problem.A**2) / n * spent",
            "step * (batches - 1) / (m - 1) * np.mean(problem.A**2) * spent",
        ),
    },
    "_lengthened": {
        "steps that do not lengthen V by their turn": ("-np.log(kept) - np.log1p(-apart)", "-np.log(kept)"),
        "V shortened by the pull": ("-np.log(kept) - np.log1p(-apart)", "np.log(kept) - np.log1p(-apart)"),
    },
    "_tilt": {
        "half the exponent of V in the tilt": (
            "np.exp((2 - L) * (log_V[:-1] - log_V[0]))",
            "np.exp((2 - L) / 2 * (log_V[:-1] - log_V[0]))",
        ),
    },
    "Epochs.next": {
        "the first minibatch at every step": (
            "self.orders[:, first : first + self.sizes[batch]]",
            "self.orders[:, 0 : 0 + self.sizes[batch]]",
        ),
        "minibatches not scaled": (
            "Minibatch(A[seen[0]], y[seen[0]], self.count)",
            "Minibatch(A[seen[0]], y[seen[0]], 1)",
        ),
    },
    "DecayedSalimansKingmaDescent.advance": {
        "a vector that decay lengthens": (
            "v_new -= (h * self.vector_decay)[..., None] * v",
            "v_new += (h * self.vector_decay)[..., None] * v",
        ),
    },
}
