"""The stochastic trace: unbiased, covered by its interval, better than random signs alone."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.numerics.hutch_plus_plus import hutch_plus_plus

SPECTRUM = np.concatenate([[100, 60, 30, -20, 10.0], np.linspace(-0.2, 0.5, 195)])


def signs(seed, size):
    generator = np.random.default_rng(seed)
    return lambda count: generator.choice([-1.0, 1.0], (count, size))


def orthonormal(rows):
    return np.linalg.qr(rows.T)[0].T


def estimate(matrix, seed, count=10, **options):
    basis = np.zeros((count, len(matrix)))
    return hutch_plus_plus(
        lambda rows: rows @ matrix, signs(seed, len(matrix)), basis, orthonormal, **options
    )


def hutchinson(matrix, seed, count):
    rows = signs(seed, len(matrix))(count)
    return float(((rows @ matrix) * rows).sum(1).mean())


def test_sixty_seeds_cover_and_scatter_little(symmetric):
    matrix = symmetric(SPECTRUM)
    found = [estimate(matrix, seed) for seed in range(60)]
    assert sum(trace.low <= SPECTRUM.sum() <= trace.high for trace in found) >= 51
    alone = [hutchinson(matrix, 1000 + seed, 30) for seed in range(60)]
    scatter = np.std([trace.value for trace in found])
    assert scatter < 0.35 * np.std(alone)
    mean_error = np.std([trace.value for trace in found]) / np.sqrt(60)
    assert abs(np.mean([trace.value for trace in found]) - SPECTRUM.sum()) < 4 * mean_error


def test_forms_that_are_not_projected_do_not_cover(symmetric):
    """Negative control: the whole form counted on top of the captured part."""
    matrix = symmetric(SPECTRUM)
    covered = 0
    for seed in range(60):
        draw = signs(seed, 200)
        space = orthonormal(draw(10) @ matrix)
        rows = draw(10)
        forms = ((rows @ matrix) * rows).sum(1)
        value = np.trace(space @ matrix @ space.T) + forms.mean()
        covered += abs(value - SPECTRUM.sum()) < 2.26 * forms.std(ddof=1) / np.sqrt(10)
    assert covered < 51


def test_low_rank_is_exact_and_blocks_change_nothing(symmetric):
    matrix = symmetric(np.concatenate([[5.0, -3.0, 2.0], np.zeros(47)]))
    whole = estimate(matrix, 3, count=4)
    assert whole.value == pytest.approx(4.0, abs=1e-12)
    assert whole.high - whole.low < 1e-12
    assert estimate(matrix, 3, count=4, block=3).value == pytest.approx(whole.value, abs=1e-12)


def test_zero_and_too_few():
    nothing = estimate(np.zeros((20, 20)), 0)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)
    with pytest.raises(ValueError, match="at least 2"):
        estimate(np.eye(20), 0, count=1)
