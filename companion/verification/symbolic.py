r"""Symbolic building blocks of the derivations that theorems hold and chapters show step by step.

One component stands for all: u, x, p are the entries $u_i$, $x_i$, $p_i$ of vectors of any length, and what couples
them, the inner product $\langle p, u^L\rangle$, is one symbol. Learning rates are symbols too: a derivation that never
differentiates them holds for rates that vary in time. The depth is the symbol $L$, or a number.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import sympy as sp
from sympy.printing.latex import LatexPrinter

Rates: TypeAlias = Mapping[sp.Symbol, sp.Expr]
Depth: TypeAlias = sp.Expr | int

L, r, u, x, c = sp.symbols("L r u_i x_i c", positive=True)
eta_r, eta_u = sp.symbols(r"\eta_r \eta_u", positive=True)
p, sigma, dc = sp.symbols(r"p_i \sigma c'", real=True)
pull = sp.Symbol(r"{\langle p, u^L\rangle}", real=True)


RELATIONS = ("=", r"\le", r"\ge")


@dataclass(frozen=True)
class Step:
    """One line of a derivation: what is done, what it gives, and why it may be done.

    What it gives is a left side (as LaTeX), one of `RELATIONS`, and a right side.
    """

    name: str
    left: str
    right: sp.Expr
    reason: str
    relation: str = "="

    @property
    def equation(self) -> str:
        """As LaTeX. Raises ValueError where that would say nothing, or more than one thing.

        A symbol whose name has a backslash is LaTeX already; sympy would split it at its underscores.
        """
        names = {s: f"{{{s.name}}}" for s in self.right.free_symbols if "\\" in s.name}
        right = _Printer({"symbol_names": names}).doprint(self.right)
        if self.relation not in RELATIONS:
            raise ValueError(f"the relation of {self.name!r} must be one of {RELATIONS}, got {self.relation!r}")
        sides = _bare(self.left), _bare(right)
        if not all(sides) or sides[0] == sides[1]:
            raise ValueError(f"the sides of {self.name!r} must differ, neither empty, got {self.left!r} and {right!r}")
        for side in (self.left, right):
            if _RELATION.search(_outside_braces(side)):
                raise ValueError(f"a side of {self.name!r} must have no relation of its own, got {side!r}")
        return f"{self.left} {self.relation} {right}"


_RELATION = re.compile(r"[=<>]|\\(leq?|geq?|ne|to)(?![a-z])")


def _outside_braces(latex: str) -> str:
    """Without what braces hold: an index or an exponent may have a relation."""
    while (shorter := re.sub(r"\{[^{}]*\}", "", latex)) != latex:
        latex = shorter
    return latex


def _bare(latex: str) -> str:
    """What is left without spaces, braces and sizes of parentheses, and without a limit that nothing is taken of."""
    without_limits = re.sub(r"\\lim_\{[^{}]*\}", "", latex)
    return re.sub(r"\\left(?![a-z])|\\right(?![a-z])|\\[,;!]|[\s{}]", "", without_limits)


class _Printer(LatexPrinter):  # type: ignore[misc]  # sympy has no types
    """Sums begin with a positive term, where there is one, and end with what is left out: S - Q + O(h), not -Q + S."""

    def _as_ordered_terms(self, expr: sp.Expr, order: str | None = None) -> list[sp.Expr]:
        terms = super()._as_ordered_terms(expr, order=order)
        return sorted(terms, key=lambda term: (bool(term.is_Order), bool(term.as_coeff_Mul()[0] < 0)))


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
