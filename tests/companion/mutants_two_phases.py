"""Mutants of what the theorem on two phases rests on."""

from mutation import Mutant

MUTANTS = [
    Mutant(
        "two_phases",
        "wnlib/models/two_phases.py",
        "drive = float(least @ d - radius * linalg.norm(d))",
        "drive = float(least @ d - 0.5 * radius * linalg.norm(d))",
        "constant",
    ),
    Mutant(
        "two_phases", "wnlib/models/two_phases.py", "rate * radius * drive / size", "rate * drive / size", "exponent"
    ),
    Mutant("two_phases", "wnlib/models/two_phases.py", "np.arcsinh(a @ direction", "np.arcsinh(-a @ direction", "sign"),
    Mutant(
        "two_phases",
        "wnlib/models/two_phases.py",
        "u + step * ratio * r * force",
        "u - step * ratio * r * force",
        "sign",
    ),
    Mutant("two_phases", "wnlib/models/two_phases.py", "((least, inverse), ", "((least, least), ", "index"),
    Mutant(
        "two_phases",
        "wnlib/models/two_phases.py",
        "np.where(along > 0, sideways / ",
        "np.where(along > 0, 0.9 * sideways / ",
        "constant",
    ),
    Mutant("two_phases", "wnlib/flows/flow.py", "force * norm - along * v", "force * norm + along * v", "sign"),
    Mutant(
        "two_phases",
        "wnlib/trajectories/charts/linear.py",
        "d_basis = c * rate * r * norm",
        "d_basis = 0.9 * c * rate * r * norm",
        "constant",
    ),
]
