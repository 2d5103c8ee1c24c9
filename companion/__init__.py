"""The book's code, on top of `wnlib`: theorems, experiments, plots, and the commands that verify and store them."""
