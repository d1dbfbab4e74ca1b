"""Schedules of posterior samplers against their formulas."""

import math

import pytest

from thermograd.training.schedulers.posterior_steps import cyclical, decaying


def test_a_cycle_explores_and_then_samples():
    steps = cyclical(50, explore=0.8)
    for epoch in (0, 17, 39, 40, 49, 50, 89, 90):
        phase = (epoch % 50) / 50
        assert steps(epoch) == (pytest.approx((math.cos(math.pi * phase) + 1) / 2), float(phase >= 0.8))
    assert steps(0) == steps(50) == (1.0, 0.0)


def test_decaying_rates_sum_to_infinity_and_their_squares_do_not():
    steps = decaying(10, exponent=0.75)
    rates = [steps(epoch)[0] for epoch in (0, 10, 10**6, 2 * 10**6)]
    assert rates[0] == 1
    assert rates[1] == pytest.approx(2**-0.75)
    assert rates[3] / rates[2] == pytest.approx(2**-0.75, rel=1e-4)
    assert steps(5)[1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: cyclical(0), "cycle_epochs"),
        (lambda: cyclical(10, explore=1.0), "explore"),
        (lambda: cyclical(4), "cycle_epochs >= 5"),
        (lambda: decaying(0), "offset"),
        (lambda: decaying(10, exponent=0.5), "exponent"),
    ],
)
def test_numbers_that_cannot_be(make, match):
    with pytest.raises(ValueError, match=match):
        make()
