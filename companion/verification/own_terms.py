"""The sharp excess in multiple precision: each weight off the support is its term in the bound above.

That is at the certificate which the limit itself makes, where the bound is an equality.
"""

from collections.abc import Iterable

import numpy as np
from mpmath import mp, mpf

from companion.verification.theorem import Certificate
from wnlib.flows.flow import Flow, GradientFlow
from wnlib.flows.weight_norm import WeightNormFlow
from wnlib.problem import Problem
from wnlib.rigorous import multiprecision
from wnlib.rigorous.arithmetic import number, numbers
from wnlib.rigorous.instance import SMALL_INSTANCE, Instance
from wnlib.rigorous.taylor import Vector
from wnlib.sparse.basis_pursuit import basis_pursuit

DIGITS = 43


def certificates(depth: int) -> tuple[Certificate, ...]:
    """Both flows on one instance, followed to their ends."""
    found = []
    for name, flow in (("weight normalization", WeightNormFlow(depth, 0.5)), ("gradient flow", GradientFlow(depth))):
        end = multiprecision.taylor_path(flow, SMALL_INSTANCE, residual=1e-42, digits=DIGITS)[-1]
        told, left = own_terms(flow, SMALL_INSTANCE, end.weights)
        digits = multiprecision.agreement(told, left, DIGITS)
        found.append(Certificate("multiple precision", f"the terms of the bound above where {name} ends", digits))
    return tuple(found)


def own_terms(flow: Flow, instance: Instance, weights: Vector) -> tuple[Vector, Vector]:
    """The terms of the bound above at the limit's own certificate, and the weights, both off the support."""
    L = flow.depth
    problem = Problem(np.array(instance.A, dtype=float), np.array(instance.y, dtype=float))
    support = basis_pursuit(problem).weights > 1e-9
    on, off = np.flatnonzero(support).tolist(), np.flatnonzero(~support).tolist()
    with mp.workdps(DIGITS + 10):
        A, u_0 = mp.matrix(numbers(instance.A)), mp.matrix(numbers(instance.direction))
        u_0, r_0 = u_0 / mp.norm(u_0), number(instance.radius)
        square = sum(w ** (mpf(2) / L) for w in weights)
        r = mp.sqrt(square)
        half = number(flow.ratio) / 2 if isinstance(flow, WeightNormFlow) else None
        log_M = mp.log(r / r_0) if half is None else half * (square - r_0**2)
        growth = [mp.log(w) / L - mp.log(r * u) for w, u in zip(weights, u_0, strict=True)]
        chi = mp.matrix([u ** (2 - L) for u in u_0])
        beta = [-g / log_M if L == 2 else mp.exp((2 - L) * (log_M + g)) for g in growth]

        A_J = mp.matrix([[A[k, i] for i in on] for k in range(A.rows)])
        square_J = A_J.T * A_J
        nu = mp.lu_solve(A * A.T, A * mp.matrix([x * (1 - b) for x, b in zip(chi, beta, strict=True)]))
        nu += A_J * mp.lu_solve(square_J, mp.matrix([chi[i] for i in on]) - A_J.T * nu)

        def term(j: int) -> mpf:
            s, G = 1 - (A[:, j].T * nu)[0] / chi[j], mp.lu_solve(square_J, A_J.T * A[:, j])
            if L == 2:
                return square * u_0[j] ** 2 * mp.exp(2 * _dot(G, [growth[i] for i in on]) - 2 * log_M * s)
            slack = s + _dot(G, [chi[i] * beta[i] for i in on]) / chi[j]
            return (r * u_0[j] / mp.exp(log_M)) ** L * slack ** (-mpf(L) / (L - 2))

        return [term(j) for j in off], [weights[j] for j in off]


def _dot(a: Iterable[mpf], b: Iterable[mpf]) -> mpf:
    return sum(x * y for x, y in zip(a, b, strict=True))
