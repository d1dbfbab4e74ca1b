import numpy as np
import pytest

from thermograd.estimators.common_drift import common_drift

RNG = np.random.default_rng(0)


def cases(count, rows, spread, drift=0.0):
    """Products of normal rows with these standard deviations, and their expected mean square."""
    moved = RNG.normal(size=(count, rows, len(spread))) * spread + drift
    mean_square = float(np.square(spread).mean() + drift**2)
    return np.einsum("cvi,cwi->cvw", moved, moved) / len(spread), mean_square


@pytest.mark.parametrize("rows", [4, 8, 20])
@pytest.mark.parametrize("spread", [[1.0], [1.0, 0.5, 0.2], np.ones(60), 1 / np.arange(1, 200)], ids=len)
def test_false_alarms_are_rarer_than_one_in_a_thousand(rows, spread):
    """4000 cases without drift, binomial, 4 sigma above 10⁻³."""
    products, mean_square = cases(4000, rows, np.asarray(spread))
    alarms = np.mean([common_drift(one, mean_square, 10, 0.01).found for one in products])
    assert alarms < 1e-3 + 4 * np.sqrt(1e-3 / 4000)


@pytest.mark.parametrize(("rows", "drift"), [(4, 3.0), (8, 1.0), (20, 0.5)])
def test_a_drift_is_found_and_its_share_is_unbiased(rows, drift):
    """Shares 0.9, 0.5, 0.2 in 60 dimensions; the mean of 500 within 4 standard errors."""
    products, mean_square = cases(500, rows, np.ones(60), drift)
    found = [common_drift(one, mean_square, 10, 0.1) for one in products]
    assert np.mean([one.found for one in found]) > 0.95
    shares = np.array([one.share for one in found])
    assert abs(shares.mean() - drift**2 / mean_square) < 4 * shares.std() / np.sqrt(500)


def test_what_is_within_the_tolerance_is_let_pass():
    products, mean_square = cases(1, 200, np.ones(60), 0.2)
    found = common_drift(products[0], mean_square, 10, 0.1)
    assert found.chance < 1e-3
    assert not found.found
    assert common_drift(products[0], mean_square, 10, 0.01).found


def test_rows_that_all_do_the_same():
    same = common_drift(np.ones((4, 4)), 1.0, 10, 0.1)
    assert same.found
    assert same.share == pytest.approx(1)
    assert same.chance < 1e-9


@pytest.mark.parametrize(("products", "mean_square"), [(np.ones((3, 3)), 1.0), (np.zeros((8, 8)), 0.0)])
def test_too_few_rows_and_rows_at_rest_are_not_tested(products, mean_square):
    found = common_drift(products, mean_square, 10, 0.1)
    assert not found.tested
    assert not found.found
