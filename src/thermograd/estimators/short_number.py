"""Numbers of very different size in a few characters."""

from __future__ import annotations


def short_number(value: float) -> str:
    """Two significant digits, with a power of ten below 0.01 and from 1e6 on.

    >>> [short_number(value) for value in (4.2e-4, 1e-3, 0.3, 17.8, 56234, 3e7)]
    ['4.2e-4', '1e-3', '0.3', '18', '56234', '3e7']
    """
    if value == 0 or 0.01 <= abs(value) < 100:
        return f"{value:.2g}"
    if 100 <= abs(value) < 1e6:
        return f"{value:.0f}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
