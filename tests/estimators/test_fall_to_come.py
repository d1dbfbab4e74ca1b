"""The fall of a loss still to come: curves of known future, noise that remembers, against generalised least squares."""

import numpy as np
import pytest

from thermograd.estimators.fall_to_come import fall_to_come

TIMES = np.arange(32.0, 64.0)
FUTURES = {
    "creep": lambda times: -0.1 * np.log(times),
    "power": lambda times: 2 * times**-0.5,
    "relaxation": lambda times: np.exp(-times / 16),
    "flat": lambda times: 0 * times,
}


def remembering(correlation, count, generator):
    noise = generator.normal(size=count)
    for entry in range(1, count):
        noise[entry] = correlation * noise[entry - 1] + np.sqrt(1 - correlation**2) * noise[entry]
    return noise


def foretold(losses, times=TIMES, **how):
    return fall_to_come(times, losses, now=times[-1] + 1, until=2 * (times[-1] + 1), **how)


@pytest.mark.parametrize("curve", FUTURES)
@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_the_interval_holds_what_comes(curve, correlation):
    """200 draws know 90 % to 2 %. A straight line against ln t held the fall of the relaxation in none."""
    generator, loss = np.random.default_rng(0), FUTURES[curve]
    truth = float(loss(64.0) - loss(128.0))
    found = [foretold(loss(TIMES) + 0.01 * remembering(correlation, 32, generator)) for _ in range(200)]
    assert np.mean([one.interval[0] < truth < one.interval[1] for one in found]) > 0.82


def test_a_relaxation_is_not_taken_for_creep():
    """Little noise: the forecast goes on relaxing, and the present rate is the tangent, not the chord."""
    losses = np.exp(-TIMES / 15.5) + 1e-5 * np.random.default_rng(1).normal(size=32)
    now, then = np.exp(-64 / 15.5), np.exp(-128 / 15.5)
    truth, tangent = now - then, 64 / 15.5 * now * np.log(2)
    chord = float(losses[0] - losses[-1])
    found = foretold(losses)
    assert found.interval[0] == pytest.approx(truth, rel=0.05)
    assert found.interval[1] == pytest.approx(tangent, rel=0.05)
    assert chord > 2 * tangent


def test_a_power_law_without_its_exponent_in_the_list():
    """t^−0.3 with little noise; the list has the exponents 0 and 0.74."""
    losses = TIMES**-0.3 + 1e-3 * np.random.default_rng(2).normal(size=32)
    found = foretold(losses)
    assert found.interval[0] < 64**-0.3 - 128**-0.3 < found.interval[1]


def test_a_long_record_of_one_memory_has_the_error_of_generalised_least_squares():
    """Known covariance: the variance of the slope is that entry of (Xᵀ V⁻¹ X)⁻¹; pieces say how much it widens."""
    count, memory = 400, np.exp(-1 / 4)
    times = np.arange(float(count), 2.0 * count)
    design = np.stack([np.ones(count), -np.log(times)], 1)
    covariance = memory ** np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    variance, independent = (
        np.linalg.inv(design.T @ inverse @ design)[1, 1]
        for inverse in (np.linalg.inv(covariance), np.eye(count))
    )
    generator = np.random.default_rng(0)
    found = [foretold(remembering(memory, count, generator), times).pieces for _ in range(6)]
    assert np.mean(found) == pytest.approx(count * independent / variance, rel=0.2)


def test_pieces_are_fewer_where_noise_remembers():
    generator = np.random.default_rng(1)
    free, slow = (
        np.mean([foretold(remembering(memory, 32, generator)).pieces for _ in range(40)])
        for memory in (0.0, 0.9)
    )
    assert slow < 0.5 * free
    assert 10 < free <= 32


def test_shift_and_scale_of_a_record_carry_over():
    record = remembering(0.5, 32, np.random.default_rng(2))
    plain, scaled = foretold(record), foretold(100 + 3 * record)
    assert scaled.value == pytest.approx(3 * plain.value, rel=1e-6)
    assert scaled.interval == pytest.approx([3 * end for end in plain.interval], rel=1e-6)


def test_the_unit_of_time_does_not_matter():
    record = remembering(0.5, 32, np.random.default_rng(3))
    assert foretold(record).interval == pytest.approx(
        fall_to_come(15 * TIMES, record, now=15 * 64, until=15 * 128).interval
    )


@pytest.mark.parametrize("height", [0.0, 5.0])
def test_a_record_without_scatter_has_no_error(height):
    found = foretold(height + 0 * TIMES)
    assert found.interval == (found.value, found.value) == (0.0, 0.0)
    assert found.pieces == 32


@pytest.mark.parametrize(("count", "heights"), [(5, 6), (3, 3)])
def test_what_is_no_record(count, heights):
    with pytest.raises(ValueError, match="two sequences of equal length, at least 4"):
        fall_to_come(np.arange(1.0, count + 1), np.ones(heights), now=10, until=20)


@pytest.mark.parametrize(
    ("first", "now", "until"), [(0.0, 10, 20), (1.0, 2, 20), (1.0, 10, 10), (-1.0, 10, 20)]
)
def test_times_that_do_not_rise(first, now, until):
    with pytest.raises(ValueError, match="must be positive and rise in this order"):
        fall_to_come(first + np.arange(5.0), np.ones(5), now=now, until=until)
