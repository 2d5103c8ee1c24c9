"""The chapters' experiments: parameters in, tidy arrays out. What they find is drawn by `companion.plots`."""
