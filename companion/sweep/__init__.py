"""Limits over a grid of problems, depths, ratios and scales: specified in a file, computed in parallel, resumable.

python -m companion.sweep sweeps/window.toml --jobs 2
"""

from companion.sweep.results import read
from companion.sweep.specification import Sweep

__all__ = ["Sweep", "read"]
