"""Gradient flow with weight normalization: flows, their invariants and their limits.

>>> from wnlib import Problem, WeightNormFlow, limit
>>> problem = Problem.gaussian(m=24, n=60, sparsity=3)
>>> flow = WeightNormFlow(depth=2, ratio=10)
>>> end = limit(flow, problem, flow.start(60, scale=1.0))
>>> end.l1_excess < 0.01
True

All public names are attributes of this module, except those that need an extra: `wnlib.rigorous.multiprecision` and
`wnlib.rigorous.enclosure` (``pip install "wnlib[rigorous]"``). A name's module is loaded when the name is first used.
"""

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.2.0"

_STUB = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
_MODULE = {name.name: node.module for node in _STUB.body if isinstance(node, ast.ImportFrom) for name in node.names}

__all__ = sorted(_MODULE)


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(str(_MODULE[name])), name)
    return value


def __dir__() -> list[str]:
    return __all__
