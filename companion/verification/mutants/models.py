"""Mutants of the other models: matrices, signed weights, two phases."""

from companion.verification.mutation import Changes

CHANGES: Changes = {
    "MatrixProblem.residual": {
        "measurements added to the residual": (
            "self.y - W.reshape(*W.shape[:-2], -1) @ self.A.reshape(len(self.y), -1).T",
            "self.y + W.reshape(*W.shape[:-2], -1) @ self.A.reshape(len(self.y), -1).T",
        )
    },
    "conjugated": {
        "a tenth more of the eigenvalues": ("V * eigenvalues[..., None, :]", "1.1 * V * eigenvalues[..., None, :]")
    },
    "power": {"a power more of a matrix": ("exponent - 1", "exponent")},
    "slope": {"a minus in Horner's rule": ("X @ total + right", "X @ total - right")},
    "polar_field": {"no r in the turning of a matrix": ("ratio * r", "ratio")},
    "GroupedFlow.velocity": {
        "L - 1 for L - 2 in the matched clock": ("(L - 2) * c", "(L - 1) * c"),
        "the radius for its square in the reference of the matched clock": ("start.radius**2", "start.radius"),
        "separate clocks that run with the radius": (
            "np.full_like(log_r, c)",
            "1.1 * np.full_like(log_r, c) * np.exp(log_r)",
        ),
        "a power of r more in the growth of a half": ("(L - 2) * log_r", "(L - 1) * log_r"),
        "a power of u more in the turning of a half": ("(L - 2) * log_u", "(L - 1) * log_u"),
    },
    "_Dual.of": {
        "a tenth more of the groups' start": ("mirror.dual_variable(start)", "1.1 * mirror.dual_variable(start)"),
    },
    "nearest_masses": {
        "half of the data in the nearest masses": ("HEAVY * own.y", "0.5 * HEAVY * own.y"),
    },
    "log_temperature": {
        "nine tenths of the temperature's magnification": (
            "np.log(radius) + start.log_direction[:n] + magnified",
            "np.log(radius) + start.log_direction[:n] + 0.9 * magnified",
        ),
    },
    "signed.NEWTON": {
        "one of Newton's steps for eight": ("8", "1"),
    },
    "tilt": {
        "the temperature squared at every depth": ("depth * log_alpha", "2 * log_alpha"),
        "1 for L in the power of the tilt": ("depth / (depth - 2)", "1 / (depth - 2)"),
    },
    "halves": {
        "both halves larger": ("log_alpha - q", "log_alpha + q"),
        "L for L - 2 in the smaller half": ("np.log1p(-np.expm1(-q)) / (depth - 2)", "np.log1p(-np.expm1(-q)) / depth"),
    },
    "signed.gradient": {
        "half the signed gradient of depth 2": ("np.sign(weights) * q", "0.5 * np.sign(weights) * q"),
        "a power less in the signed gradient": ("2 - L", "1 - L"),
    },
    "Guarantee.below_zero": {
        "the start's offset alone": ("np.arccosh(1 / self.share) - self.offset", "-self.offset"),
        "the start's offset added": (
            "np.arccosh(1 / self.share) - self.offset",
            "np.arccosh(1 / self.share) + self.offset",
        ),
        "time multiplied by the rate": (
            "float(np.arccosh(1 / self.share) - self.offset) / self.rate",
            "float(np.arccosh(1 / self.share) - self.offset) * self.rate",
        ),
    },
    "guarantees": {
        "the pseudoinverse left out": ("(least, inverse)", "(least, least)"),
        "half the radius in the drive": ("radius * linalg.norm(d)", "0.5 * radius * linalg.norm(d)"),
        "the start's offset inverted": ("a @ direction", "-a @ direction"),
        "no radius in the guaranteed rate": ("rate * radius * drive", "rate * drive"),
    },
    "certificate": {
        "nine tenths of the certificate": (
            "sideways / np.where(along > 0, along, 1.0)",
            "0.9 * sideways / np.where(along > 0, along, 1.0)",
        )
    },
    "projected_descent": {"projected steps uphill": ("u + step * ratio * r * force", "u - step * ratio * r * force")},
    "layered.slopes": {
        "all factors in the slopes of the layers": ("factors[others].prod(axis=1)", "factors.prod(axis=0)"),
        "the residual of the sum of the layers": ("factors.prod(axis=0)", "factors.sum(axis=0)"),
    },
    "_normalized_velocity": {
        "no radius in the turning of a layer": ("angular * r * (g - along * u)", "angular * (g - along * u)"),
        "half the pull in the turning of a layer": ("g - along * u", "g - 0.5 * along * u"),
    },
    "Leaf.times": {
        "a - min a for a in the time away": ("self.left(self.first)", "self.left(0 * self.first)"),
        "once the time from zero for a weight of the other sign": ("2 * across", "across"),
    },
    "blow_up": {
        "half the integral of a blow-up time": (
            "step * np.sum(np.exp(log_s - logs / 2), axis=0) / 2",
            "step * np.sum(np.exp(log_s - logs / 2), axis=0) / 4",
        ),
    },
    "LayeredTrajectory.magnified": {
        "the square of M in the magnified layers": ("self.flow.ratio / 2 * gains", "self.flow.ratio * gains"),
    },
    "LayeredDual.radial": {
        "L for L/2 in the exponent of mu": ("np.exp(-L / 2 * log_R)", "np.exp(-L * log_R)"),
        "half the growth of squared radii": ("log_R / self.ratio", "log_R / (2 * self.ratio)"),
    },
    "LayeredDual.step": {
        "half the curvature of mu": ("2 * here.mu * here.slope", "here.mu * here.slope"),
    },
    "Leaf.slope": {
        "an equal share of the smallest factor in the slope of a product": (
            "1 + np.sum(xi**2 / squares, axis=0)",
            "1 + np.sum(squares / squares, axis=0)",
        ),
    },
    "Leaf.dual_variable": {
        "the time that is left added": (
            "np.where(xi >= 0, growing, left) - np.where(xi >= 0, left, falling)",
            "np.where(xi >= 0, growing, left) + np.where(xi >= 0, left, falling)",
        ),
    },
}
