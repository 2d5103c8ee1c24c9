"""Mutants of limits, saddles, and the bounds on them."""

from companion.verification.mutation import Changes

CHANGES: Changes = {
    "LimitCurve._on_the_line": {
        "norms not squared where they are added": (
            "np.logaddexp(2 * log_least, 2 * log_across)",
            "np.logaddexp(log_least, log_across)",
        ),
        "a tenth more across": ("sign * np.exp(log_scale)", "1.1 * sign * np.exp(log_scale)"),
    },
    "_mismatch": {
        "a far smaller start in the plain mismatch": ("log_r0 - log_scale", "log_r0 - 5 - log_scale"),
        "a tenth more of the start's magnification": (
            "magnified - float(flow.log_magnification(radius))",
            "1.1 * magnified - float(flow.log_magnification(radius))",
        ),
        "a tenth less of the start's magnification": (
            "magnified - float(flow.log_magnification(radius))",
            "0.9 * magnified - float(flow.log_magnification(radius))",
        ),
        "half of the start's magnification": (
            "magnified - float(flow.log_magnification(radius))",
            "0.5 * magnified - float(flow.log_magnification(radius))",
        ),
        "the radius subtracted in the mismatch": (
            "magnified - float(flow.log_magnification(radius)) + log_r",
            "magnified - float(flow.log_magnification(radius)) - log_r",
        ),
    },
    "CurveEquations.complete": {
        "the start's direction inverted on the curve": (
            "basis.T @ t + offset + place.log_scale * self.excess",
            "basis.T @ t - offset + place.log_scale * self.excess",
        ),
        "1 - L for 2 - L on the curve": ("(np.log(sigma) + units) / (2 - L)", "(np.log(sigma) + units) / (1 - L)"),
    },
    "collapse.below_zero": {
        "above the loss of zero for below it": (
            "0.5 * image @ image < problem.y @ image",
            "0.5 * image @ image > problem.y @ image",
        ),
        "no loss below that of zero": ("bool(0.5 * image @ image < problem.y @ image)", "False"),
    },
    "divergence_excludes_collapse": {"the exponent 2/L towards zero": ("1 / L", "2 / L")},
    "_followed_to_zero": {"a radius that grows for shrinking": ("2 / (flow.ratio * size)", "-2 / (flow.ratio * size)")},
    "SmallStart.push": {
        "the direction for its power in the push": ("self.direction**self.depth", "self.direction"),
        "a power less in the push": ("self.direction**self.depth", "self.direction ** (self.depth - 1)"),
    },
    "SmallStart.force": {
        "a tenth of the bound on the force": (
            "np.abs(A.T @ y).max() + (A**2).sum(axis=0).max() * radius**self.depth",
            "0.1 * (np.abs(A.T @ y).max() + (A**2).sum(axis=0).max() * radius**self.depth)",
        ),
        "twice the force at zero in its bound": ("np.abs(A.T @ y).max()", "2 * np.abs(A.T @ y).max()"),
        "twice the columns in the bound on the force": ("(A**2).sum(axis=0).max()", "2 * (A**2).sum(axis=0).max()"),
        "a power of r less in the bound on the force": ("radius**self.depth", "radius ** (self.depth - 1)"),
        "the mean column in the bound on the force": ("(A**2).sum(axis=0).max()", "(A**2).sum(axis=0).mean()"),
    },
    "SmallStart.excess": {
        "no L in the excess of a small start": ("self.depth * self.ratio * radius**2", "self.ratio * radius**2"),
        "no ratio in the excess of a small start": ("self.depth * self.ratio * radius**2", "self.depth * radius**2"),
        "twice the squared push": ("self.push**2", "2 * self.push**2"),
    },
    "SmallStart.push_left": {
        "twice the push that is left": ("-K * np.expm1(self.excess(radius))", "-4 * K * np.expm1(self.excess(radius))"),
    },
    "mass_bound": {
        "a tenth of the budget": (
            "float(mirror.bregman(np.full(n, mass / n), start)) - budget",
            "float(mirror.bregman(np.full(n, mass / n), start)) - 0.1 * budget",
        ),
    },
    "entropy_excess": {
        "the entropy added": (
            "np.log(len(target)) + np.sum(share * np.log(share))",
            "np.log(len(target)) - np.sum(share * np.log(share))",
        )
    },
    "normalized_mass_bound": {
        "the scale not squared in the mass bound": ("scale**2", "scale"),
        "no 2 in the mass bound": ("2 * Q", "Q"),
    },
    "plain_mass_bound": {
        "the entropy subtracted in the plain mass bound": (
            "np.log(Q / S0) - 1 + entropy_excess(target)",
            "np.log(Q / S0) - 1 - entropy_excess(target)",
        ),
        "no e in the plain mass bound": ("k / np.e", "k"),
    },
    "uniform_mass": {
        "a power less in the uniform mass": (
            "n * (radius_of(target, depth) / np.sqrt(n)) ** depth",
            "n * (radius_of(target, depth) / np.sqrt(n)) ** (depth - 1)",
        ),
    },
    "magnification_excess_bound": {
        "half the excess of depth 2": ("2 * log_magnification", "4 * log_magnification"),
        "L for L - 2 in the excess": ("L - 2", "L"),
    },
    "deep_normalized_excess_bound": {
        "L - 1 for L - 2 in the deep excess": ("depth - 2", "depth - 1"),
        "1 - L for 1 - L/2 in the deep excess": ("1 - depth / 2", "1 - depth"),
    },
    "deep_plain_excess_bound": {
        "L/2 for L/2 - 1 in the plain deep excess": ("depth / 2 - 1", "depth / 2"),
        "1 + beta in the plain deep excess": ("1 - beta", "1 + beta"),
        "half the power of Q in the plain deep excess": ("2 / depth", "1 / depth", 2),
    },
    "stay": {
        "a mass multiplied for shared": ("mass / outside.sum()", "mass * outside.sum()"),
        "the error of the force subtracted": ("force + columns * error", "force - columns * error"),
        "the fastest growth in both bounds": (
            "L * rate[0] * (force - columns * error)",
            "L * rate[1] * (force + columns * error)",
        ),
        "the least loss without the push": ("at.loss - push * mass", "at.loss"),
        "half of the push at a saddle": ("max(0.0, float(force.max()))", "0.5 * max(0.0, float(force.max()))"),
        "twice the push at a saddle": ("max(0.0, float(force.max()))", "2 * max(0.0, float(force.max()))"),
        "a quarter of the loss above a saddle's": (
            "2 * (float(problem.loss(weights)) - at.loss)",
            "0.5 * (float(problem.loss(weights)) - at.loss)",
        ),
        "twice the loss above a saddle's": (
            "2 * (float(problem.loss(weights)) - at.loss)",
            "4 * (float(problem.loss(weights)) - at.loss)",
        ),
        "a quarter of what the push gains": ("2 * push * mass", "0.5 * push * mass"),
        "twice what the push gains": ("2 * push * mass", "4 * push * mass"),
        "half of the spread at a saddle": (
            "(error + float(columns.max()) * mass) / at.gain",
            "0.5 * (error + float(columns.max()) * mass) / at.gain",
        ),
        "twice the spread at a saddle": (
            "(error + float(columns.max()) * mass) / at.gain",
            "2 * (error + float(columns.max()) * mass) / at.gain",
        ),
        "the outsiders' outputs not spread at a saddle": (
            "(error + float(columns.max()) * mass) / at.gain",
            "error / at.gain",
        ),
        "the gain squared at a saddle": (
            "(error + float(columns.max()) * mass) / at.gain",
            "(error + float(columns.max()) * mass) / at.gain**2",
        ),
        "a share for the whole mass": ("mass ** (1 / L)", "(mass / outside.sum()) ** (1 / L)"),
    },
    "_squared_radius": {
        "one outsider for all in the radius": ("others ** (1 - 2 / L) * mass ** (2 / L)", "mass ** (2 / L)"),
        "the least radius above the saddle's": ("np.maximum(weights - spread, 0)", "weights + spread"),
        "the least radius that of the saddle": ("np.maximum(weights - spread, 0)", "weights"),
        "the largest radius that of the saddle": ("weights + spread", "weights"),
    },
    "_confined": {
        "radii squared in the rates": ("(rate * least, rate * largest)", "(rate * least**2, rate * largest**2)"),
        "the magnification inverted at a saddle": (
            "np.exp(at_start - flow.log_magnification(np.sqrt(rho)))",
            "np.exp(flow.log_magnification(np.sqrt(rho)) - at_start)",
        ),
        "a peak at c for 1/c": ("1 / flow.ratio", "flow.ratio"),
    },
    "exit_time": {
        "the support's mass at the exit": ("weights[0, outside].sum() / mass", "weights[0, ~outside].sum() / mass"),
        "an exit at twice the mass": (
            "trajectory.weights[:, outside].sum(axis=1) >= mass",
            "trajectory.weights[:, outside].sum(axis=1) >= 2 * mass",
        ),
        "an exit by one weight alone": (
            "trajectory.weights[:, outside].sum(axis=1) >= mass",
            "trajectory.weights[:, outside].max(axis=1) >= mass",
        ),
    },
    # what is off the support of the sparse interpolant
    "_halfway": {"the last minimiser for one between": ("0.5 * reach", "reach")},
    "priced": {
        "columns times their costs": ("problem.A / chi", "problem.A * chi"),
    },
    "cheapest": {
        "a direction that is not in the kernel": ("-coordinates @ v[~support]", "coordinates @ v[~support]"),
        "a certificate of half the costs": ("inverse.sum(axis=0)", "0.5 * inverse.sum(axis=0)"),
    },
    "OffSupport.log_magnification": {
        "the start's magnification alone": (
            "np.array([float(self.end.start.radius), self.end.radius])",
            "np.array([float(self.end.start.radius), 2 * float(self.end.start.radius)])",
        ),
    },
    "OffSupport.slacks": {
        "the growth on the support subtracted": (
            "s + (p[on] * self.grown[on]) @ self._coordinates() / p[~on]",
            "s - (p[on] * self.grown[on]) @ self._coordinates() / p[~on]",
        ),
    },
    "OffSupport.log_upper": {
        "half the exponent of the sharp excess": (
            "-2 * log_M * self.slacks(dual)",
            "-1 * log_M * self.slacks(dual)",
        ),
        "L for L - 2 in the sharp excess": (
            "-2 / (L - 2) * np.log(self.slacks(dual))",
            "-2 / L * np.log(self.slacks(dual))",
        ),
    },
    "OffSupport.log_lower": {
        "half the exponent of the least excess": (
            "2 * log_r - 2 * total * log_M - float(bits)",
            "2 * log_r - total * log_M - float(bits)",
        ),
        "1/L for 2/L in the least excess": ("1 - 2 / L", "1 - 1 / L"),
    },
    "attainable_weights": {
        "every weight attainable": ("found.x[:n] > 0.5", "found.x[:n] > -0.5"),
        "the least sum of attainable weights": ("-np.ones(n)", "np.ones(n)"),
    },
    "null_space_constant": {
        "half of the null space constant": (
            "-float(cost @ linear_program(cost, rows, mass).x)",
            "-0.5 * float(cost @ linear_program(cost, rows, mass).x)",
        ),
        "one pattern of signs for all": ("product([1, -1], repeat=J.size - 1)", "product([1], repeat=J.size - 1)"),
        "the positive part alone in the kernel": (
            "np.column_stack([coordinates, -coordinates, np.zeros(J.size)])",
            "np.column_stack([coordinates, coordinates, np.zeros(J.size)])",
        ),
    },
    "collapse_barrier": {
        "the norm for its square in the barrier": ("2 * each", "each"),
        "a force of the wrong sign in the barrier": ("pull(0.0) >= 0", "pull(0.0) <= 0"),
        "L for L - 2 before the force": (
            "np.exp((2 - depth) * log_u) - (depth - 2) * s * force",
            "np.exp((2 - depth) * log_u) - depth * s * force",
        ),
        "the least pull at L - 1": ("depth * log_coordinates(s)", "(depth - 1) * log_coordinates(s)"),
    },
    "saddle_at": {"half the force at a saddle": ("problem.A.T @ residual", "0.5 * problem.A.T @ residual")},
    "costs": {"the norm of another depth": ("(2 - depth) * start.log_direction", "(1 - depth) * start.log_direction")},
    "beside": {
        "the start's square on the support": ("start.direction[on]", "start.direction[on] ** 2"),
    },
    "needed_ratio": {
        "half the needed ratio": ("2 * max(0.0, end.log_magnification)", "max(0.0, end.log_magnification)")
    },
    "End.log_magnification": {
        "half the radius for the needed magnification": (
            "float(np.log(self.radius)) - self.log_scale",
            "0.5 * float(np.log(self.radius)) - self.log_scale",
        )
    },
    "LeadingOrder.end": {
        "the growth on the support subtracted, in the leading order": (
            "log_square + 2 * log_u[off] + growth @ G",
            "log_square + 2 * log_u[off] - growth @ G",
        ),
        "L - 1 for L in the leading order": (
            "float(np.log(surplus / least)) / L",
            "float(np.log(surplus / least)) / (L - 1)",
        ),
    },
    "LargeRatioPath.integral": {
        "the earlier pieces left out": ("before[piece]", "0 * before[piece]"),
    },
    "LargeRatioPath._within": {
        "a jump in the place of a decay": (
            "since + decay * np.expm1(-since / decay)",
            "since",
        ),
    },
    "Position.piece": {
        "twice the decay of the multiplier": ("float(slope.sum())", "2 * float(slope.sum())"),
        "events that are noticed too late": (
            "decay * min(until, default=np.inf)",
            "2 * decay * min(until, default=np.inf)",
        ),
    },
    "Position._catching_up": {
        "entries that never catch up": ("high > low", "high < low"),
        "the force of least squares doubled": ("decay * alpha * u", "2 * decay * alpha * u"),
    },
    "Position._relax": {
        "a support that is never left": ("wanted.min() < 0", "wanted.min() < -np.inf"),
    },
}
