"""Calibration of probabilities whose truth is a closed form."""

import numpy as np
import pytest
from scipy.integrate import quad

from thermograd.errors import ConfigError
from thermograd.estimators.posterior import calibration

REPETITIONS = 120


def sampled(gap, *, count=1000, seed=0):
    """Two classes: top probability p uniform in (0.6, 1), right with probability p − gap."""
    generator = np.random.default_rng(seed)
    top = generator.uniform(0.6, 1, count)
    labels = (generator.uniform(size=count) > top - gap).astype(int)
    return np.stack([top, 1 - top], axis=1), labels


def truth(gap):
    """Error, likelihood, Brier score and accuracy by integration over p."""

    def mean(function):
        return quad(function, 0.6, 1)[0] / 0.4

    surprise = mean(lambda p: -(p - gap) * np.log(p) - (1 - p + gap) * np.log(1 - p))
    brier = mean(lambda p: 2 * ((p - gap) * (1 - p) ** 2 + (1 - p + gap) * p**2))
    return gap, surprise, brier, 0.8 - gap


def estimates(found):
    return (
        found.expected_calibration_error,
        found.negative_log_likelihood,
        found.brier,
        found.accuracy,
    )


@pytest.mark.parametrize("gap", [0.0, 0.15])
def test_intervals_hold_the_closed_form(gap):
    """114 ± 2.4 of 120 at 95 %; 103 is 4.5 standard deviations below."""
    held, values = np.zeros(4), []
    for seed in range(REPETITIONS):
        found = estimates(calibration(*sampled(gap, seed=seed), resamples=300))
        held += [one.low <= value <= one.high for one, value in zip(found, truth(gap), strict=True)]
        values.append([one.value for one in found])
    assert (held >= 103).all(), held
    away = np.mean(values, axis=0) - truth(gap)
    error = np.std(values, axis=0) / np.sqrt(REPETITIONS)
    assert (np.abs(away[1:]) < 4 * error[1:]).all()


def test_what_chance_shows_is_in_the_note():
    """A calibrated model shows an error of about 0.023 on 1000 samples, and no interval that excludes 0."""
    values = [calibration(*sampled(0.0, seed=seed)).expected_calibration_error for seed in range(20)]
    assert np.mean([one.value for one in values]) == pytest.approx(0.023, abs=0.005)
    assert "would show about 0.023" in values[0].note
    assert calibration(*sampled(0.15)).expected_calibration_error.low > 0.05  # negative control


def test_by_hand():
    chances = np.array([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3], [0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    found = calibration(chances, [0, 2, 0, 2], bins=2)  # 0.5 is in the upper bin
    assert found.counts.tolist() == [0, 4]
    assert found.mean_confidence[1] == pytest.approx(0.675)
    assert np.isnan(found.mean_accuracy[0])
    assert found.accuracy.value == pytest.approx(0.75)
    assert found.expected_calibration_error.value == pytest.approx(0.075)
    assert found.negative_log_likelihood.value == pytest.approx(-np.log([0.9, 0.3, 0.5, 0.8]).mean())
    assert found.brier.value == pytest.approx(
        np.mean([0.02, 0.04 + 0.25 + 0.49, 0.25 + 0.125, 0.01 + 0.01 + 0.04])
    )
    assert found.negative_log_likelihood.unit == "nat"
    assert "Brier" in str(found)


def test_a_probability_of_zero_that_happened():
    found = calibration(np.array([[1.0, 0.0]] * 9 + [[0.5, 0.5]]), [0] * 8 + [1, 0])
    assert np.isinf(found.negative_log_likelihood.value)
    assert "1 samples had probability 0" in found.negative_log_likelihood.note
    assert np.isinf(found.negative_log_likelihood.high)
    assert np.isfinite(found.brier.value)


def test_the_same_seed_gives_the_same_intervals():
    data = sampled(0.1)
    assert calibration(*data).brier.interval == calibration(*data).brier.interval
    assert calibration(*data, seed=1).brier.interval != calibration(*data).brier.interval


def test_in_parts_as_at_once():
    """More samples than fit into one part of the resamples."""
    found = calibration(*sampled(0.1, count=20000), resamples=500)
    width = found.accuracy.high - found.accuracy.low
    assert width == pytest.approx(2 * 1.96 * np.sqrt(0.7 * 0.3 / 20000), rel=0.15)


@pytest.mark.parametrize(
    ("probabilities", "labels", "options", "message"),
    [
        ([0.5, 0.5], [0, 1], {}, "classes"),
        (np.zeros((0, 2)), [], {}, "classes"),
        ([[0.5, 0.5]], [0, 1], {}, "labels"),
        ([[0.5, 0.5]], [0], {"bins": 0}, "bins is 0"),
        ([[2.0, -1.0]], [0], {}, "softmax"),
        ([[0.5, 0.6]], [0], {}, "softmax"),
        ([[0.5, 0.5]], [2], {}, "from 0 to 1"),
        ([[0.5, 0.5]], [0.5], {}, "whole numbers"),
    ],
)
def test_bad_input(probabilities, labels, options, message):
    with pytest.raises(ConfigError, match=message):
        calibration(probabilities, labels, **options)
