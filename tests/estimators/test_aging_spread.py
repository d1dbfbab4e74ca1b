"""Bootstrap over trajectories and jackknife over waiting times, each against itself written as a loop."""

import numpy as np
import pytest

from thermograd.estimators.aging_slopes import aging_slopes
from thermograd.estimators.aging_spread import (
    Draws,
    spread_over_trajectories,
    spread_over_waiting_times,
)
from thermograd.estimators.displacement_curves import displacement_curves
from thermograd.estimators.stable_thresholds import stable_thresholds, threshold_grid
from thermograd.estimators.threshold_times import threshold_times
from thermograd.numerics.bootstrap import resampled_counts


def curves_of(walk, trajectories, parameters=30):
    return displacement_curves(walk.simulate(trajectories, parameters), group=0, per="parameter")


@pytest.mark.parametrize("average", ["displacement", "each"])
def test_every_resample_is_estimated_anew(step_variance_walk, average):
    curves = curves_of(step_variance_walk(0.5), 5)
    levels = np.array([1.0, 2.0])
    found = threshold_times(curves, levels, average)
    spread = spread_over_trajectories(curves, found, np.ones(2, bool), average, Draws(40, 1), None)
    slopes = []
    for counts in resampled_counts(np.ones(5, int), 40, 1):
        drawn = np.repeat(curves.each, counts, axis=0)
        deltas = drawn if average == "each" else drawn.mean(axis=0, keepdims=True)
        copy = type(curves)(curves.waiting_times, curves.lags, deltas, 0.0, "")
        slopes.append(aging_slopes(curves.waiting_times, threshold_times(copy, levels, average).times))
    common = np.array([one.common for one in slopes])
    each = np.array([one.each for one in slopes])
    assert spread.common == pytest.approx(common.std() * np.sqrt(5 / 4), rel=1e-9)
    np.testing.assert_allclose(spread.each, each.std(axis=0) * np.sqrt(5 / 4), rtol=1e-9)
    np.testing.assert_allclose(spread.samples, common, rtol=1e-9)
    assert (spread.pieces, spread.dropped) == (5, 0)


def test_the_choice_of_thresholds_is_part_of_the_resample(step_variance_walk):
    curves = curves_of(step_variance_walk(0.25), 4)
    found = threshold_times(curves, threshold_grid(*curves.range), "displacement")
    chosen = stable_thresholds(found)
    spread = spread_over_trajectories(curves, found, chosen, "displacement", Draws(30, 0), stable_thresholds)
    expected = []
    for counts in resampled_counts(np.ones(4, int), 30, 0):
        drawn = np.repeat(curves.each, counts, axis=0).mean(axis=0, keepdims=True)
        copy = type(curves)(curves.waiting_times, curves.lags, drawn, 0.0, "")
        times = threshold_times(copy, found.levels, "displacement")
        expected.append(aging_slopes(curves.waiting_times, times.at(stable_thresholds(times)).times).common)
    np.testing.assert_allclose(spread.samples, expected, rtol=1e-9)
    assert spread.each.shape == (chosen.sum(),)


def test_the_jackknife_leaves_out_blocks_of_neighbours(step_variance_walk):
    curves = curves_of(step_variance_walk(0.5), 1)
    found = threshold_times(curves, np.array([0.5, 1.0]), "displacement")
    spread = spread_over_waiting_times(found)
    blocks = np.array_split(np.arange(13), 6)  # min(8, 13/2); t* is far below t_w
    slopes = []
    for block in blocks:
        kept = np.setdiff1d(np.arange(13), block)
        slopes.append(aging_slopes(curves.waiting_times[kept], found.times[kept]).common)
    assert spread.pieces == 6
    assert spread.common == pytest.approx(np.sqrt(5) * np.std(slopes), rel=1e-9)


@pytest.mark.parametrize(("level", "pieces"), [(1.0, 6), (30.0, 4), (100.0, 2), (400.0, 1)])
def test_blocks_are_as_long_as_the_paths_overlap(step_variance_walk, level, pieces):
    """ln(5000/20) = 5.5; the median of ln(1 + t*/t_w) is 1.2 at level 30, 2.7 at 100."""
    curves = displacement_curves(step_variance_walk(0.5, steps=200_000).exact(), group=0, per="parameter")
    found = threshold_times(curves, np.array([level]), "displacement")
    overlap = np.median(np.log1p(found.times[:, 0] / curves.waiting_times))
    assert pieces == max(1, min(6, int(np.log(250) / overlap)))
    spread = spread_over_waiting_times(found)
    assert spread.pieces == pieces
    assert np.isinf(spread.common) == (pieces == 1)
