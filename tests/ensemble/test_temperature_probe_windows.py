"""The windows behind a temperature are those of a loop by hand, however many are followed at once."""

import numpy as np
import pytest
import torch

from thermograd.ensemble import temperature_windows
from thermograd.ensemble.temperature_windows import random_signs
from thermograd.errors import MemoryLimitError
from thermograd.estimators.effective_temperature import estimate
from thermograd.minibatching import Persistent, WithoutReplacement, WithReplacement

RATE = 0.1

DECAY = 0.3


def naive(samples, start, rule, phases, burn_in, lags, length, seed=0, field=0.01):
    """Three copies of each window, one step after another; D over all origins."""
    z, y = samples
    decay, windows = DECAY, len(phases)
    signs = random_signs({"weight": (1, 24)}, seed, tuple(range(windows)), torch.float64)["weight"][
        :, 0
    ].numpy()
    displacement, response = [], []
    for window, phase in enumerate(phases):
        copies = np.repeat(start.weight.detach().double().numpy(), 3, axis=0)
        state, path, shifts = rule.start(seed, (window,), 72), [], []
        for step in range(burn_in + length):
            if step >= burn_in:
                path.append(copies[0].copy())
            h = signs[window] * field if step >= burn_in else 0.0
            batch, state = rule.draw(state, seed, (window,), step + phase, 72)
            used = batch.indices[0]
            shares = np.ones(len(used)) if batch.weights is None else batch.weights[0]
            gradient = 72 * ((copies @ z[used].T - y[used]) * shares) @ z[used] / len(used) + decay * copies
            copies = copies - RATE * (gradient - np.array([[0.0], [1.0], [-1.0]]) * h)
            if step >= burn_in and len(shifts) < lags:
                shifts.append(signs[window] @ (copies[1] - copies[2]) / (2 * field * 24))
        path.append(copies[0].copy())
        path, third = np.array(path), (length - lags) // 3
        moved = [
            np.mean([((path[o + lag] - path[o]) ** 2).mean() for o in range(3 * third)]) / 2
            for lag in range(1, lags + 2)
        ]
        displacement.append(moved)
        response.append(shifts)
    return estimate(displacement, response)


@pytest.mark.parametrize(
    ("rule", "phases", "thirds"),
    [
        (Persistent(0.25, 20, fixed_size=True), (0, 0, 0), 4),
        (Persistent(0.25, 20), (0, 0, 0), 4),
        (WithReplacement(18), (0, 0, 0), 4),
        (WithoutReplacement(18), (0, 1, 2), 4),
        (WithoutReplacement(12), (0, 2, 4), 6),
    ],
    ids=str,
)
def test_windows_are_those_of_a_loop_by_hand(rule, phases, thirds, measure, ridge, linear):
    """Batches that remember go on from the burn-in; reshuffled windows start at their own phases."""
    expected = naive(ridge(), linear(), rule, phases, 11, 12, 3 * thirds + 12)
    found = measure(minibatching=rule, windows=3, burn_in=11, lags=12, field=0.01)
    assert np.allclose(found.response, expected.response, rtol=1e-9)
    assert np.allclose(found.displacement, expected.displacement, rtol=1e-5)
    assert found.steps_used == 3 * (11 + 3 * 12 + 3 * thirds) + 3 * 12


def test_reshuffling_is_colder_and_quotes_its_epoch(measure):
    """The noise of an epoch adds up to little; lags below 3 epochs give no fit."""
    options = {"windows": 12, "lags": 30}
    reshuffled = measure(minibatching=WithoutReplacement(18), **options)
    independent = measure(minibatching=WithReplacement(18), **options)
    assert reshuffled.fit.value < independent.fit.value / 3
    assert reshuffled.short.value > reshuffled.fit.value
    short = measure(minibatching=WithoutReplacement(6), windows=3, lags=30)
    assert short.verdict.kind == "lags_inside_noise_memory"
    assert "(12 steps)" in short.verdict.text


def test_windows_are_the_same_however_many_fit_in_memory(monkeypatch, measure):
    whole = measure(windows=5)
    monkeypatch.setattr(temperature_windows, "_HISTORY_BYTES", 2 * 4 * 24 * 39)
    parts = measure(windows=5)
    assert np.allclose(parts.curve, whole.curve, rtol=1e-6)
    monkeypatch.setattr(temperature_windows, "free_memory", lambda: 100)
    with pytest.raises(MemoryLimitError, match="24 coordinates at 39 steps"):
        measure(windows=5)


def test_large_models_are_followed_in_part(monkeypatch, measure):
    """A third of the coordinates: the displacement within 4 standard errors of a χ² of them, the response the same."""
    whole = measure(windows=8)
    monkeypatch.setattr(temperature_windows, "_COORDINATES", 8)
    monkeypatch.setattr(temperature_windows, "_OF_A_TENSOR", 1)
    some = measure(windows=8, field=1e-2)
    assert np.allclose(some.response, whole.response, rtol=1e-6)
    assert not np.allclose(some.displacement, whole.displacement, rtol=1e-3)
    assert some.short.value == pytest.approx(whole.short.value, rel=0.4)
