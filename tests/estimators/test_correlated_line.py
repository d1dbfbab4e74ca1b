"""A slope among noise that remembers: against generalised least squares, and what it says of short records."""

import numpy as np
import pytest

from thermograd.estimators.correlated_line import correlated_line

PLACES = np.arange(32) / 32


def remembering(correlation, count, generator):
    noise = generator.normal(size=count)
    for entry in range(1, count):
        noise[entry] = correlation * noise[entry - 1] + np.sqrt(1 - correlation**2) * noise[entry]
    return noise


def test_a_long_record_of_one_memory_has_the_error_of_generalised_least_squares():
    """Known covariance: the variance of the slope is that entry of (Xᵀ V⁻¹ X)⁻¹. Half-width over error is 1.65."""
    count, memory = 400, np.exp(-1 / 4)
    places = np.arange(count) / count
    design = np.stack([np.ones(count), places], 1)
    covariance = memory ** np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    error = np.sqrt(np.linalg.inv(design.T @ np.linalg.inv(covariance) @ design)[1, 1])
    generator = np.random.default_rng(0)
    halves = [
        np.diff(correlated_line(places, remembering(memory, count, generator)).interval) / 2 for _ in range(6)
    ]
    assert np.mean(halves) / error == pytest.approx(1.65, rel=0.15)


def test_pieces_are_fewer_where_noise_remembers():
    generator = np.random.default_rng(1)
    free, slow = (
        np.mean([correlated_line(PLACES, remembering(memory, 32, generator)).pieces for _ in range(40)])
        for memory in (0.0, 0.9)
    )
    assert slow < 0.5 * free
    assert 10 < free <= 32


def test_shift_and_scale_of_a_record_carry_over():
    record = remembering(0.5, 32, np.random.default_rng(2))
    plain, scaled = correlated_line(PLACES, record), correlated_line(PLACES, 100 - 3 * record + 2 * PLACES)
    assert scaled.slope == pytest.approx(2 - 3 * plain.slope, rel=1e-6)
    assert scaled.interval == pytest.approx([2 - 3 * end for end in reversed(plain.interval)], rel=1e-6)


@pytest.mark.parametrize("height", [0.0, 5.0])
def test_a_line_without_scatter_has_no_error(height):
    found = correlated_line(PLACES, height + 0 * PLACES)
    assert found.interval == (found.slope, found.slope) == (0.0, 0.0)
    assert found.pieces == 32


@pytest.mark.parametrize(
    ("places", "heights"), [(np.arange(5), np.ones(6)), (np.arange(3), np.ones(3)), (np.ones(8), np.ones(8))]
)
def test_what_is_no_record_of_a_line(places, heights):
    with pytest.raises(ValueError, match="two sequences of equal length, at least 4, and the places not all"):
        correlated_line(places, heights)
