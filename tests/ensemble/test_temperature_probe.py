"""The temperature of SGD around a model: white noise gives its own back, regressions give what is known of them."""

import numpy as np
import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.estimators.effective_temperature import estimate
from thermograd.minibatching import Persistent, WithoutReplacement, WithReplacement

RATE = 0.1

DECAY = 0.3


def exact(samples, fraction, lags, temperature=0.0):
    """D and χ of independent batches with weights s/b, and of white noise."""
    z, y = samples
    curvatures, modes = np.linalg.eigh(z.T @ z + DECAY * np.eye(z.shape[1]))
    a, j = 1 - RATE * curvatures, np.arange(1, lags + 1)[:, None]
    rows, centre = z @ modes, modes.T @ np.linalg.solve(z.T @ z + DECAY * np.eye(z.shape[1]), z.T @ y)
    white = 2 * temperature / RATE * np.eye(len(a))
    covariance = np.zeros_like(white)
    for _ in range(300):
        v = (rows @ centre - y) ** 2 + np.einsum("mi,ij,mj->m", rows, covariance, rows)
        noise = white + (1 - fraction) / fraction * (rows.T * v) @ rows
        covariance = RATE**2 * noise / (1 - np.outer(a, a))
    return (np.diag(covariance) * (1 - a**j)).mean(axis=1), ((1 - a**j) / curvatures).mean(axis=1)


def away(estimate, value):
    """In standard errors of Student's interval, larger than normal ones."""
    half = (estimate.high - estimate.low) / 2
    return abs(estimate.value - value) / half * 2


def test_white_noise_gives_its_temperature_back(measure):
    """Full batches and T = 0.02, 4 standard errors; one temperature at all lags."""
    reading = measure(minibatching=WithReplacement(None), temperature=0.02, windows=40)
    for one in (reading.short, reading.fit, reading.long):
        assert away(one, 0.02) < 4
        assert one.high - one.low < 0.006
    assert reading.verdict.holds is not False
    assert reading.response_check == pytest.approx(1, abs=1e-9)
    assert reading.linearity < 1e-6
    wrong = measure(minibatching=WithReplacement(None), temperature=0.03, windows=40)
    assert away(wrong.fit, 0.02) > 4


def test_sgd_on_a_ridge_regression_is_exact(measure, ridge):
    """Independent batches: displacement, response and temperatures against the exact ones, 4 standard errors."""
    displacement, response = exact(ridge(), 0.3, 21)
    expected = estimate(displacement, response[:20])
    reading = measure(windows=40)
    for name in ("short", "fit", "long"):
        assert away(getattr(reading, name), getattr(expected, name).value) < 4, name
        assert getattr(reading, name).value == pytest.approx(getattr(expected, name).value, rel=0.15)
    assert np.allclose(reading.response, response[:20], rtol=4 * np.sqrt(2 / 24 / 40))
    assert np.allclose(reading.displacement, expected.displacement, rtol=0.1)
    assert reading.lags.tolist() == list(range(1, 21))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_intervals_of_readings_hold_the_truth(measure, ridge):
    """200 readings of 8 windows, 95 %, binomial, 4 sigma; stationary windows are never called anything else."""
    displacement, response = exact(ridge(), 0.3, 21)
    expected = estimate(displacement, response[:20])
    readings = [measure(windows=8, seed=seed) for seed in range(100, 300)]
    for name in ("short", "fit", "long"):
        value = getattr(expected, name).value
        held = np.mean([getattr(one, name).low < value < getattr(one, name).high for one in readings])
        assert abs(held - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 200), (name, held)
        mean = np.mean([getattr(one, name).value for one in readings])
        assert abs(mean / value - 1) < 0.03


def logistic(outputs, targets):
    return 400 * nn.functional.softplus(-outputs[:, 0] * targets)


def clusters(seed, dimension=100, ratio=4):
    rng = np.random.default_rng(seed)
    labels = np.where(np.arange(ratio * dimension) % 2, 1.0, -1.0)
    direction = rng.normal(size=dimension)
    direction *= np.sqrt(dimension) / np.linalg.norm(direction)
    inputs = np.outer(labels, direction) / dimension**0.5 + 0.5**0.5 * rng.normal(
        size=(len(labels), dimension)
    )
    return torch.from_numpy(inputs / dimension**0.5), torch.from_numpy(labels)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Persistent(0.3), (0.0141, 0.0129, 0.0127)),
        pytest.param(Persistent(0.1), (0.0562, 0.0507, 0.0492), marks=pytest.mark.slow),
        (Persistent(0.3, 10), (0.0204, 0.0524, 0.0528)),
        pytest.param(Persistent(0.3, 30), (0.0170, 0.1029, 0.1167), marks=pytest.mark.slow),
        (WithoutReplacement(100), (0.0149, 0.00178, None)),
    ],
    ids=str,
)
def test_logistic_regression_in_infinite_dimension(rule, expected, measure):
    """5 data sets of 100 dimensions: the temperatures of mean-field theory within 4 standard errors and 3 % of its own."""
    readings = []
    for seed in range(5):
        model = nn.Linear(100, 1, bias=False)
        options = {"minibatching": rule, "burn_in": 160, "windows": 10, "lags": 40, "seed": seed}
        readings.append(measure(model, logistic, clusters(seed), **options))
    for name, value in zip(("short", "fit", "long"), expected, strict=True):
        found = [getattr(one, name).value for one in readings]
        error = np.std(found, ddof=1) / np.sqrt(5)
        assert value is None or abs(np.mean(found) - value) < 4 * error + 0.03 * value, (name, found)


def test_persistent_batches_are_hotter_at_long_lags(measure):
    plain = measure(minibatching=Persistent(0.3, fixed_size=True), windows=10, lags=40)
    persistent = measure(minibatching=Persistent(0.3, 10, fixed_size=True), windows=10, lags=40)
    assert persistent.long.value > 2 * plain.long.value
    assert persistent.short.value < persistent.long.value / 2


def tanh_network():
    torch.manual_seed(0)
    x = torch.randn(400, 10)
    y = torch.sin(x[:, :1]) + 0.5 * torch.randn(400, 1)
    model = nn.Sequential(nn.Linear(10, 8), nn.Tanh(), nn.Linear(8, 1))
    return model, lambda out, target: ((out - target) ** 2)[:, 0], (x, y)


def test_a_small_network():
    model, loss, data = tanh_network()
    reading = tg.measure_temperature(
        model,
        loss,
        data,
        learning_rate=0.1,
        weight_decay=0.05,
        minibatching=Persistent(fraction=0.1, fixed_size=True),
        burn_in=2000,
        windows=8,
        lags=60,
        groups="layer",
    )
    assert reading.verdict.kind == "no_single_temperature"
    assert str(reading) == reading.verdict.text
    assert 0 < reading.long.value < reading.fit.value < reading.short.value
    assert reading.response_check == pytest.approx(1, abs=1e-9)
    assert reading.linearity < 0.05
    sizes = {"0": 88, "2": 9}
    for name in ("response", "displacement"):
        parts = sum(sizes[key] * getattr(part, name) for key, part in reading.groups.items())
        assert np.allclose(parts / 97, getattr(reading, name), rtol=1e-6)


def test_groups_by_name_and_the_whole(measure):
    model, loss, data = tanh_network()
    names = [name for name, _ in model.named_parameters()]
    reading = measure(
        model, loss, data, windows=3, lags=6, burn_in=5, groups={"all": names, "first": names[:1]}
    )
    assert np.array_equal(reading.groups["all"].curve, reading.curve)
    assert reading.groups["first"].fit.value != reading.fit.value


def test_as_few_lags_and_windows_as_can_be(measure):
    reading = measure(windows=1, lags=2, burn_in=0)
    assert reading.lags.tolist() == [1, 2]
    assert reading.verdict.kind == "lags_inside_noise_memory"
    assert repr(reading) == f"TemperatureReading({reading.verdict.text})"
    assert measure(windows=1, lags=3, minibatching=WithReplacement(9)).verdict.kind == "undecided"
