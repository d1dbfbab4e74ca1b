import dataclasses

import pytest
import torch
from torch import nn

import thermograd as tg
from thermograd.advisor.effective_temperature import advise
from thermograd.errors import ConfigError
from thermograd.minibatching import Persistent, WithoutReplacement, WithReplacement


class Location(nn.Module):
    """Parabolas of curvature 1 about the samples: one curvature and isotropic noise, hence one temperature."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(60))

    def forward(self, x):
        return x - self.weight


def read(minibatching, learning_rate=0.1, **options):
    x = torch.randn(200, 60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return tg.measure_temperature(
        Location(),
        lambda out, _: out.square().sum(1) / 2,
        (x, x),
        **{
            "learning_rate": learning_rate,
            "minibatching": minibatching,
            "burn_in": 60,
            "windows": 60,
            "lags": 8,
        }
        | options,
    )


@pytest.fixture(scope="module")
def measured():
    return read(WithReplacement(20))


def test_the_settings_have_the_wanted_temperature(measured):
    """4 standard errors of both readings."""
    assert measured.verdict.holds is True
    assert measured.batch_fraction == pytest.approx(0.1)
    for wanted in (measured.fit.value / 2, measured.fit.value * 1.8):
        advice = advise(measured, wanted=wanted)
        batch, rate = advice.ranking
        assert batch.learning_rate == pytest.approx(0.1)
        assert rate.batch_size == 20
        assert rate.expected.value == pytest.approx(wanted, rel=1e-12)
        assert batch.expected.value == pytest.approx(wanted, rel=0.05)
        for setting in advice.ranking:
            found = read(WithReplacement(setting.batch_size), setting.learning_rate, seed=1).fit
            errors = [(one.high - one.low) / 4 for one in (found, setting.expected)]
            assert abs(found.value - setting.expected.value) < 4 * sum(error**2 for error in errors) ** 0.5
            away = abs(found.value - measured.fit.value)
            assert away > 4 * sum(error**2 for error in errors) ** 0.5
        assert str(batch) in advice.recommendation
        assert any("2/curvature" in text for text in advice.caveats) == (wanted > measured.fit.value)


def test_far_away_is_told(measured):
    assert any("far from what was measured" in text for text in advise(measured, wanted=1e-9).caveats)
    hot = advise(measured, wanted=1e3)
    assert [setting.batch_size for setting in hot.ranking] == [20]


@pytest.mark.parametrize(
    ("minibatching", "options"),
    [
        (WithoutReplacement(100), {}),
        (Persistent(0.5, 4, fixed_size=True), {}),
        (WithReplacement(20, distinct=False), {}),
        (WithReplacement(20), {"temperature": 0.01}),
    ],
    ids=str,
)
def test_other_noise_does_not_follow_the_law(measured, minibatching, options):
    reading = read(minibatching, windows=3, lags=10, **options)
    assert reading.batch_fraction is None
    whole = dataclasses.replace(reading.whole, fit=measured.fit, verdict=measured.verdict)
    advice = advise(dataclasses.replace(reading, whole=whole), wanted=0.01)
    assert advice.ranking == ()
    assert "law of independent batches" in advice.recommendation


def test_plain_persistent_batches_are_independent():
    assert read(Persistent(0.1), windows=2).batch_fraction == pytest.approx(0.1)
    assert read(Persistent(0.113, fixed_size=True), windows=2).batch_fraction == pytest.approx(23 / 200)


def test_without_one_temperature_there_is_nothing_to_scale():
    undecided = read(WithReplacement(20), windows=2)
    assert undecided.verdict.holds is None
    advice = advise(undecided, wanted=0.01)
    assert advice.ranking == ()
    assert advice.verdicts == (undecided.verdict,)


@pytest.mark.parametrize("wanted", [0.0, None, "0.1", -1.0, float("nan"), float("inf"), True])
def test_bad_temperatures_are_named(measured, wanted):
    with pytest.raises(ConfigError, match="wanted is"):
        advise(measured, wanted=wanted)
