"""How far draws are from a known Gaussian: the Kullback-Leibler divergence with its bias of few draws taken out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, solve_triangular
from scipy.special import stdtrit

from thermograd.errors import ConfigError
from thermograd.estimators.posterior_virial import LOWER_BOUND
from thermograd.estimators.trajectory_pieces import checked_level
from thermograd.numerics.block_average import block_average
from thermograd.numerics.real_numbers import real_numbers
from thermograd.quantities import Estimate

Array = npt.NDArray[Any]

_ENOUGH_CHAINS = 8
_MOST_BLOCKS = 64


@dataclass(frozen=True, eq=False)
class _Groups:
    """Sums over groups of whitened draws; groups are independent of each other."""

    counts: Array
    sums: Array
    squares: Array
    flat: bool = True


def gaussian_kl(
    draws: npt.ArrayLike, mean: npt.ArrayLike, covariance: npt.ArrayLike, *, level: float = 0.95
) -> Estimate:
    """Kullback-Leibler divergence in bits of the Gaussian that fits draws from a given Gaussian.

    KL = (tr S + |m|² − N − ln det S) / (2 ln 2) with m and S the mean and the covariance of the draws in coordinates in
    which the given Gaussian is standard normal (Adhikari et al., "Machine learning in and out of equilibrium", A 46).
    Of finitely many draws it is too large by about N (N+3) / (4 ln 2 N_eff) bits. The jackknife, which leaves out one of
    g groups at a time, measures that excess, (g − 1)(mean of KL without one group − KL), correlations included, and it
    is taken off (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, ch. 10 and 11). Groups are the chains
    from 8 chains on, otherwise blocks of time of at least two correlation times, at most 64.

    The interval is Student's from the jackknife error; since that error vanishes by chance where the divergence does, it
    is never taken below the scatter of the excess itself, excess · √(2/ν), ν = N (N+3)/2. The value is never clipped:
    near 0 it may be negative. Terms of second order remain, about N³/N_eff²: use many more draws than N².

    Args:
        draws: `(chain, draw, N)`.
        mean: of the given Gaussian, `(N,)`.
        covariance: of the given Gaussian, `(N, N)`.
        level: two-sided confidence.

    Returns:
        The divergence in bits; the note says what was taken off and below which divergence these draws see none.

    Raises:
        ConfigError: a ValueError: shapes that do not fit, draws that are not finite, a covariance that is not positive
            definite, or too few draws for a covariance of N coordinates.

    >>> draws = np.random.default_rng(0).normal(size=(16, 1000, 2))
    >>> exact, wide = (gaussian_kl(draws, [0.0, 0.0], np.eye(2) * factor) for factor in (1.0, 1.44))
    >>> truth = (2 / 1.44 - 2 + 2 * np.log(1.44)) / (2 * np.log(2))
    >>> bool(exact.low < 0 < exact.high), bool(wide.low < truth < wide.high)
    (True, True)
    """
    checked_level(level)
    points = _whitened(draws, mean, covariance)
    groups = _grouped(points)
    size, count = points.shape[2], len(groups.counts)
    plugin = _divergence(groups.counts.sum(), groups.sums.sum(axis=0), groups.squares.sum(axis=0))
    if not np.isfinite(plugin):
        message = (
            f"draws has shape {points.shape}; {size} coordinates need more draws than that for a covariance"
        )
        raise ConfigError(message)
    without = _without_each(groups)
    if not np.isfinite(without).all():
        message = (
            f"draws has shape {points.shape}; without one of {count} groups the covariance of {size} coordinates is singular: "
            "more draws are needed"
        )
        raise ConfigError(message)
    excess = (count - 1) * (float(without.mean()) - plugin)
    scatter = abs(excess) * np.sqrt(4 / (size * (size + 3)))
    error = max(float(np.sqrt((count - 1) * without.var())), scatter)
    quantile = float(stdtrit(count - 1, (1 + level) / 2))
    value = plugin - excess
    note = f"{excess:.2g} bits taken off as the bias of few draws; these draws do not resolve less than {quantile * scatter:.2g} bits"
    return Estimate(
        value,
        (value - quantile * error, value + quantile * error),
        level,
        count,
        "bit",
        note if groups.flat else f"{note}; {LOWER_BOUND}",
    )


def _whitened(draws: npt.ArrayLike, mean: npt.ArrayLike, covariance: npt.ArrayLike) -> Array:
    points, centre, matrix = (
        real_numbers(name, value)
        for name, value in (("draws", draws), ("mean", mean), ("covariance", covariance))
    )
    size = points.shape[-1] if points.ndim == 3 else 0
    if (
        size < 1
        or centre.shape != (size,)
        or matrix.shape != (size, size)
        or not all(np.isfinite(part).all() for part in (points, centre, matrix))
    ):
        message = (
            f"draws has shape {points.shape}, mean {centre.shape}, covariance {matrix.shape}; they must be finite and "
            "(chain, draw, N), (N,), (N, N)"
        )
        raise ConfigError(message)
    try:
        root = cholesky(matrix, lower=True)
    except (np.linalg.LinAlgError, ValueError) as error:
        message = f"covariance is not positive definite: {error}"
        raise ConfigError(message) from error
    flat = (points - centre).reshape(-1, size)
    white: Array = solve_triangular(root, flat.T, lower=True).T.reshape(points.shape)
    return white


def _grouped(points: Array) -> _Groups:
    chains, draws, size = points.shape
    if chains >= _ENOUGH_CHAINS:
        return _sums(points)
    if chains * draws < 2 * _ENOUGH_CHAINS:
        message = f"draws has shape {points.shape}; fewer than 8 chains need at least 16 draws together"
        raise ConfigError(message)
    found = block_average(np.concatenate([points, np.square(points)], axis=2))
    longest = max(draws // -(-_ENOUGH_CHAINS // chains), 1)
    wanted = max(found.block_length, -(-chains * draws // _MOST_BLOCKS))
    length = min(wanted, longest)
    blocks = draws // length
    kept = points[:, draws - blocks * length :].reshape(chains * blocks, length, size)
    return _sums(kept, flat=found.flat and length >= found.block_length)


def _sums(groups: Array, *, flat: bool = True) -> _Groups:
    count, length = groups.shape[:2]
    return _Groups(
        np.full(count, float(length)), groups.sum(axis=1), np.einsum("gti,gtj->gij", groups, groups), flat
    )


def _without_each(groups: _Groups) -> Array:
    """The divergence without one group at a time."""
    total, squares = groups.sums.sum(axis=0), groups.squares.sum(axis=0)
    count = groups.counts.sum()
    return np.array(
        [
            _divergence(count - number, total - part, squares - square)
            for number, part, square in zip(groups.counts, groups.sums, groups.squares, strict=True)
        ]
    )


def _divergence(count: float, total: Array, squares: Array) -> float:
    """Bits from the standard normal, infinite where the covariance is singular."""
    mean = total / count
    covariance = squares / count - np.outer(mean, mean)
    sign, logarithm = np.linalg.slogdet(covariance)
    if sign <= 0 or not np.isfinite(logarithm) or count <= len(mean):
        return float("inf")
    return float((np.trace(covariance) + mean @ mean - len(mean) - logarithm) / (2 * np.log(2)))
