"""Mutants of what the theorems rest on that say where a start does not lead, and how near the discrete methods stay."""

from mutation import Mutant

MUTANTS = [
    Mutant(
        "collapse",
        "charts/logarithmic.py",
        "d_log_r = L * radial_rate * _bounded_exp((L - 2) * state[0]) * (residual @ unit_output)",
        "d_log_r = radial_rate * _bounded_exp((L - 2) * state[0]) * (residual @ unit_output)",
        "constant",
    ),
    Mutant(
        "collapse",
        "charts/logarithmic.py",
        "d_log_r = L * radial_rate * _bounded_exp((L - 2) * state[0])",
        "d_log_r = L * radial_rate * _bounded_exp((L - 1) * state[0])",
        "exponent",
    ),
    Mutant(
        "collapse",
        "limit.py",
        "return bool(mirror.bregman(target, start) < mirror.bregman(support, shrunk))",
        "return bool(mirror.bregman(target, start) > mirror.bregman(support, shrunk))",
        "sign",
    ),
    Mutant("no_collapse", "geometry.py", "return (L / 2) / (L - 2) * tail", "return L / (L - 2) * tail", "constant"),
    Mutant("no_collapse", "geometry.py", "value = s * value + x**s", "value = s * value - x**s", "sign"),
    Mutant("no_collapse", "limit.py", "towards = support ** (1 / L)", "towards = support ** (2 / L)", "exponent"),
    Mutant(
        "no_collapse",
        "charts/logarithmic.py",
        "d_log_r = L * radial_rate * _bounded_exp((L - 2) * state[0]) * (residual @ unit_output)",
        "d_log_r = -L * radial_rate * _bounded_exp((L - 2) * state[0]) * (residual @ unit_output)",
        "sign",
    ),
    Mutant(
        "discretization",
        "descent.py",
        "u = u + h * self.ratio * angular",
        "u = u + h * self.ratio**2 * angular",
        "exponent",
    ),
    Mutant(
        "discretization",
        "descent.py",
        "return WeightNormFlow(self.depth, self.norm**-2)",
        "return WeightNormFlow(self.depth, self.norm**-1)",
        "exponent",
    ),
    Mutant(
        "discretization",
        "descent.py",
        "self.depth * force(power * state) * power",
        "force(power * state) * power",
        "constant",
    ),
    Mutant("discretization", "descent.py", "scale=count)", "scale=1)", "constant"),
    Mutant("discretization", "descent.py", "rng.permutation(rows), count", "rng.permutation(rows - 1), count", "index"),
    Mutant(
        "discretization",
        "descent.py",
        "(p * power - along[..., None] * u)",
        "(p * power + along[..., None] * u)",
        "sign",
    ),
]
