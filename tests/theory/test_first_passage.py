"""Eq. 3, 5 and 9: closed forms, the recorded trainings, and renewal resampling as an independent check."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.first_passage import (
    FirstPassageTimes,
    first_passage_times,
    mean_first_passage_time,
    mean_residual_time,
    survival_function,
)
from thermograd.quantities import Estimate, Prediction
from thermograd.theory.first_passage import best_interval, perturbed_mean, restart_mean


@pytest.fixture(scope="module")
def recorded(data_folder):
    return data_folder / "firstpassage" / "dev"


@pytest.fixture(scope="module")
def at_72(recorded):
    files = (f"cifar10_resnet18_unperturbed_seeds{seeds}.npz" for seeds in ("0-499", "500-999"))
    table = np.concatenate([np.load(recorded / file)["test_acc_x100"] for file in files]) / 100
    return first_passage_times(table, 72)


@pytest.fixture(scope="module")
def survival(at_72):
    return survival_function(at_72)


@pytest.mark.data
def test_restart_optimum_of_the_recorded_trainings(survival):
    prediction = restart_mean(survival)
    best = best_interval(prediction)
    assert best.value == 18
    assert best.low <= 18 <= best.high
    means = dict(zip(prediction.at.tolist(), prediction.value, strict=True))
    expected = {17: 30.606, 18: 30.445, 20: 30.844, 30: 34.765, 50: 44.863}
    assert {at: round(means[at], 3) for at in expected} == expected
    assert np.isinf(means[10])


@pytest.mark.data
@pytest.mark.parametrize("interval", [18, 20, 30, 50, 100])
def test_restart_mean_equals_renewal_resampling(at_72, survival, interval):
    generator = np.random.default_rng(interval)
    arrived = at_72.time[at_72.reached & (at_72.time <= interval)]
    failures = generator.geometric(arrived.size / len(at_72), 10_000) - 1
    times = failures * interval + generator.choice(arrived, 10_000)
    predicted = restart_mean(survival, [interval]).value[0]
    assert times.mean() == pytest.approx(predicted, abs=4 * times.std() / 100)


@pytest.mark.data
def test_one_residual_time_predicts_all_intervals_of_the_recorded_trainings(recorded, survival):
    table = np.load(recorded / "cifar10_resnet18_shrink_perturb_dev.npz")
    residual = mean_residual_time(first_passage_times(table["P100"] / 100, 72), 100)
    intervals = [2, 5, 10, 30, 100]
    prediction = perturbed_mean(survival, residual, intervals, measured_at=100, relaxation_time=28)
    assert prediction.value == pytest.approx([6.170, 9.170, 14.170, 22.680, 47.114], abs=5e-4)
    assert prediction.valid.tolist() == [False, False, False, True, True]
    brute_force = [
        mean_first_passage_time(first_passage_times(table[f"P{interval}"] / 100, 72))
        for interval in intervals
    ]
    for place, measured in enumerate(brute_force):
        spread = np.hypot(measured.samples.std(), prediction.samples[:, place].std())
        if prediction.valid[place]:
            assert prediction.value[place] == pytest.approx(measured.value, abs=4 * spread)
        # Outside its range it is still right within 12 % from the residual time on.
        if intervals[place] >= residual.value:
            assert prediction.value[place] == pytest.approx(measured.value, rel=0.125)


@pytest.mark.data
def test_below_the_residual_time_the_prediction_fails(recorded):
    """Negative control: CIFAR-100 with momentum, residual time 7, perturbed every 4 epochs."""
    table = np.load(recorded / "cifar100_resnet18_momentum0.9_shrink_perturb.npz")
    unperturbed = first_passage_times(table["unperturbed_test_acc_x100"] / 100, 55)
    residual = mean_residual_time(first_passage_times(table["P50_test_acc_x100"] / 100, 55), 50)
    prediction = perturbed_mean(survival_function(unperturbed), residual, [4, 8, 20], measured_at=50)
    assert prediction.valid.tolist() == [False, True, True]
    measured = [
        mean_first_passage_time(first_passage_times(table[f"P{p}_test_acc_x100"] / 100, 55))
        for p in (4, 8, 20)
    ]
    assert measured[0].value > 2 * prediction.value[0]
    assert [one.value for one in measured[1:]] == pytest.approx(prediction.value[1:], rel=0.05)


@pytest.mark.parametrize("hazard", [0.03, 0.2, 0.9])
def test_restarting_a_memoryless_process_changes_nothing(hazard):
    geometric = (1 - hazard) ** np.arange(41)
    assert restart_mean(geometric).value == pytest.approx(np.full(40, 1 / hazard), rel=1e-10)
    for means in (None, [1, 1.5, 7, 40, 1000]):
        at_random = restart_mean(geometric, means, waiting="geometric").value
        assert at_random == pytest.approx(np.full(at_random.size, 1 / hazard), rel=1e-10)


def test_restarting_a_deterministic_process():
    always_at_6 = (np.arange(13) < 6).astype(float)
    value = restart_mean(always_at_6).value
    assert np.isinf(value[:5]).all()
    assert value[5:].tolist() == [6.0] * 7
    # Waiting a geometric time of mean 2: success needs five continuations, E = (1 - s^6) / (1 - s) / s^5.
    at_random = restart_mean(always_at_6, [2], waiting="geometric")
    assert at_random.value[0] == pytest.approx((1 - 0.5**6) / 0.5 / 0.5**5)
    assert at_random.valid.all()


def two_branches(weight, fast, slow, horizon):
    at = np.arange(horizon + 1)
    return weight * (1 - fast) ** at + (1 - weight) * (1 - slow) ** at


def test_restarting_two_branches_by_direct_sum():
    delay, horizon = 3, 60
    survival = np.concatenate([np.ones(delay), two_branches(0.6, 0.5, 0.002, horizon - delay)])
    density = -np.diff(survival)
    direct = []
    for interval in range(1, horizon + 1):
        success = density[:interval].sum()
        if success == 0:
            direct.append(np.inf)
            continue
        # Mean number of failures times P, plus the mean time of a success within P.
        failures = (1 - success) / success
        direct.append(failures * interval + (np.arange(1, interval + 1) @ density[:interval]) / success)
    prediction = restart_mean(survival)
    assert prediction.value == pytest.approx(direct, rel=1e-12)
    assert best_interval(prediction).value == 1 + np.argmin(direct)
    assert 3 < best_interval(prediction).value < 15


def test_random_restarts_by_direct_simulation():
    survival = two_branches(0.6, 0.5, 0.01, 400)
    generator = np.random.default_rng(21)
    draws = 40_000
    total = np.zeros(draws)
    running = np.ones(draws, bool)
    while running.any():
        count = running.sum()
        hazard = np.where(generator.random(count) < 0.6, 0.5, 0.01)
        arrival, restart = generator.geometric(hazard), generator.geometric(1 / 5, count)
        total[running] += np.minimum(arrival, restart)
        running[running] = arrival > restart
    prediction = restart_mean(survival, [5.0], waiting="geometric")
    assert prediction.value[0] == pytest.approx(total.mean(), abs=4 * total.std() / np.sqrt(draws))


def test_random_restarts_that_reach_beyond_the_record_are_not_valid():
    survival = two_branches(0.5, 0.5, 0.001, 20)
    assert restart_mean(survival, [1, 200], waiting="geometric").valid.tolist() == [True, False]


def test_eq_3_is_an_identity_on_one_data_set():
    times = np.random.default_rng(4).geometric(0.1, 200)
    passages = FirstPassageTimes(times, np.ones(200, bool), int(times.max()))
    intervals = np.arange(1, 15)
    residual = [mean_residual_time(passages, int(interval)).value for interval in intervals]
    prediction = perturbed_mean(survival_function(passages), residual, intervals)
    assert prediction.value == pytest.approx(np.full(14, times.mean()), rel=1e-12)
    assert prediction.valid.all()
    assert "Eq. 3" in prediction.rests_on


@pytest.mark.data
@pytest.mark.parametrize("interval", [2, 5, 10, 30, 100])
def test_eq_3_is_an_identity_on_the_recorded_trainings(recorded, interval):
    table = np.load(recorded / "cifar10_resnet18_shrink_perturb_dev.npz")
    passages = first_passage_times(table[f"P{interval}"] / 100, 72)
    residual = [mean_residual_time(passages, interval).value]
    prediction = perturbed_mean(survival_function(passages, resamples=0), residual, [interval])
    assert prediction.value[0] == pytest.approx(passages.time.mean(), rel=1e-12)


def test_eq_9_is_valid_between_relaxation_and_where_it_was_measured():
    survival = two_branches(0.5, 0.3, 0.01, 50)
    prediction = perturbed_mean(survival, 6.5, relaxation_time=Estimate(9.0, (8.0, 10.0)), measured_at=20)
    assert prediction.at.tolist() == list(range(1, 21))
    assert prediction.at[prediction.valid].tolist() == list(range(9, 21))
    open_ended = perturbed_mean(survival, 6.5)
    assert open_ended.at[open_ended.valid].tolist() == list(range(7, 51))
    assert prediction.interval is None


def test_an_endless_residual_time_does_not_matter_once_nobody_is_left():
    value = perturbed_mean(np.array([1.0, 0.5, 0.0, 0.0]), np.inf).value
    assert value.tolist() == [np.inf, 1.5, 1.5]


def test_resamples_are_carried_through():
    curves = np.array([[1.0, 0.5, 0.25], [1.0, 0.4, 0.1], [1.0, 0.6, 0.3]])
    survival = Estimate(curves.mean(axis=0), (curves.min(axis=0), curves.max(axis=0)), samples=curves)
    residual = Estimate(4.0, (3.0, 5.0), samples=np.array([3.0, 4.0, 5.0]))
    prediction = perturbed_mean(survival, residual)
    assert prediction.samples == pytest.approx(np.array([[2.5, 2.25], [2.6, 1.8], [4.0, 3.1]]))
    assert prediction.interval[0] == pytest.approx([2.5, 1.8])
    assert perturbed_mean(survival, 4.0).samples[0] == pytest.approx([3.0, 2.5])
    assert perturbed_mean(curves[0], residual).samples[:, 0] == pytest.approx([2.5, 3.0, 3.5])
    assert restart_mean(survival).samples[1] == pytest.approx([1 / 0.6, 1.4 / 0.9])


def test_the_best_interval_is_among_the_valid_ones():
    samples = np.array([[1.0, 9.0, 5.0], [1.0, 4.0, 5.0]])
    prediction = Prediction(
        np.array([1.0, 6.0, 5.0]), None, np.array([2, 4, 6]), np.array([False, True, True]), samples=samples
    )
    best = best_interval(prediction)
    assert best.value == 6
    assert best.samples.tolist() == [6, 4]
    assert (best.low, best.high) == (4, 6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: restart_mean([1.0, 0.5, 0.6]), r"never rising.*got 0\.6 at t = 2 after 0\.5"),
        (lambda: restart_mean([1.2, 0.5]), r"from at most 1.*got 1\.2 at t = 0"),
        (lambda: restart_mean([1.0, 0.5, -0.1]), r"got -0\.1 at t = 2"),
        (lambda: restart_mean([1.0, float("nan"), 0.2]), "got nan at t = 1"),
        (lambda: restart_mean([1.0]), r"shape \(1,\); two times or more"),
        (lambda: restart_mean([1.0, 0.5], [2]), "from 1 to the horizon 1"),
        (lambda: restart_mean([1.0, 0.5], [0.5]), "whole numbers"),
        (lambda: restart_mean([1.0, 0.5], [0.5], waiting="geometric"), "at least 1 step"),
        (lambda: restart_mean([1.0, 0.5], waiting="poisson"), "'fixed' or 'geometric'"),
        (lambda: perturbed_mean([1.0, 0.5, 0.2], [3.0], [1, 2]), "one per interval"),
        (lambda: best_interval(restart_mean([1.0, 1.0])), "no interval to choose"),
    ],
)
def test_arguments_that_cannot_be_used(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_the_band_is_wider_if_its_inputs_rest_on_few_trajectories():
    curve = 0.9 ** np.arange(11)
    samples = np.random.default_rng(4).normal(4.0, 0.5, 1000)
    few = Estimate(4.0, (3.0, 5.0), pieces=8, samples=samples)
    many = Estimate(4.0, (3.0, 5.0), pieces=8000, samples=samples)
    exact = Estimate(curve, (curve, curve), pieces=3)  # no samples: nothing was resampled
    narrow, wide, same = (
        np.ptp(perturbed_mean(known, residual, [5]).interval)
        for known, residual in ((curve, many), (curve, few), (exact, many))
    )
    # sqrt(8 / 7) t(7 degrees) / z = 1.29; an outer order statistic of 1000 is known to 10 %.
    assert wide / narrow == pytest.approx(1.29, rel=0.15)
    assert same == narrow


def test_the_smallest_residual_time_need_not_win():
    """Only at one interval: a kick worth 6 epochs every 10 beats one worth 5 that may come every 50 only."""
    survival = np.concatenate([np.ones(5), 0.5 * 0.99 ** np.arange(100)])
    often, seldom = perturbed_mean(survival, 6.0, [10, 50]), perturbed_mean(survival, 5.0, [10, 50])
    assert often.value[0] < 0.6 * seldom.value[1]
    assert (often.value > seldom.value).all()  # where both have the same interval it does win


def test_resamples_in_which_nobody_arrives_have_no_best_interval():
    """One of ten arrives, at 7: no interval but 7 is ever best, and in (9/10)¹⁰ of the resamples there is none."""
    times = np.full(10, 12)
    times[3] = 7
    best = best_interval(restart_mean(survival_function(FirstPassageTimes(times, times == 7, 12, "epoch"))))
    assert (best.value, best.low, best.high) == (7, 7, np.inf)
    assert np.isinf(best.samples).mean() == pytest.approx(0.9**10, abs=0.05)
    assert "% of resamples no interval has a finite mean" in best.note
