"""A level that is none is refused at once: per cent in place of a share would give an interval of NaN."""

from __future__ import annotations

import pytest

from thermograd.errors import ConfigError
from thermograd.estimators import fluctuation_dissipation, gradient_noise, posterior
from thermograd.estimators.waiting_or_cutting import waiting


@pytest.mark.parametrize("level", [95, 0, 1, float("nan")])
@pytest.mark.parametrize(
    "estimate",
    [
        lambda level: fluctuation_dissipation.ratio([1.0] * 9, [1.0] * 9, level=level),
        lambda level: fluctuation_dissipation.slowest_direction([[0.0]] * 9, level=level),
        lambda level: gradient_noise.gradient_noise_scale([1.0] * 9, [1.0] * 9, level=level),
        lambda level: posterior.gaussian_kl([[[0.0]] * 9] * 2, [0.0], [[1.0]], level=level),
        lambda level: posterior.calibration([[0.5, 0.5]] * 9, [0] * 9, level=level),
        lambda level: waiting([1.0] * 9, range(1, 10), level=level),
    ],
)
def test_a_level_that_is_none_is_refused(estimate, level):
    with pytest.raises(ConfigError, match=r"level is .*; it must be between 0 and 1, as 0\.95"):
        estimate(level)
