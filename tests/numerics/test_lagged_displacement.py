import numpy as np
import pytest

from thermograd.numerics.lagged_displacement import lagged_displacement

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("first", "last", "lags"), [(0, 1, 1), (0, 20, 30), (13, 24, 26), (49, 50, 1)])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_pairs_one_by_one(first, last, lags, kind):
    path = (np.cumsum(RNG.normal(size=(51, 7)), axis=0) + 100).astype(kind)
    expected = [
        np.mean([((path[o + lag] - path[o]).astype(float) ** 2).mean() for o in range(first, last)]) / 2
        for lag in range(1, lags + 1)
    ]
    assert np.allclose(lagged_displacement(path, first, last, lags), expected, rtol=1e-5)


def test_many_coordinates_are_taken_in_parts(monkeypatch):
    path = RNG.normal(size=(30, 11))
    whole = lagged_displacement(path, 2, 9, 20)
    monkeypatch.setattr("thermograd.numerics.lagged_displacement._TOGETHER", 4)
    assert np.allclose(lagged_displacement(path, 2, 9, 20), whole, rtol=1e-12)


@pytest.mark.parametrize(("first", "last", "lags"), [(3, 3, 1), (0, 5, 7), (-1, 2, 1), (0, 2, 0)])
def test_what_does_not_fit(first, last, lags):
    with pytest.raises(ValueError, match=r"do not fit in a path of 11 times"):
        lagged_displacement(np.zeros((11, 2)), first, last, lags)
