"""The two flows: points in polar coordinates, vector fields, mirror maps, metrics."""
