from __future__ import annotations

import numpy as np
import pytest

from thermograd.quantities import Estimate
from thermograd.report.curvature_and_noise import approximations_by_mode, bridge, variance_by_curvature

CURVATURES = np.array([1.0, 10.0, 100.0])


def test_the_worst_direction_is_named_whether_above_or_below(trace, writable):
    figure = approximations_by_mode(
        CURVATURES, {"small": np.array([0.01, 0.5, 1.0]), "large": np.array([25.0, 1.0, 1.1])}
    )
    writable(figure)
    assert "small by a factor of 100, large by a factor of 25" in figure.conclusion
    assert trace(figure, "small")[0]["y"] == [0.01, 0.5, 1.0]
    assert trace(figure, "exact")[0]["y"] == [1.0, 1.0]


def test_variances_keep_their_exponent(trace, writable):
    figure = variance_by_curvature(
        CURVATURES, {"shaken": 3e-9 * CURVATURES}, {"shaken": Estimate(1.0, (0.98, 1.02))}
    )
    writable(figure)
    shown = np.array(trace(figure, "shaken")[0]["y"])
    assert np.diff(np.log(shown)) / np.diff(np.log(CURVATURES)) == pytest.approx([1, 1])
    assert shown.mean() == pytest.approx(1)
    assert figure.table["shaken"] == pytest.approx(3e-9 * CURVATURES)
    assert "shaken 1.00 (0.98 to 1.02)" in figure.conclusion


def test_the_bridge_stands_on_ends_of_epochs(trace, writable):
    steps = np.arange(13)
    figure = bridge(steps, np.where(steps % 4 == 0, 1.0, 30.0 - (steps % 4 - 2) ** 2), 4)
    writable(figure)
    assert trace(figure, "ends of epochs")[0]["x"] == [0, 4, 8, 12]
    assert trace(figure, "ends of epochs")[0]["y"] == [1, 1, 1, 1]
    assert "30 times" in figure.conclusion
