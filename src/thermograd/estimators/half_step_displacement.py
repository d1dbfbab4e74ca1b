"""The displacement of a process in discrete steps, read between the steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from thermograd.numerics.real_numbers import real_numbers

Array = npt.NDArray[np.float64]


def half_step_displacement(displacement: npt.ArrayLike) -> Array:
    """D̄(j) = [D(j) + D(j+1) − D(1)]/2, which has the temperature of a Langevin process at any step size.

    One mode of w ← (1 − ηk) w + √(2Tη) ξ has D(j) = V(1 − aʲ), a = 1 − ηk, V = T/(k(1 − ηk/2)), and the response
    χ(j) = (1 − aʲ)/k. D/χ is too large by 1/(1 − ηk/2); in D̄ the factor (1 + a)/2 = 1 − ηk/2 cancels it, mode by
    mode, so that D̄ = Tχ for any spectrum. At lag 1 it is D(2)/2, a quarter of the mean-square displacement over
    two steps, and its temperature D(2)/(2η) needs no response.

    Args:
        displacement: D at lags 1, 2, ... on the last axis, half the mean-square displacement per parameter.

    Returns:
        D̄ at lags 1, 2, ..., one fewer.

    >>> a, lags = 0.4, np.arange(1, 4)  # η = 0.3, k = 2, T = 1
    >>> plain = (1 - a**lags) / (2 * (1 - 0.3))
    >>> (half_step_displacement(plain) / ((1 - a ** lags[:-1]) / 2)).round(12).tolist()
    [1.0, 1.0]
    """
    given = np.atleast_1d(real_numbers("displacement", displacement))
    moved: Array = (given[..., :-1] + given[..., 1:] - given[..., :1]) / 2
    return moved
