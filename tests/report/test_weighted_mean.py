from __future__ import annotations

import numpy as np
import pytest

from thermograd.quantities import Estimate
from thermograd.report.weighted_mean import weighted_mean

Z = 1.959963984540054


def given(value, error):
    return Estimate(value, (value - Z * error, value + Z * error))


def test_two_errors_give_the_textbook_weights():
    """Weights 1 and 1/4: mean (1 + 3/4)/(5/4) = 1.4, error sqrt(4/5); Q = (0.16 + 2.56/4) = 0.8 on one degree."""
    found = weighted_mean([given(1.0, 1.0), given(3.0, 2.0)])
    assert found.mean.value == pytest.approx(1.4)
    assert found.mean.high - 1.4 == pytest.approx(Z * np.sqrt(0.8))
    assert found.p_value == pytest.approx(0.371093, abs=1e-5)


def test_disagreement_widens_the_interval():
    """Q = 2·5² = 50 on one degree: the error 1/sqrt(2) grows by sqrt(50) to 5."""
    found = weighted_mean([given(0.0, 1.0), given(10.0, 1.0)])
    assert found.mean.high - 5.0 == pytest.approx(Z * 5.0)
    assert found.p_value < 1e-10


def test_the_quantile_is_that_of_the_interval():
    """Student's t of 3 degrees at 95 % is 3.18245."""
    found = weighted_mean([Estimate(1.0, (1 - 3.18245, 1 + 3.18245), pieces=4)])
    assert found.mean.high - 1.0 == pytest.approx(Z, abs=1e-4)
    assert np.isnan(found.p_value)


def test_what_has_no_interval_has_no_weight():
    without = [
        Estimate(9.0, (-np.inf, np.inf)),
        Estimate(np.nan, (np.nan, np.nan)),
        Estimate(7.0, (7.0, 7.0)),
    ]
    found = weighted_mean([given(1.0, 1.0), *without])
    assert found.mean.value == pytest.approx(1.0)
    assert found.mean.pieces == 1
    assert np.isnan(weighted_mean(without).mean.value)
    assert np.isnan(weighted_mean([]).mean.value)


def test_the_interval_covers_and_the_p_value_is_uniform():
    """2000 draws: 95 % ± 4 sigma is ± 2 %; errors known, so disagreement only widens."""
    rng = np.random.default_rng(0)
    errors = np.array([0.5, 1.0, 2.0])
    held, small = 0, 0
    for _ in range(2000):
        values = rng.normal(size=3) * errors
        found = weighted_mean([given(*pair) for pair in zip(values.tolist(), errors.tolist(), strict=True)])
        held += found.mean.low <= 0 <= found.mean.high
        small += found.p_value < 0.1
    assert held / 2000 > 0.93
    assert small / 2000 == pytest.approx(0.1, abs=0.027)
