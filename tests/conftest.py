"""Property tests draw the same examples on every run; figures do not outlive their test.

With `-n`, what takes long to build is built by one worker, for all tests that look at it; these start first.
"""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("book", derandomize=True, deadline=None)
settings.load_profile("book")


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    yield
    if "matplotlib.pyplot" in sys.modules:  # the tests of wnlib need no Matplotlib
        sys.modules["matplotlib.pyplot"].close("all")


TOGETHER = ("test_pipeline_theorems.py", "test_api_pages.py", "test_distribution.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        """Files of `TOGETHER` as they are, all other tests one by one."""

        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if file.endswith(TOGETHER) else nodeid

    return Scheduling(config, log)
