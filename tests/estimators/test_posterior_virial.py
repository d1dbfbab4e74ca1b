"""The virial ratio: exact for any potential, and intervals that hold the truth as often as they say."""

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.posterior import virial_ratio
from thermograd.estimators.posterior_virial import LOWER_BOUND

REPETITIONS = 400


def held(quadratic, *, heat=1.0, truth=1.0, **options):
    """How many of 400 intervals of 95 % hold the truth: 380 ± 4.4."""
    found = 0
    for seed in range(REPETITIONS):
        virial = quadratic(np.array([1.0, 4.0, 9.0])).fields(heat=heat, seed=seed, **options)["virial"]
        ratio = virial_ratio(virial, 3)
        found += ratio.low < truth < ratio.high
    return found


@pytest.mark.parametrize(
    "options",
    [
        {"chains": 8, "draws": 100, "memory": 0.5},
        {"chains": 32, "draws": 20, "memory": 0.9},
        {"chains": 4, "draws": 400, "memory": 0.5},
        {"chains": 1, "draws": 1500, "memory": 0.7},
        {"chains": 8, "draws": 100, "heat": 1.3},
    ],
)
def test_intervals_hold_the_truth(quadratic, options):
    """Between 91 % and 99 %: 362 is 4 standard deviations below 380, of which systematic error may take none."""
    assert 362 <= held(quadratic, truth=options.get("heat", 1.0), **options) <= 398


def test_intervals_of_independent_entries_would_be_too_narrow(quadratic):
    """A negative control: the scatter of single draws, as if they were independent."""
    found = 0
    for seed in range(100):
        virial = quadratic(np.ones(3)).fields(4, 400, memory=0.9, seed=seed)["virial"] / 3
        found += abs(virial.mean() - 1) < 1.96 * virial.std() / np.sqrt(virial.size)
    assert found < 70


def test_no_gaussian_is_needed():
    """U = θ⁴, c = 2: (θ − c) 4θ³ has the mean 1 although c is far off. Exact draws: |θ| is Γ(1/4)^(1/4) with a sign."""
    generator = np.random.default_rng(0)
    size = generator.gamma(0.25, size=(16, 4000)) ** 0.25
    theta = size * generator.choice([-1, 1], size=size.shape)
    ratio = virial_ratio((theta - 2) * 4 * theta**3, 1)
    assert ratio.low < 1 < ratio.high
    assert ratio.high - ratio.low < 0.2


def test_directions_are_ratios_of_their_own(quadratic):
    along = quadratic(np.ones(4), 2.0).fields(8, 500, directions=3)["directional_virial"]
    ratio = virial_ratio(along, 1, 2.0)
    assert ratio.value.shape == ratio.low.shape == (3,)
    assert ratio.value[1] == pytest.approx(virial_ratio(along[:, :, 1], 1, 2.0).value)


def test_weights_count_draws_as_often(quadratic):
    virial = quadratic(np.ones(3)).fields(8, 50)["virial"]
    weights = np.array([1.0, 2.0] * 25)
    weighted = virial_ratio(virial, 3, weights=weights)
    assert weighted.value == pytest.approx(np.average(virial.mean(axis=0), weights=weights) / 3)
    doubled = virial_ratio(virial, 3, weights=7 * weights)
    assert doubled.low == pytest.approx(weighted.low)
    same = virial_ratio(np.full((2, 20), 3.0), 3, weights=np.arange(20))
    assert (same.low, same.value, same.high) == pytest.approx((1, 1, 1))


def test_a_record_that_is_too_short_says_so(quadratic):
    virial = quadratic(np.ones(3)).fields(2, 60, memory=0.98)["virial"]
    assert virial_ratio(virial, 3).note == LOWER_BOUND
    assert not virial_ratio(quadratic(np.ones(3)).fields(2, 600)["virial"], 3).note


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((np.ones(5), 3), {}, "must be"),
        ((np.ones((1, 1)), 3), {}, "at least 2"),
        ((np.full((2, 5), np.nan), 3), {}, "finite"),
        ((np.ones((2, 5)), 0), {}, "dimension 0"),
        ((np.ones((2, 5)), 3, 0.0), {}, "temperature 0"),
        ((np.ones((2, 5)), 3), {"level": 1.0}, "level 1"),
        ((np.ones((2, 5)), 3), {"weights": [1.0, 2.0]}, "one per draw"),
        ((np.ones((2, 5)), 3), {"weights": np.zeros(5)}, "not all 0"),
    ],
)
def test_bad_input(arguments, options, message):
    with pytest.raises(ConfigError, match=message):
        virial_ratio(*arguments, **options)
