"""The exceptions of the package: one family, whose messages name what is wrong and what to try.

`except WnlibError` catches them all. Each is also what Python would raise for its kind: a ValueError where what was
given cannot be used, an ImportError where a library is missing, a RuntimeError where a computation did not succeed.
"""

from importlib.util import find_spec


class WnlibError(Exception):
    """Any of them."""


class ArgumentError(WnlibError, ValueError):
    """An argument cannot be used: the message names it, what it must be and what it was."""


class InfeasibleError(WnlibError, ValueError):
    """The measurements have no interpolant of the kind that was asked for."""


class MissingExtraError(WnlibError, ImportError):
    """A library is not installed that only a part of the package needs: the message names the extra that brings it."""


class CertificateError(WnlibError, RuntimeError):
    """A convex program was not solved to the accuracy that its certificate must have."""


class IntegrationError(WnlibError, RuntimeError):
    """The solver could not follow the flow to the end at the accuracy that was asked for."""


class LimitError(WnlibError, RuntimeError):
    """The limit was not found to the tolerance."""


class ContinuationError(WnlibError, RuntimeError):
    """The curve of limits could not be followed."""


class CollapseError(WnlibError, RuntimeError):
    """The flow shrinks to w = 0 and never reaches an interpolant."""


class DescentError(WnlibError, RuntimeError):
    """The steps were too long: a coordinate lost positivity (depth >= 2) or is not finite, or the loss diverged."""


class EnclosureError(WnlibError, RuntimeError):
    """Krawczyk's operator does not map the box into its interior: nothing is proved."""


def require(extra: str, *libraries: str) -> None:
    """Raise MissingExtraError unless the libraries, which the extra brings, can be imported."""
    missing = [library for library in libraries if find_spec(library) is None]
    if missing:
        raise MissingExtraError(f'{" and ".join(missing)} cannot be imported: try pip install "wnlib[{extra}]"')
