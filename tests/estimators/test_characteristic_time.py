"""First crossings against a loop, with gaps, zeros and both kinds of censoring."""

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.characteristic_time import characteristic_time
from thermograd.estimators.displacement_crossings import DisplacementCrossings
from thermograd.estimators.displacement_table import DisplacementTable

LAGS = np.array([1, 3, 10, 30])


def naive(curve, lags, threshold):
    """Time, lower and upper end for one curve, one lag after another."""
    before, longest = None, 0.0
    for lag, height in zip(lags, curve, strict=True):
        longest = longest if np.isnan(height) else float(lag)
        if np.isnan(height) or height == 0:
            continue
        if height >= threshold:
            if before is None:
                return np.nan, 0.0, float(lag)
            x = np.interp(np.log(threshold), np.log([before[1], height]), np.log([before[0], lag]))
            return np.exp(x), float(before[0]), float(lag)
        before = (lag, height)
    return np.nan, longest, np.inf


def table(curves, waiting=None):
    """Curves (trajectory, W, L) as a table of one parameter."""
    curves = np.asarray(curves, float)
    return DisplacementTable(
        10 ** np.arange(curves.shape[1]) if waiting is None else waiting, LAGS, curves[..., None], [1]
    )


def test_random_curves_with_gaps_and_zeros():
    generator = np.random.default_rng(0)
    curves = generator.lognormal(size=(300, LAGS.size))
    curves[generator.uniform(size=curves.shape) < 0.2] = np.nan
    curves[generator.uniform(size=curves.shape) < 0.1] = 0.0
    for threshold in (0.3, 1.0, 3.0):
        found = DisplacementCrossings(curves, LAGS).at(threshold)
        expected = np.array([naive(curve, LAGS, threshold) for curve in curves])
        np.testing.assert_allclose(np.stack(found[:3], axis=1), expected, rtol=1e-12)
        assert np.isfinite(found.times).any()
        assert np.isinf(found.upper).any()
        assert found.too_short.any()


def test_a_power_law_is_crossed_exactly_wherever_it_was_measured():
    """Δ = 0.01 t^1.5 is a straight line in both logarithms."""
    found = characteristic_time(table(0.01 * LAGS**1.5 * np.ones((1, 3, 1))), 0.2)
    assert found.times == pytest.approx([20 ** (1 / 1.5)] * 3, rel=1e-12)
    assert found.lower.tolist() == [3] * 3
    assert found.upper.tolist() == [10] * 3
    assert not found.censored.any()


def test_both_ends_are_censored_and_say_where_the_truth_is():
    nan = np.nan
    curves = [[[5, 6, 7, 8], [0.1, 0.2, 0.3, nan], [0.1, nan, 4.0, 0.2], [0.1, 2, 0.2, 3]]]
    found = characteristic_time(table(curves), 2.0)
    assert np.isnan(found.times).tolist() == [True, True, False, False]
    assert found.censored.tolist() == [True, True, False, False]
    assert found.too_short.tolist() == [True, False, False, False]
    assert found.too_long.tolist() == [False, True, False, False]
    assert found.lower.tolist() == [0, 10, 1, 1]
    assert found.upper.tolist() == [1, np.inf, 10, 3]  # gaps are skipped, the first crossing counts
    assert found.times[3] == pytest.approx(3.0)
    assert str(found) == (
        "characteristic times at 4 waiting times: 3 to 6.488 steps, 1 never reached, 1 passed at the first lag"
    )


def test_the_time_of_the_mean_is_not_the_mean_of_the_times():
    """Of Δ = t/τ with τ = 1 and 9 the mean reaches 3 at 5.4; the times are 3 and 27."""
    curves = LAGS / np.array([1.0, 9.0])[:, None, None]
    mean, each = (characteristic_time(table(curves), 3.0, average=word) for word in ("displacement", "each"))
    assert mean.times == pytest.approx([5.4])
    assert each.times.round(9).tolist() == [[3.0], [27.0]]


def test_leaving_censored_times_out_would_bias_their_mean():
    """The control: of 400 exponential times half are censored; the mean of the others is far too short."""
    rates = np.random.default_rng(1).exponential(size=400)
    curves = rates[:, None, None] * LAGS
    each = characteristic_time(table(curves), 20.0, average="each")
    assert 0.3 < each.censored.mean() < 0.7
    assert np.nanmean(each.times) < 0.9 * characteristic_time(table(curves), 20.0).times[0]


def test_groups_and_units():
    squared = np.stack([LAGS * 1.0, LAGS * 4.0], axis=-1)[None, None]
    given = DisplacementTable(
        [1], LAGS, squared, [8, 2], groups=("all", "fc"), anchor_norms=np.full((1, 1, 2), 16.0)
    )
    assert characteristic_time(given, 10.0, group="fc").times == pytest.approx([5.0])
    assert characteristic_time(given, 5.0, group=0, per="group").times == pytest.approx([5.0])
    assert characteristic_time(given, 1.25, group=1, per="anchor").times == pytest.approx([5.0])


@pytest.mark.parametrize("threshold", [0.0, -1.0, np.nan, np.inf])
def test_a_threshold_must_be_positive(threshold):
    with pytest.raises(ConfigError, match=r"must be positive. Displacements from 1 to 30 were measured"):
        characteristic_time(table(LAGS * np.ones((1, 2, 1))), threshold)


def test_an_unknown_average_is_refused():
    with pytest.raises(ConfigError, match="average is 'mean'"):
        characteristic_time(table(LAGS * np.ones((1, 2, 1))), 2.0, average="mean")
