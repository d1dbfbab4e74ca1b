"""Learning rate and temperature of a posterior sampler from epoch to epoch: cyclical, or decaying."""

from __future__ import annotations

import math
from dataclasses import dataclass

from thermograd.numerics.whole_number import check_whole_number


@dataclass(frozen=True)
class cyclical:  # ruff: ignore[invalid-class-name]  # called like a function, and compared and printed like a value
    """Epoch -> (factor of η, factor of T): ½ (cos π·phase + 1), with T = 0 while phase < explore.

    Zhang, Li, Zhang, Chen and Wilson (arXiv 1902.03932, Eq 1 and section 3): each cycle explores at a large rate without noise, then
    samples at falling rates. Draws of the exploration have weight 0.

    Attributes:
        cycle_epochs: length of a cycle.
        explore: share of a cycle that explores.

    Raises:
        ValueError: no whole number of epochs, or a cycle that only explores.

    >>> steps = cyclical(10, explore=0.5)
    >>> [tuple(round(factor, 3) for factor in steps(epoch)) for epoch in (0, 4, 5, 9)]
    [(1.0, 0.0), (0.655, 0.0), (0.5, 1.0), (0.024, 1.0)]
    """

    cycle_epochs: int
    explore: float = 0.8

    def __post_init__(self) -> None:
        check_whole_number("cycle_epochs", self.cycle_epochs, 1)
        if not 0 <= self.explore < 1:
            message = f"explore is {self.explore!r}; it must be a share, 0 or larger and below 1"
            raise ValueError(message)
        if (self.cycle_epochs - 1) / self.cycle_epochs < self.explore:
            message = (
                f"a cycle of {self.cycle_epochs} epochs explores all the time with explore={self.explore:g}; take cycle_epochs >= "
                f"{math.ceil(round(1 / (1 - self.explore), 9))}, or explore less"
            )
            raise ValueError(message)

    def __call__(self, epoch: int) -> tuple[float, float]:
        """The factors of an epoch, 0, 1, ...."""
        phase = epoch % self.cycle_epochs / self.cycle_epochs
        return (math.cos(math.pi * phase) + 1) / 2, float(phase >= self.explore)


@dataclass(frozen=True)
class decaying:  # ruff: ignore[invalid-class-name]  # called like a function, and compared and printed like a value
    """Epoch -> (factor of η, 1): (1 + epoch/offset)^−exponent, which forgets the bias of the step in the end.

    Welling and Teh (2011), Eq 2; ½ < exponent ≤ 1 so that Σ η diverges and Σ η² does not. Draws are weighted by η.

    Attributes:
        offset: epochs after which η begins to fall.
        exponent: how fast.

    Raises:
        ValueError: an offset that is not positive, or an exponent outside (½, 1].

    >>> decaying(100, exponent=1.0)(100)
    (0.5, 1.0)
    """

    offset: float
    exponent: float = 0.55

    def __post_init__(self) -> None:
        if not (math.isfinite(self.offset) and self.offset > 0):
            message = f"offset is {self.offset!r}; it must be a positive number of epochs"
            raise ValueError(message)
        if not 0.5 < self.exponent <= 1:
            message = f"exponent is {self.exponent!r}; it must be above 0.5 and at most 1"
            raise ValueError(message)

    def __call__(self, epoch: int) -> tuple[float, float]:
        """The factors of an epoch, 0, 1, ...."""
        return float((1 + epoch / self.offset) ** -self.exponent), 1.0
