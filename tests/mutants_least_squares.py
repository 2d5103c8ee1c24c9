"""Mutants of what the theorems on least squares rest on."""

from mutation import Mutant

MUTANTS = [
    Mutant(
        "perpendicular", "charts/linear.py", "d_basis = c * rate * r * norm", "d_basis = c * rate * norm", "exponent"
    ),
    Mutant(
        "perpendicular",
        "charts/linear.py",
        "+ np.exp(-states[..., 1:2]) * self.offset",
        "+ np.exp(states[..., 1:2]) * self.offset",
        "sign",
    ),
    Mutant(
        "perpendicular",
        "charts/linear.py",
        "return states @ self.T.T + self.offset",
        "return states @ self.T.T - self.offset",
        "sign",
    ),
    Mutant(
        "perpendicular",
        "limit.py",
        "return self.theta_0 + self.R @ mu",
        "return 1.1 * self.theta_0 + self.R @ mu",
        "constant",
    ),
    Mutant(
        "perpendicular",
        "flows.py",
        "np.sqrt(2 * log_magnification / self.ratio)",
        "np.sqrt(1.9 * log_magnification / self.ratio)",
        "constant",
    ),
    Mutant(
        "minimum_norm",
        "charts/linear.py",
        "d_basis = c * rate * r * norm",
        "d_basis = 0.9 * c * rate * r * norm",
        "constant",
    ),
    Mutant(
        "minimum_norm",
        "charts/linear.py",
        "d_basis = c * rate * r * norm * (self.A_basis.T @ residual) - d_s * v_basis",
        "d_basis = c * rate * r * norm * (self.A_basis.T @ residual) - 0.5 * d_s * v_basis",
        "constant",
    ),
    Mutant("minimum_norm", "geometry.py", "return point.sign * np.exp(log_z)", "return np.exp(log_z)", "sign"),
    Mutant(
        "minimum_norm",
        "limit.py",
        "return self.theta_0 + self.R @ mu",
        "return 0.9 * self.theta_0 + self.R @ mu",
        "constant",
    ),
    Mutant(
        "minimum_norm",
        "flows.py",
        "np.sqrt(2 * log_magnification / self.ratio)",
        "np.sqrt(1.9 * log_magnification / self.ratio)",
        "constant",
    ),
]
