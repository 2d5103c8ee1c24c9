"""The building blocks of derivations: right formulas leave no residual, wrong ones do, at any depth."""

import re
from collections.abc import Callable, Iterator

import pytest
import sympy as sp

from companion import theorems
from companion.theorems import factors, magnification
from companion.verification import symbolic
from companion.verification.symbolic import (
    Derivation,
    L,
    along,
    c,
    eta_r,
    eta_u,
    magnified,
    mirror,
    p,
    plain_rates,
    polar_rates,
    pull,
    r,
    sigma,
    speed,
    total,
    u,
    x,
)

DEPTHS = [L, 1, 2, 3, 4, 5, 6]


def magnification_residual(
    depth: sp.Expr | int, z: sp.Expr, kappa: sp.Expr, power: sp.Expr | int, **rates: sp.Expr
) -> sp.Expr:
    return sp.simplify(sp.expand(along(z, polar_rates(depth, **rates)) - kappa * depth * p * z**power))


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_right_magnification_leaves_no_residual(depth: sp.Expr | int) -> None:
    assert magnification_residual(depth, magnified(), speed(depth), depth - 1) == 0


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    "mutant",
    [
        lambda depth: (u * sp.exp(-c * r**2 / 2), speed(depth), depth - 1),
        lambda depth: (u * sp.exp(c * r**2), speed(depth), depth - 1),
        lambda depth: (r * u, speed(depth), depth - 1),
        lambda depth: (magnified(), speed(depth), depth),
        lambda depth: (magnified(), 2 * speed(depth), depth - 1),
    ],
    ids=["sign of c", "factor 2 in c", "x for z", "power L for L - 1", "factor 2 in kappa"],
)
def test_a_wrong_magnification_leaves_a_residual(
    mutant: Callable[..., tuple[sp.Expr, ...]], depth: sp.Expr | int
) -> None:
    assert magnification_residual(depth, *mutant(depth)) != 0


@pytest.mark.parametrize("depth", [L, 1, 3, 4])
def test_kappa_needs_its_exponential_unless_the_depth_is_two(depth: sp.Expr | int) -> None:
    assert magnification_residual(depth, magnified(), eta_u * r**depth, depth - 1) != 0
    assert magnification_residual(2, magnified(), eta_u * r**2, 1) == 0


def test_the_ratio_must_be_that_of_the_rates() -> None:
    assert magnification_residual(L, magnified(), speed(), L - 1, radial=eta_r) != 0
    assert magnification_residual(L, magnified(), speed(), L - 1, radial=eta_u / c) == 0


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_wrong_mirror_map_is_not_invariant(depth: sp.Expr | int) -> None:
    for wrong in (mirror(r * u, depth), magnified() ** (3 - depth) if depth != 3 else sp.log(magnified())):
        assert sp.simplify(along(wrong, polar_rates(depth)) - speed(depth) * depth * p) != 0


@pytest.mark.parametrize("depth", DEPTHS)
def test_gradient_flow_has_the_same_invariants(depth: sp.Expr | int) -> None:
    assert sp.simplify(along(mirror(x, depth), plain_rates(depth)) - depth * p) == 0
    assert sp.simplify(along(x ** (3 - depth), plain_rates(depth)) - depth * p) != 0


def test_the_path_must_be_followed_at_the_present_ratio() -> None:
    z = u * sp.exp(sigma)
    field = speed(L, sigma) * L * p * z ** (L - 1)
    growth = eta_u / eta_r * r * polar_rates(L, eta_r)[r]
    for factor, vanishes in ((1, True), (2, False), (-1, False)):
        residual = along(z, {**polar_rates(L, eta_r), sigma: factor * growth}) - field
        assert (sp.simplify(sp.expand(residual)) == 0) == vanishes


def test_a_residual_makes_a_derivation_fail() -> None:
    assert not Derivation((), (sp.Integer(0), p)).holds


def test_total_sums_what_is_proportional_to_the_inner_product() -> None:
    assert total(3 * p * u**L * r) == 3 * r * pull
    with pytest.raises(ValueError, match="proportional to p_i u_i\\^L"):
        total(p * u)


def test_a_derivation_reads_as_markdown() -> None:
    text = magnification.derive()._repr_markdown_()
    assert text.startswith("**1. Magnify.** ")
    assert "$$\nz_i = u_{i} e^{\\frac{c r^{2}}{2}}\n$$" in text


def test_summed_sums_squares_of_the_slopes_and_of_the_direction() -> None:
    slopes = sp.Symbol(r"{\lVert p\odot u^{L-1}\rVert^2}", positive=True)
    assert symbolic.summed((p * u ** (L - 1) - 2 * u) ** 2) == slopes - 4 * pull + 4
    assert symbolic.summed(u**2, norm=r) == r


@pytest.mark.parametrize("depth", [0, -1, 2.5])
def test_bad_depth(depth: float) -> None:
    with pytest.raises(ValueError, match="depth must be"):
        factors.derive(depth)


def test_names_that_are_latex_are_printed_as_they_are() -> None:
    limit = sp.Symbol(r"\rho(w_\infty)", positive=True)
    step = symbolic.Step("Square", "s", limit**2 + sp.Symbol("u_i"), "")
    assert step.equation == r"s = {\rho(w_\infty)}^{2} + u_{i}"


def test_a_sum_begins_with_a_positive_term() -> None:
    S, Q = sp.symbols("S Q", positive=True)
    assert symbolic.Step("Excess", "e", (S - Q) / Q, "").equation == r"e = \frac{S - Q}{Q}"
    assert symbolic.Step("Fall", "f", -S - Q, "").equation == "f = - Q - S"
    assert symbolic.Step("Expand", "x", 1 - S + sp.O(S**2), "").equation == r"x = 1 - S + O\left(S^{2}\right)"


def test_a_bound_is_printed_with_its_relation() -> None:
    assert symbolic.Step("Bound", "S - Q", r, "", r"\le").equation == r"S - Q \le r"
    with pytest.raises(ValueError, match="the relation of 'Bound' must be one of"):
        _ = symbolic.Step("Bound", "S - Q", r, "", "<").equation


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("", r),
        ("  {} ", r),
        (r"\lim_{c\to\infty}", r),
        ("c", sp.Symbol(" ")),
        ("r", r),
        (r"\left( c + r \right)^{2}", (r + c) ** 2),
    ],
)
def test_a_side_that_is_empty_or_repeats_the_other_is_refused(left: str, right: sp.Expr) -> None:
    with pytest.raises(ValueError, match="the sides of 'Wrong' must differ, neither empty"):
        _ = symbolic.Step("Wrong", left, right, "").equation


@pytest.mark.parametrize(
    ("left", "right"),
    [("E = r", c), ("E", sp.Le(r, c, evaluate=False)), (r"E \ge r", c), (r"\lim E \to r", c), ("E < r", c)],
)
def test_a_side_with_a_relation_of_its_own_is_refused(left: str, right: sp.Expr) -> None:
    with pytest.raises(ValueError, match="a side of 'Wrong' must have no relation of its own"):
        _ = symbolic.Step("Wrong", left, right, "").equation


def test_indices_may_have_relations() -> None:
    assert symbolic.Step("Sum", r"\sum_{i=1}^N w_i", r, "").equation == r"\sum_{i=1}^N w_i = r"
    assert symbolic.Step("Length", r"\left\|w\right\|", r, "").equation == r"\left\|w\right\| = r"


def parts(latex: str) -> Iterator[str]:
    """Every part in braces, and the whole, without the parts in braces inside it."""
    while True:
        inner = re.search(r"\{([^{}]*)\}", latex)
        if inner is None:
            yield latex
            return
        yield inner[1]
        latex = latex[: inner.start()] + latex[inner.end() :]


@pytest.mark.parametrize("name", theorems.names())
def test_equations_of_derivations_are_well_formed(name: str) -> None:
    theorem = theorems.theorem(name)
    for step in (step for depth in theorem.depths for step in theorem.derive(depth).steps):
        for part in parts(step.equation.replace(r"\{", "").replace(r"\}", "")):
            assert part.count("(") == part.count(")"), step
            assert part.count(r"\langle") == part.count(r"\rangle"), step
