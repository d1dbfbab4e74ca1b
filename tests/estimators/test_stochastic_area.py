"""Estimates from running sums, against the same from stored trajectories and against the exact process."""

import numpy as np
import pytest
from scipy import stats

from thermograd.errors import ConfigError
from thermograd.estimators import stationary_state as stored
from thermograd.estimators import stochastic_area


def totals(points, every, *, displaced=True):
    """What an accumulator writes of trajectories each `every` updates, counted from their own first point."""
    away, steps = points[:, :-1] - points[:, :1], np.diff(points, axis=1)
    outer = away[..., :, None] * steps[..., None, :]
    running = {
        "sum": away,
        "second_moment": away[..., :, None] * away[..., None, :],
        "area": (outer - outer.swapaxes(2, 3)) / 2,
        "displacement": steps,
    }
    written = np.arange(every, steps.shape[1] + 1, every)
    sums = {name: np.cumsum(value, axis=1)[:, written - 1] for name, value in running.items()}
    if not displaced:
        del sums["displacement"]
    return stochastic_area.AreaSums(times=written, count=np.tile(written, (len(points), 1)), **sums)


def deviations(found, truth):
    error = (found.high - found.low) / (2 * stats.t.ppf(0.975, found.pieces - 1))
    return np.abs(found.value - truth) / (error + 1e-9)


@pytest.mark.parametrize(("trajectories", "times"), [(40, 2001), (1, 40_001), (6, 8001)])
@pytest.mark.parametrize("shift", [0.0, 20.0])
def test_exact_process_whatever_the_start(turning, trajectories, times, shift):
    """20 is about 10 standard deviations: trajectories start there and are counted from there."""
    points = turning.simulate(trajectories, times, seed=1)
    points[:, 0] += shift
    sums = totals(points, 50)
    covariance = stochastic_area.covariance(sums, since=50)
    circulation = stochastic_area.circulation(sums, since=50)
    assert (deviations(covariance, turning.covariance) < 4).all()
    assert (deviations(circulation, turning.circulation) < 4).all()
    assert covariance.pieces >= 8
    assert circulation.low[0, 1] > 0 or circulation.high[0, 1] < 0


def test_about_one_centre_it_is_the_estimate_from_stored_trajectories(turning):
    points = turning.simulate(25, 301)
    points[:, 0] = 1.0
    sums = totals(points, 100)
    assert stochastic_area.covariance(sums, shared_centre=True).value == pytest.approx(
        stored.covariance(points[:, :-1]).value, rel=1e-10
    )
    away = points - points[:, :-1].mean(axis=(0, 1))
    assert stochastic_area.circulation(sums, shared_centre=True).value == pytest.approx(
        stored.circulation(away).value, rel=0.05, abs=1e-3
    )


def test_a_known_centre_needs_no_displacement(turning):
    """Counted from the centre itself, area per update is the stored estimate about it."""
    points = np.concatenate([np.zeros((25, 1, 3)), turning.simulate(25, 300)], axis=1)
    found = stochastic_area.circulation(totals(points, 300, displaced=False))
    expected = stored.circulation(points, centre=np.zeros(3))
    assert found.value == pytest.approx(expected.value, rel=1e-10, abs=1e-14)
    assert found.high == pytest.approx(expected.high, rel=1e-10, abs=1e-14)


def test_without_the_displacement_a_far_start_is_noise(turning):
    """Counted from 1000 away: unbiased still, but with an interval many times as wide."""
    points = turning.simulate(40, 2001)
    points[:, 0] += 1000.0
    exact = stochastic_area.circulation(totals(points, 200), since=200)
    without = stochastic_area.circulation(totals(points, 200, displaced=False), since=200)
    assert (deviations(without, turning.circulation) < 4).all()
    assert (without.high - without.low)[0, 1] > 5 * (exact.high - exact.low)[0, 1]


def test_one_stretch_says_that_the_mean_was_measured_too(turning):
    found = stochastic_area.covariance(totals(turning.simulate(30, 101), 100))
    assert "too small" in found.note
    assert "too small" not in stochastic_area.covariance(totals(turning.simulate(30, 101), 10)).note


def test_the_mean_of_each_trajectory_does_not_bias_short_windows(turning):
    """400 trajectories of 500 updates: the flattest direction alone would be 8 % low."""
    points = turning.simulate(400, 501, seed=2)
    found = stochastic_area.covariance(totals(points, 20))
    assert (deviations(found, turning.covariance) < 4).all()
    whole = stochastic_area.covariance(totals(points, 500))
    assert deviations(whole, turning.covariance)[2, 2] > 4


def test_sums_of_a_real_run():
    """SGD on a quadratic of 2 parameters: the accumulator's sums against its stored weights."""
    pytest.importorskip("torch")
    import thermograd as tg
    from thermograd.dynamics import SGD
    from thermograd.minibatching import WithReplacement
    from thermograd.numerics.log_times import Every
    from thermograd.observables.stochastic_area import StochasticArea
    from thermograd.problems.quadratic import Quadratic

    run = tg.run(
        tg.Experiment(
            Quadratic(),
            minibatching=WithReplacement(batch_size=1),
            dynamics=SGD(0.05),
            trajectories=3,
            steps=200,
            save_weights=Every(1),
            observe=[StochasticArea(every=Every(1), at=Every(20))],
            dtype="float64",
            engine="eager",
        )
    )
    weights = np.stack(
        [
            np.concatenate([part.reshape(3, -1) for part in run.weights(step).values()], axis=1)
            for step in range(201)
        ],
        axis=1,
    )
    sums = stochastic_area.area_sums(run)
    expected = totals(weights, 20)
    assert sums.times[-1] == 200
    assert sums.second_moment[:, -1] == pytest.approx(expected.second_moment[:, -1], rel=1e-9)
    assert sums.area[:, -1] == pytest.approx(expected.area[:, -1], rel=1e-9, abs=1e-15)
    assert sums.displacement[:, -10:] == pytest.approx(expected.displacement, rel=1e-9, abs=1e-15)
    assert stochastic_area.circulation(sums, since=40).value == pytest.approx(
        stochastic_area.circulation(expected, since=40).value, rel=1e-9, abs=1e-15
    )
    assert stochastic_area.covariance(sums, since=40).value == pytest.approx(
        stochastic_area.covariance(expected, since=40).value, rel=1e-9
    )


def test_wrong_arguments(turning):
    sums = totals(turning.simulate(3, 101), 10)
    with pytest.raises(ConfigError, match="since is 200"):
        stochastic_area.covariance(sums, since=200)
    with pytest.raises(ConfigError, match="no update was counted since step 100"):
        stochastic_area.covariance(sums, since=100)
    with pytest.raises(ConfigError, match="no error bar"):
        stochastic_area.covariance(totals(turning.simulate(1, 101), 100))
    uneven = stochastic_area.AreaSums(
        **{
            name: value if name == "times" else value[:, [0, 2, 9]]
            for name, value in vars(sums).items()
            if name != "times"
        },
        times=sums.times[[0, 2, 9]],
    )
    with pytest.raises(ConfigError, match="equal length"):
        stochastic_area.circulation(uneven)
    with pytest.raises(ConfigError, match="area has shape"):
        stochastic_area.AreaSums(
            times=[1], count=[[1]], sum=[[[0.0]]], second_moment=[[[[0.0]]]], area=[[[0.0]]]
        )
    with pytest.raises(ConfigError, match="NaN or infinite at \\(0, 0, 0\\)"):
        stochastic_area.AreaSums(
            times=[1], count=[[1]], sum=[[[np.nan]]], second_moment=[[[[0.0]]]], area=[[[[0.0]]]]
        )
