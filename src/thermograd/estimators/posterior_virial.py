"""How hot a chain is, by an identity that holds whatever the shape of the posterior: the virial."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from thermograd.errors import ConfigError
from thermograd.numerics.block_average import BlockAverage, block_average
from thermograd.numerics.finite_number import is_finite_number
from thermograd.numerics.real_numbers import real_numbers
from thermograd.numerics.skewed_mean import interval_of_a_mean
from thermograd.quantities import Estimate

Array = npt.NDArray[Any]

_ENOUGH_CHAINS = 8
LOWER_BOUND = "the record is shorter than a few correlation times: the interval is too narrow"
"""Note of an estimate whose error is only a lower bound."""


def virial_ratio(
    virial: npt.ArrayLike,
    dimension: int,
    temperature: float = 1.0,
    *,
    level: float = 0.95,
    weights: npt.ArrayLike | None = None,
) -> Estimate:
    """Mean virial over N T: 1 under exp(−U/T), above 1 for chains that are too hot.

    By parts, ∫ (θ−c)·∇U exp(−U/T) dθ = N T ∫ exp(−U/T) dθ for every fixed point c, and with (u·(θ−c))(u·∇U) and T for
    every fixed unit vector u: exact, no Gaussian is assumed (Adhikari et al., "Machine learning in and out of
    equilibrium", section 4.6; the virial theorem). A ratio below 1 means too cold, or not yet relaxed. c must not come
    from the same draws.

    From 8 chains on the error is that of their means. Of fewer chains it comes from blocks of time, made longer until
    the error no longer grows (`thermograd.numerics.block_average`); if it never stops growing, the note says so.
    Intervals are Student's with the skewness of the pieces taken out (`thermograd.numerics.skewed_mean`).

    Args:
        virial: (θ−c)·∇U, `(chain, draw)`; directions on further axes, of dimension 1.
        dimension: N, the number of parameters; 1 for directions.
        temperature: T.
        level: two-sided confidence.
        weights: `(draw,)`, of each draw; only ratios count.

    Returns:
        The ratio, of the shape of one entry.

    Raises:
        ConfigError: a ValueError: fewer than 2 entries, numbers that are not finite, a dimension or a temperature that is
            not above 0, or weights that do not fit.

    >>> draws = np.random.default_rng(0).normal(size=(8, 500, 3))  # exp(−U), U = θ²/2: (θ−0)·∇U = θ²
    >>> print(virial_ratio(np.square(draws).sum(axis=2), 3))
    0.9984 (0.9793 to 1.018 at 95 %), from 8 pieces
    """
    records = real_numbers("virial", virial)
    _check(records, dimension, temperature, level)
    records = _weighted(records, weights) / (dimension * temperature)
    found = pieces_of(records)
    interval = interval_of_a_mean(found.mean, found.standard_error, found.skewness, found.pieces, level)
    return Estimate(
        found.mean[()],
        (interval[0][()], interval[1][()]),
        level,
        found.pieces,
        note="" if found.flat else LOWER_BOUND,
    )


def pieces_of(records: Array) -> BlockAverage:
    """Mean and error of `(chain, draw, ...)`: from the means of 8 chains or more, otherwise from blocks of time.

    The skewness of the means of chains is that of the blocks, which are many, times √(block / chain): that of 8 numbers
    is hardly known.
    """
    blocks = block_average(records)
    if len(records) < _ENOUGH_CHAINS:
        return blocks
    chains = block_average(records.mean(axis=1)[:, None])
    if not blocks.flat:
        return chains
    return replace(chains, skewness=blocks.skewness * np.sqrt(blocks.block_length / records.shape[1]))


def _weighted(records: Array, weights: npt.ArrayLike | None) -> Array:
    """Records whose plain mean is the weighted one, and whose scatter is that of what each adds to it."""
    if weights is None:
        return records
    given = real_numbers("weights", weights)
    if given.shape != records.shape[1:2] or not (
        np.isfinite(given).all() and (given >= 0).all() and given.any()
    ):
        message = f"weights has shape {given.shape}; it must be ({records.shape[1]},), one per draw, never below 0, not all 0"
        raise ConfigError(message)
    share = (given / given.mean()).reshape(-1, *(1,) * (records.ndim - 2))
    mean = (records * share).mean(axis=(0, 1))
    weighted: Array = mean + (records - mean) * share
    return weighted


def _check(records: Array, dimension: int, temperature: float, level: float) -> None:
    if records.ndim < 2 or records.shape[0] * records.shape[1] < 2 or not np.isfinite(records).all():
        message = (
            f"virial has shape {records.shape}; it must be (chain, draw, ...), at least 2 entries, all finite"
        )
        raise ConfigError(message)
    known = all(is_finite_number(one) for one in (dimension, temperature, level))
    if not known or dimension < 1 or temperature <= 0 or not 0 < level < 1:
        message = (
            f"got dimension {dimension}, temperature {temperature}, level {level}; they must be at least 1, above 0, and "
            "between 0 and 1"
        )
        raise ConfigError(message)
