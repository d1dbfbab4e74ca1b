"""Exponent and coefficient of diffusion: free, ballistic and bound motion, errors, and windows of lags."""

from dataclasses import replace

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.diffusion_of_displacement import diffusion
from thermograd.estimators.displacement_of_positions import mean_square_displacement
from thermograd.estimators.displacement_table import DisplacementTable

LAGS = np.unique(np.rint(10 ** (np.arange(33) / 8)).astype(int))


def power_law(exponent, coefficient, waiting=(100, 1000), noise=0.0, trajectories=1):
    curve = 2 * coefficient * LAGS.astype(float) ** exponent * np.ones((trajectories, len(waiting), 1))
    kicks = np.random.default_rng(0).normal(size=curve.shape)
    return DisplacementTable(waiting, LAGS, (curve * np.exp(noise * kicks))[..., None], [1])


@pytest.mark.parametrize("lags", ["short", "long", (3, 80), (None, None), (None, 50), (50, None)])
def test_a_power_law_in_every_window(lags):
    found = diffusion(power_law(0.8, 0.3), lags=lags)
    np.testing.assert_allclose(found.exponent.value, 0.8)
    np.testing.assert_allclose(found.coefficient.value, 0.3)
    assert found.exponent.note == "one run"


def test_the_window_is_relative_to_the_waiting_time():
    """Δ grows like t up to t_w/10, not at all from t_w on."""
    curves = np.stack([np.minimum(LAGS, waiting / 5.0) for waiting in (100, 1000)])
    table = DisplacementTable([100, 1000], LAGS, curves[None, ..., None], [1])
    np.testing.assert_allclose(diffusion(table, lags="short").exponent.value, 1.0)
    np.testing.assert_allclose(diffusion(table, lags="long").exponent.value, 0.0, atol=1e-12)


def test_independent_steps_diffuse_freely_within_the_interval(step_variance_walk):
    """Exponents of 13 waiting times whose errors are those of one walk: 95 % intervals hold 1 in 12 or 13 of them."""
    walk = step_variance_walk(0.0)
    found = diffusion(walk.simulate(24), lags=(None, 1000))
    held = (found.exponent.low <= 1) & (found.exponent.high >= 1)
    assert held.sum() >= 11
    held = (found.coefficient.low <= 0.5) & (found.coefficient.high >= 0.5)  # 2 D = 1 per step and weight
    assert held.sum() >= 11
    assert (found.exponent.high - found.exponent.low).max() < 0.1
    assert found.exponent.pieces == 24


def test_aligned_and_turning_motion():
    time = np.arange(2000)
    straight = mean_square_displacement(0.01 * time[:, None], time, waiting_times=[500])
    assert diffusion(straight, lags="short").exponent.value == pytest.approx([2.0])
    circle = np.stack([np.cos(time / 5), np.sin(time / 5)], axis=1)
    bound = mean_square_displacement(circle, time, waiting_times=[500])
    assert diffusion(bound, lags=(20, None)).exponent.value[0] < 0.3


def test_one_run_leaves_out_blocks_of_lags():
    exact, noisy = (diffusion(power_law(1.0, 0.5, noise=noise), lags=(None, None)) for noise in (0.0, 0.1))
    assert (exact.exponent.high - exact.exponent.low).max() < 1e-9
    assert (noisy.exponent.low < 1).all()
    assert (noisy.exponent.high > 1).all()
    assert (noisy.exponent.high - noisy.exponent.low < 0.2).all()


@pytest.mark.parametrize("trajectories", [1, 5])
def test_fewer_than_four_lags_have_no_exponent(trajectories):
    found = diffusion(power_law(1.0, 0.5, waiting=(20, 100), trajectories=trajectories), lags="short")
    assert np.isnan(found.exponent.value).tolist() == [True, False]  # lags 1, 2; 1 to 10
    assert np.isnan(found.coefficient.value).tolist() == [True, False]
    assert np.isfinite(found.exponent.high[1])
    assert str(found).startswith("diffusion: γ = 1.00 (1.00 to 1.00) at t_w = 100")
    none = diffusion(power_law(1.0, 0.5, waiting=(5, 20)), lags="short")
    assert str(none) == "no waiting time has 4 lags in the window"


def test_displacements_of_zero_are_left_out():
    table = power_law(1.0, 0.5)
    squared = table.squared.copy()
    squared[:, 0] = 0
    found = diffusion(replace(table, squared=squared), lags=(None, None))
    assert np.isnan(found.exponent.value).tolist() == [True, False]


@pytest.mark.parametrize("lags", ["middle", (1, 2, 3)])
def test_unknown_windows_are_refused(lags):
    with pytest.raises(ConfigError, match="'short' or 'long'"):
        diffusion(power_law(1.0, 0.5), lags=lags)
