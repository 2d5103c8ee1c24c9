"""Mutants of the flows, their geometry, and problems."""

from companion.verification.mutation import Changes

CHANGES: Changes = {
    # the flows
    "Polar.weights": {
        "depth 2 for the direction of the weights": (
            "depth * (log_radius + self.log_direction)",
            "depth * log_radius + 2 * self.log_direction",
        ),
        "weights divided by the direction": ("log_radius + self.log_direction", "log_radius - self.log_direction"),
    },
    "radius_of": {
        "half the exponent in the radius": ("2 / depth", "1 / depth"),
        "twice the squared radius for the radius": (
            "np.ldexp(np.sqrt(np.sum(powers, axis=-1)), unit)",
            "np.ldexp(2 * np.sum(powers, axis=-1), unit)",
        ),
    },
    "polar_of": {
        "the exponent 2/L in polar coordinates": ("1 / depth", "2 / depth"),
        "signs lost in polar coordinates": (
            "np.sign(weights) * np.abs(weights) ** (1 / depth)",
            "np.abs(weights) ** (1 / depth)",
        ),
        "a direction over the squared radius": ("radius[..., None]", "radius[..., None] ** 2"),
    },
    "Flow.start": {
        "a start off the sphere": ("vector / np.linalg.norm(vector)", "vector"),
    },
    "GradientFlow.relative_rate": {"1/r for the plain flow's ratio": ("-2.0", "-1.0")},
    "GradientFlow.velocity": {
        "no L in the plain velocity": ("L * np.exp((L - 2) * log_x)", "np.exp((L - 2) * log_x)"),
        "2L in the plain velocity": ("L * np.exp((L - 2) * log_x)", "2 * L * np.exp((L - 2) * log_x)"),
        "a power more in the plain velocity": ("(L - 2) * log_x", "(L - 1) * log_x"),
    },
    "WeightNormFlow.log_magnification": {
        "magnification squared": ("0.5 * self.ratio", "self.ratio"),
        "half the log-magnification": ("0.5 * self.ratio", "0.25 * self.ratio"),
        "nine tenths of the log-magnification": ("0.5 * self.ratio", "0.45 * self.ratio"),
        "magnification inverted": ("0.5 * self.ratio", "-0.5 * self.ratio"),
        "ratio inverted in the magnification": ("0.5 * self.ratio", "0.5 / self.ratio"),
    },
    "WeightNormFlow.relative_rate": {
        "a ratio that grows with the radius": ("np.full_like(radius, self.ratio)", "self.ratio * radius"),
    },
    "WeightNormFlow.angular_rate": {"2 for the radial rate": ("self.radial_rate", "2")},
    "WeightNormFlow.velocity": {
        "ratio squared in the polar velocity": ("self.ratio * self.radial_rate", "self.ratio**2 * self.radial_rate"),
        "3 for the radius's rate": (
            "rates = self.radial_rate, self.ratio * self.radial_rate",
            "rates = 3.0, self.ratio * self.radial_rate",
        ),
    },
    "ScheduledWeightNormFlow.velocity": {
        "the angular schedule for both rates": ("self.radial_schedule(t)", "self.angular_schedule(t)"),
    },
    "_polar_velocity": {
        "r squared in the turning at depth 1": ("angular_rate * r", "angular_rate * r**2"),
        "the pull added at depth 1": ("force * norm - along * v", "force * norm + along * v"),
        "no L in the polar velocity": (
            """L * np.append(
                radial_rate * np.exp((L - 2) * log_r) * along,
                angular_rate * np.exp(L * log_r) * (force * np.exp((L - 2) * log_u) - along),
            )""",
            """np.append(
                radial_rate * np.exp((L - 2) * log_r) * along,
                angular_rate * np.exp(L * log_r) * (force * np.exp((L - 2) * log_u) - along),
            )""",
        ),
        "twice the growth of the radius": (
            "radial_rate * np.exp((L - 2) * log_r)",
            "2 * radial_rate * np.exp((L - 2) * log_r)",
        ),
        "a radius that shrinks for growing": (
            "radial_rate * np.exp((L - 2) * log_r)",
            "-radial_rate * np.exp((L - 2) * log_r)",
        ),
        "a power of r more in the growth of the radius": ("(L - 2) * log_r", "(L - 1) * log_r"),
        "twice the turning": ("angular_rate * np.exp(L * log_r)", "2 * angular_rate * np.exp(L * log_r)"),
        "a power of r less in the turning": (
            "angular_rate * np.exp(L * log_r)",
            "angular_rate * np.exp((L - 1) * log_r)",
        ),
        "r squared in the turning": ("L * log_r", "2 * log_r"),
        "r in the turning": ("L * log_r", "log_r"),
        "the pull added": (
            "force * np.exp((L - 2) * log_u) - along",
            "force * np.exp((L - 2) * log_u) + along",
        ),
    },
    # their geometry
    "MirrorMap.dual_variable": {
        "twice the dual variable": (
            "-np.exp((2 - L) * log_z) / (L - 2)",
            "-2 * np.exp((2 - L) * log_z) / (L - 2)",
        ),
        "a power of z more in the dual variable": ("2 - L", "3 - L"),
        "a power of z less in the dual variable": ("2 - L", "1 - L"),
    },
    "MirrorMap.speed": {
        "no L in the speed": ("L * self.flow.angular_rate(point.radius)", "self.flow.angular_rate(point.radius)"),
        "r squared in the speed": ("point.radius**L", "point.radius**2"),
        "a power of r less in the speed": ("point.radius**L", "point.radius ** (L - 1)"),
        "a power of r more in the speed": ("point.radius**L", "point.radius ** (L + 1)"),
        "magnification inverted in the speed": ("2 - L", "L - 2"),
    },
    "MirrorMap.conjugate": {
        "the potential added in its conjugate": (
            "np.sum(theta * weights, axis=-1) - self.potential(weights)",
            "np.sum(theta * weights, axis=-1) + self.potential(weights)",
        ),
    },
    "MirrorMap.bregman": {
        "the linear part added in the divergence": (
            "safe._rise(weights, target) - linear",
            "safe._rise(weights, target) + linear",
        ),
    },
    "PlainMirrorMap.potential": {"twice the plain potential of depth 3": ("-(L / 2)", "-L")},
    "MagnifiedMirrorMap.potential": {
        "the mass's entropy added": (
            "np.sum(xlogy(weights, weights), axis=-1) - xlogy(mass, mass)",
            "np.sum(xlogy(weights, weights), axis=-1) + xlogy(mass, mass)",
        ),
        "twice the penalty on the mass": ("c / 4", "c / 2"),
        "half the penalty on the mass": ("c / 4", "c / 8"),
        "the decay of the potential inverted": (
            "(L - 2) * self.unit - decay * rho",
            "(L - 2) * self.unit + decay * rho",
        ),
        "twice the potential of depth 3": ("(L / 2) / (L - 2)", "L / (L - 2)"),
    },
    "mirror_entry": {
        "no L - 2 in the mirror map": ("-np.power(z, 2.0 - depth) / (depth - 2)", "-np.power(z, 2.0 - depth)"),
        "a power less in the mirror map": ("2.0 - depth", "1.0 - depth"),
        "the mirror map's sign": ("-np.power(z, 2.0 - depth) / (depth - 2)", "np.power(z, 2.0 - depth) / (depth - 2)"),
        "L for L - 2 in the mirror map": (
            "-np.power(z, 2.0 - depth) / (depth - 2)",
            "-np.power(z, 2.0 - depth) / depth",
        ),
        "half the logarithm in the mirror map": ("np.log(z)", "0.5 * np.log(z)"),
    },
    "scaled_upper_gamma": {"a minus in the recurrence": ("s * value + x**s", "s * value - x**s")},
    "invariants.invariant_drift": {"a power less in the drift": ("2 - L", "1 - L")},
    "metric": {
        "L for its square in the metric": ("L**2", "L"),
        "gamma for 1/gamma in the metric": ("P / gamma", "P * gamma"),
        "a power of u more in the metric": ("u ** (L - 1)", "u**L"),
        "half the power of r in the metric": ("point.radius ** (2 * L)", "point.radius**L"),
    },
    "rate_matrix": {
        "twice the rate matrix": (
            "basis.T @ _rates(flow, problem, weights) @ basis",
            "2 * basis.T @ _rates(flow, problem, weights) @ basis",
        ),
    },
    "_rates": {
        "gamma for 1/gamma in the rates": ("radial / gamma", "radial * gamma"),
        "the radial part twice in the rates": ("B @ B.T - radial", "B @ B.T + radial"),
        "a power of x more in the rates": ("x ** (L - 1)", "x**L"),
        "r for its square in the rates": ("flow.angular_rate(r) * r**2", "flow.angular_rate(r) * r"),
    },
    # problems
    "ranks.row_space": {"the rows' basis without its first vector": ("Q[:, :rank]", "Q[:, 1:rank]")},
    "Problem.loss": {
        "twice the loss": (
            "0.5 * np.sum(self.residual(weights) ** 2, axis=-1)",
            "np.sum(self.residual(weights) ** 2, axis=-1)",
        ),
    },
}
