from __future__ import annotations

import numpy as np
import pytest

from thermograd.report.arsinh_scale import scale_of
from thermograd.report.sorted_spectrum import sorted_spectrum


def test_ranks_are_averaged_over_trajectories(trace, writable):
    figure = sorted_spectrum({"step 0": [[1.0, 9.0, -1.0], [-3.0, 3.0, 11.0]], "step 10": [4.0, 0.5, 2.0]})
    writable(figure)
    assert figure.table["rank"] == [1, 2, 3, 1, 2, 3]
    assert figure.table["eigenvalue (mean over runs)"] == [10.0, 2.0, -2.0, 4.0, 2.0, 0.5]
    mean = trace(figure, "step 0")[-1]  # the upper decile of 9 and 11 is 10.8
    assert mean["y"] == pytest.approx(scale_of([10.8])([10.0, 2.0, -2.0]), rel=1e-4)
    assert mean["text"][0] == "step 0, rank 1: 10"
    assert "step 0: 10 to -2, 33.3 % of them negative" in figure.conclusion
    assert "step 10: 4 to 0.5, 0 % of them negative" in figure.conclusion


def test_a_trajectory_with_nan_is_left_out():
    figure = sorted_spectrum({"end": [[1.0, np.nan], [5.0, 3.0]]})
    assert figure.table["eigenvalue (mean over runs)"] == [5.0, 3.0]


@pytest.mark.parametrize("given", [{}, {"end": []}, {"end": [[np.nan, 1.0]]}])
def test_nothing_is_said_to_be_nothing(given, writable):
    figure = sorted_spectrum(given)
    writable(figure)
    assert figure.traces == ()
    assert figure.conclusion == "No spectrum was recorded."
