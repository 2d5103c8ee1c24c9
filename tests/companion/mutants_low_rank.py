"""Mutants of what the theorem on matrices rests on."""

from mutation import Mutant

MUTANTS = [
    Mutant(
        "commuting_measurements",
        "wnlib/models/matrix.py",
        "total = X @ total + right",
        "total = X @ total - right",
        "sign",
    ),
    Mutant(
        "commuting_measurements",
        "wnlib/models/matrix.py",
        "return self.y - W.reshape",
        "return self.y + W.reshape",
        "sign",
    ),
    Mutant(
        "commuting_measurements",
        "wnlib/models/matrix.py",
        "return np.append(along, ratio * r * (G - along * U))",
        "return np.append(along, ratio * (G - along * U))",
        "exponent",
    ),
    Mutant(
        "commuting_measurements",
        "wnlib/models/matrix.py",
        "for _ in range(exponent - 1):",
        "for _ in range(exponent):",
        "index",
    ),
    Mutant(
        "commuting_measurements",
        "wnlib/flows/flow.py",
        "L * np.exp((L - 2) * log_x) * (A.T",
        "L * np.exp((L - 1) * log_x) * (A.T",
        "exponent",
    ),
    Mutant(
        "commuting_measurements",
        "wnlib/models/matrix.py",
        "return (V * eigenvalues",
        "return (1.1 * V * eigenvalues",
        "constant",
    ),
]
