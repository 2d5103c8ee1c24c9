"""Mutants of what the theorems rest on that say where a start does not lead, and how near the discrete methods stay."""

from mutation import Mutant

MUTANTS = [
    Mutant(
        "collapse",
        "wnlib/trajectories/charts/logarithmic.py",
        "d_log_r = L * radial_rate * _bounded_exp((L - 2) * state[0]) * (residual @ unit_output)",
        "d_log_r = radial_rate * _bounded_exp((L - 2) * state[0]) * (residual @ unit_output)",
        "constant",
    ),
    Mutant(
        "collapse",
        "wnlib/trajectories/charts/logarithmic.py",
        "d_log_r = L * radial_rate * _bounded_exp((L - 2) * state[0])",
        "d_log_r = L * radial_rate * _bounded_exp((L - 1) * state[0])",
        "exponent",
    ),
    Mutant(
        "collapse",
        "wnlib/limits/collapse.py",
        "np.append(2 / (flow.ratio * size) * along",
        "np.append(-2 / (flow.ratio * size) * along",
        "sign",
    ),
    Mutant(
        "no_collapse",
        "wnlib/flows/geometry.py",
        "return (L / 2) / (L - 2) * tail",
        "return L / (L - 2) * tail",
        "constant",
    ),
    Mutant("no_collapse", "wnlib/flows/geometry.py", "value = s * value + x**s", "value = s * value - x**s", "sign"),
    Mutant(
        "no_collapse",
        "wnlib/limits/collapse.py",
        "towards = support ** (1 / L)",
        "towards = support ** (2 / L)",
        "exponent",
    ),
    Mutant(
        "no_collapse",
        "wnlib/trajectories/charts/logarithmic.py",
        "d_log_r = L * radial_rate * _bounded_exp((L - 2) * state[0]) * (residual @ unit_output)",
        "d_log_r = -L * radial_rate * _bounded_exp((L - 2) * state[0]) * (residual @ unit_output)",
        "sign",
    ),
    Mutant(
        "discretization",
        "wnlib/descent/methods.py",
        "norm, h, h * self.ratio * norm**2, norm",
        "norm, h, h * self.ratio**2 * norm**2, norm",
        "exponent",
    ),
    Mutant(
        "discretization",
        "wnlib/descent/methods.py",
        'one("norm", self.norm) ** -2',
        'one("norm", self.norm) ** -1',
        "exponent",
    ),
    Mutant(
        "discretization",
        "wnlib/descent/methods.py",
        "x_new = rows.pull(_column(h * self.depth) * residual",
        "x_new = rows.pull(_column(h) * residual",
        "constant",
    ),
    Mutant("discretization", "wnlib/descent/rows.py", "y[seen[0]], self.count)", "y[seen[0]], 1)", "constant"),
    Mutant(
        "discretization",
        "wnlib/descent/rows.py",
        "seen = self.orders[:, first : first",
        "seen = self.orders[:, 0 : 0",
        "index",
    ),
    Mutant(
        "discretization",
        "wnlib/descent/methods.py",
        "(1 - pace * along / norm**2)",
        "(1 + pace * along / norm**2)",
        "sign",
    ),
]
