"""Advice: what the recorded trainings say, what known laws must give, and every hard edge."""

from __future__ import annotations

import re

import numpy as np
import pytest

from thermograd.advisor.perturbation_evidence import gather_evidence
from thermograd.advisor.perturbation_interval import advise, recommended
from thermograd.errors import ConfigError
from thermograd.estimators.first_passage import FirstPassageTimes, restricted_mean
from thermograd.store.perturbation_record import PerturbationRecord
from thermograd.store.trajectories import Trajectories
from thermograd.theory.first_passage import restart_mean


def values_of(times, horizon):
    """Runs that are at 1 from their first-passage time on, at 0 before."""
    return (np.arange(1, horizon + 1) >= np.asarray(times)[:, None]).astype(float)


def by_name(advice):
    return {candidate.name: candidate for candidate in advice.ranking}


def kinds(advice):
    return [verdict.kind for verdict in advice.verdicts]


@pytest.fixture(scope="module")
def cifar10(data_folder, cifar10_accuracy):
    folder = data_folder / "firstpassage" / "dev"
    return cifar10_accuracy, np.load(folder / "cifar10_resnet18_shrink_perturb_dev.npz")


@pytest.mark.data
def test_advice_on_the_recorded_trainings(cifar10):
    unperturbed, perturbed = cifar10
    advice = advise(unperturbed, {"shrink": (perturbed["P100"] / 100, 100)}, target=72)
    assert [candidate.name for candidate in advice.ranking] == ["shrink", "reset", "nothing"]
    shrink, reset, nothing = advice.ranking
    assert (shrink.interval, round(shrink.predicted_mean.value, 1)) == (20, 18.7)
    assert (shrink.usable_interval, round(shrink.usable_mean.value, 1)) == (5, 9.2)
    assert shrink.mean_residual_time.value == pytest.approx(4.170, abs=5e-4)
    assert (reset.interval, round(reset.predicted_mean.value, 3)) == (18, 30.445)
    assert nothing.predicted_mean.value == pytest.approx(76.963)
    assert nothing.interval is None
    assert shrink.speed_up.at_least.value == pytest.approx(76.963 / 18.707, abs=0.01)
    assert "29 % of unperturbed runs never arrived" in str(shrink.speed_up)
    assert re.match(
        r"Apply shrink every 20 epochs: expected 18\.7 \(.*\) epochs instead of at least 77 \(",
        advice.recommendation,
    )
    assert "worth_one_test" in kinds(advice)
    assert "plateau_assumed" in kinds(advice)
    assert shrink.probability_of_being_best == pytest.approx(1.0)
    # Brute force at 5, the bet: 8.18; the theory is 12 % above it.
    assert shrink.usable_mean.value == pytest.approx(
        (perturbed["P5"] >= 7200).argmax(axis=1).mean() + 1, rel=0.125
    )


@pytest.mark.data
def test_a_known_relaxation_time_moves_the_valid_range(cifar10):
    unperturbed, perturbed = cifar10
    candidates = {"shrink": (perturbed["P100"] / 100, 100)}
    assert by_name(advise(unperturbed, candidates, target=72, relaxation=29))["shrink"].interval == 29
    # Not relaxed by P*, and no plateau to test: the interval that was measured competes, by Eq 3 with all runs.
    beyond = by_name(advise(unperturbed, candidates, target=72, relaxation=120))["shrink"]
    assert (beyond.interval, beyond.usable_interval) == (100, 5)
    assert beyond.predicted_mean.value == pytest.approx(47.114, abs=0.001)


def test_probabilities_sum_to_one_and_ties_are_shared():
    times = np.random.default_rng(1).geometric(0.05, 60)
    kicked = 10 + np.random.default_rng(2).geometric(0.3, 60)
    same = values_of(kicked, 60)
    advice = advise(values_of(times, 60), {"one": (same, 10), "two": (same, 10)}, target=1.0)
    shares = {name: candidate.probability_of_being_best for name, candidate in by_name(advice).items()}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["one"] == pytest.approx(shares["two"])


def test_restarts_are_recommended_where_few_arrive_early_and_the_rest_late():
    generator = np.random.default_rng(3)
    quick = generator.random(200) < 0.5
    times = np.where(quick, 8 + generator.integers(0, 4, 200), 1000)
    advice = advise(values_of(times, 80), target=1.0)
    reset = by_name(advice)["reset"]
    # Half arrive within 11, the mean of those is 9.5: E = 9.5 + 11 on average at best.
    assert reset.interval == 11
    assert reset.predicted_mean.value == pytest.approx(20.5, abs=3)
    assert re.match(
        r"Restart from scratch about every 11 epochs: expected .* epochs instead of at least",
        advice.recommendation,
    )


def test_left_alone_where_all_arrive_together():
    times = np.rint(np.random.default_rng(4).normal(14.3, 2.2, 64))
    advice = advise(values_of(times, 30), target=1.0)
    assert advice.ranking[0].name == "nothing"
    assert advice.recommendation.startswith(f"Leave it alone: doing nothing takes {times.mean():.3g} (")
    assert "at least" not in advice.recommendation


def test_restarting_a_memoryless_process_is_rarely_recommended():
    """False alarms: the best of 80 intervals always looks better than it is; at most 5 % are taken in."""
    alarms = 0
    for seed in range(100):
        times = np.random.default_rng(100 + seed).geometric(0.05, 64)
        alarms += advise(values_of(times, 80), target=1.0, resamples=300).recommendation.startswith("Restart")
    # Fixed seeds; of 100 at 5 %, more than 12 has a probability of 1e-3.
    assert alarms <= 12


def test_nothing_is_hidden_of_having_chosen_the_best_of_many():
    times = np.random.default_rng(114).geometric(0.05, 64)
    advice = advise(values_of(times, 80), target=1.0)
    assert any("best of many intervals" in caveat for caveat in advice.caveats)


def test_an_undecided_comparison_is_left_alone():
    times = np.random.default_rng(5).geometric(0.05, 64)
    advice = advise(values_of(times, 80), target=1.0)
    assert advice.ranking[0].name == "reset"
    assert advice.recommendation.startswith("Leave it alone for now: restarting from scratch")
    assert "more runs would decide" in advice.recommendation


def test_no_run_reaches_the_target():
    never = np.full((64, 50), 0.87)
    advice = advise(never, target=0.9)
    assert "0 of 64 runs reached 0.9 in 50 epochs; best seen 0.87." in [
        verdict.text for verdict in advice.verdicts
    ]
    assert by_name(advice)["nothing"].predicted_mean.value == 50
    assert by_name(advice)["reset"].interval is None
    assert by_name(advice)["reset"].predicted_mean.value == np.inf
    assert advice.recommendation.startswith("These runs cannot tell: none of 64 arrived")
    kicked = np.where(np.arange(1, 51) > 14, 0.95, 0.8) * np.ones((30, 1))
    helped = advise(never, {"kick": (kicked, 10)}, target=0.9, relaxation=0)
    assert helped.ranking[0].name == "kick"
    assert helped.ranking[0].predicted_mean.value == pytest.approx(10.0)
    assert helped.ranking[0].speed_up.extrapolated.value == np.inf


def test_a_residual_time_beyond_every_interval():
    times = np.random.default_rng(6).geometric(0.05, 60)
    slow = 5 + np.random.default_rng(7).integers(10, 20, 60)
    advice = advise(values_of(times, 60), {"slow": (values_of(slow, 60), 5)}, target=1.0)
    last = advice.ranking[-1]
    assert (last.name, last.interval, last.predicted_mean.value) == ("slow", None, np.inf)
    assert last.probability_of_being_best == 0
    assert "residual_beyond_intervals" in kinds(advice)
    assert "no interval" in str(last)


def test_everybody_arrived_before_the_perturbation():
    times = np.random.default_rng(8).geometric(0.2, 40)
    early = values_of(np.full(20, 3), 60)
    advice = advise(values_of(times, 60), {"late": (early, 10)}, target=1.0)
    assert "late" not in by_name(advice)
    verdict = next(verdict for verdict in advice.verdicts if verdict.kind == "nothing_to_perturb")
    assert "nothing to perturb; lower P*" in verdict.text


def test_censored_residuals_are_bounds_and_never_recommended():
    times = np.where(np.arange(60) < 20, 30, 1000)
    kicked = np.where(np.arange(40) < 20, 12, 1000)
    advice = advise(values_of(times, 60), {"kick": (values_of(kicked, 60), 10)}, target=1.0, relaxation=0)
    kick = by_name(advice)["kick"]
    assert kick.mean_residual_time.value == pytest.approx((20 * 2 + 20 * 50) / 40)
    assert any("kick is ranked optimistically: 20 of 40" in caveat for caveat in advice.caveats)
    shorter = np.where(np.arange(40) < 39, 12, 1000)
    advice = advise(values_of(times, 60), {"kick": (values_of(shorter, 60), 10)}, target=1.0, relaxation=0)
    assert advice.ranking[0].name == "kick"
    assert "lower bound" in advice.ranking[0].predicted_mean.note
    assert "kick" not in advice.recommendation


def test_few_runs_are_answered_with_a_caveat():
    advice = advise(
        values_of([3, 5, 9, 60, 60, 60, 60], 50), {"kick": (values_of([12, 13], 50), 10)}, target=1.0
    )
    assert "n = 7 unperturbed runs only" in advice.caveats
    assert "n = 2 survivors only, perturbed with kick" in advice.caveats


def test_survivors_that_never_relax_are_said():
    generator = np.random.default_rng(9)
    drifting = generator.normal(size=(200, 60)) + np.linspace(0, 3, 60)
    kicked = np.where(np.arange(1, 61) > 50, 9.0, 0.0) * np.ones((30, 1))
    advice = advise(drifting, {"kick": (kicked, 50)}, target=8.0)
    assert "not_quasi_stationary" in kinds(advice)
    kick = by_name(advice)["kick"]
    assert (kick.interval, kick.usable_interval) == (50, 1)
    assert any("not known to have relaxed" in caveat for caveat in advice.caveats)


def study(generator, runs=120, interval=40, horizon=60, verified=None, **fields):
    """A memoryless training of hazard 0.02, and a kick after which the hazard is 0.25."""
    times = generator.geometric(0.02, runs)
    noise = generator.normal(scale=0.01, size=(runs, interval))
    unperturbed = values_of(times, interval) + noise * (values_of(times, interval) == 0)
    survivor = np.flatnonzero(times > interval)
    residual = {"kick": values_of(generator.geometric(0.25, survivor.size), horizon)}
    return PerturbationRecord(
        np.where(np.arange(1, interval + 1) > times[:, None], np.nan, unperturbed),
        residual,
        survivor,
        target=1.0,
        direction="up",
        interval=interval,
        horizon=horizon,
        candidates={"kick": "Kick()"},
        verified=verified or {},
        **fields,
    )


def test_advice_on_a_study():
    record = study(np.random.default_rng(10))
    advice = advise(record)
    kick = by_name(advice)["kick"]
    assert advice.ranking[0] is kick
    assert kick.mean_residual_time.value == pytest.approx(4.0, abs=1.5)
    assert kick.mean_residual_time.pieces == record.survivor.size
    # The window begins at a fifth of the interval, so that is where the valid range begins.
    assert kick.interval == 8
    assert advice.recommendation.startswith("Apply kick every 8 epochs")
    assert sum(candidate.probability_of_being_best for candidate in advice.ranking) == pytest.approx(1.0)


def perturbed_every(generator, interval, length, runs=120):
    """Brute force of `study`: hazard 0.02 before the first kick, 0.25 after it."""
    first = generator.geometric(0.02, runs)
    after = interval + generator.geometric(0.25, runs)
    return values_of(np.where(first <= interval, first, after), length)


def test_what_was_tried_by_brute_force_competes_with_its_measured_mean():
    generator = np.random.default_rng(21)
    tried = {8: perturbed_every(generator, 8, 100), 30: perturbed_every(generator, 30, 100)}
    record = study(generator, verified={"kick": tried})
    kick = by_name(advise(record))["kick"]
    assert kick.verified
    assert kick.interval == 8
    assert kick.measured_mean.value == tried[8].argmax(axis=1).mean() + 1
    told = next(v for v in advise(record).verdicts if v.kind == "prediction_against_brute_force")
    assert told.evidence["interval"] == 8
    assert kick.predicted_mean.value == told.evidence["predicted"] != kick.measured_mean.value
    assert kick.predicted_mean.interval == told.evidence["predicted_interval"]
    assert advise(record).recommendation.startswith("Apply kick every 8 epochs: measured ")
    assert f"by brute force, predicted {kick.predicted_mean.value:.3g} (" in str(kick)


@pytest.mark.parametrize("resamples", [300, 3000])
def test_what_was_tried_is_resampled_as_often_as_the_rest(resamples):
    generator = np.random.default_rng(21)
    record = study(generator, verified={"kick": {8: perturbed_every(generator, 8, 100)}})
    advice = advise(record, resamples=resamples)
    assert by_name(advice)["kick"].verified
    assert sum(candidate.probability_of_being_best for candidate in advice.ranking) == pytest.approx(1.0)


def test_a_prediction_that_is_clearly_sooner_stands_beside_what_was_tried():
    generator = np.random.default_rng(22)
    record = study(generator, verified={"kick": {40: perturbed_every(generator, 40, 100)}})
    kick = by_name(advise(record))["kick"]
    assert not kick.verified
    assert kick.interval == 8


def test_a_contradicted_prediction_does_not_compete():
    generator = np.random.default_rng(23)
    slow = values_of(30 + generator.geometric(0.2, 60), 100)
    record = study(generator, verified={"kick": {8: slow}})
    advice = advise(record)
    kick = by_name(advice)["kick"]
    assert (kick.verified, kick.interval) == (True, 8)
    assert kick.ranked_mean.value > 30
    assert [v.holds for v in advice.verdicts if v.kind == "prediction_against_brute_force"] == [False]


def test_what_is_not_decided_is_not_called_better():
    """Doing nothing is known to take at least some time; an alternative between that and its tail is open."""
    generator = np.random.default_rng(24)
    times = generator.geometric(0.02, 80)
    kicked = np.where(times <= 20, times, 20 + 15 + generator.geometric(0.2, 80))
    advice = advise(values_of(times, 20), {"kick": (values_of(kicked, 100), 20)}, target=1.0)
    assert advice.ranking[0].name == "nothing"
    assert advice.recommendation.startswith("Not decided by these runs: doing nothing takes at least 1")
    assert "if the tail is exponential" in advice.recommendation
    assert advice.recommendation.endswith("Watch the unperturbed runs for longer than 20 epochs.")


@pytest.mark.parametrize("tried", [False, True])
def test_a_perturbation_that_eq_9_does_not_cover_is_not_ranked(tried):
    why = "its period grows with every restart (growth = 2)"
    generator = np.random.default_rng(16)
    verified = {"kick": {10: values_of(10 + generator.geometric(0.25, 30), 90)}} if tried else None
    advice = advise(study(generator, not_covered={"kick": why}, verified=verified))
    assert set(by_name(advice)) == {"reset", "nothing"} | ({"kick"} if tried else set())
    (verdict,) = [verdict for verdict in advice.verdicts if verdict.kind == "covered_by_eq_9"]
    assert verdict.holds is False
    assert verdict.text.startswith(f"kick: {why}, so what followed one perturbation does not predict")
    assert ("Apply kick every 10 epochs: measured 14" in advice.recommendation) == tried
    compared = [verdict for verdict in advice.verdicts if verdict.kind == "prediction_against_brute_force"]
    assert [verdict.holds for verdict in compared] == ([None] if tried else [])


def test_a_study_resamples_whole_trajectories():
    """Survival and residual times of a study come from the same runs, so their resamples go together."""
    evidence = gather_evidence(study(np.random.default_rng(11)))
    passages = evidence.passages
    curve = np.asarray(evidence.survival.samples)
    assert evidence.restricted.samples == pytest.approx(curve[:, : passages.horizon].sum(axis=1))
    spread = restricted_mean(passages).samples.std()
    assert evidence.restricted.samples.std() == pytest.approx(spread, rel=0.1)


def test_the_order_of_trajectories_of_a_study_is_irrelevant():
    record = study(np.random.default_rng(12))
    order = np.random.default_rng(13).permutation(len(record.unperturbed))
    place = np.argsort(order)
    shuffled = PerturbationRecord(
        record.unperturbed[order],
        record.residual,
        place[record.survivor],
        target=1.0,
        direction="up",
        interval=record.interval,
        horizon=record.horizon,
        candidates=record.candidates,
    )
    one, two = advise(record, relaxation=8), advise(shuffled, relaxation=8)
    assert one.recommendation == two.recommendation
    for first, second in zip(one.ranking, two.ranking, strict=True):
        assert (first.predicted_mean.samples == second.predicted_mean.samples).all()


def test_a_study_that_branched_a_reset_lets_eq_5_compete():
    record = study(np.random.default_rng(14))
    fields = {name: getattr(record, name) for name in record.__dataclass_fields__}
    branched = PerturbationRecord(
        **(fields | {"residual": {"reset": record.residual["kick"]}, "candidates": {"reset": "Reset()"}})
    )
    evidence = gather_evidence(branched)
    assert not evidence.measured
    assert evidence.curves["reset"].value == pytest.approx(restart_mean(evidence.survival).value)


def test_a_study_without_survivors():
    record = PerturbationRecord(
        values_of(np.full(30, 3), 10),
        {"kick": np.empty((0, 5))},
        np.array([], int),
        target=1.0,
        direction="up",
        interval=10,
        horizon=5,
        candidates={"kick": "Kick()"},
    )
    advice = advise(record)
    assert "nothing_to_perturb" in kinds(advice)
    assert advice.recommendation.startswith("Leave it alone: doing nothing takes 3 (3–3) epochs")


def test_branches_of_which_none_arrived_scatter_apart_from_each_other():
    silent = np.zeros((8, 20))
    branched = dict.fromkeys(("kick", "push"), np.zeros((8, 20)))
    settings = {"target": 1.0, "direction": "up", "interval": 20, "horizon": 20}
    record = PerturbationRecord(
        silent, branched, np.arange(8), candidates=dict.fromkeys(branched, "Kick()"), **settings
    )
    evidence = gather_evidence(record, resamples=400)
    means = [evidence.restricted, *(found.residual for found in evidence.measured.values())]
    for mean in means:
        assert mean.interval == (pytest.approx(20 * 0.025 ** (1 / 8)), 20)
    # 400 pairs without correlation: a standard deviation of 0.05; 4 of them.
    apart = np.corrcoef([mean.samples for mean in means]) - np.eye(3)
    assert abs(apart).max() < 0.2


def test_logs_in_steps_are_answered_in_steps():
    times = np.arange(10, 510, 10)
    runs = Trajectories(values_of(np.where(np.arange(60) % 2, 4, 900), 50), times, tuple("x" * 60), "step")
    advice = advise(runs, target=1.0)
    assert by_name(advice)["reset"].interval == 40
    assert "every 40 steps" in advice.recommendation


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda runs, record: advise(runs), "pass target="),
        (lambda runs, record: advise(record, target=1.0), "its own target"),
        (lambda runs, record: advise(record, {}), "its own target"),
        (lambda runs, record: advise(runs, {"nothing": (runs, 5)}, target=1.0), "'nothing' is taken"),
        (lambda runs, record: advise(runs, {"reset": (runs, 5)}, target=1.0), "'reset' is taken"),
        (lambda runs, record: advise(runs, {"kick": (runs, 51)}, target=1.0), "from 1 to 50, got 51"),
        (lambda runs, record: advise(runs, {"kick": (runs, 0)}, target=1.0), "from 1 to 50, got 0"),
        (lambda runs, record: advise(runs, target=1.0, resamples=0), "at least 1"),
        (lambda runs, record: advise(runs, target=1.0, direction="Up"), "'up' or 'down', got 'Up'"),
        (lambda runs, record: advise(runs, target=np.nan), "finite number, got nan"),
        (
            lambda runs, record: advise(runs * [[np.nan], [1], [1]], target=1.0),
            "run 0 holds no number at all",
        ),
        (lambda runs, record: advise(100 * runs + 5, target=0.72), "did you mean 72"),
        (lambda runs, record: advise(runs[0], target=1.0), r"table \(trajectory, time\)"),
    ],
)
def test_arguments_that_cannot_be_used(call, message):
    runs = values_of([3, 5, 60], 50)
    with pytest.raises(ConfigError, match=message):
        call(runs, study(np.random.default_rng(15)))


def test_a_diverged_loss_never_arrives():
    """A loss that ends in infinity counts as watched to the end of the record, NaN after it or not."""
    loss = 2.0 - values_of(np.where(np.arange(40) % 2, 8, 1000), 50)
    loss[::4, 5:] = np.nan
    loss[::4, 4] = np.inf
    advice = advise(loss, target=1.0, direction="down")
    (verdict,) = [verdict for verdict in advice.verdicts if verdict.kind == "stayed_finite"]
    assert verdict.text.startswith("10 of 40 unperturbed runs diverged")
    # 20 runs at 8, 20 at the horizon: the ten that diverged were not lost at 5.
    assert by_name(advice)["nothing"].predicted_mean.value == pytest.approx((20 * 8 + 20 * 50) / 40)


def test_runs_of_unequal_lengths_are_censored_where_they_end():
    runs = values_of(np.where(np.arange(40) % 2, 8, 1000), 50)
    runs[::4, 20:] = np.nan
    advice = advise(runs, target=1.0)
    evidence = gather_evidence(runs, target=1.0)
    assert sorted(set(evidence.passages.time.tolist())) == [8, 20, 50]
    assert by_name(advice)["nothing"].predicted_mean.value == pytest.approx((8 + 50) / 2)


def test_units_of_candidates_must_agree():
    runs = values_of([3, 5, 60], 50)
    steps = Trajectories(runs, np.arange(1, 51), ("a", "b", "c"), "step")
    with pytest.raises(ConfigError, match="counts steps, the unperturbed runs epochs"):
        advise(runs, {"kick": (steps, 5)}, target=1.0)


def test_passages_are_those_of_the_runs():
    evidence = gather_evidence(values_of([3, 5, 60], 50), target=1.0)
    assert isinstance(evidence.passages, FirstPassageTimes)
    assert evidence.passages.time.tolist() == [3, 5, 50]
    assert evidence.best_seen == pytest.approx(1.0)


def never_arriving(count=40, interval=20, horizon=25):
    """Runs perturbed at `interval` of which none arrives by `horizon`."""
    return np.zeros((count, horizon))


@pytest.fixture(scope="module")
def short_watch():
    """Half arrive within 11 epochs, the rest not in 80; none of 40 kicked runs arrives 5 epochs after its kick."""
    times = np.where(np.arange(200) % 2, 8 + np.arange(200) % 4, 1000)
    return advise(values_of(times, 80), {"short": (never_arriving(), 20)}, target=1.0, relaxation=0)


def test_a_mean_that_is_a_lower_bound_gives_no_speed_up(short_watch):
    short = by_name(short_watch)["short"]
    # Eq. 9 with the 5 epochs watched in place of the unknown residual time would rank it first.
    assert short_watch.ranking[0] is short
    assert short.optimistic
    assert short.speed_up is None
    assert "no speed-up can be stated: its mean is a lower bound" in str(short)
    assert "best in at most" in str(short)
    assert not re.search(r"speed-up (≥|\d)", str(short))
    assert "worth_one_test" not in kinds(short_watch)


def test_what_is_recommended_is_not_the_bound_that_ranks_first(short_watch):
    assert short_watch.recommendation.startswith("Restart from scratch about every 11 epochs")
    chosen = recommended(short_watch)
    assert chosen is by_name(short_watch)["reset"]
    assert not chosen.optimistic
    assert chosen.speed_up is not None


def test_one_missing_arrival_is_enough_to_withhold_the_speed_up():
    times = np.where(np.arange(200) % 2, 8, 1000)
    for missing, stated in ((0, True), (1, False)):
        kicked = np.where(np.arange(40) < missing, 1000, 23)
        advice = advise(values_of(times, 80), {"kick": (values_of(kicked, 60), 20)}, target=1.0, relaxation=0)
        assert (by_name(advice)["kick"].speed_up is not None) is stated


def test_what_holds_of_two_candidates_is_said_once():
    times = np.where(np.arange(60) % 2, 8, 1000)
    runs = never_arriving()
    advice = advise(values_of(times, 80), {"one": (runs, 20), "two": (runs, 20)}, target=1.0, relaxation=0)
    (caveat,) = [caveat for caveat in advice.caveats if "ranked optimistically" in caveat]
    assert caveat.startswith("one and two are ranked optimistically: 40 of 40 had not arrived 5 epochs")


def diverged_study(rows, finite):
    """A record in which the first `finite` runs stay at 0.2 and arrive after the kick; the rest end in infinity."""
    unperturbed = np.full((rows, 20), np.inf)
    unperturbed[:finite] = 0.2
    residual = np.full((rows, 10), np.inf)
    residual[:finite, :4] = 0.2
    residual[:finite, 4] = 1.0
    residual[:finite, 5:] = np.nan
    return PerturbationRecord(
        unperturbed,
        {"kick": residual},
        np.arange(rows),
        target=1.0,
        direction="up",
        interval=20,
        horizon=10,
        candidates={"kick": "Kick()"},
    )


@pytest.mark.parametrize("source", ["study", "logs"])
def test_every_run_diverged(source):
    advice = (
        advise(diverged_study(12, 0)) if source == "study" else advise(np.full((12, 20), np.inf), target=1.0)
    )
    assert advice.recommendation.startswith("These runs cannot tell: every run diverged (12 of 12)")
    assert recommended(advice) is None
    (verdict,) = [verdict for verdict in advice.verdicts if verdict.kind == "never_reached"]
    assert verdict.text == "0 of 12 runs reached 1 in 20 epochs; best seen unknown; every run diverged."
    assert "stayed_finite" not in kinds(advice)


@pytest.mark.parametrize("finite", [1, 6])
def test_some_runs_diverged(finite):
    """Diverged runs count as never arriving, their branches too, so the kick is a bound only."""
    advice = advise(diverged_study(12, finite))
    (verdict,) = [verdict for verdict in advice.verdicts if verdict.kind == "stayed_finite"]
    assert verdict.text.startswith(f"{12 - finite} of 12 unperturbed runs diverged")
    assert by_name(advice)["kick"].optimistic
    assert recommended(advice) is None


def test_runs_that_diverge_before_the_window_leave_nothing_to_test_for_relaxation():
    early = np.full((30, 40), np.inf)
    early[:, :3] = 0.1
    kicked = np.where(np.arange(1, 41) > 22, 1.0, 0.0) * np.ones((30, 1))
    advice = advise(early, {"kick": (kicked, 20)}, target=1.0)
    assert "relaxation_unknown" in kinds(advice)
    assert recommended(advice) is by_name(advice)["kick"]
    assert "every run diverged" in next(v.text for v in advice.verdicts if v.kind == "never_reached")
