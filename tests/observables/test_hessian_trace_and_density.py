"""Trace and distribution of eigenvalues of the Hessian of a live model: errors that cover, moments and shares that are true."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import thermograd as tg

SPECTRUM = np.concatenate([[-9.0, -4.0, -1.0], np.linspace(-0.2, 0.5, 110), [2, 3, 5, 8, 20, 60, 61.0]])


def test_sixty_traces_cover_and_scatter_little(quadratic):
    values = np.concatenate([[400, 250, -120, 80, 60.0], np.linspace(-0.3, 0.5, 295)])
    hessian, matrix = quadratic(values)
    found = [hessian.trace(matvecs=60, seed=seed) for seed in range(60)]
    assert hessian.matvecs == 60 * 60
    assert sum(trace.low <= values.sum() <= trace.high for trace in found) >= 51
    generator = np.random.default_rng(0)
    alone = []
    for _ in range(60):
        signs = generator.choice([-1.0, 1.0], (60, 300))
        alone.append(((signs @ matrix) * signs).sum(1).mean())
    assert np.std([trace.value for trace in found]) < 0.35 * np.std(alone)


def test_the_trace_of_few_directions_is_exact(quadratic):
    """Rows that depend on each other: more random vectors than directions."""
    hessian, _ = quadratic(np.concatenate([[70.0, -20.0], np.zeros(118)]))
    trace = hessian.trace(matvecs=30)
    assert trace.value == pytest.approx(50, rel=1e-9)
    assert trace.high - trace.low < 1e-8


def test_density_gives_the_moments(quadratic):
    hessian, matrix = quadratic()
    density = hessian.density(steps=20, probes=10)
    assert hessian.matvecs == 200
    for power in (1, 2, 3):
        exact = np.power(SPECTRUM, power).sum() / 120
        many = np.linalg.matrix_power(matrix, power)
        scatter = np.sqrt(2 * (np.square(many).sum() - np.square(np.diag(many)).sum())) / (120 * np.sqrt(10))
        moment = density.moment(power)
        assert abs(moment.value - exact) < 4.5 * scatter
        assert (moment.high - moment.low) / 2 < 6 * scatter


def test_fractions_below_hold_the_truth(quadratic):
    hessian, _ = quadratic()
    for steps in (8, 20, 120):
        density = hessian.density(steps=steps, probes=8)
        assert density.complete == (steps == 120)
        for bound in (-3.0, -0.5, 0.0, 0.3, 1.0, 10.0):
            share = density.fraction_below(bound)
            assert share.low <= (SPECTRUM < bound).mean() <= share.high


def test_zero_curvature():
    place = torch.ones(12, requires_grad=True)
    for loss in (lambda: 3 * place.sum(), lambda: (0 * place.square()).sum()):
        hessian = tg.Hessian([place], loss)
        trace = hessian.trace(matvecs=9)
        assert (trace.value, trace.low, trace.high) == (0, 0, 0)
        found = hessian.eigenvalues(2, "both")
        assert found.converged
        assert not found.values.any()
        assert hessian.density(steps=5, probes=2).moment(1).value == 0
