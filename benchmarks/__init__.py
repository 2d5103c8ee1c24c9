"""Benchmarks, side by side in one run: ``make bench``, or ``python -m benchmarks [NAME...]``.

Each writes one record, ``records/NAME.json``, from which the book's page of figures is made.
"""

NAMES = ("limits", "trajectories", "descent", "growth", "robustness")
