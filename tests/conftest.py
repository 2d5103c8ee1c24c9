"""Property tests draw the same examples on every run; figures do not outlive their test."""

import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("book", derandomize=True, deadline=None)
settings.load_profile("book")


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    yield
    if "matplotlib.pyplot" in sys.modules:  # the tests of wnlib need no Matplotlib
        sys.modules["matplotlib.pyplot"].close("all")
