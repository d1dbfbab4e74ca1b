"""Variance against curvature of processes whose exponent is known."""

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from thermograd.errors import ConfigError
from thermograd.estimators.landscape import flatness_exponent
from thermograd.estimators.stationary_state import variance_flatness

RATE = 0.01
ROTATION, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))
CURVATURES = np.array([1.0, 3.0, 9.0, 27.0])
HESSIAN = ROTATION @ np.diag(CURVATURES) @ ROTATION.T


def states(exponent, count=4000, times=1, seed=1):
    """Independent states with variance h^exponent along the Hessian's eigenvectors."""
    normal = np.random.default_rng(seed).normal(size=(count, times, 4))
    return (normal * CURVATURES ** (exponent / 2)) @ ROTATION.T


@pytest.mark.parametrize("directions", ["principal", "hessian"])
@pytest.mark.parametrize("exponent", [-1.0, 0.5, 1.0])
def test_the_exponent_of_boltzmann_and_of_earthquake_states(exponent, directions):
    """Within 4 standard errors, 2 half widths; −1 Boltzmann, +1 noise ∝ H²."""
    found = variance_flatness(states(exponent), HESSIAN, directions=directions)
    half = found.high - found.value
    assert abs(found.value - exponent) < 2 * half
    assert half < 0.03


def test_equal_variances_in_hessian_directions():
    """Noise ∝ H: exponent 0. All principal directions are then alike, and the interval says so."""
    found = variance_flatness(states(0.0), HESSIAN, directions="hessian")
    assert abs(found.value) < 2 * (found.high - found.value)
    principal = variance_flatness(states(0.0), HESSIAN)
    assert "3 neighbouring principal variances" in principal.note
    assert variance_flatness(states(1.0), HESSIAN).note == ""
    assert principal.high - principal.low > 4 * (found.high - found.low)


def test_the_error_of_principal_directions_is_their_scatter_over_data_sets(turning):
    """The half width of 30 data sets against the spread of their values; 4 standard errors of that, 13 % each."""
    hessian = turning.relaxation / RATE
    found = [variance_flatness(turning.simulate(400, 1, seed=seed), hessian) for seed in range(30)]
    spread = np.std([entry.value for entry in found], ddof=1)
    assert np.mean([entry.high - entry.value for entry in found]) / 1.966 == pytest.approx(spread, rel=0.52)


def test_one_long_record(turning):
    hessian = turning.relaxation / RATE
    found = variance_flatness(turning.simulate(1, 40_000), hessian, directions="hessian")
    heights, basis = np.linalg.eigh(hessian)
    exact = flatness_exponent(heights, np.diagonal(basis.T @ turning.covariance @ basis)).value
    assert abs(found.value - exact) < 2 * (found.high - found.value)
    assert found.pieces >= 8


def test_the_seven_parameter_network(data_folder):
    """Recorded Hessian and noise: exponents +0.423 along principal axes, +0.238 along Hessian directions."""
    file = data_folder / "nonlinear_regression" / "oracle_nonlinear_regression.npz"
    if not file.is_file():
        pytest.skip(f"{file} is missing")
    recorded = np.load(file)
    hessian, noise = recorded["H"], recorded["D"]
    exact = solve_continuous_lyapunov(1e-7 * hessian, 2 * noise)
    values, vectors = np.linalg.eigh(exact)
    principal = flatness_exponent(np.einsum("ik,ij,jk->k", vectors, hessian, vectors), values)
    heights, basis = np.linalg.eigh(hessian)
    along = flatness_exponent(heights, np.diagonal(basis.T @ exact @ basis))
    assert principal.value == pytest.approx(0.423, abs=2e-3)
    assert along.value == pytest.approx(0.238, abs=2e-3)
    normal = np.random.default_rng(0).normal(size=(20_000, 1, 7))
    measured = variance_flatness(normal @ np.linalg.cholesky(exact).T, hessian, directions="hessian")
    assert measured.low < along.value < measured.high


def test_wrong_arguments():
    with pytest.raises(ConfigError, match="'principal' or 'hessian', got 'flat'"):
        variance_flatness(states(1.0), HESSIAN, directions="flat")
    with pytest.raises(ConfigError, match="hessian has shape"):
        variance_flatness(states(1.0), np.eye(3))
    with pytest.raises(ConfigError, match="two of"):
        variance_flatness(states(1.0), -HESSIAN)
