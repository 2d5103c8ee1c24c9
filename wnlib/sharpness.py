r"""How sharp the loss is in the coordinates of a flow, which decides how long the steps of its descent may be.

Where $w' = K(w)\, A^\top e$, one step of size h multiplies a small residual e by $I - h A K A^\top$. With
$B = A\, \mathrm{diag}(L x^{L-1})$, $x = r u$ and $\gamma = c r^2$ (1 for gradient flow),

$$A K A^\top = B \bigl(u u^\top + \gamma\, (I - u u^\top)\bigr) B^\top$$

at the learning rate $\eta_r = 1$, which is that of the discrete methods.
"""

import numpy as np
from scipy import linalg

from wnlib._checks import Array
from wnlib.flows import Flow
from wnlib.problem import Problem


def sharpness(flow: Flow, problem: Problem, weights: Array) -> float:
    r"""$\lambda_{\max}(A K A^\top)$ at nonzero weights (N,), which are nonnegative for depth >= 2."""
    L = flow.depth
    x = np.sign(weights) * np.abs(weights) ** (1 / L)
    r = float(linalg.norm(x))
    B, gamma = problem.A * (L * x ** (L - 1)), float(flow.relative_rate(np.asarray(r))) * r**2
    along = B @ (x / r)
    radial = np.outer(along, along)
    return float(linalg.eigvalsh(radial + gamma * (B @ B.T - radial))[-1])


def longest_step(flow: Flow, problem: Problem, weights: Array) -> float:
    """Twice the inverse of the sharpness: with a longer step the weights repel."""
    return 2 / sharpness(flow, problem, weights)
