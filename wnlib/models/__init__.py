"""Models beside the diagonal one: signed weights, separate spheres, groups, matrices, least squares in two phases."""
