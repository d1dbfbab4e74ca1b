"""Densities by quadrature against spectra that are known."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.errors import ConfigError
from thermograd.estimators.landscape import SpectralDensity
from thermograd.numerics.krylov import lanczos, quadrature

SPECTRUM = np.concatenate([[-9.0, -4.0, -1.0], np.linspace(-0.2, 0.5, 190), [2, 3, 5, 8, 20, 60, 61.0]])


def density(steps, probes=8, seed=0):
    """Of a diagonal matrix, for which random signs have no error: normal starts instead."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(probes):
        diagonal, off, _ = lanczos(lambda v: SPECTRUM * v, rng.normal(size=200), np.zeros((steps, 200)))
        rows.append(quadrature(diagonal, off))
    nodes, weights = (np.stack(part) for part in zip(*rows, strict=True))
    return SpectralDensity(nodes, weights)


def test_moments():
    found = density(20, probes=40)
    for power in range(4):
        exact = np.mean(SPECTRUM**power)
        moment = found.moment(power)
        assert abs(moment.value - exact) <= 2 * (moment.high - moment.value) + 1e-12  # four standard errors
    assert found.moment(0).high - found.moment(0).low < 1e-12
    with pytest.raises(ConfigError, match="power is 40; 20 nodes give moments 0 to 39"):
        found.moment(40)


def test_intervals_of_fractions_hold_the_truth_and_narrow_with_nodes():
    bounds = (-5.0, -0.5, 0.0, 0.25, 1.0, 10.0)
    widths, held = [], 0
    for steps in (6, 40):
        for seed in range(20):
            found = density(steps, seed=seed)
            for bound in bounds:
                share = found.fraction_below(bound)
                assert 0 <= share.low <= share.value <= share.high <= 1
                held += share.low <= (SPECTRUM < bound).mean() <= share.high
        widths.append(np.mean([share.high - share.low for share in map(found.fraction_below, bounds)]))
    assert held >= 0.95 * 2 * 20 * len(bounds)
    assert widths[1] < widths[0] / 2


def test_a_few_nodes_taken_for_the_truth_are_too_sure():
    """Negative control: the scatter of probes alone says nothing of what so few nodes cannot resolve."""
    held = 0
    for seed in range(20):
        found = density(6, seed=seed)
        share = SpectralDensity(found.nodes, found.weights, complete=True).fraction_below(0.25)
        held += share.low <= (SPECTRUM < 0.25).mean() <= share.high
    assert held < 15


def test_curve_is_a_density():
    found = density(60)
    points = np.linspace(-20, 80, 4001)
    curve = found.curve(points, width=0.5)
    assert np.trapezoid(curve.value, points) == pytest.approx(1, abs=1e-6)
    away = (points[:, None] - SPECTRUM) / 0.5
    exact = np.exp(-np.square(away) / 2).mean(axis=1) / (0.5 * np.sqrt(2 * np.pi))
    assert np.abs(curve.value - exact).max() < 0.1 * exact.max()
    with pytest.raises(ConfigError, match="width is 0"):
        found.curve(points, 0)


def test_bad_input():
    with pytest.raises(ConfigError, match="2 probes or more"):
        SpectralDensity(np.zeros((1, 3)), np.full((1, 3), 1 / 3))
    with pytest.raises(ConfigError, match="add up to 1"):
        SpectralDensity(np.zeros((2, 3)), np.ones((2, 3)))
    with pytest.raises(ConfigError, match="level"):
        density(5).moment(1, level=95)
    assert "8 probes with 5 nodes" in str(density(5))
