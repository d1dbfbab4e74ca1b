"""Relaxation times of the paper's recorded trainings, and the statistics against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_1samp

from thermograd.errors import ConfigError
from thermograd.estimators.first_passage import first_passage_times, quasi_steady_state, relaxation_time
from thermograd.quantities import Estimate, Verdict


@pytest.fixture(scope="module")
def accuracy(data_folder):
    files = (f"cifar10_resnet18_unperturbed_seeds{seeds}.npz" for seeds in ("0-499", "500-999"))
    folder = data_folder / "firstpassage" / "dev"
    return np.concatenate([np.load(folder / file)["test_acc_x100"] for file in files]) / 100


@pytest.mark.data
@pytest.mark.parametrize(
    ("target", "published", "rejected", "by_distance", "low", "high"),
    [
        (75, 18, 0.0, 14, (14, 0), (15, 0)),
        (72, 29, 0.2716, 13, (13, 1), (13, 1)),
        (71.5, 27, 0.1358, 22, (17, 2), (26, 2)),
    ],
)
def test_published_relaxation_times(accuracy, target, published, rejected, by_distance, low, high):
    passages = first_passage_times(accuracy, target)
    steady = quasi_steady_state(accuracy, passages, window=(21, 101))
    # The paper counts from 0: 17, 28 and 26.
    assert relaxation_time(steady, criterion="kolmogorov_smirnov").value == published
    assert steady.rejected_fraction == pytest.approx(rejected, abs=5e-5)
    found = relaxation_time(steady)
    assert found.value == by_distance
    assert f"{found.level:g}" == "0.9"
    assert found.low == pytest.approx(low[0], abs=low[1])
    assert found.high == pytest.approx(high[0], abs=high[1])


@pytest.mark.data
@pytest.mark.parametrize(("runs", "times"), [(500, (17, 24, 19)), (1000, (18, 29, 27))])
def test_the_p_value_depends_on_the_number_of_runs(accuracy, runs, times):
    found = []
    for target in (75, 72, 71.5):
        part = accuracy[:runs]
        steady = quasi_steady_state(part, first_passage_times(part, target), window=(21, 101), resamples=20)
        found.append(relaxation_time(steady, criterion="kolmogorov_smirnov").value)
    assert tuple(found) == times


@pytest.mark.data
@pytest.mark.parametrize(("runs", "times"), [(500, (14, 13, 18)), (250, (14, 13, 13))])
def test_the_distance_depends_less_on_it(accuracy, runs, times):
    part = accuracy[:runs]
    found = []
    for target in (75, 72, 71.5):
        steady = quasi_steady_state(part, first_passage_times(part, target), window=(21, 101))
        relaxed = relaxation_time(steady)
        found.append(relaxed.value if isinstance(relaxed, Estimate) else relaxed.evidence["value"])
    assert tuple(found) == times


@pytest.mark.data
@pytest.mark.parametrize("target", [72, 71.5])
def test_over_the_whole_record_the_survivors_do_drift(accuracy, target):
    steady = quasi_steady_state(accuracy, first_passage_times(accuracy, target), window=(40, 200))
    verdict = relaxation_time(steady)
    assert isinstance(verdict, Verdict)
    assert verdict.holds is False
    assert verdict.kind == "not_quasi_stationary"


@pytest.mark.data
def test_cifar100_with_momentum_never_relaxes(data_folder):
    """And yet its residual time is flat (tests/estimators/test_plateau.py): relaxing is not necessary."""
    file = "cifar100_resnet18_momentum0.9_shrink_perturb.npz"
    values = np.load(data_folder / "firstpassage" / "dev" / file)["unperturbed_test_acc_x100"] / 100
    steady = quasi_steady_state(values, first_passage_times(values, 55))
    assert steady.p_value[20:].max() < 1e-4  # so that every time of the window is rejected
    for criterion in ("distance", "kolmogorov_smirnov", "cramer_von_mises"):
        assert relaxation_time(steady, criterion=criterion).holds is False


def naive(values, passages, window):
    """F_t on all distinct values, its mean over the window, sup and Stieltjes sum, straight from the definition."""
    time = np.arange(1, values.shape[1] + 1)
    points = np.unique(values)
    curves, numbers = [], []
    for column, now in enumerate(time):
        alive = (passages.time > now) | ((passages.time == now) & ~passages.reached)
        curves.append([(values[alive, column] <= point).mean() for point in points])
        numbers.append(alive.sum())
    curves, numbers = np.array(curves), np.array(numbers)
    mean = curves[(time >= window[0]) & (time <= window[1])].mean(axis=0)
    jump = np.diff(mean, prepend=0.0)
    deviation = curves - mean
    noise = (mean * (1 - mean) * jump).sum() / numbers
    return np.abs(deviation).max(axis=1), (deviation**2 * jump).sum(axis=1), noise


@pytest.fixture
def drifting():
    generator = np.random.default_rng(7)
    values = generator.normal(size=(60, 20)).round(1) + 2 * (1 - np.exp(-np.arange(20) / 4))
    return values, first_passage_times(values, 4.0)


def test_statistics_follow_their_definitions(drifting):
    values, passages = drifting
    steady = quasi_steady_state(values, passages, window=(8, 20), resamples=5)
    largest, square, noise = naive(values, passages, (8, 20))
    assert steady.kolmogorov_smirnov == pytest.approx(largest, abs=1e-12)
    assert steady.cramer_von_mises == pytest.approx(square, abs=1e-12)
    assert steady.distance.value == pytest.approx(np.sqrt(np.maximum(square - noise, 0)), abs=1e-9)
    assert steady.survivors[9] == (passages.time > 10).sum()


def test_p_value_is_the_exact_one_sample_law(drifting):
    values, passages = drifting
    steady = quasi_steady_state(values, passages, resamples=5)
    uniform = (np.arange(1, 61) - 0.5) / 60
    shifted = np.clip(uniform + 0.1, 0, 1)
    reference = ks_1samp(shifted, lambda x: x, method="exact")
    object.__setattr__(steady, "kolmogorov_smirnov", np.full(20, reference.statistic))
    object.__setattr__(steady, "survivors", np.full(20, 60))
    assert steady.p_value == pytest.approx(np.full(20, reference.pvalue), rel=1e-9)


def test_a_shift_by_a_third_of_the_spread_is_a_distance_of_a_tenth():
    generator = np.random.default_rng(9)
    values = generator.normal(size=(4000, 21))
    values[:, 0] += 1 / 3
    steady = quasi_steady_state(values, first_passage_times(values, 99.0), window=(2, 21), resamples=20)
    assert steady.distance.value[0] == pytest.approx(0.303 / 3, abs=0.012)
    assert steady.distance.value[1:].max() < 0.02
    assert steady.deviation([0.5])[0, 0] == pytest.approx(-0.1306, abs=0.03)  # Phi(-1/3) - 1/2


def test_the_floor_removes_what_a_few_runs_would_add():
    generator = np.random.default_rng(10)
    values = generator.normal(size=(30, 400))
    steady = quasi_steady_state(values, first_passage_times(values, 99.0), window=(1, 400), resamples=5)
    # Mean of CM over independent times is the floor 1 / (6 N); 400 of them know it to 5 %.
    assert steady.cramer_von_mises.mean() == pytest.approx(1 / 180, rel=0.2)


@pytest.mark.parametrize("criterion", ["distance", "kolmogorov_smirnov", "cramer_von_mises"])
def test_survivors_at_rest_relax_at_once_and_drifting_ones_never(criterion):
    generator = np.random.default_rng(12)
    rest = generator.normal(size=(300, 60))
    passages = first_passage_times(rest, 99.0)
    steady = quasi_steady_state(rest, passages, resamples=40)
    assert relaxation_time(steady, criterion=criterion).value <= 3
    moving = rest + np.where(np.arange(60) % 2, 2.0, -2.0)
    verdict = relaxation_time(quasi_steady_state(moving, passages, resamples=40), criterion=criterion)
    assert verdict.holds is False
    assert verdict.evidence["criterion"] == criterion


def test_the_default_window_is_the_last_four_fifths(drifting):
    values, passages = drifting
    assert quasi_steady_state(values, passages, resamples=2).window == (5, 20)


def test_what_follows_arrival_does_not_matter(drifting):
    values, passages = drifting
    stopped = np.where(np.arange(1, 21) > passages.time[:, None], np.nan, values)
    one = quasi_steady_state(values, passages, resamples=3)
    two = quasi_steady_state(stopped, passages, resamples=3)
    assert (one.cramer_von_mises == two.cramer_von_mises).all()
    assert (one.distance.samples == two.distance.samples).all()


def test_arguments_that_cannot_be_used(drifting):
    values, passages = drifting
    with pytest.raises(ConfigError, match="same 60 trajectories"):
        quasi_steady_state(values[:10], passages)
    with pytest.raises(ConfigError, match="two increasing times within 1 to 20"):
        quasi_steady_state(values, passages, window=(5, 21))
    with pytest.raises(ConfigError, match="resamples is 0"):
        quasi_steady_state(values, passages, resamples=0)
    arrived = first_passage_times(np.ones((3, 20)), 0.5)
    with pytest.raises(ConfigError, match="still under way"):
        quasi_steady_state(np.ones((3, 20)), arrived)
    with pytest.raises(ConfigError, match="criterion must be"):
        relaxation_time(quasi_steady_state(values, passages, resamples=2), criterion="ks")


def test_too_few_survivors_at_rest_are_not_said_to_drift():
    """Of 30 the resamples seldom settle, which shows nothing about the data; a drift is seen among as few."""
    found = []
    for seed in range(8):
        generator = np.random.default_rng(seed)
        rest = generator.normal(size=(30, 60))
        passages = first_passage_times(rest, 99.0)
        found.append(relaxation_time(quasi_steady_state(rest, passages, resamples=40)))
        moving = quasi_steady_state(rest + np.linspace(0, 4, 60), passages, resamples=40)
        assert relaxation_time(moving).kind == "not_quasi_stationary"
    unknown = [one for one in found if isinstance(one, Verdict)]
    assert {(one.holds, one.kind) for one in unknown} == {(None, "relaxation_unknown")}
    assert len(unknown) > 4
    assert unknown[0].evidence["value"] <= 48
    assert "more runs would tell" in unknown[0].text
