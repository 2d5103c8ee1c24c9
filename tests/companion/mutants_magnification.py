"""Mutants that `magnification` must notice."""

from mutation import Mutant

MUTANTS = [
    Mutant("magnification", "wnlib/flows/geometry.py", "np.exp((2 - L) * shift)", "np.exp((L - 2) * shift)", "sign"),
    Mutant(
        "magnification", "wnlib/flows/geometry.py", "* point.radius**L *", "* point.radius ** (L - 1) *", "exponent"
    ),
    Mutant(
        "magnification", "wnlib/flows/flow.py", "* np.exp(L * log_r) * (force", "* np.exp(log_r) * (force", "exponent"
    ),
    Mutant("magnification", "wnlib/flows/flow.py", "(force * norm - along * v)", "(force * norm + along * v)", "sign"),
    Mutant(
        "magnification",
        "companion/verification/symbolic.py",
        "sp.exp((2 - depth) * log_mag",
        "sp.exp((1 - depth) * log_mag",
        "constant",
    ),
]
