"""The exponent of variance against curvature, on exact powers and recorded numbers."""

import numpy as np
import pytest
from scipy import stats

from thermograd.errors import ConfigError
from thermograd.estimators.flatness_exponent import flatness_exponent


@pytest.mark.parametrize("exponent", [-1.0, 0.0, 0.43, 1.0])
def test_an_exact_power(exponent):
    curvatures = np.array([0.1, 3.0, 7.0, 200.0])
    found = flatness_exponent(curvatures, 5e-7 * curvatures**exponent)
    assert found.value == pytest.approx(exponent, abs=1e-12)
    assert found.low == pytest.approx(found.high, abs=1e-9)
    assert found.pieces == 4


def test_the_interval_is_that_of_a_line_through_scattered_points():
    generator = np.random.default_rng(0)
    x = np.linspace(0, 5, 12)
    y = 0.4 * x + generator.normal(size=12)
    found = flatness_exponent(np.exp(x), np.exp(y))
    line = stats.linregress(x, y)
    assert found.value == pytest.approx(line.slope, rel=1e-12)
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, 10) * line.stderr, rel=0.03)


def test_directions_without_positive_curvature_are_left_out():
    found = flatness_exponent([-2.0, 0.0, 1.0, 4.0, 9.0], [7.0, 7.0, 1.0, 2.0, 3.0])
    assert found.value == pytest.approx(0.5, abs=1e-12)
    assert found.note == "2 directions without positive curvature or variance left out"


def test_two_directions_have_no_error_bar():
    assert flatness_exponent([1.0, 2.0], [1.0, 4.0]).interval == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("curvatures", "variances", "message"),
    [
        ([1.0, 2.0], [1.0], "equal length"),
        ([1.0, 1.0], [1.0, 2.0], "two of"),
        ([-1.0, 1.0], [1.0, 2.0], "1 of 2"),
    ],
)
def test_no_exponent(curvatures, variances, message):
    with pytest.raises(ConfigError, match=message):
        flatness_exponent(curvatures, variances)
