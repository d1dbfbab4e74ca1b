"""Candidates measured at several intervals: plateau before relaxation, Eq. 3 where it was measured."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.advisor.perturbation_evidence import gather_evidence
from thermograd.advisor.perturbation_interval import advise
from thermograd.errors import ConfigError
from thermograd.estimators.first_passage import first_passage_times, mean_first_passage_time
from thermograd.theory.first_passage import perturbed_mean


def values_of(times, horizon):
    """Runs that are at 1 from their first-passage time on, at 0 before."""
    return (np.arange(1, horizon + 1) >= np.asarray(times)[:, None]).astype(float)


def by_name(advice):
    return {candidate.name: candidate for candidate in advice.ranking}


def verdict_of(advice, kind):
    (found,) = [verdict for verdict in advice.verdicts if verdict.kind == kind]
    return found


def kinds(advice):
    return [verdict.kind for verdict in advice.verdicts]


UNPERTURBED = values_of(np.random.default_rng(20).geometric(0.01, 200), 200)


def kicked(interval, mean, seed=0, runs=200):
    """Runs under way until `interval`, then with geometric residual times of that mean."""
    left = np.random.default_rng([seed, interval]).geometric(1 / mean, runs)
    return values_of(interval + left, interval + 300), interval


@pytest.fixture(scope="module")
def cifar10(data_folder, cifar10_accuracy):
    folder = data_folder / "firstpassage" / "dev"
    table = np.load(folder / "cifar10_resnet18_shrink_perturb_dev.npz")
    return cifar10_accuracy, {interval: table[f"P{interval}"] / 100 for interval in (2, 5, 10, 30, 100)}


@pytest.mark.data
def test_several_intervals_of_the_recorded_trainings(cifar10):
    unperturbed, table = cifar10
    advice = advise(
        unperturbed, {"shrink": [(table[at], at) for at in (100, 2, 5, 10, 30)]}, target=72, resamples=500
    )
    shrink = by_name(advice)["shrink"]
    # By Eq. 3 with its own residual time what was measured is what is predicted: nobody arrives before 5.
    brute_force = mean_first_passage_time(first_passage_times(table[5], 72)).value
    assert (shrink.interval, round(shrink.predicted_mean.value, 3)) == (5, 8.177)
    assert shrink.predicted_mean.value == pytest.approx(brute_force, abs=1e-9)
    assert shrink.mean_residual_time.value == pytest.approx(3.177, abs=5e-4)
    # 2 is below its own residual time 3.8: only worth a test, although these runs were perturbed every 2.
    assert (shrink.usable_interval, round(shrink.usable_mean.value, 3)) == (2, 5.828)
    assert "or was already made in these runs" in verdict_of(advice, "worth_one_test").text
    plateau = verdict_of(advice, "plateau_within_30_percent")
    assert plateau.holds
    assert plateau.text.startswith("shrink: the residual time is constant within 30 %, but not constant")
    assert "taken to hold from 5 on, whether or not the survivors have relaxed" in plateau.text
    assert "plateau_assumed" not in kinds(advice)
    assert sum(entry.probability_of_being_best for entry in advice.ranking) == pytest.approx(1.0)


@pytest.mark.data
def test_the_plateau_begins_at_the_smallest_interval_it_was_tested_at(cifar10):
    unperturbed, table = cifar10
    given = [(table[at], at) for at in (30, 100)]
    assert by_name(advise(unperturbed, {"shrink": given}, target=72, resamples=200))["shrink"].interval == 20
    # Not known to relax in time: then from 30 on; a known relaxation time beyond it does not matter.
    late = by_name(advise(unperturbed, {"shrink": given}, target=72, relaxation=90, resamples=200))["shrink"]
    assert late.interval == 30
    # Eq. 9 gives 22.680 with the residual time 4.170 at 100; at 30 it is 3.850, and 0.395 are left by then.
    assert late.predicted_mean.value == pytest.approx(22.680 - 0.395 * (4.170 - 3.850), abs=1e-3)
    one = by_name(advise(unperturbed, {"shrink": given[1]}, target=72, relaxation=90, resamples=200))
    assert one["shrink"].interval == 90


@pytest.mark.data
def test_cifar100_with_momentum(data_folder):
    """Survivors never relax, yet the plateau holds; below the residual time it blows up: never chosen."""
    file = "cifar100_resnet18_momentum0.9_shrink_perturb.npz"
    table = np.load(data_folder / "firstpassage" / "dev" / file)
    given = [
        (table[f"P{interval}_test_acc_x100"] / 100, interval) for interval in (4, 6, 7, 8, 10, 20, 30, 40, 50)
    ]
    advice = advise(table["unperturbed_test_acc_x100"] / 100, {"shrink": given}, target=55, resamples=500)
    shrink = by_name(advice)["shrink"]
    assert verdict_of(advice, "plateau").holds
    assert verdict_of(advice, "not_quasi_stationary").holds is False
    assert shrink.interval == 8
    measured = mean_first_passage_time(first_passage_times(table["P8_test_acc_x100"] / 100, 55))
    assert shrink.predicted_mean.value == pytest.approx(measured.value, abs=1e-9)
    assert not any("not known to have relaxed" in caveat for caveat in advice.caveats)
    curve = gather_evidence(
        table["unperturbed_test_acc_x100"] / 100, {"shrink": given}, target=55, resamples=50
    )
    means = dict(zip(curve.curves["shrink"].at.tolist(), curve.curves["shrink"].value, strict=True))
    # Eq. 9 would promise 11 at 4; the runs perturbed there took 29.
    assert means[4] == pytest.approx(29.04, abs=0.01)
    assert means[5] == pytest.approx(12.04, abs=0.01)


def test_a_refuted_plateau_leaves_the_measured_intervals():
    given = [kicked(20, 4.0), kicked(60, 12.0), kicked(100, 24.0)]
    advice = advise(UNPERTURBED, {"kick": given}, target=1.0, relaxation=0, resamples=300)
    verdict = verdict_of(advice, "no_plateau")
    assert verdict.holds is False
    assert verdict.text.endswith("So only the measured intervals compete, by Eq. 3, which needs no plateau.")
    kick = by_name(advice)["kick"]
    assert kick.interval == kick.usable_interval == 20
    evidence = gather_evidence(UNPERTURBED, {"kick": given}, target=1.0, relaxation=0, resamples=300)
    curve = evidence.curves["kick"]
    assert curve.at[curve.valid].tolist() == [20, 60, 100]
    tau = [np.argmax(values, axis=1).mean() + 1 - interval for values, interval in given]
    three = perturbed_mean(evidence.survival.value, tau, [20, 60, 100])
    assert curve.value[[19, 59, 99]] == pytest.approx(three.value)
    # With the last interval alone Eq. 9 would have been trusted from 24 on.
    alone = gather_evidence(UNPERTURBED, {"kick": given[-1]}, target=1.0, relaxation=0, resamples=300)
    assert alone.curves["kick"].valid[30]


def test_what_blew_up_where_it_was_measured_is_not_predicted_there_by_eq_9():
    """Relaxed from the start and flat from 40 on, but at 10 it takes 14: up to there nothing is promised."""
    given = [kicked(10, 14.0), kicked(40, 5.0), kicked(100, 5.0)]
    evidence = gather_evidence(UNPERTURBED, {"kick": given}, target=1.0, relaxation=0, resamples=300)
    found, curve = evidence.measured["kick"], evidence.curves["kick"]
    assert found.plateau.intervals == (40, 100)
    assert found.flat
    assert found.residuals[10].value > 10
    assert curve.at[curve.valid].tolist() == list(range(11, 101))
    assert np.flatnonzero(found.usable(curve.at))[0] == 9  # measured at 10: worth one test by Eq. 3
    assert np.flatnonzero(found.fits(curve.at))[0] == 10


def test_a_plateau_is_eq_9_between_the_measured_intervals_and_eq_3_at_them():
    given = [kicked(interval, 5.0) for interval in (20, 50, 100)]
    evidence = gather_evidence(UNPERTURBED, {"kick": given}, target=1.0, resamples=300)
    found, curve = evidence.measured["kick"], evidence.curves["kick"]
    assert found.plateau.verdict.kind == "plateau"
    nine = perturbed_mean(evidence.survival, found.residual, measured_at=100)
    between = ~np.isin(curve.at, [20, 50, 100])
    assert curve.value[between] == pytest.approx(nine.value[between])
    assert (curve.samples[:, between] == nine.samples[:, between]).all()
    assert curve.value[19] != pytest.approx(nine.value[19], abs=1e-6)
    assert found.since <= 20


def test_runs_at_different_intervals_are_resampled_apart():
    """Equal counts of outcomes must not tie the resamples of unrelated runs together."""
    left = np.repeat([2, 9], 40)
    given = [(values_of(interval + left, 300), interval) for interval in (20, 50, 100)]
    evidence = gather_evidence(UNPERTURBED, {"kick": given}, target=1.0, resamples=2000)
    drawn = np.stack([one.samples for one in evidence.measured["kick"].residuals.values()])
    # Uncorrelated: 2000 pairs know a correlation to 0.022; 4 sigma.
    assert np.abs(np.corrcoef(drawn)[np.triu_indices(3, 1)]).max() < 0.09


def test_one_usable_interval_of_two_cannot_decide():
    given = [kicked(4, 20.0), kicked(100, 20.0)]
    advice = advise(UNPERTURBED, {"kick": given}, target=1.0, relaxation=0, resamples=300)
    assert verdict_of(advice, "plateau_undecided").holds is None
    assert by_name(advice)["kick"].interval >= 18


def test_intervals_of_which_some_runs_never_arrived_are_left_out():
    lost = np.where(np.arange(60) < 3, 10_000, 104)
    given = [kicked(20, 5.0), kicked(50, 5.0), (values_of(lost, 300), 100)]
    advice = advise(UNPERTURBED, {"kick": given}, target=1.0, resamples=300)
    kick = by_name(advice)["kick"]
    assert not kick.optimistic
    assert any(
        caveat.startswith("kick at 100: 3 of 60 had not arrived 200 epochs") for caveat in advice.caveats
    )
    evidence = gather_evidence(UNPERTURBED, {"kick": given}, target=1.0, resamples=300)
    assert evidence.measured["kick"].interval == 50
    only = advise(UNPERTURBED, {"kick": given[2:]}, target=1.0, resamples=300)
    assert by_name(only)["kick"].optimistic


def test_an_interval_before_which_everybody_arrived_is_said():
    given = [kicked(20, 5.0), (values_of(np.full(30, 8), 90), 40)]
    advice = advise(UNPERTURBED, {"kick": given}, target=1.0, resamples=300)
    assert "every run had arrived by 40" in verdict_of(advice, "nothing_to_perturb").text
    assert "kick" in by_name(advice)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([kicked(20, 5.0), kicked(20, 5.0, seed=1)], "given twice at 20"),
        ([], "'kick' has no runs"),
        ([kicked(20, 5.0), (UNPERTURBED, 999)], "from 1 to 200, got 999"),
    ],
)
def test_arguments_that_cannot_be_used(given, message):
    with pytest.raises(ConfigError, match=message):
        advise(UNPERTURBED, {"kick": given}, target=1.0)
