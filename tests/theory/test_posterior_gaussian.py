"""Gaussians and the divergence between them: by integration, in any coordinates, and down to 1e-13 bits."""

from __future__ import annotations

from decimal import Decimal, getcontext

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from thermograd.errors import ConfigError
from thermograd.quantities import Prediction
from thermograd.theory.posterior import Gaussian, exact_posterior, kl_divergence, regression_posterior


def test_by_integration():
    p, q = norm(0.3, 1.2), norm(-0.2, 0.9)
    nats = quad(lambda x: p.pdf(x) * (p.logpdf(x) - q.logpdf(x)), -10, 10)[0]
    found = [
        kl_divergence(Gaussian([0.3], [[1.44]]), Gaussian([-0.2], [[0.81]]), unit) for unit in ("nat", "bit")
    ]
    assert found == pytest.approx([nats, nats / np.log(2)], rel=1e-7)


def test_in_many_dimensions():
    rng = np.random.default_rng(0)
    roots = rng.normal(size=(2, 5, 5))
    first, second = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(5)
    away = rng.normal(size=5)
    inverse = np.linalg.inv(second)
    expected = np.trace(inverse @ first) - 5 + away @ inverse @ away
    expected += np.linalg.slogdet(second)[1] - np.linalg.slogdet(first)[1]
    found = kl_divergence(Gaussian(away, first), Gaussian(np.zeros(5), second), "nat")
    assert found == pytest.approx(expected / 2, rel=1e-10)
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0] * np.logspace(-2, 2, 5)
    other = kl_divergence(
        Gaussian(turn @ away, turn @ first @ turn.T), Gaussian(np.zeros(5), turn @ second @ turn.T), "nat"
    )
    assert other == pytest.approx(found, rel=1e-6)  # the same in any coordinates


@pytest.mark.parametrize("excess", ["0.3", "0.0011", "0.0009", "-0.0009", "1e-5", "-1e-6"])
def test_small_differences_keep_their_digits(excess):
    getcontext().prec = 50
    exact = (Decimal(excess) - (1 + Decimal(excess)).ln()) / 2 / Decimal(2).ln()
    found = kl_divergence(Gaussian([0.0], [[1 + float(excess)]]), Gaussian([0.0], [[1.0]]))
    assert found == pytest.approx(float(exact), rel=1e-9, abs=0)
    if abs(float(excess)) < 1e-4:  # negative control: the formula as it is printed
        printed = (float(excess) - np.log(1 + float(excess))) / 2 / np.log(2)
        assert printed != pytest.approx(float(exact), rel=1e-9, abs=0)


def test_regression_posterior_by_completing_the_square():
    rng = np.random.default_rng(1)
    features, targets = rng.normal(size=(30, 4)), rng.normal(size=30)
    found = regression_posterior(features, targets, noise_std=0.7, prior_precision=2.0).value
    stacked = np.concatenate([features / 0.7, np.sqrt(2.0) * np.eye(4)])  # the prior as four more samples
    wanted = np.concatenate([targets / 0.7, np.zeros(4)])
    np.testing.assert_allclose(found.mean, np.linalg.lstsq(stacked, wanted, rcond=None)[0], rtol=1e-10)
    np.testing.assert_allclose(found.covariance, np.linalg.inv(stacked.T @ stacked), rtol=1e-10)
    flat = regression_posterior(features[:3], targets[:3], noise_std=0.7, prior_precision=0.0)
    assert (flat.holds, flat.kind) == (False, "improper")


def test_gaussians_print_in_one_line():
    found = Prediction(Gaussian([1.0, 2.0], np.eye(2)), rests_on="nothing")
    assert str(found) == "Gaussian(2 coordinates, standard deviations 1 to 1) (exact; rests on nothing)"
    assert "2 coordinates" in found._repr_html_()


def test_what_is_refused(parabolas):
    one, two = Gaussian([0.0], [[1.0]]), Gaussian([0.0, 0.0], np.eye(2))
    with pytest.raises(ConfigError, match="'bit' or 'nat'"):
        kl_divergence(one, one, unit="dit")
    with pytest.raises(ConfigError, match="equally many"):
        kl_divergence(one, two)
    still = Gaussian([0.0], [[0.0]])
    assert kl_divergence(still, one) == float("inf")
    with pytest.raises(ConfigError, match="singular"):
        kl_divergence(one, still)
    with pytest.raises(ConfigError, match="mean has shape"):
        Gaussian([0.0, 1.0], [[1.0]])
    with pytest.raises(ConfigError, match="temperature is 0"):
        exact_posterior(parabolas(4, 2), temperature=0.0)
    with pytest.raises(ConfigError, match="features have shape"):
        regression_posterior([1.0], [1.0], noise_std=1.0, prior_precision=1.0)
    for change in ({"noise_std": 0.0}, {"prior_precision": -1.0}):
        with pytest.raises(
            ConfigError, match=r"it must be a (positive finite number|finite number, 0 or larger)"
        ):
            regression_posterior([[1.0]], [1.0], **({"noise_std": 1.0, "prior_precision": 1.0} | change))
