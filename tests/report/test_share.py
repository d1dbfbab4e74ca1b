from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from thermograd.report.share import share


@pytest.mark.parametrize(("count", "total"), [(3, 64), (32, 64), (63, 64), (1, 2)])
def test_the_ends_leave_two_and_a_half_per_cent_of_the_binomial_on_each_side(count, total):
    found = share(count, total)
    assert found.value == count / total
    assert binom.sf(count - 1, total, found.low) == pytest.approx(0.025, abs=1e-9)
    assert binom.cdf(count, total, found.high) == pytest.approx(0.025, abs=1e-9)


def test_none_and_all_have_closed_one_sided_ends():
    assert share(0, 64).low == 0
    assert share(0, 64).high == pytest.approx(1 - 0.025 ** (1 / 64))
    assert share(64, 64).low == pytest.approx(0.025 ** (1 / 64))
    assert share(64, 64).high == 1
    assert np.isfinite(share(0, 1).high)
