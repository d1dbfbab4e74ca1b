"""The Fokker-Planck equation of the samplers: recorded numbers, its law of powers, one parabola by hand, what has no state."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.quantities import Landscape, Verdict
from thermograd.theory.posterior import (
    ALGORITHMS,
    exact_posterior,
    fokker_planck_distribution,
    kl_divergence,
    stationary_distribution,
)
from thermograd.theory.reshuffled_diffusion import reshuffled_diffusion

TABLE = {
    1e-5: (2.1106, 4.797, None),
    3e-6: (0.32644, 1.2965e-2, 1.6455),
    1e-6: (4.6672e-2, 1.9424e-5, 4.9362e-2),
    3e-7: (4.6926e-3, 1.4210e-8, 3.3713e-3),
    1e-7: (5.3982e-4, 1.9494e-11, 3.5114e-4),
    1e-8: (5.4860e-6, 1.9494e-17, 3.4177e-6),
}


@pytest.mark.parametrize("rate", TABLE)
def test_recorded_numbers(curve, rate):
    target = exact_posterior(curve).value
    for name, expected in zip(("sgld", "sgworld", "sgworld_uncorrected"), TABLE[rate], strict=True):
        found = fokker_planck_distribution(curve, name, learning_rate=rate, batch_size=10)
        if expected is None:
            assert (found.holds, found.kind) == (False, "no_stationary_state")
        else:
            assert kl_divergence(found.value, target) == pytest.approx(expected, rel=1e-3, abs=0)


def test_powers_of_the_learning_rate(curve):
    """Two for SGLD and for SGWORLD without correction, six with it."""
    target = exact_posterior(curve).value
    for name, power in (("sgld", 2), ("sgworld", 6), ("sgworld_published_uncorrected", 2)):
        pair = [
            kl_divergence(
                fokker_planck_distribution(curve, name, learning_rate=rate, batch_size=10).value, target
            )
            for rate in (1e-8, 2e-8)
        ]
        assert np.log2(pair[1] / pair[0]) == pytest.approx(power, abs=0.02)


def test_the_published_algorithm_does_not_do_what_its_equation_does(curve):
    """KL as η⁶ in continuous time; as η² in steps of an epoch, 2500 times as far at 1e-6, and no better than SGLD."""
    target = exact_posterior(curve).value
    settings = {"learning_rate": 1e-6, "batch_size": 10}
    continuous, exact = (
        kl_divergence(law(curve, "sgworld_published", **settings).value, target)
        for law in (fokker_planck_distribution, stationary_distribution)
    )
    assert exact / continuous == pytest.approx(2463, rel=0.02)
    ours = kl_divergence(stationary_distribution(curve, "sgworld", **settings).value, target)
    assert ours / continuous == pytest.approx(1, abs=0.08)


def averaged(landscape, covariance, rate, batch_size, sampled):
    """⟨D̂(x)⟩ over Gaussian x, by brute force."""
    total = np.zeros_like(covariance)
    for place in sampled @ np.linalg.cholesky(covariance).T:
        moved = Landscape(
            sample_gradients=landscape.sample_gradients + landscape.sample_hessians @ place,
            sample_hessians=landscape.sample_hessians,
        )
        total += reshuffled_diffusion(moved, learning_rate=rate, batch_size=batch_size).value
    return total / len(sampled)


def test_the_equation_holds_with_the_mean_of_the_noise(parabolas):
    """H Σ + Σ H = 2 (T + ⟨D̂⟩/(ηn)): the points ±√N e_i have mean 0 and variance 1, so a quadratic has its exact mean."""
    land, rate, batch = parabolas(6, 3, seed=4), 0.3, 2
    found = fokker_planck_distribution(land, "sgworld", learning_rate=rate, batch_size=batch).value.covariance
    points = np.sqrt(3) * np.concatenate([np.eye(3), -np.eye(3)])
    noise = averaged(land, found, rate, batch, points)
    left = land.hessian @ found + found @ land.hessian
    np.testing.assert_allclose(left, 2 * np.eye(3) + 2 * noise / (3 * rate), rtol=1e-9, atol=1e-12)
    plain = reshuffled_diffusion(land, learning_rate=rate, batch_size=batch).value
    assert (
        np.abs(noise - plain).max() > 0.02 * np.abs(plain).max()
    )  # negative control: noise that does not grow


def test_sgld_on_one_parabola_by_hand(parabolas):
    """Σ = (T + η v S/2)/(h − η v Σ(k−h)²/(2(M−1))), v = 1/m − 1/M."""
    land, rate = parabolas(8, 1, seed=2), 0.2
    bend = land.sample_hessians[:, 0, 0]
    spread = rate * (1 / 2 - 1 / 8) / 2
    slope = land.sample_gradients[:, 0]
    for heat in (0.0, 1.0, 3.0):
        expected = (heat + spread * slope.var(ddof=1)) / (bend.mean() - spread * bend.var(ddof=1))
        found = fokker_planck_distribution(land, "sgld", learning_rate=rate, batch_size=2, temperature=heat)
        assert found.value.covariance[0, 0] == pytest.approx(expected, rel=1e-12)


def test_without_correction_the_centre_is_that_of_the_effective_loss(parabolas):
    land, rate = parabolas(6, 2, seed=3), 0.01
    corrected, others = "sgworld", ("sgworld_uncorrected", "sgld_without_replacement")
    settings = {"learning_rate": rate, "batch_size": 2}
    assert fokker_planck_distribution(land, corrected, **settings).value.mean == pytest.approx(
        exact_posterior(land).value.mean, abs=1e-14
    )
    truth = stationary_distribution(land, "sgworld_uncorrected", **settings).value.mean
    for name in others:
        found = fokker_planck_distribution(land, name, **settings).value.mean
        assert np.linalg.norm(found - truth) < 0.03 * np.linalg.norm(truth)


def test_noise_that_outgrows_the_drift(parabolas):
    land = parabolas(6, 2)
    refused = fokker_planck_distribution(land, "sgld", learning_rate=100.0, batch_size=1)
    assert isinstance(refused, Verdict)
    assert refused.kind == "no_stationary_state"
    assert "grows faster" in refused.text
    flat = Landscape(sample_gradients=np.ones((2, 1)), sample_hessians=np.zeros((2, 1, 1)))
    assert fokker_planck_distribution(flat, "sgld", learning_rate=0.1, batch_size=1).kind == "improper"
    for name in set(ALGORITHMS) - {"sgld"}:
        with pytest.raises(ConfigError, match="does not divide"):
            fokker_planck_distribution(parabolas(7, 2), name, learning_rate=0.1, batch_size=3)


def test_one_linear_solve_is_where_repeated_substitution_leads(curve):
    """Σ ↦ covariance with the noise at Σ, four times from 1.5 Σ: at 1e-5, where the noise more than doubles some variances."""
    curvatures, modes = np.linalg.eigh(curve.hessian)
    step = exact_posterior(curve).value.mean
    here = Landscape(
        sample_gradients=curve.sample_gradients + curve.sample_hessians @ step,
        sample_hessians=curve.sample_hessians,
    )
    points = np.sqrt(3) * np.concatenate([np.eye(3), -np.eye(3)])
    found = fokker_planck_distribution(curve, "sgworld", learning_rate=1e-5, batch_size=10).value.covariance
    covariance = 1.5 * found
    for _ in range(4):
        noise = averaged(here, covariance, 1e-5, 10, points) / (20 * 1e-5)
        turned = modes.T @ (2 * np.eye(3) + 2 * noise) @ modes
        covariance = modes @ (turned / np.add.outer(curvatures, curvatures)) @ modes.T
    np.testing.assert_allclose(covariance, found, rtol=0, atol=1e-8 * np.abs(found).max())
    boltzmann = np.linalg.inv(curve.hessian)
    assert np.abs(found / boltzmann).max() > 2  # negative control: the noise matters
