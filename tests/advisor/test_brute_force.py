"""Predictions against training that really was perturbed: agreement, contradiction, and what stays open."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from thermograd.advisor.perturbation_interval import advise
from thermograd.store.perturbation_record import PerturbationRecord

INTERVAL, HORIZON, RUNS = 60, 40, 400


def values_of(times, horizon):
    reached = np.arange(1, horizon + 1) >= np.asarray(times)[:, None]
    return np.where(np.arange(1, horizon + 1) > np.asarray(times)[:, None], np.nan, reached)


def drawn(generator, count):
    """Half arrive between 6 and 9, the others not within the study."""
    return np.where(generator.random(count) < 0.5, generator.integers(6, 10, count), 10_000)


def restarted(generator, count, every):
    """Training restarted every `every` units, by drawing."""
    spent = np.zeros(count, int)
    arrived = np.zeros(count, bool)
    while not arrived.all():
        times = drawn(generator, count)
        now = ~arrived & (times <= every)
        spent += np.where(arrived, 0, np.where(now, times, every))
        arrived |= now
    return spent


@pytest.fixture(scope="module")
def record():
    generator = np.random.default_rng(20)
    times = drawn(generator, RUNS)
    survivor = np.flatnonzero(times > INTERVAL)
    return PerturbationRecord(
        values_of(times, INTERVAL),
        {"kick": values_of(generator.geometric(0.3, survivor.size), HORIZON)},
        survivor,
        target=1.0,
        direction="up",
        interval=INTERVAL,
        horizon=HORIZON,
        candidates={"kick": "Kick()"},
    )


def verdict(record, verified):
    advice = advise(dataclasses.replace(record, verified=verified), relaxation=10)
    found = [one for one in advice.verdicts if one.kind == "prediction_against_brute_force"]
    assert len(found) == 1
    return found[0]


def test_restarts_agree_with_eq_5(record):
    times = restarted(np.random.default_rng(21), 200, 9)
    found = verdict(record, {"reset": {9: values_of(times, 400)}})
    assert found.holds is True
    assert found.evidence["measured"] == pytest.approx(times.mean())
    assert found.evidence["predicted"] == pytest.approx(16.5, abs=1.5)
    assert found.text.startswith("restart from scratch every 9 epochs: the prediction 1")
    assert "agrees with brute force" in found.text


def test_a_few_censored_ones_do_not_prevent_agreement(record):
    times = restarted(np.random.default_rng(22), 200, 9)
    horizon = int(np.sort(times)[-5])
    found = verdict(record, {"reset": {9: values_of(times, horizon)}})
    assert found.holds is True
    assert "from 200 runs, at least, as" in found.text


def test_a_kick_that_stops_working_contradicts_eq_9(record):
    """Negative control: in reality every kick after the first does nothing."""
    generator = np.random.default_rng(23)
    times = drawn(generator, 200)
    times = np.where(times <= 20, times, 20 + 5 * generator.geometric(0.3, 200))
    found = verdict(record, {"kick": {20: values_of(times, 400)}})
    assert found.holds is False
    assert "is contradicted by brute force" in found.text


def test_an_honest_kick_agrees_with_eq_9(record):
    generator = np.random.default_rng(24)
    times = drawn(generator, 200)
    times = np.where(times <= 20, times, 20 + generator.geometric(0.3, 200))
    assert verdict(record, {"kick": {20: values_of(times, 400)}}).holds is True


def test_mostly_censored_brute_force_decides_nothing_unless_it_contradicts(record):
    late = np.where(np.arange(100) < 20, 5, 9999)
    assert verdict(record, {"reset": {9: values_of(late, 12)}}).holds is None
    assert verdict(record, {"reset": {9: values_of(late, 200)}}).holds is False


def test_what_was_not_predicted_is_only_reported(record):
    found = verdict(record, {"other": {9: values_of(np.full(30, 4), 20)}})
    assert found.holds is None
    assert "nothing was predicted" in found.text
    assert found.evidence["predicted"] is None


def test_a_point_outside_the_valid_range_is_named(record):
    generator = np.random.default_rng(25)
    times = drawn(generator, 200)
    times = np.where(times <= 7, times, 7 + generator.geometric(0.3, 200))
    assert "outside its valid range" in verdict(record, {"kick": {7: values_of(times, 400)}}).text


def test_a_prediction_that_is_a_bound_can_only_be_contradicted(record):
    """Some branches never arrived, so the prediction lies below the truth: agreement means nothing."""
    unfinished = np.array(record.residual["kick"])
    unfinished[:20] = 0.0
    bound = dataclasses.replace(record, residual={"kick": unfinished})
    above = values_of(np.full(100, 45), 200)
    below = values_of(np.full(100, 5), 200)
    found = verdict(bound, {"kick": {20: above}})
    assert found.holds is None
    assert "the prediction at least" in found.text
    assert verdict(bound, {"kick": {20: below}}).holds is False
    assert verdict(record, {"kick": {20: above}}).holds is False
