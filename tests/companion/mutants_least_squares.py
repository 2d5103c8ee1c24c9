"""Mutants of what the theorems on least squares rest on."""

from mutation import Mutant

MUTANTS = [
    Mutant(
        "perpendicular",
        "wnlib/trajectories/charts/linear.py",
        "d_basis = c * rate * r * norm",
        "d_basis = c * rate * norm",
        "exponent",
    ),
    Mutant(
        "perpendicular",
        "wnlib/trajectories/charts/linear.py",
        "+ np.exp(-states[..., 1:2]) * self.offset",
        "+ np.exp(states[..., 1:2]) * self.offset",
        "sign",
    ),
    Mutant(
        "perpendicular",
        "wnlib/trajectories/charts/linear.py",
        "return states @ self.T.T + self.offset",
        "return states @ self.T.T - self.offset",
        "sign",
    ),
    Mutant(
        "perpendicular",
        "wnlib/limits/limit.py",
        "x = least + sign * np.exp(log_scale) * across",
        "x = least + 1.1 * sign * np.exp(log_scale) * across",
        "constant",
    ),
    Mutant(
        "minimum_norm",
        "wnlib/trajectories/charts/linear.py",
        "d_basis = c * rate * r * norm",
        "d_basis = 0.9 * c * rate * r * norm",
        "constant",
    ),
    Mutant(
        "minimum_norm",
        "wnlib/trajectories/charts/linear.py",
        "d_basis = c * rate * r * norm * (self.A_basis.T @ residual) - d_s * v_basis",
        "d_basis = c * rate * r * norm * (self.A_basis.T @ residual) - 0.5 * d_s * v_basis",
        "constant",
    ),
    Mutant("minimum_norm", "wnlib/limits/limit.py", ") + log_r - log_scale, 1 -", ") - log_r - log_scale, 1 -", "sign"),
    Mutant(
        "minimum_norm",
        "wnlib/limits/limit.py",
        "np.logaddexp(2 * log_least, 2 * log_across)",
        "np.logaddexp(log_least, log_across)",
        "exponent",
    ),
]
