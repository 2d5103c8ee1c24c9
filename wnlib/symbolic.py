r"""Symbolic building blocks, and the derivations that the chapters show step by step.

One component stands for all: u, x, p are the entries $u_i$, $x_i$, $p_i$ of vectors of any length, and what couples
them, the inner product $\langle p, u^L\rangle$, is one symbol. Learning rates are symbols too: a derivation that never
differentiates them holds for rates that vary in time. The depth is the symbol $L$, or a number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import sympy as sp

from wnlib import _checks as check

Rates: TypeAlias = Mapping[sp.Symbol, sp.Expr]
Depth: TypeAlias = sp.Expr | int

L, r, u, x, c = sp.symbols("L r u_i x_i c", positive=True)
eta_r, eta_u = sp.symbols(r"\eta_r \eta_u", positive=True)
p, sigma, dc = sp.symbols(r"p_i \sigma c'", real=True)
pull = sp.Symbol(r"{\langle p, u^L\rangle}", real=True)


@dataclass(frozen=True)
class Step:
    """One line of a derivation: what is done, the equation it gives (left side as LaTeX), and why it may be done."""

    name: str
    left: str
    right: sp.Expr
    reason: str

    @property
    def equation(self) -> str:
        """As LaTeX. A symbol whose name has a backslash is LaTeX already; sympy would split it at its underscores."""
        names = {s: f"{{{s.name}}}" for s in self.right.free_symbols if "\\" in s.name}
        return f"{self.left} = {sp.latex(self.right, symbol_names=names)}"


@dataclass(frozen=True)
class Derivation:
    """Named steps, and the residuals that sympy must have reduced to 0 for them to prove anything."""

    steps: tuple[Step, ...]
    residuals: tuple[sp.Expr, ...]

    @property
    def holds(self) -> bool:
        return all(residual == 0 for residual in self.residuals)

    def _repr_markdown_(self) -> str:
        return "\n\n".join(
            f"**{number}. {step.name}.** {step.reason}\n\n$$\n{step.equation}\n$$"
            for number, step in enumerate(self.steps, start=1)
        )


def along(expression: sp.Expr, rates: Rates) -> sp.Expr:
    """The derivative in time of an expression along the flow that moves each symbol at its rate."""
    return sp.Add(*(sp.diff(expression, symbol) * rate for symbol, rate in rates.items()))


def total(term: sp.Expr, depth: Depth = L) -> sp.Expr:
    r"""The sum over all components of a term proportional to $p_i u_i^L$."""
    factor = sp.simplify(term / (p * u**depth))
    if factor.has(p, u):
        raise ValueError(f"term must be proportional to p_i u_i^L, got {term}")
    return factor * pull


def summed(term: sp.Expr, depth: Depth = L, norm: sp.Expr | int = 1) -> sp.Expr:
    r"""The sum over all components of a quadratic form in $p_i u_i^{L-1}$ and $u_i$, where $\|u\|^2$ = `norm`."""
    slope, square = sp.Symbol("q_i"), sp.Symbol(r"{\lVert p\odot u^{L-1}\rVert^2}", positive=True)
    polynomial = sp.Poly(sp.powsimp(sp.expand(term.subs(p, slope / u ** (depth - 1)))), slope, u)
    sums = {(2, 0): square, (1, 1): pull, (0, 2): norm}
    return sp.Add(*(coefficient * sums[powers] for powers, coefficient in polynomial.terms()))


def plain_rates(depth: Depth = L) -> dict[sp.Symbol, sp.Expr]:
    """Gradient flow, one component."""
    return {x: depth * p * x ** (depth - 1)}


def polar_rates(depth: Depth = L, radial: sp.Expr = eta_u / c, angular: sp.Expr = eta_u) -> dict[sp.Symbol, sp.Expr]:
    """Weight-normalized gradient flow: the radius and one component of the direction."""
    return {
        r: radial * depth * r ** (depth - 1) * pull,
        u: angular * depth * r**depth * (p * u ** (depth - 1) - pull * u),
    }


def magnified() -> sp.Expr:
    """One component of z."""
    return u * sp.exp(c * r**2 / 2)


def speed(depth: Depth = L, log_magnification: sp.Expr = c * r**2 / 2) -> sp.Expr:
    r"""$\kappa$, the speed of z along the plain flow's field."""
    return eta_u * r**depth * sp.exp((2 - depth) * log_magnification)


def mirror(coordinate: sp.Expr, depth: Depth = L) -> sp.Expr:
    r"""$m_L$, one component. The general formula holds for L = 1 as well; L = 2 is its limit, less a constant."""
    return sp.log(coordinate) if depth == 2 else coordinate ** (2 - depth) / (2 - depth)


def polar_flow(depth: Depth = L) -> Derivation:
    """Weight-normalized gradient flow is gradient flow on polar coordinates, by the chain rule."""
    weight = (r * u) ** depth
    radial = total(p * sp.diff(weight, r), depth)
    angular = tidy(p * sp.diff(weight, u))
    normal = total(angular * u, depth)
    common = depth * r**depth
    tangential = common * tidy(angular / common - normal / common * u)
    rates = polar_rates(depth, eta_r, eta_u)
    steps = (
        Step("One weight", "w_i", weight, "A weight is a power of its factor $x_i = r u_i$."),
        Step(
            "Gradient in the radius",
            r"-\frac{\partial\ell}{\partial r}",
            radial,
            r"Every weight depends on $r$, and $-\partial\ell/\partial w_i = p_i$: the chain rule is a sum over $i$.",
        ),
        Step(
            "Gradient in the direction",
            r"-\frac{\partial\ell}{\partial u_i}",
            angular,
            "Only one weight depends on $u_i$.",
        ),
        Step(
            "Its normal part",
            r"-\langle\nabla_u\ell, u\rangle",
            normal,
            r"Moving along this part would change $\lVert u\rVert$; it is the inner product with $u$.",
        ),
        Step(
            "Its tangential part",
            r"-\left(\nabla_u\ell-\langle\nabla_u\ell,u\rangle u\right)_i",
            tangential,
            "Subtract the normal part: this is the gradient on the sphere.",
        ),
    )
    return Derivation(steps, reduced(eta_r * radial - rates[r], eta_u * tangential - rates[u]))


def plain_as_polar(depth: Depth = L) -> Derivation:
    r"""Gradient flow is the case $\eta_u = \eta_r/r^2$."""
    motion = sp.expand(along(r * u, polar_rates(depth, eta_r, eta_u)))
    along_force = motion.coeff(pull, 0)
    excess = sp.simplify(motion.coeff(pull, 1) / (u * r ** (depth - 1)))
    matched = sp.simplify(motion.subs(eta_u, eta_r / r**2))
    plain = eta_r * plain_rates(depth)[x].subs(x, r * u)
    steps = (
        Step("Product rule", "x_i'", tidy(along_force) + excess * r ** (depth - 1) * pull * u, "$x_i = r u_i$."),
        Step(
            "Match the rates",
            r"\left.x_i'\right|_{\eta_u=\eta_r/r^2}",
            matched,
            r"The second term vanishes if $\eta_u r^2 = \eta_r$.",
        ),
        Step(
            "Compare",
            r"\eta_r L p_i x_i^{L-1}",
            plain,
            "Gradient flow, with its learning rate, at $x_i = r u_i$.",
        ),
    )
    return Derivation(steps, reduced(excess.subs(eta_u, eta_r / r**2), matched - plain))


def identical_factors(depth: int) -> Derivation:
    r"""A product of `depth` factors, equal at the start: they stay equal, at 1/L of gradient flow's speed."""
    depth = check.integer("depth", depth, least=1)
    factors = sp.symbols([f"x^{{({k})}}_i" for k in range(1, depth + 1)], positive=True)
    equal = dict.fromkeys(factors, x)
    velocities = [p * sp.diff(sp.Mul(*factors), factor) for factor in factors]
    common = velocities[0].subs(equal)
    steps = (
        Step(
            "One factor",
            r"\left(x^{(1)}_i\right)'",
            velocities[0],
            r"Gradient flow on $w = x^{(1)} \odot \dots \odot x^{(L)}$: the force times the other factors.",
        ),
        Step("All equal", "x_i'", common, "The same for every factor: equal factors stay equal."),
    )
    differences = [velocity.subs(equal) - common for velocity in velocities]
    return Derivation(steps, reduced(*differences, depth * common - plain_rates(depth)[x]))


def magnification(depth: Depth = L) -> Derivation:
    """Magnified coordinates follow the plain flow's field."""
    rates, z, factor = polar_rates(depth), magnified(), sp.exp(c * r**2 / 2)
    along_u = factor * rates[u]
    along_r = sp.simplify(sp.diff(z, r) * rates[r])
    motion = sp.simplify(along_u + along_r)
    field = speed(depth) * depth * p * z ** (depth - 1)
    steps = (
        Step("Magnify", "z_i", z, "The direction, blown up by a factor that depends on the radius alone."),
        Step(
            "The direction's share",
            r"\frac{\partial z_i}{\partial u_i} u_i'",
            along_u,
            "Product rule, first term.",
        ),
        Step(
            "The radius' share",
            r"\frac{\partial z_i}{\partial r} r'",
            along_r,
            r"Product rule, second term; $c\, r\, r' = \eta_u L r^L \langle p, u^L\rangle$ as $c\, \eta_r = \eta_u$.",
        ),
        Step(
            "The normal components cancel exactly",
            "z_i'",
            motion,
            r"The terms with $\langle p, u^L\rangle$ are equal and opposite. Nothing couples the components any more.",
        ),
        Step(
            "Read off the speed",
            r"\kappa",
            speed(depth),
            r"Write $u_i^{L-1} = z_i^{L-1} e^{-(L-1) c r^2/2}$ and collect the positive factors.",
        ),
        Step(
            "Residual",
            r"z_i' - \kappa L p_i z_i^{L-1}",
            reduced(motion - field)[0],
            "What is left between the two sides.",
        ),
    )
    return Derivation(steps, reduced(along(z, rates) - field))


def invariance(depth: Depth = L) -> Derivation:
    r"""$m_L(z)' = \kappa L\, p$, which is in row(A)."""
    symbol = sp.Symbol("z_i", positive=True)
    slope = sp.simplify(sp.diff(mirror(symbol, depth), symbol))
    motion = sp.simplify(along(mirror(magnified(), depth), polar_rates(depth)))
    target = speed(depth) * depth * p
    steps = (
        Step("The map", "m_L(z_i)", mirror(symbol, depth), "One component at a time."),
        Step(
            "Its slope",
            "m_L'(z_i)",
            slope,
            "Positive, so $m_L$ is strictly increasing: as a map of the open orthant it has a smooth inverse.",
        ),
        Step(
            "Chain rule",
            "m_L(z_i)'",
            tidy(slope * sp.Symbol(r"\kappa") * depth * p * symbol ** (depth - 1)),
            r"Slope times $z_i' = \kappa L p_i z_i^{L-1}$: the powers of $z_i$ cancel.",
        ),
        Step(
            "Residual",
            r"m_L(z_i)' - \kappa L p_i",
            reduced(motion - target)[0],
            "With $z_i$ and $\\kappa$ written out in $r$ and $u_i$.",
        ),
    )
    return Derivation(steps, reduced(motion - target))


def scheduled(depth: Depth = L) -> Derivation:
    """Learning rates that vary separately: what magnifies is the path, not the radius."""
    rates = polar_rates(depth, eta_r, eta_u)
    growth = tidy(eta_u / eta_r * r * rates[r])
    path = {**rates, sigma: growth}
    z = u * sp.exp(sigma)
    field = speed(depth, sigma) * depth * p * z ** (depth - 1)
    # The old coordinates, with a ratio that moves at the rate c': what they miss.
    old = magnified()
    old_field = speed(depth) * depth * p * old ** (depth - 1)
    missed = sp.simplify(along(old, {**polar_rates(depth), c: dc}) - old_field)
    coordinate = sp.Symbol("z_i")
    steps = (
        Step(
            "Magnify along the path",
            r"\sigma'",
            growth,
            r"In place of $\sigma = c\, r^2/2$: $\sigma' = c(t)\, r\, r'$.",
        ),
        Step(
            "The normal components still cancel",
            r"\tilde z_i'",
            sp.simplify(along(z, path)),
            r"For $\tilde z_i = u_i e^{\sigma}$. No learning rate was differentiated, so they may depend on time.",
        ),
        Step(
            "Residual",
            r"\tilde z_i' - \tilde\kappa L p_i \tilde z_i^{L-1}",
            reduced(along(z, path) - field)[0],
            r"With $\tilde\kappa = \eta_u r^L e^{(2-L)\sigma}$.",
        ),
        Step(
            "What the old coordinates miss",
            r"z_i' - \kappa L p_i z_i^{L-1}",
            sp.simplify(missed / old) * coordinate,
            r"With $z_i = u_i e^{c(t) r^2/2}$ a term in $c'$ is left over: it is not proportional to $p_i$.",
        ),
    )
    return Derivation(steps, reduced(along(z, path) - field, missed - dc * r**2 / 2 * old))


def explicit_check(depth: int, n: int = 3) -> tuple[sp.Expr, ...]:
    r"""Residuals for `n` components and one measurement, with every inner product written out and nothing assumed.

    The rates are derivatives of the loss itself. Of the residuals, n are $z_i' - \kappa L p_i z_i^{L-1}$, one belongs
    to the norm of u, n - 1 to the invariants $\langle v, m_L(z)\rangle$ of a basis v of the kernel.
    """
    flow = written_out(check.integer("depth", depth, least=1), check.integer("n", n, least=2))
    a, norm = flow.row, sum(u_i**2 for u_i in flow.direction)
    return reduced(
        *(
            along(z_i, flow.rates) - speed(depth) * depth * force * z_i ** (depth - 1)
            for z_i, force in zip(flow.z, flow.force, strict=True)
        ),
        along(norm, flow.rates) - 2 * eta_u * flow.normal * (1 - norm),
        *(
            along(a[i + 1] * mirror(flow.z[i], depth) - a[i] * mirror(flow.z[i + 1], depth), flow.rates)
            for i in range(n - 1)
        ),
    )


@dataclass(frozen=True)
class WrittenOut:
    r"""Weight normalization of a few weights and one measurement, every inner product written out, nothing assumed.

    row        the entries of A
    y          the measurement
    direction  u, of any norm
    loss       as a function of r and u
    force      p
    normal     $-\langle\nabla_u\ell, u\rangle$
    rates      r' and u', by derivatives of the loss itself
    """

    row: tuple[sp.Symbol, ...]
    y: sp.Symbol
    direction: tuple[sp.Symbol, ...]
    loss: sp.Expr
    force: tuple[sp.Expr, ...]
    normal: sp.Expr
    rates: dict[sp.Symbol, sp.Expr]

    @property
    def z(self) -> tuple[sp.Expr, ...]:
        """The magnified coordinates."""
        return tuple(u_i * sp.exp(c * r**2 / 2) for u_i in self.direction)


def written_out(depth: Depth, n: int = 3, radial: sp.Expr = eta_u / c) -> WrittenOut:
    """The flow with `n` components; `radial` is the learning rate of the radius."""
    a, us = sp.symbols(f"a_1:{n + 1}", real=True), sp.symbols(f"u_1:{n + 1}", positive=True)
    y = sp.Symbol("y", real=True)
    residual = y - sum(a_i * (r * u_i) ** depth for a_i, u_i in zip(a, us, strict=True))
    loss = residual**2 / 2
    slopes = [-sp.diff(loss, u_i) for u_i in us]
    normal = sum(slope * u_i for slope, u_i in zip(slopes, us, strict=True))
    rates = {r: -radial * sp.diff(loss, r)}
    rates |= {u_i: eta_u * (slope - normal * u_i) for u_i, slope in zip(us, slopes, strict=True)}
    return WrittenOut(a, y, us, loss, tuple(a_i * residual for a_i in a), normal, rates)


def reduced(*expressions: sp.Expr) -> tuple[sp.Expr, ...]:
    """Residuals as far as sympy simplifies them: 0 where it proves the two sides equal."""
    return tuple(sp.simplify(sp.expand(expression)) for expression in expressions)


def tidy(expression: sp.Expr) -> sp.Expr:
    """Products written out, the powers of each base collected."""
    return sp.powsimp(sp.expand(sp.expand_power_base(expression)), combine="exp")
