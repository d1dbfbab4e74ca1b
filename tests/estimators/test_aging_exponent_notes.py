"""What an aging exponent says beside its value, arguments that cannot be used, and what its intervals hold."""

from dataclasses import replace

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators import aging
from thermograd.estimators.displacement_table import DisplacementTable


def exponent_of_exact_sums(walk, thresholds):
    return aging.aging_exponent(walk.exact(), thresholds, resamples=2).exponent.value


def two_paces(trajectories, seed=0, waiting=(10, 10_000)):
    """Equal steps up to step 300, from then on steps of variance (s/300)^(−1): 0 before, 1 after."""
    ages = np.rint(np.geomspace(*waiting, 13)).astype(int)
    lags = np.unique(np.rint(10 ** (np.arange(34) / 8)).astype(int))
    steps = np.union1d(ages, (ages[:, None] + lags).ravel())
    variances = np.concatenate([[0], np.cumsum(1 / np.maximum(1, np.arange(1, steps[-1] + 1) / 300))])
    spread = np.sqrt(np.diff(variances[np.append(0, steps)]))
    kicks = np.random.default_rng(seed).normal(size=(trajectories, steps.size, 100)) * spread[:, None]
    return aging.mean_square_displacement(kicks.cumsum(axis=1), steps, waiting_times=ages, lags=lags)


@pytest.mark.parametrize("trajectories", [1, 8])
def test_an_exponent_that_depends_on_the_window_says_so(trajectories):
    """The law of a fast phase and that of a slow one average to an exponent of neither."""
    found = aging.aging_exponent(two_paces(trajectories), 5.0)
    assert 0.2 < found.exponent.value < 0.8
    note = found.exponent.note.partition("depends on the window: ")[2]
    early, late = float(note[:4]), float(note.partition("t_w 316, ")[2][:4])
    assert early == pytest.approx(0, abs=0.15)
    assert late == pytest.approx(1, abs=0.15)
    for window in ((None, 200), (600, None)):
        part = aging.aging_exponent(two_paces(trajectories), 5.0, waiting=window)
        assert "window" not in part.exponent.note


def test_one_law_seldom_looks_like_two(step_variance_walk):
    """At 95 %, of 40 walks 2 are expected to."""
    walk = step_variance_walk(1.0)
    found = [aging.aging_exponent(walk.simulate(8, 20, seed=seed), 0.3, resamples=200) for seed in range(40)]
    assert sum("window" in one.exponent.note for one in found) <= 5


def test_waiting_times_that_are_used_are_those_of_the_window(step_variance_walk):
    found = aging.aging_exponent(step_variance_walk(0.5).simulate(4, 50), 2.0, waiting=(50, 2000))
    assert found.waiting_times[0] >= 50
    assert found.waiting_times[-1] <= 2000
    assert f"t_w {found.waiting_times[0]}…{found.waiting_times[-1]}, Δ* 2" in str(found)
    assert str(found).split(", t_w")[0].endswith("4 trajectories")


def test_the_start_of_training_has_no_logarithm_and_is_left_out():
    lags = 2 ** np.arange(8)
    curves = np.ones((1, 5, 1)) * lags
    found = aging.aging_exponent(DisplacementTable([0, 1, 10, 100, 1000], lags, curves[..., None], [1]), 3.0)
    assert found.waiting_times.tolist() == [1, 10, 100, 1000]


@pytest.mark.parametrize(("trajectories", "note"), [(1, "one run"), (7, "7 trajectories"), (8, "")])
def test_few_trajectories_are_answered_with_a_note(step_variance_walk, trajectories, note):
    found = aging.aging_exponent(step_variance_walk(0.5).simulate(trajectories, 100))
    assert found.exponent.note == note
    assert found.exponent.low < 0.5 < found.exponent.high + 0.05
    assert str(found).count("run" if trajectories == 1 else "trajectories") == 1


def test_a_diverged_trajectory_is_left_out_and_counted(step_variance_walk):
    table = step_variance_walk(0.5).simulate(9, 50)
    squared = table.squared.copy()
    squared[3, 7:] = np.nan
    found = aging.aging_exponent(replace(table, squared=squared))
    rest = aging.aging_exponent(replace(table, squared=np.delete(squared, 3, axis=0), anchor_norms=None))
    assert found.exponent.value == rest.exponent.value
    assert "1 of 9 trajectories diverged" in found.exponent.note
    assert "1 of 9 trajectories diverged" in str(found)
    squared[:] = np.inf
    with pytest.raises(ConfigError, match="all of its 9 trajectories diverged"):
        aging.aging_exponent(replace(table, squared=squared))


@pytest.mark.parametrize("thresholds", ["stable", 0.1])
def test_frozen_weights(thresholds):
    table = aging.mean_square_displacement(np.ones((2, 200, 3)), np.arange(200))
    found = aging.aging_exponent(table, thresholds)
    assert found.exponent is None
    assert found.verdict.text.startswith("nothing moves")
    assert str(found).startswith("undetermined: nothing moves")


def test_a_record_too_short_for_stable_thresholds_says_what_is_missing(step_variance_walk):
    table = step_variance_walk(0.5, steps=60, first=20, last=50).simulate(4, 20)
    found = aging.aging_exponent(table)
    assert found.outcome == "undetermined"
    assert "there are 13 waiting times over 0.4 decades (t_w 20…50)" in found.verdict.text
    frozen = aging.aging_exponent(
        step_variance_walk(3.0).exact()
    )  # the first step from t_w = 20 exceeds all later ones
    assert frozen.verdict.text.startswith(
        "no threshold is reached from 6 waiting times over 1 decade and passed"
    )
    few = aging.aging_exponent(step_variance_walk(0.5).exact(), 1000.0)
    assert few.verdict.text.startswith("the displacement never reaches 1000; largest seen 2")


def test_resamples_without_a_slope_leave_it_undetermined():
    """One trajectory of four moves: a resample without it reaches nothing, and 32 % are."""
    lags = np.unique(np.rint(np.geomspace(1, 1000, 25)).astype(int))
    curves = np.stack([lags / 1e3] * 3 + [lags * 1.0])[:, None, :] / np.array([1, 2, 4, 8, 16])[None, :, None]
    found = aging.aging_exponent(
        DisplacementTable([1, 10, 100, 1000, 10_000], lags, curves[..., None], [1]), 2.0
    )
    assert found.outcome == "undetermined"
    assert "% of the resamples reach the thresholds at fewer than 3 waiting times" in found.exponent.note


def test_coarse_weights_are_warned_of():
    """bfloat16 of norm 10 and 4 parameters: rounding alone moves them by (2⁻⁷ · 10)²/4 = 0.0015."""
    lags = 2 ** np.arange(12)
    curves = np.ones((1, 4, 1, 1)) * 1e-5 * lags[:, None]
    table = DisplacementTable(
        [1, 10, 100, 1000], lags, 4 * curves, [4], eps=2.0**-7, anchor_norms=np.full((1, 4, 1), 100.0)
    )
    assert (
        "rounding of the weights alone moves them by 1.5e-3"
        in aging.aging_exponent(table, 1e-3).exponent.note
    )
    assert "rounding" not in aging.aging_exponent(table, 2e-3).exponent.note


@pytest.mark.parametrize("threshold", [0.0, -1.0, np.nan, (1.0, np.nan), ()])
def test_levels_must_be_positive(step_variance_walk, threshold):
    with pytest.raises(ConfigError, match=r"must be positive. Displacements from [0-9.e-]+ to [0-9.]+ were"):
        aging.aging_exponent(step_variance_walk(0.5).exact(), threshold)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"waiting": (4000, None)}, r"waiting=\(4000, None\) holds 1 measured waiting times, 3 are needed"),
        ({"thresholds": "all"}, "thresholds is 'all'"),
        ({"level": 1.0}, "level is 1.0"),
        ({"margin": 0.5}, "margin is 0.5"),
        ({"resamples": 1}, "resamples is 1"),
        ({"average": "mean"}, "average is 'mean'"),
        ({"group": 1}, "no group 1"),
        ({"per": "anchor"}, "no norms"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_arguments_out_of_range(step_variance_walk, options, words):
    exact = step_variance_walk(0.5).exact()
    table = replace(exact, squared=np.concatenate([exact.squared, 1.1 * exact.squared]))
    with pytest.raises(ConfigError, match=words):
        aging.aging_exponent(table, **options)


def test_another_level_is_said_and_wider(step_variance_walk):
    table = step_variance_walk(0.5).simulate(6, 50)
    narrow, wide = (aging.aging_exponent(table, 2.0, level=level) for level in (0.68, 0.99))
    assert wide.exponent.high - wide.exponent.low > 2 * (narrow.exponent.high - narrow.exponent.low)
    assert " at 68 %)" in str(narrow)


@pytest.mark.slow
@pytest.mark.parametrize("trajectories", [1, 2, 4, 24])
@pytest.mark.parametrize("power", [0.25, 1.0])
def test_intervals_hold_the_exponent_of_the_exact_sums(step_variance_walk, power, trajectories):
    """95 %: of 100 walks at least 89 hold it (4 sigma would be 86); thresholds are chosen anew for each."""
    walk = step_variance_walk(power)
    held = 0
    for seed in range(100):
        found = aging.aging_exponent(walk.simulate(trajectories, 50, seed=seed), resamples=200)
        held += (
            found.exponent.low
            <= exponent_of_exact_sums(walk, found.per_threshold.thresholds)
            <= found.exponent.high
        )
    assert held >= 89
