"""The entropy force makes exp(-sigma) average to 1 from every start; only with the pair of continuous time."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.numerics.lyapunov import Relaxation, RelaxationModes
from thermograd.theory.entropy import entropy_force, entropy_production

CURVATURE = np.array([0.3, 0.8])


def noise_of(correlation):
    return np.array([[1.0, correlation], [correlation, 2.0]])


def log_mean_exponential(force, relaxation, diffusion):
    """Matrix M of ln E[exp(-sigma) | start] = δᵀ M δ, with Δ = -F δ + noise of covariance 2D."""
    form = force.T @ relaxation + force.T @ diffusion @ force
    return (form + form.T) / 2


@pytest.mark.parametrize("form", [RelaxationModes.of, Relaxation])
def test_integral_fluctuation_theorem_is_exact_from_every_start(form):
    relaxation = form(np.diag(CURVATURE))
    diffusion = noise_of(0.6)
    continuous = relaxation.covariance(2 * diffusion, discrete=False)
    force = entropy_force(relaxation, diffusion, continuous).force
    assert np.abs(force).max() > 0.01
    assert np.abs(log_mean_exponential(force, np.diag(CURVATURE), diffusion)).max() < 1e-15
    discrete = relaxation.covariance(2 * diffusion, discrete=True)
    wrong = entropy_force(relaxation, diffusion, discrete).force
    assert np.abs(log_mean_exponential(wrong, np.diag(CURVATURE), diffusion)).max() > 1e-3


def test_two_modes_in_closed_form():
    """Continuous time: c² η tr H/det D with c = C₁₂ = D₁₂ (h₁ − h₂)/(h₁ + h₂)."""
    relaxation, diffusion = RelaxationModes.of(np.diag(CURVATURE)), noise_of(0.6)
    covariance = relaxation.covariance(2 * diffusion, discrete=False)
    force = entropy_force(relaxation, diffusion, covariance).force
    circulation = 0.6 * (0.3 - 0.8) / 1.1
    expected = circulation**2 * CURVATURE.sum() / np.linalg.det(diffusion)
    assert entropy_production(relaxation, force, covariance) == pytest.approx(expected, rel=1e-12)


def test_without_circulation_there_is_no_force():
    relaxation = RelaxationModes.of(np.diag(CURVATURE))
    for diffusion in (np.eye(2), np.diag(CURVATURE), np.diag(CURVATURE**2)):
        covariance = relaxation.covariance(2 * diffusion, discrete=False)
        found = entropy_force(relaxation, diffusion, covariance)
        assert np.abs(found.force).max() == 0
        assert entropy_production(relaxation, found.force, covariance) == 0


def test_a_direction_without_noise_is_left_out():
    relaxation = RelaxationModes(np.array([0.3, 0.8, 0.5]), np.eye(3))
    diffusion = np.zeros((3, 3))
    diffusion[:2, :2] = noise_of(0.6)
    covariance = relaxation.covariance(2 * diffusion, discrete=False)
    found = entropy_force(relaxation, diffusion, covariance)
    assert found.rank == 2
    smaller = RelaxationModes(relaxation.rates[:2], np.eye(2))
    alone = entropy_force(smaller, diffusion[:2, :2], covariance[:2, :2])
    np.testing.assert_allclose(found.force[:2, :2], alone.force, rtol=1e-12)
    assert not found.force[2].any()
    assert not found.force[:, 2].any()


def test_units_of_the_coordinates_do_not_matter():
    """Weights in units of 1e-6 and 1e6: entropy is the same, only W is measured in other units."""
    units = np.array([1e6, 1e-6])
    relaxation = np.array([[0.3, 0.1], [0.0, 0.8]])
    plain = Relaxation(relaxation)
    scaled = Relaxation(relaxation * units[:, None] / units)
    values = []
    for form, factor in ((plain, np.ones(2)), (scaled, units)):
        diffusion = noise_of(0.6) * factor[:, None] * factor
        covariance = form.covariance(2 * diffusion, discrete=False)
        found = entropy_force(form, diffusion, covariance)
        assert found.rank == 2
        values.append(entropy_production(form, found.force, covariance))
    assert values[0] == pytest.approx(values[1], rel=1e-9)
