"""A chain of three states and absorption: relaxation and residual times from its eigenvectors.

The chain relaxes to its quasi-stationary law, the left eigenvector of the transitions among the three
states; from then on the residual time after a kick no longer depends on when the kick comes. A chain whose
transitions drift has no such law: it must be found out.
"""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.estimators.first_passage import (
    first_passage_times,
    mean_residual_time,
    plateau_test,
    quasi_steady_state,
    relaxation_time,
    survival_function,
)
from thermograd.theory.first_passage import perturbed_mean

STAY = np.array([[0.90, 0.10, 0.0], [0.02, 0.96, 0.02], [0.0, 0.05, 0.35]])
KICK = np.array([[0.8, 0.2, 0.0], [0.0, 0.05, 0.95], [0.0, 0.0, 1.0]])
START = np.array([1.0, 0.0, 0.0])
ABSORBED, HORIZON, RUNS = 3, 90, 4000
WINDOW = (18, 90)


def simulated(generator, runs, horizon, *, kicked_at=None, swing=0.0):
    """States after each step, `(run, time)`; value 3 is the target. `swing`: how far the transitions drift to and fro."""
    state = np.zeros(runs, int)
    record = np.empty((runs, horizon), int)
    for now in range(1, horizon + 1):
        step = with_absorption(STAY)
        drift = swing * (1 - np.cos(2 * np.pi * now / HORIZON))
        step[1, :2] += (drift, -drift)
        state = moved(generator, state, step)
        record[:, now - 1] = state
        if now == kicked_at:
            state = moved(generator, state, with_absorption(KICK))
    return record


def with_absorption(transitions):
    inside = np.column_stack([transitions, 1 - transitions.sum(axis=1)])
    return np.vstack([inside, [0, 0, 0, 1.0]])


def moved(generator, state, step):
    return (generator.random(state.size)[:, None] > np.cumsum(step, axis=1)[state][:, :3]).sum(axis=1)


def exact_law(times):
    """Law of the survivors after each time, and the share that survives."""
    law, laws, share = START, [], []
    for _ in range(times):
        law = law @ STAY
        share.append(law.sum())
        laws.append(law / law.sum())
    return np.array(laws), np.array(share)


def exact_relaxation(laws, window, tolerance):
    curves = np.cumsum(laws, axis=1)
    mean = curves[window[0] - 1 : window[1]].mean(axis=0)
    distance = np.sqrt((curves - mean) ** 2 @ np.diff(mean, prepend=0.0))
    return 1 + int(np.argmax(distance <= tolerance)), distance


def quasi_stationary():
    values, vectors = np.linalg.eig(STAY.T)
    law = np.abs(vectors[:, np.argmax(values.real)].real)
    return law / law.sum()


def residual_after_kick(law):
    return float(law @ KICK @ np.linalg.solve(np.eye(3) - STAY, np.ones(3)))


@pytest.fixture(scope="module")
def unperturbed():
    record = simulated(np.random.default_rng(31), RUNS, HORIZON)
    return record, first_passage_times(record, ABSORBED)


def test_survival_is_that_of_the_chain(unperturbed):
    _, passages = unperturbed
    survival = survival_function(passages, resamples=0, level=0.9999)
    _, share = exact_law(HORIZON)
    assert (survival.low[1:] <= share).all()
    assert (share <= survival.high[1:]).all()


def test_relaxation_time_is_that_of_the_chain(unperturbed):
    record, passages = unperturbed
    exact, distance = exact_relaxation(exact_law(HORIZON)[0], WINDOW, 0.1)
    steady = quasi_steady_state(record, passages, window=WINDOW)
    # Standard error of the distance near 0.1 from some 3000 survivors is about 0.005.
    early = slice(0, 20)
    assert np.asarray(steady.distance.value)[early] == pytest.approx(distance[early], abs=0.03)
    found = relaxation_time(steady)
    assert exact > 3
    assert abs(found.value - exact) <= 1
    assert found.low <= found.value <= found.high


def test_residual_times_form_the_plateau_of_the_quasi_stationary_law():
    plateau = residual_after_kick(quasi_stationary())
    laws, _ = exact_law(HORIZON)
    residuals = {}
    for seed, interval in enumerate((40, 60, 80)):
        exact = residual_after_kick(laws[interval - 1])
        record = simulated(np.random.default_rng(40 + seed), RUNS, 1000, kicked_at=interval)
        measured = mean_residual_time(first_passage_times(record, ABSORBED), interval)
        assert exact == pytest.approx(plateau, rel=0.03)
        assert measured.value == pytest.approx(exact, abs=4 * measured.samples.std())
        residuals[interval] = measured
    # Before it has relaxed the chain is not yet on the plateau.
    assert residual_after_kick(laws[2]) > 2 * plateau
    tested = plateau_test(residuals)
    assert (tested.intervals, tested.verdict.kind) == ((40, 60, 80), "plateau")
    assert tested.mean.value == pytest.approx(plateau, rel=0.03)


def test_eq_9_predicts_the_perturbed_chain(unperturbed):
    _, passages = unperturbed
    kicked = simulated(np.random.default_rng(50), RUNS, 1000, kicked_at=60)
    residual = mean_residual_time(first_passage_times(kicked, ABSORBED), 60)
    relaxed, _ = exact_relaxation(exact_law(HORIZON)[0], WINDOW, 0.02)
    prediction = perturbed_mean(
        survival_function(passages), residual, [3, 45], relaxation_time=relaxed, measured_at=60
    )
    assert prediction.valid.tolist() == [False, True]
    errors = []
    for place, interval in enumerate((3, 45)):
        really = simulated(np.random.default_rng(51 + place), RUNS, 1000, kicked_at=interval)
        times = first_passage_times(really, ABSORBED).time
        spread = np.hypot(times.std() / np.sqrt(RUNS), prediction.samples[:, place].std())
        errors.append(abs(prediction.value[place] - times.mean()) / spread)
    assert errors[1] < 4
    # Negative control: before relaxation the plateau promises far too much.
    assert errors[0] > 10


def test_a_drifting_chain_is_found_out():
    """Negative control: its transitions change all along, so its survivors never come to rest."""
    verdicts = {}
    for swing in (0.0, 0.2):
        record = simulated(np.random.default_rng(60), RUNS, HORIZON, swing=swing)
        steady = quasi_steady_state(record, first_passage_times(record, ABSORBED), window=WINDOW)
        verdicts[swing] = relaxation_time(steady)
    assert verdicts[0.0].value < 20
    assert verdicts[0.2].holds is False


def test_residual_times_of_a_drifting_chain_form_no_plateau():
    """Negative control: kicked while the transitions are on their way, it takes longer or shorter."""
    residuals = {}
    for seed, interval in enumerate((75, 90, 135)):
        record = simulated(np.random.default_rng(55 + seed), RUNS, 2500, kicked_at=interval, swing=0.05)
        residuals[interval] = mean_residual_time(first_passage_times(record, ABSORBED), interval)
    tested = plateau_test(residuals)
    assert tested.intervals == (75, 90, 135)
    assert (tested.verdict.holds, tested.verdict.kind) == (False, "no_plateau")
