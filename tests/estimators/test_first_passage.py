"""Survival and means: the recorded trainings of the paper, closed forms, and what censoring forbids."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from thermograd.errors import CensoredError, ConfigError
from thermograd.estimators.first_passage import (
    FirstPassageTimes,
    extrapolated_mean,
    first_passage_times,
    mean_first_passage_time,
    mean_residual_time,
    restricted_mean,
    survival_function,
)
from thermograd.numerics.bootstrap import percentile_interval

CENSORED = FirstPassageTimes([1, 2, 2, 4, 7], [True, True, True, True, False], horizon=7)


def cifar10(folder):
    files = (
        folder / "firstpassage" / "dev" / f"cifar10_resnet18_unperturbed_seeds{s}.npz"
        for s in ("0-499", "500-999")
    )
    return np.concatenate([np.load(file)["test_acc_x100"] for file in files]) / 100


def recorded(folder, file, key):
    return np.load(folder / "firstpassage" / "dev" / file)[key]


@pytest.fixture(scope="module")
def at_72(data_folder):
    return first_passage_times(cifar10(data_folder), 72)


@pytest.mark.data
def test_survival_of_the_recorded_trainings(at_72):
    survival = survival_function(at_72, resamples=0)
    assert at_72.reached.sum() == 707
    at = [10, 20, 30, 50, 100, 150, 200]
    assert survival.value[at] == pytest.approx([1, 0.455, 0.395, 0.363, 0.331, 0.311, 0.293], abs=1e-12)
    assert survival.samples is None
    assert (survival.low <= survival.value).all()
    assert (survival.value <= survival.high).all()


@pytest.mark.data
def test_restricted_means_of_the_recorded_trainings(at_72, data_folder):
    mean = restricted_mean(at_72)
    assert mean.value == pytest.approx(76.963, abs=1e-9)
    assert mean.samples.std() == pytest.approx(2.6, abs=0.3)
    lower = restricted_mean(first_passage_times(cifar10(data_folder), 71.5))
    assert lower.value == pytest.approx(28.672, abs=1e-9)


@pytest.mark.data
def test_extrapolated_means_of_the_recorded_trainings(at_72):
    values = {start: extrapolated_mean(at_72, tail_start=start) for start in (50, 100, 150)}
    assert [values[start].value for start in values] == pytest.approx([279.5, 317.8, 323.3], abs=0.05)
    assert values[100].interval == pytest.approx((245, 441), abs=15)
    assert extrapolated_mean(at_72).value == values[100].value
    for start, events in ((50, 70), (100, 38), (150, 18)):
        assert values[start].note.startswith(f"{events} arrivals in the tail from {start}")


@pytest.mark.data
@pytest.mark.parametrize(
    ("interval", "residual", "error", "brute_force"),
    [
        (2, 3.828, 0.114, 5.828),
        (5, 3.177, 0.120, 8.177),
        (10, 3.891, 0.156, 13.891),
        (30, 3.850, 0.153, 21.689),
        (100, 4.170, 0.140, 44.33),
    ],
)
def test_residual_times_after_shrink_and_perturb(data_folder, interval, residual, error, brute_force):
    table = recorded(data_folder, "cifar10_resnet18_shrink_perturb_dev.npz", f"P{interval}") / 100
    kicked = first_passage_times(table, 72)
    mean = mean_residual_time(kicked, interval)
    assert mean.value == pytest.approx(residual, abs=5e-4)
    # The bootstrap's own error of a standard error from 2000 resamples is 1.6 %; 4 sigma.
    assert mean.samples.std() == pytest.approx(error, rel=0.08)
    assert mean.pieces == (kicked.time > interval).sum()
    assert mean_first_passage_time(kicked).value == pytest.approx(brute_force, abs=5e-3)


@pytest.mark.data
@pytest.mark.parametrize(("interval", "error"), [(30, 0.56), (100, 2.3)])
def test_standard_errors_of_the_brute_force(data_folder, interval, error):
    table = recorded(data_folder, "cifar10_resnet18_shrink_perturb_dev.npz", f"P{interval}") / 100
    mean = mean_first_passage_time(first_passage_times(table, 72))
    assert mean.samples.std() == pytest.approx(error, rel=0.08)


@pytest.mark.data
@pytest.mark.parametrize(
    ("interval", "residual"),
    [(4, 25.04), (6, 15.47), (7, 7.59), (8, 6.94), (10, 7.00), (20, 6.98), (50, 7.04)],
)
def test_residual_times_of_cifar100_with_momentum(data_folder, interval, residual):
    file = "cifar100_resnet18_momentum0.9_shrink_perturb.npz"
    kicked = first_passage_times(recorded(data_folder, file, f"P{interval}_test_acc_x100") / 100, 55)
    assert mean_residual_time(kicked, interval).value == pytest.approx(residual, abs=5e-3)


@pytest.mark.data
def test_unperturbed_cifar100_and_phase_retrieval(data_folder):
    file = "cifar100_resnet18_momentum0.9_shrink_perturb.npz"
    classes = first_passage_times(recorded(data_folder, file, "unperturbed_test_acc_x100") / 100, 55)
    assert (classes.reached.sum(), len(classes)) == (54, 309)
    assert restricted_mean(classes, horizon=100).value == pytest.approx(85.977, abs=5e-4)
    file = "mnist_phase_retrieval_fc_adam_shrink_perturb.npz"
    phase = first_passage_times(recorded(data_folder, file, "unperturbed_test_loss"), 0.4, direction="down")
    assert (phase.reached.sum(), len(phase)) == (50, 100)
    assert restricted_mean(phase, horizon=150).value == pytest.approx(119.17, abs=5e-3)


@pytest.mark.data
@pytest.mark.parametrize(
    ("interval", "residual"), [(10, 27.4), (15, 13.7), (20, 12.6), (40, 12.6), (100, 12.0), (120, 11.7)]
)
def test_residual_times_of_phase_retrieval(data_folder, interval, residual):
    file = "mnist_phase_retrieval_fc_adam_shrink_perturb.npz"
    table = recorded(data_folder, file, f"P{interval}_test_loss")
    kicked = first_passage_times(table, 0.4, direction="down")
    assert mean_residual_time(kicked, interval).value == pytest.approx(residual, abs=0.05)


def test_survival_without_censoring_is_the_empirical_one():
    times = np.random.default_rng(0).geometric(0.2, 300)
    passages = FirstPassageTimes(times, np.ones(300, bool), int(times.max()))
    empirical = [(times > t).mean() for t in range(times.max() + 1)]
    survival = survival_function(passages, resamples=50)
    assert survival.value == pytest.approx(empirical, abs=1e-12)
    assert survival.samples.shape == (50, times.max() + 1)
    assert mean_first_passage_time(passages).value == pytest.approx(times.mean(), abs=1e-10)


def test_order_of_trajectories_is_irrelevant():
    order = np.random.default_rng(1).permutation(5)
    shuffled = FirstPassageTimes(CENSORED.time[order], CENSORED.reached[order], 7)
    for estimate in (survival_function, restricted_mean, extrapolated_mean):
        one, two = estimate(CENSORED), estimate(shuffled)
        assert (one.value == two.value).all() if np.ndim(one.value) else one.value == two.value
        assert (one.samples == two.samples).all()


def test_estimates_of_one_data_set_share_their_resamples():
    survival = survival_function(CENSORED, seed=4)
    assert restricted_mean(CENSORED, seed=4).samples == pytest.approx(survival.samples[:, :7].sum(axis=1))


def test_standard_error_of_the_mean():
    times = np.random.default_rng(2).geometric(0.1, 400)
    passages = FirstPassageTimes(times, np.ones(400, bool), int(times.max()))
    mean = mean_first_passage_time(passages)
    # 2000 resamples know their spread to 1.6 %; 4 sigma.
    assert mean.samples.std() == pytest.approx(times.std() / 20, rel=0.08)
    assert mean.low < times.mean() < mean.high


def test_nobody_arrives():
    never = FirstPassageTimes([50] * 64, [False] * 64, 50)
    assert restricted_mean(never).value == 50
    mean = extrapolated_mean(never)
    # No event in an exposure of 64 * 25: the hazard is at most ln(20) / 1600 at 95 %.
    assert mean.value == np.inf
    assert mean.interval == (pytest.approx(50 + 1600 / np.log(20)), np.inf)
    with pytest.raises(CensoredError, match="64 of 64 trajectories never arrived within 50 epochs"):
        mean_first_passage_time(never)


def test_a_censored_mean_is_refused_and_carries_what_is_known():
    with pytest.raises(CensoredError, match=r"1 of 5 .* Use restricted_mean\(horizon=7\)") as caught:
        mean_first_passage_time(CENSORED)
    assert isinstance(caught.value, ValueError)
    assert caught.value.partial["restricted"].value == restricted_mean(CENSORED).value
    assert caught.value.partial["extrapolated"].value == extrapolated_mean(CENSORED).value
    assert caught.value.partial["censored_fraction"] == pytest.approx(0.2)


def test_residual_mean_of_nobody_is_refused():
    with pytest.raises(ConfigError, match="nothing was perturbed"):
        mean_residual_time(FirstPassageTimes([1, 2], [True, True], 9), 5)


def test_a_tail_that_is_not_exponential_is_said():
    generator = np.random.default_rng(3)
    quick = generator.geometric(0.02, 4000)
    slow = generator.geometric(0.0005, 1000)
    times = np.concatenate([quick, slow])
    passages = FirstPassageTimes(np.minimum(times, 300), times <= 300, 300)
    assert "the tail is not exponential" in extrapolated_mean(passages, tail_start=100).note
    one_hazard = generator.geometric(0.005, 2000)
    honest = FirstPassageTimes(np.minimum(one_hazard, 300), one_hazard <= 300, 300)
    assert "not exponential" not in extrapolated_mean(honest).note


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: restricted_mean(CENSORED, horizon=8), "from 1 to 7"),
        (lambda: restricted_mean(CENSORED, resamples=0), "resamples is 0"),
        (lambda: restricted_mean(CENSORED, level=95), "level is 95; it must be between 0 and 1, as 0.95"),
        (lambda: extrapolated_mean(CENSORED, tail_start=7), "inside the record"),
        (lambda: survival_function(FirstPassageTimes([], [], 3)), "no trajectory"),
        (lambda: survival_function(FirstPassageTimes([1], [True], 10**6)), "count time in epochs"),
    ],
)
def test_arguments_that_cannot_be_used(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_import_loads_neither_torch_nor_scipy_stats():
    code = (
        "import sys, thermograd.estimators.first_passage;"
        "print([name for name in ('torch', 'scipy.stats') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"


def test_without_arrival_the_lower_end_is_the_least_mean_that_is_likely():
    """Exact: trajectories that all arrive in the last step or never, with the chance at which n silent ones are rare."""
    for trajectories, level in ((1, 0.9), (8, 0.95), (200, 0.99)):
        silent = FirstPassageTimes([40] * trajectories, [False] * trajectories, horizon=40)
        found = restricted_mean(silent, level=level)
        assert (found.value, found.high) == (40, 40)
        assert "none arrived before 40" in found.note
        kept = (
            found.low / 40
        )  # the chance of one trajectory to be silent, if it could have arrived from the start
        assert kept**trajectories == pytest.approx((1 - level) / 2)
    # those lost early count as far as they were seen
    lost = FirstPassageTimes([10, 10, 10, 40], [False] * 4, horizon=40)
    assert restricted_mean(lost).low == pytest.approx(max(10 * 0.025 ** (1 / 4), 40 * 0.025))
    arrived = FirstPassageTimes([39, 40, 40], [True, False, False], horizon=40)
    assert "none arrived" not in restricted_mean(arrived).note


def test_without_arrival_the_samples_scatter_as_the_interval_claims():
    silent = FirstPassageTimes([40, 40, 30, 40], [False] * 4, horizon=40)
    found = restricted_mean(silent, level=0.9)
    ordered = np.sort(found.samples)
    # 2000 draws: the 100th is the quantile of 5 %.
    assert (ordered[99], ordered[-1]) == (pytest.approx(found.low), 40)
    assert np.count_nonzero(ordered == 40) == 100
    again = restricted_mean(FirstPassageTimes([30, 40, 40, 40], [False] * 4, horizon=40), level=0.9)
    assert (again.samples == found.samples).all()


@pytest.mark.parametrize("trajectories", [8, 16, 32])
@pytest.mark.parametrize("silence", [0.03, 0.1, 0.3])
def test_a_silent_candidate_is_not_ranked_behind_one_that_is_as_fast(trajectories, silence):
    """Exponential arrivals, so slow that in a share `silence` of such experiments none of n arrives.

    Whoever then calls the rival sooner, whose mean is the same, is wrong that often. The interval of 95 % may be wrong
    above in 2.5 %, so it must not exclude the truth in any of these cases.
    """
    horizon = 1000
    rate = -np.log(silence) / trajectories / horizon
    truth = np.exp(-rate * np.arange(horizon)).sum()
    rival = FirstPassageTimes(np.rint(truth + [-10, 10] * 32).astype(int), [True] * 64, horizon)
    silent = FirstPassageTimes([horizon] * trajectories, [False] * trajectories, horizon)
    slow, fast = restricted_mean(silent), restricted_mean(rival)
    low, high = percentile_interval(slow.samples - fast.samples)
    assert low <= 0 <= high
    assert (fast.samples < slow.samples).mean() < 0.975
    # Negative control: samples without scatter, as resampling gives them, would be sure of it.
    assert percentile_interval(slow.value - fast.samples)[0] > 0


def test_unrelated_runs_whose_outcomes_all_differ_are_resampled_independently():
    """With the same draws of sorted times the means would rise and fall together, and their difference have no scatter."""
    generator = np.random.default_rng(5)
    one, two = (
        restricted_mean(FirstPassageTimes(times, [True] * 16, 10**6)).samples
        for times in generator.choice(10**6, (2, 16), replace=False)
    )
    # 2000 pairs without correlation: a standard deviation of 0.022; 4 of them.
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.09
