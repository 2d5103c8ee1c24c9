"""Mutants of what the theorem on the length of a plateau rests on."""

from mutation import Mutant

MUTANTS = [
    Mutant(
        "plateau", "wnlib/limits/saddles.py", "-np.power(x, 2.0 - L) / (L - 2)", "-np.power(x, 2.0 - L)", "constant"
    ),
    Mutant(
        "plateau",
        "wnlib/limits/saddles.py",
        "-np.power(x, 2.0 - L) / (L - 2)",
        "-np.power(x, 1.0 - L) / (L - 2)",
        "exponent",
    ),
    Mutant(
        "plateau", "wnlib/limits/saddles.py", "L * rate[1] * (force + columns", "L * rate[1] * (force - columns", "sign"
    ),
    Mutant(
        "plateau",
        "wnlib/limits/saddles.py",
        "L * rate[0] * (force - columns",
        "L * rate[1] * (force + columns",
        "index",
    ),
    Mutant(
        "plateau",
        "wnlib/limits/saddles.py",
        "(rate * least, rate * largest)",
        "(rate * least**2, rate * largest**2)",
        "exponent",
    ),
    Mutant(
        "plateau",
        "wnlib/limits/saddles.py",
        "(mass / outside.sum()) ** (1 / L)",
        "(mass * outside.sum()) ** (1 / L)",
        "exponent",
    ),
]
