"""How numbers are written in prose and tables."""

LARGEST = 1e300  # files write what is infinite as the largest number
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None) -> str:
    """Two digits, with a power of ten where that is shorter: 0.031, 3.1·10⁻¹³, ∞. None stands for NaN."""
    if value is None:
        return "undefined"
    if abs(value) >= LARGEST:
        return "∞" if value > 0 else "-∞"
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{float(f'{value:.2g}'):,g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}·{power(int(exponent))}"


def power(exponent: int) -> str:
    """A power of ten, written as one from 100 on and below 1."""
    return ("1", "10")[exponent] if exponent in (0, 1) else "10" + str(exponent).translate(SUPERSCRIPTS)
