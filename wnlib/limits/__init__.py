"""Where a flow ends, without following it; bounds on it, collapse, saddles on the way."""
