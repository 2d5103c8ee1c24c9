"""What Windows cannot run is not even read there: it has no file locks. And a small book that is built once."""

import sys
from pathlib import Path

import pytest
from small_book import Book

LOCKING = ["test_lab.py", "test_pipeline_bootstrap.py", "test_pipeline_settings.py"]
collect_ignore = LOCKING if sys.platform == "win32" else []


@pytest.fixture(scope="session")
def first_build(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """A small book of two chapters, which has been built once, and is only copied."""
    book = Book(tmp_path_factory.mktemp("first") / "book", "index", "two")
    book.build()
    return book


@pytest.fixture
def book(first_build: Book, tmp_path: Path) -> Book:
    """A small book of two chapters just after its first build."""
    return first_build.copied(tmp_path / "book")
