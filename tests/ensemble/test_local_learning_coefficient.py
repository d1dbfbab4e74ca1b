"""The learning coefficient of parabolas is known; what has not converged gets no number."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import thermograd as tg
from thermograd.dynamics import SGLD
from thermograd.ensemble.local_learning_coefficient import local_learning_coefficient

SAMPLES = 60


def regression():
    """l_i = ½ (y_i − x_i·w)², seven weights of very different curvature."""
    generator = np.random.default_rng(0)
    features = generator.standard_normal((SAMPLES, 7)) * np.geomspace(0.5, 2.0, 7)
    targets = features @ np.ones(7) + generator.standard_normal(SAMPLES)
    best = np.linalg.lstsq(features, targets, rcond=None)[0]
    problem = tg.Problem(
        forward=lambda weights, inputs: inputs @ weights["w"],
        loss=lambda outputs, wanted: (outputs - wanted).square() / 2,
        train=(torch.from_numpy(features), torch.from_numpy(targets)),
        initial=lambda generator: {"w": torch.randn(7, generator=generator)},
    )
    return problem, {"w": torch.from_numpy(best)}, np.linalg.eigvalsh(features.T @ features)


def test_of_parabolas_it_is_half_the_sum_over_modes():
    """½ Σ h/(h + γ log M); chains of many relaxation times of the softest mode."""
    problem, best, curvatures = regression()
    expected = 0.5 * (curvatures / (curvatures + 2.0 * math.log(SAMPLES))).sum()
    found = local_learning_coefficient(
        problem, start=best, batch_size=10, localization=2.0, chains=32, epochs=2000, burn_in=200
    )
    assert isinstance(found, tg.Estimate), str(found)
    error = found.samples.std(ddof=1) / math.sqrt(32)
    assert abs(found.value - expected) < 4 * error + 0.01 * expected
    assert error < 0.02 * expected
    assert found.low < found.value < found.high
    assert "converged" in found.note.lower() or "virial" in found.note.lower()


def test_a_rate_that_is_too_large_gives_a_verdict_instead_of_a_number():
    """SGLD, whose minibatch noise at this rate makes L too large; unconverged chains too."""
    problem, best, curvatures = regression()
    h = curvatures[-1] + math.log(SAMPLES)
    hot = local_learning_coefficient(
        problem, start=best, batch_size=2, chains=8, epochs=2000, burn_in=200, dynamics=SGLD(0.6 / h)
    )
    assert isinstance(hot, tg.Verdict)
    assert hot.holds is False
    assert "so far" in hot.text
    assert hot.evidence["partial"].value > 0.5 * (curvatures / (curvatures + math.log(SAMPLES))).sum()
    short = local_learning_coefficient(problem, start=best, batch_size=10, chains=4, epochs=12, burn_in=2)
    assert isinstance(short, tg.Verdict)
    assert not short.holds


@pytest.mark.parametrize(
    ("options", "match"), [({"localization": 0.0}, "localization is 0.0"), ({"chains": 1}, "chains is 1")]
)
def test_arguments_that_do_not_fit(options, match):
    problem, best, _ = regression()
    with pytest.raises(ValueError, match=match):
        local_learning_coefficient(problem, start=best, batch_size=10, **options)


@pytest.mark.parametrize("offset", [0.3, 3.0])
def test_a_start_that_is_no_minimum_gets_no_number(offset):
    """From there the loss falls, which would be taken off the coefficient."""
    problem, best, _ = regression()
    away = {"w": best["w"] + offset}
    found = local_learning_coefficient(
        problem, start=away, batch_size=10, localization=2.0, chains=8, epochs=300, burn_in=50
    )
    assert isinstance(found, tg.Verdict)
    assert (found.holds, found.kind) == (False, "not_a_minimum")
    assert "Train further" in found.text
