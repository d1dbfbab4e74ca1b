from __future__ import annotations

import numpy as np
import pytest

from thermograd.report.log_steps import log_axis, log_places


def test_steps_lie_at_their_logarithm_and_0_before_them():
    assert log_places([1, 100, 0, 10]) == pytest.approx([0, 2, -1, 1])
    assert log_places([0, 1, 2]) == pytest.approx([-np.log10(2), 0, np.log10(2)])
    assert log_places([0, 50]) == pytest.approx([np.log10(50) - 0.3, np.log10(50)])
    assert log_places([0]).tolist() == [0.0]
    assert log_places([]).size == 0


def test_few_steps_are_their_own_ticks_and_many_have_decades():
    few = log_axis([0, 32, 1000])
    assert few["ticktext"] == ["0", "32", "1000"]
    many = log_axis([0, *np.unique(np.round(10 ** (np.arange(0, 25) / 6)))])
    assert many["ticktext"] == ["0", "1", "10", "100", "1000", "10000"]
    assert many["tickvals"][1:] == [0, 1, 2, 3, 4]
    low, high = many["range"]
    assert low < many["tickvals"][0] < 0
    assert high > 4
    assert log_axis([]) == {}
