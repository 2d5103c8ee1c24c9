"""Benchmarks, side by side in one run: ``make bench``, or ``python -m benchmarks [NAME...]``.

Each writes one report, ``reports/NAME.json``, from which the book's page of figures is made.
"""
