"""Mean-square displacement at many lags, over a range of origins, by fast Fourier transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft

Array = npt.NDArray[Any]

_TOGETHER = 2048


def lagged_displacement(path: Array, first: int, last: int, lags: int) -> npt.NDArray[np.float64]:
    """D(j) = ½⟨(x(o + j) − x(o))²⟩ over origins o = first ... last − 1 and coordinates, at lags 1 ... `lags`.

    The square is multiplied out; the mixed terms of all lags are one correlation, whose spectra are added over coordinates
    before the one transform back: O(T log T) per coordinate, whatever the number of lags. Positions are best counted
    from a point nearby, since squares are subtracted: the error is the rounding of the largest square.

    Args:
        path: x, `(time, coordinate)`.
        first: first origin.
        last: behind the last origin; `last` + `lags` ≤ times.
        lags: the longest lag.

    Returns:
        `(lags,)`.

    Raises:
        ValueError: origins and lags that do not fit in the path.

    >>> lagged_displacement(np.arange(6.0)[:, None], 0, 3, 3).round(12).tolist()  # j²/2
    [0.5, 2.0, 4.5]
    """
    times, count = path.shape
    if not (0 <= first < last and 1 <= lags and last + lags <= times):
        message = f"origins {first} to {last - 1} with {lags} lags do not fit in a path of {times} times"
        raise ValueError(message)
    origins = last - first
    size = next_fast_len(origins + lags, real=True)
    spectrum: Array = np.zeros(size // 2 + 1, complex)
    squares = np.zeros(origins + lags)
    for begin in range(0, count, _TOGETHER):
        part = np.asarray(path[first : last + lags, begin : begin + _TOGETHER].T, np.float64)
        part = part - part[:, :1]
        squares += np.square(part).sum(axis=0)
        spectrum += (np.conj(rfft(part[:, :origins], size)) * rfft(part, size)).sum(axis=0)
    mixed = irfft(spectrum, size)[1 : lags + 1]
    sums = np.concatenate([[0.0], np.cumsum(squares)])
    later = sums[origins + 1 : origins + lags + 1] - sums[1 : lags + 1]
    found: Array = np.maximum(sums[origins] + later - 2 * mixed, 0.0) / (2 * origins * count)
    return found
