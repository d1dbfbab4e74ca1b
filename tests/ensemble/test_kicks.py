"""Perturbations that act at every step: in a study they begin with the kick, in an experiment at step 0."""

import math

import numpy as np
import pytest

import thermograd as tg
from thermograd.dynamics import SGD, Adam
from thermograd.ensemble.kicks import KickSchedule, SingleKick
from thermograd.minibatching import WithoutReplacement, WithReplacement
from thermograd.numerics.log_times import At, Every, Random
from thermograd.observables import Accuracy, Loss
from thermograd.perturbations import ContinualBackprop, ResetToBest, ShrinkAndPerturb, WarmRestart
from thermograd.problems import Digits, Quadratic

RATE, HIGH, PERIOD = 0.1, 0.4, 3


def experiment(**options):
    """Full-batch descent on one parabola: a step of rate η multiplies the distance to its centre by 1 − η."""
    return tg.Experiment(
        Quadratic(curvatures=(1.0,), samples=4),
        WithoutReplacement(batch_size=None),
        SGD(RATE),
        observe=[Loss()],
        **options,
    )


def study():
    return tg.PerturbationStudy(
        target=-1.0,
        direction="down",
        interval=4,
        trajectories=2,
        horizon=7,
        candidates={"warm": WarmRestart(high=HIGH, low=0.0, period=PERIOD)},
        seed=3,
    )


def cosine(u):
    return 0.5 * HIGH * (1 + math.cos(math.pi * min(u / PERIOD, 1)))


def losses(start, rates):
    """Mean loss after each step, from the distance at the start."""
    centre, floor, found = start, None, []
    data = experiment(steps=1).functional.train[0].numpy().ravel()
    distance = centre - data.mean()
    for rate in rates:
        distance *= 1 - rate
        floor = 0.5 * data.var()
        found.append(floor + 0.5 * distance**2)
    return np.array(found)


def test_in_a_study_the_schedule_begins_with_the_kick():
    measured = study()
    record = measured.run(experiment(steps=1))
    starts = next(iter(experiment(steps=1, trajectories=2, seed=3).initial_weights([0, 1]).values())).ravel()
    rates = [RATE] * 4 + [cosine(u) for u in range(7)]
    for row, start in enumerate(starts):
        expected = losses(start, rates)
        np.testing.assert_allclose(record.unperturbed[row], expected[:4], rtol=1e-12)
        np.testing.assert_allclose(record.residual["warm"][row], expected[4:], rtol=1e-12)


def test_brute_force_begins_with_the_first_kick_and_repeats():
    measured = study()
    measured.run(experiment(steps=1))
    measured.verify([5])
    starts = next(iter(experiment(steps=1, trajectories=4, seed=3).initial_weights([2, 3]).values())).ravel()
    rates = [RATE] * 5 + [cosine(u) for u in range(5)] + [cosine(0)]
    for row, start in enumerate(starts):
        np.testing.assert_allclose(measured.record.verified["warm"][5][row], losses(start, rates), rtol=1e-12)


def test_what_eq_9_does_not_cover_is_recorded():
    same_period = study()
    same_period.candidates = {
        "warm": WarmRestart(period=4),
        "growing": WarmRestart(growth=2),
        "shrink": ShrinkAndPerturb(),
        "short": WarmRestart(period=3),
    }
    record = same_period.run(experiment(steps=1))
    assert set(record.not_covered) == {"warm", "growing"}


def test_continuous_perturbations_are_switched_on():
    measured = tg.PerturbationStudy(
        target=1.0,
        interval=1,
        trajectories=2,
        horizon=1,
        candidates={
            "on": ContinualBackprop(replacement_rate=0.2, maturity=2),
            "off": ContinualBackprop(replacement_rate=0.0, maturity=2),
        },
    )
    record = measured.run(tg.Experiment(Digits(train_samples=200), observe=[Accuracy()], epochs=1))
    assert set(record.not_covered) == {"on", "off"}
    assert not np.array_equal(record.residual["on"], record.residual["off"])


@pytest.mark.parametrize(
    ("from_first_kick", "acted", "due"), [(False, range(10), (4, 8)), (True, range(4, 10), (4, 8))]
)
def test_schedules(from_first_kick, acted, due):
    asked = experiment(steps=10, perturbation=WarmRestart(), perturb=Every(4))
    schedule = KickSchedule(asked, 10, from_first_kick=from_first_kick)
    assert schedule.steps([0], 10).tolist() == list(acted)
    assert [step for step in range(10) if schedule.acted_on(step, [0])] == list(acted)
    assert [step for step in range(10) if schedule.due(step, [0])] == list(due)
    once = SingleKick(ShrinkAndPerturb(), 4)
    assert [step for step in range(10) if once.acted_on(step, [0])] == [4]


def test_kicks_at_given_steps_only():
    asked = experiment(steps=10, perturbation=ShrinkAndPerturb(), perturb=At((2, 7)))
    assert KickSchedule(asked, 10).steps([0, 1], 10).tolist() == [2, 7]


@pytest.mark.parametrize(
    ("kick", "times"),
    [
        (WarmRestart(high=0.3, period=7), Random(0.1)),
        (ResetToBest(), Random(0.1)),
        (ContinualBackprop(replacement_rate=0.05, maturity=4), Every(1)),
    ],
    ids=["warm", "best", "continual"],
)
def test_what_perturbations_remember_survives_in_a_run_directory(kick, times, tmp_path):
    asked = tg.Experiment(
        Digits(train_samples=200),
        WithReplacement(10),
        Adam(1e-2),
        kick,
        times,
        observe=[Accuracy()],
        trajectories=3,
        steps=50,
        block_size=2,
    )
    whole = tg.run(asked)
    tg.run(asked, store=tmp_path / "run", until=23)
    resumed = tg.resume(tmp_path / "run")
    assert np.array_equal(whole["test_accuracy"], resumed["test_accuracy"])
    for name, value in whole.weights().items():
        assert np.array_equal(value, resumed.weights()[name])
