"""Standard error of the mean of a correlated record: block averaging (Flyvbjerg & Petersen, J. Chem. Phys. 91, 461, 1989)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.numerics.skewed_mean import skewness_of

Array = npt.NDArray[Any]

_FEWEST = 4


@dataclass(frozen=True, eq=False)
class BlockAverage:
    """Mean of a record and its standard error.

    Attributes:
        mean: over all runs and times, of the shape of one entry.
        standard_error: of the mean, of the same shape.
        skewness: of the blocks, of the same shape.
        pieces: number of blocks over all runs.
        block_length: entries in one block.
        flat: whether the standard error has stopped growing with the block length; False: it is a lower bound.
    """

    mean: Array
    standard_error: Array
    skewness: Array
    pieces: int
    block_length: int
    flat: bool


def block_average(series: npt.ArrayLike) -> BlockAverage:
    """Mean of equally spaced records, with blocks made longer until the standard error no longer grows.

    The blocks double in length b until b³ > 2 n r², where n is the number of entries and r the variance of the mean
    from blocks of b over that from single entries: there the part of the variance that is still missing (about
    correlation time / b) and the scatter of its estimate are equally large (Wolff, Comput. Phys. Commun. 156, 143, 2004;
    Lee et al., Phys. Rev. E 83, 066706, 2011). What is missing then is added as for exponential correlations, a share
    (r − 1/r) / 2b. Of several components the slowest decides for all. Runs are independent of each other: a block as
    long as a run needs no such test. The oldest entries that fill no block are left out of the variance of the blocks,
    not of the mean, whose variance is that × b / n.

    Args:
        series: `(run, time, ...)`, at least 2 entries.

    Returns:
        The mean and its standard error; blocks are never longer than leaves 4 of them where there are 4 entries.

    Raises:
        ConfigError: a ValueError: fewer than 2 entries, or fewer than 2 axes.

    >>> steps = np.random.default_rng(0).normal(size=4096)
    >>> slow = np.convolve(steps, np.ones(16), mode="valid")  # variance of its mean: 16² / 4096 = 0.25²
    >>> found = block_average(slow[None])
    >>> round(float(found.standard_error), 2), found.block_length, found.flat
    (0.23, 256, True)
    """
    records = np.asarray(series, np.float64)
    if records.ndim < 2 or records.shape[0] * records.shape[1] < 2:
        message = f"series has shape {records.shape}; it must be (run, time, ...) with at least 2 entries"
        raise ConfigError(message)
    runs, times = records.shape[:2]
    entries = runs * times
    single = _variance(records) / entries
    for length in _lengths(runs, times):
        blocks = _whole_blocks(records, length)
        variance = _variance(blocks) * length / entries
        flat = length == times or _is_flat(length, entries, variance, single)
        if flat:
            break
    if length < times:
        variance = variance / (1 - _missing(variance, single, length))
    pieces = blocks.shape[0] * blocks.shape[1]
    return BlockAverage(
        mean=records.mean(axis=(0, 1)),
        standard_error=np.sqrt(variance),
        skewness=skewness_of(blocks.reshape(pieces, *blocks.shape[2:])),
        pieces=pieces,
        block_length=length,
        flat=flat,
    )


def _lengths(runs: int, times: int) -> list[int]:
    """Powers of 2, and whole runs, that leave at least 4 blocks."""
    fewest = min(_FEWEST, runs * times)
    doubling = [2**power for power in range(times.bit_length()) if 2**power < times]
    return [length for length in (*doubling, times) if runs * (times // length) >= fewest]


def _whole_blocks(records: Array, length: int) -> Array:
    runs, times = records.shape[:2]
    count = times // length
    kept = records[:, times - count * length :]
    means: Array = kept.reshape(runs, count, length, *records.shape[2:]).mean(axis=2)
    return means


def _variance(blocks: Array) -> Array:
    variance: Array = blocks.reshape(-1, *blocks.shape[2:]).var(axis=0, ddof=1)
    return variance


def _ratio(variance: Array, single: Array) -> Array:
    return np.divide(variance, single, out=np.ones_like(variance), where=single > 0)


def _is_flat(length: int, entries: int, variance: Array, single: Array) -> bool:
    return bool((length**3 > 2 * entries * np.square(_ratio(variance, single))).all())


def _missing(variance: Array, single: Array, length: int) -> Array:
    """The part of the variance that is missing for exponential correlations, at most half."""
    ratio = np.maximum(_ratio(variance, single), 1.0)
    missing: Array = np.minimum((ratio - 1 / ratio) / (2 * length), 0.5)
    return missing
