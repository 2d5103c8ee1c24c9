"""Limits over a grid of problems, depths, ratios and scales, specified in a file: make sweep SPEC=sweeps/window.toml"""

from companion.sweep.results import read
from companion.sweep.specification import Sweep

__all__ = ["Sweep", "read"]
