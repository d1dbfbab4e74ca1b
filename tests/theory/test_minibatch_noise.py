"""The diffusion matrix against the list of all batches."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from thermograd.theory.minibatch_noise import batch_variance, minibatch_diffusion, noise_at
from thermograd.theory.training_settings import TrainingSettings

SIZES = [(4, 1), (4, 2), (6, 1), (6, 2), (6, 3), (6, 6)]


def enumerated(gradients, size, *, distinct):
    """Half the covariance of -rate x the mean over every batch that can be drawn; rate 0.1."""
    draw = (
        combinations(range(len(gradients)), size) if distinct else product(range(len(gradients)), repeat=size)
    )
    means = np.array([gradients[list(batch)].mean(axis=0) for batch in draw])
    return 0.1**2 / 2 * np.cov(means.T, ddof=0)


@pytest.mark.parametrize(("samples", "size"), SIZES)
@pytest.mark.parametrize("distinct", [True, False])
def test_every_batch(parabolas, samples, size, distinct):
    land = parabolas(samples, 3)
    if not distinct and size > 3:
        size = 3
    found = minibatch_diffusion(
        land, TrainingSettings(samples=samples, learning_rate=0.1, batch_size=size, distinct=distinct)
    ).value
    expected = enumerated(land.sample_gradients, size, distinct=distinct)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * max(np.abs(expected).max(), 1e-6))
    if distinct and 1 < size < samples:
        other = enumerated(land.sample_gradients, size, distinct=False)
        assert np.abs(other - found).max() > 0.1 * np.abs(found).max()  # negative control


def test_ratio_of_repeats_to_distinct():
    assert batch_variance(200, 10, distinct=False) / batch_variance(200, 10, distinct=True) == pytest.approx(
        199 / 190
    )
    assert batch_variance(200, 200, distinct=True) == 0


def test_moving_along_the_samples_own_curvatures(parabolas):
    land = parabolas(5, 3)
    step = np.array([0.1, -0.2, 0.3])
    expected = land.sample_gradients + land.sample_hessians @ step
    np.testing.assert_allclose(noise_at(land, step).sample_gradients, expected)
    assert noise_at(land, np.zeros(3)) is land
    products = replace(land, sample_hessians=None, sample_hessian_products=lambda v: land.sample_hessians @ v)
    np.testing.assert_allclose(noise_at(products, step).sample_gradients, expected)
    blind = replace(land, sample_hessians=None)
    assert noise_at(blind, step) is blind
