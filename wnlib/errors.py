"""The exceptions of the package: one family, whose messages name what is wrong and what to try.

`except WnlibError` catches them all. Each is also what Python would raise for its kind: a ValueError where what was
given cannot be used, an ImportError where a library is missing, a RuntimeError where a computation did not succeed.
"""

from importlib.util import find_spec


class WnlibError(Exception):
    """Any error of the package.

    Example:
        >>> from wnlib import GradientFlow, WnlibError
        >>> try:
        ...     GradientFlow(depth=0)
        ... except WnlibError as error:
        ...     print(error)
        depth must be >= 1, got 0
    """


class ArgumentError(WnlibError, ValueError):
    """An argument cannot be used: the message names it, what it must be and what it was.

    Example:
        >>> from wnlib import GradientFlow
        >>> GradientFlow(depth=2.5)
        Traceback (most recent call last):
            ...
        wnlib.errors.ArgumentError: depth must be an integer, got 2.5
    """


class InfeasibleError(WnlibError, ValueError):
    """The measurements have no interpolant of the kind that was asked for.

    Example:
        >>> from wnlib import Problem
        >>> Problem(A=[[1, 0], [1, 0]], y=[1, 2])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        wnlib.errors.InfeasibleError: y must lie in the range of A, got least-squares residual 0.707 ...
    """


class MissingExtraError(WnlibError, ImportError):
    """A library is not installed that only a part of the package needs: the message names the extra that brings it.

    Example:
        >>> from wnlib.errors import require
        >>> require("rigorous", "nowhere")
        Traceback (most recent call last):
            ...
        wnlib.errors.MissingExtraError: nowhere cannot be imported: try pip install "wnlib[rigorous]"
    """


class CertificateError(WnlibError, RuntimeError):
    """A convex program was not solved to the accuracy that its certificate must have.

    Example:
        >>> from wnlib import CertificateError
        >>> issubclass(CertificateError, RuntimeError)
        True
    """


class IntegrationError(WnlibError, RuntimeError):
    """The solver could not follow the flow to the end at the accuracy that was asked for.

    Example:
        >>> from wnlib import IntegrationError
        >>> issubclass(IntegrationError, RuntimeError)
        True
    """


class LimitError(WnlibError, RuntimeError):
    """The limit was not found to the tolerance.

    Example:
        >>> from wnlib import GradientFlow, Problem, limit
        >>> flow = GradientFlow(depth=2)
        >>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
        >>> limit(flow, problem, flow.start(60, 1.0), tolerance=1e-30)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        wnlib.errors.LimitError: relative residual ... exceeds the tolerance 1.0e-30: try a larger one
    """


class ContinuationError(WnlibError, RuntimeError):
    """The curve of limits could not be followed."""


class CollapseError(WnlibError, RuntimeError):
    """The flow shrinks to w = 0 and never reaches an interpolant.

    Example:
        >>> from wnlib import Problem, WeightNormFlow, limit
        >>> flow = WeightNormFlow(depth=2, ratio=1)
        >>> limit(flow, Problem(A=[[1, -1]], y=[1]), flow.start(2, 0.1, direction=[1, 2]))
        Traceback (most recent call last):
            ...
        wnlib.errors.CollapseError: the flow from r0 = 0.1 collapses to w = 0: try a larger start or ratio
    """


class DescentError(WnlibError, RuntimeError):
    """A descent diverged: a coordinate lost positivity (depth >= 2), a norm or the loss overflowed or grew too far.

    Example:
        >>> from wnlib import GradientDescent, GradientFlow, Problem, descend
        >>> problem = Problem(A=[[1, 1]], y=[1])
        >>> start = GradientFlow(depth=2).start(2, scale=2.0)
        >>> descend(GradientDescent(depth=2), problem, start, 1.0, 10)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        wnlib.errors.DescentError: step must be smaller: with step = 1 the run has a coordinate ...
    """


class EnclosureError(WnlibError, RuntimeError):
    """Krawczyk's operator does not map the box into its interior: nothing is proved.

    Example:
        >>> from wnlib import EnclosureError
        >>> issubclass(EnclosureError, RuntimeError)
        True
    """


def require(extra: str, *libraries: str) -> None:
    """Raise MissingExtraError unless the libraries, which the extra brings, can be imported."""
    missing = [library for library in libraries if find_spec(library) is None]
    if missing:
        raise MissingExtraError(f'{" and ".join(missing)} cannot be imported: try pip install "wnlib[{extra}]"')
