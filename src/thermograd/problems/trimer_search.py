"""Three atoms going downhill: the steps of L-BFGS, and the minimum at which they end."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from thermograd.problems.trimer_energy import LONGEST_OVER_SHORTEST, energy_and_slopes, line, triangle

Vector = npt.NDArray[np.float64]

_RESTARTS = 5
_NEAR = 1e-6
_STUCK = 1e-3
_DESCENTS, _LENGTH = 20, 0.02
_CLOSEST = 1e-30


class Descent(NamedTuple):
    """How a search went.

    Attributes:
        path: distances r₁₂, r₁₃, r₂₃ at the start and after each iteration, (iterations + 1, 3).
        label: 0 triangle; 1, 2, 3 line whose longest distance is r₁₂, r₁₃, r₂₃; None = no minimum was reached.
        energy: where it ended.
    """

    path: Vector
    label: int | None
    energy: float


def descend(start: Vector, axilrod_teller: float) -> Descent:
    """The way of three atoms to a minimum by L-BFGS (Byrd, Lu, Nocedal, Zhu, SIAM J. Sci. Comput. 16, 1190 (1995)).

    A search that ends elsewhere than at a minimum goes on from where it ended, up to five times. The first step of L-BFGS has
    length 1: two atoms that do little but repel or attract each other are both moved by 1/√2, and at a distance near √2
    that throws them onto each other, the line search shrinks to nothing and the search stops where it began (about
    3 % of starts in the default box). Such atoms first take 20 steps of length 0.02 straight downhill, which are not counted as
    iterations.

    Args:
        start: x, y, z of the three atoms, (9,).
        axilrod_teller: strength of the three-body term.

    Returns:
        Path, label and energy.
    """
    position, path, energy = start, [distances(start)], math.inf
    for _ in range(1 + _RESTARTS):
        end, energy, iterates = _searched(position, axilrod_teller)
        if _settled(end, energy, axilrod_teller):
            return Descent(np.array(path + iterates), _label(end), energy)
        if np.abs(end - position).max() < _STUCK:
            position = _straight_down(position, axilrod_teller)
        else:
            path, position = path + iterates, end
    return Descent(np.array(path), None, energy)


def energy_and_gradient(position: Vector, axilrod_teller: float) -> tuple[float, Vector]:
    """E and its gradient, with plain numbers: nine are too few for arrays to pay.

    Args:
        position: x, y, z of the three atoms, (9,).
        axilrod_teller: strength of the three-body term.

    Returns:
        E, and ∂E/∂x, (9,).
    """
    x, y, z, u, v, w, p, q, r = position.tolist()
    first, second, third = (x - u, y - v, z - w), (x - p, y - q, z - r), (u - p, v - q, w - r)
    a, b, c = (max(i * i + j * j + k * k, _CLOSEST) for i, j, k in (first, second, third))
    energy, *slopes = energy_and_slopes(a, b, c, axilrod_teller)
    a, b, c = (2 * slope for slope in slopes)
    along = [(a * i, b * j, c * k) for i, j, k in zip(first, second, third, strict=True)]
    gradient = [i + j for i, j, _ in along] + [k - i for i, _, k in along] + [-j - k for _, j, k in along]
    return energy, np.array(gradient)


def distances(position: Vector) -> Vector:
    """r₁₂, r₁₃, r₂₃ of positions `(9,)`.

    >>> distances(np.array([0.0, 0, 0, 3, 0, 0, 3, 4, 0]))
    array([3., 5., 4.])
    """
    one, two, three = position.reshape(3, 3)
    return np.array([math.dist(one, two), math.dist(one, three), math.dist(two, three)])


def _searched(start: Vector, axilrod_teller: float) -> tuple[Vector, float, list[Vector]]:
    """Where L-BFGS ends, the energy there, and the distances after each iteration."""
    iterates: list[Vector] = []
    found = minimize(  # type: ignore[call-overload]  # its stubs want named array types
        lambda position: energy_and_gradient(position, axilrod_teller),
        start,
        jac=True,
        method="L-BFGS-B",
        callback=lambda position: iterates.append(distances(position)),
        options={"ftol": 1e-15, "gtol": 1e-8, "maxiter": 2000},
    )
    return found.x, float(found.fun), iterates


def _straight_down(position: Vector, axilrod_teller: float) -> Vector:
    for _ in range(_DESCENTS):
        _, gradient = energy_and_gradient(position, axilrod_teller)
        position = position - _LENGTH * gradient / max(float(np.linalg.norm(gradient)), _CLOSEST)
    return position


def _settled(position: Vector, energy: float, axilrod_teller: float) -> bool:
    """Whether the energy is that of the minimum whose form this is."""
    minimum = line(axilrod_teller) if _label(position) else triangle(axilrod_teller)
    return abs(energy - minimum.energy) < _NEAR


def _label(position: Vector) -> int:
    lengths = distances(position)
    stretched = lengths.max() > LONGEST_OVER_SHORTEST * lengths.min()
    return 1 + int(np.argmax(lengths)) if stretched else 0
