"""The eigenvalues of a Hessian in a few numbers, with the outliers listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.numerics.argument_kind import check_number
from thermograd.numerics.real_numbers import real_numbers

Array = npt.NDArray[Any]

_NEAR_ZERO = 1e-4


@dataclass(frozen=True, eq=False)
class SpectrumSummary:
    """A box plot in numbers, and what the signs say.

    Attributes:
        quartiles: lower quartile, median, upper quartile.
        whiskers: the outermost eigenvalues within 1.5 interquartile ranges of the quartiles.
        outliers: those beyond, ascending, `(number,)`.
        negative_fraction: share of eigenvalues below −`zero`.
        near_zero_fraction: share of those within ±`zero`.
        trace: their sum.
        largest: the largest.
        zero: what counts as zero.

    >>> print(spectrum_summary([-1.0, 0.0, 0.0, 1.0, 2.0, 20.0]))
    0.5 (0 to 1.75), 1 outlier, largest 20, trace 22; 16.7 % negative, 33.3 % near 0
    """

    quartiles: tuple[float, float, float]
    whiskers: tuple[float, float]
    outliers: Array
    negative_fraction: float
    near_zero_fraction: float
    trace: float
    largest: float
    zero: float

    def __str__(self) -> str:
        low, middle, high = self.quartiles
        beyond = f"{len(self.outliers)} outlier{'' if len(self.outliers) == 1 else 's'}"
        return (
            f"{middle:.4g} ({low:.4g} to {high:.4g}), {beyond}, largest {self.largest:.4g}, trace "
            f"{self.trace:.4g}; {100 * self.negative_fraction:.3g} % negative, {100 * self.near_zero_fraction:.3g} % near 0"
        )


def spectrum_summary(eigenvalues: npt.ArrayLike, *, zero: float | None = None) -> SpectrumSummary:
    """Quartiles, whiskers, outliers and signs of a spectrum.

    Args:
        eigenvalues: h, `(P,)`, all of them.
        zero: |h| that counts as zero; 1e-4 of the largest |h| if None.

    Raises:
        ConfigError: no eigenvalues, more than one axis, NaN, or a negative `zero`.

    >>> summary = spectrum_summary([-1.0, 0.0, 0.0, 1.0, 2.0, 20.0])
    >>> summary.quartiles, summary.whiskers, summary.outliers.tolist()
    ((0.0, 0.5, 1.75), (-1.0, 2.0), [20.0])
    >>> summary.negative_fraction == 1 / 6, summary.near_zero_fraction == 1 / 3, summary.trace
    (True, True, 22.0)
    """
    values = real_numbers("eigenvalues", eigenvalues)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        message = f"eigenvalues have shape {values.shape}; a list (P,) of finite numbers is needed"
        raise ConfigError(message)
    values = np.sort(values)
    if zero is not None:
        check_number("zero", zero, 0)
    bound = _NEAR_ZERO * float(np.abs(values).max()) if zero is None else float(zero)
    if not bound >= 0:
        message = f"zero is {zero!r}; it must be a size, 0 or larger"
        raise ConfigError(message)
    low, middle, high = (float(part) for part in np.quantile(values, [0.25, 0.5, 0.75]))
    reach = 1.5 * (high - low)
    inside = (values >= low - reach) & (values <= high + reach)
    return SpectrumSummary(
        quartiles=(low, middle, high),
        whiskers=(float(values[inside][0]), float(values[inside][-1])),
        outliers=values[~inside],
        negative_fraction=float((values < -bound).mean()),
        near_zero_fraction=float((np.abs(values) <= bound).mean()),
        trace=float(values.sum()),
        largest=float(values[-1]),
        zero=bound,
    )
