"""Models beside the diagonal one: signed weights, separate spheres, matrices, least squares in two phases."""
