from __future__ import annotations

import numpy as np
import pytest

from thermograd.report.arsinh_scale import ArsinhScale, scale_of


def test_it_is_odd_linear_at_0_and_logarithmic_far_out():
    scale = ArsinhScale(0.01)
    values = np.array([-100.0, -1e-5, 0.0, 1e-5, 100.0])
    places = scale(values)
    assert places == pytest.approx(-places[::-1])
    assert places[3] == pytest.approx(1e-5 / 0.02 / np.log(10), rel=1e-6)
    assert places[4] == pytest.approx(4.0, abs=1e-8)  # log10(100 / 0.01)
    assert (np.diff(places) > 0).all()


def test_ticks_are_powers_of_ten_of_both_signs():
    axis = ArsinhScale(0.02).axis([-0.5, 30.0])
    assert axis["ticktext"] == ["-0.1", "0", "0.1", "1", "10"]
    assert axis["tickvals"][1] == 0
    low, high = axis["range"]
    assert low < ArsinhScale(0.02)(-0.5) < ArsinhScale(0.02)(30.0) < high


def test_many_decades_have_few_ticks():
    assert ArsinhScale(1e-6).axis([0, 1e3])["ticktext"] == ["0", "1e-3", "1", "1000"]


def test_nothing_and_zeros():
    assert scale_of([]) == scale_of([0.0, np.nan]) == ArsinhScale(1.0)
    assert ArsinhScale(1.0).axis([]) == {}
    assert ArsinhScale(1.0).axis([0.0])["ticktext"] == ["0"]
