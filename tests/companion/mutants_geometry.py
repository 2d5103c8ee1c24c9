"""Mutants of the mirror map, of what moves in it, and of where it leads, which their theorems notice."""

from mutation import Mutant

MUTANTS = [
    Mutant(
        "mirror_map",
        "wnlib/flows/geometry.py",
        "-np.exp((2 - L) * log_z) / (L",
        "-np.exp((1 - L) * log_z) / (L",
        "exponent",
    ),
    Mutant(
        "mirror_map",
        "wnlib/flows/geometry.py",
        "xlogy(mass, mass)) + c / 4 *",
        "xlogy(mass, mass)) + c / 2 *",
        "constant",
    ),
    Mutant("mirror_map", "wnlib/flows/geometry.py", "value = s * value + x**s", "value = s * value - x**s", "sign"),
    Mutant(
        "mirror_map",
        "wnlib/flows/flow.py",
        "* np.exp((L - 2) * log_u) - along)",
        "* np.exp((L - 2) * log_u) + along)",
        "sign",
    ),
    Mutant(
        "dual_flow",
        "wnlib/flows/geometry.py",
        "point.radius**L * np.exp((2",
        "point.radius ** (L - 1) * np.exp((2",
        "exponent",
    ),
    Mutant(
        "dual_flow",
        "wnlib/flows/geometry.py",
        "return L * self.flow.angular_rate",
        "return self.flow.angular_rate",
        "constant",
    ),
    Mutant(
        "dual_flow",
        "wnlib/flows/geometry.py",
        "np.sum(theta * weights, axis=-1) -",
        "np.sum(theta * weights, axis=-1) +",
        "sign",
    ),
    Mutant(
        "dissipation", "wnlib/flows/flow.py", "* np.exp(L * log_r) * (force", "* np.exp(2 * log_r) * (force", "exponent"
    ),
    Mutant(
        "dissipation",
        "wnlib/flows/geometry.py",
        "return L * self.flow.angular_rate",
        "return self.flow.angular_rate",
        "constant",
    ),
    Mutant(
        "dissipation",
        "wnlib/flows/geometry.py",
        "divergence = safe.potential(target) - safe.potential(weights) - linear",
        "divergence = safe.potential(target) - safe.potential(weights) + linear",
        "sign",
    ),
    Mutant(
        "dissipation",
        "wnlib/problem.py",
        "return 0.5 * np.sum(self.residual",
        "return np.sum(self.residual",
        "constant",
    ),
    Mutant(
        "loss_rate", "wnlib/problem.py", "return 0.5 * np.sum(self.residual", "return np.sum(self.residual", "constant"
    ),
    Mutant(
        "loss_rate",
        "wnlib/flows/geometry.py",
        "(L - 2) * self.unit - decay * rho",
        "(L - 2) * self.unit + decay * rho",
        "sign",
    ),
    Mutant(
        "loss_rate",
        "wnlib/flows/flow.py",
        "return 0.5 * self.ratio * radius**2",
        "return self.ratio * radius**2",
        "constant",
    ),
    Mutant(
        "loss_rate",
        "wnlib/flows/geometry.py",
        "point.radius**L * np.exp((2",
        "point.radius ** (L + 1) * np.exp((2",
        "exponent",
    ),
    Mutant(
        "local_rate",
        "wnlib/flows/flow.py",
        "return np.full_like(radius, self.ratio)",
        "return self.ratio * radius",
        "exponent",
    ),
    Mutant(
        "local_rate",
        "wnlib/trajectories/charts/logarithmic.py",
        "d_log_r = L * radial_rate * _bounded_exp(",
        "d_log_r = radial_rate * _bounded_exp(",
        "constant",
    ),
    Mutant(
        "local_rate", "wnlib/flows/flow.py", "return self.radial_rate * self.rel", "return 2 * self.rel", "constant"
    ),
    Mutant(
        "local_rate",
        "wnlib/flows/flow.py",
        "return np.power(radius, -2.0)",
        "return np.power(radius, -1.0)",
        "exponent",
    ),
    Mutant(
        "convergence",
        "wnlib/limits/limit.py",
        "return magnified - float(",
        "return 1.1 * magnified - float(",
        "constant",
    ),
    Mutant("convergence", "wnlib/limits/limit.py", ") + log_r - log_scale, 1 -", ") - log_r - log_scale, 1 -", "sign"),
    Mutant("convergence", "wnlib/limits/equations.py", "+ units) / (2 - L)", "+ units) / (1 - L)", "index"),
    Mutant(
        "convergence",
        "wnlib/flows/flow.py",
        "np.exp(depth * (log_radius + self.log_direction))",
        "np.exp(depth * log_radius + 2 * self.log_direction)",
        "exponent",
    ),
]
