"""Mutants of what the theorems on noise and stopping rest on."""

from mutation import Mutant

MUTANTS = [
    Mutant(
        "noise_level",
        "wnlib/flows/geometry.py",
        "divergence = safe.potential(target) - safe.potential(weights) - linear",
        "divergence = safe.potential(target) - safe.potential(weights) + linear",
        "sign",
    ),
    Mutant(
        "noise_level",
        "wnlib/flows/geometry.py",
        "return L * self.flow.angular_rate(point.radius) * point.radius**L * np.exp(",
        "return L * self.flow.angular_rate(point.radius) * point.radius**2 * np.exp(",
        "exponent",
    ),
    Mutant(
        "noise_level",
        "wnlib/flows/flow.py",
        "* np.exp((L - 2) * log_u) - along)",
        "* np.exp((L - 2) * log_u) + along)",
        "sign",
    ),
    Mutant(
        "noise_level", "wnlib/flows/flow.py", "L * np.exp((L - 2) * log_x)", "L * np.exp((L - 1) * log_x)", "exponent"
    ),
    Mutant(
        "stopped_early",
        "wnlib/flows/geometry.py",
        "(np.sum(xlogy(weights, weights), axis=-1) - xlogy(mass, mass)) + c / 4 * mass**2",
        "(np.sum(xlogy(weights, weights), axis=-1) - xlogy(mass, mass)) + c / 2 * mass**2",
        "constant",
    ),
    Mutant(
        "stopped_early",
        "wnlib/flows/flow.py",
        "return 0.5 * self.ratio * radius**2",
        "return 0.25 * self.ratio * radius**2",
        "constant",
    ),
    Mutant("stopped_early", "wnlib/flows/geometry.py", "value = s * value + x**s", "value = s * value - x**s", "sign"),
    Mutant(
        "stopped_early", "wnlib/flows/flow.py", "L * np.exp((L - 2) * log_x)", "L * np.exp((L - 1) * log_x)", "exponent"
    ),
]
