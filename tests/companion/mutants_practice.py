"""Mutants of what the theorems on weight decay and on steps of any length rest on."""

from mutation import Mutant

MUTANTS = [
    Mutant("decay_on_v", "wnlib/flows/flow.py", "self.radial_schedule(t)\n", "self.angular_schedule(t)\n", "index"),
    Mutant(
        "decay_on_v",
        "wnlib/flows/flow.py",
        "* np.exp((L - 2) * log_u) - along)",
        "* np.exp((L - 2) * log_u) + along)",
        "sign",
    ),
    Mutant(
        "decay_on_v",
        "companion/verification/symbolic.py",
        "sp.exp((2 - depth) * log_mag",
        "sp.exp((1 - depth) * log_mag",
        "exponent",
    ),
    Mutant("decay_on_g", "wnlib/flows/geometry.py", "+ c / 4 * mass**2", "+ c / 8 * mass**2", "constant"),
    Mutant("decay_on_g", "wnlib/flows/flow.py", "(log_radius + self.log", "(log_radius - self.log", "sign"),
    Mutant("decay_on_g", "wnlib/flows/geometry.py", "- xlogy(mass, mass))", "+ xlogy(mass, mass))", "sign"),
    Mutant("discrete_magnification", "wnlib/descent/decay.py", "v_new -= (h", "v_new += (h", "sign"),
    Mutant(
        "discrete_magnification",
        "wnlib/descent/methods.py",
        "pace * along / norm**2)",
        "pace * along / norm)",
        "exponent",
    ),
    Mutant(
        "discrete_magnification", "wnlib/descent/methods.py", "h * L * rho ** (L - 1)", "h * L * rho**L", "exponent"
    ),
    Mutant(
        "discrete_magnification", "wnlib/descent/methods.py", "_column(rho**L) * me", "_column(rho) * me", "exponent"
    ),
]
