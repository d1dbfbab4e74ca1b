"""Energy of three Lennard-Jones atoms with the triple-dipole term, its slopes, and its two minima in closed form."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

LONGEST_OVER_SHORTEST = 1.5
"""Between 1 of the triangle and 2 of the line."""

_ROUNDING = 1e-3


def trimer_energy(distances: npt.ArrayLike, axilrod_teller: float = 2.0) -> Any:
    """Energy of three atoms from their distances, in units of the depth and the diameter of the pair potential.

    E = Σ_pairs 4 (r⁻¹² − r⁻⁶) + Z (1 + 3 cos α cos β cos γ) / (r₁₂ r₁₃ r₂₃)³, with the angles of the triangle: Lennard-Jones
    (Proc. Phys. Soc. 43, 461 (1931)) and Axilrod, Teller (J. Chem. Phys. 11, 299 (1943)).

    Args:
        distances: r₁₂, r₁₃, r₂₃ on the last axis.
        axilrod_teller: strength Z of the three-body term.

    Returns:
        Energies, of the shape of the other axes.

    Raises:
        ValueError: not three distances, or no triangle has them, rounding to three digits allowed for.

    >>> float(trimer_energy([1.0, 1.0, 1.0])), float(trimer_energy([1.0, 2.0, 1.0]))  # 2 · 11/8; 4(2⁻¹² − 2⁻⁶) − 2 · 2/8
    (2.75, -0.5615234375)
    """
    lengths = np.asarray(distances, np.float64)
    if lengths.shape[-1:] != (3,):
        message = f"distances have shape {lengths.shape}; give r12, r13, r23 on the last axis"
        raise ValueError(message)
    sides = np.sort(lengths, axis=-1)
    if (
        not (sides[..., 0] > 0).all()
        or not (sides[..., 2] <= (sides[..., 0] + sides[..., 1]) * (1 + _ROUNDING)).all()
    ):
        message = "distances must be positive, none longer than the sum of the other two"
        raise ValueError(message)
    first, second, third = np.moveaxis(lengths**2, -1, 0)
    return energy_and_slopes(first, second, third, axilrod_teller)[0]


def energy_and_slopes(a: Any, b: Any, c: Any, axilrod_teller: float) -> tuple[Any, Any, Any, Any]:
    """E and its derivatives by the squared distances a = r₁₂², b = r₁₃², c = r₂₃², numbers or arrays.

    By the law of cosines cos α cos β cos γ = p / (8 a b c) with p = (a + b − c)(a + c − b)(b + c − a).

    Args:
        a: r₁₂².
        b: r₁₃².
        c: r₂₃².
        axilrod_teller: Z.

    Returns:
        E, ∂E/∂a, ∂E/∂b, ∂E/∂c.
    """
    u, v, w = a + b - c, a + c - b, b + c - a
    cubed = (a * b * c) ** -1.5
    angular = 0.375 * cubed / (a * b * c)
    energy = axilrod_teller * (cubed + angular * u * v * w)
    common = -axilrod_teller * (1.5 * cubed + 2.5 * angular * u * v * w)
    slopes = []
    for square, of_product in (
        (a, u * w + v * w - u * v),
        (b, u * v + v * w - u * w),
        (c, u * v + u * w - v * w),
    ):
        sixth = square**-3
        energy = energy + 4 * (sixth * sixth - sixth)
        pair = 4 * (3 * sixth - 6 * sixth * sixth) / square
        slopes.append(pair + common / square + axilrod_teller * angular * of_product)
    return energy, *slopes


class Minimum(NamedTuple):
    """A minimum of the energy: its shortest distance, and its energy."""

    bond: float
    energy: float


def triangle(axilrod_teller: float = 2.0) -> Minimum:
    """The equilateral triangle: with u = r⁻³, E = 12 u⁴ + (11/8) Z u³ − 12 u².

    Args:
        axilrod_teller: Z.

    >>> bond, energy = triangle(0.0)
    >>> round(bond**6, 12), round(energy, 12)  # three pairs at their minimum
    (2.0, -3.0)
    >>> [round(value, 7) for value in triangle()]
    [1.1687523, -2.1850988]
    """
    return _stationary(12.0, 11 / 8 * axilrod_teller, 12.0)


def line(axilrod_teller: float = 2.0) -> Minimum:
    """The line of two equal bonds r: with u = r⁻³, E = (8 + 4⁻⁵) u⁴ − (Z/4) u³ − (8 + 4⁻²) u².

    A minimum where Z is large enough, else the saddle between two triangles.

    Args:
        axilrod_teller: Z.

    >>> [round(value, 7) for value in line()]
    [1.1087629, -2.2190982]
    """
    return _stationary(8 + 4**-5, -axilrod_teller / 4, 8 + 4**-2)


def _stationary(fourth: float, third: float, second: float) -> Minimum:
    """Where fourth u⁴ + third u³ − second u² is least, u = r⁻³ > 0: a root of a quadratic equation."""
    root = (-3 * third + math.sqrt(9 * third**2 + 32 * fourth * second)) / (8 * fourth)
    return Minimum(root ** (-1 / 3), fourth * root**4 + third * root**3 - second * root**2)
