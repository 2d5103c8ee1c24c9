"""The flat face of the package: what it holds, and what it costs to import."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

import wnlib
from wnlib.errors import require

HEAVY = ("sympy", "matplotlib", "mpmath", "flint", "scipy", "companion")


@pytest.mark.parametrize("name", wnlib.__all__)
def test_a_public_name_is_there_and_hides_no_module(name: str) -> None:
    assert getattr(wnlib, name).__name__ == name
    assert getattr(wnlib, name).__doc__
    assert find_spec(f"wnlib.{name}") is None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'wnlib' has no attribute 'nowhere'"):
        _ = wnlib.nowhere
    assert dir(wnlib) == wnlib.__all__


def in_a_new_process(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_package_loads_no_heavy_library_and_takes_no_time() -> None:
    program = f"import sys, time, wnlib; print(time.process_time(), *({HEAVY!r} & sys.modules.keys()))"
    program = program.replace(repr(HEAVY), repr(set(HEAVY)))
    took, *loaded = in_a_new_process(program).split()
    assert loaded == []
    assert float(took) < 0.3  # of processor time, which a busy machine does not lengthen


@pytest.mark.parametrize("extra", [("sympy", "matplotlib", "mpmath", "flint", "companion")])
def test_nothing_public_needs_an_extra(extra: tuple[str, ...]) -> None:
    assert in_a_new_process(f"import sys; from wnlib import *; print(*({set(extra)!r} & sys.modules.keys()))") == ""


def test_every_exception_is_of_the_family_and_of_its_kind() -> None:
    raised = [getattr(wnlib, name) for name in wnlib.__all__ if name.endswith("Error")]
    assert len(raised) > 5
    assert all(issubclass(error, wnlib.WnlibError) for error in raised)
    kinds = (ValueError, RuntimeError, ImportError)
    assert all(issubclass(error, kinds) for error in raised if error is not wnlib.WnlibError)


def test_a_missing_library_is_named_with_the_extra_that_brings_it(monkeypatch):
    require("rigorous", "numpy")
    message = r'nowhere and flint cannot be imported: try pip install "wnlib\[rigorous\]"'
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(wnlib.MissingExtraError, match=message):
        require("rigorous", "nowhere", "numpy", "flint")
