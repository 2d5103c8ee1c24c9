r"""Cases in units of their targets: how often a start is magnified on the way to $z^*$, and how large it is beside it.

For the theorems on limits the interesting parameters are not the ratio and the scale but what they are relative to the
target's radius $\sqrt{\rho(z^*)}$. Here a case's `ratio` is the logarithm of the magnification between w = 0 and $z^*$
(to the power L - 2 above depth 2), its `scale` is $r_0/\sqrt{\rho(z^*)}$.
"""

from wnlib.ensemble import Case
from wnlib.flows import WeightNormFlow


def normalized_flow(case: Case) -> WeightNormFlow:
    r"""Weight-normalized gradient flow with $\max(1, L-2)\, c\, \rho(z^*)/2$ = the case's ratio."""
    return WeightNormFlow(case.depth, 2 * case.ratio / (max(1, case.depth - 2) * case.target_radius**2))


def start_radius(case: Case) -> float:
    r"""$r_0$ = the case's scale, times $\sqrt{\rho(z^*)}$."""
    return case.scale * case.target_radius
