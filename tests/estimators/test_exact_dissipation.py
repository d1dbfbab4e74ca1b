"""Means over a window from block ends, against step-by-step sums of SGD with momentum in one dimension."""

import math

import numpy as np
import pytest
from scipy import stats

from thermograd.estimators.exact_dissipation import exact_dissipation

RATE, MOMENTUM, DAMPENING, BLOCK = 0.2, 0.6, 0.3, 5


def training(blocks, seed=0, every=1):
    """O_L and O_R of every step, and what a record of block ends holds of them."""
    generator = np.random.default_rng(seed)
    place, velocity, centre = 2.0, 0.0, 0.7
    left, right, ends = [], [], [0.0]
    potentials = [(1 - MOMENTUM) * (place - centre) ** 2 / (2 * RATE) / (1 - DAMPENING)]
    sums, counts = [0.0], [0]
    for step in range(blocks * BLOCK):
        gradient = 0.5 * place + generator.normal()
        left.append((place - centre) * gradient)
        velocity = MOMENTUM * velocity - (1 - DAMPENING) * gradient
        place += RATE * velocity
        right.append((1 + MOMENTUM) / (2 * (1 - DAMPENING)) * RATE * velocity**2)
        if (step + 1) % BLOCK == 0:
            away = place - centre
            potential = (1 - MOMENTUM) * away**2 / (2 * RATE) + MOMENTUM * away * velocity
            potentials.append(potential / (1 - DAMPENING))
            ends.append(step + 1)
            sums.append(sum(right[::every]))
            counts.append(len(right[::every]))
    return np.array(left), np.array(right), (ends, potentials, sums, counts)


def test_dissipation_is_that_summed_step_by_step():
    left, right, ends = training(32)
    found = exact_dissipation(*ends)
    assert found.steps == (0, 160)
    assert found.dissipation.value == pytest.approx(left.mean(), rel=1e-12)
    assert found.fluctuation.value == pytest.approx(right.mean(), rel=1e-12)
    assert found.ratio.value == pytest.approx(left.mean() / right.mean(), rel=1e-12)


@pytest.mark.parametrize("every", [3, 7])
def test_the_difference_is_exact_however_few_steps_are_measured(every):
    left, right, ends = training(32, every=every)
    found = exact_dissipation(*ends)
    difference = found.dissipation.value - found.fluctuation.value
    assert difference == pytest.approx((left - right).mean(), rel=1e-10)
    assert found.fluctuation.value == pytest.approx(right[::every].mean(), rel=0.02)


def test_intervals_by_hand():
    """Student's t over the means of 16 groups of 2 blocks; the ratio by the delta method."""
    left, right, ends = training(32)
    found = exact_dissipation(*ends, level=0.9)
    drag, noise = left.reshape(16, -1).mean(1), right.reshape(16, -1).mean(1)
    quantile = stats.t.ppf(0.95, 15) / 4
    assert found.dissipation.high - found.dissipation.value == pytest.approx(quantile * drag.std(ddof=1))
    assert found.fluctuation.high - found.fluctuation.value == pytest.approx(quantile * noise.std(ddof=1))
    ratio = drag.mean() / noise.mean()
    spread = (drag - ratio * noise).std(ddof=1) / noise.mean()
    assert found.ratio.high - found.ratio.value == pytest.approx(quantile * spread)
    assert found.ratio.pieces == 16


def test_blocks_that_fill_no_group_are_left_out_at_the_start():
    left, _, ends = training(37)
    found = exact_dissipation(*ends, groups=8)
    assert found.steps == (25, 185)
    assert found.dissipation.value == pytest.approx(left[25:].mean(), rel=1e-12)


def test_groups_without_a_measured_step_take_the_mean_of_all():
    found = exact_dissipation([0, 5, 10, 15], [0, 0, 0, 0], [0, 4, 4, 8], [0, 2, 2, 4])
    assert found.fluctuation.value == 2
    assert found.ratio.value == 1


def test_too_few_blocks():
    with pytest.raises(ValueError, match="2 blocks are needed"):
        exact_dissipation([0, 5], [0, 0], [0, 1], [0, 5])


@pytest.mark.parametrize("fluctuation", [[0, 0, 0], [7, 7, 7], [0, math.nan, math.nan]])
def test_nothing_measured_or_nothing_moved(fluctuation):
    with pytest.raises(ValueError, match="nothing moved in the 5 measured steps of steps 0-10"):
        exact_dissipation([0, 5, 10], [0, 0, 0], fluctuation, [0, 2, 5])


def test_what_was_measured_before_the_window_does_not_count():
    with pytest.raises(ValueError, match="nothing moved in the 0 measured steps of steps 5-15"):
        exact_dissipation([0, 5, 10, 15], [0, 0, 0, 0], [0, 1, 1, 1], [0, 5, 5, 5], groups=2)
