"""Limits over a grid of problems, depths, ratios and scales: specified in a file, computed in parallel, resumable.

python -m wnlib.sweep sweeps/window.toml --jobs 2
"""

from wnlib.sweep.results import read
from wnlib.sweep.specification import Sweep

__all__ = ["Sweep", "read"]
