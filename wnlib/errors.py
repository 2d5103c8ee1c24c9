"""The exceptions of the package: one family, each with a message that says what is wrong and what to try."""


class InfeasibleError(ValueError):
    """The measurements have no interpolant of the kind that was asked for."""


class IntegrationError(RuntimeError):
    """The solver could not follow the flow to the end at the accuracy that was asked for."""


class LimitError(RuntimeError):
    """The limit was not found to the tolerance."""


class CollapseError(RuntimeError):
    """The flow shrinks to w = 0 and never reaches an interpolant."""


class ContinuationError(RuntimeError):
    """The curve of limits could not be followed."""


class DescentError(RuntimeError):
    """The steps were too long: a coordinate lost positivity (depth >= 2) or is not finite, or the loss diverged."""


class SpectralLimitError(RuntimeError):
    """The minimiser was not found to the tolerance."""


class EnclosureError(RuntimeError):
    """Krawczyk's operator does not map the box into its interior: nothing is proved."""
