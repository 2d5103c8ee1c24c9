"""Mutants that the theorems about the flows and their invariants must notice."""

from mutation import Mutant

MUTANTS = [
    Mutant(
        "sphere",
        "wnlib/flows/flow.py",
        "* np.exp((L - 2) * log_u) - along)",
        "* np.exp((L - 2) * log_u) + along)",
        "sign",
    ),
    Mutant(
        "sphere",
        "wnlib/flows/flow.py",
        "np.exp((L - 2) * log_r) * along",
        "np.exp((L - 1) * log_r) * along",
        "exponent",
    ),
    Mutant("sphere", "wnlib/flows/flow.py", "    return L * np.append(", "    return np.append(", "constant"),
    Mutant(
        "plain_flow", "wnlib/flows/flow.py", "L * np.exp((L - 2) * log_x)", "L * np.exp((L - 1) * log_x)", "exponent"
    ),
    Mutant(
        "plain_flow", "wnlib/flows/flow.py", "return lambda t, log_x: L * np", "return lambda t, log_x: np", "constant"
    ),
    Mutant("plain_flow", "wnlib/flows/flow.py", "(force * norm - along * v)", "(force * norm + along * v)", "sign"),
    Mutant(
        "plain_flow", "wnlib/flows/flow.py", "* np.exp(L * log_r) * (force", "* np.exp(2 * log_r) * (force", "exponent"
    ),
    Mutant(
        "factors",
        "wnlib/flows/flow.py",
        "return lambda t, log_x: L * np",
        "return lambda t, log_x: 2 * L * np",
        "constant",
    ),
    Mutant("factors", "wnlib/flows/flow.py", "radial_rate * np.exp((L", "2 * radial_rate * np.exp((L", "constant"),
    Mutant("factors", "wnlib/flows/flow.py", "(force * norm - along * v)", "(force * norm + along * v)", "sign"),
    Mutant("factors", "wnlib/flows/flow.py", "angular_rate * r * (force", "angular_rate * r**2 * (force", "exponent"),
    Mutant(
        "invariants",
        "wnlib/flows/geometry.py",
        "-np.exp((2 - L) * log_z) / (L",
        "-np.exp((3 - L) * log_z) / (L",
        "exponent",
    ),
    Mutant(
        "invariants", "wnlib/flows/geometry.py", "* (1 if L == 1 else 2 - L)", "* (1 if L == 1 else 1 - L)", "exponent"
    ),
    Mutant(
        "invariants",
        "wnlib/flows/flow.py",
        "return 0.5 * self.ratio * radius**2",
        "return self.ratio * radius**2",
        "constant",
    ),
    Mutant(
        "invariants",
        "wnlib/problem.py",
        "np.ascontiguousarray(Q[:, :rank])",
        "np.ascontiguousarray(Q[:, 1:rank])",
        "index",
    ),
    Mutant("schedules", "wnlib/flows/flow.py", "self.radial_schedule(t)\n", "self.angular_schedule(t)\n", "index"),
    Mutant(
        "schedules",
        "wnlib/flows/flow.py",
        "* np.exp((L - 2) * log_u) - along)",
        "* np.exp((L - 2) * log_u) + along)",
        "sign",
    ),
    Mutant(
        "schedules",
        "companion/verification/symbolic.py",
        "sp.exp((2 - depth) * log_mag",
        "sp.exp((1 - depth) * log_mag",
        "exponent",
    ),
    Mutant("salimans_kingma", "wnlib/flows/flow.py", "self.radial_rate, self.ratio *", "3.0, self.ratio *", "constant"),
    Mutant(
        "salimans_kingma",
        "wnlib/flows/flow.py",
        "angular_rate * np.exp(L * log_r)",
        "2 * angular_rate * np.exp(L * log_r)",
        "constant",
    ),
    Mutant(
        "salimans_kingma",
        "wnlib/flows/flow.py",
        "angular_rate * r * (force",
        "angular_rate * r**2 * (force",
        "exponent",
    ),
    Mutant(
        "salimans_kingma",
        "companion/verification/symbolic.py",
        "angular * depth * r**depth",
        "angular * depth * r",
        "exponent",
    ),
]
