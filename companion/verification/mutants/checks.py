"""Mutants of what the checks themselves are made of: their measurements, and the blocks of derivations."""

from companion.verification.mutation import Changes

CHANGES: Changes = {
    # what measurements share
    "polar_velocity": {
        "the direction left out of its velocity": ("point.direction * velocity[1:]", "velocity[1:]"),
        "the radius left out of its velocity": ("point.radius * velocity[0]", "velocity[0]"),
    },
    "integral": {
        "no lengths of steps in an integral": (
            "half * WEIGHTS",
            "np.ones_like(half) * WEIGHTS",
        ),
        "an integral over each step alone": ("np.cumsum(each, axis=0)", "each"),
    },
    "clock": {
        "the loss squared in the dissipated loss": (
            "mirror.speed(part.points) * part.loss",
            "mirror.speed(part.points) * part.loss**2",
        ),
        "no speed in the dissipated loss": ("mirror.speed(part.points) * part.loss", "part.loss"),
        "twice the dual time": (
            "integral(trajectory, lambda part: mirror.speed(part.points))",
            "2 * integral(trajectory, lambda part: mirror.speed(part.points))",
        ),
        "the time for the dual time": ("integral(trajectory, lambda part: mirror.speed(part.points))", "trajectory.t"),
    },
    "measuring.least_norm": {
        "a tenth more of the least norm": (
            "least_squares(problem.A, problem.y)",
            "1.1 * least_squares(problem.A, problem.y)",
        ),
    },
    "computed_limit": {
        "a limit of the wrong sign": (
            "limit(trajectory.flow, trajectory.problem, later).weights",
            "-limit(trajectory.flow, trajectory.problem, later).weights",
        ),
    },
    "measuring.solved": {
        "a tenth more at the start": ("start", "1.1 * start"),
    },
    # the building blocks of derivations
    "polar_rates": {"r for its power in the rate of u": ("angular * depth * r**depth", "angular * depth * r")},
    "symbolic.speed": {"1 - L for 2 - L in the speed's derivation": ("2 - depth", "1 - depth")},
}
