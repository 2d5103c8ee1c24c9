"""From notebooks to the published book: the steps that the Snakefile ties together."""
