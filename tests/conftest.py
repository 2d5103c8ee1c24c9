"""Property tests draw the same examples on every run; figures do not outlive their test."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest
from hypothesis import settings

settings.register_profile("book", derandomize=True, deadline=None)
settings.load_profile("book")


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")
