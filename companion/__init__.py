"""The book's code, on top of `wnlib`: theorems, experiments, plots, and the commands that verify and store them."""

if not __debug__:
    raise RuntimeError("verdicts rest on assertions, which python -O and PYTHONOPTIMIZE strip: run it without them")
