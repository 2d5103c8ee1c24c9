"""The limits of wnlib on the cases of the theorems."""

import numpy as np
import pytest
from scipy.linalg import null_space

from companion.verification.ensemble import Ensemble
from wnlib import CollapseError, collapses, limit

WILD = Ensemble(ratios=(0.1, 1000.0), scales=(0.1, 3.0), columns=(4, 24))


@pytest.mark.parametrize("block", range(6))
def test_no_instance_fails_and_each_answer_is_the_minimiser(block):
    """Ugly matrices, depths 1 to 6, ratios to 1000: stationarity is checked here from the returned point alone."""
    for index in range(20 * block, 20 * (block + 1)):
        case = WILD.case(index)
        flow = case.plain if index % 4 == 3 else case.flow
        try:
            end = limit(flow, case.problem, case.start, tolerance=1e-11)
        except CollapseError:
            assert collapses(flow, case.problem, case.start)
            continue
        keep = end.attainable
        assert _off_row_space(flow, case.problem.A[:, keep], case.start, end.point, keep) <= 1e-8, case


def _off_row_space(flow, A, start, end, keep):
    """The part of the change of m_L(z) in ker A, relative to the larger of the two, in a unit that cannot overflow."""
    L = flow.depth
    log_z = np.array([p.log_direction + flow.log_magnification(np.abs(p.radius)) for p in (start, end)])[:, keep]
    if L == 2:
        theta = log_z
    else:
        exponents = (1 if L == 1 else 2 - L) * log_z
        signs = np.array([start.sign * np.ones(len(keep)), end.sign * np.ones(len(keep))])[:, keep]
        theta = (signs if L == 1 else 1) * np.exp(exponents - exponents.max())
    kernel = null_space(A)
    return np.linalg.norm((theta[1] - theta[0]) @ kernel) / np.linalg.norm(theta, axis=1).max()
